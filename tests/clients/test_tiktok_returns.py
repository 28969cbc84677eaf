"""What each call about returns sends to TikTok Shop and what its answer becomes."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rebound_tts.clients.errors import UnexpectedAnswerError
from rebound_tts.clients.http import Transport
from rebound_tts.clients.tiktok_shop import (
    RejectReason,
    RemoteReturn,
    RemoteReturnLine,
    ReturnRecord,
    TikTokShopClient,
)
from tests.clients.fake_remote import Remote, Tokens, envelope, sent, shop_of
from tests.clients.sample_answers import RETURN

AT = datetime(2026, 1, 1, tzinfo=UTC)  # 1767225600


@pytest.fixture
def client(remote: Remote, transport: Transport, tokens: Tokens) -> TikTokShopClient:
    return shop_of(remote, transport, tokens)


def test_search_returns_reads_everything(remote: Remote, client: TikTokShopClient):
    told = {
        "return_id": 4035318504086604100,
        "order_id": "576461413038785752",
        "return_type": "RETURN_AND_REFUND",
        "return_status": "SOMETHING_NEW",
        "return_method": "SELLER_SHIPPED",
        "shipment_type": "BUYER_ARRANGE",
        "handover_method": "DROP_OFF",
        "return_shipping_document_type": "QR_CODE",
        "return_tracking_number": "T1",
        "return_provider_id": "7117858858072016686",
        "return_provider_name": "USPS",
        "is_combined_return": True,
        "combined_return_id": "5",
        "pre_return_id": "3",
        "next_return_id": "6",
        "can_buyer_keep_item": False,
        "role": "BUYER",
        "arbitration_status": "IN_PROGRESS",
        "return_reason": "ecom_order_x",
        "return_reason_text": "Too small",
        "create_time": 1767225600,
        "update_time": "1767225600",
        "buyer_user_id": "99",
        "refund_amount": {"refund_total": 12.1, "currency": "GBP"},
        "return_line_items": [
            {
                "return_line_item_id": "1",
                "order_line_item_id": "2",
                "sku_id": "3",
                "seller_sku": "TEE-M",
                "sku_name": "M",
                "product_name": "Tee",
                "refund_amount": {"refund_total": "12.10", "currency": "GBP"},
            }
        ],
    }
    remote.replies(envelope({"return_orders": [told]}))
    (found,) = client.search_returns(return_ids=["4035318504086604100"])
    assert found == RemoteReturn(
        return_id="4035318504086604100",
        order_id="576461413038785752",
        return_type="RETURN_AND_REFUND",
        return_status="SOMETHING_NEW",
        return_method="SELLER_SHIPPED",
        shipment_type="BUYER_ARRANGE",
        handover_method="DROP_OFF",
        document_type="QR_CODE",
        tracking_number="T1",
        provider_id="7117858858072016686",
        provider_name="USPS",
        is_combined=True,
        combined_return_id="5",
        pre_return_id="3",
        next_return_id="6",
        can_buyer_keep_item=False,
        role="BUYER",
        arbitration_status="IN_PROGRESS",
        reason="ecom_order_x",
        reason_text="Too small",
        created_at=AT,
        updated_at=AT,
        lines=(RemoteReturnLine("1", "2", "3", "TEE-M", "M", "Tee", Decimal("12.10"), "GBP"),),
        raw={
            **{name: value for name, value in told.items() if name != "buyer_user_id"},
            "refund_amount": {"refund_total": "12.1", "currency": "GBP"},
        },
    )


def test_search_returns_reads_a_return_of_which_little_is_told(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({"return_orders": [RETURN]}))
    (found,) = client.search_returns(order_ids=["576461413038785752"])
    assert (found.document_type, found.tracking_number, found.is_combined, found.can_buyer_keep_item) == (
        "",
        "",
        False,
        False,
    )
    assert found.updated_at is None
    assert found.lines == (RemoteReturnLine("4035318504086604101", "577086512123755123", "", "", "", "", None, ""),)


def test_search_returns_sends_what_is_asked(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({}), envelope({}))
    client.search_returns(return_ids=["1"], order_ids=["2"], update_time_ge=AT, update_time_lt=1767229200, page_size=5)
    client.search_returns(page_size=500)
    query = {"sort_field": "update_time", "sort_order": "ASC"}
    path = "/return_refund/202309/returns/search"
    assert sent(remote) == [
        (
            "POST",
            path,
            {**query, "page_size": "10"},
            {
                "locale": "en-US",
                "return_ids": ["1"],
                "order_ids": ["2"],
                "update_time_ge": 1767225600,
                "update_time_lt": 1767229200,
            },
        ),
        ("POST", path, {**query, "page_size": "50"}, {"locale": "en-US"}),
    ]


def test_search_returns_since_a_time_without_an_offset_is_refused(client: TikTokShopClient):
    with pytest.raises(ValueError, match="without an offset"):
        client.search_returns(update_time_ge=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_search_returns_reads_all_pages_and_tells_each_return_once_as_told_last(
    remote: Remote, client: TikTokShopClient
):
    token = "a+b/c=="
    one, two = {**RETURN, "return_id": "1"}, {**RETURN, "return_id": "2"}
    remote.replies(
        envelope({"return_orders": [one, two], "next_page_token": token}),
        envelope({"return_orders": [{**one, "return_status": "BUYER_SHIPPED_ITEM"}], "next_page_token": ""}),
    )
    found = client.search_returns()
    assert [(each.return_id, each.return_status) for each in found] == [
        ("2", "AWAITING_BUYER_SHIP"),
        ("1", "BUYER_SHIPPED_ITEM"),
    ]
    assert [each[2].get("page_token") for each in sent(remote)] == [None, token]


@pytest.mark.parametrize("tokens_told", [["x", "x"], ["x", "y", "z"]])
def test_search_returns_that_does_not_end_is_an_error(remote: Remote, client: TikTokShopClient, tokens_told: list[str]):
    remote.replies(*[envelope({"return_orders": [RETURN], "next_page_token": token}) for token in tokens_told])
    with pytest.raises(UnexpectedAnswerError, match="does not end"):
        client.search_returns(max_pages=3)
    assert len(remote.received) == len(tokens_told)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (
            {"return_orders": [{**RETURN, "return_id": 1.0}]},
            "data.return_orders[0].return_id is a number, not an id",
        ),
        (
            {"return_orders": [RETURN, {**RETURN, "order_id": True}]},
            "data.return_orders[1].order_id is true or false, not an id",
        ),
        (
            {"return_orders": [{**RETURN, "order_id": ["1"]}]},
            "data.return_orders[0].order_id is a list, not an id",
        ),
        ({"return_orders": [{**RETURN, "return_id": ""}]}, "data.return_orders[0].return_id is missing"),
        ({"return_orders": [{"order_id": "1"}]}, "data.return_orders[0].return_id is missing"),
        ({"return_orders": [{**RETURN, "return_id": "1\x00"}]}, "data.return_orders[0].return_id is longer"),
        ({"return_orders": [{**RETURN, "return_id": "\ud800"}]}, "data.return_orders[0].return_id is longer"),
        ({"return_orders": [{**RETURN, "return_id": "1" * 256}]}, "data.return_orders[0].return_id is longer"),
        ({"return_orders": {}}, "data.return_orders is an object, not a list"),
        ({"return_orders": ["1"]}, "data.return_orders[0] is text, not an object"),
        (
            {"return_orders": [{**RETURN, "return_line_items": [{"return_line_item_id": "1"}]}]},
            "data.return_orders[0].return_line_items[0].order_line_item_id is missing",
        ),
        (
            {"return_orders": [{**RETURN, "return_status": {}}]},
            "data.return_orders[0].return_status is an object, not text",
        ),
        (
            {"return_orders": [{**RETURN, "can_buyer_keep_item": "maybe"}]},
            "data.return_orders[0].can_buyer_keep_item is text, not true or false",
        ),
        (
            {"return_orders": [{**RETURN, "update_time": "soon"}]},
            "data.return_orders[0].update_time is text, not unix seconds",
        ),
        (
            {"return_orders": [{**RETURN, "update_time": 10**30}]},
            "data.return_orders[0].update_time is a number, not unix seconds",
        ),
        ({"next_page_token": ["x"]}, "data.next_page_token is a list, not text"),
    ],
)
def test_search_returns_refuses_the_unreadable_and_names_the_place(
    remote: Remote, client: TikTokShopClient, data: object, place: str
):
    remote.replies(envelope(data))
    with pytest.raises(UnexpectedAnswerError) as raised:
        client.search_returns()
    assert raised.value.message.startswith(place)
    assert (raised.value.status, raised.value.request_id) == (200, "20261123ABC")


def test_search_returns_keeps_text_that_a_database_refuses_storable(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({"return_orders": [{**RETURN, "return_reason_text": "a\x00b\ud83d", "x\x00": ["\udfff"]}]}))
    (found,) = client.search_returns()
    assert found.reason_text == "a\ufffdb\ufffd"
    assert found.raw["return_reason_text"] == "a\ufffdb\ufffd"
    assert found.raw["x\ufffd"] == ["\ufffd"]


def test_decisions(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({}), envelope({}), envelope(None))
    client.approve_return("1", decision="APPROVE_RETURN", buyer_keep_item=False, idempotency_key="k")
    client.approve_return("1", decision="APPROVE_REFUND")
    client.reject_return("1", decision="REJECT_RETURN", reject_reason="r")
    base = "/return_refund/202309/returns/1"
    assert sent(remote) == [
        ("POST", f"{base}/approve", {"idempotency_key": "k"}, {"decision": "APPROVE_RETURN", "buyer_keep_item": False}),
        ("POST", f"{base}/approve", {}, {"decision": "APPROVE_REFUND"}),
        ("POST", f"{base}/reject", {}, {"decision": "REJECT_RETURN", "reject_reason": "r"}),
    ]


def test_records_and_reject_reasons(remote: Remote, client: TikTokShopClient):
    record = {
        "event": "ORDER_RETURN",
        "role": "BUYER",
        "note": "torn",
        "images": [{"url": "https://x/1", "width": 1}],
        "videos": [{"url": "https://x/2"}],
        "create_time": 1767225600,
    }
    remote.replies(envelope({"records": [record]}), envelope({"reasons": [{"name": "r1", "text": "Worn"}]}))
    assert client.return_records("1") == (
        ReturnRecord("ORDER_RETURN", "BUYER", "", "", "torn", ("https://x/1",), ("https://x/2",), AT),
    )
    assert client.reject_reasons("1", locale="de-DE") == (RejectReason("r1", "Worn"),)
    assert sent(remote) == [
        ("GET", "/return_refund/202309/returns/1/records", {"locale": "en-US"}, None),
        ("GET", "/return_refund/202309/reject_reasons", {"return_or_cancel_id": "1", "locale": "de-DE"}, None),
    ]


@pytest.mark.parametrize("given", [{"return_ids": ["1"]}, {"return_ids": [], "label_pdf": b"%PDF"}])
def test_upload_of_nothing_is_refused(client: TikTokShopClient, given: dict[str, Any]):
    with pytest.raises(ValueError, match="a label or a QR code"):
        client.upload_shipping_document(tracking_number="T1", provider_id="7", **given)
