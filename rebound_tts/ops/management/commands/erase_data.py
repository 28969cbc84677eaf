"""`manage.py erase_data`: empty what is held of a merchant, or of one buyer's order. It cannot be undone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from merchants.models import Merchant
from rebound_tts.ops.erasure import UnfinishedError, erase_merchant, erase_order, rows_of_order


class Command(BaseCommand):
    help = "Empty what is held of a merchant, or of a buyer's order with --order. Ids and counts stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("merchant", type=int, help="the merchant's key, as the admin's address shows it")
        parser.add_argument("--order", help="TikTok's id of the order, or the OMS's")
        parser.add_argument("--confirm", help="the merchant's name, to erase all of it")
        parser.add_argument("--even-if-unfinished", action="store_true", help="though returns are under way")
        parser.add_argument("--dry-run", action="store_true", help="only say what is held of the order")

    def handle(self, *args: Any, merchant: int, **options: Any) -> None:
        owner = Merchant.objects.filter(pk=merchant).first()
        if owner is None:
            raise CommandError(f"There is no merchant {merchant}. The admin lists them under Merchants.")
        order, unfinished = options["order"], options["even_if_unfinished"]
        if options["dry_run"]:
            if not order:
                raise CommandError("A dry run needs --order. `manage.py export_data` shows all of a merchant.")
            for model, rows in rows_of_order(merchant=owner, order_id=order).items():
                self.stdout.write(f"{model._meta.label}: {rows.count()}")
            return
        if not order and options["confirm"] != owner.name:
            raise CommandError(f"This erases everything of {owner.name}. Confirm with --confirm {owner.name!r}.")
        try:
            if order:
                done = erase_order(merchant=owner, order_id=order, even_if_unfinished=unfinished)
            else:
                done = erase_merchant(merchant=owner, now=timezone.now(), even_if_unfinished=unfinished)
        except UnfinishedError as error:
            raise CommandError(str(error)) from error
        for name, count in sorted(done.items()):
            self.stdout.write(f"{name}: {count}")
