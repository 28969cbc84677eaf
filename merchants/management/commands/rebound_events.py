"""`manage.py rebound_events`: where ReBound is to send an account's events, and the secret that signs them.

Renew without a gap: run it, give ReBound the new secret, and run it with --end-former once ReBound signs with it.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from merchants.models import ReboundAccount
from merchants.rebound_events import end_former_secret, renew_events_secret


class Command(BaseCommand):
    help = "Take ReBound's events for an account, or renew their secret; with --end-former, end the one before."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", type=int, help="the ReBound account's number, as the admin shows it")
        parser.add_argument("--end-former", action="store_true", help="the secret before the last is good no more")

    def handle(self, *args: Any, account: int, end_former: bool, **options: Any) -> None:
        held = ReboundAccount.objects.filter(pk=account).first()
        if held is None:
            raise CommandError(f"There is no ReBound account {account}.")
        if end_former:
            end_former_secret(held)
            self.stdout.write(f"Only the last secret of {held} is good now.")
            return
        key, secret = renew_events_secret(held)
        self.stdout.write(f"path={reverse('rebound-webhook', args=[key])}\nsecret={secret}")
        if held.events_secret:
            self.stderr.write("The secret before this one stays good until you run this with --end-former.")
