"""For tests of commands in processes of their own: a database to copy, since migrating takes seconds."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database that is migrated and empty, one for all processes. It is copied, never used itself."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path = folder / "migrated.sqlite3"
    with (folder / "migrated.turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not path.exists():
            unfinished = path.with_name("migrating.sqlite3")
            environment = {"DATABASE_URL": f"sqlite:///{unfinished}", "DJANGO_SETTINGS_MODULE": "rebound_tts.settings"}
            command = [sys.executable, "manage.py", "migrate", "-v0"]
            subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True, timeout=120)  # noqa: S603  # ours
            unfinished.rename(path)
    return path
