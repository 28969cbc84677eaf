"""The processes of the demo: started on free ports, waited for, and stopped again whatever happens."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import requests

START_SECONDS = 30.0
STOP_SECONDS = 40.0


class DemoError(Exception):
    """Something that the demo cannot go on without."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Processes:
    """Everything that the demo started. Their output goes to files, named when one fails."""

    def __init__(self, *, folder: Path, logs: Path) -> None:
        self._folder = folder
        self._logs = logs
        self._running: list[tuple[str, subprocess.Popen[str]]] = []
        self._files: list[TextIO] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *arguments: str, environment: dict[str, str], reads: bool = False) -> dict[str, Any]:
        """Start Python with these arguments. With `reads`, answer the JSON object that it prints first."""
        log = (self._logs / f"{name}.log").open("w")
        self._files.append(log)
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self._folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE if reads else log,
            stderr=log if reads else subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then stops each in its own way
            text=True,
        )
        self._running.append((name, process))
        if not reads or process.stdout is None:
            return {}
        line = process.stdout.readline()
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise DemoError(f"The {name} did not start: see {self._logs / f'{name}.log'}.") from error
        return said

    def wait_for(self, name: str, url: str, *, seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(requests.RequestException):
                if requests.get(url, timeout=1).ok:
                    return
            time.sleep(0.05)
        raise DemoError(f"The {name} did not answer at {url}: see {self._logs / f'{name}.log'}.")

    def check(self) -> None:
        for name, process in self._running:
            if process.poll() is not None:
                raise DemoError(f"The {name} ended with {process.returncode}: see {self._logs / f'{name}.log'}.")

    def stop(self) -> None:
        """Ask each to end, last started first; kill the group of what does not."""
        for _, process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for _, process in reversed(self._running):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.1))
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for file in self._files:
            file.close()
