"""What arrives: one order, a list of them, or one a line, from the bytes of a request.

What an order may hold stands in `matching/order_body.py`; storing it in `matching/order_sync.py`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from rest_framework.request import Request

from matching.findings import Code, Finding, shown
from matching.order_body import OrderFacts, check_order
from matching.order_json import BYTE_ORDER_MARK, NotJsonError, read_json
from matching.order_typed import read_typed
from matching.push_log import Refused
from rebound_tts.problems import Problem

JSON = frozenset({"", "application/json", "text/json"})
NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
MOST_ORDERS = 500
LARGEST_ORDER = 1024 * 1024  # bytes
YES = frozenset({"true", "1", "yes"})


class Arrived(msgspec.Struct, frozen=True):
    """One order of a request, good or not."""

    client_order_id: str | None
    checked: OrderFacts | list[Finding]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [finding.as_json() for finding in self.checked] if isinstance(self.checked, list) else []


def read_one(request: Request, body: bytes) -> Any:
    """The JSON value of the body. Raises Problem."""
    if media_type(request) not in JSON:
        raise Problem(415, "unsupported_media_type", "Send the order as application/json.")
    return _json(body)


def read_many(request: Request, body: bytes) -> list[Arrived]:
    """The orders of a batch, from a JSON array or from lines. A line that is no JSON spoils itself alone."""
    kind = media_type(request)
    strict = is_strict(request)
    body = body.removeprefix(BYTE_ORDER_MARK)
    if kind in NDJSON:
        lines = [line for line in body.split(b"\n") if line.strip()]
        _refuse_too_many(len(lines))
        return [_one_of_many(line, strict=strict) for line in lines]
    if kind not in JSON:
        raise Problem(
            415, "unsupported_media_type", "Send a list as application/json, or lines as application/x-ndjson."
        )
    quickly = _quickly(body, strict=strict)
    if quickly is not None:
        return quickly
    orders = _json(body)
    if not isinstance(orders, list):
        errors = [Finding("", Code.WRONG_TYPE, "A batch must be a JSON array of orders.").as_json()]
        raise Problem(422, "invalid_order", "Nothing was saved.", errors=errors)
    _refuse_too_many(len(orders))
    return [arrived(order, strict=strict) for order in orders]


def _quickly(body: bytes, *, strict: bool) -> list[Arrived] | None:
    """The orders of a JSON array, each by itself; None where the array as a whole must be looked at."""
    try:
        raws = msgspec.json.decode(body, type=list[msgspec.Raw])
        if not raws or len(raws) > MOST_ORDERS:
            return None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return [_one_of_many(bytes(raw), strict=strict) for raw in raws]


def _one_of_many(text: bytes, *, strict: bool) -> Arrived:
    if len(text) > LARGEST_ORDER:
        said = f"This order has {len(text)} bytes; at most {LARGEST_ORDER} are taken."
        return Arrived(None, [Finding("", Code.TOO_LARGE, said)])
    facts = read_typed(text)
    if facts is not None:
        return Arrived(facts.external_order_id, facts)
    try:
        return arrived(read_json(text), strict=strict)
    except NotJsonError as error:
        return Arrived(None, [Finding("", Code.NOT_JSON, f"This is not JSON: {error}")])


def arrived(order: Any, *, strict: bool) -> Arrived:
    return Arrived(named(order), check_order(order, strict=strict))


def named(order: Any) -> str | None:
    """The order's id as an answer shows it, if it has one."""
    order_id = order.get("clientOrderId") if isinstance(order, dict) else None
    return shown(order_id) if isinstance(order_id, str) else None


def refused_of(orders: Sequence[Arrived]) -> list[Refused]:
    return [
        Refused(index, order.client_order_id, order.checked)
        for index, order in enumerate(orders)
        if isinstance(order.checked, list)
    ]


def media_type(request: Request) -> str:
    return str(request.META.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()


def is_strict(request: Request) -> bool:
    asked = request.META.get("HTTP_X_STRICT", "") or request.query_params.get("strict", "")
    return asked.lower() in YES


def _json(body: bytes) -> Any:
    try:
        return read_json(body)
    except NotJsonError as error:
        raise Problem(400, "not_json", str(error)) from error


def _refuse_too_many(count: int) -> None:
    if not count:
        raise Problem(
            422, "invalid_order", "The batch is empty.", errors=[_said(Code.EMPTY, "Send at least one order.")]
        )
    if count > MOST_ORDERS:
        said = f"At most {MOST_ORDERS} orders a batch; this has {count}. Send it in parts."
        raise Problem(413, "too_large", said, errors=[_said(Code.TOO_MANY, said)])


def _said(code: Code, message: str) -> dict[str, Any]:
    return Finding("", code, message).as_json()
