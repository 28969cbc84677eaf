"""`python -m tests.benchmarks.coverage`: a coverage check of 500 orders by the shipped workers, on each database.

Every remote call takes 100 ms, and TikTok lets 20 calls a second through for a shop and endpoint, refusing the others
with 429, as it may (its limits are not public). The sandbox itself counts the calls. Two worlds: every order synced to
ReBound, and none; the second needs the most look-ups.
"""

import json
import logging
import os
import sys
import time
from typing import Any

import django

from rebound_tts.demo.__main__ import environment_for
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.benchmarks.databases import available, measured_on
from tests.benchmarks.options import options
from tests.benchmarks.report import Target, figure, machine, show, show_targets
from tests.benchmarks.servers import Servers, end_cleanly, migrate, servers

LATENCY_MS = 100
CALLS_A_SECOND = 20
ORDERS, QUICK_ORDERS = 500, 40
MOST_SECONDS = 60
PATIENCE = 240.0
PAGE, REBOUND_PAGE, PROBES = 100, 50, 3
SEARCH = "tiktok POST /order/202309/orders/search"
REFERENCES = "tiktok GET /order/202406/orders/{id}/external_orders"
SALES_ORDERS = "rebound GET /sales-orders"


def check(started: Servers, *, orders: int, synced: bool) -> dict[str, Any]:
    """One check in a world of its own. Answers its seconds, its calls and what it found."""
    said = started.start("sandbox", "-m", "rebound_tts.sandbox", "--port", "0", "--empty", environment={}, reads=True)
    environment = environment_for(said, web_port=0) | {"DATABASE_URL": os.environ["DATABASE_URL"]}
    os.environ.update(environment)
    migrate(environment)
    django.setup()
    logging.disable(logging.INFO)
    from django.utils import timezone  # noqa: PLC0415  # these need the environment above

    from matching.coverage import tasks  # noqa: PLC0415
    from matching.coverage.services import start_check  # noqa: PLC0415
    from rebound_tts.demo.cast import assemble  # noqa: PLC0415
    from rebound_tts.demo.story import Story  # noqa: PLC0415

    control = SandboxControl(said["control_url"])
    story = Story(control, assemble(control))
    player = story.cast.shopify
    for _ in range(orders):
        if synced:
            story.synced(player, ("linen-shirt", "39.00", 1), ("tea-towel", "12.50", 2))
        else:
            bought = story.buys(player, ("linen-shirt", "39.00", 1))
            story.references(player, bought, items={bought.lines[0]["id"]: "1"})
    started.work("workers", environment)
    control.post("/settings", latency_ms=LATENCY_MS, rate_limit_per_second=CALLS_A_SECOND)
    control.post("/calls/reset")
    begun = time.monotonic()
    made = start_check(shop=player.shop, sample_size=orders, now=timezone.now())
    tasks.ring()
    while made.is_active and time.monotonic() - begun < PATIENCE:
        time.sleep(0.1)
        made.refresh_from_db()
    seconds = time.monotonic() - begun
    calls = {name: count for name, count in control.get("/calls")["by_endpoint"].items() if "token" not in name}
    started.end("workers", "sandbox")
    return {
        "state": made.state,
        "seconds": seconds,
        "sampled": made.sampled,
        "matched": made.matched,
        "refused": made.calls.get("refused", 0),
        "calls": calls,
    }


def needed(orders: int, *, synced: bool) -> dict[str, int]:
    """The calls that such a check cannot do without, refusals aside."""
    pages = -(-orders // REBOUND_PAGE) if synced else 1 + PROBES
    return {SEARCH: -(-orders // PAGE), REFERENCES: orders, SALES_ORDERS: pages}


def main() -> int:
    end_cleanly()
    wanted = options()
    orders = QUICK_ORDERS if wanted.quick else ORDERS
    if sys.argv[1:]:
        with servers() as started:
            print(json.dumps(check(started, orders=orders, synced=sys.argv[1] == "synced")))
        return 0
    rows, targets = [], []
    for kind in available()[: 1 if wanted.quick else None]:
        for synced in (True, False):
            title, found = measured_on(kind, "coverage", "synced" if synced else "not-synced")
            where = f"{title}, {'every order synced' if synced else 'no order synced'}"
            calls, least = found["calls"], needed(orders, synced=synced)
            made = [calls.get(name, 0) for name in (SEARCH, REFERENCES, SALES_ORDERS)]
            rows.append(
                (
                    where,
                    figure(found["seconds"]),
                    f"{found['matched']}/{found['sampled']}",
                    *(str(each) for each in (*made, found["refused"], sum(least.values()))),
                )
            )
            over = sum(made) - found["refused"] - sum(least.values())
            targets.append(
                Target(f"{where}: seconds for {orders} orders", found["seconds"], most=MOST_SECONDS, unit="s")
            )
            targets.append(Target(f"{where}: calls beyond those needed", over, most=0))
            targets.append(Target(f"{where}: orders decided as they should", found["matched"], least=orders * synced))
    columns = ("", "seconds", "matched", "searches", "references", "ReBound", "refused (429)", "needed")
    limits = f"{LATENCY_MS} ms a call, {CALLS_A_SECOND} calls a second"
    show(f"Coverage check of {orders} orders, {limits} ({machine()})", columns, rows)
    show_targets(targets, quick=wanted.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
