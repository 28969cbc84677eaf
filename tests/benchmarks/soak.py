"""`python -m tests.benchmarks.soak`: the same load for as long as asked, with memory and latency written down.

RATE returns a second for MINUTES, on DATABASE (sqlite or postgresql), through the shipped servers against the sandbox.
A row a round, on the screen and in var/soak.csv: labels delivered, seconds from webhook to label, memory and processor
time of web and workers. Ends with 1 if a return has no label, or if memory goes on growing once all is warm.
"""

import csv
import json
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from django.db import connections

from tests.benchmarks.carry import PATIENCE, Carrying, delivered
from tests.benchmarks.databases import measured_on
from tests.benchmarks.load import offer, percentile
from tests.benchmarks.report import Target, figure, show_targets
from tests.benchmarks.servers import FOLDER, cpu_seconds, end_cleanly, memory_mb, servers

ROUND_SECONDS = 30
GROWTH = 1.1  # of the last quarter's memory against the third's: in the first half, threads and their caches come up
COLUMNS = ("minute", "offered", "delivered", "p50_s", "p99_s", "memory_mb", "core_percent")

Row = dict[str, float]


def soak(carrying: Carrying, *, rate: float, minutes: float) -> list[Row]:
    rows: list[Row] = []
    count = max(round(rate * ROUND_SECONDS), 1)
    families = carrying.started.family("web", "workers")
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=1) as buyers:  # they go on buying while a round runs
        made = buyers.submit(_webhooks, carrying, count)
        while time.monotonic() - started < 60 * minutes:
            webhooks = made.result()
            made = buyers.submit(_webhooks, carrying, count)
            since, before = time.monotonic(), cpu_seconds(families)
            offer(carrying.port, list(webhooks.values()), a_second=rate)
            done = delivered(list(webhooks), within=PATIENCE)
            seconds = sorted((row["label_delivered_at"] - row["received_at"]).total_seconds() for row in done)
            families = carrying.started.family("web", "workers")  # workers are recycled now and then
            used = max(cpu_seconds(families) - before, 0.0)
            values = (
                (time.monotonic() - started) / 60,
                len(webhooks),
                len(done),
                percentile(seconds, 0.5),
                percentile(seconds, 0.99),
                memory_mb(families)[1],
                100 * used / (time.monotonic() - since),
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
            print("  ".join(f"{name} {figure(value)}" for name, value in rows[-1].items()), file=sys.stderr, flush=True)
        made.result()
    return rows


def _webhooks(carrying: Carrying, count: int) -> dict[str, bytes]:
    try:
        return carrying.webhooks(count)
    finally:
        connections.close_all()


def targets_of(title: str, rows: list[Row]) -> list[Target]:
    quarter = max(len(rows) // 4, 1)
    warm = rows[-2 * quarter : -quarter] or rows[:1]
    grown = statistics.median(row["memory_mb"] for row in rows[-quarter:]) / statistics.median(
        row["memory_mb"] for row in warm
    )
    lost = sum(row["offered"] - row["delivered"] for row in rows)
    return [
        Target(f"{title}: returns without a label", lost, most=0),
        Target(f"{title}: memory of the last quarter against the third", grown, most=GROWTH),
        Target(f"{title}: p99 of the slowest round", max(row["p99_s"] for row in rows), most=1.5, unit="s"),
    ]


def write(rows: list[Row]) -> Path:
    path = FOLDER / "var" / "soak.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({name: round(value, 3) for name, value in row.items()} for row in rows)
    return path


def carry() -> list[Row]:
    with servers() as started:
        carrying = Carrying(started)
        carrying.open(workers=2)
        return soak(carrying, rate=float(os.environ.get("RATE") or 5), minutes=float(os.environ.get("MINUTES") or 10))


def main() -> int:
    title, found = measured_on(os.environ.get("DATABASE") or "sqlite", "soak", "--carry")
    rows: list[Any] = found["rows"]
    print(f"Every round is in {write(rows)}.")
    targets = targets_of(title, rows)
    show_targets(targets, quick=False)
    return 0 if all(target.is_met for target in targets[:2]) else 1


if __name__ == "__main__":
    end_cleanly()
    if "--carry" in sys.argv[1:]:
        print(json.dumps({"rows": carry()}))
    else:
        sys.exit(main())
