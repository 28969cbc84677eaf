"""A test return that a merchant looked at: what a return of a real order would become. Nothing about the buyer."""

from django.db import models

from matching.models import Match
from merchants.models import Merchant, Shop, TenantQuerySet


class Trial(models.Model):
    """What a return of the whole order would have become at that time. Nothing of it was done."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="trials")
    order_id = models.CharField(max_length=64, help_text="TikTok's id of the order.")
    lines = models.JSONField(default=list, help_text="[{id, sku, name}]: one a unit.")
    outcome = models.CharField(max_length=20, choices=Match.OUTCOMES)
    reason = models.CharField(max_length=30, choices=Match.REASONS, blank=True)
    external_order_id = models.CharField(max_length=255, blank=True)
    trail = models.JSONField(default=list)
    is_linked = models.BooleanField(help_text="Whether the return at ReBound would be linked to the sales order.")
    direct_reason = models.CharField(max_length=60, blank=True, help_text="Why it would not be.")
    country = models.CharField(max_length=2, blank=True, help_text="Where the parcel starts.")
    carrier_service = models.CharField(max_length=100, blank=True, help_text="Blank: there is no lane.")
    shipping_provider_name = models.CharField(max_length=100, blank=True)
    wants_qr = models.BooleanField(default=False)
    asked_by = models.CharField(max_length=150, blank=True)
    asked_at = models.DateTimeField()

    objects = TenantQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["shop", "-asked_at"], name="trials_of_a_shop")]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.outcome} {self.reason}".strip()
