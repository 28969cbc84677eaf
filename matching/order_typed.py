"""The quick way in: an order without a fault, decoded straight into types (msgspec), some twenty times faster.

Pure. It takes most good orders and says nothing of the others: what it does not take goes the slow way of
`order_body.py`, which lists every finding. Whatever it takes, the slow way takes too, and with the same facts.
"""

import hashlib
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from matching.iso_codes import COUNTRIES, CURRENCIES
from matching.order_facts import (
    ITEM_TEXTS,
    MOST_ITEMS,
    MOST_UNITS,
    SHORT_ID,
    ItemFacts,
    OrderFacts,
)
from matching.order_fields import LARGEST, NUMBER, SMALLEST, moment_of
from matching.order_references import LINES_KEY, LONGEST, ORDER_KEY

ESCAPE = b"\\"  # a look for one byte takes a tenth of the look for what follows
ESCAPED_COLON = rb"\u003"  # or what stands near it; it would spoil the count below
NUL = rb"\u0000"
NULL = b":null"  # of a field, in JSON written anew; in a text it means a look for nothing


Text10 = Annotated[str, Meta(max_length=ITEM_TEXTS["weightUnit"])] | UnsetType | None
Text40 = Annotated[str, Meta(max_length=ITEM_TEXTS["hsCode"])] | UnsetType | None
Text = Annotated[str, Meta(max_length=255)] | UnsetType | None
Text1000 = Annotated[str, Meta(max_length=ITEM_TEXTS["description"])] | UnsetType | None
Text2000 = Annotated[str, Meta(max_length=ITEM_TEXTS["imageUrl"])] | UnsetType | None
Flag = bool | UnsetType | None
Values = str | list[str]


class KeyValue(Struct, forbid_unknown_fields=True):
    key: str
    value: Values


Metadata = dict[str, Values] | list[KeyValue]


class Item(Struct, forbid_unknown_fields=True):
    quantity: Annotated[int, Meta(ge=1, le=MOST_UNITS)]
    clientMetadata: Metadata
    sku: Text = UNSET
    description: Text1000 = UNSET
    price: Text = UNSET
    currencyCode: Text = UNSET
    hsCode: Text40 = UNSET
    countryOfOrigin: Text = UNSET
    weight: Text = UNSET
    weightUnit: Text10 = UNSET
    imageUrl: Text2000 = UNSET
    returnable: Flag = UNSET


class Address(Struct, forbid_unknown_fields=True):
    firstName: Text = UNSET
    lastName: Text = UNSET
    companyName: Text = UNSET
    addressLine1: Text = UNSET
    addressLine2: Text = UNSET
    addressLine3: Text = UNSET
    city: Text = UNSET
    state: Text = UNSET
    postalCode: Text = UNSET
    countryCode: Text = UNSET
    email: Text = UNSET
    phone: Text = UNSET


class Order(Struct, forbid_unknown_fields=True):
    clientOrderId: Annotated[str, Meta(min_length=1, max_length=SHORT_ID)]
    clientMetadata: Metadata
    clientOrderCreatedDate: str | UnsetType | None = UNSET
    updatedAt: str | UnsetType | None = UNSET
    customerAddress: Address | UnsetType | None = UNSET
    businessUnit: Text = UNSET
    rmaNumber: Text = UNSET
    premiumOrder: Flag = UNSET
    labelBase64Enabled: Flag = UNSET
    salesItems: Annotated[list[Item], Meta(max_length=MOST_ITEMS)] | UnsetType | None = UNSET


_decoder = msgspec.json.Decoder(Order)
# Keys of metadata sorted: equal content has one text, whatever the order of its keys.
_encode = msgspec.json.Encoder(order="deterministic").encode
_ADDRESS = tuple(Address.__struct_fields__)


class _NotTakenError(Exception):
    """Something that the quick way leaves to the slow one."""


def read_typed(raw: bytes) -> OrderFacts | None:
    """The facts of one order of JSON text, or None where the slow way must look."""
    if ESCAPE in raw and ESCAPED_COLON in raw:
        return None
    try:
        return _facts(_decoder.decode(raw), colons=raw.count(b":"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, _NotTakenError):
        return None


def typed_of(body: dict[str, Any]) -> OrderFacts | None:
    """The facts of an order that was decoded already, or None where it is not of the simple kind."""
    try:
        return _facts(msgspec.convert(body, Order))
    except (msgspec.MsgspecError, UnicodeError, _NotTakenError):
        return None


def _references(order: Order, items: tuple[ItemFacts, ...]) -> tuple[str, dict[str, str]]:
    """TikTok's order id and line ids in the metadata, of the simple kind; see `order_references.py`."""
    order_id = _metadata(order.clientMetadata).get(ORDER_KEY, "")
    lines: dict[str, str] = {}
    for item, facts in zip(order.salesItems or (), items, strict=True):
        if len(item.clientMetadata) == 1:  # its own id, which every item has
            continue
        told = _metadata(item.clientMetadata).get(LINES_KEY)
        if told is None:
            continue
        if type(told) is not list or len(told) > item.quantity:
            raise _NotTakenError
        for line_id in told:
            if line_id in lines or not _is_simple(line_id):
                raise _NotTakenError
            lines[line_id] = facts.external_item_id
    if order_id != "" and not _is_simple(order_id):
        raise _NotTakenError
    return str(order_id), lines


def _is_simple(tiktok_id: Values) -> bool:
    return type(tiktok_id) is str and 0 < len(tiktok_id) <= LONGEST and tiktok_id.isascii() and tiktok_id.isalnum()


def _facts(order: Order, *, colons: int | None = None) -> OrderFacts:
    """Raises _NotTakenError. The order is used up. `colons`: how many its text had, where it is not decoded yet."""
    order_id = order.clientOrderId
    if order_id.isspace() or _metadata(order.clientMetadata).get("omsOrderId") != order_id:
        raise _NotTakenError
    items = tuple(map(_item, order.salesItems)) if order.salesItems else ()
    if len({item.external_item_id for item in items}) != len(items):
        raise _NotTakenError
    tiktok_order_id, tiktok_lines = _references(order, items)
    ordered_at = _moment(order.clientOrderCreatedDate)
    updated_at = _moment(order.updatedAt)
    address = _address(order.customerAddress)
    sent_at, order.updatedAt = order.updatedAt, UNSET  # says when, not what
    hashed = _encode(order)
    if ESCAPE in hashed and NUL in hashed:
        raise _NotTakenError
    # A field that stands twice is dropped by the decoder. Colons stand behind names and in texts: where none of the
    # names is lost, there are as many as in the order written anew, which here lacks `updatedAt`.
    left_out = 0 if sent_at is UNSET else 1 + (sent_at or "").count(":")
    if colons is not None and hashed.count(b":") + left_out != colons:
        raise _NotTakenError
    if NULL in hashed:
        _leave_out_nulls(order)
        hashed = _encode(order)
    order.updatedAt, order.customerAddress = UNSET if sent_at is None else sent_at, UNSET
    return OrderFacts(
        external_order_id=order_id,
        ordered_at=ordered_at,
        updated_at=updated_at,
        address=address,
        items=items,
        payload_text=_encode(order).decode(),
        content_hash=hashlib.blake2b(hashed, digest_size=16).hexdigest(),
        tiktok_order_id=tiktok_order_id,
        tiktok_lines=tiktok_lines,
        may_warn=not items or bool(tiktok_lines) or any(item.price is not None and not item.currency for item in items),
    )


def _leave_out_nulls(order: Order) -> None:
    """Null says as much as a field that is absent."""
    for part in (order, order.customerAddress, *(order.salesItems or ())):
        if isinstance(part, Struct):
            for name in part.__struct_fields__:
                if getattr(part, name) is None:
                    setattr(part, name, UNSET)


def _metadata(metadata: dict[str, Values] | list[KeyValue]) -> dict[str, Values]:
    if isinstance(metadata, dict):
        return metadata
    found = {pair.key: pair.value for pair in metadata}
    if len(found) != len(metadata):
        raise _NotTakenError
    return found


def _item(item: Item) -> ItemFacts:
    item_id = _metadata(item.clientMetadata).get("omsItemId")
    if type(item_id) is not str or not 0 < len(item_id) <= SHORT_ID or item_id.isspace():
        raise _NotTakenError
    currency = item.currencyCode or ""
    country = item.countryOfOrigin or ""
    if (currency and currency not in CURRENCIES) or (country and country not in COUNTRIES):
        raise _NotTakenError
    return ItemFacts(
        item_id,
        item.sku or "",
        item.description or "",
        item.quantity,
        None if item.price is None or item.price is UNSET else _amount(item.price),
        currency,
        item.hsCode or "",
        country,
        None if item.weight is None or item.weight is UNSET else _amount(item.weight),
        item.weightUnit or "",
    )


def _address(address: Address | UnsetType | None) -> dict[str, str]:
    if not isinstance(address, Address):
        return {}
    found = {name: value for name in _ADDRESS if (value := getattr(address, name))}
    if "countryCode" in found and found["countryCode"] not in COUNTRIES:
        raise _NotTakenError
    return found


def _moment(text: str | UnsetType | None) -> datetime | None:
    if text is None or text is UNSET:
        return None
    found = moment_of(text)
    if found is None:
        raise _NotTakenError
    return found


@lru_cache(maxsize=20_000)
def _amount(text: str) -> Decimal:
    if len(text) <= SHORT_ID and NUMBER.fullmatch(text):
        found = Decimal(text)
        if 0 <= found < LARGEST and found == found.quantize(SMALLEST):
            return found
    raise _NotTakenError
