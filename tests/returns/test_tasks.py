"""Wake-ups: how often the bell rings, what a drain does, and that a lost bell loses nothing."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from rebound_tts.clients.http import threads_that_wait
from rebound_tts.demo.cast import assemble
from rebound_tts.demo.story import Story
from returns import tasks
from returns.models import StepAttempt, TikTokReturn, WebhookEvent
from returns.tasks import drain, poll, sweep, upkeep
from tests.conftest import in_threads
from tests.factories import ShopAuthorizationFactory, ShopFactory, TikTokReturnFactory, WebhookEventFactory
from tests.returns.conftest import return_event, the_return


def jobs() -> list[str]:
    """What is queued: "function argument"."""
    found = [SignedPackage.loads(job.payload) for job in OrmQ.objects.order_by("pk")]
    return [" ".join([job["func"], *job["args"]]) for job in found]


def rest(bell: Any, seconds: float) -> None:
    """As if the bell had rung so long ago."""
    bell._rang_at = time.monotonic() - seconds


class InlinePool:
    """Runs what it is given at once, in the test's own thread and transaction."""

    def submit(self, act: Callable[..., None], *arguments: Any) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(act(*arguments))
        return done


class ClosingPool(ThreadPoolExecutor):
    """Threads that leave no connection behind."""

    def submit(self, act: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        def closing() -> Any:
            try:
                return act(*arguments, **named)
            finally:
                connections.close_all()

        return super().submit(closing)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_pool", InlinePool)
    monkeypatch.setattr(tasks, "LINGER", 0.0)
    # In a test's transaction every connection looks obsolete.
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)


# The bell


def test_bell_rings_once_in_its_time(db, bell, settings):
    settings.QUEUE_WORKERS, settings.BELL_SECONDS = 9, 60
    assert [bell.is_due(), bell.ring(), bell.is_due(), bell.ring()] == [True, True, False, False]
    assert jobs() == ["returns.tasks.drain"]
    rest(bell, settings.BELL_SECONDS)
    assert [bell.is_due(), bell.ring()] == [True, True]
    assert jobs() == ["returns.tasks.drain", "returns.tasks.drain"]


def test_bell_is_silent_while_every_worker_has_a_job(db, bell, settings):
    settings.QUEUE_WORKERS, settings.BELL_SECONDS = 2, 0
    assert [bell.ring(), bell.ring(), bell.ring()] == [True, True, False]
    OrmQ.objects.first().delete()
    assert bell.ring() is True
    assert len(jobs()) == 2


def test_bell_rings_once_for_many_threads(bell, monkeypatch, settings):
    settings.BELL_SECONDS = 60
    rung = []
    monkeypatch.setattr("returns.bell.broker", lambda: QuietBroker())
    monkeypatch.setattr("returns.bell.async_task", lambda *arguments, **options: rung.append(arguments))
    assert sorted(in_threads(8, lambda number: bell.ring())) == [False] * 7 + [True]
    assert rung == [("returns.tasks.drain",)]


class QuietBroker:
    def queue_size(self) -> int:
        return 0


class LostBroker:
    def queue_size(self) -> int:
        raise ConnectionRefusedError("redis is away")


def test_job_commits_with_the_transaction_that_rang(db, bell):
    with transaction.atomic():
        assert bell.ring() is True
        transaction.set_rollback(True)
    assert jobs() == []


def test_event_is_stored_while_the_broker_is_away(db, send, monkeypatch, caplog):
    monkeypatch.setattr("returns.bell.broker", LostBroker)
    assert send(return_event(shop_id="1", return_id="2", order_id="3")).status_code == 200
    assert WebhookEvent.objects.count() == 1
    assert [record.message for record in caplog.records] == ["could not ring"]


def test_events_in_a_burst_ring_once(db, send, settings):
    settings.BELL_SECONDS = 60  # longer than the burst takes on any machine
    for number in range(5):
        assert send(return_event(shop_id="1", return_id=str(number), order_id="3")).status_code == 200
    assert (WebhookEvent.objects.count(), jobs()) == (5, ["returns.tasks.drain"])


def test_duplicate_rings_for_nobody(db, send, bell):
    event = return_event(shop_id="1", return_id="2", order_id="3")
    send(event)
    rest(bell, 60)
    OrmQ.objects.all().delete()
    assert send(event).json()["duplicate"] is True
    assert jobs() == []


# The drain


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


# The sweep


def test_sweep_rings_for_what_is_due_alone(db, bell):
    now = timezone.now()
    TikTokReturnFactory(next_attempt_at=None)
    TikTokReturnFactory(next_attempt_at=now + timedelta(minutes=1))
    TikTokReturnFactory(next_attempt_at=now, claimed_until=now + timedelta(minutes=1))
    WebhookEventFactory(handled_at=now, outcome="APPLIED")
    assert sweep() is False
    assert jobs() == []


@pytest.mark.parametrize(
    "make",
    [
        WebhookEventFactory,
        lambda: TikTokReturnFactory(next_attempt_at=timezone.now()),
        lambda: TikTokReturnFactory(
            next_attempt_at=timezone.now() - timedelta(minutes=1), claimed_until=timezone.now() - timedelta(seconds=1)
        ),
    ],
    ids=["an event", "a due return", "a return whose worker died"],
)
def test_sweep_rings_where_the_bell_was_lost(db, bell, make):
    make()
    assert sweep() is True
    assert jobs() == ["returns.tasks.drain"]


def test_lost_bell_costs_nothing_but_time(story, tell, inline, bell):
    expected = story.all_matched()
    tell(story.cast.oms, expected.return_id, "")
    OrmQ.objects.all().delete()
    rest(bell, 60)
    assert sweep() is True
    assert drain() == 1
    assert the_return(expected.return_id).status == "DONE"


def test_upkeep_takes_up_what_a_broken_connection_stopped(db, bell):
    mended = TikTokReturnFactory(status="NEEDS_ATTENTION", reason="TIKTOK_CONNECTION")
    still_broken = TikTokReturnFactory(
        status="NEEDS_ATTENTION",
        reason="TIKTOK_CONNECTION",
        shop__authorization__broken_at=timezone.now(),
        shop__authorization__broken_reason="DEAUTHORIZED",
    )
    upkeep()
    mended.refresh_from_db()
    still_broken.refresh_from_db()
    assert mended.next_attempt_at <= timezone.now()
    assert still_broken.next_attempt_at is None
    assert "returns.tasks.drain" in jobs()


def test_poll_finds_what_no_webhook_told(story, inline):
    expected = story.all_matched()
    upkeep()
    assert jobs() == ["returns.tasks.chore poll", "returns.tasks.chore tend"]
    assert poll() == 3
    assert the_return(expected.return_id).status == "OPEN"
    drain()
    assert the_return(expected.return_id).status == "DONE"


@pytest.fixture
def chores(monkeypatch) -> dict[str, Callable[[], int]]:
    """What a worker may be asked to do beside labels; it has begun none yet."""
    made: dict[str, Callable[[], int]] = {}
    monkeypatch.setattr(tasks, "CHORES", made)
    monkeypatch.setattr(tasks, "_chores", {})
    return made


def test_worker_is_free_while_a_shop_is_searched_and_searches_once_at_a_time(chores):
    goes_on, searches = threading.Event(), []

    def search() -> int:
        searches.append(goes_on.wait(10))
        return 1

    chores["poll"] = search
    assert [tasks.chore("poll"), tasks.chore("poll")] == [True, False]
    goes_on.set()
    tasks._chores["poll"].result(10)
    assert tasks.chore("poll") is True
    tasks._chores["poll"].result(10)
    assert searches == [True, True]


def test_chore_that_crashed_is_logged_and_begun_again(chores, caplog):
    chores["tend"] = lambda: 1 // 0
    for _ in range(2):
        assert tasks.chore("tend") is True
        tasks._chores["tend"].result(10)
    assert [(each.message, each.chore) for each in caplog.records] == [("a chore crashed", "tend")] * 2
