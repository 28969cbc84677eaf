"""Who is told of what, and what is on its way to them: alert channels, and the outbox of what they are sent.

What belongs into an alert stands in `alerts.py`; nothing is sent from here.
"""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from merchants.encryption import EncryptedTextField
from merchants.models import Merchant, TenantQuerySet

CONNECTION_BROKEN = "CONNECTION_BROKEN"
MATCH_RATE_FELL = "MATCH_RATE_FELL"


class AlertKind(models.TextChoices):
    EMAIL = "EMAIL", _("E-mail")
    WEBHOOK = "WEBHOOK", _("Webhook")


class AlertChannel(models.Model):
    """An address that hears of a merchant's trouble: at most one message in its interval, however much happened."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="alert_channels")
    kind = models.CharField(max_length=10, choices=AlertKind.choices)
    address = models.CharField(max_length=500, help_text=_("An e-mail address, or one that starts with https://."))
    secret = EncryptedTextField()
    reasons = models.JSONField(default=list, blank=True, help_text=_("What it is told of; nothing chosen: everything."))
    minutes = models.PositiveIntegerField("digest", default=60, help_text=_("Minutes between two messages, 5 to 1440."))
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField()
    told_until = models.DateTimeField(help_text=_("What happened before was told."))
    next_digest_at = models.DateTimeField()
    drift_told_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        permissions = [("try_alertchannel", "Can send a test alert")]
        constraints = [
            models.CheckConstraint(condition=Q(minutes__gte=5, minutes__lte=1440), name="digest_is_5_to_1440_minutes"),
        ]
        indexes = [models.Index(fields=["next_digest_at"], condition=Q(is_active=True), name="digests_due")]

    def __str__(self) -> str:
        return f"{self.merchant}: {self.address}"

    def hears_of(self, reason: str) -> bool:
        return not self.reasons or reason in self.reasons


class AlertDelivery(models.Model):
    """One message to one channel, stored before it is sent. Without `next_attempt_at` it was sent, or given up."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    message: Any = models.JSONField()
    created_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0, help_text=_("Counted before each try."))
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "alert deliveries"
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="alerts_due")
        ]

    def __str__(self) -> str:
        return f"{self.channel_id}, {self.created_at:%Y-%m-%d %H:%M}"
