"""What a fault run asks of the product's database, and what a person would do there. To be imported once there is one.

Everything here may fail while the run itself has the database away: `patiently` does it again.
"""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connections
from django.db.models import Max, Q
from django.utils import timezone

from merchants.models import Shop
from rebound_tts.clients.errors import RemoteError
from returns.models import (
    EventSource,
    Reason,
    ReboundReturn,
    ReturnPoll,
    Status,
    StepAttempt,
    TikTokReturn,
    WebhookEvent,
)
from returns.services import run_again
from tests.chaos.auditor import AT_REST, Event, Row
from tests.chaos.installation import SKEW_SECONDS

T = TypeVar("T")
MOST_TRIES = 60
# These go on by themselves once the merchant came back: to help them would hide that they do not.
RESUMED = {Reason.TIKTOK_CONNECTION, Reason.REBOUND_CONNECTION, Reason.NO_REBOUND_ACCOUNT}


def patiently(act: Callable[[], T]) -> T:
    """Do it again while the database or the sandbox is away: that is the run's doing."""
    for _ in range(MOST_TRIES - 1):
        try:
            return act()
        except (OperationalError, InterfaceError, RemoteError):
            connections.close_all()
            time.sleep(0.5)
    return act()


def polls_are_due_now() -> None:
    """The turn of every poll, the first of a shop too, which would otherwise come 15 minutes after one that failed."""
    now = timezone.now()
    ReturnPoll.objects.filter(next_poll_at__gt=now).update(next_poll_at=now)


class Polls:
    """Whether every shop was searched from beginning to end since this was made.

    Two searches must have ended since: the first may have begun before. They are told by another `polled_until`, which
    need not be a later one where a worker's clock is wrong.
    """

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}
        self._ended: Counter[int] = Counter()

    def are_done(self) -> bool:
        for shop, until in ReturnPoll.objects.values_list("shop", "polled_until"):
            if self._seen.setdefault(shop, until) != until:
                self._seen[shop] = until
                self._ended[shop] += 1
        return all(self._ended[shop] >= 2 for shop in Shop.objects.live().values_list("pk", flat=True))


def progress_of_all() -> tuple[int, int, Any]:
    """(returns, events and late looks not at rest, of returns and events due now, something that changes when work
    goes on)"""
    now = timezone.now()
    waiting = WebhookEvent.objects.to_handle().count()
    rows = TikTokReturn.objects.exclude(status__in=AT_REST) | TikTokReturn.objects.filter(next_attempt_at__isnull=False)
    due = TikTokReturn.objects.due(now=now).count() + waiting
    # Not how many wait: what arrives is no work that goes on.
    latest = StepAttempt.objects.aggregate(Max("finished_at"), Max("pk")), WebhookEvent.objects.count() - waiting
    # Taken up by the next upkeep, of a worker whose clock is ahead too: a link may be made at ReBound at any moment.
    # Not of a return that was cancelled since.
    looks = ReboundReturn.objects.filter(
        late_look_at__lte=now + timedelta(seconds=SKEW_SECONDS),
        tiktok_returns__label_delivered_at__isnull=False,
        tiktok_returns__status=Status.DONE,
    ).count()
    claimed = TikTokReturn.objects.filter(claimed_until__gte=now).exclude(status=Status.NEEDS_ATTENTION).count()
    return rows.count() + waiting + claimed + looks, due, latest


def on_their_way() -> int:
    """Returns and events that could be worked on now, or are: not those that wait, for a remote or an order."""
    now = timezone.now()
    returns = Q(next_attempt_at__lte=now) | Q(claimed_until__gte=now)
    return TikTokReturn.objects.filter(returns).count() + WebhookEvent.objects.to_handle().count()


def rerun_what_asks() -> Counter[str]:
    """A person mends what asks for one: everything works again, so running it again is the next move."""
    now = timezone.now()
    stuck = TikTokReturn.objects.filter(status=Status.NEEDS_ATTENTION).exclude(reason__in=RESUMED)
    asking = [row for row in stuck if row.next_attempt_at is None or row.next_attempt_at > now]
    if asking:
        run_again(asking, now=now)
    return Counter(row.reason for row in asking)


def what_does_not_rest() -> Counter[str]:
    """What is not at rest, by its status and reason."""
    rows = TikTokReturn.objects.exclude(status__in=AT_REST).values_list("status", "reason")
    return Counter(f"{status} {reason}".strip() for status, reason in rows)


def held() -> tuple[list[Row], list[Event]]:
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
