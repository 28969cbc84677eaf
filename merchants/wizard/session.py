"""Who is signed in: a merchant, by the seller at TikTok who authorized the app. There are no passwords.

It lives in Django's session beside whatever a staff member's own sign-in keeps there, and ends by itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest, QueryDict

from merchants.models import Merchant

SIGNED_IN = "merchant"
WANTED = "wanted_page"
TYPED = "typed_before"
NOT_KEPT = ("secret", "password", "csrf")
LASTS = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The merchant, and the seller who acts for it."""

    merchant: Merchant
    open_id: str
    seller_name: str


def sign_in(request: HttpRequest, *, merchant: Merchant, open_id: str, seller_name: str, now: datetime) -> None:
    """From now on this browser acts for the merchant. The session gets a new key: one that somebody else planted or saw
    before is worth nothing."""
    request.session.cycle_key()
    request.session[SIGNED_IN] = {
        "merchant": merchant.pk,
        "open_id": open_id,
        "seller_name": seller_name,
        "until": (now + LASTS).isoformat(),
    }


def sign_out(request: HttpRequest) -> None:
    for key in (SIGNED_IN, WANTED, TYPED):
        request.session.pop(key, None)
    request.session.cycle_key()


def signed_in(request: HttpRequest, *, now: datetime) -> SignedIn | None:
    kept = request.session.get(SIGNED_IN)
    if not kept or datetime.fromisoformat(kept["until"]) <= now:
        return None
    merchant = Merchant.objects.filter(pk=kept["merchant"]).first()
    return SignedIn(merchant, kept["open_id"], kept["seller_name"]) if merchant else None


def remember_page(request: HttpRequest) -> None:
    """Where to go on after signing in: a path of ours as we were asked for it, never an address from a parameter.

    A form that was sent after the session had ended is kept with it, but for its secrets.
    """
    if request.method == "GET":
        request.session[WANTED] = request.path
    elif request.method == "POST" and request.path.endswith("/"):  # a page with a form; the other addresses only act
        typed = {name: values for name, values in request.POST.lists() if not any(word in name for word in NOT_KEPT)}
        request.session[WANTED] = request.path
        request.session[TYPED] = {"path": request.path, "fields": typed}


def typed_before(request: HttpRequest) -> QueryDict | None:
    """What was sent to this page when the session had ended, once."""
    kept = request.session.get(TYPED)
    if request.method != "GET" or not kept or kept["path"] != request.path:
        return None
    del request.session[TYPED]
    typed = QueryDict(mutable=True)
    for name, values in kept["fields"].items():
        typed.setlist(name, values)
    return typed


def remembered_page(request: HttpRequest) -> str:
    """The page that was wanted, once; "" where none was."""
    return str(request.session.pop(WANTED, ""))
