"""The id rules of a shop, on orders and items, on both sides."""

from dataclasses import replace

import pytest

from matching.matcher import (
    IdRules,
    MatchWarning,
    Outcome,
    Reason,
    Reference,
    ReferenceLine,
    decide,
)
from tests.matching.questions import EXACT, MATCHED, answer, ask, item, line, no, order, ref, refused, yes

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
