"""`manage.py run` as it is shipped: pages and workers of one family, which outlives the death of each, and ends
whole."""

import os
import shutil
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebound_tts.demo.processes import free_port
from tests.rebound_tts.installed import SOON, Running, until


class Site(Running):
    def __init__(self, path: Path, folder: Path) -> None:
        self.port = free_port()
        super().__init__(path, folder / "run.log", "run", "--port", str(self.port))

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def web(self) -> set[int]:
        """granian's workers: forks of ours that have none."""
        return {number for number, line in self.descendants().items() if not line} - self.clusters()

    def handles(self) -> None:
        key = self.arrives()
        until(lambda: self.outcome_of(key) == "UNKNOWN_SHOP", 40)


@pytest.fixture
def site(migrated_file: Path, tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "run.sqlite3"
    shutil.copy(migrated_file, path)
    site = Site(path, tmp_path)
    try:
        until(site.answers, 40)
        yield site
    finally:
        site.end()


def test_pages_and_workers_outlive_each_other_and_end_together(site: Site) -> None:
    site.handles()
    assert site.heartbeats() == [f"{socket.gethostname()}:{site.process.pid}"]
    (web,) = site.web()
    (cluster,) = site.clusters()

    os.kill(web, signal.SIGKILL)
    until(lambda: site.web() - {web} and site.answers())
    assert site.clusters() == {cluster}
    site.handles()

    os.kill(cluster, signal.SIGKILL)
    until(lambda: site.clusters() - {cluster})
    assert site.answers()
    site.handles()

    site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(2 * SOON) == 0
    until(lambda: not site.alive())
    assert site.heartbeats() == []


def test_nothing_is_left_where_it_is_killed(site: Site) -> None:
    site.process.kill()
    site.process.wait()
    until(lambda: not site.alive())
