"""Storing the orders that an OMS pushes: new, changed, unchanged or outdated, one order or five hundred.

Equal content changes nothing; an older version never overwrites a newer one. Rows are made and locked in the order of
their ids, so that overlapping pushes wait for each other instead of deadlocking, and end with one order and one set of
items each. Checking bodies stands in `order_body.py`, writing rows in `order_writing.py`.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from django.db import connection, transaction
from django.db.models import Q
from msgspec import Struct

from matching.errands import queue_errands, relaying_account, writing_shop
from matching.models import OrderSource, SalesOrder
from matching.order_changes import change_time
from matching.order_facts import OrderFacts
from matching.order_writing import Held, insert_missing, insert_orders, note_versions, write_items, write_orders
from merchants.models import ApiClient, Merchant


class Result(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    OUTDATED = "outdated"  # we hold a newer version


WRITTEN = frozenset({Result.CREATED, Result.CHANGED})


class Pushed(Struct, frozen=True, gc=False):
    """What became of one order of a push. `has_errand`: it is to be told elsewhere, to ReBound or to TikTok."""

    result: Result
    order_id: int
    external_order_id: str
    version_at: datetime | None
    has_errand: bool


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
        fresh = insert_orders(new, merchant=merchant, source=source, client=client, now=now, changed_at=changed_at)
        if fresh is None:
            # Another push made one of them this very moment. Make those that are still missing, empty, and treat all
            # as known ones.
            insert_missing(new, merchant=merchant, source=source, now=now, changed_at=changed_at)
            fresh = {}
        held = _locked(merchant=merchant, ids=newest.keys() - same.keys() - fresh.keys(), seen=seen)
        results = dict.fromkeys(fresh, Result.CREATED) | dict.fromkeys(same, Result.UNCHANGED)
        results |= {external_id: _decide(row, facts=newest[external_id]) for external_id, row in held.items()}
        changed = [row for external_id, row in held.items() if results[external_id] in WRITTEN]
        unchanged = [row for external_id, row in held.items() if results[external_id] is Result.UNCHANGED]
        note_versions(unchanged, facts=newest)
        write_orders(changed, facts=newest, client=client, source=source, changed_at=changed_at)
        write_items(changed, facts=newest, now=now)
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
    told_tiktok = {id_ for id_, told in newest.items() if shop is not None and told.tiktok_order_id}
    errands = newest if account is not None else told_tiktok
    return [
        _pushed(rows[facts.external_order_id], results=results, facts=facts, newest=newest, errands=errands)
        for facts in orders
    ]


# One look an id, each by the unique index. Given all ids at once, PostgreSQL reads every order of the merchant where
# the table grew faster than its statistics: the first file of a large merchant took longer with each batch.
LOOK_EACH = {
    "postgresql": """
        SELECT held.* FROM unnest(%s::text[]) AS wanted (id) CROSS JOIN LATERAL (
            SELECT id, external_order_id, content_hash, source, version_at, cancelled_at FROM matching_salesorder
            WHERE merchant_id = %s AND external_order_id = wanted.id LIMIT 1
        ) AS held
    """,
    "sqlite": """
        SELECT held.id, external_order_id, content_hash, source, version_at, cancelled_at
        FROM json_each(%s) AS wanted CROSS JOIN matching_salesorder AS held
        WHERE merchant_id = %s AND external_order_id = wanted.value
    """,
}


def _look(*, merchant: Merchant, ids: Iterable[str]) -> dict[str, Held]:
    is_sqlite = connection.vendor == "sqlite"
    wanted = json.dumps(list(ids)) if is_sqlite else list(ids)
    with connection.cursor() as cursor:
        cursor.execute(LOOK_EACH[connection.vendor], [wanted, merchant.pk])
        rows = cursor.fetchall()
    if is_sqlite:
        rows = [(*row[:4], _in_utc(row[4]), _in_utc(row[5])) for row in rows]
    return {row[1]: Held(*row) for row in rows}


def _in_utc(at: datetime | None) -> datetime | None:
    """SQLite's times are of UTC and do not say so."""
    return None if at is None else at.replace(tzinfo=UTC)


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


def _pushed(
    row: SalesOrder | Held,
    *,
    results: dict[str, Result],
    facts: OrderFacts,
    newest: dict[str, OrderFacts],
    errands: Collection[str],
) -> Pushed:
    result = results[row.external_order_id]
    if newest[row.external_order_id] is not facts and facts.content_hash != newest[row.external_order_id].content_hash:
        result = Result.OUTDATED  # another version of it in the same push is the one that stands
    return Pushed(result, row.pk, row.external_order_id, row.version_at, row.external_order_id in errands)


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
