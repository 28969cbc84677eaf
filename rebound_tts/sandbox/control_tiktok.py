"""Controls over TikTok's side: sellers, tokens, orders, references, webhooks. Shapes: the docstring of control.py."""

from typing import Any

from rebound_tts.sandbox import rebound_gateway, tiktok_auth
from rebound_tts.sandbox.buyers import currency_of, new_buyer
from rebound_tts.sandbox.control import Answer, ControlCall, command
from rebound_tts.sandbox.control_fields import ControlError, Fields
from rebound_tts.sandbox.courier import Attempt
from rebound_tts.sandbox.tiktok_events import announce_expiration, announce_order, notification
from rebound_tts.sandbox.tiktok_orders import ORDER_STATUSES
from rebound_tts.sandbox.tiktok_references import PLATFORMS, write_reference
from rebound_tts.sandbox.world import (
    ALL_SCOPES,
    ExternalOrder,
    Order,
    OrderLine,
    Seller,
    Shop,
    World,
    new_secret,
)

MAX_WAIT_SECONDS = 30


@command("POST", "/sellers")
def add_seller(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    region = fields.text("region", "GB")
    name = fields.text("seller_name")
    scopes = tuple(fields.strings("scopes")) if fields.given("scopes") else ALL_SCOPES
    user_type = fields.whole("user_type", 0)
    wanted = [(shop.text("name"), shop.text("region", region), shop.text("id", ""), shop) for shop in _shops(fields)]
    for _, _, shop_id, shop in wanted:
        shop.done()
        if shop_id in world.shops:
            raise ControlError(f"shops.id: the shop {shop_id} exists", 409)
    fields.done()
    seller = new_seller(world, name, region, scopes=scopes)
    seller.user_type = user_type
    shops = [new_shop(world, seller, shop_name, shop_region, shop_id) for shop_name, shop_region, shop_id, _ in wanted]
    return {
        "seller_id": seller.id,
        "open_id": seller.open_id,
        "shops": [{"id": shop.id, "cipher": shop.cipher, "name": shop.name, "region": shop.region} for shop in shops],
    }


@command("POST", "/sellers/<seller_id>/deauthorize")
def deauthorize(call: ControlCall) -> Answer:
    seller = _seller(call.world, call.path["seller_id"])
    shops = [call.world.shops[shop_id] for shop_id in seller.shop_ids]
    tiktok_auth.deauthorize(call.world, seller, [shop for shop in shops if not shop.deauthorized])
    return {}


@command("POST", "/sellers/<seller_id>/expiring")
def expiring(call: ControlCall) -> Answer:
    seller = _seller(call.world, call.path["seller_id"])
    expires_at = call.world.now() + call.fields.whole("days", 30) * 86_400
    for shop_id in seller.shop_ids:
        announce_expiration(call.world, call.world.shops[shop_id], expires_at)
    return {}


@command("POST", "/authorization-codes")
def add_code(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    if not world.sellers:
        raise ControlError("seller_id: there is no seller yet", 404)
    seller = next(iter(world.sellers.values()))
    if fields.given("shop_id"):
        seller = world.sellers[shop_of(world, fields.text("shop_id")).seller_id]
    if fields.given("seller_id"):
        seller = _seller(world, fields.text("seller_id"))
    return {"code": tiktok_auth.new_code(world, seller), "seller_id": seller.id}


@command("POST", "/tokens/expire")
def expire_tokens(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    kind = fields.choice("kind", ("access", "refresh", "all"), "all")
    seller_id = _seller(world, fields.text("seller_id")).id if fields.given("seller_id") else None
    client_id = fields.text("client_id") if fields.given("client_id") else None
    if client_id is not None and client_id not in world.rebound_clients:
        raise ControlError(f"client_id: there is no ReBound client {client_id!r}", 404)
    count = 0
    if client_id is None:
        count += tiktok_auth.expire_tokens(world, kind, seller_id)
    if seller_id is None:
        count += rebound_gateway.expire_tokens(world, client_id)
    return {"expired": count}


@command("POST", "/orders")
def add_order(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    shop = shop_of(world, fields.text("shop_id"))
    country = fields.text("country", shop.region)
    lines = []
    for line in fields.objects("lines"):
        sku = line.text("sku", "")
        lines.append(
            (sku, line.text("name", sku or "Item"), line.amount("price", "19.99"), line.whole("quantity", 1, lowest=1))
        )
        line.done()
    if not lines:
        raise ControlError("lines: at least one line is expected")
    order = new_order(
        world,
        shop,
        lines,
        country=country,
        currency=fields.text("currency", currency_of(country)),
        status=fields.choice("status", ORDER_STATUSES, "DELIVERED"),
        create_time=fields.whole("create_time", world.now()),
    )
    if fields.flag("webhook", False):
        announce_order(world, order)
    return {
        "order_id": order.id,
        "line_items": [{"id": line.id, "sku": line.seller_sku, "sku_id": line.sku_id} for line in order.lines],
    }


@command("POST", "/orders/<order_id>")
def change_order(call: ControlCall) -> Answer:
    order = order_of(call.world, call.path["order_id"])
    order.status = call.fields.choice("status", ORDER_STATUSES)
    order.update_time = max(order.update_time, call.world.now())
    announce_order(call.world, order)
    return {}


@command("POST", "/references")
def add_reference(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    shop = shop_of(world, fields.text("shop_id"))
    order = order_of(world, fields.text("order_id"), shop)
    lines = None
    if fields.given("line_items"):
        lines = []
        for line in fields.objects("line_items"):
            lines.append({"id": line.text("id"), "origin_id": line.text("origin_id")})
            line.done()
    external = ExternalOrder(fields.text("external_order_id"), fields.choice("platform", PLATFORMS), lines)
    append = fields.flag("append", False)
    fields.done()
    write_reference(world, order, external, append=append)
    return {}


@command("POST", "/webhooks", locked=False)
def send_webhook(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    options: dict[str, Any] = {}
    if fields.given("timestamp"):
        options["timestamp"] = fields.whole("timestamp", 0)
    if fields.given("tts_notification_id"):
        given = fields.value("tts_notification_id")
        options["notification_id"] = None if given is None else fields.text("tts_notification_id")
    data = fields.value("data", {})
    copies = fields.whole("copies", 1, lowest=1)
    with world.lock:
        message = notification(world, fields.whole("type", -1), fields.text("shop_id"), data, **options)
    fields.done()
    if message is None:
        raise ControlError("webhook_url: no address is known to send to: set it through /control/settings", 409)
    attempts = [world.courier.send_now(message.copy()) for _ in range(copies)]
    return {
        "deliveries": [attempt_json(attempt) for attempt in attempts],
        "tts_notification_id": message.message_id or None,
    }


@command("POST", "/webhooks/wait", locked=False)
def wait_for_webhooks(call: ControlCall) -> Answer:
    seconds = min(call.fields.seconds("timeout_seconds", MAX_WAIT_SECONDS), MAX_WAIT_SECONDS)
    pending, later = call.world.courier.wait(seconds)
    return {"pending": pending, "later": later}


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {"status": attempt.status, "seconds": round(attempt.seconds, 4), "error": attempt.error}


def new_seller(
    world: World, name: str, region: str, *, scopes: tuple[str, ...] = ALL_SCOPES, seller_id: str = ""
) -> Seller:
    seller_id = seller_id or world.new_id("7493")
    seller = Seller(seller_id, new_secret("", 43), name, region, scopes)
    world.sellers[seller.id] = seller
    return seller


def new_shop(world: World, seller: Seller, name: str, region: str, shop_id: str = "", cipher: str = "") -> Shop:
    shop_id = shop_id or world.new_id("7494")
    cipher = cipher or new_secret("GCP_" if region == "US" else "ROW_", 32)
    shop = Shop(shop_id, cipher, f"{region}LC{shop_id[-6:]}", name, region, seller.id)
    world.add_shop(shop)
    return shop


def new_order(
    world: World,
    shop: Shop,
    lines: list[tuple[str, str, str, int]],
    *,
    country: str,
    currency: str,
    status: str = "DELIVERED",
    create_time: int | None = None,
) -> Order:
    """An order of (sku, name, price, quantity) lines: one line item a unit, one sku id for each sku of the shop."""
    units = []
    for sku, name, price, quantity in lines:
        ids = world.catalog.setdefault((shop.id, sku or name), (world.new_id("1729"), world.new_id("1730")))
        units += [OrderLine(world.new_id("577"), ids[0], ids[1], sku, name, price) for _ in range(quantity)]
    created = world.now() if create_time is None else create_time
    order = Order(
        id=world.new_id("576"),
        shop_id=shop.id,
        buyer=new_buyer(world, country),
        currency=currency,
        status=status,
        lines=units,
        create_time=created,
        update_time=max(created, world.now()),
        tracking_number=f"RM{world.new_id('')[-9:]}{country}",
        package_id=world.new_id("1153"),
    )
    world.orders[order.id] = order
    world.orders_of_shop[shop.id].append(order.id)
    return order


def shop_of(world: World, shop_id: str) -> Shop:
    if shop_id not in world.shops:
        raise ControlError(f"shop_id: there is no shop {shop_id!r}", 404)
    return world.shops[shop_id]


def order_of(world: World, order_id: str, shop: Shop | None = None) -> Order:
    order = world.orders.get(order_id)
    if order is None or (shop is not None and order.shop_id != shop.id):
        raise ControlError(f"order_id: there is no order {order_id!r} in this shop", 404)
    return order


def _seller(world: World, seller_id: str) -> Seller:
    if seller_id not in world.sellers:
        raise ControlError(f"seller_id: there is no seller {seller_id!r}", 404)
    return world.sellers[seller_id]


def _shops(fields: Fields) -> list[Fields]:
    shops = fields.objects("shops")
    if not shops:
        raise ControlError("shops: at least one shop is expected")
    return shops
