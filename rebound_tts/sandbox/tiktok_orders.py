"""TikTok orders: detail and search, and how an order looks in JSON. Reference: section 4.

The ids that an OMS writes to an order are in tiktok_references.py.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rebound_tts.sandbox.tiktok_filters import TimeWindow, strings
from rebound_tts.sandbox.tiktok_gateway import Call, TikTokError, endpoint, invalid_parameter
from rebound_tts.sandbox.tiktok_logistics import (
    DELIVERY_OPTION,
    OUTBOUND_PROVIDER,
    SALES_WAREHOUSE_SUFFIX,
    SHIPPING_PROVIDERS,
    warehouse_id,
)
from rebound_tts.sandbox.tiktok_paging import page
from rebound_tts.sandbox.world import Buyer, Order, OrderLine, World

ORDER_STATUSES = (
    "UNPAID",
    "ON_HOLD",
    "AWAITING_SHIPMENT",
    "PARTIALLY_SHIPPING",
    "AWAITING_COLLECTION",
    "IN_TRANSIT",
    "DELIVERED",
    "COMPLETED",
    "CANCELLED",
)
MAX_IDS = 50
_COUNTRIES = {
    "GB": "United Kingdom",
    "US": "United States",
    "DE": "Germany",
    "FR": "France",
    "IE": "Ireland",
    "ES": "Spain",
    "IT": "Italy",
}
_PACKAGE_STATUS = {
    "AWAITING_SHIPMENT": "TO_FULFILL",
    "PARTIALLY_SHIPPING": "PROCESSING",
    "AWAITING_COLLECTION": "PROCESSING",
    "IN_TRANSIT": "FULFILLING",
    "DELIVERED": "COMPLETED",
    "COMPLETED": "COMPLETED",
    "CANCELLED": "CANCELLED",
}
_SHIPPED = ("IN_TRANSIT", "DELIVERED", "COMPLETED")


@endpoint("GET", "/order/202309/orders", "/order/202507/orders", scope="seller.order.info")
def order_detail(call: Call) -> dict[str, Any]:
    found = [call.world.orders.get(order_id) for order_id in call.values("ids", MAX_IDS)]
    orders = [order for order in found if order and order.shop_id == call.shop.id]
    if not orders:
        raise TikTokError(21008111, "The order or package does not belong to this seller.")
    return {"orders": [order_json(call.world, order) for order in orders]}


@endpoint("POST", "/order/202309/orders/search", scope="seller.order.info")
def search_orders(call: Call) -> dict[str, Any]:
    status = call.body.get("order_status")
    if status is not None and status not in ORDER_STATUSES:
        raise invalid_parameter("order_status", f"got {status!r}", "one of " + ", ".join(ORDER_STATUSES))
    shipping_type = call.body.get("shipping_type") or "SELLER"
    if shipping_type not in ("TIKTOK", "SELLER"):
        raise invalid_parameter("shipping_type", f"got {shipping_type!r}", "TIKTOK or SELLER")
    buyer_id = call.body.get("buyer_user_id")
    warehouses = strings(call, "warehouse_ids")
    window = TimeWindow(call)
    nothing = (
        shipping_type != "SELLER"
        or call.body.get("is_buyer_request_cancel") is True
        or (warehouses is not None and warehouse_id(call.shop, SALES_WAREHOUSE_SUFFIX) not in warehouses)
    )
    rows = [] if nothing else (call.world.orders[order_id] for order_id in call.world.orders_of_shop[call.shop.id])
    found, paging = page(
        call,
        (
            order
            for order in rows
            if window.holds(order) and status in (None, order.status) and buyer_id in (None, order.buyer.user_id)
        ),
        key=lambda order, field: (getattr(order, field), order.id),
        smallest=1,
        largest=100,
        default_size=None,
        default_order="DESC",
    )
    return {"orders": [order_json(call.world, order) for order in found], **paging}


def order_json(world: World, order: Order) -> dict[str, Any]:
    """The order as TikTok shows it; empty fields are left out, as live data does."""
    shipped = order.status in _SHIPPED
    content: dict[str, Any] = {
        "id": order.id,
        "status": order.status,
        "create_time": order.create_time,
        "update_time": order.update_time,
        "order_type": "NORMAL",
        "is_replacement_order": False,
        "is_exchange_order": False,
        "is_sample_order": False,
        "is_on_hold_order": order.status == "ON_HOLD",
        "is_buyer_request_cancel": False,
        "commerce_platform": "TIKTOK_SHOP",
        "user_id": order.buyer.user_id,
        "buyer_email": order.buyer.email,
        "buyer_nickname": f"{order.buyer.first_name.lower()}{order.buyer.user_id[-4:]}",
        "shipping_type": "SELLER",
        "fulfillment_type": "FULFILLMENT_BY_SELLER",
        "delivery_type": "HOME_DELIVERY",
        "delivery_option_id": DELIVERY_OPTION["id"],
        "delivery_option_name": DELIVERY_OPTION["name"],
        "warehouse_id": warehouse_id(world.shops[order.shop_id], SALES_WAREHOUSE_SUFFIX),
        "packages": [{"id": order.package_id}],
        "payment": _payment_json(order),
        "line_items": [_line_json(order, line) for line in order.lines],
    }
    if order.status not in ("UNPAID", "ON_HOLD"):
        content["paid_time"] = order.create_time + 60
        content["recipient_address"] = _address_json(order.buyer, masked=world.settings.mask_addresses)
    if shipped:
        content |= {
            "rts_time": order.create_time + 3600,
            "collection_time": order.create_time + 7200,
            "tracking_number": order.tracking_number,
            "shipping_provider": SHIPPING_PROVIDERS[OUTBOUND_PROVIDER],
            "shipping_provider_id": OUTBOUND_PROVIDER,
        }
    if order.status in ("DELIVERED", "COMPLETED"):
        content["delivery_time"] = order.update_time
    if order.status == "CANCELLED":
        content |= {
            "cancel_time": order.update_time,
            "cancel_reason": "Buyer changed their mind",
            "cancellation_initiator": "BUYER",
        }
    return content


def refund_total(lines: list[OrderLine]) -> str:
    return str(sum((Decimal(line.price) for line in lines), Decimal("0.00")))


def _payment_json(order: Order) -> dict[str, str]:
    total = refund_total(order.lines)
    return {
        "currency": order.currency,
        "sub_total": total,
        "shipping_fee": "0.00",
        "original_shipping_fee": "0.00",
        "original_total_product_price": total,
        "seller_discount": "0.00",
        "platform_discount": "0.00",
        "shipping_fee_seller_discount": "0.00",
        "shipping_fee_platform_discount": "0.00",
        "tax": "0.00",
        "product_tax": "0.00",
        "shipping_fee_tax": "0.00",
        "retail_delivery_fee": "0.00",
        "total_amount": total,
    }


def _line_json(order: Order, line: OrderLine) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id": line.id,
        "product_id": line.product_id,
        "product_name": line.product_name,
        "sku_id": line.sku_id,
        "sku_name": "Default",
        "seller_sku": line.seller_sku,
        "sku_type": "NORMAL",
        "original_price": line.price,
        "sale_price": line.price,
        "seller_discount": "0.00",
        "platform_discount": "0.00",
        "currency": order.currency,
        "display_status": order.status,
        "is_gift": False,
        "package_id": order.package_id,
        "package_status": _PACKAGE_STATUS.get(order.status, ""),
        "is_dangerous_good": False,
    }
    if order.status in _SHIPPED:
        content |= {
            "tracking_number": order.tracking_number,
            "shipping_provider_name": SHIPPING_PROVIDERS[OUTBOUND_PROVIDER],
            "shipping_provider_id": OUTBOUND_PROVIDER,
            "rts_time": order.create_time + 3600,
        }
    if order.status == "CANCELLED":
        content |= {"cancel_reason": "Buyer changed their mind", "cancel_user": "BUYER"}
    return {name: value for name, value in content.items() if value != ""}


def _address_json(buyer: Buyer, *, masked: bool) -> dict[str, Any]:
    shown = _masked(buyer) if masked else _clear(buyer)
    country = _COUNTRIES.get(buyer.region, buyer.region)
    content: dict[str, Any] = dict(shown)
    content["region_code"] = buyer.region
    if buyer.region == "GB":
        content["post_town"] = shown.get("post_town", "***")
    levels = (("L0", "Country", country), ("L1", "State", buyer.state), ("L2", "City", buyer.city))
    content["district_info"] = [
        {
            "address_level": level,
            "address_level_name": name,
            "address_name": value,
            **({"iso_code": buyer.region} if level == "L0" else {}),
        }
        for level, name, value in levels
        if value
    ]
    content["delivery_preferences"] = {"drop_off_location": ""}
    return content


def _clear(buyer: Buyer) -> Mapping[str, str]:
    lines = {f"address_line{number}": line for number, line in enumerate(buyer.address_lines, 1)}
    parts = [*buyer.address_lines, buyer.city, buyer.state, buyer.postal_code, buyer.region]
    return {
        "name": f"{buyer.first_name} {buyer.last_name}",
        "first_name": buyer.first_name,
        "last_name": buyer.last_name,
        "phone_number": buyer.phone,
        "full_address": ", ".join(part for part in parts if part),
        **lines,
        "address_detail": ", ".join(buyer.address_lines),
        "postal_code": buyer.postal_code,
        "post_town": buyer.city,
    }


def _masked(buyer: Buyer) -> Mapping[str, str]:
    """Section 8.17: phone, names, lines and postal code are hidden, the region and L0 to L2 are not."""
    lines = {f"address_line{number}": "***" for number, _ in enumerate(buyer.address_lines, 1)}
    return {
        "name": f"{buyer.first_name[:1]}***",
        "first_name": f"{buyer.first_name[:1]}***",
        "last_name": f"{buyer.last_name[:1]}***",
        "phone_number": f"{buyer.phone[:7]}-****-{buyer.phone[-4:]}",
        "full_address": f"***, {buyer.city}, {buyer.region}",
        **lines,
        "address_detail": "***",
        "postal_code": "***",
    }
