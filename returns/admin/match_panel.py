"""What TikTok says beside what the sales order says, with the rule and its verdict between, and what would cure it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from matching.models import ItemMatch, Match, SalesOrderItem
from matching.trail_words import WARNINGS, Text, Told, told_of_json
from returns.admin.advice import Advice, cure_of
from returns.models import TikTokReturn, TikTokReturnItem

SAME, DIFFERENT, MISSING, UNDECIDED = "same", "different", "missing", "undecided"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One rule: TikTok's value, the order's, and the verdict in words. `state` is one of the four above."""

    what: Any
    left: str
    right: str
    verdict: Any
    state: str
    note: Any = ""


@dataclass(frozen=True, slots=True)
class Panel:
    match: Match
    comparisons: list[Comparison]
    lines: list[Comparison]
    free_items: list[SalesOrderItem]  # items of the order that no line of this return is matched to
    cure: Advice | None
    trail: list[Told]
    order_link: str = ""
    warnings: list[Text] = field(default_factory=list)


def match_panel(row: TikTokReturn, *, match: Match) -> Panel:
    """Of the current decision, whose order is at hand. Three queries: lines, verdicts, items of the order."""
    lines: Iterable[TikTokReturnItem] = row.items.order_by("return_line_item_id")
    verdicts: dict[str, ItemMatch] = {verdict.return_line_item_id: verdict for verdict in match.items.all()}
    order = match.sales_order
    items: dict[int, SalesOrderItem] = {}
    if order is not None:
        items = {item.pk: item for item in order.items.order_by("position")}
    compared = [_compared_line(line, verdict=verdicts.get(line.return_line_item_id), items=items) for line in lines]
    taken = {verdict.item_id for verdict in verdicts.values()}
    return Panel(
        match=match,
        comparisons=_of_the_order(row, match=match),
        lines=compared,
        free_items=[item for key, item in items.items() if key not in taken and item.removed_at is None],
        cure=cure_of(match.reason),
        trail=told_of_json(match.trail),
        order_link=reverse("admin:matching_salesorder_change", args=[order.pk]) if order else "",
        warnings=[WARNINGS.get(warning, warning) for warning in match.warnings],
    )


def _of_the_order(row: TikTokReturn, *, match: Match) -> list[Comparison]:
    trail = {entry.get("rule"): entry.get("compared", []) for entry in match.trail}
    referenced = trail.get("reference", [])
    platforms = [value for name, value in referenced if name == "reference's platform"]
    origin = next((value for name, value in referenced if name == "platform origin"), row.shop.platform_origin)
    found = [_compared(_("Platform of the external reference"), ", ".join(dict.fromkeys(platforms)), origin)]
    order = match.sales_order
    external = match.external_order_id
    found.append(_compared(_("External order id"), external, order.external_order_id if order else "", rules=row.shop))
    if order is not None:
        found.append(_compared(_("omsOrderId in the order"), external, order.oms_order_id or "", rules=row.shop))
        cancelled = order.cancelled_at is not None
        found.append(
            Comparison(
                _("Order"),
                "",
                _("Cancelled") if cancelled else _("Active"),
                _("Cannot be linked") if cancelled else _("Can be linked"),
                DIFFERENT if cancelled else SAME,
            )
        )
    return found


def _compared(what: Any, left: str, right: str, *, rules: Any = None) -> Comparison:
    if not left or not right:
        verdict = _("TikTok has none") if not left else _("No such value in an order that we hold")
        return Comparison(what, left, right, verdict, MISSING)
    if left == right:
        return Comparison(what, left, right, _("Equal"), SAME)
    eased = rules is not None and (
        rules.id_strip_prefix or rules.id_strip_suffix or rules.id_ignore_case or rules.id_trim_leading_zeros
    )
    note = _("The shop's id rules may make these equal: see the trail.") if eased else _difference(left, right)
    return Comparison(what, left, right, _("Different"), DIFFERENT, note)


def _difference(left: str, right: str) -> str:
    """Where two ids part, since people overlook a space, a zero or a capital."""
    if left.strip() == right.strip():
        return _("They differ in spaces alone.")
    if left.casefold() == right.casefold():
        return _("They differ in capitals alone.")
    if left.lstrip("0") == right.lstrip("0"):
        return _("They differ in leading zeros alone.")
    at = next((place for place, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), None)
    at = min(len(left), len(right)) if at is None else at
    return _("They part at character {number}.").format(number=at + 1)


def _compared_line(
    line: TikTokReturnItem, *, verdict: ItemMatch | None, items: dict[int, SalesOrderItem]
) -> Comparison:
    what = line.name or line.seller_sku or line.return_line_item_id
    external = verdict.external_item_id if verdict else ""
    left = _("item id {item}, SKU {sku}, order line {line}").format(
        item=external or "-", sku=line.seller_sku or "-", line=line.order_line_item_id
    )
    item = items.get(verdict.item_id) if verdict and verdict.item_id else None
    if verdict is None:
        return Comparison(what, left, "", _("Not decided"), UNDECIDED)
    if item is None:
        cure = cure_of(verdict.reason)
        return Comparison(what, left, "", verdict.get_reason_display(), MISSING, cure.sentence if cure else "")
    right = _("item id {item}, SKU {sku}, {quantity} ordered").format(
        item=item.external_item_id or "-", sku=item.sku or "-", quantity=item.quantity
    )
    note = ""
    if line.seller_sku and item.sku and line.seller_sku != item.sku:
        note = _("The SKUs differ. A SKU never decides, yet look whether this is the right item.")
    return Comparison(what, left, right, _("Matched"), SAME, note)
