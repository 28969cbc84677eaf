"""The orders of a check as a CSV file, written while it is read: nothing is held but one row."""

import csv
from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

from matching.coverage.models import CoverageCheck, CoverageOrder
from matching.coverage.wording import MATCHED, REASONS

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
CHUNK = 100
BOM = "\ufeff"  # without it, spreadsheets take UTF-8 for something else


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def rows_csv(check: CoverageCheck) -> StreamingHttpResponse:
    return StreamingHttpResponse(_lines(check), content_type="text/csv; charset=utf-8")


def _lines(check: CoverageCheck) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield BOM
    yield _line(
        writer,
        [
            _("TikTok order"),
            _("Ordered (UTC)"),
            _("Status at TikTok"),
            _("Result"),
            _("Code"),
            _("Why"),
            _("Order id at TikTok"),
            _("References at TikTok"),
            _("Sales order"),
            _("Found"),
            _("Lines"),
            _("Lines found"),
            _("What failed"),
        ],
    )
    for row in check.orders.order_by("position").iterator(CHUNK):
        yield _line(writer, _cells(row))


def _cells(row: CoverageOrder) -> list[Any]:
    return [
        row.order_id,
        row.ordered_at.strftime("%Y-%m-%d %H:%M:%S") if row.ordered_at else "",
        row.order_status,
        row.outcome,
        row.reason,
        str(REASONS.get(row.reason, MATCHED)) if row.outcome else "",
        row.external_order_id,
        " ".join(f"{each['platform']}:{each['id']}" for each in row.references or []),
        " ".join(order["id"] for order in row.orders),
        row.get_where_display(),
        len(row.lines),
        row.lines_found,
        row.problem,
    ]


def _line(writer: Any, cells: list[Any]) -> str:
    line: str = writer.writerow([safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return line


def safe(cell: str) -> str:
    """What a spreadsheet would take for a formula is marked as text."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
