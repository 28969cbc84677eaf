"""Cancel: the ReBound return of a parcel that no return needs any more, and give its units back.

Where the answer to its creation never came, ReBound may still be at it: as long as it may land it is looked up again
and again, and only then it counts as never created. Settled sooner, it would land afterwards and stand for good.
"""

from datetime import timedelta

from django.conf import settings

from rebound_tts.clients.errors import NotFoundError
from returns.journey import BlockedError, Journey
from returns.models import Reason, ReboundReturn


def cancel(journey: Journey) -> str:
    rebound_return = journey.tiktok_return.rebound_return
    if rebound_return is None:
        raise BlockedError(Reason.CANCEL_REFUSED, "There is no ReBound return.")
    rebound_ids = [rebound_return.rebound_id] if rebound_return.rebound_id else []
    if not rebound_ids and rebound_return.asked_at:
        found = [
            order
            for order in journey.rebound.find_return_orders(rma_number=rebound_return.reference)
            if order.rma_number == rebound_return.reference
        ]
        lands_until = rebound_return.asked_at + timedelta(seconds=settings.CREATION_LANDS_SECONDS)
        if not found and journey.now < lands_until:
            raise BlockedError(Reason.REMOTE_BUSY, "ReBound may still be creating it.", until=lands_until)
        rebound_ids = [order.id for order in found if order.status != "CANCELLED"]
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
