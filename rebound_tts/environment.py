"""Readers of the environment, for settings.py. Each refuses an impossible value with the variable and the remedy."""

import base64
import binascii
import ipaddress
import warnings
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def required(name: str, remedy: str) -> str:
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {remedy}")
    return value


def number(name: str, default: int, *, least: int, most: int) -> int:
    raw = env.str(name, default=str(default))
    try:
        value = int(raw)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise ImproperlyConfigured(f"{name} is {raw!r}. Set it to a whole number from {least} to {most}.")
    return value


def switch(name: str, default: bool) -> bool:
    raw = env.str(name, default="true" if default else "false").strip().lower()
    if raw not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise ImproperlyConfigured(f"{name} is {raw!r}. Set it to true or false.")
    return raw in {"true", "1", "yes", "on"}


def field_keys(name: str) -> dict[str, bytes]:
    """`id:key` pairs, newest first: the first encrypts, every one of them decrypts."""
    remedy = "Set it to <id>:<32 bytes in base64>, several separated by commas; `make keys` prints one."
    keys: dict[str, bytes] = {}
    for pair in required(name, remedy).split(","):
        key_id, _, encoded = pair.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 32 or not key_id or len(key_id.encode()) > 16 or key_id in keys:
            raise ImproperlyConfigured(f"{name} holds a key that cannot be used (id {key_id!r}). {remedy}")
        keys[key_id] = key
    return keys


def url(name: str, default: str) -> str:
    value = env.str(name, default=default).rstrip("/")
    if not value.startswith(("https://", "http://")):
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to an address that starts with https://.")
    return value


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for each in env.list(name, default=[]):
        try:
            found.append(ipaddress.ip_network(each.strip()))
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name} holds {each!r}. Set it to networks such as 10.0.0.0/8, separated by commas."
            ) from error
    return found


def days(name: str, default: int, *, least: int = 1) -> int:
    return number(name, default, least=least, most=36_500)


def known_options(name: str, options: dict[str, Any], known: set[str], remedy: str) -> None:
    """Refuse any other: one that is left out silently could be the one that asks for TLS."""
    for option in options.keys() - known:
        raise ImproperlyConfigured(f"{name} has the option {option!r}. {remedy}.")


def database(name: str, default: str, *, prepared_statements: bool) -> dict[str, Any]:
    """Django's settings of the database at this address; a folder for SQLite's file is made where there is none."""
    try:
        address = env.str(name, default="") or default
        with warnings.catch_warnings(action="error"):  # what it does not know, it only warns of
            settings: dict[str, Any] = dict(env.db_url_config(address))
        if not settings["NAME"]:
            raise ValueError("it names no database")
    except Exception as error:
        raise ImproperlyConfigured(
            f"{name} cannot be read. Set it to sqlite:///<path> or postgres://<user>:<password>@<host>:<port>/<name>."
        ) from error
    options = settings.pop("OPTIONS", {})
    settings["CONN_MAX_AGE"] = None  # a new connection a request costs eight times the throughput
    settings["ATOMIC_REQUESTS"] = False
    if settings["ENGINE"].endswith("sqlite3"):
        known_options(name, options, set(), "SQLite takes none")
        settings["ENGINE"] = "rebound_tts.sqlite"  # Django's own, with writers that queue
        # A transaction that writes takes its lock at once, so that none fails half-way with "database is locked";
        # NORMAL is durable against a crash of the process, and against power loss up to the last checkpoint. Each
        # thread has a connection, and each commit of another one empties its cache: a small one loses nothing.
        settings["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1000;",
        }
        if settings["NAME"] != ":memory:":
            Path(settings["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    elif settings["ENGINE"].endswith("postgresql"):
        from psycopg.pq import Conninfo  # noqa: PLC0415  # SQLite does without it

        settings["ENGINE"] = "rebound_tts.postgresql"  # Django's own, with prepared statements that outlive a migration
        known = {option.keyword.decode() for option in Conninfo.get_defaults()}
        known_options(name, options, known, "PostgreSQL takes those of libpq, as in ?sslmode=verify-full")
        settings["OPTIONS"] = {"connect_timeout": 5} | options
        if prepared_statements:
            # A statement that comes the third time is read and planned once for its connection: a quarter less of the
            # database's work for a webhook, and a fifth more returns a second.
            settings["OPTIONS"] |= {"server_side_binding": True, "prepare_threshold": 3}
    else:
        raise ImproperlyConfigured(f"{name} names a database that is not supported. Use sqlite or postgres.")
    return settings
