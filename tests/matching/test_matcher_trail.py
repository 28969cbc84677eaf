"""The trail of a decision: every rule that was tried, what it saw, and what it concluded."""

import json
from dataclasses import replace

import pytest

from matching.matcher import (
    IdRules,
    Question,
    TrailEntry,
    choose_reference,
    decide,
)
from tests.matching.questions import (
    ask,
    concluded,
    item,
    line,
    order,
    ref,
)


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
