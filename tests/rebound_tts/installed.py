"""An installation on a SQLite file whose commands run as they are shipped, with the processes that they fork."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOON = 15.0  # seconds: far more than it takes, for a machine that is busy


def environment(path: Path) -> dict[str, str]:
    """What tests/settings.py puts into the environment, with another database."""
    return {**os.environ, "DATABASE_URL": f"sqlite:///{path}", "DJANGO_SETTINGS_MODULE": "rebound_tts.settings"}


class Running:
    """A running command and its database."""

    def __init__(self, path: Path, log: Path, *command: str) -> None:
        self.path = path
        with log.open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603  # a command of ours
                [sys.executable, "manage.py", *command],
                cwd=ROOT,
                env=environment(path),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def descendants(self) -> dict[int, list[int]]:
        """Processes under ours that are alive, by number, with their ancestors: the nearest first."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
        found: dict[int, list[int]] = {}
        for number in parents:
            line, ancestor = [], parents.get(number)
            while ancestor is not None and ancestor != self.process.pid:
                line.append(ancestor)
                ancestor = parents.get(ancestor)
            if ancestor is not None:
                found[number] = line
        return found

    def clusters(self) -> set[int]:
        """The sentinels of django-q2's clusters, which alone have forks: there is one, or none for a moment."""
        return {line[-1] for line in self.descendants().values() if line}

    def arrives(self) -> str:
        """An event of an unknown shop, stored without a bell, as if it had been lost."""
        key = uuid.uuid4().hex
        with self.database() as database:
            database.execute(
                "INSERT INTO returns_webhookevent"
                " (source, dedupe_key, type, shop_id, body, correlation_id, received_at, outcome, detail)"
                " VALUES ('TIKTOK', ?, '12', '1', ?, 'c', strftime('%Y-%m-%d %H:%M:%f', 'now'), '', '')",
                (key, json.dumps({"type": 12, "data": {"return_id": "1"}})),
            )
        return key

    def outcome_of(self, key: str) -> str:
        with self.database() as database:
            row = database.execute("SELECT outcome FROM returns_webhookevent WHERE dedupe_key = ?", (key,)).fetchone()
        return str(row[0])

    def heartbeats(self) -> list[str]:
        with self.database() as database:
            return [row[0] for row in database.execute("SELECT worker FROM ops_heartbeat")]

    def alive(self) -> set[int]:
        """Processes that work on our database, orphans too, which have no ancestor of ours any more."""
        return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._is_ours(entry)}

    def _is_ours(self, entry: Path) -> bool:
        with contextlib.suppress(OSError):
            alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            return alive and str(self.path).encode() in (entry / "environ").read_bytes()
        return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for number in self.alive():
            with contextlib.suppress(ProcessLookupError):  # it ended with its parent just now
                os.kill(number, signal.SIGKILL)

    @contextlib.contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as database, database:
            yield database


def until(met: Callable[[], Any], seconds: float = SOON) -> float:
    """Wait until it is met. Answers how long that took."""
    started = time.monotonic()
    while not met():
        assert time.monotonic() - started < seconds, f"Not within {seconds} s."
        time.sleep(0.05)
    return time.monotonic() - started
