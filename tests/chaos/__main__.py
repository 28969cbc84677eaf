"""`python -m tests.chaos`: returns are carried while everything breaks around them; then the auditor looks.

RETURNS, SEED and DATABASE (sqlite, or postgresql, which brings Redis along) come from the environment. The same seed
draws the same returns and the same faults; what meets what is up to the machine. LIMIT is how many seconds the whole
run may take; CHAOS_LOGS a folder to keep the processes' logs in, and SQLite's file.
"""

import os
import random
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import django

from rebound_tts.demo.__main__ import environment_for
from rebound_tts.demo.processes import free_port
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.benchmarks.servers import migrate, servers
from tests.chaos.auditor import Breach
from tests.chaos.ending import ends_within
from tests.chaos.installation import Installation
from tests.chaos.services import Postgres, Redis, Sqlite

START_SECONDS = 120.0  # for the web server, beside two sets of workers that start as well, on a machine that is busy
READ_SECONDS = 4  # a remote that says nothing for so long has not answered
# Longer than the slowest answer of the run, as seen by a worker whose clock is ahead.
LANDS_SECONDS = 45


def play(stack: ExitStack, *, kind: str, returns: int, seed: int) -> list[Breach]:
    """Start everything, the last of it to be stopped first, and let it break."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rebound-chaos-")))
    stack.callback(keep_logs, folder)
    started = stack.enter_context(servers())
    said = started.start("sandbox", "-m", "rebound_tts.sandbox", "--port", "0", "--empty", environment={}, reads=True)
    database = stack.enter_context(Sqlite(folder) if kind == "sqlite" else Postgres())
    queue = stack.enter_context(Redis(folder)) if kind == "postgresql" else None
    port = free_port()
    environment = environment_for(said, web_port=port) | {
        "DATABASE_URL": database.url,
        "REDIS_URL": queue.url if queue else "",
        "REMOTE_READ_SECONDS": str(READ_SECONDS),
        "CREATION_LANDS_SECONDS": str(LANDS_SECONDS),
        "LOG_LEVEL": "WARNING",
    }
    os.environ.update(environment)
    migrate(environment)
    django.setup()
    from tests.chaos.run import Run  # noqa: PLC0415  # models need the environment

    installation = Installation(environment, port=port, logs=folder, dice=random.Random(seed + 1))
    stack.push(installation)
    installation.start()
    started.wait_for("sandbox", f"http://127.0.0.1:{port}/livez", seconds=START_SECONDS)
    control = SandboxControl(said["control_url"])
    run = Run(installation, control=control, database=database, queue=queue, returns=returns, seed=seed)
    found = run.play()
    installation.stop()
    return found + [Breach("processes", orphan) for orphan in installation.orphans]


def keep_logs(folder: Path) -> None:
    if kept := os.environ.get("CHAOS_LOGS"):
        for file in [*folder.glob("*.log"), *folder.glob("*.sqlite3*")]:
            with suppress(OSError):
                (Path(kept) / file.name).write_bytes(file.read_bytes())


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    returns, seed = int(os.environ.get("RETURNS") or 300), int(os.environ.get("SEED") or random.randrange(10**6))
    kind = os.environ.get("DATABASE") or "sqlite"
    if kind not in {"sqlite", "postgresql"}:
        raise SystemExit(f"DATABASE is {kind!r}. Set it to sqlite or postgresql.")
    limit = float(os.environ.get("LIMIT") or 900 + returns)
    repeat = f"make chaos DATABASE={kind} RETURNS={returns} SEED={seed}"
    say(f"Chaos: {returns} parcels on {kind}, seed {seed}.")
    with ends_within(limit), ExitStack() as stack:
        found = play(stack, kind=kind, returns=returns, seed=seed)
        for breach in found[:20]:
            say(f"  BREACH  {breach}")
    if found:
        say(f"{len(found)} breaches. Repeat it with: {repeat}")
        return 1
    say("Nothing lost, nothing twice, no link wrong.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
