"""Every call to TikTok Shop against the sandbox: what we send is what TikTok, as written down, takes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rebound_tts.clients.errors import (
    AlreadyUploadedError,
    ConfigurationError,
    NotFoundError,
    PermanentError,
    RemoteError,
    ReturnStateError,
    TemporaryError,
    UnknownOutcomeError,
)
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.tiktok_shop import (
    ExternalLine,
    ExternalOrder,
    ExternalOrderReference,
)
from tests.clients.sandbox_remotes import Remotes, Seller, direct, shop_client


def test_tiktok_token_life(remotes: Remotes, seller: Seller):
    grant = seller.tokens.grant
    now = datetime.now(UTC)
    assert timedelta(days=6) < grant.access_token_expires_at - now < timedelta(days=8)
    assert grant.refresh_token_expires_at > grant.access_token_expires_at
    assert (grant.seller_name, grant.seller_base_region, grant.user_type) == ("Harbour", "GB", 0)
    assert {"seller.order.info", "seller.return_refund.basic"} <= set(grant.granted_scopes)
    renewed = seller.auth.refresh_token(grant.refresh_token)
    assert renewed.refresh_token != grant.refresh_token
    with pytest.raises(ConfigurationError):
        seller.auth.refresh_token(grant.refresh_token)  # rotated away
    with pytest.raises(PermanentError) as raised:
        seller.auth.get_token("ROW_no-such-code")
    assert raised.value.code == "36004004"


def test_tiktok_token_expired_is_renewed_in_the_call(remotes: Remotes, seller: Seller):
    remotes.post("/tokens/expire", kind="access")
    assert [shop.id for shop in seller.shop.authorized_shops()] == [seller.shop_id]
    assert seller.tokens.renewals == 1


def test_tiktok_deauthorized_breaks_the_connection(remotes: Remotes, seller: Seller):
    remotes.post("/tokens/expire", kind="all")
    with pytest.raises(ConfigurationError):
        seller.shop.warehouses()


def test_tiktok_authorized_shops(seller: Seller):
    (shop,) = seller.shop.authorized_shops()
    assert (shop.id, shop.name, shop.region) == (seller.shop_id, "Harbour UK", "GB")
    assert shop_client(seller.remotes, seller.tokens, shop.cipher).warehouses() == seller.shop.warehouses()


@pytest.mark.parametrize("everything_200", [True, False])
@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"app_secret": "not-ours"}, ConfigurationError, "106001"),
        ({"app_key": "not-ours"}, ConfigurationError, "36009004"),
        ({"shop_cipher": ""}, ConfigurationError, "106013"),
        ({"clock": lambda: 1_000_000_000}, TemporaryError, "36009004"),
        ({"clock": lambda: 9_000_000_000}, TemporaryError, "36009004"),
    ],
)
def test_tiktok_gateway_refusals(
    remotes: Remotes, seller: Seller, changes: dict[str, Any], kind: type[RemoteError], code: str, everything_200: bool
):
    remotes.post("/settings", everything_200=everything_200)
    client = shop_client(remotes, seller.tokens, "wrong-cipher", **changes)
    with pytest.raises(RemoteError) as raised:
        client.warehouses()
    assert (type(raised.value), raised.value.code) == (kind, code)
    assert raised.value.request_id != ""


def test_tiktok_orders(seller: Seller):
    order_id, lines = seller.buys("TEE-M", "TEE-M", "CAP")
    (order,) = seller.shop.orders([order_id, "999999999999999999"])
    assert (order.id, order.status, order.currency) == (order_id, "DELIVERED", "GBP")
    assert [(line.id, line.seller_sku, line.sale_price) for line in order.lines] == [
        (lines[0], "TEE-M", Decimal("12.50")),
        (lines[1], "TEE-M", Decimal("12.50")),
        (lines[2], "CAP", Decimal("12.50")),
    ]
    assert order.address is not None
    assert (order.address.region_code, order.address.is_masked) == ("GB", True)
    assert order.create_time is not None
    seller.remotes.post("/settings", mask_addresses=False)
    (shown,) = seller.shop.orders([order_id])
    assert shown.address is not None
    assert shown.address.is_masked is False
    assert "" not in (shown.address.city, shown.address.line1, shown.address.postal_code)
    assert "recipient_address" not in shown.raw


def test_tiktok_orders_of_nobody(seller: Seller):
    with pytest.raises(NotFoundError):
        seller.shop.orders(["999999999999999999"])


def test_tiktok_external_orders_are_written_read_and_searched(seller: Seller):
    order_id, lines = seller.buys("TEE-M")
    external = ExternalOrder("OMS/1 & co", "SHOPIFY", (ExternalLine("OMS-1-1", lines[0]),))
    assert seller.shop.external_orders(order_id=order_id, platform="SHOPIFY") == ()
    assert seller.shop.add_external_orders([ExternalOrderReference(order_id, external)]) == ()
    assert seller.shop.external_orders(order_id=order_id, platform="SHOPIFY") == (external,)
    assert seller.shop.search_by_external_order(platform="SHOPIFY", external_order_id="OMS/1 & co") == (
        ExternalOrderReference(order_id, external),
    )
    assert seller.shop.search_by_external_order(platform="SHOPIFY", external_order_id="OMS-2") == ()
    (refused,) = seller.shop.add_external_orders([ExternalOrderReference("999999999999999999", external)])
    assert (refused.order_id, refused.platform, refused.code) == ("999999999999999999", "SHOPIFY", "36020001")


def test_tiktok_search_returns_by_id_by_order_and_by_time_over_all_pages(seller: Seller):
    ids = [seller.returns() for _ in range(12)]
    (one,) = seller.shop.search_returns(return_ids=[ids[0]])
    assert (one.return_id, one.return_status, one.return_method) == (ids[0], "AWAITING_BUYER_SHIP", "SELLER_SHIPPED")
    assert [found.return_id for found in seller.shop.search_returns(order_ids=[one.order_id])] == [ids[0]]
    assert len(one.lines) == 1
    assert one.updated_at is not None
    since = one.updated_at - timedelta(minutes=1)
    assert {found.return_id for found in seller.shop.search_returns(update_time_ge=since, page_size=10)} == set(ids)
    assert seller.shop.search_returns(update_time_lt=since) == ()
    assert seller.shop.search_returns(return_ids=["999999999999999999"]) == ()


def pdf_and_number(rebound: ReboundClient, reference: str) -> tuple[bytes, str]:
    created = rebound.create_return_order(direct(reference))
    label = created.parcels[0].label
    assert label is not None
    assert label.content is not None
    return label.content, created.parcels[0].tracking_number


def provider_of(seller: Seller) -> str:
    (warehouse, *_) = seller.shop.warehouses()
    (option, *_) = seller.shop.delivery_options(warehouse.id)
    providers = seller.shop.shipping_providers(option.id)
    return {provider.name: provider.id for provider in providers}["Evri"]


def test_tiktok_upload_reaches_the_buyer_once(remotes: Remotes, seller: Seller, rebound: ReboundClient):
    return_id = seller.returns()
    pdf, number = pdf_and_number(rebound, "TTS-1-1")
    given = {"return_ids": [return_id], "tracking_number": number, "provider_id": provider_of(seller)}
    seller.shop.upload_shipping_document(**given, label_pdf=pdf)
    seen = remotes.session.get(f"{remotes.connection['control_url']}/returns/{return_id}/label", timeout=10)
    assert (seen.headers["content-type"], seen.content) == ("application/pdf", pdf)
    (found,) = seller.shop.search_returns(return_ids=[return_id])
    assert (found.tracking_number, found.provider_id) == (number, given["provider_id"])
    with pytest.raises(AlreadyUploadedError):
        seller.shop.upload_shipping_document(**given, label_pdf=pdf)


def test_tiktok_upload_of_a_qr_code_for_one_parcel(remotes: Remotes, seller: Seller, rebound: ReboundClient):
    order_id, lines = seller.buys("TEE-M", "CAP")
    made = remotes.post(
        "/returns",
        shop_id=seller.shop_id,
        order_id=order_id,
        order_line_item_ids=lines,
        combined=True,
        return_shipping_document_type="QR_CODE",
        webhook={"send": False},
    )
    return_ids = [each["return_id"] for each in made["returns"]]
    found = seller.shop.search_returns(return_ids=return_ids)
    assert {each.combined_return_id for each in found} == {made["combined_return_id"]}
    assert {(each.is_combined, each.document_type) for each in found} == {(True, "QR_CODE")}
    created = rebound.create_return_order(direct("TTS-1-2", label_format="QR"))
    label = created.parcels[0].label
    assert label is not None
    assert label.content_type == "image/png"
    seller.shop.upload_shipping_document(
        return_ids=return_ids,
        tracking_number=created.parcels[0].tracking_number,
        provider_id=provider_of(seller),
        qr_code=label.content,
    )
    for return_id in return_ids:
        seen = remotes.session.get(f"{remotes.connection['control_url']}/returns/{return_id}/label", timeout=10)
        assert seen.content == label.content


def test_tiktok_upload_refusals(seller: Seller):
    def upload(return_id: str, **label: bytes) -> None:
        seller.shop.upload_shipping_document(
            return_ids=[return_id], tracking_number="T1", provider_id=provider_of(seller), **label
        )

    with pytest.raises(PermanentError) as raised:
        upload(seller.returns(), label_pdf=b"GIF89a")
    assert raised.value.code == "25021023"
    with pytest.raises(ReturnStateError):
        upload(seller.returns(return_status="RETURN_OR_REFUND_REQUEST_PENDING"), label_pdf=b"%PDF-1.4")


def test_tiktok_upload_done_but_not_answered_has_an_unknown_outcome(
    remotes: Remotes, seller: Seller, rebound: ReboundClient
):
    return_id = seller.returns()
    pdf, number = pdf_and_number(rebound, "TTS-1-3")
    provider = provider_of(seller)
    for error in (UnknownOutcomeError, AlreadyUploadedError):
        if error is UnknownOutcomeError:
            remotes.fail("tiktok", "drop_after", "shipping_documents")
        with pytest.raises(error):
            seller.shop.upload_shipping_document(
                return_ids=[return_id], tracking_number=number, provider_id=provider, label_pdf=pdf
            )
    assert [found.tracking_number for found in seller.shop.search_returns(return_ids=[return_id])] == [number]


def test_tiktok_decisions(seller: Seller):
    approved = seller.returns(return_status="RETURN_OR_REFUND_REQUEST_PENDING")
    seller.shop.approve_return(approved, decision="APPROVE_RETURN", idempotency_key="a")
    assert seller.shop.search_returns(return_ids=[approved])[0].return_status == "AWAITING_BUYER_SHIP"
    rejected = seller.returns(return_status="RETURN_OR_REFUND_REQUEST_PENDING")
    (reason, *_) = seller.shop.reject_reasons(rejected)
    seller.shop.reject_return(
        rejected, decision="REJECT_RETURN", reject_reason=reason.name, comment="größer", idempotency_key="b"
    )
    assert seller.shop.search_returns(return_ids=[rejected])[0].return_status == "REFUND_OR_RETURN_REQUEST_REJECT"
    assert [record.event for record in seller.shop.return_records(rejected)][:1] == ["ORDER_RETURN"]
    with pytest.raises(ReturnStateError):
        seller.shop.approve_return(approved, decision="APPROVE_RETURN", idempotency_key="c")


def test_tiktok_webhooks(seller: Seller):
    seller.shop.put_webhook("RETURN_STATUS_CHANGE", "https://app.example.com/tiktok")
    assert [(hook.event_type, hook.address) for hook in seller.shop.webhooks()] == [
        ("RETURN_STATUS_CHANGE", "https://app.example.com/tiktok")
    ]
    seller.shop.delete_webhook("RETURN_STATUS_CHANGE")
    seller.shop.delete_webhook("RETURN_STATUS_CHANGE")
    assert seller.shop.webhooks() == ()


def test_tiktok_newest_orders_page_by_page(seller: Seller):
    bought = [seller.buys("TEE-M")[0] for _ in range(5)]
    first = seller.shop.newest_orders(page_size=3)
    rest = seller.shop.newest_orders(page_size=3, page_token=first.next_page_token)
    assert (len(first.orders), len(rest.orders), rest.next_page_token) == (3, 2, "")
    assert {order.id for order in first.orders + rest.orders} == set(bought)
