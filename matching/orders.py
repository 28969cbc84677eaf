"""Sales orders: finding them by the id that the OMS gave, and mirroring those that ReBound holds."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.db.models.query import QuerySet

from matching.id_rules import LONGEST_ID, IdRules, folded
from matching.models import ITEM_COLUMNS, OrderSource, SalesOrder, SalesOrderItem
from matching.order_changes import change_time, change_time_within
from merchants.models import Merchant
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.rebound_answers import ReboundSalesItem, ReboundSalesOrder

# How many spellings of an id are asked for at ReBound: as given, then with prefix and suffix added or taken away.
MOST_REMOTE_SPELLINGS = 4

COUNTRY, CURRENCY = 2, 3  # letters of an ISO code


def orders_with_id(*, merchant: Merchant, external_order_id: str, rules: IdRules) -> QuerySet[SalesOrder]:
    """The merchant's orders whose id may equal this one under the rules; the matcher compares again."""
    spellings = rules.candidates(external_order_id)
    orders: QuerySet[SalesOrder] = SalesOrder.objects.for_merchant(merchant)
    if rules.ignore_case:
        return orders.filter(external_order_id_folded__in=[folded(spelling) for spelling in spellings])
    return orders.filter(external_order_id__in=spellings)


def find_at_rebound(*, rebound: ReboundClient, external_order_id: str, rules: IdRules) -> tuple[ReboundSalesOrder, ...]:
    """ReBound's orders with exactly this id under the rules. Its filter may be loose: equality is checked here.

    Every spelling is asked for, since two orders that are equal under the rules are ambiguous.
    """
    equal: dict[str, ReboundSalesOrder] = {}
    for spelling in rules.candidates(external_order_id)[:MOST_REMOTE_SPELLINGS]:
        for order in rebound.find_sales_orders(client_order_id=spelling):
            if rules.are_equal(order.client_order_id, external_order_id):
                equal[order.id] = order
    return tuple(equal.values())


def mirror(*, merchant: Merchant, remote: ReboundSalesOrder, now: datetime, is_held: bool = True) -> SalesOrder:
    """Hold here what ReBound holds. An item that vanished is deleted, or kept and marked where a return matched it.

    `is_held`: what a look-up said a moment ago of whether the order is here. It saves a query and decides nothing.
    """
    conflict = remote.metadata_conflict
    if not _is_held(remote.oms_order_id):
        # Too long for an id of ours. It must not pass for a missing one, which is matched with a warning.
        conflict = conflict or f"omsOrderId is longer than {LONGEST_ID} characters"
    facts = {
        "oms_order_id": remote.oms_order_id if _is_held(remote.oms_order_id) else None,
        "metadata_conflict": conflict[:500],
        "rebound_id": remote.id,
        "rebound_updated_at": remote.updated_at,
        "ordered_at": remote.created_at,
        "customer_address": asdict(remote.address) if remote.address else {},
        "payload": remote.raw,
    }
    made = None if is_held else _made(merchant=merchant, remote=remote, facts=facts, now=now)
    if made is not None:
        return made
    with transaction.atomic():
        changed_at = change_time(merchant)
        own = SalesOrder.objects.for_merchant(merchant).filter(external_order_id=remote.client_order_id)
        order: SalesOrder | None = own.select_for_update().first()
        if order is None:
            made = _made(merchant=merchant, remote=remote, facts=facts, now=now)
            if made is not None:
                return made
            order = own.select_for_update().get()
        if _is_outdated(order, remote=remote):
            return order
        if order.content_hash:
            # The OMS pushed it to us: its word counts, not ReBound's copy of it.
            return note_rebound_ids(order, remote=remote)
        facts |= {"cancelled_at": _cancelled_at(remote, before=order.cancelled_at, now=now), "updated_at": changed_at}
        for name, value in facts.items():
            setattr(order, name, value)
        order.save(update_fields=list(facts))
        _mirror_items(order=order, known=list(order.items.all()), items=remote.items, now=now)
    return order


def _cancelled_at(remote: ReboundSalesOrder, *, before: datetime | None, now: datetime) -> datetime | None:
    return (before or now) if remote.status.upper() == "CANCELLED" else None


def _is_outdated(order: SalesOrder, *, remote: ReboundSalesOrder) -> bool:
    """Whether a newer version of the same order at ReBound is held: an answer may come late."""
    if order.rebound_id != remote.id or order.rebound_updated_at is None or remote.updated_at is None:
        return False
    return bool(remote.updated_at < order.rebound_updated_at)


def _made(*, merchant: Merchant, remote: ReboundSalesOrder, facts: dict[str, Any], now: datetime) -> SalesOrder | None:
    """The order's new row with its items, or None where it is here already."""
    try:
        with transaction.atomic():
            order = SalesOrder(
                merchant=merchant,
                external_order_id=remote.client_order_id,
                source=OrderSource.READ_THROUGH,
                first_seen_at=now,
                updated_at=change_time_within(merchant),
                cancelled_at=_cancelled_at(remote, before=None, now=now),
                **facts,
            )
            order.save(force_insert=True)
            order.updated_at = now  # or a moment later: nobody asks the object for it
            _mirror_items(order=order, known=[], items=remote.items, now=now)
    except IntegrityError:
        return None
    return order


def note_rebound_ids(order: SalesOrder, *, remote: ReboundSalesOrder) -> SalesOrder:
    """Note what ReBound calls a pushed order and its items, which a link needs. An item is found by its external id."""
    order.rebound_id = remote.id
    order.rebound_updated_at = remote.updated_at
    order.save(update_fields=["rebound_id", "rebound_updated_at"])
    named = {item.oms_item_id: item.id for item in remote.items if item.oms_item_id}
    items = [item for item in order.items.all() if (item.external_item_id or "") in named]
    for item in items:
        item.rebound_id = named[item.external_item_id or ""]
    SalesOrderItem.objects.bulk_update(items, ["rebound_id"])
    return order


def _mirror_items(
    *, order: SalesOrder, known: list[SalesOrderItem], items: tuple[ReboundSalesItem, ...], now: datetime
) -> None:
    held = {item.rebound_id: item for item in known if item.rebound_id}
    next_position = max((item.position for item in known), default=-1) + 1
    fresh: list[SalesOrderItem] = []
    changed: list[SalesOrderItem] = []
    for remote in {item.id: item for item in items}.values():
        facts = facts_of(remote)
        item = held.pop(remote.id, None)
        if item is None:
            fresh.append(
                SalesOrderItem(
                    merchant=order.merchant, order=order, position=next_position, rebound_id=remote.id, **facts
                )
            )
            next_position += 1
        elif any(getattr(item, name) != value for name, value in facts.items()):
            for name, value in facts.items():
                setattr(item, name, value)
            changed.append(item)
    SalesOrderItem.objects.bulk_create(fresh)
    SalesOrderItem.objects.bulk_update(changed, ITEM_COLUMNS)
    gone = SalesOrderItem.objects.filter(pk__in=[item.pk for item in held.values()])
    gone.filter(item_matches__isnull=False).update(removed_at=now)
    gone.filter(item_matches__isnull=True).delete()


def facts_of(remote: ReboundSalesItem) -> dict[str, Any]:
    """ReBound's item as columns of our row. What no column holds is left out: a price is not worth a label."""
    return {
        "external_item_id": remote.oms_item_id if _is_held(remote.oms_item_id) else None,
        "sku": remote.sku[:255],
        "description": remote.description[:1000],
        "quantity": remote.quantity,
        "price": amount_held(remote.price),
        "currency": remote.currency if len(remote.currency) == CURRENCY else "",
        "hs_code": remote.hs_code[:40],
        # The first letters of another code would be another country.
        "country_of_origin": remote.country_of_origin if len(remote.country_of_origin) == COUNTRY else "",
        "weight": amount_held(remote.weight, whole_digits=8),
        "weight_unit": remote.weight_unit[:10],
        "removed_at": None,
    }


def _is_held(external_id: str | None) -> bool:
    return external_id is None or len(external_id) <= LONGEST_ID


def amount_held(amount: Decimal | None, *, whole_digits: int = 10) -> Decimal | None:
    """The amount as a column of ours holds it, or None where it is negative or has too many digits."""
    if amount is None or not 0 <= amount < 10**whole_digits:
        return None
    held = amount.quantize(Decimal("0.0001"))
    return held if held < 10**whole_digits else None


def items_with_units(*, besides_return_id: str, shop_id: int) -> QuerySet[SalesOrderItem]:
    """Items, each with `taken`: the units of it that other returns' current matches hold."""
    held = Q(item_matches__released_at__isnull=True)
    own = Q(item_matches__match__return_id=besides_return_id, item_matches__match__shop=shop_id)
    items: QuerySet[SalesOrderItem] = SalesOrderItem.objects.annotate(taken=Count("item_matches", filter=held & ~own))
    return items
