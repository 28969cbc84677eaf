"""The control interface: what a test or the demo does to the pretend world. JSON over HTTP under /control.

Errors: 4xx with {"error": "<field>: what is wrong"}. Unknown fields are errors. Times are unix seconds. `?` marks
what may be left out, with its default. A call without an answer below answers {}.

The sandbox itself (this module)
    POST reset {"empty"?: as started}   afresh, faults and settings too; with the small world unless empty
    GET  state                          {settings, sellers, shops, orders, references, returns, cancellations,
                                        sales_orders, return_orders, rebound_clients, webhook_deliveries, faults}
    GET  calls                          {"total": n, "by_endpoint": {"tiktok POST /path/{id}": n, ...}}
    POST calls/reset
    GET  settings                       all settings: see settings.py
    POST settings {any of them}         all settings after the change
    POST faults {"remote": "tiktok"|"rebound", "kind", "method"?, "path_contains"?, "status"?, "code"?, "message"?,
                 "body"?, "seconds"?, "retry_after"?, "times"?: 1, "skip"?: 0}
                                        {"fault_id"}
        kinds that answer and do no work: status, code, html, not_json, empty, garbage_json, other_object, retry_after;
        slow (wait `seconds`, then work), drop_before (hang up, no work), drop_after (work, then hang up).
        `body`, JSON or text, is answered word for word. `skip` lets so many fitting calls pass first.
    GET  faults                         {"faults": [what is left]}
    DELETE faults

TikTok (control_tiktok.py)
    POST sellers {"seller_name", "region"?: "GB", "shops": [{"name", "region"?, "id"?}], "scopes"?: all,
                  "user_type"?: 0}      1 is a creator, who has no shop
                                        {"seller_id", "open_id", "shops": [{"id", "cipher", "name", "region"}]}
    POST sellers/{seller_id}/deauthorize        webhook 6 for each shop; the tokens are dead
    POST sellers/{seller_id}/expiring {"days"?: 30}     webhook 7 for each shop
    POST authorization-codes {"seller_id"?, "shop_id"?}     of the first seller unless told
                                        {"code", "seller_id"}
    POST tokens/expire {"kind"?: "access"|"refresh"|"all", "seller_id"?, "client_id"?}
                                        {"expired": n}; a client_id means ReBound's tokens; neither means all tokens
    POST orders {"shop_id", "lines": [{"sku", "name"?, "price"?: "19.99", "quantity"?: 1}], "currency"?,
                 "country"?: the shop's, "status"?: "DELIVERED", "create_time"?: now, "webhook"?: false}
                                        {"order_id", "line_items": [{"id", "sku", "sku_id"}, one a unit]}
    POST orders/{order_id} {"status"}           webhook 1
    POST references {"shop_id", "order_id", "platform", "external_order_id", "line_items"?: [{"id", "origin_id"}],
                     "append"?: false}          append keeps another id under the same platform
    POST webhooks {"type", "shop_id", "data"?, "timestamp"?, "tts_notification_id"? (null: none), "copies"?: 1}
                                        {"deliveries": [{"status", "seconds", "error"}], "tts_notification_id"}
    POST webhooks/wait {"timeout_seconds"?: 30}     blocks until nothing is pending that is due within the timeout
                                        {"pending": n, "later": n}

Returns (control_returns.py)
    POST returns {"shop_id", "order_id", "order_line_item_ids", "return_type"?: "RETURN_AND_REFUND",
                  "return_status"?: "AWAITING_BUYER_SHIP", "return_method"?: "SELLER_SHIPPED",
                  "return_shipping_document_type"?: "SHIPPING_LABEL", "return_reason"?, "role"?: "BUYER",
                  "combined"?: false, "combined_return_id"?, "can_buyer_keep_item"?, "pre_return_id"?,
                  "split_by_sku"?: true, "webhook"?: {...}}
                                        {"returns": [{"return_id", "order_line_item_ids"}], "combined_return_id"?}
    POST returns/{return_id} {"return_status"?, any other field but ids and lines, "webhook"?: {...}}
                                        the return as TikTok shows it
        "webhook": {"send"?: true, "copies"?: 1, "delay_seconds"?: 0, "stale"?: false}; copies carry one notification
        id, a stale one tells the state before
    GET  returns/{return_id}/label      the bytes that the buyer sees; 404 before there are any
    POST cancellations {"order_id", "cancel_status"?, "cancel_type"?, "cancel_reason"?, "role"?}     webhook 11
                                        {"cancel_id"}
    POST cancellations/{cancel_id} {"cancel_status"}        webhook 11

ReBound (control_rebound.py)
    POST rebound-clients {"name"?}      {"client_id", "client_secret"}
    POST rebound-clients/{client_id} {"events_url"?, "events_secret"?}     where its events go, and what signs them
                                        {"client_id", "events_url"}; without, the settings' address is taken
    POST sales-orders {"client_id", "order": {body of POST /sales-orders}, "flow_key"?, "allow_duplicate"?: false}
                                        the sales order as ReBound shows it
    POST sales-orders/{id} {"status": "ACTIVE"|"CANCELLED"}     the sales order
    POST return-orders/{id}/events {"type", "data"?: {}}    sends it at once
                                        {"deliveries": [{"status", "seconds", "error"}]}
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from rebound_tts.sandbox import json_text
from rebound_tts.sandbox.control_fields import ControlError, Fields
from rebound_tts.sandbox.faults import KINDS, REMOTES, Fault, Faults
from rebound_tts.sandbox.rebound_orders import sales_order_json
from rebound_tts.sandbox.rebound_returns import return_order_json
from rebound_tts.sandbox.settings import UnknownSetting
from rebound_tts.sandbox.tiktok_orders import order_json
from rebound_tts.sandbox.tiktok_references import reference_json
from rebound_tts.sandbox.tiktok_returns import return_json, upload_json
from rebound_tts.sandbox.world import World

PREFIX = "/control"


@dataclass
class ControlCall:
    world: World
    faults: Faults
    fill: Callable[[bool | None], None]
    fields: Fields
    path: dict[str, str]


Answer = dict[str, Any] | Response
_commands: list[tuple[str, str, Callable[[ControlCall], Answer], bool]] = []


def command(
    method: str, rule: str, *, locked: bool = True
) -> Callable[[Callable[[ControlCall], Answer]], Callable[[ControlCall], Answer]]:
    """Register a call under /control. It runs under the world's lock unless it waits for somebody else."""

    def register(serve: Callable[[ControlCall], Answer]) -> Callable[[ControlCall], Answer]:
        _commands.append((method, PREFIX + rule, serve, locked))
        return serve

    return register


def add_routes(app: Flask, world: World, faults: Faults, fill: Callable[[bool | None], None]) -> None:
    """`fill` starts the world afresh: with the small world, empty, or as it was started."""
    for number, (method, rule, serve, locked) in enumerate(_commands):
        app.add_url_rule(
            rule,
            endpoint=f"control-{number}",
            view_func=partial(_serve, world, faults, fill, serve, locked),
            methods=[method],
        )


def not_served(error: HTTPException) -> Response:
    return _json({"error": f"{request.method} {request.path}: {error.name}"}, error.code or 500)


def _serve(
    world: World,
    faults: Faults,
    fill: Callable[[bool | None], None],
    serve: Callable[[ControlCall], Answer],
    locked: bool,
    **path: str,
) -> Response:
    try:
        call = ControlCall(world, faults, fill, Fields(_body()), path)
        if locked:
            with world.lock:
                answer = serve(call)
        else:
            answer = serve(call)
        call.fields.done()
    except ControlError as error:
        return _json({"error": error.message}, error.status)
    return answer if isinstance(answer, Response) else _json(answer, 200)


def _body() -> Any:
    raw = request.get_data()
    try:
        return json_text.read(raw) if raw else {}
    except ValueError as error:
        raise ControlError(f"body: it is not JSON: {error}") from error


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json_text.write(body), status, mimetype="application/json")


@command("POST", "/reset")
def reset(call: ControlCall) -> Answer:
    empty = call.fields.flag("empty", False) if call.fields.given("empty") else None
    call.fields.done()
    call.faults.clear()
    call.fill(empty)
    return {}


@command("GET", "/state")
def state(call: ControlCall) -> Answer:
    world = call.world
    return {
        "settings": world.settings.as_dict(),
        "sellers": [vars(seller) for seller in world.sellers.values()],
        "shops": [vars(shop) for shop in world.shops.values()],
        "orders": [{**order_json(world, order), "shop_id": order.shop_id} for order in world.orders.values()],
        "references": [
            {
                "shop_id": world.orders[order_id].shop_id,
                "order_id": order_id,
                "external_orders": [reference_json(entry) for entry in entries],
            }
            for order_id, entries in world.references.items()
            if entries
        ],
        "returns": [
            {
                **return_json(world, found),
                "shop_id": found.shop_id,
                "uploads": [upload_json(upload) for upload in found.uploads],
            }
            for found in world.returns.values()
        ],
        "cancellations": [vars(found) for found in world.cancellations.values()],
        "sales_orders": [
            {**sales_order_json(world, order), "client_id": order.client_id} for order in world.sales_orders.values()
        ],
        "return_orders": [
            {**return_order_json(world, found, with_label=False), "client_id": found.client_id}
            for found in world.return_orders.values()
        ],
        "rebound_clients": [{"client_id": found.id, "name": found.name} for found in world.rebound_clients.values()],
        "webhook_deliveries": [delivery.as_dict() for delivery in world.courier.deliveries],
        "faults": call.faults.left(),
    }


@command("GET", "/calls")
def calls(call: ControlCall) -> Answer:
    counted = call.world.counted_calls()
    return {"total": sum(counted.values()), "by_endpoint": counted}


@command("POST", "/calls/reset")
def reset_calls(call: ControlCall) -> Answer:
    call.world.forget_calls()
    return {}


@command("GET", "/settings")
def get_settings(call: ControlCall) -> Answer:
    return call.world.settings.as_dict()


@command("POST", "/settings")
def change_settings(call: ControlCall) -> Answer:
    try:
        call.world.settings.change(call.fields.rest())
    except UnknownSetting as error:
        raise ControlError(str(error)) from error
    return call.world.settings.as_dict()


@command("POST", "/faults")
def add_fault(call: ControlCall) -> Answer:
    fields = call.fields
    fault = Fault(
        remote=fields.choice("remote", REMOTES),
        kind=fields.choice("kind", KINDS),
        method=fields.text("method", "").upper(),
        path_contains=fields.text("path_contains", ""),
        status=_status(fields),
        code=fields.maybe_whole("code"),
        message=fields.text("message", ""),
        body=fields.value("body"),
        seconds=fields.seconds("seconds", 0.0),
        retry_after=fields.maybe_whole("retry_after"),
        times=fields.whole("times", 1, lowest=1),
        skip=fields.whole("skip", 0),
    )
    fields.done()
    return {"fault_id": call.faults.add(fault)}


def _status(fields: Fields) -> int | None:
    status = fields.maybe_whole("status")
    if status is not None and not 200 <= status <= 599:
        raise fields.wrong("status", "a status of HTTP from 200 to 599", status)
    return status


@command("GET", "/faults")
def list_faults(call: ControlCall) -> Answer:
    return {"faults": call.faults.left()}


@command("DELETE", "/faults")
def clear_faults(call: ControlCall) -> Answer:
    call.faults.clear()
    return {}
