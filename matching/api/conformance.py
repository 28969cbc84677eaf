"""The conformance page: the developer of an OMS signs in with client id and secret and sees how the integration does.

The session holds the key of the secret that was shown, never the secret; it ends with the secret, with the client, or
after a working day. What the page shows is worked out in `matching/conformance.py`.
"""

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from matching.conformance import conformance
from merchants.api_access import AccessDeniedError, live_secret, verify_secret
from merchants.api_limits import take
from merchants.models import ApiSecret
from rebound_tts.client_address import client_address

SIGNED_IN = "oms_developer"  # of the session: key of the secret, and when
LASTS = timedelta(hours=8)
TRIES = 10  # a minute, from one address and for one client
LONGEST_KEY = 19  # digits


@require_safe
@never_cache
def conformance_page(request: HttpRequest) -> HttpResponse:
    secret = _signed_in(request)
    if secret is None:
        return render(request, "docs/conformance_sign_in.html")
    before = request.GET.get("before", "")
    only_rejected = request.GET.get("only") == "rejected"
    found = conformance(
        client=secret.client,
        now=timezone.now(),
        only_rejected=only_rejected,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < LONGEST_KEY else None,
    )
    context = {"found": found, "secret": secret, "only_rejected": only_rejected, "is_later_page": bool(before)}
    return render(request, "docs/conformance.html", context)


@never_cache
@sensitive_post_parameters("client_secret")
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":  # an address that was typed, or kept by a browser
        return redirect("docs-conformance")
    client_id = request.POST.get("client_id", "").strip()
    # Both are counted, so that neither one address can try many clients nor many addresses one client.
    tries = [
        take("conformance-address", client_address(request), limit=TRIES, is_shared=True),
        take("conformance-client", client_id[:64], limit=TRIES, is_shared=True),
    ]
    wait = max(each.retry_after for each in tries)
    if wait:
        response = _again(request, client_id, _("Too many tries. Wait a minute, then try again."), status=429)
        response["Retry-After"] = str(wait)
        return response
    try:
        secret = verify_secret(client_id=client_id, client_secret=request.POST.get("client_secret", "").strip())
    except AccessDeniedError:
        said = _("Client id or client secret are wrong, or were revoked. Copy both as they were given to you.")
        return _again(request, client_id, said, status=403)
    request.session.cycle_key()  # not a key that somebody else may have planted
    request.session[SIGNED_IN] = [secret.pk, timezone.now().isoformat()]
    return redirect("docs-conformance")


def sign_out(request: HttpRequest) -> HttpResponse:
    """A form's button alone ends the session: a link that somebody planted does not."""
    if request.method == "POST":
        request.session.pop(SIGNED_IN, None)
        request.session.cycle_key()
    return redirect("docs-conformance")


def _again(request: HttpRequest, client_id: str, said: str, *, status: int) -> HttpResponse:
    return render(request, "docs/conformance_sign_in.html", {"error": said, "client_id": client_id[:64]}, status=status)


def _signed_in(request: HttpRequest) -> ApiSecret | None:
    """The secret that this session was opened with, while it lives."""
    kept = request.session.get(SIGNED_IN)
    if not kept:
        return None
    key, since = kept
    if timezone.now() - datetime.fromisoformat(since) > LASTS:
        del request.session[SIGNED_IN]
        return None
    return live_secret(key)
