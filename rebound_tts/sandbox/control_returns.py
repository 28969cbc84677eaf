"""Controls over returns and cancellations: what buyers do in the app. Shapes: the docstring of control.py."""

from typing import Any

from flask import Response

from rebound_tts.sandbox import return_lifecycle as states
from rebound_tts.sandbox.control import Answer, ControlCall, command
from rebound_tts.sandbox.control_fields import ControlError, Fields
from rebound_tts.sandbox.control_tiktok import order_of, shop_of
from rebound_tts.sandbox.return_lifecycle import Request, change_status, start_returns, touch
from rebound_tts.sandbox.tiktok_aftersales import CANCEL_STATUSES, CANCEL_TYPES
from rebound_tts.sandbox.tiktok_events import Announcement, announce_cancellation, announce_return
from rebound_tts.sandbox.tiktok_returns import return_json
from rebound_tts.sandbox.world import Cancellation, Return, World

_ROLES = ("BUYER", "SELLER", "OPERATOR", "SYSTEM")
_TEXTS = (
    "return_reason",
    "shipment_type",
    "handover_method",
    "arbitration_status",
    "return_tracking_number",
    "return_provider_id",
    "return_provider_name",
    "combined_return_id",
    "pre_return_id",
    "next_return_id",
    "seller_proposed_return_type",
)
_FLAGS = ("is_combined_return", "can_buyer_keep_item")
_TIMES = ("create_time", "update_time")


@command("POST", "/returns")
def add_returns(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    shop = shop_of(world, fields.text("shop_id"))
    order = order_of(world, fields.text("order_id"), shop)
    line_ids = fields.strings("order_line_item_ids")
    unknown = [line_id for line_id in line_ids if order.line(line_id) is None]
    if unknown:
        raise ControlError(f"order_line_item_ids: the order has no line {unknown[0]}")
    request = Request(
        line_ids=line_ids,
        return_type=fields.choice("return_type", states.TYPES, "RETURN_AND_REFUND"),
        return_status=fields.choice("return_status", states.STATUSES, states.AWAITING_BUYER_SHIP),
        role=fields.choice("role", _ROLES, "BUYER"),
        return_method=fields.choice("return_method", states.METHODS, "SELLER_SHIPPED"),
        document_type=fields.choice("return_shipping_document_type", ("", *states.DOCUMENT_TYPES), "SHIPPING_LABEL"),
        reason=fields.text("return_reason", states.DEFAULT_REASON),
        combined=fields.flag("combined", False),
        combined_return_id=fields.text("combined_return_id", ""),
        can_buyer_keep_item=fields.flag("can_buyer_keep_item", False),
        pre_return_id=fields.text("pre_return_id", ""),
        split_by_sku=fields.flag("split_by_sku", True),
    )
    if request.pre_return_id and request.pre_return_id not in world.returns:
        raise ControlError(f"pre_return_id: there is no return {request.pre_return_id!r}", 404)
    how = _announcement(fields)
    fields.done()
    created = start_returns(world, order, request, how)
    answer: dict[str, Any] = {
        "returns": [{"return_id": found.id, "order_line_item_ids": found.order_line_item_ids} for found in created]
    }
    if created[0].combined_return_id:
        answer["combined_return_id"] = created[0].combined_return_id
    return answer


@command("POST", "/returns/<return_id>")
def change_return(call: ControlCall) -> Answer:
    """Any state may follow any other here: a test decides."""
    fields, world = call.fields, call.world
    found = _return_of(world, call.path["return_id"])
    how = _announcement(fields)
    status = fields.choice("return_status", states.STATUSES, found.return_status)
    changes = _changes(fields, found)
    fields.done()
    before = (found.return_status, found.update_time)
    if status != found.return_status:
        change_status(world, found, status, Announcement(send=False))
    else:
        touch(world, found)
    for name, value in changes.items():
        setattr(found, name, value)
    announce_return(world, found, how, before=before)
    return return_json(world, found)


@command("GET", "/returns/<return_id>/label")
def get_label(call: ControlCall) -> Answer:
    found = _return_of(call.world, call.path["return_id"])
    if not found.uploads:
        raise ControlError(f"return_id: no document was uploaded for {found.id} yet", 404)
    return Response(found.uploads[-1].data, mimetype=found.uploads[-1].content_type)


@command("POST", "/cancellations")
def add_cancellation(call: ControlCall) -> Answer:
    fields, world = call.fields, call.world
    order = order_of(world, fields.text("order_id"))
    now = world.now()
    created = Cancellation(
        id=world.new_id("4037"),
        shop_id=order.shop_id,
        order_id=order.id,
        cancel_type=fields.choice("cancel_type", CANCEL_TYPES, "BUYER_CANCEL"),
        cancel_status=fields.choice("cancel_status", CANCEL_STATUSES, "CANCELLATION_REQUEST_PENDING"),
        cancel_reason=fields.text("cancel_reason", "ecom_order_to_ship_canceled_reason_no_need"),
        role=fields.choice("role", _ROLES, "BUYER"),
        create_time=now,
        update_time=now,
    )
    fields.done()
    world.cancellations[created.id] = created
    announce_cancellation(world, created)
    return {"cancel_id": created.id}


@command("POST", "/cancellations/<cancel_id>")
def change_cancellation(call: ControlCall) -> Answer:
    found = call.world.cancellations.get(call.path["cancel_id"])
    if found is None:
        raise ControlError(f"cancel_id: there is no cancellation {call.path['cancel_id']!r}", 404)
    found.cancel_status = call.fields.choice("cancel_status", CANCEL_STATUSES)
    found.update_time = call.world.now()
    announce_cancellation(call.world, found)
    return {}


def _return_of(world: World, return_id: str) -> Return:
    if return_id not in world.returns:
        raise ControlError(f"return_id: there is no return {return_id!r}", 404)
    return world.returns[return_id]


def _announcement(fields: Fields) -> Announcement:
    options = fields.object("webhook")
    how = Announcement(
        send=options.flag("send", True),
        copies=options.whole("copies", 1, lowest=1),
        delay_seconds=options.seconds("delay_seconds", 0.0),
        stale=options.flag("stale", False),
    )
    options.done()
    return how


def _changes(fields: Fields, found: Return) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    options = {
        "return_type": states.TYPES,
        "role": _ROLES,
        "return_method": ("", *states.METHODS),
        "return_shipping_document_type": ("", *states.DOCUMENT_TYPES),
    }
    for name, allowed in options.items():
        changes[name] = fields.choice(name, allowed, getattr(found, name))
    for name in _TEXTS:
        changes[name] = fields.text(name, getattr(found, name))
    for name in _FLAGS:
        changes[name] = fields.flag(name, getattr(found, name))
    for name in _TIMES:
        if fields.given(name):
            changes[name] = fields.whole(name, 0)
    return changes
