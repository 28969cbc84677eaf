"""Labels: real PDFs of 4 by 6 inches, real PNGs, whatever stands in the address."""

import struct
import zlib

import pytest
import segno

from rebound_tts.sandbox.labels import Label, carrier_of, label_pdf, qr_png, tracking_number

LABEL = Label("RM1234567890123GB", "ROYAL_MAIL", "ROYAL_MAIL_LABEL", "TTS-1-2", {"firstName": "Grace"})


def test_pdf_is_four_by_six_inches_and_says_sandbox() -> None:
    data = label_pdf(LABEL)
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert b"/MediaBox [ 0 0 288 432 ]" in data
    texts = (b"(SANDBOX)", b"(RM1234567890123GB)", b"(ROYAL MAIL)", b"(Grace)", b"(Reference: TTS-1-2)")
    assert [text in data for text in texts] == [True] * len(texts)


def test_pdf_survives_any_address() -> None:
    odd = {"firstName": "Łódź 東京 😀", "lastName": None, "city": "x" * 500, "countryCode": 7}
    assert label_pdf(Label("1", "X", "", "ÄŁ東", odd)).startswith(b"%PDF-")


def test_qr_png_holds_the_code_with_a_border() -> None:
    data = qr_png(LABEL)
    matrix = segno.make("SANDBOX:ROYAL_MAIL:RM1234567890123GB", error="m", mask=2, micro=False).matrix
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    size = (len(matrix) + 8) * 6
    assert (width, height, depth, kind) == (size, size, 8, 0)
    start = data.index(b"IDAT")
    length = struct.unpack(">I", data[start - 4 : start])[0]
    rows = zlib.decompress(data[start + 4 : start + 4 + length])
    lines = [rows[at : at + size + 1] for at in range(0, len(rows), size + 1)]
    assert len(lines) == size
    read = [[0 if line[1 + at] else 1 for at in range(24, size - 24, 6)] for line in lines[24 : size - 24 : 6]]
    assert read == [list(row) for row in matrix]


@pytest.mark.parametrize(
    ("service", "country", "kind", "expected"),
    [
        ("ROYAL_MAIL_QR", "GB", "QR", ("ROYAL_MAIL", "ROYAL_MAIL_QR")),
        ("EVRI_QR", "GB", "QR", ("EVRI", "EVRI_QR")),
        ("INPOST_LOCKER", "GB", "PDF", ("INPOST", "INPOST_LOCKER")),
        ("CORREOS_QR", "ES", "QR", ("CORREOS", "CORREOS_QR")),
        ("", "GB", "QR", ("ROYAL_MAIL", "ROYAL_MAIL_QR")),
        ("", "FR", "PDF", ("DPD", "DPD_LABEL")),
    ],
)
def test_carrier_follows_from_the_service(service: str, country: str, kind: str, expected: tuple[str, str]) -> None:
    assert carrier_of(service, country, kind) == expected


def test_tracking_number_shows_carrier_and_country() -> None:
    assert tracking_number("ROYAL_MAIL", "GB", "123456789012345") == "RM3456789012345GB"
    assert tracking_number("DPD", "FR", "123456789012345") == "DX3456789012345FR"
