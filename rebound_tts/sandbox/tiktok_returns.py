"""TikTok's calls that read and decide returns: search, records, reasons, approve, reject. Reference: 6.1, 6.2, 6.4.

Label uploads are in tiktok_documents.py, seller-made returns and cancellations in tiktok_aftersales.py, the states
themselves in return_lifecycle.py.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from rebound_tts.sandbox import return_lifecycle as states
from rebound_tts.sandbox.return_lifecycle import change_status
from rebound_tts.sandbox.tiktok_events import Announcement
from rebound_tts.sandbox.tiktok_filters import TimeWindow, strings
from rebound_tts.sandbox.tiktok_gateway import Call, TikTokError, endpoint, invalid_parameter
from rebound_tts.sandbox.tiktok_logistics import return_address
from rebound_tts.sandbox.tiktok_orders import refund_total
from rebound_tts.sandbox.tiktok_paging import page
from rebound_tts.sandbox.world import Cancellation, Return, Upload, World

INVALID_RETURN = 25001001
WRONG_STATE = 25020004
NO_PERMISSION = 25020005
INVALID_REASON = 25020010
SCOPE = "seller.return_refund.basic"

# what a decision needs and leads to: (statuses, types, next status); an empty set of types stands for all
_DECISIONS: dict[str, tuple[set[str], set[str], str]] = {
    "APPROVE_REFUND": ({states.PENDING}, {"REFUND"}, states.SUCCESS),
    "APPROVE_RETURN": ({states.PENDING}, {"RETURN_AND_REFUND"}, states.AWAITING_BUYER_SHIP),
    "APPROVE_RECEIVED_PACKAGE": ({states.BUYER_SHIPPED}, set(), states.SUCCESS),
    "APPROVE_REPLACEMENT": ({states.REPLACEMENT_PENDING}, {"REPLACEMENT"}, states.REPLACEMENT_COMPLETE),
    "ISSUE_REPLACEMENT_REFUND": ({states.REPLACEMENT_PENDING}, {"REPLACEMENT"}, states.REPLACEMENT_REFUNDED),
    "OFFER_PARTIAL_REFUND": ({states.PENDING}, set(), states.AWAITING_BUYER_RESPONSE),
    "DIRECT_REFUND": ({states.PENDING, states.AWAITING_BUYER_SHIP, states.BUYER_SHIPPED}, set(), states.SUCCESS),
    "REJECT_REFUND": ({states.PENDING}, {"REFUND"}, states.REJECTED),
    "REJECT_RETURN": ({states.PENDING}, {"RETURN_AND_REFUND"}, states.REJECTED),
    "REJECT_RECEIVED_PACKAGE": ({states.BUYER_SHIPPED}, set(), states.PACKAGE_REJECTED),
    "REJECT_REPLACEMENT": ({states.REPLACEMENT_PENDING}, {"REPLACEMENT"}, states.REPLACEMENT_REJECTED),
}
_APPROVALS = tuple(name for name in _DECISIONS if not name.startswith("REJECT_"))
_REJECTIONS = tuple(name for name in _DECISIONS if name.startswith("REJECT_"))
_NEXT_ACTION = {
    states.BUYER_SHIPPED: "SELLER_RESPOND_RECEIVE_PACKAGE",
    states.REPLACEMENT_PENDING: "SELLER_RESPOND_REPLACEMENT",
}
_REQUEST_REASONS = {
    "seller_reject_apply_product_has_been_packed": "The product has already been packed",
    "reverse_reject_request_reason_3": "The request does not meet the return policy",
}
_PACKAGE_REASONS = {
    "seller_reject_receive_product_damaged": "The product came back damaged",
    "seller_reject_receive_wrong_product": "Another product came back",
}


@endpoint("POST", "/return_refund/202309/returns/search", "/return_refund/202602/returns/search", scope=SCOPE)
def search_returns(call: Call) -> dict[str, Any]:
    found, paging = page(
        call,
        _matching(call),
        key=lambda row, field: (getattr(row, field), row.id),
        smallest=10,
        largest=50,
        default_size=10,
        default_order="ASC",
    )
    return {"return_orders": [return_json(call.world, row) for row in found], **paging}


@endpoint("GET", "/return_refund/202309/returns/<return_id>/records", scope=SCOPE)
def records(call: Call) -> dict[str, Any]:
    return {"records": _own_return(call, call.path["return_id"]).records}


@endpoint("GET", "/return_refund/202309/reject_reasons", scope=SCOPE)
def reject_reasons(call: Call) -> dict[str, Any]:
    found = _own_request(call, call.required("return_or_cancel_id"))
    reasons = _reasons(found) if isinstance(found, Return) else _REQUEST_REASONS
    return {"reasons": [{"name": name, "text": text} for name, text in reasons.items()]}


@endpoint("GET", "/return_refund/202601/decision_eligibility", scope=SCOPE)
def decision_eligibility(call: Call) -> dict[str, Any]:
    found = _own_request(call, call.required("return_or_cancel_id"))
    asked = call.values("check_decisions", len(_DECISIONS)) if call.text("check_decisions") else list(_DECISIONS)
    unknown = [name for name in asked if name not in _DECISIONS]
    if unknown:
        raise invalid_parameter("check_decisions", f"got '{unknown[0]}'", "one of " + ", ".join(_DECISIONS))
    return {"decisions": [_eligibility(found, name) for name in asked]}


@endpoint("POST", "/return_refund/202309/returns/<return_id>/approve", scope=SCOPE)
def approve(call: Call) -> None:
    found = _own_return(call, call.path["return_id"])
    decision = _decision(call, _APPROVALS)
    if not _first_time(call, "approve", found.id):
        return
    keeps = call.body.get("buyer_keep_item") is True
    if keeps and decision != "APPROVE_RETURN":
        raise invalid_parameter("buyer_keep_item", f"the decision is {decision}", "APPROVE_RETURN")
    status = _next_status(found, decision)
    if decision == "OFFER_PARTIAL_REFUND":
        found.partial_refund = _partial_refund(call)
        found.seller_proposed_return_type = "PARTIAL_REFUND"
    if keeps:
        found.can_buyer_keep_item = True
        status = states.SUCCESS
    _remember(call, "approve", found.id)
    change_status(call.world, found, status, Announcement(), role="SELLER")


@endpoint("POST", "/return_refund/202309/returns/<return_id>/reject", scope=SCOPE)
def reject(call: Call) -> None:
    found = _own_return(call, call.path["return_id"])
    decision = _decision(call, _REJECTIONS)
    if not _first_time(call, "reject", found.id):
        return
    status = _next_status(found, decision)
    if call.body.get("reject_reason") not in list(_reasons(found)):
        raise TikTokError(INVALID_REASON, "The reject reason is not available for this return.")
    _remember(call, "reject", found.id)
    note = str(call.body.get("comment", ""))
    change_status(call.world, found, status, Announcement(), role="SELLER", note=note)


def return_json(world: World, found: Return) -> dict[str, Any]:
    """The return as TikTok shows it; empty fields are left out, as live data does."""
    order = world.orders[found.order_id]
    lines = [line for line in order.lines if line.id in found.order_line_item_ids]
    total = refund_total(lines)
    content: dict[str, Any] = {
        "return_id": found.id,
        "order_id": found.order_id,
        "return_type": found.return_type,
        "return_status": found.return_status,
        "role": found.role,
        "arbitration_status": found.arbitration_status,
        "return_reason": found.return_reason,
        "return_reason_text": states.REASONS.get(found.return_reason, ""),
        "shipment_type": found.shipment_type,
        "handover_method": found.handover_method,
        "return_method": found.return_method,
        "return_shipping_document_type": found.return_shipping_document_type,
        "return_tracking_number": found.return_tracking_number,
        "return_provider_id": found.return_provider_id,
        "return_provider_name": found.return_provider_name,
        "is_combined_return": found.is_combined_return,
        "combined_return_id": found.combined_return_id,
        "pre_return_id": found.pre_return_id,
        "next_return_id": found.next_return_id,
        "can_buyer_keep_item": found.can_buyer_keep_item,
        "seller_next_action_response": _next_actions(found),
        "seller_proposed_return_type": found.seller_proposed_return_type,
        "partial_refund": found.partial_refund,
        "refund_amount": _amount(order.currency, total),
        "create_time": found.create_time,
        "update_time": found.update_time,
        "return_line_items": [
            {
                "return_line_item_id": return_line_id,
                "order_line_item_id": line.id,
                "sku_id": line.sku_id,
                "sku_name": "Default",
                "product_name": line.product_name,
                **({"seller_sku": line.seller_sku} if line.seller_sku else {}),
                "refund_amount": _amount(order.currency, line.price),
            }
            for line, return_line_id in zip(lines, found.return_line_item_ids, strict=True)
        ],
    }
    if found.return_method:
        content["return_warehouse_address"] = {"full_address": return_address(world.shops[found.shop_id])}
    return {name: value for name, value in content.items() if value not in ("", [], {}, None)}


def upload_json(upload: Upload) -> dict[str, Any]:
    """What was uploaded, for people and tests: TikTok itself has no call that shows it."""
    return {
        "kind": upload.kind,
        "content_type": upload.content_type,
        "size": len(upload.data),
        "sha256": hashlib.sha256(upload.data).hexdigest(),
        "tracking_number": upload.tracking_number,
        "return_provider_id": upload.return_provider_id,
        "uploaded_at": upload.uploaded_at,
    }


def _matching(call: Call) -> Iterable[Return]:
    return_ids = strings(call, "return_ids")
    order_ids = strings(call, "order_ids")
    buyer_ids = strings(call, "buyer_user_ids")
    types = strings(call, "return_types", states.TYPES)
    statuses = strings(call, "return_status", states.STATUSES)
    arbitration = strings(call, "arbitration_status", states.ARBITRATION_STATUSES)
    proposed = strings(call, "seller_proposed_return_type", ("PARTIAL_REFUND",))
    window = TimeWindow(call)
    for found in _candidates(call, return_ids, order_ids):
        if (
            found.shop_id == call.shop.id
            and (order_ids is None or found.order_id in order_ids)
            and (types is None or found.return_type in types)
            and (statuses is None or found.return_status in statuses)
            and (arbitration is None or found.arbitration_status in arbitration)
            and (proposed is None or found.seller_proposed_return_type in proposed)
            and (buyer_ids is None or call.world.orders[found.order_id].buyer.user_id in buyer_ids)
            and window.holds(found)
        ):
            yield found


def _candidates(call: Call, return_ids: list[str] | None, order_ids: list[str] | None) -> Iterable[Return]:
    world = call.world
    if return_ids is not None:
        wanted = set(return_ids) & world.returns.keys()
    elif order_ids is not None:
        wanted = {return_id for order_id in order_ids for return_id in world.returns_of_order.get(order_id, ())}
    else:
        wanted = set(world.returns_of_shop[call.shop.id])
    return (world.returns[return_id] for return_id in wanted)


def _own_return(call: Call, return_id: str) -> Return:
    found = call.world.returns.get(return_id)
    if found is None:
        raise TikTokError(INVALID_RETURN, "The return id is invalid.")
    if found.shop_id != call.shop.id:
        raise TikTokError(NO_PERMISSION, "The return belongs to another seller.")
    return found


def _own_request(call: Call, request_id: str) -> Return | Cancellation:
    found = call.world.cancellations.get(request_id)
    return found if found is not None and found.shop_id == call.shop.id else _own_return(call, request_id)


def _decision(call: Call, options: tuple[str, ...]) -> str:
    decision = call.body.get("decision")
    if decision not in options:
        raise invalid_parameter("decision", f"got {decision!r}", "one of " + ", ".join(options))
    return str(decision)


def _next_status(found: Return | Cancellation, decision: str) -> str:
    statuses, types, status = _DECISIONS[decision]
    if isinstance(found, Cancellation):
        raise TikTokError(WRONG_STATE, f"{decision} does not fit a cancellation.")
    if found.return_status not in statuses or (types and found.return_type not in types):
        raise TikTokError(WRONG_STATE, f"{decision} does not fit a {found.return_type} in {found.return_status}.")
    return status


def _eligibility(found: Return | Cancellation, decision: str) -> dict[str, Any]:
    try:
        _next_status(found, decision)
    except TikTokError as error:
        return {
            "decision": decision,
            "eligible": False,
            "ineligible_code": 25011014,
            "ineligible_reason": error.message,
        }
    reasons = list(_reasons(found)) if isinstance(found, Return) and decision in _REJECTIONS else []
    return {"decision": decision, "eligible": True, **({"available_reject_reasons": reasons} if reasons else {})}


def _reasons(found: Return) -> dict[str, str]:
    return _PACKAGE_REASONS if found.return_status == states.BUYER_SHIPPED else _REQUEST_REASONS


def _partial_refund(call: Call) -> dict[str, str]:
    offer = call.body.get("partial_refund")
    if not isinstance(offer, dict) or not offer.get("amount") or not offer.get("currency"):
        raise invalid_parameter("partial_refund", f"got {offer!r}", "amount and currency")
    return {"amount": str(offer["amount"]), "currency": str(offer["currency"])}


def _first_time(call: Call, what: str, return_id: str) -> bool:
    key = call.text("idempotency_key")
    if len(key) > 255:
        raise invalid_parameter("idempotency_key", f"{len(key)} characters", "at most 255 characters")
    return not key or (what, return_id, key) not in call.world.answered


def _remember(call: Call, what: str, return_id: str) -> None:
    if call.text("idempotency_key"):
        call.world.answered[what, return_id, call.text("idempotency_key")] = True


def _next_actions(found: Return) -> list[dict[str, Any]]:
    action = _NEXT_ACTION.get(found.return_status)
    if found.return_status == states.PENDING:
        action = "SELLER_RESPOND_REFUND" if found.return_type == "REFUND" else "SELLER_RESPOND_RETURN"
    hours = 24 if found.return_type == "REPLACEMENT" else 48
    return [{"action": action, "deadline": found.update_time + hours * 3600}] if action else []


def _amount(currency: str, total: str) -> dict[str, str]:
    return {
        "currency": currency,
        "refund_total": total,
        "refund_subtotal": total,
        "refund_shipping_fee": "0.00",
        "refund_tax": "0.00",
        "retail_delivery_fee": "0.00",
        "buyer_service_fee": "0.00",
    }
