"""The inside of the admin's benchmark: fills the database that DATABASE_URL names, and asks for each page in turn.

Rows are copies of one row of each table, made by the database itself. Prints one line of JSON at the end.
"""

import json
import logging
import os
import statistics
import time
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402  # Django must be set up first
from django.core.management import call_command  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from matching.models import ItemMatch, Match, SalesOrder, SalesOrderItem  # noqa: E402
from merchants.models import Merchant, Shop, StaffAssignment  # noqa: E402
from merchants.staff import Role  # noqa: E402
from returns.models import (  # noqa: E402
    ReboundReturn,
    ReturnLabel,
    StepAttempt,
    TikTokReturn,
    TikTokReturnItem,
    WebhookEvent,
)
from tests import factories  # noqa: E402

MERCHANTS = 20
CONTROL = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")  # carry no data
START = 100  # copies begin above the rows they are made of
RETURNS, ORDERS, TIMES = (int(os.environ[name]) for name in ("RETURNS", "ORDERS", "TIMES"))


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


def fill() -> None:
    """Twenty merchants with a shop each; of a hundred returns three need attention and four wait."""
    now = timezone.now()
    shops = [factories.ShopFactory() for _ in range(MERCHANTS)]
    first_merchant, first_shop = shops[0].merchant_id, shops[0].pk
    assert [shop.pk - first_shop for shop in shops] == [shop.merchant_id - first_merchant for shop in shops]
    shop = shops[0]
    owner = {"merchant_id": f"{first_merchant} + n % {MERCHANTS}"}
    ours = {**owner, "shop_id": f"{first_shop} + n % {MERCHANTS}"}
    order = factories.SalesOrderFactory(merchant=shop.merchant)
    copy(
        order,
        ORDERS,
        **owner,
        external_order_id=text("SO-"),
        external_order_id_folded=text("so-"),
        oms_order_id=text("SO-"),
        rebound_id=text("RO-"),
        source="CASE WHEN n % 10000 = 7 THEN 'FILE' ELSE 'PUSHED' END",
    )
    item = factories.SalesOrderItemFactory(order=order)
    copy(item, min(RETURNS, ORDERS), **owner, order_id=f"{START} + n", external_item_id=text("item-"))
    held = factories.ReboundReturnFactory(shop=shop, kind="LINKED", direct_reason="", sales_order=order)
    linked = "n % 10 < 6"
    copy(
        held,
        RETURNS,
        **ours,
        reference=text("TTS-"),
        rebound_id=text("RR-"),
        kind=f"CASE WHEN {linked} THEN 'LINKED' ELSE 'DIRECT' END",
        direct_reason=f"CASE WHEN {linked} THEN '' ELSE 'ORDER_NOT_SYNCED' END",
        sales_order_id=f"CASE WHEN {linked} THEN {START} + n ELSE NULL END",
    )
    label = factories.ReturnLabelFactory(rebound_return=held)
    copy(label, RETURNS, **owner, rebound_return_id=f"{START} + n", tracking_number=text("RM"))
    soon = now + timedelta(minutes=2)
    row = factories.TikTokReturnFactory(
        shop=shop, rebound_return=held, fetched_at=now, label_delivered_at=now, match_wait_until=soon
    )
    state = "CASE WHEN n % 100 < 3 THEN {} WHEN n % 100 < 7 THEN {} ELSE {} END"
    copy(
        row,
        RETURNS,
        **ours,
        return_id=text("R"),
        order_id=text("T"),
        rebound_return_id=f"{START} + n",
        status=state.format("'NEEDS_ATTENTION'", "'WAITING'", "'DONE'"),
        reason=state.format("'NO_LANE'", "'ORDER_AWAITED'", "''"),
        match_wait_until=state.format("NULL", 't."match_wait_until"', "NULL"),
        label_delivered_at=state.format("NULL", 't."label_delivered_at"', 't."label_delivered_at"'),
        match_outcome=f"CASE WHEN {linked} THEN 'MATCHED' WHEN n % 10000 = 7 THEN 'ORDER_ONLY' ELSE 'NO_MATCH' END",
        platform_origin=f"CASE WHEN n % {MERCHANTS} = 3 THEN 'MAGENTO' ELSE 'SHOPIFY' END",
    )
    line = factories.TikTokReturnItemFactory(tiktok_return=row)
    copy(line, RETURNS, **owner, tiktok_return_id=f"{START} + n")
    attempt = factories.StepAttemptFactory(tiktok_return=row, outcome="DONE", finished_at=now)
    copy(attempt, 2 * RETURNS, **owner, tiktok_return_id=f"{START} + 1 + n % {RETURNS}")
    event = factories.WebhookEventFactory(tiktok_return=row, handled_at=now, outcome="APPLIED", shop_id=shop.shop_id)
    copy(event, RETURNS, **owner, dedupe_key=text("N"), correlation_id=text("c"), tiktok_return_id=f"{START} + n")
    match = factories.MatchFactory(shop=shop, return_id=row.return_id, sales_order=order)
    copy(
        match,
        RETURNS,
        **ours,
        return_id=text("R"),
        outcome=f"CASE WHEN {linked} THEN 'MATCHED' ELSE 'NO_MATCH' END",
        reason=f"CASE WHEN {linked} THEN '' ELSE 'ORDER_NOT_SYNCED' END",
        sales_order_id=f"CASE WHEN {linked} THEN {START} + n ELSE NULL END",
        external_order_id=text("SO-"),
        order_key=text("SO-"),
    )
    verdict = factories.ItemMatchFactory(match=match, item=item)
    copy(verdict, RETURNS, **owner, match_id=f"{START} + n", item_id=f"{START} + n")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    counted = (SalesOrder, SalesOrderItem, ReboundReturn, ReturnLabel, TikTokReturn, TikTokReturnItem, Match, ItemMatch)
    assert all(model._default_manager.filter(pk__gt=START).exists() for model in (*counted, StepAttempt, WebhookEvent))


def addresses() -> dict[str, str]:
    returns, orders = (reverse(f"admin:{name}_changelist") for name in ("returns_tiktokreturn", "matching_salesorder"))
    events = reverse("admin:returns_webhookevent_changelist")
    n = RETURNS // 2 // 10 * 10 + 1  # linked
    merchant, shop = Merchant.objects.order_by("pk")[3].pk, Shop.objects.order_by("pk")[3].pk
    return {
        "work queue": reverse("admin:index"),
        "returns": returns,
        "returns, needs attention": f"{returns}?status__exact=NEEDS_ATTENTION",
        "returns, past half of their wait": f"{returns}?at=half",
        "returns, labels not delivered": f"{returns}?at=undelivered",
        "returns, the deepest page": f"{returns}?p={min(200, max(1, RETURNS // 50))}",
        "returns, done": f"{returns}?status__exact=DONE",
        "returns, one reason": f"{returns}?reason__exact=NO_LANE",
        "returns, direct": f"{returns}?rebound_return__kind__exact=DIRECT",
        "returns, matched": f"{returns}?match_outcome__exact=MATCHED",
        "returns, order alone matched, one in 10 000": f"{returns}?match_outcome__exact=ORDER_ONLY",
        "returns, partly matched, none": f"{returns}?match_outcome__exact=PARTLY_MATCHED",
        "returns, one platform origin": f"{returns}?platform_origin__exact=MAGENTO",
        "returns, one origin, no match": f"{returns}?platform_origin__exact=SHOPIFY&match_outcome__exact=NO_MATCH",
        "returns, one merchant": f"{returns}?merchant__id__exact={merchant}",
        "returns, one shop, waiting": f"{returns}?shop__id__exact={shop}&status__exact=WAITING",
        "search: return id": f"{returns}?q=R{n}",
        "search: TikTok order": f"{returns}?q=T{n}",
        "search: external order": f"{returns}?q=SO-{n}",
        "search: our reference": f"{returns}?q=TTS-{n}",
        "search: tracking number": f"{returns}?q=RM{n}",
        "search: nothing": f"{returns}?q=nothing-like-it",
        "return": reverse("admin:returns_tiktokreturn_change", args=[START + n]),
        "orders": orders,
        "orders, one merchant": f"{orders}?merchant__id__exact={merchant}",
        "orders, pushed": f"{orders}?source__exact=PUSHED",
        "orders, from a file, one in 10 000": f"{orders}?source__exact=FILE",
        "orders, read from ReBound, none": f"{orders}?source__exact=READ_THROUGH",
        "search: order": f"{orders}?q=SO-{n}",
        "order": reverse("admin:matching_salesorder_change", args=[START + n]),
        "events": events,
        "search: correlation id": f"{events}?q=c{n}",
    }


def ask(client: Client, address: str) -> dict[str, float]:
    client.get(address)
    statements: list[str] = []

    def noting(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(noting):
        answer = client.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} was answered with {answer.status_code}.")
    took = []
    for _ in range(TIMES):
        started = time.perf_counter()
        client.get(address)
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    p95 = took[min(len(took) - 1, round(0.95 * len(took)))]
    return {
        "p50": statistics.median(took),
        "p95": p95,
        "queries": sum(not sql.startswith(CONTROL) for sql in statements),
    }


def main() -> None:
    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)
    fill()
    lead = User.objects.create_superuser("lead", "", None)
    manager = User.objects.create_user("manager", password=None, is_staff=True)
    manager.groups.add(Group.objects.get(name=Role.MANAGER.value))
    for merchant in Merchant.objects.order_by("pk")[1:3]:
        StaffAssignment.objects.create(merchant=merchant, user=manager)
    found: dict[str, Any] = {}
    for user in (lead, manager):
        client = Client()
        client.force_login(user)
        pages = addresses()
        if user is manager:
            pages = {name: pages[name] for name in ("work queue", "returns", "returns, needs attention", "orders")}
        for name, address in pages.items():
            found[f"{name} ({user.username})"] = ask(client, address)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
