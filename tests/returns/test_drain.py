"""What a drain does: events, returns and whose turn it is, whatever crashes, however many workers."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from rebound_tts.clients.http import threads_that_wait
from rebound_tts.demo.cast import assemble
from rebound_tts.demo.story import Story
from returns import tasks
from returns.models import StepAttempt, TikTokReturn, WebhookEvent
from returns.tasks import drain
from tests.conftest import in_threads
from tests.factories import ShopAuthorizationFactory, ShopFactory, TikTokReturnFactory, WebhookEventFactory
from tests.returns.conftest import jobs, the_return


class ClosingPool(ThreadPoolExecutor):
    """Threads that leave no connection behind."""

    def submit(self, act: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        def closing() -> Any:
            try:
                return act(*arguments, **named)
            finally:
                connections.close_all()

        return super().submit(closing)


def test_drain_with_nothing_to_do_ends_soon(db, inline, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):
        assert drain() == 0


def test_drain_handles_what_arrived_and_carries_it_to_the_label(story, tell, inline):
    expected = story.all_matched()
    tell(story.cast.oms, expected.return_id, "")
    assert drain() == 1
    row = the_return(expected.return_id)
    assert (row.status, row.claimed_until, row.claim_token) == ("DONE", None, None)
    assert row.label_delivered_at is not None
    assert [event.outcome for event in WebhookEvent.objects.all()] == ["APPLIED"]
    assert drain() == 0


def test_drain_carries_more_than_it_can_hold_at_a_time(db, inline, monkeypatch, settings):
    settings.RETURNS_AT_A_TIME = 3
    broken = ShopAuthorizationFactory(broken_at=timezone.now(), broken_reason="DEAUTHORIZED")
    shop = ShopFactory(merchant=broken.merchant, authorization=broken)
    TikTokReturnFactory.create_batch(8, shop=shop, next_attempt_at=timezone.now())
    assert drain() == 8
    found = TikTokReturn.objects.values_list("status", "reason", "claim_token").distinct()
    assert list(found) == [("NEEDS_ATTENTION", "TIKTOK_CONNECTION", None)]


class NeverEnding:
    """A pool whose work never ends."""

    def submit(self, *work: Any) -> Future[None]:
        return Future()


@pytest.fixture
def at_a_silent_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    """All work hangs at a remote that never answers."""
    monkeypatch.setattr(tasks, "_pool", NeverEnding)
    monkeypatch.setattr(tasks, "threads_that_wait", lambda: {None})


def test_each_merchant_leaves_threads_for_the_next(db, at_a_silent_remote, settings):
    """However many of its shops have work, and whoever was due before."""
    settings.RETURNS_AT_A_TIME = 16
    in_hand: dict[Future[None], Any] = {}
    long_due = timezone.now() - timedelta(hours=1)

    def in_hand_after(shops: list[Any], *, due_at: datetime) -> list[int]:
        """How many returns each merchant has in hand, in the order in which they came."""
        for shop in shops:
            TikTokReturnFactory.create_batch(9, shop=shop, next_attempt_at=due_at)
        while tasks._take(settings.RETURNS_AT_A_TIME - len(in_hand), in_hand):
            pass
        return [number for _, number in sorted(Counter(claim.merchant for claim in in_hand.values()).items())]

    first, second, third, fourth = (ShopFactory() for _ in range(4))
    assert in_hand_after([first, ShopFactory(merchant=first.merchant)], due_at=long_due) == [12]
    assert in_hand_after([second], due_at=timezone.now()) == [12, 3]
    assert in_hand_after([third], due_at=timezone.now()) == [12, 3, 1]
    assert in_hand_after([fourth], due_at=timezone.now()) == [12, 3, 1]


def test_merchant_that_has_nothing_in_hand_comes_first(db, at_a_silent_remote, settings):
    settings.RETURNS_AT_A_TIME = 16
    busy, quiet = ShopFactory(), ShopFactory()
    TikTokReturnFactory.create_batch(9, shop=busy, next_attempt_at=timezone.now() - timedelta(hours=1))
    in_hand: dict[Future[None], Any] = {}
    tasks._take(16, in_hand)
    TikTokReturnFactory(shop=quiet, next_attempt_at=timezone.now())
    assert tasks._take(16 - len(in_hand), in_hand) == 1
    assert list(in_hand.values())[-1].merchant == quiet.merchant_id


def test_no_more_returns_are_begun_than_go_on_at_once(db, monkeypatch):
    """What waits for a remote leaves room, and so does what holds its thread for long, whatever it waits for."""
    waiting: set[int | None] = set()
    monkeypatch.setattr(tasks, "_pool", NeverEnding)
    monkeypatch.setattr(tasks, "threads_that_wait", lambda: waiting)
    shop = ShopFactory()
    TikTokReturnFactory.create_batch(20, shop=shop, next_attempt_at=timezone.now())
    in_hand: dict[Future[None], Any] = {}
    assert [tasks._take(16 - len(in_hand), in_hand) for _ in range(2)] == [tasks.COMPUTING_AT_ONCE, 0]
    at_work = list(in_hand.values())
    for thread, claim in enumerate(at_work):
        claim.thread = thread
    waiting |= {0, 1}
    assert [tasks._take(16 - len(in_hand), in_hand) for _ in range(2)] == [2, 0]
    at_work[2].since -= tasks.LONGEST_SPELL
    assert [tasks._take(16 - len(in_hand), in_hand) for _ in range(2)] == [1, 0]
    next(iter(in_hand)).set_result(None)  # it had waited: its end makes no more room
    assert tasks._take(16 - len(in_hand), in_hand) == 0
    list(in_hand)[3].set_result(None)
    assert tasks._take(16 - len(in_hand), in_hand) == 1


def test_a_worker_knows_which_of_its_returns_wait_for_a_remote(shared_database, sandbox, monkeypatch):
    """Each thread of a return waits in its calls, and only there."""
    story = Story(sandbox, assemble(sandbox))
    expected = story.all_matched()
    WebhookEventFactory(
        shop_id=expected.player.shop_id, body=json.dumps({"type": 12, "data": {"return_id": expected.return_id}})
    )
    sandbox.post("/settings", latency_ms=100)
    seen: list[int] = []
    looked = tasks._computing

    def computing(in_hand: dict[Future[None], Any]) -> int:
        if in_hand:
            seen.append(looked(in_hand))
        return looked(in_hand)

    monkeypatch.setattr(tasks, "_computing", computing)
    with ClosingPool(2) as pool:
        monkeypatch.setattr(tasks, "_pool", lambda: pool)
        drain()
    assert the_return(expected.return_id).status == "DONE"
    assert threads_that_wait() == set()
    assert 0 in seen


def test_drain_goes_on_after_a_return_crashed(db, inline, monkeypatch, caplog):
    first, second = TikTokReturnFactory.create_batch(2, next_attempt_at=timezone.now())
    carried = []

    def advance(key: int, *, token: Any) -> None:
        TikTokReturn.objects.filter(pk=key).update(next_attempt_at=None)
        if key == first.pk:
            raise KeyError("a mistake of ours")
        carried.append(key)

    monkeypatch.setattr(tasks, "advance", advance)
    assert drain() == 2
    assert carried == [second.pk]
    assert [record.message for record in caplog.records] == ["a return crashed"]


def test_drain_that_ran_for_long_rings_for_the_next(db, inline, bell, monkeypatch):
    monkeypatch.setattr(tasks, "LONGEST_DRAIN", -1.0)
    row = TikTokReturnFactory(next_attempt_at=timezone.now())
    event = WebhookEventFactory()
    assert drain() == 0
    assert jobs() == ["returns.tasks.drain"]
    row.refresh_from_db()
    event.refresh_from_db()
    assert (row.claimed_until, event.handled_at) == (None, None)


class Looks:
    """A drain's looks at events, and at returns that are due, on a clock that only its pauses move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, found: list[int]) -> None:
        self.now = 0.0
        self.found = iter(found)
        self.at_events: list[float] = []
        self.at_returns: list[float] = []
        monkeypatch.setattr(tasks, "time", self)
        monkeypatch.setattr(tasks, "handle_events", self.events)
        monkeypatch.setattr(tasks, "_take", self.returns)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def events(self, *, now: datetime) -> int:
        self.at_events.append(self.now)
        return next(self.found, 0)

    def returns(self, free: int, in_hand: object) -> int:
        self.at_returns.append(self.now)
        return 0


def test_drain_gathers_a_flood_of_events_and_takes_returns_meanwhile(db, monkeypatch):
    looks = Looks(monkeypatch, found=[tasks.FLOOD, tasks.FLOOD - 1, 1])
    drain()
    first, second, third = looks.at_events[:3]
    assert (first, second >= tasks.GATHERED_FOR) == (0, True)
    assert third == pytest.approx(second + tasks.PAUSE)  # no flood any more
    assert len([at for at in looks.at_returns if at < second]) > 1


def test_drain_goes_on_at_once_while_there_are_more_events_than_a_batch(db, monkeypatch):
    looks = Looks(monkeypatch, found=[tasks.BATCH, tasks.BATCH, 1])
    drain()
    assert looks.at_events[:3] == [0, 0, 0]
    assert looks.at_events[3] == pytest.approx(tasks.PAUSE)


def test_a_drain_that_gathers_does_not_end_before_it_looked_again(db, monkeypatch):
    assert tasks.GATHERED_FOR + tasks.LONGEST_PAUSE < tasks.LINGER
    looks = Looks(monkeypatch, found=[tasks.FLOOD, tasks.FLOOD])
    drain()
    assert len(looks.at_events) > 2


def test_drains_in_two_workers_carry_each_return_once(shared_database, sandbox, monkeypatch):
    """Two drains with threads of their own, as two worker processes have them."""
    story = Story(sandbox, assemble(sandbox))
    told = [story.all_matched(), story.two_units(), story.matching_off(), story.qr_code()]
    for expected in told:
        body = json.dumps({"type": 12, "data": {"return_id": expected.return_id}})
        WebhookEventFactory(shop_id=expected.player.shop_id, body=body)
    pools = threading.local()
    monkeypatch.setattr(tasks, "_pool", lambda: pools.own)

    def worker(number: int) -> int:
        with ClosingPool(4) as pools.own:
            return drain()

    assert sum(in_threads(2, worker)) >= len(told)
    assert {(row.return_id, row.status) for row in TikTokReturn.objects.all()} == {
        (expected.return_id, "DONE") for expected in told
    }
    done = StepAttempt.objects.filter(outcome="DONE", step__in=["CREATE", "DELIVER"])
    assert done.count() == 2 * len(told)
    held = [order["rmaNumber"] for order in sandbox.get("/state")["return_orders"]]
    assert len(held) == len(set(held)) == len(told)
