"""Which sale a return belongs to: a question in, a decision out (design, section 4).

Pure. No ORM, no clock, no chance: the same question gives the same decision and the same trail, byte for byte, in
whatever order its parts were supplied. Fetching the parts, waiting, storing and linking belong to the services.

Two rules of thumb decide the rest: **on doubt no link** (a wrong link is worse than none), and **every question gets an
answer** (a buyer must always be able to drop off), so nothing here raises on odd ids.

Where the design is silent:

* A return without lines is ORDER_ONLY, ITEM_REF_MISSING, with a warning: every outcome but MATCHED has a reason.
* An item that is canceled or has left the order is as good as absent: ITEM_REF_UNKNOWN where nothing else carries its
  id. The units that returns still hold of it count against the item that took over its id.
* Two orders under one id are AMBIGUOUS_ORDER, even if one is canceled or is spelled exactly like the reference.
* Ids that are empty, blank, too long or impossible to store match nothing; a reference with such an id is no reference.
* One returned line that names two TikTok order lines is ITEM_REF_AMBIGUOUS.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from matching.decision import (
    CURABLE,
    Decision,
    LineVerdict,
    MatchWarning,
    Order,
    OrderItem,
    Outcome,
    Question,
    Reason,
    Reference,
    ReferenceLine,
    ReturnedLine,
    TrailEntry,
)
from matching.id_rules import IdRules

__all__ = [
    "CURABLE",
    "ChosenReference",
    "Decision",
    "IdRules",
    "LineVerdict",
    "MatchWarning",
    "Order",
    "OrderItem",
    "Outcome",
    "Question",
    "Reason",
    "Reference",
    "ReferenceLine",
    "ReturnedLine",
    "TrailEntry",
    "choose_reference",
    "decide",
]


@dataclass(frozen=True, slots=True)
class ChosenReference:
    """The reference to look for orders with, or the reason why there is none. Exactly one of the two is set."""

    reference: Reference | None
    reason: Reason | None
    warnings: tuple[MatchWarning, ...]
    trail: tuple[TrailEntry, ...]


@dataclass(slots=True)
class _Notes:
    """What is written down on the way to the answer."""

    trail: list[TrailEntry] = field(default_factory=list)
    warnings: set[MatchWarning] = field(default_factory=set)

    def tried(self, rule: str, compared: Iterable[tuple[str, str]], concluded: str) -> None:
        self.trail.append(TrailEntry(rule, tuple(compared), concluded))

    def sorted_warnings(self) -> tuple[MatchWarning, ...]:
        return tuple(warning for warning in MatchWarning if warning in self.warnings)


def choose_reference(question: Question) -> ChosenReference:
    """The one external reference under the shop's platform origin (design, section 4, rules 1 and 2).

    Entries with one id, raw or under the id rules, are one reference with the lines of all. Look for its orders with
    `question.rules.candidates(reference.id)`.
    """
    notes = _Notes()
    found = _choose_reference(question, notes)
    reference, reason = (None, found) if isinstance(found, Reason) else (found, None)
    return ChosenReference(reference, reason, notes.sorted_warnings(), tuple(notes.trail))


def decide(question: Question) -> Decision:
    """The decision on one return (design, section 4, rules 1 to 6 and 8). Never raises on odd ids, never guesses."""
    notes = _Notes()
    reference = _choose_reference(question, notes)
    if isinstance(reference, Reason):
        return _without_order(question, reference, "", notes)
    order = _choose_order(question, reference, notes)
    if isinstance(order, Reason):
        return _without_order(question, order, reference.id, notes)

    verdicts = _match_lines(question, reference, order, notes)
    failed = [verdict for verdict in verdicts if not verdict.matched]
    outcome, reason = Outcome.MATCHED, None
    if not verdicts:
        notes.warnings.add(MatchWarning.RETURN_WITHOUT_LINES)
        outcome, reason = Outcome.ORDER_ONLY, Reason.ITEM_REF_MISSING
    elif failed:
        outcome = Outcome.ORDER_ONLY if len(failed) == len(verdicts) else Outcome.PARTLY_MATCHED
        reason = failed[0].reason
    matched = f"{len(verdicts) - len(failed)} of {len(verdicts)}"
    notes.tried("outcome", (("order", order.key), ("lines matched", matched)), _named(outcome, reason))
    warnings = notes.sorted_warnings()
    return Decision(outcome, reason, order.key, reference.id, verdicts, warnings, tuple(notes.trail))


def _without_order(question: Question, reason: Reason, external_order_id: str, notes: _Notes) -> Decision:
    """Nothing to link to: no line is looked at, each carries the reason."""
    not_asked = reason in (Reason.MATCHING_OFF, Reason.NO_PLATFORM_ORIGIN)
    outcome = Outcome.NOT_ASKED if not_asked else Outcome.NO_MATCH
    notes.tried("outcome", (), _named(outcome, reason))
    verdicts = tuple(
        LineVerdict(return_line_item_id, order_line_item_ids[0], False, reason, "", None)
        for return_line_item_id, order_line_item_ids in _distinct_lines(question.lines)
    )
    warnings = notes.sorted_warnings()
    return Decision(outcome, reason, None, external_order_id, verdicts, warnings, tuple(notes.trail))


def _choose_reference(question: Question, notes: _Notes) -> Reference | Reason:
    rules, origin = question.rules, question.platform_origin
    asked = [
        ("TikTok order id", question.tiktok_order_id),
        ("matching", "on" if question.matching_enabled else "off"),
        ("platform origin", origin),
    ]
    if not question.matching_enabled:
        notes.tried("asked", asked, "MATCHING_OFF: the shop does not match orders.")
        return Reason.MATCHING_OFF
    if not origin.strip():
        notes.tried("asked", asked, "NO_PLATFORM_ORIGIN: the shop has not said whose ids its external ids are.")
        return Reason.NO_PLATFORM_ORIGIN
    notes.tried("asked", asked, "Matching is asked for.")
    _note_id_rules(rules, notes)
    if question.references is None:
        problem = (("look-up problem", question.lookup_problem),)
        notes.tried("reference", problem, "LOOKUP_FAILED: TikTok's external references could not be read.")
        return Reason.LOOKUP_FAILED

    references = sorted(question.references, key=lambda reference: (reference.platform, reference.id))
    compared = [("platform origin", origin)]
    for reference in references:
        compared.append(("reference's platform", reference.platform))
        compared += _shown("reference's id", reference.id, rules)
    kept = [reference for reference in references if reference.platform == origin]
    usable = [reference for reference in kept if rules.key(reference.id) is not None]
    if references and not kept:
        others = ", ".join(sorted({reference.platform for reference in references}))
        notes.tried("reference", compared, f"REF_UNDER_OTHER_ORIGIN: none under the shop's origin, but under {others}.")
        return Reason.REF_UNDER_OTHER_ORIGIN
    if not usable:
        empty = " whose id can match anything" if kept else ""
        notes.tried("reference", compared, f"NO_EXTERNAL_REF: no reference under the shop's origin{empty}.")
        return Reason.NO_EXTERNAL_REF
    if len({rules.key(reference.id) for reference in usable}) > 1:
        notes.tried("reference", compared, "AMBIGUOUS_REF: different ids under the shop's origin.")
        return Reason.AMBIGUOUS_REF

    spellings = sorted({reference.id for reference in usable})
    concluded = "One id under the shop's origin."
    if len(spellings) > 1:
        notes.warnings.add(MatchWarning.REFERENCE_SPELLED_TWICE)
        concluded = "Ids under the shop's origin that are the same under the id rules; the first one stands for all."
    notes.tried("reference", compared, concluded)
    lines = [line for reference in usable for line in reference.lines]
    merged = tuple(sorted(set(lines), key=lambda line: (line.origin_id, line.id)))
    if len(merged) < len(lines):
        notes.warnings.add(MatchWarning.DUPLICATE_REFERENCE_LINE)
    return Reference(spellings[0], origin, merged)


def _choose_order(question: Question, reference: Reference, notes: _Notes) -> Order | Reason:
    """The one synced order with the reference's id (rule 3). An order that the look-up gave twice is one order."""
    rules = question.rules
    if question.orders is None:
        problem = (("look-up problem", question.lookup_problem),)
        notes.tried("order", problem, "LOOKUP_FAILED: whether the order is synced could not be looked up.")
        return Reason.LOOKUP_FAILED

    distinct = {replace(order, items=_sorted_items(order.items)) for order in question.orders}
    orders = sorted(distinct, key=lambda order: (order.external_order_id, order.key))
    compared = _shown("reference's id", reference.id, rules)
    for order in orders:
        compared.append(("order", order.key))
        compared += _shown("order's id", order.external_order_id, rules)
    equal = [order for order in orders if rules.are_equal(order.external_order_id, reference.id)]
    left_out = f" {len(orders) - len(equal)} found with another id, left out." if len(equal) < len(orders) else ""
    if not equal:
        notes.tried("order", compared, f"ORDER_NOT_SYNCED: no order with this id.{left_out}")
        return Reason.ORDER_NOT_SYNCED
    if len(equal) > 1:
        notes.tried("order", compared, f"AMBIGUOUS_ORDER: {len(equal)} orders with this id.{left_out}")
        return Reason.AMBIGUOUS_ORDER
    order = equal[0]
    notes.tried("order", compared, f"One order with this id.{left_out}")
    return _objection(order, rules, notes) or order


def _objection(order: Order, rules: IdRules, notes: _Notes) -> Reason | None:
    """Why the order that was found must not be linked (rule 3, second half), if there is a reason."""
    state = (("order", order.key), ("order is canceled", "yes" if order.cancelled else "no"))
    if order.cancelled:
        notes.tried("order_state", state, "ORDER_CANCELLED: the order was canceled.")
        return Reason.ORDER_CANCELLED
    notes.tried("order_state", state, "The order stands.")

    compared = _shown("order's id", order.external_order_id, rules)
    compared += _shown("omsOrderId", order.oms_order_id or "", rules)
    if order.metadata_conflict:
        compared.append(("metadata conflict", order.metadata_conflict))
        notes.tried("oms_order_id", compared, "METADATA_CONFLICT: the order's metadata contradicts itself.")
        return Reason.METADATA_CONFLICT
    if order.oms_order_id is None or not order.oms_order_id.strip():
        notes.warnings.add(MatchWarning.OMS_ORDER_ID_MISSING)
        notes.tried("oms_order_id", compared, "OMS_ORDER_ID_MISSING: accepted with a warning.")
        return None
    if not rules.are_equal(order.oms_order_id, order.external_order_id):
        notes.tried("oms_order_id", compared, "METADATA_CONFLICT: omsOrderId is not the order's id.")
        return Reason.METADATA_CONFLICT
    notes.tried("oms_order_id", compared, "omsOrderId is the order's id.")
    return None


def _match_lines(question: Question, reference: Reference, order: Order, notes: _Notes) -> tuple[LineVerdict, ...]:
    """One verdict per returned line, the lines served in the order of their ids (rules 4 and 5)."""
    rules = question.rules
    compared: list[tuple[str, str]] = []
    lines_of: dict[str, list[ReferenceLine]] = {}
    for line in reference.lines:
        lines_of.setdefault(line.origin_id, []).append(line)
        compared += [("origin id", line.origin_id), *_shown("external item id", line.id, rules)]
    notes.tried("reference_lines", compared, f"Lines of the reference: {len(reference.lines)}.")
    compared = [("order", order.key)]
    items_of: dict[str | None, list[OrderItem]] = {}
    for item in order.items:
        items_of.setdefault(rules.key(item.external_item_id), []).append(item)
        compared += [("item", item.key), *_shown("item's external id", item.external_item_id or "", rules)]
    notes.tried("order_items", compared, f"Items of the order: {len(order.items)}.")

    distinct = _distinct_lines(question.lines)
    if len(distinct) < len(question.lines):
        notes.warnings.add(MatchWarning.DUPLICATE_RETURNED_LINE)
    if len({order_line_ids[0] for _, order_line_ids in distinct}) < len(distinct):
        notes.warnings.add(MatchWarning.ORDER_LINE_RETURNED_TWICE)

    matched_units: dict[str, int] = {}
    verdicts = []
    for line_id, order_line_ids in distinct:
        external_item_id, found = "", _external_item_id(line_id, order_line_ids, lines_of, rules, notes)
        if not isinstance(found, Reason):
            external_item_id = found
            found = _free_item(line_id, found, items_of.get(rules.key(found), []), matched_units, rules, notes)
        reason, item_key = (found, None) if isinstance(found, Reason) else (None, found)
        verdicts.append(LineVerdict(line_id, order_line_ids[0], reason is None, reason, external_item_id, item_key))
    return tuple(verdicts)


def _external_item_id(
    line_id: str, order_line_ids: list[str], lines_of: dict[str, list[ReferenceLine]], rules: IdRules, notes: _Notes
) -> str | Reason:
    """The OMS's id of a returned line: the reference's line whose `origin_id` is exactly the TikTok order line's id."""
    compared = [("returned line", line_id), *(("TikTok order line", order_line_id) for order_line_id in order_line_ids)]
    if len(order_line_ids) > 1:
        notes.tried("line_reference", compared, "ITEM_REF_AMBIGUOUS: the returned line names several order lines.")
        return Reason.ITEM_REF_AMBIGUOUS
    lines = lines_of.get(order_line_ids[0], []) if order_line_ids[0].strip() else []
    for line in lines:
        compared += [("origin id", line.origin_id), *_shown("external item id", line.id, rules)]
    spellings = [line.id for line in lines if rules.key(line.id) is not None]
    if not spellings:
        empty = " with an id that can match anything" if lines else ""
        notes.tried("line_reference", compared, f"ITEM_REF_MISSING: the reference has no line for it{empty}.")
        return Reason.ITEM_REF_MISSING
    if len({rules.key(spelling) for spelling in spellings}) > 1:
        notes.tried("line_reference", compared, "ITEM_REF_AMBIGUOUS: the reference gives it different item ids.")
        return Reason.ITEM_REF_AMBIGUOUS
    if len(spellings) > 1:
        notes.warnings.add(MatchWarning.REFERENCE_SPELLED_TWICE)
    notes.tried("line_reference", compared, "The reference gives it one item id.")
    return spellings[0]


def _free_item(
    line_id: str, item_id: str, items: list[OrderItem], matched_units: dict[str, int], rules: IdRules, notes: _Notes
) -> str | Reason:
    """The key of the item that a returned line is one unit of; counts the unit. `items` are those with `item_id`."""
    compared = [("returned line", line_id), *_shown("external item id", item_id, rules)]
    for item in items:
        compared += [("item", item.key), *_shown("item's external id", item.external_item_id or "", rules)]
        compared.append(("item is in the order", "no" if item.cancelled else "yes"))
    present = [item for item in items if not item.cancelled]
    if not present:
        gone = ", or no longer" if items else ""
        notes.tried("line_item", compared, f"ITEM_REF_UNKNOWN: the order has no item with this id{gone}.")
        return Reason.ITEM_REF_UNKNOWN
    if len(present) > 1:
        notes.tried("line_item", compared, "ITEM_REF_AMBIGUOUS: several items of the order have this id.")
        return Reason.ITEM_REF_AMBIGUOUS
    item = present[0]
    notes.tried("line_item", compared, "One item of the order has this id.")

    # A push that renumbers its lines makes a new item of the same goods: what returns hold of the old one still counts.
    elsewhere, here = sum(max(each.taken, 0) for each in items), matched_units.get(item.key, 0)
    units = [("ordered", item.quantity), ("in other active returns", elsewhere), ("matched in this return", here)]
    counted = [("returned line", line_id), ("item", item.key), *((name, str(count)) for name, count in units)]
    if elsewhere + here + 1 > item.quantity:
        notes.tried("line_units", counted, "QTY_EXCEEDS_ORDERED: no unit is left.")
        return Reason.QTY_EXCEEDS_ORDERED
    notes.tried("line_units", counted, "A unit is left, and is taken.")
    matched_units[item.key] = here + 1
    return item.key


def _distinct_lines(lines: Iterable[ReturnedLine]) -> list[tuple[str, list[str]]]:
    """Each returned line once, sorted by its id, with the TikTok order lines that it names (one, in sane input)."""
    named: dict[str, set[str]] = {}
    for line in lines:
        named.setdefault(line.return_line_item_id, set()).add(line.order_line_item_id)
    return [(line_id, sorted(named[line_id])) for line_id in sorted(named)]


def _sorted_items(items: Iterable[OrderItem]) -> tuple[OrderItem, ...]:
    def place(item: OrderItem) -> tuple[str, str, int, int, bool]:
        return (item.external_item_id or "", item.key, item.quantity, item.taken, item.cancelled)

    return tuple(sorted(set(items), key=place))


def _note_id_rules(rules: IdRules, notes: _Notes) -> None:
    if rules.is_exact:
        notes.tried("id_rules", (), "External ids are compared exactly.")
        return
    compared = (
        ("ignore case", "yes" if rules.ignore_case else "no"),
        ("strip prefix", rules.strip_prefix),
        ("strip suffix", rules.strip_suffix),
        ("trim leading zeros", "yes" if rules.trim_leading_zeros else "no"),
    )
    notes.tried("id_rules", compared, "External ids are compared after these rules, on both sides, in this order.")


def _shown(name: str, value: str, rules: IdRules) -> list[tuple[str, str]]:
    """An external id as it is compared: raw and, unless the rules are exact, rewritten."""
    raw = (name, value)
    return [raw] if rules.is_exact else [raw, (f"{name}, under the id rules", rules.apply(value))]


def _named(outcome: Outcome, reason: Reason | None) -> str:
    return f"{outcome}: {reason}." if reason else f"{outcome}."
