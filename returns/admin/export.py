"""The list of returns as CSV: streamed, however long, under the list's own filters, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from returns.models import TikTokReturn

A_BATCH = 1000
# A spreadsheet takes a cell that starts so for a formula, and would carry it out.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

COLUMNS = (
    "return id",
    "TikTok order id",
    "merchant",
    "shop",
    "status",
    "reason",
    "detail",
    "match",
    "match reason",
    "kind",
    "why direct",
    "sales order",
    "our reference",
    "country",
    "tracking number",
    "label delivered at",
    "created at",
    "status changed at",
)
BUYER_COLUMNS = ("buyer name", "buyer line 1", "buyer city", "buyer postal code", "buyer country")
BUYER_KEYS = (("name",), ("line1", "address_line1"), ("city",), ("postal_code", "zip"), ("country", "region_code"))


class _Line:
    """A file whose writes are handed back."""

    def write(self, text: str) -> str:
        return text


def csv_of(rows: QuerySet[TikTokReturn], *, with_buyer: bool) -> Iterator[str]:
    """Line by line, newest first, read in batches that each start where the one before ended."""
    write = csv.writer(_Line()).writerow
    yield write([*COLUMNS, *(BUYER_COLUMNS if with_buyer else ())])
    last: int | None = None
    while True:
        batch = rows.order_by("-pk") if last is None else rows.filter(pk__lt=last).order_by("-pk")
        found: list[Any] = list(batch[:A_BATCH])
        for row in found:
            yield write([safe(value) for value in _values(row, with_buyer=with_buyer)])
        if len(found) < A_BATCH:
            return
        last = found[-1].pk


def safe(value: Any) -> str:
    """As text that no spreadsheet carries out."""
    text = value.isoformat() if isinstance(value, datetime) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _values(row: Any, *, with_buyer: bool) -> Iterable[Any]:
    held = row.rebound_return
    label = getattr(held, "label", None) if held else None
    values = [
        row.return_id,
        row.order_id,
        row.merchant,
        row.shop,
        row.status,
        row.reason,
        row.reason_detail,
        row.decided_as,
        row.decided_why,
        held.kind if held else "",
        held.direct_reason if held else "",
        held.sales_order if held else "",
        held.reference if held else "",
        held.country if held else "",
        label.tracking_number if label else "",
        row.label_delivered_at,
        row.created_at,
        row.status_changed_at,
    ]
    if with_buyer:
        address = row.buyer_address or {}
        values += [next((address[key] for key in keys if address.get(key)), "") for keys in BUYER_KEYS]
    return values
