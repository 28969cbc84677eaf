"""Sales orders as ReBound holds them: finding them by id, mirroring them, counting what is taken."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from matching.id_rules import IdRules
from matching.models import SalesOrder
from matching.orders import amount_held, find_at_rebound, mirror, orders_with_id
from merchants.connections import rebound_for
from merchants.models import Merchant
from rebound_tts.clients.json_values import JsonObject
from rebound_tts.clients.rebound_answers import ReboundSalesOrder, read_sales_order
from tests.matching.conftest import Desk

EXACT = IdRules()


@pytest.fixture
def merchant(db: None) -> Merchant:
    return Merchant.objects.create(name="Fern & Co", created_at=timezone.now())


def told(**changes: Any) -> ReboundSalesOrder:
    """A sales order as ReBound tells it."""
    item = {"id": "item-1", "sku": "vest", "quantity": 2, "price": "20.00", "clientMetadata": {"omsItemId": "A"}}
    order = {"id": "order-1", "clientOrderId": "SO-1", "clientMetadata": {"omsOrderId": "SO-1"}, "salesItems": [item]}
    return read_sales_order(JsonObject.of({**order, **changes}, "answer"))


def item(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": f"item-{number}", "sku": f"sku-{number}", "quantity": 1, **changes}


def mirrored(merchant: Merchant, remote: ReboundSalesOrder) -> SalesOrder:
    return mirror(merchant=merchant, remote=remote, now=timezone.now())


def held(order: SalesOrder) -> list[tuple[str, bool]]:
    return [(each.rebound_id, each.removed_at is None) for each in order.items.order_by("position")]


def test_mirror_again_changes_nothing(merchant: Merchant, django_assert_max_num_queries: Any) -> None:
    remote = told(salesItems=[item(number) for number in range(50)])
    mirrored(merchant, remote)
    before = list(SalesOrder.objects.values("pk", "items__pk", "items__sku", "first_seen_at"))
    with django_assert_max_num_queries(7):  # savepoints too; however many items there are
        mirrored(merchant, remote)
    assert list(SalesOrder.objects.values("pk", "items__pk", "items__sku", "first_seen_at")) == before


def test_mirror_follows_changes_additions_and_removals(merchant: Merchant) -> None:
    mirrored(merchant, told(salesItems=[item(1), item(2), item(3)]))
    order = mirrored(merchant, told(salesItems=[item(3, sku="new"), item(4), item(1)]))
    assert held(order) == [("item-1", True), ("item-3", True), ("item-4", True)]
    assert order.items.get(rebound_id="item-3").sku == "new"


def test_item_that_a_return_matched_is_kept_and_marked_when_it_vanishes(desk: Desk) -> None:
    desk.story.sandbox.post("/settings", rebound_upsert=True)
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.matches(bought)
    order = SalesOrder.objects.get()
    gone = order.items.get().rebound_id
    remote = told(id=order.rebound_id, clientOrderId=order.external_order_id, salesItems=[item(7)])
    mirrored(order.merchant, remote)
    assert held(order) == [(gone, False), ("item-7", True)]
    mirrored(order.merchant, replace(remote, items=(replace(remote.items[0], id=gone), *remote.items)))
    assert held(order) == [(gone, True), ("item-7", True)]


def test_order_with_more_values_than_a_statement_takes(merchant: Merchant) -> None:
    """PostgreSQL and SQLite both count the values of a statement."""
    many = [item(number) for number in range(4000)]
    mirrored(merchant, told(salesItems=many))
    order = mirrored(merchant, told(salesItems=[each | {"sku": "new"} for each in many[:3500]]))
    assert order.items.filter(sku="new").count() == order.items.count() == 3500


def test_item_that_is_listed_twice_is_one(merchant: Merchant) -> None:
    for _ in range(2):
        order = mirrored(merchant, told(salesItems=[item(1), item(1)]))
    assert held(order) == [("item-1", True)]


def test_order_cancelled_and_reinstated(merchant: Merchant) -> None:
    first = mirrored(merchant, told(status="CANCELLED")).cancelled_at
    assert first is not None
    assert mirrored(merchant, told(status="cancelled")).cancelled_at == first
    assert mirrored(merchant, told(status="ACTIVE")).cancelled_at is None


def test_orders_of_one_id_belong_to_their_merchants(merchant: Merchant) -> None:
    other = Merchant.objects.create(name="Moss & Co", created_at=timezone.now())
    mine, theirs = mirrored(merchant, told()), mirrored(other, told())
    assert mine.pk != theirs.pk
    found = orders_with_id(merchant=merchant, external_order_id="SO-1", rules=EXACT)
    assert list(found) == [mine]


@pytest.mark.parametrize(
    ("rules", "asked", "found"),
    [
        (EXACT, "SO-1", True),
        (EXACT, "so-1", False),
        (EXACT, "SO-1 ", False),
        (EXACT, "SO-10", False),
        (EXACT, "", False),
        (IdRules(ignore_case=True), "so-1", True),
        (IdRules(strip_prefix="SO-"), "1", True),
        (IdRules(strip_prefix="SO-", ignore_case=True), "so-1", True),
        (IdRules(strip_prefix="SO-", trim_leading_zeros=True), "1", True),
        (IdRules(strip_suffix="-X"), "SO-1-X", True),
    ],
)
def test_order_is_found_by_its_id_under_the_rules(merchant: Merchant, rules: IdRules, asked: str, found: bool) -> None:
    order = mirrored(merchant, told())
    candidates = orders_with_id(merchant=merchant, external_order_id=asked, rules=rules)
    assert list(candidates) == ([order] if found else [])


def test_order_at_rebound_is_compared_again(desk: Desk) -> None:
    desk.story.sandbox.post("/settings", loose_sales_order_filter=True)
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    longer = replace(bought, external_order_id=f"{bought.external_order_id}9")
    desk.story.pushes(desk.player, longer, ("other", "vest", "20.00", 1))
    rebound = rebound_for(desk.player.shop.rebound_account)
    found = find_at_rebound(rebound=rebound, external_order_id=bought.external_order_id, rules=EXACT)
    assert [order.client_order_id for order in found] == [bought.external_order_id]


def test_every_spelling_is_looked_for_at_rebound(desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    plain = replace(bought, external_order_id=bought.external_order_id.removeprefix("SO-"))
    desk.story.pushes(desk.player, plain, ("other", "vest", "20.00", 1))
    rebound = rebound_for(desk.player.shop.rebound_account)
    rules = IdRules(strip_prefix="SO-")
    for asked in (bought.external_order_id, plain.external_order_id):
        found = find_at_rebound(rebound=rebound, external_order_id=asked, rules=rules)
        assert {order.client_order_id for order in found} == {bought.external_order_id, plain.external_order_id}


def test_id_that_is_too_long_is_a_conflict_and_no_missing_one(merchant: Merchant) -> None:
    order = mirrored(merchant, told(clientMetadata={"omsOrderId": "S" * 256}))
    assert (order.oms_order_id, order.metadata_conflict) == (None, "omsOrderId is longer than 255 characters")


@pytest.mark.parametrize(
    ("changes", "column", "value"),
    [
        ({"clientMetadata": {"omsItemId": "i" * 256}}, "external_item_id", None),
        ({"clientMetadata": {"omsItemId": "007"}}, "external_item_id", "007"),
        ({"clientMetadata": {"omsItemId": 7}}, "external_item_id", "7"),
        ({"price": "-1"}, "price", None),
        ({"price": "19.995"}, "price", Decimal("19.995")),
        ({"weight": "100000000"}, "weight", None),
        ({"countryOfOrigin": "PRT"}, "country_of_origin", ""),
        ({"countryOfOrigin": "PT"}, "country_of_origin", "PT"),
        ({"currencyCode": "EURO"}, "currency", ""),
        ({"sku": "s" * 300}, "sku", "s" * 255),
    ],
)
def test_item_is_held_as_far_as_a_column_holds_it(
    merchant: Merchant, changes: dict[str, Any], column: str, value: Any
) -> None:
    order = mirrored(merchant, told(salesItems=[item(1, **changes)]))
    assert getattr(order.items.get(), column) == value


@pytest.mark.parametrize(
    ("amount", "held_amount"),
    [
        (None, None),
        ("0", "0.0000"),
        ("9999999999.9999", "9999999999.9999"),
        ("9999999999.99999", None),
        ("10000000000", None),
        ("-0.01", None),
        ("0.00001", "0.0000"),
    ],
)
def test_amount_is_held_or_left_out(amount: str | None, held_amount: str | None) -> None:
    found = amount_held(Decimal(amount) if amount is not None else None)
    assert (str(found) if found is not None else None) == held_amount
