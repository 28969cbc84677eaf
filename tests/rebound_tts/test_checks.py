"""Each system check: silent when all is right, and with its id and a hint when it is not."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from merchants.models import Merchant
from rebound_tts.checks import (
    BESIDE_RETURNS,
    admin_pages,
    database_connections,
    database_of_before,
    queue_settings,
    remotes_use_tls,
    tiktok_app,
)
from rebound_tts.management.commands.work import warn_of_connections
from rebound_tts.ops.models import beat
from returns.tasks import BATCHES_AT_A_TIME, CHORES, RELAYS_AT_A_TIME


def ids(found: list) -> list[str]:
    assert all(message.hint for message in found)
    return [message.id for message in found]


def test_queue_settings_are_right():
    assert queue_settings() == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"retry": 240}, ["rebound_tts.E001"]),
        ({"retry": 241}, []),
        ({"queue_limit": 4}, ["rebound_tts.E001"]),
        ({"timeout": 150}, ["rebound_tts.E001"]),
        ({"ack_failures": False}, ["rebound_tts.E002"]),
        ({"max_attempts": 0}, ["rebound_tts.E002"]),
        ({"save_limit": 250}, ["rebound_tts.E002"]),
        ({"retry": 60, "save_limit": 0}, ["rebound_tts.E001", "rebound_tts.E002"]),
    ],
)
def test_queue_settings_that_repeat_or_keep_jobs_are_errors(settings, change, expected):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, **change}
    assert ids(queue_settings()) == expected


def test_the_admin_is_checked_once_its_pages_are_loaded(monkeypatch):
    assert admin_pages(None) == []
    monkeypatch.setattr(type(admin.site.get_model_admin(Merchant)), "list_display", ["no such column"])
    assert [message.id for message in admin_pages(None)] == ["admin.E108"]


def test_app_credentials_are_there():
    assert tiktok_app() == []


@pytest.mark.parametrize("name", ["TIKTOK_APP_KEY", "TIKTOK_APP_SECRET", "TIKTOK_SERVICE_ID"])
def test_missing_app_credential_is_an_error_that_names_it(settings, name):
    setattr(settings, name, "")
    found = tiktok_app()
    assert ids(found) == ["rebound_tts.E003"]
    assert found[0].msg == f"{name} not set: no webhook can be verified and no call signed."


def test_remotes_are_reached_by_https():
    assert remotes_use_tls() == []


@pytest.mark.parametrize("name", ["TIKTOK_API_URL", "TIKTOK_AUTH_URL"])
def test_tiktok_without_https_is_a_warning_that_names_it(settings, name):
    setattr(settings, name, "http://127.0.0.1:9")
    found = remotes_use_tls()
    assert ids(found) == ["rebound_tts.W001"]
    assert found[0].msg == f"{name} is not an https:// address."


@pytest.mark.parametrize(
    ("setting", "environment", "name"),
    [
        ("REBOUND_API_URLS", "PROD", "REBOUND_API_URL"),
        ("REBOUND_AUTH_URLS", "PROD", "REBOUND_AUTH_URL"),
        ("REBOUND_API_URLS", "PRE", "REBOUND_PRE_API_URL"),
        ("REBOUND_AUTH_URLS", "PRE", "REBOUND_PRE_AUTH_URL"),
    ],
)
def test_rebound_without_https_is_a_warning_that_names_it(settings, setting, environment, name):
    setattr(settings, setting, {**getattr(settings, setting), environment: "http://127.0.0.1:9"})
    found = remotes_use_tls()
    assert ids(found) == ["rebound_tts.W001"]
    assert found[0].msg == f"{name} is not an https:// address."


def test_migrations_say_what_the_models_say(db, capsys):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    assert capsys.readouterr().out == ""


@pytest.mark.django_db
def test_more_connections_than_postgresql_gives_are_a_warning(settings):
    settings.QUEUE_WORKERS = 1
    assert database_connections(databases=["default"]) == []
    settings.QUEUE_WORKERS = 64
    found = ids(database_connections(databases=["default"]))
    assert found == (["rebound_tts.W002"] if connection.vendor == "postgresql" else [])
    assert database_connections(databases=None) == []


@pytest.mark.django_db
def test_database_of_an_unfinished_version_is_refused_with_the_way_on():
    assert database_of_before(databases=["default"]) == []  # it has this release, made at once
    applied = MigrationRecorder.Migration.objects
    applied.filter(app="matching", name="0001_first_release").delete()
    assert database_of_before(databases=["default"]) == []  # each of those that it replaces
    applied.filter(app="matching", name__gte="0014").delete()
    (found,) = database_of_before(databases=["default"])
    assert (found.id, found.msg, found.hint) == (
        "rebound_tts.E004",
        "The database is of a version before the first release, and was to get "
        "matching.0014_reference_by_tiktok_order next.",
        "Run `migrate` of commit 8ff4a13 on it, then this one; or begin with an empty database.",
    )
    with pytest.raises(SystemCheckError, match=r"rebound_tts.E004"):
        call_command("migrate", verbosity=0, skip_checks=False)
    applied.filter(app="matching").delete()
    assert database_of_before(databases=["default"]) == []  # and none of them
    assert database_of_before(databases=None) == []


@pytest.mark.django_db
def test_workers_that_start_tell_of_too_few_connections_for_all_of_them(settings, caplog):
    now = timezone.now()
    assert beat(worker="here:1", now=now)
    assert not beat(worker="here:1", now=now)
    settings.QUEUE_WORKERS, settings.RETURNS_AT_A_TIME = 1, 4
    warn_of_connections(now=now)
    assert caplog.records == []
    for number in range(20):
        beat(worker=f"there:{number}", now=now)
    beat(worker="gone:1", now=now - timedelta(minutes=2))
    warn_of_connections(now=now)
    told = [record.sets_of_workers for record in caplog.records]
    assert told == ([21] if connection.vendor == "postgresql" else [])


def test_connections_beside_returns_are_those_that_a_worker_may_open():
    """The check stands below the tasks, and cannot ask them."""
    errands = RELAYS_AT_A_TIME + BATCHES_AT_A_TIME + 1  # and one bulk run
    assert errands + len(CHORES) + 1 == BESIDE_RETURNS  # and the drain itself
