"""Exact search over returns, each id asked of its own index: one question with OR over several tables would read all.

The term is taken whole, trimmed of spaces. A return is found by its id, TikTok's order id, our reference, the tracking
number, and the external id of its sales order, whether that order is here or was only named.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet

from matching.models import Match, SalesOrder
from merchants.models import Merchant
from merchants.staff import within
from returns.models import ReboundReturn, ReturnLabel, TikTokReturn

MOST = 200  # of one kind of id
FIELDS = (
    "return_id__exact",
    "order_id__exact",
    "rebound_return__reference__exact",
    "rebound_return__label__tracking_number__exact",
    "rebound_return__sales_order__external_order_id__exact",
)


def returns_with_id(term: str, *, rows: QuerySet[TikTokReturn], user: User | AnonymousUser) -> QuerySet[TikTokReturn]:
    """Those of `rows` that carry exactly this id, of the user's own merchants."""
    own = within(TikTokReturn.objects.all(), user)
    references = within(ReboundReturn.objects.filter(reference=term), user).values_list("pk", flat=True)
    labels = within(ReturnLabel.objects.filter(tracking_number=term), user).values_list("rebound_return", flat=True)
    at_rebound = list(references.union(labels)[:MOST])
    keys = _keys(own.filter(return_id=term), own.filter(order_id=term))
    if at_rebound:
        keys |= _keys(own.filter(rebound_return__in=at_rebound))
    of_the_order = _of_the_order(term, user=user)
    return rows.filter(pk__in=keys | _keys(own.filter(return_id__in=of_the_order)) if of_the_order else keys)


def _of_the_order(term: str, *, user: User | AnonymousUser) -> Iterable[str]:
    """TikTok's ids of the returns that are matched to an order of this id, or would be if it were here."""
    # Through the indexes that start with the merchant, whoever asks.
    merchants = within(Merchant.objects.all(), user, path="pk").values("pk")
    orders = list(
        SalesOrder.objects.filter(merchant__in=merchants, external_order_id=term).values_list("pk", flat=True)
    )
    current = Match.objects.current()
    named = current.filter(merchant__in=merchants, order_key=term).exclude(order_key="")
    found = set(named.values_list("return_id", flat=True)[:MOST])
    if orders:
        found.update(current.filter(sales_order__in=orders).values_list("return_id", flat=True)[:MOST])
    return found


def _keys(*rows: Any) -> set[int]:
    first, *others = [each.values_list("pk", flat=True) for each in rows]
    return set(first.union(*others)[:MOST] if others else first[:MOST])
