"""Copies of the database, made while everything runs, and taken back.

SQLite by its own backup API (a plain copy of the file would miss what is in the write-ahead log), PostgreSQL by its
pg_dump. A copy never holds FIELD_ENCRYPTION_KEYS: who finds it reads no token and no address, and without the keys,
kept apart, it is worth little to us, too. So a restore ends by opening what is encrypted.
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from merchants.encryption import unseal
from merchants.key_rotation import columns, keys_in_use
from rebound_tts.ops.gauges import workers_alive
from rebound_tts.ops.models import Heartbeat


class BackupError(Exception):
    """It was not done, or it is of no use. The text says why and what to do."""


def back_up(path: Path) -> None:
    """Write a copy of the database, whole as of one moment, readable by its owner alone. Raises BackupError."""
    if path.exists():
        raise BackupError(f"{path} exists. Name a file that does not.")
    if not path.parent.is_dir():
        raise BackupError(f"{path.parent} is no folder.")
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    if connection.vendor == "sqlite":
        _copy_sqlite(Path(connection.settings_dict["NAME"]), unfinished)
        _check_sqlite(unfinished)
    else:
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}")
    unfinished.replace(path)  # under its name it is whole


def restore(path: Path, *, now: datetime, even_while_working: bool = False) -> None:
    """Replace what the database holds by a copy. Raises BackupError; then the database is as it was."""
    if not path.is_file():
        raise BackupError(f"{path} is no file.")
    if not even_while_working and _is_worked_on(now=now):
        raise BackupError("Workers are running. Stop them and the web servers, then restore.")
    if connection.vendor == "sqlite":
        _check_sqlite(path)
        name = connection.settings_dict["NAME"]
        connection.close()
        _copy_sqlite(path, Path(name))
    else:
        connection.close()
        _run(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--no-owner",
            "--no-privileges",
            "--single-transaction",
            "--exit-on-error",
            f"--dbname={connection.settings_dict['NAME']}",
            str(path),
        )
    Heartbeat.objects.all().delete()  # of the workers of then


def missing_keys() -> list[str]:
    """Ids of keys that sealed something here and are not in FIELD_ENCRYPTION_KEYS."""
    return sorted(key_id for key_id, count in keys_in_use().items() if count and key_id not in _known())


def open_one_of_each() -> int:
    """Decrypt one value of each encrypted column. Answers how many there were. Raises CannotDecryptError."""
    opened = 0
    quote = connection.ops.quote_name
    for column in columns():
        table, name = quote(column.table), quote(column.name)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {name} FROM {table} WHERE length({name}) > 0 LIMIT 1")  # noqa: S608  # our own names
            found = cursor.fetchone()
        if found is not None:
            unseal(bytes(found[0]), context=column.context)
            opened += 1
    return opened


def _known() -> dict[str, bytes]:
    keys: dict[str, bytes] = settings.FIELD_ENCRYPTION_KEYS
    return keys


def _is_worked_on(*, now: datetime) -> bool:
    if Heartbeat._meta.db_table not in connection.introspection.table_names():
        return False  # an empty database, to be restored into
    return bool(workers_alive(now=now))


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(source, timeout=20)) as held, closing(sqlite3.connect(target, timeout=20)) as copy:
            held.backup(copy)  # in one step: in several, each write of somebody else would start it anew
    except sqlite3.Error as error:
        raise BackupError(f"SQLite could not copy {source}: {error}") from error


def _check_sqlite(path: Path) -> None:
    """Raise BackupError unless the file is a whole database of ours."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as held:
            said = [row[0] for row in held.execute("PRAGMA integrity_check(3)")]
            is_ours = held.execute("SELECT 1 FROM sqlite_master WHERE name = 'returns_webhookevent'").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{path} is no SQLite database: {error}") from error
    if said != ["ok"]:
        raise BackupError(f"{path} is damaged: {said[0]}")
    if is_ours is None:
        raise BackupError(f"{path} is no database of this product.")


def _run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs, which connects as we do, by TLS if we do. What it takes goes by the environment: a
    list of processes would show the password."""
    from psycopg.pq import Conninfo  # noqa: PLC0415  # SQLite does without it

    found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed. Install PostgreSQL's client programs, as new as the server.")
    told = connection.get_connection_params()
    done = subprocess.run(  # noqa: S603  # found by name, arguments of ours, no shell
        [found, *arguments],
        env=os.environ
        | {
            option.envvar.decode(): str(told[option.keyword.decode()])
            for option in Conninfo.get_defaults()
            if option.envvar and option.keyword.decode() in told
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()[-500:]}")
