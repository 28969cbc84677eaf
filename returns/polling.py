"""Polling: what no webhook told. Each shop's returns are searched by their time of change, over overlapping windows.

A notification may be lost for good (reference, 7.3), and rows may appear in the search late (8.11): so each window
starts an hour before the last search began. What it finds becomes a hint like any other; nothing here works on a
return. A long search is done in turns: how far it came is kept after each page.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

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
LEASE = timedelta(minutes=2)  # renewed with each page; a poll that died is taken up again after this
SECONDS_A_TURN = 15.0
HINTS_A_TURN = 200  # a buyer who returns now waits no longer than these take
SECONDS_A_JOB = 15.0  # then no other shop is begun


def poll_due(*, now: datetime, limit: int = 10) -> int:
    """Poll the shops whose turn it is, the longest due first. Answers how many; one that fails holds up no other."""
    fresh = Shop.objects.live().filter(return_poll__isnull=True)[:limit]
    ReturnPoll.objects.bulk_create(
        [ReturnPoll(merchant_id=shop.merchant_id, shop=shop, next_poll_at=now) for shop in fresh], ignore_conflicts=True
    )
    started = time.monotonic()
    polled = 0
    for poll in due_polls(now=now).order_by("next_poll_at").select_related("shop__authorization")[:limit]:
        if time.monotonic() - started > SECONDS_A_JOB:
            break
        # One worker a shop: the conditional UPDATE moves its turn away before the work.
        if ReturnPoll.objects.filter(pk=poll.pk, next_poll_at__lte=now).update(next_poll_at=now + LEASE):
            _poll(poll)
            polled += 1
    return polled


def due_polls(*, now: datetime) -> QuerySet[ReturnPoll]:
    """Of shops that went live: before that nothing of a buyer is fetched, and the first poll looks back far enough."""
    due = ReturnPoll.objects.filter(next_poll_at__lte=now, shop__authorization__broken_at__isnull=True)
    return due.filter(shop__live_at__isnull=False, shop__disconnected_at__isnull=True)


def polls_are_due(*, now: datetime) -> bool:
    return due_polls(now=now).exists() or Shop.objects.live().filter(return_poll__isnull=True).exists()


def _poll(poll: ReturnPoll) -> None:
    try:
        _search(poll)
    except RemoteError as error:
        pause = EVERY
        if isinstance(error, ConfigurationError) and not mark_broken(poll.shop.authorization, error=error):
            pause = DOUBT
        logger.warning("polling failed", extra={"shop": poll.shop.shop_id, "error": str(error)})
        ReturnPoll.objects.filter(pk=poll.pk).update(next_poll_at=timezone.now() + pause, last_error=str(error)[:500])


def _search(poll: ReturnPoll) -> None:
    rows = ReturnPoll.objects.filter(pk=poll.pk)
    started = time.monotonic()
    begun_at = poll.begun_at or timezone.now()
    reached = since = _since(poll, now=begun_at)
    in_order = True
    hints = 0
    for page in tiktok_for(poll.shop).returns_updated_since(since):
        now = timezone.now()
        hints += _notice(poll.shop, page, now=now)
        # A time that is yet to come would hide every change until then.
        times = [min(remote.updated_at, now) for remote in page if remote.updated_at is not None]
        in_order = in_order and len(times) == len(page) and [reached, *times] == sorted([reached, *times])
        if not in_order or not times:
            rows.update(next_poll_at=now + LEASE)  # from where it was, should this end early
            continue
        reached = times[-1]
        rows.update(next_poll_at=now + LEASE, begun_at=begun_at, resume_after=reached)
        is_enough = hints >= HINTS_A_TURN or time.monotonic() - started > SECONDS_A_TURN
        if is_enough and reached > since:
            rows.update(next_poll_at=now)  # others first, then on from here
            return
    rows.update(
        polled_until=begun_at, begun_at=None, resume_after=None, next_poll_at=timezone.now() + EVERY, last_error=""
    )


def _since(poll: ReturnPoll, *, now: datetime) -> datetime:
    if poll.resume_after is not None:
        return poll.resume_after
    return poll.polled_until - OVERLAP if poll.polled_until else now - FIRST_LOOK_BACK


def _notice(shop: Shop, found: Sequence[RemoteReturn], *, now: datetime) -> int:
    """Hint at those of a page that changed since we looked, and at those of which we never heard and may need us.
    Answers at how many."""
    ids = [remote.return_id for remote in found]
    rows = TikTokReturn.objects.filter(merchant=shop.merchant_id, shop=shop, return_id__in=ids)
    held = dict(rows.values_list("return_id", "tiktok_updated_at"))
    told = []
    for remote in found:
        if remote.return_id not in held:
            if not _needs_us(remote):
                continue
            logger.info("polling found a return", extra={"return_id": remote.return_id})
        else:
            known = held[remote.return_id]
            if remote.updated_at is None or known is None or remote.updated_at <= known:
                continue
        told.append(Hint(shop, return_id=remote.return_id, order_id=remote.order_id, updated_at=remote.updated_at))
    if told:
        take_hints(told, now=now)
    return len(told)


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
