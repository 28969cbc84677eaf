"""Erasing what is held of a buyer's order, or of a whole merchant.

Ids, hashes, outcomes and counts stay: they are what makes a repeated webhook or push harmless, and no person is known
by them. Everything of `personal_data.py` is emptied. Safe to run twice.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Q, QuerySet

from matching.models import IdempotentAnswer, Match, SalesOrder
from merchants.models import ApiClient, ApiToken, BrokenReason, Merchant, Shop
from rebound_tts.ops.personal_data import OF_BUYERS, OF_MERCHANTS
from returns.models import (
    ReboundReturn,
    ReturnLabel,
    Status,
    StepAttempt,
    TikTokReturn,
    TikTokReturnItem,
    WebhookEvent,
)

STEP = 2000  # rows emptied at a time
ENDED = (Status.DONE, Status.CANCELLED, Status.NOT_OURS)


class UnfinishedError(Exception):
    """Returns are under way: without the address they may get no label."""


def rows_of_order(*, merchant: Merchant, order_id: str) -> dict[type[models.Model], QuerySet[Any]]:
    """Everything that is held of a buyer's order, by TikTok's id of it or by the OMS's."""
    matches = Match.objects.for_merchant(merchant).filter(sales_order__isnull=False)
    by_oms = matches.filter(external_order_id=order_id).values("return_id")
    returns = TikTokReturn.objects.for_merchant(merchant).filter(Q(order_id=order_id) | Q(return_id__in=by_oms))
    found = list(returns.values_list("pk", "return_id", "rebound_return"))
    keys = [key for key, _, _ in found]
    parcels = [parcel for _, _, parcel in found if parcel is not None]
    linked = matches.filter(return_id__in=[return_id for _, return_id, _ in found]).values("sales_order")
    return {
        WebhookEvent: WebhookEvent.objects.filter(merchant=merchant, tiktok_return__in=keys),
        TikTokReturn: TikTokReturn.objects.filter(pk__in=keys),
        TikTokReturnItem: TikTokReturnItem.objects.filter(merchant=merchant, tiktok_return__in=keys),
        ReboundReturn: ReboundReturn.objects.for_merchant(merchant).filter(pk__in=parcels),
        ReturnLabel: ReturnLabel.objects.filter(merchant=merchant, rebound_return__in=parcels),
        StepAttempt: StepAttempt.objects.filter(merchant=merchant, tiktok_return__in=keys),
        SalesOrder: SalesOrder.objects.for_merchant(merchant).filter(Q(external_order_id=order_id) | Q(pk__in=linked)),
    }


def erase_order(*, merchant: Merchant, order_id: str, even_if_unfinished: bool = False) -> Counter[str]:
    """Empty what is held of a buyer's order. Answers how many rows of each table. Raises UnfinishedError."""
    rows = rows_of_order(merchant=merchant, order_id=order_id)
    if not even_if_unfinished:
        _refuse_unfinished(rows[TikTokReturn])
    done: Counter[str] = Counter()
    with transaction.atomic():
        for model, found in rows.items():
            done[model._meta.label] += found.update(**OF_BUYERS[model])
    return done


def erase_merchant(*, merchant: Merchant, now: datetime, even_if_unfinished: bool = False) -> Counter[str]:
    """Take away what lets us act for a merchant, then empty everything held of its buyers, step by step.

    Raises UnfinishedError. What TikTok sends afterwards finds a shop whose authorization is gone, and does nothing.
    """
    if not even_if_unfinished:
        _refuse_unfinished(TikTokReturn.objects.for_merchant(merchant))
    done: Counter[str] = Counter()
    with transaction.atomic():
        Merchant.objects.filter(pk=merchant.pk).update(name=f"Erased merchant {merchant.pk}")
        broken = {"broken_at": now, "broken_reason": BrokenReason.DEAUTHORIZED}
        for model, values in OF_MERCHANTS.items():
            ends = broken if hasattr(model, "broken_at") else {}
            done[model._meta.label] += model._default_manager.filter(merchant=merchant).update(**values, **ends)
        Shop.objects.for_merchant(merchant).update(name="Erased shop", cipher="")
        ApiClient.objects.for_merchant(merchant).update(name="Erased client", revoked_at=now)
        ApiToken.objects.filter(merchant=merchant).delete()
        IdempotentAnswer.objects.filter(merchant=merchant).delete()
    for model, values in OF_BUYERS.items():
        for keys in _in_steps(model._default_manager.filter(merchant=merchant)):
            done[model._meta.label] += model._default_manager.filter(pk__in=keys).update(**values)
    return done


def _in_steps(rows: QuerySet[Any]) -> Iterator[list[int]]:
    last = 0
    while keys := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:STEP]):
        yield keys
        last = keys[-1]


def _refuse_unfinished(returns: QuerySet[Any]) -> None:
    unfinished = returns.exclude(status__in=ENDED)
    first = unfinished.order_by("pk").values_list("return_id", flat=True).first()
    if first is not None:
        raise UnfinishedError(
            f"{unfinished.count()} returns are not finished, such as {first}: without the address a buyer may get no"
            " label. Finish them, or say --even-if-unfinished."
        )
