"""What exists at ReBound: the return order, one for a parcel, and its label."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from matching.models import SalesOrder
from merchants.models import Merchant, ReboundAccount, Shop, TenantQuerySet


class Kind(models.TextChoices):
    LINKED = "LINKED", _("Linked")
    DIRECT = "DIRECT", _("Direct")


class LabelFormat(models.TextChoices):
    PDF = "PDF", _("Label (PDF)")
    QR = "QR", _("QR code")


class ReboundReturn(models.Model):
    """A return order at ReBound. The row is committed before the call that creates it there: without `rebound_id` it
    says "creating", and its `reference` is what an unclear answer is looked up by."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    shop = models.ForeignKey(Shop, on_delete=models.PROTECT, related_name="rebound_returns")
    account = models.ForeignKey(ReboundAccount, on_delete=models.PROTECT, related_name="rebound_returns")
    reference = models.CharField(max_length=200, help_text=_("Our reference, ReBound's rmaNumber."))
    kind = models.CharField(max_length=10, choices=Kind.choices)
    direct_reason = models.CharField(
        max_length=40, blank=True, help_text=_("Why it is not linked, or was not at first where it was linked late.")
    )
    sales_order = models.ForeignKey(
        SalesOrder, on_delete=models.PROTECT, related_name="rebound_returns", null=True, blank=True
    )
    country = models.CharField(max_length=2)
    carrier_service = models.CharField(max_length=100)
    shipping_provider_id = models.CharField(max_length=64)
    label_format = models.CharField(max_length=5, choices=LabelFormat.choices)
    request = models.JSONField(default=dict, help_text=_("What we asked for, without the buyer's address."))
    payload = models.JSONField(default=dict, help_text=_("ReBound's answer, without address and label."))
    led_by = models.ForeignKey(
        "TikTokReturn",
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        help_text=_("Whose claim creates it."),
    )
    creating_until = models.DateTimeField(null=True, blank=True, help_text=_("Until then only that claim may."))
    asked_at = models.DateTimeField(null=True, blank=True, help_text=_("When a creation that may land was last sent."))
    rebound_id = models.CharField(max_length=255, blank=True)
    rebound_status = models.CharField(max_length=40, blank=True)
    rebound_sales_order_id = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("The sales order that ReBound itself holds it linked to."),
    )
    linked_late_at = models.DateTimeField(null=True, blank=True, help_text=_("Created direct, and linked afterwards."))
    link_note = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text=_("Why ReBound's link is another than ours, where it is."),
    )
    late_look_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When a direct return is matched again; never where empty.")
    )
    started_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_there = models.BooleanField(default=False, db_default=False, help_text=_("ReBound cancelled it, not we."))

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "account", "reference"], name="one_rebound_return_a_reference"),
            models.CheckConstraint(
                condition=Q(kind="LINKED", sales_order__isnull=False, linked_late_at__isnull=True, direct_reason="")
                | (Q(kind="LINKED", sales_order__isnull=False, linked_late_at__isnull=False) & ~Q(direct_reason=""))
                | (Q(kind="DIRECT", sales_order__isnull=True, linked_late_at__isnull=True) & ~Q(direct_reason="")),
                name="linked_names_its_order_and_direct_its_reason",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_at__isnull=True, rebound_id="")
                | (Q(confirmed_at__isnull=False) & ~Q(rebound_id="")),
                name="a_confirmed_return_has_its_rebound_id",
            ),
        ]
        indexes = [
            models.Index(fields=["rebound_id"], name="rebound_return_by_rebound_id"),
            models.Index(fields=["reference"], name="rebound_return_by_reference"),
            models.Index(fields=["kind", "direct_reason"], name="rebound_return_by_kind"),
            models.Index(fields=["country"], name="rebound_return_by_country"),
            # The same for a manager of some merchants: whether theirs are few.
            models.Index(fields=["merchant", "kind", "direct_reason"], name="rebound_returns_kind_of_own"),
            models.Index(fields=["merchant", "country"], name="rebound_returns_country_of_own"),
            models.Index(
                fields=["late_look_at"], condition=Q(late_look_at__isnull=False), name="rebound_returns_to_look_at"
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def may_be_linked_late(self) -> bool:
        """Whether it stands at ReBound and is direct. Whether it is looked at, `late_look_at` says."""
        return self.kind == Kind.DIRECT and self.confirmed_at is not None and self.cancelled_at is None

    def let_go(self) -> None:
        """A person unlinked it. What ReBound holds stays so there; the caller saves `LET_GO`."""
        self.kind, self.sales_order, self.linked_late_at = Kind.DIRECT, None, None
        self.direct_reason = self.direct_reason or "UNLINKED_BY_HAND"
        self.link_note = (
            "ReBound still holds the link: it does not offer to unlink." if self.rebound_sales_order_id else ""
        )

    LET_GO = ("kind", "sales_order", "linked_late_at", "direct_reason", "link_note")


class ReturnLabel(models.Model):
    """The label or QR code of one ReBound return, as the carrier made it."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    rebound_return = models.OneToOneField(ReboundReturn, on_delete=models.CASCADE, related_name="label")
    format = models.CharField(max_length=5, choices=LabelFormat.choices)
    content_type = models.CharField(max_length=100)
    content = models.BinaryField()
    carrier = models.CharField(max_length=100, blank=True)
    tracking_number = models.CharField(max_length=100)
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tracking_number"], name="label_by_tracking_number")]

    def __str__(self) -> str:
        return self.tracking_number
