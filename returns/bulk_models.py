"""An act on many returns: the run, and one row a return. Frozen as it starts, so that what was stated is what is done.

Imported by `models.py`, so that Django finds them; they name their neighbors by string for that reason.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from merchants.models import Merchant


class BulkOutcome(models.TextChoices):
    DONE = "DONE", _("Done")
    SKIPPED = "SKIPPED", _("Left alone")
    FAILED = "FAILED", _("Our own error")
    # Of a dry run
    DIFFERS = "DIFFERS", _("Would differ")
    SAME = "SAME", _("Would stay as it is")
    UNTOLD = "UNTOLD", _("Could not be told")


class BulkRun(models.Model):
    """It belongs to who started it, and may touch several merchants: each of its items names its own."""

    act = models.CharField(max_length=20)
    reason = models.CharField(max_length=500, blank=True)
    started_by = models.ForeignKey("auth.User", on_delete=models.PROTECT, related_name="+")
    filters = models.CharField(max_length=1000, blank=True, help_text=_("The list's address, where it was a filter."))
    total = models.PositiveIntegerField()
    is_rehearsal = models.BooleanField(default=False, db_default=False, help_text=_("A dry run: nothing is done."))
    found = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Of a dry run: how many it was asked about; `total` of them are rehearsed.")
    )
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    claim_token = models.UUIDField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True) | Q(next_attempt_at__isnull=True),
                name="a_finished_bulk_run_is_not_due",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="bulk_runs_due"),
        ]

    def __str__(self) -> str:
        said = ngettext("%(act)s: %(count)s return", "%(act)s: %(count)s returns", self.total)
        return said % {"act": self.get_act_display(), "count": self.total}

    def get_act_display(self) -> str:
        from returns.acts import Name  # noqa: PLC0415  # which imports the models

        said = str(Name(self.act).label)
        return gettext("Dry run: %(act)s") % {"act": said} if self.is_rehearsal else said


class BulkItem(models.Model):
    """One return of a run. Without an outcome it is still to be done."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, related_name="items")
    tiktok_return = models.ForeignKey("returns.TikTokReturn", on_delete=models.CASCADE, related_name="bulk_items")
    outcome = models.CharField(max_length=10, choices=BulkOutcome.choices, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    summary = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("Of a dry run: what would differ, to count by."),
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "run", "tiktok_return"], name="one_item_a_bulk_run_and_return"),
        ]
        indexes = [models.Index(fields=["run", "outcome", "id"], name="bulk_items_to_do")]

    def __str__(self) -> str:
        return f"{self.tiktok_return_id}: {self.outcome or 'to do'}"
