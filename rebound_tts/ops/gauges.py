"""What the tables say now, for `/metrics`. Every question is answered from an index or a small table.

A table that grows for ever (events, returns, orders) is never counted whole: only its unfinished part is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min
from django_q.models import Failure

from matching.models import OPEN_ERRANDS, STUCK_ERRANDS, OrderRelay, ReferenceWrite
from merchants.models import ReboundAccount, ShopAuthorization
from rebound_tts.broker import BROKER_AWAY, broker
from rebound_tts.ops.models import Heartbeat
from returns.models import Reason, Status, TikTokReturn, WebhookEvent

SOONEST = 10  # authorizations that are named: a label a tenant would have no bound
MOST_COUNTED = 10_000  # where a merchant's whole history may stand in the queue at once
UNFINISHED = (Status.OPEN, Status.WAITING, Status.NEEDS_ATTENTION)

Reading = tuple[str, tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The work that waits: how much, and for how long the oldest of it."""

    events: int
    events_oldest: float  # seconds; 0 where there are none
    returns: int
    returns_oldest: float

    @property
    def oldest(self) -> float:
        return max(self.events_oldest, self.returns_oldest)


def backlog(*, now: datetime) -> Backlog:
    events = WebhookEvent.objects.to_handle().aggregate(count=Count("pk"), oldest=Min("received_at"))
    returns = TikTokReturn.objects.due(now=now).aggregate(count=Count("pk"), oldest=Min("next_attempt_at"))
    return Backlog(
        events=events["count"],
        events_oldest=_age(events["oldest"], now=now),
        returns=returns["count"],
        returns_oldest=_age(returns["oldest"], now=now),
    )


def workers_alive(*, now: datetime) -> int:
    alive: int = Heartbeat.objects.heard(now=now).count()
    return alive


def readings(*, now: datetime) -> Iterator[Reading]:
    """Every figure of the catalog's READ: its name, its labels' values, its value."""
    yield from _returns(now=now)
    waiting = backlog(now=now)
    yield "events_waiting", (), waiting.events
    yield "events_oldest_seconds", (), waiting.events_oldest
    yield "returns_due", (), waiting.returns
    yield "returns_due_oldest_seconds", (), waiting.returns_oldest
    yield from _errands(now=now)
    yield "queue_jobs", (), queued_jobs()
    yield "dead", ("jobs",), Failure.objects.count()
    crashed = TikTokReturn.objects.filter(status=Status.NEEDS_ATTENTION, reason=Reason.CRASHED)
    yield "dead", ("returns",), crashed.count()
    yield from _connections(now=now)
    for heartbeat in Heartbeat.objects.filter(beat_at__gt=now - timedelta(hours=1)).order_by("worker"):
        yield "worker_heartbeat_age_seconds", (heartbeat.worker,), _age(heartbeat.beat_at, now=now)
    yield "workers", (), workers_alive(now=now)


def _returns(*, now: datetime) -> Iterator[Reading]:
    unfinished = TikTokReturn.objects.filter(status__in=UNFINISHED).order_by()
    grouped = unfinished.values_list("status", "reason").annotate(count=Count("pk"), since=Min("status_changed_at"))
    for status, reason, count, since in grouped:
        yield "returns_unfinished", (status, reason), count
        if status == Status.WAITING:
            yield "waiting_oldest_seconds", (reason,), _age(since, now=now)


def _errands(*, now: datetime) -> Iterator[Reading]:
    for errand, model in (("relay", OrderRelay), ("references", ReferenceWrite)):
        waiting = model.objects.filter(state__in=OPEN_ERRANDS).order_by()[:MOST_COUNTED]
        found = waiting.aggregate(count=Count("pk"), oldest=Min("queued_at"))
        yield "errands_waiting", (errand,), found["count"]
        yield "errands_oldest_seconds", (errand,), _age(found["oldest"], now=now)
        stuck = model.objects.filter(state__in=STUCK_ERRANDS).order_by().values_list("state")
        for state, count in stuck.annotate(count=Count("pk")):
            yield "errands_for_people", (errand, state), count


def queued_jobs() -> int:
    try:
        size: int = broker().queue_size()
    except BROKER_AWAY:
        return -1
    return size


def _connections(*, now: datetime) -> Iterator[Reading]:
    live = ShopAuthorization.objects.filter(broken_at__isnull=True).order_by("refresh_token_expires_at", "pk")
    for key, expires_at in live.values_list("pk", "refresh_token_expires_at")[:SOONEST]:
        yield "token_days_left", (str(key),), (expires_at - now).total_seconds() / 86_400
    for vendor, model in (("tiktok", ShopAuthorization), ("rebound", ReboundAccount)):
        broken = model.objects.filter(broken_at__isnull=False).order_by().values_list("broken_reason")
        for reason, count in broken.annotate(count=Count("pk")):
            yield "connections_broken", (vendor, reason), count


def _age(moment: datetime | None, *, now: datetime) -> float:
    return max((now - moment).total_seconds(), 0.0) if moment else 0.0
