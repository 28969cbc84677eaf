"""The match rate of each merchant, and whether it drifts: a fall means that the OMS changed its ids, or stopped.

Decisions are counted into a row a merchant and day, since millions of them are not counted while somebody waits. A late
link moves a return from one day to another: the last days are counted again often, all that are shown once a day.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q, Sum
from django.db.models.functions import TruncDate

from matching.matcher import Outcome
from matching.models import Match, MatchDay
from merchants.models import Merchant

SHOWN = timedelta(days=30)
ALL_DAYS = 60  # those shown, and as many before to compare with
RECENT = timedelta(days=3)
A_BATCH = 500
FALL = 0.2  # so much of all returns fewer found their order than in the weeks before
FEWEST_RECENT, FEWEST_BEFORE = 10, 20  # below that a rate says nothing
RECOUNT_EVERY = timedelta(minutes=15)
RECOUNT_ALL_EVERY = timedelta(hours=24)
FOUND = (Outcome.MATCHED.value, Outcome.PARTLY_MATCHED.value, Outcome.ORDER_ONLY.value)


@dataclass(frozen=True, slots=True)
class MatchRate:
    """One merchant's returns of the last 30 days. Rates are from 0 to 1; None where nothing was asked."""

    merchant_id: int
    merchant: str
    asked: int
    matched: int
    rate: float | None
    change: float | None
    has_drifted: bool

    @property
    def percent(self) -> int | None:
        return None if self.rate is None else round(100 * self.rate)

    @property
    def points(self) -> int | None:
        """The change in points of a hundred."""
        return None if self.change is None else round(100 * self.change)


def recount(*, days: int, now: datetime) -> int:
    """Count the decisions of so many days again, today among them. Answers how many rows that made."""
    first = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    merchants = list(Merchant.objects.order_by("pk").values_list("pk", flat=True))
    rows = [
        MatchDay(merchant_id=merchant, day=day, asked=asked, matched=matched, counted_at=now)
        for start in range(0, len(merchants), A_BATCH)
        for merchant, day, asked, matched in _count(merchants[start : start + A_BATCH], first)
    ]
    with transaction.atomic():
        MatchDay.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["merchant", "day"],
            update_fields=["asked", "matched", "counted_at"],
            batch_size=A_BATCH,
        )
        # Days whose decisions were all superseded meanwhile, and those that nobody looks at any more.
        over = Q(day__gte=first.date()) | Q(day__lte=now.astimezone(UTC).date() - timedelta(days=ALL_DAYS))
        MatchDay.objects.filter(over, counted_at__lt=now).delete()
    return len(rows)


def _count(merchants: list[int], first: datetime) -> Any:
    """Named one by one, so that each merchant's decisions are found by the index of current matches."""
    return (
        Match.objects.current()
        .filter(merchant__in=merchants, decided_at__gte=first)
        .exclude(outcome=Outcome.NOT_ASKED.value)
        .annotate(day=TruncDate("decided_at", tzinfo=UTC))
        .values_list("merchant_id", "day")
        .annotate(asked=Count("pk"), matched=Count("pk", filter=Q(outcome__in=FOUND)))
        .order_by("merchant_id", "day")
    )


def keep_counts_fresh(*, now: datetime) -> int:
    """Recount what is due; nothing where another process just did. Answers how many rows that made."""
    counted = MatchDay.objects.aggregate(first=Min("counted_at"), last=Max("counted_at"))
    if counted["last"] and now - counted["last"] < RECOUNT_EVERY:
        return 0
    # The oldest count is that of the last time when all days were counted.
    is_all = counted["first"] is None or now - counted["first"] > RECOUNT_ALL_EVERY
    return recount(days=ALL_DAYS if is_all else 2, now=now)


def match_rates(*, now: datetime, merchants: Collection[int] | None = None) -> list[MatchRate]:
    """The rates of these merchants, or of all: what drifts first, then the lowest. One query."""
    today = now.astimezone(UTC).date()
    shown, recent = today - SHOWN, today - RECENT
    days = MatchDay.objects.filter(day__gt=today - 2 * SHOWN)
    if merchants is not None:
        days = days.filter(merchant__in=merchants)

    def total(column: str, when: Q) -> Sum:
        return Sum(column, filter=when, default=0)

    now_, then, lately, before = (
        Q(day__gt=shown),
        Q(day__lte=shown),
        Q(day__gt=recent),
        Q(day__lte=recent, day__gt=recent - SHOWN),
    )
    sums = (
        days.values("merchant_id", "merchant__name")
        .annotate(
            asked_now=total("asked", now_),
            matched_now=total("matched", now_),
            asked_then=total("asked", then),
            matched_then=total("matched", then),
            asked_lately=total("asked", lately),
            matched_lately=total("matched", lately),
            asked_before=total("asked", before),
            matched_before=total("matched", before),
        )
        .order_by("merchant__name")
    )
    rates = [_rate(each) for each in sums if each["asked_now"]]
    return sorted(rates, key=lambda each: (not each.has_drifted, each.rate or 0))


def _rate(sums: Any) -> MatchRate:
    rate = _share(sums["matched_now"], sums["asked_now"])
    earlier = _share(sums["matched_then"], sums["asked_then"])
    lately, before = (
        _share(sums["matched_lately"], sums["asked_lately"]),
        _share(sums["matched_before"], sums["asked_before"]),
    )
    enough = sums["asked_lately"] >= FEWEST_RECENT and sums["asked_before"] >= FEWEST_BEFORE
    return MatchRate(
        merchant_id=sums["merchant_id"],
        merchant=str(sums["merchant__name"]),
        asked=sums["asked_now"],
        matched=sums["matched_now"],
        rate=rate,
        change=None if rate is None or earlier is None else rate - earlier,
        has_drifted=enough and lately is not None and before is not None and before - lately >= FALL,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
