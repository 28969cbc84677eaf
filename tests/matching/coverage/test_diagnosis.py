"""What a check concludes: which setting would cure how many orders, and what others must mend."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.coverage.diagnosis import Finding, Kind, diagnose
from matching.coverage.judgment import MATCHED, KnownItem, KnownOrder, Line, Sampled, decide_on, stage_of
from matching.coverage.proposals import clash, proposals
from matching.decision import Reference, ReferenceLine
from matching.id_rules import IdRules

EXACT = IdRules()


def known(order_id: str, *item_ids: str | None, **more: Any) -> KnownOrder:
    items = tuple(
        KnownItem(key=f"{order_id}/{number}", external_item_id=item_id, sku=more.pop("sku", ""), quantity=1)
        for number, item_id in enumerate(item_ids or ("1",))
    )
    return KnownOrder(
        key=order_id, external_order_id=order_id, oms_order_id=more.pop("oms_order_id", order_id), items=items, **more
    )


def sampled(
    number: int, reference: str = "", *, item: str = "1", platform: str = "SHOPIFY", orders: Any = (), **more: Any
) -> Sampled:
    line = f"577{number}"
    lines = (ReferenceLine(item, line),) if item else ()
    return Sampled(
        order_id=f"576{number}",
        status=more.pop("status", "DELIVERED"),
        lines=(Line(line, more.pop("sku", "tea-towel")),),
        references=(Reference(reference, platform, lines),) if reference else (),
        orders=orders,
        **more,
    )


def told(*sample: Sampled, known: Any = (), rules: IdRules = EXACT) -> list[tuple[str, int]]:
    return [(each.kind.value, each.count) for each in found(*sample, known=known, rules=rules)]


def found(*sample: Sampled, known: Any = (), rules: IdRules = EXACT) -> tuple[Finding, ...]:
    return diagnose(sample, known=known, origin="SHOPIFY", rules=rules)


NUMBERS = range(1001, 1006)


@pytest.mark.parametrize(
    ("at_tiktok", "here", "rules"),
    [
        ("#{}", "{}", IdRules(strip_prefix="#")),
        ("{}", "#{}", IdRules(strip_prefix="#")),
        ("{}-TT", "{}", IdRules(strip_suffix="-TT")),
        ("{}", "{}.1", IdRules(strip_suffix=".1")),
        ("so-{}", "SO-{}", IdRules(ignore_case=True)),
        ("000{}", "{}", IdRules(trim_leading_zeros=True)),
        ("{}", "00{}", IdRules(trim_leading_zeros=True)),
        ("SO-000{}", "{}", IdRules(strip_prefix="SO-", trim_leading_zeros=True)),
        ("so{}", "SO-{}", None),
        ("#{}-TT", "{}", IdRules(strip_prefix="#", strip_suffix="-TT")),
        ("gid://shopify/Order/{}", "{}", IdRules(strip_prefix="gid://shopify/Order/")),
    ],
)
def test_rules_that_would_match_are_proposed(at_tiktok: str, here: str, rules: IdRules | None):
    sample = [sampled(number, at_tiktok.format(number)) for number in NUMBERS]
    orders = [known(here.format(number)) for number in NUMBERS]
    (first, *_) = found(*sample, known=orders)
    if rules is None:
        assert first.kind is Kind.NOT_SYNCED
        return
    assert (first.kind, first.count, first.rules, first.values) == (Kind.ID_RULES, 5, rules, {"matched": "5"})


def test_rules_of_item_ids_are_proposed_too():
    sample = [sampled(number, f"SO-{number}", item=f"line-{number}") for number in NUMBERS]
    sample = [
        Sampled(**{**_fields(each), "orders": (known(f"SO-{number}", str(number)),)})
        for number, each in zip(NUMBERS, sample, strict=True)
    ]
    (first, *_) = found(*sample)
    assert (first.kind, first.count, first.rules) == (Kind.ID_RULES, 5, IdRules(strip_prefix="line-"))


def _fields(each: Sampled) -> dict[str, Any]:
    return {name: getattr(each, name) for name in ("order_id", "status", "lines", "references", "orders", "problem")}


def test_what_matches_already_must_not_be_lost():
    sample = [sampled(1, "A-1", orders=(known("A-1"),)), sampled(2, "B-2"), sampled(3, "B-3")]
    (first, *_) = found(*sample, known=[known("2"), known("3")], rules=IdRules(strip_prefix="C-"))
    assert first.rules == IdRules(strip_prefix="B-")
    present = IdRules(strip_prefix="A-")
    sample[0] = sampled(1, "A-1", orders=(known("1"),))
    assert "ID_RULES" not in dict(told(*sample, known=[known("2"), known("3")], rules=present))


def test_rules_that_make_different_orders_equal_are_told_and_never_offered():
    sample = [sampled(number, f"UK-{number}") for number in NUMBERS]
    orders = [known(str(number)) for number in NUMBERS] + [known("UK-9"), known("9")]
    (first, *_) = found(*sample, known=orders)
    assert (first.kind, first.count, first.rules) == (Kind.UNSAFE_RULES, 5, IdRules(strip_prefix="UK-"))
    assert {first.values["one"], first.values["other"]} == {"UK-9", "9"}
    assert not first.kind.is_ours


def test_one_number_that_ends_like_another_is_chance():
    sample = [sampled(number, str(number)) for number in (1001, 2002, 3003)]
    assert told(*sample, known=[known("001"), known("02"), known("77")])[0] == ("NOT_SYNCED", 3)


@pytest.mark.parametrize(
    ("sample", "orders", "expected"),
    [
        ([sampled(1, "M-1", platform="MAGENTO"), sampled(2)], [], [("OTHER_ORIGIN", 1), ("NO_REFERENCE", 1)]),
        (
            [sampled(1, "M-1", platform="MAGENTO"), sampled(2, "S-2", orders=(known("S-2"),))],
            [],
            [("OTHER_ORIGINS_TOO", 1)],
        ),
        ([sampled(1, "S-1")], [], [("NO_ORDERS_YET", 1)]),
        ([sampled(1, "S-1")], [known("X-9")], [("NOT_SYNCED", 1)]),
        ([sampled(1, "S-1", status="AWAITING_SHIPMENT")], [], [("NO_ORDERS_YET", 1), ("NOT_SHIPPED_YET", 1)]),
        ([sampled(1, "S-1", item="", orders=(known("S-1"),))], [], [("REFERENCE_WITHOUT_LINES", 1)]),
        (
            [sampled(1, "S-1", item="tea-towel", orders=(known("S-1", "1"),))],
            [],
            [("SKU_AT_TIKTOK", 1)],
        ),
        (
            [sampled(1, "S-1", sku="", orders=(known("S-1", "tea-towel", sku="tea-towel"),))],
            [],
            [("SKU_IN_ORDER", 1)],
        ),
        ([sampled(1, "S-1", orders=(known("S-1", None),))], [], [("NO_ITEM_IDS", 1)]),
        ([sampled(1, "S-1", item="7", orders=(known("S-1", "8"),))], [], [("ITEM_UNKNOWN", 1)]),
        ([sampled(1, "S-1", orders=(known("S-1", "1", "1"),))], [], [("ITEM_AMBIGUOUS", 1)]),
        ([sampled(1, "S-1", orders=(known("S-1", oms_order_id="S-2"),))], [], [("OMS_ORDER_ID_DIFFERS", 1)]),
        ([sampled(1, "S-1", orders=(known("S-1", oms_order_id=None),))], [], [("OMS_ORDER_ID_MISSING", 1)]),
        ([sampled(1, "S-1", orders=(known("S-1", cancelled=True),))], [], [("ORDER_CANCELLED", 1)]),
        ([sampled(1, "S-1", orders=(known("S-1", where="HERE"),))], [], [("NOT_AT_REBOUND", 1)]),
        ([sampled(1, "S-1", orders=None, problem="status 500")], [], [("LOOKUP_FAILED", 1)]),
        ([sampled(1, "S-1", orders=(known("S-1"),))], [], []),
        ([], [], [("NOTHING_SAMPLED", 0)]),
    ],
)
def test_what_is_in_the_way_is_named(sample: Any, orders: Any, expected: Any):
    assert told(*sample, known=orders) == expected


def test_units_that_the_order_does_not_have():
    two = Sampled(
        "5761",
        "DELIVERED",
        (Line("1", "tea-towel"), Line("2", "tea-towel")),
        (Reference("S-1", "SHOPIFY", (ReferenceLine("a", "1"), ReferenceLine("a", "2"))),),
        (known("S-1", "a"),),
    )
    assert told(two) == [("TOO_FEW_UNITS", 1)]


def test_the_other_origin_is_what_to_set():
    (first, *_) = found(*[sampled(number, f"M-{number}", platform="MAGENTO") for number in range(3)])
    assert (first.kind, first.origin, first.examples) == (Kind.OTHER_ORIGIN, "MAGENTO", ("5760", "5761", "5762"))


def test_a_finding_survives_storage():
    (first, *_) = found(*[sampled(n, f"#{n}") for n in NUMBERS], known=[known(str(n)) for n in NUMBERS])
    assert Finding.from_json(first.as_json()) == first


IDS = st.text(alphabet="aA#-0019", min_size=1, max_size=6)


@settings(max_examples=150)
@given(st.lists(IDS, max_size=8, unique=True), st.lists(IDS, max_size=8, unique=True))
def test_an_offered_rule_does_what_it_says_and_makes_nothing_equal(at_tiktok: list[str], held: list[str]):
    sample = [
        sampled(number, reference, orders=tuple(known(each) for each in held if each == reference))
        for number, reference in enumerate(at_tiktok)
    ]
    for each in found(*sample, known=[known(order_id) for order_id in held]):
        if each.kind is not Kind.ID_RULES:
            continue
        assert each.rules is not None
        for ids in (at_tiktok, held):
            keys = [key for key in map(each.rules.key, ids) if key is not None]
            assert len(keys) == len(set(keys))
        after = [
            Sampled(**{**_fields(one), "orders": tuple(known(o) for o in held if each.rules.are_equal(o, reference))})
            for one, reference in zip(sample, at_tiktok, strict=True)
        ]
        matched = sum(stage_of(decide_on(one, origin="SHOPIFY", rules=each.rules)) == MATCHED for one in after)
        before = sum(stage_of(decide_on(one, origin="SHOPIFY", rules=EXACT)) == MATCHED for one in sample)
        assert matched - before == int(each.values["matched"]) == each.count


def test_present_rules_are_kept():
    present = IdRules(ignore_case=True)
    proposed = proposals(["#1", "#2"], there=["1", "2"], items=[], present=present)
    assert proposed[0] == IdRules(strip_prefix="#", ignore_case=True)


def test_a_clash_is_of_ids_that_differ_today():
    rules = IdRules(ignore_case=True, strip_prefix="#")
    assert clash(rules, present=IdRules(ignore_case=True), orders=[["a", "A"]], items=[]) is None
    assert clash(rules, present=EXACT, orders=[["a", "A"]], items=[]) == ("a", "A")
    assert clash(rules, present=EXACT, orders=[["a"], ["A"]], items=[["1", "#1"]]) == ("1", "#1")
