"""The matcher's rules, case by case: the edge cases of the ReBound notes (5.2) that concern matching, and more."""

import json
from dataclasses import replace
from typing import Any

import pytest

from matching.matcher import (
    CURABLE,
    Decision,
    IdRules,
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
    choose_reference,
    decide,
)

EXACT = IdRules()
BIG = "9007199254740993"  # 2 ** 53 + 1: a float would make it ...992


def line(number: int, sku: str = "") -> ReturnedLine:
    return ReturnedLine(f"R{number}", f"T{number}", sku)


def ref(*items: str, id: str = "SO-1", platform: str = "SHOPIFY") -> Reference:
    """The OMS's reference to the order; the nth item id belongs to TikTok line Tn."""
    return Reference(id, platform, tuple(ReferenceLine(item, f"T{n}") for n, item in enumerate(items, 1)))


def item(external_item_id: str | None, quantity: int = 1, **more: Any) -> OrderItem:
    return OrderItem(
        **{"key": f"key of {external_item_id}", "external_item_id": external_item_id, "quantity": quantity} | more
    )


def order(*items: OrderItem, id: str = "SO-1", **more: Any) -> Order:
    return Order(**{"key": f"key of {id}", "external_order_id": id, "oms_order_id": id, "items": items} | more)


def ask(**changes: Any) -> Question:
    """A return of two lines, every id in place. Each test changes what it is about."""
    question = Question(
        matching_enabled=True,
        platform_origin="SHOPIFY",
        rules=EXACT,
        tiktok_order_id="576461413038785752",
        lines=(line(1), line(2)),
        references=(ref("A", "B"),),
        orders=(order(item("A"), item("B")),),
    )
    return replace(question, **changes)


def yes(number: int, item_id: str, key: str = "") -> LineVerdict:
    return LineVerdict(f"R{number}", f"T{number}", True, None, item_id, key or f"key of {item_id}")


def no(number: int, reason: Reason, item_id: str = "") -> LineVerdict:
    return LineVerdict(f"R{number}", f"T{number}", False, reason, item_id, None)


def both(reason: Reason) -> tuple[LineVerdict, LineVerdict]:
    return (no(1, reason), no(2, reason))


def answer(decision: Decision) -> tuple[Outcome, Reason | None, tuple[LineVerdict, ...]]:
    return (decision.outcome, decision.reason, decision.lines)


def concluded(decision: Decision, rule: str) -> list[str]:
    return [entry.concluded for entry in decision.trail if entry.rule == rule]


MATCHED = (Outcome.MATCHED, None, (yes(1, "A"), yes(2, "B")))


def refused(reason: Reason, outcome: Outcome = Outcome.NO_MATCH) -> tuple[Outcome, Reason, tuple[LineVerdict, ...]]:
    return (outcome, reason, both(reason))


# The order.

ORDER_CASES = {
    "all ids in place": (ask(), MATCHED),
    "matching off": (ask(matching_enabled=False), refused(Reason.MATCHING_OFF, Outcome.NOT_ASKED)),
    "no platform origin": (ask(platform_origin=""), refused(Reason.NO_PLATFORM_ORIGIN, Outcome.NOT_ASKED)),
    "blank platform origin": (ask(platform_origin=" "), refused(Reason.NO_PLATFORM_ORIGIN, Outcome.NOT_ASKED)),
    "external order absent": (ask(references=()), refused(Reason.NO_EXTERNAL_REF)),
    "references could not be read": (ask(references=None), refused(Reason.LOOKUP_FAILED)),
    "nothing could be read": (ask(references=None, orders=None), refused(Reason.LOOKUP_FAILED)),
    "external order under another platform only": (
        ask(references=(ref("A", "B", platform="MAGENTO"),)),
        refused(Reason.REF_UNDER_OTHER_ORIGIN),
    ),
    "platform in another case": (
        ask(references=(ref("A", "B", platform="shopify"),)),
        refused(Reason.REF_UNDER_OTHER_ORIGIN),
    ),
    "platform in another case, id rules ignore case": (
        ask(references=(ref("A", "B", platform="shopify"),), rules=IdRules(ignore_case=True)),
        refused(Reason.REF_UNDER_OTHER_ORIGIN),
    ),
    "several platforms returned though one was asked for": (
        ask(references=(ref("X", "Y", id="M-9", platform="MAGENTO"), ref("A", "B"), ref("A", "B", platform="AMAZON"))),
        MATCHED,
    ),
    "several platforms, an order under the other's id": (
        ask(references=(ref("A", "B", id="M-9", platform="MAGENTO"), ref("A", "B")), orders=(order(id="M-9"),)),
        refused(Reason.ORDER_NOT_SYNCED),
    ),
    "two ids under the origin": (
        ask(references=(ref("A", "B"), ref("A", "B", id="SO-2"))),
        refused(Reason.AMBIGUOUS_REF),
    ),
    "one id in two entries, half the lines each": (
        ask(references=(ref("A"), Reference("SO-1", "SHOPIFY", (ReferenceLine("B", "T2"),)))),
        MATCHED,
    ),
    "an empty id under the origin": (ask(references=(ref("A", "B", id=""),)), refused(Reason.NO_EXTERNAL_REF)),
    "a blank id on both sides": (
        ask(references=(ref("A", "B", id=" "),), orders=(order(item("A"), item("B"), id=" "),)),
        refused(Reason.NO_EXTERNAL_REF),
    ),
    "an empty id under the origin, one under another": (
        ask(references=(ref("A", "B", id=""), ref("A", "B", platform="MAGENTO"))),
        refused(Reason.NO_EXTERNAL_REF),
    ),
    "an empty id beside a good one": (ask(references=(ref("X", "Y", id=""), ref("A", "B"))), MATCHED),
    "order not synced": (ask(orders=()), refused(Reason.ORDER_NOT_SYNCED)),
    "orders could not be looked up": (ask(orders=None), refused(Reason.LOOKUP_FAILED)),
    "no reference, orders could not be looked up": (
        ask(references=(), orders=None),
        refused(Reason.NO_EXTERNAL_REF),
    ),
    "upstream ignored the filter": (
        ask(orders=(order(item("A"), item("B"), id="SO-11"), order(item("A"), item("B")), order(id="so-1"))),
        MATCHED,
    ),
    "upstream ignored the filter, ours is not there": (
        ask(orders=(order(item("A"), item("B"), id="SO-11"), order(item("A"), item("B"), id="SO-"))),
        refused(Reason.ORDER_NOT_SYNCED),
    ),
    "two orders with one id": (
        ask(orders=(order(item("A"), item("B")), order(item("A"), item("B"), key="other"))),
        refused(Reason.AMBIGUOUS_ORDER),
    ),
    "two orders with one id, one canceled": (
        ask(orders=(order(item("A"), item("B")), order(item("A"), item("B"), key="other", cancelled=True))),
        refused(Reason.AMBIGUOUS_ORDER),
    ),
    "one order looked up twice": (ask(orders=(order(item("A"), item("B")), order(item("B"), item("A")))), MATCHED),
    "order canceled": (ask(orders=(order(item("A"), item("B"), cancelled=True),)), refused(Reason.ORDER_CANCELLED)),
    "omsOrderId missing": (ask(orders=(order(item("A"), item("B"), oms_order_id=None),)), MATCHED),
    "omsOrderId empty": (ask(orders=(order(item("A"), item("B"), oms_order_id=""),)), MATCHED),
    "omsOrderId different": (
        ask(orders=(order(item("A"), item("B"), oms_order_id="SO-2"),)),
        refused(Reason.METADATA_CONFLICT),
    ),
    "omsOrderId in another case": (
        ask(orders=(order(item("A"), item("B"), oms_order_id="so-1"),)),
        refused(Reason.METADATA_CONFLICT),
    ),
    "omsOrderId equal under the id rules": (
        ask(orders=(order(item("A"), item("B"), oms_order_id="so-1"),), rules=IdRules(ignore_case=True)),
        MATCHED,
    ),
    "omsOrderId empty under the id rules": (
        ask(orders=(order(item("A"), item("B"), oms_order_id="SO-"),), rules=IdRules(strip_prefix="SO-")),
        refused(Reason.METADATA_CONFLICT),
    ),
    "conflicting duplicate metadata keys": (
        ask(orders=(order(item("A"), item("B"), metadata_conflict="omsOrderId: SO-1, SO-2"),)),
        refused(Reason.METADATA_CONFLICT),
    ),
    "conflicting metadata, omsOrderId not readable": (
        ask(orders=(order(item("A"), item("B"), oms_order_id=None, metadata_conflict="omsOrderId: 1, 2"),)),
        refused(Reason.METADATA_CONFLICT),
    ),
    "canceled and conflicting": (
        ask(orders=(order(cancelled=True, metadata_conflict="omsOrderId: 1, 2"),)),
        refused(Reason.ORDER_CANCELLED),
    ),
}


@pytest.mark.parametrize(("question", "expected"), ORDER_CASES.values(), ids=ORDER_CASES)
def test_decide_on_the_order(question: Question, expected: tuple[object, ...]) -> None:
    assert answer(decide(question)) == expected


# Ids are opaque: what differs in one character is another order, unless the shop says otherwise.


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("007", "7"),
        ("7", "7 "),
        (" SO-1", "SO-1"),
        ("SO-1", "so-1"),
        ("7", "7.0"),
        (BIG, "9007199254740992"),
        ("gid://shopify/Order/1", "1"),
        ("Stra\u00dfe", "Strasse"),
        ("\u00e9", "e\u0301"),
        ("\uff11", "1"),
    ],
)
def test_ids_that_differ_in_any_character_do_not_match(here: str, there: str) -> None:
    for one, other in [(here, there), (there, here)]:
        question = ask(references=(ref("A", "B", id=one),), orders=(order(item("A"), item("B"), id=other),))
        assert answer(decide(question)) == refused(Reason.ORDER_NOT_SYNCED)
        question = ask(lines=(line(1),), references=(ref(one),), orders=(order(item(other)),))
        expected = (no(1, Reason.ITEM_REF_UNKNOWN, one),)
        assert answer(decide(question)) == (Outcome.ORDER_ONLY, Reason.ITEM_REF_UNKNOWN, expected)


@pytest.mark.parametrize(
    "id", ["0", "007", BIG, "5764614130387857521", " SO-1 ", "gid://shopify/Order/1", "ITEM_REF_MISSING"]
)
def test_ids_that_are_equal_match_whatever_they_look_like(id: str) -> None:
    question = ask(lines=(line(1),), references=(ref(id, id=id),), orders=(order(item(id), id=id),))
    decision = decide(question)
    assert answer(decision) == (Outcome.MATCHED, None, (yes(1, id),))
    assert (decision.order_key, decision.external_order_id) == (f"key of {id}", id)


@pytest.mark.parametrize("id", ["", " ", "\u2003\t\n", "\0", "SO-1\0", "\ud800", "SO-\udfff", "7" * 256])
def test_ids_that_nothing_can_carry_never_match(id: str) -> None:
    question = ask(references=(ref("A", "B", id=id),), orders=(order(item("A"), item("B"), id=id),))
    assert answer(decide(question)) == refused(Reason.NO_EXTERNAL_REF)
    question = ask(lines=(line(1),), references=(ref(id),), orders=(order(item(id)),))
    expected = (no(1, Reason.ITEM_REF_MISSING),)
    assert answer(decide(question)) == (Outcome.ORDER_ONLY, Reason.ITEM_REF_MISSING, expected)


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


# The id rules.

RULE_CASES = {
    "prefix on our side": (IdRules(strip_prefix="SO-"), "1001", "SO-1001", True),
    "prefix on TikTok's side": (IdRules(strip_prefix="SO-"), "SO-1001", "1001", True),
    "prefix once": (IdRules(strip_prefix="SO-"), "SO-SO-1", "SO-1", False),
    "prefix twice on both sides": (IdRules(strip_prefix="SO-"), "SO-SO-1", "SO-SO-1", True),
    "prefix in another case": (IdRules(strip_prefix="SO-"), "so-1001", "1001", False),
    "prefix in another case, ignored": (IdRules(strip_prefix="SO-", ignore_case=True), "so-1001", "1001", True),
    "prefix in the middle": (IdRules(strip_prefix="-"), "SO-1", "SO1", False),
    "suffix": (IdRules(strip_suffix="-EU"), "1001-EU", "1001", True),
    "suffix as a prefix": (IdRules(strip_suffix="-EU"), "-EU1001", "1001", False),
    "prefix and suffix": (IdRules(strip_prefix="#", strip_suffix="-EU"), "#1001", "1001-EU", True),
    "case": (IdRules(ignore_case=True), "so-1001a", "SO-1001A", True),
    "case of other alphabets": (IdRules(ignore_case=True), "STRASSE", "stra\u00dfe", True),
    "zeros": (IdRules(trim_leading_zeros=True), "0001001", "1001", True),
    "zeros at the end": (IdRules(trim_leading_zeros=True), "10010", "1001", False),
    "zeros alone": (IdRules(trim_leading_zeros=True), "000", "0", True),
    "zeros alone and another number": (IdRules(trim_leading_zeros=True), "000", "1", False),
    "zeros of another alphabet": (IdRules(trim_leading_zeros=True), "\u06601001", "1001", False),
    "zeros behind the prefix": (IdRules(strip_prefix="SO-", trim_leading_zeros=True), "SO-0001", "1", True),
    "all of them": (IdRules("SO-", "-EU", ignore_case=True, trim_leading_zeros=True), "so-00a1-eu", "A1", True),
    "white space stays": (IdRules("SO-", "-EU", ignore_case=True, trim_leading_zeros=True), " SO-1", "SO-1", False),
    "empty under the rules": (IdRules(strip_prefix="SO-"), "SO-", "SO-", None),
    "blank under the rules": (IdRules(strip_prefix="SO-"), "SO- ", "SO- ", None),
}


@pytest.mark.parametrize(("rules", "here", "there", "equal"), RULE_CASES.values(), ids=RULE_CASES)
def test_id_rules_apply_to_orders_and_items_on_both_sides(
    rules: IdRules, here: str, there: str, equal: bool | None
) -> None:
    """`equal` is None where the id matches nothing, not even itself."""
    question = ask(
        rules=rules,
        references=(ref("A", "B", id=here),),
        orders=(order(item("A"), item("B"), id=there),),
    )
    reason = Reason.NO_EXTERNAL_REF if equal is None else Reason.ORDER_NOT_SYNCED
    assert answer(decide(question)) == (MATCHED if equal else refused(reason))

    question = ask(
        rules=rules, lines=(line(1),), references=(ref(here, id="X-1"),), orders=(order(item(there), id="X-1"),)
    )
    reason = Reason.ITEM_REF_MISSING if equal is None else Reason.ITEM_REF_UNKNOWN
    verdict = no(1, reason, "" if equal is None else here)
    unmatched = (Outcome.ORDER_ONLY, reason, (verdict,))
    matched = (Outcome.MATCHED, None, (yes(1, here, f"key of {there}"),))
    assert answer(decide(question)) == (matched if equal else unmatched)


@pytest.mark.parametrize(
    ("rules", "value", "candidates"),
    [
        (EXACT, "SO-1", ("SO-1",)),
        (EXACT, "", ()),
        (IdRules(strip_prefix="SO-"), "1", ("1", "SO-1")),
        (IdRules(strip_prefix="SO-"), "SO-1", ("SO-1", "1")),
        (IdRules(strip_prefix="SO-"), "SO-SO-1", ("SO-SO-1",)),
        (IdRules(strip_prefix="SO-"), "SO-", ()),
        (IdRules("#", "-EU"), "7", ("7", "7-EU", "#7", "#7-EU")),
        (IdRules("SO-", ignore_case=True), "so-A", ("so-A", "a", "SO-a")),
        (IdRules("SO-", ignore_case=True), "SO-A", ("SO-A", "A")),
        (IdRules(trim_leading_zeros=True), "7", tuple("0" * n + "7" for n in range(21))),
        (IdRules(trim_leading_zeros=True), "000", ("000", "0", "00", *("0" * n for n in range(4, 22)))),
        (IdRules(trim_leading_zeros=True), "0" * 30 + "7", ("0" * 30 + "7", *("0" * n + "7" for n in range(21)))),
    ],
)
def test_candidates_are_the_spellings_worth_looking_up(rules: IdRules, value: str, candidates: tuple[str, ...]) -> None:
    assert rules.candidates(value) == candidates


def test_id_rules_are_exact_by_default() -> None:
    assert IdRules().is_exact
    assert not any(
        rules.is_exact
        for rules in (IdRules("a"), IdRules("", "a"), IdRules(ignore_case=True), IdRules(trim_leading_zeros=True))
    )


def test_references_equal_under_the_rules_are_one_reference() -> None:
    rules = IdRules(strip_prefix="SO-")
    references = (
        ref("A", id="SO-1"),
        Reference("1", "SHOPIFY", (ReferenceLine("B", "T2"), ReferenceLine("SO-A", "T1"))),
    )
    decision = decide(ask(rules=rules, references=references))
    assert answer(decision) == MATCHED
    assert decision.external_order_id == "1"
    assert decision.warnings == (MatchWarning.REFERENCE_SPELLED_TWICE,)
    assert answer(decide(ask(references=references))) == refused(Reason.AMBIGUOUS_REF)


def test_orders_equal_under_the_rules_are_ambiguous_even_if_one_is_spelled_like_the_reference() -> None:
    orders = (order(item("A"), item("B")), order(item("A"), item("B"), id="so-1"))
    assert answer(decide(ask(orders=orders))) == MATCHED
    assert answer(decide(ask(orders=orders, rules=IdRules(ignore_case=True)))) == refused(Reason.AMBIGUOUS_ORDER)


def test_items_equal_under_the_rules_are_ambiguous() -> None:
    question = ask(lines=(line(1),), orders=(order(item("A"), item("a")),))
    assert answer(decide(question)) == (Outcome.MATCHED, None, (yes(1, "A"),))
    expected = (no(1, Reason.ITEM_REF_AMBIGUOUS, "A"),)
    decision = decide(replace(question, rules=IdRules(ignore_case=True)))
    assert answer(decision) == (Outcome.ORDER_ONLY, Reason.ITEM_REF_AMBIGUOUS, expected)


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


# The reference, chosen before there are orders to choose from.


def test_choose_reference_merges_and_sorts_the_lines() -> None:
    chosen = choose_reference(ask(references=(ref("B"), ref("A", "C")), orders=None))
    lines = (ReferenceLine("A", "T1"), ReferenceLine("B", "T1"), ReferenceLine("C", "T2"))
    assert (chosen.reference, chosen.reason) == (Reference("SO-1", "SHOPIFY", lines), None)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (ask(matching_enabled=False), Reason.MATCHING_OFF),
        (ask(platform_origin=""), Reason.NO_PLATFORM_ORIGIN),
        (ask(references=None), Reason.LOOKUP_FAILED),
        (ask(references=()), Reason.NO_EXTERNAL_REF),
        (ask(references=(ref(platform="AMAZON"),)), Reason.REF_UNDER_OTHER_ORIGIN),
        (ask(references=(ref(), ref(id="SO-2"))), Reason.AMBIGUOUS_REF),
    ],
)
def test_choose_reference_says_why_there_is_none(question: Question, reason: Reason) -> None:
    chosen = choose_reference(question)
    assert (chosen.reference, chosen.reason) == (None, reason)


# The trail.


def test_trail_of_a_match_is_complete() -> None:
    question = ask(
        rules=IdRules(strip_prefix="SO-", ignore_case=True),
        lines=(line(1, sku="never shown"),),
        references=(ref("a"), ref("X", id="M-9", platform="MAGENTO")),
        orders=(order(item("A", 2, taken=1), id="1", oms_order_id=None), order(id="2")),
    )
    assert json.loads(json.dumps(decide(question).as_json())) == {
        "outcome": "MATCHED",
        "reason": None,
        "order_key": "key of 1",
        "external_order_id": "SO-1",
        "lines": [
            {
                "return_line_item_id": "R1",
                "order_line_item_id": "T1",
                "matched": True,
                "reason": None,
                "external_item_id": "a",
                "item_key": "key of A",
            }
        ],
        "warnings": ["OMS_ORDER_ID_MISSING"],
        "trail": [
            {
                "rule": "asked",
                "compared": [
                    ["TikTok order id", "576461413038785752"],
                    ["matching", "on"],
                    ["platform origin", "SHOPIFY"],
                ],
                "concluded": "Matching is asked for.",
            },
            {
                "rule": "id_rules",
                "compared": [
                    ["ignore case", "yes"],
                    ["strip prefix", "SO-"],
                    ["strip suffix", ""],
                    ["trim leading zeros", "no"],
                ],
                "concluded": "External ids are compared after these rules, on both sides, in this order.",
            },
            {
                "rule": "reference",
                "compared": [
                    ["platform origin", "SHOPIFY"],
                    ["reference's platform", "MAGENTO"],
                    ["reference's id", "M-9"],
                    ["reference's id, under the id rules", "m-9"],
                    ["reference's platform", "SHOPIFY"],
                    ["reference's id", "SO-1"],
                    ["reference's id, under the id rules", "1"],
                ],
                "concluded": "One id under the shop's origin.",
            },
            {
                "rule": "order",
                "compared": [
                    ["reference's id", "SO-1"],
                    ["reference's id, under the id rules", "1"],
                    ["order", "key of 1"],
                    ["order's id", "1"],
                    ["order's id, under the id rules", "1"],
                    ["order", "key of 2"],
                    ["order's id", "2"],
                    ["order's id, under the id rules", "2"],
                ],
                "concluded": "One order with this id. 1 found with another id, left out.",
            },
            {
                "rule": "order_state",
                "compared": [["order", "key of 1"], ["order is canceled", "no"]],
                "concluded": "The order stands.",
            },
            {
                "rule": "oms_order_id",
                "compared": [
                    ["order's id", "1"],
                    ["order's id, under the id rules", "1"],
                    ["omsOrderId", ""],
                    ["omsOrderId, under the id rules", ""],
                ],
                "concluded": "OMS_ORDER_ID_MISSING: accepted with a warning.",
            },
            {
                "rule": "reference_lines",
                "compared": [
                    ["origin id", "T1"],
                    ["external item id", "a"],
                    ["external item id, under the id rules", "a"],
                ],
                "concluded": "Lines of the reference: 1.",
            },
            {
                "rule": "order_items",
                "compared": [
                    ["order", "key of 1"],
                    ["item", "key of A"],
                    ["item's external id", "A"],
                    ["item's external id, under the id rules", "a"],
                ],
                "concluded": "Items of the order: 1.",
            },
            {
                "rule": "line_reference",
                "compared": [
                    ["returned line", "R1"],
                    ["TikTok order line", "T1"],
                    ["origin id", "T1"],
                    ["external item id", "a"],
                    ["external item id, under the id rules", "a"],
                ],
                "concluded": "The reference gives it one item id.",
            },
            {
                "rule": "line_item",
                "compared": [
                    ["returned line", "R1"],
                    ["external item id", "a"],
                    ["external item id, under the id rules", "a"],
                    ["item", "key of A"],
                    ["item's external id", "A"],
                    ["item's external id, under the id rules", "a"],
                    ["item is in the order", "yes"],
                ],
                "concluded": "One item of the order has this id.",
            },
            {
                "rule": "line_units",
                "compared": [
                    ["returned line", "R1"],
                    ["item", "key of A"],
                    ["ordered", "2"],
                    ["in other active returns", "1"],
                    ["matched in this return", "0"],
                ],
                "concluded": "A unit is left, and is taken.",
            },
            {
                "rule": "outcome",
                "compared": [["order", "key of 1"], ["lines matched", "1 of 1"]],
                "concluded": "MATCHED.",
            },
        ],
    }


def test_trail_of_exact_rules_shows_raw_values_only() -> None:
    decision = decide(ask())
    names = {name for entry in decision.trail for name, _ in entry.compared}
    assert concluded(decision, "id_rules") == ["External ids are compared exactly."]
    assert not any("under the id rules" in name for name in names)


def test_trail_names_the_other_origins_sorted() -> None:
    references = (ref(platform="WOOCOMMERCE"), ref(platform="AMAZON", id="2"), ref(platform="WOOCOMMERCE", id="3"))
    expected = ["REF_UNDER_OTHER_ORIGIN: none under the shop's origin, but under AMAZON, WOOCOMMERCE."]
    assert concluded(decide(ask(references=references)), "reference") == expected


@pytest.mark.parametrize(
    ("question", "rule"),
    [(ask(references=None), "reference"), (ask(orders=None), "order")],
    ids=["references", "orders"],
)
def test_trail_says_which_look_up_failed_and_how(question: Question, rule: str) -> None:
    decision = decide(replace(question, lookup_problem="GET /sales-orders: 503"))
    assert [entry.compared for entry in decision.trail if entry.rule == rule] == [
        (("look-up problem", "GET /sales-orders: 503"),)
    ]


def test_trail_stops_where_the_decision_fell() -> None:
    def rules_of(question: Question) -> list[str]:
        return [entry.rule for entry in decide(question).trail]

    assert rules_of(ask(matching_enabled=False)) == ["asked", "outcome"]
    assert rules_of(ask(references=())) == ["asked", "id_rules", "reference", "outcome"]
    assert rules_of(ask(orders=())) == ["asked", "id_rules", "reference", "order", "outcome"]
    assert rules_of(ask(orders=(order(cancelled=True),)))[3:] == ["order", "order_state", "outcome"]
    assert rules_of(ask(orders=(order(oms_order_id="2"),)))[4:] == ["order_state", "oms_order_id", "outcome"]


def test_trail_begins_with_that_of_the_chosen_reference() -> None:
    trail = choose_reference(ask()).trail
    assert decide(ask()).trail[: len(trail)] == trail


def test_trail_can_be_stored_by_any_database() -> None:
    """A trail that PostgreSQL refuses would withhold a label: it takes neither NUL nor lone surrogates."""
    entry = TrailEntry("reference", (("reference's id", "a\0b\ud800c\u00e9"),), "under \0")
    assert entry.as_json() == {
        "rule": "reference",
        "compared": [["reference's id", "a\\u0000b\\ud800c\u00e9"]],
        "concluded": "under \\u0000",
    }
