"""The relay: a pushed order ends up at ReBound once, in its newest version, whatever happens on the way."""

from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from matching.models import OrderRelay, SalesOrder
from matching.order_sync import cancel_order
from matching.relay import fill_relays, relay_body, relays_are_due
from merchants.models import ReboundAccount
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.conftest import Clock
from tests.factories import MerchantFactory, ReboundAccountFactory, SalesOrderFactory
from tests.matching.relay_desk import FIND, POST, Desk, body, facts, push


@pytest.fixture
def desk(sandbox: SandboxControl, db: None, clock: Clock) -> Desk:
    return Desk(sandbox, clock)


# The way there


def test_pushed_order_is_created_at_rebound_and_its_ids_are_kept(desk: Desk) -> None:
    desk.push()
    assert relays_are_due(now=timezone.now())
    assert desk.works() == 1
    desk.is_at_rebound_once()
    assert (desk.calls(POST), desk.calls(FIND), desk.works()) == (1, 0, 0)


def test_order_goes_as_it_was_pushed_without_what_is_ours(desk: Desk) -> None:
    desk.push(premiumOrder=True, note={"kept": "as it is"})
    order = SalesOrder.objects.get()
    sent = relay_body(order)
    assert sent == {
        "clientOrderId": "SO-1",
        "premiumOrder": True,
        "note": {"kept": "as it is"},
        "customerAddress": {"firstName": "Ada", "addressLine1": "14 Unseen Street", "countryCode": "GB"},
        "salesItems": [
            {
                "sku": "wool-socks",
                "quantity": 1,
                "price": "19.90",
                "currencyCode": "GBP",
                "clientMetadata": [{"key": "omsItemId", "value": "SO-1-1"}],
            }
        ],
        "clientMetadata": [{"key": "channel", "value": "7"}, {"key": "omsOrderId", "value": "SO-1"}],
    }


def test_account_that_does_not_relay_has_no_errands(desk: Desk) -> None:
    ReboundAccount.objects.update(relays_orders=False)
    desk.push()
    assert (OrderRelay.objects.count(), relays_are_due(now=timezone.now())) == (0, False)


def test_account_that_stops_relaying_keeps_its_errands_for_later(desk: Desk) -> None:
    desk.push()
    ReboundAccount.objects.update(relays_orders=False)
    assert (desk.works(), desk.held()) == (0, [])
    ReboundAccount.objects.update(relays_orders=True)
    desk.works()
    desk.is_at_rebound_once()


def test_pushing_the_same_again_sends_nothing(desk: Desk) -> None:
    desk.push()
    desk.works()
    desk.push()
    assert (desk.works(), desk.calls(POST)) == (0, 1)


def test_order_pushed_before_the_account_relayed_is_sent_when_it_is_pushed_again(desk: Desk) -> None:
    ReboundAccount.objects.update(relays_orders=False)
    desk.push()
    ReboundAccount.objects.update(relays_orders=True)
    desk.push()
    desk.works()
    desk.is_at_rebound_once()


def test_orders_from_before_are_queued_by_upkeep_once(desk: Desk) -> None:
    ReboundAccount.objects.update(relays_orders=False)
    push(desk.merchant, *(facts(f"SO-{number}") for number in range(5)))
    cancel_order(merchant=desk.merchant, external_order_id="SO-3", now=timezone.now())
    SalesOrderFactory(merchant=desk.merchant, external_order_id="R-1")  # read from ReBound: it is there already
    push(MerchantFactory(), facts("SO-9"))
    ReboundAccount.objects.update(relays_orders=True)
    assert [fill_relays(now=timezone.now(), most=4) for _ in range(4)] == [4, 2, 0, 0]
    queued = OrderRelay.objects.values_list("order__external_order_id", flat=True)
    assert sorted(queued) == ["SO-0", "SO-1", "SO-2", "SO-4"]
    desk.works()
    assert len(desk.held()) == 4


def test_another_account_takes_over_what_the_first_did_not_send(desk: Desk) -> None:
    desk.push()
    ReboundAccount.objects.update(relays_orders=False)
    second = desk.new_account(desk.merchant)
    while fill_relays(now=timezone.now()):
        pass
    desk.works()
    assert [order["client_id"] for order in desk.held()] == [second.client_id]


def test_only_one_account_of_a_merchant_relays(desk: Desk) -> None:
    with pytest.raises(IntegrityError):
        ReboundAccountFactory(merchant=desk.merchant, relays_orders=True)


def test_cancelled_order_is_not_sent_and_sent_when_it_stands_again(desk: Desk) -> None:
    desk.push()
    cancel_order(merchant=desk.merchant, external_order_id="SO-1", now=timezone.now())
    desk.works()
    assert (desk.held(), desk.row().state, desk.row().next_attempt_at) == ([], "CANCELLED", None)
    desk.push(updatedAt="2026-11-21T09:31:00Z")
    desk.works()
    desk.is_at_rebound_once()


# Another version


def test_newer_version_is_taken_by_a_rebound_that_upserts(desk: Desk) -> None:
    desk.sandbox.post("/settings", rebound_upsert=True)
    desk.push()
    desk.works()
    desk.push(quantity=3)
    desk.works()
    desk.is_at_rebound_once(quantity=3)


def test_newer_version_that_rebound_refuses_is_for_a_person_and_its_ids_stay(desk: Desk) -> None:
    desk.push()
    desk.works()
    desk.push(quantity=3)
    desk.works()
    row = desk.row()
    assert (row.state, row.asked, row.next_attempt_at) == ("CONFLICT", "", None)
    assert "keeps an earlier version" in row.detail
    assert [order["salesItems"][0]["quantity"] for order in desk.held()] == [1]
    assert SalesOrder.objects.get().rebound_id == desk.held()[0]["id"]


def test_order_that_the_oms_sent_to_rebound_too_is_adopted(desk: Desk) -> None:
    desk.sandbox.post("/sales-orders", client_id=desk.account.client_id, order=relay_like(body()))
    desk.push()
    desk.works()
    desk.is_at_rebound_once()


def relay_like(given: dict[str, Any]) -> dict[str, Any]:
    """The body as an OMS would send it to ReBound itself."""
    return given | {"clientMetadata": {"omsOrderId": given["clientOrderId"]}}


def test_several_orders_of_one_id_at_rebound_are_for_a_person(desk: Desk) -> None:
    for _ in range(2):
        desk.sandbox.post(
            "/sales-orders", client_id=desk.account.client_id, order=relay_like(body()), allow_duplicate=True
        )
    desk.push()
    desk.works()
    assert desk.row().state == "CONFLICT"
    assert "several orders" in desk.row().detail
    assert (SalesOrder.objects.get().rebound_id, desk.landed) == ("", [])


def test_loose_filter_at_rebound_mistakes_no_order_for_another(desk: Desk) -> None:
    desk.sandbox.post("/settings", loose_sales_order_filter=True)
    desk.sandbox.post("/sales-orders", client_id=desk.account.client_id, order=relay_like(body("SO-10")))
    desk.fault("drop_before")
    desk.push()
    desk.works()
    desk.later()
    assert sorted(order["clientOrderId"] for order in desk.held()) == ["SO-1", "SO-10"]
    assert desk.row().state == "DONE"
