"""The work queue: what waits for somebody at ReBound, each a number with a link to the list behind it.

Counted when somebody looks, by indexes that hold only what is at rest, so that it costs the same however many returns
there were. Match rates are counted beforehand (`matching/match_rates.py`).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, QuerySet, Sum, Value
from django.urls import reverse
from django.utils.translation import gettext as _

from matching.match_rates import MatchRate, match_rates
from matching.models import OrderPush
from merchants.installs import standings
from merchants.models import ENDS_SOON, ReboundAccount, Shop, ShopAuthorization
from merchants.staff import merchant_keys, within
from returns.models import Reason, Status, TikTokReturn

REJECTED_SINCE = timedelta(days=7)
MOST_RATES = 20
MOST_INSTALLS = 5  # named, the longest first


@dataclass(frozen=True, slots=True)
class Line:
    """A part of a number: how many, of what, and where they are listed."""

    count: int
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Card:
    """`calm` is said where there is nothing to do."""

    title: str
    count: int
    url: str
    explained: str
    calm: str
    is_urgent: bool = False
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WorkQueue:
    cards: list[Card]
    rates: list[MatchRate]
    more_rates: int
    has_merchants: bool

    @property
    def drifting(self) -> list[MatchRate]:
        return [rate for rate in self.rates if rate.has_drifted]


def address(model: str, **filters: Any) -> str:
    base = reverse(f"admin:{model}_changelist")
    return f"{base}?{urlencode(filters)}" if filters else base


def work_queue(*, user: User | AnonymousUser, now: datetime) -> WorkQueue:
    """What waits for this user: their own merchants' work, under the permissions that they have."""
    keys = merchant_keys(user)
    rates = match_rates(now=now, merchants=keys) if user.has_perm("matching.view_match") else []
    cards = []
    if user.has_perm("returns.view_tiktokreturn"):
        cards += _returns(user, now=now)
    if user.has_perm("merchants.view_shop"):
        cards += _shops(user, now=now)
    if user.has_perm("matching.view_orderpush"):
        cards.append(_orders(user, now=now))
    return WorkQueue(
        cards=cards,
        rates=rates[:MOST_RATES],
        more_rates=max(0, len(rates) - MOST_RATES),
        has_merchants=keys is None or bool(keys),
    )


def _returns(user: User | AnonymousUser, *, now: datetime) -> list[Card]:
    own = within(TikTokReturn.objects.all(), user)
    at_rest = (
        own.filter(status__in=[Status.NEEDS_ATTENTION, Status.WAITING])
        .values_list("status", "reason")
        .annotate(count=Count("*"))  # of rows: of keys it would read each row beside the index
        .order_by("-count", "reason")
    )
    stuck: list[Line] = []
    waiting: list[Line] = []
    for status, reason, count in at_rest:
        url = address("returns_tiktokreturn", status__exact=status, reason__exact=reason)
        lines = stuck if status == Status.NEEDS_ATTENTION else waiting
        lines.append(Line(count, str(Reason(reason).label), url))
    counts = _counts(late=own.past_half_of_wait(now=now), undelivered=own.label_not_delivered())
    return [
        Card(
            _("Needs attention"),
            sum(line.count for line in stuck),
            address("returns_tiktokreturn", status__exact=Status.NEEDS_ATTENTION.value),
            _("A person must act. The reason says who, and how."),
            _("Nobody is stuck."),
            is_urgent=True,
            lines=stuck,
        ),
        Card(
            _("Waiting"),
            sum(line.count for line in waiting),
            address("returns_tiktokreturn", status__exact=Status.WAITING.value),
            _("They go on by themselves."),
            _("No return waits."),
            lines=waiting,
        ),
        Card(
            _("Past half of their wait"),
            counts["late"],
            address("returns_tiktokreturn", at="half"),
            _("Their order has not come yet. When the wait ends they go direct."),
            _("No order is late."),
        ),
        Card(
            _("Labels not delivered"),
            counts["undelivered"],
            address("returns_tiktokreturn", at="undelivered"),
            _("ReBound has the return; the buyer has no label yet."),
            _("Every buyer has a label."),
            is_urgent=True,
        ),
    ]


def _shops(user: User | AnonymousUser, *, now: datetime) -> list[Card]:
    authorizations = within(ShopAuthorization.objects.all(), user)
    stalled = within(Shop.objects.stalled(now=now), user)
    counts = _counts(
        tiktok=authorizations.filter(broken_at__isnull=False),
        expiring=authorizations.filter(broken_at__isnull=True, refresh_token_expires_at__lt=now + ENDS_SOON),
        rebound=within(ReboundAccount.objects.filter(broken_at__isnull=False), user),
        stalled=stalled,
    )
    return [_connections(counts), _installs(stalled, count=counts["stalled"], now=now)]


def _connections(counts: dict[str, int]) -> Card:
    lines = [
        Line(counts["tiktok"], _("TikTok broken"), address("merchants_shopauthorization", state="broken")),
        Line(counts["rebound"], _("ReBound broken"), address("merchants_reboundaccount", state="broken")),
        Line(
            counts["expiring"],
            _("TikTok ends within 14 days"),
            address("merchants_shopauthorization", state="expiring"),
        ),
    ]
    return Card(
        _("Connections"),
        sum(line.count for line in lines),
        address("merchants_shop", connection="expiring"),
        _("Broken or about to end. A broken one stops all work of its shops; the merchant must mend it."),
        _("All connections work."),
        is_urgent=bool(counts["tiktok"] or counts["rebound"]),
        lines=[line for line in lines if line.count],
    )


def _installs(shops: QuerySet[Shop], *, count: int, now: datetime) -> Card:
    longest = shops.select_related("authorization", "rebound_account").prefetch_related("lanes").order_by("created_at")
    named = list(longest[:MOST_INSTALLS]) if count else []
    stand = standings(named)
    lines = [
        Line(
            (now - shop.created_at).days,
            _("days: {shop}, {step}").format(shop=shop, step=stand.get(shop.pk, "")),
            reverse("admin:merchants_shop_change", args=[shop.pk]),
        )
        for shop in named
    ]
    return Card(
        _("Installs that stalled"),
        count,
        address("merchants_shop", connection="stalled"),
        _("Connected more than three days ago and not live."),
        _("Every shop is live, or got here lately."),
        lines=lines,
    )


def _counts(**rows: QuerySet[Any]) -> dict[str, int]:
    """How many there are of each, by its name: one query for all."""
    first, *others = [
        each.order_by().values_list(Value(name)).annotate(count=Count("*")) for name, each in rows.items()
    ]
    return {**dict.fromkeys(rows, 0), **dict(first.union(*others, all=True))}


def _orders(user: User | AnonymousUser, *, now: datetime) -> Card:
    pushes: QuerySet[OrderPush] = OrderPush.objects.filter(received_at__gte=now - REJECTED_SINCE, rejected__gt=0)
    rejected = within(pushes, user).aggregate(count=Sum("rejected", default=0))["count"]
    return Card(
        _("Orders rejected"),
        rejected,
        address("matching_orderpush", rejected="yes"),
        _("In the last seven days. Each push says which value broke which rule."),
        _("Every order that was pushed in the last seven days was taken."),
    )
