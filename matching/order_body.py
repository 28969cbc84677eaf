"""The body of an order as an OMS sends it: ReBound's documented fields in, facts or findings out.

Pure. Every finding is reported at once, each with its place and remedy; unknown fields are kept in the payload. The
three rules of the integration (order-integrations.txt, end): `clientOrderId` is the external order id, the order's
`clientMetadata.omsOrderId` equals it, and every item carries `clientMetadata.omsItemId`, unique within the order.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from matching.findings import Code, Finding, pointer, shown
from matching.iso_codes import COUNTRIES, CURRENCIES
from matching.order_facts import ITEM_TEXTS as ITEM_TEXTS
from matching.order_facts import MOST_ITEMS as MOST_ITEMS
from matching.order_facts import MOST_UNITS as MOST_UNITS
from matching.order_facts import SHORT_ID, ItemFacts
from matching.order_facts import OrderFacts as OrderFacts
from matching.order_fields import Check, Place, metadata_place
from matching.order_json import kept
from matching.order_references import check_references, warn_of_references
from matching.order_typed import typed_of

ADDRESS_FIELDS = (
    "firstName",
    "lastName",
    "companyName",
    "addressLine1",
    "addressLine2",
    "addressLine3",
    "city",
    "state",
    "postalCode",
    "countryCode",
    "email",
    "phone",
)
_ITEM_TEXTS = tuple(ITEM_TEXTS.items())
KNOWN_ADDRESS = frozenset(ADDRESS_FIELDS)
KNOWN_ITEM = frozenset({*ITEM_TEXTS, "quantity", "price", "weight", "returnable", "clientMetadata"})
KNOWN_ORDER = frozenset(
    {
        "clientOrderId",
        "clientOrderCreatedDate",
        "updatedAt",
        "customerAddress",
        "businessUnit",
        "rmaNumber",
        "premiumOrder",
        "salesItems",
        "clientMetadata",
        "labelBase64Enabled",
    }
)
COUNTRY_RULE = "This must be a country's two capital letters (ISO 3166-1 alpha-2), such as GB."
UNUSED = "This field is not documented: it is kept and not used. Check its spelling."
_NUMBER = '{"$number":'  # how the hashed text marks an exact decimal


def check_order(body: Any, *, strict: bool = False) -> OrderFacts | list[Finding]:
    """The facts of a valid order, or everything that is wrong with it. `strict` refuses undocumented fields too."""
    check = Check(strict)
    if not isinstance(body, dict):
        check.add(Code.WRONG_TYPE, (), "An order must be a JSON object.", body)
        return check.findings
    check.fields(body, KNOWN_ORDER, ())
    order_id = ""
    if "clientOrderId" in body:
        order_id = check.identifier(body["clientOrderId"], ("clientOrderId",))
    else:
        check.add(Code.REQUIRED, ("clientOrderId",), "Give the order's id: the external order id that TikTok holds.")
    _check_oms_order_id(check, body, order_id)
    ordered_at = check.moment(body.get("clientOrderCreatedDate"), ("clientOrderCreatedDate",))
    updated_at = check.moment(body.get("updatedAt"), ("updatedAt",))
    for name in ("businessUnit", "rmaNumber"):
        if body.get(name) is not None:
            check.text(body[name], (name,), longest=255)
    for name in ("premiumOrder", "labelBase64Enabled"):
        if name in body:
            check.flag(body, name, ())
    address, address_more = _address(check, body)
    items = _items(check, body)
    tiktok_order_id, tiktok_lines = check_references(check, body)
    if any(finding.code is Code.TOO_DEEP for finding in check.findings):
        return check.findings
    body = _without_nulls(body)
    text = _hashed_text(body)
    if "\\u0000" in text or "\\ud" in text:
        check.storable(body)
    if check.findings:
        return check.findings
    typed = typed_of(body)
    if typed is not None:
        return typed  # so that equal content has one hash, whichever way it came in
    payload = {name: value for name, value in body.items() if name != "customerAddress"}
    return OrderFacts(
        external_order_id=order_id,
        ordered_at=ordered_at,
        updated_at=updated_at,
        address=address,
        items=items,
        payload_text=json.dumps(kept(payload) if _NUMBER in text else payload, separators=(",", ":")),
        content_hash=hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        tiktok_order_id=tiktok_order_id,
        tiktok_lines=tiktok_lines,
        address_more=address_more,
    )


def order_warnings(payload: dict[str, Any], *, address_more: Iterable[str] = ()) -> list[Finding]:
    """What a valid order lacks or has for nothing; it is kept all the same. `address_more`: names of fields."""
    check = Check(strict=False)
    for name in payload.keys() - KNOWN_ORDER:
        check.add(Code.UNKNOWN_FIELD, (name,), UNUSED)
    for name in address_more:
        check.add(Code.UNKNOWN_FIELD, ("customerAddress", name), UNUSED)
    items = payload.get("salesItems") or []
    if not items:
        check.add(Code.NO_ITEMS, ("salesItems",), "Without items no returned item can be matched. Push them too.")
    for index, item in enumerate(items):
        for name in item.keys() - KNOWN_ITEM:
            check.add(Code.UNKNOWN_FIELD, ("salesItems", index, name), UNUSED)
        if item.get("price") is not None and not item.get("currencyCode"):
            said = "Say in which currency: a price without one is of no use to customs."
            check.add(Code.CURRENCY_MISSING, ("salesItems", index, "currencyCode"), said)
    warn_of_references(check, payload)
    return sorted(check.findings, key=lambda finding: finding.pointer)


def _exact_number(value: Any) -> dict[str, str]:
    return {"$number": str(value)}


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_exact_number).encode


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """The body without the documented fields that are null: they say as much as absent ones."""
    told = _told(body, KNOWN_ORDER)
    if isinstance(told.get("customerAddress"), dict):
        told["customerAddress"] = _told(told["customerAddress"], KNOWN_ADDRESS)
    if isinstance(told.get("salesItems"), list):
        told["salesItems"] = [
            _told(item, KNOWN_ITEM) if isinstance(item, dict) else item for item in told["salesItems"]
        ]
    return told


def _told(body: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None or name not in known}


def _hashed_text(body: dict[str, Any]) -> str:
    if "updatedAt" in body:
        body = {name: value for name, value in body.items() if name != "updatedAt"}
    return _encode(body)


def _check_oms_order_id(check: Check, body: dict[str, Any], order_id: str) -> None:
    metadata = check.metadata(body, ())
    if metadata is None:
        return
    if "omsOrderId" not in metadata:
        said = "Add `omsOrderId` with the value of `clientOrderId`: a return is linked by it."
        check.add(Code.OMS_ORDER_ID_MISSING, metadata_place(body, "omsOrderId", ()), said)
        return
    value = metadata["omsOrderId"]
    if value == order_id or (isinstance(value, str) and not order_id):
        return
    place = metadata_place(body, "omsOrderId", ())
    if not isinstance(value, str):
        check.add(Code.WRONG_TYPE, place, "An id must be a JSON string, so that no digit is lost.", value)
        return
    said = f"`omsOrderId` must equal `clientOrderId`, which is {shown(order_id)}."
    check.add(Code.OMS_ORDER_ID_DIFFERS, place, said, value)


def _address(check: Check, body: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The customer's address as text by ReBound's names, and what else stands in it. Its values are never shown in a
    finding."""
    address = body.get("customerAddress")
    if address is None:
        return {}, {}
    if not isinstance(address, dict):
        check.add(Code.WRONG_TYPE, ("customerAddress",), "This must be an object.")
        return {}, {}
    check.fields(address, KNOWN_ADDRESS, ("customerAddress",))
    found: dict[str, str] = {}
    for name in ADDRESS_FIELDS:
        value = address.get(name)
        if value is None or value == "":
            continue
        if type(value) is not str or len(value) > 255:
            check.text(value, ("customerAddress", name), longest=255, show=False)
        else:
            found[name] = value
    country = found.get("countryCode")
    if country is not None and country not in COUNTRIES:
        check.add(Code.UNKNOWN_COUNTRY, ("customerAddress", "countryCode"), COUNTRY_RULE)
    return found, {name: address[name] for name in sorted(address.keys() - KNOWN_ADDRESS)}


def _items(check: Check, body: dict[str, Any]) -> tuple[ItemFacts, ...]:
    items = body.get("salesItems")
    if items is None:
        return ()
    if not isinstance(items, list):
        check.add(Code.WRONG_TYPE, ("salesItems",), "This must be a list of items.")
        return ()
    if len(items) > MOST_ITEMS:
        check.add(Code.TOO_MANY, ("salesItems",), f"At most {MOST_ITEMS} items; this order has {len(items)}.")
        return ()
    found: list[ItemFacts] = []
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        place: Place = ("salesItems", index)
        if not isinstance(item, dict):
            check.add(Code.WRONG_TYPE, place, "An item must be a JSON object.")
            continue
        facts = _item(check, item, place)
        first = seen.setdefault(facts.external_item_id, index) if facts.external_item_id else index
        if first != index:
            said = f"{pointer('salesItems', first)} has this `omsItemId` already; it must be unique in the order."
            where = metadata_place(item, "omsItemId", place)
            check.add(Code.OMS_ITEM_ID_REPEATED, where, said, facts.external_item_id)
        found.append(facts)
    return tuple(found)


def _item(check: Check, item: dict[str, Any], place: Place) -> ItemFacts:
    check.fields(item, KNOWN_ITEM, place)
    get = item.get
    texts = [get(name, "") for name in ITEM_TEXTS]
    for index, (name, longest) in enumerate(_ITEM_TEXTS):
        value = texts[index]
        if type(value) is not str or len(value) > longest:
            texts[index] = "" if value is None else check.text(value, (*place, name), longest=longest)
    sku, description, currency, hs_code, country, weight_unit, _ = texts
    if currency and currency not in CURRENCIES:
        said = "This must be a currency's three capital letters (ISO 4217), such as GBP."
        check.add(Code.UNKNOWN_CURRENCY, (*place, "currencyCode"), said, currency)
    if country and country not in COUNTRIES:
        check.add(Code.UNKNOWN_COUNTRY, (*place, "countryOfOrigin"), COUNTRY_RULE, country)
    if "returnable" in item:
        check.flag(item, "returnable", place)
    price = get("price")
    weight = get("weight")
    quantity = get("quantity")
    if type(quantity) is not int or not 1 <= quantity <= MOST_UNITS:
        _refuse_quantity(check, quantity, (*place, "quantity"))
        quantity = 1
    return ItemFacts(
        _oms_item_id(check, item, place),
        sku,
        description,
        quantity,
        None if price is None else check.decimal(price, (*place, "price")),
        currency,
        hs_code,
        country,
        None if weight is None else check.decimal(weight, (*place, "weight")),
        weight_unit,
    )


def _oms_item_id(check: Check, item: dict[str, Any], place: Place) -> str:
    metadata = item.get("clientMetadata")
    if type(metadata) is not dict or len(metadata) != 1:  # most items carry this one field
        metadata = check.metadata(item, place)
    if metadata is None:
        return ""
    value = metadata.get("omsItemId")
    if value is not None:
        if type(value) is str and 0 < len(value) <= SHORT_ID and not value.isspace():
            return value
        return check.identifier(value, metadata_place(item, "omsItemId", place))
    said = "Add `omsItemId`, the external item id that TikTok holds: items are matched by it, never by SKU."
    check.add(Code.OMS_ITEM_ID_MISSING, metadata_place(item, "omsItemId", place), said)
    return ""


def _refuse_quantity(check: Check, value: Any, where: Place) -> None:
    if value is None:
        check.add(Code.REQUIRED, where, "Say how many units were ordered: returns are counted against it.")
    elif not isinstance(value, int) or isinstance(value, bool):
        check.add(Code.WRONG_TYPE, where, "This must be a whole number.", value)
    elif value < 1:
        check.add(Code.NOT_POSITIVE, where, "This must be 1 or more.", value)
    else:
        check.add(Code.OUT_OF_RANGE, where, f"This may be at most {MOST_UNITS}.", value)
