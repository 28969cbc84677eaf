"""`python -m tests.chaos.skewed <seconds> work`: a process of the product whose clock is wrong by so many seconds."""

import os
import sys
import time
from datetime import datetime, timedelta

from django.core.management import execute_from_command_line
from django.utils import timezone


def main() -> None:
    ahead = float(sys.argv[1])
    real_time, real_now = time.time, timezone.now

    def now() -> datetime:
        return real_now() + timedelta(seconds=ahead)

    time.time = lambda: real_time() + ahead
    timezone.now = now
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rebound_tts.settings")
    execute_from_command_line(["manage.py", *sys.argv[2:]])


if __name__ == "__main__":
    main()
