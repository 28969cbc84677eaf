"""SQLite's writers queue on a lock file: none fails with "database is locked", and none keeps the turn."""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, OperationalError, ProgrammingError, connection, connections, transaction
from django.utils import timezone

from merchants.models import Merchant
from rebound_tts.sqlite.base import AT_ONCE, DatabaseWrapper
from tests.conftest import in_threads
from tests.factories import MerchantFactory

pytestmark = pytest.mark.skipif(
    "sqlite" not in settings.DATABASES["default"]["ENGINE"],
    reason="This is about SQLite; the suite runs on it too.",
)


@pytest.fixture(autouse=True)
def _file(shared_database: None) -> None:
    """Every test here has its database in a file."""


def turn_file() -> Path:
    return Path(f"{connection.settings_dict['NAME']}-turn")


def turn_is_free() -> bool:
    """Whether another process could take the turn now."""
    found = os.open(turn_file(), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(found)
    return True


def add(name: str = "Quay") -> Merchant:
    return Merchant.objects.create(name=name, created_at=timezone.now())


def test_database_is_a_file_with_our_wrapper():
    assert isinstance(connections["default"], DatabaseWrapper)
    assert not connection.is_in_memory_db()
    with transaction.atomic():
        add()
    assert turn_file().stat().st_mode & 0o777 == 0o600


@pytest.fixture(autouse=True)
def _timeout() -> Iterator[None]:
    options = connection.settings_dict["OPTIONS"]
    before = options["timeout"]
    yield
    options["timeout"] = before


def test_turn_is_held_for_the_transaction_and_given_back_after():
    assert turn_is_free()
    with transaction.atomic():
        assert not turn_is_free()
        add()
        with transaction.atomic():
            add()
        assert not turn_is_free()
    assert turn_is_free()
    assert Merchant.objects.count() == 2


def test_reader_takes_no_turn():
    with transaction.atomic():
        add()
        read = in_threads(1, lambda number: Merchant.objects.count())
    assert read == [0]


def failing() -> None:
    with transaction.atomic():
        add()
        raise KeyError


def failing_inside() -> None:
    with transaction.atomic():
        add()
        with transaction.atomic():
            add()
            raise KeyError


def refused() -> None:
    merchant = add()
    with transaction.atomic():
        Merchant.objects.create(pk=merchant.pk, name="again", created_at=timezone.now())


def refused_in_autocommit() -> None:
    Merchant.objects.create(pk=add().pk, name="again", created_at=timezone.now())


@pytest.mark.parametrize(
    ("act", "error", "left"),
    [
        (failing, KeyError, 0),
        (failing_inside, KeyError, 0),
        (refused, IntegrityError, 1),
        (refused_in_autocommit, IntegrityError, 1),
    ],
)
def test_turn_is_given_back_after_a_failure(act: Callable[[], None], error: type[Exception], left: int):
    with pytest.raises(error):
        act()
    assert turn_is_free()
    assert in_threads(1, lambda number: add().name) == ["Quay"]
    assert Merchant.objects.count() == left + 1


def test_turn_is_given_back_after_a_rollback():
    with transaction.atomic():
        add()
        transaction.set_rollback(True)
    assert turn_is_free()
    assert Merchant.objects.count() == 0


def test_inner_failure_keeps_the_turn_for_the_outer_transaction():
    with transaction.atomic():
        add("outer")
        with pytest.raises(KeyError):
            failing()
        assert not turn_is_free()
        add("outer")
    assert list(Merchant.objects.values_list("name", flat=True)) == ["outer", "outer"]


def closing() -> None:
    with transaction.atomic():
        add()
        connection.close()
        assert turn_is_free()
        add()


def test_turn_is_given_back_when_the_connection_closes():
    connection.set_autocommit(False)
    with transaction.atomic():
        add()
    connection.close()
    assert turn_is_free()
    connection.set_autocommit(True)
    add()
    assert turn_is_free()


def test_closing_in_the_middle_of_a_transaction_gives_the_turn_back():
    with pytest.raises(ProgrammingError):
        closing()
    connection.close()
    assert turn_is_free()
    assert Merchant.objects.count() == 0


def test_single_write_asks_for_no_turn_where_nobody_writes():
    """The turn is another's, who has not begun to write: a webhook is stored all the same, and keeps nobody out."""
    add()
    held = os.open(turn_file(), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        add()
    finally:
        os.close(held)
    assert Merchant.objects.count() == 2
    assert turn_is_free()


def test_single_write_that_found_another_writing_queues_behind_who_came_before():
    """Else it would look again and again, later each time, while others come and go."""
    other: Any = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    held = os.open(turn_file(), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.2, lambda: other.execute("COMMIT")).start()
    threading.Timer(0.6, lambda: os.close(held)).start()
    started = time.monotonic()
    add()
    assert time.monotonic() - started > 0.5
    other.close()
    assert turn_is_free()


def test_connection_waits_at_once_only_so_long():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (AT_ONCE,)
    connection.settings_dict["OPTIONS"]["timeout"] = 0.1
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"):
        add()
    other.close()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (AT_ONCE,)
    assert turn_is_free()


def test_write_waits_for_its_turn_and_no_longer():
    release, began = threading.Event(), threading.Event()

    def act(number: int) -> float:
        if number == 0:
            with transaction.atomic():
                add("first")
                began.set()
                release.wait(10)
            return 0.0
        began.wait(10)
        started = time.monotonic()
        threading.Timer(0.3, release.set).start()
        add("second")
        return time.monotonic() - started

    _, waited = in_threads(2, act)
    assert 0.25 < waited < 5
    assert list(Merchant.objects.order_by("pk").values_list("name", flat=True)) == ["first", "second"]


def test_write_that_returns_rows_ends_before_its_turn():
    """SQLite keeps its lock until the last of them is read, and the next writer would find it locked."""
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, timeout=0)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO merchants_merchant (name, created_at) VALUES ('Quay', '2026-11-20') RETURNING name")
        other.execute("BEGIN IMMEDIATE")
        other.execute("COMMIT")
        assert (cursor.fetchone(), cursor.fetchone(), cursor.fetchall()) == (("Quay",), None, [])
    other.close()


def test_placeholders_of_both_kinds_and_percent_signs_reach_sqlite():
    asked = "SELECT %s LIKE 'a%%', %s"
    with connection.cursor() as cursor:
        for values in (("abc", "%s"), ("xyz", "%%")):  # the second time its words are known
            cursor.execute(asked, values)
            assert cursor.fetchone() == (int(values[0] == "abc"), values[1])
        cursor.execute("SELECT %(name)s || '%%'", {"name": "100"})
        assert cursor.fetchone() == ("100%",)
        cursor.execute("SELECT 'a%%'", {})
        assert cursor.fetchone() == ("a%",)
        cursor.execute("SELECT '%s'")  # without values nothing is replaced
        assert cursor.fetchone() == ("%s",)


def test_writer_that_knows_no_turn_is_still_safe():
    """Another program with its own connection: SQLite's busy timeout orders it."""
    other: Any = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    add()
    other.close()
    assert Merchant.objects.count() == 1


def test_threads_that_write_at_once_never_find_it_locked():
    """Autocommit and atomic writes, mixed, and with a busy timeout that would show at once who did not queue."""
    counter = MerchantFactory(name="0")
    connection.settings_dict["OPTIONS"]["timeout"] = 0.05

    def write(number: int) -> None:
        for _ in range(15):
            add(f"writer {number}")
            with transaction.atomic():
                held = Merchant.objects.get(pk=counter.pk)
                Merchant.objects.filter(pk=counter.pk).update(name=str(int(held.name) + 1))
                add(f"writer {number}")
            Merchant.objects.filter(name=f"writer {number}")[:1].get().delete()

    in_threads(8, write)
    counter.refresh_from_db()
    assert counter.name == str(8 * 15)
    assert Merchant.objects.count() == 1 + 8 * 15
    assert turn_is_free()
