"""Orders in a file, one after the other, never all at once: CSV with one row an item, or NDJSON with one order a line.

Pure but for a scratch table on disk. What an order may hold stands in `order_body.py`; a row or line that broke a rule
can be written out again with its errors, mended and sent once more: the columns and fields that say what was wrong are
passed over when they come back.
"""

import contextlib
import csv
import hashlib
import io
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from matching.findings import Code, Finding, pointer, shown
from matching.order_body import ADDRESS_FIELDS, ITEM_TEXTS, MOST_ITEMS, OrderFacts, check_order
from matching.order_json import NotJsonError, read_json
from matching.order_typed import read_typed, typed_of

LONGEST_LINE = 1024 * 1024  # bytes, as for one order of the API
BOM = b"\xef\xbb\xbf"
ORDER_FIELDS = ("clientOrderCreatedDate", "updatedAt", "businessUnit", "rmaNumber")
ORDER_FLAGS = ("premiumOrder",)
ITEM_FLAGS = ("returnable",)
ITEM_FIELDS = (*ITEM_TEXTS, "price", "weight")
ORDER_METADATA, ITEM_METADATA = "clientMetadata.", "itemMetadata."  # and any key behind it
ERROR_COLUMNS = ("errorCodes", "errors")
ERROR_FIELD = "importErrors"
COLUMNS = (
    "clientOrderId",
    *ORDER_FIELDS,
    *ORDER_FLAGS,
    "omsOrderId",
    *ADDRESS_FIELDS,
    "omsItemId",
    "quantity",
    *ITEM_FIELDS,
    *ITEM_FLAGS,
)
"""Every column that a CSV file may have, apart from those of metadata. Only clientOrderId must be there."""
TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
FORMULA = re.compile(r"'*[=+\-@\t\r]")


class OrderFileError(ValueError):
    """The file as a whole cannot be read. The message says why and what to do, for people."""


class FileOrder(Protocol):
    """One order of the file."""

    @property
    def end(self) -> int:
        """Bytes of the file up to its end."""

    def check(self) -> OrderFacts | list[Finding]: ...

    def report(self, findings: list[Finding]) -> str:
        """The order as it stood in the file, with what is wrong with it."""


class OrderFile(Protocol):
    """An open file: its orders in turn, and what its report begins with."""

    @property
    def report_head(self) -> str: ...

    def __iter__(self) -> Iterator[FileOrder]: ...


def is_ndjson(start: bytes) -> bool:
    """Whether a file that starts so holds JSON. Raises OrderFileError for what can be neither."""
    text = start.removeprefix(BOM).lstrip()
    if not text:
        raise OrderFileError("The file is empty.")
    if text.startswith(b"["):
        raise OrderFileError("This is one JSON list. Write one order a line, without a list around them.")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in start or start.startswith((b"PK", b"\x1f\x8b")):
        raise OrderFileError("This is not a text file in UTF-8. Save it as CSV UTF-8, unpacked.")
    return text.startswith(b"{")


def open_file(chunks: Iterable[bytes], *, ndjson: bool) -> OrderFile:
    """The orders in these pieces of a file. Raises OrderFileError, now or while it is read."""
    return NdjsonFile(chunks) if ndjson else CsvFile(chunks)


def lines_of(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Each line without its end, and the bytes up to its end. Of a line that is too long only the start."""
    rest = b""
    lost = 0  # bytes of a line that is too long
    end = 0
    for chunk in chunks:
        lines = chunk.split(b"\n")
        lines[0] = rest + lines[0]
        rest = lines.pop()
        for line in lines:
            end += len(line) + lost + 1
            lost = 0
            yield line, end
        if len(rest) > 2 * LONGEST_LINE:
            lost += len(rest) - LONGEST_LINE - 1
            rest = rest[: LONGEST_LINE + 1]
    if rest:
        yield rest, end + len(rest) + lost


# NDJSON -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JsonOrder:
    line: bytes
    end: int

    def check(self) -> OrderFacts | list[Finding]:
        if len(self.line) > LONGEST_LINE:
            return [Finding("", Code.TOO_LONG, f"An order has at most {LONGEST_LINE} bytes.")]
        typed = read_typed(self.line)
        if typed is not None:
            return typed
        try:
            body = read_json(self.line)
        except NotJsonError as error:
            return [Finding("", Code.NOT_JSON, f"This line is not JSON: {error}")]
        if isinstance(body, dict):
            body.pop(ERROR_FIELD, None)
        return check_order(body)

    def report(self, findings: list[Finding]) -> str:
        errors = [finding.as_json() for finding in findings]
        try:
            body = json.loads(self.line)
        except ValueError:  # also where it is not UTF-8
            body = None
        if not isinstance(body, dict):
            body = {"line": self.line[:LONGEST_LINE].decode(errors="replace")}
        return json.dumps({ERROR_FIELD: errors} | {k: v for k, v in body.items() if k != ERROR_FIELD}) + "\n"


class NdjsonFile:
    report_head = ""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[JsonOrder]:
        for number, (line, end) in enumerate(lines_of(self._chunks)):
            text = line.removeprefix(BOM) if number == 0 else line
            if text.strip():
                yield JsonOrder(text, end)


# CSV ----------------------------------------------------------------------------------------------------------------


def escaped(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


class CsvFile:
    """Rows with the same clientOrderId that follow each other are one order."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._end = 0
        self._lines = self._decoded(lines_of(chunks))
        first = next(self._lines, "").lstrip("\ufeff")
        delimiter = max(",;\t", key=first.count)
        self._rows = csv.reader(self._with_first(first), delimiter=delimiter)
        header = [name.strip() for name in self._next_row() or []]
        self.columns = _columns(header)
        self.width = max(column.index for column in self.columns) + 1
        self.names_oms_order = any(column.name == "omsOrderId" and column.kind == "metadata" for column in self.columns)
        cells = [(column.index, column.name, column) for column in self.columns]
        self.of_items = [each for each in cells if each[2].is_of_item]
        self.of_orders = [each for each in cells if not each[2].is_of_item]
        self.is_report = any(name in ERROR_COLUMNS for name in header)
        self.delimiter = delimiter
        kept = [name for name in header if name not in ERROR_COLUMNS]
        self._kept = [index for index, name in enumerate(header) if name not in ERROR_COLUMNS]
        self.report_head = self.written([*kept, *ERROR_COLUMNS])
        self._id = header.index("clientOrderId")

    def _decoded(self, lines: Iterator[tuple[bytes, int]]) -> Iterator[str]:
        for line, end in lines:
            self._end = end
            # What is not UTF-8 becomes half of a surrogate pair, which the check of the order then names.
            yield line.decode("utf-8", "surrogateescape") + "\n"

    def _with_first(self, first: str) -> Iterator[str]:
        yield first
        yield from self._lines

    def _next_row(self) -> list[str] | None:
        """The next row, or None at the end. A row that cannot be read is one empty cell too many: see `CsvOrder`."""
        try:
            return next(self._rows, None)
        except csv.Error:
            return UNREADABLE

    def written(self, cells: list[str]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter).writerow(cells)
        return text.getvalue()

    def row_of_report(self, row: list[str], findings: list[Finding]) -> str:
        """The row as it came, and what is wrong with it. Where it is wrong stands in the text."""
        codes = ", ".join(dict.fromkeys(finding.code.value for finding in findings))
        said = "; ".join(
            f"{finding.pointer or 'order'}: {finding.message}" + (f" Not: {finding.value}" if finding.value else "")
            for finding in findings
        )
        cells = [row[index] if index < len(row) else "" for index in self._kept]
        safe = [escaped(unescaped(cell) if self.is_report else cell) for cell in cells]
        text = self.written([*safe, codes, escaped(said)])
        return text.encode("utf-8", "replace").decode()  # what was not UTF-8 cannot be written

    def __iter__(self) -> Iterator["CsvOrder"]:
        with contextlib.closing(Seen()) as seen:
            rows: list[list[str]] = []
            order_id, end, more = "", self._end, 0
            while (row := self._next_row()) is not None:
                if not any(row) and row is not UNREADABLE:
                    continue  # an empty line
                own = row[self._id] if self._id < len(row) else ""
                if rows and (own != order_id or row is UNREADABLE or rows[0] is UNREADABLE):
                    yield CsvOrder(self, rows, end, more, is_first=seen.add(order_id))
                    rows, more = [], 0
                order_id, end = own, self._end
                if len(rows) <= MOST_ITEMS:
                    rows.append(row)
                else:
                    more += 1
            if rows:
                yield CsvOrder(self, rows, end, more, is_first=seen.add(order_id))


UNREADABLE = [""]
"""Stands for a row that is no CSV, such as one with a quote that is never closed."""


@dataclass(frozen=True, slots=True)
class Column:
    index: int
    name: str
    kind: str  # "order", "flag", "oms", "address", "metadata"; of an item "item", "quantity", ...

    @property
    def is_of_item(self) -> bool:
        return self.kind.startswith(("item", "quantity"))


def _columns(header: list[str]) -> list[Column]:
    """Raises OrderFileError."""
    known = dict.fromkeys(ORDER_FIELDS, "order") | dict.fromkeys(ADDRESS_FIELDS, "address")
    known |= dict.fromkeys(ORDER_FLAGS, "flag") | dict.fromkeys(ITEM_FLAGS, "item flag")
    known |= dict.fromkeys(ITEM_FIELDS, "item") | {"quantity": "quantity", "omsItemId": "item metadata"}
    known |= {"clientOrderId": "order", "omsOrderId": "metadata"}
    columns: list[Column] = []
    for index, name in enumerate(header):
        if name in ERROR_COLUMNS:
            continue
        if name.startswith(ORDER_METADATA):
            columns.append(Column(index, name.removeprefix(ORDER_METADATA), "metadata"))
        elif name.startswith(ITEM_METADATA):
            columns.append(Column(index, name.removeprefix(ITEM_METADATA), "item metadata"))
        elif name in known:
            columns.append(Column(index, name, known[name]))
        else:
            said = f"The column {shown(name)!r} is not known. " if name else "A column has no name. "
            raise OrderFileError(f"{said}Known are: {', '.join(COLUMNS)}, {ORDER_METADATA}<key>, {ITEM_METADATA}<key>.")
    if "clientOrderId" not in header:
        raise OrderFileError("The first row must name the columns; clientOrderId is missing.")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise OrderFileError(f"The column {shown(twice)!r} stands there twice.")
    return columns


@dataclass(frozen=True, slots=True)
class CsvOrder:
    file: CsvFile
    rows: list[list[str]]
    end: int
    more: int  # rows beyond the most that an order may have
    is_first: bool  # whether its id stood nowhere before

    def check(self) -> OrderFacts | list[Finding]:
        if self.rows[0] is UNREADABLE:
            return [Finding("", Code.NOT_CSV, "This row cannot be read: is a quote closed that was opened?")]
        findings: list[Finding] = []
        if not self.is_first:
            said = "Rows of this order stand further up, too. Put all rows of an order one after the other."
            findings.append(Finding("/clientOrderId", Code.ROWS_APART, said))
        if self.more:
            said = f"At most {MOST_ITEMS} items; this order has {len(self.rows) + self.more} rows."
            findings.append(Finding("/salesItems", Code.TOO_MANY, said))
        body = self._body(findings)
        checked = typed_of(body) or check_order(body)
        if isinstance(checked, list):
            return findings + checked
        return findings or checked

    def _body(self, findings: list[Finding]) -> dict[str, Any]:
        body: dict[str, Any] = {"salesItems": []}
        address: dict[str, str] = {}
        metadata: dict[str, str] = {}
        homes: dict[str, dict[str, Any]] = {"address": address, "metadata": metadata}
        file = self.file
        first: list[str] = []
        for number, row in enumerate(self.rows):
            cells = row + [""] * (file.width - len(row))  # a spreadsheet leaves out empty cells at the end
            if file.is_report:
                cells = [unescaped(cell) for cell in cells]
            item: dict[str, Any] = {}
            item_metadata: dict[str, str] = {}
            for index, name, column in file.of_items:
                cell = cells[index]
                if not cell:
                    continue
                match column.kind:
                    case "item":
                        item[name] = cell
                    case "item metadata":
                        item_metadata[name] = cell
                    case "quantity":
                        item["quantity"] = int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 10 else cell
                    case _:
                        item[name] = _flag(cell)
            for index, name, column in file.of_orders:
                cell = cells[index]
                if not cell or (first and cell == first[index]):
                    continue
                value: Any = _flag(cell) if column.kind == "flag" else cell
                if homes.get(column.kind, body).setdefault(name, value) != value:
                    said = f"Row {number + 1} of this order says otherwise than a row before it."
                    findings.append(_differs(column, said))
            first = first or cells
            if item or item_metadata:
                body["salesItems"].append(item | {"clientMetadata": item_metadata})
        body.setdefault("clientOrderId", "")
        if not file.names_oms_order:
            metadata["omsOrderId"] = body["clientOrderId"]
        body["clientMetadata"] = metadata
        if address:
            body["customerAddress"] = address
        return body

    def report(self, findings: list[Finding]) -> str:
        """Every row of the order, each with its own findings; those of the order stand at its first row."""
        of_rows: list[list[Finding]] = [[] for _ in self.rows]
        rows_of_items = self._rows_of_items()
        for finding in findings:
            parts = finding.pointer.split("/")
            of_item = len(parts) > 2 and parts[1] == "salesItems" and parts[2].isdigit()
            index = int(parts[2]) if of_item else 0
            of_rows[rows_of_items[index] if of_item and index < len(rows_of_items) else 0].append(finding)
        return "".join(self.file.row_of_report(row, found) for row, found in zip(self.rows, of_rows, strict=True))

    def _rows_of_items(self) -> list[int]:
        """The row of each item: rows without any cell of an item have none."""
        of_items = [index for index, _, _ in self.file.of_items]
        return [
            number for number, row in enumerate(self.rows) if any(index < len(row) and row[index] for index in of_items)
        ]


def _flag(cell: str) -> Any:
    text = cell.strip().lower()
    return True if text in TRUE else False if text in FALSE else cell


def _differs(column: Column, said: str) -> Finding:
    home = {"address": ("customerAddress",), "metadata": ("clientMetadata",)}.get(column.kind, ())
    return Finding(pointer(*home, column.name), Code.ROWS_DIFFER, said)


class Seen:
    """Ids that were seen, in a scratch file: a set of millions would not fit into a fixed memory."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._table.execute("PRAGMA cache_size = -4000")
        self._table.execute("CREATE TABLE seen (digest INTEGER PRIMARY KEY)")
        self._table.execute("BEGIN")

    def add(self, text: str) -> bool:
        """Whether it was not there before."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        added = self._table.execute(
            "INSERT OR IGNORE INTO seen VALUES (?)", (int.from_bytes(digest, "big", signed=True),)
        )
        return added.rowcount == 1

    def close(self) -> None:
        self._table.close()


def template() -> str:
    """A CSV file with every column and two orders, to start from."""
    example = {
        "clientOrderId": "SO-1001",
        "clientOrderCreatedDate": "2026-11-20T09:30:00Z",
        "updatedAt": "2026-11-20T09:31:00Z",
        "omsOrderId": "SO-1001",
        "firstName": "Ada",
        "city": "Bristol",
        "postalCode": "BS1 1AA",
        "countryCode": "GB",
    }
    socks = {"omsItemId": "SO-1001-1", "quantity": "2", "sku": "wool-socks", "price": "19.90", "currencyCode": "GBP"}
    mug = {"omsItemId": "SO-1001-2", "quantity": "1", "sku": "mug", "price": "8.00", "currencyCode": "GBP"}
    other = {"clientOrderId": "SO-1002", "omsOrderId": "SO-1002", "omsItemId": "SO-1002-1", "quantity": "1"}
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows([example | socks, {"clientOrderId": "SO-1001"} | mug, other])
    return text.getvalue()
