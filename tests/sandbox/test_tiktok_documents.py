"""The upload of return labels and QR codes: once, whole, and only where it belongs."""

from typing import Any

import pytest

from tests.sandbox.conftest import PDF, PNG, ROYAL_MAIL, Control, TikTokClient

QR_FILE = {"return_qr_code": ("code.png", PNG, "image/png")}
PATH = "/return_refund/202405/returns/shipping_documents"


@pytest.fixture
def return_id(new_return: Any) -> str:
    return new_return()["returns"][0]["return_id"]


def test_upload_fills_in_the_tracking_fields(tiktok: TikTokClient, control: Control, return_id: str) -> None:
    answer = tiktok.upload(return_id)
    found = tiktok.search_returns(return_ids=[return_id])["data"]["return_orders"][0]
    label = tiktok.http.get(f"{control.url}/control/returns/{return_id}/label", timeout=5)
    assert (answer["code"], answer["data"]) == (0, {})
    assert [found[f"return_{key}"] for key in ("tracking_number", "provider_id", "provider_name")] == [
        "RM123456789GB",
        ROYAL_MAIL,
        "Royal Mail",
    ]
    assert (label.content, label.headers["Content-Type"]) == (PDF, "application/pdf")
    uploads = control.returned(return_id)["uploads"]
    assert [(upload["kind"], upload["size"]) for upload in uploads] == [("return_shipping_label", len(PDF))]


def test_second_upload_is_refused_and_changes_nothing(tiktok: TikTokClient, control: Control, return_id: str) -> None:
    codes = [tiktok.upload(return_id)["code"], tiktok.upload(return_id, tracking_number="OTHER")["code"]]
    assert codes == [0, 25021022]
    assert control.returned(return_id)["return_tracking_number"] == "RM123456789GB"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tracking_number": None}, 98001004),
        ({"return_provider_id": None}, 98001004),
        ({"return_provider_id": "1"}, 98001004),
        ({"files": {"other": ("label.pdf", PDF, "application/pdf")}}, 98001004),
        ({"files": {"return_shipping_label": ("l.pdf", PDF, "application/pdf"), **QR_FILE}}, 98001004),
        ({"files": {"return_shipping_label": ("label.pdf", PNG, "application/pdf")}}, 25021023),
        ({"files": {"return_shipping_label": ("label.pdf", b"", "application/pdf")}}, 25021023),
        ({"files": {"return_qr_code": ("code.png", PDF, "image/png")}}, 25021023),
        ({"files": QR_FILE}, 25021023),  # the buyer chose a label
    ],
)
def test_upload_that_does_not_fit_is_refused(
    tiktok: TikTokClient, control: Control, return_id: str, changes: dict[str, Any], code: int
) -> None:
    assert tiktok.upload(return_id, **changes)["code"] == code
    assert control.returned(return_id)["uploads"] == []


@pytest.mark.parametrize("data", [PNG, b"\xff\xd8\xff\xe0 jpeg"])
def test_qr_code_is_an_image(tiktok: TikTokClient, new_return: Any, data: bytes) -> None:
    return_id = new_return(return_shipping_document_type="QR_CODE")["returns"][0]["return_id"]
    assert tiktok.upload(return_id, files={"return_qr_code": ("code", data, "image/png")})["code"] == 0


def test_kind_is_not_checked_when_switched_off(tiktok: TikTokClient, control: Control, return_id: str) -> None:
    control.post("settings", check_document_type=False)
    assert tiktok.upload(return_id, files=QR_FILE)["code"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"return_status": "RETURN_OR_REFUND_REQUEST_PENDING"},
        {"return_status": "BUYER_SHIPPED_ITEM"},
        {"return_method": "PLATFORM_SHIPPED"},
        {"return_type": "REFUND"},
        {"can_buyer_keep_item": True},
    ],
)
def test_return_that_waits_for_no_label_takes_none(
    tiktok: TikTokClient, new_return: Any, changes: dict[str, Any]
) -> None:
    assert tiktok.upload(new_return(**changes)["returns"][0]["return_id"])["code"] == 25023001


def test_unknown_and_foreign_returns_are_told_apart(tiktok: TikTokClient, control: Control, return_id: str) -> None:
    control.post("sellers", seller_name="Other", shops=[{"name": "Other", "id": "7499"}])
    tiktok.connect(control.post("authorization-codes", shop_id="7499")["code"])
    assert [tiktok.upload("4035")["code"], tiktok.upload(return_id)["code"]] == [25023001, 25023002]


def test_several_returns_get_the_document_or_none_does(tiktok: TikTokClient, control: Control, new_return: Any) -> None:
    first, second, third = (new_return()["returns"][0]["return_id"] for _ in range(3))
    tiktok.upload(third)
    refused = tiktok.upload(f"{first},{third}")["code"]
    untouched = control.returned(first)["uploads"]
    accepted = tiktok.upload(f"{first},{second}")["code"]
    assert (refused, untouched, accepted) == (25021022, [], 0)
    assert [control.returned(found)["return_tracking_number"] for found in (first, second)] == ["RM123456789GB"] * 2


def test_upload_must_be_multipart(tiktok: TikTokClient, return_id: str) -> None:
    answer = tiktok.call("POST", PATH, {"return_ids": return_id}, {"tracking_number": "1"})
    assert answer["code"] == 36009023


def test_id_type_is_checked(tiktok: TikTokClient, return_id: str) -> None:
    def upload(id_type: str) -> int:
        files = {"return_shipping_label": ("label.pdf", PDF, "application/pdf")}
        form = {"tracking_number": "1", "return_provider_id": ROYAL_MAIL}
        query = {"return_ids": return_id, "return_id_type": id_type}
        return tiktok.answer("POST", PATH, query, files=files, form=form).json()["code"]

    assert [upload(name) for name in ("ORDER", "RMA", "SKU_RETURN_ORDER")] == [98001004, 25023001, 0]


def test_missing_return_ids_are_named(tiktok: TikTokClient) -> None:
    answer = tiktok.upload("")
    assert answer["code"] == 98001004
    assert "return_ids" in answer["message"]


def test_too_large_file_is_refused(tiktok: TikTokClient, return_id: str) -> None:
    data = PDF + b" " * (10 * 1024 * 1024)
    answer = tiktok.upload(return_id, files={"return_shipping_label": ("label.pdf", data, "application/pdf")})
    assert answer["code"] == 36009021
