"""django-q2's cluster, in a process group of its own: started, stopped, killed. Who watches it: `manage.py work`."""

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import uuid
from multiprocessing import Event
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event as EventClass

from django.db import connections
from django_q.brokers import Broker
from django_q.cluster import Sentinel
from django_q.monitor import monitor
from django_q.pusher import pusher

GRACE_SECONDS = 30.0  # for work in hand, after which the group is killed
# Threads that carry returns compute in turns of so many seconds, between calls. At Python's 0.005 a tenth of the
# processor goes into handing the turn around.
TURN_SECONDS = 0.05


def start_cluster() -> BaseProcess:
    """A fork of this process: the cluster's processes share what it has imported instead of loading it again."""
    connections.close_all()  # a connection must not be used from both sides of a fork
    gc.freeze()  # a collection in a child would write to, and so copy, every page of what is shared
    cluster = multiprocessing.get_context("fork").Process(target=run_cluster)
    cluster.start()
    return cluster


def stop_cluster(cluster: BaseProcess) -> None:
    """Ask its sentinel alone, which is graceful (the whole group at once hangs it); then make sure."""
    cluster.terminate()
    cluster.join(GRACE_SECONDS)
    kill_group(cluster)


def kill_group(cluster: BaseProcess) -> None:
    if cluster.pid is not None:
        with contextlib.suppress(ProcessLookupError):  # it has no group yet, or is gone
            os.killpg(cluster.pid, signal.SIGKILL)
    cluster.kill()
    cluster.join()


def run_cluster() -> None:
    os.setsid()  # what is killed is the group, so that no process of it is left
    sys.setswitchinterval(TURN_SECONDS)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    Cluster()  # until it is stopped


class Flag:
    """What django-q2 takes an event of several processes for, here of one process: a signal's handler may set it."""

    def __init__(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True

    def wait(self, seconds: float) -> bool:
        if not self._is_set:
            time.sleep(seconds)
        return self._is_set


class Cluster(Sentinel):
    """django-q2's sentinel without the process that it keeps above it, which only waits and takes 14 MB; and with one
    process that brings jobs and takes results instead of two, which saves 8 MB."""

    def __init__(self) -> None:
        super().__init__(stop_event=Flag(), start_event=Flag(), cluster_id=uuid.uuid4())

    def spawn_monitor(self) -> BaseProcess:
        """Called first, and again where it ended: then its pusher has ended, too, and is asked for next."""
        self.has_pushed = Event()
        queues = self.task_queue, self.result_queue
        process: BaseProcess = self.spawn_process(
            push_and_monitor, *queues, self.event_out, self.has_pushed, self.broker
        )
        return process

    def spawn_pusher(self) -> "Pusher":
        return Pusher(self.monitor, self.has_pushed)

    def start(self) -> None:
        """Called by the constructor, which has left SIGTERM to its default just before."""
        signal.signal(signal.SIGTERM, lambda number, frame: self.stop_event.set())
        super().start()


class Pusher:
    """The part of a process that brings jobs, for a sentinel that takes it for a process: it ends before the rest."""

    def __init__(self, process: BaseProcess, has_ended: EventClass) -> None:
        self._process, self._has_ended = process, has_ended
        self.name, self.pid = process.name, process.pid

    def is_alive(self) -> bool:
        return self._process.is_alive() and not self._has_ended.is_set()


def push_and_monitor(jobs: Queue, results: Queue, stop: EventClass, has_pushed: EventClass, broker: Broker) -> None:
    """A process of the cluster: django-q2's pusher in a thread beside its monitor."""
    threading.Thread(target=push, args=(jobs, stop, has_pushed, broker), name="pusher", daemon=True).start()
    monitor(results, broker)


def push(jobs: Queue, stop: EventClass, has_pushed: EventClass, broker: Broker) -> None:
    try:
        pusher(jobs, stop, broker)
    finally:
        if not stop.is_set():
            os._exit(1)  # the sentinel starts another, as where a process had ended
        jobs.close()
        jobs.join_thread()  # what it brought is in the queue before it counts as ended
        has_pushed.set()
