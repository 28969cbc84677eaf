"""For tests of commands in processes of their own: a database to copy, since migrating takes seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database that is migrated and empty. It is copied, never used itself."""
    path = tmp_path_factory.mktemp("migrated") / "empty.sqlite3"
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{path}", "DJANGO_SETTINGS_MODULE": "rebound_tts.settings"}
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)  # noqa: S603  # our own command
    return path
