"""The label itself: where it comes from, what it must be, and what happens while there is none."""

import base64
from typing import Any

import pytest

from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Expected
from returns.models import ReturnLabel
from returns.steps.collect import kind_of
from tests.returns.scene import UPLOAD, Scene

PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.oms


def answers_with(scene: Scene, parcels: Any, *, times: int = 1) -> Expected:
    """ReBound creates the return, and shows these parcels when it is asked for it again."""
    scene.settings(label_by_url=True)
    scene.fault("rebound", "status", status=503, path_contains="/labels/")  # the first look finds nothing
    scene.starts(expected := scene.buys_and_returns(scene.story.cast.oms))
    (order,) = scene.at_rebound()
    body = [{**order, "parcels": parcels(order["parcels"][0])}]
    scene.fault("rebound", "status", status=200, method="GET", path_contains="/return-orders", body=body, times=times)
    return expected


def inline(content: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(content).decode()}


UNUSABLE: dict[str, Any] = {
    "none": lambda parcel: [],
    "null": lambda parcel: None,
    "without a label": lambda parcel: [{**parcel, "label": None}],
    "without a tracking number": lambda parcel: [{**parcel, "trackingNumber": "", "label": inline(b"%PDF-1.7")}],
    "a text": lambda parcel: [{**parcel, "label": inline(b"Label not ready")}],
    "an empty label": lambda parcel: [{**parcel, "label": {"base64": ""}}],
    "too large": lambda parcel: [{**parcel, "label": inline(b"%PDF" + b" " * (5 * 1024 * 1024 + 1))}],
    "not base64": lambda parcel: [{**parcel, "label": {"base64": "%%%"}}],
    "an address elsewhere": lambda parcel: [{**parcel, "label": {"url": "https://example.com/label.pdf"}}],
    "an address that is none": lambda parcel: [{**parcel, "label": {"url": "::"}}],
}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7", ("PDF", "application/pdf")),
        (PNG, ("QR", "image/png")),
        (b"\xff\xd8\xff\xe0", ("QR", "image/jpeg")),
        (b"GIF89a", None),
        (b"<html>", None),
        (b"\x89PNG", None),
        (b" %PDF", None),
        (b"", None),
    ],
)
def test_kind_of_a_label_is_what_its_bytes_say(content: bytes, kind: tuple[str, str] | None) -> None:
    assert kind_of(content) == kind


@pytest.mark.parametrize("document", ["SHIPPING_LABEL", "QR_CODE", "QR_CODE_NBNL"])
@pytest.mark.parametrize("by_url", [False, True])
def test_buyer_sees_what_the_carrier_made(scene: Scene, player: Player, document: str, by_url: bool) -> None:
    scene.settings(label_by_url=by_url)
    expected = scene.buys_and_returns(player, return_shipping_document_type=document)
    scene.starts(expected)
    label = ReturnLabel.objects.get()
    content_type, content = scene.sandbox.label_of(expected.return_id)
    wanted = ("PDF", "application/pdf") if document == "SHIPPING_LABEL" else ("QR", "image/png")
    assert ((label.format, label.content_type), content_type) == (wanted, wanted[1])
    assert bytes(label.content) == content
    assert scene.uploads(expected.return_id) == [label.tracking_number]
    collected = [("COLLECT", "DONE")] if by_url else []
    assert scene.steps(expected.return_id)[3:-1] == collected


def test_upload_names_the_provider_of_the_lane(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    lane = player.shop.lanes.get(country="GB")
    (upload,) = scene.tiktok(expected.return_id)["uploads"]
    (order,) = scene.at_rebound()
    assert upload["return_provider_id"] == lane.shipping_provider_id
    assert order["lane"] == {"countryCode": "GB", "carrierService": lane.carrier_service}


@pytest.mark.parametrize("parcels", UNUSABLE.values(), ids=UNUSABLE)
def test_label_that_is_missing_first_is_asked_for_again(scene: Scene, parcels: Any) -> None:
    expected = answers_with(scene, parcels)
    assert scene.rest(expected.return_id) == ("WAITING", "REMOTE_BUSY")
    scene.passes(seconds=20)
    assert scene.differences(expected) == ()
    assert len(scene.at_rebound()) == 1


def test_label_that_stays_missing_asks_for_a_person_and_comes_late(scene: Scene) -> None:
    expected = answers_with(scene, lambda parcel: [{**parcel, "label": None}], times=8)
    scene.passes(minutes=1)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "LABEL_UNUSABLE")
    scene.passes(minutes=30)
    assert scene.differences(expected) == ()


def test_label_whose_address_is_refused_is_asked_for_again(scene: Scene, player: Player) -> None:
    scene.settings(label_by_url=True)
    scene.fault("rebound", "status", status=404, path_contains="/labels/", times=5)
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    scene.passes(minutes=10)
    assert scene.differences(expected) == ()


def test_pdf_where_the_buyer_chose_a_qr_code_asks_for_a_person(scene: Scene, player: Player) -> None:
    lane = player.shop.lanes.get(country="GB")
    lane.qr_carrier_service = ""
    lane.save()
    scene.settings(label_by_url=True)
    scene.fault("rebound", "status", status=200, path_contains="/labels/", body="%PDF-1.7 a label after all")
    expected = scene.buys_and_returns(player, return_shipping_document_type="QR_CODE")
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "UPLOAD_REFUSED")
    assert scene.uploads(expected.return_id) == []


def test_pdf_where_the_buyer_chose_a_qr_code_is_uploaded_where_tiktok_takes_it(scene: Scene, player: Player) -> None:
    scene.settings(label_by_url=True, check_document_type=False)
    scene.fault("rebound", "status", status=200, path_contains="/labels/", body="%PDF-1.7 a label after all")
    expected = scene.buys_and_returns(player, return_shipping_document_type="QR_CODE")
    scene.starts(expected)
    assert scene.sandbox.label_of(expected.return_id) == ("application/pdf", b"%PDF-1.7 a label after all")


def test_provider_that_tiktok_refuses_is_mended_in_the_lane(scene: Scene, player: Player) -> None:
    lane = player.shop.lanes.get(country="GB")
    right, lane.shipping_provider_id = lane.shipping_provider_id, "1"
    lane.save()
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "UPLOAD_REFUSED")
    lane.shipping_provider_id = right
    lane.save()
    scene.runs_again(expected)
    assert scene.differences(expected) == ()
    assert (len(scene.at_rebound()), scene.calls()[UPLOAD]) == (1, 2)


def test_lane_that_is_missing_asks_for_a_person(scene: Scene, player: Player) -> None:
    player.shop.lanes.all().delete()
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    row = scene.row(expected.return_id)
    assert (row.status, row.reason, row.reason_detail) == ("NEEDS_ATTENTION", "NO_LANE", "Country GB.")
    scene.story.cast.shopify.shop.lanes.filter(country="").update(shop=player.shop, merchant=player.shop.merchant)
    scene.passes(minutes=61)
    assert scene.differences(expected) == ()
