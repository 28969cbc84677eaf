"""ReBound's return orders: create with a label, find, cancel, link, fetch the label. Reference: section 6."""

import base64
import uuid
from collections import Counter
from typing import Any

from flask import Response

from rebound_tts.sandbox import labels
from rebound_tts.sandbox.rebound_fields import Findings, metadata_json
from rebound_tts.sandbox.rebound_gateway import (
    PREFIX,
    Answer,
    ReboundCall,
    ReboundError,
    page_of,
    resource,
    timestamp,
)
from rebound_tts.sandbox.world import Parcel, ReturnItem, ReturnOrder, SalesOrder, World

LONGEST_SERVICE = 255
FORMATS = {"PDF": "application/pdf", "QR": "image/png"}


@resource("POST", "/return-orders")
def create_return_order(call: ReboundCall) -> Answer:
    world, body = call.world, call.body
    findings = Findings()
    rma_number = findings.text(body, "rmaNumber", required=True) or ""
    sales_order = _sales_order(call, findings)
    items = _items(findings, body, sales_order)
    findings.address(body, required=sales_order is None)
    country, service = _lane(findings, body)
    label_format = body.get("labelFormat", "PDF")
    if not isinstance(label_format, str) or label_format not in FORMATS:
        findings.add("/labelFormat", "must be PDF or QR")
    inline = findings.boolean(body, "labelBase64Enabled")
    metadata = findings.metadata(body)
    findings.raise_if_any()
    _check_rma_number(world, call.client.id, rma_number)
    if sales_order is not None:
        _check_open(sales_order)
        _check_units(world, sales_order, items)
    now = world.clock()
    content = {key: body.get(key) for key in ("customerAddress", "lane")}
    if content["customerAddress"] is None and sales_order is not None:
        content["customerAddress"] = sales_order.body.get("customerAddress")
    parcel = _parcel(world, rma_number, country, service, label_format, content["customerAddress"] or {})
    created = ReturnOrder(
        id=str(uuid.uuid4()),
        client_id=call.client.id,
        flow_key=call.flow_key,
        rma_number=rma_number,
        sales_order_id=sales_order.id if sales_order else None,
        status="ACTIVE",
        created_at=now,
        updated_at=now,
        items=items,
        parcels=[parcel],
        label_inline=inline,
        body=content,
        metadata=metadata,
    )
    world.return_orders[created.id] = created
    world.return_orders_by_rma[call.client.id, rma_number] = created.id
    world.parcels[parcel.id] = created
    if sales_order is not None:
        world.return_orders_of_sales_order[sales_order.id].append(created.id)
    return 201, return_order_json(world, created)


@resource("GET", "/return-orders")
def find_return_orders(call: ReboundCall) -> Answer:
    world = call.world
    rma_number, client_order_id = call.text("rmaNumber"), call.text("clientOrderId")
    if rma_number:
        known = world.return_orders_by_rma.get((call.client.id, rma_number))
        found = [world.return_orders[known]] if known else []
    elif client_order_id:
        order_ids = world.sales_orders_by_client_order_id.get((call.client.id, client_order_id), [])
        ids = [return_id for order_id in order_ids for return_id in world.return_orders_of_sales_order[order_id]]
        found = [world.return_orders[return_id] for return_id in ids]
    else:
        found = [row for row in world.return_orders.values() if row.client_id == call.client.id]
    if call.flow_key:
        found = [row for row in found if row.flow_key == call.flow_key]
    found.sort(key=lambda row: (row.created_at, row.id))
    return 200, page_of(call, [return_order_json(world, row) for row in found])


@resource("GET", "/return-orders/<return_order_id>")
def get_return_order(call: ReboundCall) -> Answer:
    return 200, return_order_json(call.world, _own(call))


@resource("POST", "/return-orders/<return_order_id>/cancel")
def cancel_return_order(call: ReboundCall) -> Answer:
    """Cancelling twice is the same as once; the units are free again."""
    found = _own(call)
    cancel(call.world, found)
    return 200, return_order_json(call.world, found)


@resource("POST", "/return-orders/<return_order_id>/link")
def link_return_order(call: ReboundCall) -> Answer:
    settings = call.world.settings
    if not settings.rebound_link_enabled:
        raise ReboundError(settings.rebound_link_status, "Linking is not offered here.")
    found = _own(call)
    findings = Findings()
    findings.text(call.body, "salesOrderId", required=True)
    sales_order = _sales_order(call, findings)
    findings.raise_if_any()
    if sales_order is None or found.status != "ACTIVE":
        raise ReboundError(409, f"The return order is {found.status}.", kind="return-order-not-active")
    if found.sales_order_id not in (None, sales_order.id):
        raise ReboundError(
            409,
            "The return order is linked to another sales order.",
            kind="already-linked",
            extra={"existingId": found.sales_order_id},
        )
    linked = _linked_items(findings, call.body, found, sales_order)
    _check_open(sales_order)
    _check_units(call.world, sales_order, linked, apart_from=found)
    found.items = linked
    if found.sales_order_id is None:
        call.world.return_orders_of_sales_order[sales_order.id].append(found.id)
    found.sales_order_id = sales_order.id
    found.updated_at = call.world.clock()
    return 200, return_order_json(call.world, found)


@resource("GET", "/labels/<parcel_id>")
def get_label(call: ReboundCall) -> Answer:
    found = call.world.parcels.get(call.path["parcel_id"])
    if found is None or found.client_id != call.client.id:
        raise ReboundError(404, "There is no such label.")
    if found.status == "CANCELLED":
        raise ReboundError(404, "The return order was cancelled: its label cannot be printed again.")
    parcel = next(parcel for parcel in found.parcels if parcel.id == call.path["parcel_id"])
    return Response(parcel.label, mimetype=FORMATS[parcel.label_format])


def cancel(world: World, found: ReturnOrder) -> None:
    if found.status != "CANCELLED":
        found.status = "CANCELLED"
        found.updated_at = world.clock()


def return_order_json(world: World, found: ReturnOrder, *, with_label: bool = True) -> dict[str, Any]:
    """The return order as ReBound shows it; without the label for who only wants to see what exists."""
    shape = world.settings.metadata_shape
    sales_order = world.sales_orders.get(found.sales_order_id or "")
    return {
        "id": found.id,
        "rmaNumber": found.rma_number,
        "status": found.status,
        "salesOrderId": found.sales_order_id,
        "clientOrderId": sales_order.client_order_id if sales_order else None,
        "flowKey": found.flow_key,
        "createdAt": timestamp(found.created_at),
        "updatedAt": timestamp(found.updated_at),
        **found.body,
        "items": [
            {
                **item.body,
                "id": item.id,
                "salesItemId": item.sales_item_id,
                "quantity": item.quantity,
                "clientMetadata": metadata_json(item.metadata, shape),
            }
            for item in found.items
        ],
        "parcels": [
            {
                "id": parcel.id,
                "carrier": parcel.carrier,
                "carrierService": parcel.carrier_service,
                "trackingNumber": parcel.tracking_number,
                **({"label": _label_json(world, found, parcel)} if with_label else {}),
            }
            for parcel in found.parcels
        ],
        "clientMetadata": metadata_json(found.metadata, shape),
    }


def _label_json(world: World, found: ReturnOrder, parcel: Parcel) -> dict[str, Any]:
    content = {"format": parcel.label_format, "contentType": FORMATS[parcel.label_format]}
    if found.label_inline and not world.settings.label_by_url:
        return {**content, "base64": base64.b64encode(parcel.label).decode()}
    return {**content, "url": f"{world.base_url}{PREFIX}/labels/{parcel.id}"}


def _own(call: ReboundCall) -> ReturnOrder:
    found = call.world.return_orders.get(call.path["return_order_id"])
    if found is None or found.client_id != call.client.id:
        raise ReboundError(404, "There is no such return order.")
    return found


def _sales_order(call: ReboundCall, findings: Findings) -> SalesOrder | None:
    order_id = findings.text(call.body, "salesOrderId")
    if order_id is None:
        return None
    order = call.world.sales_orders.get(order_id)
    if order is None or order.client_id != call.client.id:
        findings.add("/salesOrderId", "does not exist")
        return None
    return order


def _items(findings: Findings, body: dict[str, Any], sales_order: SalesOrder | None) -> list[ReturnItem]:
    items = []
    known = {item.id for item in sales_order.items} if sales_order else set()
    for number, item in enumerate(findings.objects(body, "items", required=True)):
        at = f"/items/{number}"
        sales_item_id = findings.text(item, "salesItemId", at)
        if sales_item_id is not None and sales_item_id not in known:
            findings.add(f"{at}/salesItemId", "does not belong to the sales order")
        for key in ("sku", "description", "currencyCode", "reason"):
            findings.text(item, key, at)
        findings.price(item, at)
        content = {
            key: value for key, value in item.items() if key not in ("id", "salesItemId", "quantity", "clientMetadata")
        }
        items.append(
            ReturnItem(
                str(uuid.uuid4()),
                sales_item_id,
                findings.quantity(item, at),
                content,
                findings.metadata(item, at),
            )
        )
    return items


def _linked_items(
    findings: Findings, body: dict[str, Any], found: ReturnOrder, sales_order: SalesOrder
) -> list[ReturnItem]:
    """The items with their new sales items; those that the call does not name stay as they are."""
    own = {item.id for item in found.items}
    sold = {item.id for item in sales_order.items}
    links = {}
    for number, entry in enumerate(findings.objects(body, "items", required=True)):
        at = f"/items/{number}"
        item_id = findings.text(entry, "itemId", at, required=True)
        sales_item_id = findings.text(entry, "salesItemId", at, required=True)
        if item_id is not None and item_id not in own:
            findings.add(f"{at}/itemId", "does not belong to the return order")
        if sales_item_id is not None and sales_item_id not in sold:
            findings.add(f"{at}/salesItemId", "does not belong to the sales order")
        links[item_id] = sales_item_id
    findings.raise_if_any()
    return [
        ReturnItem(item.id, links.get(item.id, item.sales_item_id), item.quantity, item.body, item.metadata)
        for item in found.items
    ]


def _lane(findings: Findings, body: dict[str, Any]) -> tuple[str, str]:
    lane = body.get("lane")
    if not isinstance(lane, dict):
        findings.add("/lane", "must be an object")
        return "", ""
    country = findings.text(lane, "countryCode", "/lane", required=True) or ""
    if country and not (len(country) == 2 and country.isalpha() and country.isupper()):
        findings.add("/lane/countryCode", "must be two capital letters")
    service = findings.text(lane, "carrierService", "/lane") or ""
    if len(service) > LONGEST_SERVICE:
        findings.add("/lane/carrierService", f"must have at most {LONGEST_SERVICE} characters")
    return country, service


def _check_rma_number(world: World, client_id: str, rma_number: str) -> None:
    existing = world.return_orders_by_rma.get((client_id, rma_number))
    if existing:
        raise ReboundError(
            409,
            f"The return order {existing} has the rmaNumber {rma_number}.",
            kind="duplicate-rma-number",
            extra={"existingId": existing},
        )


def _check_open(sales_order: SalesOrder) -> None:
    if sales_order.status == "CANCELLED":
        raise ReboundError(409, "The sales order is cancelled.", kind="sales-order-cancelled")


def _check_units(
    world: World, sales_order: SalesOrder, items: list[ReturnItem], *, apart_from: ReturnOrder | None = None
) -> None:
    """An item is in at most one active return order: the units asked for must be free."""
    taken: Counter[str] = Counter()
    for return_id in world.return_orders_of_sales_order.get(sales_order.id, ()):
        other = world.return_orders[return_id]
        if other.status == "ACTIVE" and other is not apart_from:
            _count(taken, other.items)
    asked: Counter[str] = Counter()
    _count(asked, items)
    for sold in sales_order.items:
        free = sold.quantity - taken[sold.id]
        if asked[sold.id] > free:
            raise ReboundError(
                409,
                f"{asked[sold.id]} units of the sales item {sold.id} were asked for and {max(free, 0)} are free.",
                kind="units-exceeded",
                extra={"salesItemId": sold.id},
            )


def _count(units: Counter[str], items: list[ReturnItem]) -> None:
    for item in items:
        if item.sales_item_id:
            units[item.sales_item_id] += item.quantity


def _parcel(
    world: World, rma_number: str, country: str, service: str, label_format: str, address: dict[str, Any]
) -> Parcel:
    carrier, service = labels.carrier_of(service, country, label_format)
    tracking_number = labels.tracking_number(carrier, country, world.new_id(""))
    label = labels.Label(tracking_number, carrier, service, rma_number, address)
    data = labels.qr_png(label) if label_format == "QR" else labels.label_pdf(label)
    return Parcel(str(uuid.uuid4()), carrier, service, tracking_number, label_format, data)
