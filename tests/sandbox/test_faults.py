"""Faults: each kind does what it says, as often as it says, and to nobody else."""

import time
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Control, ReboundApi, TikTokClient

SHOPS = "/authorization/202309/shops"
RETURN_ORDER = {
    "rmaNumber": "R-1",
    "items": [{"sku": "TEE"}],
    "customerAddress": {"countryCode": "GB"},
    "lane": {"countryCode": "GB"},
}


def test_drop_after_did_the_work(control: Control, rebound: ReboundApi) -> None:
    control.post("faults", remote="rebound", method="POST", path_contains="/return-orders", kind="drop_after")
    with pytest.raises(requests.ConnectionError):
        rebound.post("/return-orders", RETURN_ORDER)
    assert rebound.get("/return-orders", rmaNumber="R-1").json()["totalElements"] == 1


def test_drop_after_of_an_upload_leaves_the_label(control: Control, tiktok: TikTokClient, new_return: Any) -> None:
    return_id = new_return()["returns"][0]["return_id"]
    control.post("faults", remote="tiktok", path_contains="shipping_documents", kind="drop_after")
    with pytest.raises(requests.ConnectionError):
        tiktok.upload(return_id)
    assert tiktok.upload(return_id)["code"] == 25021022
    assert len(control.returned(return_id)["uploads"]) == 1


def test_drop_before_did_nothing(control: Control, rebound: ReboundApi) -> None:
    control.post("faults", remote="rebound", method="POST", kind="drop_before")
    with pytest.raises(requests.ConnectionError):
        rebound.post("/return-orders", RETURN_ORDER)
    assert rebound.get("/return-orders", rmaNumber="R-1").json()["totalElements"] == 0


def test_slow_call_is_done_after_the_wait(control: Control, rebound: ReboundApi) -> None:
    control.post("faults", remote="rebound", kind="slow", seconds=0.3)
    started = time.monotonic()
    assert rebound.post("/return-orders", RETURN_ORDER).status_code == 201
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ({"kind": "html"}, 502, "<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"),
        ({"kind": "not_json"}, 200, "upstream connect error or disconnect/reset before headers"),
        ({"kind": "empty"}, 200, ""),
        ({"kind": "empty", "status": 204}, 204, ""),
        ({"kind": "garbage_json"}, 200, '{"code":0,"message":"Success","data":{"orders":[{"id":'),
        ({"kind": "other_object"}, 200, '["this","is","not","what","was","asked","for"]'),
        ({"kind": "status", "status": 418, "body": {"a": "ö"}}, 418, '{"a": "ö"}'),
        ({"kind": "status", "status": 503, "body": "down"}, 503, "down"),
    ],
)
def test_nonsense_is_answered_word_for_word(
    control: Control, tiktok: TikTokClient, fault: dict[str, Any], status: int, text: str
) -> None:
    control.post("faults", remote="tiktok", **fault)
    answer = tiktok.answer("GET", SHOPS, shop=False)
    answer.encoding = "utf-8"
    assert (answer.status_code, answer.text) == (status, text)
    assert tiktok.call("GET", SHOPS, shop=False)["code"] == 0


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "status", "status": 500}, 500, 36009003),
        ({"kind": "status", "status": 429}, 429, 36009002),
        ({"kind": "code", "code": 105002, "message": "expired"}, 401, 105002),
        ({"kind": "code", "code": 25021022}, 200, 25021022),
        ({"kind": "code", "code": 36009003, "status": 200}, 200, 36009003),
    ],
)
def test_tiktok_error_has_its_envelope(
    control: Control, tiktok: TikTokClient, fault: dict[str, Any], status: int, code: int
) -> None:
    control.post("faults", remote="tiktok", **fault)
    answer = tiktok.answer("GET", SHOPS, shop=False)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["request_id"]


def test_retry_after_names_the_seconds(control: Control, tiktok: TikTokClient, rebound: ReboundApi) -> None:
    for remote in ("tiktok", "rebound"):
        control.post("faults", remote=remote, kind="retry_after", retry_after=7)
    answers = [tiktok.answer("GET", SHOPS, shop=False), rebound.get("/sales-orders")]
    assert [(answer.status_code, answer.headers["Retry-After"]) for answer in answers] == [(429, "7")] * 2
    assert answers[0].json()["code"] == 36009002
    assert answers[1].headers["Content-Type"] == "application/problem+json"


def test_fault_fits_remote_method_and_path_only(control: Control, tiktok: TikTokClient, rebound: ReboundApi) -> None:
    control.post("faults", remote="rebound", method="GET", path_contains="/return-orders", kind="status", status=500)
    passing = [
        tiktok.answer("GET", SHOPS, shop=False).status_code,
        rebound.get("/sales-orders").status_code,
        rebound.post("/return-orders", RETURN_ORDER).status_code,
    ]
    assert (passing, rebound.get("/return-orders").status_code) == ([200, 200, 201], 500)


def test_faults_are_counted_down_in_order(control: Control, rebound: ReboundApi) -> None:
    first = control.post("faults", remote="rebound", kind="status", status=500, times=2, skip=1)
    control.post("faults", remote="rebound", kind="status", status=503)
    left = control.get("faults")["faults"]
    statuses = [rebound.get("/sales-orders").status_code for _ in range(5)]
    # the first lets one call pass, which the second one takes
    assert statuses == [503, 500, 500, 200, 200]
    assert (left[0]["id"], left[0]["times"], left[1]["times"]) == (first["fault_id"], 2, 1)
    assert control.get("faults")["faults"] == []


def test_faults_are_cleared(control: Control, rebound: ReboundApi) -> None:
    control.post("faults", remote="rebound", kind="drop_before", times=9)
    control.delete("faults")
    assert rebound.get("/sales-orders").status_code == 200


def test_page_and_controls_are_never_touched(control: Control, http: requests.Session) -> None:
    for remote in ("tiktok", "rebound"):
        control.post("faults", remote=remote, kind="drop_before", times=9)
    assert http.get(f"{control.url}/", timeout=5).status_code == 200
    assert control.get("calls")["total"] == 0


@pytest.mark.parametrize(
    ("settings", "slow"),
    [
        ({"latency_ms": 500}, ["tiktok", "rebound"]),
        ({"tiktok_latency_ms": 500}, ["tiktok"]),
        ({"latency_ms": 500, "tiktok_latency_ms": 0}, ["rebound"]),
    ],
)
def test_latency_is_added_to_the_remotes_meant(
    control: Control, tiktok: TikTokClient, rebound: ReboundApi, settings: dict[str, int], slow: list[str]
) -> None:
    control.post("settings", **settings)
    seconds = {}
    for name, call in (
        ("tiktok", lambda: tiktok.call("GET", SHOPS, shop=False)),
        ("rebound", lambda: rebound.get("/sales-orders")),
    ):
        started = time.monotonic()
        call()
        seconds[name] = time.monotonic() - started
    assert [name for name, spent in seconds.items() if spent >= 0.5] == slow


def test_calls_are_counted_by_endpoint(
    control: Control, tiktok: TikTokClient, rebound: ReboundApi, new_order: Any
) -> None:
    order_id = new_order()["order_id"]
    control.post("calls/reset")
    for _ in range(2):
        tiktok.call("GET", f"/order/202406/orders/{order_id}/external_orders", {"platform": "SHOPIFY"})
    tiktok.search_returns()
    tiktok.upload("4035")
    tiktok.call("POST", "/return_refund/202309/returns/4035/approve")
    rebound.get("/return-orders/abc")
    rebound.post("/return-orders/abc/cancel")
    rebound.get("/sales-orders", clientOrderId="1")
    assert control.get("calls") == {
        "total": 8,
        "by_endpoint": {
            "tiktok GET /order/202406/orders/{id}/external_orders": 2,
            "tiktok POST /return_refund/202309/returns/search": 1,
            "tiktok POST /return_refund/202405/returns/shipping_documents": 1,
            "tiktok POST /return_refund/202309/returns/{id}/approve": 1,
            "rebound GET /return-orders/{id}": 1,
            "rebound POST /return-orders/{id}/cancel": 1,
            "rebound GET /sales-orders": 1,
        },
    }
