"""Hints: TikTok may have changed these returns. Each gets a row if it has none, and is looked at now."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F

from merchants.models import Shop
from returns.models import TikTokReturn, new_correlation_id

Key = tuple[int, str]  # the shop's key, TikTok's id of the return


@dataclass(frozen=True, slots=True)
class Hint:
    """That a return of the shop may have changed. `updated_at` is when TikTok says it did; None where it does not."""

    shop: Shop
    return_id: str
    order_id: str = ""
    correlation_id: str = field(default_factory=new_correlation_id)
    updated_at: datetime | None = None

    @property
    def key(self) -> Key:
        return self.shop.pk, self.return_id


@transaction.atomic
def take_hints(hints: Sequence[Hint], *, now: datetime) -> list[tuple[TikTokReturn, bool]]:
    """Follow all of these, in a few statements however many there are.

    Answers the row of each, and whether it is looked at for this hint: not where we hold a newer view already. Rows are
    taken in one order, so that two workers with hints of the same returns wait for each other and never both ways.
    """
    known = _rows(hints)
    fresh = {hint.key: hint for hint in reversed(hints) if hint.key not in known}  # the first of each
    if fresh:
        TikTokReturn.objects.bulk_create(
            [
                TikTokReturn(
                    merchant_id=hint.shop.merchant_id,
                    shop=hint.shop,
                    return_id=hint.return_id,
                    order_id=hint.order_id,
                    correlation_id=hint.correlation_id,
                    created_at=now,
                    status_changed_at=now,
                    next_attempt_at=now,
                )
                for _, hint in sorted(fresh.items())
            ],
            ignore_conflicts=True,  # somebody else may make the same row now
        )
        known |= _rows(list(fresh.values()))
    times: Counter[int] = Counter()
    taken = []
    for hint in hints:
        row = known[hint.key]
        is_outdated = row.tiktok_updated_at and hint.updated_at and hint.updated_at < row.tiktok_updated_at
        taken.append((row, not is_outdated))
        times[row.pk] += not is_outdated
    for key, hint in fresh.items():
        if known[key].correlation_id == hint.correlation_id:
            times[known[key].pk] -= 1  # its row was made with it
    for number in sorted(set(times.values()) - {0}):
        told = TikTokReturn.objects.filter(pk__in=[key for key, n in times.items() if n == number])
        told.update(hint_count=F("hint_count") + number, next_attempt_at=now)
    return taken


def _rows(hints: Sequence[Hint]) -> dict[Key, TikTokReturn]:
    rows = TikTokReturn.objects.filter(
        merchant__in={hint.shop.merchant_id for hint in hints},
        shop__in={hint.shop.pk for hint in hints},
        return_id__in={hint.return_id for hint in hints},
    )
    held = rows.only("shop_id", "return_id", "correlation_id", "tiktok_updated_at")
    return {(row.shop_id, row.return_id): row for row in held.select_for_update().order_by("pk")}
