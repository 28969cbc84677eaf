"""What probes are told: ready or not, what is wrong in words, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from rebound_tts.management.commands.work import MACHINE
from rebound_tts.ops.models import Heartbeat, beat
from tests.factories import TikTokReturnFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db
NO_WORKER = "No worker was heard in the last minute. Start `manage.py work`."


@pytest.fixture
def worker() -> None:
    beat(worker="here:1", now=timezone.now())


@contextmanager
def database_away() -> Iterator[None]:
    def refuse(*_: Any) -> Any:
        raise OperationalError('connection to server at "db.internal", user "rebound" failed')

    with connection.execute_wrapper(refuse):
        yield


def test_all_is_well(client, worker):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    checks = {"database": "ok", "migrations": "ok", "queue": "ok", "workers": "ok"}
    assert answer.json() == {"ready": True, "checks": checks}


def test_without_a_worker_requests_are_taken_all_the_same(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["workers"]) == (503, NO_WORKER)
    answer = client.get("/readyz/web")
    assert (answer.status_code, answer.json()) == (
        200,
        {"ready": True, "checks": {"database": "ok", "migrations": "ok"}},
    )


def test_worker_that_was_not_heard_for_long_does_not_count(client):
    beat(worker="there:1", now=timezone.now() - timedelta(seconds=61))
    assert client.get("/readyz").json()["checks"]["workers"] == NO_WORKER


@pytest.mark.parametrize("late", ["event", "return"])
def test_work_that_waits_for_long_is_told(client, worker, settings, late):
    settings.READY_QUEUE_SECONDS = 100
    long_ago = timezone.now() - timedelta(seconds=160)
    if late == "event":
        WebhookEventFactory(handled_at=None, outcome="", received_at=long_ago)
    else:
        TikTokReturnFactory(next_attempt_at=long_ago)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["queue"] == "The oldest work has waited 160 s; 100 are allowed."


@pytest.mark.parametrize("address", ["/readyz", "/readyz/web"])
def test_database_that_is_away_is_told_without_its_name(client, address):
    with database_away():
        answer = client.get(address)
    assert answer.status_code == 503
    said = "The database does not answer."
    assert answer.json() == {"ready": False, "checks": {"database": said, "migrations": said}}


def test_missing_migration_is_told(client, worker):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'ops'")
    answer = client.get("/readyz/web")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "Migrations are missing. Run `manage.py migrate`."


def test_ready_is_cheap(client, worker, django_assert_num_queries):
    client.get("/readyz")  # the migrations are looked at once
    with django_assert_num_queries(4):
        client.get("/readyz")


@pytest.mark.parametrize("address", ["/livez", "/readyz", "/readyz/web"])
def test_probe_calls_by_any_host_over_plain_http(client, worker, settings, address):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(address, HTTP_HOST="10.1.2.3:8000").status_code == 200


def test_live_needs_no_database(client):
    with database_away():
        assert client.get("/livez").content == b"ok\n"


def test_probe_only_looks(client):
    assert client.post("/readyz").status_code == 405


def test_heartbeats_of_machines_that_are_gone_are_forgotten():
    now = timezone.now()
    beat(worker="gone:1", now=now - timedelta(days=2))
    beat(worker="here:1", now=now - timedelta(seconds=10))
    beat(worker="here:1", now=now)
    assert list(Heartbeat.objects.values_list("worker", "beat_at")) == [("here:1", now)]


def test_a_machine_asks_for_its_own_worker():
    beat(worker="elsewhere:1", now=timezone.now())
    with pytest.raises(CommandError, match=f"No supervisor was heard on {MACHINE}"):
        call_command("work", check=True)
    beat(worker=f"{MACHINE}:1", now=timezone.now())
    call_command("work", check=True)
