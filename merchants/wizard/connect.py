"""The first step: the shop's connection to TikTok. Signing in made it; this page shows it and mends it."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from merchants.authorizing import NEEDED_SCOPES
from merchants.models import Shop
from merchants.subscriptions import EVENTS, subscribe
from merchants.wizard.steps import Place, Step, Text
from rebound_tts.clients.errors import ConfigurationError, RemoteError

SOON = timedelta(days=30)  # TikTok tells of the end from then on


def connect(request: HttpRequest, place: Place) -> HttpResponse:
    """What TikTok granted and what it sends us. Pressing the button asks it again."""
    shop = place.shop
    if request.method == "POST":
        if subscribe(shop=shop, now=timezone.now()):
            messages.warning(request, _("TikTok does not send every event yet."))
        else:
            messages.success(request, _("TikTok confirmed that it sends us everything."))
        return place.again()
    context = {
        "scopes": [(why, scope in shop.authorization.scopes) for scope, why in NEEDED_SCOPES.items()],
        "event_count": len(EVENTS),
        "lost": lost_connection(shop),
        "ends_soon": ends_soon(shop),
    }
    return place.page(request, "wizard/connect.html", context)


def lost_connection(shop: Shop, error: RemoteError | None = None) -> Text:
    """What only connecting the shop again mends, in words; "" where `error`, which a page got, may pass by itself."""
    if shop.disconnected_at:
        return gettext_lazy("You disconnected this shop.")
    if shop.authorization.broken_at:
        return f"{shop.authorization.get_broken_reason_display()}."
    if isinstance(error, ConfigurationError) and error.vendor == "tiktok":
        return gettext_lazy("TikTok no longer accepts the connection of this shop.")
    return ""


def ends_soon(shop: Shop) -> bool:
    return bool(shop.authorization.refresh_token_expires_at - timezone.now() < SOON)


def facts(shop: Shop) -> list[tuple[Text, Text]]:
    return [
        (gettext_lazy("Shop"), f"{shop.name} ({shop.region})"),
        (gettext_lazy("Seller account"), str(shop.authorization)),
    ]


def warnings(shop: Shop) -> list[Text]:
    found: list[Text] = []
    if not shop.is_connected:
        found.append(gettext_lazy("The connection to TikTok does not work: connect again."))
    elif ends_soon(shop):
        found.append(gettext_lazy("TikTok's authorization ends soon: authorize again, and nothing is interrupted."))
    elif shop.webhooks_problem:
        found.append(
            gettext_lazy(
                "TikTok does not tell us of every change. Labels may come up to 15 minutes later until it does."
            )
        )
    return found


CONNECT = Step(
    slug="tiktok",
    title=gettext_lazy("Connect TikTok Shop"),
    lead=gettext_lazy("Lets us see your returns, and give buyers their label."),
    show=connect,
    is_done=lambda shop: shop.is_connected,
    facts=facts,
    warnings=warnings,
    blocks=True,
)
