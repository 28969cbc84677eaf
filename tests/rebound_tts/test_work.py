"""`manage.py work` as it is shipped, on a SQLite file: it works without a bell, survives kills, and ends whole."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

ROOT = Path(__file__).parents[2]
SOON = 15.0  # seconds: far more than it takes, for a machine that is busy


def environment(path: Path) -> dict[str, str]:
    """What tests/settings.py puts into the environment, with another database."""
    return {**os.environ, "DATABASE_URL": f"sqlite:///{path}", "DJANGO_SETTINGS_MODULE": "rebound_tts.settings"}


def test_the_workers_load_no_page(migrated_file):
    """Pages, allauth's among them, would take some 20 MB of every worker."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import django, sys; django.setup(); import rebound_tts.management.commands.work;"
            "print(*sorted({'rebound_tts.urls', 'returns.admin', 'rest_framework.views', 'redis'} & set(sys.modules)))",
        ],
        cwd=ROOT,
        env=environment(migrated_file),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert said.stdout.decode().split() == []


class Workers:
    """A running `manage.py work` and its database."""

    def __init__(self, path: Path, log: Path) -> None:
        self.path = path
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "work"],
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
        """The sentinels of django-q2's clusters: there is one, or none for a moment."""
        return {number for number, line in self.descendants().items() if not line}

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


@pytest.fixture
def workers(migrated_file: Path, tmp_path: Path) -> Iterator[Workers]:
    path = tmp_path / "work.sqlite3"
    shutil.copy(migrated_file, path)
    assert settings.Q_CLUSTER["workers"] == 2
    workers = Workers(path, tmp_path / "work.log")
    try:
        until(lambda: len(workers.descendants()) >= 5)  # sentinel, monitor, pusher, workers
        yield workers
    finally:
        workers.process.kill()
        workers.process.wait()
        for number in _all_processes():  # orphans too, which have no ancestor of ours any more
            if _is_ours(number, workers):
                os.kill(number, signal.SIGKILL)


def test_lost_bells_killed_processes_and_a_stop(workers):
    """One start for all of it, since a start takes seconds."""
    # An event whose bell was lost is handled by the next sweep.
    first = workers.arrives()
    until(lambda: workers.outcome_of(first) == "UNKNOWN_SHOP")

    assert workers.heartbeats() == [f"{socket.gethostname()}:{workers.process.pid}"]

    # A worker is killed: the cluster makes another, and the work goes on.
    (cluster,) = workers.clusters()
    killed = max(workers.descendants())  # the youngest are the workers
    os.kill(killed, signal.SIGKILL)
    second = workers.arrives()
    # The cluster may freeze, if the worker held its queue's lock: then it takes the watch 20 seconds.
    until(lambda: workers.outcome_of(second) == "UNKNOWN_SHOP", 40)
    (cluster,) = workers.clusters()

    # The sentinel is killed: a new cluster is started, and nothing of the old one is left beside it.
    old = set(workers.descendants())
    os.kill(cluster, signal.SIGKILL)
    until(lambda: not [number for number in old if _is_ours(number, workers)])
    until(lambda: workers.clusters() - {cluster})
    third = workers.arrives()
    until(lambda: workers.outcome_of(third) == "UNKNOWN_SHOP")

    # A stop ends everything, and says so.
    left = set(workers.descendants())
    workers.process.send_signal(signal.SIGTERM)
    assert workers.process.wait(SOON) == 0
    until(lambda: not [number for number in left if _is_ours(number, workers)])
    assert workers.heartbeats() == []


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_ours(number: int, workers: Workers) -> bool:
    """Whether this process is alive and works on our database."""
    with contextlib.suppress(OSError):
        alive = (Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]) != "Z"
        return alive and str(workers.path).encode() in Path(f"/proc/{number}/environ").read_bytes()
    return False
