"""What a stored notification means: vendor payloads become typed events here, and events become hints.

An event never carries facts into our rows: it says that something may have changed, and the return is fetched.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from merchants.models import BrokenReason, ReboundAccount, Shop, ShopAuthorization
from rebound_tts.logs import correlated
from rebound_tts.ops.tallies import count
from returns import rebound_events
from returns.hints import Hint, take_hints
from returns.models import EventOutcome, EventSource, WebhookEvent
from returns.rebound_events import NotUnderstoodError

logger = logging.getLogger(__name__)

BATCH = 200
TIKTOKS_SECOND = timedelta(seconds=1)  # its times are whole seconds

# TikTok's notification types (reference, 7.4).
RETURN_STATUS_CHANGE = "12"
SELLER_DEAUTHORIZATION = "6"
UPCOMING_AUTHORIZATION_EXPIRATION = "7"
NOTHING_FOR_US = {"1", "2", "3", "11"}  # order, legacy reverse, address and cancellation changes
KNOWN_TYPES = {RETURN_STATUS_CHANGE, SELLER_DEAUTHORIZATION, UPCOMING_AUTHORIZATION_EXPIRATION, *NOTHING_FOR_US}


@dataclass(frozen=True, slots=True)
class ReturnChanged:
    return_id: str
    order_id: str
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class SellerDeauthorized:
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuthorizationExpiring:
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NothingForUs:
    pass


Event = ReturnChanged | SellerDeauthorized | AuthorizationExpiring | NothingForUs
Act = Callable[[], EventOutcome]


def event_of(stored: WebhookEvent) -> Event | None:
    """The typed event, or None for a type that we do not know. Raises NotUnderstoodError."""
    envelope: dict[str, Any] = json.loads(stored.body)
    data: dict[str, Any] = envelope["data"]
    if stored.type == RETURN_STATUS_CHANGE:
        return ReturnChanged(
            return_id=_id(data, "return_id"),
            order_id=_id(data, "order_id", required=False),
            updated_at=_moment(data.get("update_time")),
        )
    if stored.type == SELLER_DEAUTHORIZATION:
        return SellerDeauthorized(told_at=_moment(envelope.get("timestamp")))
    if stored.type == UPCOMING_AUTHORIZATION_EXPIRATION:
        return AuthorizationExpiring(expires_at=_moment(data.get("expiration_time")))
    return NothingForUs() if stored.type in NOTHING_FOR_US else None


def _id(data: dict[str, Any], name: str, *, required: bool = True) -> str:
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable():
        return value
    if required:
        raise NotUnderstoodError(f"data.{name} is no id of 1 to 64 characters.")
    return ""


def _moment(value: Any) -> datetime | None:
    """Unix seconds, as a number or as text (type 7 sends text); None where it is neither, or too far to reckon with."""
    if isinstance(value, bool):
        return None
    try:
        moment = datetime.fromtimestamp(int(value), tz=UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment if moment.year < MAXYEAR else None


def handle_events(*, now: datetime) -> int:
    """Handle the oldest events that wait; one that fails fails alone. Answers how many.

    They are read and understood before the transaction, for whose length SQLite lets no webhook in. Another worker may
    read the same ones meanwhile: who takes an event first handles it.
    """
    waiting = list(WebhookEvent.objects.to_handle().order_by("received_at")[:BATCH])
    if not waiting:
        return 0
    asked = _understand(waiting, now=now)
    with transaction.atomic():
        free = WebhookEvent.objects.to_handle().filter(pk__in=[event.pk for event in waiting])
        taken = set(free.select_for_update(skip_locked=True).values_list("pk", flat=True))
        events = [event for event in waiting if event.pk in taken]
        told: list[tuple[WebhookEvent, Hint]] = []
        for event in events:
            event.handled_at = now
            act = asked.get(event.pk)
            if isinstance(act, Hint):
                told.append((event, act))
            elif act is not None:
                with correlated(event.correlation_id), _keeping(event), transaction.atomic():
                    event.outcome = act()
        _follow(told, now=now)
        WebhookEvent.objects.store_outcomes(events)
    for event in events:
        with correlated(event.correlation_id):
            logger.info("event handled", extra={"type": event.type, "outcome": str(event.outcome)})
        count("events", source=event.source, outcome=event.outcome)
    return len(events)


def _understand(events: list[WebhookEvent], *, now: datetime) -> dict[int, Hint | Act]:
    """What each of these asks for, by its key. One that is missing asks for nothing, and why stands on it."""
    accounts = _accounts_of([event for event in events if event.source == EventSource.REBOUND])
    ids = {event.shop_id for event in events if event.shop_id and event.source == EventSource.TIKTOK}
    found = Shop.objects.filter(shop_id__in=ids).select_related("merchant", "authorization")
    shops = {shop.shop_id: shop for shop in found}
    asked: dict[int, Hint | Act] = {}
    for event in events:
        with correlated(event.correlation_id), _keeping(event):
            act: Hint | Act | None
            if event.source == EventSource.REBOUND:
                act = _asked_by_rebound(event, account=accounts.get(event.shop_id), now=now)
            else:
                act = _asked_by_tiktok(event, shop=shops.get(event.shop_id), now=now)
            if act is not None:
                asked[event.pk] = act
    return asked


def _follow(told: list[tuple[WebhookEvent, Hint]], *, now: datetime) -> None:
    """Follow the hints of these events, all at once; where that fails, one by one, so that one alone is to blame."""
    try:
        _take(told, now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        for event, hint in told:
            with correlated(event.correlation_id), _keeping(event):
                _take([(event, hint)], now=now)


def _take(told: list[tuple[WebhookEvent, Hint]], *, now: datetime) -> None:
    if not told:
        return
    taken = take_hints([hint for _, hint in told], now=now)
    for (event, _), (row, is_followed) in zip(told, taken, strict=True):
        event.tiktok_return = row
        # Out of order otherwise: we hold a newer view already.
        event.outcome = EventOutcome.APPLIED if is_followed else EventOutcome.NOTHING_TO_DO


def _accounts_of(events: list[WebhookEvent]) -> dict[str, ReboundAccount]:
    """The accounts of ReBound's events, by the key that the events came in under."""
    if not events:
        return {}
    keys = {event.shop_id for event in events}
    found = ReboundAccount.objects.filter(events_key__in=keys).select_related("merchant")
    return {str(account.events_key): account for account in found}


def _asked_by_tiktok(event: WebhookEvent, *, shop: Shop | None, now: datetime) -> Hint | Act | None:
    """A return that changed is answered as the hint that it is."""
    if shop is not None:
        event.merchant = shop.merchant
    typed = event_of(event)
    if typed is None:
        event.outcome = EventOutcome.UNKNOWN_TYPE
    elif shop is None:
        event.outcome = EventOutcome.UNKNOWN_SHOP
    elif isinstance(typed, ReturnChanged):
        return Hint(shop, typed.return_id, typed.order_id, event.correlation_id, typed.updated_at)
    else:
        return partial(_apply, typed, shop=shop, now=now)
    return None


def _asked_by_rebound(event: WebhookEvent, *, account: ReboundAccount | None, now: datetime) -> Act | None:
    if account is not None:
        event.merchant = account.merchant
    typed = rebound_events.parcel_event(event)
    if typed is None:
        event.outcome = EventOutcome.UNKNOWN_TYPE
    elif account is None:
        event.outcome = EventOutcome.UNKNOWN_SHOP
    else:
        return partial(rebound_events.apply, event, typed=typed, account=account, now=now)
    return None


@contextmanager
def _keeping(event: WebhookEvent) -> Iterator[None]:
    """What goes wrong with an event is written on it: one must not hold up the others, and can be replayed."""
    try:
        yield
    except NotUnderstoodError as error:
        event.outcome, event.detail = EventOutcome.NOT_UNDERSTOOD, str(error)[:500]
    except (OperationalError, InterfaceError):
        raise  # a deadlock or a lost connection says nothing about the event: the batch is handled again
    except Exception as error:
        event.outcome, event.detail = EventOutcome.CRASHED, type(error).__name__
        logger.exception("an event crashed", extra={"event": event.pk})


def _apply(typed: Event, *, shop: Shop, now: datetime) -> EventOutcome:
    if isinstance(typed, SellerDeauthorized):
        return _deauthorized(shop, told_at=typed.told_at or now, now=now)
    if isinstance(typed, AuthorizationExpiring) and typed.expires_at is not None:
        ShopAuthorization.objects.filter(pk=shop.authorization_id).update(refresh_token_expires_at=typed.expires_at)
        return EventOutcome.APPLIED
    return EventOutcome.NOTHING_TO_DO


def _deauthorized(shop: Shop, *, told_at: datetime, now: datetime) -> EventOutcome:
    """Break the connection, unless the merchant authorized again after TikTok said so: an event may come late.

    The echo of a merchant's disconnecting one shop here says nothing about the others of the grant.
    """
    if shop.disconnected_at:
        return EventOutcome.NOTHING_TO_DO
    standing = ShopAuthorization.objects.filter(
        pk=shop.authorization_id, broken_at__isnull=True, authorized_at__lt=told_at + TIKTOKS_SECOND
    )
    broken = standing.update(broken_at=now, broken_reason=BrokenReason.DEAUTHORIZED)
    return EventOutcome.APPLIED if broken else EventOutcome.NOTHING_TO_DO
