"""`python -m tests.run`: the suite on SQLite, and on PostgreSQL where one answers.

TEST_POSTGRES_URL names the server; REQUIRE_POSTGRES=1 makes its absence a failure. Other arguments go to pytest.
"""

import os
import subprocess
import sys

import psycopg

# What never touches the database of the run, or looks at pages that are the same on both: once is enough.
ON_SQLITE_ALONE = (
    "--database-alone",
    "--ignore=tests/clients",
    "--ignore=tests/sandbox",
    "--ignore=tests/browser",
    "--ignore=tests/rebound_tts/test_admin_leaks.py",
    "--ignore=tests/rebound_tts/test_work.py",
    "--ignore=tests/chaos/test_stopping.py",
    "--ignore=tests/rebound_tts/test_migrations.py",
)
# One more than cores: tests wait for the sandbox, the database and the browser.
PROCESSES = str(min(os.cpu_count() or 1, 7) + 1)
POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


def suite(name: str, *options: str, **environment: str) -> int:
    print(f"\n== The suite on {name}", flush=True)
    arguments = [sys.executable, "-m", "pytest", "-n", PROCESSES, "--dist", "worksteal", *options, *sys.argv[1:]]
    return subprocess.run(arguments, env={**os.environ, **environment}, check=False).returncode


def postgres_answers() -> bool:
    try:
        psycopg.connect(POSTGRES_URL.replace("postgres://", "postgresql://"), connect_timeout=3).close()
    except psycopg.OperationalError as error:
        print(f"PostgreSQL does not answer: {error}", flush=True)
        return False
    return True


def main() -> int:
    failed = suite("SQLite", DATABASE_URL="sqlite:///:memory:")
    if postgres_answers():
        return failed or suite("PostgreSQL", *ON_SQLITE_ALONE, DATABASE_URL=POSTGRES_URL)
    if os.environ.get("REQUIRE_POSTGRES") == "1":
        print("PostgreSQL is required here: start one, or set TEST_POSTGRES_URL.")
        return 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
