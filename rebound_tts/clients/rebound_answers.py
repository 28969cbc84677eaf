"""What ReBound tells about sales orders and return orders, as dataclasses and their readers.

Source: rebound-api.md sections 2.5, 2.6 and 6. The names are assumed until the first real contract: they stand here
and in `rebound_orders`, nowhere else. Unknown fields are ignored, unknown statuses kept.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from rebound_tts.clients.json_values import AnswerShapeError, JsonObject
from rebound_tts.clients.rebound_metadata import normalize_metadata
from rebound_tts.clients.rebound_orders import ADDRESS_NAMES, Address

T = TypeVar("T")

# Personal, or large: kept in places of their own, never in `raw`.
_NOT_KEPT = frozenset({"customerAddress", "email", "phone", "base64", "labelBase64"})


@dataclass(frozen=True, slots=True)
class ReboundSalesItem:
    """An item of a sales order. `oms_item_id` is from its metadata, None where it is absent or in conflict."""

    id: str
    sku: str
    description: str
    quantity: int
    price: Decimal | None
    currency: str
    hs_code: str
    country_of_origin: str
    weight: Decimal | None
    weight_unit: str
    image_url: str
    returnable: bool | None
    oms_item_id: str | None
    metadata: dict[str, str]
    metadata_conflict: str = ""


@dataclass(frozen=True, slots=True)
class ReboundSalesOrder:
    """A sales order. `oms_order_id` is from its metadata, None where it is absent or in conflict.

    `metadata_conflict` says what was wrong with the order's own clientMetadata, "" where nothing was; `metadata` is
    empty then. `raw` is the answer without the customer.
    """

    id: str
    client_order_id: str
    oms_order_id: str | None
    status: str
    created_at: datetime | None
    updated_at: datetime | None
    address: Address | None
    items: tuple[ReboundSalesItem, ...]
    metadata: dict[str, str]
    raw: dict[str, Any] = field(repr=False)
    metadata_conflict: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A label or QR code: inline as `content`, or to be fetched from `url` with `download_label`."""

    format: str
    content_type: str
    content: bytes | None = field(repr=False)
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parcel:
    id: str
    carrier: str
    carrier_service: str
    tracking_number: str
    label: Label | None


@dataclass(frozen=True, slots=True)
class ReboundReturnItem:
    """`sales_item_id` is None for an item that is not linked to one of the sales order. `metadata` is what we wrote on
    it, empty where ReBound does not give it back."""

    id: str
    sales_item_id: str | None
    sku: str
    quantity: int
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReboundReturnOrder:
    """A return order. `status` is ACTIVE, CANCELLED or something unknown. `sales_order_id` is None for a direct one."""

    id: str
    rma_number: str
    status: str
    sales_order_id: str | None
    items: tuple[ReboundReturnItem, ...]
    parcels: tuple[Parcel, ...]
    raw: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list. `total` and `size` are what the answer says of the whole, None where it does not."""

    rows: tuple[T, ...]
    total: int | None
    size: int | None
    is_whole: bool


def read_page(answer: object, read: Callable[[JsonObject], T]) -> Page[T]:
    """From a bare list, a Spring page ({content: []}) or one object: which of them ReBound sends is not public."""
    if isinstance(answer, list):
        rows = tuple(read(JsonObject.of(each, f"answer[{number}]")) for number, each in enumerate(answer))
        return Page(rows, None, None, is_whole=True)
    page = JsonObject.of(answer, "answer")
    if page.fields.get("content") is None:
        # An answer without any list must not pass for "nothing found": the link would be lost for ever.
        return Page((read(page),), None, None, is_whole=True)
    total, size = page.count("totalElements", default=-1), page.count("size", default=0)
    return Page(
        tuple(read(each) for each in page.objects("content")),
        None if total == -1 else total,
        size or None,
        is_whole=page.optional_flag("last") or False,
    )


def read_sales_order(order: JsonObject) -> ReboundSalesOrder:
    metadata, conflict = _read_metadata(order)
    return ReboundSalesOrder(
        id=order.id("id"),
        client_order_id=order.optional_id("clientOrderId"),
        oms_order_id=metadata.get("omsOrderId"),
        status=order.text("status"),
        created_at=order.iso_time("createdAt") or order.iso_time("clientOrderCreatedDate"),
        updated_at=order.iso_time("updatedAt"),
        address=_read_address(order.optional_object("customerAddress")),
        items=tuple(_read_sales_item(item) for item in order.objects("salesItems")),
        metadata=metadata,
        raw=order.raw(drop=_NOT_KEPT),
        metadata_conflict=conflict,
    )


def _read_sales_item(item: JsonObject) -> ReboundSalesItem:
    metadata, conflict = _read_metadata(item)
    return ReboundSalesItem(
        id=item.id("id"),
        sku=item.text("sku"),
        description=item.text("description"),
        quantity=item.count("quantity", default=1),
        price=item.money("price"),
        currency=item.text("currencyCode"),
        hs_code=item.text("hsCode"),
        country_of_origin=item.text("countryOfOrigin"),
        weight=item.money("weight"),
        weight_unit=item.text("weightUnit"),
        image_url=item.text("imageUrl"),
        returnable=item.optional_flag("returnable"),
        oms_item_id=metadata.get("omsItemId"),
        metadata=metadata,
        metadata_conflict=conflict,
    )


def _read_metadata(owner: JsonObject) -> tuple[dict[str, str], str]:
    """The metadata, or {} and what is wrong with it: an order with odd metadata is still an order."""
    try:
        return normalize_metadata(owner.fields.get("clientMetadata")), ""
    except (ValueError, RecursionError) as error:
        return {}, f"{owner.at('clientMetadata')}: {error}"


def _read_address(address: JsonObject | None) -> Address | None:
    if address is None:
        return None
    told = {ours: address.text(name) for ours, name in ADDRESS_NAMES.items()}
    return Address(**told) if any(told.values()) else None


def read_return_order(order: JsonObject) -> ReboundReturnOrder:
    return ReboundReturnOrder(
        id=order.id("id"),
        rma_number=order.optional_id("rmaNumber"),
        status=order.text("status"),
        sales_order_id=order.optional_id("salesOrderId") or None,
        items=tuple(
            ReboundReturnItem(
                id=item.id("id"),
                sales_item_id=item.optional_id("salesItemId") or None,
                sku=item.text("sku"),
                quantity=item.count("quantity", default=1),
                metadata=_read_metadata(item)[0],
            )
            for item in order.objects("items")
        ),
        parcels=tuple(_read_parcel(parcel) for parcel in order.objects("parcels")),
        raw=order.raw(drop=_NOT_KEPT),
    )


def _read_parcel(parcel: JsonObject) -> Parcel:
    label = parcel.optional_object("label")
    return Parcel(
        id=parcel.optional_id("id"),
        carrier=parcel.text("carrier"),
        carrier_service=parcel.text("carrierService"),
        tracking_number=parcel.text("trackingNumber"),
        label=None if label is None else _read_label(label),
    )


def _read_label(label: JsonObject) -> Label:
    encoded = "".join(label.text("base64").split())
    try:
        content = base64.b64decode(encoded, validate=True) or None
    except (binascii.Error, ValueError):
        raise AnswerShapeError(f"{label.at('base64')} is not base64") from None
    return Label(
        format=label.text("format"),
        content_type=label.text("contentType"),
        content=content,
        url=label.text("url"),
    )
