"""The wizard's step on matching: whether returns are linked to sales orders, and by whose ids."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from matching.id_rules import IdRules
from matching.origins import Held, held_origins
from merchants.models import LONGEST_MATCH_WAIT, PlatformOrigin, Shop
from merchants.services import MatchingChoice, choose_matching
from merchants.wizard.connect import lost_connection
from merchants.wizard.forms import PlainForm, posted
from merchants.wizard.steps import Place, Step, Text
from rebound_tts.clients.errors import RemoteError

ON, OFF = "on", "off"
LINKED, DIRECT = "linked", "direct"
MADE_UP = ("#1001", "SO-000123", "5500000001001")
WAITS: dict[int, Text] = {
    0: gettext_lazy("Do not wait"),
    10: gettext_lazy("10 minutes"),
    30: gettext_lazy("30 minutes"),
    60: gettext_lazy("1 hour"),
    240: gettext_lazy("4 hours"),
    1440: gettext_lazy("24 hours"),
}


class MatchingForm(PlainForm):
    needed = ("platform_origin", "wait")
    matching = forms.ChoiceField(
        label=gettext_lazy("Match returns to your orders?"),
        choices=[(ON, gettext_lazy("Match")), (OFF, gettext_lazy("Do not match"))],
        error_messages={"required": gettext_lazy("Choose one of the two; you can change it at any time.")},
    )
    platform_origin = forms.ChoiceField(
        label=gettext_lazy("Whose order numbers does TikTok hold?"),
        required=False,
        help_text=gettext_lazy("The system that writes its order and item ids to your TikTok orders."),
    )
    id_strip_prefix = forms.CharField(
        label=gettext_lazy("Ignore this at the start"),
        required=False,
        max_length=40,
        strip=False,
        help_text=gettext_lazy("For example # or SO-"),
    )
    id_strip_suffix = forms.CharField(
        label=gettext_lazy("Ignore this at the end"),
        required=False,
        max_length=40,
        strip=False,
        help_text=gettext_lazy("For example -UK"),
    )
    id_ignore_case = forms.BooleanField(label=gettext_lazy("Capital or small letters are the same"), required=False)
    id_trim_leading_zeros = forms.BooleanField(label=gettext_lazy("Zeros at the start do not count"), required=False)
    partly = forms.ChoiceField(
        label=gettext_lazy("When only some items of a return can be matched"),
        choices=[
            (LINKED, gettext_lazy("Link it to the order, with the items that are certain")),
            (DIRECT, gettext_lazy("Create it without a link")),
        ],
        required=False,
        widget=forms.RadioSelect,
    )
    wait = forms.TypedChoiceField(
        label=gettext_lazy("When an order has not arrived yet, wait for it"),
        coerce=int,
        required=False,
        help_text=gettext_lazy(
            "Your buyer has no label while we wait. After that the return is created without a link."
        ),
    )

    def __init__(self, *args: Any, shop: Shop, held: Held | None, **kwargs: Any) -> None:
        self.shop, self.held = shop, held
        super().__init__(*args, initial=self._initial(), **kwargs)
        fields: Any = self.fields
        fields["platform_origin"].choices = [("", gettext_lazy("Choose")), *self._origins()]
        waits = WAITS | {self._wait: _("%(minutes)s minutes") % {"minutes": self._wait}} if self._is_odd else WAITS
        fields["wait"].choices = sorted(waits.items())

    def _initial(self) -> dict[str, Any]:
        shop = self.shop
        chosen = shop.matching_chosen_at is not None
        return {
            "matching": (ON if shop.matching_enabled else OFF) if chosen else "",
            "platform_origin": shop.platform_origin or (self.held.most_carried if self.held else ""),
            "id_strip_prefix": shop.id_strip_prefix,
            "id_strip_suffix": shop.id_strip_suffix,
            "id_ignore_case": shop.id_ignore_case,
            "id_trim_leading_zeros": shop.id_trim_leading_zeros,
            "partly": DIRECT if shop.partly_matched_goes_direct else LINKED,
            "wait": self._wait,
        }

    @property
    def _wait(self) -> int:
        return int(min(self.shop.match_wait, LONGEST_MATCH_WAIT).total_seconds() // 60)

    @property
    def _is_odd(self) -> bool:
        return self._wait not in WAITS

    def _origins(self) -> list[tuple[str, Text]]:
        if self.held is None or not self.held.carried:
            return [(value, label) for value, label in PlatformOrigin.choices]
        carried = self.held.carried
        return [
            (value, f"{label} ({carried[value]}/{self.held.orders})" if value in carried else label)
            for value, label in sorted(PlatformOrigin.choices, key=lambda choice: -carried.get(choice[0], 0))
        ]

    def clean(self) -> None:
        typed = self.cleaned_data
        if typed.get("matching") == ON and not typed.get("platform_origin") and "platform_origin" not in self.errors:
            self.add_error("platform_origin", _("Choose the system whose ids your TikTok orders carry."))

    def rules(self) -> IdRules:
        """The rules as they were typed, or else as they are set."""
        typed = self.data if self.is_bound else self.initial
        return IdRules(
            strip_prefix=str(typed.get("id_strip_prefix") or "")[:40],
            strip_suffix=str(typed.get("id_strip_suffix") or "")[:40],
            ignore_case=bool(typed.get("id_ignore_case")),
            trim_leading_zeros=bool(typed.get("id_trim_leading_zeros")),
        )

    def choice(self) -> MatchingChoice:
        typed = self.cleaned_data
        is_on = typed["matching"] == ON
        return MatchingChoice(
            matching_enabled=is_on,
            # What was typed while it is off is kept: putting it on again asks nothing twice.
            platform_origin=typed["platform_origin"] or "",
            id_strip_prefix=typed["id_strip_prefix"],
            id_strip_suffix=typed["id_strip_suffix"],
            id_ignore_case=typed["id_ignore_case"],
            id_trim_leading_zeros=typed["id_trim_leading_zeros"],
            partly_matched_goes_direct=typed["partly"] == DIRECT,
            match_wait=timedelta(minutes=10 if typed["wait"] == "" else typed["wait"]),
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the preview: an id, and what it is compared as; "" where it can match nothing."""

    raw: str
    compared: str


def matching(request: HttpRequest, place: Place) -> HttpResponse:
    """On or off, and by whose ids. The preview button shows what the rules do, and saves nothing."""
    shop = place.shop
    held, error = _held(shop)
    form = MatchingForm(posted(request), shop=shop, held=held)
    previews = "preview" in request.POST
    if request.method == "POST" and not previews and form.is_valid():
        choose_matching(shop=shop, choice=form.choice(), now=timezone.now())
        if not form.choice().matching_enabled:
            messages.info(request, _("Matching is off. Labels work all the same; you can put it on at any time."))
        return place.saved(request)
    origin = str(form["platform_origin"].value() or "")
    rules = form.rules()
    samples = (held.ids(origin) if held else ()) or MADE_UP
    context = {
        "form": form,
        "matching": form["matching"].value(),
        "held": held,
        "held_words": held_words(held) if held else "",
        "error": error,
        "lost": lost_connection(shop, error),
        "preview": [Shown(raw, rules.key(raw) or "") for raw in samples],
        "previews": previews,
        "are_made_up": samples is MADE_UP,
        "rules_are_open": not rules.is_exact or previews,
    }
    return place.page(request, "wizard/matching.html", context, status=200)


def _held(shop: Shop) -> tuple[Held | None, RemoteError | None]:
    try:
        return held_origins(shop), None
    except RemoteError as error:
        return None, error


def held_words(held: Held) -> str:
    """ "18 of your last 20 orders carry a Shopify reference." """
    if not held.orders:
        return _("Your shop has no orders at TikTok yet.")
    if not held.carried:
        return _("None of your last %(total)s orders carries a reference of another system.") % {"total": held.orders}
    said = []
    for platform, count in held.carried.items():
        label = PlatformOrigin(platform).label if platform in PlatformOrigin.values else platform
        text = ngettext(
            "%(count)s of your last %(total)s orders carries a %(platform)s reference.",
            "%(count)s of your last %(total)s orders carry a %(platform)s reference.",
            count,
        )
        said.append(text % {"count": count, "total": held.orders, "platform": label})
    return " ".join(said)


def facts(shop: Shop) -> list[tuple[Text, Text]]:
    if shop.matching_chosen_at is None:
        return []
    if not shop.matching_enabled:
        return [(gettext_lazy("Matching"), gettext_lazy("Off: returns are created without a link to an order"))]
    minutes = int(shop.match_wait.total_seconds() // 60)
    return [
        (gettext_lazy("Matching"), gettext_lazy("On")),
        (gettext_lazy("Platform origin"), shop.get_platform_origin_display()),
        (gettext_lazy("Id rules"), _rules_words(shop)),
        (
            gettext_lazy("Partly matched"),
            gettext_lazy("Without a link") if shop.partly_matched_goes_direct else gettext_lazy("Linked to the order"),
        ),
        (
            gettext_lazy("Waits for an order"),
            WAITS.get(minutes) or ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes},
        ),
    ]


def _rules_words(shop: Shop) -> Text:
    said = [
        *([_("without “%(text)s” at the start") % {"text": shop.id_strip_prefix}] if shop.id_strip_prefix else []),
        *([_("without “%(text)s” at the end") % {"text": shop.id_strip_suffix}] if shop.id_strip_suffix else []),
        *([_("capitals do not matter")] if shop.id_ignore_case else []),
        *([_("zeros at the start do not count")] if shop.id_trim_leading_zeros else []),
    ]
    return ", ".join(said) or gettext_lazy("Compared exactly")


MATCHING = Step(
    slug="matching",
    title=gettext_lazy("Matching"),
    lead=gettext_lazy("Whether a return is linked to your original order, and by which ids."),
    show=matching,
    is_done=lambda shop: shop.matching_chosen_at is not None,
    facts=facts,
    blocks=True,
    is_copied=True,
)
