"""Writing orders and their items as a push found them to be: new ones, and those whose content changed.

Whether an order is new, changed or outdated is decided in `order_sync.py`, which also holds the locks.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from django.db import IntegrityError, transaction

from matching.id_rules import folded
from matching.models import ADDRESS_MORE, ITEM_COLUMNS, OrderSource, SalesOrder, SalesOrderItem
from matching.order_facts import ItemFacts, OrderFacts
from matching.order_json import kept
from matching.order_rows import insert_rows, moments, new_keys
from merchants.encryption import seal
from merchants.models import ApiClient, Merchant
from rebound_tts.clients.rebound_orders import ADDRESS_NAMES

ORDER_COLUMNS = (
    "oms_order_id",
    "metadata_conflict",
    "ordered_at",
    "version_at",
    "customer_address",
    "payload",
    "content_hash",
    "cancelled_at",
    "source",
    "api_client",
    "updated_at",
)
NEW_ORDER = (
    "id",
    "merchant_id",
    "external_order_id",
    "external_order_id_folded",
    "oms_order_id",
    "ordered_at",
    "customer_address",
    "payload",
    "source",
    "api_client_id",
    "content_hash",
    "version_at",
    "first_seen_at",
    "updated_at",
)
NEW_ITEM = (
    "merchant_id",
    "order_id",
    "position",
    "external_item_id",
    "sku",
    "description",
    "quantity",
    "price",
    "currency",
    "hs_code",
    "country_of_origin",
    "weight",
    "weight_unit",
)
CHUNK = 200  # rows a statement: SQLite takes 32 766 parameters, and a lock should be short


class Held(msgspec.Struct, frozen=True, gc=False):
    """What a push needs to know of an order that is here."""

    pk: int
    external_order_id: str
    content_hash: str
    source: str
    version_at: datetime | None
    cancelled_at: datetime | None


def insert_orders(
    new: list[OrderFacts],
    *,
    merchant: Merchant,
    source: OrderSource,
    client: ApiClient | None,
    now: datetime,
    changed_at: datetime,
) -> dict[str, Held] | None:
    """Insert all of these with their items; None, and none of them, where one was made by another push meanwhile."""
    if not new:
        return {}
    context = _address_context()
    moment = moments()
    seen_at, changed = moment(now), moment(changed_at)
    client_id = None if client is None else client.pk
    keys = new_keys(SalesOrder, len(new))
    orders = (
        (
            key,
            merchant.pk,
            facts.external_order_id,
            folded(facts.external_order_id),
            facts.external_order_id,
            moment(facts.ordered_at),
            _sealed(facts, context=context),
            facts.payload_text,
            source.value,
            client_id,
            facts.content_hash,
            moment(facts.updated_at),
            seen_at,
            changed,
        )
        for key, facts in zip(keys, new, strict=True)
    )
    items = (
        (
            merchant.pk,
            key,
            position,
            item.external_item_id,
            item.sku,
            item.description,
            item.quantity,
            None if item.price is None else str(item.price),
            item.currency,
            item.hs_code,
            item.country_of_origin,
            None if item.weight is None else str(item.weight),
            item.weight_unit,
        )
        for key, facts in zip(keys, new, strict=True)
        for position, item in enumerate(facts.items)
    )
    try:
        with transaction.atomic():
            insert_rows(SalesOrder, NEW_ORDER, orders)
            insert_rows(SalesOrderItem, NEW_ITEM, items)
    except IntegrityError:
        return None
    return {
        facts.external_order_id: Held(
            key, facts.external_order_id, facts.content_hash, source.value, facts.updated_at, None
        )
        for key, facts in zip(keys, new, strict=True)
    }


@cache
def _address_context() -> str:
    field: Any = SalesOrder._meta.get_field("customer_address")
    return str(field.context)


def _sealed(facts: OrderFacts, *, context: str) -> bytes:
    """As the field seals it, in half the time."""
    address = _address(facts)
    return seal(msgspec.json.encode(address), context=context) if address else b""


def insert_missing(
    new: list[OrderFacts], *, merchant: Merchant, source: OrderSource, now: datetime, changed_at: datetime
) -> None:
    rows = [
        SalesOrder(
            merchant=merchant,
            external_order_id=facts.external_order_id,
            external_order_id_folded=folded(facts.external_order_id),
            source=source,
            content_hash="",  # empty until it is written, so that it passes for nobody's version
            first_seen_at=now,
            updated_at=changed_at,
        )
        for facts in new
    ]
    SalesOrder.objects.bulk_create(rows, batch_size=CHUNK, ignore_conflicts=True)


def note_versions(rows: list[SalesOrder], *, facts: dict[str, OrderFacts]) -> None:
    """Equal content as of a later time: nothing changes, and yet what lies between is outdated from now on."""
    later: list[SalesOrder] = []
    for row in rows:
        version_at = facts[row.external_order_id].updated_at
        if version_at is None or version_at == row.version_at:
            continue
        row.version_at = version_at
        # The row without what was not read: only the version is written, since the row is there and locked.
        later.append(
            SalesOrder(
                pk=row.pk,
                merchant_id=row.merchant_id,
                external_order_id=row.external_order_id,
                source=row.source,
                version_at=version_at,
                first_seen_at=row.first_seen_at,
                updated_at=row.updated_at,
            )
        )
    _update(SalesOrder, later, ["version_at"])


def _update(model: type[SalesOrder | SalesOrderItem], rows: list[Any], columns: Sequence[str]) -> None:
    """Write these columns of rows that are there and locked, as one upsert: bulk_update costs thirty times more."""
    model._default_manager.bulk_create(
        rows, batch_size=CHUNK, update_conflicts=True, unique_fields=["id"], update_fields=columns
    )


def write_orders(
    rows: list[SalesOrder],
    *,
    facts: dict[str, OrderFacts],
    client: ApiClient | None,
    source: OrderSource,
    changed_at: datetime,
) -> None:
    for row in rows:
        _fill_order(row, facts=facts[row.external_order_id], client=client, source=source, changed_at=changed_at)
    _update(SalesOrder, rows, ORDER_COLUMNS)


def _fill_order(
    row: SalesOrder, *, facts: OrderFacts, client: ApiClient | None, source: OrderSource, changed_at: datetime
) -> None:
    row.oms_order_id = facts.external_order_id  # checked to be equal
    row.metadata_conflict = ""
    row.ordered_at = facts.ordered_at
    row.version_at = facts.updated_at or row.version_at
    row.customer_address = _address(facts)
    row.payload = facts.payload
    row.content_hash = facts.content_hash
    row.cancelled_at = None  # pushed again: it stands
    row.source = source
    row.api_client = client
    row.updated_at = changed_at


def _address(facts: OrderFacts) -> dict[str, Any]:
    """The address by our names, as orders read from ReBound hold it; undocumented fields under `ADDRESS_MORE`."""
    address, held = facts.address, {}
    if address:
        held = {ours: address.get(theirs, "") for ours, theirs in ADDRESS_NAMES.items()}
    return {**held, ADDRESS_MORE: kept(facts.address_more)} if facts.address_more else held


def write_items(changed: list[SalesOrder], *, facts: dict[str, OrderFacts], now: datetime) -> None:
    if not changed:
        return
    held: dict[int, list[SalesOrderItem]] = {row.pk: [] for row in changed}
    for item in SalesOrderItem.objects.filter(order__in=changed).order_by("position"):
        held[item.order_id].append(item)
    fresh: list[SalesOrderItem] = []
    kept: list[SalesOrderItem] = []
    gone: list[int] = []
    for row in changed:
        wanted = {item.external_item_id: item for item in facts[row.external_order_id].items}
        mine = held[row.pk]
        for item in mine:
            facts_of_item = wanted.pop(item.external_item_id or "", None)
            if facts_of_item is None:
                gone.append(item.pk)
                continue
            _fill_item(item, facts=facts_of_item)
            kept.append(item)
        position = max((item.position for item in mine), default=-1) + 1
        for offset, facts_of_item in enumerate(wanted.values()):
            item = SalesOrderItem(merchant_id=row.merchant_id, order=row, position=position + offset)
            _fill_item(item, facts=facts_of_item)
            fresh.append(item)
    SalesOrderItem.objects.bulk_create(fresh, batch_size=CHUNK)
    _update(SalesOrderItem, kept, ITEM_COLUMNS)
    for start in range(0, len(gone), CHUNK):
        vanished = SalesOrderItem.objects.filter(pk__in=gone[start : start + CHUNK])
        vanished.filter(item_matches__isnull=True).delete()
        # A return matched it: kept and marked, so that the match still says what it was.
        vanished.filter(removed_at__isnull=True).update(removed_at=now)


def _fill_item(item: SalesOrderItem, *, facts: ItemFacts) -> None:
    for column in ITEM_COLUMNS:
        if column != "removed_at":
            setattr(item, column, getattr(facts, column))
    item.removed_at = None
