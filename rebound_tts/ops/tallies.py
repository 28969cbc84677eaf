"""Counting what happens, in any process, for `/metrics`.

`count` and `observe` add to memory and cost a microsecond: no request and no step waits for a figure. A thread of the
process carries the sums to the database every few seconds and at its end, where those of all processes on all machines
add up. A process that is killed takes at most those seconds with it; nothing but figures is kept here.
"""

import json
import logging
import os
import threading
import time
from functools import lru_cache
from multiprocessing.util import Finalize

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from rebound_tts.ops.catalog import TALLIED

logger = logging.getLogger(__name__)

Key = tuple[str, tuple[tuple[str, str], ...]]
ADD = (
    "INSERT INTO ops_tally (name, labels, value) VALUES (%s, %s, %s)"
    " ON CONFLICT (name, labels) DO UPDATE SET value = ops_tally.value + excluded.value"
)


class Tallies:
    """What this process counted and has not stored yet."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)  # the parent stores its own; its thread is not ours

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[Key, float] = {}
        self._thread: threading.Thread | None = None

    def add(self, key: Key, amount: float) -> None:
        with self._lock:
            self._sums[key] = self._sums.get(key, 0.0) + amount
            if self._thread is None and settings.TALLY_SECONDS:
                self._thread = threading.Thread(target=self._store_now_and_then, name="tallies", daemon=True)
                self._thread.start()
                Finalize(self, self._store_or_keep, exitpriority=10)  # runs in forked workers too, unlike atexit

    def take(self) -> dict[Key, float]:
        with self._lock:
            sums, self._sums = self._sums, {}
        return sums

    def store(self) -> None:
        """Add what was counted to the database. What could not be stored is kept for the next time."""
        sums = self.take()
        if not sums:
            return
        # In one order everywhere, so that two processes that store at once never wait for each other.
        rows = sorted((name, json.dumps(dict(labels)), amount) for (name, labels), amount in sums.items())
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.executemany(ADD, rows)
        except DatabaseError:
            for key, amount in sums.items():
                self.add(key, amount)
            raise

    def _store_now_and_then(self) -> None:
        while True:
            time.sleep(settings.TALLY_SECONDS)
            self._store_or_keep()

    def _store_or_keep(self) -> None:
        try:
            self.store()
        except DatabaseError as error:
            logger.warning("figures could not be stored; they are kept", extra={"error": type(error).__name__})
        finally:
            connection.close()


tallies = Tallies()


def count(name: str, amount: float = 1, **labels: str) -> None:
    """Add to a counter of the catalog; every label of it must be given."""
    tallies.add(_key(name, tuple(labels.items())), amount)


def observe(name: str, seconds: float, **labels: str) -> None:
    """Add to a histogram of the catalog: one bucket, the sum and the count."""
    bucket = next((str(edge) for edge in TALLIED[name].buckets if seconds <= edge), "+Inf")
    key, pairs = _key(name, tuple(labels.items()))
    tallies.add((f"{key}_bucket", (*pairs, ("le", bucket))), 1)
    tallies.add((f"{key}_sum", pairs), seconds)


@lru_cache(maxsize=4096)  # there are some hundred; most of a count's time would go into this
def _key(name: str, labels: tuple[tuple[str, str], ...]) -> Key:
    given = dict(labels)
    return name, tuple((label, str(given[label])) for label in TALLIED[name].labels)
