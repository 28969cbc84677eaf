"""What ReBound's events mean: a milestone of a return's parcel, and for a cancellation a return that needs a person.

Source: rebound-api.md section 6. What happens to a stored event around this stands in `events.py`.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, Q
from django.utils.dateparse import parse_datetime

from merchants.models import ReboundAccount
from rebound_tts.clients.json_values import storable
from returns.models import EventOutcome, Milestone, ReboundReturn, ReturnMilestone, TikTokReturn, WebhookEvent
from returns.steps.collect import note_cancelled_there

MILESTONES = {
    "RETURN_ENTERED_NETWORK": Milestone.ENTERED_NETWORK,
    "RETURN_ARRIVED_AT_HUB": Milestone.ARRIVED_AT_HUB,
    "RETURN_DELIVERED": Milestone.DELIVERED,
    "RETURN_ITEMS_PROCESSED": Milestone.ITEMS_PROCESSED,
    "RETURN_ORDER_CANCELLED": Milestone.CANCELLED,
}
LONGEST_ID = 255
MOST_ITEMS = 500  # of a parcel; more than that no person reads
ITEM_FIELDS = ("salesItemId", "sku", "barcode", "quantity", "condition", "expected")


class NotUnderstoodError(Exception):
    """A payload of a known type that lacks what the type must carry."""


@dataclass(frozen=True, slots=True)
class ParcelEvent:
    event_id: str
    milestone: Milestone
    occurred_at: datetime
    return_order_id: str
    reference: str
    items: list[dict[str, Any]]


def parcel_event(stored: WebhookEvent) -> ParcelEvent | None:
    """The typed event, or None for a type that we do not know. Raises NotUnderstoodError, which names the field."""
    milestone = MILESTONES.get(stored.type)
    if milestone is None:
        return None
    body: dict[str, Any] = json.loads(stored.body)
    occurred_at = _moment(body.get("occurredAt"))
    data = body.get("data")
    return ParcelEvent(
        event_id=str(body["id"]),
        milestone=milestone,
        occurred_at=occurred_at,
        return_order_id=_id(body, "returnOrderId", required=True),
        reference=_id(body, "rmaNumber", required=False),
        items=_items(data if isinstance(data, dict) else {}),
    )


def apply(stored: WebhookEvent, *, typed: ParcelEvent, account: ReboundAccount, now: datetime) -> EventOutcome:
    """Write the milestone down, once however often the event is handled, and let the returns of the parcel be looked at
    where it was cancelled."""
    rebound_return = _the_return(typed, account=account)
    if rebound_return is None:
        return EventOutcome.UNKNOWN_RETURN
    members = TikTokReturn.objects.filter(rebound_return=rebound_return)
    stored.tiktok_return = members.order_by("pk").first()
    _, is_new = ReturnMilestone.objects.get_or_create(
        merchant_id=account.merchant_id,
        rebound_return=rebound_return,
        event_id=typed.event_id,
        defaults={
            "milestone": typed.milestone,
            "occurred_at": typed.occurred_at,
            "received_at": stored.received_at,
            "items": typed.items,
        },
    )
    if typed.milestone is Milestone.CANCELLED and note_cancelled_there(rebound_return, now=now):
        members.update(hint_count=F("hint_count") + 1, next_attempt_at=now)
        return EventOutcome.APPLIED
    return EventOutcome.APPLIED if is_new else EventOutcome.NOTHING_TO_DO


def _the_return(typed: ParcelEvent, *, account: ReboundAccount) -> ReboundReturn | None:
    """This account's return, by ReBound's id; by our reference where the answer to its creation is still on its way."""
    own = ReboundReturn.objects.filter(account=account)
    known = Q(rebound_id=typed.return_order_id)
    if typed.reference:
        known |= Q(rebound_id="", reference=typed.reference)
    found: ReboundReturn | None = own.filter(known).order_by("-rebound_id").first()
    return found


def _id(body: dict[str, Any], name: str, *, required: bool) -> str:
    value = body.get(name)
    if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable():
        return value
    if required:
        raise NotUnderstoodError(f"{name} is no id of 1 to {LONGEST_ID} characters.")
    return ""


def _moment(value: Any) -> datetime:
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # no such day, or one that no calendar has in UTC
    raise NotUnderstoodError("occurredAt is no time with an offset.")


def _items(data: dict[str, Any]) -> list[dict[str, Any]]:
    """What was found in the parcel, as far as a person reads it. A value of another kind than expected is left out."""
    listed = data.get("items")
    if not isinstance(listed, list):
        return []
    return [
        {name: _plain(item[name]) for name in ITEM_FIELDS if isinstance(item.get(name), str | int | bool)}
        for item in listed[:MOST_ITEMS]
        if isinstance(item, dict)
    ]


def _plain(value: str | int | bool) -> str | int | bool:
    return storable(value) if isinstance(value, str) else value
