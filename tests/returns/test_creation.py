"""What is asked of ReBound: what a linked return carries, what a direct one does, and what a refusal leads to."""

from dataclasses import replace
from typing import Any

import pytest

from matching.models import SalesOrder
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Expected
from returns.models import ReboundReturn
from tests.returns.scene import CREATION, Scene


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.oms


def direct(expected: Expected) -> Expected:
    return replace(expected, kind="DIRECT", units=0)


def refuses(scene: Scene, status: int, *, times: int = 1) -> None:
    scene.fault("rebound", "status", status=status, method="POST", path_contains="/return-orders", times=times)


def metadata(owner: dict[str, Any]) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in owner["clientMetadata"]}


def test_linked_return_carries_what_the_sales_order_knows(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    (sold,) = scene.sandbox.get("/state")["sales_orders"]
    (order,) = scene.at_rebound()
    (item,) = order["items"]
    assert (order["salesOrderId"], item["salesItemId"]) == (sold["id"], sold["salesItems"][0]["id"])
    assert {name: item[name] for name in ("sku", "quantity", "hsCode", "countryOfOrigin", "weightUnit")} == {
        "sku": "tea-towel",
        "quantity": 1,
        "hsCode": "6109100010",
        "countryOfOrigin": "PT",
        "weightUnit": "kg",
    }
    assert (float(item["price"]), item["currencyCode"], float(item["weight"])) == (12.5, "GBP", 0.35)
    assert order["customerAddress"] == sold["customerAddress"]
    shown = scene.tiktok(expected.return_id)
    assert item["reason"] == shown["return_reason"]
    assert metadata(order) == {"tiktokReturnIds": expected.return_id, "tiktokOrderId": shown["order_id"]}
    assert metadata(item) == {"tiktokLineIds": shown["return_line_items"][0]["order_line_item_id"]}


def test_direct_return_carries_what_tiktok_shows(scene: Scene) -> None:
    expected = scene.story.matching_off()
    scene.settings(mask_addresses=False)
    scene.starts(expected)
    (order,) = scene.at_rebound()
    (item,) = order["items"]
    (sold,) = scene.sandbox.get("/state")["orders"]
    shown = sold["recipient_address"]
    assert (order["salesOrderId"], item["salesItemId"]) == (None, None)
    assert (item["sku"], item["quantity"], float(item["price"]), item["currencyCode"]) == ("outlet-tee", 1, 8.0, "GBP")
    assert set(item) & {"hsCode", "countryOfOrigin", "weight"} == set()
    address = order["customerAddress"]
    assert (address["addressLine1"], address["postalCode"]) == (shown["address_line1"], shown["postal_code"])
    assert (address["countryCode"], order["lane"]["countryCode"]) == ("GB", "GB")


def test_lines_without_an_item_are_additional_ones(scene: Scene) -> None:
    expected = scene.story.partly_matched()
    scene.starts(expected)
    scene.passes(seconds=20)
    (order,) = scene.at_rebound()
    assert [(item["salesItemId"] is not None, item["quantity"]) for item in order["items"]] == [(True, 1), (False, 1)]


def test_units_of_one_item_are_one_entry(scene: Scene) -> None:
    scene.starts(scene.story.two_units())
    ((order,),) = ([each["quantity"] for each in found["items"]] for found in [scene.at_rebound()[0]])
    assert order == 2


def test_units_that_rebound_has_given_away_go_direct(scene: Scene, player: Player) -> None:
    """Somebody made a return of the same unit at ReBound itself."""
    expected = scene.buys_and_returns(player)
    refuses(scene, 409)
    scene.starts(expected)
    assert scene.differences(direct(expected)) == ()
    assert ReboundReturn.objects.get().direct_reason == "LINK_REFUSED"
    assert scene.calls()[CREATION] == 2


@pytest.mark.parametrize("status", [400, 404, 409, 418, 422])
def test_link_that_is_refused_for_good_goes_direct(scene: Scene, player: Player, status: int) -> None:
    expected = scene.buys_and_returns(player)
    refuses(scene, status)
    scene.starts(expected)
    assert scene.differences(direct(expected)) == ()


def test_sales_order_cancelled_since_it_was_mirrored_goes_direct(scene: Scene, player: Player) -> None:
    bought = scene.story.synced(player, ("tea-towel", "12.50", 2))
    first, second = (line["id"] for line in bought.lines)
    (told,) = scene.story.returns(player, bought, first, webhook={"send": False})
    scene.starts(Expected("", player, told))
    scene.sandbox.post(f"/sales-orders/{SalesOrder.objects.get().rebound_id}", status="CANCELLED")
    (later,) = scene.story.returns(player, bought, second, webhook={"send": False})
    scene.starts(Expected("", player, later))
    assert scene.differences(direct(Expected("", player, later))) == ()


def test_answer_lost_after_the_link_was_refused_is_adopted_as_direct(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    refuses(scene, 409)
    scene.fault("rebound", "drop_after", method="POST", path_contains="/return-orders")
    scene.starts(expected)
    scene.passes(seconds=10)
    assert scene.differences(direct(expected)) == ()
    assert (len(scene.at_rebound()), scene.calls()[CREATION]) == (1, 2)


def test_direct_return_that_is_refused_asks_for_a_person(scene: Scene) -> None:
    expected = scene.story.matching_off()
    refuses(scene, 422)
    scene.starts(expected)
    scene.passes(hours=2)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "CREATE_REFUSED")
    scene.runs_again(expected)
    assert scene.differences(expected) == ()


def test_service_that_rebound_refuses_is_mended_in_the_lane(scene: Scene) -> None:
    expected = scene.story.matching_off()
    lane = expected.player.shop.lanes.get(country="GB")
    right, lane.carrier_service = lane.carrier_service, "NO_SUCH_SERVICE"
    lane.save()
    refuses(scene, 422)
    scene.starts(expected)
    lane.carrier_service = right
    lane.save()
    scene.runs_again(expected)
    assert scene.at_rebound()[0]["lane"]["carrierService"] == right


def test_lane_is_that_of_the_buyers_country_and_else_the_default(scene: Scene) -> None:
    player = scene.story.cast.off
    services = {}
    for country in ("GB", "IE"):
        made = scene.sandbox.post("/orders", shop_id=player.shop_id, country=country, lines=[{"sku": "tee"}])
        (found,) = scene.sandbox.post(
            "/returns",
            shop_id=player.shop_id,
            order_id=made["order_id"],
            order_line_item_ids=[made["line_items"][0]["id"]],
            webhook={"send": False},
        )["returns"]
        scene.starts(Expected("", player, found["return_id"]))
        services[country] = scene.at_rebound()[-1]["lane"]
    assert services == {
        "GB": {"countryCode": "GB", "carrierService": "ROYAL_MAIL_TRACKED"},
        "IE": {"countryCode": "IE", "carrierService": "EVRI_PARCELSHOP"},
    }


def test_address_is_kept_out_of_what_people_see(scene: Scene, player: Player) -> None:
    scene.starts(scene.buys_and_returns(player))
    kept = ReboundReturn.objects.get()
    order = SalesOrder.objects.get()
    seen = f"{kept.request} {kept.payload} {order.payload} {scene.steps}"
    assert [word for word in ("Okafor", "Quay", "BS1 4DJ", "ada@example.com") if word in seen] == []
