"""Match: decide for each return of the parcel that needs a label which sale it belongs to."""

from matching.matcher import ReturnedLine
from matching.services import ReturnToMatch, find_chosen_order, match_return
from returns.journey import BlockedError, Journey
from returns.models import Reason, Status, TikTokReturn, TikTokReturnItem
from returns.pipeline import CANCELLED


def match(journey: Journey) -> str:
    """With a ReBound return there, this is a late look: everything but a decision by hand is decided anew."""
    row = journey.tiktok_return
    _await_units(journey)
    matches = journey.matches
    is_late = row.rebound_return is not None
    rebound = journey.rebound if journey.shop.rebound_account else None
    said = ""
    for member in journey.concerned():
        held = matches.get(member.return_id)
        if held is not None and held.is_by_hand:
            # A person's decision stands; all that may be missing is ReBound's id of the order.
            if rebound is not None and journey.account.reads_orders:
                find_chosen_order(match=held, rebound=rebound, now=journey.now)
            decision = held
        elif held is not None and not held.may_improve and not is_late:
            continue  # settled; what time may cure is decided again, whichever return of the parcel is at it
        else:
            decision = match_return(
                shop=journey.shop,
                subject=subject_of(member, lines=journey.items_of(member)),
                tiktok=journey.tiktok,
                rebound=rebound,
                now=journey.now,
                known=held,
                only_answers=is_late,
                provided=journey.is_held,
            )
            matches[member.return_id] = decision
        journey.decided_in_this_round.add(member.return_id)
        if member.pk == row.pk:
            said = f"{decision.outcome} {decision.reason}".strip()
    journey.looked_late = is_late
    return said


def _await_units(journey: Journey) -> None:
    """Raise BlockedError while a cancelled return of the same order is about to give its units back, here and at
    ReBound: a buyer who edits a request gets a new return and has the old one cancelled. One that is stuck is not
    waited for."""
    row = journey.tiktok_return
    leaving = TikTokReturn.objects.filter(
        shop=journey.shop, order_id=row.order_id, return_status__in=CANCELLED, next_attempt_at__isnull=False
    ).exclude(status__in=[Status.CANCELLED, Status.NEEDS_ATTENTION])
    if leaving.exists():
        raise BlockedError(Reason.SIBLING_AWAITED)


def subject_of(member: TikTokReturn, *, lines: list[TikTokReturnItem]) -> ReturnToMatch:
    """What matching needs to know of a return."""
    returned = tuple(
        ReturnedLine(
            return_line_item_id=item.return_line_item_id,
            order_line_item_id=item.order_line_item_id,
            sku=item.seller_sku,
        )
        for item in lines
    )
    return ReturnToMatch(return_id=member.return_id, tiktok_order_id=member.order_id, lines=returned)
