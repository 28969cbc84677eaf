"""The catch-up feed: sales orders that an OMS pushes to ReBound itself, read as they change and kept here.

Each account that follows orders is asked every few minutes for what changed, over windows that overlap, since a row may
appear late. What it tells goes through the same mirror as an order that is read for a return, and the newer version
stands. A long list is read in turns: the cursor is kept after each page, as long as the pages come in the order of
their changes.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from matching.id_rules import LONGEST_ID
from matching.models import OrderFeed, SalesOrder
from matching.orders import mirror
from merchants.connections import DOUBT, mark_broken, rebound_for
from merchants.models import Merchant, ReboundAccount
from rebound_tts.clients.errors import ConfigurationError, RemoteError
from rebound_tts.clients.rebound import ReboundClient, ReboundSalesOrder

logger = logging.getLogger(__name__)

Arrival = Callable[[Merchant, Sequence[str]], None]
EVERY = timedelta(minutes=5)
OVERLAP = timedelta(minutes=10)
SAME_MOMENT = timedelta(seconds=1)  # of overlap between two turns of one list
FIRST_LOOK_BACK = timedelta(days=60)  # as long as a return may be linked late
LEASE = timedelta(minutes=2)  # renewed with each page; one whose worker died is taken up again after this
REFUSED_PAUSE = timedelta(hours=1)
SECONDS_A_TURN = 15.0
SECONDS_A_JOB = 40.0
SEVERAL = "ReBound holds several orders with this client order id"
FORBIDDEN = 403


def due_feeds(*, now: datetime) -> QuerySet[OrderFeed]:
    return OrderFeed.objects.filter(
        next_read_at__lte=now, account__follows_orders=True, account__broken_at__isnull=True
    )


def feeds_are_due(*, now: datetime) -> bool:
    return due_feeds(now=now).exists() or _new_accounts().exists()


def _new_accounts() -> QuerySet[ReboundAccount]:
    return ReboundAccount.objects.filter(follows_orders=True, order_feed__isnull=True)


def read_feeds(*, now: datetime, on_arrival: Arrival, limit: int = 20) -> int:
    """Read the feeds whose turn it is, the longest due first. Answers how many; one that fails holds up no other.

    `on_arrival(merchant, external_order_ids)` is called for each page that told of something new.
    """
    OrderFeed.objects.bulk_create(
        [
            OrderFeed(merchant_id=account.merchant_id, account=account, next_read_at=now)
            for account in _new_accounts()[:limit]
        ],
        ignore_conflicts=True,
    )
    started = time.monotonic()
    count = 0
    for feed in due_feeds(now=now).order_by("next_read_at").select_related("account", "merchant")[:limit]:
        if time.monotonic() - started > SECONDS_A_JOB:
            break
        # One worker a feed: the conditional UPDATE moves its turn away before the work. It asks for no other table: the
        # second of two at once would not look at that again once the first has committed.
        if OrderFeed.objects.filter(pk=feed.pk, next_read_at__lte=now).update(next_read_at=now + LEASE):
            _read(feed, on_arrival=on_arrival)
            count += 1
    return count


def _read(feed: OrderFeed, *, on_arrival: Arrival) -> None:
    rows = OrderFeed.objects.filter(pk=feed.pk)
    try:
        _read_pages(feed, on_arrival=on_arrival)
    except RemoteError as error:
        pause = EVERY
        if isinstance(error, ConfigurationError):
            if error.status == FORBIDDEN:
                pause = REFUSED_PAUSE  # these credentials may not read orders; labels may be made all the same
            elif not mark_broken(feed.account, error=error):
                pause = DOUBT
        logger.warning("the order feed failed", extra={"account": feed.account_id, "error": str(error)})
        rows.update(next_read_at=timezone.now() + pause, last_error=str(error)[:500])


def _read_pages(feed: OrderFeed, *, on_arrival: Arrival) -> None:
    rows = OrderFeed.objects.filter(pk=feed.pk)
    begun_at, started = timezone.now(), time.monotonic()
    newest: datetime | None = None
    in_order = True
    rebound = rebound_for(feed.account)
    for page in rebound.sales_orders_updated_after(_since(feed, now=begun_at)):
        now = timezone.now()
        news = _keep(feed, page, rebound=rebound, now=now)
        if news:
            on_arrival(feed.merchant, news)
        # A time that is yet to come would hide every change until then.
        times = [min(order.updated_at, now) for order in page if order.updated_at is not None]
        in_order = in_order and len(times) == len(page) and times == sorted(times)
        in_order = in_order and (newest is None or times[0] >= newest)
        newest = max([*times, *([newest] if newest else [])], default=None)
        if not in_order:
            rows.update(next_read_at=now + LEASE)
            continue
        rows.update(next_read_at=now + LEASE, resume_after=newest)
        is_further = newest is not None and (feed.resume_after is None or newest > feed.resume_after)
        if is_further and time.monotonic() - started > SECONDS_A_TURN:
            rows.update(next_read_at=now)  # others first, then on from here
            return
    rows.update(
        read_until=newest or feed.read_until or begun_at,
        resume_after=None,
        next_read_at=timezone.now() + EVERY,
        last_read_at=timezone.now(),
        last_error="",
    )


def _since(feed: OrderFeed, *, now: datetime) -> datetime:
    if feed.resume_after is not None:
        return feed.resume_after - SAME_MOMENT
    return feed.read_until - OVERLAP if feed.read_until else now - FIRST_LOOK_BACK


def _keep(feed: OrderFeed, page: Sequence[ReboundSalesOrder], *, rebound: ReboundClient, now: datetime) -> list[str]:
    """Hold here what a page tells; answers the ids of the orders that are new or changed."""
    ids = {remote.client_order_id for remote in page}
    orders = SalesOrder.objects.for_merchant(feed.merchant).filter(external_order_id__in=ids)
    held = {order.external_order_id: order for order in orders.defer("payload", "customer_address")}
    news: dict[str, None] = {}
    for remote in page:
        if not 0 < len(remote.client_order_id) <= LONGEST_ID:
            continue  # no return can be linked to it
        order = held.get(remote.client_order_id)
        if order is not None and not _is_news(order, remote):
            continue
        try:
            if order is not None and (order.rebound_id not in ("", remote.id) or order.metadata_conflict == SEVERAL):
                kept = _keep_one_of_several(order, rebound=rebound, now=now)
            else:
                kept = mirror(merchant=feed.merchant, remote=remote, now=now, is_held=order is not None)
        except DatabaseError:
            # One order that no row of ours can hold must not end the feed of all the others.
            logger.exception("an order of the feed could not be kept", extra={"rebound_id": remote.id})
            continue
        held[kept.external_order_id] = kept
        news[kept.external_order_id] = None
    return list(news)


def _is_news(order: SalesOrder, remote: ReboundSalesOrder) -> bool:
    if order.rebound_id != remote.id or order.rebound_updated_at is None or remote.updated_at is None:
        return True
    return remote.updated_at > order.rebound_updated_at


def _keep_one_of_several(order: SalesOrder, *, rebound: ReboundClient, now: datetime) -> SalesOrder:
    """Two orders at ReBound had this id. One that is left alone is mirrored; several are for a person, and linked to
    by nobody: whichever came last would look certain."""
    found = [
        remote
        for remote in rebound.find_sales_orders(client_order_id=order.external_order_id)
        if remote.client_order_id == order.external_order_id and remote.status.upper() != "CANCELLED"
    ]
    if len(found) == 1:
        SalesOrder.objects.filter(pk=order.pk, metadata_conflict=SEVERAL).update(metadata_conflict="")
        return mirror(merchant=order.merchant, remote=found[0], now=now)
    if found:
        order.metadata_conflict = SEVERAL
        order.save(update_fields=["metadata_conflict"])
    return order
