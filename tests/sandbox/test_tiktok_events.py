"""Webhooks: signed, to the right address, told again when refused, doubled and late when asked."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from tests.sandbox.conftest import Control, Receiver, TikTokClient

PATH = "/event/202309/webhooks"


@pytest.fixture
def listening(control: Control, receiver: Receiver) -> Receiver:
    """The app-level address is that of the receiver; retries come a thousand times sooner."""
    control.post("settings", webhook_url=receiver.url, webhook_retry_scale=0.0005)
    return receiver


def _settled(control: Control) -> None:
    assert control.post("webhooks/wait") == {"pending": 0, "later": 0}


def test_new_return_is_told_with_signature(
    sandbox: Any, control: Control, listening: Receiver, new_return: Any, shop_id: str
) -> None:
    return_id = new_return()["returns"][0]["return_id"]
    _settled(control)
    headers, body = listening.got[0]
    content = json.loads(body)
    facts = sandbox.connection()
    expected = hmac.new(facts["app_secret"].encode(), facts["app_key"].encode() + body, hashlib.sha256).hexdigest()
    assert headers["Authorization"] == expected
    assert headers["Content-Type"] == "application/json"
    assert sorted(content) == ["data", "shop_id", "timestamp", "tts_notification_id", "type"]
    assert (content["type"], content["shop_id"]) == (12, shop_id)
    found = control.returned(return_id)
    assert content["data"] == {
        "order_id": found["order_id"],
        "return_role": "BUYER",
        "return_type": "RETURN_AND_REFUND",
        "return_status": "AWAITING_BUYER_SHIP",
        "return_id": return_id,
        "create_time": found["create_time"],
        "update_time": found["update_time"],
    }


def test_every_change_is_told_and_silence_is_possible(control: Control, listening: Receiver, new_return: Any) -> None:
    return_id = new_return(webhook={"send": False})["returns"][0]["return_id"]
    control.post(f"returns/{return_id}", return_status="BUYER_SHIPPED_ITEM")
    control.post(f"returns/{return_id}", return_status="REJECT_RECEIVE_PACKAGE", webhook={"send": False})
    control.post(f"returns/{return_id}", return_status="RETURN_OR_REFUND_REQUEST_SUCCESS")
    _settled(control)
    statuses = {body["data"]["return_status"] for body in listening.bodies()}
    assert statuses == {"BUYER_SHIPPED_ITEM", "RETURN_OR_REFUND_REQUEST_SUCCESS"}


def test_decision_through_the_api_is_told(
    control: Control, tiktok: TikTokClient, listening: Receiver, new_return: Any
) -> None:
    made = new_return(return_status="RETURN_OR_REFUND_REQUEST_PENDING", webhook={"send": False})
    path = f"/return_refund/202309/returns/{made['returns'][0]['return_id']}/approve"
    tiktok.call("POST", path, body={"decision": "APPROVE_RETURN"})
    _settled(control)
    assert [body["data"]["return_status"] for body in listening.bodies()] == ["AWAITING_BUYER_SHIP"]


def test_copies_carry_one_notification_id(control: Control, listening: Receiver, new_return: Any) -> None:
    new_return(webhook={"copies": 3})
    _settled(control)
    assert len(listening.got) == 3
    assert len({body["tts_notification_id"] for body in listening.bodies()}) == 1


def test_delayed_webhook_comes_later(control: Control, listening: Receiver, new_return: Any) -> None:
    started = time.monotonic()
    new_return(webhook={"delay_seconds": 0.4})
    early = len(listening.got)
    _settled(control)
    assert (early, len(listening.got)) == (0, 1)
    assert time.monotonic() - started >= 0.4


def test_stale_webhook_tells_the_state_before(control: Control, listening: Receiver, new_return: Any) -> None:
    return_id = new_return(webhook={"send": False})["returns"][0]["return_id"]
    before = control.returned(return_id)["update_time"]
    control.post(f"returns/{return_id}", return_status="BUYER_SHIPPED_ITEM", webhook={"stale": True})
    _settled(control)
    content = listening.bodies()[0]
    assert (content["data"]["return_status"], content["data"]["update_time"], content["timestamp"]) == (
        "AWAITING_BUYER_SHIP",
        before,
        before,
    )
    assert control.returned(return_id)["return_status"] == "BUYER_SHIPPED_ITEM"


def test_refused_webhook_is_told_again_with_the_same_bytes(
    control: Control, listening: Receiver, new_return: Any
) -> None:
    listening.statuses[:] = [500, 401]
    new_return()
    _settled(control)
    delivery = control.get("state")["webhook_deliveries"][-1]
    assert len({body for _, body in listening.got}) == 1
    assert delivery["state"] == "delivered"
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 401, 200]


def test_webhook_is_given_up_after_four_retries(control: Control, listening: Receiver, new_return: Any) -> None:
    control.post("settings", webhook_retry_scale=0.00001)
    listening.statuses[:] = [500] * 9
    new_return()
    _settled(control)
    delivery = control.get("state")["webhook_deliveries"][-1]
    assert (delivery["state"], len(delivery["attempts"])) == ("given up", 5)


def test_wait_does_not_wait_for_what_is_due_later(control: Control, listening: Receiver, new_return: Any) -> None:
    control.post("settings", webhook_retry_scale=1.0)
    listening.statuses[:] = [503]
    new_return()
    started = time.monotonic()
    assert control.post("webhooks/wait", timeout_seconds=60) == {"pending": 0, "later": 1}
    assert time.monotonic() - started < 30


def test_unreachable_address_is_recorded(control: Control, new_return: Any) -> None:
    control.post("settings", webhook_url="http://127.0.0.1:9/none", webhook_retry_scale=0.0)
    new_return()
    _settled(control)
    delivery = control.get("state")["webhook_deliveries"][-1]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [None] * 5
    assert delivery["attempts"][0]["error"].startswith("ConnectionRefusedError")


def test_without_an_address_nothing_is_sent(control: Control, new_return: Any) -> None:
    new_return()
    assert control.get("state")["webhook_deliveries"] == []


def test_subscription_of_the_shop_comes_before_the_app_address(
    control: Control, tiktok: TikTokClient, listening: Receiver, new_return: Any
) -> None:
    address = listening.url.replace("/webhooks", "/own")
    subscribed = tiktok.call("PUT", PATH, body={"address": address, "event_type": "RETURN_STATUS_CHANGE"})
    listed = tiktok.call("GET", PATH)["data"]
    new_return()
    tiktok.call("DELETE", PATH, body={"event_type": "RETURN_STATUS_CHANGE"})
    new_return()
    _settled(control)
    urls = [delivery["url"] for delivery in control.get("state")["webhook_deliveries"]]
    assert subscribed["code"] == 0
    assert (listed["total_count"], [row["event_type"] for row in listed["webhooks"]]) == (1, ["RETURN_STATUS_CHANGE"])
    assert listed["webhooks"][0]["address"] == address
    assert urls == [address, listening.url]
    assert tiktok.call("GET", PATH)["data"] == {"total_count": 0, "webhooks": []}


def test_subscribing_again_moves_the_address(tiktok: TikTokClient) -> None:
    for address in ("https://a.example/x", "https://b.example/y"):
        tiktok.call("PUT", PATH, body={"address": address, "event_type": "ORDER_STATUS_CHANGE"})
    assert [row["address"] for row in tiktok.call("GET", PATH)["data"]["webhooks"]] == ["https://b.example/y"]


@pytest.mark.parametrize(
    "body",
    [
        {"address": "https://a.example", "event_type": "RMA_STATUS_UPDATE"},
        {"address": "https://a.example"},
        {"address": "https://a.example/" + "x" * 255, "event_type": "RETURN_STATUS_CHANGE"},
        {"address": "a.example", "event_type": "RETURN_STATUS_CHANGE"},
    ],
)
def test_subscription_is_checked(tiktok: TikTokClient, body: dict[str, str]) -> None:
    assert tiktok.call("PUT", PATH, body=body)["code"] == 98001004


def test_deauthorization_expiry_order_and_cancellation_are_told(
    sandbox: Any, control: Control, listening: Receiver, new_order: Any, shop_id: str
) -> None:
    order_id = new_order(status="AWAITING_SHIPMENT")["order_id"]
    seller_id = sandbox.connection()["seller_id"]
    control.post(f"orders/{order_id}", status="IN_TRANSIT")
    cancel_id = control.post("cancellations", order_id=order_id)["cancel_id"]
    control.post(f"sellers/{seller_id}/expiring", days=7)
    control.post(f"sellers/{seller_id}/deauthorize")
    control.post(f"orders/{order_id}", status="DELIVERED")  # nothing is told of a deauthorized shop
    _settled(control)
    found = {body["type"]: body["data"] for body in listening.bodies()}
    assert sorted(found) == [1, 6, 7, 11]
    assert (found[1]["order_id"], found[1]["order_status"], found[1]["is_on_hold_order"]) == (
        order_id,
        "IN_TRANSIT",
        False,
    )
    assert found[6] == {"message": f"Shop_id {shop_id} is deauthorized from your APP by merchant."}
    assert f"shop_id {shop_id} is expiring in 7 days" in found[7]["message"]
    assert isinstance(found[7]["expiration_time"], str)
    assert (found[11]["cancel_id"], found[11]["cancellations_role"]) == (cancel_id, "BUYER")
    assert len(listening.got) == 4


def test_any_notification_can_be_sent_at_once(control: Control, listening: Receiver, shop_id: str) -> None:
    data = {"anything": 1}
    answer = control.post("webhooks", type=99, shop_id="unknown", data=data, timestamp=5, copies=2)
    control.post("webhooks", type=12, shop_id=shop_id, data=data, tts_notification_id="n-1")
    control.post("webhooks", type=12, shop_id=shop_id, data=data, tts_notification_id=None)
    bodies = listening.bodies()
    assert [delivery["status"] for delivery in answer["deliveries"]] == [200, 200]
    assert bodies[0] == {
        "type": 99,
        "tts_notification_id": answer["tts_notification_id"],
        "shop_id": "unknown",
        "timestamp": 5,
        "data": data,
    }
    assert bodies[0] == bodies[1]
    assert (bodies[2]["tts_notification_id"], "tts_notification_id" in bodies[3]) == ("n-1", False)
