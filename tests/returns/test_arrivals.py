"""An order pushed to our own API: the return that waits for it goes on, linked once ReBound holds the order too."""

import json
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from matching.models import SalesOrder
from matching.relay import claim_relays, relay
from merchants.api_access import create_client
from merchants.models import ReboundAccount, Shop
from returns import tasks
from returns.arrivals import wake_for_orders
from returns.models import TikTokReturn
from returns.services import claim_due
from tests.returns.conftest import InlinePool, jobs, the_return


@pytest.fixture
def push(client: Client, cast):
    """Push an order as the OMS of the second merchant does; answers the HTTP answer."""
    _, secret = create_client(
        merchant=cast.oms.shop.merchant, name="OMS", scopes=["orders:write", "orders:read"], now=timezone.now()
    )
    client_id = cast.oms.shop.merchant.api_clients.get().client_id
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret.plain}
    granted = client.post("/oauth2/token", urlencode(form), content_type="application/x-www-form-urlencoded")
    token = granted.json()["access_token"]

    def push(bought, *items: tuple[str, str, str, int], **metadata: str):
        body = {
            "clientOrderId": bought.external_order_id,
            "clientMetadata": {"omsOrderId": bought.external_order_id} | metadata,
            "salesItems": [
                {"sku": sku, "price": price, "quantity": quantity, "clientMetadata": {"omsItemId": oms_item_id}}
                for oms_item_id, sku, price, quantity in items
            ],
        }
        return client.post(
            "/api/v1/sales-orders",
            data=json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )

    return push


@pytest.fixture
def waiting(story, tell, work):
    """A return that waits for its order; answers what was bought and the return's id."""
    player = story.cast.oms
    bought = story.buys(player, ("usb-hub", "34.00", 1))
    story.references(player, bought, items={bought.lines[0]["id"]: "hub-1"})
    (return_id,) = story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
    tell(player, return_id, bought.order_id)
    work()
    assert (the_return(return_id).status, the_return(return_id).reason) == ("WAITING", "ORDER_AWAITED")
    return bought, return_id


def due_now() -> list[str]:
    return list(TikTokReturn.objects.due(now=timezone.now()).values_list("return_id", flat=True))


def test_pushed_order_wakes_the_return_that_waits_for_it(waiting, push, django_capture_on_commit_callbacks):
    bought, return_id = waiting
    assert due_now() == []
    with django_capture_on_commit_callbacks(execute=True):
        assert push(bought, ("hub-1", "usb-hub", "34.00", 1)).status_code == 201
    assert due_now() == [return_id]


def test_another_pushed_order_wakes_nothing(story, waiting, push, django_capture_on_commit_callbacks):
    other = story.buys(story.cast.oms, ("mug", "9.00", 1))
    with django_capture_on_commit_callbacks(execute=True):
        assert push(other, ("mug-1", "mug", "9.00", 1)).status_code == 201
    assert due_now() == []


def test_pushed_order_that_rebound_holds_too_is_linked(story, waiting, push, work, clock):
    bought, return_id = waiting
    story.pushes(story.cast.oms, bought, ("hub-1", "usb-hub", "34.00", 1))
    push(bought, ("hub-1", "usb-hub", "34.00", 1))
    clock.advance(seconds=3)
    work()
    row = the_return(return_id)
    assert (row.status, row.rebound_return.kind) == ("DONE", "LINKED")
    order = SalesOrder.objects.get(external_order_id=bought.external_order_id)
    assert (order.items.count(), bool(order.rebound_id), order.source) == (1, True, "PUSHED")


def test_pushed_order_that_rebound_does_not_hold_waits_and_then_goes_direct(waiting, push, work, clock):
    bought, return_id = waiting
    push(bought, ("hub-1", "usb-hub", "34.00", 1))
    clock.advance(seconds=3)
    work()
    assert (the_return(return_id).status, the_return(return_id).reason) == ("WAITING", "ORDER_AWAITED")
    clock.advance(seconds=30)
    work()
    row = the_return(return_id)
    assert (row.status, row.rebound_return.kind, row.rebound_return.direct_reason) == (
        "DONE",
        "DIRECT",
        "ORDER_NOT_AT_REBOUND",
    )


def test_pushed_order_that_we_relay_is_linked_without_another_push(story, waiting, push, clock):
    """One integration instead of two: ReBound has the order from us, and the return is woken by that."""
    bought, return_id = waiting
    ReboundAccount.objects.filter(pk=story.cast.oms.shop.rebound_account_id).update(relays_orders=True)
    push(bought, ("hub-1", "usb-hub", "34.00", 1))
    token, (key,) = claim_relays(now=timezone.now(), limit=8)
    assert claim_due(now=timezone.now(), limit=8)[1] == [the_return(return_id).pk]  # woken by the push
    TikTokReturn.objects.update(claimed_until=None, claim_token=None, next_attempt_at=None)
    relay(key, token=token, on_landed=wake_for_orders)
    assert due_now() == [return_id]  # and again by the relay


def test_drain_relays_and_links(story, waiting, push, monkeypatch):
    bought, return_id = waiting
    ReboundAccount.objects.filter(pk=story.cast.oms.shop.rebound_account_id).update(relays_orders=True)
    push(bought, ("hub-1", "usb-hub", "34.00", 1))
    monkeypatch.setattr(tasks, "_pool", InlinePool)
    monkeypatch.setattr(tasks, "_errand_pool", InlinePool)
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    tasks.drain()
    row = the_return(return_id)
    assert (row.status, row.rebound_return.kind) == ("DONE", "LINKED")


def test_push_rings_for_its_relay(story, cast, push, bell):
    ReboundAccount.objects.filter(pk=cast.oms.shop.rebound_account_id).update(relays_orders=True)
    bought = story.buys(cast.oms, ("mug", "9.00", 1))
    push(bought, ("mug-1", "mug", "9.00", 1))
    assert jobs() == ["returns.tasks.drain"]
    OrmQ.objects.all().delete()
    bell._rang_at = float("-inf")
    assert tasks.sweep() is True  # had the bell been lost


def test_push_rings_for_a_reference_to_write(story, cast, push, bell):
    Shop.objects.filter(pk=cast.oms.shop.pk).update(writes_references=True)
    bought = story.buys(cast.oms, ("mug", "9.00", 1))
    push(bought, ("mug-1", "mug", "9.00", 1))
    assert jobs() == []  # it names no order of TikTok's
    push(bought, ("mug-1", "mug", "9.00", 1), ttsOrderId=bought.order_id)
    assert jobs() == ["returns.tasks.drain"]


def test_push_that_nobody_waits_for_rings_nothing(story, cast, push, bell):
    push(story.buys(cast.oms, ("mug", "9.00", 1)), ("mug-1", "mug", "9.00", 1))
    assert jobs() == []


def test_order_that_the_oms_pushed_to_rebound_wakes_the_return_that_waits_for_it(story, waiting, clock):
    bought, return_id = waiting
    ReboundAccount.objects.filter(pk=story.cast.oms.shop.rebound_account_id).update(follows_orders=True)
    story.pushes(story.cast.oms, bought, ("hub-1", "usb-hub", "34.00", 1))
    assert due_now() == []
    tasks.upkeep()
    assert "returns.tasks.chore read_order_feeds" in jobs()
    tasks.read_order_feeds()
    assert due_now() == [return_id]
