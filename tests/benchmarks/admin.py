"""`python -m tests.benchmarks.admin`: the admin's lists, searches and pages among many rows, beside the same among few.

On each database twice: with ADMIN_FEW (10 000) and with ADMIN_RETURNS (1.5 million) returns and ADMIN_ORDERS (ten
million) orders, copied by SQL from one row of each table. Each page is asked for through Django, as an administrator
and as a manager of two of twenty merchants: p50 and p95 of the whole request, and its queries.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.benchmarks.databases import Database, available, database
from tests.benchmarks.options import options
from tests.benchmarks.report import Target, figure, machine, show, show_targets

MOST_MS, MOST_TIMES, MOST_QUERIES = 200, 1.5, 15
SLACK_MS = 20  # below that a ratio says nothing: it is noise


@dataclass(frozen=True)
class Size:
    returns: int
    orders: int


def sizes() -> tuple[Size, Size]:
    quick = options().quick
    few = int(os.environ.get("ADMIN_FEW", 200 if quick else 10_000))
    many = Size(
        int(os.environ.get("ADMIN_RETURNS", 1_000 if quick else 1_500_000)),
        int(os.environ.get("ADMIN_ORDERS", 2_000 if quick else 10_000_000)),
    )
    return Size(few, few), many


Pages = dict[str, dict[str, float]]


def measured(made: Database, size: Size) -> Pages:
    """What `admin_pages.py` measured, in a process of its own on this database."""
    asked = {
        "DATABASE_URL": made.url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "RETURNS": str(size.returns),
        "ORDERS": str(size.orders),
        "TIMES": "3" if options().quick else "20",
    }
    command = [sys.executable, "-m", "tests.benchmarks.admin_pages"]
    started = time.monotonic()
    said = subprocess.run(command, env=os.environ | asked, stdout=subprocess.PIPE, check=True).stdout
    print(f"{made.title}, {size}: {time.monotonic() - started:.0f} s in all", flush=True)
    found: Pages = json.loads(said.splitlines()[-1])
    return found


def main() -> None:
    few, many = sizes()
    targets: list[Target] = []
    for kind in available():
        found = []
        for size in (few, many):
            with database(kind) as made:
                found.append(measured(made, size))
                title = made.title
        small, large = found
        rows = []
        for name, page in large.items():
            before = small[name]
            times = page["p95"] / before["p95"]
            cells = (before["p50"], before["p95"], page["p50"], page["p95"], times)
            rows.append((name, *(figure(each) for each in cells), f"{page['queries']:.0f}"))
            targets.append(Target(f"{title}, {name}: p95", page["p95"], most=MOST_MS, unit="ms"))
            if page["p95"] > before["p95"] + SLACK_MS:
                targets.append(Target(f"{title}, {name}: against few", times, most=MOST_TIMES))
            targets.append(Target(f"{title}, {name}: queries", page["queries"], most=MOST_QUERIES))
        columns = ("", "p50 few", "p95 few", "p50 many", "p95 many", "times", "queries")
        show(f"{title}: {few} and {many}, milliseconds ({machine()})", columns, rows)
        print(f"Median of the p95 among many: {figure(statistics.median(page['p95'] for page in large.values()))} ms")
    missed = [target for target in targets if not target.is_met]
    print(f"\n{len(targets) - len(missed)} of {len(targets)} targets met.")
    if missed:
        show_targets(missed, quick=options().quick)


if __name__ == "__main__":
    main()
