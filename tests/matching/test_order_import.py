"""Carrying an import: every order of the file once, wherever it is interrupted, and a report to mend and send again."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from matching import order_import
from matching.import_models import OrderImport, OrderImportPart, PartKind
from matching.models import OrderSource, SalesOrder, SalesOrderItem
from matching.order_file import OrderFileError
from matching.order_import import are_due, carry_next, finish, forget_old_imports, report_of, start_import
from merchants.models import Merchant
from tests.conftest import Clock
from tests.factories import MerchantFactory

pytestmark = pytest.mark.django_db
COUNTS = ("created", "changed", "unchanged", "outdated", "rejected")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_import, "BATCH", 3)
    monkeypatch.setattr(order_import, "PART", 64)


def rows(*numbers: int, bad: tuple[int, ...] = ()) -> str:
    lines = ["clientOrderId,omsItemId,quantity,firstName"]
    for number in numbers:
        for item in range(2):
            quantity = 0 if number in bad and item else 1
            lines.append(f"SO-{number:02},i{item},{quantity},Secretia")
    return "\n".join(lines) + "\n"


def start(text: str, *, merchant: Merchant | None = None, name: str = "orders.csv") -> OrderImport:
    raw = text.encode()
    return start_import(
        merchant=merchant or MerchantFactory(),
        name=name,
        size=len(raw),
        chunks=[raw[at : at + 100] for at in range(0, len(raw), 100)] or [b""],
        by="ada",
        now=timezone.now(),
    )


def carry(*, seconds: float = 60, told: list[Any] | None = None) -> bool:
    def tell(merchant: Merchant, ids: Sequence[str]) -> None:
        if told is not None:
            told.append(list(ids))

    return carry_next(clock=timezone.now, seconds=seconds, on_arrival=tell)


def counts(made: OrderImport) -> dict[str, int]:
    made.refresh_from_db()
    return {name: getattr(made, name) for name in COUNTS if getattr(made, name)}


def test_orders_of_a_file_are_stored_and_whoever_waits_is_told() -> None:
    told: list[Any] = []
    made = start(rows(*range(7), bad=(2, 5)))
    assert carry(told=told)
    assert counts(made) == {"created": 5, "rejected": 2}
    assert (made.finished_at is not None, made.failure, made.percent, made.offset) == (True, "", 100, made.size)
    assert told == [["SO-00", "SO-01"], ["SO-03", "SO-04"], ["SO-06"]]
    held = SalesOrder.objects.for_merchant(made.merchant)
    assert {row.source for row in held} == {OrderSource.FILE}
    assert SalesOrderItem.objects.count() == 10
    assert not carry()


def test_the_same_file_again_changes_nothing() -> None:
    merchant = MerchantFactory()
    start(rows(1, 2), merchant=merchant)
    carry()
    again = start(rows(1, 2), merchant=merchant)
    carry()
    assert counts(again) == {"unchanged": 2}


def test_what_was_rejected_can_be_mended_and_sent_again() -> None:
    made = start(rows(*range(9), bad=(1, 4, 5)))
    carry()
    report = b"".join(report_of(made)).decode()
    assert report.count("errorCodes") == 1
    assert [line.split(",")[0] for line in report.splitlines()[1:]] == ["SO-01"] * 2 + ["SO-04"] * 2 + ["SO-05"] * 2
    again = start(report.replace(",0,Secretia", ",2,Secretia"), merchant=made.merchant)
    carry()
    assert counts(again) == {"created": 3}
    assert SalesOrder.objects.for_merchant(made.merchant).count() == 9


def test_lines_of_json_are_imported_too() -> None:
    lines = [{"clientOrderId": name, "clientMetadata": {"omsOrderId": told}} for name, told in (("A", "A"), ("B", "X"))]
    made = start("\n".join(map(json.dumps, lines)), name="orders.ndjson")
    carry()
    assert (made.kind, counts(made)) == ("NDJSON", {"created": 1, "rejected": 1})
    assert b"oms_order_id_differs" in b"".join(report_of(made))


def test_it_goes_on_where_its_time_was_up() -> None:
    made = start(rows(*range(8)))
    for expected in (3, 6, 8):
        assert carry(seconds=-1)
        assert counts(made) == {"created": expected}
    assert carry(seconds=-1)
    assert made.finished_at is None
    made.refresh_from_db()
    assert made.finished_at is not None


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_it_may_die_anywhere_and_no_order_is_lost_or_counted_twice(
    dies_at: int, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    made = start(rows(*range(8), bad=(1, 7)))
    real = order_import._note_progress
    calls: list[Any] = []

    def dies(*args: Any, **options: Any) -> None:
        calls.append(None)
        if len(calls) == dies_at:
            raise RuntimeError("killed")
        real(*args, **options)

    monkeypatch.setattr(order_import, "_note_progress", dies)
    with pytest.raises(RuntimeError):
        carry()
    assert not are_due(now=timezone.now())  # its lease has not ended
    clock.advance(minutes=3)
    assert are_due(now=timezone.now())
    assert carry()
    assert counts(made) == {"created": 6, "rejected": 2}
    assert b"".join(report_of(made)).decode().count("not_positive") == 2


def test_a_worker_that_lost_its_lease_stores_nothing_more(clock: Clock) -> None:
    made = start(rows(*range(9)))
    told: list[Any] = []

    def tell(merchant: Merchant, ids: Sequence[str]) -> None:
        if not told:
            clock.advance(minutes=3)  # so long that another worker takes over, and finishes
            carry(told=told)

    carry_next(clock=timezone.now, seconds=600, on_arrival=tell)
    assert (counts(made), len(told)) == ({"created": 9}, 2)


def test_one_import_at_a_time_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = start(rows(1)), start(rows(2))
    inside: list[Any] = []
    real = order_import.push_orders

    def push(**options: Any) -> Any:
        inside.append((carry(), are_due(now=timezone.now())))
        return real(**options)

    monkeypatch.setattr(order_import, "push_orders", push)
    carry()
    assert (inside, bool(counts(first)), bool(counts(second))) == ([(False, False)], True, False)
    carry()
    assert counts(second) == {"created": 1}


def test_one_that_never_gets_on_ends_with_a_reason(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    made = start(rows(1))

    def fail(**_: Any) -> None:
        raise RuntimeError("always")

    monkeypatch.setattr(order_import, "push_orders", fail)
    for _ in range(order_import.MOST_ATTEMPTS):
        with pytest.raises(RuntimeError):
            carry()
        clock.advance(minutes=3)
    assert carry()
    made.refresh_from_db()
    assert made.finished_at is not None
    assert made.failure.startswith("It stopped 5 times")


@pytest.mark.parametrize("text", ["", "[{}]", "clientOrderId,colour\nA,red\n"])
def test_what_is_no_file_of_orders_is_refused_at_once(text: str) -> None:
    with pytest.raises(OrderFileError):
        start(text)
    assert OrderImport.objects.count() == 0


def test_a_file_is_too_large_to_be_stored() -> None:
    with pytest.raises(OrderFileError, match="MB"):
        start_import(
            merchant=MerchantFactory(),
            name="x.csv",
            size=order_import.LARGEST_UPLOAD + 1,
            chunks=[b"clientOrderId\n"],
            by="",
            now=timezone.now(),
        )


def test_the_file_goes_at_the_end_and_no_address_is_readable_in_the_database() -> None:
    made = start(rows(1, 2, bad=(2,)))
    table = OrderImportPart._meta.db_table

    def stored() -> bytes:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT content FROM {table} ORDER BY id")  # noqa: S608  # a name of ours
            return b"".join(bytes(content) for (content,) in cursor.fetchall())

    assert b"".join(made.parts.order_by("number").values_list("content", flat=True)) == rows(1, 2, bad=(2,)).encode()
    before = stored()
    carry()
    kinds = {part.kind for part in made.parts.all()}
    assert ([b"Secretia" in content for content in (before, stored())], kinds) == ([False, False], {PartKind.REPORT})


def test_old_imports_are_forgotten_with_their_reports() -> None:
    made, half = start(rows(1, bad=(1,))), start(rows(1))
    OrderImport.objects.filter(pk=half.pk).update(is_stored=False)
    carry()
    now = timezone.now()
    assert forget_old_imports(now=now + timedelta(hours=23)) == 0
    assert forget_old_imports(now=now + timedelta(hours=25)) == 1
    assert list(OrderImport.objects.all()) == [made]
    assert forget_old_imports(now=now + timedelta(days=31)) == 1
    assert OrderImportPart.objects.count() == 0


def test_an_end_is_an_end() -> None:
    made = start(rows(1))
    finish(made, failure="first", now=timezone.now())
    finish(made, failure="second", now=timezone.now())
    made.refresh_from_db()
    assert made.failure == "first"
