"""Filters of the admin's lists that are more than a column: each by its name in the address, so that it can be kept."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from matching.models import Match
from merchants.models import Lane
from merchants.staff import within
from returns.models import TikTokReturn


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


class WhyDirect(DropdownFilter):
    """`?why=ORDER_NOT_SYNCED`: why a return is direct, or was at first."""

    title = _("why direct")
    parameter_name = "why"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Match.REASONS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[TikTokReturn]) -> QuerySet[TikTokReturn]:
        return queryset.filter(rebound_return__direct_reason=self.value()) if self.value() else queryset


class Country(DropdownFilter):
    """`?country=GB`: where the parcel starts. The countries are those that lanes name."""

    title = _("country")
    parameter_name = "country"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        lanes = within(Lane.objects.exclude(country=""), request.user)
        return [(each, each) for each in lanes.order_by("country").values_list("country", flat=True).distinct()[:100]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TikTokReturn]) -> QuerySet[TikTokReturn]:
        return queryset.filter(rebound_return__country=self.value()) if self.value() else queryset
