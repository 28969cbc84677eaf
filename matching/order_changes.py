"""When an order changed, so that whoever reads changes page by page misses none.

A time taken before a transaction may be committed after a reader has gone past it. On PostgreSQL each change therefore
takes its time under a lock that the merchant's changes share, and a reader waits for those under way, once, before it
looks: what it then sees up to that moment is all there is, and whatever comes later has a later time. On SQLite one
transaction writes at a time, and takes its time when it does.
"""

from datetime import datetime

from django.db import connection
from django.db.models.expressions import RawSQL
from django.utils import timezone

from merchants.models import Merchant

LOCK_KIND = 0x5E1F << 40  # sets these advisory locks apart from any others
SHARED = "WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%s)) SELECT clock_timestamp() FROM held"
# Waits five seconds for changes under way; then the reader is asked to come again.
ALONE = """
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '5s', true)),
held AS MATERIALIZED (SELECT pg_advisory_xact_lock(%s) FROM patience)
SELECT clock_timestamp() FROM held
"""


def change_time(merchant: Merchant) -> datetime:
    """The time of a change that is being made: called in its transaction."""
    if connection.vendor != "postgresql":
        return timezone.now()
    return _time(SHARED, merchant)


def change_time_within(merchant: Merchant) -> RawSQL | datetime:
    """The same as a value of the statement that makes the change: it saves a query. What it comes to is known after."""
    if connection.vendor != "postgresql":
        return timezone.now()
    return RawSQL(f"({SHARED})", [LOCK_KIND + merchant.pk])  # noqa: S611  # a statement of ours


def settled_until(merchant: Merchant) -> datetime | None:
    """The time before which no change can come any more; None where every change that can be seen is settled.

    Raises OperationalError where a change is under way for very long.
    """
    if connection.vendor != "postgresql":
        return None
    return _time(ALONE, merchant)


def _time(statement: str, merchant: Merchant) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(statement, [LOCK_KIND + merchant.pk])
        (found,) = cursor.fetchone()
    moment: datetime = found
    return moment
