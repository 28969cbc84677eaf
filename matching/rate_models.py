"""How many returns found their order, merchant by merchant and day by day: counted now and then, read by every look.

`match_rates.py` counts and compares.
"""

from django.db import models

from merchants.models import Merchant, TenantQuerySet


class MatchDay(models.Model):
    """The decisions of one day (UTC) that still stand. `asked`: those where matching was on."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="match_days")
    day = models.DateField()
    asked = models.PositiveIntegerField()
    matched = models.PositiveIntegerField()
    counted_at = models.DateTimeField(db_index=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "day"], name="one_count_a_merchant_and_day")]
        indexes = [models.Index(fields=["day"], name="match_days_by_day")]

    def __str__(self) -> str:
        return f"{self.merchant}, {self.day}: {self.matched} of {self.asked}"
