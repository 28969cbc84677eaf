"""`manage.py retain`: empty and delete what is past its time. Workers do so by themselves; this does it at once."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from rebound_tts.ops.retention import empty_now, past_their_time


class Command(BaseCommand):
    help = "Empty and delete what is kept longer than the KEEP_..._DAYS settings say, in bounded batches."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say how many rows there are")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        now = timezone.now()
        for rule, count in past_their_time(now=now) if dry_run else empty_now(now=now):
            days = settings.KEEP_DAYS[rule.keep]
            self.stdout.write(f"{rule.name}, kept {days} days: {count} {'past their time' if dry_run else 'done'}")
