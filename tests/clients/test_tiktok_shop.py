"""What each call to TikTok Shop sends and what its answer becomes."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rebound_tts.clients.http import Transport
from rebound_tts.clients.tiktok_shop import (
    AuthorizedShop,
    BuyerAddress,
    DeliveryOption,
    ExternalLine,
    ExternalOrder,
    ExternalOrderError,
    ExternalOrderReference,
    ShippingProvider,
    TikTokOrder,
    TikTokOrderLine,
    TikTokShopClient,
    Warehouse,
    WebhookSubscription,
)
from tests.clients.fake_remote import Remote, Tokens, envelope, sent, shop_of
from tests.clients.sample_answers import ADDRESS

AT = datetime(2026, 1, 1, tzinfo=UTC)  # 1767225600


@pytest.fixture
def client(remote: Remote, transport: Transport, tokens: Tokens) -> TikTokShopClient:
    return shop_of(remote, transport, tokens)


def test_authorized_shops_are_asked_for_without_a_cipher(remote: Remote, client: TikTokShopClient):
    remote.replies(
        envelope(
            {"shops": [{"id": 7494049642642441621, "cipher": "C1", "code": "GB1", "name": "Shop", "region": "GB"}]}
        )
    )
    assert client.authorized_shops() == (
        AuthorizedShop(id="7494049642642441621", cipher="C1", code="GB1", name="Shop", region="GB", seller_type=""),
    )
    assert sent(remote) == [("GET", "/authorization/202309/shops", {}, None)]
    assert "shop_cipher" not in remote.received[0].query
    assert "C1" not in repr(AuthorizedShop("1", "C1", "", "", "", ""))


def test_client_without_a_cipher_sends_none(remote: Remote, transport: Transport, tokens: Tokens):
    remote.replies(envelope({}))
    TikTokShopClient(
        base_url=remote.url, app_key="key", app_secret="secret", tokens=tokens, transport=transport
    ).warehouses()
    assert "shop_cipher" not in remote.received[0].query


def test_orders_reads_lines_address_and_money(remote: Remote, client: TikTokShopClient):
    line = {
        "id": "577086512123755123",
        "sku_id": "1729",
        "seller_sku": "TEE-M",
        "product_name": "Tee",
        "sku_name": "M",
        "sale_price": "12.50",
        "currency": "GBP",
    }
    order = {
        "id": "576461413038785752",
        "status": "DELIVERED",
        "create_time": 1767225600,
        "buyer_email": "x@chat.seller.tiktok.com",
        "buyer_nickname": "jd",
        "user_id": "99",
        "is_buyer_request_cancel": False,
        "payment": {"currency": "GBP", "total_amount": "12.50", "buyer_service_fee": "0.10"},
        "recipient_address": ADDRESS,
        "line_items": [line, {**line, "id": "577086512123755124", "sale_price": "", "seller_sku": ""}],
    }
    remote.replies(envelope({"orders": [order]}))
    (found,) = client.orders(["576461413038785752"])
    assert found == TikTokOrder(
        id="576461413038785752",
        status="DELIVERED",
        create_time=AT,
        region_code="US",
        currency="GBP",
        lines=(
            TikTokOrderLine("577086512123755123", "1729", "TEE-M", "Tee", "M", Decimal("12.50"), "GBP"),
            TikTokOrderLine("577086512123755124", "1729", "", "Tee", "M", None, "GBP"),
        ),
        address=BuyerAddress(
            name="Jane Doe",
            first_name="Jane",
            last_name="Doe",
            phone="(+1)213-***-1234",
            line1="1 High Street",
            line2="Flat 2",
            line3="",
            line4="",
            city="Los Angeles",
            state="California",
            postal_code="90001",
            region_code="US",
            is_masked=True,
        ),
        buyer_email="x@chat.seller.tiktok.com",
        raw={
            "id": "576461413038785752",
            "status": "DELIVERED",
            "create_time": 1767225600,
            "is_buyer_request_cancel": False,
            "payment": {"currency": "GBP", "total_amount": "12.50", "buyer_service_fee": "0.10"},
            "line_items": order["line_items"],
        },
    )
    for personal in ("Jane", "Doe", "213", "High", "Flat", "Los Angeles", "90001", "chat.seller"):
        assert personal not in repr(found)


def test_orders_asks_for_fifty_a_call(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({"orders": [{"id": "1"}]}), envelope({}))
    ids = [str(number) for number in range(1, 52)]
    assert [order.id for order in client.orders(ids)] == ["1"]
    assert sent(remote) == [
        ("GET", "/order/202507/orders", {"ids": ",".join(ids[:50])}, None),
        ("GET", "/order/202507/orders", {"ids": "51"}, None),
    ]


def test_orders_of_nothing_calls_nothing(remote: Remote, client: TikTokShopClient):
    assert client.orders([]) == ()
    assert remote.received == []


@pytest.mark.parametrize(
    ("changes", "city", "state", "is_masked"),
    [
        ({"phone_number": "12131234"}, "Los Angeles", "California", False),
        ({"phone_number": "1", "postal_code": "9***1"}, "Los Angeles", "California", True),
        ({"post_town": "Leeds"}, "Leeds", "California", True),
        ({"district_info": []}, "", "", True),
        (
            {
                "district_info": [
                    {"address_level": "L1", "address_level_name": "Nation", "address_name": "Scotland"},
                    {"address_level": "L3", "address_level_name": "Ward", "address_name": "Leith"},
                    {"address_level": "L2", "address_level_name": "Council", "address_name": "Edinburgh"},
                ]
            },
            "Leith",
            "Scotland",
            True,
        ),
    ],
)
def test_orders_address_by_district(
    remote: Remote, client: TikTokShopClient, changes: dict[str, Any], city: str, state: str, is_masked: bool
):
    remote.replies(envelope({"orders": [{"id": "1", "recipient_address": {**ADDRESS, **changes}}]}))
    address = client.orders(["1"])[0].address
    assert address is not None
    assert (address.city, address.state, address.is_masked) == (city, state, is_masked)


@pytest.mark.parametrize("nothing", [None, {}, {"name": "", "district_info": []}])
def test_orders_without_an_address(remote: Remote, client: TikTokShopClient, nothing: object):
    remote.replies(envelope({"orders": [{"id": "1", "recipient_address": nothing}]}))
    assert client.orders(["1"])[0].address is None


def test_external_orders_keeps_every_platform_and_empty_lines(remote: Remote, client: TikTokShopClient):
    remote.replies(
        envelope(
            {
                "external_orders": [
                    {
                        "id": "0012",
                        "platform": "SHOPIFY",
                        "line_items": [{"id": " L1", "origin_id": 577086512123755123}],
                    },
                    {"id": "OMS-1", "platform": "ERP_SYSTEM"},
                ]
            }
        )
    )
    assert client.external_orders(order_id="9", platform="SHOPIFY") == (
        ExternalOrder("0012", "SHOPIFY", (ExternalLine(" L1", "577086512123755123"),)),
        ExternalOrder("OMS-1", "ERP_SYSTEM", ()),
    )


@pytest.mark.parametrize("data", [None, {}, {"external_orders": None}, {"external_orders": []}])
def test_external_orders_without_any(remote: Remote, client: TikTokShopClient, data: object):
    remote.replies(envelope(data))
    assert client.external_orders(order_id="9", platform="SHOPIFY") == ()


def test_search_by_external_order(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({"orders": [{"id": "9", "external_order": {"id": "OMS-1", "platform": "SHOPIFY"}}]}))
    assert client.search_by_external_order(platform="SHOPIFY", external_order_id="OMS-1") == (
        ExternalOrderReference("9", ExternalOrder("OMS-1", "SHOPIFY", ())),
    )
    assert sent(remote) == [
        (
            "POST",
            "/order/202406/orders/external_order_search",
            {"platform": "SHOPIFY", "external_order_id": "OMS-1"},
            None,
        )
    ]


def test_add_external_orders_sends_a_hundred_a_call_and_tells_what_was_refused(
    remote: Remote, client: TikTokShopClient
):
    entries = [
        ExternalOrderReference(str(number), ExternalOrder(f"OMS-{number}", "SHOPIFY", (ExternalLine("a", "b"),)))
        for number in range(101)
    ]
    refused = {
        "code": "36020001",
        "message": "invalid order_id",
        "detail": {"order_id": "100", "external_order": {"id": "OMS-100", "platform": "SHOPIFY"}},
    }
    remote.replies(envelope({}), envelope({"errors": [refused, {"code": 1}]}))
    assert client.add_external_orders(entries) == (
        ExternalOrderError("100", "OMS-100", "SHOPIFY", "36020001", "invalid order_id"),
        ExternalOrderError("", "", "", "1", ""),
    )
    bodies = [each[3]["orders"] for each in sent(remote)]
    assert [len(body) for body in bodies] == [100, 1]
    assert bodies[1] == [
        {
            "id": "100",
            "external_order": {
                "id": "OMS-100",
                "platform": "SHOPIFY",
                "line_items": [{"id": "a", "origin_id": "b"}],
            },
        }
    ]


def test_add_external_orders_of_more_lines_than_tiktok_takes_is_refused(client: TikTokShopClient):
    lines = tuple(ExternalLine(str(number), str(number)) for number in range(101))
    with pytest.raises(ValueError, match="at most 100 lines"):
        client.add_external_orders([ExternalOrderReference("1", ExternalOrder("O", "SHOPIFY", lines))])


def test_logistics(remote: Remote, client: TikTokShopClient):
    warehouse = {
        "id": "1",
        "name": "Hub",
        "type": "RETURN_WAREHOUSE",
        "is_default": True,
        "address": {"region_code": "GB"},
    }
    remote.replies(
        envelope({"warehouses": [warehouse, {"id": "2"}]}),
        envelope({"delivery_options": [{"id": "3", "name": "Own", "type": "SEND_BY_SELLER"}]}),
        envelope({"shipping_providers": [{"id": 7117858858072016686, "name": "USPS"}]}),
    )
    assert client.warehouses() == (
        Warehouse("1", "Hub", "RETURN_WAREHOUSE", True, "", "GB"),
        Warehouse("2", "", "", False, "", ""),
    )
    assert client.delivery_options("1") == (DeliveryOption("3", "Own", "SEND_BY_SELLER"),)
    assert client.shipping_providers("3") == (ShippingProvider("7117858858072016686", "USPS"),)
    assert [each[1] for each in sent(remote)] == [
        "/logistics/202309/warehouses",
        "/logistics/202309/warehouses/1/delivery_options",
        "/logistics/202309/delivery_options/3/shipping_providers",
    ]


def test_webhooks(remote: Remote, client: TikTokShopClient):
    told = {"event_type": "RETURN_STATUS_CHANGE", "address": "https://x/hook", "create_time": 1767225600}
    remote.replies(envelope({"total_count": 1, "webhooks": [told]}), envelope({}), envelope({}))
    assert client.webhooks() == (WebhookSubscription("RETURN_STATUS_CHANGE", "https://x/hook", AT, None),)
    client.put_webhook("RETURN_STATUS_CHANGE", "https://x/hook")
    client.delete_webhook("RETURN_STATUS_CHANGE")
    path = "/event/202309/webhooks"
    assert sent(remote) == [
        ("GET", path, {}, None),
        ("PUT", path, {}, {"address": "https://x/hook", "event_type": "RETURN_STATUS_CHANGE"}),
        ("DELETE", path, {}, {"event_type": "RETURN_STATUS_CHANGE"}),
    ]
