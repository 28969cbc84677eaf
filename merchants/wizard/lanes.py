"""The step on lanes: how a return travels from each country, and the provider that TikTok shows for it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from merchants.models import Lane, LaneContract, Shop
from merchants.providers import shipping_providers
from merchants.services import LaneTakenError, remove_lane, store_lane
from merchants.wizard.connect import lost_connection
from merchants.wizard.countries import COUNTRIES, EVERY_OTHER, country_name, reading_order
from merchants.wizard.forms import PlainForm, posted
from merchants.wizard.steps import Page, Place, Step, Text
from rebound_tts.clients.errors import RemoteError

OTHER = "other"  # in an address, where the country is blank


class LaneForm(PlainForm):
    needed = ("country",)
    country = forms.ChoiceField(label=gettext_lazy("Returns from"), required=False)
    contract = forms.ChoiceField(
        label=gettext_lazy("Whose contract with the carrier"),
        choices=[
            (LaneContract.MANAGED, gettext_lazy("ReBound's: ReBound books the carrier for you")),
            (LaneContract.OWN, gettext_lazy("Your own: ReBound uses your agreement with the carrier")),
        ],
        initial=LaneContract.MANAGED,
        widget=forms.RadioSelect,
    )
    carrier_service = forms.CharField(
        label=gettext_lazy("Carrier service for labels"),
        max_length=100,
        help_text=gettext_lazy("ReBound's name of the service, as your implementation manager gave it."),
        error_messages={
            "required": gettext_lazy("Enter ReBound's name of the service, for example ROYAL_MAIL_TRACKED.")
        },
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}),
    )
    qr_carrier_service = forms.CharField(
        label=gettext_lazy("Carrier service for QR codes"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Leave it empty if it is the same. Your buyer chooses a label or a QR code in TikTok."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}),
    )
    provider = forms.ChoiceField(
        label=gettext_lazy("Carrier that your buyer sees"),
        help_text=gettext_lazy("TikTok's list for your shop. Its tracking page follows from this."),
        error_messages={"required": gettext_lazy("Choose the carrier that belongs to the service.")},
    )

    def __init__(self, *args: Any, providers: dict[str, str], lane: Lane | None, **kwargs: Any) -> None:
        initial = {}
        if lane is not None:
            initial = {
                "country": lane.country,
                "contract": lane.contract,
                "carrier_service": lane.carrier_service,
                "qr_carrier_service": lane.qr_carrier_service,
                "provider": lane.shipping_provider_id,
            }
            # One that TikTok lists no more stays chosen until the merchant chooses another.
            providers = {lane.shipping_provider_id: lane.shipping_provider_name} | providers
        super().__init__(*args, initial=initial | kwargs.pop("initial", {}), **kwargs)
        self.providers = providers
        fields: Any = self.fields
        countries = sorted(
            ((code, str(name)) for code, name in COUNTRIES.items()), key=lambda each: reading_order(each[1])
        )
        if lane is not None and lane.country and lane.country not in COUNTRIES:
            countries.append((lane.country, lane.country))
        fields["country"].choices = [("", EVERY_OTHER), *countries]
        fields["provider"].choices = [("", gettext_lazy("Choose")), *providers.items()]


def lanes(request: HttpRequest, place: Place) -> HttpResponse:
    rows = sorted(
        place.shop.lanes.all(), key=lambda lane: (not lane.country, reading_order(country_name(lane.country)))
    )
    shown = [(lane, country_name(lane.country), place.url("edit", country=lane.country or OTHER)) for lane in rows]
    context = {
        "lanes": shown,
        "add_url": place.url("add"),
        "has_default": any(not lane.country for lane in rows),
    }
    return place.page(request, "wizard/lanes.html", context)


def add(request: HttpRequest, place: Place) -> HttpResponse:
    return _edit(request, place, lane=None)


def edit(request: HttpRequest, place: Place, country: str) -> HttpResponse:
    return _edit(request, place, lane=_lane_of(place.shop, country))


def _edit(request: HttpRequest, place: Place, *, lane: Lane | None) -> HttpResponse:
    shop = place.shop
    heading = _("Lane: %(country)s") % {"country": country_name(lane.country)} if lane else _("Add a lane")
    try:
        providers = shipping_providers(shop)
    except RemoteError as error:
        lost = lost_connection(shop, error)
        shown = {"heading": heading, "error": error, "lost": lost, "back_url": place.url()}
        return place.page(request, "wizard/lane.html", shown, status=200 if lost else 503)
    first = {} if lane or shop.lanes.all() else {"country": shop.region if shop.region in COUNTRIES else ""}
    form = LaneForm(posted(request), providers=providers, lane=lane, initial=first)
    if request.method == "POST" and form.is_valid():
        typed = form.cleaned_data
        try:
            store_lane(
                shop=shop,
                lane=lane,
                country=typed["country"],
                contract=typed["contract"],
                carrier_service=typed["carrier_service"],
                qr_carrier_service=typed["qr_carrier_service"],
                shipping_provider_id=typed["provider"],
                shipping_provider_name=form.providers[typed["provider"]],
            )
            messages.success(request, _("Saved: %(country)s.") % {"country": country_name(typed["country"])})
            return place.again()
        except LaneTakenError:
            form.add_error(
                "country", _("There is a lane for this already. Change that one, or choose another country.")
            )
    context = {
        "heading": heading,
        "form": form,
        "back_url": place.url(),
        "remove_url": place.url("remove", country=lane.country or OTHER) if lane else "",
    }
    return place.page(request, "wizard/lane.html", context)


@require_POST
def remove(request: HttpRequest, place: Place, country: str) -> HttpResponse:
    remove_lane(lane=_lane_of(place.shop, country))
    messages.success(request, _("Removed."))
    return place.again()


def _lane_of(shop: Shop, country: str) -> Lane:
    wanted = "" if country == OTHER else country
    for lane in shop.lanes.all():
        if lane.country == wanted:
            return lane
    raise Http404("There is no lane for this country.")


def facts(shop: Shop) -> list[tuple[Text, Text]]:
    return [
        (
            country_name(lane.country),
            ", ".join(
                filter(
                    None,
                    [
                        lane.carrier_service,
                        lane.qr_carrier_service,
                        lane.shipping_provider_name,
                        lane.get_contract_display(),
                    ],
                )
            ),
        )
        for lane in sorted(shop.lanes.all(), key=lambda lane: (not lane.country, lane.country))
    ]


def warnings(shop: Shop) -> list[Text]:
    if all(lane.country for lane in shop.lanes.all()):
        return [
            gettext_lazy(
                "A return from a country that is not listed gets no label: add a lane for every other country."
            )
        ]
    return []


LANES = Step(
    slug="lanes",
    title=gettext_lazy("Lanes and carriers"),
    lead=gettext_lazy("Which carrier brings a return back, country by country."),
    show=lanes,
    is_done=lambda shop: bool(shop.lanes.all()),
    pages=(
        Page("add/", add, "add"),
        Page("<str:country>/", edit, "edit"),
        Page("<str:country>/remove", remove, "remove"),
    ),
    facts=facts,
    warnings=warnings,
    blocks=True,
    is_copied=True,
)
