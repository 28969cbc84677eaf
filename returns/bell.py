"""The bell: one wake-up for all workers. The tables are the list of work; a job only says that somebody should look."""

import logging
import threading
import time

from django.conf import settings
from django_q.tasks import async_task

from rebound_tts.broker import BROKER_AWAY, broker

logger = logging.getLogger(__name__)


class Bell:
    """Rings at most once in BELL_SECONDS a process, and not while enough wake-ups are queued already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rang_at = float("-inf")

    def is_due(self) -> bool:
        """Whether `ring` would ring now, as far as this process knows."""
        return time.monotonic() - self._rang_at >= settings.BELL_SECONDS

    def ring(self) -> bool:
        """Wake a worker. Inside a transaction, the ORM broker's job commits with it. Answers whether it rang."""
        with self._lock:
            now = time.monotonic()
            if now - self._rang_at < settings.BELL_SECONDS:
                return False
            self._rang_at = now
        try:
            queue = broker()
            if queue.queue_size() >= settings.QUEUE_WORKERS:
                return False
            async_task("returns.tasks.drain", broker=queue, task_name="drain")
        except BROKER_AWAY:
            # Redis is away. The work is in the tables; the sweep rings again.
            logger.exception("could not ring")
            return False
        return True


bell = Bell()
