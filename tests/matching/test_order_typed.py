"""The quick way in agrees with the slow one: whatever it takes is valid, and both give the same facts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.order_body import OrderFacts, check_order
from matching.order_json import NotJsonError, read_json
from matching.order_typed import read_typed, typed_of

ITEM: dict[str, Any] = {"quantity": 1, "clientMetadata": {"omsItemId": "i-1"}}
ORDER: dict[str, Any] = {"clientOrderId": "SO-1", "clientMetadata": {"omsOrderId": "SO-1"}, "salesItems": [ITEM]}
FULL = ORDER | {
    "clientOrderCreatedDate": "2026-11-20T09:30:00.5+01:00",
    "updatedAt": "2026-11-20T09:31:00Z",
    "customerAddress": {"firstName": "Ada", "city": "Bath: \u00e9", "countryCode": "GB", "phone": None, "state": ""},
    "businessUnit": None,
    "premiumOrder": False,
    "salesItems": [
        ITEM | {"sku": "s", "price": "19.90", "currencyCode": "GBP", "countryOfOrigin": "PT", "weight": "0.3"},
        ITEM | {"clientMetadata": [{"key": "omsItemId", "value": "i-2"}, {"key": "ttsLineItemIds", "value": ["1"]}]},
    ],
}


def slowly(raw: bytes) -> OrderFacts | None:
    """What the slow way makes of it, None for whatever it refuses."""
    try:
        checked = check_order(read_json(raw))
    except NotJsonError:
        return None
    return checked if isinstance(checked, OrderFacts) else None


def agree(raw: bytes) -> bool:
    quick = read_typed(raw)
    return quick is None or quick == slowly(raw)


@pytest.mark.parametrize("order", [ORDER, FULL])
@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (" ,", " : ")}])
def test_good_orders_are_taken(order: Any, options: Any) -> None:
    raw = json.dumps(order, **options).encode()
    quick = read_typed(raw)
    assert quick is not None
    assert quick == slowly(raw) == typed_of(order)
    assert "customerAddress" not in quick.payload
    told = {name: value for name, value in order.items() if name != "customerAddress" and value is not None}
    assert quick.payload == told


@pytest.mark.parametrize(
    "change",
    [
        {"clientOrderId": " "},
        {"clientOrderId": "x" * 101},
        {"clientMetadata": {"omsOrderId": "so-1"}},
        {"clientMetadata": [{"key": "omsOrderId", "value": "SO-1"}, {"key": "omsOrderId", "value": "SO-1"}]},
        {"clientMetadata": [{"omsOrderId": "SO-1"}]},
        {"updatedAt": "2026-11-20"},
        {"updatedAt": "2026-02-30T10:00:00Z"},
        {"giftWrap": True},
        {"businessUnit": "x" * 256},
        {"businessUnit": "\x00"},
        {"businessUnit": "\ud800"},
        {"businessUnit": "a:b\u003a", "rmaNumber": 7},
        {"premiumOrder": 1},
        {"customerAddress": {"countryCode": "UK"}},
        {"customerAddress": {"floor": 3}},
        {"salesItems": [ITEM, ITEM]},
        {"salesItems": [ITEM | {"quantity": True}]},
        {"salesItems": [ITEM | {"quantity": 1.0}]},
        {"salesItems": [ITEM | {"quantity": 0}]},
        {"salesItems": [ITEM | {"price": 19.9}]},
        {"salesItems": [ITEM | {"price": "19,90"}]},
        {"salesItems": [ITEM | {"price": "-1"}]},
        {"salesItems": [ITEM | {"price": "0.00001"}]},
        {"salesItems": [ITEM | {"currencyCode": "EURO"}]},
        {"salesItems": [ITEM | {"countryOfOrigin": "GBR"}]},
        {"salesItems": [ITEM | {"clientMetadata": {"omsItemId": ["i"]}}]},
        {"salesItems": [ITEM | {"clientMetadata": {"omsItemId": " "}}]},
    ],
)
def test_whatever_is_doubtful_is_left_to_the_slow_way(change: Any) -> None:
    raw = json.dumps(ORDER | change).encode()
    assert read_typed(raw) is None
    assert typed_of(ORDER | change) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"clientOrderId":"SO-1","clientOrderId":"SO-1","clientMetadata":{"omsOrderId":"SO-1"}}',
        '{"clientOrderId":"SO-1","clientOrderId" : "SO-1","clientMetadata":{"omsOrderId":"SO-1"}}',
        '{"clientOrderId":"SO-1","clientMetadata":{"omsOrderId":"X","omsOrderId":"SO-1"}}',
        r'{"clientOrderId":"SO-1","businessUnit":"a","businessUnit":"\u003a","clientMetadata":{"omsOrderId":"SO-1"}}',
        '{"clientOrderId":"SO-1","clientMetadata":{"omsOrderId":"SO-1"},"salesItems":[{"quantity":1,"quantity":2,'
        '"clientMetadata":{"omsItemId":"i"}}]}',
        "[]",
        "7",
        "",
        '{"clientOrderId":"SO-1\n","clientMetadata":{"omsOrderId":"SO-1\n"}}',
    ],
)
def test_a_field_that_stands_twice_and_what_is_no_order_are_left_to_the_slow_way(text: str) -> None:
    assert read_typed(text.encode()) is None


def test_equal_content_has_one_hash_whichever_way_it_comes() -> None:
    plain = json.dumps(FULL).encode()
    ways = [
        plain,
        json.dumps(FULL | {"updatedAt": "2027-01-01T00:00:00Z"}).encode(),
        json.dumps(dict(reversed(FULL.items())), indent=1).encode(),
        plain.replace(b"Bath: ", rb"Bath\u003a "),  # the slow way
    ]
    assert read_typed(ways[-1]) is None
    hashes = {facts.content_hash for facts in map(slowly, ways) if facts} | {
        facts.content_hash for facts in map(read_typed, ways) if facts
    }
    assert len(hashes) == 1


TEXT = st.text(max_size=6) | st.sampled_from(
    ["SO-1", "a:b", '":', "\x00", "\ud800", "GB", "GBP", "19.90", "1e5", "NaN", " ", "\\", "x" * 256, "x" * 101, "i-1"]
)
TIMES = st.sampled_from(
    ["2026-11-20T09:31:00Z", "2026-11-20t09:31:00.123456789+14:00", "2026-11-20 09:31:60Z", "0001-01-01T00:00:00+10:00"]
)
VALUES = st.none() | st.booleans() | st.integers(-2, 100_001) | st.floats() | TEXT | TIMES | st.lists(TEXT, max_size=2)
METADATA = (
    st.dictionaries(TEXT | st.sampled_from(["omsItemId", "omsOrderId"]), VALUES, max_size=3)
    | st.lists(
        st.fixed_dictionaries(
            {"key": st.sampled_from(["omsOrderId", "omsItemId", "x"]), "value": VALUES},
            optional={"name": TEXT},
        ),
        max_size=3,
    )
    | VALUES
)
ITEM_FIELDS = ["sku", "description", "quantity", "price", "currencyCode", "hsCode", "countryOfOrigin", "weight"]
ITEMS = st.lists(
    st.dictionaries(
        st.sampled_from([*ITEM_FIELDS, "weightUnit", "imageUrl", "returnable", "extra"]), VALUES, max_size=2
    ).flatmap(
        lambda change: (
            METADATA.map(lambda metadata: ITEM | change | {"clientMetadata": metadata}) | st.just(ITEM | change)
        )
    ),
    max_size=3,
)
ADDRESSES = st.dictionaries(st.sampled_from(["firstName", "city", "countryCode", "email", "floor"]), VALUES, max_size=3)
ORDERS = st.fixed_dictionaries(
    {},
    optional={
        "clientOrderId": TEXT,
        "clientMetadata": METADATA,
        "salesItems": ITEMS,
        "customerAddress": ADDRESSES | VALUES,
        "updatedAt": TIMES | VALUES,
        "clientOrderCreatedDate": TIMES | VALUES,
        "businessUnit": VALUES,
        "premiumOrder": VALUES,
        "extra": VALUES,
    },
).map(lambda change: ORDER | change)


@settings(max_examples=400)
@given(ORDERS, st.booleans(), st.booleans())
def test_both_ways_agree(order: dict[str, Any], indented: bool, is_ascii: bool) -> None:
    text = json.dumps(order, indent=1 if indented else None, ensure_ascii=is_ascii)
    assert agree(text.encode("utf-8", "surrogatepass"))
    quick = typed_of(json.loads(text, parse_float=str))
    assert quick is None or isinstance(check_order(json.loads(text, parse_float=str)), OrderFacts)


@settings(max_examples=300)
@given(st.data())
def test_both_ways_agree_on_text_that_was_tampered_with(data: st.DataObject) -> None:
    """Pieces of good orders cut out, doubled and moved: names twice, quotes open, escapes cut."""
    text = json.dumps(FULL, ensure_ascii=data.draw(st.booleans()))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 60)))
    at = data.draw(st.integers(0, len(text)))
    assert agree((text[:at] + text[start:end] + text[at:]).encode())


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"rmaNumber": None, "updatedAt": None, "salesItems": None}, {"salesItems": None}),
        ({"customerAddress": {"city": "Bath", "phone": None}}, {"customerAddress": {"city": "Bath"}}),
        ({"customerAddress": None}, {}),
        ({"salesItems": [ITEM | {"sku": "a:null", "price": None}]}, {"salesItems": [ITEM | {"sku": "a:null"}]}),
        ({"giftWrap": 1.5, "rmaNumber": None}, {"giftWrap": 1.5}),
    ],
)
def test_null_is_as_good_as_absent(change: Any, same: Any) -> None:
    one, other = slowly(json.dumps(ORDER | change).encode()), slowly(json.dumps(ORDER | same).encode())
    assert one is not None
    assert other is not None
    assert (one.content_hash, one.payload) == (other.content_hash, other.payload)
    quick = read_typed(json.dumps(ORDER | change).encode())
    assert quick is None or quick == one


def test_null_means_itself_in_a_field_that_nobody_knows() -> None:
    one, other = slowly(json.dumps(ORDER | {"giftWrap": None}).encode()), slowly(json.dumps(ORDER).encode())
    assert one is not None
    assert other is not None
    assert one.content_hash != other.content_hash
    assert one.payload["giftWrap"] is None
