"""Seller-made returns, refund sums, eligibility, cancellations, and where provider ids come from."""

from typing import Any

import pytest

from tests.sandbox.conftest import Control, Receiver, TikTokClient


def _ids(order: dict[str, Any]) -> list[str]:
    return [line["id"] for line in order["line_items"]]


def test_eligibility_takes_out_what_is_in_a_return(tiktok: TikTokClient, new_return: Any, new_order: Any) -> None:
    order = new_order()
    ids = _ids(order)
    new_return(order_id=order["order_id"], order_line_item_ids=[ids[0], ids[2]])
    path = f"/return_refund/202602/orders/{order['order_id']}/aftersale_eligibility"
    query = {"initiate_aftersale_user": "SELLER", "request_types": "RETURN_AND_REFUND"}
    tee, mug = tiktok.call("GET", path, query)["data"]["sku_eligibility"]
    assert tee["sku_id"] == order["line_items"][0]["sku_id"]
    rows = [tee["line_item_eligibility"][0], mug["line_item_eligibility"][0]]
    assert [(row["eligible"], row["order_line_items_ids"], row.get("ineligible_code")) for row in rows] == [
        (True, [ids[1]], None),
        (False, [ids[2]], 25001011),
    ]


@pytest.mark.parametrize(
    ("status", "eligible"), [("AWAITING_SHIPMENT", [True, False, False]), ("DELIVERED", [False, True, True])]
)
def test_eligibility_depends_on_the_order_status(
    tiktok: TikTokClient, new_order: Any, status: str, eligible: list[bool]
) -> None:
    order_id = new_order(status=status)["order_id"]
    data = tiktok.call("GET", f"/return_refund/202309/orders/{order_id}/aftersale_eligibility")["data"]
    rows = data["sku_eligibility"][0]["line_item_eligibility"]
    assert [row["request_type"] for row in rows] == ["CANCEL", "REFUND", "RETURN_AND_REFUND"]
    assert [row["eligible"] for row in rows] == eligible


def test_refund_is_the_sum_of_the_lines(tiktok: TikTokClient, new_order: Any) -> None:
    order = new_order()
    sku_id = order["line_items"][0]["sku_id"]

    def total(**chosen: Any) -> Any:
        body = {"order_id": order["order_id"], "request_type": "RETURN_AND_REFUND", **chosen}
        answer = tiktok.call("POST", "/return_refund/202602/refunds/calculate", body=body)
        return answer["data"]["order_refund_amount"]["refund_total"] if answer["code"] == 0 else answer["code"]

    assert total() == "25.50"
    assert total(order_line_item_ids=_ids(order)[1:]) == "15.50"
    assert total(skus=[{"sku_id": sku_id, "quantity": 2}]) == "20.00"
    assert total(skus=[{"sku_id": sku_id, "quantity": 3}]) == 98001004
    assert total(order_line_item_ids=["577"]) == 98001004


def test_seller_made_return_waits_for_the_buyer_and_is_made_once(tiktok: TikTokClient, new_order: Any) -> None:
    order = new_order()
    body = {
        "order_id": order["order_id"],
        "return_type": "RETURN_AND_REFUND",
        "return_reason": "ecom_order_delivered_refund_and_return_reason_size",
        "order_line_item_ids": _ids(order)[:1],
    }

    def create(key: str) -> Any:
        return tiktok.call("POST", "/return_refund/202309/returns", {"idempotency_key": key}, body)

    first, again, other = create("k1"), create("k1"), create("k2")
    found = tiktok.search_returns(order_ids=[order["order_id"]])["data"]["return_orders"]
    assert first["data"]["return_status"] == "AWAITING_BUYER_SHIP"
    assert again["data"] == first["data"]
    assert other["code"] == 25001011
    assert [(row["return_id"], row["role"]) for row in found] == [(first["data"]["return_id"], "SELLER")]


def test_cancellations_are_searched_and_told(tiktok: TikTokClient, control: Control, new_order: Any) -> None:
    order_id = new_order(status="AWAITING_SHIPMENT")["order_id"]
    cancel_id = control.post("cancellations", order_id=order_id)["cancel_id"]
    path = "/return_refund/202309/cancellations/search"
    pending = tiktok.call("POST", path, {"page_size": 1}, {"order_ids": [order_id]})["data"]
    control.post(f"cancellations/{cancel_id}", cancel_status="CANCELLATION_REQUEST_COMPLETE")
    done = tiktok.call("POST", path, body={"cancel_status": ["CANCELLATION_REQUEST_COMPLETE"]})["data"]
    row = pending["cancellations"][0]
    assert (row["cancel_id"], row["cancel_type"], row["role"]) == (cancel_id, "BUYER_CANCEL", "BUYER")
    assert [action["action"] for action in row["seller_next_action_response"]] == ["SELLER_RESPOND_CANCEL"]
    assert len(row["cancel_line_items"]) == 3
    assert [found["cancel_id"] for found in done["cancellations"]] == [cancel_id]


@pytest.mark.parametrize("asked", ["CANCELLATION_REQUEST_CANCEL", "CANCELLATION_REQUEST_CANCELLED"])
def test_cancelled_cancellation_is_spelled_as_answers_spell_it(
    tiktok: TikTokClient, control: Control, new_order: Any, receiver: Receiver, asked: str
) -> None:
    control.post("settings", webhook_url=receiver.url)
    order_id = new_order(status="AWAITING_SHIPMENT")["order_id"]
    cancel_id = control.post("cancellations", order_id=order_id)["cancel_id"]
    control.post(f"cancellations/{cancel_id}", cancel_status="CANCELLATION_REQUEST_CANCEL")
    control.post("webhooks/wait")
    path = "/return_refund/202602/cancellations/search"
    (row,) = tiktok.call("POST", path, body={"cancel_status": [asked]})["data"]["cancellations"]
    assert (row["cancel_id"], row["cancel_status"]) == (cancel_id, "CANCELLATION_REQUEST_CANCELLED")
    assert row["cancel_reason_text"]
    told = {body["data"]["cancel_status"] for body in receiver.bodies()}  # in any order, as webhooks come
    assert told == {"CANCELLATION_REQUEST_PENDING", "CANCELLATION_REQUEST_CANCELLED"}


def test_cancellation_has_reasons_to_reject_it_and_no_decisions_of_returns(
    tiktok: TikTokClient, control: Control, new_order: Any
) -> None:
    cancel_id = control.post("cancellations", order_id=new_order()["order_id"])["cancel_id"]
    query = {"return_or_cancel_id": cancel_id}
    assert tiktok.call("GET", "/return_refund/202309/reject_reasons", query)["data"]["reasons"]
    decisions = tiktok.call("GET", "/return_refund/202601/decision_eligibility", query)["data"]["decisions"]
    assert {decision["eligible"] for decision in decisions} == {False}


def test_provider_ids_are_found_through_warehouse_and_option(tiktok: TikTokClient) -> None:
    warehouses = tiktok.call("GET", "/logistics/202309/warehouses")["data"]["warehouses"]
    base = f"/logistics/202309/warehouses/{warehouses[1]['id']}"
    options = tiktok.call("GET", f"{base}/delivery_options")["data"]["delivery_options"]
    path = f"/logistics/202309/delivery_options/{options[0]['id']}/shipping_providers"
    providers = {row["name"]: row["id"] for row in tiktok.call("GET", path)["data"]["shipping_providers"]}
    assert [warehouse["type"] for warehouse in warehouses] == ["SALES_WAREHOUSE", "RETURN_WAREHOUSE"]
    assert options[0]["type"] == "SEND_BY_SELLER"
    assert [providers[name] for name in ("UPS", "FedEx", "USPS")] == [
        "7117859084333745966",
        "7426268197461952274",
        "7117858858072016686",
    ]
    assert {"Royal Mail", "Evri", "InPost", "DHL", "DPD", "Hermes"} <= providers.keys()


@pytest.mark.parametrize("path", ["warehouses/1/delivery_options", "delivery_options/1/shipping_providers"])
def test_unknown_warehouse_or_option_is_refused(tiktok: TikTokClient, path: str) -> None:
    assert tiktok.call("GET", f"/logistics/202309/{path}")["code"] == 98001004
