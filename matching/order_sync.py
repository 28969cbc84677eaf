"""Storing the orders that an OMS pushes: new, changed, unchanged or outdated, one order or five hundred.

Equal content changes nothing; an older version never overwrites a newer one. Rows are made and locked in the order of
their ids, so that overlapping pushes wait for each other instead of deadlocking, and end with one order and one set of
items each. Checking bodies stands in `order_body.py`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from matching.errands import queue_errands, relaying_account, writing_shop
from matching.id_rules import folded
from matching.models import ADDRESS_MORE, ITEM_COLUMNS, OrderSource, SalesOrder, SalesOrderItem
from matching.order_changes import change_time
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


class Result(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    OUTDATED = "outdated"  # we hold a newer version


WRITTEN = frozenset({Result.CREATED, Result.CHANGED})


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of one order of a push."""

    result: Result
    order_id: int
    external_order_id: str
    version_at: datetime | None


def push_orders(
    *,
    merchant: Merchant,
    orders: Sequence[OrderFacts],
    source: OrderSource,
    client: ApiClient | None,
    now: datetime,
) -> list[Pushed]:
    """Store the orders; answers one result each, in the order given. The same id twice: the newer version stands."""
    newest = _newest(orders)
    with transaction.atomic(savepoint=False):
        changed_at = change_time(merchant)
        account = relaying_account(merchant)
        shop = writing_shop(merchant) if any(facts.tiktok_order_id for facts in newest.values()) else None
        seen = _look(merchant=merchant, ids=newest)
        # Equal content of no later time needs no write, and so no lock, unless an errand of it may be missing.
        idle = account is None and shop is None
        same = {id_: row for id_, row in seen.items() if idle and _is_same(row, facts=newest[id_])}
        new = [facts for id_, facts in newest.items() if id_ not in seen]
        fresh = _insert(new, merchant=merchant, source=source, client=client, now=now, changed_at=changed_at)
        if fresh is None:
            # Another push made one of them this very moment. Make those that are still missing, empty, and treat all
            # as known ones.
            _insert_missing(new, merchant=merchant, source=source, now=now, changed_at=changed_at)
            fresh = {}
        held = _locked(merchant=merchant, ids=newest.keys() - same.keys() - fresh.keys(), seen=seen)
        results = dict.fromkeys(fresh, Result.CREATED) | dict.fromkeys(same, Result.UNCHANGED)
        results |= {external_id: _decide(row, facts=newest[external_id]) for external_id, row in held.items()}
        changed = [row for external_id, row in held.items() if results[external_id] in WRITTEN]
        unchanged = [row for external_id, row in held.items() if results[external_id] is Result.UNCHANGED]
        _note_versions(unchanged, facts=newest)
        _write_orders(changed, facts=newest, client=client, source=source, changed_at=changed_at)
        _write_items(changed, facts=newest, now=now)
        if account is not None or shop is not None:
            written: list[Held | SalesOrder] = [*fresh.values(), *changed]
            queue_errands(
                merchant=merchant,
                account=account,
                shop=shop,
                written=written,
                unchanged=unchanged,
                facts=newest,
                now=now,
            )
    rows: dict[str, Held | SalesOrder] = {**same, **fresh, **held}
    return [_pushed(rows[facts.external_order_id], results=results, facts=facts, newest=newest) for facts in orders]


@dataclass(frozen=True, slots=True)
class Held:
    """What a push needs to know of an order that is here."""

    pk: int
    external_order_id: str
    content_hash: str
    source: str
    version_at: datetime | None
    cancelled_at: datetime | None


LOOKED_AT = ("pk", "external_order_id", "content_hash", "source", "version_at", "cancelled_at")
# One look an id, each by the unique index. Given all ids at once, PostgreSQL reads every order of the merchant where
# the table grew faster than its statistics: the first file of a large merchant took longer with each batch.
LOOK_EACH = """
SELECT held.* FROM unnest(%s::text[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT id, external_order_id, content_hash, source, version_at, cancelled_at FROM matching_salesorder
    WHERE merchant_id = %s AND external_order_id = wanted.id LIMIT 1
) AS held
"""


def _look(*, merchant: Merchant, ids: Iterable[str]) -> dict[str, Held]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(LOOK_EACH, [list(ids), merchant.pk])
            rows = cursor.fetchall()
    else:
        known = SalesOrder.objects.for_merchant(merchant).filter(external_order_id__in=list(ids))
        rows = list(known.values_list(*LOOKED_AT))
    return {row[1]: Held(*row) for row in rows}


def _is_same(row: Held, *, facts: OrderFacts) -> bool:
    later = facts.updated_at is not None and facts.updated_at != row.version_at
    return _decide(row, facts=facts) is Result.UNCHANGED and not later


def _newest(orders: Iterable[OrderFacts]) -> dict[str, OrderFacts]:
    """The newest version of each order, by id, sorted. Without versions the last one stands."""
    newest: dict[str, OrderFacts] = {}
    for facts in orders:
        held = newest.get(facts.external_order_id)
        if held is not None and held.updated_at and facts.updated_at and facts.updated_at < held.updated_at:
            continue
        newest[facts.external_order_id] = facts
    return dict(sorted(newest.items()))


def _insert(
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


def _insert_missing(
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


def _locked(*, merchant: Merchant, ids: Collection[str], seen: dict[str, Held]) -> dict[str, SalesOrder]:
    """By key where each was seen a moment ago: see LOOK_EACH."""
    if not ids:
        return {}
    keys = [seen[external_id].pk for external_id in ids if external_id in seen]
    wanted = Q(pk__in=keys) if len(keys) == len(ids) else Q(external_order_id__in=list(ids))
    rows = (
        SalesOrder.objects.for_merchant(merchant)
        .filter(wanted)
        .order_by("external_order_id")
        .select_for_update()
        .defer("payload", "customer_address")
    )
    return {row.external_order_id: row for row in rows}


def _decide(row: SalesOrder | Held, *, facts: OrderFacts) -> Result:
    if not row.content_hash and row.source != OrderSource.READ_THROUGH:
        return Result.CREATED  # made empty a moment ago, in this transaction
    if row.version_at and facts.updated_at:
        if facts.updated_at < row.version_at:
            return Result.OUTDATED
        if row.cancelled_at and facts.updated_at == row.version_at:
            return Result.OUTDATED  # the version that was cancelled, once more: only a newer one makes it stand again
    if row.content_hash == facts.content_hash and row.cancelled_at is None:
        return Result.UNCHANGED
    return Result.CHANGED


def _note_versions(rows: list[SalesOrder], *, facts: dict[str, OrderFacts]) -> None:
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


def _write_orders(
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


def _write_items(changed: list[SalesOrder], *, facts: dict[str, OrderFacts], now: datetime) -> None:
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
    if gone:
        vanished = SalesOrderItem.objects.filter(pk__in=gone)
        vanished.filter(item_matches__isnull=True).delete()
        # A return matched it: kept and marked, so that the match still says what it was.
        vanished.filter(removed_at__isnull=True).update(removed_at=now)


def _fill_item(item: SalesOrderItem, *, facts: ItemFacts) -> None:
    for column in ITEM_COLUMNS:
        if column != "removed_at":
            setattr(item, column, getattr(facts, column))
    item.removed_at = None


def _pushed(
    row: SalesOrder | Held, *, results: dict[str, Result], facts: OrderFacts, newest: dict[str, OrderFacts]
) -> Pushed:
    result = results[row.external_order_id]
    if newest[row.external_order_id] is not facts and facts.content_hash != newest[row.external_order_id].content_hash:
        result = Result.OUTDATED  # another version of it in the same push is the one that stands
    return Pushed(result, row.pk, row.external_order_id, row.version_at)


def cancel_order(*, merchant: Merchant, external_order_id: str, now: datetime) -> SalesOrder | None:
    """Cancel an order: returns are no longer linked to it. None where the merchant has no such order."""
    with transaction.atomic():
        changed_at = change_time(merchant)
        row: SalesOrder | None = (
            SalesOrder.objects.for_merchant(merchant)
            .select_for_update()
            .filter(external_order_id=external_order_id)
            .first()
        )
        if row is not None and row.cancelled_at is None:
            row.cancelled_at, row.updated_at = now, changed_at
            row.save(update_fields=["cancelled_at", "updated_at"])
    return row
