"""Prepared statements: of a process that goes on while `migrate` changes a column, and of many rows."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import NotSupportedError, connection, transaction

TABLE = "prepared_before"


@pytest.fixture
def migrate(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Lengthens a column, as another process does."""
    if connection.vendor != "postgresql":
        pytest.skip("this run is on SQLite")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (title varchar(5))")
        cursor.execute(f"INSERT INTO {TABLE} VALUES ('short')")  # noqa: S608  # a name of ours
    held = connection.get_connection_params()
    told = {name: held[name] for name in ("dbname", "user", "password", "host", "port") if name in held}

    def lengthen() -> None:
        with psycopg.connect(**told, autocommit=True) as other:
            other.execute(f"ALTER TABLE {TABLE} ALTER title TYPE varchar(50)")

    yield lengthen
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def titles() -> list[tuple[str]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT title FROM {TABLE} WHERE title <> %s", ["none"])  # noqa: S608  # a name of ours
        return cursor.fetchall()


def is_prepared() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", [f"%FROM {TABLE}%"])
        return bool(cursor.fetchone()[0])


def prepare() -> None:
    for _ in range(5):
        titles()
    assert is_prepared()


def test_statement_outlives_a_migration(migrate):
    prepare()
    migrate()
    assert titles() == [("short",)]
    prepare()  # it is again


def test_transaction_that_met_a_migration_fails_once(migrate):
    prepare()
    migrate()
    with pytest.raises(NotSupportedError), transaction.atomic():
        titles()
    with transaction.atomic():
        assert titles() == [("short",)]


def test_other_refusals_are_told(migrate):
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE VIEW {TABLE}_seen AS SELECT title FROM {TABLE}")  # noqa: S608  # a name of ours
        with pytest.raises(NotSupportedError, match="cannot alter"):
            cursor.execute(f"ALTER TABLE {TABLE} ALTER title TYPE text")
        cursor.execute(f"DROP VIEW {TABLE}_seen")


@pytest.mark.parametrize("columns", [1, 2, 20])
def test_bulk_update_gives_no_more_values_than_a_statement_takes(columns):
    """Django asks with the key twice; it gives the key and a value for each column of a row, and the key once more."""
    if connection.vendor != "postgresql":
        pytest.skip("this run is on SQLite")
    rows = connection.ops.bulk_batch_size(["pk", "pk", *"c" * columns], [])
    assert 10_000 < rows * (2 * columns + 1) <= 65_535
