"""What TikTok is to tell us of a shop: subscribed to, and read back, since only what TikTok says counts."""

import logging
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from merchants.connections import tiktok_for
from merchants.models import Shop
from rebound_tts.clients.errors import RemoteError

logger = logging.getLogger(__name__)

EVENTS = ("RETURN_STATUS_CHANGE", "SELLER_DEAUTHORIZATION", "UPCOMING_AUTHORIZATION_EXPIRATION")


def webhook_address() -> str:
    return f"{settings.PUBLIC_URL}/webhooks/tiktok"  # no `reverse`: it would load every page into a worker


def subscribe(*, shop: Shop, now: datetime) -> str:
    """Have TikTok send us this shop's events, and remember what it says it will send. Answers the problem, "" for none.

    Without them we ask TikTok every 15 minutes: labels come later then, and none is lost.
    """
    address = webhook_address()
    try:
        tiktok = tiktok_for(shop)
        missing = _missing(tiktok.webhooks(), address)
        for event in missing:
            tiktok.put_webhook(event, address)
        if missing:
            missing = _missing(tiktok.webhooks(), address)
        problem = _("TikTok does not list: %(events)s") % {"events": ", ".join(missing)} if missing else ""
    except RemoteError as error:
        logger.warning("could not subscribe", extra={"shop": shop.shop_id, "error": str(error)})
        problem = _("TikTok answered: %(answer)s") % {"answer": error}
    shop.webhooks_checked_at, shop.webhooks_problem = now, problem[:500]
    shop.save(update_fields=["webhooks_checked_at", "webhooks_problem"])
    return problem


def _missing(subscribed: object, address: str) -> list[str]:
    there = {each.event_type for each in subscribed if each.address == address}  # type: ignore[attr-defined]
    return [event for event in EVENTS if event not in there]
