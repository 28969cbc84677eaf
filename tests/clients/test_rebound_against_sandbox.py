"""Every call to ReBound against the sandbox, and the faults of both remotes."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rebound_tts.clients.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    NotOfferedError,
    PermanentError,
    RemoteError,
    TemporaryError,
    TokenRejectedError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.rebound import Address, NewReturnItem, NewReturnOrder, ReboundAuthClient, ReboundClient
from tests.clients.sandbox_remotes import JANE, Remotes, Seller, direct, rebound_client, sales_order


def test_rebound_wrong_credentials_break_the_connection(remotes: Remotes):
    auth = ReboundAuthClient(auth_url=remotes.connection["rebound_url"], transport=remotes.transport)
    with pytest.raises(ConfigurationError) as raised:
        auth.token(client_id="nobody", client_secret="hush-hush")
    assert raised.value.code == "invalid_client"


def test_rebound_token_expired_is_renewed_in_the_call(remotes: Remotes, rebound: ReboundClient):
    remotes.post("/tokens/expire")
    assert rebound.create_return_order(direct("TTS-1-1")).status == "ACTIVE"


def test_rebound_token_refused_twice_breaks_the_connection(remotes: Remotes, rebound: ReboundClient):
    remotes.fail("rebound", "status", "/sales-orders", status=401, times=2)
    with pytest.raises(TokenRejectedError):
        rebound.find_sales_orders(client_order_id="1")


@pytest.mark.parametrize("shape", ["A", "B", "C"])
def test_rebound_sales_orders_in_every_metadata_shape(remotes: Remotes, shape: str):
    remotes.post("/settings", metadata_shape=shape)
    rebound = rebound_client(remotes, flow_key="main")
    created = rebound.create_sales_order(sales_order("OMS/1 & co"))
    (found,) = rebound.find_sales_orders(client_order_id="OMS/1 & co")
    assert found == created
    assert (found.client_order_id, found.oms_order_id, found.status) == ("OMS/1 & co", "OMS/1 & co", "ACTIVE")
    assert found.address == Address(first_name="Jane", country_code="GB")
    (item,) = found.items
    assert (item.sku, item.quantity, item.price, item.currency) == ("TEE-M", 2, Decimal("12.50"), "GBP")
    assert (item.hs_code, item.country_of_origin, item.weight, item.weight_unit, item.returnable) == (
        "6109",
        "PT",
        Decimal("0.2"),
        "kg",
        True,
    )
    assert item.oms_item_id == "OMS/1 & co-1"
    assert found.updated_at is not None
    assert rebound.find_sales_orders(client_order_id="OMS-2") == ()
    with pytest.raises(ConflictError) as raised:
        rebound.create_sales_order(sales_order("OMS/1 & co"))
    assert raised.value.existing_id == found.id


def test_rebound_sales_orders_are_read_to_the_last_page(remotes: Remotes, rebound: ReboundClient):
    for number in range(52):
        rebound.create_sales_order({"clientOrderId": f"OMS-{number}"})
    pages = list(rebound.sales_orders_updated_after(datetime(2020, 1, 1, tzinfo=UTC)))
    assert [len(page) for page in pages] == [50, 2]
    assert {order.client_order_id for page in pages for order in page} == {f"OMS-{number}" for number in range(52)}
    assert list(rebound.sales_orders_updated_after(datetime.now(UTC) + timedelta(hours=1))) == []


def test_rebound_loose_filter_is_passed_on_for_the_caller_to_check(remotes: Remotes, rebound: ReboundClient):
    for number in range(3):
        rebound.create_sales_order({"clientOrderId": f"OMS-{number}"})
    remotes.post("/settings", loose_sales_order_filter=True)
    found = [order.client_order_id for order in rebound.find_sales_orders(client_order_id="OMS-1")]
    assert sorted(found) == ["OMS-0", "OMS-1", "OMS-2"]


def test_rebound_return_order_linked(rebound: ReboundClient):
    order = rebound.create_sales_order(sales_order("OMS-1"))
    item = NewReturnItem(
        sales_item_id=order.items[0].id,
        sku="TEE-M",
        description="Tee",
        quantity=2,
        weight=Decimal("0.2"),
        weight_unit="kg",
    )
    asked = NewReturnOrder(rma_number="TTS-1-1", sales_order_id=order.id, items=(item,), country_code="GB")
    created = rebound.create_return_order(asked)
    assert (created.rma_number, created.status, created.sales_order_id) == ("TTS-1-1", "ACTIVE", order.id)
    assert [(each.sales_item_id, each.sku, each.quantity) for each in created.items] == [
        (order.items[0].id, "TEE-M", 2)
    ]
    assert [each.id for each in rebound.find_return_orders(client_order_id="OMS-1")] == [created.id]
    with pytest.raises(ConflictError) as raised:  # no unit is free
        rebound.create_return_order(
            NewReturnOrder(rma_number="TTS-1-2", sales_order_id=order.id, items=(item,), country_code="GB")
        )
    assert (raised.value.code, raised.value.existing_id) == ("units-exceeded", "")
    assert rebound.cancel_return_order(created.id).status == "CANCELLED"
    assert rebound.cancel_return_order(created.id).status == "CANCELLED"


@pytest.mark.parametrize("by_url", [True, False])
def test_rebound_return_order_direct_has_its_label(remotes: Remotes, rebound: ReboundClient, by_url: bool):
    remotes.post("/settings", label_by_url=by_url)
    created = rebound.create_return_order(direct("TTS-1-1"))
    (parcel,) = created.parcels
    assert created.sales_order_id is None
    assert parcel.tracking_number != ""
    assert parcel.label is not None
    content, content_type = (
        rebound.download_label(parcel.label.url) if by_url else (parcel.label.content, parcel.label.content_type)
    )
    assert content is not None
    assert (content[:5], content_type) == (b"%PDF-", "application/pdf")
    (found,) = rebound.find_return_orders(rma_number="TTS-1-1")
    assert (found.id, found.parcels[0].tracking_number) == (created.id, parcel.tracking_number)
    assert "base64" not in json.dumps(created.raw)
    assert "High Street" not in json.dumps(created.raw)


def test_rebound_reference_taken_names_the_first(rebound: ReboundClient):
    first = rebound.create_return_order(direct("TTS-1-1"))
    with pytest.raises(ConflictError) as raised:
        rebound.create_return_order(direct("TTS-1-1"))
    assert raised.value.existing_id == first.id


def test_rebound_create_done_but_not_answered_is_found_by_its_reference(remotes: Remotes, rebound: ReboundClient):
    remotes.fail("rebound", "drop_after", "/return-orders")
    with pytest.raises(UnknownOutcomeError):
        rebound.create_return_order(direct("TTS-1-1"))
    assert [order.rma_number for order in rebound.find_return_orders(rma_number="TTS-1-1")] == ["TTS-1-1"]
    assert len(remotes.state()["return_orders"]) == 1


def test_rebound_late_link(remotes: Remotes, rebound: ReboundClient):
    created = rebound.create_return_order(direct("TTS-1-1"))
    order = rebound.create_sales_order(sales_order("OMS-1"))
    items = [(created.items[0].id, order.items[0].id)]
    linked = rebound.link_return_order(created.id, sales_order_id=order.id, items=items)
    assert (linked.sales_order_id, linked.items[0].sales_item_id) == (order.id, order.items[0].id)
    again = rebound.link_return_order(created.id, sales_order_id=order.id, items=items)
    assert (again.sales_order_id, again.items) == (linked.sales_order_id, linked.items)
    for status in (404, 405):
        remotes.post("/settings", rebound_link_enabled=False, rebound_link_status=status)
        with pytest.raises(NotOfferedError):
            rebound.link_return_order(created.id, sales_order_id=order.id, items=items)


@pytest.mark.parametrize("style", ["problem", "spring", "text"])
def test_rebound_errors_in_every_dialect(remotes: Remotes, rebound: ReboundClient, style: str):
    remotes.post("/settings", rebound_error_style=style)
    with pytest.raises(PermanentError) as raised:
        rebound.create_return_order(NewReturnOrder(rma_number="TTS-1-1", items=(), country_code="GB", address=JANE))
    assert raised.value.status == 400
    assert raised.value.message != ""
    with pytest.raises(NotFoundError):
        rebound.cancel_return_order("no-such-order")


def test_rebound_clients_do_not_see_each_other(remotes: Remotes, rebound: ReboundClient):
    created = rebound.create_return_order(direct("TTS-1-1"))
    other = rebound_client(remotes)
    assert other.find_return_orders(rma_number="TTS-1-1") == ()
    with pytest.raises(NotFoundError):
        other.cancel_return_order(created.id)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "status", "status": 500}, TemporaryError),
        ({"kind": "code", "code": 36009002}, TemporaryError),
        ({"kind": "retry_after", "retry_after": 3}, TemporaryError),
        ({"kind": "html"}, TemporaryError),
        ({"kind": "drop_before"}, TemporaryError),
        ({"kind": "drop_after"}, TemporaryError),
        ({"kind": "slow", "seconds": 3}, TemporaryError),
        ({"kind": "not_json"}, UnexpectedAnswerError),
        ({"kind": "empty"}, UnexpectedAnswerError),
        ({"kind": "garbage_json"}, UnexpectedAnswerError),
        ({"kind": "other_object"}, UnexpectedAnswerError),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("remote", ["tiktok", "rebound"])
def test_faults_of_both_remotes_have_their_class(
    remotes: Remotes,
    seller: Seller,
    rebound: ReboundClient,
    remote: str,
    fault: dict[str, Any],
    kind: type[RemoteError],
):
    if remote == "rebound" and fault["kind"] == "code":
        fault = {"kind": "code", "code": 503}
    remotes.fail(remote, **fault)
    calls = {
        "tiktok": lambda: seller.shop.search_returns(return_ids=["1"]),
        "rebound": lambda: rebound.find_sales_orders(client_order_id="1"),
    }
    with pytest.raises(RemoteError) as raised:
        calls[remote]()
    assert type(raised.value) is kind
    assert raised.value.retry_after == (3.0 if fault["kind"] == "retry_after" else None)
