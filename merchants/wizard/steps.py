"""The shape of the install wizard: its steps are data, and how far a shop is follows from saved rows.

A step is a `Step`: a slug (its address), a title, a lead sentence, a view, and `is_done`, which looks at saved rows and
never at the session. The list of steps is put together in `rebound_tts/urls.py`, the one place that may import from
every layer; `merchants.wizard.urls.merchant_pages(steps=[...])` makes the addresses. "3 of 8" follows from the list, so
that a step is added by adding it there, and nowhere else.

Writing a step, in whichever app knows its subject:

    def coverage(request: HttpRequest, place: Place) -> HttpResponse:
        form = CoverageForm(posted(request))             # of merchants.wizard.forms
        if request.method == "POST" and form.is_valid():
            start_check(shop=place.shop, ...)          # one call into the domain
            return place.saved(request)                # to the next step; to the status home once the shop is live
        return place.page(request, "wizard/coverage.html", {"form": form})

    COVERAGE = Step(
        slug="coverage",
        title=_("Check your orders"),                  # gettext_lazy
        lead=_("See how many of your orders would match, before any return exists."),
        show=coverage,
        is_done=lambda shop: ...,                      # from rows: one query at most
        pages=(Page("rows.csv", rows_csv, "csv"), Page("cancel", cancel, "cancel")),
        facts=lambda shop: [(_("Last check"), "...")], # what the review and the status home show; may be left out
        warnings=lambda shop: [_("...")],              # what the merchant should know before going live
        blocks=False,                                  # True: the shop cannot go live before it is done
    )

- `place.shop` is the merchant's own shop (anybody else's is a 404 before a view is called), with its authorization,
  ReBound account and lanes at hand. `place.merchant`, `place.seller` say who is signed in.
- Further pages of a step stand below its address: `place.url("csv")`, or `place.url("row", row_id=7)` for a route with
  parameters, which its view gets as keyword arguments. Give templates the addresses that they need in the context.
- A template extends "wizard/step.html" and fills `{% block step %}`, inside which the form comes first. It has `place`,
  `steps` and `form` at hand. `{% include "wizard/errors.html" %}` stands above the form and moves the focus to what is
  wrong. Fields are rendered by `{{ form.field.as_field_group }}` of a `merchants.wizard.forms.PlainForm`.
- Works without JavaScript first. A page that shows progress says so itself with a script of its own and, inside
  `<noscript>`, a link to look again. No inline script, style or style attribute: the policy forbids them.
- Ask TikTok or ReBound in a view only where the answer comes within ten seconds. What takes longer runs in the queue,
  from rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from merchants.models import Merchant, Shop
from merchants.wizard.session import SignedIn

Text = str | Promise
StepView = Callable[..., HttpResponse]


def _nothing(shop: Shop) -> list[Any]:
    return []


@dataclass(frozen=True, slots=True)
class Page:
    """A further page of a step, below the step's own address; `name` is what `Place.url` finds it by."""

    route: str
    show: StepView
    name: str


@dataclass(frozen=True, slots=True)
class Step:
    slug: str
    title: Text
    lead: Text
    show: StepView
    is_done: Callable[[Shop], bool]
    pages: tuple[Page, ...] = ()
    facts: Callable[[Shop], Sequence[tuple[Text, Text]]] = _nothing
    warnings: Callable[[Shop], Sequence[Text]] = _nothing
    blocks: bool = False  # a shop cannot go live before it is done
    is_copied: bool = False  # its facts are what copying from another shop changes
    # `is_done` of many shops, in one query: the keys of those that are done. For a step that asks the database.
    done_among: Callable[[Sequence[Shop]], set[int]] | None = None


@dataclass(frozen=True, slots=True)
class StepAt:
    """A step as the list beside the page shows it."""

    step: Step
    number: int
    url: str
    is_done: bool
    is_current: bool


@dataclass(frozen=True)
class Place:
    """Where a merchant is: which shop, which step, of which steps."""

    shop: Shop
    seller: SignedIn
    steps: tuple[Step, ...]
    step: Step
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def merchant(self) -> Merchant:
        return self.seller.merchant

    @cached_property
    def others(self) -> list[Shop]:
        """The merchant's other shops, with their accounts and lanes."""
        shops = Shop.objects.for_merchant(self.merchant).exclude(pk=self.shop.pk).select_related("rebound_account")
        return list(shops.prefetch_related("lanes").order_by("created_at", "pk"))

    @property
    def number(self) -> int:
        return self.steps.index(self.step) + 1

    @property
    def total(self) -> int:
        return len(self.steps)

    def url(self, page: str = "", **parameters: Any) -> str:
        """The address of this step, or of one of its further pages."""
        name = f"setup-{self.step.slug}-{page}" if page else f"setup-{self.step.slug}"
        return reverse(name, kwargs={"shop_id": self.shop.shop_id, **parameters})

    def url_of(self, step: Step) -> str:
        return reverse(f"setup-{step.slug}", kwargs={"shop_id": self.shop.shop_id})

    @property
    def home_url(self) -> str:
        return reverse("shop", kwargs={"shop_id": self.shop.shop_id})

    @property
    def next_url(self) -> str:
        """The next step; the status home once the shop is live, where steps are edited alone."""
        if self.shop.live_at or self.number == self.total:
            return self.home_url
        return self.url_of(self.steps[self.number])

    @property
    def previous_url(self) -> str:
        if self.shop.live_at:
            return self.home_url
        return self.url_of(self.steps[self.number - 2]) if self.number > 1 else ""

    def progress(self) -> list[StepAt]:
        return [
            StepAt(step, number, self.url_of(step), step.is_done(self.shop), step is self.step)
            for number, step in enumerate(self.steps, 1)
        ]

    def page(
        self, request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
    ) -> HttpResponse:
        """The step's page. A form with errors is answered with 422, so that nothing takes it for done."""
        steps = self.progress()
        context = {
            "place": self,
            "shop": self.shop,
            "steps": steps,
            "done_count": sum(each.is_done for each in steps),
            **self.more,
            **(context or {}),
        }
        form = context.get("form")
        if status == 200 and request.method == "POST" and form is not None and form.errors:
            status = 422
        return render(request, template, context, status=status)

    def home(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.home_url)

    def again(self) -> HttpResponseRedirect:
        """This step once more, so that reloading does not send a form twice."""
        return HttpResponseRedirect(self.url())

    def saved(self, request: HttpRequest) -> HttpResponseRedirect:
        """Go on after a step was saved; a live shop's home says that it was."""
        if self.shop.live_at:
            messages.success(request, _("Saved."))
        return HttpResponseRedirect(self.next_url)


def first_open(steps: Sequence[Step], shop: Shop) -> Step:
    """Where a merchant goes on who comes back: the first step that is not done; the last where all are."""
    return next((step for step in steps if not step.is_done(shop)), steps[-1])
