"""`manage.py import_orders`: the orders of a file, CSV or NDJSON, here and now.

The same checks as the order API. What is rejected goes into a report that can be mended and imported in its turn. It
may be run again: orders that are here already change nothing.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from matching.import_models import FileKind, OrderImport
from matching.order_file import OrderFileError, is_ndjson, template
from matching.order_import import carry, finish
from merchants.models import Merchant
from returns.arrivals import wake_for_orders

PIECE = 256 * 1024  # bytes
SAID_EVERY = 1.0  # seconds
RESULTS = ("created", "changed", "unchanged", "outdated", "rejected")


class Command(BaseCommand):
    help = "Import the orders of a CSV or NDJSON file. Rejected ones go into a report to mend and import again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("merchant", type=int, nargs="?", help="the merchant's key, as the admin's address shows it")
        parser.add_argument("file", type=Path, nargs="?")
        parser.add_argument(
            "--report", type=Path, help="where rejected orders go; <file>.rejected.<csv|ndjson> if left out"
        )
        parser.add_argument(
            "--template", action="store_true", help="print a CSV file to start from, and do nothing else"
        )

    def handle(self, *args: Any, merchant: int | None, file: Path | None, report: Path | None, **options: Any) -> None:
        if options["template"]:
            self.stdout.write(template(), ending="")
            return
        owner = Merchant.objects.filter(pk=merchant or 0).first()
        if owner is None:
            raise CommandError(f"There is no merchant {merchant}. The admin lists them under Merchants.")
        if file is None:
            raise CommandError("Name the file.")
        try:
            with file.open("rb") as opened:
                self._import(owner, opened, name=file, report=report)
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be used: {error.strerror}.") from error

    def _import(self, merchant: Merchant, opened: BinaryIO, *, name: Path, report: Path | None) -> None:
        try:
            kind = FileKind.NDJSON if is_ndjson(opened.read(PIECE)) else FileKind.CSV
        except OrderFileError as error:
            raise CommandError(str(error)) from error
        opened.seek(0)
        report = report or name.with_name(f"{name.stem}.rejected.{kind.lower()}")
        made = OrderImport.objects.create(
            merchant=merchant,
            file_name=name.name[:255],
            kind=kind,
            size=os.fstat(opened.fileno()).st_size,
            is_stored=False,
            started_by="command",
            created_at=timezone.now(),
        )
        rejected = Rejected(report)
        progress = Progress(self)
        try:
            carry(
                made,
                chunks=_pieces(opened),
                clock=timezone.now,
                until=None,
                on_arrival=wake_for_orders,
                on_report=rejected.write,
                on_progress=progress.show,
            )
        finally:
            rejected.close()
            if made.finished_at is None:
                finish(made, failure="The command was stopped.", now=timezone.now())
        self.stdout.write(", ".join(f"{getattr(made, result)} {result}" for result in RESULTS))
        if made.failure:
            raise CommandError(f"It ended {made.offset} bytes into the file. {made.failure}")
        if made.rejected:
            raise CommandError(f"What was rejected stands in {report}: mend it and import that file.", returncode=2)


def _pieces(opened: BinaryIO) -> Iterator[bytes]:
    while piece := opened.read(PIECE):
        yield piece


class Rejected:
    """The report, made once there is something to write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def write(self, head: str, text: str) -> None:
        if self._file is None:
            # Readable by nobody else: there are addresses in it.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
            self._file.write(head)
        self._file.write(text)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Progress:
    """A line now and then, on standard error; on a terminal always the same one."""

    def __init__(self, command: BaseCommand) -> None:
        self._out = command.stderr
        self._ending = "\r" if sys.stderr.isatty() else "\n"
        self._said_at = time.monotonic()

    def show(self, order_import: OrderImport) -> None:
        if time.monotonic() - self._said_at < SAID_EVERY:
            return
        self._said_at = time.monotonic()
        said = f"{order_import.percent} %, {order_import.orders} orders, {order_import.rejected} rejected"
        self._out.write(said, ending=self._ending)
