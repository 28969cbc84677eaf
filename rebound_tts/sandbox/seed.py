"""The small world that a sandbox starts with: one seller, one shop, one ReBound client, orders and returns.

Its keys and the ids of seller and shop never change, so a restarted sandbox fits what was configured before.
"""

from dataclasses import dataclass

from rebound_tts.sandbox import return_lifecycle as states
from rebound_tts.sandbox.control_rebound import new_client
from rebound_tts.sandbox.control_tiktok import new_order, new_seller, new_shop
from rebound_tts.sandbox.rebound_orders import push_sales_order
from rebound_tts.sandbox.return_lifecycle import Request, start_returns
from rebound_tts.sandbox.tiktok_events import Announcement
from rebound_tts.sandbox.tiktok_references import write_reference
from rebound_tts.sandbox.world import ExternalOrder, Order, Shop, World

REBOUND_CLIENT_ID = "rb-sandbox-client"
REBOUND_CLIENT_SECRET = "rb-sandbox-secret-0001"
SELLER_ID = "7493000000000000101"
SHOP_ID = "7494000000000000101"
SHOP_CIPHER = "ROW_SandboxShopCipher0000000000000001"


@dataclass(frozen=True)
class Product:
    sku: str
    name: str
    price: str


CATALOG = (
    Product("TEE-BLK-M", "Organic cotton T-shirt, black, M", "19.99"),
    Product("TEE-BLK-L", "Organic cotton T-shirt, black, L", "19.99"),
    Product("JEAN-IND-32", "Straight jeans, indigo, 32", "49.50"),
    Product("SNKR-WHT-42", "Canvas sneakers, white, 42", "59.00"),
    Product("MUG-BLUE", "Stoneware mug, blue", "12.25"),
    Product("LAMP-OAK", "Desk lamp, oak", "74.90"),
)


def start_world(world: World, *, empty: bool) -> None:
    """Start afresh with the default ReBound client and, unless empty, the small world."""
    world.start_afresh()
    new_client(world, "Sandbox client", REBOUND_CLIENT_ID, REBOUND_CLIENT_SECRET)
    if empty:
        return
    seller = new_seller(world, "Meridian Clothing", "GB", seller_id=SELLER_ID)
    shop = new_shop(world, seller, "Meridian Clothing UK", "GB", SHOP_ID, SHOP_CIPHER)
    for number, (wanted, status) in enumerate(_ORDERS, 1001):
        order = _buy(world, shop, wanted)
        write_to_tiktok(world, order, "SHOPIFY", str(5_500_000_000_000 + number))
        push_to_rebound(world, order, REBOUND_CLIENT_ID)
        if status:
            _start_return(world, order, status)
    _buy(world, shop, {"MUG-BLUE": 1})  # nobody wrote its ids yet


def external_line_ids(external_order_id: str, order: Order) -> dict[str, str]:
    """The OMS's line id of each TikTok line: one line a SKU, as an OMS with quantities has it."""
    skus = list(dict.fromkeys(line.sku_id for line in order.lines))
    return {line.id: f"{external_order_id}-{skus.index(line.sku_id) + 1}" for line in order.lines}


def write_to_tiktok(world: World, order: Order, platform: str, external_order_id: str) -> None:
    """What the merchant's OMS does first: its ids go to the TikTok order."""
    ids = external_line_ids(external_order_id, order)
    lines = [{"id": external_id, "origin_id": line_id} for line_id, external_id in ids.items()]
    write_reference(world, order, ExternalOrder(external_order_id, platform, lines))


def push_to_rebound(world: World, order: Order, client_id: str) -> None:
    """What the merchant's OMS does second: the order, with the same ids, goes to ReBound."""
    external = world.references[order.id][-1]
    ids = external_line_ids(external.id, order)
    items: dict[str, dict[str, object]] = {}
    for line in order.lines:
        item = items.setdefault(
            ids[line.id],
            {
                "sku": line.seller_sku,
                "description": line.product_name,
                "quantity": 0,
                "price": line.price,
                "currencyCode": order.currency,
                "returnable": True,
                "clientMetadata": [{"key": "omsItemId", "value": ids[line.id]}],
            },
        )
        item["quantity"] = int(str(item["quantity"])) + 1
    buyer = order.buyer
    body = {
        "clientOrderId": external.id,
        "customerAddress": {
            "firstName": buyer.first_name,
            "lastName": buyer.last_name,
            **{f"addressLine{number}": text for number, text in enumerate(buyer.address_lines, 1)},
            "city": buyer.city,
            "state": buyer.state,
            "postalCode": buyer.postal_code,
            "countryCode": buyer.region,
            "email": buyer.email,
            "phone": buyer.phone,
        },
        "salesItems": list(items.values()),
        "clientMetadata": [{"key": "omsOrderId", "value": external.id}],
    }
    push_sales_order(world, client_id, body, None)


_ORDERS: tuple[tuple[dict[str, int], str], ...] = (
    ({"TEE-BLK-M": 2, "JEAN-IND-32": 1}, states.AWAITING_BUYER_SHIP),
    ({"SNKR-WHT-42": 1}, states.AWAITING_BUYER_SHIP),
    ({"LAMP-OAK": 1}, states.PENDING),
    ({"TEE-BLK-L": 1}, states.CANCELLED),
    ({"MUG-BLUE": 3}, ""),
)


def _buy(world: World, shop: Shop, wanted: dict[str, int]) -> Order:
    lines = [
        (product.sku, product.name, product.price, wanted[product.sku]) for product in CATALOG if product.sku in wanted
    ]
    created = world.now() - 5 * 86_400
    return new_order(world, shop, lines, country=shop.region, currency="GBP", create_time=created)


def _start_return(world: World, order: Order, status: str) -> None:
    request = Request(
        line_ids=[order.lines[0].id],
        return_status=status,
        document_type="QR_CODE" if len(order.lines) == 1 else "SHIPPING_LABEL",
    )
    start_returns(world, order, request, Announcement(send=False))
