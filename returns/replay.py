"""Replay: stored notifications are handled again, as if they had just arrived.

A notification is a hint, so that twice makes nothing twice: the return is fetched again, and goes on from its facts.
What TikTok told since is newer and stands; a milestone of ReBound's is stored once an event.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from returns.models import EventSource, WebhookEvent

MOST = 20_000  # events at once


def events_of_shop(shop_id: str, *, since: datetime) -> QuerySet[WebhookEvent]:
    """What TikTok told of a shop since then and was handled; TikTok's own id of the shop."""
    events: QuerySet[WebhookEvent] = WebhookEvent.objects.filter(
        source=EventSource.TIKTOK, shop_id=shop_id, received_at__gte=since, handled_at__isnull=False
    )
    return events


def replay(events: QuerySet[WebhookEvent]) -> int:
    """Let these be handled again, the oldest first, at most MOST of them. The caller rings. Answers how many."""
    with transaction.atomic():
        keys = list(events.order_by("received_at").values_list("pk", flat=True)[:MOST])
        count = 0
        for start in range(0, len(keys), 500):
            handled = WebhookEvent.objects.filter(pk__in=keys[start : start + 500], handled_at__isnull=False)
            count += handled.update(handled_at=None, outcome="", detail="")
    return count
