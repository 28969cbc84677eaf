"""The list and the page of a return."""

from datetime import UTC
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter

from matching.decision_words import in_words
from matching.models import Match
from merchants.audit import LOOKED_AT_BUYER, record_act
from merchants.settings_history import settings_applied
from merchants.staff import BUYER_DATA
from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin, json_panel
from returns.acts import PERMISSION_OF, Name
from returns.admin.act_views import ActViews
from returns.admin.advice import next_move
from returns.admin.bulk_views import BulkViews
from returns.admin.export import csv_of
from returns.admin.filters import Country, LinkedOrDirect, WhereItIs, WhyDirect
from returns.admin.ids import ids_of
from returns.admin.match_panel import match_panel
from returns.admin.search import FIELDS, returns_with_id
from returns.admin.timeline import timeline
from returns.models import LabelFormat, ReturnLabel, Status, TikTokReturn

HEAVY = (
    "payload",
    "buyer_address",
    "rebound_return__request",
    "rebound_return__payload",
    "rebound_return__label__content",
)
OLD_DECISIONS = 50  # on the timeline


def _chosen(name: Name) -> Any:
    """The action of the list that leads to the page before a run over the selection."""

    def act(model_admin: Any, request: HttpRequest, queryset: QuerySet[TikTokReturn]) -> HttpResponse:
        answer: HttpResponse = model_admin.to_bulk_page(name, queryset)
        return answer

    act.__name__ = f"act_{name}"
    return admin.action(description=name.label, permissions=[name.value])(act)


@admin.register(TikTokReturn)
class TikTokReturnAdmin(ActViews, BulkViews, ReadOnlyAdmin):
    list_display = ("return_id", "shop", "state", "matched", "kind", "age", "wait_left", "label", "updated")
    list_filter = (
        "status",
        "reason",
        WhereItIs,
        "match_outcome",
        "platform_origin",
        ("rebound_return__kind", LinkedOrDirect),
        WhyDirect,
        Country,
        ("created_at", RangeDateFilter),
        ("merchant", OwnAutocompleteFilter),
        ("shop", OwnAutocompleteFilter),
    )
    list_select_related = True  # get_queryset says which
    list_before_template = "admin/returns/list_acts.html"
    search_fields = FIELDS
    search_help_text = _("A whole id: return, TikTok order, external order, our reference, tracking number.")
    actions = tuple(_chosen(name) for name in Name)
    fieldsets = ()  # the page is a template of its own: change_form.html

    class Media:
        css = {"all": ("returns/admin.css",)}
        js = ("returns/admin.js",)

    def get_readonly_fields(self, request: HttpRequest, obj: TikTokReturn | None = None) -> list[str]:
        return []

    def get_queryset(self, request: HttpRequest) -> QuerySet[TikTokReturn]:
        current = Match.objects.current().filter(
            merchant=OuterRef("merchant"), shop=OuterRef("shop"), return_id=OuterRef("return_id")
        )
        annotated: QuerySet[TikTokReturn] = (
            super()
            .get_queryset(request)
            .annotate(
                decided_as=Subquery(current.values("outcome")[:1]),
                decided_why=Subquery(current.values("reason")[:1]),
            )
            .select_related("shop", "merchant", "rebound_return__label", "rebound_return__sales_order")
            .defer(*HEAVY, "rebound_return__sales_order__payload", "rebound_return__sales_order__customer_address")
        )
        return annotated

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TikTokReturn], search_term: str
    ) -> tuple[QuerySet[TikTokReturn], bool]:
        term = search_term.strip()
        return (returns_with_id(term, rows=queryset, user=request.user) if term else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        more = {
            "may_bulk": any(self.may(request, name.value) for name in Name),
            "may_export": self.may(request, "export"),
            "may_see_buyer_data": request.user.has_perm(BUYER_DATA),
            "list_query": request.GET.urlencode(),
        }
        return super().changelist_view(request, {**more, **(extra_context or {})})

    # Columns

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: TikTokReturn) -> SafeString:
        return _two_lines(row.get_status_display(), row.get_reason_display())

    @admin.display(description=_("Match"))
    def matched(self, row: Any) -> SafeString:
        outcome = dict(Match.OUTCOMES).get(row.decided_as, "-")
        return _two_lines(outcome, dict(Match.REASONS).get(row.decided_why, ""))

    @admin.display(description=_("Linked or direct"))
    def kind(self, row: TikTokReturn) -> SafeString | str:
        held = row.rebound_return
        if held is None:
            return "-"
        return _two_lines(held.get_kind_display(), dict(Match.REASONS).get(held.direct_reason, held.direct_reason))

    @admin.display(description=_("Age"), ordering="-created_at")
    def age(self, row: TikTokReturn) -> str:
        return timesince(row.created_at, depth=1)

    @admin.display(description=_("Wait left"))
    def wait_left(self, row: TikTokReturn) -> str:
        if row.status != Status.WAITING or row.match_wait_until is None:
            return "-"
        return timeuntil(row.match_wait_until, depth=1) if row.match_wait_until > timezone.now() else str(_("over"))

    @admin.display(description=_("Label"))
    def label(self, row: TikTokReturn) -> SafeString | str:
        label = _label(row)
        if label is None:
            return "-"
        return _two_lines(str(_("Delivered") if row.label_delivered_at else _("Not delivered")), label.tracking_number)

    @admin.display(description=_("Updated"))
    def updated(self, row: TikTokReturn) -> SafeString:
        at = row.status_changed_at.astimezone(UTC)
        return format_html('<span class="desk-when">{}<br>{} UTC</span>', f"{at:%Y-%m-%d}", f"{at:%H:%M}")

    # The page

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        row = options.get("obj")
        return super().render_change_form(request, {**context, **self._page(request, row)}, *args, **options)

    def _page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        decisions = (
            Match.objects.for_merchant(row.merchant)
            .filter(shop=row.shop, return_id=row.return_id)
            .select_related("sales_order")
            .defer("sales_order__payload", "sales_order__customer_address")
        )
        matches = list(decisions.order_by("-pk")[:OLD_DECISIONS])
        current = next((match for match in matches if match.superseded_at is None), None)
        return {
            "row": row,
            "move": next_move(row),
            "panel": match_panel(row, match=current) if current else None,
            "settings": settings_applied(shop=row.shop, at=current.decided_at) if current else None,
            "timeline": timeline(row, matches=matches, user=request.user),
            "label": _label(row),
            "ids": ids_of(row, match=current, label=_label(row)),
            "may_see_buyer_data": request.user.has_perm(BUYER_DATA),
            "facts": _facts(row),
            "acts": self.acts_on(request, row, is_matched=bool(current and current.sales_order_id)),
            "may_undo": {act for act, permission in PERMISSION_OF.items() if self.may(request, permission)},
        }

    # What hangs on a return: its label and its payloads

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:key>/label", view(self.label_view), name="returns_tiktokreturn_label"),
            path("<int:key>/payload", view(self.payload_view), name="returns_tiktokreturn_payload"),
            path("export/", view(self.export_view), name="returns_tiktokreturn_export"),
            *self.act_urls(),
            *self.bulk_urls(),
            *super().get_urls(),
        ]

    def label_view(self, request: HttpRequest, key: int) -> HttpResponse:
        row = self.get_object(request, str(key))
        # A label carries the buyer's address.
        if not self.has_view_permission(request, row) or not request.user.has_perm(BUYER_DATA):
            raise PermissionDenied
        label = _label(row)
        if label is None or not label.content:  # there was none, or its time of keeping is over
            raise Http404
        record_act(act=LOOKED_AT_BUYER, actor=request.user, subject=row, detail={"label": label.pk}, now=timezone.now())
        response = HttpResponse(bytes(label.content), content_type=label.content_type)
        # The carrier's file is data to look at; it must never run as a page of ours.
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        ending = "pdf" if label.format == LabelFormat.PDF else "png"
        response["Content-Disposition"] = f'inline; filename="{label.pk}.{ending}"'
        return response

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """What the list finds, as CSV. Buyer data only for those who may see it and ask for it; either is logged."""
        if not self.has_view_permission(request) or not self.may(request, "export"):
            raise PermissionDenied
        query = request.GET.copy()
        with_buyer = query.pop("with_buyer", [""]) != [""]
        if with_buyer and not request.user.has_perm(BUYER_DATA):
            raise PermissionDenied
        rows = self.found(request, query)
        if with_buyer:
            rows = rows.defer(None).defer(*(name for name in HEAVY if name != "buyer_address"))
        act = "Exported returns with buyer data" if with_buyer else "Exported returns"
        detail = {"filters": query.urlencode()[:1000]}
        record_act(act=act, actor=request.user, detail=detail, now=timezone.now())
        response = StreamingHttpResponse(csv_of(rows, with_buyer=with_buyer), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="returns-{timezone.now():%Y%m%d-%H%M%S}.csv"'
        return response

    def payload_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """What the remote systems answered. Personal fields were dropped before it was stored."""
        row = self.get_object(request, str(key))
        if request.method != "GET" or not self.has_view_permission(request, row):
            raise PermissionDenied
        held = row.rebound_return
        panels = [(_("TikTok's answer"), json_panel(row.payload))]
        if held is not None:
            panels += [
                (_("What we asked ReBound for"), json_panel(held.request)),
                (_("ReBound's answer"), json_panel(held.payload)),
            ]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Payloads of {return_id}").format(return_id=row.return_id),
            "opts": self.opts,
            "panels": panels,
            "back": reverse("admin:returns_tiktokreturn_change", args=[row.pk]),
        }
        return TemplateResponse(request, "admin/payloads.html", context)


def _may(name: Name) -> Any:
    def allowed(model_admin: Any, request: HttpRequest) -> bool:
        return bool(model_admin.may(request, name.value))

    return allowed


for _name in Name:
    setattr(TikTokReturnAdmin, f"has_{_name}_permission", _may(_name))


def _two_lines(first: str, second: str) -> SafeString:
    # In one element: on a narrow window the theme lays out what is in a cell side by side.
    lines = '<span class="desk-two"><strong>{}</strong><br>{}</span>'
    return format_html(lines, first, second) if second else format_html("{}", first)


def _label(row: TikTokReturn) -> ReturnLabel | None:
    return getattr(row.rebound_return, "label", None) if row.rebound_return else None


def _facts(row: TikTokReturn) -> list[tuple[Any, Any]]:
    """Name and value of what TikTok says and of how far we are; an empty value is left out."""
    held = row.rebound_return
    facts: list[tuple[Any, Any]] = [
        (_("Return status"), row.return_status),
        (_("Return type"), row.return_type),
        (_("Return method"), row.return_method),
        (_("Document type"), row.document_type),
        (_("Parcel"), row.combined_return_id),
        (_("Replaces return"), row.pre_return_id),
        (_("Replaced by return"), row.next_return_id),
        (_("Tracking number at TikTok"), row.tiktok_tracking_number),
        (_("Buyer's reason"), row.reason_code),
        (_("Changed at TikTok"), row.tiktok_updated_at),
        (_("Fetched"), row.fetched_at),
        (_("Country"), held.country if held else ""),
        (_("Carrier service"), held.carrier_service if held else ""),
        (_("Why direct"), in_words(held.direct_reason) if held else ""),
        (_("Asked to go direct by"), row.direct_asked_by),
        (_("Resolved by hand"), row.resolved_at),
        (_("Tries since the last success"), row.attempts or ""),
        (_("Notifications and hints"), f"{row.fetched_hint_count} / {row.hint_count}"),
    ]
    return [(name, value) for name, value in facts if value not in (None, "")]
