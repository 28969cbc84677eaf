"""`python -m tests.benchmarks.admin`: the admin's lists, searches and pages among many rows, beside the same among few.

On each database twice: with ADMIN_FEW (10 000) and with ADMIN_RETURNS (1.5 million) returns and ADMIN_ORDERS (ten
million) orders. Each page is asked for ADMIN_TIMES (20) through Django, by turns among few and among many, as an
administrator and as a manager of two of twenty merchants: p50 and p95 of the whole request, how many times longer the
p50 is among many, the processor's time of the web server's part, and the queries.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.databases import available, database
from tests.benchmarks.load import percentile
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


@dataclass
class Pages:
    """`admin_pages.py` in a process of its own, which fills a database of its own first."""

    title: str
    process: subprocess.Popen[str]

    def names(self) -> list[str]:
        """Of the pages, once the database is filled."""
        found: list[str] = self._answer()
        print(f"{self.title}: filled", flush=True)
        return found

    def ask(self, name: str) -> dict[str, float]:
        assert self.process.stdin is not None
        print(name, file=self.process.stdin, flush=True)
        return dict(self._answer())

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The pages of {self.title} ended with {self.process.wait()}; see above.")
        return json.loads(line)


@contextmanager
def pages(kind: str, size: Size) -> Iterator[Pages]:
    with database(kind) as made:
        asked = {
            "DATABASE_URL": made.url,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "RETURNS": str(size.returns),
            "ORDERS": str(size.orders),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.admin_pages"],
            env=os.environ | asked,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Pages(f"{made.title}, {size}", process)
        finally:
            process.terminate()
            process.wait()


@dataclass(frozen=True)
class Measured:
    p50: float
    p95: float
    processor: float
    queries: float


def measured(answers: list[dict[str, float]]) -> Measured:
    took = sorted(each["ms"] for each in answers)
    processor = statistics.median(each["processor_ms"] for each in answers)
    return Measured(
        statistics.median(took), percentile(took, 0.95), processor, max(each["queries"] for each in answers)
    )


def by_turns(small: Pages, large: Pages, name: str, *, times: int) -> tuple[Measured, Measured]:
    found: tuple[list[dict[str, float]], list[dict[str, float]]] = [], []
    for side in (small, large):
        side.ask(name)  # the first pays for what Django and the database keep
    for _ in range(times):
        for side, answers in zip((small, large), found, strict=True):
            answers.append(side.ask(name))
    return measured(found[0]), measured(found[1])


def compare(small: Pages, large: Pages, *, times: int) -> list[Target]:
    """Show each page's figures; answer what was wanted of them."""
    small.names()
    names = large.names()
    title = large.title.partition(",")[0]
    rows, targets = [], []
    for name in names:
        before, after = by_turns(small, large, name, times=times)
        ratio = after.p50 / before.p50
        cells = (before.p50, before.p95, after.p50, after.p95, ratio, after.processor)
        rows.append((name, *(figure(each) for each in cells), f"{after.queries:.0f}"))
        targets.append(Target(f"{title}, {name}: p95", after.p95, most=MOST_MS, unit="ms"))
        if after.p50 > before.p50 + SLACK_MS:
            targets.append(Target(f"{title}, {name}: against few", ratio, most=MOST_TIMES))
        targets.append(Target(f"{title}, {name}: queries", after.queries, most=MOST_QUERIES))
    columns = ("", "p50 few", "p95 few", "p50 many", "p95 many", "times", "processor", "queries")
    show(f"{large.title}, few: {small.title}; milliseconds ({machine()})", columns, rows)
    return targets


def main() -> None:
    times = int(os.environ.get("ADMIN_TIMES", 3 if options().quick else 20))
    targets: list[Target] = []
    with ExitStack() as open_still:
        # All fill at once; each pair is then asked alone.
        pairs = [[open_still.enter_context(pages(kind, size)) for size in sizes()] for kind in available()]
        for small, large in pairs:
            targets += compare(small, large, times=times)
    missed = [target for target in targets if not target.is_met]
    print(f"\n{len(targets) - len(missed)} of {len(targets)} targets met.")
    if missed:
        show_targets(missed, quick=options().quick)


if __name__ == "__main__":
    main()
