"""Which step comes next, derived from facts alone. Pure: no database, no clock, no remote call.

`label_need` reads what TikTok says of a return; `next_step` reads that and which of our rows exist. A rerun therefore
goes on where it stopped, and no status can disagree with reality. Carrying a step out stands in `steps/`, claiming and
recording in `services.py`.
"""

from dataclasses import dataclass
from enum import Enum

from returns.models import Reason, Status, Step


class Need(Enum):
    """What TikTok's view of a return asks of us."""

    LABEL = "the buyer waits for our label"
    NOT_YET = "not approved yet"
    NOTHING = "nothing, now or ever, unless TikTok changes its mind"
    CANCELLED = "the return was cancelled"
    PASSED = "the buyer has shipped, or TikTok closed it"
    UNCLEAR = "TikTok says something that we do not know"


@dataclass(frozen=True, slots=True)
class LabelNeed:
    need: Need
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TikTokView:
    """What decides the need for a label (TikTok reference, sections 6.1 and 6.2)."""

    return_status: str
    return_type: str
    return_method: str
    can_buyer_keep_item: bool
    tracking_number: str
    our_tracking_number: str = ""


AWAITING_BUYER_SHIP = "AWAITING_BUYER_SHIP"
# TikTok's prose spells some states differently than its API (reference, 6.2); both are taken.
NOT_APPROVED = {"RETURN_OR_REFUND_REQUEST_PENDING", "REPLACEMENT_REQUEST_PENDING", "AWAITING_BUYER_RESPONSE"}
REJECTED = {
    "REFUND_OR_RETURN_REQUEST_REJECT",
    "RETURN_OR_REFUND_REQUEST_REJECT",
    "REPLACEMENT_REQUEST_REJECT",
    "REQUEST_REJECTED",
}
CANCELLED = {
    "RETURN_OR_REFUND_REQUEST_CANCEL",
    "RETURN_OR_REFUND_REQUEST_CANCELLED",
    "RETURN_OR_REFUND__REQUEST_CANCELLED",
    "REPLACEMENT_REQUEST_CANCEL",
}
SHIPPED = {"BUYER_SHIPPED_ITEM", "REJECT_RECEIVE_PACKAGE", "RECEIVE_REJECTED"}
CLOSED = {
    "RETURN_OR_REFUND_REQUEST_SUCCESS",
    "RETURN_OR_REFUND_REQUEST_COMPLETE",
    "REPLACEMENT_REQUEST_REFUND_SUCCESS",
    "REPLACEMENT_REQUEST_COMPLETE",
    "REQUEST_SUCCESS",
}
WITHOUT_OUR_LABEL = {"PLATFORM_SHIPPED": Reason.PLATFORM_LABEL, "BUYER_SHIPPED": Reason.BUYER_SHIPS}


def label_need(view: TikTokView) -> LabelNeed:
    """What TikTok's view of a return asks of us; an unknown value is never taken for a known one."""
    status = view.return_status
    if status in CANCELLED:
        return LabelNeed(Need.CANCELLED)
    if view.return_type == "REFUND":
        return LabelNeed(Need.NOTHING, Reason.REFUND_ONLY)
    if view.can_buyer_keep_item:
        return LabelNeed(Need.NOTHING, Reason.BUYER_KEEPS_ITEM)
    if status in NOT_APPROVED:
        return LabelNeed(Need.NOT_YET, Reason.NOT_APPROVED)
    if status in REJECTED:
        return LabelNeed(Need.NOTHING, Reason.REJECTED)
    if status in SHIPPED:
        return LabelNeed(Need.PASSED, Reason.ALREADY_SHIPPED)
    if status in CLOSED:
        return LabelNeed(Need.PASSED, Reason.CLOSED)
    if status != AWAITING_BUYER_SHIP:
        return LabelNeed(Need.UNCLEAR, Reason.UNKNOWN_RETURN_STATUS, f"return_status {status!r}")
    if view.return_method in WITHOUT_OUR_LABEL:
        return LabelNeed(Need.NOTHING, WITHOUT_OUR_LABEL[view.return_method])
    if view.return_method != "SELLER_SHIPPED":
        return LabelNeed(Need.UNCLEAR, Reason.UNKNOWN_RETURN_METHOD, f"return_method {view.return_method!r}")
    if view.tracking_number and view.tracking_number != view.our_tracking_number:
        return LabelNeed(Need.NOTHING, Reason.LABEL_BY_OTHERS, f"tracking number {view.tracking_number}")
    return LabelNeed(Need.LABEL)


class AtRebound(Enum):
    """How far the ReBound return of the parcel is."""

    NONE = "no row"
    STARTED = "a row that says creating"
    CREATED = "confirmed, without its label"
    LABELLED = "confirmed, with its label"
    CANCELLED = "cancelled by us"
    CANCELLED_THERE = "cancelled by ReBound"


class Matched(Enum):
    """How far the match of the parcel is: the least settled of its returns."""

    MISSING = "a return has no decision"
    STALE = "a decision that time may cure, from an earlier round"
    CURABLE = "decided in this round, and time may still cure it"
    SETTLED = "decided"


class Late(Enum):
    """How far the late link of a direct return is whose label was delivered."""

    NOTHING = "it is linked, or is not to be looked at now"
    LOOK = "it is due to be matched again"
    LINK = "it was matched again, to an order that ReBound holds"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that `next_step` looks at."""

    fetch_wanted: bool
    label: LabelNeed
    at_rebound: AtRebound
    joined: bool = False  # this return belongs to the ReBound return of its parcel
    delivered: bool = False
    matched: Matched = Matched.MISSING
    wait_is_over: bool = True
    direct_asked: bool = False
    parcel_still_wanted: bool = False  # another return of the parcel has a use for the ReBound return
    paused: bool = False  # the merchant wants no new returns at ReBound; what exists there goes on
    late: Late = Late.NOTHING
    resolved: bool = False  # a person handled it outside


@dataclass(frozen=True, slots=True)
class Rest:
    """No step now. With `Status.WAITING` the clock or an event goes on."""

    status: Status
    reason: Reason | None = None
    detail: str = ""


def next_step(facts: Facts) -> Step | Rest:
    """The one place that says what comes next (design, section 3)."""
    if facts.fetch_wanted:
        return Step.FETCH
    if facts.resolved and facts.label.need is not Need.CANCELLED:
        return resolved(delivered=facts.delivered)
    if facts.label.need is Need.LABEL:
        return _toward_the_label(facts)
    return _without_a_label(facts)


def resolved(*, delivered: bool) -> Rest:
    """Where a return rests that a person handled outside."""
    return Rest(Status.DONE) if delivered else Rest(Status.NOT_OURS, Reason.RESOLVED_BY_HAND)


def has_use(need: Need, *, delivered: bool) -> bool:
    """Whether a return still has a use for the ReBound return that it joined.

    A delivered label stays valid unless the return is cancelled; an undelivered one has no use to a return that needs
    none.
    """
    if need is Need.CANCELLED:
        return False
    return delivered or need not in {Need.NOTHING, Need.PASSED}


def _toward_the_label(facts: Facts) -> Step | Rest:
    if facts.at_rebound is AtRebound.CANCELLED:
        return Rest(Status.NEEDS_ATTENTION, Reason.REOPENED)
    if facts.at_rebound is AtRebound.CANCELLED_THERE:
        return Rest(Status.NEEDS_ATTENTION, Reason.CANCELLED_AT_REBOUND)
    if facts.delivered:
        return _after_the_label(facts)
    if facts.paused and facts.at_rebound is AtRebound.NONE:
        return Rest(Status.WAITING, Reason.SHOP_PAUSED)
    if not facts.direct_asked and not facts.joined:
        if facts.matched in {Matched.MISSING, Matched.STALE}:
            return Step.MATCH
        # A parcel that already has its ReBound return waits for nothing: who joins late gets the same label.
        if facts.matched is Matched.CURABLE and not facts.wait_is_over and facts.at_rebound is AtRebound.NONE:
            return Rest(Status.WAITING, Reason.ORDER_AWAITED)
    if not facts.joined or facts.at_rebound in {AtRebound.NONE, AtRebound.STARTED}:
        return Step.CREATE
    return Step.COLLECT if facts.at_rebound is AtRebound.CREATED else Step.DELIVER


def _after_the_label(facts: Facts) -> Step | Rest:
    """The buyer has the label. What is left to do is for the books, and never touches it."""
    if facts.late is Late.LOOK:
        return Step.MATCH
    return Step.LINK if facts.late is Late.LINK else Rest(Status.DONE)


def _without_a_label(facts: Facts) -> Step | Rest:
    need = facts.label
    if need.need is Need.PASSED and facts.delivered:
        if facts.at_rebound is AtRebound.CANCELLED_THERE and need.reason is Reason.ALREADY_SHIPPED:
            return Rest(Status.NEEDS_ATTENTION, Reason.CANCELLED_AT_REBOUND)  # a parcel on its way that nobody awaits
        return _after_the_label(facts)
    if need.need is Need.UNCLEAR:
        return Rest(Status.NEEDS_ATTENTION, need.reason, need.detail)
    exists = facts.joined and facts.at_rebound in {AtRebound.STARTED, AtRebound.CREATED, AtRebound.LABELLED}
    if exists and not facts.parcel_still_wanted and not has_use(need.need, delivered=facts.delivered):
        return Step.CANCEL
    if need.need is Need.CANCELLED:
        return Rest(Status.CANCELLED)
    if need.need is Need.NOT_YET:
        return Rest(Status.WAITING, need.reason)
    return Rest(Status.DONE) if facts.delivered else Rest(Status.NOT_OURS, need.reason, need.detail)
