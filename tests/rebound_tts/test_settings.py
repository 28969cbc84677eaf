"""What a wrong environment says at the start: one line that names the variable and the remedy."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(b"k" * 32).decode()
GOOD = {"SECRET_KEY": "x" * 60, "FIELD_ENCRYPTION_KEYS": f"k1:{KEY}", "DATABASE_URL": "sqlite:///:memory:"}
KEYS_REMEDY = "Set it to <id>:<32 bytes in base64>, several separated by commas; `make keys` prints one."
UNUSABLE_KEY = "FIELD_ENCRYPTION_KEYS holds a key that cannot be used"
UNSUPPORTED = "DATABASE_URL names a database that is not supported. Use sqlite or postgres."
DATABASE_REMEDY = "Set it to sqlite:///<path> or postgres://<user>:<password>@<host>:<port>/<name>."

Loaded = dict[str, Any]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with this environment and nothing of ours beside it."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Loaded]:
    """Read the settings file afresh with this environment, in this process: the same lines, without a start."""

    def load(**environment: str) -> Loaded:
        for name in [name for name in os.environ if name in SETTABLE]:
            monkeypatch.delenv(name)
        for name, value in (GOOD | environment).items():
            monkeypatch.setenv(name, value)
        path = ROOT / "rebound_tts" / "settings.py"
        loaded: Loaded = {"__file__": str(path), "__name__": "settings_under_test"}
        exec(compile(path.read_text(), path, "exec"), loaded)  # noqa: S102  # our own file
        return loaded

    return load


SETTABLE = {
    line.lstrip("#").partition("=")[0]
    for line in (ROOT / ".env.example").read_text().splitlines()
    if "=" in line and line.lstrip("#").partition("=")[0].isupper()
}


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "SECRET_KEY is not set. Set it to 50 or more random characters; `make keys` prints one."),
        ({**GOOD, "QUEUE_WORKERS": "many"}, "QUEUE_WORKERS is 'many'. Set it to a whole number from 1 to 64."),
        ({**GOOD, "DATABASE_URL": "nonsense"}, f"DATABASE_URL cannot be read. {DATABASE_REMEDY}"),
    ],
    ids=["missing", "wrong", "unreadable"],
)
def test_wrong_environment_ends_the_start_with_one_line(environment, told):
    ended = run("check", **environment)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"Cannot start: {told}\n")


def test_right_environment_starts():
    ended = run("check", **GOOD)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_environment_with_redis_starts():
    ended = run("check", **GOOD, REDIS_URL="redis://127.0.0.1:9/0")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_production_environment_passes_every_check_of_a_deployment():
    given = {"ALLOWED_HOSTS": "example.com", "TIKTOK_APP_KEY": "k", "TIKTOK_APP_SECRET": "s", "TIKTOK_SERVICE_ID": "1"}
    secret = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2W3x4Y5z6-_a7b8"
    good = {**GOOD, "SECRET_KEY": secret, **given}
    ended = run("check", "--deploy", "--fail-level", "WARNING", **good)
    assert (ended.returncode, ended.stderr) == (0, "")
    # And ours are among them.
    ended = run("check", "--deploy", **{**good, "TIKTOK_APP_KEY": "", "PUBLIC_URL": "http://example.com"})
    assert ended.returncode == 1
    assert "(rebound_tts.E003) TIKTOK_APP_KEY not set" in ended.stderr
    assert "(rebound_tts.W001) PUBLIC_URL is not" in ended.stderr


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("FIELD_ENCRYPTION_KEYS", "", f"FIELD_ENCRYPTION_KEYS is not set. {KEYS_REMEDY}"),
        *(
            ("FIELD_ENCRYPTION_KEYS", value, f"{UNUSABLE_KEY} (id {key_id!r}). {KEYS_REMEDY}")
            for value, key_id in [
                (KEY, KEY),
                (f":{KEY}", ""),
                ("k1:", "k1"),
                ("k1:c2hvcnQ=", "k1"),
                ("k1:not base64!", "k1"),
                (f"k1:{KEY},k1:{KEY}", "k1"),
                (f"k1:{KEY},", ""),
                (f"{'k' * 17}:{KEY}", "k" * 17),
            ]
        ),
        ("DEBUG", "maybe", "DEBUG is 'maybe'. Set it to true or false."),
        ("HTTPS", "2", "HTTPS is '2'. Set it to true or false."),
        ("BEHIND_PROXY", "-", "BEHIND_PROXY is '-'. Set it to true or false."),
        ("QUEUE_WORKERS", "0", "QUEUE_WORKERS is '0'. Set it to a whole number from 1 to 64."),
        ("RETURNS_AT_A_TIME", "65", "RETURNS_AT_A_TIME is '65'. Set it to a whole number from 1 to 64."),
        ("WEB_PROCESSES", "1.5", "WEB_PROCESSES is '1.5'. Set it to a whole number from 1 to 64."),
        ("WEB_THREADS", "", "WEB_THREADS is ''. Set it to a whole number from 1 to 64."),
        ("REMOTE_CONNECT_SECONDS", "31", "REMOTE_CONNECT_SECONDS is '31'. Set it to a whole number from 1 to 30."),
        ("REMOTE_READ_SECONDS", "-1", "REMOTE_READ_SECONDS is '-1'. Set it to a whole number from 1 to 60."),
        ("TIKTOK_API_URL", "ftp://x", "TIKTOK_API_URL is 'ftp://x'. Set it to an address that starts with https://."),
        ("REBOUND_API_URL", "x.com", "REBOUND_API_URL is 'x.com'. Set it to an address that starts with https://."),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL is 'LOUD'. Set it to DEBUG, INFO, WARNING or ERROR."),
        ("SUPPORT_EMAIL", "help", "SUPPORT_EMAIL is 'help'. Set it to an e-mail address."),
        ("DATABASE_URL", "mysql://a@b/c", UNSUPPORTED),
        ("DATABASE_URL", "postgres://", f"DATABASE_URL cannot be read. {DATABASE_REMEDY}"),
        ("DATABASE_URL", "foo://x", f"DATABASE_URL cannot be read. {DATABASE_REMEDY}"),
        (
            "DATABASE_URL",
            "postgres://u:p@h/n?ssl_mode=require",
            "DATABASE_URL has the option 'ssl_mode'. PostgreSQL takes those of libpq, as in ?sslmode=verify-full.",
        ),
        ("DATABASE_URL", "sqlite:///x?timeout=9", "DATABASE_URL has the option 'timeout'. SQLite takes none."),
        ("PREPARED_STATEMENTS", "maybe", "PREPARED_STATEMENTS is 'maybe'. Set it to true or false."),
    ],
)
def test_impossible_value_is_named_with_its_remedy(load, name, value, told):
    with pytest.raises(ImproperlyConfigured) as caught:
        load(**{name: value})
    assert str(caught.value) == told


def test_message_about_a_key_never_holds_the_key(load):
    with pytest.raises(ImproperlyConfigured) as caught:
        load(FIELD_ENCRYPTION_KEYS=f"k1:{KEY},k2:{KEY[:-8]}")
    assert KEY[:-8] not in str(caught.value)


def test_keys_are_kept_newest_first(load):
    other = base64.b64encode(b"o" * 32).decode()
    assert list(load(FIELD_ENCRYPTION_KEYS=f"k2:{other}, k1:{KEY}")["FIELD_ENCRYPTION_KEYS"].items()) == [
        ("k2", b"o" * 32),
        ("k1", b"k" * 32),
    ]


def test_https_is_on_unless_switched_off(load):
    names = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
    assert [load()[name] for name in names] == [True, True, True]
    assert [load(HTTPS="off")[name] for name in names] == [False, False, False]
    assert load()["SECURE_PROXY_SSL_HEADER"] is None


def test_each_database_gets_what_it_needs(load, tmp_path):
    sqlite = load(DATABASE_URL=f"sqlite:///{tmp_path}/new/file.sqlite3")["DATABASES"]["default"]
    assert (sqlite["ENGINE"], sqlite["OPTIONS"]["transaction_mode"]) == ("rebound_tts.sqlite", "IMMEDIATE")
    assert (tmp_path / "new").is_dir()
    postgres = load(DATABASE_URL="postgres://u:p@h:5433/n")["DATABASES"]["default"]
    assert (postgres["ENGINE"], postgres["NAME"], postgres["PORT"]) == ("rebound_tts.postgresql", "n", 5433)
    assert load(DATABASE_URL="")["DATABASES"]["default"]["NAME"].endswith("/var/rebound_tts.sqlite3")


def test_options_of_the_address_reach_postgresql(load):
    url = "postgres://h/n?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=9"
    options = load(DATABASE_URL=url, PREPARED_STATEMENTS="false")["DATABASES"]["default"]["OPTIONS"]
    assert options == {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "connect_timeout": 9}


def test_statements_are_prepared_unless_switched_off(load):
    def options(**environment: str) -> Any:
        return load(DATABASE_URL="postgres://h/n", **environment)["DATABASES"]["default"]["OPTIONS"]

    assert options() == {"connect_timeout": 5, "server_side_binding": True, "prepare_threshold": 3}
    assert options(PREPARED_STATEMENTS="false") == {"connect_timeout": 5}


def test_example_lists_every_variable_that_is_read():
    source = "\n".join(path.read_text() for path in (ROOT / "rebound_tts").glob("settings*.py"))
    read = set(
        re.findall(
            r'\b(?:env\.\w+|required|number|switch|url|field_keys|networks|days|database)\(\s*"([A-Z_]+)"', source
        )
    )
    assert read == SETTABLE
