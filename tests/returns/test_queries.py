"""How many queries a step takes: its own, the record of its attempt, and what decides what comes next."""

from django.db import connection
from django.utils import timezone

from returns import services
from tests.benchmarks.queries import Count, steps_named
from tests.returns.scene import Scene

MOST = 12  # a step


def test_steps_take_few_queries(scene: Scene) -> None:
    scene.starts(scene.buys_and_returns(scene.story.cast.oms))  # which fetches the tokens
    count = Count()
    expected = scene.buys_and_returns(scene.story.cast.oms)
    scene.hints(expected.player, expected.return_id)
    token, keys, _ = services.claim_due(now=timezone.now(), limit=1)
    with connection.execute_wrapper(count), steps_named(count):
        services.advance(keys[0], token=token)
    assert scene.differences(expected) == ()
    steps = {name: number for name, number in count.queries.items() if name in services.STEPS}
    assert sorted(steps) == ["CREATE", "DELIVER", "FETCH", "MATCH"]
    assert max(steps.values()) <= MOST
