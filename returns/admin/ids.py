"""The ids of a return in each system that knows it, to copy; with a link where it is known where it is shown there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from matching.models import Match
from merchants.link_templates import filled
from returns.models import ReturnLabel, TikTokReturn


@dataclass(frozen=True, slots=True)
class Id:
    """`link` is "" where there is none; `leads_to` says where it leads."""

    name: Any
    value: str
    link: str = ""
    leads_to: Any = ""


def ids_of(row: TikTokReturn, *, match: Match | None, label: ReturnLabel | None) -> list[Id]:
    """Those that there are."""
    return [each for each in _all(row, match=match, label=label) if each.value]


def _all(row: TikTokReturn, *, match: Match | None, label: ReturnLabel | None) -> Iterator[Id]:
    shop, held = row.shop, row.rebound_return
    external = match.external_order_id if match else ""
    of_return = filled(shop.seller_center_link, return_id=row.return_id)
    of_order = filled(shop.seller_center_link, order_id=row.order_id)
    seller_center, oms = _("Open in TikTok Seller Center"), _("Open in the OMS")
    yield Id(_("Return id"), row.return_id, of_return, seller_center)
    yield Id(_("TikTok order id"), row.order_id, of_order, seller_center)
    yield Id(_("External order id"), external, filled(shop.order_system_link, external_order_id=external), oms)
    if held is not None:
        yield Id(_("ReBound return"), held.rebound_id or "")
        yield Id(_("Our reference at ReBound"), held.reference)
    yield Id(_("Tracking number"), label.tracking_number if label else "")
    yield Id(_("Correlation id"), row.correlation_id)
