"""What came through the order API lately, request by request: the conformance page reads it.

One row a request, written with the orders; what was wrong is kept, the orders themselves are not. `push_log.py` writes
and trims it.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from merchants.models import ApiClient, Merchant, TenantQuerySet


class OrderPush(models.Model):
    """One request that pushed or checked orders. `findings`: the first of those that rejected an order."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="pushes")
    received_at = models.DateTimeField()
    call = models.CharField(max_length=20, help_text=_("POST, PUT, BATCH, ..."))
    request_id = models.CharField(max_length=64)
    orders = models.PositiveIntegerField()
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    outdated = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    broken = models.JSONField(default=dict, help_text=_("Orders that broke a rule, by the rule's code."))
    findings = models.JSONField(default=list)

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "order pushes"
        indexes = [
            models.Index(fields=["merchant", "client", "id"], name="pushes_of_a_client"),
            models.Index(fields=["received_at"], name="push_by_time"),
        ]

    def __str__(self) -> str:
        said = ngettext("%(call)s: %(count)s order", "%(call)s: %(count)s orders", self.orders)
        return said % {"call": self.call, "count": self.orders}
