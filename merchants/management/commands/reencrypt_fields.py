"""`manage.py reencrypt_fields`: give every encrypted value the newest key of FIELD_ENCRYPTION_KEYS.

Put the new key first, keep the old one behind it, restart, run this, then take the old key out. Workers go on; a run
that was stopped is simply started again.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from merchants.encryption import CannotDecryptError
from merchants.key_rotation import BATCH, columns, keys_in_use, reencrypt


class Command(BaseCommand):
    help = "Re-encrypt stored secrets and addresses with the newest key, in batches, while everything runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH, help="values read at a time")
        parser.add_argument("--check", action="store_true", help="only say how many values each key holds")

    def handle(self, *args: Any, batch: int, check: bool, **options: Any) -> None:
        if not check:
            for column in columns():
                try:
                    changed = sum(reencrypt(column, batch=batch))
                except CannotDecryptError as error:
                    raise CommandError(f"{error} Add the key and run this again; what is done stays done.") from error
                self.stdout.write(f"{column}: {changed} re-encrypted")
        newest = next(iter(settings.FIELD_ENCRYPTION_KEYS))
        for key_id, count in sorted(keys_in_use().items()):
            state = "unknown: values are unreadable without it"
            if key_id in settings.FIELD_ENCRYPTION_KEYS:
                state = "newest" if key_id == newest else ("in use" if count else "may be taken out")
            self.stdout.write(f"key {key_id}: {count} values ({state})")
