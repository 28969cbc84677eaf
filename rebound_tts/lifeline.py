"""No orphans: a process of ours ends when the one that started it is gone, however that one was killed.

django-q2's processes go on for ever when its main process or the supervisor is killed, and granian's workers keep the
port. Linux can send a signal when the parent dies; elsewhere nothing happens here, and a supervisor must do it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with_parent(parent: int | None = None) -> None:
    """Be killed when the parent is. To be called in the child; forks of it must call it again.

    `parent`: its process id, where it may have died before this call.
    """
    if sys.platform != "linux":
        return
    parent = parent or os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)  # it died in between


def forks_end_with_parent() -> None:
    """Let every process that is forked from here on, by it or by its forks, end with its own parent."""
    os.register_at_fork(after_in_child=end_with_parent)
