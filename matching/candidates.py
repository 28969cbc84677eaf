"""Candidates: the orders that a return may belong to, each with what speaks for it. For a person; they never decide.

Every question goes to an index, so that it stays quick however many orders the merchant has. But for `find_order`
nothing is asked of a remote system, and nothing is stored.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from matching.decision import Reason, ReturnedLine
from matching.id_rules import IdRules, folded
from matching.models import Match, SalesOrder, SalesOrderItem
from matching.orders import find_at_rebound, items_with_units, mirror
from matching.services import ReturnToMatch, current_match, rules_of
from merchants.models import Shop
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.rebound_metadata import normalize_metadata

MOST_CANDIDATES = 20
MOST_SPELLINGS = 400  # asked of the index at once
ORDERS_LOOKED_THROUGH = 500
LAST_ORDERS = 50  # whose ids show what prefixes the merchant's OMS writes


class Hint(StrEnum):
    """What speaks for an order, the strongest first."""

    SAME_ID = gettext_noop("It has exactly the id that TikTok's reference gives")
    SAME_UNDER_RULES = gettext_noop("It has the reference's id under the shop's id rules")
    NAMES_THE_TIKTOK_ORDER = gettext_noop("It names this TikTok order (ttsOrderId)")
    REBOUND_ID = gettext_noop("The reference is ReBound's id of the order, not the OMS's")
    OTHER_CASE = gettext_noop("Its id differs from the reference's by upper and lower case alone")
    OTHER_ZEROS = gettext_noop("Its id differs from the reference's by leading zeros alone")
    OTHER_PREFIX = gettext_noop("Its id differs from the reference's by a prefix or suffix")
    IS_THE_TIKTOK_ID = gettext_noop("Its id is TikTok's own id of the order")


# What is the OMS's own word. ReBound's id of an order may be the OMS's id of another one, and the rest is likeness.
SAFE = frozenset({Hint.SAME_ID, Hint.SAME_UNDER_RULES, Hint.NAMES_THE_TIKTOK_ORDER})


class NoSafeCandidateError(Exception):
    """No order may be linked without a person who looks at it. `str()` says why, for that person."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """`hints`: what speaks for it, the strongest first. `caution`: why it cannot be linked as it stands, or ""."""

    order: SalesOrder
    hints: tuple[Hint, ...]
    caution: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A line that matched no item, and the one free item of the order that has its SKU (design, section 4.7)."""

    return_line_item_id: str
    item: SalesOrderItem


def candidates_for(*, shop: Shop, subject: ReturnToMatch, limit: int = MOST_CANDIDATES) -> list[Candidate]:
    """The merchant's orders that the return may belong to, those with the strongest hint first.

    The reference's ids are those that the current decision saw, its look-ups included: matched again, they are fresh.
    """
    match = current_match(shop=shop, return_id=subject.return_id)
    references = references_seen(match)
    found: dict[int, SalesOrder] = {}
    hints: dict[int, set[Hint]] = {}
    for reference in references:
        for order in _orders(shop, reference=reference):
            found[order.pk] = order
            hints.setdefault(order.pk, set()).update(_hints(order, reference=reference, rules=rules_of(shop)))
    for order, hint in _of_the_tiktok_order(shop, tiktok_order_id=subject.tiktok_order_id):
        found[order.pk] = order
        hints.setdefault(order.pk, set()).add(hint)
    ranked = [
        Candidate(order, tuple(hint for hint in Hint if hint in hints[key]), _caution(order))
        for key, order in found.items()
        if hints[key]
    ]
    strength = list(Hint)
    ranked.sort(key=lambda each: (strength.index(each.hints[0]), each.order.external_order_id, each.order.pk))
    return ranked[:limit]


def safe_candidate(*, shop: Shop, subject: ReturnToMatch) -> Candidate:
    """The order that the return may be linked to unseen: the only one that comes into question, on the OMS's own word,
    with nothing that speaks against it. Raises NoSafeCandidateError."""
    match = current_match(shop=shop, return_id=subject.return_id)
    if match is not None and match.is_by_hand:
        raise NoSafeCandidateError(_("{who} decided it by hand.").format(who=match.decided_by))
    if match is not None and match.sales_order is not None:
        raise NoSafeCandidateError(_("It is matched to {order} already.").format(order=match.sales_order))
    rules = rules_of(shop)
    if len({rules.key(reference) or reference for reference in references_seen(match)}) > 1:
        raise NoSafeCandidateError(_("TikTok's references give several ids."))
    found = candidates_for(shop=shop, subject=subject)
    if not found:
        raise NoSafeCandidateError(_("No order of the merchant comes into question."))
    if len(found) > 1:
        named = ", ".join(each.order.external_order_id for each in found[:5])
        said = _("{count} orders come into question: {named}.")
        raise NoSafeCandidateError(said.format(count=len(found), named=named))
    only = found[0]
    safe = SAFE & set(only.hints)
    if match is not None and match.reason == Reason.REF_UNDER_OTHER_ORIGIN:
        safe -= {Hint.SAME_ID, Hint.SAME_UNDER_RULES}  # another system's numbers, which may coincide
    if not safe:
        said = _("{order}: {hint}. That is not enough to link it unseen.")
        raise NoSafeCandidateError(said.format(order=only.order, hint=_(only.hints[0])))
    if only.order.cancelled_at:
        raise NoSafeCandidateError(_("Order {order} was cancelled.").format(order=only.order))
    if only.order.metadata_conflict:
        said = _("Order {order} contradicts itself: {conflict}")
        raise NoSafeCandidateError(said.format(order=only.order, conflict=only.order.metadata_conflict))
    return only


def find_order(*, shop: Shop, external_order_id: str, rebound: ReboundClient | None, now: datetime) -> list[SalesOrder]:
    """The merchant's orders with the id that a person gives, whatever its upper and lower case: those held here, else
    those that ReBound has under exactly this id, which are held here from then on. Raises RemoteError."""
    held = SalesOrder.objects.for_merchant(shop.merchant)
    found = list(held.filter(external_order_id_folded=folded(external_order_id))[:MOST_CANDIDATES])
    if found or rebound is None:
        return found
    remote = find_at_rebound(rebound=rebound, external_order_id=external_order_id, rules=IdRules())
    if len(remote) > 1:
        return []  # two orders of one id: on doubt none
    return [mirror(merchant=shop.merchant, remote=each, now=now) for each in remote]


def references_seen(match: Match | None) -> tuple[str, ...]:
    """The external order ids that TikTok's references gave, under whatever platform, when the decision was made."""
    if match is None:
        return ()
    told = [match.external_order_id] if match.external_order_id and not match.is_by_hand else []
    for entry in match.trail:
        if entry.get("rule") == "reference":
            told += [value for name, value in entry.get("compared", []) if name == "reference's id"]
    return tuple(dict.fromkeys(each for each in told if each.strip()))


def suggestions_for(
    *, shop: Shop, return_id: str, lines: Iterable[ReturnedLine], order: SalesOrder | None = None
) -> list[Suggestion]:
    """For each line that matched no item: the item, where exactly one with a unit left has the line's SKU.

    Of the order that the return is matched to, or of `order`, which a person thinks of linking. Never decides.
    """
    match = current_match(shop=shop, return_id=return_id)
    matched: set[tuple[str, int]] = set()
    if order is None and match is not None:
        order = match.sales_order
        matched = set(match.items.filter(item__isnull=False).values_list("return_line_item_id", "item"))
    if order is None:
        return []
    left = {}
    items = list(items_with_units(besides_return_id=return_id, shop_id=shop.pk).filter(order=order, removed_at=None))
    for item in items:
        own = sum(key == item.pk for _, key in matched)
        left[item.pk] = item.quantity - item.taken - own  # type: ignore[attr-defined]  # annotated
    suggested = []
    lines_matched = {line for line, _ in matched}
    for line in sorted(lines, key=lambda line: line.return_line_item_id):
        if line.return_line_item_id in lines_matched or not line.sku:
            continue
        fitting = [item for item in items if item.sku == line.sku and left[item.pk] > 0]
        if len(fitting) == 1:
            left[fitting[0].pk] -= 1
            suggested.append(Suggestion(line.return_line_item_id, fitting[0]))
    return suggested


def _orders(shop: Shop, *, reference: str) -> list[SalesOrder]:
    spellings = _spellings(shop, reference=reference)
    orders = SalesOrder.objects.for_merchant(shop.merchant)
    by_id = orders.filter(external_order_id_folded__in=[folded(spelling) for spelling in spellings])
    by_rebound_id = orders.filter(~Q(rebound_id=""), rebound_id=reference)
    # Two questions and not one with OR: each has an index of its own.
    found = [*by_id.defer("payload")[: 10 * MOST_CANDIDATES], *by_rebound_id.defer("payload")[:MOST_CANDIDATES]]
    return list({order.pk: order for order in found}.values())


def _spellings(shop: Shop, *, reference: str) -> list[str]:
    """The reference's id, and what it would be with other zeros, prefixes and suffixes: those that any shop of the
    merchant strips, and those that its last orders carry."""
    own = rules_of(shop)
    settings = Shop.objects.for_merchant(shop.merchant)
    prefixes, suffixes = {own.strip_prefix}, {own.strip_suffix}
    for each in settings:
        prefixes.add(each.id_strip_prefix)
        suffixes.add(each.id_strip_suffix)
    last = SalesOrder.objects.for_merchant(shop.merchant).order_by("-updated_at", "-id")
    for external_id in last.values_list("external_order_id", flat=True)[:LAST_ORDERS]:
        prefixes.add(_around(external_id)[0])
        suffixes.add(_around(external_id)[2])
    before, core, after = _around(reference)
    found = [reference, core]
    for prefix in sorted(prefixes | {before, "", "#"}):
        for suffix in sorted(suffixes | {after, ""}):
            rules = IdRules(strip_prefix=prefix, strip_suffix=suffix, trim_leading_zeros=True)
            found += [f"{prefix}{core}{suffix}", *rules.candidates(f"{prefix}{core}{suffix}")]
    return list(dict.fromkeys(spelling for spelling in found if spelling))[:MOST_SPELLINGS]


def _around(external_id: str) -> tuple[str, str, str]:
    """What stands before the id's first digit, its core up to the last digit, and what stands after."""
    found = re.fullmatch(r"([^0-9]*)(.*?)([^0-9]*)", external_id, re.DOTALL)
    if found is None or not found[2]:
        return "", external_id, ""
    return found[1], found[2], found[3]


def _hints(order: SalesOrder, *, reference: str, rules: IdRules) -> set[Hint]:
    hints = set()
    own = order.external_order_id
    if own == reference:
        hints.add(Hint.SAME_ID)
    elif rules.are_equal(own, reference):
        hints.add(Hint.SAME_UNDER_RULES)
    elif own.casefold() == reference.casefold():
        hints.add(Hint.OTHER_CASE)
    elif _zeros_gone(own) == _zeros_gone(reference):
        hints.add(Hint.OTHER_ZEROS)
    elif _zeros_gone(_around(own)[1]) == _zeros_gone(_around(reference)[1]):
        hints.add(Hint.OTHER_PREFIX)
    if order.rebound_id and order.rebound_id == reference:
        hints.add(Hint.REBOUND_ID)
    return hints


def _zeros_gone(external_id: str) -> str:
    before, core, after = _around(external_id)
    return f"{before}{core.lstrip('0') or core[:1]}{after}".casefold()


def _of_the_tiktok_order(shop: Shop, *, tiktok_order_id: str) -> list[tuple[SalesOrder, Hint]]:
    if not tiktok_order_id:
        return []
    orders = SalesOrder.objects.for_merchant(shop.merchant)
    same = orders.filter(external_order_id=tiktok_order_id)
    found = [(order, Hint.IS_THE_TIKTOK_ID) for order in same.defer("payload")[:MOST_CANDIDATES]]
    # No index holds what an order's metadata says, so only the merchant's last orders are looked through.
    last = orders.order_by("-updated_at", "-id")[:ORDERS_LOOKED_THROUGH]
    named = [order for order in last if _tiktok_order_id(order) == tiktok_order_id]
    return found + [(order, Hint.NAMES_THE_TIKTOK_ORDER) for order in named]


def _tiktok_order_id(order: SalesOrder) -> str:
    try:
        return normalize_metadata(order.payload.get("clientMetadata")).get("ttsOrderId", "")
    except (ValueError, AttributeError):
        return ""  # metadata that nobody can read names nothing


def _caution(order: SalesOrder) -> str:
    if order.cancelled_at:
        return _("It was cancelled: no return is linked to it.")
    if not order.rebound_id:
        return _("ReBound does not hold it yet: the link is made there once it does.")
    return ""


def items_of(*, shop: Shop, order: SalesOrder, return_id: str) -> list[SalesOrderItem]:
    """The order's items, each with `taken`: the units that other returns hold."""
    items = items_with_units(besides_return_id=return_id, shop_id=shop.pk).filter(order=order)
    return list(items.order_by("position"))
