"""`manage.py rotate_api_secret`: one more secret for a client of the order API, or the end of one.

Rotate without a gap: add a secret, give it to the OMS, and revoke the old one once it is used no more.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from merchants import api_access
from merchants.models import ApiClient, ApiSecret


class Command(BaseCommand):
    help = "Add a secret to a client of the order API; with --revoke, end a secret; with --revoke-client, the client."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("client_id", help="as create_api_client printed it")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--revoke", metavar="PREFIX", help="end this secret: the part before its dot")
        act.add_argument("--revoke-client", action="store_true", help="end the client with all of its secrets")

    def handle(self, *args: Any, client_id: str, revoke: str | None, revoke_client: bool, **options: Any) -> None:
        client = ApiClient.objects.filter(client_id=client_id).first()
        if client is None:
            raise CommandError(f"There is no client {client_id}.")
        now = timezone.now()
        if revoke_client:
            api_access.revoke_client(client, now=now)
            self.stdout.write(f"{client_id} is revoked, with every secret and token of it.")
        elif revoke:
            secret = ApiSecret.objects.filter(client=client, prefix=revoke.partition(".")[0]).first()
            if secret is None:
                raise CommandError(f"{client_id} has no secret {revoke}. Run without --revoke to see those it has.")
            api_access.revoke_secret(secret, now=now)
            self.stdout.write(f"{secret} is revoked, with every token that it got.")
        else:
            self.stdout.write(f"client_id={client_id}\nclient_secret={api_access.add_secret(client, now=now).plain}")
        for each in ApiSecret.objects.filter(client=client, revoked_at__isnull=True).order_by("created_at"):
            used = f"last used {each.last_used_at:%Y-%m-%d %H:%M} UTC" if each.last_used_at else "never used"
            self.stderr.write(f"lives: {each.prefix}, made {each.created_at:%Y-%m-%d}, {used}")
