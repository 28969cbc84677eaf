"""Where a check finds sales orders: those held here, and those that ReBound holds.

Nothing is stored. A return that finds its order at ReBound keeps a copy of it here; a check of 500 orders would copy
500 buyers' addresses that no return needs.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from matching.coverage.judgment import KnownItem, KnownOrder
from matching.coverage.models import Where
from matching.coverage.pace import Pace
from matching.id_rules import LONGEST_ID, IdRules, folded
from matching.models import SalesOrder
from matching.orders import MOST_REMOTE_SPELLINGS
from merchants.models import Merchant
from rebound_tts.clients.errors import RemoteError, TokenRejectedError, UnexpectedAnswerError
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.rebound_answers import ReboundSalesOrder

logger = logging.getLogger(__name__)

SPELLINGS_A_QUERY = 2000
MOST_KNOWN = 1000  # orders held here that a diagnosis looks at, the newest
MOST_PAGES = 20  # of ReBound's list of changed orders, of 50 each


def held_here(*, merchant: Merchant, external_order_ids: Iterable[str], rules: IdRules) -> dict[str, list[SalesOrder]]:
    """The merchant's orders whose id equals one of these under the rules, by the key of their id; few queries."""
    spellings = {spelling for each in external_order_ids for spelling in rules.candidates(each)}
    if rules.ignore_case:
        spellings = {folded(spelling) for spelling in spellings}
    column = "external_order_id_folded" if rules.ignore_case else "external_order_id"
    asked, found = sorted(spellings), defaultdict(list)
    orders = SalesOrder.objects.for_merchant(merchant).defer("payload", "customer_address").prefetch_related("items")
    for start in range(0, len(asked), SPELLINGS_A_QUERY):
        for order in orders.filter(**{f"{column}__in": asked[start : start + SPELLINGS_A_QUERY]}):
            key = rules.key(order.external_order_id)
            if key is not None:
                found[key].append(order)
    return found


def newest_here(*, merchant: Merchant) -> list[KnownOrder]:
    """The orders held here that changed last: what ids look like where they are held."""
    orders = SalesOrder.objects.for_merchant(merchant).defer("payload", "customer_address").prefetch_related("items")
    return [known_here(order) for order in orders.order_by("-updated_at")[:MOST_KNOWN]]


def known_here(order: SalesOrder) -> KnownOrder:
    items = tuple(
        KnownItem(
            key=str(item.pk),
            external_item_id=item.external_item_id,
            sku=item.sku,
            quantity=item.quantity,
            cancelled=item.removed_at is not None,
        )
        for item in order.items.all()
    )
    return KnownOrder(
        key=str(order.pk),
        external_order_id=order.external_order_id,
        oms_order_id=order.oms_order_id,
        items=items,
        cancelled=order.cancelled_at is not None,
        metadata_conflict=order.metadata_conflict,
        where=Where.BOTH if order.rebound_id else Where.HERE,
    )


def known_at_rebound(remote: ReboundSalesOrder) -> KnownOrder:
    """ReBound's order as it would be held here: see `matching.orders.mirror`."""
    conflict, oms_order_id = remote.metadata_conflict, remote.oms_order_id
    if oms_order_id is not None and len(oms_order_id) > LONGEST_ID:
        conflict, oms_order_id = conflict or f"omsOrderId is longer than {LONGEST_ID} characters", None
    items = tuple(
        KnownItem(
            key=item.id,
            external_item_id=None if len(item.oms_item_id or "") > LONGEST_ID else item.oms_item_id,
            sku=item.sku[:255],
            quantity=item.quantity,
        )
        for item in {item.id: item for item in remote.items}.values()
    )
    return KnownOrder(
        key=f"ReBound {remote.id}",
        external_order_id=remote.client_order_id,
        oms_order_id=oms_order_id,
        items=items,
        cancelled=remote.status.upper() == "CANCELLED",
        metadata_conflict=conflict[:500],
        where=Where.REBOUND,
    )


def together(*, held: Sequence[SalesOrder], remote: Sequence[KnownOrder]) -> tuple[KnownOrder, ...]:
    """What a return would decide on after it looked at ReBound (`matching.services`).

    ReBound's copy counts for an order that came from there, the OMS's own push for one that was pushed here; two at
    ReBound under one id stand apart.
    """
    by_id = {order.external_order_id: order for order in remote}
    if len({order.key for order in remote}) > len(by_id):
        return (*remote, *(known_here(order) for order in held))
    merged = []
    for order in held:
        copy = by_id.pop(order.external_order_id, None)
        known = known_here(order)
        if copy is not None:
            known = replace(known if order.content_hash else replace(copy, key=known.key), where=Where.BOTH)
        merged.append(known)
    return (*merged, *by_id.values())


def find_at_rebound(*, rebound: ReboundClient, pace: Pace, external_order_id: str, rules: IdRules) -> list[KnownOrder]:
    """ReBound's orders with this id under the rules, as a return would look for them: one call a spelling."""
    equal: dict[str, KnownOrder] = {}
    for spelling in rules.candidates(external_order_id)[:MOST_REMOTE_SPELLINGS]:
        for order in _search(rebound, pace, spelling):
            if rules.are_equal(order.client_order_id, external_order_id):
                equal[order.id] = known_at_rebound(order)
    return list(equal.values())


def _search(rebound: ReboundClient, pace: Pace, spelling: str) -> tuple[ReboundSalesOrder, ...]:
    return pace.call("rebound", lambda: rebound.find_sales_orders(client_order_id=spelling))


@dataclass(frozen=True, slots=True)
class ChangedOrders:
    """ReBound's orders that changed since the sample began. `is_whole`: the list was read to its end."""

    orders: tuple[KnownOrder, ...] = ()
    is_whole: bool = False


def changed_at_rebound(*, rebound: ReboundClient, pace: Pace, since: datetime, most_pages: int) -> ChangedOrders:
    """One page of this list answers for up to 50 orders, where a search answers for one.

    Where ReBound does not offer the list, or breaks off, what was read of it stands and the rest is searched for.
    Raises RemoteError where the credentials are refused.
    """
    pages = rebound.sales_orders_updated_after(since, max_pages=min(most_pages, MOST_PAGES))
    found: list[KnownOrder] = []
    while True:
        page = pace.call("rebound", lambda: _next_page(pages))
        if isinstance(page, TokenRejectedError):
            raise page
        if isinstance(page, UnexpectedAnswerError) or (page is None and found):
            pace.calls["rebound"] -= 1  # no call was made: the page before was the last, or the last that we wanted
        if isinstance(page, RemoteError):
            logger.info("read a part of ReBound's list of changed orders", extra={"error": str(page)})
            return ChangedOrders(tuple(found))
        if page is None:
            return ChangedOrders(tuple(found), is_whole=True)
        found += [known_at_rebound(order) for order in page]


def _next_page(pages: Iterator[tuple[ReboundSalesOrder, ...]]) -> tuple[ReboundSalesOrder, ...] | RemoteError | None:
    """The next page, None at the end. An error is answered, not raised: a generator that raised has no next page."""
    try:
        return next(pages, None)
    except RemoteError as error:
        return error
