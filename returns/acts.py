"""What a person may ask for a return, each by its name: one entry for the pages, the lists and the runs over many.

An act and the entry that logs it commit together or not at all. What an act does stands in `by_hand.py`, and for a run
from the start in `services.py`; the caller rings the bell.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from matching.candidates import Candidate, NoSafeCandidateError, safe_candidate
from matching.models import SalesOrder
from matching.services import current_match
from merchants.audit import kept, record_act
from returns import by_hand
from returns.by_hand import ActRefusedError
from returns.models import Act, ManualAct, TikTokReturn
from returns.services import run_again
from returns.steps.match import subject_of

__all__ = ["ActRefusedError", "Name", "candidate_of", "link_to_order", "perform", "take_back"]


class Name(models.TextChoices):
    """The acts that need no more than a reason. Each has a permission of its name. LINK is for many at once."""

    RUN_AGAIN = "run_again", _("Run again")
    MATCH_AGAIN = "match_again", _("Match again")
    SEND_DIRECT = "send_direct", _("Send direct now")
    CANCEL_WAIT = "cancel_wait", _("Cancel the wait")
    UNLINK = "unlink", _("Unlink")
    RESOLVE = "resolve", _("Resolve by hand")
    LINK = "link", _("Link to the one safe candidate")


ON_ONE = tuple(name for name in Name if name is not Name.LINK)  # of one return a person chooses the order
BY_HAND = {
    Name.MATCH_AGAIN: by_hand.match_again,
    Name.SEND_DIRECT: by_hand.send_direct,
    Name.CANCEL_WAIT: by_hand.cancel_wait,
    Name.UNLINK: by_hand.unlink,
    Name.RESOLVE: by_hand.resolve,
}
PERMISSION_OF = {
    Act.LINK: "link",
    Act.UNLINK: "unlink",
    Act.SEND_DIRECT: "send_direct",
    Act.CANCEL_WAIT: "cancel_wait",
    Act.RESOLVE: "resolve",
    Act.MATCH_AGAIN: "match_again",
}


def perform(
    *,
    name: Name,
    tiktok_return: TikTokReturn,
    actor: User,
    reason: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
    candidate: Candidate | None = None,
) -> str:
    """Do it and log it. Answers what there is to tell of it, "" where the act says all. Raises ActRefusedError, with
    nothing done. `candidate`: for LINK, what `candidate_of` found before the transaction."""
    with transaction.atomic():
        told = dict(detail or {})
        if name is Name.LINK:
            candidate = candidate or candidate_of(tiktok_return)
            return _link_to_candidate(candidate, tiktok_return, actor=actor, reason=reason, now=now, detail=told)
        if name is Name.RUN_AGAIN:
            run_again([tiktok_return], now=now)
        else:
            done = BY_HAND[name](tiktok_return=tiktok_return, by=actor.get_username(), reason=reason, now=now)
            told["manual_act"] = done.pk
        record_act(act=kept(name.label), actor=actor, subject=tiktok_return, reason=reason, detail=told, now=now)
    return ""


def candidate_of(tiktok_return: TikTokReturn) -> Candidate:
    """The order that the return may be linked to unseen. Looks through many orders, so not within a transaction. Raises
    ActRefusedError."""
    subject = subject_of(tiktok_return, lines=list(tiktok_return.items.all()))
    try:
        return safe_candidate(shop=tiktok_return.shop, subject=subject)
    except NoSafeCandidateError as error:
        raise ActRefusedError(str(error)) from error


def _link_to_candidate(
    candidate: Candidate, row: TikTokReturn, *, actor: User, reason: str, now: datetime, detail: dict[str, Any]
) -> str:
    order, because = candidate.order, candidate.hints[0]
    link_to_order(
        tiktok_return=row,
        sales_order=order,
        items=None,
        actor=actor,
        reason=reason,
        now=now,
        detail={**detail, "because": because.value},
    )
    match = current_match(shop=row.shop, return_id=row.return_id)
    left_out = match.items.filter(item__isnull=True).count() if match else 0
    if left_out and row.shop.partly_matched_goes_direct:
        said = _("Not every line names an item of order {order}, and the shop wants such returns direct.")
        raise ActRefusedError(said.format(order=order))
    return f"Order {order}: {because}." + (f" Lines without an item: {left_out}." if left_out else "")


def link_to_order(
    *,
    tiktok_return: TikTokReturn,
    sales_order: SalesOrder,
    items: Mapping[str, int | None] | None,
    actor: User,
    reason: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Link by hand and log it; see `by_hand.link`. Raises ActRefusedError."""
    with transaction.atomic():
        done = by_hand.link(
            tiktok_return=tiktok_return,
            sales_order=sales_order,
            items=items,
            by=actor.get_username(),
            reason=reason,
            now=now,
        )
        told = {**(detail or {}), "manual_act": done.pk, "order": sales_order.external_order_id}
        record_act(act="Link to order", actor=actor, subject=tiktok_return, reason=reason, detail=told, now=now)


def take_back(*, act: ManualAct, actor: User, reason: str, now: datetime) -> None:
    """Undo what a person did, and log it. Raises ActRefusedError."""
    with transaction.atomic():
        done = by_hand.undo(act=act, by=actor.get_username(), reason=reason, now=now)
        detail = {"manual_act": done.pk, "undoes": act.act}
        record_act(act="Undo", actor=actor, subject=act.tiktok_return, reason=reason, detail=detail, now=now)
