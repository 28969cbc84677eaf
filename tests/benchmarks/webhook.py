"""`python -m tests.benchmarks.webhook`: how many webhooks a second the shipped server accepts, next to its peers.

The product and its peers (peers.py) answer in turns, round after round, on the same machine and database server; the
median of the rounds counts. After each round the stored rows are counted: they must equal the acknowledged webhooks.
Then a burst while workers run, against one queued job for each event.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.databases import Database, available, database
from tests.benchmarks.load import Outcome, drive, return_event, signed
from tests.benchmarks.options import Options, options
from tests.benchmarks.report import Target, figure, machine, show, show_targets
from tests.benchmarks.servers import (
    APP_KEY,
    APP_SECRET,
    PROCESSES,
    Servers,
    cpu_seconds,
    end_cleanly,
    migrate,
    product_environment,
    servers,
)

PRODUCT = "the product"
PEERS = {
    "raw": "raw WSGI + driver, one prepared INSERT",
    "bare": "plain Django view, one INSERT",
    "drf": "lean DRF view, one INSERT",
}
MOST_A_SECOND = 7000  # webhooks made ready for a second of a round
HANDLED_WITHIN = 180.0  # seconds
LOOK_SECONDS = 0.05
TABLE = {PRODUCT: "returns_webhookevent"}


class Broken(Exception):
    """A webhook was lost or refused: no figure is worth anything then."""


@dataclass(frozen=True)
class Contender:
    name: str
    port: int
    pids: tuple[int, ...] = ()

    @property
    def table(self) -> str:
        return TABLE.get(self.name, "peer_event")


@dataclass(frozen=True)
class Round:
    outcome: Outcome
    cpu: float  # milliseconds of processor time that the server took for one webhook: steady on a busy machine

    @property
    def a_second(self) -> float:
        return self.outcome.a_second


def webhooks(count: int) -> list[bytes]:
    return [signed(return_event(), app_key=APP_KEY, app_secret=APP_SECRET) for _ in range(count)]


def one_round(contender: Contender, made: Database, *, connections: int, seconds: float, count: int) -> Round:
    made.clear(contender.table)
    requests = webhooks(count)
    before = cpu_seconds(list(contender.pids))
    outcome = drive(contender.port, requests, connections=connections, seconds=seconds)
    cpu = cpu_seconds(list(contender.pids)) - before
    stored = made.run(f"SELECT count(*) FROM {contender.table}")  # noqa: S608  # two names, both ours
    if outcome.refused or outcome.lost or stored != outcome.acknowledged:
        raise Broken(
            f"{contender.name} on {made.title}: {outcome.acknowledged} acknowledged, {stored} stored,"
            f" {outcome.lost} without an answer, statuses {dict(outcome.statuses)}"
        )
    return Round(outcome, 1000 * cpu / outcome.acknowledged)


def intake(made: Database, *, wanted: Options) -> list[Target]:
    """Every contender in turn, in every round."""
    environment = product_environment(made.url)
    migrate(environment)
    with servers() as started:
        ports = {PRODUCT: started.serve(PRODUCT, environment)}
        processes = 1 if made.kind == "sqlite" else PROCESSES  # as many as the product has
        ports |= {peer: started.serve_peer(peer, environment, processes=processes) for peer in PEERS}
        contenders = [Contender(name, port, tuple(started.family(name))) for name, port in ports.items()]
        for contender in contenders:
            one_round(contender, made, connections=16, seconds=0.5, count=2000)  # warm
        targets = []
        for connections in wanted.connections:
            rounds: dict[str, list[Round]] = {contender.name: [] for contender in contenders}
            count = int(wanted.seconds * MOST_A_SECOND)
            for number in range(wanted.rounds):
                first = number % len(contenders)  # nobody always runs first, while the machine is cool
                for contender in contenders[first:] + contenders[:first]:
                    rounds[contender.name].append(
                        one_round(contender, made, connections=connections, seconds=wanted.seconds, count=count)
                    )
            targets += report_intake(made, rounds, connections=connections)
    return targets


def report_intake(made: Database, rounds: dict[str, list[Round]], *, connections: int) -> list[Target]:
    def medians(figure_of: Callable[[Round], float]) -> dict[str, float]:
        return {name: statistics.median(map(figure_of, outcomes)) for name, outcomes in rounds.items()}

    rates = medians(lambda each: each.a_second)
    p50 = medians(lambda each: each.outcome.milliseconds(0.50))
    p99 = medians(lambda each: each.outcome.milliseconds(0.99))
    cpu = medians(lambda each: each.cpu)
    # The ratio of each round, both sides seconds apart, and then the median: the machine's moods cancel out.
    ratios = {
        name: statistics.median(
            own.a_second / other.a_second for own, other in zip(rounds[PRODUCT], outcomes, strict=True)
        )
        for name, outcomes in rounds.items()
    }
    slowest = max(each.outcome.milliseconds(1) for each in rounds[PRODUCT])
    show(
        f"{made.title}, {connections} connections, median of {len(rounds[PRODUCT])} rounds, none lost, none refused,"
        f" every acknowledged one stored ({machine()})",
        ("", "webhooks/s", "p50 ms", "p99 ms", "CPU ms each", "product against it"),
        [
            (PEERS.get(name, name), *(figure(found[name]) for found in (rates, p50, p99, cpu, ratios)))
            for name in rounds
        ],
    )
    where = f"{made.title}, {connections} connections"
    targets = [
        Target(f"{where}: p99", p99[PRODUCT], most=15 if connections <= 16 else 100, unit="ms"),
        Target(f"{where}: slowest of all", slowest / 1000, most=3, unit="s"),
    ]
    if connections <= 16:
        targets.append(Target(f"{where}: against a lean DRF view", ratios["drf"], least=0.9))
        if made.kind == "postgresql":  # the limit is set against psycopg: the driver of SQLite makes no call
            targets.append(Target(f"{where}: against raw WSGI + psycopg", ratios["raw"], least=0.45))
    return targets


@dataclass(frozen=True)
class Burst:
    acknowledged: float  # seconds until the last webhook was acknowledged
    handled: float  # seconds until the last event was handled
    slowest: float


def burst(contender: Contender, made: Database, *, count: int) -> Burst:
    """Send all at once while workers run, and wait until every event is handled."""
    made.clear(contender.table, "django_q_ormq")
    requests = webhooks(count)
    started = time.perf_counter()
    outcome = drive(contender.port, requests, connections=16, seconds=HANDLED_WITHIN)
    acknowledged = time.perf_counter() - started
    if outcome.acknowledged != count:
        raise Broken(f"{contender.name} on {made.title}: {outcome.acknowledged} of {count} acknowledged")
    left = f"SELECT count(*) FROM {contender.table} WHERE handled_at IS NULL"  # noqa: S608  # two names, both ours
    while made.run(left):
        if time.perf_counter() - started > HANDLED_WITHIN:
            raise Broken(f"{contender.name} on {made.title}: {made.run(left)} of {count} events never handled")
        time.sleep(LOOK_SECONDS)
    handled = time.perf_counter() - started
    stored = made.run(f"SELECT count(*) FROM {contender.table}")  # noqa: S608  # two names, both ours
    if stored != count:
        raise Broken(f"{contender.name} on {made.title}: {stored} stored of {count}")
    return Burst(acknowledged, handled, outcome.milliseconds(1) / 1000)


def bursts(made: Database, *, wanted: Options) -> list[Target]:
    """One side after the other, since the workers of either would take processor time from the other."""
    environment = product_environment(made.url)
    found: dict[str, list[Burst]] = {PRODUCT: [], "jobs": []}
    for _ in range(wanted.rounds):
        for name, outcomes in found.items():
            with servers() as started:
                contender = _with_workers(started, name, environment)
                time.sleep(2)  # the workers come up
                burst(contender, made, count=100)  # warm
                outcomes.append(burst(contender, made, count=wanted.burst))
    best = {name: min(outcomes, key=lambda each: each.handled) for name, outcomes in found.items()}
    titles = {PRODUCT: PRODUCT, "jobs": "plain view, one job an event"}
    show(
        f"{made.title}, a burst of {wanted.burst} while workers run, best of {len(found[PRODUCT])} ({machine()})",
        ("", "acknowledged s", "all handled s", "slowest answer s"),
        [
            (titles[name], figure(each.acknowledged), figure(each.handled), figure(each.slowest))
            for name, each in best.items()
        ],
    )
    where = f"{made.title}, burst"
    return [
        Target(f"{where}: times faster than one job an event", best["jobs"].handled / best[PRODUCT].handled, least=4),
        Target(f"{where}: slowest answer", best[PRODUCT].slowest, most=3, unit="s"),
    ]


def _with_workers(started: Servers, name: str, environment: dict[str, str]) -> Contender:
    if name == PRODUCT:
        started.work("workers", environment)
        return Contender(PRODUCT, started.serve("web", environment))
    started.start("cluster", "-m", "tests.benchmarks.peers", environment=environment | {"PEER": "jobs"})
    return Contender("jobs", started.serve_peer("jobs", environment))


def main() -> int:
    end_cleanly()
    wanted = options()
    print(f"Before it starts: {machine()}.", flush=True)
    targets: list[Target] = []
    kinds = available()
    for kind in kinds:
        try:
            with database(kind) as made:
                targets += intake(made, wanted=wanted)
                if not wanted.quick or kind == kinds[-1]:  # starting so many processes is most of a quick run
                    targets += bursts(made, wanted=wanted)
        except Broken as error:
            print(f"\nThe benchmark stops. {error}", flush=True)
            return 1
    show_targets(targets, quick=wanted.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
