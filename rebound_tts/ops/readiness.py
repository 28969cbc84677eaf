"""Whether the installation is ready, for whoever asks each few seconds: a load balancer, an orchestrator, a person.

Nothing here tells a secret: what is wrong is said in words of ours, never in a driver's, which name hosts and users.
"""

import functools
import logging
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from rebound_tts.ops.gauges import backlog, workers_alive

logger = logging.getLogger(__name__)

OK = "ok"


def for_requests() -> dict[str, str]:
    """What a web process needs to take requests: a webhook is accepted though every worker is down."""
    return {"database": _said(_database), "migrations": _said(_migrations)}


def for_everything(*, now: datetime) -> dict[str, str]:
    """What returns need to be worked on, too."""
    found = for_requests()
    if found["database"] != OK or found["migrations"] != OK:
        return found
    return found | {
        "queue": _said(functools.partial(_queue, now=now)),
        "workers": _said(functools.partial(_workers, now=now)),
    }


def _said(check: Callable[[], str]) -> str:
    try:
        return check()
    except DatabaseError as error:
        logger.warning("not ready", extra={"check": getattr(check, "__name__", ""), "error": type(error).__name__})
        connection.close()  # the next look tries a new one
        return "The database does not answer."


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return OK


def _migrations() -> str:
    if _migrated():
        return OK
    _migrated.cache_clear()
    return "Migrations are missing. Run `manage.py migrate`."


@functools.cache
def _migrated() -> bool:
    """Whether every migration of this code is applied. Once it is, it stays so: the code does not change."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _queue(*, now: datetime) -> str:
    oldest = backlog(now=now).oldest
    if oldest <= settings.READY_QUEUE_SECONDS:
        return OK
    return f"The oldest work has waited {oldest:.0f} s; {settings.READY_QUEUE_SECONDS} are allowed."


def _workers(*, now: datetime) -> str:
    return OK if workers_alive(now=now) else "No worker was heard in the last minute. Start `manage.py work`."
