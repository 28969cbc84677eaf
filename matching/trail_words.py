"""A decision's trail in plain words: what was asked, what was compared, what came of it.

The trail itself is for ever the same, byte for byte, and in English with its codes; this is how a page tells it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from matching.decision import MatchWarning, Reason, TrailEntry

Text = str | Promise

QUESTIONS: dict[str, Text] = {
    "by_hand": _("Who decided?"),
    "asked": _("Should this return be matched?"),
    "id_rules": _("How are ids compared?"),
    "reference": _("What does your OMS call this order at TikTok?"),
    "order": _("Is there a sales order with this id?"),
    "order_state": _("Does the sales order stand?"),
    "oms_order_id": _("Does its omsOrderId say the same?"),
    "reference_lines": _("Which lines does the reference name?"),
    "order_items": _("Which items does the sales order have?"),
    "line_reference": _("What does your OMS call this line?"),
    "line_item": _("Is there an item with this id?"),
    "line_units": _("Is a unit of it left?"),
    "outcome": _("So what becomes of the return?"),
}
NAMES: dict[str, Text] = {
    "TikTok order id": _("TikTok order"),
    "matching": _("Matching"),
    "platform origin": _("Your platform origin"),
    "reference's platform": _("Platform at TikTok"),
    "reference's id": _("Order id at TikTok"),
    "order": _("Sales order (our key)"),
    "order's id": _("Sales order id"),
    "omsOrderId": "omsOrderId",
    "order is canceled": _("Order canceled"),
    "metadata conflict": _("Contradiction"),
    "origin id": _("TikTok line"),
    "external item id": _("Item id at TikTok"),
    "item": _("Item (our key)"),
    "item's external id": _("Item id of the sales order"),
    "item is in the order": _("Still in the order"),
    "returned line": _("Returned line"),
    "TikTok order line": _("TikTok line"),
    "ordered": _("Units ordered"),
    "in other active returns": _("Units in other returns"),
    "matched in this return": _("Units matched before in this return"),
    "lines matched": _("Lines matched"),
    "look-up problem": _("What went wrong"),
    "ignore case": _("Ignore case"),
    "strip prefix": _("Prefix left out"),
    "strip suffix": _("Suffix left out"),
    "trim leading zeros": _("Leading zeros left out"),
}
WARNINGS: dict[str, Text] = {
    MatchWarning.OMS_ORDER_ID_MISSING: _("The sales order has no omsOrderId"),
    MatchWarning.REFERENCE_SPELLED_TWICE: _("TikTok holds one id in two spellings"),
    MatchWarning.DUPLICATE_REFERENCE_LINE: _("The reference names a line twice"),
    MatchWarning.DUPLICATE_RETURNED_LINE: _("The return names a line twice"),
    MatchWarning.ORDER_LINE_RETURNED_TWICE: _("Two returned lines name the same TikTok line"),
    MatchWarning.RETURN_WITHOUT_LINES: _("The return has no lines"),
}
ANSWERS: dict[str, Text] = {
    Reason.MATCHING_OFF: _("No: matching is off for this shop."),
    Reason.NO_PLATFORM_ORIGIN: _("No: no platform origin is chosen."),
    Reason.NO_EXTERNAL_REF: _("Nothing yet: there is no reference under your platform origin."),
    Reason.REF_UNDER_OTHER_ORIGIN: _("There is a reference, but under another platform."),
    Reason.AMBIGUOUS_REF: _("There are several different ids, and nobody can tell which one is right."),
    Reason.ORDER_NOT_SYNCED: _("No."),
    Reason.AMBIGUOUS_ORDER: _("There are several, and nobody can tell which one is right."),
    Reason.ORDER_CANCELLED: _("No: it is canceled."),
    Reason.METADATA_CONFLICT: _("No: it says something else."),
    Reason.LOOKUP_FAILED: _("The question could not be answered."),
    Reason.ITEM_REF_MISSING: _("The reference does not name this line."),
    Reason.ITEM_REF_UNKNOWN: _("No."),
    Reason.ITEM_REF_AMBIGUOUS: _("There are several, and nobody can tell which one is right."),
    Reason.QTY_EXCEEDS_ORDERED: _("No unit is left."),
    MatchWarning.OMS_ORDER_ID_MISSING: _("It has none. That is accepted."),
    "Linked by hand": _("A person linked it; the rules were not asked."),
    "Unlinked by hand": _("A person unlinked it; the rules are not asked again."),
}
GOOD: dict[str, Text] = {
    "asked": _("Yes."),
    "id_rules": _("Exactly, character by character."),
    "reference": _("One id, under your platform origin."),
    "order": _("Yes, exactly one."),
    "order_state": _("Yes."),
    "oms_order_id": _("Yes."),
    "reference_lines": _("These."),
    "order_items": _("These."),
    "line_reference": _("One item id."),
    "line_item": _("Yes, exactly one."),
    "line_units": _("Yes."),
}
OUTCOMES: dict[str, Text] = {
    "MATCHED": _("It is linked to the sales order, with every item."),
    "PARTLY_MATCHED": _("It is linked to the sales order, with the items that are certain."),
    "ORDER_ONLY": _("It is linked to the sales order, without its items."),
    "NO_MATCH": _("It is created without a link. The buyer gets a label all the same."),
    "NOT_ASKED": _("It is created without a link. The buyer gets a label all the same."),
}
RULES_APPLY: Text = _("After your id rules, on both sides.")
YES_NO: dict[str, Text] = {"yes": _("yes"), "no": _("no"), "on": _("on"), "off": _("off")}
UNDER_THE_RULES = ", under the id rules"


@dataclass(frozen=True, slots=True)
class Told:
    """One rule in words. `is_good` is None where the rule only tells."""

    question: Text
    answer: Text
    compared: tuple[tuple[Text, str | Text], ...]
    is_good: bool | None
    entry: TrailEntry  # as the matcher says it


def told(trail: Iterable[TrailEntry]) -> list[Told]:
    return [_told(entry) for entry in trail]


def told_of_json(trail: Iterable[dict[str, Any]]) -> list[Told]:
    """The same, of a trail as a row keeps it."""
    entries = [
        TrailEntry(each["rule"], tuple((name, value) for name, value in each["compared"]), each["concluded"])
        for each in trail
    ]
    return told(entries)


def _told(entry: TrailEntry) -> Told:
    code = entry.concluded.partition(":")[0].rstrip(".")
    compared = tuple((_name(name), YES_NO.get(value, value)) for name, value in entry.compared)
    question = QUESTIONS.get(entry.rule, entry.rule)
    if entry.rule == "outcome":
        return Told(question, OUTCOMES.get(code, entry.concluded), compared, is_good=code == "MATCHED", entry=entry)
    if code in ANSWERS:
        return Told(question, ANSWERS[code], compared, is_good=code == MatchWarning.OMS_ORDER_ID_MISSING, entry=entry)
    if entry.rule == "id_rules":
        return Told(question, RULES_APPLY if entry.compared else GOOD["id_rules"], compared, is_good=None, entry=entry)
    tells_only = entry.rule in {"reference_lines", "order_items"}
    return Told(
        question, GOOD.get(entry.rule, entry.concluded), compared, is_good=None if tells_only else True, entry=entry
    )


def _name(name: str) -> Text:
    plain = name.removesuffix(UNDER_THE_RULES)
    known = NAMES.get(plain, plain)
    return known if plain == name else _("%(name)s, under the id rules") % {"name": known}
