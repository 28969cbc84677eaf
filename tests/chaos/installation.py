"""The shipped processes of a fault run, under an init system that does what systemd or compose would: start anew."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.servers import FOLDER, descendants
from tests.chaos.ending import is_alive

ORPHANS_SECONDS = 5.0  # after its ancestor was killed, a process may take so long to be gone
SKEW_SECONDS = 25
STOP_SECONDS = 40.0  # 30 are promised


class Installation:
    """Web server and workers: one set of workers has a clock that is 25 seconds off."""

    def __init__(self, environment: dict[str, str], *, port: int, logs: Path, dice: random.Random) -> None:
        self.environment = environment
        self.logs = logs
        self.dice = dice
        self.port = port
        self.killed: Counter[str] = Counter()
        self.orphans: list[str] = []
        self._commands = {
            "web": ["manage.py", "serve", "--port", str(self.port)],
            "workers": ["manage.py", "work"],
            "workers with a wrong clock": ["-m", "tests.chaos.skewed", str(SKEW_SECONDS), "work"],
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._init = threading.Thread(target=self._keep_up, daemon=True)

    def start(self) -> None:
        for name in self._commands:
            self._start(name)
        self._init.start()

    def _start(self, name: str) -> None:
        log = (self.logs / f"{name}.log").open("ab")
        self._running[name] = subprocess.Popen(
            [sys.executable, *self._commands[name]],
            cwd=FOLDER,
            env=os.environ | self.environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        log.close()

    def _keep_up(self) -> None:
        while not self._stopping.wait(0.2):
            with self._lock:
                for name, process in self._running.items():
                    if process.poll() is not None and not self._stopping.is_set():
                        self._start(name)

    def kill_one(self) -> str:
        """SIGKILL for a process of ours, whichever it is. Answers what it was."""
        with self._lock:
            name = self.dice.choice(sorted(self._running))
            process = self._running[name]
            family = sorted(descendants([process.pid]))
            victim = self.dice.choice(family)
            below = [pid for pid in descendants([victim]) if pid != victim]
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        part = "the top" if victim == process.pid else f"number {family.index(victim)}"
        said = f"{name}: {part} killed"
        self.killed[said] += 1
        self._expect_no_orphans(said, below)
        return said

    def _expect_no_orphans(self, said: str, pids: list[int]) -> None:
        deadline = time.monotonic() + ORPHANS_SECONDS
        while left := [pid for pid in pids if is_alive(pid)]:
            if time.monotonic() > deadline:
                self.orphans += [f"{said}: process {pid} goes on" for pid in left]
                return
            time.sleep(0.05)

    def __exit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        self.stop(patience=STOP_SECONDS if kind is None else 0.0)

    def stop(self, *, patience: float = STOP_SECONDS) -> None:
        """Gracefully, within the 30 seconds that are promised; what is then left is a breach, and killed."""
        self._stopping.set()
        if self._init.is_alive():
            self._init.join()
        family = descendants([process.pid for process in self._running.values()])
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + patience
        for name, process in self._running.items():
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                self.orphans.append(f"{name}: it does not stop on SIGTERM")
        for pid in [each for each in family if is_alive(each)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._running.values():
            process.wait()
