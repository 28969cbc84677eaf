"""ReBound's sales orders: push, find and show. Reference: 2.3, 2.4 and section 6."""

import uuid
from datetime import datetime
from typing import Any

from rebound_tts.sandbox.rebound_fields import Findings, metadata_json
from rebound_tts.sandbox.rebound_gateway import Answer, ReboundCall, ReboundError, page_of, resource, timestamp
from rebound_tts.sandbox.world import SalesItem, SalesOrder, World

STATUSES = ("ACTIVE", "CANCELLED")
LOOSE_EXTRA = 5  # how many other orders a loose filter returns beside the right one
_KEPT_APART = ("salesItems", "clientMetadata")


@resource("POST", "/sales-orders")
def create_sales_order(call: ReboundCall) -> Answer:
    order = push_sales_order(call.world, call.client.id, call.body, call.flow_key)
    return 201, sales_order_json(call.world, order)


@resource("GET", "/sales-orders")
def find_sales_orders(call: ReboundCall) -> Answer:
    wanted = call.text("clientOrderId")
    if wanted:
        orders = _with_client_order_id(call.world, call.client.id, wanted)
    else:
        orders = [order for order in call.world.sales_orders.values() if order.client_id == call.client.id]
    if call.flow_key:
        orders = [order for order in orders if order.flow_key == call.flow_key]
    if call.text("updatedAfter"):
        moment = _moment(call.text("updatedAfter"))
        orders = [order for order in orders if order.updated_at > moment]
    orders.sort(key=lambda order: (order.updated_at, order.id))
    return 200, page_of(call, [sales_order_json(call.world, order) for order in orders])


@resource("GET", "/sales-orders/<order_id>")
def get_sales_order(call: ReboundCall) -> Answer:
    order = call.world.sales_orders.get(call.path["order_id"])
    if order is None or order.client_id != call.client.id:
        raise ReboundError(404, "There is no such sales order.")
    return 200, sales_order_json(call.world, order)


def push_sales_order(
    world: World, client_id: str, body: dict[str, Any], flow_key: str | None, *, allow_duplicate: bool = False
) -> SalesOrder:
    """Check and store a pushed order; raises ReboundError 400 with all findings, or 409 on a known clientOrderId."""
    client_order_id, metadata, items = _checked(body)
    known = [
        order
        for order in _same_id(world, client_id, client_order_id)
        if order.flow_key == flow_key and not allow_duplicate
    ]
    if known and not world.settings.rebound_upsert:
        raise ReboundError(
            409,
            f"A sales order with clientOrderId {client_order_id} exists.",
            kind="duplicate-client-order-id",
            extra={"existingId": known[0].id},
        )
    now = world.clock()
    content = {key: value for key, value in body.items() if key not in _KEPT_APART}
    if known:
        _replace(known[0], content, metadata, items, now)
        return known[0]
    order = SalesOrder(
        str(uuid.uuid4()), client_id, flow_key, client_order_id, "ACTIVE", now, now, content, metadata, items
    )
    world.sales_orders[order.id] = order
    world.sales_orders_by_client_order_id[client_id, client_order_id].append(order.id)
    return order


def sales_order_json(world: World, order: SalesOrder) -> dict[str, Any]:
    shape = world.settings.metadata_shape
    return {
        **order.body,
        "id": order.id,
        "clientOrderId": order.client_order_id,
        "flowKey": order.flow_key,
        "status": order.status,
        "createdAt": timestamp(order.created_at),
        "updatedAt": timestamp(order.updated_at),
        "salesItems": [
            {
                **item.body,
                "id": item.id,
                "quantity": item.quantity,
                "clientMetadata": metadata_json(item.metadata, shape),
            }
            for item in order.items
        ],
        "clientMetadata": metadata_json(order.metadata, shape),
    }


def _checked(body: dict[str, Any]) -> tuple[str, dict[str, str], list[SalesItem]]:
    findings = Findings()
    client_order_id = findings.text(body, "clientOrderId", required=True) or ""
    for key in ("businessUnit", "rmaNumber"):
        findings.text(body, key)
    for key in ("premiumOrder", "labelBase64Enabled"):
        findings.boolean(body, key)
    findings.moment(body, "clientOrderCreatedDate")
    findings.address(body, required=False)
    metadata = findings.metadata(body)
    items = []
    for number, item in enumerate(findings.objects(body, "salesItems", required=False)):
        at = f"/salesItems/{number}"
        for key in ("sku", "description", "currencyCode", "hsCode", "countryOfOrigin", "weightUnit", "imageUrl"):
            findings.text(item, key, at)
        findings.boolean(item, "returnable", at)
        findings.price(item, at)
        quantity = findings.quantity(item, at)
        content = {key: value for key, value in item.items() if key not in ("quantity", "clientMetadata")}
        items.append(SalesItem(str(uuid.uuid4()), quantity, content, findings.metadata(item, at)))
    findings.raise_if_any()
    return client_order_id, metadata, items


def _replace(
    order: SalesOrder, content: dict[str, Any], metadata: dict[str, str], items: list[SalesItem], now: float
) -> None:
    """An upsert keeps the ids of the items it knows, by omsItemId: return orders point at them."""
    known = {item.metadata["omsItemId"]: item.id for item in order.items if "omsItemId" in item.metadata}
    for item in items:
        item.id = known.pop(item.metadata.get("omsItemId", ""), item.id)
    order.body, order.metadata, order.items, order.updated_at = content, metadata, items, now


def _same_id(world: World, client_id: str, client_order_id: str) -> list[SalesOrder]:
    ids = world.sales_orders_by_client_order_id.get((client_id, client_order_id), [])
    return [world.sales_orders[order_id] for order_id in ids]


def _with_client_order_id(world: World, client_id: str, wanted: str) -> list[SalesOrder]:
    found = _same_id(world, client_id, wanted)
    if not world.settings.loose_sales_order_filter:
        return found
    others = (order for order in world.sales_orders.values() if order.client_id == client_id and order not in found)
    return found + [order for order, _ in zip(others, range(LOOSE_EXTRA), strict=False)]


def _moment(text: str) -> float:
    try:
        # a '+' of an offset that was not percent-encoded arrives as a space
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise ReboundError(400, "updatedAfter must be an RFC 3339 date-time.") from error
    if moment.tzinfo is None:
        raise ReboundError(400, "updatedAfter must have an offset.")
    return moment.timestamp()
