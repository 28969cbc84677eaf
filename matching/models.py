"""What was sold, and which sale a return belongs to: sales orders, their items, matches.

A match names its return by TikTok's id, since returns build on matching and not the other way round. How a decision is
reached stands in `matcher.py`; nothing here decides.
"""

from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from matching.coverage.models import CoverageCheck as CoverageCheck  # so that Django finds them
from matching.coverage.models import CoverageOrder as CoverageOrder
from matching.decision_words import OUTCOMES, REASONS
from matching.id_rules import LONGEST_FOLDED, folded
from matching.import_models import OrderImport as OrderImport
from matching.import_models import OrderImportPart as OrderImportPart
from matching.push_models import OrderPush as OrderPush
from matching.rate_models import MatchDay as MatchDay
from merchants.encryption import EncryptedJSONField
from merchants.models import ApiClient, Merchant, ReboundAccount, Shop, TenantQuerySet


class OrderSource(models.TextChoices):
    """How an order came to us (design, section 5)."""

    READ_THROUGH = "READ_THROUGH", _("Read from ReBound")
    PUSHED = "PUSHED", _("Pushed to our API")
    FILE = "FILE", _("Imported from a file")


ADDRESS_MORE = "more"  # what else stood in a pushed address, by its own names


class SalesOrder(models.Model):
    """An order as the OMS synced it. `external_order_id` is the OMS's id, an opaque string compared exactly."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="sales_orders")
    external_order_id = models.CharField(max_length=255)
    # For shops whose id rules ignore case; the rules themselves decide, this only finds candidates by index.
    external_order_id_folded = models.CharField(max_length=LONGEST_FOLDED, editable=False)
    oms_order_id = models.CharField(max_length=255, null=True, blank=True)
    metadata_conflict = models.CharField(max_length=500, blank=True)
    rebound_id = models.CharField(max_length=255, blank=True, help_text=_("ReBound's id of the sales order."))
    rebound_updated_at = models.DateTimeField(
        null=True, blank=True, help_text=_("ReBound's own time of what it told last; what is older is not taken.")
    )
    ordered_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    customer_address = EncryptedJSONField()
    payload = models.JSONField(default=dict, help_text=_("As received, without the customer's address."))
    source = models.CharField(max_length=20, choices=OrderSource.choices)
    api_client = models.ForeignKey(
        ApiClient,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,  # nothing is found by it: a client is revoked, never deleted
        help_text=_("Who pushed it last."),
    )
    content_hash = models.CharField(
        max_length=32, blank=True, help_text=_("Of the pushed body: equal content is no change.")
    )
    version_at = models.DateTimeField(null=True, blank=True, help_text=_("The OMS's own time of this version."))
    first_seen_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "external_order_id"], name="one_order_a_merchant_and_external_id"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "external_order_id_folded"], name="order_by_folded_id"),
            models.Index(fields=["merchant", "rebound_id"], condition=~Q(rebound_id=""), name="order_by_rebound_id"),
            # The pages of GET /sales-orders: each starts where the one before ended, however many there are.
            models.Index(fields=["merchant", "updated_at", "id"], name="order_by_change"),
            models.Index(fields=["source", "id"], name="orders_of_a_source"),
        ]

    def __str__(self) -> str:
        return self.external_order_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.external_order_id_folded = folded(self.external_order_id)
        super().save(*args, **kwargs)


class SalesOrderItem(models.Model):
    """One line of a sales order, with the customs facts that a linked return carries."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    order = models.ForeignKey(SalesOrder, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    external_item_id = models.CharField(max_length=255, null=True, blank=True, help_text=_("clientMetadata.omsItemId"))
    rebound_id = models.CharField(max_length=255, blank=True)
    sku = models.CharField(max_length=255, blank=True)
    description = models.CharField(max_length=1000, blank=True)
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    hs_code = models.CharField(max_length=40, blank=True)
    country_of_origin = models.CharField(max_length=2, blank=True)
    weight = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    weight_unit = models.CharField(max_length=10, blank=True)
    # An item that vanished from the order while a return had matched it is kept and marked.
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "order", "position"], name="one_item_an_order_and_position"),
            models.CheckConstraint(
                condition=Q(price__isnull=True) | Q(price__gte=0), name="item_price_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku or self.external_item_id or self.position}"


# What an order tells of its item, whichever way the order came.
ITEM_COLUMNS = (
    "external_item_id",
    "sku",
    "description",
    "quantity",
    "price",
    "currency",
    "hs_code",
    "country_of_origin",
    "weight",
    "weight_unit",
    "removed_at",
)


class ErrandState(models.TextChoices):
    """Where something stands that must be done elsewhere for an order. The last three are for a person to look at."""

    QUEUED = "QUEUED", _("Waits its turn")
    RETRYING = "RETRYING", _("A try failed; tried again")
    DONE = "DONE", _("Done")
    CANCELLED = "CANCELLED", _("Not done: the order was cancelled first")
    CONFLICT = "CONFLICT", _("The other side holds something else")
    REFUSED = "REFUSED", _("Refused")


OPEN_ERRANDS = (ErrandState.QUEUED, ErrandState.RETRYING)
STUCK_ERRANDS = (ErrandState.CONFLICT, ErrandState.REFUSED)


class ErrandQuerySet(TenantQuerySet):
    def due(self, *, now: datetime) -> Self:
        """Wants work now, and nobody is at it."""
        return self.filter(next_attempt_at__lte=now).filter(Q(claimed_until__isnull=True) | Q(claimed_until__lt=now))

    def in_hand(self, *, now: datetime) -> Self:
        return self.filter(claimed_until__gte=now)


class Errand(models.Model):
    """Something that must be done elsewhere for an order: one row an order, from its push until it is done.

    A version is named by its content hash. `wanted` is the newest one, `done` the one that the other side is known to
    hold.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=ErrandState.choices, default=ErrandState.QUEUED)
    detail = models.CharField(max_length=500, blank=True)
    wanted = models.CharField(max_length=32)
    done = models.CharField(max_length=32, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    claim_token = models.UUIDField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text=_("Claims since it was queued."))

    objects = ErrandQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=OPEN_ERRANDS, next_attempt_at__isnull=False)
                | (~Q(state__in=OPEN_ERRANDS) & Q(next_attempt_at__isnull=True)),
                name="an_open_%(class)s_has_its_next_try",
            ),
            models.CheckConstraint(
                condition=Q(done="", done_at__isnull=True) | (~Q(done="") & Q(done_at__isnull=False)),
                name="a_done_%(class)s_says_when",
            ),
        ]


class OrderRelay(Errand):
    """A pushed order on its way to ReBound; `matching/relay.py` carries it."""

    order = models.OneToOneField(SalesOrder, on_delete=models.CASCADE, related_name="relay")
    account = models.ForeignKey(ReboundAccount, on_delete=models.CASCADE, related_name="+", db_index=False)
    asked = models.CharField(
        max_length=32, blank=True, help_text=_("A version that was sent, its outcome not known yet.")
    )

    class Meta(Errand.Meta):
        permissions = (("try_again_orderrelay", "Can send an order to ReBound again"),)
        indexes = [
            # Each account's turn is found by itself, so that a merchant's million orders are no queue for the others.
            models.Index(
                fields=["account", "next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="relays_due"
            ),
            models.Index(fields=["claimed_until"], condition=Q(claimed_until__isnull=False), name="relays_in_hand"),
            models.Index(fields=["state"], name="relay_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.order}: {self.get_state_display()}"


class ReferenceWrite(Errand):
    """An order's ids on their way to TikTok, for an OMS that does not write them itself; `matching/references.py`."""

    order = models.OneToOneField(SalesOrder, on_delete=models.CASCADE, related_name="reference_write")
    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, related_name="+", db_index=False, help_text=_("Where it is looked for.")
    )
    tiktok_order_id = models.CharField(max_length=64)
    lines = models.JSONField(default=dict, help_text=_("External item id by TikTok's line id, as pushed."))
    written = models.JSONField(default=dict, help_text=_("What TikTok was last seen to hold of ours."))

    class Meta(Errand.Meta):
        permissions = (("try_again_referencewrite", "Can write references again"),)
        indexes = [
            models.Index(
                fields=["shop", "next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="references_due"
            ),
            models.Index(fields=["claimed_until"], condition=Q(claimed_until__isnull=False), name="references_in_hand"),
            models.Index(fields=["state"], name="reference_by_state"),
            models.Index(fields=["tiktok_order_id"], name="reference_by_tiktok_order"),  # the admin's search
        ]

    def __str__(self) -> str:
        return f"{self.order}: {self.get_state_display()}"


class OrderFeed(models.Model):
    """How far an account's sales orders were read. Times are ReBound's, as far as it tells any."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    account = models.OneToOneField(ReboundAccount, on_delete=models.CASCADE, related_name="order_feed")
    read_until = models.DateTimeField(null=True, blank=True, help_text=_("The newest change of the last whole list."))
    resume_after = models.DateTimeField(null=True, blank=True, help_text=_("Where a list that is being read goes on."))
    next_read_at = models.DateTimeField()
    last_read_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["next_read_at"], name="feeds_due")]

    def __str__(self) -> str:
        return f"{self.account}: until {self.read_until}"


class MatchQuerySet(TenantQuerySet):
    def current(self) -> Self:
        return self.filter(superseded_at__isnull=True)


class Match(models.Model):
    """One decision on one return. A new decision supersedes the one before; nothing is overwritten."""

    OUTCOMES = OUTCOMES
    REASONS = REASONS

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="matches", db_index=False)
    return_id = models.CharField(max_length=64, help_text=_("TikTok's id of the return."))
    outcome = models.CharField(max_length=20, choices=OUTCOMES)
    reason = models.CharField(max_length=30, choices=REASONS, blank=True)
    is_curable = models.BooleanField(help_text=_("Whether waiting could have given a better answer."))
    external_order_id = models.CharField(max_length=255, blank=True)
    sales_order = models.ForeignKey(SalesOrder, on_delete=models.PROTECT, related_name="matches", null=True, blank=True)
    warnings = models.JSONField(default=list)
    trail = models.JSONField(default=list, help_text=_("Each rule tried, what it compared, what it concluded."))
    order_key = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("The external order id as the shop's id rules compared it."),
    )
    decided_by = models.CharField(
        max_length=150, blank=True, default="", db_default="", help_text=_("Who decided by hand; empty: the rules did.")
    )
    note = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text=_("Why a person decided so.")
    )
    decided_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = MatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "matches"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "shop", "return_id"],
                condition=Q(superseded_at__isnull=True),
                name="one_current_match_a_return",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["MATCHED", "PARTLY_MATCHED", "ORDER_ONLY"], sales_order__isnull=False)
                | Q(outcome__in=["NOT_ASKED", "NO_MATCH"], sales_order__isnull=True),
                name="a_match_with_an_order_names_it",
            ),
            models.CheckConstraint(
                condition=Q(decided_by="", note="") | (~Q(decided_by="") & ~Q(note="")),
                name="a_match_by_hand_says_who_and_why",
            ),
        ]
        indexes = [
            # Every decision on a return, superseded ones too.
            models.Index(fields=["shop", "return_id"], name="decisions_on_a_return"),
            # An order that arrives asks which returns it may help.
            models.Index(
                fields=["merchant", "order_key"],
                condition=Q(superseded_at__isnull=True) & ~Q(order_key=""),
                name="match_by_order_key",
            ),
            # How many of a merchant's latest returns matched, without reading all that it ever had.
            models.Index(
                fields=["merchant", "decided_at"],
                condition=Q(superseded_at__isnull=True),
                name="current_match_by_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.return_id}: {self.outcome} {self.reason}".strip()

    @property
    def is_by_hand(self) -> bool:
        return bool(self.decided_by)

    @property
    def may_improve(self) -> bool:
        """Whether waiting can help: a curable decision, or an order that ReBound does not hold yet."""
        return self.is_curable or (self.sales_order is not None and not self.sales_order.rebound_id)


class ItemMatch(models.Model):
    """The verdict on one returned line: one unit. Units are held until released."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    match = models.ForeignKey(Match, on_delete=models.CASCADE, related_name="items")
    return_line_item_id = models.CharField(max_length=64)
    order_line_item_id = models.CharField(max_length=64)
    external_item_id = models.CharField(max_length=255, blank=True)
    item = models.ForeignKey(
        SalesOrderItem, on_delete=models.PROTECT, related_name="item_matches", null=True, blank=True
    )
    reason = models.CharField(max_length=30, choices=Match.REASONS, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "item matches"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "match", "return_line_item_id"], name="one_verdict_a_match_and_line"
            ),
            models.CheckConstraint(
                condition=Q(item__isnull=False, reason="") | (Q(item__isnull=True) & ~Q(reason="")),
                name="a_line_has_an_item_or_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["item"], condition=Q(released_at__isnull=True), name="units_held_of_an_item"),
        ]

    def __str__(self) -> str:
        return f"{self.order_line_item_id} -> {self.external_item_id or self.reason}"


class IdempotentAnswer(models.Model):
    """The answer to a POST that carried an Idempotency-Key, for a day. Without a status it is still running."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=32, help_text=_("Of the request: a key is good for one request only."))
    started_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "client", "key"], name="one_answer_a_client_and_key"),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.status or 'running'}"
