"""`python -m tests.benchmarks.carry`: carries returns from webhook to label on the database in DATABASE_URL.

One process for one database, since Django's settings are read once. It plays buyer, OMS and TikTok against a sandbox,
starts the shipped web server and workers, and prints one line of JSON: `Measured` rounds, the idle processes, and the
queries of one return (queries.py). `returns.py` starts it and shows the figures.
"""

import json
import logging
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import django

from rebound_tts.demo.__main__ import environment_for
from rebound_tts.demo.processes import free_port
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.benchmarks.load import drive, offer, percentile, return_event, signed
from tests.benchmarks.options import Options, options
from tests.benchmarks.servers import Servers, cpu_seconds, end_cleanly, memory_mb, migrate, servers

OFFERED = 5.0  # returns a second
LATENCIES = (0, 200)  # milliseconds that the sandbox takes for every remote call
WORKERS = (2, 1, 4)  # QUEUE_WORKERS; the first is the default, and one is there to be compared with
IDLE_SECONDS = 8.0
PATIENCE = 90.0  # seconds after the last webhook
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Measured:
    """One round. Seconds run from the receipt of the webhook to TikTok's acceptance of the label."""

    latency_ms: int
    workers: int
    offered: float  # returns a second; 0 is all at once
    count: int
    delivered: int
    a_second: float
    p50: float
    p99: float
    calls: float  # remote calls a return, tokens aside
    rss_mb: float
    pss_mb: float
    cpu_web_ms: float  # processor time a return
    cpu_workers_ms: float
    cpu_sandbox_ms: float


class Carrying:
    """A sandbox, an installation and a cast; `play` carries a number of returns. `more` is its environment's own."""

    def __init__(self, started: Servers, **more: str) -> None:
        said = started.start(
            "sandbox", "-m", "rebound_tts.sandbox", "--port", "0", "--empty", environment={}, reads=True
        )
        self.started = started
        self.said = said
        self.port = 0
        self.environment = environment_for(said, web_port=free_port()) | more
        self.environment["DATABASE_URL"] = os.environ["DATABASE_URL"]
        os.environ.update(self.environment)
        migrate(self.environment)
        django.setup()
        logging.disable(logging.INFO)  # in this process; the servers log as shipped
        from rebound_tts.demo.cast import assemble  # noqa: PLC0415  # models need the environment above
        from rebound_tts.demo.story import Story  # noqa: PLC0415

        self.control = SandboxControl(said["control_url"])
        self.story = Story(self.control, assemble(self.control))

    def webhooks(self, count: int, *players: Any) -> dict[str, bytes]:
        """Returns of buyers whose orders are where they belong, and the webhook of each, not sent yet.

        They are of these shops by turns, or of two merchants'.
        """
        made: dict[str, bytes] = {}
        players = players or (self.story.cast.shopify, self.story.cast.oms)
        for number in range(count):
            player = players[number % len(players)]
            buys = self.story.synced if player.shop.matching_enabled else self.story.buys
            bought = buys(player, ("linen-shirt", "39.00", 1))
            (return_id,) = self.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
            event = return_event(shop_id=player.shop_id, return_id=return_id, order_id=bought.order_id)
            made[return_id] = signed(event, app_key=self.said["app_key"], app_secret=self.said["app_secret"])
        return made

    def play(self, *, latency_ms: int, workers: int, offered: float, count: int) -> Measured:
        self.control.post("/settings", latency_ms=0)
        made = self.webhooks(count)
        self.control.post("/settings", latency_ms=latency_ms)
        self.control.post("/calls/reset")
        families = [self.started.family(name) for name in ("web", "workers", "sandbox")]
        before = [cpu_seconds(pids) for pids in families]
        if offered:
            offer(self.port, list(made.values()), a_second=offered)
        else:
            drive(self.port, list(made.values()), connections=16, seconds=PATIENCE)
        rows = delivered(list(made), within=PATIENCE)
        web_ms, work_ms, sandbox_ms = (
            1000 * (cpu_seconds(pids) - since) / count for pids, since in zip(families, before, strict=True)
        )
        seconds = sorted((row["label_delivered_at"] - row["received_at"]).total_seconds() for row in rows)
        took = (
            max(row["label_delivered_at"] for row in rows) - min(row["received_at"] for row in rows)
        ).total_seconds()
        rss, pss = memory_mb(families[0] + families[1])
        return Measured(
            latency_ms=latency_ms,
            workers=workers,
            offered=offered,
            count=count,
            delivered=len(rows),
            a_second=len(rows) / took,
            p50=percentile(seconds, 0.5),
            p99=percentile(seconds, 0.99),
            calls=self.remote_calls() / count,
            rss_mb=rss,
            pss_mb=pss,
            cpu_web_ms=web_ms,
            cpu_workers_ms=work_ms,
            cpu_sandbox_ms=sandbox_ms,
        )

    def remote_calls(self) -> int:
        counted = self.control.get("/calls")["by_endpoint"]
        return sum(number for endpoint, number in counted.items() if "token" not in endpoint)

    def open(self, *, workers: int, in_one: bool = False) -> None:
        """Start web server and workers, each by its command or both by `manage.py run`, and carry a few returns."""
        environment = self.environment | {"QUEUE_WORKERS": str(workers)}
        if in_one:
            self.port = self.started.run("web", environment)
        else:
            self.port = self.started.serve("web", environment)
            self.started.work("workers", environment)
        time.sleep(2)  # the workers come up
        self.play(latency_ms=0, workers=workers, offered=0, count=8)  # warm, with tokens fetched

    def idle(self, *, seconds: float) -> dict[str, float]:
        """Memory, and the share of a core, of web and workers that have nothing to do."""
        time.sleep(1)
        pids = self.started.family("web", "workers")
        before = cpu_seconds(pids)
        time.sleep(seconds)
        rss, pss = memory_mb(pids)
        return {"cpu_percent": 100 * (cpu_seconds(pids) - before) / seconds, "rss_mb": rss, "pss_mb": pss}


def delivered(return_ids: list[str], *, within: float) -> list[dict[str, Any]]:
    """Receipt and delivery of each of these that has its label, waiting for all of them so long."""
    from django.db.models import F  # noqa: PLC0415  # after django.setup, as the models

    from returns.models import TikTokReturn  # noqa: PLC0415

    done = TikTokReturn.objects.filter(return_id__in=return_ids, label_delivered_at__isnull=False)
    deadline = time.monotonic() + within
    while done.count() < len(return_ids) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return list(done.values("return_id", "label_delivered_at", received_at=F("events__received_at")))


def carry(wanted: Options) -> dict[str, Any]:
    rounds: list[Measured] = []
    with servers() as started:
        carrying = Carrying(started)
        from tests.benchmarks.queries import queries_of_a_return  # noqa: PLC0415  # models need the environment

        counted = queries_of_a_return(list(carrying.webhooks(4).values()))
        idle_seconds = 2 if wanted.quick else IDLE_SECONDS
        carrying.open(workers=WORKERS[0], in_one=True)
        idle = {"run": carrying.idle(seconds=idle_seconds)}
        started.end("web")
        for _ in range(wanted.rounds):
            for workers in WORKERS[: 1 if wanted.quick else None]:
                carrying.open(workers=workers)
                if len(idle) == 1:
                    idle["serve and work"] = carrying.idle(seconds=idle_seconds)
                for latency_ms in LATENCIES[: 1 if wanted.quick else None]:
                    for offered, count in ((OFFERED, wanted.offered), (0.0, wanted.returns)):
                        if offered and workers == 1:
                            continue
                        played = carrying.play(latency_ms=latency_ms, workers=workers, offered=offered, count=count)
                        rounds.append(played)
                        print(f"  {played}", file=sys.stderr, flush=True)
                started.end("web", "workers")
    return {"rounds": [asdict(each) for each in rounds], "idle": idle, "queries": counted}


if __name__ == "__main__":
    end_cleanly()
    print(json.dumps(carry(options())))
