"""TikTok's ids in an order's metadata: what is good, and what a finding says of the rest."""

from typing import Any

import pytest

from matching.order_body import OrderFacts, check_order, order_warnings


def body(*items: tuple[int, Any], order: Any = "576", listed: bool = False) -> dict[str, Any]:
    def metadata(pairs: dict[str, Any]) -> Any:
        return [{"key": key, "value": value} for key, value in pairs.items()] if listed else pairs

    return {
        "clientOrderId": "SO-1",
        "clientMetadata": metadata({"omsOrderId": "SO-1"} | ({} if order is None else {"ttsOrderId": order})),
        "salesItems": [
            {"quantity": quantity, "clientMetadata": metadata({"omsItemId": f"i{number}", "ttsLineItemIds": lines})}
            for number, (quantity, lines) in enumerate(items)
        ],
    }


@pytest.mark.parametrize("listed", [False, True])
def test_each_line_has_the_item_that_names_it(listed: bool) -> None:
    facts = check_order(body((2, ["1", "2"]), (1, ["3"]), (1, []), (3, None), listed=listed))
    assert isinstance(facts, OrderFacts)
    assert facts.tiktok_order_id == "576"
    assert facts.tiktok_lines == {"1": "i0", "2": "i0", "3": "i1"}


@pytest.mark.parametrize(
    ("wrong", "code", "pointer"),
    [
        (body(order=576), "wrong_type", "/clientMetadata/ttsOrderId"),
        (body(order=" "), "empty", "/clientMetadata/ttsOrderId"),
        (body(order="5" * 65), "too_long", "/clientMetadata/ttsOrderId"),
        (body(order=576, listed=True), "wrong_type", "/clientMetadata/1/value"),
        (body((1, "1")), "wrong_type", "/salesItems/0/clientMetadata/ttsLineItemIds"),
        (body((1, {"1": "1"})), "wrong_type", "/salesItems/0/clientMetadata/ttsLineItemIds"),
        (body((2, ["1", 2])), "wrong_type", "/salesItems/0/clientMetadata/ttsLineItemIds/1"),
        (body((1, [""])), "empty", "/salesItems/0/clientMetadata/ttsLineItemIds/0"),
        (body((1, ["1", "2"])), "too_many_line_ids", "/salesItems/0/clientMetadata/ttsLineItemIds"),
        (body((2, ["1", "1"])), "line_id_repeated", "/salesItems/0/clientMetadata/ttsLineItemIds/1"),
        (body((1, ["1"]), (1, ["1"])), "line_id_repeated", "/salesItems/1/clientMetadata/ttsLineItemIds/0"),
        (body((1, ["1"]), (1, ["1"]), listed=True), "line_id_repeated", "/salesItems/1/clientMetadata/1/value/0"),
    ],
)
def test_finding_names_the_place(wrong: dict[str, Any], code: str, pointer: str) -> None:
    findings = check_order(wrong)
    assert isinstance(findings, list)
    assert [(finding.code, finding.pointer) for finding in findings] == [(code, pointer)]


def test_lines_without_the_order_are_worth_a_warning() -> None:
    facts = check_order(body((1, ["1"]), (1, None), order=None))
    assert isinstance(facts, OrderFacts)
    assert [(warning.code, warning.pointer) for warning in order_warnings(facts.payload)] == [
        ("lines_without_order", "/salesItems/0/clientMetadata/ttsLineItemIds")
    ]
