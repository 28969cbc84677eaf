"""A run that always ends: asked to, or out of time, it unwinds; where it does not unwind soon, it is killed whole."""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tests.benchmarks.servers import descendants

GRACE_SECONDS = 25.0  # to stop everything, once that was asked for
OUT_OF_TIME = 124  # the exit status of timeout(1)


@contextmanager
def ends_within(seconds: float, *, grace: float = GRACE_SECONDS) -> Iterator[None]:
    """For the main thread. SIGTERM, Ctrl-C and the end of the time raise SystemExit inside, once.

    No process that was started inside is left. Says where every thread stands when the time is over, and again before
    it kills this process and all below it.
    """
    asked, over = threading.Event(), threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        if not asked.is_set():  # a second time would end the unwinding half-way
            asked.set()
            sys.exit(128 + number)

    def ask_again(lost: Any) -> None:
        """Where the signal came while a finalizer ran, Python ignores what it raised."""
        if lost.exc_type is not SystemExit:
            hook(lost)
            return
        asked.clear()
        # Not from in here: what is raised here is ignored, too.
        threading.Timer(0.1, os.kill, (os.getpid(), int(lost.exc_value.code) - 128)).start()

    def watch() -> None:
        if not asked.wait(seconds):
            if over.is_set():
                return
            _tell(f"Not over after {seconds:.0f} s. Where its threads stand:")
            os.kill(os.getpid(), signal.SIGTERM)
        if not over.wait(grace):
            _tell(f"Not stopped {grace:.0f} s later: killed.")
            kill_below()
            os._exit(OUT_OF_TIME)

    hook, sys.unraisablehook = sys.unraisablehook, ask_again
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        kill_below()  # SystemExit may come between the start of a process and its being known
        over.set()
        asked.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def kill_below() -> None:
    """SIGKILL for every process that this one started, and theirs, until none is left."""
    while below := [pid for pid in descendants([os.getpid()]) if pid != os.getpid() and is_alive(pid)]:
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
