"""A seller who has not connected yet: somebody for a person to be, who walks through the install wizard."""

from dataclasses import dataclass

from rebound_tts.demo.sandbox_control import SandboxControl

ORDERS = 20
WITHOUT_REFERENCE = {4, 11}  # the OMS has not written these two to TikTok
NOT_PUSHED = {7}  # nor this one to ReBound
GOODS = (("canvas-tote", "24.00"), ("wool-socks", "12.50"), ("linen-shirt", "39.00"), ("enamel-mug", "14.00"))


@dataclass(frozen=True)
class Newcomer:
    seller_name: str
    client_id: str
    client_secret: str


def newcomer(sandbox: SandboxControl) -> Newcomer:
    """A shop with twenty orders, most of them known to TikTok and ReBound under the ids of a Shopify store."""
    name = "Meridian Clothing"
    seller = sandbox.post("/sellers", seller_name=name, region="GB", shops=[{"name": "Meridian UK", "region": "GB"}])
    account = sandbox.post("/rebound-clients", name=name)
    for number in range(1, ORDERS + 1):
        _order(sandbox, shop_id=seller["shops"][0]["id"], client_id=account["client_id"], number=number)
    return Newcomer(name, account["client_id"], account["client_secret"])


def _order(sandbox: SandboxControl, *, shop_id: str, client_id: str, number: int) -> None:
    sku, price = GOODS[number % len(GOODS)]
    lines = [{"sku": sku, "price": price, "quantity": 1 + number % 2}]
    bought = sandbox.post("/orders", shop_id=shop_id, country="GB", currency="GBP", lines=lines)
    order_id, item_id = str(5_500_000_001_000 + number), str(14_200_000_001_000 + number)
    if number in WITHOUT_REFERENCE:
        return
    items = [{"id": item_id, "origin_id": line["id"]} for line in bought["line_items"]]
    sandbox.post(
        "/references",
        shop_id=shop_id,
        order_id=bought["order_id"],
        platform="SHOPIFY",
        external_order_id=order_id,
        line_items=items,
    )
    if number in NOT_PUSHED:
        return
    item = {"sku": sku, "quantity": len(items), "price": price, "currencyCode": "GBP"}
    sandbox.post(
        "/sales-orders",
        client_id=client_id,
        order={
            "clientOrderId": order_id,
            "clientMetadata": [{"key": "omsOrderId", "value": order_id}],
            "salesItems": [{**item, "clientMetadata": [{"key": "omsItemId", "value": item_id}]}],
        },
    )
