"""What TikTok Shop tells about shops, orders and external order ids, as dataclasses and their readers.

Source: tiktok-shop-api.md sections 1.4, 4.1, 5 and 7.6. Returns stand in `tiktok_returns`. Readers take the `data` of
an answer and refuse with AnswerShapeError; unknown fields are ignored, unknown enum values kept as they are.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from rebound_tts.clients.json_values import JsonObject

# About the buyer as a person. `raw` is kept for support; these have their own encrypted place, or none.
_PERSONAL = frozenset({"recipient_address", "user_id", "cpf", "cpf_name"})
_NOT_PERSONAL = frozenset({"buyer_service_fee", "buyer_rejected_partial_refund"})


def is_personal(name: str) -> bool:
    """Whether a field of an order or a return is about the buyer and must not be kept in `raw`."""
    return name in _PERSONAL or (name.startswith("buyer_") and name not in _NOT_PERSONAL)


@dataclass(frozen=True, slots=True)
class AuthorizedShop:
    """A shop that the token may act for. `id` is the `shop_id` of webhooks, `cipher` the `shop_cipher` of calls."""

    id: str
    cipher: str = field(repr=False)
    code: str
    name: str
    region: str
    seller_type: str


@dataclass(frozen=True, slots=True)
class BuyerAddress:
    """Where the order was sent. `is_masked` where TikTok put asterisks into any of it: no use for a label then."""

    name: str
    first_name: str
    last_name: str
    phone: str
    line1: str
    line2: str
    line3: str
    line4: str
    city: str
    state: str
    postal_code: str
    region_code: str
    is_masked: bool

    def __repr__(self) -> str:
        return f"BuyerAddress(region_code={self.region_code!r}, is_masked={self.is_masked!r}, …)"


@dataclass(frozen=True, slots=True)
class TikTokOrderLine:
    """One unit: TikTok has no quantity, three pieces are three lines with one `sku_id`. `seller_sku` may be ""."""

    id: str
    sku_id: str
    seller_sku: str
    product_name: str
    sku_name: str
    sale_price: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class TikTokOrder:
    """An order. `address` is None while it is unpaid or on hold; `raw` is the answer without address and buyer."""

    id: str
    status: str
    create_time: datetime | None
    region_code: str
    currency: str
    lines: tuple[TikTokOrderLine, ...]
    address: BuyerAddress | None
    buyer_email: str = field(repr=False)
    raw: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page of a search; `next_page_token` is "" on the last."""

    orders: tuple[TikTokOrder, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class WebhookSubscription:
    """Where TikTok sends one kind of event for this shop."""

    event_type: str
    address: str
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExternalLine:
    """`id` is the OMS's line id, `origin_id` the TikTok line id."""

    id: str
    origin_id: str


@dataclass(frozen=True, slots=True)
class ExternalOrder:
    """`id` is the OMS's order id. `line_items` is empty where only the order was referenced."""

    id: str
    platform: str
    line_items: tuple[ExternalLine, ...]


@dataclass(frozen=True, slots=True)
class ExternalOrderReference:
    """A TikTok order and what an OMS calls it."""

    order_id: str
    external_order: ExternalOrder


@dataclass(frozen=True, slots=True)
class ExternalOrderError:
    """Why one reference of several was not taken."""

    order_id: str
    external_order_id: str
    platform: str
    code: str
    message: str


def read_authorized_shops(data: JsonObject) -> tuple[AuthorizedShop, ...]:
    return tuple(
        AuthorizedShop(
            id=shop.id("id"),
            cipher=shop.id("cipher"),
            code=shop.text("code"),
            name=shop.text("name"),
            region=shop.text("region"),
            seller_type=shop.text("seller_type"),
        )
        for shop in data.objects("shops")
    )


def read_webhooks(data: JsonObject) -> tuple[WebhookSubscription, ...]:
    return tuple(
        WebhookSubscription(
            event_type=webhook.text("event_type"),
            address=webhook.text("address"),
            created_at=webhook.unix_time("create_time"),
            updated_at=webhook.unix_time("update_time"),
        )
        for webhook in data.objects("webhooks")
    )


def read_orders(data: JsonObject) -> tuple[TikTokOrder, ...]:
    return tuple(_read_order(order) for order in data.objects("orders"))


def read_order_page(data: JsonObject) -> OrderPage:
    return OrderPage(orders=read_orders(data), next_page_token=data.text("next_page_token"))


def _read_order(order: JsonObject) -> TikTokOrder:
    lines = tuple(
        TikTokOrderLine(
            id=line.id("id"),
            sku_id=line.optional_id("sku_id"),
            seller_sku=line.text("seller_sku"),
            product_name=line.text("product_name"),
            sku_name=line.text("sku_name"),
            sale_price=line.money("sale_price"),
            currency=line.text("currency"),
        )
        for line in order.objects("line_items")
    )
    payment = order.optional_object("payment")
    address = _read_address(order.optional_object("recipient_address"))
    return TikTokOrder(
        id=order.id("id"),
        status=order.text("status"),
        create_time=order.unix_time("create_time"),
        region_code=address.region_code if address else "",
        currency=(payment.text("currency") if payment else "") or next((line.currency for line in lines), ""),
        lines=lines,
        address=address,
        buyer_email=order.text("buyer_email"),
        raw=order.raw(drop=is_personal),
    )


def _read_address(address: JsonObject | None) -> BuyerAddress | None:
    if address is None:
        return None
    levels = {
        (level.text("address_level"), level.text("address_level_name").lower()): level.text("address_name")
        for level in address.objects("district_info")
    }
    region_code = address.text("region_code")
    parts = (
        address.text("name"),
        address.text("first_name"),
        address.text("last_name"),
        address.text("phone_number"),
        address.text("address_line1"),
        address.text("address_line2"),
        address.text("address_line3"),
        address.text("address_line4"),
        # The UK names its towns apart from the districts.
        address.text("post_town") or _district(levels, "city", "town") or _deepest_district(levels),
        _district(levels, "state", "province") or _level(levels, "L1"),
        address.text("postal_code"),
    )
    if not any(parts) and not region_code:
        return None
    return BuyerAddress(*parts, region_code=region_code, is_masked=any("*" in part for part in parts))


def _district(levels: dict[tuple[str, str], str], *names: str) -> str:
    return next((text for (_, name), text in levels.items() if name in names), "")


def _level(levels: dict[tuple[str, str], str], wanted: str) -> str:
    return next((text for (level, _), text in levels.items() if level == wanted), "")


def _deepest_district(levels: dict[tuple[str, str], str]) -> str:
    """The name below state level that is nearest to the street: what levels mean differs by country (section 8, 18)."""
    below_state = {level: text for (level, _), text in levels.items() if level > "L1" and text}
    return below_state[max(below_state)] if below_state else ""


def read_external_order(external: JsonObject) -> ExternalOrder:
    return ExternalOrder(
        id=external.id("id"),
        platform=external.text("platform"),
        line_items=tuple(
            ExternalLine(id=line.id("id"), origin_id=line.id("origin_id")) for line in external.objects("line_items")
        ),
    )


def read_external_orders(data: JsonObject) -> tuple[ExternalOrder, ...]:
    return tuple(read_external_order(external) for external in data.objects("external_orders"))


def read_external_order_references(data: JsonObject) -> tuple[ExternalOrderReference, ...]:
    return tuple(
        ExternalOrderReference(
            order_id=order.id("id"),
            external_order=read_external_order(
                JsonObject.of(order.fields.get("external_order"), order.at("external_order"))
            ),
        )
        for order in data.objects("orders")
    )


def read_external_order_errors(data: JsonObject) -> tuple[ExternalOrderError, ...]:
    return tuple(_read_external_order_error(error) for error in data.objects("errors"))


def _read_external_order_error(error: JsonObject) -> ExternalOrderError:
    detail = error.optional_object("detail")
    external = detail.optional_object("external_order") if detail else None
    return ExternalOrderError(
        order_id=detail.optional_id("order_id") if detail else "",
        external_order_id=external.optional_id("id") if external else "",
        platform=external.text("platform") if external else "",
        code=error.text("code"),
        message=error.text("message"),
    )
