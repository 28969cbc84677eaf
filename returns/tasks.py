"""Wake-ups: one job that does what is due, a sweep that looks whether anything is, and upkeep now and then.

A lost, doubled or late bell changes nothing: the drain takes what is due, and `manage.py work` sweeps and rings again.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from django_q.tasks import async_task

from matching.coverage.tasks import ring_if_due as ring_for_checks
from matching.match_rates import keep_counts_fresh
from matching.order_feed import feeds_are_due, read_feeds
from matching.order_import import forget_old_imports
from matching.push_log import forget_old_answers, trim_log
from matching.references import claim_references, references_are_due, write_references
from matching.relay import claim_relays, fill_relays, relay, relays_are_due
from merchants.api_access import forget_expired_tokens
from merchants.tending import is_due as tending_is_due
from merchants.tending import tend as tend_connections
from rebound_tts.broker import BROKER_AWAY, broker
from rebound_tts.clients.http import threads_that_wait
from returns.alerts import alerts_are_due, deliver_due, write_digests
from returns.arrivals import wake_for_orders, wake_for_references
from returns.bell import bell
from returns.bulk import carry_on, claim_runs, runs_are_due
from returns.events import BATCH, handle_events
from returns.imports import ring_for_imports
from returns.late import look_late
from returns.models import TikTokReturn, WebhookEvent
from returns.polling import poll_due, polls_are_due
from returns.services import advance, claim_due, renew_claims, wake_mended

logger = logging.getLogger(__name__)

LONGEST_DRAIN = 30.0  # seconds; then a new job goes on, so that a worker can be recycled and stopped
LINGER = 0.25  # seconds without work before a drain ends: longer than a bell may have been held back
RENEWAL = 5.0  # seconds between renewals of the claims in hand
# Returns of a worker that wait for no remote. More would only take turns at one interpreter, and all be slower for it.
COMPUTING_AT_ONCE = 4
LONGEST_SPELL = 5.0  # seconds after which a return in hand counts as waiting, for whatever it is
PAUSE, LONGEST_PAUSE = 0.05, 0.08  # seconds between looks: longer each time that nothing new was found
# A flood of events is gathered: few large batches leave the web server more of the machine, and of SQLite's one writer.
FLOOD = 40  # events found by one look
GATHERED_FOR = 0.15  # seconds, less than LINGER
ERRANDS_EVERY = 1.0  # seconds between looks for errands, which nobody waits for as a buyer waits for a label
CRASHED = {"relay": "a relay crashed", "references": "a batch of references crashed", "run": "a bulk run crashed"}
# Threads a worker, beside those of the returns: a backlog of orders delays no label.
RELAYS_AT_A_TIME = 6
BATCHES_AT_A_TIME = 2  # of references; and one thread for what staff does to many returns


@dataclass(eq=False, slots=True)
class Claim:
    """What a thread of this worker is at."""

    token: UUID
    merchant: int
    since: float
    thread: int | None = None  # until it begins


@cache
def _pool() -> ThreadPoolExecutor:
    """The threads of this worker process. They live as long as it does, and so do their database connections."""
    return ThreadPoolExecutor(max_workers=settings.RETURNS_AT_A_TIME, thread_name_prefix="return")


@cache
def _chore_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=len(CHORES), thread_name_prefix="chore")


_chores: dict[str, Future[None]] = {}  # what this worker process began last, by name


@cache
def _errand_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=RELAYS_AT_A_TIME + BATCHES_AT_A_TIME + 1, thread_name_prefix="errand")


def drain() -> int:
    """Handle what arrived, carry every due return as far as it goes, and run the errands of orders beside it.

    Answers how many returns and errands it took up.
    """
    in_hand: dict[Future[None], Claim] = {}
    errands = Errands()
    carried = 0
    pause = PAUSE
    started = idle_since = renewed = look_at = time.monotonic()
    while True:
        now = time.monotonic()
        late = now - started > LONGEST_DRAIN
        arrived = taken = 0
        if not late:
            if now >= look_at:
                arrived = handle_events(now=timezone.now())
                look_at = time.monotonic() + (GATHERED_FOR if FLOOD <= arrived < BATCH else 0)
            taken = _take(settings.RETURNS_AT_A_TIME - len(in_hand), in_hand) + errands.take(now=now)
        carried += taken
        if now - renewed > RENEWAL and in_hand:
            renew_claims(tokens={claim.token for claim in in_hand.values()}, now=timezone.now())
            renewed = now
        everything = [*in_hand, *errands.in_hand]
        if arrived or taken or everything:
            idle_since = time.monotonic()
        elif late or time.monotonic() - idle_since > LINGER:
            break
        if arrived == BATCH:
            pause = 0.0  # there is more
        elif arrived or taken:
            pause = PAUSE
        else:
            pause = min(max(pause * 2, PAUSE), LONGEST_PAUSE)
        if everything:
            finished, _ = wait(everything, timeout=pause, return_when=FIRST_COMPLETED)
            for future in finished:
                if in_hand.pop(future, None) is None:
                    errands.finished(future)
        else:
            time.sleep(pause)
    if late:
        bell.ring()
    return carried


def _take(free: int, in_hand: dict[Future[None], Claim]) -> int:
    """Claim what is due: of merchants that have nothing in hand first, then of those that have less than their share.

    A merchant has four fifths of the threads that the others leave, so that whoever comes next finds one free: calls to
    a remote that never answers hold a thread for as long as it may take. No more are claimed than can go on at once.
    """
    room = COMPUTING_AT_ONCE - _computing(in_hand)
    if free <= 0 or room <= 0:
        return 0
    held = Counter(claim.merchant for claim in in_hand.values())
    left = {merchant: _share(free + number) - number for merchant, number in held.items()}
    full = [merchant for merchant, number in left.items() if number <= 0]
    due = TikTokReturn.objects.due(now=timezone.now())
    # Looked at first, since a claim takes the write lock on SQLite.
    if not due.exclude(merchant__in=full).exists():
        return 0
    if not held or due.exclude(merchant__in=held).exists():
        return _claim(min(room, _share(free)), in_hand, besides=list(held))
    return _claim(min([room, free, *(number for number in left.values() if number > 0)]), in_hand, besides=full)


def _computing(in_hand: dict[Future[None], Claim]) -> int:
    """How many of these are at work here, and not at a remote."""
    waiting, now = threads_that_wait(), time.monotonic()
    return sum(
        not future.done() and claim.thread not in waiting and now - claim.since < LONGEST_SPELL
        for future, claim in in_hand.items()
    )


def _share(threads: int) -> int:
    return max(threads * 4 // 5, min(threads, 1))


def _claim(limit: int, in_hand: dict[Future[None], Claim], *, besides: list[int]) -> int:
    """Claim of any merchant but these, as many as may be of one."""
    claimed = claim_due(now=timezone.now(), limit=limit, besides=besides)
    for key, merchant in zip(claimed.keys, claimed.merchants, strict=True):
        claim = Claim(claimed.token, merchant, since=time.monotonic())
        in_hand[_pool().submit(_carry, claim, key)] = claim
    return len(claimed.keys)


class Errands:
    """What a drain does beside returns: relays of orders, batches of references, what staff does to many returns."""

    def __init__(self) -> None:
        self.in_hand: dict[Future[None], str] = {}
        self._looked = float("-inf")

    def take(self, *, now: float) -> int:
        """Take up what is due, unless it was looked a moment ago and nothing ended since. Answers how much."""
        if now - self._looked < ERRANDS_EVERY:
            return 0
        self._looked = now
        held = Counter(self.in_hand.values())
        return (
            self._relays(RELAYS_AT_A_TIME - held["relay"])
            + self._references(BATCHES_AT_A_TIME - held["references"])
            + self._runs(1 - held["run"])
        )

    def finished(self, future: Future[None]) -> None:
        del self.in_hand[future]
        self._looked = float("-inf")  # there may be more of it

    def _relays(self, free: int) -> int:
        if not free or not relays_are_due(now=timezone.now()):
            return 0
        token, keys = claim_relays(now=timezone.now(), limit=free)
        for key in keys:
            self._start("relay", _relay, key, token)
        return len(keys)

    def _references(self, free: int) -> int:
        if not free or not references_are_due(now=timezone.now()):
            return 0
        token, batches = claim_references(now=timezone.now(), limit=free)
        for keys in batches:
            self._start("references", _write, keys, token)
        return len(batches)

    def _runs(self, free: int) -> int:
        if not free or not runs_are_due(now=timezone.now()):
            return 0
        token, keys = claim_runs(now=timezone.now(), limit=1)
        for key in keys:
            self._start("run", carry_on, key, token)
        return len(keys)

    def _start(self, kind: str, act: Callable[..., object], key: int | list[int], token: UUID) -> None:
        self.in_hand[_errand_pool().submit(_logged, CRASHED[kind], act, key, token)] = kind


def _carry(claim: Claim, key: int) -> None:
    claim.thread = threading.get_ident()
    _logged("a return crashed", advance, key, claim.token)


def _write(keys: list[int], *, token: UUID) -> None:
    write_references(keys, token=token, on_written=wake_for_references)


def _relay(key: int, *, token: UUID) -> None:
    relay(key, token=token, on_landed=wake_for_orders)


def _logged(message: str, act: Callable[..., object], key: int | list[int], token: UUID) -> None:
    close_old_connections()
    try:
        act(key, token=token)
    except Exception:
        # Recorded on the row by the service; here it is logged whole, and the drain goes on with the others.
        logger.exception(message, extra={"key": key})


def chore(name: str) -> bool:
    """Do one of `CHORES` in a thread of this worker, which is free for labels meanwhile: a search of a large shop takes
    long. Answers whether it was started: not while this worker is still at it."""
    under_way = _chores.get(name)
    if under_way is not None and not under_way.done():
        return False
    _chores[name] = _chore_pool().submit(_done, name)
    return True


def _done(name: str) -> None:
    close_old_connections()
    try:
        CHORES[name]()
    except Exception:
        logger.exception("a chore crashed", extra={"chore": name})  # it is still due, and started again


def poll() -> int:
    """Search for what no webhook told, and ring for what was found."""
    polled = poll_due(now=timezone.now())
    bell.ring()
    return polled


def tend() -> int:
    """Look after connections before anybody misses them."""
    return tend_connections(now=timezone.now())


def send_alerts() -> int:
    """Send the alerts that are due."""
    return deliver_due(now=timezone.now())


def read_order_feeds() -> int:
    """Read the orders that changed at ReBound, and wake the returns that wait for them."""
    return read_feeds(now=timezone.now(), on_arrival=wake_for_orders)


CHORES: dict[str, Callable[[], int]] = {
    "poll": poll,
    "read_order_feeds": read_order_feeds,
    "send_alerts": send_alerts,
    "tend": tend,
}


def sweep() -> bool:
    """Ring if anything is due, whatever became of the bells. Answers whether anything is."""
    now = timezone.now()
    ring_for_imports(now=now)
    is_due = (
        WebhookEvent.objects.to_handle().exists()
        or TikTokReturn.objects.due(now=now).exists()
        or relays_are_due(now=now)
        or runs_are_due(now=now)
        or references_are_due(now=now)
    )
    if is_due:
        bell.ring()
    return ring_for_checks() or is_due


def upkeep() -> None:
    """What is looked after now and then: connections that were mended, what expired, polls whose turn it is."""
    now = timezone.now()
    if wake_mended(now=now) + look_late(now=now):
        bell.ring()
    fill_relays(now=now)
    forget_old_answers(now=now)
    trim_log(now=now)
    forget_old_imports(now=now)
    keep_counts_fresh(now=now)
    forget_expired_tokens(now=now)
    write_digests(now=now)
    if alerts_are_due(now=now):
        _start("send_alerts")
    if polls_are_due(now=now):
        _start("poll")
    if feeds_are_due(now=now):
        _start("read_order_feeds")
    if tending_is_due(now=now):
        _start("tend")


def _start(name: str) -> None:
    with suppress(*BROKER_AWAY):  # Redis is away: it is still due in a few seconds
        async_task("returns.tasks.chore", name, broker=broker(), task_name=name)
