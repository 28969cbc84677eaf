"""Deliver: the label or QR code, the tracking number and the provider's id, to TikTok. A step of its own, so that a
failed upload never creates a second return.

TikTok takes a label once. "Already uploaded" is success only if TikTok's tracking number is ours, which is looked up.
"""

from rebound_tts.clients.errors import AlreadyUploadedError, ReturnStateError
from returns.journey import BlockedError, Journey
from returns.models import LabelFormat, Reason, ReturnLabel, TikTokReturn


def deliver(journey: Journey) -> str:
    row = journey.tiktok_return
    label = journey.label
    if label is None or row.rebound_return is None:
        raise BlockedError(Reason.LABEL_UNUSABLE, "There is no label to deliver.")
    together = [
        member
        for member in journey.wanting()
        if member.rebound_return_id == row.rebound_return_id and member.label_delivered_at is None
    ]
    try:
        try:
            _upload(journey, label=label, members=together)
        except (AlreadyUploadedError, ReturnStateError):
            if len(together) == 1:
                raise
            # One return of several may be the reason; what is true of this one alone decides.
            together = [row]
            _upload(journey, label=label, members=together)
    except (AlreadyUploadedError, ReturnStateError) as error:
        _check_that_it_is_ours(journey, label=label, error=error)
    _record(journey, members=together)
    return label.tracking_number


def _upload(journey: Journey, *, label: ReturnLabel, members: list[TikTokReturn]) -> None:
    content = bytes(label.content)
    is_pdf = label.format == LabelFormat.PDF
    journey.tiktok.upload_shipping_document(
        return_ids=[member.return_id for member in members],
        tracking_number=label.tracking_number,
        provider_id=_provider_id(journey),
        label_pdf=content if is_pdf else None,
        qr_code=None if is_pdf else content,
        qr_content_type=label.content_type,
    )


def _provider_id(journey: Journey) -> str:
    """TikTok's id of the shipping provider, from the lane as it is now: a wrong one is mended there."""
    rebound_return = journey.tiktok_return.rebound_return
    if rebound_return is None:
        return ""
    lane = journey.lane_for(rebound_return.country)
    if lane and rebound_return.carrier_service in {lane.carrier_service, lane.qr_carrier_service}:
        return str(lane.shipping_provider_id)
    return str(rebound_return.shipping_provider_id)


def _check_that_it_is_ours(
    journey: Journey, *, label: ReturnLabel, error: AlreadyUploadedError | ReturnStateError
) -> None:
    """Return if the label that TikTok already holds is ours. Raises BlockedError where it is another, and the error
    where TikTok holds none because the return has moved on."""
    row = journey.tiktok_return
    found = {remote.return_id: remote for remote in journey.tiktok.search_returns(return_ids=[row.return_id])}
    remote = found.get(row.return_id)
    if remote is None:
        raise BlockedError(Reason.RETURN_NOT_FOUND, passing=True)
    if not remote.tracking_number:
        if isinstance(error, ReturnStateError):
            raise error
        raise BlockedError(Reason.UPLOAD_REFUSED, "TikTok takes no label and shows none.", passing=True)
    if remote.tracking_number != label.tracking_number:
        raise BlockedError(Reason.OTHER_LABEL, f"TikTok holds tracking number {remote.tracking_number}.")


def _record(journey: Journey, *, members: list[TikTokReturn]) -> None:
    now = journey.now
    own = journey.tiktok_return
    ids = [member.pk for member in members]
    TikTokReturn.objects.filter(pk__in=ids, label_delivered_at__isnull=True).update(label_delivered_at=now)
    others = [pk for pk in ids if pk != own.pk]
    if others:
        TikTokReturn.objects.filter(pk__in=others).update(next_attempt_at=now)
