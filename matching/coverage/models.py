"""A coverage check and the orders that it looked at.

Progress is derived from rows: an order whose `references` is null has not been asked for at TikTok, one without an
outcome has not been decided. What a row holds is all that its decision depends on, so that its trail can be shown at
any time. Nothing here is about a buyer.
"""

from typing import Any, Self

from django.db import models
from django.db.models import Count, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from matching.coverage.judgment import KnownOrder, Line, Sampled, references_from_json
from matching.decision import Outcome, Reason
from matching.id_rules import IdRules
from merchants.models import Merchant, PlatformOrigin, Shop, TenantQuerySet

SMALLEST_SAMPLE, LARGEST_SAMPLE = 20, 500


class CheckState(models.TextChoices):
    ACTIVE = "ACTIVE", _("Running")
    DONE = "DONE", _("Done")
    CANCELLED = "CANCELLED", _("Canceled")
    FAILED = "FAILED", _("Not completed")


class Failure(models.TextChoices):
    """Why a check could not be completed, and so who can help."""

    TIKTOK_CONNECTION = "TIKTOK_CONNECTION", _("TikTok refused the connection")
    TIKTOK_SCOPE = "TIKTOK_SCOPE", _("The app may not read orders at TikTok")
    TIKTOK_UNAVAILABLE = "TIKTOK_UNAVAILABLE", _("TikTok did not answer")
    REBOUND_CONNECTION = "REBOUND_CONNECTION", _("ReBound refused the credentials")
    REBOUND_UNAVAILABLE = "REBOUND_UNAVAILABLE", _("ReBound did not answer")
    REFUSED = "REFUSED", _("A call was refused")
    CRASHED = "CRASHED", _("Something went wrong on our side")


class Stage(models.IntegerChoices):
    """How far an order got: the steps of the funnel."""

    SAMPLED = 0, "Order at TikTok"
    REFERENCED = 1, "Reference under the chosen origin"
    ORDER_FOUND = 2, "Sales order found"
    MATCHED = 3, "Every line found"


class Where(models.TextChoices):
    """Where the sales order was found."""

    HERE = "HERE", _("Here")
    REBOUND = "REBOUND", _("At ReBound")
    BOTH = "BOTH", _("Here and at ReBound")


class CheckQuerySet(TenantQuerySet):
    def active(self) -> Self:
        return self.filter(state=CheckState.ACTIVE)

    def due(self, *, now: Any) -> Self:
        """What a worker may take up: active, its time has come, and nobody is at it."""
        free = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
        return self.active().filter(free, next_attempt_at__lte=now)


class CoverageCheck(models.Model):
    """One check of one shop. Origin and id rules are those of its start: a run is of one mind from end to end."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="coverage_checks")
    sample_size = models.PositiveSmallIntegerField()
    platform_origin = models.CharField(max_length=40, choices=PlatformOrigin.choices)
    id_strip_prefix = models.CharField(max_length=40, blank=True)
    id_strip_suffix = models.CharField(max_length=40, blank=True)
    id_ignore_case = models.BooleanField(default=False)
    id_trim_leading_zeros = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=CheckState.choices, default=CheckState.ACTIVE)
    failure = models.CharField(max_length=30, choices=Failure.choices, blank=True)
    failure_detail = models.CharField(max_length=500, blank=True)
    asked_by = models.CharField(max_length=150, blank=True, help_text=_("Blank for the merchant."))
    asked_at = models.DateTimeField()
    sampled_at = models.DateTimeField(null=True, blank=True, help_text=_("When its orders were known."))
    finished_at = models.DateTimeField(null=True, blank=True)
    # Counted from the orders each time some are stored, for lists of checks and for live progress.
    sampled = models.PositiveSmallIntegerField(default=0)
    read = models.PositiveSmallIntegerField(default=0, help_text=_("References read at TikTok."))
    decided = models.PositiveSmallIntegerField(default=0)
    referenced = models.PositiveSmallIntegerField(default=0)
    found = models.PositiveSmallIntegerField(default=0)
    matched = models.PositiveSmallIntegerField(default=0)
    calls = models.JSONField(default=dict, help_text=_("Remote calls made, by kind."))
    findings = models.JSONField(default=list, help_text=_("The diagnosis: see matching.coverage.diagnosis."))
    seconds_between_calls = models.FloatField(default=0, help_text=_("The pace that TikTok allowed."))
    next_attempt_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0, help_text=_("Rounds since something was last stored."))
    claimed_until = models.DateTimeField(null=True, blank=True)
    claim_token = models.UUIDField(null=True, blank=True)

    objects = CheckQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(sample_size__gte=SMALLEST_SAMPLE, sample_size__lte=LARGEST_SAMPLE),
                name="sample_is_of_20_to_500_orders",
            ),
            models.CheckConstraint(
                condition=Q(state="ACTIVE", finished_at__isnull=True)
                | (~Q(state="ACTIVE") & Q(finished_at__isnull=False)),
                name="a_check_that_ended_says_when",
            ),
            models.CheckConstraint(
                condition=(Q(state="FAILED") & ~Q(failure="")) | (~Q(state="FAILED") & Q(failure="")),
                name="a_check_that_failed_says_why",
            ),
            models.UniqueConstraint(
                fields=["merchant", "shop"], condition=Q(state="ACTIVE"), name="one_active_check_a_shop"
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="ACTIVE"), name="active_checks"),
            models.Index(fields=["shop", "-asked_at"], name="checks_of_a_shop"),
        ]

    def __str__(self) -> str:
        said = gettext("%(shop)s: %(state)s, %(matched)s of %(sampled)s")
        counted = {"matched": self.matched, "sampled": self.sampled}
        return said % {"shop": self.shop, "state": self.get_state_display(), **counted}

    @property
    def rules(self) -> IdRules:
        return IdRules(
            strip_prefix=self.id_strip_prefix,
            strip_suffix=self.id_strip_suffix,
            ignore_case=self.id_ignore_case,
            trim_leading_zeros=self.id_trim_leading_zeros,
        )

    @property
    def is_active(self) -> bool:
        return self.state == CheckState.ACTIVE


class CoverageOrderQuerySet(TenantQuerySet):
    def counted(self) -> dict[str, int]:
        """The counters of a check, over its orders."""
        decided = ~Q(outcome="")
        return self.aggregate(
            sampled=Count("pk"),
            read=Count("pk", filter=Q(references__isnull=False) | decided),
            decided=Count("pk", filter=decided),
            referenced=Count("pk", filter=Q(stage__gte=Stage.REFERENCED)),
            found=Count("pk", filter=Q(stage__gte=Stage.ORDER_FOUND)),
            matched=Count("pk", filter=Q(stage__gte=Stage.MATCHED)),
        )


class CoverageOrder(models.Model):
    """One TikTok order of a check, as if every line of it were returned."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    # `check` would hide the method of that name, which Django calls.
    coverage_check = models.ForeignKey(CoverageCheck, on_delete=models.CASCADE, related_name="orders")
    position = models.PositiveSmallIntegerField(help_text=_("0 is the newest."))
    order_id = models.CharField(max_length=64)
    order_status = models.CharField(max_length=40, blank=True)
    ordered_at = models.DateTimeField(null=True, blank=True)
    lines = models.JSONField(default=list, help_text=_("[{id, sku}]: one a unit."))
    references = models.JSONField(
        null=True, blank=True, help_text=_("[{id, platform, lines: [{id, origin_id}]}]; null: not read.")
    )
    orders = models.JSONField(default=list, help_text=_("The sales orders found: see matching.coverage.judgment."))
    where = models.CharField(max_length=10, choices=Where.choices, blank=True)
    problem = models.CharField(max_length=500, blank=True, help_text=_("Why a look-up could not be answered."))
    stage = models.PositiveSmallIntegerField(choices=Stage.choices, default=Stage.SAMPLED)
    outcome = models.CharField(max_length=20, choices=[(each.value, each.value) for each in Outcome], blank=True)
    reason = models.CharField(max_length=30, choices=[(each.value, each.value) for each in Reason], blank=True)
    external_order_id = models.CharField(max_length=255, blank=True)
    lines_found = models.PositiveSmallIntegerField(default=0)

    objects = CoverageOrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "coverage_check", "order_id"], name="one_row_a_check_and_order"
            ),
        ]
        indexes = [models.Index(fields=["coverage_check", "position"], name="orders_of_a_check")]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.outcome or 'not decided'} {self.reason}".strip()

    def sampled(self) -> Sampled:
        """The row as `matching.coverage.judgment` takes it: the same row always gives the same decision."""
        unanswered = self.problem and not self.orders
        return Sampled(
            order_id=self.order_id,
            status=self.order_status,
            lines=tuple(Line(id=line["id"], sku=line["sku"]) for line in self.lines),
            references=references_from_json(self.references),
            orders=None if unanswered else tuple(KnownOrder.from_json(order) for order in self.orders),
            problem=self.problem,
        )
