"""PostgreSQL with prepared statements that outlive a migration.

During an upgrade `migrate` runs while the release before goes on (README, Running it). PostgreSQL refuses a statement
that was prepared before a column in its result changed, as one that became longer, and it would for as long as the
connection lives. Nothing was done then, so the statement is prepared anew and repeated. In a transaction, which failed
with it, nothing can be repeated: it is rolled back like any other that failed, and psycopg then prepares anew.

Their values go beside them, and PostgreSQL counts those in two bytes: what writes many rows is cut to what fits.
"""

from typing import Any

import psycopg
from django.db import NotSupportedError
from django.db.backends.postgresql import base, features, operations

# What refuses inside PostgreSQL: its code is that of many an error, and its words depend on the server's language.
REFUSER = "RevalidateCachedQuery"


class DatabaseFeatures(features.DatabaseFeatures):
    max_query_params = 65_535


class DatabaseOperations(operations.DatabaseOperations):
    def bulk_batch_size(self, fields: Any, objs: Any) -> int:
        """Rows a statement. `bulk_update` gives the key beside each value, and tells of it only twice."""
        return DatabaseFeatures.max_query_params // (2 * max(len(fields), 1))


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures
    ops_class = DatabaseOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(prepare_anew)


def prepare_anew(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    try:
        return execute(sql, params, many, context)
    except NotSupportedError as error:
        if many or context["connection"].in_atomic_block or not _is_of_a_changed_result(error):
            raise
    context["cursor"].execute("DEALLOCATE ALL")
    return execute(sql, params, many, context)


def _is_of_a_changed_result(error: NotSupportedError) -> bool:
    cause = error.__cause__
    return isinstance(cause, psycopg.Error) and cause.diag.source_function == REFUSER
