"""Orders that arrive: the returns that they may help are matched now, not at their next look.

A return that waits for its order goes on; one that went direct for want of it is looked at again, to be linked late.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Case, F, PositiveIntegerField, QuerySet, When
from django.utils import timezone

from matching.services import RULE_COLUMNS, returns_naming
from merchants.models import Merchant, Shop
from returns.bell import bell
from returns.late import look_now
from returns.models import Reason, Status, TikTokReturn


def wake_for_orders(merchant: Merchant, external_order_ids: Sequence[str]) -> None:
    """To be called once more is known of these orders: pushed, imported, or first known to ReBound.

    Rings where a return may be helped by one of them. May be called twice, and late.
    """
    if wake(merchant=merchant, external_order_ids=external_order_ids, now=timezone.now()):
        bell.ring()


def wake_for_references(shop: Shop, tiktok_order_ids: Sequence[str]) -> None:
    """To be called once TikTok shows the references of these orders of its, which returns may wait for."""
    rows = TikTokReturn.objects.for_merchant(shop.merchant).filter(shop=shop, order_id__in=list(tiktok_order_ids))
    if _make_due(rows, now=timezone.now()):
        bell.ring()


def wake(*, merchant: Merchant, external_order_ids: Iterable[str], now: datetime) -> int:
    """Make the merchant's returns due that wait for one of these orders, or went direct for want of it; says how many.

    Found by index, however many returns there are. Ids are compared under the id rules that the decision was made by.
    """
    ids = list(external_order_ids)
    woken = 0
    for shop in merchant.shops.only("merchant", *RULE_COLUMNS):
        returns = returns_naming(shop=shop, external_order_ids=ids)
        if not returns:
            continue
        rows = TikTokReturn.objects.for_merchant(merchant).filter(shop=shop, return_id__in=returns)
        woken += _make_due(rows, now=now)
    return woken


def _make_due(rows: QuerySet[TikTokReturn], *, now: datetime) -> int:
    """Make those of these returns due that wait for their order or went direct for want of it; says how many."""
    waiting = rows.filter(status=Status.WAITING, reason=Reason.ORDER_AWAITED)
    heard = Case(
        # What a claim that is at it just now settles would overwrite the time.
        When(claimed_until__gte=now, then=F("hint_count") + 1),
        default=F("hint_count"),
        output_field=PositiveIntegerField(),
    )
    woken: int = waiting.update(next_attempt_at=now, hint_count=heard)
    late = rows.filter(rebound_return__late_look_at__isnull=False)
    return woken + look_now(late.values_list("rebound_return", flat=True).distinct(), now=now)
