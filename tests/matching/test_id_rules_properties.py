"""What holds of the id rules for every two ids."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from matching.matcher import (
    IdRules,
    Question,
    Reason,
    decide,
)
from tests.matching.strategies import ids, near_questions, rewritten, rules_of_shops, thorough


@thorough
@given(rules_of_shops, ids, ids)
def test_ids_are_equal_where_their_rewritten_forms_are(rules: IdRules, one: str, other: str) -> None:
    assert rules.apply(one) == rewritten(one, rules)
    if rules.are_equal(one, other):
        assert rewritten(one, rules) == rewritten(other, rules)
        assert rewritten(one, rules).strip()
    assert rules.are_equal(one, other) == rules.are_equal(other, one)
    assert IdRules().are_equal(one, other) == (one == other and IdRules().key(one) is not None)


@thorough
@given(rules_of_shops, ids, ids)
def test_each_rule_only_ever_widens(rules: IdRules, one: str, other: str) -> None:
    """Except that an id of which nothing is left matches nothing, and that prefix and suffix are taken off once."""
    trimming = replace(rules, trim_leading_zeros=True)
    if rules.are_equal(one, other) and trimming.key(one) is not None:
        assert trimming.are_equal(one, other)
    ignoring = replace(rules, strip_prefix="", strip_suffix="", ignore_case=True)
    if replace(ignoring, ignore_case=False).are_equal(one, other):
        assert ignoring.are_equal(one, other)
    if one == other and rules.key(one) is not None:
        assert rules.are_equal(one, other)


@thorough
@given(rules_of_shops, ids)
def test_ids_that_differ_by_case_only_stay_equal_where_case_is_ignored(rules: IdRules, value: str) -> None:
    ignoring = replace(rules, ignore_case=True)
    other = value.casefold()
    if ignoring.key(value) is not None and ignoring.key(other) is not None:
        assert ignoring.are_equal(value, other)


@thorough
@given(
    st.sampled_from(["SO-", "#", ""]), st.sampled_from(["-EU", ""]), st.integers(0, 999), st.integers(0, 999), st.data()
)
def test_ignoring_case_widens_under_prefix_and_suffix_too(
    prefix: str, suffix: str, one: int, other: int, data: st.DataObject
) -> None:
    def spelled(number: int) -> str:
        return data.draw(st.sampled_from(["", prefix])) + str(number) + data.draw(st.sampled_from(["", suffix]))

    here, there = spelled(one), spelled(data.draw(st.sampled_from([one, other])))
    rules = IdRules(prefix, suffix)
    assert rules.are_equal(here, there) <= replace(rules, ignore_case=True).are_equal(here, there)


@thorough
@given(near_questions(), st.booleans(), st.booleans())
def test_wider_rules_keep_the_order_or_find_it_ambiguous(question: Question, ignore: bool, trim: bool) -> None:
    """Widening may add a second order or reference that fits; it never moves a return to another order."""
    exact = decide(replace(question, rules=IdRules()))
    wider = decide(replace(question, rules=IdRules(ignore_case=ignore, trim_leading_zeros=trim)))
    if exact.order_key is not None:
        assert wider.order_key == exact.order_key or wider.reason in (Reason.AMBIGUOUS_REF, Reason.AMBIGUOUS_ORDER)


@thorough
@given(rules_of_shops, ids, ids, st.integers(0, 20))
def test_candidates_are_sound_complete_and_bounded(rules: IdRules, value: str, other: str, zeros: int) -> None:
    candidates = rules.candidates(value)
    assert (candidates == ()) == (rules.key(value) is None)
    assert candidates[:1] in ((), (value,))
    assert len(candidates) == len(set(candidates)) <= 85
    assert all(rules.are_equal(candidate, value) for candidate in candidates)

    def indexed(spelling: str) -> str:
        return spelling.casefold() if rules.ignore_case else spelling

    index = {indexed(candidate) for candidate in candidates}
    core = rules.apply(value)
    for spelling in (other, core, rules.strip_prefix + core, "0" * zeros + core, core + rules.strip_suffix):
        if rules.are_equal(spelling, value) and not spelling.startswith("0" * 21):
            assert indexed(spelling) in index
