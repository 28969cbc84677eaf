"""What breaks in a fault run, drawn at random and counted."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

import requests

from rebound_tts.demo.sandbox_control import SandboxControl
from tests.chaos.installation import Installation
from tests.chaos.services import Postgres, Redis, Sqlite

FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("500", {"kind": "status", "status": 500}),
    ("502 with HTML", {"kind": "html"}),
    ("429", {"kind": "status", "status": 429}),
    ("429 with Retry-After", {"kind": "retry_after", "retry_after": 2}),
    ("slow", {"kind": "slow", "seconds": 2.0}),
    ("no answer", {"kind": "slow", "seconds": 8.0}),  # longer than the read timeout of the run
    ("dropped before the work", {"kind": "drop_before"}),
    ("dropped after the work", {"kind": "drop_after"}),
    ("an empty answer", {"kind": "empty"}),
    ("no JSON", {"kind": "not_json"}),
]
REAUTHORIZE_SECONDS = 4.0


class Mischief:
    """Does one thing after another until it is stopped."""

    def __init__(
        self,
        *,
        control: SandboxControl,
        installation: Installation,
        database: Sqlite | Postgres,
        queue: Redis | None,
        reauthorize: Callable[[str], None],
        dice: random.Random,
        pause: tuple[float, float],
    ) -> None:
        self.control = control
        self.sellers = [seller["id"] for seller in control.get("/state")["sellers"]]
        self.installation = installation
        self.database = database
        self.queue = queue
        self.reauthorize = reauthorize
        self.dice = dice
        self.pause = pause
        self.done: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        """End, and leave nothing broken behind."""
        self._stopping.set()
        if kind is not None:
            return  # everything ends: its thread is not waited for
        self._thread.join()
        self._remotes_work()
        if self.failure is not None:
            raise RuntimeError("The mischief itself failed.") from self.failure

    def _go_on(self) -> None:
        kinds: list[tuple[int, Callable[[], str]]] = [
            (45, self.remote_fails),
            (25, self.installation.kill_one),
            (6, self.access_tokens_end),
            (2, self.deauthorized),
            (6, lambda: self.database.disturb(self.dice.uniform(1, 4))),
        ]
        if self.queue is not None:
            kinds += [(5, self.queue.empty), (2, self.queue.restart)]
        try:
            while not self._stopping.wait(self.dice.uniform(*self.pause)):
                act = self.dice.choices([act for _, act in kinds], [weight for weight, _ in kinds])[0]
                self.done[act()] += 1
        except BaseException as error:
            self.failure = error  # raised again at the end

    def remote_fails(self) -> str:
        """The next calls fail, until the next trouble. What is left of the one before would pile up where more calls
        are to fail than are made, and none would work for as long as the run lasts."""
        remote = self.dice.choice(["tiktok", "rebound"])
        said, fault = self.dice.choice(FAULTS)
        self._remotes_work()
        self.control.post("/faults", remote=remote, times=self.dice.randint(1, 12), **fault)
        return f"{remote}: {said}"

    def _remotes_work(self) -> None:
        requests.delete(f"{self.control._url}/faults", timeout=10).raise_for_status()

    def access_tokens_end(self) -> str:
        self.control.post("/tokens/expire", kind="access")
        return "access tokens expired"

    def deauthorized(self) -> str:
        """A merchant removes the app at TikTok and comes back a little later."""
        seller = self.dice.choice(self.sellers)
        self.control.post(f"/sellers/{seller}/deauthorize")
        time.sleep(REAUTHORIZE_SECONDS)
        self.reauthorize(seller)
        return "deauthorized and authorized again"
