"""`manage.py serve` of a fresh installation: it gathers the static files, without which no page is shown."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from rebound_tts import settings as product
from rebound_tts.demo.processes import free_port
from rebound_tts.management.commands import serve

# Gathering is a fork, of what in a test has threads and outside of it has none.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")]
NAMES = "staticfiles.json"


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """Where they are gathered; the pages find them as those of an installation do."""
    settings.STORAGES = product.STORAGES
    settings.STATIC_ROOT = str(tmp_path / "staticfiles")
    return tmp_path / "staticfiles"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the guide's page was answered with, each time that a server was started."""
    found: list[int] = []

    class Server:
        def __init__(self, *args: Any, **options: Any) -> None:
            pass

        def serve(self) -> None:
            found.append(Client().get("/docs/orders").status_code)

    monkeypatch.setattr(serve, "Granian", Server)
    monkeypatch.setattr(serve, "share_what_is_loaded", lambda: None)
    monkeypatch.setenv("SERVE_PID", "")
    monkeypatch.chdir(product.BASE_DIR)
    return found


def test_pages_are_there_without_a_further_command(folder: Path, answers: list[int], port: int) -> None:
    call_command("serve", port=port)
    made_at = (folder / NAMES).stat().st_mtime_ns
    call_command("serve", port=port)
    assert (answers, (folder / NAMES).stat().st_mtime_ns) == ([200, 200], made_at)  # the second time, nothing is to do


@pytest.mark.parametrize("is_new", [False, True], ids=["changed", "added"])
def test_files_of_another_version_are_gathered_anew(folder: Path, settings: Any, tmp_path: Path, is_new: bool) -> None:
    """A file that was changed; one that was put there later, though it is older than what was gathered."""
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [tmp_path / "sources"]
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "page.css").write_text("a {}")
    serve.gather_static_files(folder)
    gathered_at = (folder / NAMES).stat().st_mtime
    os.utime(tmp_path / "sources", (gathered_at - 9, gathered_at - 9))
    later = tmp_path / "sources" / ("more.css" if is_new else "page.css")
    later.write_text("b {}")
    age = -9 if is_new else 9
    os.utime(later, (gathered_at + age, gathered_at + age))
    os.utime(folder / NAMES, (gathered_at - 1, gathered_at - 1))
    serve.gather_static_files(folder)
    assert (folder / later.name).read_text() == "b {}"


def test_folder_that_cannot_be_written_is_named_with_the_remedy(folder: Path, answers: list[int], port: int) -> None:
    folder.write_text("a file, where a folder should be")
    with pytest.raises(CommandError) as caught:
        call_command("serve", port=port)
    assert str(caught.value) == (
        f"The static files cannot be gathered in {folder} (File exists). Run `python manage.py collectstatic "
        "--noinput` as a user who may write there, then start again."
    )
    assert answers == []


@pytest.mark.parametrize("command", ["serve", "run"])
def test_port_that_is_taken_is_named_with_the_remedy(folder: Path, answers: list[int], command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError) as caught:
            call_command(command, port=port)
    assert str(caught.value) == (
        f"Nothing can be served at 127.0.0.1, port {port} (Address already in use). Stop what listens there, or choose "
        "another --port or --host."
    )
    assert answers == []
