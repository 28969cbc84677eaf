"""`python -m rebound_tts.demo [--once]`: start everything, play the story, show the table, stay up."""

import argparse
import os
import secrets
import shutil
import signal
import sys
import threading
from base64 import b64encode
from pathlib import Path
from types import FrameType
from typing import Any

import django

from rebound_tts.demo.processes import DemoError, Processes, free_port

FOLDER = Path(__file__).resolve().parent.parent.parent
STATE = FOLDER / "var" / "demo"


def environment_for(said: dict[str, Any], *, web_port: int) -> dict[str, str]:
    """The product's environment. Only addresses and keys differ from any other installation."""
    return {
        "DJANGO_SETTINGS_MODULE": "rebound_tts.settings",
        "DEBUG": "false",
        "HTTPS": "false",
        "STAFF_SECOND_FACTOR": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_ENCRYPTION_KEYS": f"demo:{b64encode(secrets.token_bytes(32)).decode()}",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "PUBLIC_URL": f"http://127.0.0.1:{web_port}",
        "DATABASE_URL": f"sqlite:///{STATE / 'rebound_tts.sqlite3'}",
        "REDIS_URL": "",
        "SANDBOX_PAGE_URL": said["page_url"],
        "TIKTOK_APP_KEY": said["app_key"],
        "TIKTOK_APP_SECRET": said["app_secret"],
        "TIKTOK_SERVICE_ID": said["service_id"],
        "TIKTOK_API_URL": said["tiktok_url"],
        "TIKTOK_AUTH_URL": said["tiktok_url"],
        "TIKTOK_CONSENT_URL": said["tiktok_url"],
        "TIKTOK_US_CONSENT_URL": said["tiktok_url"],
        "REBOUND_API_URL": said["rebound_url"],
        "REBOUND_AUTH_URL": said["rebound_url"],
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
        "PYTHONUNBUFFERED": "1",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Play the demo.")
    parser.add_argument("--once", action="store_true", help="end after the table; fail if the story came out otherwise")
    arguments = parser.parse_args()
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt  # asked twice: do not wait
        stop.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(parents=True)
    processes = Processes(folder=FOLDER, logs=STATE)
    try:
        return play(processes, once=arguments.once)
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
        return 0 if not arguments.once else 130
    except DemoError as error:
        print(f"The demo cannot go on. {error}", flush=True)
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        processes.stop()


def play(processes: Processes, *, once: bool) -> int:
    print("Starting the sandbox: a pretend TikTok Shop and a pretend ReBound.", flush=True)
    said = processes.start("sandbox", "-m", "rebound_tts.sandbox", "--port", "0", "--empty", environment={}, reads=True)
    web_port = free_port()
    environment = environment_for(said, web_port=web_port)
    os.environ.update(environment | {"LOG_LEVEL": "WARNING"})  # of this process; the others log into files
    django.setup()
    from rebound_tts.demo.stage import Stage  # noqa: PLC0415  # its models need the environment above

    return Stage(processes, environment=environment, sandbox=said, web_port=web_port).perform(once=once)


if __name__ == "__main__":
    sys.exit(main())
