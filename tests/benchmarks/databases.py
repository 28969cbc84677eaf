"""A database for one benchmark, made before it and dropped after it: a SQLite file, or one of its own on PostgreSQL.

Rows are counted here with the plain driver, so that a benchmark need not believe what the product says of itself.
"""

import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

SERVER = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres").rsplit("/", 1)[0]
PEER_TABLE = {
    "sqlite": "CREATE TABLE peer_event (id integer PRIMARY KEY, dedupe_key text UNIQUE NOT NULL,"
    " body text NOT NULL, received_at text NOT NULL, handled_at text)",
    "postgresql": "CREATE TABLE peer_event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " dedupe_key text UNIQUE NOT NULL, body text NOT NULL, received_at timestamptz NOT NULL, handled_at timestamptz)",
}


class Database:
    """`kind` is "sqlite" or "postgresql"; `url` is what the product reads from DATABASE_URL."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url

    @property
    def title(self) -> str:
        return "SQLite" if self.kind == "sqlite" else "PostgreSQL"

    def _connect(self) -> Any:
        if self.kind == "sqlite":
            return sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None, timeout=20)
        return psycopg.connect(self.url, autocommit=True)

    def run(self, statement: str) -> Any:
        """Carry out one statement. Answers the first value of its first row, if it has rows."""
        with closing(self._connect()) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def clear(self, *tables: str) -> None:
        """Empty these tables: no round pays for the rows of the one before."""
        for table in tables:
            statement = "DELETE FROM {}" if self.kind == "sqlite" else "TRUNCATE {} CASCADE"
            self.run(statement.format(table))
        if self.kind == "sqlite":
            self.run("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def database(kind: str) -> Iterator[Database]:
    with _sqlite() if kind == "sqlite" else _postgresql() as made:
        made.run(PEER_TABLE[kind])
        yield made


def measured_on(kind: str, module: str, *arguments: str) -> tuple[str, dict[str, Any]]:
    """What the module prints as its last line, JSON, on a database of its own; and the database's title."""
    with database(kind) as made:
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        process = subprocess.Popen(command, env=os.environ | {"DATABASE_URL": made.url}, stdout=subprocess.PIPE)
        try:
            said, _ = process.communicate()
        finally:
            process.terminate()  # if it is still there: it then stops what it started
            process.wait()
        if process.returncode:
            raise RuntimeError(f"The benchmark on {made.title} ended with {process.returncode}; see above.")
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return made.title, found


def available() -> list[str]:
    """The databases that this machine has."""
    try:
        psycopg.connect(f"{SERVER}/postgres", connect_timeout=3).close()
    except psycopg.OperationalError as error:
        print(f"PostgreSQL does not answer, so it is left out: {error}", flush=True)
        return ["sqlite"]
    return ["sqlite", "postgresql"]


@contextmanager
def _sqlite() -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="rebound-bench-") as folder:
        yield Database("sqlite", f"sqlite:///{Path(folder) / 'bench.sqlite3'}")


@contextmanager
def _postgresql() -> Iterator[Database]:
    name = f"bench_{os.getpid()}_{secrets.token_hex(3)}"
    server = Database("postgresql", f"{SERVER}/postgres")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield Database("postgresql", f"{SERVER}/{name}")
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
