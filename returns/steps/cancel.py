"""Cancel: the ReBound return of a parcel that no return needs any more, and give its units back."""

from rebound_tts.clients.errors import NotFoundError
from returns.journey import BlockedError, Journey
from returns.models import Reason, ReboundReturn


def cancel(journey: Journey) -> str:
    rebound_return = journey.tiktok_return.rebound_return
    if rebound_return is None:
        raise BlockedError(Reason.CANCEL_REFUSED, "There is no ReBound return.")
    rebound_ids = [rebound_return.rebound_id] if rebound_return.rebound_id else []
    if not rebound_ids and rebound_return.asked_at:
        # It may exist: the answer to its creation never came.
        rebound_ids = [
            order.id
            for order in journey.rebound.find_return_orders(rma_number=rebound_return.reference)
            if order.rma_number == rebound_return.reference and order.status != "CANCELLED"
        ]
    status = "CANCELLED"
    for rebound_id in rebound_ids:
        try:
            status = journey.rebound.cancel_return_order(rebound_id).status
        except NotFoundError:
            status = "NOT_FOUND"
    ReboundReturn.objects.filter(pk=rebound_return.pk, cancelled_at__isnull=True).update(
        cancelled_at=journey.now, rebound_status=status[:40], creating_until=None
    )
    return ", ".join(rebound_ids) or "It was never created"
