"""What people did to a return and what ReBound told of its parcel: rows that are added and never overwritten.

Imported by `models.py`, so that Django finds them; they name their neighbors by string for that reason.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from merchants.models import Merchant, TenantQuerySet


class Act(models.TextChoices):
    LINK = "LINK", _("Linked by hand")
    UNLINK = "UNLINK", _("Unlinked by hand")
    SEND_DIRECT = "SEND_DIRECT", _("Sent direct")
    CANCEL_WAIT = "CANCEL_WAIT", _("Wait ended")
    RESOLVE = "RESOLVE", _("Resolved by hand")
    MATCH_AGAIN = "MATCH_AGAIN", _("Matched again")
    UNDO = "UNDO", _("Undone")


class ManualAct(models.Model):
    """One thing that a person did to one return, and why. What was taken back has another row, which undoes it."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    tiktok_return = models.ForeignKey("returns.TikTokReturn", on_delete=models.CASCADE, related_name="manual_acts")
    act = models.CharField(max_length=20, choices=Act.choices)
    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    match = models.ForeignKey(
        "matching.Match",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        help_text=_("What it decided."),
    )
    detail = models.JSONField(default=dict, help_text=_("What undoing it needs to know."))
    undoes = models.OneToOneField("self", on_delete=models.CASCADE, related_name="undone_by", null=True, blank=True)
    done_at = models.DateTimeField()

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(by="") & ~Q(reason=""), name="an_act_has_an_actor_and_a_reason"),
            models.CheckConstraint(
                condition=Q(act="UNDO", undoes__isnull=False) | (~Q(act="UNDO") & Q(undoes__isnull=True)),
                name="an_undo_names_what_it_undoes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_act_display()} by {self.by}"

    @property
    def is_undone(self) -> bool:
        return ManualAct.objects.filter(undoes=self).exists()


class Milestone(models.TextChoices):
    ENTERED_NETWORK = "ENTERED_NETWORK", _("Entered our network")
    ARRIVED_AT_HUB = "ARRIVED_AT_HUB", _("Arrived at our hub")
    DELIVERED = "DELIVERED", _("Delivered")
    ITEMS_PROCESSED = "ITEMS_PROCESSED", _("Items processed")
    CANCELLED = "CANCELLED", _("Cancelled at ReBound")


class ReturnMilestone(models.Model):
    """What ReBound told of a return's parcel, once an event."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    rebound_return = models.ForeignKey("returns.ReboundReturn", on_delete=models.CASCADE, related_name="milestones")
    milestone = models.CharField(max_length=20, choices=Milestone.choices)
    event_id = models.CharField(max_length=64, help_text=_("ReBound's id of the event."))
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    items = models.JSONField(default=list, help_text=_("What was found in the parcel, where it was processed."))

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "rebound_return", "event_id"], name="one_milestone_a_return_and_event"
            ),
        ]

    def __str__(self) -> str:
        return self.get_milestone_display()
