"""ReBound's return orders: labels, units, references, cancelling, linking and events."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.sandbox.conftest import Control, ReboundApi, Receiver

ADDRESS = {"firstName": "Grace", "addressLine1": "1 High Street", "city": "Leeds", "countryCode": "GB"}


@pytest.fixture
def sold(rebound: ReboundApi) -> dict[str, Any]:
    """A sales order of two tees and one mug."""
    items = [{"sku": "TEE", "quantity": 2}, {"sku": "MUG", "quantity": 1}]
    body = {"clientOrderId": "SO-1", "customerAddress": ADDRESS, "salesItems": items}
    return rebound.post("/sales-orders", body).json()


def _direct(rma_number: str = "TTS-1-1", **changes: Any) -> dict[str, Any]:
    return {
        "rmaNumber": rma_number,
        "salesOrderId": None,
        "items": [{"salesItemId": None, "sku": "TEE", "quantity": 1, "price": "10.00", "currencyCode": "GBP"}],
        "customerAddress": ADDRESS,
        "lane": {"countryCode": "GB", "carrierService": "ROYAL_MAIL_QR"},
        "labelFormat": "PDF",
        "labelBase64Enabled": True,
        **changes,
    }


def _linked(sold: dict[str, Any], rma_number: str, quantity: int = 1, **changes: Any) -> dict[str, Any]:
    items = [{"salesItemId": sold["salesItems"][0]["id"], "quantity": quantity}]
    body = _direct(rma_number, salesOrderId=sold["id"], items=items, **changes)
    del body["customerAddress"]
    return body


def test_direct_return_has_a_parcel_with_a_label(rebound: ReboundApi) -> None:
    answer = rebound.post("/return-orders", _direct(), flowKey="main")
    created = answer.json()
    parcel = created["parcels"][0]
    assert answer.status_code == 201
    assert (created["rmaNumber"], created["status"], created["salesOrderId"]) == ("TTS-1-1", "ACTIVE", None)
    assert (created["flowKey"], created["lane"]["countryCode"]) == ("main", "GB")
    assert (parcel["carrier"], parcel["carrierService"]) == ("ROYAL_MAIL", "ROYAL_MAIL_QR")
    assert (parcel["label"]["format"], parcel["label"]["contentType"]) == ("PDF", "application/pdf")
    assert base64.b64decode(parcel["label"]["base64"]).startswith(b"%PDF-")
    assert rebound.get(f"/return-orders/{created['id']}").json() == created


def test_qr_label_is_a_png(rebound: ReboundApi) -> None:
    label = rebound.post("/return-orders", _direct(labelFormat="QR")).json()["parcels"][0]["label"]
    assert (label["format"], label["contentType"]) == ("QR", "image/png")
    assert base64.b64decode(label["base64"]).startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(("inline", "by_url"), [(False, False), (True, True)])
def test_label_may_come_by_url(control: Control, rebound: ReboundApi, inline: bool, by_url: bool) -> None:
    control.post("settings", label_by_url=by_url)
    created = rebound.post("/return-orders", _direct(labelBase64Enabled=inline)).json()
    label = created["parcels"][0]["label"]
    headers = {"Authorization": f"Bearer {rebound.token}"}
    fetched = rebound.http.get(label["url"], headers=headers, timeout=5)
    assert "base64" not in label
    assert (fetched.status_code, fetched.headers["Content-Type"]) == (200, "application/pdf")
    assert fetched.content.startswith(b"%PDF-")
    assert rebound.http.get(label["url"], timeout=5).status_code == 401
    rebound.post(f"/return-orders/{created['id']}/cancel")
    assert rebound.http.get(label["url"], headers=headers, timeout=5).status_code == 404


def test_tracking_numbers_differ(rebound: ReboundApi) -> None:
    numbers = [
        rebound.post("/return-orders", _direct(f"R-{number}")).json()["parcels"][0]["trackingNumber"]
        for number in range(5)
    ]
    assert len(set(numbers)) == 5


def test_second_create_with_one_reference_names_the_first(rebound: ReboundApi) -> None:
    first = rebound.post("/return-orders", _direct()).json()
    second = rebound.post("/return-orders", _direct())
    problem = second.json()
    assert (second.status_code, problem["existingId"]) == (409, first["id"])
    assert problem["type"].endswith("/duplicate-rma-number")
    assert first["id"] in problem["detail"]
    assert rebound.get("/return-orders").json()["totalElements"] == 1


def test_linked_return_takes_units_and_a_cancel_gives_them_back(rebound: ReboundApi, sold: dict[str, Any]) -> None:
    first = rebound.post("/return-orders", _linked(sold, "R-1", 2)).json()
    full = rebound.post("/return-orders", _linked(sold, "R-2"))
    cancelled = [rebound.post(f"/return-orders/{first['id']}/cancel").json()["status"] for _ in range(2)]
    free = rebound.post("/return-orders", _linked(sold, "R-3", 2))
    assert first["clientOrderId"] == "SO-1"
    assert first["customerAddress"] == ADDRESS
    assert (full.status_code, full.json()["type"].rsplit("/", 1)[1]) == (409, "units-exceeded")
    assert full.json()["salesItemId"] == sold["salesItems"][0]["id"]
    assert (cancelled, free.status_code) == (["CANCELLED", "CANCELLED"], 201)


def test_units_of_one_request_are_added_up(rebound: ReboundApi, sold: dict[str, Any]) -> None:
    tee, mug = (item["id"] for item in sold["salesItems"])

    def create(rma_number: str, *ids: Any) -> int:
        items = [{"salesItemId": item_id, "sku": "X"} for item_id in ids]
        return rebound.post("/return-orders", {**_linked(sold, rma_number), "items": items}).status_code

    # an item without a sales item is an additional one and takes no unit
    assert [create("R-1", mug, mug), create("R-2", tee, tee, None), create("R-3", tee), create("R-4", mug)] == [
        409,
        201,
        409,
        201,
    ]


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"rmaNumber": ""}, ["/rmaNumber"]),
        ({"items": []}, ["/items"]),
        ({"items": [{"quantity": 0, "price": "x"}]}, ["/items/0/quantity", "/items/0/price"]),
        ({"salesOrderId": "none"}, ["/salesOrderId"]),
        ({"items": [{"salesItemId": "foreign"}]}, ["/items/0/salesItemId"]),
        ({"lane": None, "labelFormat": "ZPL"}, ["/lane", "/labelFormat"]),
        ({"lane": {"countryCode": "gb"}}, ["/lane/countryCode"]),
        ({"customerAddress": None}, ["/customerAddress"]),
        ({"customerAddress": {}}, ["/customerAddress/countryCode"]),
        ({"clientMetadata": "x", "labelBase64Enabled": 1}, ["/labelBase64Enabled", "/clientMetadata"]),
    ],
)
def test_bad_body_names_its_places(rebound: ReboundApi, changes: dict[str, Any], pointers: list[str]) -> None:
    answer = rebound.post("/return-orders", _direct(**changes))
    assert answer.status_code == 400
    assert sorted(error["pointer"] for error in answer.json()["errors"]) == sorted(pointers)


def test_return_of_a_cancelled_sales_order_is_refused(
    control: Control, rebound: ReboundApi, sold: dict[str, Any]
) -> None:
    control.post(f"sales-orders/{sold['id']}", status="CANCELLED")
    answer = rebound.post("/return-orders", _linked(sold, "R-1"))
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[1]) == (409, "sales-order-cancelled")


def test_return_order_is_found_by_reference_and_by_client_order_id(rebound: ReboundApi, sold: dict[str, Any]) -> None:
    rebound.post("/return-orders", _direct("D-1"))
    rebound.post("/return-orders", _linked(sold, "L-1"))
    rebound.post("/return-orders", _linked(sold, "L-2"))

    def found(**query: str) -> list[str]:
        return [row["rmaNumber"] for row in rebound.get("/return-orders", **query).json()["content"]]

    assert found(rmaNumber="D-1") == ["D-1"]
    assert found(rmaNumber="d-1") == found(clientOrderId="SO-2") == []
    assert found(clientOrderId="SO-1") == ["L-1", "L-2"]
    assert found() == ["D-1", "L-1", "L-2"]


def test_direct_return_is_linked_afterwards(rebound: ReboundApi, sold: dict[str, Any]) -> None:
    made = rebound.post("/return-orders", _direct()).json()
    body = {
        "salesOrderId": sold["id"],
        "items": [{"itemId": made["items"][0]["id"], "salesItemId": sold["salesItems"][0]["id"]}],
    }
    answers = [rebound.post(f"/return-orders/{made['id']}/link", body) for _ in range(2)]
    linked = answers[0].json()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (linked["salesOrderId"], linked["items"][0]["salesItemId"]) == (sold["id"], sold["salesItems"][0]["id"])
    assert linked["parcels"] == made["parcels"]
    assert rebound.get("/return-orders", clientOrderId="SO-1").json()["totalElements"] == 1
    assert rebound.post("/return-orders", _linked(sold, "R-2", 2)).status_code == 409


def test_link_is_checked(rebound: ReboundApi, sold: dict[str, Any]) -> None:
    made = rebound.post("/return-orders", _direct()).json()
    path = f"/return-orders/{made['id']}/link"
    wrong = rebound.post(path, {"salesOrderId": sold["id"], "items": [{"itemId": "x", "salesItemId": "y"}]})
    nowhere = rebound.post(path, {"salesOrderId": "none", "items": []})
    second = rebound.post("/sales-orders", {"clientOrderId": "SO-2", "salesItems": [{"sku": "TEE"}]}).json()
    taken = rebound.post("/return-orders", _linked(sold, "R-1")).json()
    items = [{"itemId": taken["items"][0]["id"], "salesItemId": second["salesItems"][0]["id"]}]
    moved = rebound.post(f"/return-orders/{taken['id']}/link", {"salesOrderId": second["id"], "items": items})
    assert [answer.status_code for answer in (wrong, nowhere, moved)] == [400, 400, 409]
    assert sorted(error["pointer"] for error in wrong.json()["errors"]) == ["/items/0/itemId", "/items/0/salesItemId"]


@pytest.mark.parametrize("status", [404, 405])
def test_link_may_be_missing(control: Control, rebound: ReboundApi, status: int) -> None:
    control.post("settings", rebound_link_enabled=False, rebound_link_status=status)
    made = rebound.post("/return-orders", _direct()).json()
    assert rebound.post(f"/return-orders/{made['id']}/link", {}).status_code == status


def test_another_client_does_not_reach_a_return_order(
    sandbox: Any, control: Control, rebound: ReboundApi, sold: dict[str, Any]
) -> None:
    made = rebound.post("/return-orders", _direct()).json()
    other = control.post("rebound-clients")
    stranger = ReboundApi(rebound.url, other["client_id"], other["client_secret"], rebound.http)
    stranger.connect()
    paths = (f"/return-orders/{made['id']}", f"/labels/{made['parcels'][0]['id']}")
    assert [stranger.get(path).status_code for path in paths] == [404, 404]
    assert stranger.post(f"/return-orders/{made['id']}/cancel").status_code == 404
    assert stranger.post("/return-orders", _linked(sold, "X")).status_code == 400
    assert stranger.post("/return-orders", _direct()).status_code == 201


def test_events_are_signed(control: Control, rebound: ReboundApi, receiver: Receiver) -> None:
    control.post("settings", rebound_events_url=receiver.url, rebound_events_secret="s3cret")
    made = rebound.post("/return-orders", _direct()).json()
    data = {"items": [{"salesItemId": None, "sku": "TEE", "barcode": "1", "quantity": 1, "expected": True}]}
    sent = control.post(f"return-orders/{made['id']}/events", type="RETURN_ITEMS_PROCESSED", data=data)
    headers, body = receiver.got[0]
    stamp, digest = (part.split("=", 1)[1] for part in headers["X-Rebound-Signature"].split(","))
    content = json.loads(body)
    assert digest == hmac.new(b"s3cret", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert sorted(content) == ["data", "id", "occurredAt", "returnOrderId", "rmaNumber", "type"]
    assert (content["type"], content["returnOrderId"], content["rmaNumber"], content["data"]) == (
        "RETURN_ITEMS_PROCESSED",
        made["id"],
        "TTS-1-1",
        data,
    )
    assert [delivery["status"] for delivery in sent["deliveries"]] == [200]


def test_cancel_event_cancels(control: Control, rebound: ReboundApi, receiver: Receiver) -> None:
    control.post("settings", rebound_events_url=receiver.url, rebound_events_secret="s")
    made = rebound.post("/return-orders", _direct()).json()
    control.post(f"return-orders/{made['id']}/events", type="RETURN_ORDER_CANCELLED")
    assert rebound.get(f"/return-orders/{made['id']}").json()["status"] == "CANCELLED"


def test_country_picks_the_carrier_where_no_service_is_asked_for(rebound: ReboundApi) -> None:
    made = rebound.post("/return-orders", _direct(lane={"countryCode": "DE"})).json()["parcels"][0]
    assert (made["carrier"], made["carrierService"]) == ("DHL", "DHL_LABEL")
