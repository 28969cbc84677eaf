"""Orders that come in a file: one row an import with its progress, and the parts that it is stored in.

How a file is read stands in `order_file.py`; carrying an import in `order_import.py`.
"""

import zlib
from typing import Any, Self
from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from merchants.encryption import EncryptedTextField
from merchants.models import Merchant, TenantQuerySet


class EncryptedBytesField(EncryptedTextField):
    """Bytes that the database holds compressed and encrypted: a file of orders has buyers' addresses in it."""

    description = "Bytes, compressed and encrypted at rest"

    def to_plain(self, value: Any) -> bytes:
        return zlib.compress(bytes(value), level=1)

    def from_plain(self, plain: bytes) -> Any:
        return zlib.decompress(plain)


class FileKind(models.TextChoices):
    CSV = "CSV", _("CSV, one row an item")
    NDJSON = "NDJSON", _("NDJSON, one order a line")


class OrderImportQuerySet(TenantQuerySet):
    def to_carry(self, *, now: Any) -> Self:
        """Imports whose file is stored here, that are not at their end and that nobody is at."""
        free = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
        return self.filter(free, is_stored=True, finished_at__isnull=True)


class OrderImport(models.Model):
    """One file of orders. Progress is counted with the orders, in their transaction, so that it may stop anywhere."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="order_imports")
    file_name = models.CharField(max_length=255)
    kind = models.CharField(max_length=10, choices=FileKind.choices)
    size = models.PositiveBigIntegerField(help_text=_("Bytes of the file."))
    is_stored = models.BooleanField(help_text=_("Whether the file is kept here until it is imported."))
    started_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()
    offset = models.PositiveBigIntegerField(default=0, help_text=_("Bytes of the file that are done with."))
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    outdated = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    claim = models.UUIDField(default=uuid4, editable=False, help_text=_("Fences off a worker that lost its lease."))
    claimed_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text=_("Since the last progress; counted before the work."))
    finished_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=500, blank=True, help_text=_("Why it ended before the end of the file."))

    objects = OrderImportQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], condition=Q(finished_at__isnull=True), name="import_to_carry"),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def orders(self) -> int:
        """Orders of the file that are done with."""
        return self.created + self.changed + self.unchanged + self.outdated + self.rejected

    @property
    def percent(self) -> int:
        return 100 if self.finished_at and not self.failure else min(99, 100 * self.offset // max(self.size, 1))


class PartKind(models.TextChoices):
    FILE = "FILE", _("The file as it was uploaded")
    REPORT = "REPORT", _("What was rejected, with the errors")


class OrderImportPart(models.Model):
    """A piece of the file, or of the report. In the database, since several machines may share nothing else."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    order_import = models.ForeignKey(OrderImport, on_delete=models.CASCADE, related_name="parts")
    kind = models.CharField(max_length=10, choices=PartKind.choices)
    number = models.PositiveIntegerField()
    content = EncryptedBytesField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "order_import", "kind", "number"], name="one_part_an_import_kind_and_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"
