"""`python -m tests.benchmarks.fairness`: what a quiet merchant notices of another one's trouble, on each database.

One return a second of a quiet merchant, from webhook to label: alone; beside the sale day of another merchant, whose
returns come all at once in two shops; and beside another merchant whose ReBound takes connections and never answers,
with many of its returns due. Through the shipped servers, started anew for each, so that no circuit is open yet.
"""

import json
import os
import socket
import statistics
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F, Min
from django.utils import timezone

from tests.benchmarks.carry import PATIENCE, Carrying, delivered
from tests.benchmarks.databases import available, measured_on
from tests.benchmarks.load import drive, offer, percentile
from tests.benchmarks.options import Options, options
from tests.benchmarks.report import Target, figure, machine, show, show_targets
from tests.benchmarks.servers import end_cleanly, servers

ALONE, SALE, SILENT = "alone", "beside a sale day", "beside a ReBound that never answers"
READ_SECONDS = 5  # that a call to it holds a thread
CONNECTIONS = 16  # that the other merchant's webhooks come over
MOST_SECONDS = 3.0
MOST_RATIO = 10.0  # the machine is at its limit then, and what runs at once shares it
MOST_SHARE = 0.5


@dataclass(frozen=True)
class Size:
    """How many returns: of the quiet merchant and of the other one's two troubles."""

    quiet: int
    sale: int
    silent: int
    quiet_a_second: float


FULL, QUICK = Size(quiet=20, sale=400, silent=100, quiet_a_second=1), Size(4, 24, 24, quiet_a_second=2)


@dataclass(frozen=True)
class Heard:
    """One round. Seconds run from the receipt of a quiet merchant's webhook to TikTok's acceptance of its label."""

    setting: str
    count: int
    delivered: int
    p50: float
    p95: float
    taken_up: float  # p95 of the seconds until its first step began
    others: int  # labels of the other merchant by then
    others_p50: float


@contextmanager
def never_answers() -> Iterator[str]:
    """The address of a server that takes every connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return  # closed

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for each in held:
            each.close()


def without_polls() -> None:
    """No search finds a return before its webhook is sent."""
    from merchants.models import Shop  # noqa: PLC0415  # models need the environment
    from returns.models import ReturnPoll  # noqa: PLC0415

    never = timezone.now() + timedelta(days=1)
    polls = [ReturnPoll(merchant_id=shop.merchant_id, shop=shop, next_poll_at=never) for shop in Shop.objects.all()]
    ReturnPoll.objects.bulk_create(polls)


def listen(carrying: Carrying, setting: str, size: Size) -> Heard:
    """One round of a setting. Leaves nothing of it due."""
    from merchants.models import ReboundAccount  # noqa: PLC0415  # models need the environment
    from returns.models import TikTokReturn  # noqa: PLC0415

    cast = carrying.story.cast
    carrying.open(workers=2)
    quiet = carrying.webhooks(size.quiet, cast.oms)
    number = {ALONE: 0, SALE: size.sale, SILENT: size.silent}[setting]
    others = carrying.webhooks(number, cast.shopify, cast.off)
    account = ReboundAccount.objects.filter(pk=cast.shopify.shop.rebound_account_id)
    if setting == SILENT:
        account.update(environment="PRE", access_token="", access_token_expires_at=None)
    with ThreadPoolExecutor(max_workers=1) as merchant:
        offered = merchant.submit(offer, carrying.port, list(quiet.values()), a_second=size.quiet_a_second)
        if others:
            drive(carrying.port, list(others.values()), connections=CONNECTIONS, seconds=PATIENCE)
        offered.result()
    rows = delivered(list(quiet), within=PATIENCE)
    done = delivered(list(others), within=PATIENCE if setting == SALE else 0)
    carrying.started.end("web", "workers")
    account.update(environment="PROD", access_token="", access_token_expires_at=None)
    TikTokReturn.objects.filter(return_id__in=others).update(next_attempt_at=None, claimed_until=None, claim_token=None)
    seconds = seconds_between(rows, "label_delivered_at")
    first_tries = TikTokReturn.objects.filter(return_id__in=quiet).annotate(began_at=Min("step_attempts__started_at"))
    begun = list(first_tries.values("began_at", received_at=F("events__received_at")))
    return Heard(
        setting=setting,
        count=len(quiet),
        delivered=len(rows),
        p50=percentile(seconds, 0.5),
        p95=percentile(seconds, 0.95),
        taken_up=percentile(seconds_between(begun, "began_at"), 0.95),
        others=len(done),
        others_p50=percentile(seconds_between(done, "label_delivered_at"), 0.5),
    )


def seconds_between(rows: list[dict[str, Any]], until: str) -> list[float]:
    """From the receipt of the webhook, sorted."""
    return sorted((row[until] - row["received_at"]).total_seconds() for row in rows)


def carry(wanted: Options) -> list[dict[str, Any]]:
    rounds = []
    size = QUICK if wanted.quick else FULL
    with servers() as started, never_answers() as nobody:
        carrying = Carrying(started, REBOUND_PRE_API_URL=nobody, REMOTE_READ_SECONDS=str(READ_SECONDS))
        without_polls()
        for _ in range(wanted.rounds):
            for setting in (ALONE, SALE, SILENT):
                rounds.append(listen(carrying, setting, size))
                print(f"  {rounds[-1]}", file=sys.stderr, flush=True)
    return [asdict(each) for each in rounds]


def medians(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The median of the rounds of each setting."""
    figures = [name for name in rounds[0] if name != "setting"]
    return {
        setting: {
            name: statistics.median(each[name] for each in rounds if each["setting"] == setting) for name in figures
        }
        for setting in (ALONE, SALE, SILENT)
    }


def targets_of(title: str, found: dict[str, dict[str, float]]) -> list[Target]:
    targets = []
    for setting, each in found.items():
        where = f"{title}, {setting}"
        targets.append(Target(f"{where}: quiet returns without a label", each["count"] - each["delivered"], most=0))
        if setting != ALONE:
            ratio = each["p95"] / found[ALONE]["p95"]
            targets.append(Target(f"{where}: p95 of the quiet merchant", each["p95"], most=MOST_SECONDS, unit="s"))
            targets.append(Target(f"{where}: that against alone", ratio, most=MOST_RATIO))
        if setting == SALE:
            # Whoever waits for its turn in one line with all others waits as long as they do: 1.
            share = each["p95"] / each["others_p50"]
            targets.append(Target(f"{where}: that against the sale's own median", share, most=MOST_SHARE))
    return targets


def main() -> int:
    end_cleanly()
    wanted = options()
    if "--carry" in sys.argv[1:]:
        print(json.dumps({"rounds": carry(wanted)}))
        return 0
    kinds = [os.environ["DATABASE"]] if os.environ.get("DATABASE") else available()[: 1 if wanted.quick else None]
    targets: list[Target] = []
    for kind in kinds:
        title, measured = measured_on(kind, "fairness", "--carry")
        found = medians(measured["rounds"])
        rows = [
            (
                setting,
                f"{each['delivered']:.0f}/{each['count']:.0f}",
                *(figure(each[name]) for name in ("p50", "p95", "taken_up")),
                f"{each['others']:.0f}",
                figure(each["others_p50"]),
            )
            for setting, each in found.items()
        ]
        columns = ("a quiet merchant", "labels", "p50 s", "p95 s", "taken up p95 s", "labels of the other", "p50 s")
        show(f"{title}, median of {wanted.rounds} rounds ({machine()})", columns, rows)
        targets += targets_of(title, found)
    show_targets(targets, quick=wanted.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
