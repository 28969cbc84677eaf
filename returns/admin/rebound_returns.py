"""Return orders at ReBound, for looking: what we asked for, what came back, which TikTok returns travel in it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from matching.decision_words import WORDS
from merchants.staff import within
from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin, json_panel
from returns.admin.filters import LinkedOrDirect, WhyDirect
from returns.admin.search import MOST
from returns.models import ReboundReturn, ReturnLabel

STATUSES = {"ACTIVE": _("Active"), "CANCELLED": _("Cancelled"), "NOT_FOUND": _("Not there any more")}


@admin.register(ReboundReturn)
class ReboundReturnAdmin(ReadOnlyAdmin):
    list_display = ("reference", "shop", "kind", "why_direct", "rebound_id", "status", "started_at")
    list_filter = (("kind", LinkedOrDirect), WhyDirect, ("shop", OwnAutocompleteFilter))
    list_select_related = ("shop",)
    search_fields = ("reference__exact", "rebound_id__exact", "label__tracking_number__exact")
    search_help_text = _("The whole reference, ReBound id or tracking number.")
    fields = (
        "reference",
        "tiktok_returns",
        "merchant",
        "shop",
        "account",
        "kind",
        "why_direct",
        "sales_order",
        "linked_late_at",
        "link_note",
        "country",
        "carrier_service",
        "shipping_provider_id",
        "label_format",
        "rebound_id",
        "status",
        "started_at",
        "asked_at",
        "confirmed_at",
        "cancelled_at",
        "asked_for",
        "answer",
    )
    readonly_fields = ("why_direct", "status", "tiktok_returns", "asked_for", "answer")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ReboundReturn], search_term: str
    ) -> tuple[QuerySet[ReboundReturn], bool]:
        """Each id through its own index: an OR of the three would read all."""
        term = search_term.strip()
        if not term:
            return queryset, False
        own = within(ReboundReturn.objects.all(), request.user)
        labels = within(ReturnLabel.objects.filter(tracking_number=term), request.user)
        named = [own.filter(**{field: term}).values_list("pk", flat=True) for field in ("reference", "rebound_id")]
        keys = labels.values_list("rebound_return", flat=True).union(*named)
        return queryset.filter(pk__in=list(keys[:MOST])), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReboundReturn]:
        return super().get_queryset(request).defer("request", "payload")

    @admin.display(description=_("Why direct"), ordering="direct_reason")
    def why_direct(self, row: ReboundReturn) -> SafeString | str:
        return _titled(WORDS, row.direct_reason)

    @admin.display(description=_("Status at ReBound"), ordering="rebound_status")
    def status(self, row: ReboundReturn) -> SafeString | str:
        return _titled(STATUSES, row.rebound_status)

    @admin.display(description=_("TikTok returns"))
    def tiktok_returns(self, row: ReboundReturn) -> SafeString | str:
        found = row.tiktok_returns.order_by("pk").values_list("pk", "return_id")
        links = [(reverse("admin:returns_tiktokreturn_change", args=[key]), name) for key, name in found]
        return format_html_join(mark_safe(", "), '<a href="{}">{}</a>', links) or "-"

    @admin.display(description=_("Asked for"))
    def asked_for(self, row: ReboundReturn) -> SafeString | str:
        return json_panel(row.request)

    @admin.display(description=_("ReBound's answer"))
    def answer(self, row: ReboundReturn) -> SafeString | str:
        return json_panel(row.payload)


def _titled(words: dict[str, Any], code: str) -> SafeString | str:
    """The word, and the code to whoever points at it."""
    return format_html('<span title="{}">{}</span>', code, words.get(code, code)) if code else "-"
