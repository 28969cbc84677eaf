"""`manage.py run`: the web server and the workers as one family of processes, for an installation on one machine.

What web pages and workers need is loaded once, and every process is a fork that shares it; side by side, `serve` and
`work` load most of it twice. granian's main process, which only waits for signals and for workers that end, supervises
the queue's cluster between them.
"""

import os
import threading
from collections.abc import Callable
from typing import Any

from django.db import connections
from granian import Granian

from rebound_tts.lifeline import forks_end_with_parent
from rebound_tts.management.commands import serve
from rebound_tts.management.commands.work import SWEEP_SECONDS, supervised


class Command(serve.Command):
    help = "Serve the web pages and run the queue's workers, in the foreground: `serve` and `work` in less memory."

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        server = serve.web_server(Server, host=host, port=port)
        serve.share_what_is_loaded()
        forks_end_with_parent()
        with supervised() as supervisor:
            # A web worker that is forked later must not find a connection of ours.
            os.register_at_fork(before=connections.close_all)
            server.serve_between(supervisor.look, on_end=lambda: supervisor.cluster.terminate())


class Server(Granian):  # type: ignore[misc,valid-type]  # one of two classes, by how Python was built
    """granian with something to do each second."""

    def serve_between(self, look: Callable[[], None], *, on_end: Callable[[], None]) -> None:
        """Serve, and call `look` each second in the thread that forks; `on_end` before web workers are stopped."""
        self.main_loop_interrupt = Looking(look)
        self._on_end = on_end
        try:
            self.serve()
        except Exception:
            self._stop_workers()  # or they would be waited for without an end
            raise

    def shutdown(self, exit_code: int = 0) -> None:
        self._on_end()
        super().shutdown(exit_code)


class Looking(threading.Event):
    """An event for which one waits by looking after something each second."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__()
        self._look = look

    def wait(self, timeout: float | None = None) -> bool:
        while not super().wait(SWEEP_SECONDS):
            self._look()
        return True
