"""PostgreSQL with prepared statements that outlive a migration.

During an upgrade `migrate` runs while the release before goes on (README, Running it). PostgreSQL refuses a statement
that was prepared before a column in its result changed, as one that became longer, and it would for as long as the
connection lives. Nothing was done then, so the statement is prepared anew and repeated. In a transaction, which failed
with it, nothing can be repeated: it is rolled back like any other that failed, and psycopg then prepares anew.
"""

from typing import Any

from django.db import NotSupportedError
from django.db.backends.postgresql import base

CHANGED = "cached plan must not change result type"  # PostgreSQL has no code for it alone


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(prepare_anew)


def prepare_anew(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    try:
        return execute(sql, params, many, context)
    except NotSupportedError as error:
        if CHANGED not in str(error) or context["connection"].in_atomic_block:
            raise
    context["cursor"].execute("DEALLOCATE ALL")
    return execute(sql, params, many, context)
