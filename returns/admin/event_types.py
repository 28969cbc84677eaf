"""What the types of notifications are called: TikTok's are numbers, which mean nothing to people."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from returns.events import RETURN_STATUS_CHANGE, SELLER_DEAUTHORIZATION, UPCOMING_AUTHORIZATION_EXPIRATION
from returns.rebound_events import MILESTONES

NAMES: dict[str, Any] = {
    "1": gettext_lazy("Order changed"),
    "2": gettext_lazy("Return changed, as TikTok told it formerly"),
    "3": gettext_lazy("Address changed"),
    SELLER_DEAUTHORIZATION: gettext_lazy("The seller removed the app"),
    UPCOMING_AUTHORIZATION_EXPIRATION: gettext_lazy("The authorization ends soon"),
    "11": gettext_lazy("Cancellation changed"),
    RETURN_STATUS_CHANGE: gettext_lazy("Return changed"),
    **{event: milestone.label for event, milestone in MILESTONES.items()},
}


def named(event_type: str) -> str:
    """With the type itself beside it, since that is what TikTok's pages and its support speak of."""
    if event_type not in NAMES:
        return _("Type %(type)s") % {"type": event_type}
    return f"{NAMES[event_type]} ({event_type})"
