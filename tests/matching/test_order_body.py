"""What an order may hold: each rule with its finding, and properties of whatever JSON may bring."""

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.api.catalog import FINDINGS, PROBLEMS
from matching.findings import Code, Finding
from matching.id_rules import is_storable
from matching.order_body import ItemFacts, OrderFacts, check_order, order_warnings
from matching.order_json import NotJsonError, read_json
from rebound_tts.clients.rebound_metadata import normalize_metadata
from rebound_tts.problems import TITLES

ITEM = {"quantity": 1, "clientMetadata": {"omsItemId": "i-1"}}


def body(**more: Any) -> dict[str, Any]:
    return {"clientOrderId": "SO-1", "clientMetadata": {"omsOrderId": "SO-1"}, "salesItems": [ITEM], **more}


def findings(value: Any, *, strict: bool = False) -> list[tuple[str, str, str | None]]:
    checked = check_order(read_json(json.dumps(value).encode()), strict=strict)
    assert isinstance(checked, list), checked
    return [(each.pointer, each.code.value, each.value) for each in checked]


def facts(value: Any) -> OrderFacts:
    checked = check_order(read_json(json.dumps(value).encode()))
    assert isinstance(checked, OrderFacts), checked
    return checked


def test_a_full_order_in_facts() -> None:
    item = ITEM | {
        "sku": "s",
        "description": "d",
        "quantity": 3,
        "price": "19.90",
        "currencyCode": "GBP",
        "hsCode": "611595",
        "countryOfOrigin": "PT",
        "weight": 0.25,
        "weightUnit": "kg",
        "imageUrl": "https://example.org/s.png",
        "returnable": True,
    }
    address = {"firstName": "Ada", "countryCode": "GB", "email": None, "floor": 3}
    found = facts(
        body(
            salesItems=[item],
            customerAddress=address,
            clientOrderCreatedDate="2026-11-20T09:30:00.5+01:00",
            updatedAt="2026-11-20t09:31:00z",
            businessUnit="UK",
            premiumOrder=False,
            extra=[1.5],
        )
    )
    assert found.items == (
        ItemFacts("i-1", "s", "d", 3, Decimal("19.90"), "GBP", "611595", "PT", Decimal("0.25"), "kg"),
    )
    assert (found.external_order_id, found.ordered_at, found.updated_at, found.address) == (
        "SO-1",
        datetime(2026, 11, 20, 8, 30, 0, 500000, tzinfo=UTC),
        datetime(2026, 11, 20, 9, 31, tzinfo=UTC),
        {"firstName": "Ada", "countryCode": "GB"},
    )
    assert "customerAddress" not in found.payload
    assert (found.payload["extra"], found.payload["salesItems"][0]["weight"]) == ([1.5], 0.25)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"clientOrderId": 1}, ("/clientOrderId", "wrong_type", "1")),
        ({"clientOrderId": True}, ("/clientOrderId", "wrong_type", "true")),
        ({"clientOrderId": None}, ("/clientOrderId", "wrong_type", None)),
        ({"clientOrderId": " \u3000"}, ("/clientOrderId", "empty", " \u3000")),
        ({"clientOrderId": "x" * 256}, ("/clientOrderId", "too_long", "x" * 120 + "…")),
        ({"clientMetadata": {}}, ("/clientMetadata/omsOrderId", "oms_order_id_missing", None)),
        ({"clientMetadata": []}, ("/clientMetadata", "oms_order_id_missing", None)),
        ({"clientMetadata": None}, ("/clientMetadata/omsOrderId", "oms_order_id_missing", None)),
        ({"clientMetadata": {"omsOrderId": None}}, ("/clientMetadata/omsOrderId", "oms_order_id_missing", None)),
        ({"clientMetadata": {"omsOrderId": "so-1"}}, ("/clientMetadata/omsOrderId", "oms_order_id_differs", "so-1")),
        ({"clientMetadata": {"omsOrderId": 1}}, ("/clientMetadata/omsOrderId", "wrong_type", "1")),
        (
            {"clientMetadata": [{"a": 1}, {"key": "omsOrderId", "value": "2"}]},
            ("/clientMetadata/1/value", "oms_order_id_differs", "2"),
        ),
        ({"clientMetadata": [{"omsOrderId": "2"}]}, ("/clientMetadata/0/omsOrderId", "oms_order_id_differs", "2")),
        ({"clientMetadata": "omsOrderId"}, ("/clientMetadata", "metadata_shape", "omsOrderId")),
        ({"clientMetadata": ["omsOrderId"]}, ("/clientMetadata", "metadata_shape", "a list")),
        (
            {"clientMetadata": [{"omsOrderId": "SO-1"}, {"omsOrderId": "SO-2"}]},
            ("/clientMetadata/0/omsOrderId", "metadata_conflict", None),
        ),
        ({"clientOrderCreatedDate": "2026-11-20"}, ("/clientOrderCreatedDate", "not_a_time", "2026-11-20")),
        ({"clientOrderCreatedDate": 1}, ("/clientOrderCreatedDate", "not_a_time", "1")),
        ({"updatedAt": "2026-11-20T10:00:00"}, ("/updatedAt", "not_a_time", "2026-11-20T10:00:00")),
        ({"updatedAt": "2026-02-30T10:00:00Z"}, ("/updatedAt", "not_a_time", "2026-02-30T10:00:00Z")),
        ({"updatedAt": "0001-01-01T00:00:00+10:00"}, ("/updatedAt", "not_a_time", "0001-01-01T00:00:00+10:00")),
        ({"premiumOrder": "yes"}, ("/premiumOrder", "wrong_type", "yes")),
        ({"labelBase64Enabled": 1}, ("/labelBase64Enabled", "wrong_type", "1")),
        ({"businessUnit": 7}, ("/businessUnit", "wrong_type", "7")),
        ({"rmaNumber": "x" * 256}, ("/rmaNumber", "too_long", "x" * 120 + "…")),
        ({"customerAddress": "x"}, ("/customerAddress", "wrong_type", None)),
        ({"customerAddress": {"city": 5}}, ("/customerAddress/city", "wrong_type", None)),
        ({"customerAddress": {"city": "x" * 256}}, ("/customerAddress/city", "too_long", None)),
        ({"customerAddress": {"countryCode": "UK"}}, ("/customerAddress/countryCode", "unknown_country", None)),
        ({"customerAddress": {"city": "\x00"}}, ("/customerAddress/city", "not_storable", None)),
        ({"salesItems": {}}, ("/salesItems", "wrong_type", None)),
        ({"salesItems": [ITEM] * 1001}, ("/salesItems", "too_many", None)),
        ({"salesItems": [1]}, ("/salesItems/0", "wrong_type", None)),
        ({"salesItems": [ITEM, ITEM]}, ("/salesItems/1/clientMetadata/omsItemId", "oms_item_id_repeated", "i-1")),
        ({"extra": "\ud800"}, ("/extra", "not_storable", None)),
        ({"a/b~\x00": 1}, ("/a~1b~0\\u0000", "not_storable", None)),
        ({"extra": json.loads("[" * 30 + "]" * 30)}, ("/extra", "too_deep", None)),
        (
            {"clientMetadata": {"omsOrderId": "SO-1", "a": json.loads("[" * 30 + "]" * 30)}},
            ("/clientMetadata", "too_deep", None),
        ),
    ],
)
def test_a_rule_of_the_order(change: dict[str, Any], expected: tuple[str, str, str | None]) -> None:
    assert findings(body(**change)) == [expected]


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        ({"quantity": None}, "/quantity", "required"),
        ({"quantity": "1"}, "/quantity", "wrong_type"),
        ({"quantity": True}, "/quantity", "wrong_type"),
        ({"quantity": 1.5}, "/quantity", "wrong_type"),
        ({"quantity": 0}, "/quantity", "not_positive"),
        ({"quantity": 100_001}, "/quantity", "out_of_range"),
        ({"quantity": 10**50}, "/quantity", "out_of_range"),
        ({"price": "19,90"}, "/price", "not_a_decimal"),
        ({"price": "\uff11"}, "/price", "not_a_decimal"),
        ({"price": "1_000"}, "/price", "not_a_decimal"),
        ({"price": "NaN"}, "/price", "not_a_decimal"),
        ({"price": True}, "/price", "not_a_decimal"),
        ({"price": []}, "/price", "not_a_decimal"),
        ({"price": "-0.01"}, "/price", "negative"),
        ({"price": -1}, "/price", "negative"),
        ({"price": "10000000"}, "/price", "out_of_range"),
        ({"price": "0.00001"}, "/price", "out_of_range"),
        ({"price": "0." + "9" * 40}, "/price", "out_of_range"),
        ({"weight": 1e300}, "/weight", "out_of_range"),
        ({"weight": 1e-300}, "/weight", "out_of_range"),
        ({"currencyCode": "gbp"}, "/currencyCode", "unknown_currency"),
        ({"currencyCode": "POUND"}, "/currencyCode", "unknown_currency"),
        ({"countryOfOrigin": "GBR"}, "/countryOfOrigin", "unknown_country"),
        ({"sku": 5}, "/sku", "wrong_type"),
        ({"description": "x" * 1001}, "/description", "too_long"),
        ({"hsCode": "x" * 41}, "/hsCode", "too_long"),
        ({"weightUnit": "x" * 11}, "/weightUnit", "too_long"),
        ({"imageUrl": "x" * 2001}, "/imageUrl", "too_long"),
        ({"returnable": "yes"}, "/returnable", "wrong_type"),
        ({"clientMetadata": {}}, "/clientMetadata/omsItemId", "oms_item_id_missing"),
        ({"clientMetadata": {"omsItemId": 7}}, "/clientMetadata/omsItemId", "wrong_type"),
        ({"clientMetadata": {"omsItemId": ""}}, "/clientMetadata/omsItemId", "empty"),
        ({"clientMetadata": {"omsItemId": "x" * 256}}, "/clientMetadata/omsItemId", "too_long"),
        ({"clientMetadata": {"omsItemId": "\x00"}}, "/clientMetadata/omsItemId", "not_storable"),
        ({"clientMetadata": [{"key": "omsItemId", "value": "\ud800"}]}, "/clientMetadata/0/value", "not_storable"),
    ],
)
def test_a_rule_of_an_item(change: dict[str, Any], where: str, code: str) -> None:
    found = findings(body(salesItems=[ITEM | change]))
    assert [(pointer, each) for pointer, each, _ in found] == [(f"/salesItems/0{where}", code)]


def test_a_huge_integer_and_a_huge_exponent_are_findings_not_errors() -> None:
    for number in ("9" * 5000, "1e99999999999999999999"):
        text = json.dumps(body(salesItems=[ITEM | {"price": "?"}])).replace('"?"', number)
        checked = check_order(read_json(text.encode()))
        assert isinstance(checked, list)
        assert [each.pointer for each in checked] == ["/salesItems/0/price"]


@pytest.mark.parametrize(
    ("text", "pointer", "code"),
    [
        (
            '{"clientOrderId":"a","clientOrderId":"b","clientMetadata":{"omsOrderId":"b"}}',
            "/clientOrderId",
            "repeated_field",
        ),
        (
            '{"clientOrderId":"a","clientMetadata":{"omsOrderId":"b","omsOrderId":"a"}}',
            "/clientMetadata/omsOrderId",
            "metadata_conflict",
        ),
    ],
)
def test_a_field_that_stands_twice(text: str, pointer: str, code: str) -> None:
    checked = check_order(read_json(text.encode()))
    assert isinstance(checked, list)
    assert [(each.pointer, each.code.value) for each in checked] == [(pointer, code)]


def test_strict_looks_at_order_address_and_items() -> None:
    value = body(a=1, customerAddress={"b": 1}, salesItems=[ITEM | {"c": 1}])
    assert sorted(pointer for pointer, code, _ in findings(value, strict=True) if code == "unknown_field") == [
        "/a",
        "/customerAddress/b",
        "/salesItems/0/c",
    ]
    assert [warning.pointer for warning in order_warnings(facts(value).payload)] == ["/a", "/salesItems/0/c"]


@pytest.mark.parametrize("value", [None, 1, "x", [], True])
def test_an_order_that_is_no_object(value: Any) -> None:
    assert [(pointer, code) for pointer, code, _ in findings(value)] == [("", "wrong_type")]


def test_equal_content_has_one_hash_whatever_its_order_and_time() -> None:
    one = body(updatedAt="2026-11-20T10:00:00Z", a={"x": 1, "y": 2})
    other = dict(reversed(list(body(a={"y": 2, "x": 1}).items())))
    assert facts(one).content_hash == facts(other).content_hash
    assert facts(body(a={"x": 1, "y": 3})).content_hash != facts(one).content_hash


def test_every_code_stands_in_the_catalog() -> None:
    assert [entry.code for entry in FINDINGS] == [code.value for code in Code]
    assert [entry.code for entry in PROBLEMS] == list(TITLES)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["clientOrderId", "clientMetadata", "salesItems", "customerAddress", "updatedAt", "premiumOrder", "extra"]
)
ITEM_NAMES = st.sampled_from(["sku", "quantity", "price", "currencyCode", "countryOfOrigin", "clientMetadata", "x"])


@given(st.dictionaries(NAMES, JSON), st.lists(st.dictionaries(ITEM_NAMES, JSON), max_size=3), st.booleans())
def test_whatever_arrives_is_facts_or_findings(some: dict[str, Any], items: list[Any], strict: bool) -> None:
    items = [ITEM | item for item in items]
    value = read_json(json.dumps(body(salesItems=items) | some).encode())
    checked = check_order(value, strict=strict)
    if isinstance(checked, OrderFacts):
        assert is_storable(json.dumps(checked.payload, ensure_ascii=False))
        assert normalize_metadata(value["clientMetadata"])["omsOrderId"] == checked.external_order_id
        given_items = value.get("salesItems") or []
        assert [each.external_item_id for each in checked.items] == [
            normalize_metadata(item["clientMetadata"])["omsItemId"] for item in given_items
        ]
        order_warnings(checked.payload)
    else:
        assert checked
        for finding in checked:
            assert isinstance(finding, Finding)
            assert is_storable(json.dumps(finding.as_json(), ensure_ascii=False))


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="surrogatepass")))
def test_whatever_bytes_arrive_are_json_or_refused(raw: bytes) -> None:
    with contextlib.suppress(NotJsonError):
        read_json(raw)
