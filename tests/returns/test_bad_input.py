"""Nonsense from the remotes: a named state with a next move, nothing lost, no link made on doubt."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from matching.models import Match, SalesOrder
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Expected
from returns.models import ReboundReturn
from tests.returns.scene import Scene

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.shopify


def set_to(name: str, value: Any) -> Change:
    return lambda found: found.__setitem__(name, value)


def without(name: str) -> Change:
    return lambda found: found.pop(name)


def of_line(name: str, value: Any) -> Change:
    return lambda found: found["return_line_items"][0].__setitem__(name, value)


def shown_as(scene: Scene, expected: Expected, change: Change, *, times: int = 2) -> None:
    """TikTok shows the return changed, by its id and by its order, so many times."""
    found = copy.deepcopy(scene.tiktok(expected.return_id))
    change(found)
    body = {"code": 0, "message": "Success", "data": {"return_orders": [found]}}
    scene.fault("tiktok", "status", path_contains="/returns/search", body=body, times=times)


MISSHAPEN: dict[str, Change] = {
    "no return id": without("return_id"),
    "no order id": without("order_id"),
    "a list for an order id": set_to("order_id", ["1"]),
    "a fraction for an order id": set_to("order_id", 1.5),
    "an order id without an end": set_to("order_id", "5" * 100),
    "a parcel without an end": set_to("combined_return_id", "5" * 100),
    "a successor without an end": set_to("next_return_id", "5" * 100),
    "words for a flag": set_to("can_buyer_keep_item", "perhaps"),
    "an object for a status": set_to("return_status", {}),
    "a word for a time": set_to("update_time", "yesterday"),
    "no lines": without("return_line_items"),
    "an empty list of lines": set_to("return_line_items", []),
    "words for lines": set_to("return_line_items", ["one"]),
    "a line without an id": of_line("return_line_item_id", ""),
    "a line of no order line": of_line("order_line_item_id", None),
    "a line id without an end": of_line("order_line_item_id", "7" * 100),
}


def test_return_that_makes_no_sense_is_named_and_goes_on_once_it_does(scene: Scene, player: Player) -> None:
    rests = {}
    for name, change in MISSHAPEN.items():
        expected = scene.buys_and_returns(player)
        shown_as(scene, expected, change, times=999)
        scene.starts(expected)
        at_first = scene.rest(expected.return_id)
        scene.passes(minutes=1)
        in_the_end = scene.rest(expected.return_id)
        assert scene.row(expected.return_id).rebound_return is None
        scene.mends()
        scene.passes(minutes=3)
        rests[name] = (at_first, in_the_end, scene.differences(expected))
    named = (("WAITING", "REMOTE_BUSY"), ("NEEDS_ATTENTION", "UNEXPECTED_ANSWER"), ())
    assert rests == dict.fromkeys(MISSHAPEN, named)


ODD_RETURNS: list[Change] = [
    set_to("return_reason", "r" * 5000),
    set_to("surprise", {"deep": [1, {"a": None}]}),
    set_to("refund_amount", None),
    of_line("seller_sku", "s" * 5000),
    of_line("product_name", "n\u0000ul" * 500),
    of_line("refund_amount", {"currency": "GBPOUND", "refund_total": "99999999999999.99"}),
    of_line("refund_amount", {"currency": "", "refund_total": "-5"}),
    of_line("refund_amount", {"currency": "GBP", "refund_total": "free"}),
    lambda found: found.update(update_time=str(found["update_time"])),
    lambda found: found.update(order_id=int(found["order_id"]), return_id=int(found["return_id"])),
]


def test_return_that_is_odd_in_what_does_not_matter_gets_its_label(scene: Scene, player: Player) -> None:
    found = []
    for change in ODD_RETURNS:
        expected = scene.buys_and_returns(player)
        shown_as(scene, expected, change)
        scene.starts(expected)
        scene.mends()
        scene.passes(seconds=20)
        found.append(scene.differences(expected))
    assert found == [()] * len(ODD_RETURNS)


def test_other_return_than_the_one_asked_for_is_not_taken_for_it(scene: Scene, player: Player) -> None:
    expected, other = scene.buys_and_returns(player), scene.buys_and_returns(scene.story.cast.oms)
    body = {"code": 0, "message": "Success", "data": {"return_orders": [scene.tiktok(other.return_id)]}}
    scene.fault("tiktok", "status", path_contains="/returns/search", body=body, times=99)
    scene.starts(expected)
    scene.passes(minutes=10)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "RETURN_NOT_FOUND")
    assert (scene.at_rebound(), ReboundReturn.objects.count()) == ([], 0)
    scene.mends()
    scene.passes(hours=1)
    assert scene.differences(expected) == ()


@pytest.mark.parametrize("data", [{}, None, {"return_orders": []}, {"return_orders": None}])
def test_empty_search_asks_for_a_person_in_the_end(scene: Scene, player: Player, data: Any) -> None:
    expected = scene.buys_and_returns(player)
    body = {"code": 0, "message": "Success", "data": data}
    scene.fault("tiktok", "status", path_contains="/returns/search", body=body, times=99)
    scene.starts(expected)
    scene.passes(minutes=10)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "RETURN_NOT_FOUND")


def _orders(*orders: Any) -> dict[str, Any]:
    return {"code": 0, "message": "Success", "data": {"orders": list(orders)}}


HIDDEN_ORDERS = [
    _orders(),
    {"code": 0, "data": None},
    {"code": 21008111, "message": "not yours"},
    {"code": 88_888_888, "message": "never seen"},
    _orders({"id": "another order", "recipient_address": {"name": "Somebody Else", "region_code": "FR"}}),
    _orders({"id": 5.5}),
]


@pytest.mark.parametrize("linked", [True, False])
def test_order_that_tiktok_does_not_show_costs_no_label(scene: Scene, player: Player, linked: bool) -> None:
    found = []
    for body in HIDDEN_ORDERS:
        expected = scene.buys_and_returns(player) if linked else scene.story.matching_off()
        scene.fault("tiktok", "status", status=200, path_contains="/order/202507/orders", body=body, times=99)
        scene.starts(expected)
        scene.passes(minutes=1)
        scene.mends()
        found.append((scene.differences(expected), scene.at_rebound()[-1]["customerAddress"].get("firstName")))
    assert found == [((), "Ada" if linked else None)] * len(HIDDEN_ORDERS)


ODD_REFERENCES: list[dict[str, Any]] = [
    {"id": "SO-1", "platform": "SHOPIFY", "line_items": "none"},
    {"platform": "SHOPIFY", "line_items": []},
    {"id": ["SO-1"], "platform": "SHOPIFY"},
    {"id": "S" * 300, "platform": "SHOPIFY"},
    {"id": "SO-1", "platform": {"name": "SHOPIFY"}},
]


def test_reference_that_makes_no_sense_links_nothing(scene: Scene, player: Player) -> None:
    found = []
    for entry in ODD_REFERENCES:
        expected = scene.buys_and_returns(player)
        body = {"code": 0, "message": "Success", "data": {"external_orders": [entry]}}
        scene.fault("tiktok", "status", path_contains="/external_orders", body=body, times=99)
        scene.starts(expected)
        scene.passes(minutes=1)
        scene.mends()
        found.append((reason_of(expected), scene.row(expected.return_id).rebound_return.kind))
        assert len(scene.uploads(expected.return_id)) == 1
    assert found == [("LOOKUP_FAILED", "DIRECT")] * len(ODD_REFERENCES)


def reason_of(expected: Expected) -> str:
    return Match.objects.get(return_id=expected.return_id, superseded_at=None).reason


def answers_with_order(scene: Scene, change: Change) -> None:
    """ReBound answers each search with the newest sales order, changed."""
    order = scene.sandbox.get("/state")["sales_orders"][-1]
    change(order)
    scene.fault("rebound", "status", status=200, method="GET", path_contains="/sales-orders", body=[order], times=99)


def of_item(name: str, value: Any) -> Change:
    return lambda order: order["salesItems"][0].__setitem__(name, value)


ODD_ORDERS: list[tuple[Change, str]] = [
    (without("id"), "LOOKUP_FAILED"),
    (set_to("salesItems", "none"), "LOOKUP_FAILED"),
    (of_item("id", None), "LOOKUP_FAILED"),
    (of_item("quantity", "many"), "LOOKUP_FAILED"),
    (of_item("quantity", -1), "LOOKUP_FAILED"),
    (set_to("clientOrderId", "SO-ANOTHER"), "ORDER_NOT_SYNCED"),
    (set_to("clientOrderId", None), "ORDER_NOT_SYNCED"),
    (set_to("clientMetadata", "SO"), "METADATA_CONFLICT"),
    (set_to("clientMetadata", {"omsOrderId": "SO-ANOTHER"}), "METADATA_CONFLICT"),
    (set_to("clientMetadata", {"omsOrderId": "S" * 300}), "METADATA_CONFLICT"),
    (set_to("clientMetadata", [{"omsOrderId": "A"}, {"omsOrderId": "B"}]), "METADATA_CONFLICT"),
    (set_to("salesItems", []), "ITEM_REF_UNKNOWN"),
    (of_item("clientMetadata", {"omsItemId": "i" * 300}), "ITEM_REF_UNKNOWN"),
    (of_item("clientMetadata", {"omsItemId": " "}), "ITEM_REF_UNKNOWN"),
    (of_item("clientMetadata", None), "ITEM_REF_UNKNOWN"),
    (of_item("quantity", 0), "QTY_EXCEEDS_ORDERED"),
    (lambda order: order["salesItems"].append({**order["salesItems"][0], "id": "twin"}), "ITEM_REF_AMBIGUOUS"),
]


def test_sales_order_that_makes_no_sense_links_no_item(scene: Scene, player: Player) -> None:
    found = []
    for change, _ in ODD_ORDERS:
        expected = scene.buys_and_returns(player)
        answers_with_order(scene, change)
        scene.starts(expected)
        scene.passes(minutes=1)
        scene.mends()
        found.append(reason_of(expected))
        assert [item["salesItemId"] for item in scene.at_rebound()[-1]["items"]] == [None]
        assert len(scene.uploads(expected.return_id)) == 1
    assert found == [reason for _, reason in ODD_ORDERS]


HARMLESS_ORDERS: list[Change] = [
    of_item("price", "-1.00"),
    of_item("price", 99_999_999_999_999),
    of_item("price", "12.3456789"),
    of_item("weight", "999999999.5"),
    of_item("countryOfOrigin", "PRT"),
    of_item("currencyCode", "POUND"),
    of_item("sku", "s" * 999),
    of_item("hsCode", "9" * 99),
    of_item("weightUnit", "hundredweights"),
    set_to("customerAddress", None),
    set_to("customerAddress", {"countryCode": "United Kingdom"}),
    set_to("status", "PONDERING"),
    set_to("createdAt", "soon"),
    without("clientMetadata"),
    lambda order: order["salesItems"].append(order["salesItems"][0]),
]


def test_sales_order_that_is_odd_in_what_does_not_matter_is_linked(scene: Scene, player: Player) -> None:
    found = []
    for change in HARMLESS_ORDERS:
        expected = scene.buys_and_returns(player)
        answers_with_order(scene, change)
        scene.starts(expected)
        scene.mends()
        item = SalesOrder.objects.latest("pk").items.get()
        found.append((scene.differences(expected), item.country_of_origin in {"PT", ""}))
    assert found == [((), True)] * len(HARMLESS_ORDERS)


ODD_CREATIONS: list[Change] = [
    set_to("rmaNumber", "TTS-another"),
    without("id"),
    set_to("id", ["1"]),
    set_to("parcels", "none"),
    set_to("items", [1]),
]


def test_created_return_that_makes_no_sense_is_looked_up(scene: Scene, player: Player) -> None:
    found = []
    for change in ODD_CREATIONS:
        expected = scene.buys_and_returns(player)
        answer = {"id": "fake", "rmaNumber": "", "status": "ACTIVE", "items": [], "parcels": []}
        change(answer)
        scene.fault("rebound", "status", status=201, method="POST", path_contains="/return-orders", body=answer)
        scene.starts(expected)
        scene.passes(seconds=20)
        rebound_id = scene.row(expected.return_id).rebound_return.rebound_id
        found.append((scene.differences(expected), rebound_id == scene.at_rebound()[-1]["id"]))
    assert found == [((), True)] * len(ODD_CREATIONS)


def test_return_listed_for_another_reference_is_not_adopted(scene: Scene, player: Player) -> None:
    other = scene.buys_and_returns(player)
    scene.starts(other)
    (theirs,) = scene.at_rebound()
    expected = scene.buys_and_returns(player)
    scene.fault("rebound", "drop_before", method="POST", path_contains="/return-orders")
    scene.fault("rebound", "status", status=200, method="GET", path_contains="/return-orders", body=[theirs])
    scene.starts(expected)
    scene.passes(seconds=20)
    assert scene.differences(expected) == ()
    assert scene.uploads(expected.return_id) != scene.uploads(other.return_id)


def test_two_returns_under_our_reference_ask_for_a_person(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.fault("rebound", "drop_after", method="POST", path_contains="/return-orders")
    scene.starts(expected)
    (held,) = scene.at_rebound()
    twins = [held, {**held, "id": "twin"}]
    scene.fault("rebound", "status", status=200, method="GET", path_contains="/return-orders", body=twins)
    scene.passes(seconds=20)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "CREATE_REFUSED")
    scene.runs_again(expected)
    assert scene.differences(expected) == ()
