"""Matching one return: gather what the matcher needs, decide under a lock, store the decision.

Remote look-ups come first and outside any transaction; the decision is made and stored in one short transaction that
holds the sales order's row, so that two returns never take the same unit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Exists, Prefetch, Q

from matching.id_rules import IdRules
from matching.matcher import (
    Decision,
    Order,
    OrderItem,
    Question,
    Reason,
    Reference,
    ReferenceLine,
    ReturnedLine,
    choose_reference,
    decide,
)
from matching.models import ItemMatch, Match, SalesOrder, SalesOrderItem
from matching.orders import find_at_rebound, items_with_units, mirror, orders_with_id
from merchants.models import Shop
from rebound_tts.clients.errors import ConfigurationError, RemoteError, TokenRejectedError
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.tiktok_answers import ExternalOrder
from rebound_tts.clients.tiktok_shop import TikTokShopClient
from rebound_tts.ops.tallies import count

SCOPE_MISSING, FORBIDDEN = "105005", 403  # how TikTok and ReBound refuse one kind of call alone
STORE_TRIES = 3  # a second worker may store its decision on the same return at the same moment


@dataclass(frozen=True, slots=True)
class ReturnToMatch:
    """What matching needs to know of a return."""

    return_id: str
    tiktok_order_id: str
    lines: tuple[ReturnedLine, ...]


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What the remote systems said. None: that look-up could not be answered, and `problem` says why."""

    references: tuple[Reference, ...] | None = ()
    orders_known: bool = True
    not_mirrored: tuple[Order, ...] = ()
    problem: str = ""


RULE_COLUMNS = ("id_strip_prefix", "id_strip_suffix", "id_ignore_case", "id_trim_leading_zeros")  # of a shop


def rules_of(shop: Shop) -> IdRules:
    return IdRules(
        strip_prefix=shop.id_strip_prefix,
        strip_suffix=shop.id_strip_suffix,
        ignore_case=shop.id_ignore_case,
        trim_leading_zeros=shop.id_trim_leading_zeros,
    )


def match_return(
    *,
    shop: Shop,
    subject: ReturnToMatch,
    tiktok: TikTokShopClient,
    rebound: ReboundClient | None,
    now: datetime,
    known: Match | None,
    only_answers: bool = False,
    provided: Exists | None = None,
) -> Match:
    """Decide on a return and store the decision, whatever it is. The same decision again adds no row, and a decision by
    hand stands.

    A look-up that fails is part of the answer (LOOKUP_FAILED), since a return waits for it only so long. It replaces no
    link, and with `only_answers`, for a look that costs nobody a label, no earlier decision at all. Raises
    ConfigurationError where the connection is dead: then no other step of this shop would work either.

    `known` is the decision that the caller knows of. One that somebody else has made since, and that time need not
    cure, stands: the ReBound return may be asked for on the strength of it this moment. A decision is replaced only
    where `provided` holds: what took so long to look up that somebody else has the return by now is not kept.
    """
    looked_up = _look_up(shop=shop, subject=subject, tiktok=tiktok, rebound=rebound, now=now)
    for last in (False,) * (STORE_TRIES - 1) + (True,):
        try:
            return _decide_and_store(
                shop=shop,
                subject=subject,
                looked_up=looked_up,
                now=now,
                known=known,
                only_answers=only_answers,
                provided=provided,
            )
        except IntegrityError:
            if last:
                raise
    raise AssertionError("unreachable")


def decide_return(
    *, shop: Shop, subject: ReturnToMatch, tiktok: TikTokShopClient, rebound: ReboundClient | None, now: datetime
) -> Decision:
    """The decision that `match_return` would store, and nothing of it stored: no match, no unit taken.

    The look-ups are the same, and an order read from ReBound on the way is kept here as after any look-up: that is
    what ReBound holds, not what we decided. Raises ConfigurationError as `match_return` does.
    """
    looked_up = _look_up(shop=shop, subject=subject, tiktok=tiktok, rebound=rebound, now=now)
    decision, _ = _decide(shop=shop, subject=subject, looked_up=looked_up, for_update=False)
    return decision


def current_match(*, shop: Shop, return_id: str) -> Match | None:
    found: Match | None = (
        Match.objects.for_merchant(shop.merchant).current().filter(shop=shop, return_id=return_id).first()
    )
    return found


def release_match(*, shop: Shop, return_id: str, now: datetime) -> None:
    """Give the units of a return back, because it was cancelled; if it ever comes back, it is matched anew."""
    with transaction.atomic():
        current = current_match(shop=shop, return_id=return_id)
        if current is not None:
            supersede(current, now=now)


def supersede(match: Match, *, now: datetime, provided: Exists | None = None) -> bool:
    """Another decision takes its place, or none: its units are free. The row stays, as history.

    Answers False, and changes nothing, where `provided` does not hold.
    """
    rows = Match.objects.filter(pk=match.pk)
    if not (rows if provided is None else rows.filter(provided)).update(superseded_at=now):
        return False
    if match.sales_order_id:  # without an order it holds no unit
        ItemMatch.objects.filter(match=match, released_at__isnull=True).update(released_at=now)
    return True


def returns_naming(*, shop: Shop, external_order_ids: Iterable[str]) -> set[str]:
    """TikTok's ids of the shop's returns whose current decision names one of these orders, under the id rules that it
    was made by. By index: `external_order_ids` may be a whole batch."""
    rules = rules_of(shop)
    keys = {key[:255] for external_id in external_order_ids if (key := rules.key(external_id))}
    found = Match.objects.for_merchant(shop.merchant).current().filter(shop=shop, order_key__in=keys)
    return set(found.values_list("return_id", flat=True))


def order_is_held(*, match: Match) -> bool:
    """Whether an order that this decision asked for is here now, and at ReBound."""
    if not match.external_order_id or match.is_by_hand:
        return False
    held = orders_with_id(
        merchant=match.merchant, external_order_id=match.external_order_id, rules=rules_of(match.shop)
    )
    return held.exclude(rebound_id="").exists()


def find_chosen_order(*, match: Match, rebound: ReboundClient, now: datetime) -> None:
    """Learn what ReBound calls the order that a person chose, where that is not known yet. A look-up that fails is
    made again at the next look; raises ConfigurationError where the connection is dead."""
    order = match.sales_order
    if order is None or order.rebound_id:
        return
    try:
        found = find_at_rebound(rebound=rebound, external_order_id=order.external_order_id, rules=IdRules())
    except RemoteError as error:
        if is_dead(error):
            raise
        return
    if len(found) == 1:
        match.sales_order = mirror(merchant=match.merchant, remote=found[0], now=now)


def _look_up(
    *, shop: Shop, subject: ReturnToMatch, tiktok: TikTokShopClient, rebound: ReboundClient | None, now: datetime
) -> LookedUp:
    if not shop.matching_enabled or not shop.platform_origin:
        return LookedUp()
    try:
        found = tiktok.external_orders(order_id=subject.tiktok_order_id, platform=shop.platform_origin)
    except RemoteError as error:
        if is_dead(error):
            raise
        return LookedUp(references=None, problem=problem_of(error))
    references = tuple(reference_of(external) for external in found)
    question = _question(shop=shop, subject=subject, looked_up=LookedUp(references=references), orders=())
    chosen = choose_reference(question).reference
    if chosen is None:
        return LookedUp(references=references)
    rules = rules_of(shop)
    account = shop.rebound_account
    if rebound is None or account is None or not account.reads_orders:
        return LookedUp(references=references)
    here = orders_with_id(merchant=shop.merchant, external_order_id=chosen.id, rules=rules)
    held = list(here.prefetch_related("items"))
    wanted = {line.order_line_item_id for line in subject.lines}
    if is_enough(held=held, reference=chosen, order_line_item_ids=wanted, rules=rules):
        return LookedUp(references=references)
    try:
        remote_orders = find_at_rebound(rebound=rebound, external_order_id=chosen.id, rules=rules)
    except RemoteError as error:
        if is_dead(error):
            raise
        # What is held here still stands; without it nobody knows whether there is an order.
        return LookedUp(references=references, orders_known=bool(held), problem=problem_of(error))
    if len({remote.id for remote in remote_orders}) > len({remote.client_order_id for remote in remote_orders}):
        # Two orders at ReBound share one id: mirror neither, or the second would overwrite the first and look certain.
        several = tuple(
            Order(
                key=f"ReBound {remote.id}", external_order_id=remote.client_order_id, oms_order_id=remote.oms_order_id
            )
            for remote in remote_orders
        )
        return LookedUp(references=references, not_mirrored=several)
    for remote in remote_orders:
        is_held = any(order.external_order_id == remote.client_order_id for order in held)
        mirror(merchant=shop.merchant, remote=remote, now=now, is_held=is_held)
    return LookedUp(references=references)


def problem_of(error: RemoteError) -> str:
    """What failed, in the same words each time it fails so: a request id would make every try another decision."""
    status = f"status {error.status}" if error.status is not None else "no answer"
    code = f", code {error.code}" if error.code else ""
    return f"{error.method} {error.path}: {status}{code}"


def is_dead(error: RemoteError) -> bool:
    """Whether the whole connection is, and not only the permission to make this one call."""
    if not isinstance(error, ConfigurationError):
        return False
    only_this_call = error.code == SCOPE_MISSING if error.vendor == "tiktok" else error.status == FORBIDDEN
    return isinstance(error, TokenRejectedError) or not only_this_call


def is_enough(*, held: list[SalesOrder], reference: Reference, order_line_item_ids: set[str], rules: IdRules) -> bool:
    """Whether what we hold is enough to match every line, so that ReBound need not be asked."""
    if not held or any(not order.rebound_id for order in held):
        return False
    items = [item for order in held for item in order.items.all() if item.removed_at is None]
    return all(
        any(rules.are_equal(item.external_item_id, line.id) for item in items)
        for line in reference.lines
        if line.origin_id in order_line_item_ids
    )


def reference_of(external: ExternalOrder) -> Reference:
    lines = tuple(ReferenceLine(id=line.id, origin_id=line.origin_id) for line in external.line_items)
    return Reference(id=external.id, platform=external.platform, lines=lines)


def _question(*, shop: Shop, subject: ReturnToMatch, looked_up: LookedUp, orders: tuple[Order, ...] | None) -> Question:
    return Question(
        matching_enabled=shop.matching_enabled,
        platform_origin=shop.platform_origin,
        rules=rules_of(shop),
        tiktok_order_id=subject.tiktok_order_id,
        lines=subject.lines,
        references=looked_up.references,
        orders=orders,
        lookup_problem=looked_up.problem,
    )


def _as_order(order: SalesOrder) -> Order:
    """An order whose items come from `items_with_units`."""
    items = tuple(
        OrderItem(
            key=str(item.pk),
            external_item_id=item.external_item_id,
            quantity=item.quantity,
            taken=item.taken,  # type: ignore[attr-defined]
            cancelled=item.removed_at is not None,
        )
        for item in order.items.all()
    )
    return Order(
        key=str(order.pk),
        external_order_id=order.external_order_id,
        oms_order_id=order.oms_order_id,
        items=items,
        cancelled=order.cancelled_at is not None,
        metadata_conflict=order.metadata_conflict,
    )


def _decide(
    *, shop: Shop, subject: ReturnToMatch, looked_up: LookedUp, for_update: bool
) -> tuple[Decision, dict[str, SalesOrder]]:
    """What follows from the look-ups and from the orders held here, which are answered too, by key. `for_update` holds
    their rows until the transaction ends, so that the units counted are still free when the decision is stored."""
    question = _question(shop=shop, subject=subject, looked_up=looked_up, orders=())
    chosen = choose_reference(question).reference
    here: dict[str, SalesOrder] = {}
    if chosen is not None:
        held = orders_with_id(merchant=shop.merchant, external_order_id=chosen.id, rules=question.rules)
        if for_update:
            held = held.select_for_update()
        items = items_with_units(besides_return_id=subject.return_id, shop_id=shop.pk)
        found = held.order_by("pk").prefetch_related(Prefetch("items", queryset=items))
        here = {str(order.pk): order for order in found}
        orders: tuple[Order, ...] | None = looked_up.not_mirrored + tuple(_as_order(order) for order in here.values())
        if not looked_up.orders_known:
            orders = None
        question = _question(shop=shop, subject=subject, looked_up=looked_up, orders=orders)
    return decide(question), here


@transaction.atomic
def _decide_and_store(
    *,
    shop: Shop,
    subject: ReturnToMatch,
    looked_up: LookedUp,
    now: datetime,
    known: Match | None,
    only_answers: bool,
    provided: Exists | None,
) -> Match:
    decision, here = _decide(shop=shop, subject=subject, looked_up=looked_up, for_update=True)
    current = current_match(shop=shop, return_id=subject.return_id)
    if current is not None:
        no_answer = replaces_nothing(decision, current=current, only_answers=only_answers)
        is_settled_since = current != known and not current.may_improve
        if current.is_by_hand or no_answer or is_settled_since or _is_same(current, decision):
            return current
        if not supersede(current, now=now, provided=provided):
            return current
    order = here[decision.order_key] if decision.order_key else None
    return _store(shop=shop, subject=subject, decision=decision, order=order, now=now)


def replaces_nothing(decision: Decision, *, current: Match, only_answers: bool) -> bool:
    """Whether a look-up failed that has nothing to say against the current decision: see `match_return`."""
    return decision.reason is Reason.LOOKUP_FAILED and (only_answers or current.sales_order_id is not None)


def _is_same(match: Match, decision: Decision) -> bool:
    return (
        match.outcome == decision.outcome
        and match.reason == (decision.reason or "")
        and match.trail == decision.trail_as_json()
        and str(match.sales_order_id or "") == (decision.order_key or "")
    )


def _store(*, shop: Shop, subject: ReturnToMatch, decision: Decision, order: SalesOrder | None, now: datetime) -> Match:
    match = Match.objects.create(
        merchant=shop.merchant,
        shop=shop,
        return_id=subject.return_id,
        outcome=decision.outcome,
        reason=decision.reason or "",
        is_curable=decision.is_curable,
        external_order_id=decision.external_order_id[:255],
        order_key=(rules_of(shop).key(decision.external_order_id) or "")[:255],
        sales_order=order,
        warnings=[warning.value for warning in decision.warnings],
        trail=decision.trail_as_json(),
        decided_at=now,
    )
    ItemMatch.objects.bulk_create(
        ItemMatch(
            merchant=shop.merchant,
            match=match,
            return_line_item_id=line.return_line_item_id,
            order_line_item_id=line.order_line_item_id,
            external_item_id=line.external_item_id[:255],
            item_id=int(line.item_key) if line.item_key else None,
            reason=line.reason or "",
        )
        for line in decision.lines
    )
    transaction.on_commit(partial(count, "matches", outcome=match.outcome, reason=match.reason))
    return match


def matched_items(matches: Iterable[Match]) -> dict[str, SalesOrderItem]:
    """The sales order item of each returned line that has one, by TikTok's return line id."""
    held = ItemMatch.objects.filter(Q(item__isnull=False), match__in=list(matches)).select_related("item")
    return {line.return_line_item_id: line.item for line in held if line.item is not None}
