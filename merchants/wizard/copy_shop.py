"""Copying the settings of another shop: what would change is shown first."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from merchants.copying import copy_settings, lanes_that_fit
from merchants.models import Shop
from merchants.providers import shipping_providers
from merchants.wizard.connect import lost_connection
from merchants.wizard.countries import country_name
from merchants.wizard.steps import Place, Text
from rebound_tts.clients.errors import RemoteError


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting: how it is here and how it is there; "" where it is not set."""

    step: Text
    name: Text
    here: Text
    there: Text


def copy(request: HttpRequest, place: Place) -> HttpResponse:
    """Choose a shop, see the differences, copy them. POST alone changes anything."""
    sources = [each for each in place.others if each.rebound_account_id or each.matching_chosen_at or each.lanes.all()]
    asked = (request.POST if request.method == "POST" else request.GET).get("from", "")
    if not asked and len(sources) == 1:
        asked = sources[0].shop_id
    if not asked:
        return place.page(request, "wizard/copy.html", {"sources": sources})
    source = next((each for each in sources if each.shop_id == asked), None)
    if source is None:
        raise Http404("There is no such shop to copy from.")
    try:
        providers = shipping_providers(place.shop)
    except RemoteError as error:
        lost = lost_connection(place.shop, error)
        return place.page(request, "wizard/copy.html", {"error": error, "lost": lost}, status=200 if lost else 503)
    if request.method == "POST":
        copied = copy_settings(source=source, target=place.shop, providers=providers)
        messages.success(request, _("Copied from %(shop)s.") % {"shop": source.name})
        if copied.left_out:
            countries = ", ".join(country_name(lane.country) for lane in copied.left_out)
            messages.warning(
                request, _("Not copied, since TikTok lists another carrier here: %(c)s.") % {"c": countries}
            )
        return place.home()
    _fitting, left_out = lanes_that_fit(source, providers=providers)
    context = {
        "source": source,
        "sources": sources,
        "differences": differences(place, source=source),
        "left_out": [country_name(lane.country) for lane in left_out],
    }
    return place.page(request, "wizard/copy.html", context)


def differences(place: Place, *, source: Shop) -> list[Difference]:
    """What copying would change, setting by setting, as the review names them. What is set here alone stays."""
    found = []
    for step in place.steps:
        if step.is_copied:
            here = {str(name): value for name, value in step.facts(place.shop)}
            for name, value in step.facts(source):
                if str(here.get(str(name), "")) != str(value):
                    found.append(Difference(step.title, name, here.get(str(name), ""), value))
    return found
