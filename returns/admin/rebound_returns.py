"""Return orders at ReBound, for looking: what we asked for, what came back, which TikTok returns travel in it."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin, json_panel
from returns.models import ReboundReturn


@admin.register(ReboundReturn)
class ReboundReturnAdmin(ReadOnlyAdmin):
    list_display = ("reference", "shop", "kind", "direct_reason", "rebound_id", "rebound_status", "started_at")
    list_filter = ("kind", "direct_reason", ("shop", OwnAutocompleteFilter))
    list_select_related = ("shop",)
    search_fields = ("reference__exact", "rebound_id__exact", "label__tracking_number__exact")
    search_help_text = "The whole reference, ReBound id or tracking number."
    fields = (
        "reference",
        "tiktok_returns",
        "merchant",
        "shop",
        "account",
        "kind",
        "direct_reason",
        "sales_order",
        "linked_late_at",
        "link_note",
        "country",
        "carrier_service",
        "shipping_provider_id",
        "label_format",
        "rebound_id",
        "rebound_status",
        "started_at",
        "asked_at",
        "confirmed_at",
        "cancelled_at",
        "asked_for",
        "answer",
    )
    readonly_fields = ("tiktok_returns", "asked_for", "answer")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReboundReturn]:
        return super().get_queryset(request).defer("request", "payload")

    @admin.display(description="TikTok returns")
    def tiktok_returns(self, row: ReboundReturn) -> SafeString | str:
        found = row.tiktok_returns.order_by("pk").values_list("pk", "return_id")
        links = [(reverse("admin:returns_tiktokreturn_change", args=[key]), name) for key, name in found]
        return format_html_join(mark_safe(", "), '<a href="{}">{}</a>', links) or "-"

    @admin.display(description="Asked for")
    def asked_for(self, row: ReboundReturn) -> SafeString | str:
        return json_panel(row.request)

    @admin.display(description="ReBound's answer")
    def answer(self, row: ReboundReturn) -> SafeString | str:
        return json_panel(row.payload)
