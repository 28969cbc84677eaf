"""`manage.py serve`: the web server, as it is shipped."""

import fcntl
import gc
import multiprocessing
import os
import socket
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
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
        server = web_server(Granian, host=host, port=port)
        os.environ["SERVE_PID"] = str(os.getpid())  # see wsgi.py
        share_what_is_loaded()
        server.serve()


def web_server(kind: type[Any], *, host: str, port: int) -> Any:
    """A server of this kind, granian's or one made of it, for which the static files are gathered."""
    must_be_free(host, port)
    os.chdir(settings.BASE_DIR)
    if not settings.DEBUG:  # with it, they are served from where they stand
        gather_static_files(Path(settings.STATIC_ROOT))
    return kind(
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


def must_be_free(host: str, port: int) -> None:
    """granian shares a port with another granian, and ends with a trace of its own where it cannot listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        said, *_ = str(getattr(error, "strerror", None) or error).split(" (while")  # that names the address again
        raise CommandError(
            f"Nothing can be served at {host}, port {port} ({said}). Stop what listens there, or choose another --port "
            "or --host."
        ) from error


def gather_static_files(folder: Path) -> None:
    """Run `collectstatic` where nobody has since something was installed: no page is shown without its list."""
    if are_gathered(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".turn").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # of two servers that start at once, the second finds them there
            if not are_gathered(folder):
                # In a process of its own: what it loads would stay in the memory of the server.
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as process:
                    process.submit(call_command, "collectstatic", interactive=False, verbosity=0).result()
    except OSError as error:
        raise CommandError(
            f"The static files cannot be gathered in {folder} ({error.strerror or error}). Run "
            "`python manage.py collectstatic --noinput` as a user who may write there, then start again."
        ) from error


def are_gathered(folder: Path) -> bool:
    """Whether the list of names is newer than every file that it was made from, and than the folders of these: what is
    installed may be older than its installation."""
    names = folder / "staticfiles.json"
    if not names.exists():
        return False
    made_at = names.stat().st_mtime
    storages = [each for finder in get_finders() for each in getattr(finder, "storages", {}).values()]
    sources = [path for each in storages for path in (Path(each.location), *Path(each.location).rglob("*"))]
    return all(path.stat().st_mtime <= made_at for path in sources)


def share_what_is_loaded() -> None:
    """Load every page here and let the workers be forks, which share that memory; a fork loads only wsgi.py."""
    if sys.platform != "linux":
        return
    multiprocessing.set_start_method("fork", force=True)
    import_module(settings.ROOT_URLCONF)
    connections.close_all()  # a connection must not be used from both sides of a fork
    gc.freeze()  # a collection in a child would write to, and so copy, every page of what is shared
