"""What TikTok Shop tells about returns, as dataclasses and their readers.

Source: tiktok-shop-api.md sections 6.1, 6.2 and 6.4. TikTok omits what is empty, so most fields may be "". Statuses and
other enums are kept as they came: TikTok's own pages spell some of them differently.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from rebound_tts.clients.json_values import JsonObject
from rebound_tts.clients.tiktok_answers import is_personal
from rebound_tts.clients.tiktok_gateway import RefusedInsideError


@dataclass(frozen=True, slots=True)
class RemoteReturnLine:
    """One returned unit. `order_line_item_id` is the order's line id and the `origin_id` of external references."""

    return_line_item_id: str
    order_line_item_id: str
    sku_id: str
    seller_sku: str
    sku_name: str
    product_name: str
    refund_total: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class RemoteReturn:
    """A return as TikTok has it now. `document_type` is what the buyer chose: SHIPPING_LABEL, QR_CODE, or "".

    `tracking_number` and the provider are of the parcel back; "" until somebody gave them. `raw` is without the buyer.
    """

    return_id: str
    order_id: str
    return_type: str
    return_status: str
    return_method: str
    shipment_type: str
    handover_method: str
    document_type: str
    tracking_number: str
    provider_id: str
    provider_name: str
    is_combined: bool
    combined_return_id: str
    pre_return_id: str
    next_return_id: str
    can_buyer_keep_item: bool
    role: str
    arbitration_status: str
    reason: str
    reason_text: str
    created_at: datetime | None
    updated_at: datetime | None
    lines: tuple[RemoteReturnLine, ...]
    raw: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReturnPage:
    """One page of a search; `next_page_token` is "" on the last."""

    returns: tuple[RemoteReturn, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class ReturnRecord:
    """One entry of a return's history at TikTok. `image_urls` and `video_urls` are the buyer's evidence."""

    event: str
    role: str
    description: str
    reason_text: str
    note: str = field(repr=False)
    image_urls: tuple[str, ...] = field(repr=False)
    video_urls: tuple[str, ...] = field(repr=False)
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class RejectReason:
    """A reason that may be given for rejecting this very return: `name` goes into the call, `text` is for people."""

    name: str
    text: str


def read_return_page(data: JsonObject) -> ReturnPage:
    return ReturnPage(
        returns=tuple(_read_return(each) for each in data.objects("return_orders")),
        next_page_token=data.text("next_page_token"),
    )


def _read_return(found: JsonObject) -> RemoteReturn:
    return RemoteReturn(
        return_id=found.id("return_id"),
        order_id=found.id("order_id"),
        return_type=found.text("return_type"),
        return_status=found.text("return_status"),
        return_method=found.text("return_method"),
        shipment_type=found.text("shipment_type"),
        handover_method=found.text("handover_method"),
        document_type=found.text("return_shipping_document_type"),
        tracking_number=found.text("return_tracking_number"),
        provider_id=found.optional_id("return_provider_id"),
        provider_name=found.text("return_provider_name"),
        is_combined=found.flag("is_combined_return"),
        combined_return_id=found.optional_id("combined_return_id"),
        pre_return_id=found.optional_id("pre_return_id"),
        next_return_id=found.optional_id("next_return_id"),
        can_buyer_keep_item=found.flag("can_buyer_keep_item"),
        role=found.text("role"),
        arbitration_status=found.text("arbitration_status"),
        reason=found.text("return_reason"),
        reason_text=found.text("return_reason_text"),
        created_at=found.unix_time("create_time"),
        updated_at=found.unix_time("update_time"),
        lines=tuple(_read_line(line) for line in found.objects("return_line_items")),
        raw=found.raw(drop=is_personal),
    )


def _read_line(line: JsonObject) -> RemoteReturnLine:
    refund = line.optional_object("refund_amount")
    return RemoteReturnLine(
        return_line_item_id=line.id("return_line_item_id"),
        order_line_item_id=line.id("order_line_item_id"),
        sku_id=line.optional_id("sku_id"),
        seller_sku=line.text("seller_sku"),
        sku_name=line.text("sku_name"),
        product_name=line.text("product_name"),
        refund_total=refund.money("refund_total") if refund else None,
        currency=refund.text("currency") if refund else "",
    )


def read_return_records(data: JsonObject) -> tuple[ReturnRecord, ...]:
    return tuple(
        ReturnRecord(
            event=record.text("event"),
            role=record.text("role"),
            description=record.text("description"),
            reason_text=record.text("reason_text"),
            note=record.text("note"),
            image_urls=tuple(image.text("url") for image in record.objects("images")),
            video_urls=tuple(video.text("url") for video in record.objects("videos")),
            created_at=record.unix_time("create_time"),
        )
        for record in data.objects("records")
    )


def read_reject_reasons(data: JsonObject) -> tuple[RejectReason, ...]:
    return tuple(RejectReason(name=reason.id("name"), text=reason.text("text")) for reason in data.objects("reasons"))


def read_upload(data: JsonObject) -> None:
    """Nothing is told on success. Errors may hide in an answer with code 0 (section 3.1): an upload that was refused
    there must not pass for a delivered label."""
    for error in data.objects("errors"):
        raise RefusedInsideError(code=error.text("code"), message=error.text("message"))
