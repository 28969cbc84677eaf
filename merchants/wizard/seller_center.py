"""The step on TikTok's Seller Center: what to set there, and what TikTok's API lets us see of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from merchants.connections import tiktok_for_page
from merchants.models import Shop
from merchants.providers import shipping_providers
from merchants.services import confirm_checklist
from merchants.wizard.connect import lost_connection
from merchants.wizard.forms import PlainForm, posted
from merchants.wizard.steps import Place, Step, Text
from rebound_tts.clients.errors import RemoteError, UnexpectedAnswerError
from rebound_tts.clients.tiktok_returns import RemoteReturn

LOOKED_BACK, LOOKED_BACK_SHORT = timedelta(days=30), timedelta(days=2)
MOST_PAGES = 6
UNDECIDED_AFTER = timedelta(hours=12)
PENDING = "RETURN_OR_REFUND_REQUEST_PENDING"


@dataclass(frozen=True, slots=True)
class Item:
    key: str
    title: Text
    what: Text
    where: Text


ITEMS = (
    Item(
        "auto_approval",
        gettext_lazy("Returns are approved automatically"),
        gettext_lazy("We give a label to approved returns only. Without a rule, each waits until you approve it."),
        gettext_lazy("Seller Center: Orders, Fulfillment settings, Returns and refunds, new auto-approve policy"),
    ),
    Item(
        "seller_shipped",
        gettext_lazy("Returns are shipped with your own labels"),
        gettext_lazy("Otherwise TikTok ships them itself, and takes no label of ours."),
        gettext_lazy("Seller Center: Orders, Fulfillment settings, Returns and refunds, return shipping"),
    ),
    Item(
        "carrier_services",
        gettext_lazy("Buyers are offered the carrier services of your lanes"),
        gettext_lazy(
            "TikTok keeps the list and changes it when you ask. It should match the services of your ReBound account."
        ),
        gettext_lazy("Ask TikTok's support or your account manager there"),
    ),
    Item(
        "reasons",
        gettext_lazy("Return reasons are on as you want them"),
        gettext_lazy("ReBound reports by the reason that the buyer chose."),
        gettext_lazy("Seller Center: Orders, Fulfillment settings, Returns and refunds, return reasons"),
    ),
)


class ChecklistForm(PlainForm):
    confirmed = forms.MultipleChoiceField(
        label=gettext_lazy("Settings"),
        required=False,
        choices=[(item.key, item.title) for item in ITEMS],
        widget=forms.CheckboxSelectMultiple,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API tells about one setting; `is_good` is None where it tells nothing."""

    is_good: bool | None
    words: str


def seller_center(request: HttpRequest, place: Place) -> HttpResponse:
    """Ticks are kept as they are sent; the step is done once all are ticked."""
    shop = place.shop
    form = ChecklistForm(posted(request))
    if request.method == "POST" and form.is_valid():
        confirmed = form.cleaned_data["confirmed"]
        confirm_checklist(shop=shop, confirmed=confirmed, is_complete=len(confirmed) == len(ITEMS), now=timezone.now())
        return place.saved(request)
    ticked = [item.key for item in ITEMS] if shop.checklist_confirmed_at else shop.checklist
    seen, error = look(shop, now=timezone.now())
    rows = [(item, item.key in ticked, seen.get(item.key)) for item in ITEMS]
    context = {"rows": rows, "error": error, "lost": lost_connection(shop, error)}
    return place.page(request, "wizard/seller_center.html", context)


def look(shop: Shop, *, now: datetime) -> tuple[dict[str, Seen], RemoteError | None]:
    """What TikTok tells, by item, and what went wrong in asking."""
    try:
        listed = shipping_providers(shop)
        returns = _returns(shop, now=now)
    except RemoteError as error:
        return {}, error
    return {
        "auto_approval": _approval(returns, now=now),
        "seller_shipped": _shipping(returns),
        "carrier_services": _carriers(shop, listed),
    }, None


def _returns(shop: Shop, *, now: datetime) -> Sequence[RemoteReturn]:
    """Those of the last month, or of the last days where there are too many to ask for."""
    tiktok = tiktok_for_page(shop)
    try:
        return tiktok.search_returns(update_time_ge=now - LOOKED_BACK, max_pages=MOST_PAGES)
    except UnexpectedAnswerError:
        return tiktok.search_returns(update_time_ge=now - LOOKED_BACK_SHORT, max_pages=MOST_PAGES)


def _approval(returns: Sequence[RemoteReturn], *, now: datetime) -> Seen:
    if not returns:
        return Seen(None, _("No return in the last 30 days to tell by."))
    late = [
        each
        for each in returns
        if each.return_status == PENDING and each.updated_at and now - each.updated_at > UNDECIDED_AFTER
    ]
    if not late:
        return Seen(True, _("No return has been waiting for approval for long."))
    text = ngettext(
        "%(n)s return has been waiting for approval for more than 12 hours.",
        "%(n)s returns have been waiting for approval for more than 12 hours.",
        len(late),
    )
    return Seen(False, text % {"n": len(late)})


def _shipping(returns: Sequence[RemoteReturn]) -> Seen:
    told = [each.return_method for each in returns if each.return_method]
    if not told:
        return Seen(None, _("No return in the last 30 days to tell by."))
    ours = sum(method == "SELLER_SHIPPED" for method in told)
    said = _("%(ours)s of the last %(total)s returns were to be shipped with your label.")
    return Seen(ours == len(told), said % {"ours": ours, "total": len(told)})


def _carriers(shop: Shop, listed: dict[str, str]) -> Seen:
    unknown = [lane for lane in shop.lanes.all() if lane.shipping_provider_id not in listed]
    if unknown:
        names = ", ".join(lane.shipping_provider_name or lane.shipping_provider_id for lane in unknown)
        return Seen(False, _("TikTok does not list for your shop: %(carriers)s.") % {"carriers": names})
    if not shop.lanes.all():
        return Seen(None, _("You have no lane yet."))
    return Seen(True, _("TikTok lists every carrier of your lanes."))


def facts(shop: Shop) -> list[tuple[Text, Text]]:
    if shop.checklist_confirmed_at:
        return [(gettext_lazy("Settings in Seller Center"), gettext_lazy("Confirmed"))]
    done = _("%(done)s of %(total)s confirmed") % {"done": len(shop.checklist), "total": len(ITEMS)}
    return [(gettext_lazy("Settings in Seller Center"), done)]


def warnings(shop: Shop) -> list[Text]:
    if shop.checklist_confirmed_at:
        return []
    return [
        gettext_lazy("Not every setting in Seller Center is confirmed. Until returns are approved, no label is made.")
    ]


SELLER_CENTER = Step(
    slug="seller-center",
    title=gettext_lazy("Settings at TikTok"),
    lead=gettext_lazy("Four things in Seller Center that only you can set."),
    show=seller_center,
    is_done=lambda shop: shop.checklist_confirmed_at is not None,
    facts=facts,
    warnings=warnings,
)
