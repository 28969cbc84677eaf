"""Every refusal is a problem with a request id; none of them shows a secret, an address or a stack trace."""

import logging
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from matching.api import reading
from matching.models import SalesOrder
from merchants.models import ApiScope
from tests.matching.api.conftest import ROOT, Oms, order

FIELDS = ["detail", "errors", "request_id", "status", "title", "type"]


def problem(response: Any) -> tuple[int, str]:
    """The status and the code, once the shape is right."""
    body = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert sorted(body) == FIELDS
    assert body["status"] == response.status_code
    assert body["request_id"] == response["X-Request-Id"]
    return response.status_code, body["type"].removeprefix("/docs/errors#")


CALLS = [
    ("POST", ROOT, ApiScope.ORDERS_WRITE),
    ("PUT", f"{ROOT}/SO-1001", ApiScope.ORDERS_WRITE),
    ("DELETE", f"{ROOT}/SO-1001", ApiScope.ORDERS_WRITE),
    ("POST", f"{ROOT}:batch", ApiScope.ORDERS_WRITE),
    ("POST", f"{ROOT}:validate", ApiScope.ORDERS_WRITE),
    ("GET", ROOT, ApiScope.ORDERS_READ),
    ("GET", f"{ROOT}/SO-1001", ApiScope.ORDERS_READ),
    ("GET", "/api/v1/match-coverage", ApiScope.MATCHES_READ),
    ("GET", "/api/v1/whoami", None),
]


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer tok_1.2", "Basic dTpw", "Bearer \xff"])
def test_without_a_good_token_it_is_401(db: None, method: str, path: str, scope: Any, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = Client().generic(method, path, b"{}", content_type="application/json", headers=headers)
    assert problem(response) == (401, "unauthorized")
    assert response["WWW-Authenticate"].startswith('Bearer realm="orders"')


@pytest.mark.parametrize(("method", "path", "scope"), [call for call in CALLS if call[2]])
def test_without_the_scope_it_is_403(db: None, oms: Oms, method: str, path: str, scope: ApiScope) -> None:
    less = Oms(oms.merchant, scopes=[each for each in ApiScope.values if each != scope])
    response = less.call(method, path, order())
    assert problem(response) == (403, "forbidden")
    assert f'scope="{scope.value}"' in response["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "not_json"),
        (b"", "application/json", 400, "not_json"),
        (b"\xff", "application/json", 400, "not_json"),
        (b'{"clientOrderId": NaN}', "application/json", 400, "not_json"),
        (b'{"clientOrderId": Infinity}', "application/json", 400, "not_json"),
        (b"[" * 100_000, "application/json", 400, "not_json"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"[]", "application/json", 422, "invalid_order"),
        (b"null", "application/json", 422, "invalid_order"),
        (b" " * (1024 * 1024 + 1), "application/json", 413, "too_large"),
    ],
)
def test_a_bad_body(oms: Oms, body: bytes, kind: str, status: int, code: str) -> None:
    assert problem(oms.call("POST", ROOT, body, kind=kind)) == (status, code)


def test_a_body_that_ends_early_or_is_compressed(oms: Oms) -> None:
    assert problem(oms.push(order(), Content_Encoding="gzip")) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", ROOT), ("PUT", ROOT), ("POST", f"{ROOT}/SO-1"), ("GET", f"{ROOT}:batch"), ("OPTIONS", ROOT)],
)
def test_another_method_is_405_and_names_those_that_are_offered(oms: Oms, method: str, path: str) -> None:
    response = oms.call(method, path)
    assert problem(response) == (405, "method_not_allowed")
    assert method not in response["Allow"]


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v2/sales-orders", "/oauth2/authorize", "/api/%00"])
def test_an_unknown_address_is_404(client: Client, path: str) -> None:
    assert problem(client.get(path)) == (404, "not_found")


@pytest.mark.parametrize("order_id", ["SO-1", "%00", "x" * 256, "%FF", "so-1001"])
def test_an_unknown_order_is_404(oms: Oms, order_id: str) -> None:
    oms.push(order())
    assert problem(oms.get(order_id)) == (404, "not_found")


def test_a_good_request_id_is_kept_and_another_replaced(oms: Oms) -> None:
    kept = oms.push(order(), X_Request_Id="7f3e-oms.request_1")
    replaced = [oms.push(order(), X_Request_Id=bad)["X-Request-Id"] for bad in ("x", "a b c d e f g", "x" * 65)]
    assert kept["X-Request-Id"] == "7f3e-oms.request_1"
    assert [len(each) for each in replaced] == [32, 32, 32]


def test_an_error_of_ours_is_logged_with_the_request_id_and_shown_to_nobody(
    oms: Oms, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("the cause")

    monkeypatch.setattr("matching.api.orders.receive_push", fail)
    response = oms.push(order(customerAddress={"firstName": "Secretia"}))
    assert problem(response) == (500, "internal")
    assert "cause" not in response.content.decode()
    [record] = [
        each for each in caplog.records if each.levelno >= logging.ERROR and each.name == "rebound_tts.problems"
    ]
    assert (record.request_id, "the cause" in caplog.text) == (response["X-Request-Id"], True)  # type: ignore[attr-defined]
    assert "Secretia" not in caplog.text


def test_without_a_database_it_is_503(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(reading, "cancel_order", fail)
    response = oms.call("DELETE", f"{ROOT}/SO-1001")
    assert (problem(response), response["Retry-After"]) == ((503, "unavailable"), "5")


def test_no_address_is_in_an_answer_or_a_log(oms: Oms, caplog: pytest.LogCaptureFixture) -> None:
    address = {"firstName": "Secretia", "city": 7, "addressLine1": "14 Unseen Street", "countryCode": "Hiddenland"}
    with caplog.at_level(logging.DEBUG):
        refused = oms.push(order(customerAddress=address | {"lastName": "Hidden" * 100}))
        taken = oms.push(order(customerAddress={"firstName": "Secretia", "addressLine1": "14 Unseen Street"}))
        read = oms.get("SO-1001")
    assert (refused.status_code, taken.status_code, read.json()["addressFields"]) == (
        422,
        201,
        ["firstName", "addressLine1"],
    )
    said = refused.content.decode() + taken.content.decode() + read.content.decode() + caplog.text
    assert [word for word in ("Secretia", "Unseen", "Hidden", oms.token, oms.secret.plain) if word in said] == []
    assert SalesOrder.objects.get().customer_address["first_name"] == "Secretia"


@pytest.mark.parametrize(("method", "path", "scope"), [call for call in CALLS if "SO-1001" in call[1]])
def test_another_merchants_order_is_not_there(oms: Oms, other: Oms, method: str, path: str, scope: Any) -> None:
    """GET and DELETE answer 404; PUT makes an order of one's own and leaves the other's alone."""
    other.push(order(items=3))
    theirs = SalesOrder.objects.for_merchant(other.merchant).values().get()
    response = oms.call(method, path, order())
    assert response.status_code == (201 if method == "PUT" else 404)
    assert SalesOrder.objects.for_merchant(other.merchant).values().get() == theirs
    assert SalesOrder.objects.for_merchant(other.merchant).get().items.count() == 3


def test_pushing_and_listing_touch_ones_own_orders_only(oms: Oms, other: Oms) -> None:
    other.push(order("B"))
    other.push(order(items=2))
    assert oms.push(order()).status_code == 201
    assert oms.call("POST", f"{ROOT}:batch", [order("B")]).json()["counts"]["created"] == 1
    assert [each["clientOrderId"] for each in oms.call("GET", ROOT).json()["content"]] == ["SO-1001", "B"]
    assert oms.call("GET", "/api/v1/whoami").json()["merchant"] == oms.merchant.name
    assert SalesOrder.objects.for_merchant(other.merchant).get(external_order_id="SO-1001").items.count() == 2
