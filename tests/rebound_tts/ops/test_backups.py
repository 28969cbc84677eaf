"""The drill: back up while it is used, lose everything, restore, read a token with keys kept apart, carry on."""

import base64
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).parents[3]
KEY = f"k1:{base64.b64encode(b'k' * 32).decode()}"
OTHER = f"k1:{base64.b64encode(b'o' * 32).decode()}"
FILL = """
from datetime import timedelta
from django.utils import timezone
from merchants.models import Merchant, ShopAuthorization
now = timezone.now()
merchant = Merchant.objects.create(name="Harbour", created_at=now)
ShopAuthorization.objects.create(
    merchant=merchant, open_id="o", access_token="ROW_kept-token", access_token_expires_at=now,
    refresh_token="ROW_refresh", refresh_token_expires_at=now + timedelta(days=9), authorized_at=now,
)
"""
READ = "from merchants.models import ShopAuthorization; print(ShopAuthorization.objects.get().access_token)"
WORKS = """
from django.utils import timezone
from rebound_tts.ops.models import beat
beat(worker="here:1", now=timezone.now())
"""
CARRY_ON = """
from django.test import Client
from tests.returns.conftest import return_event, signature_of
import json
body = json.dumps(return_event(shop_id="1", return_id="2", order_id="3")).encode()
print(Client().generic("POST", "/webhooks/tiktok", body, HTTP_AUTHORIZATION=signature_of(body)).status_code)
from returns.tasks import drain
from returns.models import WebhookEvent
drain()
print(WebhookEvent.objects.get().outcome)
"""


class Installation:
    """`manage.py` with a database of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def manage(self, *arguments: str, keys: str = KEY) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": self.url,
                "FIELD_ENCRYPTION_KEYS": keys,
                "DJANGO_SETTINGS_MODULE": "rebound_tts.settings",
                "ALLOWED_HOSTS": "testserver",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def does(self, code: str, **options: str) -> str:
        done = self.manage("shell", "--no-imports", "-c", code, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    if connection.vendor != "sqlite":
        pytest.skip("this run is on PostgreSQL")
    migrated: Path = request.getfixturevalue("migrated_file")  # not made for nothing
    return Installation(f"sqlite:///{shutil.copy(migrated, tmp_path / 'live.sqlite3')}")


@pytest.fixture
def postgres(transactional_db: None) -> Iterator[Installation]:
    if connection.vendor != "postgresql":
        pytest.skip("this run is on SQLite")
    if shutil.which("pg_dump") is None:
        pytest.skip("PostgreSQL's client programs are not installed")
    held = connection.settings_dict
    name = f"{held['NAME']}_drill"
    quoted = connection.ops.quote_name(name)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted}")
        cursor.execute(f"CREATE DATABASE {quoted}")
    installation = Installation(
        f"postgres://{held['USER']}:{held['PASSWORD']}@{held['HOST'] or '127.0.0.1'}:{held['PORT'] or 5432}/{name}"
    )
    assert installation.manage("migrate", "-v0").returncode == 0
    yield installation
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {quoted} WITH (FORCE)")


def drill(installation: Installation, *, copy: Path, lose: str) -> None:
    installation.does(FILL)
    done = installation.manage("backup", str(copy))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("bytes. To read it takes the field keys: k1.\n")
    assert copy.stat().st_mode & 0o077 == 0
    assert b"kept-token" not in copy.read_bytes()

    installation.does(lose)
    done = installation.manage("restore", str(copy))
    assert (done.returncode, "Say --confirm" in done.stderr) == (1, True)
    done = installation.manage("restore", str(copy), "--confirm", keys=OTHER)
    assert (done.returncode, "a field key is not the right one" in done.stderr) == (1, True)
    done = installation.manage("restore", str(copy), "--confirm", keys=OTHER.replace("k1", "k2"))
    assert (done.returncode, "k1 of FIELD_ENCRYPTION_KEYS is missing" in done.stderr) == (1, True)
    done = installation.manage("restore", str(copy), "--confirm")
    assert (done.returncode, done.stderr) == (0, "")
    assert installation.does(READ) == "ROW_kept-token"
    assert installation.does(CARRY_ON).splitlines() == ["200", "UNKNOWN_SHOP"]


def test_drill_on_sqlite(sqlite, tmp_path):
    path = sqlite.url.removeprefix("sqlite:///")
    drill(
        sqlite,
        copy=tmp_path / "copy",
        lose=f"from django.db import connection; connection.close(); import os; os.truncate({path!r}, 0)",
    )


def test_drill_on_postgres(postgres, tmp_path):
    lose = """
from django.db import connection
connection.cursor().execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
"""
    drill(postgres, copy=tmp_path / "copy", lose=lose)


def test_copy_is_made_over_a_connection_like_ours(postgres, tmp_path, monkeypatch):
    """What DATABASE_URL asks for, TLS above all, PostgreSQL's programs are asked for, too."""
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "$PGSSLMODE, $PGAPPNAME, $PGDATABASE" >&2\nexit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    asked = Installation(f"{postgres.url}?sslmode=prefer&application_name=nightly")
    said = asked.manage("backup", str(tmp_path / "copy")).stderr
    assert f"pg_dump failed: prefer, nightly, {postgres.url.rpartition('/')[2]}" in said


def test_backup_while_somebody_writes_is_whole(sqlite, tmp_path):
    """What is committed and only in the write-ahead log yet is in the copy; what is not committed is not."""
    sqlite.does(FILL)
    with contextlib.closing(sqlite3.connect(sqlite.url.removeprefix("sqlite:///"), isolation_level=None)) as writer:
        writer.execute("UPDATE merchants_merchant SET name = 'in the log'")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE merchants_merchant SET name = 'never committed'")
        assert sqlite.manage("backup", str(tmp_path / "copy")).returncode == 0
        writer.execute("ROLLBACK")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("SELECT name FROM merchants_merchant").fetchall() == [("in the log",)]


def test_what_cannot_be_done_is_said(sqlite, tmp_path):
    (tmp_path / "taken").write_text("no database, " * 1000)
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE a (b)").connection.close()
    shutil.copy(sqlite.url.removeprefix("sqlite:///"), tmp_path / "unfinished")
    with contextlib.closing(sqlite3.connect(tmp_path / "unfinished", isolation_level=None)) as unfinished:
        unfinished.execute("DELETE FROM django_migrations WHERE app = 'returns' AND name >= '0008'")
    for arguments, said in (
        (("backup", f"{tmp_path}/taken"), "taken exists. Name a file that does not."),
        (("backup", f"{tmp_path}/no/such/copy"), "/no/such is no folder."),
        (("restore", f"{tmp_path}/missing", "--confirm"), "missing is no file."),
        (("restore", f"{tmp_path}/taken", "--confirm"), "taken is no SQLite database"),
        (("restore", f"{tmp_path}/other", "--confirm"), "other is no database of this product."),
        (("restore", f"{tmp_path}/unfinished", "--confirm"), "and was to get returns.0008_alerts next."),
    ):
        done = sqlite.manage(*arguments)
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_restore_refuses_while_a_worker_is_heard(sqlite, tmp_path):
    assert sqlite.manage("backup", str(tmp_path / "copy")).returncode == 0
    sqlite.does(WORKS)
    done = sqlite.manage("restore", str(tmp_path / "copy"), "--confirm")
    assert (done.returncode, "Workers are running." in done.stderr) == (1, True)
    assert sqlite.manage("restore", str(tmp_path / "copy"), "--confirm", "--even-while-working").returncode == 0
