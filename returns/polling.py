"""Polling: what no webhook told. Each shop's returns are searched by their time of change, over overlapping windows.

A notification may be lost for good (reference, 7.3), and rows may appear in the search late (8.11): so each window
starts an hour before the last one ended. What it finds becomes a hint like any other; nothing here works on a return.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import QuerySet

from merchants.connections import DOUBT, mark_broken, tiktok_for
from merchants.models import Shop
from rebound_tts.clients.errors import ConfigurationError, RemoteError
from rebound_tts.clients.tiktok_returns import RemoteReturn
from returns.hints import Hint, take_hints
from returns.models import ReturnPoll, TikTokReturn
from returns.pipeline import Need, TikTokView, label_need

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=15)
OVERLAP = timedelta(hours=1)
FIRST_LOOK_BACK = timedelta(days=30)  # a buyer has about that long to ship: what is older needs no label any more
LEASE = timedelta(minutes=5)  # a poll that died is taken up again after this


def poll_due(*, now: datetime, limit: int = 10) -> int:
    """Poll the shops whose turn it is. Answers how many; a shop that fails does not hold up the next."""
    fresh = Shop.objects.live().filter(return_poll__isnull=True)[:limit]
    ReturnPoll.objects.bulk_create(
        [ReturnPoll(merchant_id=shop.merchant_id, shop=shop, next_poll_at=now) for shop in fresh], ignore_conflicts=True
    )
    polled = 0
    for poll in due_polls(now=now).select_related("shop__authorization")[:limit]:
        # One worker a shop: the conditional UPDATE moves its turn away before the work.
        if ReturnPoll.objects.filter(pk=poll.pk, next_poll_at__lte=now).update(next_poll_at=now + LEASE):
            _poll(poll, now=now)
            polled += 1
    return polled


def due_polls(*, now: datetime) -> QuerySet[ReturnPoll]:
    """Of shops that went live: before that nothing of a buyer is fetched, and the first poll looks back far enough."""
    due = ReturnPoll.objects.filter(next_poll_at__lte=now, shop__authorization__broken_at__isnull=True)
    return due.filter(shop__live_at__isnull=False, shop__disconnected_at__isnull=True)


def polls_are_due(*, now: datetime) -> bool:
    return due_polls(now=now).exists() or Shop.objects.live().filter(return_poll__isnull=True).exists()


def _poll(poll: ReturnPoll, *, now: datetime) -> None:
    since = poll.polled_until - OVERLAP if poll.polled_until else now - FIRST_LOOK_BACK
    rows = ReturnPoll.objects.filter(pk=poll.pk)
    try:
        found = tiktok_for(poll.shop).search_returns(update_time_ge=since)
    except RemoteError as error:
        pause = EVERY
        if isinstance(error, ConfigurationError) and not mark_broken(poll.shop.authorization, error=error):
            pause = DOUBT
        logger.warning("polling failed", extra={"shop": poll.shop.shop_id, "error": str(error)})
        rows.update(next_poll_at=now + pause, last_error=str(error)[:500])
        return
    for remote in found:
        _notice(poll.shop, remote=remote, now=now)
    rows.update(polled_until=now, next_poll_at=now + EVERY, last_error="")


def _notice(shop: Shop, *, remote: RemoteReturn, now: datetime) -> None:
    row = TikTokReturn.objects.filter(merchant=shop.merchant_id, shop=shop, return_id=remote.return_id).first()
    if row is None:
        if not _needs_us(remote):
            return
        logger.info("polling found a return", extra={"return_id": remote.return_id})
    elif remote.updated_at is None or row.tiktok_updated_at is None or remote.updated_at <= row.tiktok_updated_at:
        return
    told = Hint(shop, return_id=remote.return_id, order_id=remote.order_id, updated_at=remote.updated_at)
    take_hints([told], now=now)


def _needs_us(remote: RemoteReturn) -> bool:
    """Whether a return that we never heard of may need a label; history that needs none gets no row."""
    view = TikTokView(
        return_status=remote.return_status,
        return_type=remote.return_type,
        return_method=remote.return_method,
        can_buyer_keep_item=remote.can_buyer_keep_item,
        tracking_number=remote.tracking_number,
    )
    return label_need(view).need in {Need.LABEL, Need.NOT_YET, Need.UNCLEAR}
