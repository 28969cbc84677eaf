"""One fault run: parcels start while everything breaks, then everything is to come to rest, and the auditor looks.

To be imported once there is a database; `__main__` starts the servers.
"""

import logging
import random
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from django.utils import timezone

from merchants.models import Shop
from merchants.services import connect_shops
from rebound_tts.demo.cast import assemble
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.chaos import progress
from tests.chaos.auditor import Breach, Case, Event, Row, audit
from tests.chaos.installation import Installation
from tests.chaos.mischief import Mischief
from tests.chaos.plots import Plots
from tests.chaos.progress import patiently
from tests.chaos.services import Postgres, Redis, Sqlite
from tests.chaos.standstill import Standstill

BUYERS = 4  # threads that start returns
SETTLE_SECONDS = 300.0  # after the last fault, everything is at rest within this, and
SETTLE_SECONDS_EACH = 0.03  # for each parcel: every shop is searched twice, and each row of it read
STANDSTILL_SECONDS = 15.0  # with work due, something moves within this, whatever was killed
LOOK_SECONDS = 1.0
MOST_ON_THEIR_WAY = 60  # buyers start no more returns than this ahead: every one of them meets faults
HELP_SECONDS = 20.0  # a person looks this often while everything breaks, and once it does not, at each look
POLL_SECONDS = 20.0  # between the turns of polls: each reads an hour of returns


class Run:
    def __init__(
        self,
        installation: Installation,
        *,
        control: SandboxControl,
        database: Sqlite | Postgres,
        queue: Redis | None,
        returns: int,
        seed: int,
    ) -> None:
        self.installation = installation
        self.control = control
        self.database = database
        self.queue = queue
        self.returns = returns
        self.seed = seed
        self.cases: list[Case] = []
        self.helped: Counter[str] = Counter()
        self.standstill = Standstill()
        self.sellers: dict[str, str] = {}  # of each shop
        self._helped_at = self._polled_at = time.monotonic()

    def play(self) -> list[Breach]:
        """Every breach of the promise."""
        logging.disable(logging.CRITICAL)  # in this process; the product logs as shipped
        self.control.post("/settings", webhook_retry_scale=0.005)
        cast = assemble(self.control)
        address = f"http://127.0.0.1:{self.installation.port}"
        self.control.post("/settings", webhook_url=f"{address}/webhooks/tiktok")
        self.sellers = {shop["id"]: shop["seller_id"] for shop in self.control.get("/state")["shops"]}
        plots = Plots(self.control, cast, dice=random.Random(self.seed))
        plots.now = time.monotonic
        mischief = Mischief(
            control=self.control,
            installation=self.installation,
            database=self.database,
            queue=self.queue,
            reauthorize=self._reauthorize,
            dice=random.Random(self.seed + 2),
            pause=(0.2, 1.5),
        )
        began = time.monotonic()
        with mischief:
            self._start_returns(plots)
            while plots.later:
                self._look_after(plots)
        faults = time.monotonic() - began
        say(f"  {len(self.cases)} parcels started, {sum(mischief.done.values())} faults in {faults:.0f} s. Settling.")
        self._settle(polls=progress.Polls())
        self.control.post("/webhooks/wait", timeout_seconds=20)
        self._settle()
        found = self._breaches(mischief)
        say(f"  {time.monotonic() - began:.0f} s in all; longest standstill {self.standstill.longest:.1f} s")
        return found

    def _breaches(self, mischief: Mischief) -> list[Breach]:
        rows, events = progress.held()
        world = self.control.get("/state")
        found = audit(self.cases, world=world, rows=rows, events=events)
        if self.standstill.longest > STANDSTILL_SECONDS:
            found.append(Breach("work", f"nothing moved for {self.standstill.longest:.0f} s, with work due"))
        self._report(mischief, rows=rows, events=events, deliveries=world["webhook_deliveries"])
        return found

    def _reauthorize(self, seller_id: str) -> None:
        """The merchant authorizes the app again, in the browser as always."""
        shops = [shop for shop, seller in self.sellers.items() if seller == seller_id]
        merchant = patiently(Shop.objects.select_related("merchant").filter(shop_id__in=shops)[:1].get).merchant

        def authorize() -> None:
            code = self.control.post("/authorization-codes", seller_id=seller_id)["code"]
            connect_shops(merchant=merchant, auth_code=code, now=timezone.now())

        patiently(authorize)

    def _authorize_what_broke(self) -> int:
        """A merchant comes back where only that helps: the answer to a renewal was lost, and with it the token."""
        broken = Shop.objects.filter(authorization__broken_at__isnull=False)
        found = {self.sellers[shop] for shop in patiently(lambda: list(broken.values_list("shop_id", flat=True)))}
        for seller_id in found:
            self._reauthorize(seller_id)
        return len(found)

    def _start_returns(self, plots: Plots) -> None:
        lock = threading.Lock()

        def start() -> None:
            case = plots.start()
            with lock:
                self.cases.append(case)

        with ExitStack() as stack:
            pool = ThreadPoolExecutor(BUYERS)
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
            todo: list[Future[None]] = []
            while len(todo) < self.returns or not all(each.done() for each in todo):
                ahead = patiently(progress.on_their_way) + sum(not each.done() for each in todo)
                more = min(MOST_ON_THEIR_WAY - ahead, self.returns - len(todo))
                todo += [pool.submit(start) for _ in range(more)]
                self._look_after(plots)
            for each in todo:
                each.result()

    def _look_after(self, plots: Plots) -> None:
        """What comes later comes, a person helps, and time passes for the polls, whose turn is every 15 minutes."""
        for act in plots.due_later(time.monotonic()):
            act()
        if time.monotonic() - self._helped_at > HELP_SECONDS:
            self._helped_at = time.monotonic()
            self._help()
        self._let_polls_come()
        self._look()
        time.sleep(LOOK_SECONDS)

    def _let_polls_come(self) -> None:
        if time.monotonic() - self._polled_at > POLL_SECONDS:
            self._polled_at = time.monotonic()
            patiently(progress.polls_are_due_now)

    def _help(self) -> None:
        self.helped["a broken authorization"] += self._authorize_what_broke()
        self.helped += patiently(progress.rerun_what_asks)

    def _look(self) -> tuple[int, int]:
        unrest, due, moved = patiently(progress.progress_of_all)
        self.standstill.look(due=due, progress=moved)
        return unrest, due

    def _settle(self, *, polls: progress.Polls | None = None) -> None:
        """Wait until everything is at rest, and every shop was searched; a person helps what asks for one."""
        seconds = SETTLE_SECONDS + SETTLE_SECONDS_EACH * self.returns
        deadline = time.monotonic() + seconds
        while True:
            self._let_polls_come()
            unrest, due = self._look()
            if (polls is None or patiently(polls.are_done)) and not unrest:
                return
            if time.monotonic() > deadline:
                say(f"  not at rest after {seconds:.0f} s: {unrest} returns and events, {due} of them due")
                say(f"  {listed(patiently(progress.what_does_not_rest))}")
                return
            self._help()
            time.sleep(LOOK_SECONDS)

    def _report(
        self, mischief: Mischief, *, rows: list[Row], events: list[Event], deliveries: list[dict[str, Any]]
    ) -> None:
        outcomes = Counter(f"{row.status}{' ' + row.kind.lower() if row.kind else ''}" for row in rows)
        kills = Counter(said.partition(":")[0] for said in self.installation.killed.elements())
        for title, counted in (
            ("returns", outcomes),
            ("parcels", Counter(case.kind for case in self.cases)),
            ("events", Counter(event.outcome for event in events)),
            ("notifications", Counter(each["state"] for each in deliveries)),
            ("killed", kills),
            ("faults", Counter({said: n for said, n in mischief.done.items() if "killed" not in said})),
            ("a person helped", self.helped),
        ):
            say(f"  {title}: {listed(counted)}")


def listed(counted: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counted.most_common() if n) or "none"


def say(text: str) -> None:
    print(text, flush=True)
