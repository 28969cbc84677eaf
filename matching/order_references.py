"""TikTok's ids in an order's metadata: `ttsOrderId` on the order, `ttsLineItemIds` on its items.

Pure. From them the external references are written to TikTok for the merchant (`references.py`). TikTok has one line
per unit, an OMS often one item with a quantity: an item with quantity n has up to n line ids.
"""

from typing import Any

from matching.findings import Code, pointer
from matching.order_fields import Check, MetadataConflictError, MetadataShapeError, Place, metadata_place, read_metadata

ORDER_KEY, LINES_KEY = "ttsOrderId", "ttsLineItemIds"
LONGEST = 64  # characters of an id of TikTok's


def check_references(check: Check, body: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """TikTok's order id, "" where there is none, and the external item id of each of its lines; findings into `check`.

    What is wrong with the metadata itself is found elsewhere.
    """
    order_id = _order_id(check, body)
    lines: dict[str, str] = {}
    places: dict[str, Place] = {}
    items = body.get("salesItems")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        metadata = item.get("clientMetadata") if isinstance(item, dict) else None
        if type(metadata) is dict and LINES_KEY not in metadata:
            continue  # as most are
        told = _read(metadata)
        if LINES_KEY not in told:
            continue
        where = metadata_place(item, LINES_KEY, ("salesItems", index))
        for place, line_id in _line_ids(check, told[LINES_KEY], item.get("quantity"), where):
            first = places.setdefault(line_id, place)
            if first != place:
                said = f"{pointer(*first)} has this line already; a line of TikTok's is one unit of one item."
                check.add(Code.LINE_ID_REPEATED, place, said, line_id)
            lines[line_id] = str(told.get("omsItemId", ""))
    return order_id, lines


def warn_of_references(check: Check, payload: dict[str, Any]) -> None:
    """Line ids of an order that does not name TikTok's order: nothing can be written with them."""
    if ORDER_KEY in _read(payload.get("clientMetadata")):
        return
    for index, item in enumerate(payload.get("salesItems") or []):
        if LINES_KEY in _read(item.get("clientMetadata")):
            where = metadata_place(item, LINES_KEY, ("salesItems", index))
            said = f"Without `{ORDER_KEY}` on the order nothing is written to TikTok."
            check.add(Code.LINES_WITHOUT_ORDER, where, said)


def _order_id(check: Check, body: dict[str, Any]) -> str:
    metadata = body.get("clientMetadata")
    told = metadata if type(metadata) is dict else _read(metadata)
    value = told.get(ORDER_KEY)
    return "" if value is None else _id(check, value, metadata_place(body, ORDER_KEY, ()))


def _line_ids(check: Check, value: Any, quantity: Any, where: Place) -> list[tuple[Place, str]]:
    if not isinstance(value, list):
        said = "This must be a list of TikTok's line ids, one a unit, each a string."
        check.add(Code.WRONG_TYPE, where, said, value)
        return []
    if type(quantity) is int and len(value) > max(quantity, 1):
        said = f"{len(value)} lines for {quantity} units: TikTok has one line a unit."
        check.add(Code.TOO_MANY_LINE_IDS, where, said)
        return []
    found = [((*where, number), _id(check, each, (*where, number))) for number, each in enumerate(value)]
    return [(place, line_id) for place, line_id in found if line_id]


def _id(check: Check, value: Any, place: Place) -> str:
    if isinstance(value, str) and len(value) > LONGEST:
        check.add(Code.TOO_LONG, place, f"An id of TikTok's has at most {LONGEST} characters.", value)
        return ""
    return check.identifier(value, place)


def _read(metadata: Any) -> dict[str, Any]:
    try:
        return read_metadata(metadata)
    except (MetadataShapeError, MetadataConflictError):
        return {}
