"""The first release: what was sold, and which sale a return belongs to."""

import django.db.models.deletion
import matching.import_models
import merchants.encryption
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    # What there was of it before the first release: a database that has all of these has this one.
    replaces = [
        ("matching", "0001_initial"),
        ("matching", "0002_order_sync"),
        ("matching", "0003_idempotent_answers"),
        ("matching", "0004_imports_and_pushes"),
        ("matching", "0005_relay"),
        ("matching", "0006_decided_by_hand"),
        ("matching", "0007_match_days"),
        ("matching", "0008_coverage_checks"),
        ("matching", "0009_match_by_order_key"),
        ("matching", "0010_order_feed"),
        ("matching", "0011_references"),
        ("matching", "0012_orders_of_a_source"),
        ("matching", "0013_decisions_on_a_return"),
        ("matching", "0014_reference_by_tiktok_order"),
        ("matching", "0015_fewer_indexes"),
    ]

    initial = True

    dependencies = [
        ("merchants", "0001_first_release"),
    ]

    operations = [
        migrations.CreateModel(
            name="CoverageCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sample_size", models.PositiveSmallIntegerField()),
                (
                    "platform_origin",
                    models.CharField(
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
                    "state",
                    models.CharField(
                        choices=[
                            ("ACTIVE", "Running"),
                            ("DONE", "Done"),
                            ("CANCELLED", "Canceled"),
                            ("FAILED", "Not completed"),
                        ],
                        default="ACTIVE",
                        max_length=10,
                    ),
                ),
                (
                    "failure",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("TIKTOK_CONNECTION", "TikTok refused the connection"),
                            ("TIKTOK_SCOPE", "The app may not read orders at TikTok"),
                            ("TIKTOK_UNAVAILABLE", "TikTok did not answer"),
                            ("REBOUND_CONNECTION", "ReBound refused the credentials"),
                            ("REBOUND_UNAVAILABLE", "ReBound did not answer"),
                            ("REFUSED", "A call was refused"),
                            ("CRASHED", "Something went wrong on our side"),
                        ],
                        max_length=30,
                    ),
                ),
                ("failure_detail", models.CharField(blank=True, max_length=500)),
                ("asked_by", models.CharField(blank=True, help_text="Blank for the merchant.", max_length=150)),
                ("asked_at", models.DateTimeField()),
                ("sampled_at", models.DateTimeField(blank=True, help_text="When its orders were known.", null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("sampled", models.PositiveSmallIntegerField(default=0)),
                ("read", models.PositiveSmallIntegerField(default=0, help_text="References read at TikTok.")),
                ("decided", models.PositiveSmallIntegerField(default=0)),
                ("referenced", models.PositiveSmallIntegerField(default=0)),
                ("found", models.PositiveSmallIntegerField(default=0)),
                ("matched", models.PositiveSmallIntegerField(default=0)),
                ("calls", models.JSONField(default=dict, help_text="Remote calls made, by kind.")),
                (
                    "findings",
                    models.JSONField(default=list, help_text="The diagnosis: see matching.coverage.diagnosis."),
                ),
                ("seconds_between_calls", models.FloatField(default=0, help_text="The pace that TikTok allowed.")),
                ("next_attempt_at", models.DateTimeField()),
                (
                    "attempts",
                    models.PositiveIntegerField(default=0, help_text="Rounds since something was last stored."),
                ),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("claim_token", models.UUIDField(blank=True, null=True)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="coverage_checks", to="merchants.shop"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "ACTIVE")), fields=["next_attempt_at"], name="active_checks"
                    ),
                    models.Index(fields=["shop", "-asked_at"], name="checks_of_a_shop"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("sample_size__gte", 20), ("sample_size__lte", 500)),
                        name="sample_is_of_20_to_500_orders",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("finished_at__isnull", True), ("state", "ACTIVE")),
                            models.Q(models.Q(("state", "ACTIVE"), _negated=True), ("finished_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="a_check_that_ended_says_when",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "FAILED"), models.Q(("failure", ""), _negated=True)),
                            models.Q(models.Q(("state", "FAILED"), _negated=True), ("failure", "")),
                            _connector="OR",
                        ),
                        name="a_check_that_failed_says_why",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "ACTIVE")),
                        fields=("merchant", "shop"),
                        name="one_active_check_a_shop",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CoverageOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField(help_text="0 is the newest.")),
                ("order_id", models.CharField(max_length=64)),
                ("order_status", models.CharField(blank=True, max_length=40)),
                ("ordered_at", models.DateTimeField(blank=True, null=True)),
                ("lines", models.JSONField(default=list, help_text="[{id, sku}]: one a unit.")),
                (
                    "references",
                    models.JSONField(
                        blank=True, help_text="[{id, platform, lines: [{id, origin_id}]}]; null: not read.", null=True
                    ),
                ),
                (
                    "orders",
                    models.JSONField(default=list, help_text="The sales orders found: see matching.coverage.judgment."),
                ),
                (
                    "where",
                    models.CharField(
                        blank=True,
                        choices=[("HERE", "Here"), ("REBOUND", "At ReBound"), ("BOTH", "Here and at ReBound")],
                        max_length=10,
                    ),
                ),
                (
                    "problem",
                    models.CharField(blank=True, help_text="Why a look-up could not be answered.", max_length=500),
                ),
                (
                    "stage",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (0, "Order at TikTok"),
                            (1, "Reference under the chosen origin"),
                            (2, "Sales order found"),
                            (3, "Every line found"),
                        ],
                        default=0,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("NOT_ASKED", "NOT_ASKED"),
                            ("MATCHED", "MATCHED"),
                            ("PARTLY_MATCHED", "PARTLY_MATCHED"),
                            ("ORDER_ONLY", "ORDER_ONLY"),
                            ("NO_MATCH", "NO_MATCH"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("MATCHING_OFF", "MATCHING_OFF"),
                            ("NO_PLATFORM_ORIGIN", "NO_PLATFORM_ORIGIN"),
                            ("NO_EXTERNAL_REF", "NO_EXTERNAL_REF"),
                            ("REF_UNDER_OTHER_ORIGIN", "REF_UNDER_OTHER_ORIGIN"),
                            ("AMBIGUOUS_REF", "AMBIGUOUS_REF"),
                            ("ORDER_NOT_SYNCED", "ORDER_NOT_SYNCED"),
                            ("AMBIGUOUS_ORDER", "AMBIGUOUS_ORDER"),
                            ("ORDER_CANCELLED", "ORDER_CANCELLED"),
                            ("METADATA_CONFLICT", "METADATA_CONFLICT"),
                            ("LOOKUP_FAILED", "LOOKUP_FAILED"),
                            ("ITEM_REF_MISSING", "ITEM_REF_MISSING"),
                            ("ITEM_REF_UNKNOWN", "ITEM_REF_UNKNOWN"),
                            ("ITEM_REF_AMBIGUOUS", "ITEM_REF_AMBIGUOUS"),
                            ("QTY_EXCEEDS_ORDERED", "QTY_EXCEEDS_ORDERED"),
                            ("UNLINKED_BY_HAND", "UNLINKED_BY_HAND"),
                            ("LEFT_OUT_BY_HAND", "LEFT_OUT_BY_HAND"),
                        ],
                        max_length=30,
                    ),
                ),
                ("external_order_id", models.CharField(blank=True, max_length=255)),
                ("lines_found", models.PositiveSmallIntegerField(default=0)),
                (
                    "coverage_check",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="orders", to="matching.coveragecheck"
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
                "indexes": [models.Index(fields=["coverage_check", "position"], name="orders_of_a_check")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "coverage_check", "order_id"), name="one_row_a_check_and_order"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IdempotentAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=255)),
                (
                    "fingerprint",
                    models.CharField(help_text="Of the request: a key is good for one request only.", max_length=32),
                ),
                ("started_at", models.DateTimeField(db_index=True)),
                ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("body", models.TextField(blank=True)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.apiclient"
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
                "constraints": [
                    models.UniqueConstraint(fields=("merchant", "client", "key"), name="one_answer_a_client_and_key")
                ],
            },
        ),
        migrations.CreateModel(
            name="MatchDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("asked", models.PositiveIntegerField()),
                ("matched", models.PositiveIntegerField()),
                ("counted_at", models.DateTimeField(db_index=True)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="match_days", to="merchants.merchant"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["day"], name="match_days_by_day")],
                "constraints": [
                    models.UniqueConstraint(fields=("merchant", "day"), name="one_count_a_merchant_and_day")
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderFeed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "read_until",
                    models.DateTimeField(blank=True, help_text="The newest change of the last whole list.", null=True),
                ),
                (
                    "resume_after",
                    models.DateTimeField(blank=True, help_text="Where a list that is being read goes on.", null=True),
                ),
                ("next_read_at", models.DateTimeField()),
                ("last_read_at", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.CharField(blank=True, max_length=500)),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="order_feed",
                        to="merchants.reboundaccount",
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
                "indexes": [models.Index(fields=["next_read_at"], name="feeds_due")],
            },
        ),
        migrations.CreateModel(
            name="OrderImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file_name", models.CharField(max_length=255)),
                (
                    "kind",
                    models.CharField(
                        choices=[("CSV", "CSV, one row an item"), ("NDJSON", "NDJSON, one order a line")], max_length=10
                    ),
                ),
                ("size", models.PositiveBigIntegerField(help_text="Bytes of the file.")),
                ("is_stored", models.BooleanField(help_text="Whether the file is kept here until it is imported.")),
                ("started_by", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField()),
                (
                    "offset",
                    models.PositiveBigIntegerField(default=0, help_text="Bytes of the file that are done with."),
                ),
                ("created", models.PositiveIntegerField(default=0)),
                ("changed", models.PositiveIntegerField(default=0)),
                ("unchanged", models.PositiveIntegerField(default=0)),
                ("outdated", models.PositiveIntegerField(default=0)),
                ("rejected", models.PositiveIntegerField(default=0)),
                (
                    "claim",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, help_text="Fences off a worker that lost its lease."
                    ),
                ),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0, help_text="Since the last progress; counted before the work."
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "failure",
                    models.CharField(blank=True, help_text="Why it ended before the end of the file.", max_length=500),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="order_imports",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at__isnull", True)), fields=["created_at"], name="import_to_carry"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderImportPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("FILE", "The file as it was uploaded"),
                            ("REPORT", "What was rejected, with the errors"),
                        ],
                        max_length=10,
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("content", matching.import_models.EncryptedBytesField(blank=True, default="", editable=False)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "order_import",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="matching.orderimport"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "order_import", "kind", "number"), name="one_part_an_import_kind_and_number"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderPush",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("received_at", models.DateTimeField()),
                ("call", models.CharField(help_text="POST, PUT, BATCH, ...", max_length=20)),
                ("request_id", models.CharField(max_length=64)),
                ("orders", models.PositiveIntegerField()),
                ("created", models.PositiveIntegerField(default=0)),
                ("changed", models.PositiveIntegerField(default=0)),
                ("unchanged", models.PositiveIntegerField(default=0)),
                ("outdated", models.PositiveIntegerField(default=0)),
                ("rejected", models.PositiveIntegerField(default=0)),
                ("broken", models.JSONField(default=dict, help_text="Orders that broke a rule, by the rule's code.")),
                ("findings", models.JSONField(default=list)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pushes", to="merchants.apiclient"
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
                "verbose_name_plural": "order pushes",
                "indexes": [
                    models.Index(fields=["merchant", "client", "id"], name="pushes_of_a_client"),
                    models.Index(fields=["received_at"], name="push_by_time"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SalesOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("external_order_id", models.CharField(max_length=255)),
                ("external_order_id_folded", models.CharField(editable=False, max_length=512)),
                ("oms_order_id", models.CharField(blank=True, max_length=255, null=True)),
                ("metadata_conflict", models.CharField(blank=True, max_length=500)),
                (
                    "rebound_id",
                    models.CharField(blank=True, help_text="ReBound's id of the sales order.", max_length=255),
                ),
                (
                    "rebound_updated_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="ReBound's own time of what it told last; what is older is not taken.",
                        null=True,
                    ),
                ),
                ("ordered_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                ("customer_address", merchants.encryption.EncryptedJSONField(blank=True, default=dict, editable=False)),
                ("payload", models.JSONField(default=dict, help_text="As received, without the customer's address.")),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("READ_THROUGH", "Read from ReBound"),
                            ("PUSHED", "Pushed to our API"),
                            ("FILE", "Imported from a file"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "content_hash",
                    models.CharField(
                        blank=True, help_text="Of the pushed body: equal content is no change.", max_length=32
                    ),
                ),
                (
                    "version_at",
                    models.DateTimeField(blank=True, help_text="The OMS's own time of this version.", null=True),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "api_client",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="Who pushed it last.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="merchants.apiclient",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sales_orders",
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["merchant", "external_order_id_folded"], name="order_by_folded_id"),
                    models.Index(
                        condition=models.Q(("rebound_id", ""), _negated=True),
                        fields=["merchant", "rebound_id"],
                        name="order_by_rebound_id",
                    ),
                    models.Index(fields=["merchant", "updated_at", "id"], name="order_by_change"),
                    models.Index(fields=["source", "id"], name="orders_of_a_source"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "external_order_id"), name="one_order_a_merchant_and_external_id"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReferenceWrite",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("QUEUED", "Waits its turn"),
                            ("RETRYING", "A try failed; tried again"),
                            ("DONE", "Done"),
                            ("CANCELLED", "Not done: the order was cancelled first"),
                            ("CONFLICT", "The other side holds something else"),
                            ("REFUSED", "Refused"),
                        ],
                        default="QUEUED",
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=500)),
                ("wanted", models.CharField(max_length=32)),
                ("done", models.CharField(blank=True, max_length=32)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("queued_at", models.DateTimeField()),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("claim_token", models.UUIDField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0, help_text="Claims since it was queued.")),
                ("tiktok_order_id", models.CharField(max_length=64)),
                ("lines", models.JSONField(default=dict, help_text="External item id by TikTok's line id, as pushed.")),
                ("written", models.JSONField(default=dict, help_text="What TikTok was last seen to hold of ours.")),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Where it is looked for.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="merchants.shop",
                    ),
                ),
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reference_write",
                        to="matching.salesorder",
                    ),
                ),
            ],
            options={
                "permissions": (("try_again_referencewrite", "Can write references again"),),
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["shop", "next_attempt_at"],
                        name="references_due",
                    ),
                    models.Index(
                        condition=models.Q(("claimed_until__isnull", False)),
                        fields=["claimed_until"],
                        name="references_in_hand",
                    ),
                    models.Index(fields=["state"], name="reference_by_state"),
                    models.Index(fields=["tiktok_order_id"], name="reference_by_tiktok_order"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("next_attempt_at__isnull", False), ("state__in", ("QUEUED", "RETRYING"))),
                            models.Q(
                                models.Q(("state__in", ("QUEUED", "RETRYING")), _negated=True),
                                ("next_attempt_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="an_open_referencewrite_has_its_next_try",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("done", ""), ("done_at__isnull", True)),
                            models.Q(models.Q(("done", ""), _negated=True), ("done_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="a_done_referencewrite_says_when",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderRelay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("QUEUED", "Waits its turn"),
                            ("RETRYING", "A try failed; tried again"),
                            ("DONE", "Done"),
                            ("CANCELLED", "Not done: the order was cancelled first"),
                            ("CONFLICT", "The other side holds something else"),
                            ("REFUSED", "Refused"),
                        ],
                        default="QUEUED",
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=500)),
                ("wanted", models.CharField(max_length=32)),
                ("done", models.CharField(blank=True, max_length=32)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("queued_at", models.DateTimeField()),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("claim_token", models.UUIDField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0, help_text="Claims since it was queued.")),
                (
                    "asked",
                    models.CharField(
                        blank=True, help_text="A version that was sent, its outcome not known yet.", max_length=32
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
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
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="relay", to="matching.salesorder"
                    ),
                ),
            ],
            options={
                "permissions": (("try_again_orderrelay", "Can send an order to ReBound again"),),
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["account", "next_attempt_at"],
                        name="relays_due",
                    ),
                    models.Index(
                        condition=models.Q(("claimed_until__isnull", False)),
                        fields=["claimed_until"],
                        name="relays_in_hand",
                    ),
                    models.Index(fields=["state"], name="relay_by_state"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("next_attempt_at__isnull", False), ("state__in", ("QUEUED", "RETRYING"))),
                            models.Q(
                                models.Q(("state__in", ("QUEUED", "RETRYING")), _negated=True),
                                ("next_attempt_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="an_open_orderrelay_has_its_next_try",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("done", ""), ("done_at__isnull", True)),
                            models.Q(models.Q(("done", ""), _negated=True), ("done_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="a_done_orderrelay_says_when",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Match",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("return_id", models.CharField(help_text="TikTok's id of the return.", max_length=64)),
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
                ("is_curable", models.BooleanField(help_text="Whether waiting could have given a better answer.")),
                ("external_order_id", models.CharField(blank=True, max_length=255)),
                ("warnings", models.JSONField(default=list)),
                (
                    "trail",
                    models.JSONField(default=list, help_text="Each rule tried, what it compared, what it concluded."),
                ),
                (
                    "order_key",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The external order id as the shop's id rules compared it.",
                        max_length=255,
                    ),
                ),
                (
                    "decided_by",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Who decided by hand; empty: the rules did.",
                        max_length=150,
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        blank=True, db_default="", default="", help_text="Why a person decided so.", max_length=500
                    ),
                ),
                ("decided_at", models.DateTimeField()),
                ("superseded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="merchants.merchant"
                    ),
                ),
                (
                    "shop",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="matches",
                        to="merchants.shop",
                    ),
                ),
                (
                    "sales_order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="matches",
                        to="matching.salesorder",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "matches",
                "indexes": [
                    models.Index(fields=["shop", "return_id"], name="decisions_on_a_return"),
                    models.Index(
                        condition=models.Q(("superseded_at__isnull", True), models.Q(("order_key", ""), _negated=True)),
                        fields=["merchant", "order_key"],
                        name="match_by_order_key",
                    ),
                    models.Index(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=["merchant", "decided_at"],
                        name="current_match_by_time",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("merchant", "shop", "return_id"),
                        name="one_current_match_a_return",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("outcome__in", ["MATCHED", "PARTLY_MATCHED", "ORDER_ONLY"]),
                                ("sales_order__isnull", False),
                            ),
                            models.Q(("outcome__in", ["NOT_ASKED", "NO_MATCH"]), ("sales_order__isnull", True)),
                            _connector="OR",
                        ),
                        name="a_match_with_an_order_names_it",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_by", ""), ("note", "")),
                            models.Q(
                                models.Q(("decided_by", ""), _negated=True), models.Q(("note", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="a_match_by_hand_says_who_and_why",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SalesOrderItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                (
                    "external_item_id",
                    models.CharField(blank=True, help_text="clientMetadata.omsItemId", max_length=255, null=True),
                ),
                ("rebound_id", models.CharField(blank=True, max_length=255)),
                ("sku", models.CharField(blank=True, max_length=255)),
                ("description", models.CharField(blank=True, max_length=1000)),
                ("quantity", models.PositiveIntegerField()),
                ("price", models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("hs_code", models.CharField(blank=True, max_length=40)),
                ("country_of_origin", models.CharField(blank=True, max_length=2)),
                ("weight", models.DecimalField(blank=True, decimal_places=4, max_digits=12, null=True)),
                ("weight_unit", models.CharField(blank=True, max_length=10)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
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
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="matching.salesorder"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "order", "position"), name="one_item_an_order_and_position"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("price__isnull", True), ("price__gte", 0), _connector="OR"),
                        name="item_price_is_not_negative",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ItemMatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("return_line_item_id", models.CharField(max_length=64)),
                ("order_line_item_id", models.CharField(max_length=64)),
                ("external_item_id", models.CharField(blank=True, max_length=255)),
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
                ("released_at", models.DateTimeField(blank=True, null=True)),
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
                    "match",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="matching.match"
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="item_matches",
                        to="matching.salesorderitem",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "item matches",
                "indexes": [
                    models.Index(
                        condition=models.Q(("released_at__isnull", True)), fields=["item"], name="units_held_of_an_item"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "match", "return_line_item_id"), name="one_verdict_a_match_and_line"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("item__isnull", False), ("reason", "")),
                            models.Q(("item__isnull", True), models.Q(("reason", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="a_line_has_an_item_or_a_reason",
                    ),
                ],
            },
        ),
    ]
