"""`manage.py restore`: replace what the database holds by a copy that `backup` wrote."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from merchants.encryption import CannotDecryptError
from rebound_tts.ops.backups import BackupError, missing_keys, open_one_of_each, restore


class Command(BaseCommand):
    help = "Replace the database by a copy. Stop web servers and workers first; start them afterwards."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="what `manage.py backup` wrote")
        parser.add_argument("--confirm", action="store_true", help="what the database holds now is lost")
        parser.add_argument("--even-while-working", action="store_true", help="though a worker was heard just now")

    def handle(self, *args: Any, path: Path, confirm: bool, even_while_working: bool, **options: Any) -> None:
        if not confirm:
            raise CommandError("What the database holds now would be lost. Say --confirm, after a backup of it.")
        try:
            restore(path, now=timezone.now(), even_while_working=even_while_working)
        except BackupError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", verbosity=0, skip_checks=False)  # the copy may be of an older release
        missing = missing_keys()
        if missing:
            raise CommandError(
                f"The data is back, and {', '.join(missing)} of FIELD_ENCRYPTION_KEYS is missing: add it before"
                " anything starts, or tokens and addresses stay unreadable."
            )
        try:
            opened = open_one_of_each()
        except CannotDecryptError as error:
            raise CommandError(f"The data is back, and a field key is not the right one: {error}") from error
        self.stdout.write(
            f"Restored. {opened} encrypted columns open. Start the workers: they ask TikTok for what happened since."
        )
