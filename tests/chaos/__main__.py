"""`python -m tests.chaos`: returns are carried while everything breaks around them; then the auditor looks.

RETURNS, SEED and DATABASE (sqlite, or postgresql, which brings Redis along) come from the environment. The same seed
draws the same returns and the same faults; what meets what is up to the machine.
"""

import logging
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import django

from rebound_tts.demo.__main__ import environment_for
from rebound_tts.demo.processes import free_port
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.benchmarks.servers import Servers, end_cleanly, migrate, servers
from tests.chaos.auditor import AT_REST, Breach, Case, Event, Row, audit
from tests.chaos.installation import Installation
from tests.chaos.mischief import Mischief
from tests.chaos.services import Postgres, Redis, Sqlite

BUYERS = 4  # threads that start returns
SETTLE_SECONDS = 300.0  # after the last fault, everything is at rest within this
STANDSTILL_SECONDS = 15.0  # with work due, something moves within this, whatever was killed
LOOK_SECONDS = 1.0
READ_SECONDS = "4"  # a remote that says nothing for so long has not answered


class Standstill:
    """How long nothing moved at the longest while work was due."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._progress: Any = None
        self._since = time.monotonic()

    def look(self, *, due: int, progress: Any) -> None:
        """`progress`: anything that is another value once work went on."""
        now = time.monotonic()
        if progress != self._progress or not due:
            self._progress, self._since = progress, now
        self.longest = max(self.longest, now - self._since)


class Run:
    def __init__(self, started: Servers, *, kind: str, returns: int, seed: int, folder: Path) -> None:
        self.returns = returns
        self.seed = seed
        self.database = Sqlite(folder) if kind == "sqlite" else Postgres(folder)
        self.queue = Redis(folder) if kind == "postgresql" else None
        self.folder = folder
        self.started = started
        self.cases: list[Case] = []
        self.helped: Counter[str] = Counter()
        self.standstill = Standstill()

    def play(self) -> list[Breach]:
        said = self.started.start(
            "sandbox", "-m", "rebound_tts.sandbox", "--port", "0", "--empty", environment={}, reads=True
        )
        self.database.start()
        if self.queue is not None:
            self.queue.start()
        port = free_port()
        environment = environment_for(said, web_port=port) | {
            "DATABASE_URL": self.database.url,
            "REDIS_URL": self.queue.url if self.queue else "",
            "REMOTE_READ_SECONDS": READ_SECONDS,
            "LOG_LEVEL": "WARNING",
        }
        os.environ.update(environment)
        migrate(environment)
        django.setup()
        logging.disable(logging.CRITICAL)  # in this process; the product logs as shipped
        installation = Installation(environment, port=port, logs=self.folder, dice=random.Random(self.seed + 1))
        installation.start()
        try:
            return self._carry(said, installation)
        finally:
            installation.stop()
            if self.queue is not None:
                self.queue.stop()
            self.database.stop()

    def _carry(self, said: dict[str, Any], installation: Installation) -> list[Breach]:
        from merchants.models import Shop  # noqa: PLC0415  # models need the environment
        from merchants.services import connect_shops  # noqa: PLC0415
        from rebound_tts.demo.cast import assemble  # noqa: PLC0415
        from tests.chaos.plots import Plots  # noqa: PLC0415

        control = SandboxControl(said["control_url"])
        control.post("/settings", webhook_retry_scale=0.005)
        cast = assemble(control)
        self.started.wait_for("sandbox", f"http://127.0.0.1:{installation.port}/livez")
        control.post("/settings", webhook_url=f"http://127.0.0.1:{installation.port}/webhooks/tiktok")

        sellers = {shop["id"]: shop["seller_id"] for shop in control.get("/state")["shops"]}

        def reauthorize(seller_id: str) -> None:
            owner = Shop.objects.select_related("merchant").filter(
                shop_id__in=[shop for shop, seller in sellers.items() if seller == seller_id]
            )
            merchant = patiently(owner.first).merchant

            def authorize() -> None:
                code = control.post("/authorization-codes", seller_id=seller_id)["code"]
                connect_shops(merchant=merchant, auth_code=code, now=django_now())

            patiently(authorize)

        def authorize_what_broke() -> int:
            """A merchant comes back where only that helps: the answer to a renewal was lost, and with it the token."""
            broken = Shop.objects.filter(authorization__broken_at__isnull=False)
            found = {sellers[shop_id] for shop_id in patiently(lambda: list(broken.values_list("shop_id", flat=True)))}
            for seller_id in found:
                reauthorize(seller_id)
            return len(found)

        plots = Plots(control, cast, dice=random.Random(self.seed))
        plots.now = time.monotonic
        mischief = Mischief(
            control=control,
            installation=installation,
            database=self.database,
            queue=self.queue,
            reauthorize=reauthorize,
            dice=random.Random(self.seed + 2),
            pause=(0.2, 1.5),
        )
        began = time.monotonic()
        mischief.start()
        self._start_returns(plots)
        while plots.later:
            self._look_after(plots)
        mischief.stop()
        faults = time.monotonic() - began
        say(f"  {len(self.cases)} parcels started, {sum(mischief.done.values())} faults in {faults:.0f} s. Settling.")
        self._settle(authorize_what_broke)
        control.post("/webhooks/wait", timeout_seconds=20)
        self._settle(authorize_what_broke)
        rows, events = held()
        world = control.get("/state")
        found = audit(self.cases, world=world, rows=rows, events=events)
        found += [Breach("processes", orphan) for orphan in installation.orphans]
        standstill = self.standstill.longest
        if standstill > STANDSTILL_SECONDS:
            found.append(Breach("work", f"nothing moved for {standstill:.0f} s, with work due"))
        deliveries = world["webhook_deliveries"]
        self._report(mischief, installation, rows=rows, events=events, deliveries=deliveries)
        say(f"  {time.monotonic() - began:.0f} s in all; longest standstill {standstill:.1f} s")
        return found

    def _start_returns(self, plots: Any) -> None:
        lock = threading.Lock()

        def start(number: int) -> None:
            case = plots.start()
            with lock:
                self.cases.append(case)

        with ThreadPoolExecutor(BUYERS) as pool:
            todo = [pool.submit(start, number) for number in range(self.returns)]
            while not all(each.done() for each in todo):
                self._look_after(plots)
            for each in todo:
                each.result()

    def _look_after(self, plots: Any) -> None:
        """What comes later comes; and time passes for the polls, whose turn is every 15 minutes."""
        for act in plots.due_later(time.monotonic()):
            act()
        patiently(polls_are_due_now)
        _, due, progress = patiently(progress_of_all)
        self.standstill.look(due=due, progress=progress)
        time.sleep(LOOK_SECONDS)

    def _settle(self, authorize_what_broke: Callable[[], int]) -> None:
        """Wait until everything is at rest; a person helps what asks for one."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            patiently(polls_are_due_now)
            unrest, due, progress = patiently(progress_of_all)
            self.standstill.look(due=due, progress=progress)
            if not unrest and polled_once(since=deadline - SETTLE_SECONDS):
                return
            if time.monotonic() > deadline:
                say(f"  not at rest after {SETTLE_SECONDS:.0f} s: {unrest} returns and events, {due} of them due")
                return
            self.helped["a broken authorization"] += authorize_what_broke()
            for reason, count in patiently(rerun_what_asks).items():
                self.helped[reason] += count
            time.sleep(LOOK_SECONDS)

    def _report(
        self,
        mischief: Mischief,
        installation: Installation,
        *,
        rows: list[Row],
        events: list[Event],
        deliveries: list[dict[str, Any]],
    ) -> None:
        outcomes = Counter(f"{row.status}{' ' + row.kind.lower() if row.kind else ''}" for row in rows)
        kinds = Counter(case.kind for case in self.cases)
        kills = Counter(said.partition(":")[0] for said in installation.killed.elements())
        for title, counted in (
            ("returns", outcomes),
            ("parcels", kinds),
            ("events", Counter(event.outcome for event in events)),
            ("notifications", Counter(each["state"] for each in deliveries)),
            ("killed", kills),
            ("faults", Counter({said: n for said, n in mischief.done.items() if "killed" not in said})),
            ("a person helped", +self.helped),
        ):
            say(f"  {title}: " + (", ".join(f"{n} {name}" for name, n in counted.most_common()) or "none"))


def django_now() -> Any:
    from django.utils import timezone  # noqa: PLC0415

    return timezone.now()


def patiently(act: Any) -> Any:
    """Do it again while the database is away: that is the run's doing."""
    from django.db import InterfaceError, OperationalError, connections  # noqa: PLC0415

    from rebound_tts.clients.errors import RemoteError  # noqa: PLC0415

    for last in [False] * 59 + [True]:
        try:
            return act()
        except (OperationalError, InterfaceError, RemoteError):
            if last:
                raise
            connections.close_all()
            time.sleep(0.5)
    return None


def polls_are_due_now() -> None:
    from returns.models import ReturnPoll  # noqa: PLC0415

    now = django_now()
    ReturnPoll.objects.filter(next_poll_at__gt=now).exclude(polled_until=None).update(next_poll_at=now)


_polls_seen: dict[str, Any] = {}


def polled_once(*, since: float) -> bool:
    """Whether every shop was searched completely since the faults ended."""
    from returns.models import ReturnPoll  # noqa: PLC0415

    start = _polls_seen.setdefault(str(since), django_now())
    polls = list(ReturnPoll.objects.values_list("polled_until", flat=True))
    return bool(polls) and all(until is not None and until > start for until in polls)


def progress_of_all() -> tuple[int, int, Any]:
    """(returns and events not at rest, of them due now, something that changes when work goes on)"""
    from django.db.models import Max  # noqa: PLC0415

    from returns.models import Status, StepAttempt, TikTokReturn, WebhookEvent  # noqa: PLC0415

    now = django_now()
    waiting = WebhookEvent.objects.to_handle().count()
    rows = TikTokReturn.objects.exclude(status__in=AT_REST) | TikTokReturn.objects.filter(next_attempt_at__isnull=False)
    due = TikTokReturn.objects.due(now=now).count() + waiting
    latest = StepAttempt.objects.aggregate(Max("finished_at"), Max("pk")), waiting
    claimed = TikTokReturn.objects.filter(claimed_until__gte=now).exclude(status=Status.NEEDS_ATTENTION).count()
    return rows.count() + waiting + claimed, due, latest


def rerun_what_asks() -> Counter[str]:
    """A person mends what asks for one: everything works again, so running it again is the next move."""
    from returns.models import Status, TikTokReturn  # noqa: PLC0415
    from returns.services import run_again  # noqa: PLC0415

    now = django_now()
    stuck = TikTokReturn.objects.filter(status=Status.NEEDS_ATTENTION)
    asking = [row for row in stuck if row.next_attempt_at is None or row.next_attempt_at > now]
    if asking:
        run_again(asking, now=now)
    return Counter(row.reason for row in asking)


def held() -> tuple[list[Row], list[Event]]:
    from returns.models import EventSource, TikTokReturn, WebhookEvent  # noqa: PLC0415

    returns = TikTokReturn.objects.select_related("rebound_return").defer("payload", "rebound_return__payload")
    rows = [
        Row(
            return_id=row.return_id,
            status=row.status,
            reason=row.reason,
            next_attempt_at=row.next_attempt_at,
            claimed_until=row.claimed_until,
            label_delivered_at=row.label_delivered_at,
            kind=row.rebound_return.kind if row.rebound_return else "",
            rebound_id=row.rebound_return.rebound_id if row.rebound_return else "",
        )
        for row in returns.iterator(2000)
    ]
    events = WebhookEvent.objects.filter(source=EventSource.TIKTOK).values_list("dedupe_key", "outcome")
    return rows, [Event(*event) for event in events]


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    end_cleanly()
    returns, seed = int(os.environ.get("RETURNS") or 300), int(os.environ.get("SEED") or random.randrange(10**6))
    kind = os.environ.get("DATABASE") or "sqlite"
    if kind not in {"sqlite", "postgresql"}:
        raise SystemExit(f"DATABASE is {kind!r}. Set it to sqlite or postgresql.")
    repeat = f"make chaos DATABASE={kind} RETURNS={returns} SEED={seed}"
    say(f"Chaos: {returns} parcels on {kind}, seed {seed}.")
    with tempfile.TemporaryDirectory(prefix="rebound-chaos-") as folder, servers() as started:
        run = Run(started, kind=kind, returns=returns, seed=seed, folder=Path(folder))
        found = run.play()
        for breach in found[:20]:
            say(f"  BREACH  {breach}")
        if kept := os.environ.get("CHAOS_LOGS"):
            for log in Path(folder).glob("*.log"):
                with suppress(OSError):
                    (Path(kept) / log.name).write_bytes(log.read_bytes())
    if found:
        say(f"{len(found)} breaches. Repeat it with: {repeat}")
        return 1
    say("Nothing lost, nothing twice, no link wrong.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
