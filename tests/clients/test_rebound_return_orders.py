"""What each call about return orders and labels sends to ReBound and what its answer becomes."""

from decimal import Decimal

import pytest

from rebound_tts.clients.errors import UnexpectedAnswerError, UnknownOutcomeError
from rebound_tts.clients.http import Transport
from rebound_tts.clients.rebound import (
    Address,
    Label,
    NewReturnItem,
    NewReturnOrder,
    Parcel,
    ReboundClient,
    ReboundReturnItem,
    ReboundReturnOrder,
)
from tests.clients.fake_remote import TOKEN, Remote, Reply, json_reply, rebound_of, sent, spring
from tests.clients.sample_answers import RETURN_ORDER, RMA

JANE = Address(first_name="Jane", last_name="Doe", address_line1="1 High Street", city="Leeds", country_code="GB")


@pytest.fixture
def client(remote: Remote, transport: Transport) -> ReboundClient:
    return rebound_of(remote, transport)


def test_create_return_order_linked_sends_every_name(remote: Remote, transport: Transport):
    remote.replies(json_reply(RETURN_ORDER, 201))
    order = NewReturnOrder(
        rma_number=RMA,
        sales_order_id="so-1",
        items=(
            NewReturnItem(
                sales_item_id="si-1",
                sku="TEE-M",
                description="Tee",
                quantity=1,
                price=Decimal("0.00"),
                currency="GBP",
                reason="TOO_SMALL",
                hs_code="6109",
                country_of_origin="PT",
                weight=Decimal("0.2"),
                weight_unit="kg",
                metadata={"tiktokLineId": "2"},
            ),
        ),
        address=JANE,
        country_code="GB",
        carrier_service="EVRI_QR",
        label_format="QR",
        metadata={"tiktokReturnId": "1"},
    )
    found = rebound_of(remote, transport, flow_key="f").create_return_order(order)
    assert found == ReboundReturnOrder(
        id="ro-1",
        rma_number=RMA,
        status="ACTIVE",
        sales_order_id="so-1",
        items=(ReboundReturnItem("ri-1", "si-1", "TEE-M", 1), ReboundReturnItem("ri-2", None, "CAP", 1)),
        parcels=(
            Parcel("p-1", "Evri", "EVRI_QR", "H1", Label("PDF", "application/pdf", b"%PDF-1.4 x", "")),
            Parcel("p-2", "", "", "", None),
            Parcel("", "", "", "", Label("QR", "", None, "https://x/labels/1")),
        ),
        raw={
            **{name: value for name, value in RETURN_ORDER.items() if name not in ("customerAddress", "parcels")},
            "parcels": [
                {
                    "id": "p-1",
                    "carrier": "Evri",
                    "carrierService": "EVRI_QR",
                    "trackingNumber": "H1",
                    "label": {"format": "PDF", "contentType": "application/pdf"},
                },
                *RETURN_ORDER["parcels"][1:],
            ],
        },
    )
    assert sent(remote) == [
        (
            "POST",
            "/rebound/return-orders",
            {"flowKey": "f"},
            {
                "rmaNumber": RMA,
                "salesOrderId": "so-1",
                "items": [
                    {
                        "salesItemId": "si-1",
                        "sku": "TEE-M",
                        "description": "Tee",
                        "quantity": 1,
                        "price": "0.00",
                        "currencyCode": "GBP",
                        "reason": "TOO_SMALL",
                        "hsCode": "6109",
                        "countryOfOrigin": "PT",
                        "weight": "0.2",
                        "weightUnit": "kg",
                        "clientMetadata": [{"key": "tiktokLineId", "value": "2"}],
                    }
                ],
                "customerAddress": {
                    "firstName": "Jane",
                    "lastName": "Doe",
                    "addressLine1": "1 High Street",
                    "city": "Leeds",
                    "countryCode": "GB",
                },
                "lane": {"countryCode": "GB", "carrierService": "EVRI_QR"},
                "labelFormat": "QR",
                "labelBase64Enabled": True,
                "clientMetadata": [{"key": "tiktokReturnId", "value": "1"}],
            },
        )
    ]


@pytest.mark.parametrize("shape", ["B", "C"])
def test_create_return_order_direct_leaves_out_what_is_empty(remote: Remote, transport: Transport, shape: str):
    remote.replies(json_reply({**RETURN_ORDER, "salesOrderId": None}, 201))
    item = NewReturnItem(sku="TEE-M", description="", quantity=1)
    order = NewReturnOrder(rma_number=RMA, items=(item,), country_code="GB", address=Address(), metadata={"a": "1"})
    found = rebound_of(remote, transport, metadata_shape=shape).create_return_order(order)
    assert found.sales_order_id is None
    assert sent(remote)[0][3] == {
        "rmaNumber": RMA,
        "items": [{"sku": "TEE-M", "quantity": 1}],
        "lane": {"countryCode": "GB"},
        "labelFormat": "PDF",
        "labelBase64Enabled": True,
        "clientMetadata": [{"a": "1"}] if shape == "B" else {"a": "1"},
    }


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({}, 201),
        json_reply([RETURN_ORDER], 201),
        json_reply({**RETURN_ORDER, "rmaNumber": "TTS-of-another"}, 201),
        json_reply({**RETURN_ORDER, "parcels": [{"label": {"base64": "not base64!"}}]}, 201),
        json_reply({**RETURN_ORDER, "parcels": [{"label": "x"}]}, 201),
        json_reply({**RETURN_ORDER, "items": [{"sku": "x"}]}, 201),
        Reply(201, b""),
        Reply(200, b"<html>signed out</html>"),
        Reply(201, b'{"id": "ro-1", '),
    ],
)
def test_create_return_order_answered_unreadably_has_an_unknown_outcome(
    remote: Remote, client: ReboundClient, reply: Reply
):
    remote.replies(reply)
    with pytest.raises(UnknownOutcomeError) as raised:
        client.create_return_order(NewReturnOrder(rma_number=RMA, items=(), country_code="GB"))
    assert raised.value.status == reply.status


@pytest.mark.parametrize(
    ("asked", "query"),
    [({"rma_number": RMA}, {"rmaNumber": RMA}), ({"client_order_id": "OMS-1"}, {"clientOrderId": "OMS-1"})],
)
def test_find_return_orders(remote: Remote, client: ReboundClient, asked: dict[str, str], query: dict[str, str]):
    remote.replies(spring(RETURN_ORDER, RETURN_ORDER, total=2))
    assert [order.id for order in client.find_return_orders(**asked)] == ["ro-1"]
    assert sent(remote) == [("GET", "/rebound/return-orders", {**query, "page": "0", "size": "50"}, None)]


@pytest.mark.parametrize("asked", [{}, {"rma_number": RMA, "client_order_id": "OMS-1"}])
def test_find_return_orders_by_nothing_or_both_is_refused(client: ReboundClient, asked: dict[str, str]):
    with pytest.raises(ValueError, match="either"):
        client.find_return_orders(**asked)


def test_cancel_return_order(remote: Remote, client: ReboundClient):
    remote.replies(json_reply({**RETURN_ORDER, "status": "CANCELLED"}), json_reply({**RETURN_ORDER, "id": "ro-2"}))
    assert client.cancel_return_order("ro-1").status == "CANCELLED"
    assert sent(remote) == [("POST", "/rebound/return-orders/ro-1/cancel", {}, None)]
    with pytest.raises(UnexpectedAnswerError, match="not the one asked for"):
        client.cancel_return_order("ro-1")


def test_link_return_order(remote: Remote, client: ReboundClient):
    remote.replies(json_reply(RETURN_ORDER))
    assert client.link_return_order("ro-1", sales_order_id="so-1", items=[("ri-1", "si-1")]).sales_order_id == "so-1"
    assert sent(remote) == [
        (
            "POST",
            "/rebound/return-orders/ro-1/link",
            {},
            {"salesOrderId": "so-1", "items": [{"itemId": "ri-1", "salesItemId": "si-1"}]},
        )
    ]


@pytest.mark.parametrize("relative", [True, False])
def test_download_label_sends_the_token_to_rebound_only(remote: Remote, client: ReboundClient, relative: bool):
    path = "/rebound/labels/1?key=a%2Fb"
    remote.replies(Reply(200, b"%PDF", {"Content-Type": "Application/PDF; charset=x"}))
    assert client.download_label(path if relative else remote.url + path + "#page=1") == (b"%PDF", "application/pdf")
    received = remote.received[0]
    assert (received.path, received.query) == ("/rebound/labels/1", {"key": "a/b"})
    assert received.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/label",
        "//evil.example/label",
        "http://127.0.0.1/label",  # another port
        "http://127.0.0.1.evil.example/label",
        "{base}@evil.example/label",
        "http://user:pw@{host}/label",
        "http://evil.example\\@{host}/label",
        "https://{host}/label",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "{base}/la\r\nbel",
        "{base}/la bel",
        "http://[::1",
        "http://127.0.0.1:99999999/label",
    ],
)
def test_download_label_from_elsewhere_is_refused(remote: Remote, client: ReboundClient, url: str):
    with pytest.raises(UnexpectedAnswerError, match="not ReBound's own"):
        client.download_label(url.format(base=remote.url, host=remote.url.removeprefix("http://")))
    assert remote.received == []


def test_download_label_follows_no_redirect_and_takes_no_empty_one(remote: Remote, client: ReboundClient):
    remote.replies(Reply(302, b"", {"Location": "https://evil.example"}), Reply(200, b""))
    for _ in range(2):
        with pytest.raises(UnexpectedAnswerError) as raised:
            client.download_label("/labels/capability-in-the-path?sig=hush")
        assert "capability" not in str(raised.value)
        assert "hush" not in str(raised.value)


def test_repr_shows_no_label_and_no_address():
    label = Label("PDF", "application/pdf", b"%PDF-secret", "https://x/secret")
    order = NewReturnOrder(rma_number=RMA, items=(), country_code="GB", address=JANE)
    shown = repr(label) + repr(order)
    for personal in ("secret", "Jane", "Doe", "High", "Leeds"):
        assert personal not in shown
