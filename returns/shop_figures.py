"""What the merchant's status home shows of a shop's returns: how many became what, and what only the merchant can do.

Counted in the database over the last days, by the index on a merchant's returns; nothing here is a reason code.
"""

from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext

from matching.models import SalesOrder
from merchants.models import Shop
from merchants.wizard.home import Figures
from returns.models import EventSource, Kind, Reason, Status, TikTokReturn, WebhookEvent

DAYS = 7
# Until the merchant says so, these wait.
HELD = [Reason.SHOP_NOT_LIVE, Reason.SHOP_PAUSED, Reason.SHOP_DISCONNECTED]


def shop_figures(shop: Shop, *, now: datetime) -> Figures:
    rows = TikTokReturn.objects.for_merchant(shop.merchant).filter(shop=shop)
    recent = rows.filter(created_at__gte=now - timedelta(days=DAYS))
    counted = recent.aggregate(
        total=Count("pk"),
        linked=Count("pk", filter=Q(status=Status.DONE, rebound_return__kind=Kind.LINKED)),
        direct=Count("pk", filter=Q(status=Status.DONE, rebound_return__kind=Kind.DIRECT)),
        unapproved=Count("pk", filter=Q(reason=Reason.NOT_APPROVED)),
        working=Count("pk", filter=Q(status__in=[Status.OPEN, Status.WAITING]) & ~Q(reason=Reason.NOT_APPROVED)),
        stuck=Count("pk", filter=Q(status=Status.NEEDS_ATTENTION)),
        cancelled=Count("pk", filter=Q(status=Status.CANCELLED)),
        others=Count("pk", filter=Q(status=Status.NOT_OURS)),
    )
    words: list[tuple[Promise, int]] = [
        (gettext_lazy("labels, linked to their order"), counted["linked"]),
        (gettext_lazy("labels, without a link"), counted["direct"]),
        (gettext_lazy("being worked on"), counted["working"]),
        (gettext_lazy("wait for your approval"), counted["unapproved"]),
        (gettext_lazy("need a person"), counted["stuck"]),
        (gettext_lazy("cancelled"), counted["cancelled"]),
        (gettext_lazy("need no label from us"), counted["others"]),
    ]
    events = WebhookEvent.objects.for_merchant(shop.merchant).filter(source=EventSource.TIKTOK, shop_id=shop.shop_id)
    return Figures(
        days=DAYS,
        total=counted["total"],
        outcomes=[(name, count) for name, count in words if count],
        needs=_needs(rows, unapproved=counted["unapproved"]),
        waiting=rows.filter(status=Status.WAITING, reason__in=HELD).count(),
        last_event_at=events.order_by("-received_at").values_list("received_at", flat=True).first(),
        last_order_at=SalesOrder.objects.for_merchant(shop.merchant)
        .order_by("-updated_at")
        .values_list("updated_at", flat=True)
        .first(),
    )


def _needs(rows: QuerySet[TikTokReturn], *, unapproved: int) -> list[str]:
    no_lane = rows.filter(status=Status.NEEDS_ATTENTION, reason=Reason.NO_LANE).count()
    found = []
    if no_lane:
        text = ngettext(
            "%(n)s return comes from a country without a lane. Add one, and it goes on by itself.",
            "%(n)s returns come from a country without a lane. Add one, and they go on by themselves.",
            no_lane,
        )
        found.append(text % {"n": no_lane})
    if unapproved:
        text = ngettext(
            "%(n)s return waits for your approval in Seller Center.",
            "%(n)s returns wait for your approval in Seller Center.",
            unapproved,
        )
        found.append(text % {"n": unapproved})
    return found
