"""Orders in a file: read as they stand, and written out again with what is wrong, to be sent once more."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching import order_file
from matching.findings import Finding
from matching.order_body import OrderFacts
from matching.order_file import (
    COLUMNS,
    FileOrder,
    OrderFileError,
    escaped,
    is_ndjson,
    lines_of,
    open_file,
    template,
    unescaped,
)

HEAD = "clientOrderId,omsItemId,quantity,sku,price,currencyCode,businessUnit,city"


def orders(text: str | bytes, *, ndjson: bool = False, piece: int = 7) -> list[FileOrder]:
    raw = text.encode() if isinstance(text, str) else text
    return list(open_file((raw[at : at + piece] for at in range(0, len(raw), piece)), ndjson=ndjson))


def found(text: str | bytes, **options: Any) -> list[Any]:
    """Of each order its id and items, or its findings."""
    return [
        (checked.external_order_id, [(item.external_item_id, item.quantity) for item in checked.items])
        if isinstance(checked, OrderFacts)
        else [(finding.pointer, finding.code.value) for finding in checked]
        for checked in (order.check() for order in orders(text, **options))
    ]


def report(text: str | bytes, *, ndjson: bool = False) -> str:
    raw = text.encode() if isinstance(text, str) else text
    file = open_file([raw], ndjson=ndjson)
    written = file.report_head
    for order in file:
        checked = order.check()
        if isinstance(checked, list):
            written += order.report(checked)
    return written


def test_rows_that_follow_each_other_are_one_order() -> None:
    text = f"{HEAD}\nA,a1,1,s,1.50,GBP,UK,Bath\nA,a2,2,,,,,\n\nB,b1,3,,,,,\n"
    assert found(text) == [("A", [("a1", 1), ("a2", 2)]), ("B", [("b1", 3)])]
    facts = orders(text)[0].check()
    assert isinstance(facts, OrderFacts)
    assert (facts.address, facts.payload["businessUnit"], str(facts.items[0].price)) == ({"city": "Bath"}, "UK", "1.50")


def test_the_template_is_good_and_has_every_column() -> None:
    assert found(template()) == [("SO-1001", [("SO-1001-1", 2), ("SO-1001-2", 1)]), ("SO-1002", [("SO-1002-1", 1)])]
    assert tuple(next(csv.reader([template().splitlines()[0]]))) == COLUMNS


@pytest.mark.parametrize("text", ["\ufeff{head}\r\n{row}\r\n", "{head}\n{row}", "{head}\n\n{row}\n\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_write_it_in_several_ways(text: str, delimiter: str) -> None:
    written = text.format(head="clientOrderId,omsItemId,quantity", row='"A,B\n1",a1,1')
    written = written.replace(",", delimiter).replace(f'"A{delimiter}B', '"A,B')
    assert found(written) == [("A,B\n1", [("a1", 1)])]


def test_metadata_of_an_item_says_nothing_of_the_order() -> None:
    text = "clientOrderId,omsItemId,quantity,sku,itemMetadata.omsOrderId\nA,a1,1,s,X\nA,a2,1,s,Y\n"
    assert found(text) == [("A", [("a1", 1), ("a2", 1)])]


def test_metadata_has_columns_of_its_own() -> None:
    text = "clientOrderId,omsOrderId,omsItemId,quantity,clientMetadata.ttsOrderId,itemMetadata.color\nA,A,a1,1,57,red\n"
    facts = orders(text)[0].check()
    assert isinstance(facts, OrderFacts)
    assert facts.payload["clientMetadata"] == {"omsOrderId": "A", "ttsOrderId": "57"}
    assert facts.payload["salesItems"][0]["clientMetadata"] == {"omsItemId": "a1", "color": "red"}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("A,a1,0,,,,,", [[("/salesItems/0/quantity", "not_positive")]]),
        ("A,a1,two,,,,,", [[("/salesItems/0/quantity", "wrong_type")]]),
        (
            "A,a1,1,,x,EURO,,",
            [[("/salesItems/0/currencyCode", "unknown_currency"), ("/salesItems/0/price", "not_a_decimal")]],
        ),
        ("A,,1,,,,,", [[("/salesItems/0/clientMetadata/omsItemId", "oms_item_id_missing")]]),
        (",a1,1,,,,,", [[("/clientOrderId", "empty")]]),
        ("A,a1,1,,,,UK,\nA,a2,1,,,,DE,", [[("/businessUnit", "rows_differ")]]),
        ("A,a1,1,,,,,Bath\nA,a2,1,,,,,Bristol", [[("/customerAddress/city", "rows_differ")]]),
        (
            "A,a1,1,,,,,\nB,b1,1,,,,,\nA,a2,1,,,,,",
            [("A", [("a1", 1)]), ("B", [("b1", 1)]), [("/clientOrderId", "rows_apart")]],
        ),
        ("A,a1,1,\x00,,,,", [[("/salesItems/0/sku", "not_storable")]]),
        ("A,a1,1", [("A", [("a1", 1)])]),
    ],
)
def test_a_row_that_breaks_a_rule(rows: str, expected: Any) -> None:
    assert found(f"{HEAD}\n{rows}\n") == expected


def test_what_is_not_utf_8_is_named() -> None:
    assert found(f"{HEAD}\nA,a1,1,".encode() + b"M\xfctze,,,,\n") == [[("/salesItems/0/sku", "not_storable")]]


def test_a_quote_that_is_never_closed_spoils_no_order_before_it() -> None:
    rest = "".join(f"B{number},b,1,,,,,\n" for number in range(20_000))
    (first, *others) = found(f'{HEAD}\nA,a1,1,,,,,\nX,"x,1,,,,,\n{rest}', piece=100_000)
    assert first == ("A", [("a1", 1)])
    assert [("", "not_csv")] in others
    assert ("B19999", [("b", 1)]) in others


def test_an_order_of_too_many_rows_is_refused_and_takes_no_memory() -> None:
    rows = "".join(f"A,a{number},1,,,,,\n" for number in range(5000))
    (order,) = orders(f"{HEAD}\n{rows}", piece=100_000)
    assert isinstance(order, order_file.CsvOrder)
    checked = order.check()
    assert isinstance(checked, list)
    assert (len(order.rows), order.more, {finding.code.value for finding in checked}) == (1001, 3999, {"too_many"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("[{}]", "list"),
        ("omsItemId,quantity\n", "clientOrderId is missing"),
        ("clientOrderId,colour\n", "'colour' is not known"),
        ("clientOrderId,sku,sku\n", "'sku' stands there twice"),
        ("clientOrderId,,sku\n", "no name"),
        ("\ufeffclientOrderId\n".encode("utf-16"), "UTF-8"),
        (b"PK\x03\x04", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read(text: str | bytes, says: str) -> None:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(OrderFileError, match=says):
        open_file([raw], ndjson=is_ndjson(raw))


def test_lines_of_json() -> None:
    good = {"clientOrderId": "A", "clientMetadata": {"omsOrderId": "A"}, "salesItems": []}
    text = "\ufeff" + json.dumps(good) + '\r\n\n{"clientOrderId": \n7\n' + json.dumps(good | {"x": "\ud800"})
    assert found(text, ndjson=True) == [("A", []), [("", "not_json")], [("", "wrong_type")], [("/x", "not_storable")]]


def test_a_line_that_is_too_long_spoils_itself_alone() -> None:
    long = b'{"clientOrderId": "' + b"x" * (5 * order_file.LONGEST_LINE) + b'"}\n'
    good = b'{"clientOrderId": "A", "clientMetadata": {"omsOrderId": "A"}}\n'
    read = orders(long + good, ndjson=True, piece=300_000)
    assert [order.end for order in read] == [len(long), len(long + good)]
    assert found(long + good, ndjson=True, piece=300_000) == [[("", "too_long")], ("A", [])]


def test_a_report_names_what_is_wrong_in_each_row_and_is_a_file_again() -> None:
    text = f"{HEAD}\nA,a1,0,=1+1,,,,\nA,a2,1,,,,,\nB,b1,1,,,,,\nC,,1,,,,,\n"
    rows = list(csv.DictReader(io.StringIO(report(text))))
    assert [(row["clientOrderId"], row["sku"], row["errorCodes"]) for row in rows] == [
        ("A", "'=1+1", "not_positive"),
        ("A", "", ""),
        ("C", "", "oms_item_id_missing"),
    ]
    assert rows[0]["errors"] == "/salesItems/0/quantity: This must be 1 or more. Not: 0"
    assert report(report(text)) == report(text)
    mended = report(text).replace("A,a1,0", "A,a1,4").replace("C,,1", "C,c1,1")
    assert found(mended) == [("A", [("a1", 4), ("a2", 1)]), ("C", [("c1", 1)])]
    facts = orders(mended)[0].check()
    assert isinstance(facts, OrderFacts)
    assert facts.items[0].sku == "=1+1"


def test_a_report_of_json_is_a_file_again() -> None:
    text = '{"clientOrderId": "A", "clientMetadata": {"omsOrderId": "B"}}\nnonsense\n'
    said = report(text, ndjson=True)
    assert [error["code"] for error in json.loads(said.splitlines()[0])["importErrors"]] == ["oms_order_id_differs"]
    assert json.loads(said.splitlines()[1])["line"] == "nonsense"
    assert report(said.splitlines()[0], ndjson=True) + "\n" == said.splitlines()[0] + "\n\n"
    assert found(said.replace('"B"', '"A"').splitlines()[0], ndjson=True) == [("A", [])]


@given(st.text("'=+-@\t\r\na1", max_size=6))
def test_no_cell_is_a_formula_and_none_is_lost(cell: str) -> None:
    assert unescaped(escaped(cell)) == cell
    assert escaped(cell)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@given(st.lists(st.binary(max_size=12), max_size=6), st.integers(1, 5))
def test_lines_end_where_they_end(lines: list[bytes], piece: int) -> None:
    text = b"\n".join(line.replace(b"\n", b"") for line in lines)
    read = list(lines_of(text[at : at + piece] for at in range(0, len(text), piece)))
    expected = text.split(b"\n")
    assert [line for line, _ in read] == (expected if expected[-1] else expected[:-1])
    assert [text[end - 1 : end] == b"\n" for _, end in read[:-1]] == [True] * max(len(read) - 1, 0)


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


@given(st.lists(st.tuples(st.sampled_from("ABC"), CELL, CELL, CELL), max_size=8), st.sampled_from([1, 9, 10_000]))
def test_whatever_stands_in_the_rows_is_an_order_or_a_finding(rows: list[Any], piece: int) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["clientOrderId", "omsItemId", "quantity", "sku"])
    writer.writerows(rows)
    read = orders(text.getvalue(), piece=piece)
    for order in read:
        checked = order.check()
        if not isinstance(checked, OrderFacts):
            assert all(isinstance(finding, Finding) for finding in checked)
            order.report(checked).encode()
    groups = [name for index, (name, *_) in enumerate(rows) if index == 0 or rows[index - 1][0] != name]
    assert len(read) == len(groups)
