"""The database and the queue of a fault run: servers of its own, so that they can be killed without harm to others."""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

import psycopg
import redis

from rebound_tts.demo.processes import free_port

PATIENCE = 30.0  # seconds for a server to come up
STOP_SECONDS = 10.0


class Server:
    """Started on entering, stopped on leaving; once stopped, it is not started anew by whoever was about to."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stopped = False

    def start(self) -> None:
        """Answer once it can be used."""

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._end()

    def _end(self) -> None:
        """Nothing of it goes on."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()


class Sqlite(Server):
    """A file. What breaks is that somebody else holds its lock for a while."""

    title = "SQLite"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "chaos.sqlite3"
        self.url = f"sqlite:///{self.path}"

    def disturb(self, seconds: float) -> str:
        threading.Thread(target=self._hold, args=(seconds,), daemon=True).start()
        return "SQLite locked"

    def _hold(self, seconds: float) -> None:
        busy = suppress(sqlite3.OperationalError)
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=20)) as connection, busy:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")


class Postgres(Server):
    """A server of its own, restarted at once, as after a crash: every connection breaks."""

    title = "PostgreSQL"

    def __init__(self) -> None:
        super().__init__()
        found = shutil.which("initdb") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
        if found is None:
            raise RuntimeError("There is no initdb on this machine: install PostgreSQL's server.")
        self.bin = Path(found).resolve().parent
        # A server does not run as root, and its user must be able to enter the folder.
        self.owner = "postgres" if os.geteuid() == 0 else None
        self.data = Path(tempfile.mkdtemp(prefix="rebound-chaos-pg-"))
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def _popen(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.data / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self.bin / program), "-D", str(self.data / "db"), *arguments],
                cwd=self.data,
                user=self.owner,
                group=self.owner,
                extra_groups=[] if self.owner else None,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the run alone
            )

    def start(self) -> None:
        if self.owner:
            shutil.chown(self.data, self.owner)
        made = self._popen("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        if made.wait(PATIENCE):
            raise RuntimeError(f"initdb failed: {self._said()}")
        self._serve()

    def _serve(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.data),
            "fsync": "off",
            "max_connections": "300",  # as many as two sets of workers and a web server want, and this run
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._process = self._popen("postgres", "-p", str(self.port), *settings)
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(psycopg.OperationalError), closing(psycopg.connect(self.url, connect_timeout=2)):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {self._said()}")
            time.sleep(0.05)

    def _said(self) -> str:
        return (self.data / "log").read_text(errors="replace")[-500:]

    def disturb(self, seconds: float) -> str:
        with self._lock:
            if not self._stopped:
                self._end()
                self._serve()
        return "PostgreSQL restarted"

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT)  # an immediate shutdown: no goodbye to anybody, recovery at the start
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its servers end as soon as they miss it
            self._process.wait()

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.data, ignore_errors=True)


class Redis(Server):
    """A server of its own that keeps nothing: emptied, or killed and started anew."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(redis.RedisError), closing(redis.Redis.from_url(self.url)) as client:
                if client.ping():
                    return
            if time.monotonic() > deadline:
                raise RuntimeError("Redis does not start.")
            time.sleep(0.05)

    def empty(self) -> str:
        with closing(redis.Redis.from_url(self.url)) as client:
            client.flushall()
        return "Redis emptied"

    def restart(self) -> str:
        with self._lock:
            if not self._stopped:
                self._end()
                self.start()
        return "Redis restarted"

    def _end(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
