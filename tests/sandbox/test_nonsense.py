"""What no client should send: answered in the remote's own words, and never kept where it could not be shown again."""

import base64
import time
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Control, ReboundApi, TikTokClient

HALF = "\ud83d"  # half of an emoji: JSON can write it, UTF-8 cannot
DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000
SEARCH = "/return_refund/202309/returns/search"
REFERENCES = "/order/202406/orders/external_orders"
JSON = {"Content-Type": "application/json"}


def raw(tiktok: TikTokClient, path: str, data: bytes, **query: str) -> requests.Response:
    """A signed call whose body is these bytes."""
    sent = {"app_key": tiktok.key, "timestamp": str(int(time.time())), "shop_cipher": tiktok.cipher, **query}
    sent["sign"] = tiktok.sign(path, sent, data)
    headers = JSON | {"x-tts-access-token": tiktok.token}
    return tiktok.http.post(tiktok.url + path, params=sent, data=data, headers=headers, timeout=10)


@pytest.mark.parametrize("data", [DEEP, b'{"a":NaN}', b'{"a":1e999}', b'{"a":"\\ud83d"}', b'{"a":"\xff"}', b"{"])
def test_body_that_cannot_be_shown_again_is_no_json(
    tiktok: TikTokClient, rebound: ReboundApi, control: Control, http: requests.Session, data: bytes
) -> None:
    answers = [
        raw(tiktok, SEARCH, data),
        http.post(f"{rebound.url}/sales-orders", data=data, headers=JSON | rebound._headers(), timeout=10),
        http.post(f"{control.url}/control/sellers", data=data, headers=JSON, timeout=10),
    ]
    assert [answer.json().get("code", answer.status_code) for answer in answers] == [36009022, 400, 400]
    assert control.get("state")["sellers"]


def test_half_a_character_is_not_stored(tiktok: TikTokClient, control: Control, new_order: Any) -> None:
    order_id = new_order()["order_id"]
    external = {"id": f"SO-{HALF}", "platform": "SHOPIFY"}
    body = {"orders": [{"id": order_id, "external_order": external}]}
    assert tiktok.call("POST", REFERENCES, body=body)["code"] == 36009022
    held = tiktok.call("GET", f"/order/202406/orders/{order_id}/external_orders", {"platform": "SHOPIFY"})
    assert held["code"] == 0
    whole = {"id": order_id, "external_order": external | {"id": "SO-😀"}}
    assert tiktok.call("POST", REFERENCES, body={"orders": [whole]})["code"] == 0


@pytest.mark.parametrize("size", ["²", "9" * 5000, "-1", "1.5"])
def test_page_size_that_is_no_number_is_refused(tiktok: TikTokClient, rebound: ReboundApi, size: str) -> None:
    assert tiktok.search_returns({"page_size": size})["code"] == 98001004
    assert rebound.get("/sales-orders", size=size).status_code == 400


@pytest.mark.parametrize("content", ['["x","y","create_time",false]', "[null,null,null,null]", "[" * 9000, "{}"])
def test_page_token_that_was_not_given_out_is_refused(tiktok: TikTokClient, content: str) -> None:
    token = base64.b64encode(content.encode()).decode()
    assert tiktok.search_returns({"page_token": token})["code"] == 98001004


@pytest.mark.parametrize("reason", [[], {}, 5, None])
def test_reject_reason_of_another_type_is_none(tiktok: TikTokClient, new_return: Any, reason: Any) -> None:
    pending = new_return(return_status="RETURN_OR_REFUND_REQUEST_PENDING")["returns"][0]["return_id"]
    path = f"/return_refund/202309/returns/{pending}/reject"
    assert tiktok.call("POST", path, body={"decision": "REJECT_RETURN", "reject_reason": reason})["code"] == 25020010


@pytest.mark.parametrize("skus", [5, True, [7], [{"sku_id": "SKU", "quantity": -1}], [{"sku_id": "SKU"}] * 3])
def test_units_that_the_order_does_not_have_are_refused(tiktok: TikTokClient, new_order: Any, skus: Any) -> None:
    order = new_order()  # two of this SKU
    if isinstance(skus, list):
        sku_id = order["line_items"][0]["sku_id"]
        skus = [{**entry, "sku_id": sku_id} if isinstance(entry, dict) else entry for entry in skus]
    body = {"order_id": order["order_id"], "request_type": "REFUND", "skus": skus}
    assert tiktok.call("POST", "/return_refund/202309/refunds/calculate", body=body)["code"] == 98001004


def test_form_part_that_is_too_large_has_the_envelope(tiktok: TikTokClient, new_return: Any) -> None:
    return_id = new_return()["returns"][0]["return_id"]
    answer = tiktok.upload(return_id, tracking_number="x" * 600_000)
    assert answer["code"] == 36009021


def test_category_asset_cipher_is_unexpected(tiktok: TikTokClient) -> None:
    answer = tiktok.call("GET", "/authorization/202309/shops", {"category_asset_cipher": "x"}, shop=False)
    assert answer["code"] == 36009004


@pytest.mark.parametrize(
    "change", [{"labelFormat": []}, {"lane": {"countryCode": "GB", "carrierService": "字" * 3000}}]
)
def test_return_order_of_nonsense_is_refused(rebound: ReboundApi, change: dict[str, Any]) -> None:
    body = {
        "rmaNumber": "R-1",
        "items": [{"sku": "TEE", "quantity": 1}],
        "customerAddress": {"countryCode": "GB"},
        "lane": {"countryCode": "GB", "carrierService": "ROYAL_MAIL_TRACKED"},
        "labelFormat": "QR",
    }
    assert rebound.post("/return-orders", body | change).status_code == 400
    assert rebound.post("/return-orders", body).status_code == 201


def test_basic_credentials_outside_ascii_are_refused(rebound: ReboundApi, http: requests.Session) -> None:
    form = {"grant_type": "client_credentials"}
    headers = {"Authorization": "Basic ü".encode("latin-1")}
    assert http.post(f"{rebound.url}/oauth2/token", data=form, headers=headers, timeout=10).status_code == 401


@pytest.mark.parametrize("price", ["12,99", "", "-5", "NaN", "Infinity", "1.999"])
def test_control_takes_no_price_that_is_none(control: Control, shop_id: str, price: str) -> None:
    status, said = control.error("orders", shop_id=shop_id, lines=[{"sku": "TEE", "price": price}])
    assert (status, said.split(":")[0]) == (400, "lines[0].price")


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("settings", {"redirect_url": "http://[::1"}),
        ("settings", {"redirect_url": "https://a.example/\r\nX: 1"}),
        ("settings", {"webhook_url": "ftp://a.example"}),
        ("settings", {"access_token_seconds": 10**400}),
        ("settings", {"latency_ms": 10**12}),
        ("webhooks/wait", {"timeout_seconds": 10**400}),
        ("webhooks/wait", {"timeout_seconds": 10**12}),
        ("faults", {"remote": "tiktok", "kind": "slow", "seconds": 1e300}),
        ("faults", {"remote": "tiktok", "kind": "status", "status": 5}),
        ("faults", {"remote": "tiktok", "kind": "status", "status": 99999}),
    ],
)
def test_control_takes_nothing_that_breaks_a_later_call(control: Control, command: str, body: dict[str, Any]) -> None:
    before = control.get("settings")
    assert control.error(command, **body)[0] == 400
    assert control.get("settings") == before
    assert control.get("faults")["faults"] == []


@pytest.mark.parametrize("form", [{"quantity_MUG-BLUE": "²"}, {"quantity_MUG-BLUE": "9" * 5000}])
def test_page_takes_no_pieces_that_are_none(
    sandbox: Any, http: requests.Session, shop_id: str, form: dict[str, str]
) -> None:
    data = {"shop_id": shop_id, "anchor": "orders\r\nX: 1", **form}
    answer = http.post(f"{sandbox.url}/page/orders", data=data, timeout=10)
    assert answer.status_code == 200
    assert "Type a number of pieces" in answer.text


def test_crash_is_told_in_the_words_of_each_remote(
    sandbox: Any, tiktok: TikTokClient, rebound: ReboundApi, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.world, "returns_of_shop", None)
    monkeypatch.setattr(sandbox.world, "sales_orders", None)
    crashed = tiktok.answer("POST", SEARCH, body={})
    assert (crashed.status_code, crashed.json()["code"]) == (500, 36009003)
    assert rebound.get("/sales-orders").json()["status"] == 500
    assert control.http.get(f"{control.url}/control/state", timeout=10).json()["error"]
