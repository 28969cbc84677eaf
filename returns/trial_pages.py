"""The wizard's test return: choose a past order, see the whole decision, the lane and a specimen of the label."""

import logging
from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from matching.trail_words import OUTCOMES, Text, told_of_json
from merchants.models import Shop
from merchants.wizard.connect import lost_connection
from merchants.wizard.forms import PlainForm
from merchants.wizard.steps import Page, Place, Step
from rebound_tts.clients.errors import RemoteError
from rebound_tts.clients.tiktok_answers import TikTokOrder
from returns.specimen import bars_of, squares_of
from returns.trial_models import Trial
from returns.trials import NoSuchOrderError, orders_to_try, try_return

logger = logging.getLogger(__name__)

LABEL, QR = "label", "qr"


class TrialForm(PlainForm):
    order_id = forms.CharField(
        label=gettext_lazy("TikTok order id"),
        help_text=gettext_lazy("Choose one of your newest orders above, or type the id of any order of this shop."),
        max_length=64,
        error_messages={"required": gettext_lazy("Choose an order, or type its id.")},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What the buyer asks for"),
        choices=[(LABEL, gettext_lazy("A label to print")), (QR, gettext_lazy("A QR code to show"))],
        initial=LABEL,
        widget=forms.RadioSelect,
    )


def test_return(request: HttpRequest, place: Place) -> HttpResponse:
    """Choose an order; what became of it stands on a page of its own, so that reloading asks nobody again."""
    form = TrialForm(request.POST if request.method == "POST" else None, initial=_chosen(request))
    error: RemoteError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            trial = try_return(
                shop=place.shop,
                order_id=form.cleaned_data["order_id"].strip(),
                wants_qr=form.cleaned_data["kind"] == QR,
                by=place.seller.seller_name,
                now=timezone.now(),
            )
        except NoSuchOrderError:
            form.add_error("order_id", _("TikTok does not know this order in this shop. Check the id."))
        except RemoteError as refused:
            logger.warning("a test return could not be made", extra={"error": str(refused)})
            error = refused
        else:
            return HttpResponseRedirect(place.url("result", trial_id=trial.pk))
    orders, unlisted = _orders(place.shop)
    error = error or unlisted
    context = {
        "form": form,
        "orders": [(order, f"{place.url()}?order={order.id}#form") for order in orders],
        "error": error,
        "lost": lost_connection(place.shop, error),
        "earlier": [(each, place.url("result", trial_id=each.pk)) for each in _trials(place)[:5]],
        "sandbox_url": settings.SANDBOX_PAGE_URL,
    }
    return place.page(request, "returns/test_return.html", context)


def result(request: HttpRequest, place: Place, trial_id: int) -> HttpResponse:
    trial = _trial(place, trial_id)
    context = {
        "trial": trial,
        "trail": told_of_json(trial.trail),
        "outcome": OUTCOMES.get(trial.outcome, trial.outcome),
        "direct": DIRECT.get(trial.direct_reason, ""),
        "specimen_url": place.url("specimen", trial_id=trial.pk),
        "again_url": place.url(),
        "lanes_url": next((place.url_of(step) for step in place.steps if step.slug == "lanes"), ""),
        "sandbox_url": settings.SANDBOX_PAGE_URL,
    }
    return place.page(request, "returns/test_return_result.html", context)


def specimen(request: HttpRequest, place: Place, trial_id: int) -> HttpResponse:
    """The label as a picture of ours, marked so that nobody takes it for one."""
    trial = _trial(place, trial_id)
    if not trial.carrier_service:
        raise Http404("There is no lane, so there is no label.")
    context = {"trial": trial, "bars": bars_of(trial.order_id), "squares": squares_of(trial.order_id)}
    return render(request, "returns/specimen.svg.html", context, content_type="image/svg+xml")


DIRECT: dict[str, Text] = {
    "ORDER_NOT_AT_REBOUND": gettext_lazy("The order matched, but ReBound does not hold it yet."),
    "NO_REBOUND_ACCOUNT": gettext_lazy("No ReBound account is connected."),
}


def _chosen(request: HttpRequest) -> dict[str, Any]:
    return {"order_id": request.GET.get("order", "")[:64], "kind": LABEL}


def _orders(shop: Shop) -> tuple[list[TikTokOrder], RemoteError | None]:
    """The newest orders, or why TikTok did not list them."""
    try:
        return orders_to_try(shop), None
    except RemoteError as error:
        logger.warning("TikTok did not list the newest orders", extra={"error": str(error)})
        return [], error


def _trials(place: Place) -> Any:
    return Trial.objects.for_merchant(place.merchant).filter(shop=place.shop).order_by("-asked_at", "-pk")


def _trial(place: Place, trial_id: int) -> Trial:
    found: Trial | None = _trials(place).filter(pk=trial_id).first()
    if found is None:
        raise Http404("There is no such test return.")
    return found


def is_done(shop: Shop) -> bool:
    return Trial.objects.filter(shop=shop).exists()


def done_among(shops: Sequence[Shop]) -> set[int]:
    return set(Trial.objects.filter(shop__in=shops).values_list("shop__pk", flat=True))


def facts(shop: Shop) -> list[tuple[Text, Text]]:
    trial = _last(shop)
    if trial is None:
        return []
    words = _("linked") if trial.is_linked else _("without a link")
    asked = date_format(timezone.localtime(trial.asked_at), "SHORT_DATE_FORMAT")
    return [(_("Test return"), f"{trial.order_id}: {words} ({asked})")]


def warnings(shop: Shop) -> list[Text]:
    trial = _last(shop)
    if trial is None:
        return [_("No test return was looked at.")]
    if not trial.carrier_service:
        return [_("The last test return found no lane: buyers from that country would get no label.")]
    return []


def _last(shop: Shop) -> Trial | None:
    trials = Trial.objects.for_merchant(shop.merchant).filter(shop=shop)
    last: Trial | None = trials.order_by("-asked_at", "-pk").first()
    return last


TEST_RETURN = Step(
    slug="test-return",
    title=gettext_lazy("Try a return"),
    lead=gettext_lazy("See what a return of a real order would become. Nothing is sent to TikTok or to ReBound."),
    show=test_return,
    is_done=is_done,
    done_among=done_among,
    pages=(
        Page("<int:trial_id>", result, "result"),
        Page("<int:trial_id>/specimen.svg", specimen, "specimen"),
    ),
    facts=facts,
    warnings=warnings,
)
