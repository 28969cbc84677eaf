"""Storing pushed orders: any order of arrival, repeated and interleaved, ends in the same state."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching import order_sync
from matching.models import OrderSource, SalesOrder, SalesOrderItem
from matching.order_body import OrderFacts, check_order
from matching.order_sync import Pushed, Result, push_orders
from merchants.models import Merchant
from tests.conftest import in_threads
from tests.factories import MerchantFactory, SalesOrderFactory, SalesOrderItemFactory

START = datetime(2026, 11, 20, tzinfo=UTC)


def version(order_id: str, number: int, *, versioned: bool = True) -> OrderFacts:
    """Version `number` of an order; its items and its text follow from the number, every third is equal."""
    shape = number % 3
    body: dict[str, Any] = {
        "clientOrderId": order_id,
        "clientMetadata": {"omsOrderId": order_id},
        "businessUnit": f"unit {shape}",
        "salesItems": [
            {"quantity": shape + 1, "clientMetadata": {"omsItemId": f"{order_id}-{item}"}}
            for item in range(shape, 2 * shape + 2)
        ],
    }
    if versioned:
        body["updatedAt"] = (START + timedelta(seconds=number)).isoformat()
    checked = check_order(body)
    assert isinstance(checked, OrderFacts)
    return checked


def push(merchant: Merchant, *orders: OrderFacts) -> list[Pushed]:
    return push_orders(merchant=merchant, orders=orders, source=OrderSource.PUSHED, client=None, now=timezone.now())


def state(merchant: Merchant) -> list[Any]:
    return [
        (
            order.external_order_id,
            order.version_at,
            order.payload["businessUnit"],
            sorted((item.external_item_id, item.quantity, item.removed_at) for item in order.items.all()),
        )
        for order in SalesOrder.objects.for_merchant(merchant).order_by("external_order_id")
    ]


PUSHES = st.lists(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 7)), min_size=1, max_size=3), max_size=8)


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pushes=PUSHES)
def test_any_order_of_arrival_ends_in_the_same_state(pushes: list[list[tuple[str, int]]]) -> None:
    newest = {
        name: max(number for push in pushes for each, number in push if each == name)
        for name in sorted({each for push in pushes for each, _ in push})
    }
    mixed, plain = MerchantFactory(), MerchantFactory()
    for each in pushes:
        push(mixed, *(version(name, number) for name, number in each))
    for name, number in newest.items():
        push(plain, version(name, number))
    assert state(mixed) == state(plain)


@pytest.mark.django_db
def test_without_versions_the_last_push_stands() -> None:
    merchant = MerchantFactory()
    results = [push(merchant, version("A", number, versioned=False))[0].result for number in (1, 2, 2, 1)]
    assert results == [Result.CREATED, Result.CHANGED, Result.UNCHANGED, Result.CHANGED]


@pytest.mark.django_db
def test_results_stand_in_the_order_given() -> None:
    merchant = MerchantFactory()
    pushed = push(merchant, version("B", 1), version("A", 2), version("B", 2), version("A", 1))
    assert [(each.external_order_id, each.result) for each in pushed] == [
        ("B", Result.OUTDATED),
        ("A", Result.CREATED),
        ("B", Result.CREATED),
        ("A", Result.OUTDATED),
    ]


@pytest.mark.django_db
def test_an_order_that_was_read_from_rebound_is_completed_by_a_push() -> None:
    row = SalesOrderFactory(external_order_id="A", rebound_id="r-1")
    SalesOrderItemFactory(order=row, external_item_id="A-1", rebound_id="i-1", position=0)
    SalesOrderItemFactory(order=row, external_item_id="gone", position=1)
    [pushed] = push(row.merchant, version("A", 1))
    row.refresh_from_db()
    assert (pushed.result, pushed.order_id, row.rebound_id, row.source) == (
        Result.CHANGED,
        row.pk,
        "r-1",
        OrderSource.PUSHED,
    )
    found = [(item.external_item_id, item.rebound_id) for item in row.items.order_by("position")]
    assert found == [("A-1", "i-1"), ("A-2", ""), ("A-3", "")]


@pytest.mark.django_db
def test_a_row_that_another_push_made_meanwhile_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The race between looking and inserting, made certain."""
    merchant = MerchantFactory()
    real = order_sync.insert_orders
    other: list[Any] = []

    def late(new: list[OrderFacts], **more: Any) -> Any:
        if not other:
            other.append(None)
            push(merchant, version("A", 1))
        return real(new, **more)

    monkeypatch.setattr(order_sync, "insert_orders", late)
    pushed = push(merchant, version("A", 2), version("B", 1))
    assert [each.result for each in pushed] == [Result.CHANGED, Result.CREATED]
    assert [(name, unit) for name, _, unit, _ in state(merchant)] == [("A", "unit 2"), ("B", "unit 1")]


needs_rivals = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer at a time; the race is run on PostgreSQL"
)


@needs_rivals
@pytest.mark.django_db(transaction=True)
def test_two_pushes_of_one_order_at_once_end_in_one_order_with_one_set_of_items() -> None:
    for attempt in range(10):
        merchant = MerchantFactory()
        name = f"A{attempt}"
        results = in_threads(2, lambda number: push(merchant, version(name, number + 1))[0].result)  # noqa: B023
        assert state(merchant) == [
            (name, START + timedelta(seconds=2), "unit 2", sorted((f"{name}-{item}", 3, None) for item in range(2, 6)))
        ]
        assert results.count(Result.CREATED) == 1


@needs_rivals
@pytest.mark.django_db(transaction=True)
def test_six_overlapping_pushers_do_not_deadlock() -> None:
    merchant = MerchantFactory()

    def work(number: int) -> None:
        for turn in range(6):
            names = [f"SO-{(number * 7 + turn * 5 + step * 11) % 40:02}" for step in range(20)]
            push(merchant, *(version(name, turn * 6 + number) for name in names))

    in_threads(6, work)
    assert SalesOrder.objects.count() == 40
    for order in SalesOrder.objects.all():
        ids = [item.external_item_id for item in order.items.all()]
        assert len(ids) == len(set(ids))
    assert SalesOrderItem.objects.values("order", "position").distinct().count() == SalesOrderItem.objects.count()


@pytest.mark.django_db
def test_look_for_many_orders_goes_by_their_ids_though_there_are_no_statistics():
    merchant = MerchantFactory()
    now = timezone.now()
    push_orders(
        merchant=merchant,
        orders=[version(f"O-{number}", 0) for number in range(3000)],
        source=OrderSource.FILE,
        client=None,
        now=now,
    )
    ids = [f"O-{number}" for number in range(500)]
    look = order_sync.LOOK_EACH[connection.vendor]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {look}", [json.dumps(ids), merchant.pk])
            steps = [row[3] for row in cursor.fetchall()]
            assert steps[0].startswith("SCAN wanted")
            assert steps[1].endswith("(merchant_id=? AND external_order_id=?)")
            return
        cursor.execute(f"EXPLAIN {look}", [ids, merchant.pk])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Scan using one_order_a_merchant_and_external_id" in plan
    assert "Seq Scan" not in plan
    assert "Bitmap" not in plan
