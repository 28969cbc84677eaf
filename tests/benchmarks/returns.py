"""`python -m tests.benchmarks.returns`: returns carried from webhook to label, through the shipped servers.

On each database: at five returns a second and all at once, with remotes that answer at once and that take 200 ms, with
two queue workers and with four. Everything shares one machine: the product, the sandbox, the database and this.
Memory is judged by what the processes take together (PSS): RSS counts what they share anew for each, and is shown too.
"""

import statistics
import sys
from typing import Any

from tests.benchmarks.databases import available, measured_on
from tests.benchmarks.options import options
from tests.benchmarks.report import Target, figure, machine, show, show_targets
from tests.benchmarks.servers import end_cleanly

MOST_QUERIES_A_STEP = 12
MOST_CALLS = 6
STEPS = ("FETCH", "MATCH", "CREATE", "COLLECT", "DELIVER")

Round = dict[str, Any]


def medians(rounds: list[Round]) -> dict[tuple[int, int, float], Round]:
    """The median of the rounds of each setting: (latency in ms, workers, returns a second offered)."""
    settings: dict[tuple[int, int, float], list[Round]] = {}
    for each in rounds:
        settings.setdefault((each["latency_ms"], each["workers"], each["offered"]), []).append(each)
    return {
        setting: {name: statistics.median(each[name] for each in same) for name in same[0]}
        for setting, same in settings.items()
    }


def show_rounds(title: str, found: dict[tuple[int, int, float], Round], *, count: int) -> None:
    rows = []
    for (latency_ms, workers, offered), each in sorted(found.items()):
        rows.append(
            (
                f"remotes {latency_ms} ms, {workers} workers, {f'{offered:g}/s' if offered else 'all at once'}",
                f"{each['delivered']:.0f}/{each['count']:.0f}",
                *(figure(each[name]) for name in ("a_second", "p50", "p99", "calls")),
                *(
                    f"{each[name]:.0f}"
                    for name in ("cpu_web_ms", "cpu_workers_ms", "cpu_sandbox_ms", "rss_mb", "pss_mb")
                ),
            )
        )
    columns = ("", "labels", "a second", "p50 s", "p99 s", "calls", "web", "workers", "sandbox", "RSS MB", "PSS MB")
    show(f"{title}, median of {count} rounds; web, workers, sandbox: CPU ms a return ({machine()})", columns, rows)


def show_queries(title: str, counted: dict[str, dict[str, int]]) -> None:
    queries, control = counted["queries"], counted["control"]
    rows = [(name, str(number), str(control.get(name, 0))) for name, number in queries.items()]
    rows.append(("one return", str(sum(queries.values())), str(sum(control.values()))))
    show(f"{title}, queries of one return", ("", "queries", "BEGIN and the like"), rows)


def show_idle(title: str, measured: dict[str, dict[str, float]]) -> None:
    rows = [
        (command, *(f"{each[name]:.1f}" for name in ("pss_mb", "rss_mb", "cpu_percent")))
        for command, each in sorted(measured.items())
    ]
    show(f"{title}, idle after a few returns", ("", "PSS MB", "RSS MB", "% of a core"), rows)


def targets_of(title: str, found: dict[tuple[int, int, float], Round], *, measured: dict[str, Any]) -> list[Target]:
    """The targets of performance.md for which there is a round."""
    targets: list[Target] = []
    for (latency_ms, workers, offered), each in sorted(found.items()):
        where = f"{title}, remotes {latency_ms} ms, {workers} workers"
        lost = each["count"] - each["delivered"]
        targets.append(
            Target(f"{where}, {f'{offered:g}/s' if offered else 'all'}: returns without a label", lost, most=0)
        )
        if offered and latency_ms == 0:
            targets.append(Target(f"{where}: p50 at {offered:g}/s", each["p50"], most=0.5, unit="s"))
            targets.append(Target(f"{where}: p99 at {offered:g}/s", each["p99"], most=1.5, unit="s"))
        if not offered and workers > 1:
            least = 20 if latency_ms else 25
            targets.append(Target(f"{where}: returns a second", each["a_second"], least=least))
            one = found.get((latency_ms, 1, 0.0))
            if one:  # "never less", with a tenth for the noise of the machine
                targets.append(Target(f"{where}: against one worker", each["a_second"] / one["a_second"], least=0.9))
            targets.append(Target(f"{where}: memory of all processes under load", each["pss_mb"], most=600, unit="MB"))
    queries = measured["queries"]["queries"]
    most = max(queries[step] for step in STEPS if step in queries)
    targets.append(Target(f"{title}: queries of the longest step", most, most=MOST_QUERIES_A_STEP))
    calls = max(each["calls"] for each in found.values())
    targets.append(Target(f"{title}: remote calls a return", calls, most=MOST_CALLS))
    idle = measured["idle"]["run"]
    targets.append(Target(f"{title}: idle, memory of `run`", idle["pss_mb"], most=200, unit="MB"))
    targets.append(Target(f"{title}: idle, share of a core of `run`", idle["cpu_percent"], most=3, unit="%"))
    return targets


def main() -> int:
    end_cleanly()
    wanted = options()
    print(f"Before it starts: {machine()}.", flush=True)
    targets: list[Target] = []
    for kind in available():
        title, measured = measured_on(kind, "carry")
        found = medians(measured["rounds"])
        show_rounds(title, found, count=wanted.rounds)
        show_queries(title, measured["queries"])
        show_idle(title, measured["idle"])
        targets += targets_of(title, found, measured=measured)
    show_targets(targets, quick=wanted.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
