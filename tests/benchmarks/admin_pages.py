"""The inside of the admin's benchmark: fills the database that DATABASE_URL names, then answers for each page asked.

Prints one line of JSON with the names of the pages; then for each name that it reads, a line with the milliseconds of
one request, those of the processor in this process, and the number of its queries.
"""

import gc
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import django

django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402  # Django must be set up first
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from merchants.models import Merchant, Shop, StaffAssignment  # noqa: E402
from merchants.staff import Role  # noqa: E402
from tests.benchmarks.admin_rows import MERCHANTS, START, fill  # noqa: E402

CONTROL = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")  # carry no data
OWN = 2  # merchants of the manager: the second and the third


def addresses(*, returns_made: int, share: int) -> dict[str, str]:
    """By name. `share` is how many merchants there are for one that is seen."""
    returns, orders = (reverse(f"admin:{name}_changelist") for name in ("returns_tiktokreturn", "matching_salesorder"))
    events = reverse("admin:returns_webhookevent_changelist")
    n = returns_made // 2 // MERCHANTS * MERCHANTS + 1  # of the second merchant
    merchant, shop = Merchant.objects.order_by("pk")[1].pk, Shop.objects.order_by("pk")[1].pk
    return {
        "work queue": reverse("admin:index"),
        "returns": returns,
        "returns, needs attention": f"{returns}?status__exact=NEEDS_ATTENTION",
        "returns, past half of their wait": f"{returns}?at=half",
        "returns, labels not delivered": f"{returns}?at=undelivered",
        "returns, the deepest page": f"{returns}?p={min(200, max(1, returns_made // share // 50))}",
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
        "search: events of a shop": f"{events}?q=shop-1",
    }


def people() -> Iterator[tuple[User, int]]:
    """Who asks, and of how many merchants they see one."""
    yield User.objects.create_superuser("lead", "", None), 1
    manager = User.objects.create_user("manager", password=None, is_staff=True)
    manager.groups.add(Group.objects.get(name=Role.MANAGER.value))
    for merchant in Merchant.objects.order_by("pk")[1 : 1 + OWN]:
        StaffAssignment.objects.create(merchant=merchant, user=manager)
    yield manager, MERCHANTS // OWN


def ask(client: Client, address: str) -> dict[str, float]:
    statements: list[str] = []

    def noting(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(noting):
        started, processor = time.perf_counter(), time.process_time()
        answer = client.get(address)
        took, processor = time.perf_counter() - started, time.process_time() - processor
    if answer.status_code != 200:
        raise RuntimeError(f"{address} was answered with {answer.status_code}.")
    queries = sum(not sql.startswith(CONTROL) for sql in statements)
    return {"ms": took * 1000, "processor_ms": processor * 1000, "queries": queries}


def main() -> None:
    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)
    returns, orders = int(os.environ["RETURNS"]), int(os.environ["ORDERS"])
    fill(returns=returns, orders=orders)
    pages: dict[str, tuple[Client, str]] = {}
    for user, share in people():
        client = Client()
        client.force_login(user)
        for name, address in addresses(returns_made=returns, share=share).items():
            pages[f"{name} ({user.username})"] = client, address
    print(json.dumps(list(pages)), flush=True)
    gc.freeze()  # as the shipped server does: it never looks through what was loaded before the first request
    for line in sys.stdin:
        print(json.dumps(ask(*pages[line.strip()])), flush=True)


if __name__ == "__main__":
    main()
