"""Carries signed bodies to other people's addresses: threads, a timeout, retries, and a record of each attempt.

It knows HTTP and time. What is in a body and how it is signed belongs to tiktok_events.py and rebound_events.py.
"""

import heapq
import http.client
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 3.0  # TikTok waits about this long for an answer
THREADS = 16


@dataclass
class Attempt:
    status: int | None  # None where no HTTP answer came
    seconds: float
    at: float
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"status": self.status, "seconds": round(self.seconds, 4), "at": round(self.at, 3), "error": self.error}


@dataclass
class Delivery:
    """One message to one address, with every try that was made."""

    source: str  # "tiktok" or "rebound"
    kind: str  # the type as text
    message_id: str
    url: str
    headers: dict[str, str]
    body: bytes
    retry_after: Sequence[float] = ()  # seconds before each retry
    attempts: list[Attempt] = field(default_factory=list)
    state: str = "pending"  # then "delivered" or "given up"

    def copy(self) -> "Delivery":
        """The same message once more, not tried yet."""
        return replace(self, attempts=[], state="pending")

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "type": self.kind,
            "id": self.message_id,
            "url": self.url,
            "state": self.state,
            "body": self.body.decode(),
            "attempts": [attempt.as_dict() for attempt in self.attempts],
        }


class Courier:
    """Threads start with the first delivery and end with the process."""

    def __init__(self) -> None:
        lock = threading.RLock()
        self._arrived = threading.Condition(lock)  # wakes one thread for one message
        self._changed = threading.Condition(lock)  # wakes whoever waits for the end of it all
        self._due: list[tuple[float, int, int, Delivery]] = []  # (when, order, generation, delivery)
        self._order = itertools.count()
        self._in_flight = 0
        self._generation = 0
        self._threads = 0
        self.deliveries: list[Delivery] = []

    def forget_all(self) -> None:
        """Drop what is waiting and the record; an attempt under way ends unrecorded."""
        with self._changed:
            self._generation += 1
            self._due.clear()
            self.deliveries = []
            self._changed.notify_all()

    def send(self, delivery: Delivery, *, delay_seconds: float = 0.0) -> None:
        with self._changed:
            self.deliveries.append(delivery)
            self._push(delivery, delay_seconds)
            if self._threads < THREADS and self._threads < len(self._due) + self._in_flight:
                self._threads += 1
                threading.Thread(target=self._work, name="sandbox-courier", daemon=True).start()

    def send_now(self, delivery: Delivery) -> Attempt:
        """Deliver in this thread, without retries."""
        with self._changed:
            self.deliveries.append(delivery)
        attempt = _post(delivery)
        delivery.attempts.append(attempt)
        delivery.state = "delivered" if attempt.status == 200 else "given up"
        return attempt

    def wait(self, timeout_seconds: float) -> tuple[int, int]:
        """Block until nothing is pending that falls due within the timeout; (still pending, due later)."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while True:
                soon = sum(1 for when, *_ in self._due if when <= deadline) + self._in_flight
                left = deadline - time.monotonic()
                if soon == 0 or left <= 0:
                    return soon, len(self._due) + self._in_flight - soon
                self._changed.wait(left)

    def _push(self, delivery: Delivery, delay_seconds: float) -> None:
        due_at = time.monotonic() + delay_seconds
        heapq.heappush(self._due, (due_at, next(self._order), self._generation, delivery))
        self._arrived.notify()

    def _work(self) -> None:
        while True:
            with self._arrived:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._arrived.wait(self._due[0][0] - time.monotonic() if self._due else None)
                _, _, generation, delivery = heapq.heappop(self._due)
                self._in_flight += 1
            attempt = _post(delivery)
            with self._changed:
                self._in_flight -= 1
                if generation == self._generation:
                    self._record(delivery, attempt)
                self._changed.notify_all()

    def _record(self, delivery: Delivery, attempt: Attempt) -> None:
        delivery.attempts.append(attempt)
        if attempt.status == 200:
            delivery.state = "delivered"
        elif len(delivery.attempts) > len(delivery.retry_after):
            delivery.state = "given up"
        else:
            self._push(delivery, delivery.retry_after[len(delivery.attempts) - 1])


def _post(delivery: Delivery) -> Attempt:
    started = time.monotonic()
    at = time.time()
    try:
        status = _post_once(delivery)
        return Attempt(status, time.monotonic() - started, at)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Attempt(None, time.monotonic() - started, at, f"{type(error).__name__}: {error}")


def _post_once(delivery: Delivery) -> int:
    parts = urlsplit(delivery.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, delivery.body, delivery.headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
