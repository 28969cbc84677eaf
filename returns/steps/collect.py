"""Collect: the label of a ReBound return that exists, where the answer to its creation brought none."""

from dataclasses import replace
from datetime import datetime

from django.db import IntegrityError, transaction

from rebound_tts.clients.rebound_answers import ReboundReturnOrder
from returns.journey import BlockedError, Journey
from returns.models import LabelFormat, Reason, ReboundReturn, ReturnLabel

SIGNATURES = {
    b"%PDF": (LabelFormat.PDF, "application/pdf"),
    b"\x89PNG\r\n\x1a\n": (LabelFormat.QR, "image/png"),
    b"\xff\xd8\xff": (LabelFormat.QR, "image/jpeg"),
}
LARGEST_LABEL = 5 * 1024 * 1024  # bytes


def collect(journey: Journey) -> str:
    rebound_return = journey.tiktok_return.rebound_return
    if rebound_return is None:
        raise BlockedError(Reason.LABEL_UNUSABLE, "There is no ReBound return.")
    found = [
        order
        for order in journey.rebound.find_return_orders(rma_number=rebound_return.reference)
        if order.id == rebound_return.rebound_id
    ]
    if not found:
        raise BlockedError(Reason.LABEL_UNUSABLE, "ReBound does not list the return any more.", passing=True)
    if found[0].status == "CANCELLED":
        note_cancelled_there(rebound_return, now=journey.now)
        return "Cancelled at ReBound"
    label = store_label(rebound_return, order=_with_content(found[0], journey=journey), journey=journey)
    if label is None:
        raise BlockedError(
            Reason.LABEL_UNUSABLE, "No parcel carries a PDF or QR code with a tracking number yet.", passing=True
        )
    return label.tracking_number


def note_cancelled_there(rebound_return: ReboundReturn, *, now: datetime) -> bool:
    """ReBound cancelled it by itself. What follows from that, `pipeline` says. Answers whether it is news."""
    standing = ReboundReturn.objects.filter(pk=rebound_return.pk, cancelled_at__isnull=True)
    return bool(standing.update(cancelled_at=now, cancelled_there=True, rebound_status="CANCELLED", late_look_at=None))


def _with_content(order: ReboundReturnOrder, *, journey: Journey) -> ReboundReturnOrder:
    """The same order, with the labels downloaded that came as an address."""
    parcels = []
    for parcel in order.parcels:
        label = parcel.label
        if label is not None and not label.content and label.url:
            content, content_type = journey.rebound.download_label(label.url)
            parcel = replace(parcel, label=replace(label, content=content, content_type=content_type))
        parcels.append(parcel)
    return replace(order, parcels=tuple(parcels))


def store_label(rebound_return: ReboundReturn, *, order: ReboundReturnOrder, journey: Journey) -> ReturnLabel | None:
    """Keep the label that came inline, if it is one; what a file is, its first bytes say."""
    for parcel in order.parcels:
        content = (parcel.label.content if parcel.label else None) or b""
        kind = kind_of(content)
        if kind is None or not parcel.tracking_number or len(content) > LARGEST_LABEL:
            continue
        label = ReturnLabel(
            merchant_id=rebound_return.merchant_id,
            rebound_return=rebound_return,
            format=kind[0],
            content_type=kind[1],
            content=content,
            carrier=parcel.carrier[:100],
            tracking_number=parcel.tracking_number[:100],
            received_at=journey.now,
        )
        try:
            with transaction.atomic():
                label.save(force_insert=True)
        except IntegrityError:
            return ReturnLabel.objects.get(rebound_return=rebound_return)  # it has one: the first stays
        return label
    return None


def kind_of(content: bytes) -> tuple[LabelFormat, str] | None:
    """What a label's bytes are, or None for what a buyer cannot use."""
    return next((kind for signature, kind in SIGNATURES.items() if content.startswith(signature)), None)
