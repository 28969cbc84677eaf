"""`manage.py renew_events_secret`: where ReBound sends an account's events, and the secret that signs them.

Renew without a gap: run this, give ReBound the new secret, and once it signs with it, end the one before with --end.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from merchants.models import ReboundAccount
from merchants.rebound_events import end_former_secret, renew_events_secret


class Command(BaseCommand):
    help = "Start taking the events of a ReBound account, or renew their secret; two are good until --end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", type=int, help="the account's key, as the admin's address shows it")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--given", default="", help="the secret that ReBound gave; one is made if left out")
        act.add_argument("--end", action="store_true", help="the secret before the present one is good no more")

    def handle(self, *args: Any, account: int, given: str, end: bool, **options: Any) -> None:
        held = ReboundAccount.objects.filter(pk=account).first()
        if held is None:
            raise CommandError(f"There is no ReBound account {account}. The admin lists them.")
        if end:
            end_former_secret(held)
            self.stdout.write("The secret before is good no more.")
            return
        if held.former_events_secret:
            raise CommandError("Two secrets are good already. End the older with --end first, or ReBound's is lost.")
        key, secret = renew_events_secret(held, given=given)
        self.stdout.write(f"address={settings.PUBLIC_URL}{reverse('rebound-webhook', args=[key])}\nsecret={secret}")
