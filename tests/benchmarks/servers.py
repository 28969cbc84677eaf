"""The processes under test, as they are shipped, and what they take of the machine (read from /proc)."""

import base64
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rebound_tts.demo.processes import Processes, free_port

FOLDER = Path(__file__).resolve().parent.parent.parent
APP_KEY = "6benchkey1abc"
APP_SECRET = secrets.token_hex(20)
PROCESSES, THREADS = 2, 4  # the product's own defaults on PostgreSQL; peers get the same
TICKS = os.sysconf("SC_CLK_TCK")


def product_environment(database_url: str, **more: str) -> dict[str, str]:
    """An installation without remotes: it takes webhooks, and every return would find nobody at home."""
    return {
        "DJANGO_SETTINGS_MODULE": "rebound_tts.settings",
        "DEBUG": "false",
        "HTTPS": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_ENCRYPTION_KEYS": f"bench:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database_url,
        "REDIS_URL": "",
        "TIKTOK_APP_KEY": APP_KEY,
        "TIKTOK_APP_SECRET": APP_SECRET,
        "TIKTOK_SERVICE_ID": "7000000000000000001",
        "TIKTOK_API_URL": "http://127.0.0.1:9",
        "TIKTOK_AUTH_URL": "http://127.0.0.1:9",
        "REBOUND_API_URL": "http://127.0.0.1:9",
        "REBOUND_AUTH_URL": "http://127.0.0.1:9",
        **more,
    }


def migrate(environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(command, cwd=FOLDER, env=os.environ | environment, check=True)


class Servers(Processes):
    """Servers of the product and of its peers, each on a free port."""

    def serve(self, name: str, environment: dict[str, str]) -> int:
        """`manage.py serve`. Answers its port."""
        port = free_port()
        self.start(name, "manage.py", "serve", "--port", str(port), environment=environment)
        self.wait_for(name, f"http://127.0.0.1:{port}/livez")
        return port

    def work(self, name: str, environment: dict[str, str]) -> None:
        self.start(name, "manage.py", "work", environment=environment)

    def run(self, name: str, environment: dict[str, str]) -> int:
        """`manage.py run`: web server and workers in one. Answers its port."""
        port = free_port()
        self.start(name, "manage.py", "run", "--port", str(port), environment=environment)
        self.wait_for(name, f"http://127.0.0.1:{port}/livez")
        return port

    def serve_peer(
        self,
        peer: str,
        environment: dict[str, str],
        *,
        processes: int = PROCESSES,
        application: str = "tests.benchmarks.peers:application",
    ) -> int:
        """A peer under granian, with the flags of `manage.py serve`. Answers its port."""
        port = free_port()
        self.start(
            peer,
            "-m",
            "granian",
            "--interface=wsgi",
            "--host=127.0.0.1",
            f"--port={port}",
            f"--workers={processes}",
            f"--blocking-threads={THREADS}",
            "--no-ws",
            "--log-level=warning",
            application,
            environment=environment | {"PEER": peer},
        )
        self.wait_for(peer, f"http://127.0.0.1:{port}/livez")
        return port

    def end(self, *names: str) -> None:
        """Stop these and leave the others."""
        others = [each for each in self._running if each[0] not in names]
        self._running = [each for each in self._running if each[0] in names]
        self.stop()
        self._running = others

    def family(self, *names: str) -> list[int]:
        """The process ids of these and of all their descendants."""
        roots = [process.pid for name, process in self._running if name in names]
        return descendants(roots)


def end_cleanly() -> None:
    """Make SIGTERM unwind, as Ctrl-C does: servers are stopped and databases dropped on the way out."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


@contextmanager
def servers() -> Iterator[Servers]:
    """Servers that are stopped in the end, whatever happens. Their output goes away with them."""
    with tempfile.TemporaryDirectory(prefix="rebound-bench-logs-") as folder:
        started = Servers(folder=FOLDER, logs=Path(folder))
        try:
            yield started
        finally:
            started.stop()


def descendants(roots: list[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def memory_mb(pids: list[int]) -> tuple[float, float]:
    """(RSS, PSS) in MB. RSS counts what forked workers share once for each; PSS counts it once in all."""
    totals = {"Rss": 0, "Pss": 0}
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in totals:
                    totals[name] += int(rest.split()[0])
    return totals["Rss"] / 1024, totals["Pss"] / 1024


def cpu_seconds(pids: list[int]) -> float:
    """Processor time that these have used so far."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS
