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

import psycopg
import redis

from rebound_tts.demo.processes import free_port

PATIENCE = 30.0  # seconds for a server to come up


class Sqlite:
    """A file. What breaks is that somebody else holds its lock for a while."""

    title = "SQLite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chaos.sqlite3"
        self.url = f"sqlite:///{self.path}"

    def start(self) -> None:
        """Nothing to start."""

    def disturb(self, seconds: float) -> str:
        threading.Thread(target=self._hold, args=(seconds,), daemon=True).start()
        return "SQLite locked"

    def _hold(self, seconds: float) -> None:
        busy = suppress(sqlite3.OperationalError)
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=20)) as connection, busy:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")

    def stop(self) -> None:
        """Nothing to stop."""


class Postgres:
    """A server of its own, restarted at once, as after a crash: every connection breaks."""

    title = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        found = shutil.which("pg_ctl") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))), None)
        if found is None:
            raise RuntimeError("There is no pg_ctl on this machine: install PostgreSQL's server.")
        self.bin = Path(found).parent
        # A server does not run as root, and its user must be able to enter the folder.
        self.data = Path(tempfile.mkdtemp(prefix="rebound-chaos-pg-"))
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self.log = self.data / "log"

    def _run(self, program: str, *arguments: str) -> None:
        as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_owner, str(self.bin / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def start(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.data, "postgres")
        self._run("initdb", "-D", str(self.data / "db"), "-U", "postgres", "-A", "trust", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.data} -c fsync=off"
        self._run("pg_ctl", "-D", str(self.data / "db"), "-l", str(self.log), "-o", options, "-w", "start")

    def disturb(self, seconds: float) -> str:
        self._run("pg_ctl", "-D", str(self.data / "db"), "-l", str(self.log), "-m", "immediate", "-w", "restart")
        with closing(psycopg.connect(self.url, connect_timeout=int(PATIENCE))):
            return "PostgreSQL restarted"

    def stop(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-D", str(self.data / "db"), "-m", "immediate", "stop")
        shutil.rmtree(self.data, ignore_errors=True)


class Redis:
    """A server of its own that keeps nothing: emptied, or killed and started anew."""

    def __init__(self, folder: Path) -> None:
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
        self.stop()
        self.start()
        return "Redis restarted"

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
