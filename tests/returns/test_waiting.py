"""Waiting for a sales order: at most the shop's match wait, tried again on a back-off, then direct."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from matching.models import Match
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Bought, Expected
from returns.by_hand import ActRefusedError, send_direct
from returns.models import TikTokReturn
from returns.services import run_again
from tests.returns.scene import Scene


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.oms


def waits(player: Player, **duration: float) -> None:
    player.shop.match_wait = timedelta(**duration)
    player.shop.save()


def unsynced(scene: Scene, player: Player, **options: Any) -> tuple[Bought, Expected]:
    """A return whose references are there and whose order is not, and what it comes to when the wait ends."""
    bought = scene.story.buys(player, ("bell", "6.00", 1))
    scene.story.references(player, bought, items={bought.lines[0]["id"]: "bell-1"})
    (return_id,) = scene.story.returns(player, bought, bought.lines[0]["id"], **options)
    return bought, replace(
        Expected("", player, return_id, units=0, kind="DIRECT"), outcome="NO_MATCH", reason="ORDER_NOT_SYNCED"
    )


def linked(expected: Expected) -> Expected:
    return replace(expected, outcome="MATCHED", reason="", kind="LINKED", units=1)


def arrives(scene: Scene, player: Player, bought: Bought) -> None:
    scene.story.pushes(player, bought, ("bell-1", "bell", "6.00", 1))


def test_return_waits_and_is_linked_when_its_order_arrives(scene: Scene, player: Player) -> None:
    waits(player, minutes=10)
    bought, direct = unsynced(scene, player)
    scene.starts(direct)
    assert scene.rest(direct.return_id) == ("WAITING", "ORDER_AWAITED")
    scene.passes(minutes=4)
    assert scene.at_rebound() == []
    arrives(scene, player, bought)
    scene.passes(minutes=2)
    assert scene.differences(linked(direct)) == ()


def test_wait_is_looked_into_many_times_and_decided_anew_once(scene: Scene, player: Player) -> None:
    waits(player, minutes=10)
    _, direct = unsynced(scene, player)
    scene.starts(direct)
    scene.passes(minutes=9)
    looks = [step for step, _ in scene.steps(direct.return_id)].count("MATCH")
    assert 8 <= looks <= 20
    assert Match.objects.count() == 1  # the same answer again adds no row
    scene.passes(minutes=2)
    assert scene.differences(direct) == ()


def test_wait_that_runs_out_ends_on_time(scene: Scene, player: Player) -> None:
    waits(player, minutes=10)
    _, direct = unsynced(scene, player)
    scene.starts(direct)
    scene.passes(minutes=9, seconds=50)
    assert scene.rest(direct.return_id) == ("WAITING", "ORDER_AWAITED")
    scene.passes(seconds=11)
    assert scene.differences(direct) == ()
    assert scene.row(direct.return_id).rebound_return.direct_reason == "ORDER_NOT_SYNCED"


def test_wait_of_zero_goes_direct_at_once(scene: Scene, player: Player) -> None:
    waits(player)
    _, direct = unsynced(scene, player)
    scene.starts(direct)
    assert scene.differences(direct) == ()


def test_wait_begins_when_the_seller_approves(scene: Scene, player: Player) -> None:
    waits(player, minutes=10)
    _, direct = unsynced(scene, player, return_status="RETURN_OR_REFUND_REQUEST_PENDING")
    scene.starts(direct)
    scene.passes(hours=5)
    scene.changes(player, direct.return_id, return_status="AWAITING_BUYER_SHIP")
    assert scene.rest(direct.return_id) == ("WAITING", "ORDER_AWAITED")
    scene.passes(minutes=11)
    assert scene.differences(direct) == ()


def test_restart_in_between_changes_nothing(scene: Scene, player: Player) -> None:
    """Webhooks and reruns that come during the wait do not make it longer."""
    waits(player, minutes=10)
    _, direct = unsynced(scene, player)
    scene.starts(direct)
    for _ in range(4):
        scene.passes(minutes=2)
        scene.hints(player, direct.return_id)
        run_again([scene.row(direct.return_id)], now=timezone.now())
        scene.work()
    scene.passes(minutes=2, seconds=1)
    assert scene.differences(direct) == ()


def test_reference_that_the_oms_writes_late_is_waited_for(scene: Scene, player: Player) -> None:
    waits(player, minutes=10)
    bought = scene.story.buys(player, ("bell", "6.00", 1))
    arrives(scene, player, bought)
    (return_id,) = scene.story.returns(player, bought, bought.lines[0]["id"])
    expected = Expected("", player, return_id)
    scene.starts(expected)
    assert Match.objects.get().reason == "NO_EXTERNAL_REF"
    scene.story.references(player, bought, items={bought.lines[0]["id"]: "bell-1"})
    scene.passes(minutes=1)
    assert scene.differences(expected) == ()


def test_item_that_the_order_lacks_is_waited_for(scene: Scene, player: Player) -> None:
    waits(player, minutes=10)
    scene.settings(rebound_upsert=True)
    bought, direct = unsynced(scene, player)
    scene.story.pushes(player, bought, ("other-1", "other", "6.00", 1))
    scene.starts(direct)
    assert Match.objects.get().reason == "ITEM_REF_UNKNOWN"
    scene.story.pushes(player, bought, ("other-1", "other", "6.00", 1), ("bell-1", "bell", "6.00", 1))
    scene.passes(minutes=1)
    assert scene.differences(linked(direct)) == ()


@pytest.mark.parametrize(("remote", "path"), [("tiktok", "/external_orders"), ("rebound", "/sales-orders")])
def test_look_up_that_keeps_failing_goes_direct_when_the_wait_ends(
    scene: Scene, player: Player, remote: str, path: str
) -> None:
    waits(player, minutes=3)
    expected = scene.buys_and_returns(player)
    scene.fault(remote, "status", status=500, path_contains=path, method="GET", times=1000)
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("WAITING", "ORDER_AWAITED")
    scene.passes(minutes=4)
    failed = replace(expected, outcome="NO_MATCH", reason="LOOKUP_FAILED", kind="DIRECT", units=0)
    assert scene.differences(failed) == ()


def test_two_orders_of_one_id_at_rebound_are_ambiguous(scene: Scene, player: Player) -> None:
    bought, direct = unsynced(scene, player)
    arrives(scene, player, bought)
    order = {"clientOrderId": bought.external_order_id, "salesItems": []}
    scene.sandbox.post("/sales-orders", client_id=player.client_id, order=order, allow_duplicate=True)
    scene.starts(direct)
    assert scene.differences(replace(direct, reason="AMBIGUOUS_ORDER")) == ()


def test_loose_filter_at_rebound_links_to_no_other_order(scene: Scene, player: Player) -> None:
    scene.settings(loose_sales_order_filter=True)
    bought, direct = unsynced(scene, player)
    for longer in (f"{bought.external_order_id}0", f"X{bought.external_order_id}", bought.external_order_id.lower()):
        arrives(scene, player, replace(bought, external_order_id=longer))
    scene.starts(direct)
    scene.passes(minutes=1)
    assert scene.differences(direct) == ()


def test_cancelled_sales_order_is_not_linked_to(scene: Scene, player: Player) -> None:
    bought, direct = unsynced(scene, player)
    arrives(scene, player, bought)
    (order,) = scene.sandbox.get("/state")["sales_orders"]
    scene.sandbox.post(f"/sales-orders/{order['id']}", status="CANCELLED")
    scene.starts(direct)
    assert scene.differences(replace(direct, reason="ORDER_CANCELLED")) == ()


@pytest.mark.parametrize("shape", ["A", "B", "C"])
def test_metadata_is_read_in_every_shape(scene: Scene, player: Player, shape: str) -> None:
    scene.settings(metadata_shape=shape)
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    assert scene.differences(expected) == ()


def test_oms_order_id_that_differs_is_not_linked_to(scene: Scene, player: Player) -> None:
    bought, direct = unsynced(scene, player)
    metadata = [{"key": "omsOrderId", "value": "SO-ANOTHER"}]
    items = [{"sku": "bell", "quantity": 1, "clientMetadata": [{"key": "omsItemId", "value": "bell-1"}]}]
    order = {"clientOrderId": bought.external_order_id, "clientMetadata": metadata, "salesItems": items}
    scene.sandbox.post("/sales-orders", client_id=player.client_id, order=order)
    scene.starts(direct)
    assert scene.differences(replace(direct, reason="METADATA_CONFLICT")) == ()


def test_partly_matched_goes_direct_where_the_shop_says_so(scene: Scene) -> None:
    player = scene.story.cast.shopify
    player.shop.partly_matched_goes_direct = True
    player.shop.save()
    expected = scene.story.partly_matched()
    scene.starts(expected)
    scene.passes(minutes=1)
    assert scene.differences(replace(expected, kind="DIRECT", units=0)) == ()
    assert scene.row(expected.return_id).rebound_return.direct_reason == "ITEM_REF_MISSING"


def test_send_direct_ends_the_wait(scene: Scene, player: Player) -> None:
    waits(player, hours=24)
    _, direct = unsynced(scene, player)
    scene.starts(direct)
    send_direct(tiktok_return=scene.row(direct.return_id), by="manager", reason="no order", now=timezone.now())
    scene.work()
    assert scene.differences(direct) == ()
    assert scene.row(direct.return_id).rebound_return.direct_reason == "ASKED_BY_A_PERSON"
    with pytest.raises(ActRefusedError, match="created at ReBound already"):
        send_direct(tiktok_return=scene.row(direct.return_id), by="manager", reason="again", now=timezone.now())


def test_send_direct_is_heard_by_a_claim_that_is_at_it(
    scene: Scene, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim has looked already and would rest until the next look, two minutes later."""
    waits(player, hours=24)
    _, direct = unsynced(scene, player)
    monkeypatch.setattr(
        "returns.services._wait_for_the_order",
        lambda journey: (
            (
                TikTokReturn.objects.filter(direct_asked_at=None).exists()
                and send_direct(tiktok_return=journey.tiktok_return, by="manager", reason="now", now=timezone.now())
            )
            and timedelta(minutes=2)
        ),
    )
    scene.starts(direct)
    assert scene.differences(direct) == ()


def test_run_again_keeps_what_is_done(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    assert run_again([scene.row(expected.return_id)], now=timezone.now()) == 1
    scene.work()
    assert scene.differences(expected) == ()
    assert len(scene.at_rebound()) == 1
