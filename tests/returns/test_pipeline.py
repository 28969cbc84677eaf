"""The pure functions: what TikTok's view of a return asks of us, and which step comes next."""

from dataclasses import replace
from itertools import product

import pytest

from returns.models import Reason, Status, Step
from returns.pipeline import (
    AtRebound,
    Facts,
    LabelNeed,
    Matched,
    Need,
    Rest,
    TikTokView,
    has_use,
    label_need,
    next_step,
)

WAITS_FOR_LABEL = TikTokView(
    return_status="AWAITING_BUYER_SHIP",
    return_type="RETURN_AND_REFUND",
    return_method="SELLER_SHIPPED",
    can_buyer_keep_item=False,
    tracking_number="",
)


@pytest.mark.parametrize(
    ("changes", "need", "reason"),
    [
        ({}, Need.LABEL, None),
        ({"return_type": "REPLACEMENT"}, Need.LABEL, None),
        ({"return_type": "SOMETHING_NEW"}, Need.LABEL, None),
        ({"tracking_number": "T1", "our_tracking_number": "T1"}, Need.LABEL, None),
        ({"tracking_number": "T1"}, Need.NOTHING, Reason.LABEL_BY_OTHERS),
        ({"tracking_number": "T2", "our_tracking_number": "T1"}, Need.NOTHING, Reason.LABEL_BY_OTHERS),
        ({"return_type": "REFUND"}, Need.NOTHING, Reason.REFUND_ONLY),
        ({"can_buyer_keep_item": True}, Need.NOTHING, Reason.BUYER_KEEPS_ITEM),
        ({"return_method": "PLATFORM_SHIPPED"}, Need.NOTHING, Reason.PLATFORM_LABEL),
        ({"return_method": "BUYER_SHIPPED"}, Need.NOTHING, Reason.BUYER_SHIPS),
        ({"return_method": ""}, Need.UNCLEAR, Reason.UNKNOWN_RETURN_METHOD),
        ({"return_method": "SELLER_ARRANGE"}, Need.UNCLEAR, Reason.UNKNOWN_RETURN_METHOD),
        ({"return_status": "RETURN_OR_REFUND_REQUEST_PENDING"}, Need.NOT_YET, Reason.NOT_APPROVED),
        ({"return_status": "REPLACEMENT_REQUEST_PENDING"}, Need.NOT_YET, Reason.NOT_APPROVED),
        ({"return_status": "AWAITING_BUYER_RESPONSE"}, Need.NOT_YET, Reason.NOT_APPROVED),
        ({"return_status": "REFUND_OR_RETURN_REQUEST_REJECT"}, Need.NOTHING, Reason.REJECTED),
        ({"return_status": "RETURN_OR_REFUND_REQUEST_REJECT"}, Need.NOTHING, Reason.REJECTED),
        ({"return_status": "BUYER_SHIPPED_ITEM"}, Need.PASSED, Reason.ALREADY_SHIPPED),
        ({"return_status": "REJECT_RECEIVE_PACKAGE"}, Need.PASSED, Reason.ALREADY_SHIPPED),
        ({"return_status": "RETURN_OR_REFUND_REQUEST_SUCCESS"}, Need.PASSED, Reason.CLOSED),
        ({"return_status": "RETURN_OR_REFUND_REQUEST_COMPLETE"}, Need.PASSED, Reason.CLOSED),
        ({"return_status": "REPLACEMENT_REQUEST_COMPLETE"}, Need.PASSED, Reason.CLOSED),
        ({"return_status": "RETURN_OR_REFUND_REQUEST_CANCEL"}, Need.CANCELLED, None),
        ({"return_status": "RETURN_OR_REFUND__REQUEST_CANCELLED"}, Need.CANCELLED, None),
        ({"return_status": "RETURN_OR_REFUND_REQUEST_CANCEL", "return_type": "REFUND"}, Need.CANCELLED, None),
        ({"return_status": ""}, Need.UNCLEAR, Reason.UNKNOWN_RETURN_STATUS),
        ({"return_status": "awaiting_buyer_ship"}, Need.UNCLEAR, Reason.UNKNOWN_RETURN_STATUS),
        ({"return_status": "ON_THE_MOON"}, Need.UNCLEAR, Reason.UNKNOWN_RETURN_STATUS),
    ],
)
def test_need(changes: dict[str, object], need: Need, reason: Reason | None) -> None:
    found = label_need(replace(WAITS_FOR_LABEL, **changes))
    assert (found.need, found.reason) == (need, reason)


LABEL = LabelNeed(Need.LABEL)
FRESH = Facts(fetch_wanted=False, label=LABEL, at_rebound=AtRebound.NONE)


def test_fetch_comes_before_everything_else() -> None:
    for need, at_rebound, joined in product(Need, AtRebound, (False, True)):
        facts = Facts(fetch_wanted=True, label=LabelNeed(need), at_rebound=at_rebound, joined=joined)
        assert next_step(facts) is Step.FETCH


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, Step.MATCH),
        ({"matched": Matched.STALE}, Step.MATCH),
        ({"matched": Matched.STALE, "wait_is_over": False}, Step.MATCH),
        ({"matched": Matched.CURABLE, "wait_is_over": False}, Rest(Status.WAITING, Reason.ORDER_AWAITED)),
        ({"matched": Matched.CURABLE}, Step.CREATE),
        ({"matched": Matched.SETTLED, "wait_is_over": False}, Step.CREATE),
        ({"direct_asked": True}, Step.CREATE),
        # The parcel has its label already: who joins late waits for nothing.
        ({"matched": Matched.CURABLE, "wait_is_over": False, "at_rebound": AtRebound.LABELLED}, Step.CREATE),
        ({"at_rebound": AtRebound.STARTED, "joined": True}, Step.CREATE),
        ({"at_rebound": AtRebound.CREATED, "joined": True}, Step.COLLECT),
        ({"at_rebound": AtRebound.LABELLED, "joined": True}, Step.DELIVER),
        ({"at_rebound": AtRebound.LABELLED, "joined": True, "delivered": True}, Rest(Status.DONE)),
        ({"at_rebound": AtRebound.CANCELLED, "joined": True}, Rest(Status.NEEDS_ATTENTION, Reason.REOPENED)),
    ],
)
def test_step_toward_the_label(changes: dict[str, object], step: Step | Rest) -> None:
    assert next_step(replace(FRESH, **changes)) == step


GONE = LabelNeed(Need.CANCELLED)
NOTHING = LabelNeed(Need.NOTHING, Reason.REJECTED)
PASSED = LabelNeed(Need.PASSED, Reason.ALREADY_SHIPPED)
NOT_YET = LabelNeed(Need.NOT_YET, Reason.NOT_APPROVED)
UNCLEAR = LabelNeed(Need.UNCLEAR, Reason.UNKNOWN_RETURN_STATUS, "return_status 'X'")
LABELLED = {"at_rebound": AtRebound.LABELLED, "joined": True}


@pytest.mark.parametrize(
    ("label", "changes", "step"),
    [
        (GONE, {}, Rest(Status.CANCELLED)),
        (GONE, LABELLED, Step.CANCEL),
        (GONE, {**LABELLED, "delivered": True}, Step.CANCEL),
        (GONE, {"at_rebound": AtRebound.STARTED, "joined": True}, Step.CANCEL),
        (GONE, {"at_rebound": AtRebound.CREATED, "joined": True}, Step.CANCEL),
        (GONE, {"at_rebound": AtRebound.CANCELLED, "joined": True}, Rest(Status.CANCELLED)),
        (GONE, {**LABELLED, "parcel_still_wanted": True}, Rest(Status.CANCELLED)),
        (GONE, {"at_rebound": AtRebound.LABELLED}, Rest(Status.CANCELLED)),  # it never joined
        (NOTHING, {}, Rest(Status.NOT_OURS, Reason.REJECTED)),
        (NOTHING, LABELLED, Step.CANCEL),
        (NOTHING, {**LABELLED, "delivered": True}, Rest(Status.DONE)),
        (PASSED, {}, Rest(Status.NOT_OURS, Reason.ALREADY_SHIPPED)),
        (PASSED, LABELLED, Step.CANCEL),
        (PASSED, {**LABELLED, "parcel_still_wanted": True}, Rest(Status.NOT_OURS, Reason.ALREADY_SHIPPED)),
        (PASSED, {**LABELLED, "delivered": True}, Rest(Status.DONE)),
        (NOT_YET, {}, Rest(Status.WAITING, Reason.NOT_APPROVED)),
        (NOT_YET, LABELLED, Rest(Status.WAITING, Reason.NOT_APPROVED)),
        (UNCLEAR, {}, Rest(Status.NEEDS_ATTENTION, Reason.UNKNOWN_RETURN_STATUS, "return_status 'X'")),
        (UNCLEAR, LABELLED, Rest(Status.NEEDS_ATTENTION, Reason.UNKNOWN_RETURN_STATUS, "return_status 'X'")),
    ],
)
def test_step_without_a_label(label: LabelNeed, changes: dict[str, object], step: Step | Rest) -> None:
    assert next_step(replace(FRESH, label=label, **changes)) == step


@pytest.mark.parametrize(
    ("need", "undelivered", "delivered"),
    [
        (Need.LABEL, True, True),
        (Need.NOT_YET, True, True),
        (Need.UNCLEAR, True, True),
        (Need.NOTHING, False, True),
        (Need.PASSED, False, True),
        (Need.CANCELLED, False, False),
    ],
)
def test_use_for_a_rebound_return(need: Need, undelivered: bool, delivered: bool) -> None:
    assert (has_use(need, delivered=False), has_use(need, delivered=True)) == (undelivered, delivered)


def test_every_combination_of_facts_has_an_answer_that_our_tables_take() -> None:
    """A rest with a reason where the constraint wants one, and none where it does not."""
    with_reason = {Status.WAITING, Status.NEEDS_ATTENTION, Status.NOT_OURS}
    for label, at_rebound, joined, delivered, matched, over, direct, wanted in product(
        (LABEL, GONE, NOTHING, PASSED, NOT_YET, UNCLEAR),
        AtRebound,
        *([(False, True)] * 2),
        Matched,
        *([(False, True)] * 3),
    ):
        step = next_step(Facts(False, label, at_rebound, joined, delivered, matched, over, direct, wanted))
        if isinstance(step, Rest):
            assert (step.reason is not None) == (step.status in with_reason)
        elif step in {Step.COLLECT, Step.DELIVER, Step.CANCEL}:
            assert joined
