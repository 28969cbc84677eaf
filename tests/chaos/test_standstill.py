"""A standstill is noticed: with work due and workers stopped, time counts; once they go on, it does not any more."""

from collections.abc import Callable
from typing import Any

from tests.chaos.progress import progress_of_all
from tests.chaos.standstill import Standstill
from tests.returns.conftest import scene, send, tell, work  # noqa: F401  # fixtures
from tests.returns.scene import Scene


def look(standstill: Standstill, *, now: float) -> float:
    _, due, progress = progress_of_all()
    standstill.look(due=due, progress=progress, now=now)
    return standstill.longest


def test_time_without_workers_counts_from_the_last_thing_that_moved(scene: Scene) -> None:  # noqa: F811
    player = scene.story.cast.oms
    standstill = Standstill(now=0)
    assert look(standstill, now=100) == 0  # nothing is due
    expected = scene.buys_and_returns(player)
    scene.hints(player, expected.return_id)
    assert [look(standstill, now=now) for now in (101, 110, 118)] == [1, 10, 18]
    scene.work()
    assert [look(standstill, now=now) for now in (120, 300)] == [18, 18]
    scene.hints(player, expected.return_id)
    assert [look(standstill, now=now) for now in (301, 310, 330)] == [18, 18, 30]


def test_notification_that_arrives_is_no_work_that_goes_on(scene: Scene, tell: Callable[..., Any]) -> None:  # noqa: F811
    player = scene.story.cast.oms
    standstill = Standstill(now=0)
    longest = []
    for now in (1, 11, 21):
        expected = scene.buys_and_returns(player)
        tell(player, expected.return_id, "")
        longest.append(look(standstill, now=now))
    scene.work()
    assert (longest, look(standstill, now=40)) == ([0, 10, 20], 20)
