"""When a return that went direct is matched again: as its order arrives, each night, and not after 60 days.

`ReboundReturn.late_look_at` holds the moment; nothing is due where it is empty. The look is an ordinary claim of one of
its returns, whose next steps `pipeline` derives: match again, then link. `arrivals.py` moves the moment to now.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db.models import F

from matching.matcher import CURABLE, Reason
from matching.models import Match
from matching.services import order_is_held
from returns.models import Kind, ReboundReturn, Status, TikTokReturn

LATE_FOR = timedelta(days=60)  # then the parcel is long back, and nobody's books wait for the link
NIGHT_STARTS = timedelta(hours=1)  # UTC
NIGHT_SECONDS = 4 * 3600  # the looks are spread over so long
LOOKS_AT_A_TIME = 50  # made due together, so that a label never waits behind a night's worth of looks

NOT_AT_REBOUND = "ORDER_NOT_AT_REBOUND"
CURABLE_REASONS = frozenset({reason.value for reason in CURABLE} | {NOT_AT_REBOUND})
"""The reasons to be direct that time can cure (design, Late link)."""

BY_HAND = frozenset({Reason.UNLINKED_BY_HAND.value, "ASKED_BY_A_PERSON"})
"""The reasons that stand until the person who gave them takes them back."""


def first_look(rebound_return: ReboundReturn, *, matches: Iterable[Match], now: datetime) -> datetime | None:
    """For a return that was just created. At once where the order came in, or a person linked it, on the way."""
    if rebound_return.kind != Kind.DIRECT or rebound_return.cancelled_at:
        return None
    current = list(matches)
    if any(match.is_by_hand and match.sales_order_id for match in current):
        return now
    if rebound_return.direct_reason not in CURABLE_REASONS:
        return None
    return now if any(order_is_held(match=match) for match in current) else next_look(rebound_return, now=now)


def next_look(rebound_return: ReboundReturn, *, now: datetime, why: str = "") -> datetime | None:
    """The next night, at this return's own minute of it; None once it is too late, or where time cures nothing.

    `why` it is not linked now, where that was just looked at: it may be another reason than when it was created.
    """
    if why in BY_HAND or not {rebound_return.direct_reason, why} & CURABLE_REASONS:
        return None
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    look = midnight + NIGHT_STARTS + timedelta(seconds=(rebound_return.pk * 7919) % NIGHT_SECONDS)
    if look <= now:
        look += timedelta(days=1)
    return look if look <= (rebound_return.confirmed_at or now) + LATE_FOR else None


def look_now(rebound_returns: Iterable[int], *, now: datetime) -> int:
    """Make the late look of these due, and with it one return of each whose label was delivered. Answers how many.

    Where none was delivered yet the look comes after the delivery: the label goes first.
    """
    keys = list(rebound_returns)
    ReboundReturn.objects.filter(pk__in=keys).exclude(late_look_at__lte=now).update(late_look_at=now)
    return _make_due(keys, now=now)


def look_late(*, now: datetime, limit: int = LOOKS_AT_A_TIME) -> int:
    """Take up the looks whose time has come, the longest due first. Answers how many."""
    due = ReboundReturn.objects.filter(
        late_look_at__lte=now,
        tiktok_returns__status=Status.DONE,
        tiktok_returns__label_delivered_at__isnull=False,
        tiktok_returns__next_attempt_at__isnull=True,
    )
    keys = list(due.order_by("late_look_at").values_list("pk", flat=True)[:limit])
    return _make_due(keys, now=now) if keys else 0


def put_off(rebound_return: ReboundReturn, *, now: datetime, why: str = "") -> None:
    """There was nothing to link, or the remote does not answer: look again in the night, where time may cure it.

    A look that was made due meanwhile, by an order that came in after it was looked for, stays due.
    """
    looked = ReboundReturn.objects.filter(pk=rebound_return.pk, late_look_at=rebound_return.late_look_at)
    looked.update(late_look_at=next_look(rebound_return, now=now, why=why), creating_until=None)


def _make_due(keys: list[int], *, now: datetime) -> int:
    fitting = TikTokReturn.objects.filter(rebound_return__in=keys, status=Status.DONE, label_delivered_at__isnull=False)
    one_each = {row.rebound_return_id: row.pk for row in fitting.order_by("-pk").only("pk", "rebound_return_id")}
    rows = TikTokReturn.objects.filter(pk__in=one_each.values())
    # A claim that is at it just now must hear of it: what it settles would overwrite the time.
    rows.filter(claimed_until__gte=now).update(hint_count=F("hint_count") + 1)
    count: int = rows.update(next_attempt_at=now)
    return count
