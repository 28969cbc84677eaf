"""Claims: one worker a return, leases that end, late finishers that write nothing, workers that die, our own errors."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

import matching.services
from matching.models import Match
from rebound_tts.clients.errors import TemporaryError
from rebound_tts.demo.story import Expected
from returns import services
from returns.hints import Hint, take_hints
from returns.journey import Journey
from returns.models import Status, Step, StepAttempt, TikTokReturn
from returns.pipeline import Rest
from returns.services import LEASE, PATIENCE, Resting, advance, claim_due, renew_claims
from tests.conftest import in_threads
from tests.returns.scene import CREATION, Scene


@pytest.fixture
def expected(scene: Scene) -> Expected:
    """A return that was told of and that nobody has taken up."""
    expected = scene.buys_and_returns(scene.story.cast.oms)
    scene.hints(expected.player, expected.return_id)
    return expected


def instead(monkeypatch: pytest.MonkeyPatch, step: Step, carry_out: Callable[[Journey], str]) -> None:
    monkeypatch.setattr(services, "STEPS", {**services.STEPS, step: carry_out})


def test_claim_is_given_once(expected: Expected) -> None:
    now = timezone.now()
    first, keys, _ = claim_due(now=now, limit=10)
    assert (len(keys), claim_due(now=now, limit=10)[1]) == (1, [])
    row = TikTokReturn.objects.get()
    assert (row.claim_token, row.attempts, row.claimed_until) == (first, 1, now + LEASE)


def test_claims_are_given_longest_due_first_up_to_the_limit(scene: Scene) -> None:
    now = timezone.now()
    for number in range(5):
        take_hints([Hint(scene.story.cast.oms.shop, str(number))], now=now - timedelta(minutes=number))
    keys = claim_due(now=now, limit=2).keys
    assert set(TikTokReturn.objects.filter(pk__in=keys).values_list("return_id", flat=True)) == {"4", "3"}
    assert len(claim_due(now=now, limit=10)[1]) == 3


def test_workers_that_claim_at_once_never_get_the_same_return(shared_database: None, scene: Scene) -> None:
    now = timezone.now()
    for number in range(30):
        take_hints([Hint(scene.story.cast.oms.shop, str(number))], now=now)

    def worker(number: int) -> list[int]:
        taken: list[int] = []
        while keys := claim_due(now=now, limit=3)[1]:
            taken += keys
        return taken

    given = [key for taken in in_threads(4, worker) for key in taken]
    assert (len(given), len(set(given))) == (30, 30)


def test_claim_that_was_renewed_outlives_its_lease(expected: Expected) -> None:
    now = timezone.now()
    token, *_ = claim_due(now=now, limit=1)
    renew_claims(tokens={token}, now=now + LEASE / 2)
    assert claim_due(now=now + LEASE + timedelta(seconds=1), limit=1)[1] == []
    assert len(claim_due(now=now + LEASE * 2, limit=1)[1]) == 1


def test_claim_whose_worker_died_is_taken_over(scene: Scene, expected: Expected) -> None:
    claim_due(now=timezone.now(), limit=1)
    scene.work()
    assert scene.rest(expected.return_id) == ("OPEN", "")
    scene.clock.advance(seconds=LEASE.total_seconds() + 1)
    scene.work()
    assert scene.differences(expected) == ()


def test_database_that_went_away_is_no_crash(scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(journey: Journey) -> str:
        raise OperationalError("the connection is lost")

    token, (key,), _ = claim_due(now=timezone.now(), limit=1)
    with monkeypatch.context() as patch:
        patch.setattr(services, "STEPS", {**services.STEPS, Step.MATCH: away})
        with pytest.raises(OperationalError):
            advance(key, token=token)
    assert scene.rest(expected.return_id) == ("OPEN", "")
    scene.clock.advance(seconds=LEASE.total_seconds() + 1)
    scene.work()
    assert scene.differences(expected) == ()


def test_claim_that_was_lost_before_it_began_does_nothing(scene: Scene, expected: Expected) -> None:
    keys = claim_due(now=timezone.now(), limit=1).keys
    scene.sandbox.post("/calls/reset")
    advance(keys[0], token=uuid.uuid4())
    assert (scene.calls(), StepAttempt.objects.count()) == ({}, 0)


def test_late_finisher_writes_nothing_and_stops(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first worker matches, its lease ends and a second one carries the return to its label."""
    first, keys, _ = claim_due(now=timezone.now(), limit=1)
    match = services.STEPS[Step.MATCH]

    def slowly(journey: Journey) -> str:
        instead(monkeypatch, Step.MATCH, match)
        scene.clock.advance(seconds=LEASE.total_seconds() + 1)
        scene.work()
        return match(journey)

    instead(monkeypatch, Step.MATCH, slowly)
    advance(keys[0], token=first)
    assert scene.differences(expected) == ()
    assert [step for step, _ in scene.steps(expected.return_id)].count("CREATE") == 1
    assert scene.calls()[CREATION] == 1


def test_answer_of_a_late_finisher_replaces_no_decision(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its look-up got no answer, and only when a second worker has decided does it find that out."""
    first, keys, _ = claim_due(now=timezone.now(), limit=1)
    look_up = matching.services.find_at_rebound

    def without_an_answer(**asked: Any) -> Any:
        monkeypatch.setattr(matching.services, "find_at_rebound", look_up)
        scene.clock.advance(seconds=LEASE.total_seconds() + 1)
        scene.fault("rebound", "status", status=503, method="POST", path_contains="/return-orders")
        scene.work()
        raise TemporaryError(vendor="rebound", method="GET", path="/sales-orders", message="no answer")

    monkeypatch.setattr(matching.services, "find_at_rebound", without_an_answer)
    advance(keys[0], token=first)
    (decided,) = Match.objects.all()
    assert (decided.outcome, decided.superseded_at) == ("MATCHED", None)
    scene.passes(minutes=1)
    assert scene.differences(expected) == ()


def test_late_finisher_makes_no_further_call(scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch) -> None:
    """The return is in the hands of another, who has not begun yet."""
    first, keys, _ = claim_due(now=timezone.now(), limit=1)
    match = services.STEPS[Step.MATCH]

    def slowly(journey: Journey) -> str:
        scene.clock.advance(seconds=LEASE.total_seconds() + 1)
        claim_due(now=timezone.now(), limit=1)
        return match(journey)

    instead(monkeypatch, Step.MATCH, slowly)
    advance(keys[0], token=first)
    assert [step for step, _ in scene.steps(expected.return_id)] == ["FETCH", "MATCH"]
    row = scene.row(expected.return_id)
    assert (row.status, row.claim_token not in {None, first}) == (Status.OPEN, True)


def test_late_finisher_that_crashes_leaves_the_claim_of_the_next_alone(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, keys, _ = claim_due(now=timezone.now(), limit=1)

    def late(journey: Journey) -> str:
        scene.clock.advance(seconds=LEASE.total_seconds() + 1)
        claim_due(now=timezone.now(), limit=1)
        journey.reload()
        raise ValueError("too late")

    instead(monkeypatch, Step.FETCH, late)
    with pytest.raises(ValueError, match="too late"):
        advance(keys[0], token=first)
    row = scene.row(expected.return_id)
    assert (row.status, row.claimed_until > timezone.now()) == (Status.OPEN, True)


@pytest.mark.parametrize("step", [Step.FETCH, Step.MATCH, Step.CREATE, Step.DELIVER])
def test_step_done_twice_changes_nothing(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    """A worker that died after the work and before it was written down."""
    carry_out = services.STEPS[step]

    def twice(journey: Journey) -> str:
        carry_out(journey)
        return carry_out(journey)

    instead(monkeypatch, step, twice)
    scene.work()
    scene.passes(minutes=1)
    assert scene.differences(expected) == ()
    assert (len(scene.at_rebound()), len(scene.uploads(expected.return_id))) == (1, 1)


def cancels(scene: Scene, expected: Expected) -> None:
    scene.sandbox.post(
        f"/returns/{expected.return_id}",
        return_status="RETURN_OR_REFUND_REQUEST_CANCEL",
        update_time=scene.tiktok(expected.return_id)["update_time"] + 1,
        webhook={"send": False},
    )
    scene.hints(expected.player, expected.return_id)


def test_hint_during_a_claim_is_taken_up_by_it(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver = services.STEPS[Step.DELIVER]

    def meanwhile(journey: Journey) -> str:
        said = deliver(journey)
        cancels(scene, expected)
        return said

    instead(monkeypatch, Step.DELIVER, meanwhile)
    token, keys, _ = claim_due(now=timezone.now(), limit=1)
    advance(keys[0], token=token)
    assert scene.rest(expected.return_id) == ("CANCELLED", "")


def test_hint_at_the_end_of_a_claim_leaves_the_return_due(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came after the last look at the facts and before the rest was written."""
    at_rest = services._at_rest

    def meanwhile(journey: Journey, *, rest: Rest) -> Resting:
        cancels(scene, expected)
        return at_rest(journey, rest=rest)

    with monkeypatch.context() as patch:
        patch.setattr(services, "_at_rest", meanwhile)
        token, keys, _ = claim_due(now=timezone.now(), limit=1)
        advance(keys[0], token=token)
    assert scene.rest(expected.return_id) == ("DONE", "")
    assert scene.work() == 1
    assert scene.rest(expected.return_id) == ("CANCELLED", "")


def test_return_that_kills_its_workers_is_left_to_a_person(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(journey: Journey) -> str:
        raise SystemExit

    create = services.STEPS[Step.CREATE]
    instead(monkeypatch, Step.CREATE, dies)
    for _ in range(PATIENCE):
        token, keys, _ = claim_due(now=timezone.now(), limit=1)
        with pytest.raises(SystemExit):
            advance(keys[0], token=token)
        scene.clock.advance(seconds=LEASE.total_seconds() + 1)
    scene.work()
    row = scene.row(expected.return_id)
    assert (row.status, row.reason, row.reason_detail) == ("NEEDS_ATTENTION", "CRASHED", "Workers died in CREATE.")
    instead(monkeypatch, Step.CREATE, create)
    scene.passes(minutes=61)
    assert scene.differences(expected) == ()


@pytest.mark.parametrize("step", [Step.FETCH, Step.MATCH, Step.CREATE, Step.DELIVER])
def test_our_own_error_is_written_down_raised_and_tried_again(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    carry_out = services.STEPS[step]

    def crashes(journey: Journey) -> str:
        raise KeyError("ours")

    instead(monkeypatch, step, crashes)
    token, keys, _ = claim_due(now=timezone.now(), limit=1)
    with pytest.raises(KeyError, match="ours"):
        advance(keys[0], token=token)
    row = scene.row(expected.return_id)
    assert (row.status, row.reason, row.reason_detail) == ("NEEDS_ATTENTION", "CRASHED", "KeyError: see the log")
    assert scene.steps(expected.return_id)[-1] == (step, "CRASHED")
    instead(monkeypatch, step, carry_out)
    scene.passes(minutes=61)
    assert scene.differences(expected) == ()


def test_our_own_error_between_steps_is_named_too(
    scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crashes(facts: object) -> Step:
        raise KeyError("ours")

    with monkeypatch.context() as broken:
        broken.setattr(services, "next_step", crashes)
        token, keys, _ = claim_due(now=timezone.now(), limit=1)
        with pytest.raises(KeyError, match="ours"):
            advance(keys[0], token=token)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "CRASHED")
    scene.passes(minutes=61)
    assert scene.differences(expected) == ()


def test_journey_without_an_end_is_stopped(scene: Scene, expected: Expected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "next_step", lambda facts: Step.FETCH)
    token, keys, _ = claim_due(now=timezone.now(), limit=1)
    with pytest.raises(RuntimeError, match="came to no rest"):
        advance(keys[0], token=token)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "CRASHED")
