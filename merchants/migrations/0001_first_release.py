"""The first release: who the merchants are and what they let us do."""

import datetime
import django.db.models.deletion
import django.db.models.functions.text
import merchants.encryption
import merchants.link_templates
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    # What there was of it before the first release: a database that has all of these has this one.
    replaces = [
        ("merchants", "0001_initial"),
        ("merchants", "0002_api_credentials"),
        ("merchants", "0003_install_wizard"),
        ("merchants", "0004_shops_are_live"),
        ("merchants", "0005_staff"),
        ("merchants", "0007_relay"),
        ("merchants", "0008_rebound_events"),
        ("merchants", "0010_settings_history"),
        ("merchants", "0011_accounts_are_tested"),
        ("merchants", "0012_order_feed"),
        ("merchants", "0013_references"),
        ("merchants", "0014_links_to_other_systems"),
        ("merchants", "0015_refused_tokens"),
        ("merchants", "0016_refused_grants"),
    ]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiClient",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("client_id", models.CharField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Merchant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "permissions": [
                    ("view_every_merchant", "Can see every merchant, not only their own"),
                    ("view_buyer_data", "Can look at buyers' names and addresses; each look is logged"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiSecret",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("prefix", models.CharField(max_length=32, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="secrets", to="merchants.apiclient"
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("prefix", models.CharField(max_length=32, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "secret",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tokens", to="merchants.apisecret"
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="apiclient",
            name="merchant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="api_clients", to="merchants.merchant"
            ),
        ),
        migrations.CreateModel(
            name="ReboundAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "environment",
                    models.CharField(
                        choices=[("PRE", "Pre-production"), ("PROD", "Production")], default="PROD", max_length=4
                    ),
                ),
                ("client_id", models.CharField(max_length=255)),
                ("client_secret", merchants.encryption.EncryptedTextField(blank=True, default="", editable=False)),
                (
                    "flow_key",
                    models.CharField(
                        blank=True, help_text="Only with sub-flows; blank for the main flow.", max_length=255
                    ),
                ),
                ("legal_entity", models.CharField(blank=True, max_length=255)),
                (
                    "tested_at",
                    models.DateTimeField(blank=True, help_text="When its credentials were last tried out.", null=True),
                ),
                (
                    "reads_orders",
                    models.BooleanField(default=True, help_text="Look for orders at ReBound that are not here."),
                ),
                (
                    "relays_orders",
                    models.BooleanField(
                        default=False,
                        help_text="Send orders that the merchant pushes to us on to this account. Only one account of a merchant may.",
                    ),
                ),
                (
                    "relay_paused_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="ReBound is busy, or refuses orders: no order is sent to it before.",
                        null=True,
                    ),
                ),
                (
                    "follows_orders",
                    models.BooleanField(
                        default=False,
                        help_text="Read every order that changes at ReBound: for an OMS that pushes to ReBound itself.",
                    ),
                ),
                (
                    "relay_filled_to",
                    models.BigIntegerField(default=0, help_text="Orders that were here before are queued up to this."),
                ),
                ("relay_filled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "events_key",
                    models.CharField(
                        blank=True,
                        help_text="The end of the address that ReBound sends events to; empty: it sends none.",
                        max_length=40,
                        null=True,
                        unique=True,
                    ),
                ),
                ("events_secret", merchants.encryption.EncryptedTextField(blank=True, default="", editable=False)),
                (
                    "former_events_secret",
                    merchants.encryption.EncryptedTextField(blank=True, default="", editable=False),
                ),
                ("access_token", merchants.encryption.EncryptedTextField(blank=True, default="", editable=False)),
                ("access_token_expires_at", models.DateTimeField(blank=True, null=True)),
                ("renewing_until", models.DateTimeField(blank=True, null=True)),
                (
                    "refused_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="When a token that was just given was first refused; not believed at once.",
                        null=True,
                    ),
                ),
                ("broken_at", models.DateTimeField(blank=True, null=True)),
                (
                    "broken_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("TOKEN_REJECTED", "The token was refused: authorize again"),
                            ("SCOPE_MISSING", "A permission is missing: authorize again with every permission"),
                            ("DEAUTHORIZED", "The merchant removed the app"),
                            ("CREDENTIALS_REFUSED", "Client id or client secret were refused: enter them again"),
                            ("REFUSED", "Refused for a reason of configuration: see the last error"),
                        ],
                        max_length=30,
                    ),
                ),
                ("last_error", models.CharField(blank=True, max_length=500)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rebound_accounts",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "environment", "client_id", "flow_key"),
                        name="one_account_a_merchant_and_client",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("relays_orders", True)),
                        fields=("merchant",),
                        name="one_account_a_merchant_relays_orders",
                        violation_error_message="Another account of this merchant relays its orders already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("broken_at__isnull", True), ("broken_reason", "")),
                            models.Q(("broken_at__isnull", False), models.Q(("broken_reason", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="account_broken_at_has_a_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Shop",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "shop_id",
                    models.CharField(help_text="TikTok's id of the shop, as webhooks carry it.", max_length=64),
                ),
                ("cipher", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=255)),
                ("region", models.CharField(max_length=8)),
                ("matching_enabled", models.BooleanField(default=False)),
                (
                    "platform_origin",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("SHOPIFY", "Shopify"),
                            ("WOOCOMMERCE", "WooCommerce"),
                            ("BIGCOMMERCE", "BigCommerce"),
                            ("MAGENTO", "Magento"),
                            ("SALESFORCE_COMMERCE_CLOUD", "Salesforce Commerce Cloud"),
                            ("CHANNEL_ADVISOR", "ChannelAdvisor"),
                            ("AMAZON", "Amazon"),
                            ("ORDER_MANAGEMENT_SYSTEM", "Order management system"),
                            ("WAREHOUSE_MANAGEMENT_SYSTEM", "Warehouse management system"),
                            ("ERP_SYSTEM", "ERP system"),
                        ],
                        max_length=40,
                    ),
                ),
                ("id_strip_prefix", models.CharField(blank=True, max_length=40)),
                ("id_strip_suffix", models.CharField(blank=True, max_length=40)),
                ("id_ignore_case", models.BooleanField(default=False)),
                ("id_trim_leading_zeros", models.BooleanField(default=False)),
                (
                    "writes_references",
                    models.BooleanField(
                        default=False,
                        help_text="Write the ids of pushed orders to TikTok, where the OMS names TikTok's order and lines in them.",
                    ),
                ),
                (
                    "references_paused_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="TikTok is busy, or refuses references: none is written before.",
                        null=True,
                    ),
                ),
                (
                    "partly_matched_goes_direct",
                    models.BooleanField(
                        default=False, help_text="Create a return direct unless every line of it matched."
                    ),
                ),
                (
                    "match_wait",
                    models.DurationField(
                        default=datetime.timedelta(seconds=600), help_text="How long a return waits for its order."
                    ),
                ),
                (
                    "seller_center_link",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Where TikTok's Seller Center shows a return or an order: https://…{return_id} or https://…{order_id}",
                        max_length=500,
                        validators=[merchants.link_templates.seller_center_template],
                    ),
                ),
                (
                    "order_system_link",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Where the OMS shows an order: https://…{external_order_id}",
                        max_length=500,
                        validators=[merchants.link_templates.order_system_template],
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "webhooks_checked_at",
                    models.DateTimeField(
                        blank=True, help_text="When TikTok last said which events it sends us.", null=True
                    ),
                ),
                ("webhooks_problem", models.CharField(blank=True, help_text="Why some do not come.", max_length=500)),
                (
                    "matching_chosen_at",
                    models.DateTimeField(blank=True, help_text="When matching was put on or off.", null=True),
                ),
                (
                    "checklist_confirmed_at",
                    models.DateTimeField(
                        blank=True, help_text="When the settings in TikTok's Seller Center were confirmed.", null=True
                    ),
                ),
                (
                    "checklist",
                    models.JSONField(
                        blank=True, default=list, help_text="Which of these settings were confirmed so far."
                    ),
                ),
                ("live_at", models.DateTimeField(blank=True, help_text="Since when we create its returns.", null=True)),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                ("disconnected_at", models.DateTimeField(blank=True, null=True)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="shops", to="merchants.merchant"
                    ),
                ),
                (
                    "rebound_account",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shops",
                        to="merchants.reboundaccount",
                    ),
                ),
            ],
            options={
                "permissions": [("pause_shop", "Can pause and resume a shop")],
            },
        ),
        migrations.CreateModel(
            name="Lane",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "country",
                    models.CharField(
                        blank=True, help_text="ISO 3166 alpha-2 in capitals; blank for all others.", max_length=2
                    ),
                ),
                (
                    "contract",
                    models.CharField(
                        choices=[("MANAGED", "ReBound's contract"), ("OWN", "Your own contract")],
                        default="MANAGED",
                        help_text="Whose contract with the carrier.",
                        max_length=10,
                    ),
                ),
                (
                    "carrier_service",
                    models.CharField(help_text="ReBound's name of the service for labels.", max_length=100),
                ),
                (
                    "qr_carrier_service",
                    models.CharField(
                        blank=True,
                        help_text="The service for QR codes; blank where labels and QR codes share one.",
                        max_length=100,
                    ),
                ),
                (
                    "shipping_provider_id",
                    models.CharField(help_text="TikTok's id of the shipping provider.", max_length=64),
                ),
                ("shipping_provider_name", models.CharField(blank=True, max_length=100)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lanes", to="merchants.merchant"
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lanes", to="merchants.shop"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("merchant", "shop", "country"), name="one_lane_a_shop_and_country"),
                    models.CheckConstraint(
                        condition=models.Q(("country", django.db.models.functions.text.Upper("country"))),
                        name="country_is_in_capitals",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="GoLiveConsent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("open_id", models.CharField(help_text="The seller at TikTok who was signed in.", max_length=255)),
                ("seller_name", models.CharField(blank=True, max_length=255)),
                ("text_version", models.CharField(help_text="Which wording was agreed to.", max_length=20)),
                ("given_at", models.DateTimeField()),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="consents", to="merchants.merchant"
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="consents", to="merchants.shop"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ShopAuthorization",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("open_id", models.CharField(max_length=255)),
                ("seller_name", models.CharField(blank=True, max_length=255)),
                ("region", models.CharField(blank=True, max_length=8)),
                ("scopes", models.JSONField(default=list)),
                ("access_token", merchants.encryption.EncryptedTextField(blank=True, default="", editable=False)),
                ("access_token_expires_at", models.DateTimeField()),
                ("refresh_token", merchants.encryption.EncryptedTextField(blank=True, default="", editable=False)),
                ("refresh_token_expires_at", models.DateTimeField()),
                ("renewing_until", models.DateTimeField(blank=True, null=True)),
                (
                    "refused_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="When a token that was just given was first refused; not believed at once.",
                        null=True,
                    ),
                ),
                ("broken_at", models.DateTimeField(blank=True, null=True)),
                (
                    "broken_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("TOKEN_REJECTED", "The token was refused: authorize again"),
                            ("SCOPE_MISSING", "A permission is missing: authorize again with every permission"),
                            ("DEAUTHORIZED", "The merchant removed the app"),
                            ("CREDENTIALS_REFUSED", "Client id or client secret were refused: enter them again"),
                            ("REFUSED", "Refused for a reason of configuration: see the last error"),
                        ],
                        max_length=30,
                    ),
                ),
                ("last_error", models.CharField(blank=True, max_length=500)),
                ("authorized_at", models.DateTimeField()),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="authorizations",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "open_id"), name="one_authorization_a_merchant_and_seller"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("broken_at__isnull", True), ("broken_reason", "")),
                            models.Q(("broken_at__isnull", False), models.Q(("broken_reason", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="authorization_broken_at_has_a_reason",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="shop",
            name="authorization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="shops", to="merchants.shopauthorization"
            ),
        ),
        migrations.CreateModel(
            name="ShopSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("settings", models.JSONField()),
                ("changed_by", models.CharField(max_length=150)),
                ("changed_at", models.DateTimeField()),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="settings_versions",
                        to="merchants.shop",
                    ),
                ),
            ],
            options={
                "verbose_name": "settings version",
                "constraints": [
                    models.UniqueConstraint(fields=("merchant", "shop", "number"), name="one_version_a_shop_and_number")
                ],
            },
        ),
        migrations.CreateModel(
            name="StaffAssignment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="assignments", to="merchants.merchant"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="assignments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("merchant", "user"), name="one_assignment_a_merchant_and_user")
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("actor_name", models.CharField(max_length=150)),
                ("act", models.CharField(max_length=60)),
                (
                    "subject_type",
                    models.CharField(blank=True, help_text="Such as returns.tiktokreturn.", max_length=60),
                ),
                ("subject_id", models.CharField(blank=True, max_length=64)),
                ("subject_name", models.CharField(blank=True, max_length=200)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("correlation_id", models.CharField(blank=True, max_length=32)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit log",
                "indexes": [
                    models.Index(fields=["subject_type", "subject_id"], name="audit_by_subject"),
                    models.Index(
                        condition=models.Q(("correlation_id", ""), _negated=True),
                        fields=["correlation_id"],
                        name="audit_by_correlation",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="shop",
            constraint=models.UniqueConstraint(fields=("shop_id",), name="a_shop_belongs_to_one_merchant"),
        ),
        migrations.AddConstraint(
            model_name="shop",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("match_wait__gte", datetime.timedelta(0)), ("match_wait__lte", datetime.timedelta(days=1))
                ),
                name="match_wait_is_between_0_and_24_hours",
            ),
        ),
        migrations.AddConstraint(
            model_name="shop",
            constraint=models.CheckConstraint(
                condition=models.Q(("paused_at__isnull", True), ("live_at__isnull", False), _connector="OR"),
                name="only_a_live_shop_is_paused",
            ),
        ),
    ]
