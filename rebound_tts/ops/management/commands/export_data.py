"""`manage.py export_data`: what is held of a merchant, or of one buyer's order, as a ZIP."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from merchants.models import Merchant
from rebound_tts.ops.exports import export_merchant, export_order


class Command(BaseCommand):
    help = "Write what is held of a merchant, or of a buyer's order with --order, into a ZIP of JSON lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("merchant", type=int, help="the merchant's key, as the admin's address shows it")
        parser.add_argument("path", type=Path, help="the file to write; it must not exist")
        parser.add_argument("--order", help="TikTok's id of the order, or the OMS's")

    def handle(self, *args: Any, merchant: int, path: Path, order: str | None, **options: Any) -> None:
        owner = Merchant.objects.filter(pk=merchant).first()
        if owner is None:
            raise CommandError(f"There is no merchant {merchant}. The admin lists them under Merchants.")
        if path.exists():
            raise CommandError(f"{path} exists. Name a file that does not.")
        if order:
            done = export_order(merchant=owner, order_id=order, path=path)
        else:
            done = export_merchant(merchant=owner, path=path)
        for name, count in sorted(done.items()):
            self.stdout.write(f"{name}: {count}")
        if not done:
            self.stdout.write("Nothing is held.")
