"""Addresses of other systems with a place for an id, so that a page of ours leads to the same thing there.

Nobody tells us where an OMS keeps its orders, and TikTok's Seller Center has another address in each market: whoever
looks after the shop writes it down. What is written becomes a link on pages of staff, so that it is held to https, and
the id goes into the path or the query, never into the host.
"""

import re
from urllib.parse import quote, urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

PLACE = re.compile(r"\{[^{}]*\}")
FOR_SELLER_CENTER = ("{return_id}", "{order_id}")
FOR_ORDER_SYSTEM = ("{external_order_id}",)


def seller_center_template(value: str) -> None:
    """Raises ValidationError unless it is an address with one of TikTok's ids in it."""
    _check(value, known=FOR_SELLER_CENTER)


def order_system_template(value: str) -> None:
    """Raises ValidationError unless it is an address with the external order id in it."""
    _check(value, known=FOR_ORDER_SYSTEM)


def filled(template: str, **ids: str) -> str:
    """The address for these ids, quoted; "" where there is no template, or no id for its place."""
    place = PLACE.search(template)
    value = ids.get(place.group()[1:-1], "") if place else ""
    return PLACE.sub(lambda _found: quote(value, safe=""), template) if value else ""


def _check(value: str, *, known: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _port = parts.port  # raises for one that is none
    except ValueError as error:
        raise ValidationError(_("This is not an address.")) from error
    if parts.scheme != "https" or not host or not re.fullmatch(r"[!-~]+", value) or re.search(r"[\"'<>\\^`|]", value):
        raise ValidationError(_("Write a whole address that starts with https://, without spaces."))
    if parts.username is not None or parts.password is not None:
        raise ValidationError(_("An address with a user name in it is not taken."))
    if "{" in parts.netloc or "}" in parts.netloc:
        raise ValidationError(_("The id cannot stand in the name of the host."))
    places = PLACE.findall(value)
    if len(places) != 1 or places[0] not in known or re.search(r"[{}]", PLACE.sub("", value)):
        raise ValidationError(_("It needs exactly one of these: %(known)s") % {"known": ", ".join(known)})
