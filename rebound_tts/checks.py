"""System checks of the installation: each with an id and a hint that says what to do."""

import math
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

# Connections of a worker besides those of the returns it carries: errands, chores, and its own. See returns/tasks.py.
BESIDE_RETURNS = 14
OF_THE_CLUSTER = 4  # its supervisor, sentinel, monitor and pusher
LAST_BEFORE_RELEASE = "commit 8ff4a13"  # has the migrations one by one that 0001_first_release replaces


@register("rebound_tts")
def queue_settings(**_: Any) -> list[CheckMessage]:
    """The settings without which django-q2 runs jobs twice, repeats failures for ever, or keeps every result."""
    queue = settings.Q_CLUSTER
    found: list[CheckMessage] = []
    least = queue["timeout"] * (1 + queue["queue_limit"] / queue["workers"])
    if queue["retry"] <= least:
        found.append(
            Error(
                f"Q_CLUSTER retry is {queue['retry']} s; a prefetched job may still be running after {least:.0f} s.",
                hint="Set retry above timeout * (1 + queue_limit / workers), else a job runs twice.",
                id="rebound_tts.E001",
            )
        )
    if not queue["ack_failures"] or queue["max_attempts"] != 1 or queue["save_limit"] != -1:
        found.append(
            Error(
                "Q_CLUSTER repeats or keeps jobs.",
                hint="Set ack_failures to True, max_attempts to 1, save_limit to -1: the tables are the list of work.",
                id="rebound_tts.E002",
            )
        )
    return found


@register(Tags.admin)
def admin_pages(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Django's own checks of the admin, once its pages are loaded."""
    from django.contrib.admin.checks import check_admin_app, check_dependencies  # noqa: PLC0415  # nobody else's memory

    admin.autodiscover()
    return [*check_dependencies(), *check_admin_app(app_configs)]


@register("rebound_tts", Tags.security, deploy=True)
def tiktok_app(**_: Any) -> list[CheckMessage]:
    missing = [
        name for name in ("TIKTOK_APP_KEY", "TIKTOK_APP_SECRET", "TIKTOK_SERVICE_ID") if not getattr(settings, name)
    ]
    if not missing:
        return []
    return [
        Error(
            f"{', '.join(missing)} not set: no webhook can be verified and no call signed.",
            hint="Copy them from the app's page in TikTok Shop Partner Center.",
            id="rebound_tts.E003",
        )
    ]


@register("rebound_tts", Tags.security, deploy=True)
def remotes_use_tls(**_: Any) -> list[CheckMessage]:
    remotes = {
        "TIKTOK_API_URL": settings.TIKTOK_API_URL,
        "TIKTOK_AUTH_URL": settings.TIKTOK_AUTH_URL,
        "TIKTOK_CONSENT_URL": settings.TIKTOK_CONSENT_URL,
        "TIKTOK_US_CONSENT_URL": settings.TIKTOK_US_CONSENT_URL,
        "PUBLIC_URL": settings.PUBLIC_URL,
        "REBOUND_API_URL": settings.REBOUND_API_URLS["PROD"],
        "REBOUND_AUTH_URL": settings.REBOUND_AUTH_URLS["PROD"],
        "REBOUND_PRE_API_URL": settings.REBOUND_API_URLS["PRE"],
        "REBOUND_PRE_AUTH_URL": settings.REBOUND_AUTH_URLS["PRE"],
    }
    return [
        Warning(
            f"{name} is not an https:// address.",
            hint="Tokens and addresses would travel readable. Use http:// only toward a sandbox on this machine.",
            id="rebound_tts.W001",
        )
        for name, address in remotes.items()
        if not address.startswith("https://")
    ]


def connections_wanted(*, sets_of_workers: int) -> int:
    """How many database connections the threads of one web server and of so many `work`s may hold at once."""
    workers = settings.QUEUE_WORKERS * (settings.RETURNS_AT_A_TIME + BESIDE_RETURNS) + OF_THE_CLUSTER
    return settings.WEB_PROCESSES * settings.WEB_THREADS + sets_of_workers * workers


def connections_given() -> float:
    """How many connections the database server gives: no end of them on SQLite."""
    connection = connections["default"]
    if connection.vendor != "postgresql":
        return math.inf
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        )
        return int(cursor.fetchone()[0])


@register(Tags.database)
def database_connections(databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Where PostgreSQL gives fewer than our threads may want, some returns find none, and wait for a lease to end.
    Further sets of workers look for themselves when they start: `manage.py work`."""
    if "default" not in (databases or ()):
        return []
    wanted, given = connections_wanted(sets_of_workers=1), connections_given()
    if wanted <= given:
        return []
    return [
        Warning(
            f"One web server and one set of workers may want {wanted} connections; PostgreSQL gives {given}.",
            hint="Raise its max_connections, or lower QUEUE_WORKERS or RETURNS_AT_A_TIME.",
            id="rebound_tts.W002",
        )
    ]


@register(Tags.database)
def database_of_before(databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Where a database has only some of the migrations that another one replaces, Django can apply none of the rest,
    and says nothing."""
    if "default" not in (databases or ()):
        return []
    applied = set(MigrationRecorder(connections["default"]).applied_migrations())
    replaced = (sorted(migration.replaces) for migration in MigrationLoader(None).replacements.values())
    next_ones = (
        next((each for each in those if each not in applied), None) for those in replaced if applied & set(those)
    )
    named = ", ".join(sorted(".".join(each) for each in next_ones if each))
    if not named:
        return []
    return [
        Error(
            f"The database is of a version before the first release, and was to get {named} next.",
            hint=f"Run `migrate` of {LAST_BEFORE_RELEASE} on it, then this one; or begin with an empty database.",
            id="rebound_tts.E004",
        )
    ]
