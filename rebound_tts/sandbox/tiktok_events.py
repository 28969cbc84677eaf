"""TikTok's webhooks: their bodies and signature, and the per-shop subscriptions. Reference: section 7.

How a body travels (threads, timeout, retries) is in courier.py; when one is due is said by whoever changes the state.
"""

import json
from dataclasses import dataclass
from typing import Any

from rebound_tts.sandbox.courier import Delivery
from rebound_tts.sandbox.tiktok_gateway import Call, endpoint, invalid_parameter
from rebound_tts.sandbox.tiktok_signing import webhook_sign
from rebound_tts.sandbox.world import Cancellation, Order, Return, Shop, Subscription, World

EVENT_TYPES = (
    "ORDER_STATUS_CHANGE",
    "RECIPIENT_ADDRESS_UPDATE",
    "PACKAGE_UPDATE",
    "PRODUCT_STATUS_CHANGE",
    "SELLER_DEAUTHORIZATION",
    "UPCOMING_AUTHORIZATION_EXPIRATION",
    "CANCELLATION_STATUS_CHANGE",
    "RETURN_STATUS_CHANGE",
    "NEW_CONVERSATION",
    "NEW_MESSAGE",
    "PRODUCT_INFORMATION_CHANGE",
    "PRODUCT_CREATION",
    "PRODUCT_CATEGORY_CHANGE",
    "NEW_MESSAGE_LISTENER",
    "INVOICE_STATUS_CHANGE",
    "PRODUCT_AUDIT_STATUS_CHANGE",
    "REVERSE_STATUS_UPDATE",
)
# the types of which subscriptions are possible, by the number that the webhook carries
_EVENT_OF_TYPE = {
    1: "ORDER_STATUS_CHANGE",
    2: "REVERSE_STATUS_UPDATE",
    3: "RECIPIENT_ADDRESS_UPDATE",
    4: "PACKAGE_UPDATE",
    5: "PRODUCT_STATUS_CHANGE",
    6: "SELLER_DEAUTHORIZATION",
    7: "UPCOMING_AUTHORIZATION_EXPIRATION",
    11: "CANCELLATION_STATUS_CHANGE",
    12: "RETURN_STATUS_CHANGE",
    13: "NEW_CONVERSATION",
    14: "NEW_MESSAGE",
    15: "PRODUCT_INFORMATION_CHANGE",
    16: "PRODUCT_CREATION",
    18: "PRODUCT_CATEGORY_CHANGE",
    33: "NEW_MESSAGE_LISTENER",
    36: "INVOICE_STATUS_CHANGE",
    37: "PRODUCT_AUDIT_STATUS_CHANGE",
}
_RETRY_SECONDS = (120, 1800, 3 * 3600, 12 * 3600)
_UNSET: Any = object()


@dataclass(frozen=True)
class Announcement:
    """How a change is told: not at all, several times with one id, late, or with the state before it."""

    send: bool = True
    copies: int = 1
    delay_seconds: float = 0.0
    stale: bool = False


def notification(
    world: World,
    type_number: int,
    shop_id: str,
    data: dict[str, Any],
    *,
    timestamp: int | None = None,
    notification_id: str | None = _UNSET,
) -> Delivery | None:
    """A signed webhook ready to be sent; None where no address is known. An id of None leaves the id out."""
    url = _address(world, type_number, shop_id)
    if not url:
        return None
    content: dict[str, Any] = {"type": type_number}
    if notification_id is not None:
        content["tts_notification_id"] = world.new_id("7327") if notification_id is _UNSET else notification_id
    content |= {"shop_id": shop_id, "timestamp": world.now() if timestamp is None else timestamp, "data": data}
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Delivery(
        source="tiktok",
        kind=str(type_number),
        message_id=str(content.get("tts_notification_id", "")),
        url=url,
        headers={
            "Authorization": webhook_sign(world.app.key, world.app.secret, body),
            "Content-Type": "application/json",
        },
        body=body,
        retry_after=[seconds * world.settings.webhook_retry_scale for seconds in _RETRY_SECONDS],
    )


def announce(
    world: World,
    type_number: int,
    shop_id: str,
    data: dict[str, Any],
    how: Announcement = Announcement(),
    *,
    timestamp: int | None = None,
) -> None:
    """Send a webhook in the background, as often as `how` says, each copy with the same notification id."""
    shop = world.shops.get(shop_id)
    if not how.send or (shop is not None and shop.deauthorized):
        return
    first = notification(world, type_number, shop_id, data, timestamp=timestamp)
    if first is None:
        return
    for _ in range(how.copies):
        world.courier.send(first.copy(), delay_seconds=how.delay_seconds)


def announce_return(world: World, changed: Return, how: Announcement, *, before: tuple[str, int] | None = None) -> None:
    """Type 12. A stale announcement tells `before` (status and update time) instead of what is true now."""
    status, update_time = changed.return_status, changed.update_time
    timestamp = None
    if how.stale and before is not None:
        status, update_time = before
        timestamp = update_time
    data = {
        "order_id": changed.order_id,
        "return_role": changed.role if changed.role in ("BUYER", "SELLER", "SYSTEM") else "SYSTEM",
        "return_type": changed.return_type,
        "return_status": status,
        "return_id": changed.id,
        "create_time": changed.create_time,
        "update_time": update_time,
    }
    announce(world, 12, changed.shop_id, data, how, timestamp=timestamp)


def announce_order(world: World, order: Order, how: Announcement = Announcement()) -> None:
    data = {
        "is_on_hold_order": order.status == "ON_HOLD",
        "order_id": order.id,
        "order_status": order.status,
        "update_time": order.update_time,
    }
    announce(world, 1, order.shop_id, data, how)


def announce_cancellation(world: World, cancellation: Cancellation) -> None:
    data = {
        "order_id": cancellation.order_id,
        "cancellations_role": cancellation.role,
        "cancel_status": cancellation.shown_status,
        "cancel_id": cancellation.id,
        "create_time": cancellation.create_time,
    }
    announce(world, 11, cancellation.shop_id, data)


def announce_deauthorization(world: World, shop: Shop) -> None:
    announce(world, 6, shop.id, {"message": f"Shop_id {shop.id} is deauthorized from your APP by merchant."})


def announce_expiration(world: World, shop: Shop, expires_at: int) -> None:
    days = max(0, (expires_at - world.now()) // 86_400)
    message = (
        f"Authorization of shop_id {shop.id} is expiring in {days} days. Please direct the merchant to re-authorize."
    )
    announce(world, 7, shop.id, {"message": message, "expiration_time": str(expires_at)})


@endpoint("GET", "/event/202309/webhooks", scope="seller.authorization.info")
def get_subscriptions(call: Call) -> dict[str, Any]:
    found = call.world.subscriptions[call.shop.id].values()
    return {"total_count": len(found), "webhooks": [vars(subscription) for subscription in found]}


@endpoint("PUT", "/event/202309/webhooks", scope="seller.authorization.info")
def put_subscription(call: Call) -> None:
    event_type = _event_type(call)
    address = call.body.get("address")
    if not isinstance(address, str) or not address.startswith(("https://", "http://")) or len(address) > 255:
        raise invalid_parameter("address", f"got {address!r}", "a URL of at most 255 characters")
    now = call.world.now()
    subscriptions = call.world.subscriptions[call.shop.id]
    known = subscriptions.get(event_type)
    subscriptions[event_type] = Subscription(event_type, address, known.create_time if known else now, now)


@endpoint("DELETE", "/event/202309/webhooks", scope="seller.authorization.info")
def delete_subscription(call: Call) -> None:
    call.world.subscriptions[call.shop.id].pop(_event_type(call), None)


def _event_type(call: Call) -> str:
    event_type = call.body.get("event_type")
    if event_type not in EVENT_TYPES:
        raise invalid_parameter("event_type", f"got {event_type!r}", "one of " + ", ".join(EVENT_TYPES))
    return str(event_type)


def _address(world: World, type_number: int, shop_id: str) -> str:
    subscribed = world.subscriptions[shop_id].get(_EVENT_OF_TYPE.get(type_number, ""))
    return subscribed.address if subscribed else world.settings.webhook_url
