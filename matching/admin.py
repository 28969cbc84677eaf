"""Sales orders as they were synced: what arrived, what is odd about it, which returns came of it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from matching.coverage_admin import CoverageCheckAdmin as CoverageCheckAdmin  # pages that have a module of their own
from matching.errands import queue_again
from matching.import_admin import OrderImportAdmin as OrderImportAdmin
from matching.models import (
    Errand,
    OrderFeed,
    OrderPush,
    OrderRelay,
    OrderSource,
    ReferenceWrite,
    SalesOrder,
    SalesOrderItem,
)
from matching.order_body import order_warnings
from merchants.audit import LOOKED_AT_BUYER, record_act, record_acts
from merchants.models import Merchant
from merchants.staff import BUYER_DATA, within
from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin, ReadOnlyInline, json_panel

MOST_FOUND = 100


class SalesOrderItemInline(ReadOnlyInline):
    model = SalesOrderItem
    ordering = ("position",)


def errand_summary(errand: Errand, page: str) -> SafeString:
    """The state of an errand, why, and when, as a link to its page."""
    told = [str(errand.get_state_display()), errand.detail]
    if errand.done_at:
        told.append(_("last done {time} UTC").format(time=f"{errand.done_at:%Y-%m-%d %H:%M:%S}"))
    if errand.next_attempt_at:
        told.append(_("next try {time} UTC").format(time=f"{errand.next_attempt_at:%Y-%m-%d %H:%M:%S}"))
    return format_html('<a href="{}">{}</a>', reverse(page, args=[errand.pk]), "; ".join(filter(None, told)))


def _orders_called(term: str, user: Any) -> set[int]:
    """Keys of one's own orders that carry this id. Each id through the index that starts with the merchant, whoever
    asks: an OR of both would read all."""
    merchants = within(Merchant.objects.all(), user, path="pk").values("pk")
    orders = SalesOrder.objects.filter(merchant__in=merchants)
    found = [orders.filter(external_order_id=term), orders.filter(rebound_id=term).exclude(rebound_id="")]
    return {key for each in found for key in each.values_list("pk", flat=True)[:MOST_FOUND]}


class ErrandAdmin(ReadOnlyAdmin):
    """What must be done elsewhere for orders. One that needs a person, or fails, can be tried again."""

    list_select_related = ("order", "merchant")
    actions = ("try_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("order__payload", "order__customer_address")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the keys of the orders: a join would read all errands, or all orders."""
        term = search_term.strip()
        return (queryset.filter(order__in=_orders_called(term, request.user)) if term else queryset), False

    @admin.action(description=_("Try again now"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        chosen, now = list(queryset), timezone.now()
        count = queue_again(queryset.model.objects.filter(pk__in=[row.pk for row in chosen]), now=now)
        record_acts(act="Try again now", actor=request.user, subjects=chosen, now=now)
        said = _("{count} queued again. What is done already was left alone.").format(count=count)
        self.message_user(request, said, messages.SUCCESS)

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "try_again")


@admin.register(OrderRelay)
class OrderRelayAdmin(ErrandAdmin):
    search_fields = ("order__external_order_id__exact",)
    search_help_text = _("The whole external order id.")
    list_display = ("order", "merchant", "state", "detail", "queued_at", "done_at", "next_attempt_at", "attempts")
    list_filter = ("state", ("merchant", OwnAutocompleteFilter))


@admin.register(ReferenceWrite)
class ReferenceWriteAdmin(ErrandAdmin):
    list_display = ("order", "merchant", "tiktok_order_id", "state", "detail", "done_at", "next_attempt_at", "attempts")
    list_filter = ("state", ("merchant", OwnAutocompleteFilter))
    search_fields = ("order__external_order_id__exact", "tiktok_order_id__exact")
    search_help_text = _("The whole external order id, or TikTok's order id.")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, _may_repeat = super().get_search_results(request, queryset, search_term)
        term = search_term.strip()
        if not term or found.exists():
            return found, False
        return queryset.filter(tiktok_order_id=term), False


@admin.register(OrderFeed)
class OrderFeedAdmin(ReadOnlyAdmin):
    list_display = ("account", "merchant", "read_until", "last_read_at", "next_read_at", "last_error")
    list_filter = (("merchant", OwnAutocompleteFilter),)
    list_select_related = ("account", "merchant")


@admin.register(SalesOrder)
class SalesOrderAdmin(ReadOnlyAdmin):
    list_display = ("external_order_id", "merchant", "source", "first_seen_at", "updated_at", "state")
    list_filter = ("source", ("merchant", OwnAutocompleteFilter))  # no column without an index: it would read all
    list_select_related = ("merchant",)
    search_fields = ("external_order_id__exact", "rebound_id__exact")
    search_help_text = _("The whole external order id, or ReBound's id of the sales order.")
    inlines = (SalesOrderItemInline,)
    fields = (
        "merchant",
        "external_order_id",
        "oms_order_id",
        "metadata_conflict",
        "rebound_id",
        "relayed",
        "references",
        "warnings",
        "returns",
        "source",
        "api_client",
        "ordered_at",
        "cancelled_at",
        "first_seen_at",
        "updated_at",
        "as_received",
        "customer",
    )
    readonly_fields = ("relayed", "references", "warnings", "returns", "as_received", "customer")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SalesOrder]:
        return super().get_queryset(request).defer("payload", "customer_address")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SalesOrder], search_term: str
    ) -> tuple[QuerySet[SalesOrder], bool]:
        term = search_term.strip()
        return (queryset.filter(pk__in=_orders_called(term, request.user)) if term else queryset), False

    @admin.display(description=_("State"))
    def state(self, order: SalesOrder) -> str:
        if order.cancelled_at:
            return str(_("Cancelled"))
        return str(_("Contradicts itself") if order.metadata_conflict else _("Active"))

    @admin.display(description=_("Warnings"))
    def warnings(self, order: SalesOrder) -> SafeString | str:
        # What was read from ReBound has ReBound's own shape, of which the rules of a push say nothing.
        findings = [] if order.source == OrderSource.READ_THROUGH else order_warnings(order.payload)
        told = [(finding.pointer, finding.message) for finding in findings]
        if order.metadata_conflict:
            told.insert(0, ("/clientMetadata", order.metadata_conflict))
        return format_html_join(mark_safe("<br>"), "<code>{}</code> {}", told) or str(_("None"))

    @admin.display(description=_("Its returns"))
    def returns(self, order: SalesOrder) -> SafeString | str:
        """Each links to the list of returns, which stands in a layer above this one."""
        current = order.matches.filter(superseded_at__isnull=True).order_by("-pk")[:MOST_FOUND]
        listed = reverse("admin:returns_tiktokreturn_changelist")
        links = [(f"{listed}?{urlencode({'q': match.return_id})}", match.return_id, match.outcome) for match in current]
        return format_html_join(mark_safe("<br>"), '<a class="underline" href="{}">{}</a> {}', links) or str(_("None"))

    @admin.display(description=_("Customer's address"))
    def customer(self, order: SalesOrder) -> SafeString | str:
        address = reverse("admin:matching_salesorder_address", args=[order.pk])
        return format_html(
            '<a class="underline" href="{}">{}</a> {}',
            address,
            _("Look at it"),
            _("(needs the permission; each look is logged)"),
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.address_view)
        return [path("<int:key>/address/", view, name="matching_salesorder_address"), *super().get_urls()]

    def address_view(self, request: HttpRequest, key: int) -> HttpResponse:
        order = self.get_object(request, str(key))
        may = self.has_view_permission(request, order) and request.user.has_perm(BUYER_DATA)
        if not may or request.method != "GET":
            raise PermissionDenied
        record_act(act=LOOKED_AT_BUYER, actor=request.user, subject=order, now=timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "title": _("Customer's address of {order}").format(order=order),
            "opts": self.opts,
            "panel": json_panel(order.customer_address),
            "back": reverse("admin:matching_salesorder_change", args=[order.pk]),
        }
        return TemplateResponse(request, "admin/address.html", context)

    @admin.display(description=_("Sent on to ReBound"))
    def relayed(self, order: SalesOrder) -> SafeString | str:
        if not hasattr(order, "relay"):
            return str(_("No: no ReBound account of the merchant relays orders"))
        return errand_summary(order.relay, "admin:matching_orderrelay_change")

    @admin.display(description=_("Written to TikTok"))
    def references(self, order: SalesOrder) -> SafeString | str:
        if not hasattr(order, "reference_write"):
            return str(_("No: its OMS named no order of TikTok's, or no shop has it switched on"))
        return errand_summary(order.reference_write, "admin:matching_referencewrite_change")

    @admin.display(description=_("As received"))
    def as_received(self, order: SalesOrder) -> SafeString | str:
        return json_panel(order.payload)


class Rejections(DropdownFilter):
    title = _("rejected orders")
    parameter_name = "rejected"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Some were rejected"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OrderPush]) -> QuerySet[OrderPush]:
        return queryset.filter(rejected__gt=0) if self.value() == "yes" else queryset


@admin.register(OrderPush)
class OrderPushAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "merchant", "client", "call", "orders", "created", "changed", "rejected")
    list_filter = (Rejections, ("merchant", OwnAutocompleteFilter))
    list_select_related = ("merchant", "client")
    search_fields = ("request_id__exact",)
    search_help_text = _("The whole request id.")
    fields = (
        "received_at",
        "merchant",
        "client",
        "call",
        "request_id",
        "orders",
        "created",
        "changed",
        "unchanged",
        "outdated",
        "rejected",
        "rules_broken",
        "first_findings",
    )
    readonly_fields = ("rules_broken", "first_findings")

    @admin.display(description=_("Rules that were broken"))
    def rules_broken(self, push: OrderPush) -> SafeString | str:
        return json_panel(push.broken)

    @admin.display(description=_("What was wrong, the first of it"))
    def first_findings(self, push: OrderPush) -> SafeString | str:
        return json_panel(push.findings)
