"""The first release: the journey of a return."""

import django.db.models.deletion
import merchants.encryption
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    # What there was of it before the first release: a database that has all of these has this one.
    replaces = [
        ("returns", "0001_initial"),
        ("returns", "0002_sibling_label"),
        ("returns", "0003_shop_reasons"),
        ("returns", "0004_acts"),
        ("returns", "0005_late_link"),
        ("returns", "0006_trials"),
        ("returns", "0007_returns_of_a_shop"),
        ("returns", "0008_alerts"),
        ("returns", "0009_bulk_runs_and_indexes"),
        ("returns", "0010_bulk_dry_runs"),
        ("returns", "0011_match_outcome_on_returns"),
        ("returns", "0012_fill_match_outcomes"),
        ("returns", "0013_creation_last_sent"),
        ("returns", "0014_work_queue_indexes"),
        ("returns", "0015_wider_list_indexes"),
        ("returns", "0016_rebound_returns_of_own"),
        ("returns", "0017_status_reason_merchant"),
        ("returns", "0018_return_poll_in_turns"),
        ("returns", "0019_fewer_indexes"),
    ]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("matching", "0001_first_release"),
        ("merchants", "0001_first_release"),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertChannel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("EMAIL", "E-mail"), ("WEBHOOK", "Webhook")], max_length=10)),
                (
                    "address",
                    models.CharField(help_text="An e-mail address, or one that starts with https://.", max_length=500),
                ),
                ("secret", merchants.encryption.EncryptedTextField(blank=True, default="", editable=False)),
                (
                    "reasons",
                    models.JSONField(
                        blank=True, default=list, help_text="What it is told of; nothing chosen: everything."
                    ),
                ),
                (
                    "minutes",
                    models.PositiveIntegerField(
                        default=60, help_text="Minutes between two messages, 5 to 1440.", verbose_name="digest"
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("created_at", models.DateTimeField()),
                ("told_until", models.DateTimeField(help_text="What happened before was told.")),
                ("next_digest_at", models.DateTimeField()),
                ("drift_told_at", models.DateTimeField(blank=True, null=True)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alert_channels",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "permissions": [("try_alertchannel", "Can send a test alert")],
                "indexes": [
                    models.Index(condition=models.Q(("is_active", True)), fields=["next_digest_at"], name="digests_due")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("minutes__gte", 5), ("minutes__lte", 1440)),
                        name="digest_is_5_to_1440_minutes",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertDelivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message", models.JSONField()),
                ("created_at", models.DateTimeField()),
                ("attempts", models.PositiveIntegerField(default=0, help_text="Counted before each try.")),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("given_up_at", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.CharField(blank=True, max_length=500)),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="returns.alertchannel",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "alert deliveries",
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["next_attempt_at"],
                        name="alerts_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("act", models.CharField(max_length=20)),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "filters",
                    models.CharField(
                        blank=True, help_text="The list's address, where it was a filter.", max_length=1000
                    ),
                ),
                ("total", models.PositiveIntegerField()),
                (
                    "is_rehearsal",
                    models.BooleanField(db_default=False, default=False, help_text="A dry run: nothing is done."),
                ),
                (
                    "found",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Of a dry run: how many it was asked about; `total` of them are rehearsed.",
                        null=True,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("claim_token", models.UUIDField(blank=True, null=True)),
                (
                    "started_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["next_attempt_at"],
                        name="bulk_runs_due",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("finished_at__isnull", True), ("next_attempt_at__isnull", True), _connector="OR"
                        ),
                        name="a_finished_bulk_run_is_not_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReboundReturn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.CharField(help_text="Our reference, ReBound's rmaNumber.", max_length=200)),
                ("kind", models.CharField(choices=[("LINKED", "Linked"), ("DIRECT", "Direct")], max_length=10)),
                (
                    "direct_reason",
                    models.CharField(
                        blank=True,
                        help_text="Why it is not linked, or was not at first where it was linked late.",
                        max_length=40,
                    ),
                ),
                ("country", models.CharField(max_length=2)),
                ("carrier_service", models.CharField(max_length=100)),
                ("shipping_provider_id", models.CharField(max_length=64)),
                ("label_format", models.CharField(choices=[("PDF", "Label (PDF)"), ("QR", "QR code")], max_length=5)),
                (
                    "request",
                    models.JSONField(default=dict, help_text="What we asked for, without the buyer's address."),
                ),
                ("payload", models.JSONField(default=dict, help_text="ReBound's answer, without address and label.")),
                (
                    "creating_until",
                    models.DateTimeField(blank=True, help_text="Until then only that claim may.", null=True),
                ),
                (
                    "asked_at",
                    models.DateTimeField(
                        blank=True, help_text="When a creation that may land was last sent.", null=True
                    ),
                ),
                ("rebound_id", models.CharField(blank=True, max_length=255)),
                ("rebound_status", models.CharField(blank=True, max_length=40)),
                (
                    "rebound_sales_order_id",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The sales order that ReBound itself holds it linked to.",
                        max_length=255,
                    ),
                ),
                (
                    "linked_late_at",
                    models.DateTimeField(blank=True, help_text="Created direct, and linked afterwards.", null=True),
                ),
                (
                    "link_note",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Why ReBound's link is another than ours, where it is.",
                        max_length=500,
                    ),
                ),
                (
                    "late_look_at",
                    models.DateTimeField(
                        blank=True, help_text="When a direct return is matched again; never where empty.", null=True
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "cancelled_there",
                    models.BooleanField(db_default=False, default=False, help_text="ReBound cancelled it, not we."),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rebound_returns",
                        to="merchants.reboundaccount",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "sales_order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rebound_returns",
                        to="matching.salesorder",
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rebound_returns", to="merchants.shop"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReturnLabel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("format", models.CharField(choices=[("PDF", "Label (PDF)"), ("QR", "QR code")], max_length=5)),
                ("content_type", models.CharField(max_length=100)),
                ("content", models.BinaryField()),
                ("carrier", models.CharField(blank=True, max_length=100)),
                ("tracking_number", models.CharField(max_length=100)),
                ("received_at", models.DateTimeField()),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "rebound_return",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="label", to="returns.reboundreturn"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["tracking_number"], name="label_by_tracking_number")],
            },
        ),
        migrations.CreateModel(
            name="ReturnMilestone",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "milestone",
                    models.CharField(
                        choices=[
                            ("ENTERED_NETWORK", "Entered our network"),
                            ("ARRIVED_AT_HUB", "Arrived at our hub"),
                            ("DELIVERED", "Delivered"),
                            ("ITEMS_PROCESSED", "Items processed"),
                            ("CANCELLED", "Cancelled at ReBound"),
                        ],
                        max_length=20,
                    ),
                ),
                ("event_id", models.CharField(help_text="ReBound's id of the event.", max_length=64)),
                ("occurred_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                (
                    "items",
                    models.JSONField(default=list, help_text="What was found in the parcel, where it was processed."),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "rebound_return",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="milestones",
                        to="returns.reboundreturn",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "rebound_return", "event_id"), name="one_milestone_a_return_and_event"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReturnPoll",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "polled_until",
                    models.DateTimeField(blank=True, help_text="When the last whole search began.", null=True),
                ),
                ("begun_at", models.DateTimeField(blank=True, help_text="When the search under way began.", null=True)),
                (
                    "resume_after",
                    models.DateTimeField(blank=True, help_text="Where the search under way goes on.", null=True),
                ),
                ("next_poll_at", models.DateTimeField()),
                ("last_error", models.CharField(blank=True, max_length=500)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "shop",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="return_poll", to="merchants.shop"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["next_poll_at"], name="polls_due")],
            },
        ),
        migrations.CreateModel(
            name="TikTokReturn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("return_id", models.CharField(max_length=64)),
                (
                    "order_id",
                    models.CharField(
                        blank=True, help_text="TikTok's id of the order; a hint until fetched.", max_length=64
                    ),
                ),
                ("correlation_id", models.CharField(max_length=32)),
                ("created_at", models.DateTimeField()),
                ("return_type", models.CharField(blank=True, max_length=40)),
                ("return_status", models.CharField(blank=True, max_length=60)),
                ("return_method", models.CharField(blank=True, max_length=40)),
                ("document_type", models.CharField(blank=True, max_length=40)),
                ("can_buyer_keep_item", models.BooleanField(default=False)),
                ("combined_return_id", models.CharField(blank=True, max_length=64)),
                ("pre_return_id", models.CharField(blank=True, max_length=64)),
                ("next_return_id", models.CharField(blank=True, max_length=64)),
                ("tiktok_tracking_number", models.CharField(blank=True, max_length=100)),
                ("reason_code", models.CharField(blank=True, max_length=120)),
                ("tiktok_updated_at", models.DateTimeField(blank=True, null=True)),
                ("order_fetched_at", models.DateTimeField(blank=True, null=True)),
                ("payload", models.JSONField(default=dict, help_text="TikTok's answer.")),
                ("buyer_address", merchants.encryption.EncryptedJSONField(blank=True, default=dict, editable=False)),
                (
                    "hint_count",
                    models.PositiveIntegerField(default=1, help_text="How often we were told that something changed."),
                ),
                ("fetched_hint_count", models.PositiveIntegerField(default=0)),
                ("fetched_at", models.DateTimeField(blank=True, null=True)),
                ("match_wait_until", models.DateTimeField(blank=True, null=True)),
                (
                    "direct_asked_at",
                    models.DateTimeField(blank=True, help_text="A person asked to send it direct.", null=True),
                ),
                ("direct_asked_by", models.CharField(blank=True, max_length=150)),
                ("resolved_at", models.DateTimeField(blank=True, help_text="A person handled it outside.", null=True)),
                ("label_delivered_at", models.DateTimeField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("OPEN", "Open"),
                            ("WAITING", "Waiting"),
                            ("DONE", "Done"),
                            ("NEEDS_ATTENTION", "Needs attention"),
                            ("CANCELLED", "Cancelled"),
                            ("NOT_OURS", "Not ours"),
                        ],
                        default="OPEN",
                        max_length=20,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("NOT_APPROVED", "The seller has not approved it yet"),
                            ("ORDER_AWAITED", "Waiting for its sales order"),
                            ("REMOTE_BUSY", "A remote system did not answer; tried again soon"),
                            ("SIBLING_AWAITED", "Another return of the same parcel or order is being worked on"),
                            ("SHOP_NOT_LIVE", "The shop is not live yet"),
                            ("SHOP_PAUSED", "The merchant paused the shop"),
                            ("SHOP_DISCONNECTED", "The merchant disconnected the shop"),
                            ("REMOTE_UNAVAILABLE", "A remote system keeps failing; tried again each hour"),
                            ("TIKTOK_CONNECTION", "The connection to TikTok is broken: authorize again"),
                            ("REBOUND_CONNECTION", "The connection to ReBound is broken: check the credentials"),
                            ("NO_REBOUND_ACCOUNT", "The shop has no ReBound account"),
                            ("NO_LANE", "No lane covers the country: add one, or a default"),
                            ("RETURN_NOT_FOUND", "TikTok does not know the return"),
                            ("UNEXPECTED_ANSWER", "An answer could not be understood; tried again each hour"),
                            ("UNKNOWN_RETURN_STATUS", "TikTok gave a return status that is not known"),
                            ("UNKNOWN_RETURN_METHOD", "TikTok does not say who ships the return"),
                            ("CREATE_REFUSED", "ReBound refused the return"),
                            ("TIKTOK_REFUSED", "TikTok refused to show the return"),
                            ("LABEL_UNUSABLE", "ReBound gave no usable label; asked again each hour"),
                            ("UPLOAD_REFUSED", "TikTok refused the label"),
                            ("CANCEL_REFUSED", "ReBound refused to cancel the return"),
                            ("OTHER_LABEL", "TikTok holds another label than ours"),
                            ("REOPENED", "Reopened after its ReBound return was cancelled"),
                            ("CANCELLED_AT_REBOUND", "ReBound cancelled the return while the buyer still needs it"),
                            ("CRASHED", "Our own error: see the last attempt"),
                            ("REFUND_ONLY", "Refund only: nothing comes back"),
                            ("BUYER_KEEPS_ITEM", "The buyer keeps the item"),
                            ("PLATFORM_LABEL", "TikTok ships it"),
                            ("BUYER_SHIPS", "The buyer ships it"),
                            ("ALREADY_SHIPPED", "Shipped without a label of ours"),
                            ("LABEL_BY_OTHERS", "Has a label that is not ours"),
                            ("REJECTED", "Rejected by the seller"),
                            ("CLOSED", "Closed without a label of ours"),
                            ("RESOLVED_BY_HAND", "A person handled it outside"),
                        ],
                        max_length=30,
                    ),
                ),
                ("reason_detail", models.CharField(blank=True, max_length=500)),
                ("status_changed_at", models.DateTimeField()),
                (
                    "match_outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("NOT_ASKED", "Not asked"),
                            ("MATCHED", "Matched"),
                            ("PARTLY_MATCHED", "Partly matched"),
                            ("ORDER_ONLY", "Order only"),
                            ("NO_MATCH", "No match"),
                        ],
                        db_default="",
                        default="",
                        max_length=20,
                    ),
                ),
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
                        db_default="",
                        default="",
                        help_text="The shop's, as it was then.",
                        max_length=40,
                    ),
                ),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("claim_token", models.UUIDField(blank=True, null=True)),
                (
                    "attempts",
                    models.PositiveIntegerField(default=0, help_text="Claims since the last step that succeeded."),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tiktok_returns",
                        to="merchants.merchant",
                    ),
                ),
                (
                    "rebound_return",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tiktok_returns",
                        to="returns.reboundreturn",
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tiktok_returns",
                        to="merchants.shop",
                    ),
                ),
            ],
            options={
                "verbose_name": "TikTok return",
                "permissions": [
                    ("run_again_tiktokreturn", "Can run a return again"),
                    ("match_again_tiktokreturn", "Can match a return again"),
                    ("send_direct_tiktokreturn", "Can send a return direct"),
                    ("link_tiktokreturn", "Can link a return to an order by hand"),
                    ("unlink_tiktokreturn", "Can unlink a return from its order"),
                    ("cancel_wait_tiktokreturn", "Can cancel a return's wait"),
                    ("resolve_tiktokreturn", "Can resolve a return by hand"),
                    ("export_tiktokreturn", "Can export returns"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["next_attempt_at"],
                        name="returns_due",
                    ),
                    models.Index(
                        condition=models.Q(("combined_return_id", ""), _negated=True),
                        fields=["shop", "combined_return_id"],
                        name="returns_in_parcel",
                    ),
                    models.Index(fields=["order_id"], name="return_by_order"),
                    models.Index(fields=["status", "reason", "merchant"], name="returns_by_status_and_reason"),
                    models.Index(fields=["shop", "created_at"], name="returns_of_shop_by_time"),
                    models.Index(fields=["merchant", "id"], name="returns_of_a_merchant"),
                    models.Index(fields=["shop", "id"], name="returns_of_a_shop"),
                    models.Index(fields=["status", "id", "merchant"], name="returns_listed_by_status"),
                    models.Index(
                        condition=models.Q(("reason", ""), _negated=True),
                        fields=["reason", "id", "merchant"],
                        name="returns_listed_by_reason",
                    ),
                    models.Index(fields=["match_outcome", "id", "merchant"], name="returns_listed_by_outcome"),
                    models.Index(fields=["platform_origin", "id", "merchant"], name="returns_listed_by_origin"),
                    models.Index(
                        fields=["platform_origin", "match_outcome", "id", "merchant"],
                        name="returns_by_origin_and_outcome",
                    ),
                    models.Index(fields=["created_at"], name="return_by_creation"),
                    models.Index(
                        condition=models.Q(("reason", "ORDER_AWAITED"), ("status", "WAITING")),
                        fields=["match_wait_until", "merchant", "shop", "status", "reason", "id"],
                        name="returns_that_await_orders",
                    ),
                    models.Index(
                        condition=models.Q(("label_delivered_at__isnull", True), ("rebound_return__isnull", False)),
                        fields=["status", "merchant", "id", "label_delivered_at", "rebound_return"],
                        name="returns_without_labels",
                    ),
                    models.Index(fields=["return_id"], name="return_by_return_id"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("merchant", "shop", "return_id"), name="one_row_a_shop_and_return"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("status__in", ["WAITING", "NEEDS_ATTENTION", "NOT_OURS"]),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            models.Q(("reason", ""), ("status__in", ["OPEN", "DONE", "CANCELLED"])),
                            _connector="OR",
                        ),
                        name="a_return_at_rest_says_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("label_delivered_at__isnull", True), ("rebound_return__isnull", False), _connector="OR"
                        ),
                        name="a_delivered_label_has_its_rebound_return",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StepAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "step",
                    models.CharField(
                        choices=[
                            ("FETCH", "Fetch from TikTok"),
                            ("MATCH", "Match"),
                            ("CREATE", "Create at ReBound"),
                            ("COLLECT", "Collect the label"),
                            ("DELIVER", "Deliver the label"),
                            ("LINK", "Link late"),
                            ("CANCEL", "Cancel at ReBound"),
                        ],
                        max_length=10,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("DONE", "Done"),
                            ("TEMPORARY", "Failed for now"),
                            ("UNKNOWN", "Outcome unknown"),
                            ("PERMANENT", "Refused"),
                            ("CONFIGURATION", "Connection broken"),
                            ("BLOCKED", "Blocked"),
                            ("CRASHED", "Our own error"),
                        ],
                        max_length=15,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=500)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "tiktok_return",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="step_attempts",
                        to="returns.tiktokreturn",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("finished_at__isnull", True), ("outcome", "")),
                            models.Q(("finished_at__isnull", False), models.Q(("outcome", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="a_finished_attempt_has_an_outcome",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="reboundreturn",
            name="led_by",
            field=models.ForeignKey(
                blank=True,
                help_text="Whose claim creates it.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="returns.tiktokreturn",
            ),
        ),
        migrations.CreateModel(
            name="ManualAct",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("LINK", "Linked by hand"),
                            ("UNLINK", "Unlinked by hand"),
                            ("SEND_DIRECT", "Sent direct"),
                            ("CANCEL_WAIT", "Wait ended"),
                            ("RESOLVE", "Resolved by hand"),
                            ("MATCH_AGAIN", "Matched again"),
                            ("UNDO", "Undone"),
                        ],
                        max_length=20,
                    ),
                ),
                ("by", models.CharField(max_length=150)),
                ("reason", models.CharField(max_length=500)),
                ("detail", models.JSONField(default=dict, help_text="What undoing it needs to know.")),
                ("done_at", models.DateTimeField()),
                (
                    "match",
                    models.ForeignKey(
                        blank=True,
                        help_text="What it decided.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="matching.match",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "undoes",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="undone_by",
                        to="returns.manualact",
                    ),
                ),
                (
                    "tiktok_return",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="manual_acts",
                        to="returns.tiktokreturn",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("by", ""), _negated=True), models.Q(("reason", ""), _negated=True)
                        ),
                        name="an_act_has_an_actor_and_a_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("act", "UNDO"), ("undoes__isnull", False)),
                            models.Q(models.Q(("act", "UNDO"), _negated=True), ("undoes__isnull", True)),
                            _connector="OR",
                        ),
                        name="an_undo_names_what_it_undoes",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("DONE", "Done"),
                            ("SKIPPED", "Left alone"),
                            ("FAILED", "Our own error"),
                            ("DIFFERS", "Would differ"),
                            ("SAME", "Would stay as it is"),
                            ("UNTOLD", "Could not be told"),
                        ],
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=500)),
                (
                    "summary",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Of a dry run: what would differ, to count by.",
                        max_length=200,
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="returns.bulkrun"
                    ),
                ),
                (
                    "tiktok_return",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bulk_items",
                        to="returns.tiktokreturn",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["run", "outcome", "id"], name="bulk_items_to_do")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "run", "tiktok_return"), name="one_item_a_bulk_run_and_return"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TikTokReturnItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("return_line_item_id", models.CharField(max_length=64)),
                ("order_line_item_id", models.CharField(max_length=64)),
                ("sku_id", models.CharField(blank=True, max_length=64)),
                ("seller_sku", models.CharField(blank=True, max_length=255)),
                ("name", models.CharField(blank=True, max_length=1000)),
                ("price", models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="merchants.merchant",
                    ),
                ),
                (
                    "tiktok_return",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="returns.tiktokreturn"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "tiktok_return", "return_line_item_id"), name="one_row_a_returned_line"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Trial",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("order_id", models.CharField(help_text="TikTok's id of the order.", max_length=64)),
                ("lines", models.JSONField(default=list, help_text="[{id, sku, name}]: one a unit.")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("NOT_ASKED", "Not asked"),
                            ("MATCHED", "Matched"),
                            ("PARTLY_MATCHED", "Partly matched"),
                            ("ORDER_ONLY", "Order only"),
                            ("NO_MATCH", "No match"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("MATCHING_OFF", "Matching off"),
                            ("NO_PLATFORM_ORIGIN", "No platform origin"),
                            ("NO_EXTERNAL_REF", "No external ref"),
                            ("REF_UNDER_OTHER_ORIGIN", "Ref under other origin"),
                            ("AMBIGUOUS_REF", "Ambiguous ref"),
                            ("ORDER_NOT_SYNCED", "Order not synced"),
                            ("AMBIGUOUS_ORDER", "Ambiguous order"),
                            ("ORDER_CANCELLED", "Order cancelled"),
                            ("METADATA_CONFLICT", "Metadata conflict"),
                            ("LOOKUP_FAILED", "Lookup failed"),
                            ("ITEM_REF_MISSING", "Item ref missing"),
                            ("ITEM_REF_UNKNOWN", "Item ref unknown"),
                            ("ITEM_REF_AMBIGUOUS", "Item ref ambiguous"),
                            ("QTY_EXCEEDS_ORDERED", "Qty exceeds ordered"),
                            ("UNLINKED_BY_HAND", "Unlinked by hand"),
                            ("LEFT_OUT_BY_HAND", "Left out by hand"),
                        ],
                        max_length=30,
                    ),
                ),
                ("external_order_id", models.CharField(blank=True, max_length=255)),
                ("trail", models.JSONField(default=list)),
                (
                    "is_linked",
                    models.BooleanField(help_text="Whether the return at ReBound would be linked to the sales order."),
                ),
                ("direct_reason", models.CharField(blank=True, help_text="Why it would not be.", max_length=60)),
                ("country", models.CharField(blank=True, help_text="Where the parcel starts.", max_length=2)),
                ("carrier_service", models.CharField(blank=True, help_text="Blank: there is no lane.", max_length=100)),
                ("shipping_provider_name", models.CharField(blank=True, max_length=100)),
                ("wants_qr", models.BooleanField(default=False)),
                ("asked_by", models.CharField(blank=True, max_length=150)),
                ("asked_at", models.DateTimeField()),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="trials", to="merchants.shop"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["shop", "-asked_at"], name="trials_of_a_shop")],
            },
        ),
        migrations.CreateModel(
            name="WebhookEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "source",
                    models.CharField(choices=[("TIKTOK", "TikTok Shop"), ("REBOUND", "ReBound")], max_length=10),
                ),
                (
                    "dedupe_key",
                    models.CharField(help_text="The notification's id, else a hash of the body.", max_length=80),
                ),
                ("type", models.CharField(max_length=40)),
                (
                    "shop_id",
                    models.CharField(
                        blank=True,
                        help_text="Whose it is: TikTok's id of the shop, or the ReBound account's events key.",
                        max_length=64,
                    ),
                ),
                ("body", models.TextField()),
                ("correlation_id", models.CharField(max_length=32)),
                ("received_at", models.DateTimeField()),
                ("handled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("APPLIED", "Applied"),
                            ("NOTHING_TO_DO", "Nothing to do"),
                            ("UNKNOWN_TYPE", "Type unknown"),
                            ("UNKNOWN_SHOP", "Shop unknown"),
                            ("UNKNOWN_RETURN", "Return unknown"),
                            ("NOT_UNDERSTOOD", "Payload not understood"),
                            ("CRASHED", "Handling failed"),
                        ],
                        max_length=20,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=500)),
                (
                    "merchant",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="merchants.merchant",
                    ),
                ),
                (
                    "tiktok_return",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="events",
                        to="returns.tiktokreturn",
                    ),
                ),
            ],
            options={
                "permissions": [("replay_webhookevent", "Can replay an event")],
                "indexes": [
                    models.Index(
                        condition=models.Q(("handled_at__isnull", True)),
                        fields=["received_at"],
                        name="events_to_handle",
                    ),
                    models.Index(fields=["shop_id", "received_at"], name="events_of_a_shop"),
                    models.Index(fields=["correlation_id"], name="event_by_correlation"),
                    models.Index(
                        condition=models.Q(("merchant__isnull", False)),
                        fields=["merchant"],
                        name="events_of_a_merchant",
                    ),
                    models.Index(
                        condition=models.Q(("tiktok_return__isnull", False)),
                        fields=["tiktok_return"],
                        name="events_of_a_return",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "dedupe_key"), name="an_event_is_stored_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("handled_at__isnull", True), ("outcome", "")),
                            models.Q(("handled_at__isnull", False), models.Q(("outcome", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="a_handled_event_has_an_outcome",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="reboundreturn",
            index=models.Index(fields=["rebound_id"], name="rebound_return_by_rebound_id"),
        ),
        migrations.AddIndex(
            model_name="reboundreturn",
            index=models.Index(fields=["reference"], name="rebound_return_by_reference"),
        ),
        migrations.AddIndex(
            model_name="reboundreturn",
            index=models.Index(fields=["kind", "direct_reason"], name="rebound_return_by_kind"),
        ),
        migrations.AddIndex(
            model_name="reboundreturn",
            index=models.Index(fields=["country"], name="rebound_return_by_country"),
        ),
        migrations.AddIndex(
            model_name="reboundreturn",
            index=models.Index(fields=["merchant", "kind", "direct_reason"], name="rebound_returns_kind_of_own"),
        ),
        migrations.AddIndex(
            model_name="reboundreturn",
            index=models.Index(fields=["merchant", "country"], name="rebound_returns_country_of_own"),
        ),
        migrations.AddIndex(
            model_name="reboundreturn",
            index=models.Index(
                condition=models.Q(("late_look_at__isnull", False)),
                fields=["late_look_at"],
                name="rebound_returns_to_look_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="reboundreturn",
            constraint=models.UniqueConstraint(
                fields=("merchant", "account", "reference"), name="one_rebound_return_a_reference"
            ),
        ),
        migrations.AddConstraint(
            model_name="reboundreturn",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("direct_reason", ""),
                        ("kind", "LINKED"),
                        ("linked_late_at__isnull", True),
                        ("sales_order__isnull", False),
                    ),
                    models.Q(
                        ("kind", "LINKED"),
                        ("linked_late_at__isnull", False),
                        ("sales_order__isnull", False),
                        models.Q(("direct_reason", ""), _negated=True),
                    ),
                    models.Q(
                        ("kind", "DIRECT"),
                        ("linked_late_at__isnull", True),
                        ("sales_order__isnull", True),
                        models.Q(("direct_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="linked_names_its_order_and_direct_its_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="reboundreturn",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("confirmed_at__isnull", True), ("rebound_id", "")),
                    models.Q(("confirmed_at__isnull", False), models.Q(("rebound_id", ""), _negated=True)),
                    _connector="OR",
                ),
                name="a_confirmed_return_has_its_rebound_id",
            ),
        ),
    ]
