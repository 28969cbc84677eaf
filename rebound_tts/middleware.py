"""Middleware: headers that every answer carries, and Django's own for pages alone.

A webhook or an API call has no session, no user and no language: Django's classes are passed by on the addresses that
machines call; there they would cost a fifth of a request. A new address for machines is added to `MACHINES`; one for
people needs nothing. A webhook passes everything by.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django.middleware import common, locale
from django.urls import resolve
from django.utils import translation

from rebound_tts.client_address import comes_from

PROBES = ("/livez", "/readyz", "/metrics")
WEBHOOKS = "/webhooks/"
MACHINES = (WEBHOOKS, "/api/", "/oauth2/", *PROBES)
ADMIN = "/admin/"
DOCS = "/docs/"

# Scripts and styles are files of ours; nothing is inline and nothing comes from another host.
PAGE_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": " ".join(("'self'", *settings.FORM_TARGETS)),
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
# The admin's theme computes in expressions (Alpine), and sets sizes and colors in style attributes.
ADMIN_POLICY = PAGE_POLICY | {"script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"}


def written(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in policy.items())


FOR_PAGES, FOR_ADMIN = written(PAGE_POLICY), written(ADMIN_POLICY)
FOR_MACHINES = "default-src 'none'; frame-ancestors 'none'"
PERMISSIONS = ", ".join(f"{name}=()" for name in ("camera", "geolocation", "microphone", "payment", "usb"))


class WebhooksMiddleware:
    """Straight to the view of a webhook, whose signature says all that the rest would ask; first in MIDDLEWARE.

    No browser reads the answer, so it needs no header for one; the rest would cost a quarter of the request. Plain
    HTTP, where HTTPS is asked for, goes the whole way, which sends it on to HTTPS.
    """

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        if not request.path_info.startswith(WEBHOOKS) or (settings.SECURE_SSL_REDIRECT and not request.is_secure()):
            return self.get_response(request)
        request.resolver_match = match = resolve(request.path_info)
        response = match.func(request, *match.args, **match.kwargs)
        if hasattr(response, "render"):
            response.render()
        response.headers["Content-Length"] = str(len(response.content))
        return response


class HeadersMiddleware:
    """What a browser may do with an answer, by area. A view that is stricter with itself (a label) has said so already.

    Also keeps the admin to ADMIN_NETWORKS, where they are named: for all others nothing is there.
    """

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        path = request.path_info
        if path.startswith(MACHINES):
            response = self.get_response(request)
            response.headers.setdefault("Content-Security-Policy", FOR_MACHINES)
            return response
        is_admin = path.startswith(ADMIN)
        if is_admin and settings.ADMIN_NETWORKS and not comes_from(request, settings.ADMIN_NETWORKS):
            response = HttpResponse(status=404)
        else:
            response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", FOR_ADMIN if is_admin else FOR_PAGES)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


class ForPages:
    """Passes a request of a machine straight on. To be named before Django's class."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(MACHINES):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]  # Django's class has it


class SessionMiddleware(ForPages, sessions.SessionMiddleware):
    pass


class LocaleMiddleware(ForPages, locale.LocaleMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        """The documentation is in English, and so is all that its pages say, whatever the browser asks for."""
        super().process_request(request)
        if request.path_info.startswith(DOCS):
            translation.activate("en")


class AuthenticationMiddleware(ForPages, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(ForPages, messages.MessageMiddleware):
    pass


class CommonMiddleware(common.CommonMiddleware):
    """Django's own, which refuses a Host that is not ours: probes call by whatever address they know."""

    def process_request(self, request: HttpRequest) -> Any:
        return None if request.path_info.startswith(PROBES) else super().process_request(request)

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        """Not for machines: it would look for every address twice, and none of theirs ends so."""
        return not request.path_info.startswith(MACHINES) and super().should_redirect_with_slash(request)
