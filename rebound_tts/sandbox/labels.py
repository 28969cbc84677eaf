"""Return labels as a carrier would print them: a 4x6 inch PDF with a Code 128 barcode, or a QR code as PNG.

Nothing in here can be posted: each document says SANDBOX.
"""

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import segno
from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import inch
from reportlab.pdfgen.canvas import Canvas

CARRIERS = ("ROYAL_MAIL", "EVRI", "INPOST", "DHL", "DPD", "HERMES", "UPS", "FEDEX", "USPS", "YODEL", "AN_POST")
_DEFAULT_CARRIER = {"GB": "ROYAL_MAIL", "US": "USPS", "DE": "DHL", "IE": "AN_POST"}
_SERVICE_ENDINGS = ("_QR", "_LABEL", "_DROP_OFF", "_DROPOFF", "_PICKUP")
_WIDTH, _HEIGHT, _MARGIN = 4 * inch, 6 * inch, 0.2 * inch
_QR_SCALE, _QR_BORDER = 6, 4
_SHADES = bytes([255, 0]) + bytes(254)  # module value to gray
_RETURN_TO = ("ReBound Returns Hub (SANDBOX)", "Unit 9, Airport Cargo Centre", "Peterborough PE2 6XU", "United Kingdom")


@dataclass(frozen=True)
class Label:
    tracking_number: str
    carrier: str
    carrier_service: str
    rma_number: str
    sender: Mapping[str, Any]  # a customerAddress


def carrier_of(service: str, country: str, label_format: str) -> tuple[str, str]:
    """(carrier, carrier service); without a service the usual one of the country is taken."""
    if not service:
        carrier = _DEFAULT_CARRIER.get(country, "DPD")
        return carrier, f"{carrier}_{'QR' if label_format == 'QR' else 'LABEL'}"
    name = service.upper()
    for carrier in CARRIERS:
        if name.startswith(carrier):
            return carrier, service
    for ending in _SERVICE_ENDINGS:
        name = name.removesuffix(ending)
    return name, service


def tracking_number(carrier: str, country: str, digits: str) -> str:
    """In the form of the postal union, made unique by `digits`."""
    initials = "".join(word[0] for word in carrier.split("_"))
    return f"{(initials + 'X')[:2]}{digits[-13:]}{country}"


def label_pdf(label: Label) -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=(_WIDTH, _HEIGHT), pageCompression=0)
    canvas.setTitle(f"Return label {label.tracking_number}")
    _mark(canvas)
    top = _HEIGHT - _MARGIN
    canvas.setFont("Helvetica-Bold", 18)
    canvas.drawString(_MARGIN, top - 18, label.carrier.replace("_", " "))
    canvas.setFont("Helvetica", 9)
    canvas.drawString(_MARGIN, top - 32, label.carrier_service.replace("_", " "))
    canvas.setFont("Helvetica-Bold", 12)
    canvas.drawRightString(_WIDTH - _MARGIN, top - 16, "RETURN")
    _rule(canvas, top - 42)
    _block(canvas, top - 58, "FROM", _address_lines(label.sender), 9)
    _rule(canvas, top - 150)
    _block(canvas, top - 166, "TO", _RETURN_TO, 12)
    _rule(canvas, top - 256)
    barcode = Code128(label.tracking_number, barHeight=0.95 * inch, barWidth=1.05, quiet=False)
    barcode.drawOn(canvas, (_WIDTH - barcode.width) / 2, top - 340)
    canvas.setFont("Courier-Bold", 12)
    canvas.drawCentredString(_WIDTH / 2, top - 358, label.tracking_number)
    _rule(canvas, top - 372)
    canvas.setFont("Helvetica", 8)
    canvas.drawString(_MARGIN, top - 386, f"Reference: {label.rma_number}")
    canvas.save()
    return target.getvalue()


def qr_png(label: Label) -> bytes:
    """What the counter scans. The mask is fixed: trying all eight costs most of the time and helps nobody here."""
    code = segno.make(f"SANDBOX:{label.carrier}:{label.tracking_number}", error="m", mask=2, micro=False)
    return _png([bytes(row) for row in code.matrix])


def _png(rows: list[bytes]) -> bytes:
    """A gray PNG of a matrix of 0 (white) and 1 (black). segno's own writer takes five times as long."""
    blank = [b"\x00" * len(rows[0])] * _QR_BORDER
    edge = b"\x00" * _QR_BORDER
    wide = [(edge + row + edge).translate(_SHADES) for row in [*blank, *rows, *blank]]
    lines = [b"\x00" + b"".join(row[at : at + 1] * _QR_SCALE for at in range(len(row))) for row in wide]
    pixels = b"".join(line * _QR_SCALE for line in lines)
    header = struct.pack(">IIBBBBB", len(wide[0]) * _QR_SCALE, len(wide) * _QR_SCALE, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _address_lines(address: Mapping[str, Any]) -> tuple[str, ...]:
    def joined(*keys: str) -> str:
        return " ".join(str(address[key]) for key in keys if address.get(key))

    lines = (
        joined("firstName", "lastName"),
        joined("companyName"),
        joined("addressLine1"),
        joined("addressLine2"),
        joined("addressLine3"),
        joined("city", "postalCode"),
        joined("state", "countryCode"),
    )
    return tuple(line for line in lines if line) or ("Sender as given in the TikTok app",)


def _block(canvas: Canvas, top: float, title: str, lines: tuple[str, ...], size: int) -> None:
    canvas.setFont("Helvetica-Bold", 8)
    canvas.drawString(_MARGIN, top, title)
    canvas.setFont("Helvetica", size)
    for number, line in enumerate(lines, 1):
        canvas.drawString(_MARGIN, top - 4 - number * (size + 2), line[:48])


def _rule(canvas: Canvas, height: float) -> None:
    canvas.setLineWidth(1)
    canvas.line(_MARGIN, height, _WIDTH - _MARGIN, height)


def _mark(canvas: Canvas) -> None:
    canvas.saveState()
    canvas.setFillGray(0.0, 0.12)
    canvas.translate(_WIDTH / 2, _HEIGHT / 2)
    canvas.rotate(52)
    canvas.setFont("Helvetica-Bold", 72)
    canvas.drawCentredString(0, -24, "SANDBOX")
    canvas.restoreState()
