"""`python -m tests.benchmarks.orders`: pushing, finding and importing orders, next to peers in the same run.

A batch goes through the whole stack (HTTP by the shipped server, authentication, every check, encryption, upsert);
beside it the usual serializer, and typed decoding and COPY without any of the rest: of the same rows, and of lean ones.
IMPORT_ROWS and SCALE_ORDERS set the sizes of the import and of the look-up (a million rows, ten million orders).
"""

import statistics
import sys
from typing import Any

from tests.benchmarks.databases import available, measured_on
from tests.benchmarks.options import options
from tests.benchmarks.pushing import BATCH, ITEMS, PRODUCT, ratios
from tests.benchmarks.report import Target, figure, machine, show, show_targets
from tests.benchmarks.servers import end_cleanly

NAMES = {
    PRODUCT: "the product, first push",
    "unchanged": "the product, the same again",
    "serializer": "nested DRF serializer, bulk_create",
    "same_rows": "msgspec and COPY (SQLite: executemany) of the same rows",
    "lean_rows": "the same into lean tables",
}


def show_found(title: str, found: dict[str, Any], *, rounds: int) -> None:
    pushes = found["pushes"]
    show(
        f"{title}, batches of {BATCH} orders with {ITEMS} items, median of {rounds} rounds ({machine()})",
        ("", "orders/s", "product against it"),
        [
            (NAMES[name], figure(statistics.median(rates)), figure(ratios(pushes, PRODUCT, name)))
            for name, rates in pushes.items()
        ],
    )
    single = found["single"]
    show(
        f"{title}, one order a request",
        ("orders/s", "p50 ms", "p99 ms"),
        [(figure(single["a_second"]), figure(single["p50"]), figure(single["p99"]))],
    )
    show(
        f"{title}, finding an order and its items by external id, through the ORM",
        ("orders held", "p50 ms", "p99 ms"),
        [(figure(each["orders"]), figure(each["p50_ms"]), figure(each["p99_ms"])) for each in found["look_ups"]],
    )
    show(
        f"{title}, import of a CSV file",
        ("rows", "orders/s", "peak memory MB", "slower than batches"),
        [
            tuple(figure(each[name]) for name in ("rows", "orders_a_second", "memory_mb", "slower"))
            for each in found["imports"]
        ],
    )


def targets_of(title: str, found: dict[str, Any]) -> list[Target]:
    """The targets of performance.md, "Orders"."""
    pushes, (small, large) = found["pushes"], found["look_ups"]
    few, many = found["imports"]
    overlapping = found["overlapping"]
    return [
        Target(f"{title}: batch against the serializer", ratios(pushes, PRODUCT, "serializer"), least=2.5),
        Target(f"{title}: batch against COPY of the same rows", ratios(pushes, PRODUCT, "same_rows"), least=0.5),
        Target(f"{title}: unchanged against first push", ratios(pushes, "unchanged", PRODUCT), least=2),
        Target(f"{title}: single push, p99", found["single"]["p99"], most=30, unit="ms"),
        Target(f"{title}: look-up, large against small", large["p50_ms"] / small["p50_ms"], most=1.3),
        Target(f"{title}: look-up, p99", large["p99_ms"], most=3, unit="ms"),
        Target(f"{title}: import, peak memory", many["memory_mb"], most=200, unit="MB"),
        Target(f"{title}: import, memory against a quarter of it", many["memory_mb"] / few["memory_mb"], most=1.1),
        Target(f"{title}: import, time against batch push", many["slower"], most=2),
        Target(f"{title}: six pushers, deadlocks", overlapping["deadlocks"], most=0),
        Target(f"{title}: six pushers, refused or lost", overlapping["refused"], most=0),
        Target(
            f"{title}: six pushers, orders without the newest version or all items",
            overlapping["stale"] + overlapping["wrong_items"],
            most=0,
        ),
    ]


def main() -> int:
    end_cleanly()
    wanted = options()
    print(f"Before it starts: {machine()}.", flush=True)
    targets: list[Target] = []
    for kind in available():
        title, found = measured_on(kind, "pushing")
        show_found(title, found, rounds=wanted.rounds)
        targets += targets_of(title, found)
    show_targets(targets, quick=wanted.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
