"""The fault run always ends, whole: when it is asked to, when its time is over, and when what it started refuses."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psycopg
import pytest

from tests.benchmarks.servers import FOLDER, descendants
from tests.chaos.ending import OUT_OF_TIME, is_alive
from tests.chaos.installation import Installation
from tests.chaos.services import Postgres, Redis

LONG = 150.0  # seconds: far more than it takes, for a machine that is busy
SERVER_PROCESSES = 10  # at least: the sandbox, the web server, two sets of workers, and what these started
SOON = 5.0  # after a server was killed, what belonged to it ends by itself
has_postgres = any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class Watched:
    """A program that was started, and everything that was ever seen below it."""

    def __init__(self, *arguments: str, log: Path, **environment: str) -> None:
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=FOLDER,
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.log = log
        self.seen: set[int] = set()

    def look(self) -> int:
        """How many there are below it now."""
        below = set(descendants([self.process.pid])) - {self.process.pid}
        self.seen |= below
        return len(below)

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONG
        while not reached():
            assert time.monotonic() < deadline, self.log.read_text()
            self.look()
            time.sleep(0.05)

    def ends(self) -> int:
        """Its status, once it has ended."""
        self.until(lambda: self.process.poll() is not None)
        return self.process.wait()

    def left(self) -> list[int]:
        """What of it still goes on."""
        return those_left(self.seen)


def those_left(pids: Iterable[int]) -> list[int]:
    deadline = time.monotonic() + SOON
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def run(log: Path, kind: str, **environment: str) -> Watched:
    return Watched("-m", "tests.chaos", log=log, DATABASE=kind, RETURNS="500", SEED="1", **environment)


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.skipif(not has_postgres, reason="no initdb"))]
)
def test_run_that_is_asked_to_end_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    running = run(tmp_path / "log", kind)
    running.until(lambda: running.look() >= SERVER_PROCESSES)
    running.process.terminate()
    assert (running.ends(), running.left()) == (128 + signal.SIGTERM, []), running.log.read_text()


def test_run_whose_time_is_over_says_where_it_stands_and_leaves_nothing_behind(tmp_path: Path) -> None:
    running = run(tmp_path / "log", "sqlite", LIMIT="8")
    assert (running.ends(), running.left()) == (128 + signal.SIGTERM, [])
    said = running.log.read_text()
    assert ("Not over after 8 s" in said, "most recent call first" in said) == (True, True)


STUBBORN = """
import subprocess, sys, time
from tests.chaos.ending import ends_within
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
with ends_within(1, grace=2):
    for new_session in (False, True):
        subprocess.Popen([sys.executable, "-c", child], start_new_session=new_session)
    while True:
        try:
            time.sleep(600)
        except SystemExit:
            pass
"""


def test_run_that_does_not_unwind_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    running = Watched("-c", STUBBORN, log=tmp_path / "log")
    assert (running.ends(), running.left(), len(running.seen)) == (OUT_OF_TIME, [], 2), running.log.read_text()


UNKNOWN = """
import subprocess, sys
from tests.chaos.ending import ends_within
with ends_within(60):
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print(left.pid, flush=True)
    sys.exit(3)
"""


def test_end_that_is_asked_for_while_a_finalizer_runs_is_not_lost(tmp_path: Path) -> None:
    """Python ignores what is raised there, and so the end that the signal's handler asks for."""
    code = (
        "import os, signal, time, weakref\n"
        "from tests.chaos.ending import ends_within\n"
        "class Thing: pass\n"
        "thing = Thing()\n"
        "weakref.finalize(thing, os.kill, os.getpid(), signal.SIGTERM)\n"
        "with ends_within(100):\n"
        "    del thing\n"
        "    time.sleep(100)\n"
    )
    running = Watched("-c", code, log=tmp_path / "log")
    assert (running.ends(), running.log.read_text()) == (128 + signal.SIGTERM, "")


def test_process_that_nobody_stopped_does_not_outlive_the_run(tmp_path: Path) -> None:
    running = Watched("-c", UNKNOWN, log=tmp_path / "log")
    assert running.ends() == 3
    assert those_left([int(running.log.read_text())]) == []


def test_process_that_does_not_stop_is_killed_and_told(tmp_path: Path) -> None:
    installation = Installation({}, port=1, logs=tmp_path, dice=random.Random(1))
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);"
    installation._commands = {"web": ["-c", f"{deaf} time.sleep(600)"]}
    installation.start()
    (process,) = installation._running.values()
    deadline = time.monotonic() + LONG
    while "deaf" not in (tmp_path / "web.log").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    installation.stop(patience=0.5)
    assert (installation.orphans, is_alive(process.pid)) == (["web: it does not stop on SIGTERM"], False)


@pytest.mark.skipif(not has_postgres, reason="no initdb")
def test_postgres_of_a_run_breaks_every_connection_and_ends(tmp_path: Path) -> None:
    with Postgres() as postgres:
        connection = psycopg.connect(postgres.url)
        postgres.disturb(0)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        psycopg.connect(postgres.url).close()
        assert postgres._process is not None
        family = descendants([postgres._process.pid])
    assert (those_left(family), postgres.data.exists()) == ([], False)


def test_server_is_not_started_anew_once_it_was_stopped(tmp_path: Path) -> None:
    """What broke things may still be at it while everything ends."""
    with Redis(tmp_path) as queue:
        process = queue._process
    queue.restart()
    assert (queue._process, process is not None and is_alive(process.pid)) == (process, False)
