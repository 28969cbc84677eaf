"""The matcher on the order, case by case: the edge cases of the ReBound notes (5.2) that concern it, and more."""

import pytest

from matching.matcher import (
    IdRules,
    Outcome,
    Question,
    Reason,
    Reference,
    ReferenceLine,
    choose_reference,
    decide,
)
from tests.matching.questions import BIG, MATCHED, answer, ask, item, line, no, order, ref, refused, yes

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
