"""Returns that travel in one parcel: one ReBound return, one label, for whoever joins and while anyone needs it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from matching.models import ItemMatch
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Bought, Expected
from returns.models import ReboundReturn, TikTokReturn
from returns.services import advance, claim_due
from tests.returns.scene import CREATION, UPLOAD, Scene

CANCEL = "RETURN_OR_REFUND_REQUEST_CANCEL"


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.shopify


@pytest.fixture
def bought(scene: Scene, player: Player) -> Bought:
    return scene.story.synced(player, ("vest", "20.00", 1), ("cap", "15.00", 1), ("belt", "9.00", 1))


@pytest.fixture
def returned(scene: Scene, player: Player, bought: Bought) -> Callable[..., list[Expected]]:
    """Returns of these lines in one parcel."""

    def returned(*lines: int, parcel: str = "40340000000000001", **options: object) -> list[Expected]:
        ids = scene.story.returns(
            player,
            bought,
            *(bought.lines[number]["id"] for number in lines),
            combined_return_id=parcel,
            webhook={"send": False},
            **options,
        )
        return [Expected("", player, return_id, units=len(ids)) for return_id in ids]

    return returned


def test_parcel_has_one_rebound_return_and_one_upload(scene: Scene, returned: Callable[..., list[Expected]]) -> None:
    told = returned(0, 1, 2)
    scene.starts(*told)
    assert [scene.differences(each) for each in told] == [()] * 3
    assert (scene.calls()[CREATION], scene.calls()[UPLOAD]) == (1, 1)
    assert len({scene.sandbox.label_of(each.return_id) for each in told}) == 1
    (order,) = scene.at_rebound()
    assert order["rmaNumber"].endswith("-40340000000000001")
    assert sorted(item["sku"] for item in order["items"]) == ["belt", "cap", "vest"]


def test_parcel_is_found_whole_from_one_webhook(scene: Scene, returned: Callable[..., list[Expected]]) -> None:
    told = returned(0, 1)
    scene.starts(told[1])
    assert [scene.differences(each) for each in told] == [()] * 2


def test_return_that_joins_late_gets_the_same_label(scene: Scene, returned: Callable[..., list[Expected]]) -> None:
    (early,) = returned(0)
    scene.starts(early)
    (late,) = returned(1)
    scene.starts(late)
    assert scene.differences(early) == ()
    assert scene.differences(replace(late, shares_label_with=early.return_id)) == ()
    assert scene.calls()[CREATION] == 1


def test_return_that_joins_late_does_not_wait_for_its_order(
    scene: Scene, player: Player, returned: Callable[..., list[Expected]]
) -> None:
    player.shop.match_wait = timedelta(hours=1)
    player.shop.save()
    (early,) = returned(0)
    scene.starts(early)
    scene.fault("tiktok", "status", status=500, path_contains="/external_orders", times=9)
    (late,) = returned(1)
    scene.starts(late)
    assert scene.uploads(late.return_id) == scene.uploads(early.return_id)


def test_return_with_a_label_that_is_combined_afterwards_shares_it(
    scene: Scene, player: Player, bought: Bought, returned: Callable[..., list[Expected]]
) -> None:
    (alone,) = scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
    scene.starts(Expected("", player, alone))
    (late,) = returned(1)
    scene.changes(player, alone, is_combined_return=True, combined_return_id="40340000000000001")
    scene.starts(late)
    assert scene.uploads(late.return_id) == scene.uploads(alone)
    assert len(scene.at_rebound()) == 1


def test_one_that_is_cancelled_leaves_the_parcel_to_the_others(
    scene: Scene, player: Player, returned: Callable[..., list[Expected]]
) -> None:
    first, second = returned(0, 1)
    scene.starts(first, second)
    scene.changes(player, first.return_id, return_status=CANCEL)
    assert scene.rest(first.return_id) == ("CANCELLED", "")
    assert scene.differences(second) == ()
    assert ItemMatch.objects.filter(released_at=None).count() == 1


def test_last_one_that_is_cancelled_cancels_the_parcel(
    scene: Scene, player: Player, returned: Callable[..., list[Expected]]
) -> None:
    told = returned(0, 1)
    scene.starts(*told)
    for each in told:
        scene.changes(player, each.return_id, return_status=CANCEL)
    assert [scene.rest(each.return_id) for each in told] == [("CANCELLED", "")] * 2
    assert [order["status"] for order in scene.at_rebound()] == ["CANCELLED"]
    assert not ItemMatch.objects.filter(released_at=None).exists()


def test_one_that_is_cancelled_leaves_a_parcel_that_is_on_its_way(
    scene: Scene, player: Player, returned: Callable[..., list[Expected]]
) -> None:
    first, second = returned(0, 1)
    scene.starts(first, second)
    scene.changes(player, second.return_id, return_status="BUYER_SHIPPED_ITEM")
    scene.changes(player, first.return_id, return_status=CANCEL)
    assert [scene.rest(each.return_id) for each in (first, second)] == [("CANCELLED", ""), ("DONE", "")]
    assert [order["status"] for order in scene.at_rebound()] == ["ACTIVE"]


def test_return_that_joins_a_cancelled_parcel_gets_a_label_of_its_own(
    scene: Scene, player: Player, returned: Callable[..., list[Expected]]
) -> None:
    (first,) = returned(0)
    scene.starts(first)
    scene.changes(player, first.return_id, return_status=CANCEL)
    (late,) = returned(1)
    scene.starts(late)
    assert scene.differences(late) == ()
    assert [order["status"] for order in scene.at_rebound()] == ["CANCELLED", "ACTIVE"]
    assert scene.uploads(late.return_id) != scene.uploads(first.return_id)


def test_parcel_of_two_orders_goes_direct(scene: Scene, player: Player) -> None:
    """Both wait for their orders, so that neither is created before it is known that they belong to two."""
    told, bought = [], [scene.story.buys(player, (sku, "20.00", 1)) for sku in ("vest", "cap")]
    for each in bought:
        line = each.lines[0]["id"]
        scene.story.references(player, each, items={line: "item-1"})
        ids = scene.story.returns(player, each, line, combined_return_id="40340000000000002", webhook={"send": False})
        told += [Expected("", player, return_id, kind="DIRECT", units=0) for return_id in ids]
    scene.starts(*told)
    for each in bought:
        scene.story.pushes(player, each, ("item-1", "thing", "20.00", 1))
    scene.passes(minutes=1)
    assert [scene.differences(each) for each in told] == [()] * 2
    assert scene.row(told[0].return_id).rebound_return.direct_reason == "PARCEL_OF_SEVERAL_ORDERS"
    assert len(scene.at_rebound()) == 1


def test_one_creates_while_the_other_waits(scene: Scene, returned: Callable[..., list[Expected]]) -> None:
    """The leader's claim ends without an answer; until its lease is over no other creates."""
    first, second = returned(0, 1)
    scene.fault("rebound", "status", status=429, method="POST", path_contains="/return-orders", times=1)
    scene.hints(first.player, first.return_id)
    scene.hints(second.player, second.return_id)
    token, keys, _ = claim_due(now=timezone.now(), limit=1)
    advance(keys[0], token=token)
    scene.work()
    assert sorted(TikTokReturn.objects.values_list("reason", flat=True)) == ["REMOTE_BUSY", "SIBLING_AWAITED"]
    scene.passes(seconds=10)
    assert [scene.differences(each) for each in (first, second)] == [()] * 2
    assert scene.calls()[CREATION] == 2  # the one that was refused, and the one that was not


def test_other_takes_the_lead_when_the_leader_is_gone(scene: Scene, returned: Callable[..., list[Expected]]) -> None:
    first, second = returned(0, 1)
    scene.fault("rebound", "drop_after", method="POST", path_contains="/return-orders")
    scene.hints(first.player, first.return_id)
    token, keys, _ = claim_due(now=timezone.now(), limit=1)
    advance(keys[0], token=token)
    TikTokReturn.objects.filter(pk=keys[0]).update(next_attempt_at=timezone.now() + timedelta(days=1))
    scene.starts(second)
    assert scene.rest(second.return_id) == ("WAITING", "SIBLING_AWAITED")
    scene.passes(seconds=70)
    assert [scene.differences(each) for each in (first, second)] == [()] * 2
    assert ReboundReturn.objects.get().led_by.return_id == second.return_id
    assert len(scene.at_rebound()) == 1


def test_upload_that_one_of_several_refuses_reaches_the_others(
    scene: Scene, player: Player, returned: Callable[..., list[Expected]]
) -> None:
    """The second was cancelled in the moment before the upload; the first must not go without a label."""
    first, second = returned(0, 1)
    scene.fault("tiktok", "code", code=25023001, path_contains="/shipping_documents", times=1)
    scene.starts(first, second)
    scene.passes(minutes=1)
    assert [scene.differences(each) for each in (first, second)] == [()] * 2
