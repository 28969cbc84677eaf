"""`manage.py next_keys`: what to put into the environment to change SECRET_KEY and the field key without a gap."""

import base64
import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

MOST_FALLBACKS = 2  # each is tried at every look at a session: keep few, for as long as sessions live


class Command(BaseCommand):
    help = "Print SECRET_KEY, SECRET_KEY_FALLBACKS and FIELD_ENCRYPTION_KEYS with a new key in front of the old ones."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        fallbacks = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS][:MOST_FALLBACKS]
        key_id = _free_id(settings.FIELD_ENCRYPTION_KEYS)
        keys = {key_id: secrets.token_bytes(32), **settings.FIELD_ENCRYPTION_KEYS}
        written = ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in keys.items())
        self.stdout.write(f"SECRET_KEY={secrets.token_urlsafe(50)}")
        self.stdout.write(f"SECRET_KEY_FALLBACKS={','.join(fallbacks)}")
        self.stdout.write(f"FIELD_ENCRYPTION_KEYS={written}")
        self.stderr.write(
            "Put these where the environment comes from, restart every process, then run `manage.py reencrypt_fields`."
            " It says when the old field key may be taken out. Take SECRET_KEY_FALLBACKS out once sessions have ended,"
            " after two weeks."
        )


def _free_id(taken: dict[str, bytes]) -> str:
    today = f"{timezone.now():%Y%m%d}"
    return next(name for name in (today, *(f"{today}.{number}" for number in range(2, 99))) if name not in taken)
