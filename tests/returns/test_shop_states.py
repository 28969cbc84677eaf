"""Returns of shops that are not live, paused or disconnected: kept, at rest with a reason, taken up by themselves."""

import pytest
from django.utils import timezone

from merchants.models import Shop
from merchants.services import disconnect_shop, go_live, pause_shop, resume_shop
from rebound_tts.demo.cast import Player
from returns.models import ReturnPoll
from returns.polling import poll_due, polls_are_due
from returns.services import wake_mended
from tests.returns.scene import SEARCH, Scene


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.shopify


def wakes(scene: Scene) -> int:
    count = wake_mended(now=timezone.now())
    scene.work()
    return count


def shop(player: Player) -> Shop:
    return Shop.objects.select_related("authorization").get(pk=player.shop.pk)


def test_return_waits_until_its_shop_goes_live(scene: Scene, player: Player) -> None:
    Shop.objects.filter(pk=player.shop.pk).update(live_at=None)
    expected = scene.buys_and_returns(player)
    scene.sandbox.post("/calls/reset")
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("WAITING", "SHOP_NOT_LIVE")
    assert (scene.calls(), wakes(scene)) == ({}, 0)  # nothing of a buyer is fetched before
    go_live(shop=shop(player), open_id="o", seller_name="Test", text_version="1", now=timezone.now())
    assert wakes(scene) == 1
    assert scene.differences(expected) == ()


def test_shop_that_is_not_live_is_not_polled(scene: Scene, player: Player) -> None:
    others = Shop.objects.exclude(pk=player.shop.pk)
    others.update(live_at=None)
    assert (polls_are_due(now=timezone.now()), poll_due(now=timezone.now())) == (True, 1)
    assert list(ReturnPoll.objects.values_list("shop", flat=True)) == [player.shop.pk]
    assert not polls_are_due(now=timezone.now())
    others.update(live_at=timezone.now())
    assert polls_are_due(now=timezone.now())


def test_paused_shop_starts_nothing_new(scene: Scene, player: Player) -> None:
    pause_shop(shop=shop(player), now=timezone.now())
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("WAITING", "SHOP_PAUSED")
    assert (scene.at_rebound(), wakes(scene)) == ([], 0)
    resume_shop(shop=shop(player), now=timezone.now())
    assert wakes(scene) == 1
    assert scene.differences(expected) == ()


def test_paused_shop_ends_what_it_began(scene: Scene, player: Player) -> None:
    """A label that exists reaches its buyer, and a cancelled return is cancelled at ReBound."""
    begun, cancelled = scene.buys_and_returns(player), scene.buys_and_returns(player)
    scene.fault("tiktok", "status", status=500, path_contains="/shipping_documents", times=1)
    scene.starts(cancelled, begun)
    pause_shop(shop=shop(player), now=timezone.now())
    scene.mends()
    scene.passes(minutes=5)
    scene.changes(player, cancelled.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    assert scene.rest(begun.return_id) == ("DONE", "")
    assert scene.rest(cancelled.return_id) == ("CANCELLED", "")
    assert sorted(order["status"] for order in scene.at_rebound()) == ["ACTIVE", "CANCELLED"]


def test_disconnected_shop_calls_nobody(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    assert disconnect_shop(shop=shop(player), now=timezone.now())
    scene.sandbox.post("/calls/reset")
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("WAITING", "SHOP_DISCONNECTED")
    assert (scene.calls().get(SEARCH), wakes(scene)) == (None, 0)
