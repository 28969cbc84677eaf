"""Carrying an import: the orders of a file, batch by batch, from where it stopped to its end.

Each batch of orders is stored in one transaction with the progress and with what was rejected of it, so that an import
may stop anywhere, be taken over by another worker, or run twice. Reading files stands in `order_file.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from uuid import uuid4

from django.db import transaction
from django.db.models import F

from matching.import_models import FileKind, OrderImport, OrderImportPart, PartKind
from matching.models import OrderSource
from matching.order_body import OrderFacts
from matching.order_file import FileOrder, OrderFile, OrderFileError, is_ndjson, open_file
from matching.order_sync import WRITTEN, push_orders
from merchants.models import Merchant

Arrival = Callable[[Merchant, Sequence[str]], None]
Clock = Callable[[], datetime]

BATCH = 1000  # orders; at 500, an eighth of an import went into what is asked for once a batch
BATCH_BYTES = 4 * 1024 * 1024  # of the file
PART = 1024 * 1024  # bytes
LARGEST_UPLOAD = 512 * 1024 * 1024
LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 5  # without any progress
KEPT_FOR = timedelta(days=30)
HALF_STORED_FOR = timedelta(days=1)


class LostClaimError(Exception):
    """Somebody else carries this import now; what was done last is undone."""


def start_import(
    *, merchant: Merchant, name: str, size: int, chunks: Iterable[bytes], by: str, now: datetime
) -> OrderImport:
    """Store an uploaded file, to be carried by the workers. Raises OrderFileError for what cannot be a file of orders.

    Piece by piece, each in its own transaction: nobody waits for a large file to be stored.
    """
    pieces = iter(chunks)
    first = next(pieces, b"")
    kind = kind_of(first, size=size)
    made: OrderImport = OrderImport.objects.create(
        merchant=merchant, file_name=name[:255], kind=kind, size=size, is_stored=False, started_by=by, created_at=now
    )
    for number, piece in enumerate(_pieces(chain([first], pieces))):
        OrderImportPart.objects.create(
            merchant=merchant, order_import=made, kind=PartKind.FILE, number=number, content=piece
        )
    made.is_stored = True
    made.save(update_fields=["is_stored"])
    return made


def kind_of(start: bytes, *, size: int) -> FileKind:
    """What kind of file starts so. Raises OrderFileError for what cannot be a file of orders."""
    if size > LARGEST_UPLOAD:
        raise OrderFileError(f"The file has more than {LARGEST_UPLOAD // 1024**2} MB. Send it in parts.")
    if is_ndjson(start):
        return FileKind.NDJSON
    open_file([start], ndjson=False)  # its columns must be known ones
    return FileKind.CSV


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        held += chunk
        while len(held) >= PART:
            yield held[:PART]
            held = held[PART:]
    if held:
        yield held


def are_due(*, now: datetime) -> bool:
    return bool(OrderImport.objects.to_carry(now=now).exists()) and not _is_one_carried(now=now)


def _is_one_carried(*, now: datetime) -> bool:
    """One at a time: an import computes, and the other workers are for returns."""
    return bool(OrderImport.objects.filter(is_stored=True, claimed_until__gte=now, finished_at__isnull=True).exists())


def carry_next(*, clock: Clock, seconds: float, on_arrival: Arrival) -> bool:
    """Carry the oldest import for so long, at most. Answers whether there was one."""
    now = clock()
    if _is_one_carried(now=now):
        return False
    found = OrderImport.objects.to_carry(now=now).select_related("merchant").order_by("created_at", "pk").first()
    if found is None or not _claim(found, now=now):
        return False
    if found.attempts > MOST_ATTEMPTS:
        said = f"It stopped {MOST_ATTEMPTS} times at the same place, {found.offset} bytes into the file. Ask us."
        finish(found, failure=said, now=now)
        return True
    carry(found, chunks=_stored(found), clock=clock, until=now + timedelta(seconds=seconds), on_arrival=on_arrival)
    return True


def _stored(order_import: OrderImport) -> Iterator[bytes]:
    keys = order_import.parts.filter(kind=PartKind.FILE).order_by("number").values_list("pk", flat=True)
    for key in list(keys):
        part = OrderImportPart.objects.filter(pk=key).first()
        if part is None:  # the file is gone: somebody else brought the import to its end
            raise LostClaimError
        yield part.content


def _claim(found: OrderImport, *, now: datetime) -> bool:
    found.claim = uuid4()
    taken = (
        OrderImport.objects.to_carry(now=now)
        .filter(pk=found.pk)
        .update(claim=found.claim, claimed_until=now + LEASE, attempts=F("attempts") + 1)
    )
    found.refresh_from_db(fields=["attempts", "offset"])
    return bool(taken)


def carry(
    order_import: OrderImport,
    *,
    chunks: Iterable[bytes],
    clock: Clock,
    until: datetime | None,
    on_arrival: Arrival,
    on_report: Callable[[str, str], None] | None = None,
    on_progress: Callable[[OrderImport], None] | None = None,
) -> None:
    """Carry it to its end, or until that time.

    `on_report` takes what a report begins with and what was rejected of a batch; without it, the report is stored here.
    """
    try:
        file = open_file(chunks, ndjson=order_import.kind == FileKind.NDJSON)
        for batch in _batches(file, after=order_import.offset):
            _store(order_import, file=file, batch=batch, now=clock(), on_arrival=on_arrival, on_report=on_report)
            if on_progress is not None:
                on_progress(order_import)
            if until is not None and clock() >= until:
                _let_go(order_import)
                return
    except OrderFileError as error:
        finish(order_import, failure=str(error), now=clock())
    except LostClaimError:
        return  # whoever has it now goes on
    else:
        finish(order_import, failure="", now=clock())


def _batches(file: OrderFile, *, after: int) -> Iterator[list[FileOrder]]:
    batch: list[FileOrder] = []
    start = after
    for order in file:
        if order.end <= after:
            continue  # done before
        batch.append(order)
        if len(batch) == BATCH or order.end - start > BATCH_BYTES:
            yield batch
            batch, start = [], order.end
    if batch:
        yield batch


def _store(
    order_import: OrderImport,
    *,
    file: OrderFile,
    batch: list[FileOrder],
    now: datetime,
    on_arrival: Arrival,
    on_report: Callable[[str, str], None] | None,
) -> None:
    good: list[OrderFacts] = []
    report: list[str] = []
    for order in batch:
        checked = order.check()
        if isinstance(checked, OrderFacts):
            good.append(checked)
        else:
            report.append(order.report(checked))
    with transaction.atomic():
        pushed = push_orders(merchant=order_import.merchant, orders=good, source=OrderSource.FILE, client=None, now=now)
        results = Counter(each.result.value for each in pushed) + Counter(rejected=len(report))
        _note_progress(order_import, results=results, offset=batch[-1].end, now=now)
        if report and on_report is None:
            _keep_report(order_import, head=file.report_head, text="".join(report))
    if report and on_report is not None:
        on_report(file.report_head, "".join(report))
    news = {each.external_order_id for each in pushed if each.result in WRITTEN}
    if news:
        on_arrival(order_import.merchant, sorted(news))


def _note_progress(order_import: OrderImport, *, results: Counter[str], offset: int, now: datetime) -> None:
    """Raises LostClaimError, and undoes the batch with it, where the claim is another's."""
    mine = OrderImport.objects.filter(pk=order_import.pk, claim=order_import.claim, finished_at__isnull=True)
    counted = {name: F(name) + count for name, count in results.items()}
    if not mine.update(offset=offset, claimed_until=now + LEASE, attempts=0, **counted):
        raise LostClaimError
    order_import.offset = offset
    for name, count in results.items():
        setattr(order_import, name, getattr(order_import, name) + count)


def _keep_report(order_import: OrderImport, *, head: str, text: str) -> None:
    held = order_import.parts.filter(kind=PartKind.REPORT).count()
    wanted = [head, text] if head and not held else [text]
    OrderImportPart.objects.bulk_create(
        OrderImportPart(
            merchant_id=order_import.merchant_id,
            order_import=order_import,
            kind=PartKind.REPORT,
            number=held + number,
            content=part.encode(),
        )
        for number, part in enumerate(wanted)
    )


def _let_go(order_import: OrderImport) -> None:
    OrderImport.objects.filter(pk=order_import.pk, claim=order_import.claim).update(claimed_until=None)


def finish(order_import: OrderImport, *, failure: str, now: datetime) -> None:
    """The import is at its end, whatever that is. The file goes; the report stays for a month."""
    with transaction.atomic():
        mine = OrderImport.objects.filter(pk=order_import.pk, claim=order_import.claim, finished_at__isnull=True)
        if not mine.update(finished_at=now, claimed_until=None, failure=failure[:500]):
            return
        order_import.parts.filter(kind=PartKind.FILE).delete()
    order_import.finished_at, order_import.failure = now, failure[:500]


def report_of(order_import: OrderImport) -> Iterator[bytes]:
    """What was rejected, piece by piece, in the form of the file: mend it and send it again."""
    keys = order_import.parts.filter(kind=PartKind.REPORT).order_by("number").values_list("pk", flat=True)
    for key in list(keys):
        yield OrderImportPart.objects.get(pk=key).content


def forget_old_imports(*, now: datetime) -> int:
    """Delete imports of a month ago with their reports, and files that were never stored whole. Answers how many."""
    old = OrderImport.objects.filter(created_at__lt=now - KEPT_FOR)
    half = OrderImport.objects.filter(
        is_stored=False, finished_at__isnull=True, claimed_until__isnull=True, created_at__lt=now - HALF_STORED_FOR
    )
    return sum(rows.delete()[1].get("matching.OrderImport", 0) for rows in (old, half))
