"""The page for a person at `/`: buy, let the OMS write its ids, start a return, and look at the buyer's phone.

Each button does what a control call does; errors come back to the page in words. The consent pages are in
tiktok_auth.py.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from rebound_tts.sandbox import return_lifecycle as states
from rebound_tts.sandbox.buyers import currency_of
from rebound_tts.sandbox.control_fields import ControlError
from rebound_tts.sandbox.control_tiktok import new_order, order_of, shop_of
from rebound_tts.sandbox.rebound_gateway import PREFIX as REBOUND_PREFIX
from rebound_tts.sandbox.rebound_gateway import ReboundError
from rebound_tts.sandbox.return_lifecycle import Request, change_status, start_returns, taken_line_ids
from rebound_tts.sandbox.seed import CATALOG, push_to_rebound, write_to_tiktok
from rebound_tts.sandbox.tiktok_events import Announcement
from rebound_tts.sandbox.tiktok_references import PLATFORMS
from rebound_tts.sandbox.world import Order, ReboundClient, Return, Shop, World

SHOWN = 12  # rows of each list
MOST_PIECES = 9

# what a button does: its words, the status it needs and the one it leads to
ACTIONS: dict[str, tuple[str, str, str]] = {
    "approve": ("Seller approves", states.PENDING, states.AWAITING_BUYER_SHIP),
    "reject": ("Seller rejects", states.PENDING, states.REJECTED),
    "ship": ("Buyer ships", states.AWAITING_BUYER_SHIP, states.BUYER_SHIPPED),
    "cancel": ("Buyer cancels", states.AWAITING_BUYER_SHIP, states.CANCELLED),
    "receive": ("Seller receives", states.BUYER_SHIPPED, states.SUCCESS),
    "complete": ("Refund is paid", states.SUCCESS, states.COMPLETE),
}
STATUS_WORDS = {
    states.PENDING: "Waiting for the seller",
    states.REJECTED: "Rejected by the seller",
    states.AWAITING_BUYER_SHIP: "Waiting for the buyer to ship",
    states.BUYER_SHIPPED: "On its way back",
    states.PACKAGE_REJECTED: "Package rejected",
    states.SUCCESS: "Refund approved",
    states.CANCELLED: "Cancelled",
    states.COMPLETE: "Refunded",
}


def add_routes(app: Flask, world: World) -> None:
    @app.get("/")
    def index() -> str:
        with world.lock:
            return render_template("index.html", **_overview(world))

    @app.get("/page/returns/<return_id>")
    def phone(return_id: str) -> tuple[str, int]:
        with world.lock:
            found = world.returns.get(return_id)
            view = _return_view(world, found) if found else None
            return render_template("phone.html", view=view), 200 if found else 404

    @app.get("/page/returns/<return_id>/label")
    def label(return_id: str) -> Response:
        with world.lock:
            found = world.returns.get(return_id)
            if found is None or not found.uploads:
                return Response("There is no label yet.", 404, mimetype="text/plain")
            return Response(found.uploads[-1].data, mimetype=found.uploads[-1].content_type)

    for rule, act in (("orders", _buy), ("references", _write_ids), ("returns", _start_return), ("actions", _act)):
        app.add_url_rule(
            f"/page/{rule}", endpoint=f"page-{rule}", view_func=partial(_post, world, act), methods=["POST"]
        )


def _post(world: World, act: Callable[[World], tuple[str, str]]) -> BaseResponse:
    """Do it and go back to the page: `act` returns the order to show and a sentence on what happened."""
    place = {"shop": request.form.get("shop_id", ""), "order": request.form.get("order_id", "")}
    try:
        with world.lock:
            place["order"], place["note"] = act(world)
    except ControlError as error:
        place["problem"] = error.message
    except ReboundError as error:
        place["problem"] = f"ReBound refused the order: {error.detail}"
    anchor = re.sub("[^a-z-]", "", request.form.get("anchor", ""))
    return redirect(f"/?{urlencode({key: value for key, value in place.items() if value})}#{anchor}", 303)


def _buy(world: World) -> tuple[str, str]:
    shop = shop_of(world, request.form.get("shop_id", ""))
    lines = []
    for product in CATALOG:
        text = request.form.get(f"quantity_{product.sku}", "") or "0"
        if not re.fullmatch("[0-9]{1,3}", text) or int(text) > MOST_PIECES:
            raise ControlError(f"Type a number of pieces from 0 to {MOST_PIECES} for {product.name}.")
        if int(text):
            lines.append((product.sku, product.name, product.price, int(text)))
    if not lines:
        raise ControlError("Choose at least one piece to buy.")
    order = new_order(world, shop, lines, country=shop.region, currency=currency_of(shop.region))
    return order.id, f"Bought: order {order.id}. Next, let the OMS write its ids."


def _write_ids(world: World) -> tuple[str, str]:
    order = order_of(world, request.form.get("order_id", ""))
    platform = request.form.get("platform", "")
    external_id = request.form.get("external_order_id", "").strip()
    if platform not in PLATFORMS:
        raise ControlError("Choose a platform.")
    if not external_id:
        raise ControlError("Type the order id of the OMS.")
    client_id = request.form.get("client_id", "")
    if client_id and client_id not in world.rebound_clients:
        raise ControlError("Choose a ReBound client that exists.")
    write_to_tiktok(world, order, platform, external_id)
    if not client_id:
        return order.id, f"{platform} wrote its id {external_id} to TikTok; ReBound does not know the order."
    push_to_rebound(world, order, client_id)
    return order.id, f"{platform} wrote its id {external_id} to TikTok and pushed the sales order to ReBound."


def _start_return(world: World) -> tuple[str, str]:
    order = order_of(world, request.form.get("order_id", ""))
    line_ids = [line_id for line_id in request.form.getlist("line_id") if order.line(line_id)]
    if not line_ids:
        raise ControlError("Choose at least one piece to return.")
    if taken_line_ids(world, order.id) & set(line_ids):
        raise ControlError("One of these pieces is in a return already.")
    return_type = request.form.get("return_type", "")
    document_type = request.form.get("document_type", "")
    if return_type not in states.TYPES or document_type not in states.DOCUMENT_TYPES:
        raise ControlError("Choose a kind of return, and a label or a QR code.")
    pending = states.REPLACEMENT_PENDING if return_type == "REPLACEMENT" else states.PENDING
    wanted = Request(
        line_ids=line_ids,
        return_type=return_type,
        return_status=states.AWAITING_BUYER_SHIP if request.form.get("approved") else pending,
        document_type=document_type,
        combined=bool(request.form.get("combined")),
    )
    created = start_returns(world, order, wanted, Announcement())
    ids = ", ".join(found.id for found in created)
    return order.id, f"Started: return {ids}. The app hears of it through a webhook."


def _act(world: World) -> tuple[str, str]:
    found = world.returns.get(request.form.get("return_id", ""))
    action = ACTIONS.get(request.form.get("action", ""))
    if found is None or action is None:
        raise ControlError("This return is gone: the sandbox was reset.")
    words, needed, status = action
    if found.return_status != needed:
        raise ControlError(f"“{words}” is not possible any more: {_status_words(found)}.")
    if status == states.AWAITING_BUYER_SHIP and found.return_type == "REFUND":
        status = states.SUCCESS
    change_status(world, found, status, Announcement())
    return found.order_id, f"{words}: return {found.id} is now {found.return_status}."


def _clients(world: World, shop: Shop | None) -> list[ReboundClient]:
    """The ReBound clients to push as; the one that bears the seller's name is most likely its own, and comes first."""
    seller = world.sellers[shop.seller_id].name if shop else ""
    return sorted(world.rebound_clients.values(), key=lambda client: client.name != seller)


def _overview(world: World) -> dict[str, Any]:
    shops = list(world.shops.values())
    # One that the app works for, where there is one: a return of any other would wait for its label for ever.
    best = min(shops, key=lambda each: not each.authorized, default=None)
    shop = world.shops.get(request.args.get("shop", "")) or best
    order_ids = world.orders_of_shop[shop.id][-SHOWN:][::-1] if shop else []
    order = world.orders.get(request.args.get("order", "")) if shop else None
    if order is None and order_ids:
        order = world.orders[order_ids[0]]
    return_ids = world.returns_of_shop[shop.id][-SHOWN:][::-1] if shop else []
    return {
        "shops": shops,
        "shop": shop,
        "catalog": CATALOG,
        "most": MOST_PIECES,
        "platforms": PLATFORMS,
        "clients": _clients(world, shop),
        "orders": [_order_view(world, world.orders[order_id]) for order_id in order_ids],
        "order": _order_view(world, order) if order else None,
        "returns": [_return_view(world, world.returns[return_id]) for return_id in return_ids],
        "deliveries": [_delivery_view(delivery) for delivery in world.courier.deliveries[-8:][::-1]],
        "addresses": _addresses(world, shop),
        "problem": request.args.get("problem", ""),
        "note": request.args.get("note", ""),
    }


def _addresses(world: World, shop: Shop | None) -> list[tuple[str, str]]:
    return [
        ("TikTok Shop", world.base_url),
        ("ReBound", world.base_url + REBOUND_PREFIX),
        ("Controls", f"{world.base_url}/control"),
        ("App key", world.app.key),
        ("App secret", world.app.secret),
        ("Service id", world.app.service_id),
        *([("Shop id", shop.id)] if shop else []),
        *[
            (f"ReBound client: {client.name}", f"{client.id} / {client.secret}")
            for client in world.rebound_clients.values()
        ],
        ("Webhooks go to", world.settings.webhook_url or "nowhere yet: set webhook_url"),
        ("Sellers come back to", world.settings.redirect_url or "nowhere yet: set redirect_url"),
    ]


def _order_view(world: World, order: Order) -> dict[str, Any]:
    taken = taken_line_ids(world, order.id)
    skus: dict[str, int] = {}
    for line in order.lines:
        skus[line.product_name] = skus.get(line.product_name, 0) + 1
    return {
        "id": order.id,
        "buyer": f"{order.buyer.first_name} {order.buyer.last_name}",
        "summary": ", ".join(f"{count} x {name}" for name, count in skus.items()),
        "lines": [{"line": line, "taken": line.id in taken} for line in order.lines],
        "free": sum(line.id not in taken for line in order.lines),
        "currency": order.currency,
        "references": world.references.get(order.id, []),
        "suggested_id": str(5_600_000_000_000 + int(order.id[-9:])),
    }


def _return_view(world: World, found: Return) -> dict[str, Any]:
    order = world.orders[found.order_id]
    lines = [line for line in order.lines if line.id in found.order_line_item_ids]
    upload = found.uploads[-1] if found.uploads else None
    return {
        "found": found,
        "summary": ", ".join(line.product_name for line in lines),
        "status_words": _status_words(found),
        "waiting": found.return_status == states.AWAITING_BUYER_SHIP and upload is None,
        "needs_no_label": not found.return_method,
        "ended": found.return_status in states.ENDED or found.return_status == states.REJECTED,
        "upload": upload,
        "kilobytes": -(-len(upload.data) // 1024) if upload else 0,
        "is_pdf": upload is not None and upload.content_type == "application/pdf",
        "actions": [(name, words) for name, (words, needed, _) in ACTIONS.items() if needed == found.return_status],
    }


def _status_words(found: Return) -> str:
    if found.return_status == states.AWAITING_BUYER_SHIP and found.uploads:
        return "Label delivered"
    return STATUS_WORDS.get(found.return_status, found.return_status.replace("_", " ").capitalize())


def _delivery_view(delivery: Any) -> dict[str, Any]:
    last = delivery.attempts[-1] if delivery.attempts else None
    return {
        "kind": f"TikTok webhook {delivery.kind}" if delivery.source == "tiktok" else f"ReBound {delivery.kind}",
        "state": delivery.state,
        "attempts": len(delivery.attempts),
        "answer": (str(last.status) if last.status else last.error) if last else "not tried yet",
    }
