"""Whatever a vendor answers, a call gives its dataclasses or says that the answer cannot be read, and nothing else."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebound_tts.clients.errors import (
    ConfigurationError,
    PermanentError,
    TemporaryError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.rebound import NewReturnOrder, ReboundAuthClient, ReboundClient
from rebound_tts.clients.tiktok_shop import ExternalOrder, ExternalOrderReference, TikTokAuthClient, TikTokShopClient
from tests.clients.fake_remote import CannedTransport, Tokens, canned
from tests.clients.sample_answers import ADDRESS, GRANT, RETURN, RETURN_ORDER, RMA, SALES_ORDER

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()  # NaN and Infinity too: json.dumps writes them, and they are not JSON
    | st.text(max_size=8)
    | st.sampled_from(
        ["", "1", "-1", "1.5", "1e9", "\x00", "\ud800", 10**40, "9" * 400, 1e300, "true", 0, -1, "2026-01-01"]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

ORDER: dict[str, Any] = {
    "id": "1",
    "status": "DELIVERED",
    "create_time": 1767225600,
    "buyer_email": "x",
    "payment": {"currency": "GBP"},
    "recipient_address": ADDRESS,
    "line_items": [{"id": "1", "sku_id": "2", "sale_price": "1.00", "currency": "GBP"}],
}
EXTERNAL: dict[str, Any] = {"id": "O", "platform": "SHOPIFY", "line_items": [{"id": "a", "origin_id": "b"}]}
DETAIL = {"order_id": "1", "external_order": {"id": "O", "platform": "SHOPIFY"}}
FULL_RETURN: dict[str, Any] = {
    **RETURN,
    "is_combined_return": True,
    "combined_return_id": "7",
    "can_buyer_keep_item": False,
    "update_time": 1767225600,
    "return_line_items": [
        {
            "return_line_item_id": "1",
            "order_line_item_id": "2",
            "refund_amount": {"refund_total": "1.00", "currency": "GBP"},
        }
    ],
}
WAREHOUSE = {"id": "1", "is_default": True, "address": {"region_code": "GB"}}
RECORD = {"event": "E", "images": [{"url": "u"}], "videos": [{"url": "u"}], "create_time": 1767225600}


def shop(transport: CannedTransport) -> TikTokShopClient:
    return TikTokShopClient(base_url="http://x", app_key="k", app_secret="s", tokens=Tokens(), transport=transport)


def rebound(transport: CannedTransport) -> ReboundClient:
    return ReboundClient(base_url="http://x", tokens=Tokens(), transport=transport)


def tiktok_auth(transport: CannedTransport) -> TikTokAuthClient:
    return TikTokAuthClient(base_url="http://x", app_key="k", app_secret="s", transport=transport)


NEW = NewReturnOrder(rma_number=RMA, items=(), country_code="GB")
REFERENCE = ExternalOrderReference("1", ExternalOrder("O", "SHOPIFY", ()))
Ask = Callable[[CannedTransport], Any]

TIKTOK: dict[str, tuple[Ask, dict[str, Any]]] = {
    "authorized_shops": (lambda t: shop(t).authorized_shops(), {"shops": [{"id": "1", "cipher": "c", "name": "n"}]}),
    "orders": (lambda t: shop(t).orders(["1"]), {"orders": [ORDER]}),
    "external_orders": (lambda t: shop(t).external_orders(order_id="1", platform="P"), {"external_orders": [EXTERNAL]}),
    "search_by_external_order": (
        lambda t: shop(t).search_by_external_order(platform="P", external_order_id="O"),
        {"orders": [{"id": "1", "external_order": EXTERNAL}]},
    ),
    "add_external_orders": (
        lambda t: shop(t).add_external_orders([REFERENCE]),
        {"errors": [{"code": "1", "message": "m", "detail": DETAIL}]},
    ),
    "search_returns": (
        lambda t: shop(t).search_returns(max_pages=2),
        {"return_orders": [FULL_RETURN], "next_page_token": ""},
    ),
    "return_records": (lambda t: shop(t).return_records("1"), {"records": [RECORD]}),
    "reject_reasons": (lambda t: shop(t).reject_reasons("1"), {"reasons": [{"name": "n", "text": "t"}]}),
    "approve_return": (lambda t: shop(t).approve_return("1", decision="APPROVE_RETURN"), {}),
    "warehouses": (lambda t: shop(t).warehouses(), {"warehouses": [WAREHOUSE]}),
    "delivery_options": (lambda t: shop(t).delivery_options("1"), {"delivery_options": [{"id": "1", "name": "n"}]}),
    "shipping_providers": (
        lambda t: shop(t).shipping_providers("1"),
        {"shipping_providers": [{"id": "1", "name": "n"}]},
    ),
    "upload_shipping_document": (
        lambda t: shop(t).upload_shipping_document(
            return_ids=["1"], tracking_number="T", provider_id="1", label_pdf=b"%PDF"
        ),
        {"errors": []},
    ),
    "webhooks": (lambda t: shop(t).webhooks(), {"webhooks": [{"event_type": "E", "address": "a", "create_time": 1}]}),
    "get_token": (lambda t: tiktok_auth(t).get_token("c"), GRANT),
    "refresh_token": (lambda t: tiktok_auth(t).refresh_token("r"), GRANT),
}
REBOUND: dict[str, tuple[Ask, Any]] = {
    "find_sales_orders": (
        lambda t: rebound(t).find_sales_orders(client_order_id="OMS-1", max_pages=2),
        {"content": [SALES_ORDER], "totalElements": 1, "size": 50, "last": True},
    ),
    "find_sales_orders, a list": (lambda t: rebound(t).find_sales_orders(client_order_id="OMS-1"), [SALES_ORDER]),
    "sales_orders_updated_after": (
        lambda t: tuple(
            order
            for page in rebound(t).sales_orders_updated_after(datetime(2026, 1, 1, tzinfo=UTC), max_pages=2)
            for order in page
        ),
        {"content": [SALES_ORDER], "totalElements": 1},
    ),
    "create_sales_order": (lambda t: rebound(t).create_sales_order({"clientOrderId": "OMS-1"}), SALES_ORDER),
    "create_return_order": (lambda t: rebound(t).create_return_order(NEW), RETURN_ORDER),
    "find_return_orders": (
        lambda t: rebound(t).find_return_orders(rma_number=RMA, max_pages=2),
        {"content": [RETURN_ORDER], "totalElements": 1},
    ),
    "cancel_return_order": (lambda t: rebound(t).cancel_return_order("ro-1"), RETURN_ORDER),
    "link_return_order": (
        lambda t: rebound(t).link_return_order("ro-1", sales_order_id="so-1", items=[("a", "b")]),
        RETURN_ORDER,
    ),
    "token": (
        lambda t: ReboundAuthClient(auth_url="http://x", transport=t).token(client_id="i", client_secret="s"),
        {"access_token": "t", "expires_in": 3600},
    ),
}


def is_readable(found: object) -> bool:
    return found is None or is_dataclass(found) or (isinstance(found, tuple) and all(map(is_dataclass, found)))


def storable(found: object) -> bool:
    """Whether a database would take it: it refuses NUL and lone surrogates, and a raw that is no plain JSON."""
    told = [value for each in (found if isinstance(found, tuple) else (found,)) for value in texts(each)]
    "".join(told).encode()
    return not any("\x00" in text for text in told)


def texts(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, tuple | list):
        for each in found:
            yield from texts(each)
    elif isinstance(found, dict):
        json.dumps(found, allow_nan=False)
        yield from texts([*found.keys(), *found.values()])
    elif is_dataclass(found):
        yield from texts([getattr(found, each.name) for each in fields(found)])


def ask(call: Ask, answer: object, status: int = 200) -> None:
    try:
        found = call(canned(answer, status))
    except (PermanentError, UnknownOutcomeError, TemporaryError, ConfigurationError):
        return
    assert is_readable(found)
    assert storable(found)


def places(value: object) -> list[tuple[Any, ...]]:
    """The path to every value inside."""
    found: list[tuple[Any, ...]] = [()]
    if isinstance(value, dict):
        found += [(key, *rest) for key, inner in value.items() for rest in places(inner)]
    if isinstance(value, list):
        found += [(number, *rest) for number, inner in enumerate(value) for rest in places(inner)]
    return found


def replaced(value: object, path: tuple[Any, ...], by: object) -> object:
    if not path:
        return by
    changed = copy.deepcopy(value)
    inner: Any = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = by
    return changed


CALLS = {
    **{
        name: (call, {"code": 0, "message": "Success", "request_id": "r", "data": data})
        for name, (call, data) in TIKTOK.items()
    },
    **REBOUND,
}


@pytest.mark.parametrize("name", CALLS)
def test_the_good_answer_is_read(name: str):
    call, good = CALLS[name]
    found = call(canned(good))
    assert is_readable(found)


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_anything_at_any_place(name: str, data: st.DataObject):
    call, good = CALLS[name]
    path = data.draw(st.sampled_from(places(good)))
    ask(call, replaced(good, path, data.draw(JSON)), data.draw(st.sampled_from([200, 200, 201, 400, 429, 500])))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "wrong", [None, True, 5, 1.5, "x", "", [], {}, [[]], [None], {"x": {}}, 10**400, [{}], "\ud800"], ids=repr
)
def test_each_wrong_type_at_each_place(name: str, wrong: object):
    call, good = CALLS[name]
    for path in places(good):
        ask(call, replaced(good, path, wrong))


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=20)
@given(body=st.binary(max_size=60), status=st.integers(200, 599))
def test_any_bytes(name: str, body: bytes, status: int):
    ask(CALLS[name][0], body, status)


@pytest.mark.parametrize("name", CALLS)
def test_a_field_nested_very_deeply(name: str):
    call, good = CALLS[name]
    deep: Any = "x"
    for _ in range(400):
        deep = {"a": [deep]}
    for path in places(good)[1:]:
        ask(call, replaced(good, path, deep))


def test_an_answer_may_begin_with_a_byte_order_mark():
    body = json.dumps({"code": 0, "data": {"shops": []}}).encode("utf-8-sig")
    assert shop(canned(body)).authorized_shops() == ()


def test_an_answer_that_is_not_utf_8_is_not_read():
    with pytest.raises(UnexpectedAnswerError):
        shop(canned(json.dumps({"code": 0, "data": {"shops": []}}).encode("utf-16"))).authorized_shops()
