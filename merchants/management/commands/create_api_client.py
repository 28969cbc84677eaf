"""`manage.py create_api_client`: credentials for an OMS. The secret is printed once and cannot be read again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from merchants.api_access import create_client
from merchants.models import ApiScope, Merchant


class Command(BaseCommand):
    help = "Make a client of the order API for a merchant, and print its client id and secret."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("merchant", type=int, help="the merchant's key, as the admin's address shows it")
        parser.add_argument("--name", required=True, help="what the client is for, such as the OMS's name")
        parser.add_argument(
            "--scope", action="append", choices=ApiScope.values, help="may be repeated; every scope if left out"
        )

    def handle(self, *args: Any, merchant: int, name: str, scope: list[str] | None, **options: Any) -> None:
        owner = Merchant.objects.filter(pk=merchant).first()
        if owner is None:
            raise CommandError(f"There is no merchant {merchant}. The admin lists them under Merchants.")
        client, secret = create_client(
            merchant=owner, name=name, scopes=scope or list(ApiScope.values), now=timezone.now()
        )
        self.stdout.write(f"client_id={client.client_id}\nclient_secret={secret.plain}")
