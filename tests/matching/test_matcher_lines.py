"""The matcher's rules on the lines of a return, what it warns of, and which of its reasons waiting can cure."""

import pytest

from matching.matcher import (
    CURABLE,
    IdRules,
    LineVerdict,
    MatchWarning,
    Outcome,
    Question,
    Reason,
    Reference,
    ReferenceLine,
    ReturnedLine,
    decide,
)
from tests.matching.questions import MATCHED, answer, ask, both, item, line, no, order, ref, yes

# The lines.

LINE_CASES = {
    "lines absent on the external order": (
        ask(references=(ref(),)),
        (Outcome.ORDER_ONLY, Reason.ITEM_REF_MISSING, both(Reason.ITEM_REF_MISSING)),
    ),
    "lines absent, SKUs the same": (
        ask(references=(ref(),), lines=(line(1, "A"), line(2, "B"))),
        (Outcome.ORDER_ONLY, Reason.ITEM_REF_MISSING, both(Reason.ITEM_REF_MISSING)),
    ),
    "origin_id unknown for one line": (
        ask(references=(ref("A"),)),
        (Outcome.PARTLY_MATCHED, Reason.ITEM_REF_MISSING, (yes(1, "A"), no(2, Reason.ITEM_REF_MISSING))),
    ),
    "id and origin_id swapped": (
        ask(references=(Reference("SO-1", "SHOPIFY", (ReferenceLine("T1", "A"), ReferenceLine("T2", "B"))),)),
        (Outcome.ORDER_ONLY, Reason.ITEM_REF_MISSING, both(Reason.ITEM_REF_MISSING)),
    ),
    "TikTok ids are never rewritten": (
        ask(
            rules=IdRules(ignore_case=True, strip_prefix="T"),
            references=(Reference("SO-1", "SHOPIFY", (ReferenceLine("A", "t1"), ReferenceLine("B", "2"))),),
        ),
        (Outcome.ORDER_ONLY, Reason.ITEM_REF_MISSING, both(Reason.ITEM_REF_MISSING)),
    ),
    "empty item id": (
        ask(references=(ref("A", ""),)),
        (Outcome.PARTLY_MATCHED, Reason.ITEM_REF_MISSING, (yes(1, "A"), no(2, Reason.ITEM_REF_MISSING))),
    ),
    "empty item id on both sides": (
        ask(references=(ref("A", ""),), orders=(order(item("A"), item(""), item(None)),)),
        (Outcome.PARTLY_MATCHED, Reason.ITEM_REF_MISSING, (yes(1, "A"), no(2, Reason.ITEM_REF_MISSING))),
    ),
    "empty order line id on both sides": (
        ask(
            lines=(ReturnedLine("R1", ""),),
            references=(Reference("SO-1", "SHOPIFY", (ReferenceLine("A", ""),)),),
        ),
        (
            Outcome.ORDER_ONLY,
            Reason.ITEM_REF_MISSING,
            (LineVerdict("R1", "", False, Reason.ITEM_REF_MISSING, "", None),),
        ),
    ),
    "item unknown to the order": (
        ask(references=(ref("A", "Z"),)),
        (Outcome.PARTLY_MATCHED, Reason.ITEM_REF_UNKNOWN, (yes(1, "A"), no(2, Reason.ITEM_REF_UNKNOWN, "Z"))),
    ),
    "no item of the order has an omsItemId": (
        ask(orders=(order(item(None), item(None, key="other")),)),
        (
            Outcome.ORDER_ONLY,
            Reason.ITEM_REF_UNKNOWN,
            (no(1, Reason.ITEM_REF_UNKNOWN, "A"), no(2, Reason.ITEM_REF_UNKNOWN, "B")),
        ),
    ),
    "the order has no items": (
        ask(orders=(order(),)),
        (
            Outcome.ORDER_ONLY,
            Reason.ITEM_REF_UNKNOWN,
            (no(1, Reason.ITEM_REF_UNKNOWN, "A"), no(2, Reason.ITEM_REF_UNKNOWN, "B")),
        ),
    ),
    "omsItemId duplicated on two items": (
        ask(orders=(order(item("A"), item("A", key="other"), item("B")),)),
        (Outcome.PARTLY_MATCHED, Reason.ITEM_REF_AMBIGUOUS, (no(1, Reason.ITEM_REF_AMBIGUOUS, "A"), yes(2, "B"))),
    ),
    "two item ids for one TikTok line": (
        ask(references=(ref("A", "B"), Reference("SO-1", "SHOPIFY", (ReferenceLine("B", "T1"),)))),
        (Outcome.PARTLY_MATCHED, Reason.ITEM_REF_AMBIGUOUS, (no(1, Reason.ITEM_REF_AMBIGUOUS), yes(2, "B"))),
    ),
    "an empty item id beside a good one": (
        ask(references=(ref("A", "B"), Reference("SO-1", "SHOPIFY", (ReferenceLine("", "T1"),)))),
        MATCHED,
    ),
    "item left the order": (
        ask(orders=(order(item("A", cancelled=True), item("B")),)),
        (Outcome.PARTLY_MATCHED, Reason.ITEM_REF_UNKNOWN, (no(1, Reason.ITEM_REF_UNKNOWN, "A"), yes(2, "B"))),
    ),
    "item left the order and came back in another row": (
        ask(orders=(order(item("A", cancelled=True, key="old"), item("A"), item("B")),)),
        MATCHED,
    ),
    "item came back in another row, a return holds the old one": (
        ask(orders=(order(item("A", cancelled=True, key="old", taken=1), item("A"), item("B")),)),
        (Outcome.PARTLY_MATCHED, Reason.QTY_EXCEEDS_ORDERED, (no(1, Reason.QTY_EXCEEDS_ORDERED, "A"), yes(2, "B"))),
    ),
    "two TikTok lines, one item with quantity 2": (
        ask(references=(ref("A", "A"),), orders=(order(item("A", 2)),)),
        (Outcome.MATCHED, None, (yes(1, "A"), yes(2, "A"))),
    ),
    "third unit beyond the quantity": (
        ask(lines=(line(1), line(2), line(3)), references=(ref("A", "A", "A"),), orders=(order(item("A", 2)),)),
        (
            Outcome.PARTLY_MATCHED,
            Reason.QTY_EXCEEDS_ORDERED,
            (yes(1, "A"), yes(2, "A"), no(3, Reason.QTY_EXCEEDS_ORDERED, "A")),
        ),
    ),
    "item already in an active return": (
        ask(orders=(order(item("A", 1, taken=1), item("B")),)),
        (Outcome.PARTLY_MATCHED, Reason.QTY_EXCEEDS_ORDERED, (no(1, Reason.QTY_EXCEEDS_ORDERED, "A"), yes(2, "B"))),
    ),
    "one unit of two in another active return": (
        ask(references=(ref("A", "A"),), orders=(order(item("A", 2, taken=1)),)),
        (Outcome.PARTLY_MATCHED, Reason.QTY_EXCEEDS_ORDERED, (yes(1, "A"), no(2, Reason.QTY_EXCEEDS_ORDERED, "A"))),
    ),
    "item free again": (ask(orders=(order(item("A", 1, taken=0), item("B")),)), MATCHED),
    "more units taken than ordered": (
        ask(lines=(line(1),), orders=(order(item("A", 1, taken=5)),)),
        (Outcome.ORDER_ONLY, Reason.QTY_EXCEEDS_ORDERED, (no(1, Reason.QTY_EXCEEDS_ORDERED, "A"),)),
    ),
    "quantity zero": (
        ask(lines=(line(1),), orders=(order(item("A", 0)),)),
        (Outcome.ORDER_ONLY, Reason.QTY_EXCEEDS_ORDERED, (no(1, Reason.QTY_EXCEEDS_ORDERED, "A"),)),
    ),
    "negative numbers free no units": (
        ask(
            lines=(line(1), line(2)),
            references=(ref("A", "B"),),
            orders=(order(item("A", 0, taken=-3), item("B", -1)),),
        ),
        (
            Outcome.ORDER_ONLY,
            Reason.QTY_EXCEEDS_ORDERED,
            (no(1, Reason.QTY_EXCEEDS_ORDERED, "A"), no(2, Reason.QTY_EXCEEDS_ORDERED, "B")),
        ),
    ),
    "one SKU on two lines": (ask(lines=(line(1, "SAME"), line(2, "SAME"))), MATCHED),
    "lines in another order are served by their ids": (
        ask(lines=(line(2), line(1)), references=(ref("A", "A"),), orders=(order(item("A")),)),
        (Outcome.PARTLY_MATCHED, Reason.QTY_EXCEEDS_ORDERED, (yes(1, "A"), no(2, Reason.QTY_EXCEEDS_ORDERED, "A"))),
    ),
    "the first failing line gives the reason": (
        ask(lines=(line(3), line(2), line(1)), references=(ref("A", "Z"),)),
        (
            Outcome.PARTLY_MATCHED,
            Reason.ITEM_REF_UNKNOWN,
            (yes(1, "A"), no(2, Reason.ITEM_REF_UNKNOWN, "Z"), no(3, Reason.ITEM_REF_MISSING)),
        ),
    ),
    "a returned line listed twice": (ask(lines=(line(1), line(2), line(1))), MATCHED),
    "a returned line that names two order lines": (
        ask(lines=(ReturnedLine("R1", "T1"), ReturnedLine("R1", "T2"))),
        (Outcome.ORDER_ONLY, Reason.ITEM_REF_AMBIGUOUS, (no(1, Reason.ITEM_REF_AMBIGUOUS),)),
    ),
    "a return without lines": (ask(lines=()), (Outcome.ORDER_ONLY, Reason.ITEM_REF_MISSING, ())),
    "sales order updated with new item ids": (
        ask(references=(ref("A2", "B2"),), orders=(order(item("A", cancelled=True), item("A2"), item("B2")),)),
        (Outcome.MATCHED, None, (yes(1, "A2"), yes(2, "B2"))),
    ),
}


@pytest.mark.parametrize(("question", "expected"), LINE_CASES.values(), ids=LINE_CASES)
def test_decide_on_the_lines(question: Question, expected: tuple[object, ...]) -> None:
    decision = decide(question)
    assert answer(decision) == expected
    assert (decision.order_key, decision.external_order_id) == ("key of SO-1", "SO-1")


# Warnings.

WARNING_CASES = {
    "nothing to warn of": (ask(), ()),
    "omsOrderId missing": (ask(orders=(order(item("A"), oms_order_id=None),)), (MatchWarning.OMS_ORDER_ID_MISSING,)),
    "omsOrderId blank": (ask(orders=(order(item("A"), oms_order_id=" "),)), (MatchWarning.OMS_ORDER_ID_MISSING,)),
    "reference line twice": (ask(references=(ref("A"), ref("A", "B"))), (MatchWarning.DUPLICATE_REFERENCE_LINE,)),
    "returned line twice": (ask(lines=(line(1), line(1))), (MatchWarning.DUPLICATE_RETURNED_LINE,)),
    "one order line in two returned lines": (
        ask(lines=(line(1), ReturnedLine("R2", "T1"))),
        (MatchWarning.ORDER_LINE_RETURNED_TWICE,),
    ),
    "no lines": (ask(lines=()), (MatchWarning.RETURN_WITHOUT_LINES,)),
    "several, in the order of their declaration": (
        ask(lines=(), references=(ref("A"), ref("A")), orders=(order(oms_order_id=None),)),
        (
            MatchWarning.OMS_ORDER_ID_MISSING,
            MatchWarning.DUPLICATE_REFERENCE_LINE,
            MatchWarning.RETURN_WITHOUT_LINES,
        ),
    ),
}


@pytest.mark.parametrize(("question", "warnings"), WARNING_CASES.values(), ids=WARNING_CASES)
def test_warnings(question: Question, warnings: tuple[MatchWarning, ...]) -> None:
    assert decide(question).warnings == warnings


# What waiting can cure.


def test_curable_reasons_are_those_of_the_design() -> None:
    curable = {Reason.ORDER_NOT_SYNCED, Reason.NO_EXTERNAL_REF, Reason.ITEM_REF_UNKNOWN, Reason.LOOKUP_FAILED}
    assert curable == CURABLE
    assert {reason for reason in Reason if reason.is_curable} == curable


CURABLE_CASES = {
    "matched": (ask(), False),
    "matching off": (ask(matching_enabled=False), False),
    "no platform origin": (ask(platform_origin=""), False),
    "no reference": (ask(references=()), True),
    "reference under another origin": (ask(references=(ref(platform="ERP_SYSTEM"),)), False),
    "look-up failed": (ask(orders=None), True),
    "order not synced": (ask(orders=()), True),
    "order canceled": (ask(orders=(order(cancelled=True),)), False),
    "item missing from the order": (ask(orders=(order(item("A")),)), True),
    "no item in the order": (ask(orders=(order(),)), True),
    "line missing from the reference": (ask(references=(ref("A"),)), False),
    "curable behind a failure that is not": (ask(lines=(line(1), line(9)), orders=(order(),)), True),
    "failure that is not curable, then a curable one": (
        ask(references=(Reference("SO-1", "SHOPIFY", (ReferenceLine("Z", "T2"),)),)),
        True,
    ),
    "no lines": (ask(lines=()), False),
}


@pytest.mark.parametrize(("question", "curable"), CURABLE_CASES.values(), ids=CURABLE_CASES)
def test_is_curable(question: Question, curable: bool) -> None:
    assert decide(question).is_curable is curable
