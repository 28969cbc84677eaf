"""What every test has: no network beyond this machine, and, for those that ask, a sandbox with a story's cast."""

import contextlib
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.utils import timezone
from hypothesis import settings as hypothesis_settings

from merchants import connections as connections_of_merchants
from rebound_tts.demo.cast import Cast, assemble
from rebound_tts.demo.sandbox_control import SandboxControl
from rebound_tts.demo.story import Story
from rebound_tts.sandbox.server import Sandbox

T = TypeVar("T")

# A busy machine is no failure: how long an example takes says nothing of whether it holds.
hypothesis_settings.register_profile("suite", deadline=None)
hypothesis_settings.load_profile("suite")


USES_DATABASE = {"db", "transactional_db", "live_server"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-alone", action="store_true", help="only tests that use the database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("database_alone"):
        return
    uses = [
        item
        for item in items
        if item.get_closest_marker("django_db") or not USES_DATABASE.isdisjoint(getattr(item, "fixturenames", ()))
    ]
    config.hook.pytest_deselected(items=[*set(items).difference(uses)])
    items[:] = uses


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Django empties SQLite after a test with transactions by deleting, which the audit log's trigger would refuse."""
    with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
        if connections["default"].vendor == "sqlite":
            cursor.execute("DROP TRIGGER IF EXISTS audit_entry_is_not_deleted")


@pytest.fixture(autouse=True, scope="session")
def _only_this_machine() -> Iterator[None]:
    """A test that reaches for the internet fails, and says where it wanted to go."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "local"
        if host not in {"127.0.0.1", "::1", "localhost", "local"}:
            raise AssertionError(f"A test wanted to connect to {host}.")
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    sandbox = Sandbox(empty=True)
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture(autouse=True)
def _known_content_types(request: pytest.FixtureRequest, _django_db_helper: None) -> None:
    """Django remembers content types for a process's life: no count of queries depends on the tests that ran before."""
    marked = request.node.get_closest_marker("django_db") is not None
    if marked or not {"db", "transactional_db"}.isdisjoint(request.fixturenames):
        ContentType.objects.get_for_models(*apps.get_models())


@pytest.fixture(autouse=True)
def _closed_circuits() -> None:
    """No test suffers from the failures that another one made."""
    connections_of_merchants._circuits.clear()


@pytest.fixture
def sandbox(sandbox_server: Sandbox, settings: Any) -> SandboxControl:
    """A fresh sandbox, with the product's settings pointing at it. It sends no webhooks by itself."""
    connection = sandbox_server.connection()
    settings.TIKTOK_APP_KEY = connection["app_key"]
    settings.TIKTOK_APP_SECRET = connection["app_secret"]
    settings.TIKTOK_SERVICE_ID = connection["service_id"]
    settings.TIKTOK_API_URL = settings.TIKTOK_AUTH_URL = connection["tiktok_url"]
    settings.TIKTOK_CONSENT_URL = settings.TIKTOK_US_CONSENT_URL = connection["tiktok_url"]
    settings.REBOUND_API_URLS = settings.REBOUND_AUTH_URLS = {
        "PROD": connection["rebound_url"],
        "PRE": "http://127.0.0.1:9",
    }
    control = SandboxControl(connection["control_url"])
    control.post("/reset", empty=True)
    return control


@pytest.fixture
def cast(sandbox: SandboxControl, db: None) -> Cast:
    """Two merchants and three connected shops; see rebound_tts/demo/cast.py."""
    return assemble(sandbox)


@pytest.fixture
def story(sandbox: SandboxControl, cast: Cast) -> Story:
    """What buyers and the OMS can do in the sandbox; see rebound_tts/demo/story.py."""
    return Story(sandbox, cast)


@pytest.fixture
def shared_database(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """A database that several threads can use at once: PostgreSQL as it is, SQLite moved into a file.

    A thread closes its own connections before it ends; see `in_threads`.
    """
    memory = connections["default"]
    if memory.vendor != "sqlite":
        yield
        return
    name = memory.settings_dict["NAME"]
    path = tmp_path / "shared.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as file:
        memory.connection.backup(file)
    memory.settings_dict["NAME"] = str(path)
    del connections["default"]
    connections["default"].ensure_connection()  # which turns WAL on: that cannot be done while others write
    yield
    connections["default"].close()
    memory.settings_dict["NAME"] = name
    connections["default"] = memory


def in_threads(count: int, act: Callable[[int], T]) -> list[T]:
    """Run `act(number)` in so many threads, started together. Answers what they answered; raises what one raised."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        try:
            start.wait(10)
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


class Clock:
    """The product's clock, to be moved by a test. It starts at the real time and then stands still only if moved."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)
        self._real_now = timezone.now

    def now(self) -> datetime:
        return self._real_now() + self._ahead

    def advance(self, **duration: float) -> None:
        self._ahead += timedelta(**duration)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock.now)
    return clock
