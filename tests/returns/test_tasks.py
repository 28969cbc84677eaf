"""Wake-ups: how often the bell rings, who rings where one was lost, and what is looked after now and then."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from returns import tasks
from returns.models import WebhookEvent
from returns.tasks import drain, poll, sweep, upkeep
from tests.conftest import in_threads
from tests.factories import TikTokReturnFactory, WebhookEventFactory
from tests.returns.conftest import jobs, return_event, the_return


def rest(bell: Any, seconds: float) -> None:
    """As if the bell had rung so long ago."""
    bell._rang_at = time.monotonic() - seconds


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
