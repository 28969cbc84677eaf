"""No orphans: whoever is killed takes what it started along, down to the last fork."""

import os
import signal
import subprocess
import sys
import time

from tests.rebound_tts.test_work import ROOT, until

FAMILY = """
import os, time
from rebound_tts.lifeline import forks_end_with_parent
forks_end_with_parent()
child = os.fork()
if child == 0:
    grandchild = os.fork()
    if grandchild == 0:
        print(os.getpid(), flush=True)
time.sleep(60)
"""


def is_alive(number: int) -> bool:
    try:
        with open(f"/proc/{number}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_killed_process_takes_its_forks_along() -> None:
    command = [sys.executable, "-c", FAMILY]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own command
    assert first.stdout is not None
    youngest = int(first.stdout.readline())
    time.sleep(0.1)
    assert is_alive(youngest)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    first.stdout.close()
    until(lambda: not is_alive(youngest))
