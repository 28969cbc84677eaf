"""`manage.py serve`: the web server, as it is shipped."""

import gc
import multiprocessing
import os
import sys
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels


class Command(BaseCommand):
    help = "Serve the web pages and the webhook endpoints with granian, in the foreground."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        os.chdir(settings.BASE_DIR)
        os.environ["SERVE_PID"] = str(os.getpid())  # see wsgi.py
        server = Granian(
            "rebound_tts.wsgi:application",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=settings.WEB_PROCESSES,
            blocking_threads=settings.WEB_THREADS,
            respawn_failed_workers=True,  # without it granian ends when a worker dies
            workers_kill_timeout=30,
            websockets=False,
            log_level=LogLevels.warning,
        )
        share_what_is_loaded()
        server.serve()


def share_what_is_loaded() -> None:
    """Load every page here and let the workers be forks, which share that memory; a fork loads only wsgi.py."""
    if sys.platform != "linux":
        return
    multiprocessing.set_start_method("fork", force=True)
    import_module(settings.ROOT_URLCONF)
    connections.close_all()  # a connection must not be used from both sides of a fork
    gc.freeze()  # a collection in a child would write to, and so copy, every page of what is shared
