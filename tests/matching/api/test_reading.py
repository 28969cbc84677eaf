"""Reading back: one order with its matches, pages of them, who am I."""

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from matching.models import OrderRelay, SalesOrder
from merchants.models import ApiScope
from tests.factories import MatchFactory, ReboundAccountFactory, SalesOrderFactory, SalesOrderItemFactory, ShopFactory
from tests.matching.api.conftest import ROOT, Oms, order


def test_one_order_with_all_that_is_held(oms: Oms) -> None:
    item = {"quantity": 2, "price": "19.90", "weight": 0.25, "clientMetadata": {"omsItemId": "i"}}
    oms.push(order(salesItems=[item], updatedAt="2026-11-20T10:00:00+02:00", giftWrap=1))
    row = SalesOrder.objects.get()
    match = MatchFactory(shop=ShopFactory(merchant=oms.merchant), sales_order=row)
    MatchFactory(shop=match.shop, sales_order=row, return_id=match.return_id + "1", superseded_at=timezone.now())
    body = oms.get("SO-1001").json()
    assert body["salesItems"] == [
        {
            "id": str(row.items.get().pk),
            "sku": "",
            "quantity": 2,
            "clientMetadata": {"omsItemId": "i"},
            "description": "",
            "price": "19.9000",
            "currencyCode": "",
            "hsCode": "",
            "countryOfOrigin": "",
            "weight": "0.2500",
            "weightUnit": "",
            "removedAt": None,
        }
    ]
    assert (body["updatedAt"], body["cancelledAt"], body["source"], body["client"]) == (
        "2026-11-20T08:00:00Z",
        None,
        "PUSHED",
        oms.client.client_id,
    )
    assert [warning["pointer"] for warning in body["warnings"]] == ["/giftWrap", "/salesItems/0/currencyCode"]
    assert body["asSent"]["giftWrap"] == 1
    assert [(each["returnId"], each["shop"], each["outcome"]) for each in body["matches"]] == [
        (match.return_id, match.shop.name, "MATCHED")
    ]


def test_order_says_how_far_it_is_on_its_way_to_rebound(oms: Oms, other: Oms) -> None:
    account = ReboundAccountFactory(merchant=oms.merchant, relays_orders=True)
    oms.push(order())
    other.push(order())
    assert oms.get("SO-1001").json()["relay"].items() >= {"state": "QUEUED", "doneAt": None, "reboundId": None}.items()
    assert other.get("SO-1001").json()["relay"] is None
    row = OrderRelay.objects.get(account=account)
    OrderRelay.objects.update(state="DONE", done=row.wanted, done_at=row.queued_at, next_attempt_at=None)
    SalesOrder.objects.filter(merchant=oms.merchant).update(rebound_id="r-1")
    told = oms.get("SO-1001").json()["relay"]
    assert (told["state"], told["doneAt"], told["reboundId"]) == ("DONE", told["queuedAt"], "r-1")


def test_without_the_scope_matches_are_not_shown(oms: Oms) -> None:
    oms.push(order())
    less = Oms(oms.merchant, scopes=[ApiScope.ORDERS_READ])
    assert less.get("SO-1001").json()["matches"] is None


def test_an_order_that_came_from_rebound_can_be_read(oms: Oms) -> None:
    row = SalesOrderFactory(
        merchant=oms.merchant, payload={"id": "r1", "salesItems": ["?", {"clientMetadata": "?"}, {"x": 1}]}
    )
    SalesOrderItemFactory(order=row, external_item_id=None)
    body = oms.get(row.external_order_id).json()
    assert (body["source"], body["client"], body["warnings"], len(body["salesItems"])) == ("READ_THROUGH", None, [], 1)


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_hold_every_order_once(oms: Oms, limit: int) -> None:
    now = timezone.now()
    for number in range(7):
        SalesOrderFactory(merchant=oms.merchant, external_order_id=f"SO-{number}", updated_at=now)
    SalesOrderFactory()
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        suffix = f"&cursor={cursor}" if cursor else ""
        page = oms.call("GET", f"{ROOT}?limit={limit}{suffix}").json()
        found += [each["clientOrderId"] for each in page["content"]]
        assert len(page["content"]) <= limit
        cursor = page["nextCursor"]
    assert found == [f"SO-{number}" for number in range(7)]


def test_pages_can_start_after_a_time_or_hold_one_id(oms: Oms, django_assert_num_queries: Any) -> None:
    for number in range(3):
        oms.push(order(f"SO-{number}"))
    second = SalesOrder.objects.get(external_order_id="SO-1")
    with django_assert_num_queries(3 if connection.vendor == "postgresql" else 2):  # what is under way is waited for
        page = oms.call("GET", f"{ROOT}?updatedAfter={second.updated_at.isoformat()}").json()
    assert [each["clientOrderId"] for each in page["content"]] == ["SO-2"]
    page = oms.call("GET", f"{ROOT}?clientOrderId=SO-1").json()
    assert [each["clientOrderId"] for each in page["content"]] == ["SO-1"]
    assert oms.call("GET", f"{ROOT}?clientOrderId=%00").json()["content"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "limit=%C2%B2", "updatedAfter=yesterday", "updatedAfter=2026-11-20T10:00:00"]
    + [
        f"cursor={value}"
        for value in ("x", "!!", "%00", "bnVsbA", "WzEsMl0", "WyIyMDI2LTExLTIwIiwxXQ", "W10", "%C3%BC")
    ],
)
def test_a_parameter_that_cannot_be_used(oms: Oms, query: str) -> None:
    response = oms.call("GET", f"{ROOT}?{query}")
    assert response.status_code == 422
    assert [error["parameter"] for error in response.json()["errors"]] == [query.partition("=")[0]]


def test_who_am_i(oms: Oms) -> None:
    body = oms.call("GET", "/api/v1/whoami").json()
    expires_at = body.pop("tokenExpiresAt")
    assert body == {
        "merchant": oms.merchant.name,
        "clientId": oms.client.client_id,
        "clientName": "An OMS",
        "scopes": ["orders:write", "orders:read", "matches:read"],
    }
    assert expires_at.endswith("Z")
