"""Notifications as they arrived: stored before they are answered, handled afterwards, kept as a receipt."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Self

from django.db import connection, models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from merchants.models import Merchant, TenantQuerySet


class EventSource(models.TextChoices):
    TIKTOK = "TIKTOK", "TikTok Shop"
    REBOUND = "REBOUND", "ReBound"


class EventOutcome(models.TextChoices):
    APPLIED = "APPLIED", _("Applied")
    NOTHING_TO_DO = "NOTHING_TO_DO", _("Nothing to do")
    UNKNOWN_TYPE = "UNKNOWN_TYPE", _("Type unknown")
    UNKNOWN_SHOP = "UNKNOWN_SHOP", _("Shop unknown")
    UNKNOWN_RETURN = "UNKNOWN_RETURN", _("Return unknown")
    NOT_UNDERSTOOD = "NOT_UNDERSTOOD", _("Payload not understood")
    CRASHED = "CRASHED", _("Handling failed")


class Notification(NamedTuple):
    """A notification that is to be stored: the columns of its WebhookEvent, as RECORD takes them."""

    source: str
    dedupe_key: str
    type: str
    shop_id: str
    body: str
    correlation_id: str
    received_at: datetime

    def store(self) -> bool:
        """Store it in one statement, unless it is there. Answers whether it is new."""
        received_at = connection.ops.adapt_datetimefield_value(self.received_at)
        with connection.cursor() as cursor:
            cursor.execute(RECORD, (*self[:-1], received_at))
            return bool(cursor.rowcount == 1)


class WebhookEventQuerySet(TenantQuerySet):
    def to_handle(self) -> Self:
        return self.filter(handled_at__isnull=True)

    def store_outcomes(self, events: "Iterable[WebhookEvent]") -> None:
        """Write what became of handled events. One plain statement, sent for each: Django's `bulk_update` of the same
        rows builds a CASE a column and row, and cost fifteen times as much."""
        rows = [
            (
                connection.ops.adapt_datetimefield_value(event.handled_at),
                str(event.outcome),
                event.detail,
                event.merchant_id,
                event.tiktok_return_id,
                event.pk,
            )
            for event in events
        ]
        with connection.cursor() as cursor:
            cursor.executemany(STORE_OUTCOME, rows)


STORE_OUTCOME = (
    "UPDATE returns_webhookevent"
    " SET handled_at = %s, outcome = %s, detail = %s, merchant_id = %s, tiktok_return_id = %s WHERE id = %s"
)
RECORD = (
    "INSERT INTO returns_webhookevent"
    " (source, dedupe_key, type, shop_id, body, correlation_id, received_at, outcome, detail)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, '', '') ON CONFLICT DO NOTHING"
)


class WebhookEvent(models.Model):
    """The receipt of a notification, stored before it is answered. It names no merchant until it is handled, since
    finding the shop is work that the sender does not wait for; an unknown shop's event is kept and counted."""

    source = models.CharField(max_length=10, choices=EventSource.choices)
    dedupe_key = models.CharField(max_length=80, help_text=_("The notification's id, else a hash of the body."))
    type = models.CharField(max_length=40)
    shop_id = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("Whose it is: TikTok's id of the shop, or the ReBound account's events key."),
    )
    body = models.TextField()
    correlation_id = models.CharField(max_length=32)
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, choices=EventOutcome.choices, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    merchant = models.ForeignKey(
        Merchant, on_delete=models.CASCADE, related_name="+", null=True, blank=True, db_index=False
    )
    tiktok_return = models.ForeignKey(
        "TikTokReturn", on_delete=models.SET_NULL, related_name="events", null=True, blank=True, db_index=False
    )

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        permissions = [("replay_webhookevent", "Can replay an event")]
        constraints = [
            models.UniqueConstraint(fields=["source", "dedupe_key"], name="an_event_is_stored_once"),
            models.CheckConstraint(
                condition=Q(handled_at__isnull=True, outcome="") | (Q(handled_at__isnull=False) & ~Q(outcome="")),
                name="a_handled_event_has_an_outcome",
            ),
        ]
        indexes = [
            models.Index(fields=["received_at"], condition=Q(handled_at__isnull=True), name="events_to_handle"),
            # What is replayed, and the admin's search: all of a shop since a time, or its newest.
            models.Index(fields=["shop_id", "received_at"], name="events_of_a_shop"),
            models.Index(fields=["correlation_id"], name="event_by_correlation"),
            # Of handled ones alone: the sender waits while a row is inserted.
            models.Index(fields=["merchant"], condition=Q(merchant__isnull=False), name="events_of_a_merchant"),
            models.Index(fields=["tiktok_return"], condition=Q(tiktok_return__isnull=False), name="events_of_a_return"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.type} {self.dedupe_key}"
