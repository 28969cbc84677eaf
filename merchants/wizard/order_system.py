"""The merchant's order system: how its orders reach us, and the credentials that its developer pushes them with.

A page beside the steps, since a merchant hands it to somebody else and comes back to it when secrets are rotated. The
way is the ReBound account's, and so that of every shop that uses the account; credentials are the merchant's.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from merchants.api_access import (
    LIVE_CLIENTS,
    LIVE_SECRETS,
    Issued,
    add_secret,
    create_client,
    revoke_client,
    revoke_secret,
)
from merchants.audit import record_act
from merchants.models import ApiClient, ApiScope, ApiSecret, OrderWay, ReboundAccount, Shop
from merchants.services import choose_order_way
from merchants.wizard.forms import PlainForm, posted
from merchants.wizard.home import FiguresOf
from merchants.wizard.steps import Place, Text

WAYS: dict[OrderWay, Text] = {
    OrderWay.LOOKED_UP: gettext_lazy("It sends them to ReBound. Look an order up when a buyer returns it"),
    OrderWay.FOLLOWED: gettext_lazy("It sends them to ReBound. Read every order as it changes, so that late ones link"),
    OrderWay.PUSHED: gettext_lazy("It sends them here. Pass them on to ReBound"),
}


class OrderWayForm(PlainForm):
    way = forms.ChoiceField(
        label=gettext_lazy("Where does your order system send its orders?"),
        choices=list(WAYS.items()),
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose one of the three; you can change it at any time.")},
    )
    writes_references = forms.BooleanField(
        label=gettext_lazy("Write my order and item ids to TikTok for me"),
        help_text=gettext_lazy(
            "For an order system that sends its orders here with TikTok's ids (ttsOrderId, ttsLineItemIds) in them. "
            "Leave it off where your TikTok integration writes its ids itself."
        ),
        required=False,
    )

    def __init__(self, *args: Any, account: ReboundAccount, shop: Shop, **kwargs: Any) -> None:
        initial = {"way": account.order_way, "writes_references": shop.writes_references}
        super().__init__(*args, initial=initial, **kwargs)
        self.account, self.shop = account, shop

    def clean_way(self) -> OrderWay:
        way = OrderWay(self.cleaned_data["way"])
        others = ReboundAccount.objects.for_merchant(self.account.merchant).filter(relays_orders=True)
        other = others.exclude(pk=self.account.pk).first()
        if way is OrderWay.PUSHED and other is not None:
            raise forms.ValidationError(
                _("Orders that are sent here are passed on to %(account)s already. Only one account can take them."),
                params={"account": other},
            )
        return way

    def clean(self) -> None:
        if self.cleaned_data.get("writes_references") and not self.shop.platform_origin:
            self.add_error(
                "writes_references", _("Choose whose order numbers TikTok holds first, in the step Matching.")
            )


class NewCredentialsForm(PlainForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        help_text=gettext_lazy("What uses them, so that you know what stops when you revoke them: “Plentymarkets”."),
        error_messages={"required": gettext_lazy("Enter a name, for example that of your order system.")},
    )
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)


def order_system(request: HttpRequest, place: Place, *, figures: FiguresOf) -> HttpResponse:
    """How orders arrive, to be changed, and who may push them."""
    account, form = place.shop.rebound_account, None
    if account is not None:
        form = OrderWayForm(posted(request), account=account, shop=place.shop)
        if request.method == "POST" and form.is_valid():
            way, writes = form.cleaned_data["way"], form.cleaned_data["writes_references"]
            before = account.order_way
            choose_order_way(account=account, shop=place.shop, way=way, writes_references=writes)
            if way != before:
                _note(place, "Changed how orders arrive", account, changes=[f"{before.label} → {way.label}"])
            messages.success(request, _("Saved."))
            return _back(place)
    clients = _live_clients(place)
    context = {
        "form": form,
        "others": _sharing(place, account),
        "clients": clients,
        "may_add": len(clients) < LIVE_CLIENTS,
        "last_order_at": figures(place.shop, now=timezone.now()).last_order_at,
    }
    return place.page(request, "wizard/order_system.html", context)


def new_credentials(request: HttpRequest, place: Place) -> HttpResponse:
    """Client id and secret for an order system, shown on the page that answers, once."""
    live = _live_clients(place)
    if len(live) >= LIVE_CLIENTS:
        messages.warning(request, _("You have as many credentials as are possible. Revoke some that nobody uses."))
        return _back(place)
    newest = max((client.pk for client in live), default=0)
    form = NewCredentialsForm(posted(request), initial={"seen": newest})
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["seen"] != newest:
            return _made_already(request, place)
        scopes: list[str] = list(ApiScope.values)
        client, issued = create_client(
            merchant=place.merchant, name=form.cleaned_data["name"], scopes=scopes, now=timezone.now()
        )
        _note(place, "Made API credentials", client)
        return _shown_once(request, place, client, issued)
    return place.page(request, "wizard/credentials_new.html", {"form": form, "back_url": _url(place)})


def new_secret(request: HttpRequest, place: Place, client_id: str) -> HttpResponse:
    """One more secret, to change over to before the old one is revoked."""
    client = _client(place, client_id)
    newest = max((secret.pk for secret in client.live_secrets), default=0)
    if len(client.live_secrets) >= LIVE_SECRETS:
        messages.warning(request, _("These credentials have as many secrets as are possible. Revoke an old one first."))
        return _back(place)
    if request.method == "POST":
        if request.POST.get("seen") != str(newest):
            return _made_already(request, place)
        issued = add_secret(client, now=timezone.now())
        _note(place, "Added a secret", client)
        return _shown_once(request, place, client, issued)
    context = {"client": client, "seen": newest, "back_url": _url(place)}
    return place.page(request, "wizard/credentials_secret.html", context)


def revoke(request: HttpRequest, place: Place, client_id: str, secret: str = "") -> HttpResponse:
    """End credentials, or one of their secrets; asks first."""
    client = _client(place, client_id)
    ended = next((each for each in client.live_secrets if each.prefix == secret), None)
    if secret and ended is None:
        raise Http404("There is no such secret.")
    if request.method == "POST":
        if ended is not None:
            revoke_secret(ended, now=timezone.now())
        else:
            revoke_client(client, now=timezone.now())
        _note(place, "Revoked a secret" if ended else "Revoked the client", client)
        messages.success(request, _("Revoked. It is refused from now on."))
        return _back(place)
    is_last = ended is not None and len(client.live_secrets) == 1
    context = {"client": client, "secret": ended, "is_last": is_last, "back_url": _url(place)}
    return place.page(request, "wizard/credentials_revoke.html", context)


def _url(place: Place) -> str:
    return reverse("order-system", kwargs={"shop_id": place.shop.shop_id})


def _back(place: Place) -> HttpResponse:
    return HttpResponseRedirect(_url(place))


def _made_already(request: HttpRequest, place: Place) -> HttpResponse:
    """The form was sent twice, or two people had it open."""
    messages.warning(
        request, _("Nothing was made: there are newer credentials than the page showed. Make others if these are lost.")
    )
    return _back(place)


def _shown_once(request: HttpRequest, place: Place, client: ApiClient, issued: Issued) -> HttpResponse:
    context = {"client": client, "secret": issued.plain, "back_url": _url(place)}
    return place.page(request, "wizard/credentials_shown.html", context)


def _live_clients(place: Place) -> list[ApiClient]:
    clients = ApiClient.objects.for_merchant(place.merchant).filter(revoked_at__isnull=True)
    return list(clients.prefetch_related("secrets").order_by("pk"))


def _client(place: Place, client_id: str) -> ApiClient:
    """The merchant's own live credentials; anybody else's do not exist."""
    found = next((each for each in _live_clients(place) if each.client_id == client_id), None)
    if found is None:
        raise Http404("There are no such credentials.")
    return found


def _sharing(place: Place, account: ReboundAccount | None) -> Sequence[Shop]:
    return [each for each in place.others if account is not None and each.rebound_account_id == account.pk]


def _note(place: Place, act: str, subject: ApiClient | ReboundAccount | ApiSecret, **detail: Any) -> None:
    by = place.seller.seller_name or place.seller.open_id
    record_act(act=act, actor=by, subject=subject, merchant=place.merchant, now=timezone.now(), detail=detail)
