"""Decisions by hand: a person links a return to an order, or says that it belongs to none.

Stored as a `Match` like any other, with who decided and why. It supersedes what the rules decided, and no rule
supersedes it: only another decision by hand does, or taking it back. Units count for people too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from matching.decision import Reason, ReturnedLine
from matching.matcher import Outcome
from matching.models import ItemMatch, Match, SalesOrder, SalesOrderItem
from matching.orders import items_with_units
from matching.services import ReturnToMatch, current_match, rules_of, supersede
from merchants.models import Shop


class LinkRefusedError(Exception):
    """The link cannot be made. `str()` says why and what to do, for the person who asked for it."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    line: ReturnedLine
    item: SalesOrderItem | None


def link_match(
    *,
    shop: Shop,
    subject: ReturnToMatch,
    sales_order: SalesOrder,
    items: Mapping[str, int | None] | None,
    by: str,
    note: str,
    now: datetime,
) -> Match:
    """Decide that the return belongs to this order, and its lines to these items.

    `items` gives the key of the order's item, or None, by TikTok's return line id; a line that it does not name is left
    out. Without `items` each line takes the item whose id TikTok's reference gave it, where the order has exactly one
    such with a unit left. Raises LinkRefusedError; then nothing is changed.
    """
    try:
        with transaction.atomic():
            order = _locked(shop=shop, sales_order=sales_order)
            held = _items(order, shop=shop, return_id=subject.return_id)
            previous = current_match(shop=shop, return_id=subject.return_id)
            lines = sorted({line.return_line_item_id: line for line in subject.lines}.values(), key=_line_id)
            if items is None:
                chosen = _by_reference(lines, held=held, shop=shop, previous=previous)
            else:
                chosen = _as_told(lines, held=held, items=items)
                _check_units(chosen, held=held)
            if previous is not None:
                supersede(previous, now=now)
            return _store(shop=shop, subject=subject, order=order, chosen=chosen, by=by, note=note, now=now)
    except IntegrityError as error:
        raise LinkRefusedError("Another decision was made at the same moment. Look at the return again.") from error


def unlink_match(*, shop: Shop, subject: ReturnToMatch, by: str, note: str, now: datetime) -> Match:
    """Decide that the return belongs to no order. Its units are free, and no rule links it again."""
    try:
        with transaction.atomic():
            previous = current_match(shop=shop, return_id=subject.return_id)
            if previous is not None:
                supersede(previous, now=now)
            chosen = [_Chosen(line, None) for line in subject.lines]
            return _store(shop=shop, subject=subject, order=None, chosen=chosen, by=by, note=note, now=now)
    except IntegrityError as error:
        raise LinkRefusedError("Another decision was made at the same moment. Look at the return again.") from error


def take_back(match: Match, *, now: datetime) -> bool:
    """Take a decision by hand back: the rules decide again. Answers whether it was still the one that counts."""
    with transaction.atomic():
        current = Match.objects.current().select_for_update().filter(pk=match.pk).first()
        if current is None:
            return False
        supersede(current, now=now)
        return True


def _line_id(line: ReturnedLine) -> str:
    return line.return_line_item_id


def _locked(*, shop: Shop, sales_order: SalesOrder) -> SalesOrder:
    """The order, held until the decision is stored, so that no other return takes the same unit."""
    orders = SalesOrder.objects.for_merchant(shop.merchant).select_for_update()
    order: SalesOrder | None = orders.filter(pk=sales_order.pk).first()
    if order is None:
        raise LinkRefusedError("The merchant has no such order.")
    if order.cancelled_at:
        raise LinkRefusedError(f"Order {order.external_order_id} was cancelled: no return is linked to it.")
    return order


def _items(order: SalesOrder, *, shop: Shop, return_id: str) -> dict[int, SalesOrderItem]:
    """The order's items by key, each with the units that other returns hold."""
    items = items_with_units(besides_return_id=return_id, shop_id=shop.pk).filter(order=order)
    return {item.pk: item for item in items}


def _free(item: SalesOrderItem, *, held: Mapping[int, SalesOrderItem]) -> int:
    """Units left. An item that took over another's id, in a later push, took over what returns hold of it too."""
    if item.removed_at is not None:
        return 0
    same = [each for each in held.values() if item.external_item_id and each.external_item_id == item.external_item_id]
    taken = sum(each.taken for each in same or [item])  # type: ignore[attr-defined]  # annotated
    return max(int(item.quantity) - int(taken), 0)


def _as_told(
    lines: list[ReturnedLine], *, held: Mapping[int, SalesOrderItem], items: Mapping[str, int | None]
) -> list[_Chosen]:
    unknown = sorted(set(items) - {line.return_line_item_id for line in lines})
    if unknown:
        raise LinkRefusedError(f"The return has no line {unknown[0]}.")
    chosen = []
    for line in lines:
        key = items.get(line.return_line_item_id)
        if key is not None and key not in held:
            raise LinkRefusedError(f"The item chosen for line {line.return_line_item_id} is not one of this order's.")
        chosen.append(_Chosen(line, held[key] if key is not None else None))
    return chosen


def _check_units(chosen: list[_Chosen], *, held: Mapping[int, SalesOrderItem]) -> None:
    for item in {each.item.pk: each.item for each in chosen if each.item is not None}.values():
        asked = sum(each.item is not None and each.item.pk == item.pk for each in chosen)
        free = _free(item, held=held)
        if item.removed_at is not None:
            raise LinkRefusedError(f"{item.sku or item.external_item_id} is no longer part of the order.")
        if asked > free:
            raise LinkRefusedError(
                f"{item.sku or item.external_item_id}: {item.quantity} ordered, {item.quantity - free} in other "
                f"returns, {asked} asked for here. Choose another item, or leave the line out."
            )


def _by_reference(
    lines: list[ReturnedLine], *, held: Mapping[int, SalesOrderItem], shop: Shop, previous: Match | None
) -> list[_Chosen]:
    rules = rules_of(shop)
    told = dict(previous.items.values_list("return_line_item_id", "external_item_id")) if previous else {}
    left = {key: _free(item, held=held) for key, item in held.items()}
    chosen = []
    for line in lines:
        external_id = told.get(line.return_line_item_id) or None
        same = [item for item in held.values() if rules.are_equal(item.external_item_id, external_id)]
        present = [item for item in same if item.removed_at is None]
        item = present[0] if len(present) == 1 and left[present[0].pk] > 0 else None
        if item is not None:
            left[item.pk] -= 1
        chosen.append(_Chosen(line, item))
    return chosen


def _store(
    *,
    shop: Shop,
    subject: ReturnToMatch,
    order: SalesOrder | None,
    chosen: list[_Chosen],
    by: str,
    note: str,
    now: datetime,
) -> Match:
    matched = sum(each.item is not None for each in chosen)
    if order is None:
        outcome, reason = Outcome.NO_MATCH, Reason.UNLINKED_BY_HAND.value
    elif chosen and matched == len(chosen):
        outcome, reason = Outcome.MATCHED, ""
    else:
        outcome = Outcome.PARTLY_MATCHED if matched else Outcome.ORDER_ONLY
        reason = Reason.LEFT_OUT_BY_HAND.value
    match = Match.objects.create(
        merchant=shop.merchant,
        shop=shop,
        return_id=subject.return_id,
        outcome=outcome,
        reason=reason,
        is_curable=False,
        external_order_id=order.external_order_id if order else "",
        order_key=(rules_of(shop).key(order.external_order_id) or "")[:255] if order else "",
        sales_order=order,
        trail=[_trail(order=order, chosen=chosen, by=by, note=note)],
        decided_by=by[:150],
        note=note[:500],
        decided_at=now,
    )
    left_out = reason or Reason.LEFT_OUT_BY_HAND.value
    ItemMatch.objects.bulk_create(
        ItemMatch(
            merchant=shop.merchant,
            match=match,
            return_line_item_id=each.line.return_line_item_id,
            order_line_item_id=each.line.order_line_item_id,
            external_item_id=(each.item.external_item_id or "") if each.item else "",
            item=each.item,
            reason="" if each.item else left_out,
        )
        for each in chosen
    )
    return match


def _trail(*, order: SalesOrder | None, chosen: list[_Chosen], by: str, note: str) -> dict[str, object]:
    compared = [["decided by", by], ["because", note]]
    if order is not None:
        compared.append(["order", order.external_order_id])
    compared += [[f"line {each.line.return_line_item_id}", str(each.item or "no item")] for each in chosen]
    said = "Linked by hand: the rules were not asked." if order else "Unlinked by hand: the rules are not asked again."
    return {"rule": "by_hand", "compared": compared, "concluded": said}
