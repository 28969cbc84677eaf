"""How many returns found their order, as an OMS reads it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.factories import MatchFactory, ShopFactory
from tests.matching.api.conftest import Oms

PATH = "/api/v1/match-coverage"


def lacking(shop: Any, reason: str, **columns: Any) -> Any:
    columns = {"sales_order": None, "external_order_id": "SO-9", "outcome": "NO_MATCH"} | columns
    return MatchFactory(shop=shop, reason=reason, **columns)


def test_returns_by_outcome_and_what_they_lacked(oms: Oms, other: Oms, django_assert_num_queries: Any) -> None:
    shop = ShopFactory(merchant=oms.merchant)
    MatchFactory.create_batch(3, shop=shop)
    MatchFactory(shop=shop, outcome="PARTLY_MATCHED", reason="ITEM_REF_UNKNOWN", external_order_id="SO-1")
    missing = lacking(shop, "ORDER_NOT_SYNCED")
    lacking(shop, "ORDER_NOT_SYNCED", superseded_at=timezone.now())
    lacking(shop, "ORDER_NOT_SYNCED", decided_at=timezone.now() - timedelta(days=31))
    lacking(shop, "MATCHING_OFF", outcome="NOT_ASKED", external_order_id="")
    lacking(ShopFactory(merchant=other.merchant), "ORDER_NOT_SYNCED")
    with django_assert_num_queries(3):
        body = oms.call("GET", PATH).json()
    counts = ("returns", "matched", "partlyMatched", "orderOnly", "noMatch", "notAsked")
    assert [body[name] for name in counts] == [6, 3, 1, 0, 1, 1]
    assert [(each["reason"], each["returns"], each["meaning"] is None) for each in body["reasons"]] == [
        ("ITEM_REF_UNKNOWN", 1, False),
        ("MATCHING_OFF", 1, True),
        ("ORDER_NOT_SYNCED", 1, False),
    ]
    assert [each["clientOrderId"] for each in body["lacking"]] == ["SO-9", "SO-1"]
    assert body["lacking"][0]["returnId"] == missing.return_id
    assert oms.call("GET", f"{PATH}?days=90").json()["noMatch"] == 2


@pytest.mark.parametrize("days", ["0", "91", "x", ""])
def test_days_have_a_range(oms: Oms, days: str) -> None:
    assert oms.call("GET", f"{PATH}?days={days}").status_code == 422
