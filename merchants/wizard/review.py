"""The last step: everything on one page, what is still open, and the merchant's word that it may begin."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from merchants.services import go_live
from merchants.wizard.forms import PlainForm, posted
from merchants.wizard.steps import Place, Step

# Raised when the wording in templates/wizard/review.html changes: the consent that is kept names it.
TEXT_VERSION = "2026-11-25"


class ConsentForm(PlainForm):
    agreed = forms.BooleanField(
        label=gettext_lazy("I agree, and may decide this for the shop"),
        error_messages={"required": gettext_lazy("Tick the box if you agree: without it the shop cannot go live.")},
    )


def review(request: HttpRequest, place: Place) -> HttpResponse:
    shop = place.shop
    others = [step for step in place.steps if step is not place.step]
    missing = [step for step in others if step.blocks and not step.is_done(shop)]
    form = ConsentForm(posted(request))
    if request.method == "POST" and shop.live_at is None:
        if missing:
            named = ((place.url_of(step), step.title) for step in missing)
            links = format_html_join(", ", '<a href="{}">{}</a>', named)
            form.add_error(None, format_html(_("Finish these steps first: {steps}."), steps=links))
        elif form.is_valid():
            go_live(
                shop=shop,
                open_id=place.seller.open_id,
                seller_name=place.seller.seller_name,
                text_version=TEXT_VERSION,
                now=timezone.now(),
            )
            messages.success(request, _("%(shop)s is live.") % {"shop": shop.name})
    if request.method == "POST" and not form.errors:
        return place.home()
    warnings = {step.slug: step.warnings(shop) for step in others}
    # What a warning says of a step is not said once more: that it is not done.
    skipped = [step for step in others if not step.blocks and not step.is_done(shop) and not warnings[step.slug]]
    context = {
        "form": form,
        "sections": [
            {"step": step, "url": place.url_of(step), "facts": step.facts(shop), "is_done": step.is_done(shop)}
            for step in others
        ],
        "open": [(warning, step, place.url_of(step)) for step in others for warning in warnings[step.slug]],
        "missing": [(step, place.url_of(step)) for step in missing],
        "skipped": [(step, place.url_of(step)) for step in skipped],
        "consent": shop.consents.order_by("-given_at").first(),
    }
    return place.page(request, "wizard/review.html", context)


REVIEW = Step(
    slug="review",
    title=gettext_lazy("Review and go live"),
    lead=gettext_lazy("Everything on one page, before the first return."),
    show=review,
    is_done=lambda shop: shop.live_at is not None,
)
