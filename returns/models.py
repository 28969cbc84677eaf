"""The journey of a return: what TikTok says of it, how far we are, every attempt. What arrived stands in
`event_models.py`, what exists at ReBound in `rebound_models.py`; all of them are imported from here.

Facts are rows and columns; which step comes next is derived from them (`pipeline.next_step`). `status` is for people
and for finding what is due. No remote call starts here.
"""

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from matching.models import Match
from merchants.encryption import EncryptedJSONField
from merchants.models import Merchant, PlatformOrigin, Shop, TenantQuerySet
from returns.alert_models import AlertChannel, AlertDelivery
from returns.bulk_models import BulkItem, BulkOutcome, BulkRun
from returns.event_models import EventOutcome, EventSource, WebhookEvent
from returns.history import Act, ManualAct, Milestone, ReturnMilestone
from returns.rebound_models import Kind, LabelFormat, ReboundReturn, ReturnLabel
from returns.trial_models import Trial

__all__ = [
    "Act",
    "AlertChannel",
    "AlertDelivery",
    "AttemptOutcome",
    "BulkItem",
    "BulkOutcome",
    "BulkRun",
    "EventOutcome",
    "EventSource",
    "Kind",
    "LabelFormat",
    "ManualAct",
    "Milestone",
    "Reason",
    "ReboundReturn",
    "ReturnLabel",
    "ReturnMilestone",
    "ReturnPoll",
    "Status",
    "Step",
    "StepAttempt",
    "TikTokReturn",
    "TikTokReturnItem",
    "Trial",
    "WebhookEvent",
    "new_correlation_id",
    "reference_for",
]


def new_correlation_id() -> str:
    return uuid.uuid4().hex


class Status(models.TextChoices):
    OPEN = "OPEN", pgettext_lazy("status", "Open")
    WAITING = "WAITING", _("Waiting")
    DONE = "DONE", _("Done")
    NEEDS_ATTENTION = "NEEDS_ATTENTION", _("Needs attention")
    CANCELLED = "CANCELLED", _("Cancelled")
    NOT_OURS = "NOT_OURS", _("Not ours")


class Reason(models.TextChoices):
    """Why a return waits, needs a person, or is not ours. The first part of each set says which."""

    # Waiting
    NOT_APPROVED = "NOT_APPROVED", _("The seller has not approved it yet")
    ORDER_AWAITED = "ORDER_AWAITED", _("Waiting for its sales order")
    REMOTE_BUSY = "REMOTE_BUSY", _("A remote system did not answer; tried again soon")
    SIBLING_AWAITED = "SIBLING_AWAITED", _("Another return of the same parcel or order is being worked on")
    SHOP_NOT_LIVE = "SHOP_NOT_LIVE", _("The shop is not live yet")
    SHOP_PAUSED = "SHOP_PAUSED", _("The merchant paused the shop")
    SHOP_DISCONNECTED = "SHOP_DISCONNECTED", _("The merchant disconnected the shop")
    # Needs attention
    REMOTE_UNAVAILABLE = "REMOTE_UNAVAILABLE", _("A remote system keeps failing; tried again each hour")
    TIKTOK_CONNECTION = "TIKTOK_CONNECTION", _("The connection to TikTok is broken: authorize again")
    REBOUND_CONNECTION = "REBOUND_CONNECTION", _("The connection to ReBound is broken: check the credentials")
    NO_REBOUND_ACCOUNT = "NO_REBOUND_ACCOUNT", _("The shop has no ReBound account")
    NO_LANE = "NO_LANE", _("No lane covers the country: add one, or a default")
    RETURN_NOT_FOUND = "RETURN_NOT_FOUND", _("TikTok does not know the return")
    UNEXPECTED_ANSWER = "UNEXPECTED_ANSWER", _("An answer could not be understood; tried again each hour")
    UNKNOWN_RETURN_STATUS = "UNKNOWN_RETURN_STATUS", _("TikTok gave a return status that is not known")
    UNKNOWN_RETURN_METHOD = "UNKNOWN_RETURN_METHOD", _("TikTok does not say who ships the return")
    CREATE_REFUSED = "CREATE_REFUSED", _("ReBound refused the return")
    TIKTOK_REFUSED = "TIKTOK_REFUSED", _("TikTok refused to show the return")
    LABEL_UNUSABLE = "LABEL_UNUSABLE", _("ReBound gave no usable label; asked again each hour")
    UPLOAD_REFUSED = "UPLOAD_REFUSED", _("TikTok refused the label")
    CANCEL_REFUSED = "CANCEL_REFUSED", _("ReBound refused to cancel the return")
    OTHER_LABEL = "OTHER_LABEL", _("TikTok holds another label than ours")
    REOPENED = "REOPENED", _("Reopened after its ReBound return was cancelled")
    CANCELLED_AT_REBOUND = "CANCELLED_AT_REBOUND", _("ReBound cancelled the return while the buyer still needs it")
    CRASHED = "CRASHED", _("Our own error: see the last attempt")
    # Not ours
    REFUND_ONLY = "REFUND_ONLY", _("Refund only: nothing comes back")
    BUYER_KEEPS_ITEM = "BUYER_KEEPS_ITEM", _("The buyer keeps the item")
    PLATFORM_LABEL = "PLATFORM_LABEL", _("TikTok ships it")
    BUYER_SHIPS = "BUYER_SHIPS", _("The buyer ships it")
    ALREADY_SHIPPED = "ALREADY_SHIPPED", _("Shipped without a label of ours")
    LABEL_BY_OTHERS = "LABEL_BY_OTHERS", _("Has a label that is not ours")
    REJECTED = "REJECTED", _("Rejected by the seller")
    CLOSED = "CLOSED", _("Closed without a label of ours")
    RESOLVED_BY_HAND = "RESOLVED_BY_HAND", _("A person handled it outside")


class TikTokReturnQuerySet(TenantQuerySet):
    def due(self, *, now: datetime) -> Self:
        """Wants work now, and nobody is at it."""
        return self.filter(next_attempt_at__lte=now).filter(Q(claimed_until__isnull=True) | Q(claimed_until__lt=now))

    def past_half_of_wait(self, *, now: datetime) -> Self:
        """Waits for its order, and less than half of its shop's wait is left."""
        waits = list(Shop.objects.order_by("match_wait").values_list("match_wait", flat=True).distinct())
        if not waits:
            return self.none()
        # By the longest first, for the index; a choice of several limits has none.
        found = self.filter(
            status=Status.WAITING, reason=Reason.ORDER_AWAITED, match_wait_until__lte=now + waits[-1] / 2
        )
        late = Q()
        for wait in waits[:-1]:
            late |= Q(shop__match_wait=wait, match_wait_until__lte=now + wait / 2)
        return found.filter(late | Q(shop__match_wait=waits[-1])) if late else found

    def label_not_delivered(self) -> Self:
        """ReBound has the return, and its label is not in the buyer's app."""
        unfinished = [Status.OPEN, Status.WAITING, Status.NEEDS_ATTENTION]
        return self.filter(status__in=unfinished, rebound_return__isnull=False, label_delivered_at__isnull=True)

    def parcel_of(self, tiktok_return: "TikTokReturn") -> Self:
        """The return and those that travel with it."""
        if not tiktok_return.combined_return_id:
            return self.filter(pk=tiktok_return.pk)
        return self.filter(shop=tiktok_return.shop_id, combined_return_id=tiktok_return.combined_return_id)


class TikTokReturn(models.Model):
    """A return as TikTok tells it, and how far we are with it."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="tiktok_returns", db_index=False)
    shop = models.ForeignKey(Shop, on_delete=models.PROTECT, related_name="tiktok_returns", db_index=False)
    return_id = models.CharField(max_length=64)
    order_id = models.CharField(
        max_length=64, blank=True, help_text=_("TikTok's id of the order; a hint until fetched.")
    )
    correlation_id = models.CharField(max_length=32)
    created_at = models.DateTimeField()

    # What TikTok says
    return_type = models.CharField(max_length=40, blank=True)
    return_status = models.CharField(max_length=60, blank=True)
    return_method = models.CharField(max_length=40, blank=True)
    document_type = models.CharField(max_length=40, blank=True)
    can_buyer_keep_item = models.BooleanField(default=False)
    combined_return_id = models.CharField(max_length=64, blank=True)
    pre_return_id = models.CharField(max_length=64, blank=True)
    next_return_id = models.CharField(max_length=64, blank=True)
    tiktok_tracking_number = models.CharField(max_length=100, blank=True)
    reason_code = models.CharField(max_length=120, blank=True)
    tiktok_updated_at = models.DateTimeField(null=True, blank=True)
    order_fetched_at = models.DateTimeField(null=True, blank=True)
    payload = models.JSONField(default=dict, help_text=_("TikTok's answer."))
    buyer_address = EncryptedJSONField()

    # How far we are
    hint_count = models.PositiveIntegerField(default=1, help_text=_("How often we were told that something changed."))
    fetched_hint_count = models.PositiveIntegerField(default=0)
    fetched_at = models.DateTimeField(null=True, blank=True)
    match_wait_until = models.DateTimeField(null=True, blank=True)
    direct_asked_at = models.DateTimeField(null=True, blank=True, help_text=_("A person asked to send it direct."))
    direct_asked_by = models.CharField(max_length=150, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True, help_text=_("A person handled it outside."))
    rebound_return = models.ForeignKey(
        ReboundReturn, on_delete=models.PROTECT, related_name="tiktok_returns", null=True, blank=True
    )
    label_delivered_at = models.DateTimeField(null=True, blank=True)

    # For people, and for finding what is due
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.OPEN)
    reason = models.CharField(max_length=30, choices=Reason.choices, blank=True)
    reason_detail = models.CharField(max_length=500, blank=True)
    status_changed_at = models.DateTimeField()
    # Copied whenever a claim ends, so that a list is filtered by them. The decision itself is a row of `Match`.
    match_outcome = models.CharField(max_length=20, choices=Match.OUTCOMES, blank=True, default="", db_default="")
    platform_origin = models.CharField(
        max_length=40,
        choices=PlatformOrigin.choices,
        blank=True,
        default="",
        db_default="",
        help_text=_("The shop's, as it was then."),
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    claim_token = models.UUIDField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text=_("Claims since the last step that succeeded."))

    objects = TikTokReturnQuerySet.as_manager()

    class Meta:
        verbose_name = "TikTok return"
        permissions = [
            ("run_again_tiktokreturn", "Can run a return again"),
            ("match_again_tiktokreturn", "Can match a return again"),
            ("send_direct_tiktokreturn", "Can send a return direct"),
            ("link_tiktokreturn", "Can link a return to an order by hand"),
            ("unlink_tiktokreturn", "Can unlink a return from its order"),
            ("cancel_wait_tiktokreturn", "Can cancel a return's wait"),
            ("resolve_tiktokreturn", "Can resolve a return by hand"),
            ("export_tiktokreturn", "Can export returns"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "shop", "return_id"], name="one_row_a_shop_and_return"),
            models.CheckConstraint(
                condition=(Q(status__in=["WAITING", "NEEDS_ATTENTION", "NOT_OURS"]) & ~Q(reason=""))
                | Q(status__in=["OPEN", "DONE", "CANCELLED"], reason=""),
                name="a_return_at_rest_says_why",
            ),
            models.CheckConstraint(
                condition=Q(label_delivered_at__isnull=True) | Q(rebound_return__isnull=False),
                name="a_delivered_label_has_its_rebound_return",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="returns_due"),
            models.Index(
                fields=["shop", "combined_return_id"], condition=~Q(combined_return_id=""), name="returns_in_parcel"
            ),
            models.Index(fields=["order_id"], name="return_by_order"),
            models.Index(fields=["status", "reason", "merchant"], name="returns_by_status_and_reason"),
            models.Index(fields=["shop", "created_at"], name="returns_of_shop_by_time"),
            # The admin's list, newest first, under each of its filters; and its search, across merchants. The merchant
            # comes last: a manager's few are picked out of the index, not out of the rows.
            models.Index(fields=["merchant", "id"], name="returns_of_a_merchant"),
            models.Index(fields=["shop", "id"], name="returns_of_a_shop"),
            models.Index(fields=["status", "id", "merchant"], name="returns_listed_by_status"),
            models.Index(fields=["reason", "id", "merchant"], condition=~Q(reason=""), name="returns_listed_by_reason"),
            models.Index(fields=["match_outcome", "id", "merchant"], name="returns_listed_by_outcome"),
            models.Index(fields=["platform_origin", "id", "merchant"], name="returns_listed_by_origin"),
            models.Index(
                fields=["platform_origin", "match_outcome", "id", "merchant"], name="returns_by_origin_and_outcome"
            ),
            models.Index(fields=["created_at"], name="return_by_creation"),
            # The work queue's numbers, and the lists behind them: what is late, by its shop's wait, and whose label is
            # not in the buyer's app. The first column is what everybody asks for, whatever their merchants. What the
            # conditions name is there for SQLite, which reads the row to look at it once more.
            models.Index(
                fields=["match_wait_until", "merchant", "shop", "status", "reason", "id"],
                condition=Q(status="WAITING", reason="ORDER_AWAITED"),
                name="returns_that_await_orders",
            ),
            models.Index(
                fields=["status", "merchant", "id", "label_delivered_at", "rebound_return"],
                condition=Q(rebound_return__isnull=False, label_delivered_at__isnull=True),
                name="returns_without_labels",
            ),
            models.Index(fields=["return_id"], name="return_by_return_id"),
        ]

    def __str__(self) -> str:
        return self.return_id


class TikTokReturnItem(models.Model):
    """One returned line: one unit."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    tiktok_return = models.ForeignKey(TikTokReturn, on_delete=models.CASCADE, related_name="items")
    return_line_item_id = models.CharField(max_length=64)
    order_line_item_id = models.CharField(max_length=64)
    sku_id = models.CharField(max_length=64, blank=True)
    seller_sku = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=1000, blank=True)
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "tiktok_return", "return_line_item_id"], name="one_row_a_returned_line"
            ),
        ]

    def __str__(self) -> str:
        return self.seller_sku or self.sku_id or self.return_line_item_id


class ReturnPoll(models.Model):
    """How far a shop's returns were searched for what no webhook told. Times of TikTok's `update_time`."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    shop = models.OneToOneField(Shop, on_delete=models.CASCADE, related_name="return_poll")
    polled_until = models.DateTimeField(null=True, blank=True, help_text=_("When the last whole search began."))
    begun_at = models.DateTimeField(null=True, blank=True, help_text=_("When the search under way began."))
    resume_after = models.DateTimeField(null=True, blank=True, help_text=_("Where the search under way goes on."))
    next_poll_at = models.DateTimeField()
    last_error = models.CharField(max_length=500, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["next_poll_at"], name="polls_due")]

    def __str__(self) -> str:
        if self.polled_until is None:
            return str(self.shop)
        return gettext("%(shop)s: until %(time)s UTC") % {
            "shop": self.shop,
            "time": f"{self.polled_until:%Y-%m-%d %H:%M}",
        }


class Step(models.TextChoices):
    FETCH = "FETCH", _("Fetch from TikTok")
    MATCH = "MATCH", _("Match")
    CREATE = "CREATE", _("Create at ReBound")
    COLLECT = "COLLECT", _("Collect the label")
    DELIVER = "DELIVER", _("Deliver the label")
    LINK = "LINK", _("Link late")
    CANCEL = "CANCEL", _("Cancel at ReBound")


class AttemptOutcome(models.TextChoices):
    DONE = "DONE", _("Done")
    TEMPORARY = "TEMPORARY", _("Failed for now")
    UNKNOWN = "UNKNOWN", _("Outcome unknown")
    PERMANENT = "PERMANENT", _("Refused")
    CONFIGURATION = "CONFIGURATION", _("Connection broken")
    BLOCKED = "BLOCKED", _("Blocked")
    CRASHED = "CRASHED", _("Our own error")


class StepAttempt(models.Model):
    """One try of one step. Without `finished_at` it is under way, or its worker died."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    tiktok_return = models.ForeignKey(TikTokReturn, on_delete=models.CASCADE, related_name="step_attempts")
    step = models.CharField(max_length=10, choices=Step.choices)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=15, choices=AttemptOutcome.choices, blank=True)
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, outcome="") | (Q(finished_at__isnull=False) & ~Q(outcome="")),
                name="a_finished_attempt_has_an_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.outcome}".strip()


def reference_for(tiktok_return: TikTokReturn, *, shop: Shop) -> str:
    """Our reference at ReBound: the parcel's, so that returns that travel together share one."""
    return f"TTS-{shop.shop_id}-{tiktok_return.combined_return_id or tiktok_return.return_id}"
