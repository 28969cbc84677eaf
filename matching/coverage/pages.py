"""The pages of the coverage check in the install wizard: start, progress, result, orders, history.

Everything about a check is looked up among the merchant's own checks of the place's own shop: anything else is a 404.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from matching.coverage import tasks
from matching.coverage.diagnosis import Finding
from matching.coverage.judgment import decide_on
from matching.coverage.models import (
    LARGEST_SAMPLE,
    SMALLEST_SAMPLE,
    CheckState,
    CoverageCheck,
    CoverageOrder,
    Stage,
)
from matching.coverage.services import DEFAULT_SAMPLE, apply_remedy, cancel_check, newest_check, start_check
from matching.coverage.table import rows_csv
from matching.coverage.wording import FAILURES, REASONS, Text, origin_name, rules_in_words, said
from matching.trail_words import told
from merchants.models import Shop
from merchants.wizard.forms import PlainForm
from merchants.wizard.steps import Page, Place, Step

ORDERS_A_PAGE = 25
SHOWN = {"missing": gettext_lazy("Not matched"), "matched": gettext_lazy("Matched"), "all": gettext_lazy("All")}


class SampleForm(PlainForm):
    sample_size = forms.IntegerField(
        label=gettext_lazy("How many of your newest orders?"),
        help_text=gettext_lazy("From 20 to 500. More orders show more, and take longer: 100 take a few seconds."),
        min_value=SMALLEST_SAMPLE,
        max_value=LARGEST_SAMPLE,
        initial=DEFAULT_SAMPLE,
        error_messages={
            "required": gettext_lazy("Type a number from 20 to 500."),
            "invalid": gettext_lazy("Type a whole number from 20 to 500."),
            "min_value": gettext_lazy("Type 20 or more: fewer orders say too little."),
            "max_value": gettext_lazy("Type 500 or less."),
        },
        widget=forms.NumberInput(attrs={"class": "short", "inputmode": "numeric"}),
    )


def coverage(request: HttpRequest, place: Place) -> HttpResponse:
    """Choose a sample and start; while a check runs its progress; afterwards what it found."""
    newest = newest_check(place.shop)
    is_ready = bool(place.shop.matching_enabled and place.shop.platform_origin)
    form = SampleForm(
        request.POST if request.method == "POST" else None,
        initial={"sample_size": newest.sample_size if newest else DEFAULT_SAMPLE},
    )
    if request.method == "POST" and is_ready and form.is_valid():
        start_check(
            shop=place.shop,
            sample_size=form.cleaned_data["sample_size"],
            now=timezone.now(),
            asked_by=place.seller.seller_name,
        )
        tasks.ring()
        return HttpResponseRedirect(place.url())
    older = CoverageCheck.objects.for_merchant(place.merchant).filter(shop=place.shop).order_by("-asked_at", "-pk")
    history = [each for each in older[:10] if newest is None or each.pk != newest.pk]
    return _page(request, place, newest, form=form, is_ready=is_ready, history=_linked(place, history))


def one_check(request: HttpRequest, place: Place, check_id: int) -> HttpResponse:
    """An earlier check."""
    return _page(request, place, _check(place, check_id), is_earlier=True)


def progress(request: HttpRequest, place: Place) -> HttpResponse:
    """The part of the page that a script asks for again and again while a check runs."""
    newest = newest_check(place.shop)
    if newest is None:
        raise Http404("There is no check.")
    return render(request, "coverage/progress.html", _shown(place, newest))


def cancel(request: HttpRequest, place: Place) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    newest = newest_check(place.shop)
    if newest is not None:
        cancel_check(newest, now=timezone.now())
    return HttpResponseRedirect(place.url())


def apply(request: HttpRequest, place: Place, check_id: int, number: int) -> HttpResponse:
    """Set what a finding of the newest check proposes, and check again. A second click does no harm."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    check = _check(place, check_id)
    findings = [Finding.from_json(each) for each in check.findings]
    if number >= len(findings) or not findings[number].kind.is_ours:
        raise Http404("There is no such remedy.")
    if check == newest_check(place.shop):  # an older one speaks of settings that may have changed since
        apply_remedy(check=check, finding=findings[number], now=timezone.now(), by=place.seller.seller_name)
        tasks.ring()
    return HttpResponseRedirect(place.url())


def orders(request: HttpRequest, place: Place, check_id: int) -> HttpResponse:
    """The orders of a check with the reason of each, some on a page."""
    check = _check(place, check_id)
    show = request.GET.get("show", "")
    show = show if show in SHOWN else ("missing" if check.matched < check.decided else "all")
    rows = check.orders.order_by("position").defer("orders")
    if show == "missing":
        rows = rows.filter(stage__lt=Stage.MATCHED)
    elif show == "matched":
        rows = rows.filter(stage=Stage.MATCHED)
    found = Paginator(rows, ORDERS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "check": check,
        "rows": [
            (row, REASONS.get(row.reason, ""), place.url("order", check_id=check.pk, order_id=row.order_id))
            for row in found
        ],
        "found": found,
        "show": show,
        "choices": [(key, label, key == show) for key, label in SHOWN.items()],
        "csv_url": place.url("csv", check_id=check.pk),
        "back_url": place.url("check", check_id=check.pk),
    }
    return place.page(request, "coverage/orders.html", context)


def one_order(request: HttpRequest, place: Place, check_id: int, order_id: str) -> HttpResponse:
    """What was compared for one order, rule by rule: decided again from the row, which gives the same answer."""
    check = _check(place, check_id)
    row: CoverageOrder | None = check.orders.filter(order_id=order_id).first()
    if row is None or not row.outcome:
        raise Http404("There is no such order in this check.")
    decision = decide_on(row.sampled(), origin=check.platform_origin, rules=check.rules)
    context = {
        "check": check,
        "row": row,
        "why": REASONS.get(row.reason, ""),
        "trail": told(decision.trail),
        "back_url": place.url("orders", check_id=check.pk),
    }
    return place.page(request, "coverage/order.html", context)


def csv(request: HttpRequest, place: Place, check_id: int) -> HttpResponse:
    check = _check(place, check_id)
    answer: Any = rows_csv(check)
    answer["Content-Disposition"] = f'attachment; filename="coverage-{place.shop.shop_id}-{check.pk}.csv"'
    return answer  # type: ignore[no-any-return]  # a streaming answer, which Django types apart


def _check(place: Place, check_id: int) -> CoverageCheck:
    found: CoverageCheck | None = (
        CoverageCheck.objects.for_merchant(place.merchant).filter(shop=place.shop, pk=check_id).first()
    )
    if found is None:
        raise Http404("There is no such check.")
    return found


def _page(request: HttpRequest, place: Place, check: CoverageCheck | None, **more: Any) -> HttpResponse:
    context = {**(_shown(place, check) if check else {}), **more}
    context["settings_url"] = _url_of(place, "matching")
    context["overview_url"] = place.url()
    return place.page(request, "coverage/check.html", context)


def _shown(place: Place, check: CoverageCheck) -> dict[str, Any]:
    """What the templates need of one check."""
    findings = [said(Finding.from_json(each), check=check) for each in check.findings]
    newest = newest_check(place.shop)
    may_apply = newest is not None and newest.pk == check.pk
    return {
        "check": check,
        "origin": origin_name(check.platform_origin),
        "rules": rules_in_words(check.rules),
        "findings": [
            (each, place.url("apply", check_id=check.pk, number=number) if each.button and may_apply else "")
            for number, each in enumerate(findings)
        ],
        "funnel": _funnel(check),
        "failure": FAILURES.get(check.failure),
        "percent": _percent(check),
        "is_sampling": check.sampled_at is None,
        "progress_url": place.url("progress"),
        "cancel_url": place.url("cancel"),
        "orders_url": place.url("orders", check_id=check.pk),
        "csv_url": place.url("csv", check_id=check.pk),
        "calls": _calls(check),
    }


def _funnel(check: CoverageCheck) -> list[tuple[Text, int]]:
    return [
        (_("orders at TikTok"), check.sampled),
        (_("with a %(origin)s reference") % {"origin": origin_name(check.platform_origin)}, check.referenced),
        (_("with a sales order"), check.found),
        (_("with every line found"), check.matched),
    ]


def _percent(check: CoverageCheck) -> int:
    """How much of the work is done: the sample is a small part, references and orders are one half each."""
    if check.sampled_at is None or not check.sampled:
        return 2
    return 5 + int(95 * (check.read + check.decided) / (2 * check.sampled))


def _calls(check: CoverageCheck) -> str:
    """How many remote calls it took, in words."""
    tiktok = check.calls.get("searches", 0) + check.calls.get("references", 0)
    rebound, refused = check.calls.get("rebound", 0), check.calls.get("refused", 0)
    words = [
        ngettext("%(count)d call to TikTok", "%(count)d calls to TikTok", tiktok) % {"count": tiktok},
        ngettext("%(count)d to ReBound", "%(count)d to ReBound", rebound) % {"count": rebound},
    ]
    if refused:
        words.append(
            ngettext(
                "%(count)d of them was too early and made again",
                "%(count)d of them were too early and made again",
                refused,
            )
            % {"count": refused}
        )
    return ", ".join(words)


def _linked(place: Place, checks: list[CoverageCheck]) -> list[tuple[CoverageCheck, str]]:
    return [(each, place.url("check", check_id=each.pk)) for each in checks]


def _url_of(place: Place, slug: str) -> str:
    """The address of another step, "" where the wizard has none of this name."""
    return next((place.url_of(step) for step in place.steps if step.slug == slug), "")


# The step


def is_done(shop: Shop) -> bool:
    """A check ran to its end; or there is nothing to check, since the merchant chose to go without matching."""
    if shop.matching_chosen_at and not shop.matching_enabled:
        return True
    return CoverageCheck.objects.filter(shop=shop, state=CheckState.DONE).exists()


def done_among(shops: Sequence[Shop]) -> set[int]:
    checked = CoverageCheck.objects.filter(shop__in=shops, state=CheckState.DONE).values_list("shop", flat=True)
    return {each.pk for each in shops if each.matching_chosen_at and not each.matching_enabled} | set(checked)


def facts(shop: Shop) -> list[tuple[Text, Text]]:
    check = _last_done(shop)
    if check is None:
        return []
    words = _("%(matched)d of %(sampled)d orders would match") % {"matched": check.matched, "sampled": check.sampled}
    asked = date_format(timezone.localtime(check.asked_at), "SHORT_DATE_FORMAT")
    return [(_("Coverage check"), f"{words} ({asked})")]


def warnings(shop: Shop) -> list[Text]:
    if not shop.matching_enabled:
        return []
    check = _last_done(shop)
    if check is None:
        return [_("No coverage check was made: nobody knows yet whether your orders match.")]
    if check.matched == check.sampled:
        return []
    missing = check.sampled - check.matched
    return [
        ngettext(
            "%(count)d of %(sampled)d checked orders would not match; its return would lack a full link.",
            "%(count)d of %(sampled)d checked orders would not match; their returns would lack a full link.",
            missing,
        )
        % {"count": missing, "sampled": check.sampled}
    ]


def _last_done(shop: Shop) -> CoverageCheck | None:
    done = CoverageCheck.objects.for_merchant(shop.merchant).filter(shop=shop, state=CheckState.DONE)
    last: CoverageCheck | None = done.order_by("-asked_at", "-pk").first()
    return last


COVERAGE = Step(
    slug="coverage",
    title=gettext_lazy("Check your orders"),
    lead=gettext_lazy("See how many of your orders would match, before any return exists."),
    show=coverage,
    is_done=is_done,
    done_among=done_among,
    pages=(
        Page("progress", progress, "progress"),
        Page("cancel", cancel, "cancel"),
        Page("checks/<int:check_id>", one_check, "check"),
        Page("checks/<int:check_id>/apply/<int:number>", apply, "apply"),
        Page("checks/<int:check_id>/orders", orders, "orders"),
        Page("checks/<int:check_id>/orders.csv", csv, "csv"),
        Page("checks/<int:check_id>/orders/<str:order_id>", one_order, "order"),
    ),
    facts=facts,
    warnings=warnings,
)
