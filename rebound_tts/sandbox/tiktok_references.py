"""External order references: the ids that an OMS writes to TikTok orders. Reference: section 5.

`id` is always the OMS's, `origin_id` TikTok's.
"""

from typing import Any

from rebound_tts.sandbox.tiktok_gateway import Call, TikTokError, endpoint, invalid_parameter
from rebound_tts.sandbox.world import ExternalOrder, Order, World

PLATFORMS = (
    "SHOPIFY",
    "WOOCOMMERCE",
    "BIGCOMMERCE",
    "MAGENTO",
    "SALESFORCE_COMMERCE_CLOUD",
    "CHANNEL_ADVISOR",
    "AMAZON",
    "ORDER_MANAGEMENT_SYSTEM",
    "WAREHOUSE_MANAGEMENT_SYSTEM",
    "ERP_SYSTEM",
)
MAX_ORDERS = 100
MAX_LINES = 100
INVALID_ORDER = 36020001


@endpoint("POST", "/order/202406/orders/external_orders", scope="seller.order.info")
def add_references(call: Call) -> dict[str, Any]:
    """The good ones are written and the rest listed in `errors`, under code 0."""
    given = call.body.get("orders")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_ORDERS:
        raise invalid_parameter("orders", "it is missing or too long", f"a list of 1 to {MAX_ORDERS} orders")
    parsed = [(str(_text(entry, "orders.id", "id")), _external_order(entry)) for entry in map(_object, given)]
    errors = []
    for order_id, external in parsed:
        order = call.world.orders.get(order_id)
        if order is None or order.shop_id != call.shop.id:
            errors.append(_error(order_id, external))
        else:
            write_reference(call.world, order, external)
    return {"errors": errors} if errors else {}


@endpoint("GET", "/order/202406/orders/<order_id>/external_orders", scope="seller.order.info")
def get_references(call: Call) -> dict[str, Any]:
    """All platforms are returned although one is asked for: the call's own note says so."""
    call.choice("platform", PLATFORMS)
    order = call.world.orders.get(call.path["order_id"])
    if order is None or order.shop_id != call.shop.id:
        raise TikTokError(INVALID_ORDER, "The order_id is invalid.")
    return {"external_orders": [reference_json(external) for external in call.world.references[order.id]]}


@endpoint("POST", "/order/202406/orders/external_order_search", scope="seller.order.info")
def search_by_reference(call: Call) -> dict[str, Any]:
    platform = call.choice("platform", PLATFORMS)
    external_id = call.required("external_order_id")
    orders = []
    for order_id in call.world.orders_of_shop[call.shop.id]:
        for external in call.world.references.get(order_id, ()):
            if (external.platform, external.id) == (platform, external_id):
                orders.append({"id": order_id, "external_order": reference_json(external)})
    return {"orders": orders}


def write_reference(world: World, order: Order, external: ExternalOrder, *, append: bool = False) -> None:
    """Write one entry: it replaces that of its platform; others stay. `append` keeps both, which no API call does."""
    kept = [old for old in world.references[order.id] if append or old.platform != external.platform]
    world.references[order.id] = [*kept, external]


def reference_json(external: ExternalOrder) -> dict[str, Any]:
    content: dict[str, Any] = {"id": external.id, "platform": external.platform}
    if external.line_items is not None:
        content["line_items"] = external.line_items
    return content


def _external_order(entry: dict[str, Any]) -> ExternalOrder:
    external = _object(entry.get("external_order"))
    platform = external.get("platform")
    if platform not in PLATFORMS:
        raise invalid_parameter("external_order.platform", f"got {platform!r}", "one of " + ", ".join(PLATFORMS))
    lines = external.get("line_items")
    if lines is None:
        return ExternalOrder(_text(external, "external_order.id", "id"), platform, None)
    if not isinstance(lines, list) or len(lines) > MAX_LINES:
        raise invalid_parameter("external_order.line_items", "it is too long", f"a list of at most {MAX_LINES}")
    line_items = [
        {
            "id": _text(line, "line_items.id", "id"),
            "origin_id": _text(line, "line_items.origin_id", "origin_id"),
        }
        for line in map(_object, lines)
    ]
    return ExternalOrder(_text(external, "external_order.id", "id"), platform, line_items)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid_parameter("orders", f"got {value!r}", "an object")
    return value


def _text(owner: dict[str, Any], name: str, key: str) -> str:
    value = owner.get(key)
    if not isinstance(value, str) or not value:
        raise invalid_parameter(name, f"got {value!r}", "a non-empty string")
    return value


def _error(order_id: str, external: ExternalOrder) -> dict[str, Any]:
    return {
        "code": str(INVALID_ORDER),
        "message": "Invalid order_id",
        "detail": {"order_id": order_id, "external_order": {"id": external.id, "platform": external.platform}},
    }
