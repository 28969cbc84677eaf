"""Dry run: says what a run would do and what differs, and leaves no trace of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from matching.models import ItemMatch, Match
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Expected
from returns.dry_run import Difference, DryRun, dry_run
from returns.models import ReboundReturn, StepAttempt, TikTokReturn
from tests.returns.scene import CREATION, UPLOAD, Scene


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.oms


def asks(scene: Scene, expected: Expected) -> DryRun:
    return dry_run(tiktok_return=scene.row(expected.return_id), now=timezone.now())


def traces() -> list[object]:
    """Everything that a run would have left."""
    return [
        list(TikTokReturn.objects.order_by("pk").values()),
        list(Match.objects.order_by("pk").values()),
        list(ItemMatch.objects.order_by("pk").values()),
        list(ReboundReturn.objects.order_by("pk").values()),
        StepAttempt.objects.count(),
    ]


def test_dry_run_of_what_is_done_changes_nothing(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    answer = asks(scene, expected)
    assert (answer.differences, answer.problem, answer.steps) == ((), "", ())
    assert answer.changes_nothing
    assert (answer.decision.outcome, answer.kind) == ("MATCHED", "LINKED")


def test_dry_run_before_anything_was_done_says_what_would_be_created(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.hints(player, expected.return_id)
    before = traces()
    answer = asks(scene, expected)
    assert traces() == before
    assert [step.value for step in answer.steps] == ["CREATE", "DELIVER"]
    assert (answer.kind, answer.order != "", answer.lane) == ("LINKED", True, "GB, ROYAL_MAIL_TRACKED")
    assert Difference("outcome", "", "MATCHED") in answer.differences
    assert (scene.calls().get(CREATION), scene.calls().get(UPLOAD)) == (None, None)


def test_dry_run_of_a_return_that_went_direct_says_that_it_would_be_linked(scene: Scene, player: Player) -> None:
    player.shop.match_wait = timedelta(0)
    player.shop.save()
    bought = scene.story.buys(player, ("bell", "6.00", 1))
    scene.story.references(player, bought, items={bought.lines[0]["id"]: "bell-1"})
    (return_id,) = scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
    direct = replace(
        Expected("", player, return_id), outcome="NO_MATCH", reason="ORDER_NOT_SYNCED", kind="DIRECT", units=0
    )
    scene.starts(direct)
    assert scene.differences(direct) == ()
    assert asks(scene, direct).changes_nothing
    scene.story.pushes(player, bought, ("bell-1", "bell", "6.00", 1))
    before, calls = traces(), scene.calls()
    answer = asks(scene, direct)
    assert traces() == before
    line = scene.row(return_id).items.get().return_line_item_id
    assert answer.differences == (
        Difference("outcome", "NO_MATCH", "MATCHED"),
        Difference("reason", "ORDER_NOT_SYNCED", ""),
        Difference("order", "", bought.external_order_id),
        Difference(f"item {line}", "", "1 x bell"),
        Difference("kind", "DIRECT", "LINKED"),
        Difference("direct_reason", "ORDER_NOT_SYNCED", ""),
    )
    made = {name: count - calls.get(name, 0) for name, count in scene.calls().items()}
    assert {name for name, count in made.items() if count and " GET " not in name} == {
        "tiktok POST /return_refund/202309/returns/search"
    }


def test_dry_run_sees_a_lane_that_was_changed(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    player.shop.lanes.filter(country="GB").update(carrier_service="EVRI_PARCELSHOP")
    assert asks(scene, expected).differences == (Difference("lane", "GB, ROYAL_MAIL_TRACKED", "GB, EVRI_PARCELSHOP"),)


def test_dry_run_of_a_cancelled_return_says_that_it_would_be_cancelled(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    scene.sandbox.post(
        f"/returns/{expected.return_id}",
        return_status="RETURN_OR_REFUND_REQUEST_CANCEL",
        webhook={"send": False},
    )
    answer = asks(scene, expected)
    assert [step.value for step in answer.steps] == ["CANCEL"]
    assert answer.rest.status == "CANCELLED"
    assert [each.what for each in answer.differences] == ["return_status"]
    assert scene.rest(expected.return_id) == ("DONE", "")


def test_dry_run_of_a_parcel_decides_on_all_of_it(scene: Scene) -> None:
    first, second = scene.story.one_parcel()
    for each in (first, second):
        scene.hints(each.player, each.return_id)
    scene.work()
    assert asks(scene, first).changes_nothing
    assert asks(scene, second).changes_nothing


@pytest.mark.parametrize("remote", ["tiktok", "rebound"])
def test_dry_run_says_which_remote_failed(scene: Scene, player: Player, remote: str) -> None:
    expected = scene.buys_and_returns(player)
    scene.hints(player, expected.return_id)
    scene.fault(remote, "status", status=500, times=20)
    answer = asks(scene, expected)
    told = answer.problem if remote == "tiktok" else str(answer.decision.trail)
    assert "status 500" in told
    assert Match.objects.count() == 0


def test_dry_run_of_a_return_that_tiktok_does_not_know(scene: Scene, player: Player) -> None:
    scene.hints(player, "4035318504000099999")
    answer = dry_run(tiktok_return=scene.row("4035318504000099999"), now=timezone.now())
    assert answer.problem == "TikTok does not list the return."


def test_dry_run_whose_look_up_fails_leaves_the_link(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    scene.fault("tiktok", "status", status=500, method="GET", path_contains="/external_orders")
    answer = asks(scene, expected)
    assert (answer.problem, answer.differences) == ("A look-up got no answer; the match stays as it is.", ())
    assert answer.kind == "LINKED"
