"""Many new rows at once, past the ORM: COPY on PostgreSQL, statements of many rows on SQLite.

`bulk_create` spends three quarters of a batch in preparing values that are prepared already. Only for rows whose values
were checked: the database's constraints stand, a model's own `save` and validators do not run.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any

from django.db import connection, models

# On SQLite, largest first: few statements, since Python's lock changes hands at each (`executemany` is one a row), and
# few different ones, since the connection keeps them prepared. SQLite takes 32 766 values a statement.
ROWS_A_STATEMENT = (256, 32, 1)


def insert_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of these columns (attribute names); every other column gets its default.

    Values are as the database takes them: JSON as text, sealed bytes, times from `moments`. Called in a transaction;
    raises IntegrityError, after which the caller's savepoint is to be rolled back.
    """
    names, defaults = _others(model, tuple(columns))
    table = connection.ops.quote_name(model._meta.db_table)
    named = ", ".join(connection.ops.quote_name(name) for name in names)
    full = [(*row, *defaults) for row in rows]
    with connection.cursor() as cursor, connection.wrap_database_errors:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({named}) FROM STDIN") as copy:
                for row in full:
                    copy.write_row(row)
            return
        marks = f"({', '.join('?' * len(names))})"
        done = 0
        for size in ROWS_A_STATEMENT:
            insert = f"INSERT INTO {table} ({named}) VALUES {', '.join([marks] * size)}"  # noqa: S608  # names of ours
            while len(full) - done >= size:
                # By the driver: Django would look through each of these long texts for its own kind of marks.
                connection.connection.execute(insert, list(chain.from_iterable(full[done : done + size])))
                done += size


@cache
def _others(model: type[models.Model], columns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The database's names of the columns, with those that were not named behind, and the defaults of the latter."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    others = [field for name, field in fields.items() if name not in columns and not field.primary_key]
    names = [str(fields[name].column) for name in columns] + [str(field.column) for field in others]
    defaults = [field.get_db_prep_save(field.get_default(), connection) for field in others]
    return tuple(names), tuple(bytes(each) if isinstance(each, memoryview) else each for each in defaults)


def new_keys(model: type[models.Model], count: int) -> Sequence[int]:
    """As many primary keys that nobody else gets, ascending. On SQLite for a transaction that writes: it is alone."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count]
            )
            return sorted(key for (key,) in cursor.fetchall())
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        row = cursor.fetchone()
        first = (row[0] if row else 0) + 1
        return range(first, first + count)


def moments() -> Callable[[datetime | None], Any]:
    """What makes a time, or None, as the database takes it. Asked for once a batch: the connection is looked up."""
    adapted: Callable[[datetime | None], Any] = connection.ops.adapt_datetimefield_value
    return adapted
