"""Filters of the lists of shops and connections: what does not work, or not for long."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from merchants.models import ENDS_SOON


class ConnectionState(DropdownFilter):
    """Of an authorization or an account: `?state=broken`, `?state=expiring`."""

    title = _("connection")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        found = [("broken", _("Broken"))]
        if hasattr(model_admin.model, "refresh_token_expires_at"):
            found.append(("expiring", _("Ends within 14 days")))
        return found

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "broken":
            return queryset.filter(broken_at__isnull=False)
        if self.value() == "expiring" and hasattr(queryset.model, "refresh_token_expires_at"):
            return queryset.filter(broken_at__isnull=True, refresh_token_expires_at__lt=timezone.now() + ENDS_SOON)
        return queryset


class ShopHealth(DropdownFilter):
    """`?connection=broken`, `expiring`, `stalled`, `live`, `paused`, `disconnected`."""

    title = _("state")
    parameter_name = "connection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("broken", _("Connection broken")),
            ("expiring", _("Connection broken or ends within 14 days")),
            ("stalled", _("Install stalled")),
            ("live", _("Live")),
            ("paused", _("Paused")),
            ("disconnected", _("Disconnected")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        shops: Any = queryset
        now = timezone.now()
        broken = Q(authorization__broken_at__isnull=False) | Q(rebound_account__broken_at__isnull=False)
        ends = Q(authorization__refresh_token_expires_at__lt=now + ENDS_SOON)
        match self.value():
            case "broken":
                return queryset.filter(broken)
            case "expiring":
                return queryset.filter(broken | ends)
            case "stalled":
                return shops.stalled(now=now)
            case "live":
                return shops.live().filter(paused_at__isnull=True)
            case "paused":
                return queryset.filter(paused_at__isnull=False, disconnected_at__isnull=True)
            case "disconnected":
                return queryset.filter(disconnected_at__isnull=False)
        return queryset
