"""Warehouses, delivery options and the shipping providers whose ids a label upload must name. Reference: 6.3."""

from typing import Any

from rebound_tts.sandbox.tiktok_gateway import Call, endpoint, invalid_parameter
from rebound_tts.sandbox.world import Shop

# The first three ids are those that TikTok's data and documentation show; the rest are made up in the same form.
SHIPPING_PROVIDERS = {
    "7117859084333745966": "UPS",
    "7426268197461952274": "FedEx",
    "7117858858072016686": "USPS",
    "7117858858072016701": "Royal Mail",
    "7117858858072016702": "Evri",
    "7117858858072016703": "InPost",
    "7117858858072016704": "DHL",
    "7117858858072016705": "DPD",
    "7117858858072016706": "Hermes",
    "7117858858072016707": "Yodel",
    "7117858858072016708": "An Post",
    "7117858858072016709": "Parcelforce",
    "7117858858072016710": "La Poste",
    "7117858858072016711": "Deutsche Post",
}
OUTBOUND_PROVIDER = "7117858858072016701"  # brings every order to its buyer
DELIVERY_OPTION = {"id": "7091146663229654785", "name": "Send by seller", "type": "SEND_BY_SELLER"}
SALES_WAREHOUSE_SUFFIX = "1"
RETURN_WAREHOUSE_SUFFIX = "2"
_STREETS = {
    "GB": ("Unit 4, Meridian Park", "Northampton", "Northamptonshire", "NN4 7PA"),
    "US": ("1200 Harbor Boulevard", "Weehawken", "New Jersey", "07086"),
    "DE": ("Hafenstraße 12", "Duisburg", "Nordrhein-Westfalen", "47119"),
}


def warehouse_id(shop: Shop, suffix: str) -> str:
    """A shop has one warehouse for sales and one for returns; their ids follow from the shop's."""
    return f"7068{shop.id[-14:]}{suffix}"


def return_address(shop: Shop) -> str:
    street, city, state, postal_code = _STREETS.get(shop.region, _STREETS["GB"])
    return f"{shop.name} Returns, {street}, {city}, {state}, {postal_code}, {shop.region}"


@endpoint("GET", "/logistics/202309/warehouses", scope="seller.logistics")
def warehouses(call: Call) -> dict[str, Any]:
    return {
        "warehouses": [
            _warehouse_json(call.shop, SALES_WAREHOUSE_SUFFIX, "SALES_WAREHOUSE"),
            _warehouse_json(call.shop, RETURN_WAREHOUSE_SUFFIX, "RETURN_WAREHOUSE"),
        ]
    }


@endpoint("GET", "/logistics/202309/warehouses/<warehouse>/delivery_options", scope="seller.logistics")
def delivery_options(call: Call) -> dict[str, Any]:
    known = (warehouse_id(call.shop, suffix) for suffix in (SALES_WAREHOUSE_SUFFIX, RETURN_WAREHOUSE_SUFFIX))
    if call.path["warehouse"] not in known:
        raise invalid_parameter("warehouse_id", f"got '{call.path['warehouse']}'", "a warehouse of this shop")
    return {"delivery_options": [DELIVERY_OPTION]}


@endpoint("GET", "/logistics/202309/delivery_options/<option>/shipping_providers", scope="seller.logistics")
def shipping_providers(call: Call) -> dict[str, Any]:
    if call.path["option"] != DELIVERY_OPTION["id"]:
        raise invalid_parameter("delivery_option_id", f"got '{call.path['option']}'", "a delivery option of this shop")
    return {"shipping_providers": [{"id": key, "name": name} for key, name in SHIPPING_PROVIDERS.items()]}


def _warehouse_json(shop: Shop, suffix: str, kind: str) -> dict[str, Any]:
    street, city, state, postal_code = _STREETS.get(shop.region, _STREETS["GB"])
    return {
        "id": warehouse_id(shop, suffix),
        "name": f"{shop.name} {'Returns' if kind == 'RETURN_WAREHOUSE' else 'Warehouse'}",
        "type": kind,
        "is_default": True,
        "effect_status": "ENABLED",
        "address": {
            "region_code": shop.region,
            "state": state,
            "city": city,
            "postal_code": postal_code,
            "address_line1": street,
            "full_address": f"{street}, {city}, {state}, {postal_code}, {shop.region}",
        },
    }
