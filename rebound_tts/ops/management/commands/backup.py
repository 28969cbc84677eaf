"""`manage.py backup`: a copy of the database, made while everything runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from merchants.key_rotation import keys_in_use
from rebound_tts.ops.backups import BackupError, back_up


class Command(BaseCommand):
    help = "Write a copy of the database. Keep FIELD_ENCRYPTION_KEYS elsewhere: the copy is of no use without them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the file to write; it must not exist")

    def handle(self, *args: Any, path: Path, **options: Any) -> None:
        try:
            back_up(path)
        except BackupError as error:
            raise CommandError(str(error)) from error
        needed = ", ".join(sorted(key_id for key_id, count in keys_in_use().items() if count)) or "none yet"
        self.stdout.write(f"{path}: {path.stat().st_size} bytes. To read it takes the field keys: {needed}.")
