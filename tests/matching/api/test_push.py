"""Pushing one order: POST, PUT and DELETE."""

from typing import Any
from urllib.parse import quote

import pytest

from matching.models import SalesOrder, SalesOrderItem
from tests.factories import ItemMatchFactory, MatchFactory, ShopFactory
from tests.matching.api.conftest import ROOT, Oms, order


def test_a_new_order_is_created_and_answered_as_rebound_does(oms: Oms) -> None:
    response = oms.push(order(clientMetadata=[{"key": "omsOrderId", "value": "SO-1001"}]))
    row = SalesOrder.objects.get()
    item = row.items.get()
    assert (response.status_code, response.json()) == (
        201,
        {
            "id": str(row.pk),
            "clientOrderId": "SO-1001",
            "salesItems": [
                {
                    "id": str(item.pk),
                    "sku": "wool-socks",
                    "quantity": 1,
                    "clientMetadata": {"omsItemId": "SO-1001-0"},
                }
            ],
            "clientMetadata": [{"key": "omsOrderId", "value": "SO-1001"}],
            "result": "created",
            "warnings": [],
        },
    )
    assert (row.merchant, row.api_client, row.oms_order_id) == (oms.merchant, oms.client, "SO-1001")


def test_flow_key_is_taken(oms: Oms) -> None:
    assert oms.call("POST", f"{ROOT}?flowKey=main", order()).status_code == 201


def test_repeats_say_what_they_did(oms: Oms) -> None:
    said = []
    for body in (order(), order(), order(items=2), order(items=2)):
        response = oms.push(body)
        said.append((response.status_code, response.json()["result"]))
    assert said == [(201, "created"), (200, "unchanged"), (200, "changed"), (200, "unchanged")]


def test_an_older_version_is_outdated(oms: Oms) -> None:
    oms.push(order(items=2, updatedAt="2026-11-20T10:00:00+01:00"))
    response = oms.push(order(items=1, updatedAt="2026-11-20T08:59:59Z", giftWrap=True))
    assert (response.status_code, response.json()["result"], response.json()["warnings"]) == (200, "outdated", [])
    assert len(response.json()["salesItems"]) == 2  # what we hold


def test_equal_content_of_a_later_time_makes_what_lies_between_outdated(oms: Oms) -> None:
    results = [
        oms.push(order(items=items, updatedAt=f"2026-11-20T10:00:0{second}Z")).json()["result"]
        for items, second in ((1, 1), (1, 3), (2, 2))
    ]
    assert results == ["created", "unchanged", "outdated"]


def test_unknown_fields_are_kept_and_warned_of(oms: Oms) -> None:
    response = oms.push(order(giftWrap={"color": "red"}))
    assert [warning["pointer"] for warning in response.json()["warnings"]] == ["/giftWrap"]
    assert SalesOrder.objects.get().payload["giftWrap"] == {"color": "red"}


@pytest.mark.parametrize("how", ["header", "query"])
def test_strict_refuses_unknown_fields(oms: Oms, how: str) -> None:
    body = order(giftWrap=True)
    response = oms.push(body, X_Strict="true") if how == "header" else oms.call("POST", f"{ROOT}?strict=true", body)
    assert response.status_code == 422
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [
        ("/giftWrap", "unknown_field")
    ]


def test_every_finding_is_answered_at_once(oms: Oms) -> None:
    body = order(salesItems=[{"quantity": 0, "currencyCode": "EURO"}], clientMetadata={"omsOrderId": "other"})
    response = oms.push(body)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert {key: response.json()[key] for key in ("type", "status", "detail")} == {
        "type": "/docs/errors#invalid_order",
        "status": 422,
        "detail": "Nothing was saved: 4 findings.",
    }
    assert [(error["pointer"], error["code"], error.get("value")) for error in response.json()["errors"]] == [
        ("/clientMetadata/omsOrderId", "oms_order_id_differs", "other"),
        ("/salesItems/0/currencyCode", "unknown_currency", "EURO"),
        ("/salesItems/0/quantity", "not_positive", "0"),
        ("/salesItems/0/clientMetadata/omsItemId", "oms_item_id_missing", None),
    ]
    assert SalesOrder.objects.count() == 0


IDS = ["WEB/2026#117", "a b?c=d&e%2F", "Ünïcode-注文-🧦", "/", "x/", "line\nbreak", "a//b", "' OR 1=1 --", "ΐ" * 100]


@pytest.mark.parametrize("order_id", IDS)
def test_put_get_and_delete_take_any_id(oms: Oms, order_id: str) -> None:
    path = f"{ROOT}/{quote(order_id, safe='')}"
    assert oms.call("PUT", path, order(order_id)).status_code == 201
    assert oms.call("PUT", path, order(order_id)).json()["result"] == "unchanged"
    assert oms.call("GET", path).json()["clientOrderId"] == order_id
    assert [oms.call("DELETE", path).status_code for _ in range(2)] == [204, 204]
    assert SalesOrder.objects.get(external_order_id=order_id).cancelled_at is not None


def test_put_refuses_another_id_than_its_path(oms: Oms) -> None:
    response = oms.call("PUT", f"{ROOT}/SO-1", order("SO-2"))
    assert response.status_code == 422
    assert [(error["pointer"], error["code"], error["value"]) for error in response.json()["errors"]] == [
        ("/clientOrderId", "id_differs_from_path", "SO-2")
    ]
    assert SalesOrder.objects.count() == 0


def test_a_cancelled_order_stands_again_with_a_newer_version_only(oms: Oms) -> None:
    body = order(updatedAt="2026-11-20T10:00:00Z")
    oms.push(body)
    oms.call("DELETE", f"{ROOT}/SO-1001")
    assert oms.push(body).json()["result"] == "outdated"
    assert SalesOrder.objects.get().cancelled_at is not None
    assert oms.push(body | {"updatedAt": "2026-11-20T10:00:01Z"}).json()["result"] == "changed"
    assert SalesOrder.objects.get().cancelled_at is None


def test_cancelling_an_order_that_is_not_there_is_404(oms: Oms) -> None:
    assert oms.call("DELETE", f"{ROOT}/SO-1").status_code == 404


def test_an_item_that_vanishes_is_kept_and_marked_where_a_return_matched_it(oms: Oms) -> None:
    oms.push(order(items=3))
    matched = SalesOrderItem.objects.get(external_item_id="SO-1001-1")
    match = MatchFactory(shop=ShopFactory(merchant=oms.merchant), sales_order=matched.order)
    ItemMatchFactory(match=match, item=matched)
    response = oms.push(order(items=1))
    assert [item["clientMetadata"]["omsItemId"] for item in response.json()["salesItems"]] == ["SO-1001-0"]
    rows = [(item.external_item_id, item.removed_at is None) for item in SalesOrderItem.objects.order_by("position")]
    assert rows == [("SO-1001-0", True), ("SO-1001-1", False)]
    oms.push(order(items=2))
    assert SalesOrderItem.objects.filter(removed_at__isnull=False).count() == 0


def test_many_items_that_vanish_at_once(oms: Oms) -> None:
    oms.push(order(items=450))
    assert [item["sku"] for item in oms.push(order(items=1)).json()["salesItems"]] == ["wool-socks"]
    assert SalesOrderItem.objects.count() == 1


def test_the_arrival_is_told_for_new_and_changed_orders_only(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    _hook(monkeypatch, lambda merchant, ids: told.append((merchant, list(ids))))
    oms.push(order())
    oms.push(order())
    oms.push(order(items=2))
    oms.call("POST", f"{ROOT}:batch", [order("B"), order(items=2), order("A"), {}])
    assert told == [(oms.merchant, ["SO-1001"]), (oms.merchant, ["SO-1001"]), (oms.merchant, ["A", "B"])]


def test_an_arrival_that_fails_does_not_fail_the_push(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(merchant: Any, ids: Any) -> None:
        raise RuntimeError("no queue")

    _hook(monkeypatch, fail)
    assert oms.push(order()).status_code == 201


def _hook(monkeypatch: pytest.MonkeyPatch, hook: Any) -> None:
    """Hand `hook` to the views, as `order_api(on_arrival=...)` does."""
    from django.urls import resolve  # noqa: PLC0415

    for path in (ROOT, f"{ROOT}:batch", f"{ROOT}/x"):
        monkeypatch.setitem(resolve(path).func.view_initkwargs, "on_arrival", hook)  # type: ignore[attr-defined]
