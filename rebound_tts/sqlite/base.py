"""SQLite for several processes and threads that write: each waits its turn on a lock file.

SQLite has one writer at a time, and who finds it busy sleeps and looks again, longer each time: a burst makes
hundreds of milliseconds out of a one-millisecond write. A lock of the operating system wakes the next writer at once.
A single write, which takes some microseconds, asks for the turn only where it finds another writing for long: the lock
would cost each a third of its time. The lock only orders writers; correctness still rests on SQLite's own locks, so a
writer that does not know it is safe.
"""

import fcntl
import os
import sqlite3
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base
from django.utils.functional import cached_property

WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
AT_ONCE = 20  # milliseconds in which a statement waits for SQLite before it asks for the turn
PRIMARY = 0xFF  # of an extended error code, the part that every version tells


class DatabaseWrapper(base.DatabaseWrapper):
    """Holds the turn from BEGIN IMMEDIATE to the end of the transaction, or for a single write that found another."""

    _turn: int | None = None  # the open lock file
    _has_turn = False

    @property
    def patience(self) -> int:
        """Milliseconds that SQLite itself waits for a writer that knows no turns."""
        return int(1000 * self.settings_dict["OPTIONS"].get("timeout", 5))

    def get_new_connection(self, conn_params: Any) -> Any:
        made = super().get_new_connection(conn_params)
        made.execute(f"PRAGMA busy_timeout = {AT_ONCE}")
        return made

    def take_turn(self) -> bool:
        """Wait for the turn. Answers whether it was taken now, and is therefore to be given back by the caller."""
        if self._has_turn or self.is_in_memory_db():
            return False
        if self._turn is None:
            path = f"{self.settings_dict['NAME']}-turn"
            self._turn = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self._has_turn = True
        return True

    def give_turn_back(self) -> None:
        if self._has_turn and self._turn is not None:
            self._has_turn = False
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _start_transaction_under_autocommit(self) -> None:
        self.take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # not in the stubs
        except BaseException:
            self.give_turn_back()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        finally:
            self.give_turn_back()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self.give_turn_back()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._has_turn = False
            if self._turn is not None:
                os.close(self._turn)  # which also unlocks
                self._turn = None

    @cached_property
    def cursor_class(self) -> type["Cursor"]:
        """A cursor class that knows this wrapper: sqlite3 makes cursors from a class alone."""
        return type("Cursor", (Cursor,), {"wrapper": self})

    def create_cursor(self, name: Any = None) -> Any:
        return self.connection.cursor(factory=self.cursor_class)


@lru_cache(maxsize=256)
def converted(query: str) -> str:
    """The query with SQLite's placeholders. Django looks for those of each anew; most are sent again and again."""
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class Cursor(base.SQLiteCursorWrapper):
    wrapper: DatabaseWrapper
    _returned: list[Any] | None = None  # the rows that a write of its own returned

    def execute(self, query: str, params: Any = None) -> Any:
        self._returned = None
        try:
            return self._execute(query, params)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & PRIMARY != sqlite3.SQLITE_BUSY:
                raise
        # It has done nothing. Now in the order of turns, and with patience.
        is_write = query.startswith(WRITES) and self.wrapper.take_turn()
        self.connection.execute(f"PRAGMA busy_timeout = {self.wrapper.patience}")
        try:
            return self._execute(query, params)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {AT_ONCE}")
            if is_write:
                self.wrapper.give_turn_back()

    def convert_query(self, query: str, *, param_names: Any = None) -> str:
        return converted(query) if param_names is None else super().convert_query(query, param_names=param_names)

    def _execute(self, query: str, params: Any) -> Any:
        executed = super().execute(query, params)
        if self.description is not None and query.startswith(WRITES) and not self.wrapper.in_atomic_block:
            # The write ends when the last of its rows is read: before the next writer's.
            self._returned = super().fetchall()
        return executed

    def fetchone(self) -> Any:
        if self._returned is None:
            return super().fetchone()
        return self._returned.pop(0) if self._returned else None

    def fetchall(self) -> list[Any]:
        if self._returned is None:
            return super().fetchall()
        rows, self._returned = self._returned, []
        return rows
