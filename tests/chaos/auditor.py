"""The auditor: what the sandbox recorded and what the database holds, against what was started. Pure.

It knows nothing of how the product works: only that a buyer who is due a label has one, that nothing exists twice,
that no link is wrong, and that every failure has a reason and a next move.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

AT_REST = {"DONE", "CANCELLED", "NOT_OURS"}


@dataclass(frozen=True)
class Case:
    """One parcel that was started, and the truth about it."""

    kind: str
    shop_id: str
    return_ids: tuple[str, ...]
    order_id: str
    combined_return_id: str = ""
    is_due: bool = True  # a label is due
    is_cancelled: bool = False
    external_order_id: str = ""  # the one sales order that it may be linked to; "" for none
    items: Mapping[str, str] = field(default_factory=dict)  # TikTok line id to the one OMS item id it may be linked to

    @property
    def reference(self) -> str:
        return f"TTS-{self.shop_id}-{self.combined_return_id or self.return_ids[0]}"


@dataclass(frozen=True)
class Row:
    """A return as the database holds it."""

    return_id: str
    status: str
    reason: str
    next_attempt_at: datetime | None
    claimed_until: datetime | None
    label_delivered_at: datetime | None
    kind: str = ""
    rebound_id: str = ""


@dataclass(frozen=True)
class Event:
    """A stored notification."""

    dedupe_key: str
    outcome: str


@dataclass(frozen=True)
class Breach:
    return_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.return_id}: {self.what}"


def audit(
    cases: Sequence[Case], *, world: Mapping[str, Any], rows: Iterable[Row], events: Iterable[Event]
) -> list[Breach]:
    """Every breach of the promise. `world`: the sandbox's `GET /state`."""
    record = _Record(world)
    by_id = {row.return_id: row for row in rows}
    found = [breach for case in cases for breach in _of_case(case, record=record, rows=by_id)]
    found += _of_rows(by_id.values())
    found += _of_strangers(cases, record=record)
    found += _of_events(world["webhook_deliveries"], events=events)
    return found


class _Record:
    """The sandbox's record, by what is asked of it."""

    def __init__(self, world: Mapping[str, Any]) -> None:
        self.returns = {each["return_id"]: each for each in world["returns"]}
        self.sales_orders = {each["id"]: each for each in world["sales_orders"]}
        self.return_orders: dict[str, list[dict[str, Any]]] = {}
        for each in world["return_orders"]:
            self.return_orders.setdefault(base_of(each["rmaNumber"]), []).append(each)

    def active(self, reference: str) -> list[dict[str, Any]]:
        return [each for each in self.return_orders.get(reference, []) if each["status"] == "ACTIVE"]


def base_of(reference: str) -> str:
    """TTS-<shop>-<return>, without the number of a creation after a cancellation."""
    return "-".join(reference.split("-")[:3])


def metadata_of(held: Any) -> dict[str, str]:
    return {each["key"]: each["value"] for each in held or []}


def _of_case(case: Case, *, record: _Record, rows: Mapping[str, Row]) -> Iterator[Breach]:
    for return_id in case.return_ids:
        # Of one that needs nothing, and whose notification was lost, nobody need ever hear.
        if return_id not in rows and (case.is_due or record.return_orders.get(case.reference)):
            yield Breach(return_id, f"{case.kind}: no row of it")
    mine = [rows[return_id] for return_id in case.return_ids if return_id in rows]
    active = record.active(case.reference)
    uploads = {return_id: record.returns[return_id].get("uploads", []) for return_id in case.return_ids}
    wanted = "DONE" if case.is_due else "CANCELLED" if case.is_cancelled else "NOT_OURS"
    for row in mine:
        if row.status != wanted:
            yield Breach(row.return_id, f"{case.kind}: {row.status} {row.reason}, not {wanted}")
    if not case.is_due:
        if active:
            yield Breach(case.return_ids[0], f"{case.kind}: {len(active)} return orders stand at ReBound, none is due")
        if not case.is_cancelled and (any(uploads.values()) or record.return_orders.get(case.reference)):
            yield Breach(case.return_ids[0], f"{case.kind}: something was made for it that nobody asked for")
        return
    if len(active) != 1:
        yield Breach(case.return_ids[0], f"{case.kind}: {len(active)} return orders stand at ReBound, one is due")
        return
    yield from _of_label(case, active=active[0], uploads=uploads, rows=mine)
    yield from _of_link(case, active=active[0], record=record, rows=mine)


def _of_label(
    case: Case, *, active: Mapping[str, Any], uploads: Mapping[str, Sequence[Mapping[str, Any]]], rows: Iterable[Row]
) -> Iterator[Breach]:
    printed = [parcel["trackingNumber"] for parcel in active["parcels"]]
    for return_id, made in uploads.items():
        if len(made) != 1:
            yield Breach(return_id, f"{case.kind}: {len(made)} labels were delivered, one is due")
        elif [made[0]["tracking_number"]] != printed:
            yield Breach(return_id, f"{case.kind}: the buyer holds {made[0]['tracking_number']}, not {printed}")
    for row in rows:
        if row.label_delivered_at is None:
            yield Breach(row.return_id, f"{case.kind}: we do not know that the label was delivered")


def _of_link(case: Case, *, active: Mapping[str, Any], record: _Record, rows: Iterable[Row]) -> Iterator[Breach]:
    first = case.return_ids[0]
    order = record.sales_orders.get(active["salesOrderId"] or "")
    for row in rows:
        if (row.kind == "LINKED") != (order is not None):
            yield Breach(row.return_id, f"{case.kind}: we say {row.kind}, ReBound says otherwise")
        if row.rebound_id != active["id"]:
            yield Breach(row.return_id, f"{case.kind}: we hold return order {row.rebound_id}, not {active['id']}")
    if order is None:
        return
    if order["clientOrderId"] != case.external_order_id:
        yield Breach(first, f"{case.kind}: linked to {order['clientOrderId']}, not {case.external_order_id or 'none'}")
        return
    ids = {item["id"]: metadata_of(item["clientMetadata"]).get("omsItemId") for item in order["salesItems"]}
    for item in active["items"]:
        if not item.get("salesItemId"):
            continue
        lines = [line for line in metadata_of(item["clientMetadata"]).get("tiktokLineIds", "").split(",") if line]
        if item["quantity"] != len(lines):
            yield Breach(first, f"{case.kind}: {item['quantity']} units are linked for {len(lines)} lines")
        for line in lines:
            if case.items.get(line) != ids.get(item["salesItemId"]):
                yield Breach(first, f"{case.kind}: line {line} is linked to {ids.get(item['salesItemId'])}")


def _of_rows(rows: Iterable[Row]) -> Iterator[Breach]:
    for row in rows:
        if row.claimed_until is not None:
            yield Breach(row.return_id, "it is still claimed")
        if row.status not in AT_REST and not row.reason:
            yield Breach(row.return_id, f"{row.status} without a reason")
        if row.status in {"OPEN", "WAITING"} and row.next_attempt_at is None and row.reason != "NOT_APPROVED":
            yield Breach(row.return_id, f"{row.status} {row.reason} without a next move")


def _of_strangers(cases: Iterable[Case], *, record: _Record) -> Iterator[Breach]:
    """Return orders that belong to nothing that was started."""
    known = {case.reference for case in cases}
    for reference, orders in record.return_orders.items():
        if reference not in known:
            yield Breach(reference, f"{len(orders)} return orders that nobody asked for")


def _of_events(deliveries: Iterable[Mapping[str, Any]], *, events: Iterable[Event]) -> Iterator[Breach]:
    """What we answered with 200 is stored once and was handled."""
    stored = Counter(event.dedupe_key for event in events)
    outcomes = {event.dedupe_key: event.outcome for event in events}
    for delivery in deliveries:
        if delivery["source"] != "tiktok" or delivery["state"] != "delivered":
            continue
        if stored[delivery["id"]] != 1:
            yield Breach(delivery["id"], f"an accepted notification is stored {stored[delivery['id']]} times")
        elif outcomes[delivery["id"]] in {"", "CRASHED"}:
            yield Breach(delivery["id"], f"an accepted notification ended {outcomes[delivery['id']] or 'unhandled'}")
