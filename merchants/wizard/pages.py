"""The pages around the steps: who may see what, where to go on, signing out. What a step does stands with the step."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from merchants.authorizing import choosable_shops
from merchants.models import Shop
from merchants.services import store_shop
from merchants.settings_history import note_settings, note_what_was_found
from merchants.staff import managers_of
from merchants.subscriptions import subscribe
from merchants.wizard.forms import PlainForm, posted
from merchants.wizard.home import FiguresOf, home
from merchants.wizard.session import SignedIn, remember_page, sign_out, signed_in
from merchants.wizard.steps import Place, Step, StepView, first_open
from rebound_tts.clients.errors import RemoteError


def for_merchants(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page of a signed-in merchant, which `view` gets as `seller`. Anybody else signs in first and comes back."""

    @wraps(view)
    @never_cache  # after signing out, the browser's back button shows nothing of it
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        seller = signed_in(request, now=timezone.now())
        if seller is None:
            remember_page(request)
            if request.method == "POST":
                messages.info(request, gettext("You were signed out. Sign in again: what you typed is kept."))
            return redirect("front")
        return view(request, *args, seller=seller, **kwargs)

    return guarded


def shop_of(seller: SignedIn, shop_id: str) -> Shop:
    """The merchant's own shop, ready for a page. Another merchant's does not exist: 404."""
    shops = Shop.objects.for_merchant(seller.merchant).select_related("merchant", "authorization", "rebound_account")
    found = shops.filter(shop_id=shop_id).prefetch_related("lanes").first()
    if found is None:
        raise Http404("There is no such shop.")
    return found


def front(request: HttpRequest, *, steps: tuple[Step, ...]) -> HttpResponse:
    """What this is, what one needs, and the way in. A signed-in merchant goes straight on."""
    if signed_in(request, now=timezone.now()):
        return redirect("shops")
    return render(request, "wizard/front.html", {"steps": steps})


@for_merchants
def shops(request: HttpRequest, *, seller: SignedIn, steps: tuple[Step, ...]) -> HttpResponse:
    """The merchant's shops; with a single one, straight to it."""
    found = list(Shop.objects.for_merchant(seller.merchant).order_by("created_at", "pk"))
    if len(found) == 1:
        return redirect("shop", shop_id=found[0].shop_id)
    return render(request, "wizard/shops.html", {"shops": found, "seller": seller})


class ChooseForm(PlainForm):
    shops = forms.MultipleChoiceField(
        label=_("Shops"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Tick at least one shop."),
            "invalid_choice": _("One of these can no longer be connected. Look at the list again."),
        },
    )

    def __init__(self, *args: Any, shops: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["shops"].choices = list(shops.items())  # type: ignore[attr-defined]  # a choice field's


@for_merchants
def choose(request: HttpRequest, *, seller: SignedIn) -> HttpResponse:
    """Which shops of the authorizations to connect; a merchant with several sellers adds another from here too."""
    now = timezone.now()
    context: dict[str, Any] = {"seller": seller}
    try:
        offered = {each.id: (grant, each) for grant, each in choosable_shops(seller.merchant)}
    except RemoteError as error:
        return render(request, "wizard/choose.html", {**context, "error": error}, status=503)
    form = ChooseForm(
        posted(request), shops={key: f"{each.name} ({each.region})" for key, (_grant, each) in offered.items()}
    )
    if request.method == "POST" and form.is_valid():
        chosen = [offered[key] for key in form.cleaned_data["shops"]]
        stored = [
            store_shop(merchant=seller.merchant, authorization=grant, authorized=each, now=now)
            for grant, each in chosen
        ]
        for each in stored:
            subscribe(shop=each, now=now)
        return redirect("shop", shop_id=stored[0].shop_id)
    return render(request, "wizard/choose.html", {**context, "form": form}, status=422 if form.errors else 200)


@for_merchants
def shop(
    request: HttpRequest, shop_id: str, *, seller: SignedIn, steps: tuple[Step, ...], figures: FiguresOf
) -> HttpResponse:
    """A shop's status home once it is live; until then the step where its merchant left off."""
    found = shop_of(seller, shop_id)
    place = Place(found, seller, steps, first_open(steps, found), {"seller": seller})
    if found.live_at is None:
        return HttpResponseRedirect(place.url())
    return home(request, place, figures=figures)


@for_merchants
def act(
    request: HttpRequest, shop_id: str, *, seller: SignedIn, steps: tuple[Step, ...], show: StepView, **parameters: str
) -> HttpResponse:
    """A page beside the steps, for the merchant's own shop: pause, resume, disconnect, its order system."""
    place = Place(shop_of(seller, shop_id), seller, steps, steps[0], {"seller": seller})
    return _noted(request, place, show, **parameters)


def _noted(request: HttpRequest, place: Place, show: StepView, **parameters: Any) -> HttpResponse:
    """The page; where it changes settings, a version of them says that this seller did."""
    if request.method != "POST":
        return show(request, place, **parameters)
    note_what_was_found(shop=place.shop, now=timezone.now())
    answer = show(request, place, **parameters)
    note_settings(shop=place.shop, by=place.seller.seller_name or place.seller.open_id, now=timezone.now())
    return answer


@for_merchants
def step(
    request: HttpRequest,
    shop_id: str,
    *,
    seller: SignedIn,
    steps: tuple[Step, ...],
    which: Step,
    show: StepView,
    **parameters: Any,
) -> HttpResponse:
    """One page of one step, for the merchant's own shop."""
    place = Place(shop_of(seller, shop_id), seller, steps, which, {"seller": seller})
    return _noted(request, place, show, **parameters)


def leave(request: HttpRequest) -> HttpResponse:
    """A form's button alone ends the session: a link that somebody planted does not."""
    if request.method == "POST":
        sign_out(request)
    return redirect("front")


@never_cache
def get_help(request: HttpRequest) -> HttpResponse:
    """Whom to write to: the people of a signed-in merchant, and the address of the whole installation."""
    seller = signed_in(request, now=timezone.now())
    managers = managers_of(seller.merchant) if seller else ()
    context = {"seller": seller, "managers": managers, "support_email": settings.SUPPORT_EMAIL}
    return render(request, "wizard/help.html", context)
