"""What TikTok says later: shipped, closed, rejected, cancelled, edited, approved; and what never was ours."""

from dataclasses import replace

import pytest
from django.utils import timezone

from matching.models import ItemMatch, Match
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Expected
from returns.models import ReboundReturn
from returns.services import run_again
from tests.returns.scene import CREATION, Scene

CANCEL = "RETURN_OR_REFUND_REQUEST_CANCEL"
PENDING = "RETURN_OR_REFUND_REQUEST_PENDING"
REJECT = "REFUND_OR_RETURN_REQUEST_REJECT"
SHIP = "AWAITING_BUYER_SHIP"
UPLOADING = {"remote": "tiktok", "path_contains": "/shipping_documents"}


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.oms


def statuses(scene: Scene) -> list[str]:
    return [order["status"] for order in scene.at_rebound()]


def held_units() -> int:
    return ItemMatch.objects.filter(item__isnull=False, released_at=None).count()


@pytest.mark.parametrize(
    "status",
    [
        "BUYER_SHIPPED_ITEM",
        "REJECT_RECEIVE_PACKAGE",
        "RETURN_OR_REFUND_REQUEST_SUCCESS",
        "RETURN_OR_REFUND_REQUEST_COMPLETE",
    ],
)
def test_return_with_its_label_stays_done(scene: Scene, player: Player, status: str) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    scene.changes(player, expected.return_id, return_status=status)
    assert scene.differences(expected) == ()
    assert (scene.row(expected.return_id).return_status, statuses(scene)) == (status, ["ACTIVE"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"return_type": "REFUND", "return_status": PENDING}, "REFUND_ONLY"),
        ({"return_type": "REFUND", "return_status": "RETURN_OR_REFUND_REQUEST_SUCCESS"}, "REFUND_ONLY"),
        ({"can_buyer_keep_item": True, "return_status": "RETURN_OR_REFUND_REQUEST_SUCCESS"}, "BUYER_KEEPS_ITEM"),
        ({"return_method": "PLATFORM_SHIPPED"}, "PLATFORM_LABEL"),
        ({"return_method": "BUYER_SHIPPED"}, "BUYER_SHIPS"),
        ({"return_status": "BUYER_SHIPPED_ITEM"}, "ALREADY_SHIPPED"),
        ({"return_status": "RETURN_OR_REFUND_REQUEST_COMPLETE"}, "CLOSED"),
        ({"return_status": REJECT}, "REJECTED"),
    ],
)
def test_return_that_needs_no_label_is_left_alone(
    scene: Scene, player: Player, options: dict[str, object], reason: str
) -> None:
    expected = scene.buys_and_returns(player, **options)
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("NOT_OURS", reason)
    assert (scene.at_rebound(), Match.objects.count()) == ([], 0)


def test_label_of_others_is_left_alone(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.sandbox.post(f"/returns/{expected.return_id}", return_tracking_number="1Z-9", webhook={"send": False})
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("NOT_OURS", "LABEL_BY_OTHERS")
    assert scene.at_rebound() == []


@pytest.mark.parametrize(
    ("field", "reason"), [("status", "UNKNOWN_RETURN_STATUS"), ("method", "UNKNOWN_RETURN_METHOD")]
)
def test_unknown_value_asks_for_a_person_and_is_looked_at_again(
    scene: Scene, player: Player, field: str, reason: str
) -> None:
    expected = scene.buys_and_returns(player)
    shown = {
        name: value for name, value in scene.tiktok(expected.return_id).items() if name not in {"uploads", "shop_id"}
    }
    odd = {**shown, f"return_{field}": "WHO_KNOWS"}
    body = {"code": 0, "message": "Success", "data": {"return_orders": [odd]}}
    # Asked by id, then by the order.
    scene.fault("tiktok", "status", path_contains="/returns/search", body=body, times=2)
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", reason)
    scene.passes(minutes=61)
    assert scene.differences(expected) == ()


def test_return_approved_later_gets_its_label_then(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player, return_status=PENDING)
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("WAITING", "NOT_APPROVED")
    scene.passes(hours=30)
    assert scene.at_rebound() == []
    scene.changes(player, expected.return_id, return_status=SHIP)
    assert scene.differences(expected) == ()


def test_return_rejected_then_arbitrated_for_the_buyer_gets_its_label(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player, return_status=PENDING)
    scene.starts(expected)
    scene.changes(player, expected.return_id, return_status=REJECT)
    assert scene.rest(expected.return_id) == ("NOT_OURS", "REJECTED")
    scene.changes(player, expected.return_id, return_status=SHIP, arbitration_status="SUPPORT_BUYER")
    assert scene.differences(expected) == ()


def test_return_cancelled_before_its_label_gives_its_units_back(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.fault(**UPLOADING, kind="status", status=503, times=99)
    scene.starts(expected)
    assert (statuses(scene), held_units()) == (["ACTIVE"], 1)
    scene.changes(player, expected.return_id, return_status=CANCEL)
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    assert (statuses(scene), held_units()) == (["CANCELLED"], 0)


def test_return_cancelled_while_it_waits_for_its_order(scene: Scene, player: Player) -> None:
    expected = scene.story.order_unknown()
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("WAITING", "ORDER_AWAITED")
    scene.changes(expected.player, expected.return_id, return_status=CANCEL)
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    scene.passes(hours=1)
    assert scene.at_rebound() == []


def test_return_rejected_before_its_label_is_cancelled_at_rebound(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.fault(**UPLOADING, kind="status", status=503, times=99)
    scene.starts(expected)
    scene.changes(player, expected.return_id, return_status=REJECT)
    assert scene.rest(expected.return_id) == ("NOT_OURS", "REJECTED")
    assert (statuses(scene), held_units()) == (["CANCELLED"], 0)


def test_return_shipped_with_a_label_of_others_is_cancelled_at_rebound(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.fault(**UPLOADING, kind="status", status=503, times=99)
    scene.starts(expected)
    scene.changes(player, expected.return_id, return_status="BUYER_SHIPPED_ITEM", return_tracking_number="1Z-9")
    assert scene.rest(expected.return_id) == ("NOT_OURS", "ALREADY_SHIPPED")
    assert statuses(scene) == ["CANCELLED"]


def test_cancelled_return_that_rebound_does_not_have_is_cancelled_all_the_same(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    scene.fault("rebound", "status", status=404, method="POST", path_contains="/cancel")
    scene.changes(player, expected.return_id, return_status=CANCEL)
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    assert (ReboundReturn.objects.get().rebound_status, held_units()) == ("NOT_FOUND", 0)


def test_units_given_back_can_be_returned_again(scene: Scene, player: Player) -> None:
    bought = scene.story.synced(player, ("kettle", "40.00", 1))
    (first,) = scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
    scene.starts(Expected("", player, first))
    scene.changes(player, first, return_status=CANCEL)
    (second,) = scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
    scene.starts(Expected("", player, second))
    assert scene.differences(Expected("", player, second)) == ()


def test_units_that_another_return_holds_are_not_linked_twice(scene: Scene, player: Player) -> None:
    bought = scene.story.synced(player, ("kettle", "40.00", 1))
    first, second = (
        scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})[0] for _ in range(2)
    )
    scene.starts(Expected("", player, first))
    scene.starts(Expected("", player, second))
    exceeded = Expected("", player, second, outcome="ORDER_ONLY", reason="QTY_EXCEEDS_ORDERED", units=0)
    assert scene.differences(exceeded) == ()


@pytest.mark.parametrize("new_is_told_first", [True, False])
@pytest.mark.parametrize("old_has_its_label", [True, False])
def test_edited_return_takes_over_the_units_of_the_old_one(
    scene: Scene, player: Player, new_is_told_first: bool, old_has_its_label: bool
) -> None:
    bought = scene.story.synced(player, ("kettle", "40.00", 1))
    line = bought.lines[0]["id"]
    if not old_has_its_label:
        scene.fault(**UPLOADING, kind="status", status=503)
    (old,) = scene.story.returns(player, bought, line, webhook={"send": False})
    scene.starts(Expected("", player, old))
    (new,) = scene.story.returns(player, bought, line, pre_return_id=old, webhook={"send": False})
    later = scene.tiktok(old)["update_time"] + 1
    scene.sandbox.post(f"/returns/{old}", update_time=later, webhook={"send": False})
    for return_id in (new, old) if new_is_told_first else (old, new):
        scene.hints(player, return_id)
        scene.work()
    scene.passes(seconds=30)
    assert scene.rest(old) == ("CANCELLED", "")
    assert scene.differences(Expected("", player, new)) == ()
    assert (scene.row(old).next_return_id, scene.row(new).pre_return_id) == (new, old)
    assert held_units() == 1


def test_edited_return_does_not_wait_for_an_old_one_that_cannot_be_cancelled(scene: Scene, player: Player) -> None:
    bought = scene.story.synced(player, ("kettle", "40.00", 1))
    line = bought.lines[0]["id"]
    (old,) = scene.story.returns(player, bought, line, webhook={"send": False})
    scene.starts(Expected("", player, old))
    scene.fault("rebound", "status", status=409, method="POST", path_contains="/cancel", times=9)
    (new,) = scene.story.returns(player, bought, line, pre_return_id=old, webhook={"send": False})
    scene.sandbox.post(f"/returns/{old}", update_time=scene.tiktok(old)["update_time"] + 1, webhook={"send": False})
    scene.starts(Expected("", player, new))
    scene.passes(minutes=10)
    assert scene.rest(old) == ("NEEDS_ATTENTION", "CANCEL_REFUSED")
    exceeded = Expected("", player, new, outcome="ORDER_ONLY", reason="QTY_EXCEEDS_ORDERED", units=0)
    assert scene.differences(exceeded) == ()


def test_return_cancelled_at_rebound_before_its_label_gets_another_when_a_person_says_so(
    scene: Scene, player: Player
) -> None:
    scene.settings(label_by_url=True)
    expected = scene.buys_and_returns(player)
    scene.fault("rebound", "status", status=503, path_contains="/labels/")
    scene.starts(expected)
    (order,) = scene.at_rebound()
    cancelled = {**order, "status": "CANCELLED"}
    scene.fault("rebound", "status", status=200, method="GET", path_contains="/return-orders", body=[cancelled])
    scene.passes(minutes=1)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "CANCELLED_AT_REBOUND")
    run_again([scene.row(expected.return_id)], now=timezone.now())
    scene.passes(minutes=1)
    assert scene.row(expected.return_id).rebound_return.reference.endswith("-2")
    assert (scene.rest(expected.return_id), scene.calls()[CREATION]) == (("DONE", ""), 3)
    assert len(scene.uploads(expected.return_id)) == 1


def test_older_view_never_replaces_a_newer_one(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    shown = scene.tiktok(expected.return_id)
    old = {**shown, "return_status": PENDING, "update_time": shown["update_time"] - 100}
    body = {"code": 0, "message": "Success", "data": {"return_orders": [old]}}
    scene.fault("tiktok", "status", path_contains="/returns/search", body=body)
    scene.starts(expected)
    assert scene.row(expected.return_id).return_status == SHIP
    assert scene.differences(replace(expected)) == ()
