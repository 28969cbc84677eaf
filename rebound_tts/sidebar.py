"""The admin's sidebar: lists by what a person wants to do, each preset an address that can be kept.

An entry is shown to those who may see its list. Nothing here counts: a number in the sidebar would cost every page.
"""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _


def icon(request: HttpRequest) -> str:
    return static("rebound_tts/icon.svg")


def stylesheet(request: HttpRequest) -> str:
    return static("rebound_tts/admin.css")


def script(request: HttpRequest) -> str:
    return static("rebound_tts/admin.js")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of entries, as unfold wants them."""
    groups = [
        (
            _("Work"),
            [
                _entry(request, _("Work queue"), "inbox", "index"),
                _entry(request, _("Needs attention"), "error", *_returns(status__exact="NEEDS_ATTENTION")),
                _entry(request, _("Waiting"), "hourglass_top", *_returns(status__exact="WAITING")),
                _entry(request, _("Past half of their wait"), "hourglass_bottom", *_returns(at="half")),
                _entry(request, _("Labels not delivered"), "label_off", *_returns(at="undelivered")),
                _entry(request, _("Went direct"), "call_split", *_returns(rebound_return__kind__exact="DIRECT")),
            ],
        ),
        (
            _("Returns and orders"),
            [
                _entry(request, _("TikTok returns"), "assignment_return", *_returns()),
                _entry(request, _("ReBound returns"), "local_shipping", "returns_reboundreturn"),
                _entry(request, _("Sales orders"), "receipt_long", "matching_salesorder"),
                _entry(request, _("Order pushes"), "upload", "matching_orderpush"),
                _entry(request, _("Order imports"), "upload_file", "matching_orderimport"),
                _entry(request, _("Webhook events"), "webhook", "returns_webhookevent"),
            ],
        ),
        (
            _("Merchants"),
            [
                _entry(request, _("Merchants"), "store", "merchants_merchant"),
                _entry(request, _("Shops"), "storefront", "merchants_shop"),
                _entry(request, _("Return polls"), "manage_search", "returns_returnpoll"),
                _entry(request, _("Coverage checks"), "fact_check", "matching_coveragecheck"),
                _entry(request, _("Settings over time"), "manage_history", "merchants_shopsettings"),
                _entry(request, _("Alert channels"), "notifications", "returns_alertchannel"),
                _entry(request, _("OMS clients"), "vpn_key", "merchants_apiclient"),
                _entry(request, _("TikTok authorizations"), "key", "merchants_shopauthorization"),
                _entry(request, _("ReBound accounts"), "account_balance", "merchants_reboundaccount"),
            ],
        ),
        (
            _("People"),
            [
                _entry(request, _("Assignments"), "assignment_ind", "merchants_staffassignment"),
                _entry(request, _("Audit log"), "history", "merchants_auditentry"),
                _entry(request, _("Users"), "person", "auth_user"),
                _entry(request, _("Roles"), "groups", "auth_group"),
            ],
        ),
        (
            _("Queue"),
            [
                None if settings.REDIS_URL else _entry(request, _("Queued wake-ups"), "queue", "django_q_ormq"),
                _entry(request, _("Failed wake-ups"), "report", "django_q_failure"),
            ],
        ),
    ]
    shown = [(title, [entry for entry in entries if entry]) for title, entries in groups]
    return [{"title": title, "separator": True, "items": entries} for title, entries in shown if entries]


def _returns(**filters: str) -> tuple[str, dict[str, str]]:
    return "returns_tiktokreturn", filters


def _entry(
    request: HttpRequest, title: str, symbol: str, name: str, filters: dict[str, str] | None = None
) -> dict[str, Any] | None:
    """A link to a list under these filters; None for those who may not see it."""
    if name != "index" and not _may_see(request.user, name):
        return None
    address = reverse("admin:index" if name == "index" else f"admin:{name}_changelist")
    is_here = request.path == address or (name != "index" and request.path.startswith(address) and not filters)
    asked = {key: value for key, value in request.GET.items() if not key.startswith(("p", "o", "_"))}
    if name == "returns_tiktokreturn":
        is_here = request.path.startswith(address) and asked == (filters or {})
    return {
        "title": title,
        "icon": symbol,
        "link": f"{address}?{urlencode(filters)}" if filters else address,
        "active": is_here,
    }


def _may_see(user: User | AnonymousUser, name: str) -> bool:
    app, _separator, model = name.rpartition("_")
    if app in {"auth", "django_q"}:
        return user.is_superuser
    return user.has_perm(f"{app}.view_{model}")
