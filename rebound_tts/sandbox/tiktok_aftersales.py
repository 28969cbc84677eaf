"""Returns that the seller starts, what they would refund, and cancellations. Reference: 6.5 and 6.6."""

from collections.abc import Iterable
from typing import Any

from rebound_tts.sandbox import return_lifecycle as states
from rebound_tts.sandbox.return_lifecycle import Request, start_returns, taken_line_ids
from rebound_tts.sandbox.tiktok_events import Announcement
from rebound_tts.sandbox.tiktok_filters import TimeWindow, strings
from rebound_tts.sandbox.tiktok_gateway import Call, TikTokError, endpoint, invalid_parameter
from rebound_tts.sandbox.tiktok_orders import refund_total
from rebound_tts.sandbox.tiktok_paging import page
from rebound_tts.sandbox.tiktok_returns import INVALID_RETURN, NO_PERMISSION, SCOPE
from rebound_tts.sandbox.world import Cancellation, Order, OrderLine, World, shown_cancel_status

REQUEST_TYPES = ("CANCEL", "REFUND", "RETURN_AND_REFUND")
CANCEL_TYPES = ("CANCEL", "BUYER_CANCEL")
# As a request writes them; answers and webhooks spell the third CANCELLATION_REQUEST_CANCELLED, and both are taken.
CANCEL_STATUSES = (
    "CANCELLATION_REQUEST_PENDING",
    "CANCELLATION_REQUEST_SUCCESS",
    "CANCELLATION_REQUEST_CANCEL",
    "CANCELLATION_REQUEST_CANCELLED",
    "CANCELLATION_REQUEST_COMPLETE",
)
_CANCEL_REASONS = {"ecom_order_to_ship_canceled_reason_no_need": "The buyer does not need it any more"}
INELIGIBLE = 25001011
_BEFORE_SHIPPING = ("UNPAID", "ON_HOLD", "AWAITING_SHIPMENT", "AWAITING_COLLECTION")
_AFTER_SHIPPING = ("IN_TRANSIT", "DELIVERED", "COMPLETED")
_ORDER = "/orders/<order_id>/aftersale_eligibility"


@endpoint("GET", f"/return_refund/202309{_ORDER}", scope=SCOPE)
def eligibility(call: Call) -> dict[str, Any]:
    return _eligibility(call, REQUEST_TYPES, with_reasons=False)


@endpoint("GET", f"/return_refund/202512{_ORDER}", f"/return_refund/202602{_ORDER}", scope=SCOPE)
def eligibility_by_type(call: Call) -> dict[str, Any]:
    types = call.values("request_types", len(REQUEST_TYPES)) if call.text("request_types") else list(REQUEST_TYPES)
    wrong = [name for name in types if name not in REQUEST_TYPES]
    if wrong:
        raise invalid_parameter("request_types", f"got '{wrong[0]}'", "one of " + ", ".join(REQUEST_TYPES))
    return _eligibility(call, types, with_reasons=True)


@endpoint("POST", "/return_refund/202309/refunds/calculate", "/return_refund/202602/refunds/calculate", scope=SCOPE)
def calculate_refund(call: Call) -> dict[str, Any]:
    order = _own_order(call, call.body.get("order_id"))
    request_type = call.body.get("request_type")
    if request_type not in REQUEST_TYPES:
        raise invalid_parameter("request_type", f"got {request_type!r}", "one of " + ", ".join(REQUEST_TYPES))
    total = refund_total(_asked_lines(call, order))
    return {
        "order_refund_amount": {
            "currency": order.currency,
            "refund_total": total,
            "refund_subtotal": total,
            "refund_shipping_fee": "0.00",
            "refund_tax": "0.00",
        }
    }


@endpoint("POST", "/return_refund/202309/returns", "/return_refund/202602/returns", scope=SCOPE)
def create_return(call: Call) -> dict[str, Any]:
    """A return that the seller starts is approved at once; the same idempotency key gives the same answer."""
    key = ("create", call.shop.id, call.text("idempotency_key"))
    if key[2] and key in call.world.answered:
        return dict(call.world.answered[key])
    order = _own_order(call, call.body.get("order_id"))
    return_type = call.body.get("return_type")
    if return_type not in ("REFUND", "RETURN_AND_REFUND"):
        raise invalid_parameter("return_type", f"got {return_type!r}", "REFUND or RETURN_AND_REFUND")
    reason = call.body.get("return_reason")
    if not isinstance(reason, str) or not reason:
        raise invalid_parameter("return_reason", f"got {reason!r}", "a reason name")
    lines = _asked_lines(call, order)
    if order.status not in _AFTER_SHIPPING or {line.id for line in lines} & taken_line_ids(call.world, order.id):
        raise TikTokError(INELIGIBLE, "The order or a line of it is not eligible for a return.")
    request = Request(
        line_ids=[line.id for line in lines],
        return_type=return_type,
        return_status=states.SUCCESS if return_type == "REFUND" else states.AWAITING_BUYER_SHIP,
        role="SELLER",
        reason=reason,
        split_by_sku=False,
    )
    created = start_returns(call.world, order, request, Announcement())[0]
    answer = {"return_id": created.id, "return_status": created.return_status}
    if key[2]:
        call.world.answered[key] = answer
    return dict(answer)


@endpoint(
    "POST", "/return_refund/202309/cancellations/search", "/return_refund/202602/cancellations/search", scope=SCOPE
)
def search_cancellations(call: Call) -> dict[str, Any]:
    found, paging = page(
        call,
        _matching(call),
        key=lambda row, field: (getattr(row, field), row.id),
        smallest=1,
        largest=50,
        default_size=10,
        default_order="ASC",
    )
    return {"cancellations": [_cancellation_json(call.world, row) for row in found], **paging}


def _matching(call: Call) -> Iterable[Cancellation]:
    cancel_ids = strings(call, "cancel_ids")
    order_ids = strings(call, "order_ids")
    buyer_ids = strings(call, "buyer_user_ids")
    types = strings(call, "cancel_types", CANCEL_TYPES)
    statuses = strings(call, "cancel_status", CANCEL_STATUSES)
    window = TimeWindow(call)
    for found in call.world.cancellations.values():
        if (
            found.shop_id == call.shop.id
            and (cancel_ids is None or found.id in cancel_ids)
            and (order_ids is None or found.order_id in order_ids)
            and (types is None or found.cancel_type in types)
            and (statuses is None or found.shown_status in {shown_cancel_status(status) for status in statuses})
            and (buyer_ids is None or call.world.orders[found.order_id].buyer.user_id in buyer_ids)
            and window.holds(found)
        ):
            yield found


def _eligibility(call: Call, types: Iterable[str], *, with_reasons: bool) -> dict[str, Any]:
    order = _own_order(call, call.path["order_id"])
    call.choice("initiate_aftersale_user", ("SELLER", "BUYER"), "SELLER")
    taken = taken_line_ids(call.world, order.id)
    by_sku: dict[str, list[OrderLine]] = {}
    for line in order.lines:
        by_sku.setdefault(line.sku_id, []).append(line)
    return {
        "sku_eligibility": [
            {
                "sku_id": sku_id,
                "line_item_eligibility": [
                    _line_eligibility(order, name, lines, taken, with_reasons=with_reasons) for name in types
                ],
            }
            for sku_id, lines in by_sku.items()
        ]
    }


def _line_eligibility(
    order: Order, request_type: str, lines: list[OrderLine], taken: set[str], *, with_reasons: bool
) -> dict[str, Any]:
    fitting = _BEFORE_SHIPPING if request_type == "CANCEL" else _AFTER_SHIPPING
    free = [line.id for line in lines if line.id not in taken]
    if order.status not in fitting or not free:
        reason = "The order status does not allow it." if free else "Every unit is in a return already."
        return {
            "request_type": request_type,
            "eligible": False,
            "ineligible_code": INELIGIBLE,
            "ineligible_reason": reason,
            "order_line_items_ids": [line.id for line in lines],
        }
    reasons = {"available_reason_names": list(states.REASONS)} if with_reasons else {}
    return {"request_type": request_type, "eligible": True, "order_line_items_ids": free, **reasons}


def _own_order(call: Call, order_id: Any) -> Order:
    order = call.world.orders.get(order_id) if isinstance(order_id, str) else None
    if order is None:
        raise TikTokError(INVALID_RETURN, "The order id is invalid.")
    if order.shop_id != call.shop.id:
        raise TikTokError(NO_PERMISSION, "The order belongs to another seller.")
    return order


def _asked_lines(call: Call, order: Order) -> list[OrderLine]:
    """The lines that the body names by id, or by SKU and quantity; all of them where it names none."""
    if call.body.get("skus"):
        return _lines_of_skus(call, order)
    ids = strings(call, "order_line_item_ids")
    lines = [line for line in order.lines if ids is None or line.id in ids]
    if ids is not None and len(lines) != len(set(ids)):
        raise invalid_parameter("order_line_item_ids", "the order has no such line", "line items of the order")
    return lines


def _lines_of_skus(call: Call, order: Order) -> list[OrderLine]:
    chosen: list[OrderLine] = []
    taken = taken_line_ids(call.world, order.id)
    entries = call.body["skus"]
    if not isinstance(entries, list):
        raise invalid_parameter("skus", f"got {entries!r}", "a list of sku_id and quantity")
    for entry in entries:
        quantity = entry.get("quantity", 1) if isinstance(entry, dict) else None
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
            raise invalid_parameter("skus", f"got {entry!r}", "sku_id and a quantity of at least 1")
        free = [line for line in order.lines if line.sku_id == entry.get("sku_id") and line.id not in taken]
        if len(free) < quantity:
            raise invalid_parameter("skus", "the order has not so many free units", "units of the order")
        chosen += free[:quantity]
        taken |= {line.id for line in free[:quantity]}
    return chosen


def _cancellation_json(world: World, found: Cancellation) -> dict[str, Any]:
    order = world.orders[found.order_id]
    total = refund_total(order.lines)
    content: dict[str, Any] = {
        "cancel_id": found.id,
        "order_id": found.order_id,
        "cancel_type": found.cancel_type,
        "cancel_status": found.shown_status,
        "cancel_reason": found.cancel_reason,
        "cancel_reason_text": _CANCEL_REASONS.get(found.cancel_reason, found.cancel_reason),
        "role": found.role,
        "create_time": found.create_time,
        "update_time": found.update_time,
        "refund_amount": {"currency": order.currency, "refund_total": total},
        "cancel_line_items": [
            {
                "cancel_line_item_id": f"{found.id[:-2]}{number:02d}",
                "order_line_item_id": line.id,
                "sku_id": line.sku_id,
                "seller_sku": line.seller_sku,
            }
            for number, line in enumerate(order.lines)
        ],
    }
    if found.cancel_status == "CANCELLATION_REQUEST_PENDING":
        deadline = found.update_time + 48 * 3600
        content["seller_next_action_response"] = [{"action": "SELLER_RESPOND_CANCEL", "deadline": deadline}]
    return content
