"""The relay: orders that were pushed to us go on to ReBound, where the merchant's account says so.

One order at a time and version after version: whatever happens on the way, the newest version is what ReBound is asked
to hold in the end, and it is never posted again blindly. After an unclear answer, and after a worker died, the order is
looked up by its client order id first. What ReBound does with an order that it has is not public; both are handled: it
takes the new version (an upsert), or it answers 409, keeps what it has, and a person sees that.

There is no public call to cancel a sales order at ReBound: an order that was cancelled before its turn is not sent, and
one that is there stays there. Nothing is linked to it, since matching looks at our own word for it.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from matching.errands import CHUNK, SLOWEST, claim_fairly, owners_with_work, pause_after, settle, still_ours
from matching.models import ADDRESS_MORE, ITEM_COLUMNS, ErrandState, OrderRelay, SalesOrder
from matching.order_references import LINES_KEY, ORDER_KEY
from matching.orders import facts_of, note_rebound_ids
from merchants.connections import mark_broken, rebound_for
from merchants.models import Merchant, ReboundAccount
from rebound_tts.clients.errors import (
    ConfigurationError,
    ConflictError,
    RemoteError,
    TemporaryError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.rebound import ReboundClient, ReboundSalesOrder, normalize_metadata, write_metadata
from rebound_tts.clients.rebound_orders import ADDRESS_NAMES

logger = logging.getLogger(__name__)

Landed = Callable[[Merchant, Sequence[str]], None]
AT_A_TIME_AN_ACCOUNT = 4  # over all workers
BREATH = timedelta(seconds=5)  # for an account whose ReBound is busy, whatever else waits for it
FORBIDDEN = 403
FILLED_AT_A_TIME = 2000  # orders
OUR_FIELDS = frozenset({"updatedAt", "customerAddress", "salesItems", "clientMetadata"})
OUR_METADATA = frozenset({ORDER_KEY, LINES_KEY})
COMPARED = ("businessUnit", "rmaNumber", "premiumOrder")


class LeaseLostError(Exception):
    """Somebody else has the errand by now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended; `remote` is what ReBound holds, whose ids are noted."""

    state: ErrandState
    detail: str = ""
    remote: ReboundSalesOrder | None = None


def _accounts(now: datetime) -> QuerySet[ReboundAccount]:
    free = Q(relay_paused_until__isnull=True) | Q(relay_paused_until__lt=now)
    return ReboundAccount.objects.filter(free, relays_orders=True, broken_at__isnull=True)


def accounts_with_work(*, now: datetime) -> QuerySet[ReboundAccount]:
    return owners_with_work(_accounts(now), OrderRelay, owner="account", now=now)


def relays_are_due(*, now: datetime) -> bool:
    return accounts_with_work(now=now).exists()


def next_relay(*, now: datetime) -> int | None:
    """The key of a relay that a worker should have taken: the longest due of the first account that has any."""
    account = accounts_with_work(now=now).order_by("pk").first()
    if account is None:
        return None
    due = OrderRelay.objects.due(now=now).filter(account=account).order_by("next_attempt_at")
    key: int | None = due.values_list("pk", flat=True).first()
    return key


@transaction.atomic
def claim_relays(*, now: datetime, limit: int) -> tuple[uuid.UUID, list[int]]:
    return claim_fairly(
        _accounts(now),
        OrderRelay,
        owner="account",
        now=now,
        limit=limit,
        most_an_owner=AT_A_TIME_AN_ACCOUNT,
        most_owners=limit,
    )


def relay(key: int, *, token: uuid.UUID, on_landed: Landed) -> None:
    """Bring a claimed order to ReBound, and settle how that ended.

    `on_landed(merchant, external_order_ids)` is called once ReBound's ids of an order are stored: a return may wait
    for them. An unexpected exception is recorded and raised again.
    """
    row = OrderRelay.objects.filter(pk=key, claim_token=token).select_related("account", "merchant").first()
    if row is None:
        return  # the lease ran out, and somebody else has it
    order = SalesOrder.objects.get(pk=row.order_id)
    version = order.content_hash
    try:
        outcome = _bring(row, order=order, token=token)
    except LeaseLostError:
        return
    except RemoteError as error:
        logger.warning("an order was not relayed", extra={"order": order.pk, "error": str(error)})
        _after_error(row, error=error, version=version, token=token)
        return
    except Exception as error:
        detail = f"Our own error, {type(error).__name__}: see the log."
        _settle(row, token=token, version=version, state=ErrandState.RETRYING, detail=detail, after=SLOWEST)
        raise
    with transaction.atomic():
        if outcome.remote is not None:
            note_rebound_ids(order, remote=outcome.remote)
        row.asked = ""
        _settle(row, token=token, version=version, state=outcome.state, detail=outcome.detail)
    if outcome.remote is not None:
        on_landed(row.merchant, [order.external_order_id])


def fill_relays(*, now: datetime, most: int = FILLED_AT_A_TIME) -> int:
    """Queue the orders that were pushed before an account was set to relay, up to `most`; answers how many it saw.

    Where the setting went off, the next time that it is on starts from the beginning.
    """
    unset = ReboundAccount.objects.filter(relays_orders=False)
    unset.exclude(relay_filled_to=0, relay_filled_at__isnull=True).update(relay_filled_to=0, relay_filled_at=None)
    seen = 0
    for account in ReboundAccount.objects.filter(relays_orders=True, relay_filled_at__isnull=True):
        seen += _fill(account, now=now, most=most)
    return seen


@transaction.atomic
def _fill(account: ReboundAccount, *, now: datetime, most: int) -> int:
    orders = SalesOrder.objects.filter(merchant=account.merchant_id, pk__gt=account.relay_filled_to).order_by("pk")
    found = list(orders.values_list("pk", "content_hash", "cancelled_at", named=True)[:most])
    step: dict[str, Any] = {"relay_filled_to": found[-1].pk} if found else {"relay_filled_at": now}
    cursor = ReboundAccount.objects.filter(pk=account.pk, relay_filled_to=account.relay_filled_to)
    if not cursor.update(**step):
        return 0  # another worker is at it
    pushed = [order for order in found if order.content_hash and order.cancelled_at is None]
    rows = [
        OrderRelay(
            merchant_id=account.merchant_id,
            order_id=order.pk,
            account=account,
            wanted=order.content_hash,
            queued_at=now,
            next_attempt_at=now,
        )
        for order in pushed
    ]
    OrderRelay.objects.bulk_create(rows, batch_size=CHUNK, ignore_conflicts=True)
    # What another account of the merchant was to relay, and did not, is this one's now.
    left = OrderRelay.objects.filter(order__in=[order.pk for order in pushed], next_attempt_at__isnull=False)
    left.exclude(account=account).update(account=account, asked="")
    return len(found)


def _settle(row: OrderRelay, **how: Any) -> None:
    settle(row, now=timezone.now(), asked=row.asked, **how)


def _bring(row: OrderRelay, *, order: SalesOrder, token: uuid.UUID) -> Outcome:
    rebound = rebound_for(row.account)
    if order.cancelled_at is not None:
        return Outcome(ErrandState.CANCELLED)
    if row.asked:
        # Sent before, and nobody knows what came of it.
        held = _held(rebound, order)
        if len(held) > 1:
            return _several(held)
        if held and _is_same(held[0], order):
            return Outcome(ErrandState.DONE, remote=held[0])
    if not still_ours([row], token=token, now=timezone.now(), asked=order.content_hash):
        raise LeaseLostError
    row.asked = order.content_hash
    try:
        remote = rebound.create_sales_order(relay_body(order))
    except ConflictError as error:
        row.asked = ""
        return _after_conflict(rebound, order=order, error=error)
    except UnknownOutcomeError:
        raise
    except RemoteError:
        row.asked = ""  # a clear refusal: nothing was done
        raise
    if order.rebound_id not in ("", remote.id):
        # It neither refused the new version nor took it for the order that it knows.
        held = _held(rebound, order)
        if len(held) > 1:
            return _several(held)
    return Outcome(ErrandState.DONE, remote=remote)


def _after_conflict(rebound: ReboundClient, *, order: SalesOrder, error: ConflictError) -> Outcome:
    """ReBound has an order of this client order id and takes no other: perhaps this version, perhaps an earlier."""
    held = _held(rebound, order)
    if not held:
        return Outcome(ErrandState.REFUSED, f"ReBound says that it has the order, and does not find it. {error}")
    if len(held) > 1:
        return _several(held)
    if _is_same(held[0], order):
        return Outcome(ErrandState.DONE, remote=held[0])
    said = "ReBound keeps an earlier version and takes no newer one. Returns are linked to what it holds."
    return Outcome(ErrandState.CONFLICT, said, remote=held[0])


def _several(held: list[ReboundSalesOrder]) -> Outcome:
    return Outcome(
        ErrandState.CONFLICT, "ReBound holds several orders of this client order id: " + ", ".join(o.id for o in held)
    )


def _held(rebound: ReboundClient, order: SalesOrder) -> list[ReboundSalesOrder]:
    """What ReBound holds under exactly this client order id; its filter may be loose."""
    found = rebound.find_sales_orders(client_order_id=order.external_order_id)
    return [remote for remote in found if remote.client_order_id == order.external_order_id]


def _is_same(remote: ReboundSalesOrder, order: SalesOrder) -> bool:
    """Whether ReBound holds this version, as far as its answer tells."""
    items = {item.external_item_id: item for item in order.items.all() if item.removed_at is None}
    told = {item.oms_item_id: facts_of(item) for item in remote.items}
    if items.keys() != told.keys():
        return False
    for item_id, facts in told.items():
        if any(_differs(facts[name], getattr(items[item_id], name)) for name in ITEM_COLUMNS):
            return False
    address = asdict(remote.address) if remote.address else {}
    if any(_differs(value, order.customer_address.get(name, "")) for name, value in address.items()):
        return False
    return not any(_differs(remote.raw.get(name), order.payload.get(name)) for name in COMPARED)


def _differs(told: object, ours: object) -> bool:
    return told not in (None, "") and told != ours


def _after_error(row: OrderRelay, *, error: RemoteError, version: str, token: uuid.UUID) -> None:
    after = pause_after(row.attempts, retry_after=error.retry_after)
    accounts = ReboundAccount.objects.filter(pk=row.account_id)
    if isinstance(error, ConfigurationError):
        after = timedelta(0)
        if error.status == FORBIDDEN:
            # These credentials may not push orders. Returns may work all the same: the connection is not broken.
            accounts.update(relay_paused_until=timezone.now() + SLOWEST)
        elif not mark_broken(row.account, error=error):
            accounts.update(relay_paused_until=timezone.now() + BREATH)
    elif isinstance(error, TemporaryError):
        breath = max(BREATH, timedelta(seconds=error.retry_after or 0))
        accounts.update(relay_paused_until=timezone.now() + breath)
    elif not isinstance(error, UnknownOutcomeError | UnexpectedAnswerError):
        _settle(row, token=token, version=version, state=ErrandState.REFUSED, detail=str(error))
        return
    _settle(row, token=token, version=version, state=ErrandState.RETRYING, detail=str(error), after=after)


def relay_body(order: SalesOrder) -> dict[str, Any]:
    """The order as it was pushed, with its address again, as ReBound documents it. Metadata goes as text by key; what
    is meant for us alone stays here."""
    body: dict[str, Any] = {name: value for name, value in order.payload.items() if name not in OUR_FIELDS}
    address = {theirs: order.customer_address.get(ours) for ours, theirs in ADDRESS_NAMES.items()}
    told = {name: value for name, value in address.items() if value} | order.customer_address.get(ADDRESS_MORE, {})
    if told:
        body["customerAddress"] = told
    body["salesItems"] = [
        item | {"clientMetadata": _metadata(item.get("clientMetadata"))}
        for item in order.payload.get("salesItems") or []
    ]
    body["clientMetadata"] = _metadata(order.payload.get("clientMetadata"))
    return body


def _metadata(value: object) -> Any:
    told = sorted(normalize_metadata(value).items())
    kept = {name: text for name, text in told if name not in OUR_METADATA}
    return write_metadata(kept, "A")
