"""Create: the return order at ReBound, linked to its sales order or direct, once for the whole parcel.

The row that says "creating" is committed before the call, with our reference and the return that leads the creation.
After an unclear answer the reference is looked up and what is found is adopted; nothing is posted again blindly, and
ReBound refuses a reference that it knows.
"""

import logging
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from matching.models import Match, SalesOrder, SalesOrderItem
from matching.services import matched_items
from merchants.models import Lane
from rebound_tts.clients.errors import (
    ConflictError,
    PermanentError,
    RemoteError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.rebound_answers import ReboundReturnOrder
from rebound_tts.clients.rebound_orders import ADDRESS_NAMES, Address, NewReturnItem, NewReturnOrder
from rebound_tts.ops.tallies import count
from returns.journey import BlockedError, Journey
from returns.late import first_look
from returns.models import Kind, LabelFormat, Reason, ReboundReturn, TikTokReturn, TikTokReturnItem
from returns.steps.collect import note_cancelled_there, store_label
from returns.steps.fetch import fetch_order

logger = logging.getLogger(__name__)

CONFIRMED = (
    "rebound_id",
    "rebound_status",
    "rebound_sales_order_id",
    "payload",
    "confirmed_at",
    "creating_until",
    "late_look_at",
    "kind",
    "sales_order",
    "direct_reason",
    "linked_late_at",
    "link_note",
)
# Longer than a creation takes. Until then only the leading return's claim creates; then another of the parcel may.
CREATION_LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask ReBound for."""

    sales_order: SalesOrder | None
    direct_reason: str
    country: str
    lane: Lane
    label_format: LabelFormat

    @property
    def kind(self) -> Kind:
        return Kind.LINKED if self.sales_order else Kind.DIRECT

    @property
    def service(self) -> str:
        return _service(self.lane, self.label_format)


def create(journey: Journey) -> str:
    rebound_return, leads = journey.parcels_rebound_return(), False
    if rebound_return is None:
        rebound_return, leads = _start(journey)
    if rebound_return.confirmed_at:
        _join(journey, rebound_return=rebound_return)
        return f"Joined {rebound_return.reference}"
    if not leads:
        _lead(journey, rebound_return=rebound_return)
    _join(journey, rebound_return=rebound_return)
    created = None
    if rebound_return.asked_at:
        created = _adoptable(journey, rebound_return=rebound_return)
    if created is None and not leads:
        _mend(journey, rebound_return=rebound_return)
    if created is None:
        created = _post(journey, rebound_return=rebound_return)
    _confirm(rebound_return, created=created, journey=journey)
    count("rebound_returns", kind=rebound_return.kind, direct_reason=rebound_return.direct_reason)
    return f"{rebound_return.get_kind_display()} {created.id}"


def _start(journey: Journey) -> tuple[ReboundReturn, bool]:
    """Commit the row that says "creating", with this return leading. If another of the parcel was faster, its row is
    the one. Answers the row and whether it was made here."""
    plan = plan_for(journey)
    fresh = ReboundReturn(
        merchant=journey.shop.merchant,
        account=journey.account,
        reference=_free_reference(journey),
        shop=journey.shop,
        kind=plan.kind,
        direct_reason=plan.direct_reason,
        sales_order=plan.sales_order,
        country=plan.country,
        carrier_service=plan.service,
        shipping_provider_id=plan.lane.shipping_provider_id,
        label_format=plan.label_format,
        led_by=journey.tiktok_return,
        creating_until=journey.now + CREATION_LEASE,
        started_at=journey.now,
    )
    try:
        with transaction.atomic():
            fresh.save(force_insert=True)
    except IntegrityError:
        rows = ReboundReturn.objects.for_merchant(fresh.merchant).filter(account=fresh.account)
        held: ReboundReturn | None = rows.filter(reference=fresh.reference).first()
        if held is None:
            raise
        return held, False
    return fresh, True


def _free_reference(journey: Journey) -> str:
    """Our reference for the parcel. ReBound keeps those of cancelled returns for good."""
    references = journey.references
    return next((each for each in references if each not in journey.rebound_returns), references[-1])


def _lead(journey: Journey, *, rebound_return: ReboundReturn) -> None:
    """Make this return the one that creates. Raises BlockedError while another of the parcel is at it."""
    free = Q(led_by=journey.tiktok_return) | Q(creating_until__isnull=True) | Q(creating_until__lt=journey.now)
    mine = ReboundReturn.objects.filter(free, pk=rebound_return.pk, confirmed_at__isnull=True).update(
        led_by=journey.tiktok_return, creating_until=journey.now + CREATION_LEASE
    )
    if not mine:
        raise BlockedError(Reason.SIBLING_AWAITED, passing=True)


def _join(journey: Journey, *, rebound_return: ReboundReturn) -> None:
    """Every return of the parcel that needs the label belongs to this ReBound return from now on."""
    ids = {member.pk for member in journey.wanting()} | {journey.tiktok_return.pk}
    TikTokReturn.objects.filter(pk__in=ids, rebound_return__isnull=True).update(rebound_return=rebound_return)


def plan_for(journey: Journey) -> Plan:
    """What the parcel's matches, the shop's lanes and the buyer's country come to. Raises BlockedError: no lane."""
    sales_order, direct_reason = journey.order_to_link()
    _, country = _origin(journey, sales_order=sales_order)
    lane = journey.lane_for(country)
    if lane is None:
        raise BlockedError(Reason.NO_LANE, f"Country {country or 'unknown'}.")
    wants_qr = journey.tiktok_return.document_type.startswith("QR_CODE")
    return Plan(
        sales_order=sales_order,
        direct_reason=direct_reason,
        country=country,
        lane=lane,
        label_format=LabelFormat.QR if wants_qr else LabelFormat.PDF,
    )


def _service(lane: Lane, label_format: str) -> str:
    if label_format == LabelFormat.QR and lane.qr_carrier_service:
        return str(lane.qr_carrier_service)
    return str(lane.carrier_service)


def _mend(journey: Journey, *, rebound_return: ReboundReturn) -> None:
    """Before it is asked for again: take what may have been missing or wrong, the lane and the buyer's address."""
    lane = journey.lane_for(rebound_return.country)
    if lane is not None:
        rebound_return.carrier_service = _service(lane, rebound_return.label_format)
        rebound_return.shipping_provider_id = lane.shipping_provider_id
        rebound_return.save(update_fields=["carrier_service", "shipping_provider_id"])
    if not journey.tiktok_return.order_fetched_at:
        fetch_order(journey, insist=False)


def _origin(journey: Journey, *, sales_order: SalesOrder | None) -> tuple[Address, str]:
    """The buyer's address and country. The sales order's is preferred: TikTok masks its own (reference, 8.17).

    An address may be missing, or spell its country "United Kingdom"; the lane still needs an ISO code.
    """
    held: dict[str, Any] = sales_order.customer_address if sales_order else {}
    seen = journey.tiktok_return.buyer_address
    told = [held.get("country_code", ""), seen.get("region_code", ""), journey.shop.region]
    country = next((code.upper() for code in told if re.fullmatch("[A-Za-z]{2}", code)), "")
    known = {name: held.get(name, "") for name in ADDRESS_NAMES}
    return (Address(**known) if held else _seen_address(seen, country=country)), country


def _seen_address(seen: dict[str, str], *, country: str) -> Address:
    """What TikTok shows of the buyer's address; without any, the country alone: a label is worth more than that."""
    if not seen:
        return Address(country_code=country)
    return Address(
        first_name=seen["first_name"] or seen["name"],
        last_name=seen["last_name"],
        address_line1=seen["line1"],
        address_line2=seen["line2"],
        address_line3=", ".join(line for line in (seen["line3"], seen["line4"]) if line),
        city=seen["city"],
        state=seen["state"],
        postal_code=seen["postal_code"],
        country_code=country,
        phone=seen["phone"],
    )


def _order_to_post(journey: Journey, *, rebound_return: ReboundReturn) -> NewReturnOrder:
    members = [m for m in journey.wanting() if m.rebound_return_id in {None, rebound_return.pk}]
    matches = journey.matches
    items: dict[str, SalesOrderItem] = {}
    if rebound_return.sales_order:
        own = [match for match in matches.values() if match.sales_order_id == rebound_return.sales_order_id]
        items = matched_items(own)
    address, _ = _origin(journey, sales_order=rebound_return.sales_order)
    return NewReturnOrder(
        rma_number=rebound_return.reference,
        sales_order_id=rebound_return.sales_order.rebound_id if rebound_return.sales_order else None,
        items=_items(journey, members=members, items=items),
        address=address,
        country_code=rebound_return.country,
        carrier_service=rebound_return.carrier_service,
        label_format="QR" if rebound_return.label_format == LabelFormat.QR else "PDF",
        metadata={
            "tiktokReturnIds": ",".join(member.return_id for member in members),
            "tiktokOrderId": journey.tiktok_return.order_id,
        },
    )


def _items(
    journey: Journey, *, members: list[TikTokReturn], items: dict[str, SalesOrderItem]
) -> tuple[NewReturnItem, ...]:
    """One entry a sales order item with its units; each line without one is an additional item of its own."""
    units: dict[int, list[TikTokReturnItem]] = defaultdict(list)
    additional: list[NewReturnItem] = []
    reasons: dict[int, str] = {}
    by_key: dict[int, SalesOrderItem] = {}
    for member in members:
        for line in journey.items_of(member):
            item = items.get(line.return_line_item_id)
            if item is None or not item.rebound_id:
                additional.append(_additional(line, reason=member.reason_code))
                continue
            units[item.pk].append(line)
            by_key[item.pk] = item
            reasons.setdefault(item.pk, member.reason_code)
    linked = [
        NewReturnItem(
            sales_item_id=by_key[key].rebound_id,
            sku=by_key[key].sku,
            description=by_key[key].description,
            quantity=len(lines),
            price=by_key[key].price,
            currency=by_key[key].currency,
            reason=reasons[key],
            hs_code=by_key[key].hs_code,
            country_of_origin=by_key[key].country_of_origin,
            weight=by_key[key].weight,
            weight_unit=by_key[key].weight_unit,
            metadata={"tiktokLineIds": ",".join(line.order_line_item_id for line in lines)},
        )
        for key, lines in units.items()
    ]
    return tuple(linked + additional)


def _additional(line: TikTokReturnItem, *, reason: str) -> NewReturnItem:
    return NewReturnItem(
        sales_item_id=None,
        sku=line.seller_sku or line.sku_id,
        description=line.name,
        quantity=1,
        price=line.price,
        currency=line.currency,
        reason=reason,
        hs_code="",
        country_of_origin="",
        weight=None,
        weight_unit="",
        metadata={"tiktokLineIds": line.order_line_item_id},
    )


def _post(journey: Journey, *, rebound_return: ReboundReturn) -> ReboundReturnOrder:
    """Ask ReBound for it. A link that is refused for good becomes a direct return: the buyer must get a label."""
    try:
        return _ask(journey, rebound_return=rebound_return)
    except UnexpectedAnswerError:
        raise
    except PermanentError as error:
        if rebound_return.kind == Kind.DIRECT:
            if not journey.tiktok_return.order_fetched_at:
                # TikTok did not show the order, so it was asked for without an address: that may pass.
                raise BlockedError(Reason.CREATE_REFUSED, str(error), passing=True) from error
            raise
        logger.warning("ReBound refused the link", extra={"reference": rebound_return.reference, "error": str(error)})
    rebound_return.kind = Kind.DIRECT
    rebound_return.direct_reason = "LINK_REFUSED"
    rebound_return.sales_order = None
    rebound_return.save(update_fields=["kind", "direct_reason", "sales_order"])
    return _ask(journey, rebound_return=rebound_return)


def _ask(journey: Journey, *, rebound_return: ReboundReturn) -> ReboundReturnOrder:
    """Post it, after committing what is asked, so that a crash is followed by a look-up and not by a second post.

    Adopts what an earlier try made meanwhile: ReBound refuses the reference then.
    """
    order = _order_to_post(journey, rebound_return=rebound_return)
    asked_before = rebound_return.asked_at
    rebound_return.request = _request(order)
    rebound_return.asked_at = journey.now
    rebound_return.save(update_fields=["request", "asked_at"])
    try:
        return journey.rebound.create_return_order(order)
    except (UnknownOutcomeError, UnexpectedAnswerError):
        raise
    except ConflictError as error:
        known = _adoptable(journey, rebound_return=rebound_return)
        if known is None and (error.existing_id or rebound_return.kind == Kind.DIRECT):
            # The reference is taken, by what its search does not show yet: a direct return competes for nothing else.
            raise BlockedError(Reason.CREATE_REFUSED, str(error), passing=True) from error
        if known is None:
            _note_refusal(rebound_return, asked_before=asked_before)
            raise
        return known
    except RemoteError:
        _note_refusal(rebound_return, asked_before=asked_before)
        raise


def _note_refusal(rebound_return: ReboundReturn, *, asked_before: datetime | None) -> None:
    """Nothing of this try can land any more; of one before it something may."""
    rebound_return.asked_at = asked_before
    rebound_return.save(update_fields=["asked_at"])


def _request(order: NewReturnOrder) -> dict[str, Any]:
    """What we ask for, for people: everything but the address."""
    return {
        "salesOrderId": order.sales_order_id,
        "items": [
            {"salesItemId": item.sales_item_id, "sku": item.sku, "quantity": item.quantity, "reason": item.reason}
            for item in order.items
        ],
        "carrierService": order.carrier_service,
        "labelFormat": order.label_format,
    }


def _adoptable(journey: Journey, *, rebound_return: ReboundReturn) -> ReboundReturnOrder | None:
    """What ReBound holds under our reference, if anything. Its filter may be loose: equality is checked here."""
    found = [
        order
        for order in journey.rebound.find_return_orders(rma_number=rebound_return.reference)
        if order.rma_number == rebound_return.reference
    ]
    active = [order for order in found if order.status != "CANCELLED"]
    if len(active) > 1:
        raise BlockedError(
            Reason.CREATE_REFUSED, f"ReBound holds {len(active)} returns under {rebound_return.reference}."
        )
    return active[0] if active else (found[0] if found else None)


def _is_still_wanted(rebound_return: ReboundReturn, *, journey: Journey) -> bool:
    """Whether no person unlinked it while it was being created."""
    ids = [member.return_id for member in journey.parcel]
    current = Match.objects.for_merchant(journey.shop.merchant).current().filter(shop=journey.shop, return_id__in=ids)
    return current.filter(sales_order=rebound_return.sales_order_id).exists()


def _recognize_link(rebound_return: ReboundReturn, *, created: ReboundReturnOrder, journey: Journey) -> None:
    """An earlier try, linked, landed after it was taken for refused: what it was matched to stands."""
    order, _ = journey.order_to_link()
    if order is not None and order.rebound_id == created.sales_order_id:
        rebound_return.kind, rebound_return.direct_reason, rebound_return.sales_order = Kind.LINKED, "", order


@transaction.atomic
def _confirm(rebound_return: ReboundReturn, *, created: ReboundReturnOrder, journey: Journey) -> None:
    now = journey.now
    rebound_return.rebound_id = created.id
    rebound_return.rebound_status = created.status[:40]
    rebound_return.payload = created.raw
    rebound_return.confirmed_at = now
    rebound_return.creating_until = None
    rebound_return.rebound_sales_order_id = created.sales_order_id or ""
    if rebound_return.kind == Kind.DIRECT and created.sales_order_id:
        _recognize_link(rebound_return, created=created, journey=journey)
    if rebound_return.kind == Kind.LINKED and not _is_still_wanted(rebound_return, journey=journey):
        rebound_return.let_go()
    rebound_return.late_look_at = first_look(rebound_return, matches=journey.matches.values(), now=now)
    rebound_return.save(update_fields=CONFIRMED)
    if created.status == "CANCELLED":
        note_cancelled_there(rebound_return, now=now)
    store_label(rebound_return, order=created, journey=journey)
    # The others of the parcel need not wait for their own turn to notice.
    others = [member.pk for member in journey.parcel if member.pk != journey.tiktok_return.pk]
    waiting = rebound_return.tiktok_returns.filter(pk__in=others, label_delivered_at__isnull=True)
    waiting.update(next_attempt_at=now)
