"""SQLite for several processes and threads that write: each waits its turn on a lock file.

SQLite has one writer at a time, and who finds it busy sleeps and looks again, longer each time: a burst makes
hundreds of milliseconds out of a one-millisecond write. A lock of the operating system wakes the next writer at once.
The lock only orders writers; correctness still rests on SQLite's own locks, so a writer that does not know it is safe.
"""

import fcntl
import os
from typing import Any

from django.db.backends.sqlite3 import base
from django.utils.functional import cached_property

WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class DatabaseWrapper(base.DatabaseWrapper):
    """Holds the turn from BEGIN IMMEDIATE to the end of the transaction, or for one writing statement."""

    _turn: int | None = None  # the open lock file
    _has_turn = False

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


class Cursor(base.SQLiteCursorWrapper):
    wrapper: DatabaseWrapper
    _returned: list[Any] | None = None  # the rows that a write of its own returned

    def execute(self, query: str, params: Any = None) -> Any:
        self._returned = None
        if self.wrapper.in_atomic_block or not query.startswith(WRITES):
            return super().execute(query, params)
        taken = self.wrapper.take_turn()
        try:
            executed = super().execute(query, params)
            if self.description is not None:
                # The write ends when the last of its rows is read: before the next writer's turn.
                self._returned = super().fetchall()
            return executed
        finally:
            if taken:
                self.wrapper.give_turn_back()

    def fetchone(self) -> Any:
        if self._returned is None:
            return super().fetchone()
        return self._returned.pop(0) if self._returned else None

    def fetchall(self) -> list[Any]:
        if self._returned is None:
            return super().fetchall()
        rows, self._returned = self._returned, []
        return rows
