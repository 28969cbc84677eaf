"""What fills the database of the admin's benchmark: copies of one row of each table, made by the database itself.

Of a hundred returns three need attention and four wait; six of ten are linked; one merchant of twenty has an origin of
its own. Each merchant has its share of everything else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, models
from django.utils import timezone

from matching.models import ItemMatch, Match, SalesOrder, SalesOrderItem
from returns.models import (
    ReboundReturn,
    ReturnLabel,
    StepAttempt,
    TikTokReturn,
    TikTokReturnItem,
    WebhookEvent,
)
from tests import factories

MERCHANTS = 20
START = 100  # copies begin above the rows they are made of
FILLED = (
    SalesOrder,
    SalesOrderItem,
    ReboundReturn,
    ReturnLabel,
    TikTokReturn,
    TikTokReturnItem,
    StepAttempt,
    WebhookEvent,
    Match,
    ItemMatch,
)


@contextmanager
def without_indexes() -> Iterator[None]:
    """The filled tables lose their indexes, but those of constraints, and get them back at the end: each is then
    sorted once. Nothing is checked or made durable meanwhile."""
    tables = ", ".join(f"'{model._meta.db_table}'" for model in FILLED)
    if connection.vendor == "sqlite":
        found = f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> '' AND tbl_name IN ({tables})"  # noqa: S608  # our own tables
        before = ["PRAGMA foreign_keys = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -1000000"]
        before += ["PRAGMA journal_mode = OFF"]
        after = ["PRAGMA journal_mode = WAL", "PRAGMA cache_size = -2000", "ANALYZE"]
    else:
        found = (
            f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ({tables})"  # noqa: S608  # our own tables
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
        before = ["SET session_replication_role = replica", "SET synchronous_commit = off"]
        before += ["SET maintenance_work_mem = '1GB'"]
        after = ["VACUUM ANALYZE"]  # as autovacuum does after so many rows
    with connection.cursor() as cursor:
        cursor.execute(found)
        indexes = cursor.fetchall()
        for statement in [*before, *(f'DROP INDEX "{name}"' for name, _ in indexes)]:
            cursor.execute(statement)
    yield
    with connection.cursor() as cursor:
        for statement in [*(made for _, made in indexes), *after]:
            cursor.execute(statement)
    connection.close()  # and with it what was set above


def copy(row: models.Model, count: int, **values: str) -> None:
    """`count` copies of a row: `values` gives SQL for a column, in which `n` counts from 1."""
    meta = row._meta
    table = meta.db_table
    columns = [field.column for field in meta.concrete_fields]
    given = {"id": f"{START} + n", **values}
    chosen = ", ".join(given.get(column, f't."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    if connection.vendor == "sqlite":
        series = f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"  # noqa: S608  # a number
    else:
        series = f"WITH s(n) AS (SELECT generate_series(1, {count}))"
    chosen_rows = f"SELECT {chosen} FROM s CROSS JOIN {table} t WHERE t.id = {int(row.pk)}"  # noqa: S608  # our own tables
    into = f"INSERT INTO {table} ({names})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"{into} {series} {chosen_rows}" if connection.vendor == "sqlite" else f"{series} {into} {chosen_rows}"
        )


def text(prefix: str) -> str:
    return f"'{prefix}' || CAST(n AS varchar(20))"


def seconds_after(moment: datetime) -> str:
    """A second later for each copy."""
    if connection.vendor == "sqlite":
        return f"strftime('%Y-%m-%d %H:%M:%S', '{moment:%Y-%m-%d %H:%M:%S}', '+' || n || ' seconds')"
    return f"timestamptz '{moment.isoformat()}' + n * interval '1 second'"


def fill(*, returns: int, orders: int) -> None:
    """Twenty merchants with a shop each, and as many rows of the rest."""
    with without_indexes():
        _fill(returns, orders)
    assert all(model._default_manager.filter(pk__gt=START).exists() for model in FILLED)


def _fill(returns: int, orders: int) -> None:
    now = timezone.now()
    shops = [factories.ShopFactory() for _ in range(MERCHANTS)]
    first_merchant, first_shop = shops[0].merchant_id, shops[0].pk
    assert [shop.pk - first_shop for shop in shops] == [shop.merchant_id - first_merchant for shop in shops]
    shop = shops[0]
    turn = f"n / {MERCHANTS}"  # the same for one row of each merchant
    rare = f"{turn} % 10000 = 7"
    owner = {"merchant_id": f"{first_merchant} + n % {MERCHANTS}"}
    ours = {**owner, "shop_id": f"{first_shop} + n % {MERCHANTS}"}
    order = factories.SalesOrderFactory(merchant=shop.merchant)
    copy(
        order,
        orders,
        **owner,
        external_order_id=text("SO-"),
        external_order_id_folded=text("so-"),
        oms_order_id=text("SO-"),
        rebound_id=text("RO-"),
        source=f"CASE WHEN {rare} THEN 'FILE' ELSE 'PUSHED' END",
    )
    item = factories.SalesOrderItemFactory(order=order)
    copy(item, min(returns, orders), **owner, order_id=f"{START} + n", external_item_id=text("item-"))
    held = factories.ReboundReturnFactory(shop=shop, kind="LINKED", direct_reason="", sales_order=order)
    linked = f"{turn} % 10 < 6"
    copy(
        held,
        returns,
        **ours,
        reference=text("TTS-"),
        rebound_id=text("RR-"),
        kind=f"CASE WHEN {linked} THEN 'LINKED' ELSE 'DIRECT' END",
        direct_reason=f"CASE WHEN {linked} THEN '' ELSE 'ORDER_NOT_SYNCED' END",
        sales_order_id=f"CASE WHEN {linked} THEN {START} + n ELSE NULL END",
    )
    label = factories.ReturnLabelFactory(rebound_return=held)
    copy(label, returns, **owner, rebound_return_id=f"{START} + n", tracking_number=text("RM"))
    soon = now + timedelta(minutes=2)
    row = factories.TikTokReturnFactory(
        shop=shop, rebound_return=held, fetched_at=now, label_delivered_at=now, match_wait_until=soon
    )
    state = f"CASE WHEN {turn} % 100 < 3 THEN {{}} WHEN {turn} % 100 < 7 THEN {{}} ELSE {{}} END"
    copy(
        row,
        returns,
        **ours,
        return_id=text("R"),
        order_id=text("T"),
        rebound_return_id=f"{START} + n",
        status=state.format("'NEEDS_ATTENTION'", "'WAITING'", "'DONE'"),
        reason=state.format("'NO_LANE'", "'ORDER_AWAITED'", "''"),
        match_wait_until=state.format("NULL", 't."match_wait_until"', "NULL"),
        label_delivered_at=state.format("NULL", 't."label_delivered_at"', 't."label_delivered_at"'),
        match_outcome=f"CASE WHEN {linked} THEN 'MATCHED' WHEN {rare} THEN 'ORDER_ONLY' ELSE 'NO_MATCH' END",
        platform_origin=f"CASE WHEN n % {MERCHANTS} = 3 THEN 'MAGENTO' ELSE 'SHOPIFY' END",
    )
    line = factories.TikTokReturnItemFactory(tiktok_return=row)
    copy(line, returns, **owner, tiktok_return_id=f"{START} + n")
    attempt = factories.StepAttemptFactory(tiktok_return=row, outcome="DONE", finished_at=now)
    copy(attempt, 2 * returns, **owner, tiktok_return_id=f"{START} + 1 + n % {returns}")
    event = factories.WebhookEventFactory(tiktok_return=row, handled_at=now, outcome="APPLIED")
    copy(
        event,
        returns,
        **owner,
        dedupe_key=text("N"),
        correlation_id=text("c"),
        tiktok_return_id=f"{START} + n",
        received_at=seconds_after(now - timedelta(seconds=returns)),
        shop_id=f"'shop-' || CAST(n % {MERCHANTS} AS varchar(20))",
    )
    match = factories.MatchFactory(shop=shop, return_id=row.return_id, sales_order=order)
    copy(
        match,
        returns,
        **ours,
        return_id=text("R"),
        outcome=f"CASE WHEN {linked} THEN 'MATCHED' ELSE 'NO_MATCH' END",
        reason=f"CASE WHEN {linked} THEN '' ELSE 'ORDER_NOT_SYNCED' END",
        sales_order_id=f"CASE WHEN {linked} THEN {START} + n ELSE NULL END",
        external_order_id=text("SO-"),
        order_key=text("SO-"),
    )
    verdict = factories.ItemMatchFactory(match=match, item=item)
    copy(verdict, returns, **owner, match_id=f"{START} + n", item_id=f"{START} + n")
