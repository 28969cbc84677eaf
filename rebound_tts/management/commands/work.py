"""`manage.py work`: the queue's workers, watched.

Forks django-q2's cluster into a process group of its own, sweeps once a second for work that is due and rings for it,
and starts the cluster anew when it ended or froze: django-q2 waits for ever if the worker that holds its queue's lock
is killed. Stops gracefully on SIGTERM and SIGINT, and leaves no process behind.
"""

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from matching.coverage.running import next_check
from matching.models import OrderRelay
from matching.relay import next_relay
from rebound_tts.checks import connections_given, connections_wanted
from rebound_tts.cluster import kill_group, start_cluster, stop_cluster
from rebound_tts.lifeline import forks_end_with_parent
from rebound_tts.ops.models import Heartbeat, beat, is_heard
from rebound_tts.ops.retention import look_after
from returns.models import TikTokReturn, WebhookEvent
from returns.tasks import sweep, upkeep

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
UPKEEP_SECONDS = 10.0
FROZEN_SECONDS = 10.0  # the same work at the head of the list for so long, with bells rung
NOTHING: tuple[int | None, ...] = (None, None, None, None)
MACHINE = socket.gethostname()
WORKER = f"{MACHINE}:{os.getpid()}"


class Command(BaseCommand):
    help = "Run the queue's workers and keep them running."
    # Ours alone: the others load every page and the API's schema, which no worker needs and each would keep in memory.
    requires_system_checks = ["rebound_tts"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="only say whether this machine's supervisor was heard just now"
        )

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        if check:
            if not is_heard(machine=MACHINE, now=timezone.now()):
                raise CommandError(f"No supervisor was heard on {MACHINE} in the last minute.")
            return
        self.stopping = False
        forks_end_with_parent()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with supervised() as supervisor:
            while not self.stopping:
                time.sleep(SWEEP_SECONDS)
                supervisor.look()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True


class Supervisor:
    """Keeps a cluster at work, as long as somebody lets it `look` every second."""

    def __init__(self) -> None:
        self._watch = Watch()
        self._looked_after = float("-inf")
        # Once before the fork: what it loads and remembers is shared with the cluster's processes.
        self._sweep()
        self._look_after()
        self.cluster = start_cluster()

    def look(self) -> None:
        """Ring where anything is due, and start the cluster anew if it ended or froze."""
        frozen = self._sweep()
        self._look_after()
        if not self.cluster.is_alive() or frozen:
            logger.error("the workers ended or froze; starting anew", extra={"frozen": frozen})
            kill_group(self.cluster)
            self.cluster = start_cluster()
            self._watch.start_over()

    def _sweep(self) -> bool:
        """Answers whether the workers stand still."""
        try:
            close_old_connections()
            if sweep():
                return self._watch.is_frozen(time.monotonic())
            self._watch.start_over()
        except DatabaseError:
            logger.exception("the sweep could not reach the database; it goes on")
        return False

    def _look_after(self) -> None:
        if time.monotonic() - self._looked_after < UPKEEP_SECONDS:
            return
        self._looked_after = time.monotonic()
        try:
            if beat(worker=WORKER, now=timezone.now()):
                warn_of_connections(now=timezone.now())
            upkeep()
            look_after(now=timezone.now())
        except DatabaseError:
            logger.exception("the upkeep could not reach the database; it goes on")


@contextlib.contextmanager
def supervised() -> Iterator[Supervisor]:
    """A cluster at work, which is stopped in the end, and the heartbeat with it."""
    supervisor = Supervisor()
    try:
        yield supervisor
    finally:
        stop_cluster(supervisor.cluster)
        with contextlib.suppress(DatabaseError):
            Heartbeat.objects.filter(worker=WORKER).delete()


def warn_of_connections(*, now: datetime) -> None:
    """Where the database gives fewer connections than all sets of workers may want, these here among them."""
    sets = Heartbeat.objects.heard(now=now).count()
    wanted, given = connections_wanted(sets_of_workers=sets), connections_given()
    if wanted > given:
        logger.warning(
            "PostgreSQL may run out of connections: raise its max_connections",
            extra={"sets_of_workers": sets, "wanted": wanted, "given": given},
        )


class Watch:
    """Tells a cluster that stands still from one that has much to do: in the second the head of the list moves on."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        self._head = NOTHING
        self._since = float("inf")

    def is_frozen(self, now: float) -> bool:
        """Whether the oldest work has been the same for long and nobody is at any. `now`: monotonic seconds."""
        head = oldest_work()
        if head != self._head or head == NOTHING:
            self._head, self._since = head, now
            return False
        return now - self._since > FROZEN_SECONDS


def oldest_work() -> tuple[int | None, ...]:
    """The oldest event to handle, and the return, relay and coverage check that are due longest, by key; nothing
    while a live claim on a return is held."""
    now = timezone.now()
    if TikTokReturn.objects.filter(claimed_until__gte=now).exists():
        return NOTHING
    event = WebhookEvent.objects.to_handle().order_by("received_at").values_list("pk", flat=True).first()
    due = TikTokReturn.objects.due(now=now).order_by("next_attempt_at").values_list("pk", flat=True).first()
    # Their leases are long: one whose worker died must not hide that returns are not taken.
    relay = None if OrderRelay.objects.in_hand(now=now).exists() else next_relay(now=now)
    return event, due, relay, next_check(now=now)
