"""Filters of the admin's lists that are more than a column: each by its name in the address, so that it can be kept."""

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from matching.models import Match
from merchants.models import Lane
from merchants.staff import within
from returns.admin.event_types import named
from returns.events import KNOWN_TYPES
from returns.models import Kind, ReboundReturn, TikTokReturn, WebhookEvent
from returns.rebound_events import MILESTONES

FEW = 1000  # keys to give the database at once


class WhereItIs(DropdownFilter):
    """`?at=half`, `?at=undelivered`."""

    title = _("where it is")
    parameter_name = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("half", _("Past half of its wait")), ("undelivered", _("Label not delivered"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TikTokReturn]) -> QuerySet[TikTokReturn]:
        rows: Any = queryset
        if self.value() == "half":
            return rows.past_half_of_wait(now=timezone.now())
        if self.value() == "undelivered":
            return rows.label_not_delivered()
        return queryset


def _whose_rebound_return_is(rows: QuerySet[Any], user: User | AnonymousUser, **such: Any) -> QuerySet[Any]:
    """Of returns, or of the returns at ReBound. Few are found by key. Of many, the list is walked from its newest row
    and asks of each, which soon fills a page: a join would collect and sort them all for the first one, and a walk
    would read every row to find few."""
    by = "pk" if rows.model is ReboundReturn else "rebound_return"
    wanted = within(ReboundReturn.objects.filter(**such), user)
    few = list(wanted.values_list("pk", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        return rows.filter(**{f"{by}__in": few})
    return rows.filter(Exists(wanted.filter(pk=OuterRef(by))))


class LinkedOrDirect(ChoicesDropdownFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return _whose_rebound_return_is(queryset, request.user, kind=self.value()) if self.value() else queryset


class EventType(DropdownFilter):
    """`?type__exact=12`, of the types that we know: asking the table which there are would read all of it."""

    title = _("type")
    parameter_name = "type__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(each, named(each)) for each in (*sorted(KNOWN_TYPES, key=int), *sorted(MILESTONES))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class WhyDirect(DropdownFilter):
    """`?why=ORDER_NOT_SYNCED`: why a return is direct, or was at first."""

    title = _("why direct")
    parameter_name = "why"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Match.REASONS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        # Of either kind: the index starts with it.
        return _whose_rebound_return_is(queryset, request.user, kind__in=Kind.values, direct_reason=self.value())


class Country(DropdownFilter):
    """`?country=GB`: where the parcel starts. The countries are those that lanes name."""

    title = _("country")
    parameter_name = "country"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        lanes = within(Lane.objects.exclude(country=""), request.user)
        return [(each, each) for each in lanes.order_by("country").values_list("country", flat=True).distinct()[:100]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TikTokReturn]) -> QuerySet[TikTokReturn]:
        return _whose_rebound_return_is(queryset, request.user, country=self.value()) if self.value() else queryset
