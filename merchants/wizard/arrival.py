"""Signing in by TikTok: away to its consent page, back with a code, and a page for everything that can come between.

A round is ours when it carries a state that this browser was given, once and not long ago; a code without one is never
used, whoever sent it. Who a seller is and what becomes of the shops stands in `merchants.authorizing`.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.csrf import csrf_failure
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from merchants.authorizing import NEEDED_SCOPES, Arrival, AuthorizationError, Trouble, admit
from merchants.models import Shop
from merchants.subscriptions import subscribe
from merchants.wizard.session import SignedIn, remembered_page, sign_in, signed_in
from merchants.wizard.steps import Text

ROUNDS = "tiktok_rounds"
ROUND_LASTS = timedelta(minutes=30)  # as long as TikTok's code
MOST_ROUNDS = 5  # tabs of one browser that may be on their way at once
UNITED_STATES = "us"
STAFF = "/admin/"


@dataclass(frozen=True, slots=True)
class Told:
    """A page that says what happened and what to do."""

    status: int
    title: Text
    happened: Text
    todo: Text
    button: Text


AGAIN = gettext_lazy("Try again")
FORM_REFUSED = Told(
    403,
    gettext_lazy("This form could not be taken"),
    gettext_lazy("It was open for very long, or cookies are off. Nothing was changed."),
    gettext_lazy(
        "Go back, load the page again, and send it once more. If it happens again, allow cookies for this site."
    ),
    gettext_lazy("Sign in again"),
)
DENIED = Told(
    200,
    gettext_lazy("You did not authorize the app"),
    gettext_lazy("TikTok says that the authorization was declined. Nothing was connected and nothing was changed."),
    gettext_lazy(
        "If you pressed Deny by mistake, try again. Only the main account of a shop, its owner's, can authorize an "
        "app: if TikTok did not let you, ask the owner to open this page."
    ),
    AGAIN,
)
NOT_STARTED_HERE = Told(
    200,
    gettext_lazy("One more step"),
    gettext_lazy(
        "You come from TikTok's app store, or from a link. To be sure that it is you who connects your own shop, the "
        "connection is made once more from this page."
    ),
    gettext_lazy("Press the button. TikTok asks again whether you allow it, and brings you back."),
    gettext_lazy("Continue to TikTok"),
)
ROUND_LOST = Told(
    400,
    gettext_lazy("This sign-in cannot be finished"),
    gettext_lazy(
        "It was started in another browser, more than 30 minutes ago, or was finished before. The page may have been "
        "opened twice, or with the back button. Nothing was connected by it."
    ),
    gettext_lazy("Start again here; it takes a minute. If it happens each time, allow cookies for this site."),
    AGAIN,
)
TOLD = {
    Trouble.CODE_DEAD: Told(
        400,
        gettext_lazy("TikTok's code has expired"),
        gettext_lazy("TikTok's code is good for one use within 30 minutes, and this one was used or is older."),
        gettext_lazy("Start again: TikTok gives a new code."),
        AGAIN,
    ),
    Trouble.SCOPES_MISSING: Told(
        400,
        gettext_lazy("Some permissions are missing"),
        gettext_lazy("Without all of these the app cannot give your buyers a label. Not granted:"),
        gettext_lazy("Authorize again and leave every permission on."),
        gettext_lazy("Authorize again"),
    ),
    Trouble.NOT_A_SELLER: Told(
        400,
        gettext_lazy("This is not a shop's main account"),
        gettext_lazy(
            "You were signed in at TikTok with an account that does not own a shop: a creator's, or that of somebody "
            "in a shop's team."
        ),
        gettext_lazy("Sign in at TikTok as the owner of the shop, or ask the owner to open this page."),
        AGAIN,
    ),
    Trouble.NO_SHOP: Told(
        400,
        gettext_lazy("No shop came with this authorization"),
        gettext_lazy("TikTok says that the account has no shop that the app may work for."),
        gettext_lazy(
            "See in Seller Center whether the shop is active and its registration finished. If the shop is in the "
            "United States, choose “My shop is in the United States”."
        ),
        AGAIN,
    ),
    Trouble.OTHER_MERCHANT: Told(
        409,
        gettext_lazy("This shop is connected under another account"),
        gettext_lazy("Somebody else has connected it here. It stays with them, and nothing was changed:"),
        gettext_lazy(
            "If it is yours, sign out and sign in as the seller who connected it first. If the shop has changed hands, "
            "your implementation manager at ReBound can move it."
        ),
        gettext_lazy("Sign in as another seller"),
    ),
    Trouble.REFUSED: Told(
        502,
        gettext_lazy("TikTok refused the connection"),
        gettext_lazy("TikTok answered with an error that trying again at once is not likely to cure."),
        gettext_lazy(
            "Check that you chose the right region for your shop and try again. If it stays, give ReBound the code "
            "below."
        ),
        AGAIN,
    ),
    Trouble.UNAVAILABLE: Told(
        503,
        gettext_lazy("TikTok does not answer"),
        gettext_lazy(
            "The connection could not be finished, since TikTok did not answer in time. Nothing was connected."
        ),
        gettext_lazy("Wait a minute, then try again."),
        AGAIN,
    ),
}


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """In place of Django's page for a form without the right token (CSRF_FAILURE_VIEW), but for staff and machines."""
    if not hasattr(request, "session") or request.path.startswith(STAFF):
        return csrf_failure(request, reason=reason)
    return _tell(request, FORM_REFUSED)


@never_cache
@require_GET
def start(request: HttpRequest) -> HttpResponse:
    """Send the browser to TikTok with a state of its own. A link, so that the policy for forms stays closed."""
    now = timezone.now()
    state = secrets.token_urlsafe(32)
    rounds = _rounds(request, now=now)
    kept = sorted(rounds, key=rounds.__getitem__)[-(MOST_ROUNDS - 1) :]
    request.session[ROUNDS] = {**{each: rounds[each] for each in kept}, state: (now + ROUND_LASTS).isoformat()}
    is_us = request.GET.get("region") == UNITED_STATES
    consent = settings.TIKTOK_US_CONSENT_URL if is_us else settings.TIKTOK_CONSENT_URL
    query = urlencode({"service_id": settings.TIKTOK_SERVICE_ID, "state": state})
    return HttpResponseRedirect(f"{consent}/open/authorize?{query}")


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """Back from TikTok. Its further parameters differ by place and time, and are not needed (reference, 1.1)."""
    code, state = request.GET.get("code", ""), request.GET.get("state", "")
    declined = code in ("", "null") or "error" in request.GET
    now = timezone.now()
    if not state:
        return _tell(request, DENIED if declined and "error" in request.GET else NOT_STARTED_HERE)
    rounds = _rounds(request, now=now)
    is_ours = rounds.pop(state, None) is not None
    request.session[ROUNDS] = rounds  # used up, whatever comes of it
    if not is_ours:
        return _tell(request, ROUND_LOST)
    if declined:
        return _tell(request, DENIED)
    before = signed_in(request, now=now)
    try:
        arrival = admit(auth_code=code, signed_in=before.merchant if before else None, now=now)
    except AuthorizationError as error:
        return _tell(request, TOLD[error.trouble], error=error)
    return _enter(request, arrival=arrival, before=before, now=now)


def _rounds(request: HttpRequest, *, now: datetime) -> dict[str, str]:
    """The states that this browser is on its way with, by when they end."""
    rounds: dict[str, str] = request.session.get(ROUNDS, {})
    return {state: until for state, until in rounds.items() if datetime.fromisoformat(until) > now}


def _tell(request: HttpRequest, told: Told, *, error: AuthorizationError | None = None) -> HttpResponse:
    context = {
        "told": told,
        "scopes": [(scope, NEEDED_SCOPES[scope]) for scope in error.scopes] if error else [],
        "named": error.shops if error else (),
        "error": error,
        "seller": signed_in(request, now=timezone.now()),
        "region": request.GET.get("shop_region", "").lower(),
    }
    return render(request, "wizard/told.html", context, status=told.status)


def _enter(request: HttpRequest, *, arrival: Arrival, before: SignedIn | None, now: datetime) -> HttpResponse:
    grant = arrival.authorization
    wanted = remembered_page(request)
    sign_in(request, merchant=arrival.merchant, open_id=grant.open_id, seller_name=grant.seller_name, now=now)
    for shop in arrival.connected:
        subscribe(shop=shop, now=now)
    if arrival.taken:
        names = ", ".join(shop.name for shop in arrival.taken)
        messages.warning(request, _("Connected under another account, and left there: %(shops)s.") % {"shops": names})
    if arrival.is_new and len(arrival.connected) == 1:
        messages.success(request, _("%(shop)s is connected.") % {"shop": arrival.connected[0].name})
    if not arrival.is_new and before is None:
        messages.success(request, _("Welcome back, %(seller)s.") % {"seller": grant.seller_name or arrival.merchant})
    if wanted and _is_a_page_of(wanted, arrival=arrival):
        return redirect(wanted)
    if arrival.to_choose and (arrival.is_new or before is not None or not arrival.connected):
        return redirect("choose-shops")
    if len(arrival.connected) == 1:
        return redirect("shop", shop_id=arrival.connected[0].shop_id)
    return redirect("shops")


def _is_a_page_of(path: str, *, arrival: Arrival) -> bool:
    """Whether the page that was wanted before signing in is one of this merchant's."""
    shops = Shop.objects.for_merchant(arrival.merchant).values_list("shop_id", flat=True)
    return any(path.startswith(f"/shops/{shop_id}/") for shop_id in shops)
