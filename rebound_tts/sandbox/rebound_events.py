"""Events that ReBound sends: a signed POST to the address set by control. Reference: section 6."""

import hashlib
import hmac
import json
import uuid
from typing import Any

from rebound_tts.sandbox.courier import Delivery
from rebound_tts.sandbox.rebound_gateway import timestamp
from rebound_tts.sandbox.world import ReturnOrder, World

EVENT_TYPES = (
    "RETURN_ENTERED_NETWORK",
    "RETURN_ARRIVED_AT_HUB",
    "RETURN_DELIVERED",
    "RETURN_ITEMS_PROCESSED",
    "RETURN_ORDER_CANCELLED",
)


def event_sign(secret: str, seconds: int, body: bytes) -> str:
    """The value of X-Rebound-Signature."""
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def address_of(world: World, found: ReturnOrder) -> tuple[str, str]:
    """Where the events of a return order go, and what signs them."""
    client = world.rebound_clients[found.client_id]
    if client.events_url:
        return client.events_url, client.events_secret
    return world.settings.rebound_events_url, world.settings.rebound_events_secret


def event(world: World, found: ReturnOrder, kind: str, data: dict[str, Any]) -> Delivery:
    """A signed event about one return order, ready to be sent; there are no retries."""
    url, secret = address_of(world, found)
    event_id = str(uuid.uuid4())
    content = {
        "id": event_id,
        "type": kind,
        "occurredAt": timestamp(world.clock()),
        "returnOrderId": found.id,
        "rmaNumber": found.rma_number,
        "data": data,
    }
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Delivery(
        source="rebound",
        kind=kind,
        message_id=event_id,
        url=url,
        headers={
            "X-Rebound-Signature": event_sign(secret, world.now(), body),
            "Content-Type": "application/json",
        },
        body=body,
    )
