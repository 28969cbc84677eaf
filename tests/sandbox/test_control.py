"""The control interface: what it makes, what it refuses, and that it starts afresh."""

from typing import Any

import pytest
import requests

from rebound_tts.sandbox.server import Sandbox
from tests.sandbox.conftest import Control, ReboundApi, TikTokClient


def test_small_world_is_matched_end_to_end(control: Control, tiktok: TikTokClient, rebound: ReboundApi) -> None:
    """Every reference of the small world names a sales order at ReBound and its items."""
    state = control.get("state")
    statuses = sorted(row["return_status"] for row in state["returns"])
    verdicts = []
    for reference in state["references"]:
        external = reference["external_orders"][0]
        found = rebound.get("/sales-orders", clientOrderId=external["id"]).json()["content"]
        items = {entry["value"] for item in found[0]["salesItems"] for entry in item["clientMetadata"]}
        verdicts.append((external["platform"], len(found), {line["id"] for line in external["line_items"]} == items))
    assert verdicts == [("SHOPIFY", 1, True)] * 5
    assert statuses == [
        "AWAITING_BUYER_SHIP",
        "AWAITING_BUYER_SHIP",
        "RETURN_OR_REFUND_REQUEST_CANCEL",
        "RETURN_OR_REFUND_REQUEST_PENDING",
    ]


def test_reset_forgets_everything_but_the_keys(sandbox: Any, control: Control, tiktok: TikTokClient) -> None:
    before = sandbox.connection()
    order_ids = {order["id"] for order in control.get("state")["orders"]}
    control.post("settings", everything_200=True)
    control.post("faults", remote="tiktok", kind="empty", times=9)
    control.post("sellers", seller_name="Other", shops=[{"name": "Other"}])
    control.post("reset")
    state = control.get("state")
    assert sandbox.connection() == before
    assert (len(state["sellers"]), state["settings"]["everything_200"], state["faults"]) == (1, False, [])
    assert control.get("calls")["total"] == 0
    # ids never come again: a receiver remembers those it has seen
    assert order_ids & {order["id"] for order in state["orders"]} == set()
    assert tiktok.search_returns()["code"] == 105001


def test_reset_is_empty_when_asked_or_started_so(http: requests.Session) -> None:
    with Sandbox(empty=True) as sandbox:
        control = Control(sandbox.url, http)
        counts = []
        for body in ({}, {"empty": False}, {"empty": True}):
            control.post("reset", **body)
            state = control.get("state")
            counts.append((len(state["sellers"]), len(state["orders"]), len(state["rebound_clients"])))
    assert counts == [(0, 0, 1), (1, 6, 1), (0, 0, 1)]


def test_empty_sandbox_has_no_code_to_give(http: requests.Session) -> None:
    with Sandbox(empty=True) as sandbox:
        assert Control(sandbox.url, http).error("authorization-codes")[0] == 404
        assert sandbox.connection()["shop_id"] is None


def test_settings_are_changed_whole_or_not_at_all(control: Control) -> None:
    status, error = control.error("settings", mask_addresses=False, no_such_thing=1)
    settings = control.get("settings")
    changed = control.post("settings", latency_ms=5, webhook_url="http://127.0.0.1:1/")
    assert (status, error.split(":")[0], settings["mask_addresses"]) == (400, "no_such_thing", True)
    assert (changed["latency_ms"], changed["webhook_url"]) == (5, "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("everything_200", "yes"),
        ("latency_ms", -1),
        ("latency_ms", 1.5),
        ("metadata_shape", "D"),
        ("rebound_link_status", 500),
        ("webhook_url", None),
        ("rate_limit_per_second", True),
    ],
)
def test_setting_that_does_not_fit_is_named(control: Control, name: str, value: Any) -> None:
    status, error = control.error("settings", **{name: value})
    assert (status, error.split(":")[0]) == (400, name)


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("sellers", {"shops": [{"name": "A"}]}, 400, "seller_name"),
        ("sellers", {"seller_name": "A", "shops": []}, 400, "shops"),
        ("sellers", {"seller_name": "A", "shops": [{"name": 1}]}, 400, "shops[0].name"),
        ("sellers", {"seller_name": "A", "shops": [{"name": "A", "colour": "red"}]}, 400, "shops[0].colour"),
        ("sellers/1/deauthorize", {}, 404, "seller_id"),
        ("authorization-codes", {"shop_id": "1"}, 404, "shop_id"),
        ("tokens/expire", {"kind": "some"}, 400, "kind"),
        ("tokens/expire", {"client_id": "1"}, 404, "client_id"),
        ("orders", {"shop_id": "1", "lines": []}, 404, "shop_id"),
        ("references", {"shop_id": "1"}, 404, "shop_id"),
        ("sales-orders", {"client_id": "1", "order": {}}, 404, "client_id"),
        ("sales-orders", {"client_id": "rb-sandbox-client", "order": {}}, 400, "order"),
        ("sales-orders/1", {"status": "CANCELLED"}, 404, "id"),
        ("returns/1", {"return_status": "AWAITING_BUYER_SHIP"}, 404, "return_id"),
        ("return-orders/1/events", {"type": "RETURN_DELIVERED"}, 404, "id"),
        ("return-orders/1/events", {"type": "LOST"}, 400, "type"),
        ("webhooks", {"type": 12, "shop_id": "1", "data": {}}, 409, "webhook_url"),
        ("faults", {"remote": "shopify", "kind": "empty"}, 400, "remote"),
        ("faults", {"remote": "tiktok", "kind": "explode"}, 400, "kind"),
        ("faults", {"remote": "tiktok", "kind": "empty", "times": 0}, 400, "times"),
        ("faults", {"remote": "tiktok", "kind": "empty", "time": 1}, 400, "time"),
        ("nothing", {}, 404, "POST /control/nothing"),
    ],
)
def test_errors_name_the_field(control: Control, path: str, body: Any, status: int, field: str) -> None:
    found, error = control.error(path, **body)
    assert (found, error.split(": ")[0]) == (status, field)


def test_returns_are_checked(control: Control, shop_id: str, new_order: Any) -> None:
    order = new_order()
    usual = {"shop_id": shop_id, "order_id": order["order_id"], "order_line_item_ids": [order["line_items"][0]["id"]]}
    errors = [
        control.error("returns", **{**usual, **changes})[1].split(":")[0]
        for changes in (
            {"order_id": "1"},
            {"order_line_item_ids": ["1"]},
            {"order_line_item_ids": []},
            {"return_status": "SHIPPED"},
            {"pre_return_id": "1"},
            {"webhook": {"copies": 0}},
            {"webhook": {"sent": True}},
        )
    ]
    assert errors == [
        "order_id",
        "order_line_item_ids",
        "order_line_item_ids",
        "return_status",
        "pre_return_id",
        "webhook.copies",
        "webhook.sent",
    ]
    returns = control.get("state")["returns"]
    assert [row for row in returns if row["order_id"] == order["order_id"]] == []


def test_appended_reference_stands_beside_the_first(
    control: Control, tiktok: TikTokClient, shop_id: str, new_order: Any
) -> None:
    order = new_order()
    for external_id, append in (("A", False), ("B", True), ("C", False)):
        control.post(
            "references",
            shop_id=shop_id,
            order_id=order["order_id"],
            platform="SHOPIFY",
            external_order_id=external_id,
            line_items=[{"id": f"{external_id}-1", "origin_id": order["line_items"][0]["id"]}],
            append=append,
        )
        path = f"/order/202406/orders/{order['order_id']}/external_orders"
        entries = tiktok.call("GET", path, {"platform": "SHOPIFY"})["data"]["external_orders"]
        wanted = {"A": ["A"], "B": ["A", "B"], "C": ["C"]}[external_id]
        assert [entry["id"] for entry in entries] == wanted


def test_duplicate_sales_order_is_possible_by_control(control: Control, rebound: ReboundApi) -> None:
    body = {"client_id": rebound.client_id, "order": {"clientOrderId": "SO-1"}}
    control.post("sales-orders", **body)
    refused = control.error("sales-orders", **body)[0]
    control.post("sales-orders", **body, allow_duplicate=True)
    assert (refused, rebound.get("/sales-orders", clientOrderId="SO-1").json()["totalElements"]) == (409, 2)


def test_label_is_missing_before_the_upload(control: Control, new_return: Any, http: requests.Session) -> None:
    return_id = new_return()["returns"][0]["return_id"]
    assert http.get(f"{control.url}/control/returns/{return_id}/label", timeout=5).status_code == 404


def test_shop_id_is_taken_as_given_and_once(control: Control) -> None:
    body = {"seller_name": "A", "shops": [{"name": "A", "id": "7494049642642441621"}]}
    made = control.post("sellers", **body)
    assert made["shops"][0]["id"] == "7494049642642441621"
    assert control.error("sellers", **body)[0] == 409


def test_body_that_is_no_json_is_refused(control: Control, http: requests.Session) -> None:
    answers = [http.post(f"{control.url}/control/orders", data=data, timeout=5) for data in (b"{", b"[]")]
    assert [answer.status_code for answer in answers] == [400, 400]
