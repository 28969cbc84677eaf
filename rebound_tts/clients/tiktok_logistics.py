"""Warehouses, delivery options and shipping providers: where a label's `provider_id` comes from.

Source: tiktok-shop-api.md section 6.3.
"""

from dataclasses import dataclass

from rebound_tts.clients.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse of the shop; `type` is SALES_WAREHOUSE or RETURN_WAREHOUSE."""

    id: str
    name: str
    type: str
    is_default: bool
    effect_status: str
    region_code: str


@dataclass(frozen=True, slots=True)
class DeliveryOption:
    """`type` is STANDARD, EXPRESS, ECONOMY or SEND_BY_SELLER."""

    id: str
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class ShippingProvider:
    """A carrier as TikTok knows it; `id` goes into the label upload."""

    id: str
    name: str


def read_warehouses(data: JsonObject) -> tuple[Warehouse, ...]:
    return tuple(_read_warehouse(warehouse) for warehouse in data.objects("warehouses"))


def _read_warehouse(warehouse: JsonObject) -> Warehouse:
    address = warehouse.optional_object("address")
    return Warehouse(
        id=warehouse.id("id"),
        name=warehouse.text("name"),
        type=warehouse.text("type"),
        is_default=warehouse.flag("is_default"),
        effect_status=warehouse.text("effect_status"),
        region_code=address.text("region_code") if address else "",
    )


def read_delivery_options(data: JsonObject) -> tuple[DeliveryOption, ...]:
    return tuple(
        DeliveryOption(id=option.id("id"), name=option.text("name"), type=option.text("type"))
        for option in data.objects("delivery_options")
    )


def read_shipping_providers(data: JsonObject) -> tuple[ShippingProvider, ...]:
    return tuple(
        ShippingProvider(id=provider.id("id"), name=provider.text("name"))
        for provider in data.objects("shipping_providers")
    )
