"""`manage.py work` as it is shipped, on a SQLite file: it works without a bell, survives kills, and ends whole."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.rebound_tts.installed import ROOT, SOON, Running, environment, until


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


@pytest.fixture
def workers(migrated_file: Path, tmp_path: Path) -> Iterator[Running]:
    path = tmp_path / "work.sqlite3"
    shutil.copy(migrated_file, path)
    assert settings.Q_CLUSTER["workers"] == 2
    workers = Running(path, tmp_path / "work.log", "work")
    try:
        until(lambda: len(workers.descendants()) >= 4)  # sentinel, pusher and monitor, workers
        yield workers
    finally:
        workers.end()


def test_lost_bells_killed_processes_and_a_stop(workers):
    """One start for all of it, since a start takes seconds."""
    # An event whose bell was lost is handled by the next sweep.
    first = workers.arrives()
    until(lambda: workers.outcome_of(first) == "UNKNOWN_SHOP")

    assert workers.heartbeats() == [f"{socket.gethostname()}:{workers.process.pid}"]

    # A worker is killed, and the process that brings the jobs: the cluster makes another, and the work goes on.
    for oldest_first in (True, False):
        (cluster,) = workers.clusters()
        forks = sorted(number for number, line in workers.descendants().items() if line)
        os.kill(forks[0] if oldest_first else forks[-1], signal.SIGKILL)
        second = workers.arrives()
        # The cluster may freeze, if it held the queue's lock: then it takes the watch 20 seconds.
        until(lambda key=second: workers.outcome_of(key) == "UNKNOWN_SHOP", 40)  # type: ignore[misc]
    (cluster,) = workers.clusters()

    # The sentinel is killed: a new cluster is started, and nothing of the old one is left beside it.
    old = set(workers.descendants())
    os.kill(cluster, signal.SIGKILL)
    until(lambda: not old & workers.alive())
    until(lambda: workers.clusters() - {cluster})
    third = workers.arrives()
    until(lambda: workers.outcome_of(third) == "UNKNOWN_SHOP")

    # A stop ends everything, and says so.
    left = set(workers.descendants())
    workers.process.send_signal(signal.SIGTERM)
    assert workers.process.wait(SOON) == 0
    until(lambda: not left & workers.alive())
    assert workers.heartbeats() == []
