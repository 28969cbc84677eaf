"""How TikTok returns come to be and change state, and who hears of it. Reference: 6.2 and 7.

Every change of a return goes through here, whoever asks for it: the seller's calls, the page, or a test's control.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rebound_tts.sandbox.tiktok_events import Announcement, announce_return
from rebound_tts.sandbox.world import Order, Return, World

PENDING = "RETURN_OR_REFUND_REQUEST_PENDING"
REJECTED = "REFUND_OR_RETURN_REQUEST_REJECT"  # TikTok's word order differs here
AWAITING_BUYER_SHIP = "AWAITING_BUYER_SHIP"
BUYER_SHIPPED = "BUYER_SHIPPED_ITEM"
PACKAGE_REJECTED = "REJECT_RECEIVE_PACKAGE"
SUCCESS = "RETURN_OR_REFUND_REQUEST_SUCCESS"
CANCELLED = "RETURN_OR_REFUND_REQUEST_CANCEL"
COMPLETE = "RETURN_OR_REFUND_REQUEST_COMPLETE"
AWAITING_BUYER_RESPONSE = "AWAITING_BUYER_RESPONSE"
REPLACEMENT_PENDING = "REPLACEMENT_REQUEST_PENDING"
REPLACEMENT_REJECTED = "REPLACEMENT_REQUEST_REJECT"
REPLACEMENT_REFUNDED = "REPLACEMENT_REQUEST_REFUND_SUCCESS"
REPLACEMENT_CANCELLED = "REPLACEMENT_REQUEST_CANCEL"
REPLACEMENT_COMPLETE = "REPLACEMENT_REQUEST_COMPLETE"

STATUSES = (
    PENDING,
    REJECTED,
    AWAITING_BUYER_SHIP,
    BUYER_SHIPPED,
    PACKAGE_REJECTED,
    SUCCESS,
    CANCELLED,
    COMPLETE,
    AWAITING_BUYER_RESPONSE,
    REPLACEMENT_PENDING,
    REPLACEMENT_REJECTED,
    REPLACEMENT_REFUNDED,
    REPLACEMENT_CANCELLED,
    REPLACEMENT_COMPLETE,
)
TYPES = ("REFUND", "RETURN_AND_REFUND", "REPLACEMENT")
METHODS = ("SELLER_SHIPPED", "BUYER_SHIPPED", "PLATFORM_SHIPPED")
DOCUMENT_TYPES = ("SHIPPING_LABEL", "QR_CODE", "QR_CODE_NBNL")
ARBITRATION_STATUSES = ("IN_PROGRESS", "SUPPORT_BUYER", "SUPPORT_SELLER", "CLOSED")
ENDED = (SUCCESS, CANCELLED, COMPLETE, REPLACEMENT_REFUNDED, REPLACEMENT_CANCELLED, REPLACEMENT_COMPLETE)

REASONS = {
    "ecom_order_delivered_refund_and_return_reason_no_need": "No longer needed",
    "ecom_order_delivered_refund_and_return_reason_wrong_item": "Wrong item was sent",
    "ecom_order_delivered_refund_and_return_reason_damaged": "Item arrived damaged",
    "ecom_order_delivered_refund_and_return_reason_size": "Doesn't fit",
}
DEFAULT_REASON = "ecom_order_delivered_refund_and_return_reason_no_need"
_DESCRIPTIONS = {
    PENDING: ("BUYER", "The buyer asked for a return."),
    REJECTED: ("SELLER", "The seller rejected the request."),
    AWAITING_BUYER_SHIP: ("SELLER", "The request was approved. The buyer is to ship the package."),
    BUYER_SHIPPED: ("BUYER", "The buyer shipped the package."),
    PACKAGE_REJECTED: ("SELLER", "The seller rejected the package."),
    SUCCESS: ("SELLER", "The refund was approved."),
    CANCELLED: ("BUYER", "The request was cancelled."),
    COMPLETE: ("SYSTEM", "The refund was paid."),
}


@dataclass(frozen=True)
class Request:
    """What the buyer (or the seller) asks for; the lines belong to one order."""

    line_ids: Sequence[str]
    return_type: str = "RETURN_AND_REFUND"
    return_status: str = AWAITING_BUYER_SHIP
    role: str = "BUYER"
    return_method: str = "SELLER_SHIPPED"
    document_type: str = "SHIPPING_LABEL"
    reason: str = DEFAULT_REASON
    combined: bool = False
    combined_return_id: str = ""
    can_buyer_keep_item: bool = False
    pre_return_id: str = ""
    split_by_sku: bool = True


def start_returns(world: World, order: Order, request: Request, how: Announcement) -> list[Return]:
    """Create the returns of one request: one for each SKU, as TikTok does, or one for all."""
    lines = [line for line in order.lines if line.id in set(request.line_ids)]
    if request.split_by_sku:
        lines.sort(key=lambda line: line.sku_id)
        groups = [[line.id for line in group] for _, group in groupby(lines, key=lambda line: line.sku_id)]
    else:
        groups = [[line.id for line in lines]]
    combined_id = request.combined_return_id or (world.new_id("4034") if request.combined else "")
    created = [_create(world, order, request, line_ids, combined_id) for line_ids in groups]
    replaced = world.returns.get(request.pre_return_id)
    if replaced is not None:
        replaced.next_return_id = created[0].id
        change_status(world, replaced, CANCELLED, how)
    for found in created:
        announce_return(world, found, how, before=(PENDING, found.create_time))
    return created


def change_status(
    world: World, changed: Return, status: str, how: Announcement, *, role: str = "", note: str = ""
) -> None:
    """Set the status, write a record of it and tell whoever listens."""
    before = (changed.return_status, changed.update_time)
    changed.return_status = status
    touch(world, changed)
    _write_record(world, changed, role, note)
    announce_return(world, changed, how, before=before)


def touch(world: World, changed: Return) -> None:
    """Move update_time to now; never back, as a search by update_time would miss it."""
    changed.update_time = max(changed.update_time, world.now())


def taken_line_ids(world: World, order_id: str) -> set[str]:
    """Lines of the order that a return holds which was not cancelled or rejected."""
    returns = (world.returns[return_id] for return_id in world.returns_of_order.get(order_id, ()))
    free = (CANCELLED, REJECTED, REPLACEMENT_CANCELLED, REPLACEMENT_REJECTED)
    return {line for found in returns if found.return_status not in free for line in found.order_line_item_ids}


def _create(world: World, order: Order, request: Request, line_ids: list[str], combined_id: str) -> Return:
    now = world.now()
    physical = request.return_type == "RETURN_AND_REFUND" and not request.can_buyer_keep_item
    created = Return(
        id=world.new_id("4035"),
        shop_id=order.shop_id,
        order_id=order.id,
        order_line_item_ids=line_ids,
        return_line_item_ids=[world.new_id("4036") for _ in line_ids],
        return_type=request.return_type,
        return_status=request.return_status,
        create_time=now,
        update_time=now,
        role=request.role,
        return_reason=request.reason,
        return_method=request.return_method if physical else "",
        return_shipping_document_type=request.document_type if physical else "",
        shipment_type="" if not physical else _shipment_type(request.return_method),
        handover_method="DROP_OFF" if physical and request.return_method == "PLATFORM_SHIPPED" else "",
        is_combined_return=bool(combined_id),
        combined_return_id=combined_id,
        pre_return_id=request.pre_return_id,
        can_buyer_keep_item=request.can_buyer_keep_item,
    )
    world.returns[created.id] = created
    world.returns_of_shop[created.shop_id].append(created.id)
    world.returns_of_order[created.order_id].append(created.id)
    _write_record(world, created, request.role, "")
    return created


def _shipment_type(method: str) -> str:
    return "BUYER_ARRANGE" if method == "BUYER_SHIPPED" else "PLATFORM"


def _write_record(world: World, changed: Return, role: str, note: str) -> None:
    usual_role, description = _DESCRIPTIONS.get(changed.return_status, ("SYSTEM", changed.return_status))
    record: dict[str, Any] = {
        "event": "ORDER_RETURN",
        "role": role or usual_role,
        "description": description,
        "reason_text": REASONS.get(changed.return_reason, changed.return_reason),
        "create_time": changed.update_time,
    }
    if note:
        record["note"] = note
    changed.records.append(record)
