"""How fast one vendor lets us call it: found out from its refusals, since neither publishes its limits.

At first nothing holds the calls back. The first refusal (429) tells how many went through in the last second; from then
on calls are spaced a little wider than that, wider still with each further refusal, and slowly closer again while all
goes well. A refusal stops everybody until the time that the vendor asks for, or else a back-off with jitter
(TikTok reference, 3.4).
"""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeVar

from rebound_tts.clients.errors import RemoteError, TemporaryError

T = TypeVar("T")

TRIES = 4  # of one call that fails for a moment, refusals for speed aside
MOST_REFUSALS = 20  # of one call, for speed
LONGEST_BACKOFF = 60.0  # seconds
FIRST_BACKOFF = 0.5  # seconds after a failure that may pass; doubled with each
WIDER, CLOSER = 1.15, 0.95
CALM = 25  # calls without a refusal, after which the spacing shrinks a little
MARGIN = 1.1  # wider than what the first refusal suggests
TOO_MANY_REQUESTS, TIKTOK_TOO_MANY_REQUESTS = 429, "36009002"


class RoundOverError(Exception):
    """The next call would start after the end of the round. `seconds`: how long to wait, at least."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the round is over; go on in {seconds:.1f} s")
        self.seconds = seconds


class Pace:
    """Shared by the threads that call one vendor. `ends_at` is a monotonic time: no call starts after it."""

    def __init__(self, *, ends_at: float, spacing: float = 0.0) -> None:
        self.spacing = spacing  # seconds between the starts of two calls
        self.calls: Counter[str] = Counter()  # by kind, refused ones too, and those under "refused"
        self._ends_at = ends_at
        self._lock = threading.Lock()
        self._next_start = 0.0
        self._paused_until = 0.0
        self._refused_in_a_row = 0
        self._calm = 0
        self._answered: deque[float] = deque(maxlen=1000)

    def call(self, kind: str, act: Callable[[], T]) -> T:
        """What `act` answers, tried again while it is refused for speed or fails for a moment.

        Raises what `act` raises in the end, and RoundOverError.
        """
        failures = refusals = 0
        while True:
            self._wait_for_turn(kind)
            try:
                answer = act()
            except TemporaryError as error:
                if is_refusal(error) and refusals < MOST_REFUSALS:
                    refusals += 1
                    self._refused(error.retry_after)
                    continue
                failures += 1
                if failures >= TRIES:
                    raise
                self._sleep(max(error.retry_after or 0.0, FIRST_BACKOFF * 2 ** (failures - 1) * _jitter()))
                continue
            self._went_well()
            return answer

    def _wait_for_turn(self, kind: str) -> None:
        with self._lock:
            start = max(time.monotonic(), self._next_start, self._paused_until)
            self._check(start)
            self._next_start = start + self.spacing
        self._sleep_until(start)
        with self._lock:
            if self._paused_until <= start:
                self.calls[kind] += 1
                return
        self._wait_for_turn(kind)  # somebody was refused while this one slept

    def _refused(self, retry_after: float | None) -> None:
        now = time.monotonic()
        with self._lock:
            self.calls["refused"] += 1
            self._calm = 0
            if now < self._paused_until:
                return  # one of a volley: the pause is on already
            self._refused_in_a_row += 1
            lately = sum(1 for moment in self._answered if now - moment < 1.0)
            if self.spacing:
                self.spacing = min(self.spacing * WIDER, 1.0)
            else:
                self.spacing = MARGIN / max(lately, 1)
            backoff = min(2.0 ** (self._refused_in_a_row - 1), LONGEST_BACKOFF) * _jitter()
            self._paused_until = now + max(retry_after or 0.0, backoff)

    def _went_well(self) -> None:
        with self._lock:
            self._answered.append(time.monotonic())
            self._refused_in_a_row = 0
            self._calm += 1
            if self._calm >= CALM:
                self._calm = 0
                self.spacing *= CLOSER

    def _sleep(self, seconds: float) -> None:
        self._check(time.monotonic() + seconds)
        time.sleep(seconds)

    def _sleep_until(self, moment: float) -> None:
        time.sleep(max(moment - time.monotonic(), 0.0))

    def _check(self, start: float) -> None:
        if start > self._ends_at:
            raise RoundOverError(max(start - time.monotonic(), 0.0))


def is_refusal(error: RemoteError) -> bool:
    return error.status == TOO_MANY_REQUESTS or error.code == TIKTOK_TOO_MANY_REQUESTS


def _jitter() -> float:
    return random.uniform(0.9, 1.2)  # noqa: S311  # spreads calls, guards nothing
