"""Who the merchants are and what they let us do: shops, authorizations, ReBound accounts, lanes.

No orders and no returns here. Every row names its merchant; `for_merchant` is the only way in for a tenant's page.
"""

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from merchants.audit import AuditEntry as AuditEntry  # models of this app that have a module of their own
from merchants.encryption import EncryptedTextField
from merchants.link_templates import order_system_template, seller_center_template
from merchants.settings_history import ShopSettings as ShopSettings
from merchants.staff import StaffAssignment as StaffAssignment

LONGEST_MATCH_WAIT = timedelta(hours=24)
STALLS_AFTER = timedelta(days=3)
ENDS_SOON = timedelta(days=14)


class TenantQuerySet(models.QuerySet[Any]):
    """Rows that belong to a merchant."""

    def for_merchant(self, merchant: "Merchant") -> Self:
        return self.filter(merchant=merchant)


class Merchant(models.Model):
    """A tenant."""

    name = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        permissions = [
            ("view_every_merchant", "Can see every merchant, not only their own"),
            ("view_buyer_data", "Can look at buyers' names and addresses; each look is logged"),
        ]

    def __str__(self) -> str:
        return self.name


class PlatformOrigin(models.TextChoices):
    """Whose ids the external ids are: TikTok's `platform` values, all of them (TikTok reference, section 5)."""

    SHOPIFY = "SHOPIFY", "Shopify"
    WOOCOMMERCE = "WOOCOMMERCE", "WooCommerce"
    BIGCOMMERCE = "BIGCOMMERCE", "BigCommerce"
    MAGENTO = "MAGENTO", "Magento"
    SALESFORCE_COMMERCE_CLOUD = "SALESFORCE_COMMERCE_CLOUD", "Salesforce Commerce Cloud"
    CHANNEL_ADVISOR = "CHANNEL_ADVISOR", "ChannelAdvisor"
    AMAZON = "AMAZON", "Amazon"
    ORDER_MANAGEMENT_SYSTEM = "ORDER_MANAGEMENT_SYSTEM", _("Order management system")
    WAREHOUSE_MANAGEMENT_SYSTEM = "WAREHOUSE_MANAGEMENT_SYSTEM", _("Warehouse management system")
    ERP_SYSTEM = "ERP_SYSTEM", _("ERP system")


class BrokenReason(models.TextChoices):
    """Why a connection does not work, and so who must mend it."""

    TOKEN_REJECTED = "TOKEN_REJECTED", _("The token was refused: authorize again")
    SCOPE_MISSING = "SCOPE_MISSING", _("A permission is missing: authorize again with every permission")
    DEAUTHORIZED = "DEAUTHORIZED", _("The merchant removed the app")
    CREDENTIALS_REFUSED = "CREDENTIALS_REFUSED", _("Client id or client secret were refused: enter them again")
    REFUSED = "REFUSED", _("Refused for a reason of configuration: see the last error")


def broken_is_paired(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(broken_at__isnull=True, broken_reason="") | (Q(broken_at__isnull=False) & ~Q(broken_reason="")),
        name=name,
    )


def refused_since_field() -> models.Field:
    return models.DateTimeField(
        null=True, blank=True, help_text=_("When a token that was just given was first refused; not believed at once.")
    )


class ShopAuthorization(models.Model):
    """What a merchant granted at TikTok: one OAuth grant, good for one shop or several."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="authorizations")
    open_id = models.CharField(max_length=255)
    seller_name = models.CharField(max_length=255, blank=True)
    region = models.CharField(max_length=8, blank=True)
    scopes = models.JSONField(default=list)
    access_token = EncryptedTextField()
    access_token_expires_at = models.DateTimeField()
    refresh_token = EncryptedTextField()
    refresh_token_expires_at = models.DateTimeField()
    renewing_until = models.DateTimeField(null=True, blank=True)
    refused_since = refused_since_field()
    broken_at = models.DateTimeField(null=True, blank=True)
    broken_reason = models.CharField(max_length=30, choices=BrokenReason.choices, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    authorized_at = models.DateTimeField()

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "open_id"], name="one_authorization_a_merchant_and_seller"),
            broken_is_paired("authorization_broken_at_has_a_reason"),
        ]

    def __str__(self) -> str:
        return self.seller_name or self.open_id


class ReboundEnvironment(models.TextChoices):
    PRE = "PRE", _("Pre-production")
    PROD = "PROD", _("Production")


class OrderWay(models.TextChoices):
    """How the orders of an account reach us; see section 5 of the design."""

    LOOKED_UP = "LOOKED_UP", _("Looked up at ReBound when a return asks for one")
    FOLLOWED = "FOLLOWED", _("Read from ReBound as they change")
    PUSHED = "PUSHED", _("Pushed here, and relayed to ReBound")


class ReboundAccount(models.Model):
    """A merchant's credentials at ReBound."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="rebound_accounts")
    environment = models.CharField(max_length=4, choices=ReboundEnvironment.choices, default=ReboundEnvironment.PROD)
    client_id = models.CharField(max_length=255)
    client_secret = EncryptedTextField()
    flow_key = models.CharField(
        max_length=255, blank=True, help_text=_("Only with sub-flows; blank for the main flow.")
    )
    legal_entity = models.CharField(max_length=255, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True, help_text=_("When its credentials were last tried out."))
    reads_orders = models.BooleanField(default=True, help_text=_("Look for orders at ReBound that are not here."))
    relays_orders = models.BooleanField(
        default=False,
        help_text=_(
            "Send orders that the merchant pushes to us on to this account. Only one account of a merchant may."
        ),
    )
    relay_paused_until = models.DateTimeField(
        null=True, blank=True, help_text=_("ReBound is busy, or refuses orders: no order is sent to it before.")
    )
    follows_orders = models.BooleanField(
        default=False,
        help_text=_("Read every order that changes at ReBound: for an OMS that pushes to ReBound itself."),
    )
    relay_filled_to = models.BigIntegerField(
        default=0, help_text=_("Orders that were here before are queued up to this.")
    )
    relay_filled_at = models.DateTimeField(null=True, blank=True)
    # Without the merchant on purpose: an event that arrives names this key alone.
    events_key = models.CharField(
        max_length=40,
        unique=True,
        null=True,
        blank=True,
        help_text=_("The end of the address that ReBound sends events to; empty: it sends none."),
    )
    events_secret = EncryptedTextField()
    former_events_secret = EncryptedTextField()  # good as well, while ReBound is told the new one
    access_token = EncryptedTextField()
    access_token_expires_at = models.DateTimeField(null=True, blank=True)
    renewing_until = models.DateTimeField(null=True, blank=True)
    refused_since = refused_since_field()
    broken_at = models.DateTimeField(null=True, blank=True)
    broken_reason = models.CharField(max_length=30, choices=BrokenReason.choices, blank=True)
    last_error = models.CharField(max_length=500, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "environment", "client_id", "flow_key"], name="one_account_a_merchant_and_client"
            ),
            # A pushed order names no account, and is held here with one id of ReBound's.
            models.UniqueConstraint(
                fields=["merchant"],
                condition=Q(relays_orders=True),
                name="one_account_a_merchant_relays_orders",
                violation_error_message="Another account of this merchant relays its orders already.",
            ),
            broken_is_paired("account_broken_at_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.client_id} ({self.get_environment_display()})"

    @property
    def order_way(self) -> OrderWay:
        if self.relays_orders:
            return OrderWay.PUSHED
        return OrderWay.FOLLOWED if self.follows_orders else OrderWay.LOOKED_UP


class ShopState(models.TextChoices):
    """Whether we work on a shop's returns, and why not. Those of a shop that we do not work for are kept, and wait."""

    SETTING_UP = "SETTING_UP", _("Being set up")
    LIVE = "LIVE", _("Live")
    PAUSED = "PAUSED", _("Paused")
    DISCONNECTED = "DISCONNECTED", _("Disconnected")


class ShopQuerySet(TenantQuerySet):
    def connected(self) -> Self:
        return self.filter(disconnected_at__isnull=True)

    def live(self) -> Self:
        """Went live and is still connected; it may be paused."""
        return self.connected().filter(live_at__isnull=False)

    def stalled(self, *, now: datetime) -> Self:
        """Connected a while ago, and its merchant has not gone live."""
        return self.connected().filter(live_at__isnull=True, created_at__lt=now - STALLS_AFTER)


class Shop(models.Model):
    """A TikTok shop and its settings."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="shops")
    authorization = models.ForeignKey(ShopAuthorization, on_delete=models.PROTECT, related_name="shops")
    rebound_account = models.ForeignKey(
        ReboundAccount, on_delete=models.PROTECT, related_name="shops", null=True, blank=True
    )
    shop_id = models.CharField(max_length=64, help_text=_("TikTok's id of the shop, as webhooks carry it."))
    cipher = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    region = models.CharField(max_length=8)
    matching_enabled = models.BooleanField(default=False)
    platform_origin = models.CharField(max_length=40, choices=PlatformOrigin.choices, blank=True)
    id_strip_prefix = models.CharField(max_length=40, blank=True)
    id_strip_suffix = models.CharField(max_length=40, blank=True)
    id_ignore_case = models.BooleanField(default=False)
    id_trim_leading_zeros = models.BooleanField(default=False)
    writes_references = models.BooleanField(
        default=False,
        help_text=_("Write the ids of pushed orders to TikTok, where the OMS names TikTok's order and lines in them."),
    )
    references_paused_until = models.DateTimeField(
        null=True, blank=True, help_text=_("TikTok is busy, or refuses references: none is written before.")
    )
    partly_matched_goes_direct = models.BooleanField(
        default=False, help_text=_("Create a return direct unless every line of it matched.")
    )
    match_wait = models.DurationField(
        default=timedelta(minutes=10), help_text=_("How long a return waits for its order.")
    )
    seller_center_link = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[seller_center_template],
        help_text=_(
            "Where TikTok's Seller Center shows a return or an order: https://…{return_id} or https://…{order_id}"
        ),
    )
    order_system_link = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[order_system_template],
        help_text=_("Where the OMS shows an order: https://…{external_order_id}"),
    )
    created_at = models.DateTimeField()

    # How far the merchant is with setting it up
    webhooks_checked_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When TikTok last said which events it sends us.")
    )
    webhooks_problem = models.CharField(max_length=500, blank=True, help_text=_("Why some do not come."))
    matching_chosen_at = models.DateTimeField(null=True, blank=True, help_text=_("When matching was put on or off."))
    checklist_confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the settings in TikTok's Seller Center were confirmed.")
    )
    checklist = models.JSONField(
        default=list, blank=True, help_text=_("Which of these settings were confirmed so far.")
    )
    live_at = models.DateTimeField(null=True, blank=True, help_text=_("Since when we create its returns."))
    paused_at = models.DateTimeField(null=True, blank=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)

    objects = ShopQuerySet.as_manager()

    class Meta:
        permissions = [("pause_shop", "Can pause and resume a shop")]
        constraints = [
            # Without the merchant on purpose: a webhook names the shop alone, and a shop belongs to one merchant.
            models.UniqueConstraint(fields=["shop_id"], name="a_shop_belongs_to_one_merchant"),
            models.CheckConstraint(
                condition=Q(match_wait__gte=timedelta(0), match_wait__lte=LONGEST_MATCH_WAIT),
                name="match_wait_is_between_0_and_24_hours",
            ),
            models.CheckConstraint(
                condition=Q(paused_at__isnull=True) | Q(live_at__isnull=False), name="only_a_live_shop_is_paused"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> ShopState:
        if self.disconnected_at:
            return ShopState.DISCONNECTED
        if self.live_at is None:
            return ShopState.SETTING_UP
        return ShopState.PAUSED if self.paused_at else ShopState.LIVE

    @property
    def is_connected(self) -> bool:
        return self.disconnected_at is None and self.authorization.broken_at is None

    def lane_for(self, country: str) -> "Lane | None":
        """The lane of this country of origin, else the shop's default lane, else none."""
        lanes = {lane.country: lane for lane in self.lanes.all()}
        return lanes.get(country.upper()) or lanes.get("")


class GoLiveConsent(models.Model):
    """What a merchant agreed to when a shop went live: kept for ever, one row each time."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="consents")
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="consents")
    open_id = models.CharField(max_length=255, help_text=_("The seller at TikTok who was signed in."))
    seller_name = models.CharField(max_length=255, blank=True)
    text_version = models.CharField(max_length=20, help_text=_("Which wording was agreed to."))
    given_at = models.DateTimeField()

    objects = TenantQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.shop}: {self.text_version} by {self.seller_name or self.open_id}"


class LaneContract(models.TextChoices):
    MANAGED = "MANAGED", _("ReBound's contract")
    OWN = "OWN", _("Your own contract")


class Lane(models.Model):
    """How a return travels from one country: ReBound's carrier service, and the provider that TikTok shows for it."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="lanes")
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="lanes")
    country = models.CharField(
        max_length=2, blank=True, help_text=_("ISO 3166 alpha-2 in capitals; blank for all others.")
    )
    contract = models.CharField(
        max_length=10,
        choices=LaneContract.choices,
        default=LaneContract.MANAGED,
        help_text=_("Whose contract with the carrier."),
    )
    carrier_service = models.CharField(max_length=100, help_text=_("ReBound's name of the service for labels."))
    qr_carrier_service = models.CharField(
        max_length=100, blank=True, help_text=_("The service for QR codes; blank where labels and QR codes share one.")
    )
    shipping_provider_id = models.CharField(max_length=64, help_text=_("TikTok's id of the shipping provider."))
    shipping_provider_name = models.CharField(max_length=100, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "shop", "country"], name="one_lane_a_shop_and_country"),
            models.CheckConstraint(condition=Q(country=Upper("country")), name="country_is_in_capitals"),
        ]

    def __str__(self) -> str:
        country = self.country or gettext("every other country")
        said = gettext("%(shop)s: %(country)s by %(service)s")
        return said % {"shop": self.shop, "country": country, "service": self.carrier_service}


class ApiScope(models.TextChoices):
    # In English where machines read them; people's pages look them up.
    ORDERS_WRITE = "orders:write", gettext_noop("Push and cancel orders")
    ORDERS_READ = "orders:read", gettext_noop("Read orders back")
    MATCHES_READ = "matches:read", gettext_noop("See which returns matched")


class ApiClient(models.Model):
    """An OMS that pushes orders for a merchant."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="api_clients")
    client_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.client_id})"

    @property
    def live_secrets(self) -> "list[ApiSecret]":
        """Oldest first; from the prefetched ones where there are."""
        return sorted((each for each in self.secrets.all() if each.revoked_at is None), key=lambda each: each.pk)


class ApiSecret(models.Model):
    """One of a client's live secrets, as a digest behind a look-up prefix."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="secrets")
    prefix = models.CharField(max_length=32, unique=True)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.prefix}…"


class ApiToken(models.Model):
    """An access token, as a digest. It is good as long as its secret and its client are, and at most an hour."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    secret = models.ForeignKey(ApiSecret, on_delete=models.CASCADE, related_name="tokens")
    prefix = models.CharField(max_length=32, unique=True)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.prefix}…"
