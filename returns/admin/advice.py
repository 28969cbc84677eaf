"""What happens next with a return, what would cure it, and who can: a sentence each, for every state and reason."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from matching.matcher import Reason as MatchReason
from returns.models import Reason, Status, TikTokReturn

NOBODY, WORKER = _("Nobody"), _("Nobody: it goes on by itself")
MERCHANT, OMS, STAFF = _("The merchant"), _("The merchant's OMS developer"), _("An implementation manager")
REBOUND, DEVELOPERS = _("ReBound"), _("The developers of this app")


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence, and who can do what it says."""

    sentence: Any
    who: Any


AT_REST = {
    Status.OPEN: Advice(_("A worker takes it up within seconds."), WORKER),
    Status.DONE: Advice(_("Nothing is left to do; later events are watched."), NOBODY),
    Status.CANCELLED: Advice(_("The buyer or the seller cancelled it. Nothing is left to do."), NOBODY),
}
FOR_REASON = {
    Reason.NOT_APPROVED: Advice(
        _("Approve the return in TikTok's Seller Center; the label follows at once."), MERCHANT
    ),
    Reason.ORDER_AWAITED: Advice(
        _("It is matched as soon as the order arrives, and goes direct when the wait ends."), WORKER
    ),
    Reason.REMOTE_BUSY: Advice(_("It is tried again in a moment."), WORKER),
    Reason.SIBLING_AWAITED: Advice(_("It goes on once the other return has come to rest."), WORKER),
    Reason.SHOP_NOT_LIVE: Advice(_("Finish the install wizard and go live."), MERCHANT),
    Reason.SHOP_PAUSED: Advice(_("Resume the shop; what waits is taken up at once."), MERCHANT),
    Reason.SHOP_DISCONNECTED: Advice(_("Connect the shop again; what waits is taken up at once."), MERCHANT),
    Reason.REMOTE_UNAVAILABLE: Advice(
        _("It is tried again each hour. Once the remote system is well, run it again."), STAFF
    ),
    Reason.TIKTOK_CONNECTION: Advice(
        _("Authorize the app at TikTok again; what waits is then taken up by itself."), MERCHANT
    ),
    Reason.REBOUND_CONNECTION: Advice(
        _("Enter working ReBound credentials; what waits is then taken up by itself."), STAFF
    ),
    Reason.NO_REBOUND_ACCOUNT: Advice(_("Give the shop a ReBound account."), STAFF),
    Reason.NO_LANE: Advice(_("Add a lane for the country, or a default lane, to the shop; then run it again."), STAFF),
    Reason.RETURN_NOT_FOUND: Advice(_("Check in Seller Center whether the return exists; then run it again."), STAFF),
    Reason.UNEXPECTED_ANSWER: Advice(_("Look at the last attempt; a release may be needed."), DEVELOPERS),
    Reason.UNKNOWN_RETURN_STATUS: Advice(_("TikTok uses a status that this app must learn."), DEVELOPERS),
    Reason.UNKNOWN_RETURN_METHOD: Advice(
        _("Check in Seller Center who ships the return; it is looked at each hour."), MERCHANT
    ),
    Reason.CREATE_REFUSED: Advice(_("Mend what ReBound names in the detail; then run it again."), STAFF),
    Reason.TIKTOK_REFUSED: Advice(_("Mend what TikTok names in the detail; then run it again."), STAFF),
    Reason.LABEL_UNUSABLE: Advice(_("Ask ReBound why there is no usable label; it is asked again each hour."), REBOUND),
    Reason.UPLOAD_REFUSED: Advice(
        _("Mend what TikTok names in the detail, such as the shipping provider of the lane; then run it again."), STAFF
    ),
    Reason.CANCEL_REFUSED: Advice(_("Cancel the return at ReBound by hand; then resolve it here."), STAFF),
    Reason.OTHER_LABEL: Advice(_("Look at both labels and tell the buyer which one to use; then resolve it."), STAFF),
    Reason.REOPENED: Advice(_("Run it again: the buyer gets a new return at ReBound and a new label."), STAFF),
    Reason.CANCELLED_AT_REBOUND: Advice(
        _("Ask ReBound why. Where the buyer has no label yet, running it again makes another."), STAFF
    ),
    Reason.CRASHED: Advice(_("Tell the developers the correlation id; it is tried again each hour."), DEVELOPERS),
    Reason.RESOLVED_BY_HAND: Advice(_("Somebody handled it outside. Nothing is left to do."), NOBODY),
}
NOT_OURS = Advice(_("It needs no label of ours. It is watched, and taken up if TikTok changes its mind."), NOBODY)

CURES = {
    MatchReason.MATCHING_OFF: Advice(_("Turn on matching for the shop, and say whose ids the orders carry."), STAFF),
    MatchReason.NO_PLATFORM_ORIGIN: Advice(_("Choose the shop's platform origin."), STAFF),
    MatchReason.NO_EXTERNAL_REF: Advice(
        _("Write the order's id to TikTok as an external reference under the shop's platform origin."), OMS
    ),
    MatchReason.REF_UNDER_OTHER_ORIGIN: Advice(
        _("Make the shop's platform origin the platform that the reference is under, or write it under the origin."),
        STAFF,
    ),
    MatchReason.AMBIGUOUS_REF: Advice(_("Keep one external reference at TikTok for this order."), OMS),
    MatchReason.ORDER_NOT_SYNCED: Advice(_("Push the order with exactly this id; the link follows by itself."), OMS),
    MatchReason.AMBIGUOUS_ORDER: Advice(
        _("Two orders are equal under the id rules: remove a rule, or link the right one by hand."), STAFF
    ),
    MatchReason.ORDER_CANCELLED: Advice(_("The order is cancelled: check that, and push it again if it is not."), OMS),
    MatchReason.METADATA_CONFLICT: Advice(_("Push the order with an omsOrderId that equals its clientOrderId."), OMS),
    MatchReason.LOOKUP_FAILED: Advice(_("A remote system did not answer. Match it again."), STAFF),
    MatchReason.ITEM_REF_MISSING: Advice(
        _("Write the line's item id to TikTok with the external reference; until then link the item by hand."), OMS
    ),
    MatchReason.ITEM_REF_UNKNOWN: Advice(_("Push the order with an item of exactly this omsItemId."), OMS),
    MatchReason.ITEM_REF_AMBIGUOUS: Advice(_("Give each line and each item an id of its own."), OMS),
    MatchReason.QTY_EXCEEDS_ORDERED: Advice(
        _("More units are coming back than were ordered: look at the other returns of the order."), STAFF
    ),
    MatchReason.UNLINKED_BY_HAND: Advice(_("A person unlinked it. Undo that, or link it by hand."), STAFF),
    MatchReason.LEFT_OUT_BY_HAND: Advice(_("A person left this line out. Link by hand again to change that."), STAFF),
}


def next_move(row: TikTokReturn) -> Advice:
    """What happens next with this return, and who must act."""
    if row.reason:
        return FOR_REASON.get(Reason(row.reason), NOT_OURS)
    return AT_REST[Status(row.status)]


def cure_of(reason: str) -> Advice | None:
    """What would cure a failed match; None where nothing failed."""
    return CURES[MatchReason(reason)] if reason else None
