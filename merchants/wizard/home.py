"""A shop's status home: how its connections are, what became of its returns, and what needs the merchant.

The figures come from layers above, which `merchant_pages(figures=...)` is given; their shape stands here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from merchants.models import ShopState
from merchants.services import disconnect_shop, pause_shop, resume_shop
from merchants.wizard.connect import ends_soon
from merchants.wizard.steps import Place, Text

QUIET = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened lately. `outcomes` are (words, count) in `days` days; `needs` is what only the merchant can do."""

    days: int
    total: int = 0
    outcomes: Sequence[tuple[Text, int]] = ()
    needs: Sequence[Text] = ()
    waiting: int = 0  # for the shop to go live, be resumed or be connected again
    last_event_at: datetime | None = None
    last_order_at: datetime | None = None


FiguresOf = Callable[..., Figures]  # (shop, now=…)


class Level(Enum):
    """How a connection is; the value is its badge's class."""

    GOOD = "good"
    SOON = "warn"  # works, and will not for long
    BROKEN = "bad"
    STOPPED = "disconnected"  # nothing can come
    QUIET = "quiet"  # nothing has come to tell by

    @property
    def label(self) -> Text:
        return LEVELS[self]


LEVELS: dict[Level, Text] = {
    Level.GOOD: gettext_lazy("Good"),
    Level.SOON: gettext_lazy("Soon"),
    Level.BROKEN: gettext_lazy("Broken"),
    Level.STOPPED: gettext_lazy("Stopped"),
    Level.QUIET: gettext_lazy("Quiet"),
}


@dataclass(frozen=True, slots=True)
class Health:
    """One connection: how it is, in words, and since when or until when. `url`: where to do something about it."""

    name: Text
    level: Level
    words: Text
    at: datetime | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    words: Text
    url: str = ""
    step: Text = ""


@dataclass(frozen=True)
class Overview:
    figures: Figures
    health: list[Health] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)


def home(request: HttpRequest, place: Place, *, figures: FiguresOf) -> HttpResponse:
    now = timezone.now()
    figures_now = figures(place.shop, now=now)
    overview = Overview(figures_now, _health(place, figures=figures_now, now=now), _needs(place, figures=figures_now))
    return place.page(
        request, "wizard/home.html", {"overview": overview, "state": place.shop.state, "states": ShopState}
    )


def _health(place: Place, *, figures: Figures, now: datetime) -> list[Health]:
    found = [_tiktok(place), _events(place, figures=figures, now=now), _rebound(place)]
    return [*found, _orders(figures, now=now)] if place.shop.matching_enabled else found


def _tiktok(place: Place) -> Health:
    shop, grant, url = place.shop, place.shop.authorization, _url(place, "tiktok")
    name = gettext_lazy("TikTok Shop")
    if shop.disconnected_at:
        return Health(name, Level.BROKEN, gettext_lazy("You disconnected it"), shop.disconnected_at, url)
    if grant.broken_at:
        return Health(name, Level.BROKEN, grant.get_broken_reason_display(), grant.broken_at, url)
    if not ends_soon(shop):
        return Health(name, Level.GOOD, gettext_lazy("Works; authorized until"), grant.refresh_token_expires_at)
    words = gettext_lazy("Ends soon: authorize again before")
    return Health(name, Level.SOON, words, grant.refresh_token_expires_at, url)


def _events(place: Place, *, figures: Figures, now: datetime) -> Health:
    shop, last, url = place.shop, figures.last_event_at, _url(place, "tiktok")
    name = gettext_lazy("Notifications from TikTok")
    if not shop.is_connected:
        return Health(name, Level.STOPPED, gettext_lazy("None comes until the shop is connected again"), None, url)
    if shop.webhooks_problem:
        words = gettext_lazy("Not all are sent; we ask every 15 minutes")
        came = gettext_lazy("Not all are sent; we ask every 15 minutes. The last one came")
        return Health(name, Level.SOON, came if last else words, last, url)
    if last:
        return Health(name, Level.GOOD if now - last < QUIET else Level.QUIET, gettext_lazy("The last one came"), last)
    if shop.webhooks_checked_at:
        return Health(name, Level.QUIET, gettext_lazy("None has come yet: the first return of your shop brings one"))
    return Health(name, Level.QUIET, gettext_lazy("None has come yet: ask TikTok whether it sends them"), None, url)


def _rebound(place: Place) -> Health:
    account, url, name = place.shop.rebound_account, _url(place, "rebound"), gettext_lazy("ReBound")
    if account is None:
        return Health(name, Level.BROKEN, gettext_lazy("No account yet"), None, url)
    if account.broken_at:
        return Health(name, Level.BROKEN, account.get_broken_reason_display(), account.broken_at, url)
    words = gettext_lazy("Works; last tried") if account.tested_at else gettext_lazy("Works")
    return Health(name, Level.GOOD, words, account.tested_at)


def _orders(figures: Figures, *, now: datetime) -> Health:
    name, last = gettext_lazy("Your orders"), figures.last_order_at
    if last is None:
        return Health(name, Level.QUIET, gettext_lazy("None has arrived yet"))
    level = Level.GOOD if now - last < QUIET else Level.QUIET
    return Health(name, level, gettext_lazy("The last one arrived"), last)


def _needs(place: Place, *, figures: Figures) -> list[Need]:
    found = [
        Need(warning, place.url_of(step), step.title) for step in place.steps for warning in step.warnings(place.shop)
    ]
    found += [Need(words) for words in figures.needs]
    open_steps = [step for step in place.steps if not step.is_done(place.shop) and not step.warnings(place.shop)]
    return found + [Need(gettext_lazy("Not done yet:"), place.url_of(step), step.title) for step in open_steps]


def _url(place: Place, slug: str) -> str:
    return next((place.url_of(step) for step in place.steps if step.slug == slug), "")


def pause(request: HttpRequest, place: Place) -> HttpResponse:
    """Asks first on a page of its own, since a button is pressed by mistake."""
    if request.method != "POST":
        return place.page(request, "wizard/pause.html")
    if pause_shop(shop=place.shop, now=timezone.now()):
        messages.success(request, _("Paused. Returns that come in are kept, and wait."))
    return place.home()


def resume(request: HttpRequest, place: Place) -> HttpResponse:
    if request.method == "POST" and resume_shop(shop=place.shop, now=timezone.now()):
        messages.success(request, _("Going on. What waited is taken up within a minute."))
    return place.home()


def disconnect(request: HttpRequest, place: Place, *, figures: FiguresOf) -> HttpResponse:
    if request.method != "POST":
        return place.page(request, "wizard/disconnect.html", {"figures": figures(place.shop, now=timezone.now())})
    if disconnect_shop(shop=place.shop, now=timezone.now()):
        messages.success(request, _("Disconnected, here and at TikTok."))
    else:
        messages.warning(
            request, _("Disconnected here. TikTok did not confirm it: remove the app in Seller Center as well.")
        )
    return place.home()
