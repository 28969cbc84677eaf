"""Notifications as they arrived: to look at, the body without what it may say of a buyer, and to replay."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from merchants.act_pages import act_page
from merchants.audit import record_act, record_acts
from merchants.models import Shop
from merchants.staff import within
from merchants.tenant_admin import ReadOnlyAdmin, json_panel
from rebound_tts.clients.tiktok_answers import is_personal
from returns.admin.act_views import MayBeEmptyForm
from returns.admin.event_types import named
from returns.admin.filters import EventType
from returns.bell import bell
from returns.models import EventSource, WebhookEvent
from returns.replay import MOST, events_of_shop, replay

MASK = "•••"
MOST_FOUND = 200
# Of ReBound's events, beside what TikTok's fields are called.
PERSONAL = {"customer", "customeraddress", "address", "email", "phone", "phonenumber", "firstname", "lastname"}


def masked(value: Any) -> Any:
    """A JSON value with everything that speaks of a buyer masked; the names of the fields stay."""
    if isinstance(value, dict):
        return {
            name: MASK if is_personal(name) or name.lower() in PERSONAL else masked(each)
            for name, each in value.items()
        }
    return [masked(each) for each in value] if isinstance(value, list) else value


def masked_body(body: str) -> SafeString | str:
    """The body of a notification over several lines, masked."""
    try:
        return json_panel(masked(json.loads(body)))
    except ValueError:
        return str(_("Not JSON, so it is not shown."))


class SinceForm(MayBeEmptyForm):
    """Which shop, and since when: everything that TikTok told of it is handled again."""

    shop = forms.CharField(
        label=_("Shop"), widget=UnfoldAdminTextInputWidget, help_text=_("TikTok's id of the shop, or its whole name.")
    )
    since = forms.DateTimeField(
        label=_("Since (UTC)"), widget=UnfoldAdminTextInputWidget, help_text=_("As in 2026-01-31 14:00.")
    )
    field_order = ("shop", "since", "reason")

    def __init__(self, *args: Any, user: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._user = user

    def clean_shop(self) -> Shop:
        told = self.cleaned_data["shop"].strip()
        shops = within(Shop.objects.filter(Q(shop_id=told) | Q(name=told)), self._user)[:2]
        if len(shops) != 1:
            raise forms.ValidationError(
                _("No shop of your merchants is called so.") if not shops else _("Several are: give TikTok's id.")
            )
        found: Shop = shops[0]
        return found


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "source", "named_type", "shop_id", "outcome", "detail", "tiktok_return")
    list_filter = ("source", EventType, "outcome")
    list_select_related = ("tiktok_return",)
    search_fields = ("dedupe_key__exact", "correlation_id__exact", "shop_id__exact")
    search_help_text = _("The whole notification id, correlation id or shop id.")
    actions = ("replay_chosen",)
    list_before_template = "admin/returns/event_acts.html"
    change_form_outer_before_template = "admin/returns/event_act.html"

    class Media:
        css = {"all": ("returns/admin.css",)}

    fields = (
        "source",
        "named_type",
        "shop_id",
        "merchant",
        "tiktok_return",
        "dedupe_key",
        "correlation_id",
        "received_at",
        "handled_at",
        "outcome",
        "detail",
        "masked_body",
    )
    readonly_fields = ("named_type", "masked_body")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WebhookEvent], search_term: str
    ) -> tuple[QuerySet[WebhookEvent], bool]:
        """Each id through its own index: an OR of the three would read all events."""
        term = search_term.strip()
        if not term:
            return queryset, False
        events = within(WebhookEvent.objects.all(), request.user).values_list("pk", flat=True)
        named = events.filter(dedupe_key=term, source__in=EventSource.values)  # its index starts with the source
        keys = list(named.union(events.filter(correlation_id=term))[:MOST_FOUND])
        return queryset.filter(pk__in=keys) if keys else queryset.filter(shop_id=term), False

    def get_ordering(self, request: HttpRequest) -> Any:
        """What a search found by the time, the newest first: a shop's events have an index by it."""
        return ("-received_at", "-pk") if request.GET.get(SEARCH_VAR) else super().get_ordering(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        return super().get_queryset(request).defer("body", "tiktok_return__payload", "tiktok_return__buyer_address")

    @admin.display(description=_("Type"), ordering="type")
    def named_type(self, event: WebhookEvent) -> str:
        return named(event.type)

    @admin.display(description=_("Body, masked"))
    def masked_body(self, event: WebhookEvent) -> SafeString | str:
        return masked_body(event.body)

    # Replay

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("replay/", view(self.replay_since_view), name="returns_webhookevent_replay_since"),
            path("<int:key>/replay/", view(self.replay_view), name="returns_webhookevent_replay"),
            *super().get_urls(),
        ]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "replay")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        more = {"may_replay": self.has_replay_permission(request)}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        more = {"may_replay": self.has_replay_permission(request), "event": options.get("obj")}
        return super().render_change_form(request, {**context, **more}, *args, **options)

    @admin.action(description=_("Replay"), permissions=["replay"])
    def replay_chosen(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        chosen = list(queryset)
        count = replay(WebhookEvent.objects.filter(pk__in=[event.pk for event in chosen]))
        record_acts(act="Replay", actor=request.user, subjects=chosen, now=timezone.now())
        self._told(request, count)

    def replay_view(self, request: HttpRequest, key: int) -> HttpResponse:
        event = self.get_object(request, str(key))
        if not self.has_replay_permission(request):
            raise PermissionDenied
        form = MayBeEmptyForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            count = replay(WebhookEvent.objects.filter(pk=event.pk))
            reason = form.cleaned_data["reason"]
            record_act(act="Replay", actor=request.user, subject=event, reason=reason, now=timezone.now())
            self._told(request, count)
            return HttpResponseRedirect(reverse("admin:returns_webhookevent_change", args=[event.pk]))
        effect = _("It is handled again as if it had just arrived. Nothing that exists is made a second time.")
        return act_page(self, request, row=event, title=_("Replay"), effect=effect, form=form, button=_("Replay"))

    def replay_since_view(self, request: HttpRequest) -> HttpResponse:
        """All of a shop since a time: first how many that are, then the replay."""
        if not self.has_replay_permission(request):
            raise PermissionDenied
        form = SinceForm(request.POST if request.method == "POST" else None, user=request.user)
        count = None
        if form.is_bound and form.is_valid():
            shop, since = form.cleaned_data["shop"], form.cleaned_data["since"]
            events = events_of_shop(shop.shop_id, since=since)
            count = events.order_by().values("pk")[: MOST + 1].count()
            if count > MOST:
                form.add_error("since", _("More than {most} events: choose a later time.").format(most=MOST))
            elif "replay" in request.POST:
                count = replay(events)
                detail = {"since": since.isoformat(), "events": count}
                reason = form.cleaned_data["reason"]
                record_act(
                    act="Replay", actor=request.user, subject=shop, reason=reason, detail=detail, now=timezone.now()
                )
                self._told(request, count)
                return HttpResponseRedirect(reverse("admin:returns_webhookevent_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Replay a shop's events"),
            "opts": self.opts,
            "form": form,
            "count": None if form.errors else count,
        }
        return TemplateResponse(request, "admin/returns/replay.html", context)

    def _told(self, request: HttpRequest, count: int) -> None:
        bell.ring()
        said = _("{count} events are handled again; those that wait already were left alone.").format(count=count)
        self.message_user(request, said, messages.SUCCESS)
