"""Controls over ReBound's side: clients, pushed sales orders, events. Shapes: the docstring of control.py."""

from rebound_tts.sandbox.control import Answer, ControlCall, command
from rebound_tts.sandbox.control_fields import ControlError
from rebound_tts.sandbox.control_tiktok import attempt_json
from rebound_tts.sandbox.rebound_events import EVENT_TYPES, address_of, event
from rebound_tts.sandbox.rebound_gateway import ReboundError
from rebound_tts.sandbox.rebound_orders import STATUSES, push_sales_order, sales_order_json
from rebound_tts.sandbox.rebound_returns import cancel
from rebound_tts.sandbox.world import ReboundClient, World, new_secret


@command("POST", "/rebound-clients")
def add_client(call: ControlCall) -> Answer:
    name = call.fields.text("name", "ReBound client")
    client = new_client(call.world, name)
    return {"client_id": client.id, "client_secret": client.secret}


@command("POST", "/rebound-clients/<client_id>")
def change_client(call: ControlCall) -> Answer:
    client = call.world.rebound_clients.get(call.path["client_id"])
    if client is None:
        raise ControlError(f"client_id: there is no ReBound client {call.path['client_id']!r}", 404)
    client.events_url = call.fields.text("events_url", client.events_url)
    client.events_secret = call.fields.text("events_secret", client.events_secret)
    return {"client_id": client.id, "events_url": client.events_url}


@command("POST", "/sales-orders")
def add_sales_order(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    client_id = fields.text("client_id")
    if client_id not in world.rebound_clients:
        raise ControlError(f"client_id: there is no ReBound client {client_id!r}", 404)
    body = fields.value("order")
    if not isinstance(body, dict):
        raise fields.wrong("order", "an object", body)
    flow_key = fields.text("flow_key", "") or None
    allow_duplicate = fields.flag("allow_duplicate", False)
    fields.done()
    try:
        order = push_sales_order(world, client_id, body, flow_key, allow_duplicate=allow_duplicate)
    except ReboundError as error:
        findings = "; ".join(f"{found['pointer']} {found['detail']}" for found in error.errors or [])
        raise ControlError(f"order: {findings or error.detail}", error.status) from error
    return sales_order_json(world, order)


@command("POST", "/sales-orders/<order_id>")
def change_sales_order(call: ControlCall) -> Answer:
    order = call.world.sales_orders.get(call.path["order_id"])
    if order is None:
        raise ControlError(f"id: there is no sales order {call.path['order_id']!r}", 404)
    order.status = call.fields.choice("status", STATUSES)
    order.updated_at = call.world.clock()
    return sales_order_json(call.world, order)


@command("POST", "/return-orders/<return_order_id>/events", locked=False)
def send_event(call: ControlCall) -> Answer:
    """A RETURN_ORDER_CANCELLED also cancels the return order: the event would be a lie otherwise."""
    fields, world = call.fields, call.world
    kind = fields.choice("type", EVENT_TYPES)
    data = fields.value("data", {})
    fields.done()
    with world.lock:
        found = world.return_orders.get(call.path["return_order_id"])
        if found is None:
            raise ControlError(f"id: there is no return order {call.path['return_order_id']!r}", 404)
        if not address_of(world, found)[0]:
            raise ControlError("events_url: no address is known: set it through /control/rebound-clients/{id}", 409)
        if kind == "RETURN_ORDER_CANCELLED":
            cancel(world, found)
        delivery = event(world, found, kind, data)
    return {"deliveries": [attempt_json(world.courier.send_now(delivery))]}


def new_client(world: World, name: str, client_id: str = "", secret: str = "") -> ReboundClient:
    client = ReboundClient(client_id or new_secret("rb-", 16), secret or new_secret("", 40), name)
    world.rebound_clients[client.id] = client
    return client
