"""What a person may do to a return: link, unlink, send direct, end the wait, resolve, match again, and take it back.

Each act wants an actor and a reason, and leaves a `ManualAct` row that nobody overwrites; taking one back adds another.
What it changes is what the pipeline reads, so that no automatic run undoes it. Nothing here calls a remote system: the
return is made due, and the caller rings the bell. An act on many returns is this, once for each.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from matching.by_hand import LinkRefusedError, link_match, take_back, unlink_match
from matching.models import Match, SalesOrder
from matching.services import current_match, release_match
from returns.late import look_now
from returns.models import Act, Kind, ManualAct, ReboundReturn, Status, TikTokReturn
from returns.steps.match import subject_of


class ActRefusedError(Exception):
    """The act cannot be done. `str()` says why and what to do instead, for the person who asked for it."""


@dataclass(frozen=True, slots=True)
class Several:
    """What became of an act on several returns: those done, and why each of the others was left alone."""

    done: tuple[ManualAct, ...]
    refused: tuple[tuple[TikTokReturn, str], ...]


def on_each(returns: Iterable[TikTokReturn], act: Callable[[TikTokReturn], ManualAct]) -> Several:
    """Do the act to each, for itself: one that cannot be done holds up no other."""
    done, refused = [], []
    for row in returns:
        try:
            done.append(act(row))
        except ActRefusedError as error:
            refused.append((row, str(error)))
    return Several(tuple(done), tuple(refused))


def link(
    *,
    tiktok_return: TikTokReturn,
    sales_order: SalesOrder,
    items: Mapping[str, int | None] | None = None,
    by: str,
    reason: str,
    now: datetime,
) -> ManualAct:
    """Link the return to an order of its merchant.

    `items`: the key of the order's item, or None to leave a line out, by TikTok's return line id; without it each line
    takes the item that TikTok's reference names. Before the return is created it is created linked; afterwards it is
    linked late, its label untouched. Raises ActRefusedError.
    """

    def act(row: TikTokReturn) -> tuple[Match, dict[str, Any]]:
        _check_open(row)
        _check_parcel(row, sales_order=sales_order)
        rebound_return = row.rebound_return
        if rebound_return is not None and rebound_return.kind == Kind.LINKED:
            said = _("It is linked to {order} already. Unlink it first.")
            raise ActRefusedError(said.format(order=rebound_return.sales_order))
        match = link_match(
            shop=row.shop,
            subject=subject_of(row, lines=list(row.items.all())),
            sales_order=sales_order,
            items=items,
            by=by,
            note=reason,
            now=now,
        )
        detail = {"order": sales_order.external_order_id, "direct_asked_at": _iso(row.direct_asked_at)}
        # Linking is the newer word of a person than sending direct.
        TikTokReturn.objects.filter(pk=row.pk).update(direct_asked_at=None, direct_asked_by="")
        if rebound_return is not None:
            look_now([rebound_return.pk], now=now)
        return match, detail

    return _record(Act.LINK, tiktok_return, act, by=by, reason=reason, now=now)


def unlink(*, tiktok_return: TikTokReturn, by: str, reason: str, now: datetime) -> ManualAct:
    """Say that the return belongs to no order. The rules do not link it again until this is taken back.

    What ReBound holds linked stays so there, since it does not offer to unlink; the ReBound return says so. Raises
    ActRefusedError.
    """

    def act(row: TikTokReturn) -> tuple[Match, dict[str, Any]]:
        _check_open(row)
        previous = current_match(shop=row.shop, return_id=row.return_id)
        if previous is None or previous.sales_order_id is None:
            raise ActRefusedError(_("It is linked to no order."))
        order = previous.sales_order
        subject = subject_of(row, lines=list(row.items.all()))
        match = unlink_match(shop=row.shop, subject=subject, by=by, note=reason, now=now)
        _let_go(row, now=now)
        return match, {"order": order.external_order_id if order else ""}

    return _record(Act.UNLINK, tiktok_return, act, by=by, reason=reason, now=now)


def send_direct(*, tiktok_return: TikTokReturn, by: str, reason: str, now: datetime) -> ManualAct:
    """Stop waiting for an order, and create the return direct. Raises ActRefusedError."""

    def act(row: TikTokReturn) -> tuple[None, dict[str, Any]]:
        _check_not_created(row)
        if row.direct_asked_at:
            raise ActRefusedError(_("It was sent direct already."))
        TikTokReturn.objects.filter(pk=row.pk).update(direct_asked_at=now, direct_asked_by=by[:150])
        return None, {}

    return _record(Act.SEND_DIRECT, tiktok_return, act, by=by, reason=reason, now=now)


def cancel_wait(*, tiktok_return: TikTokReturn, by: str, reason: str, now: datetime) -> ManualAct:
    """End the wait for the order now, as if it had run out: the return is created with what is known.

    Unlike `send_direct` it still links what matches, now or later. Raises ActRefusedError.
    """

    def act(row: TikTokReturn) -> tuple[None, dict[str, Any]]:
        _check_not_created(row)
        if row.match_wait_until is None or row.match_wait_until <= now:
            raise ActRefusedError(_("It does not wait for an order."))
        TikTokReturn.objects.filter(pk=row.pk).update(match_wait_until=now)
        return None, {"match_wait_until": _iso(row.match_wait_until)}

    return _record(Act.CANCEL_WAIT, tiktok_return, act, by=by, reason=reason, now=now)


def resolve(*, tiktok_return: TikTokReturn, by: str, reason: str, now: datetime) -> ManualAct:
    """Mark it as handled outside: nothing is done for it any more, but for the buyer's cancelling it.

    Raises ActRefusedError.
    """

    def act(row: TikTokReturn) -> tuple[None, dict[str, Any]]:
        if row.resolved_at:
            raise ActRefusedError(_("It is resolved already."))
        if row.status in {Status.CANCELLED, Status.NOT_OURS}:
            said = _("There is nothing to resolve: {status}.")
            raise ActRefusedError(said.format(status=row.get_status_display().lower()))
        TikTokReturn.objects.filter(pk=row.pk).update(resolved_at=now)
        return None, {"status": row.status, "reason": row.reason}

    return _record(Act.RESOLVE, tiktok_return, act, by=by, reason=reason, now=now)


def match_again(*, tiktok_return: TikTokReturn, by: str, reason: str, now: datetime) -> ManualAct:
    """Let the rules decide anew, whatever they decided, with the shop's settings of now.

    A return that was created direct and matches is linked late. Raises ActRefusedError, for one thing where a person's
    decision stands.
    """

    def act(row: TikTokReturn) -> tuple[None, dict[str, Any]]:
        _check_open(row)
        current = current_match(shop=row.shop, return_id=row.return_id)
        if current is not None and current.is_by_hand:
            raise ActRefusedError(_("{who} decided it by hand. Take that back first.").format(who=current.decided_by))
        rebound_return = row.rebound_return
        if rebound_return is None:
            release_match(shop=row.shop, return_id=row.return_id, now=now)
        elif rebound_return.kind == Kind.LINKED:
            said = _("It is linked to {order}. Unlink it first.")
            raise ActRefusedError(said.format(order=rebound_return.sales_order))
        else:
            look_now([rebound_return.pk], now=now)
        return None, {}

    return _record(Act.MATCH_AGAIN, tiktok_return, act, by=by, reason=reason, now=now)


def undo(*, act: ManualAct, by: str, reason: str, now: datetime) -> ManualAct:
    """Take an act back, as far as it can be: what follows from that, the rules say. Raises ActRefusedError."""

    def take(row: TikTokReturn) -> tuple[None, dict[str, Any]]:
        if act.act == Act.UNDO or ManualAct.objects.filter(undoes=act).exists():
            raise ActRefusedError(_("It was taken back already."))
        UNDOING[Act(act.act)](act, row, now)
        return None, {}

    return _record(Act.UNDO, act.tiktok_return, take, by=by, reason=reason, now=now, undoes=act)


def _undo_decision(act: ManualAct, row: TikTokReturn, now: datetime) -> None:
    if act.match is None or not take_back(act.match, now=now):
        raise ActRefusedError(_("A later decision has taken its place. Take that one back."))
    if act.act == Act.LINK:
        _let_go(row, now=now)
        if act.detail.get("direct_asked_at") and row.rebound_return is None:
            asked = datetime.fromisoformat(act.detail["direct_asked_at"])
            TikTokReturn.objects.filter(pk=row.pk).update(direct_asked_at=asked, direct_asked_by=act.by)
    if row.rebound_return is not None:
        look_now([row.rebound_return.pk], now=now)  # the rules decide again, and link what they find


def _undo_send_direct(act: ManualAct, row: TikTokReturn, now: datetime) -> None:
    _check_not_created(row)
    TikTokReturn.objects.filter(pk=row.pk).update(direct_asked_at=None, direct_asked_by="")


def _undo_cancel_wait(act: ManualAct, row: TikTokReturn, now: datetime) -> None:
    _check_not_created(row)
    until = datetime.fromisoformat(act.detail["match_wait_until"])
    TikTokReturn.objects.filter(pk=row.pk).update(match_wait_until=until)


def _undo_resolve(act: ManualAct, row: TikTokReturn, now: datetime) -> None:
    TikTokReturn.objects.filter(pk=row.pk).update(resolved_at=None)


def _undo_match_again(act: ManualAct, row: TikTokReturn, now: datetime) -> None:
    raise ActRefusedError(_("The rules have decided anew: there is nothing to take back."))


UNDOING: dict[Act, Callable[[ManualAct, TikTokReturn, datetime], None]] = {
    Act.LINK: _undo_decision,
    Act.UNLINK: _undo_decision,
    Act.SEND_DIRECT: _undo_send_direct,
    Act.CANCEL_WAIT: _undo_cancel_wait,
    Act.RESOLVE: _undo_resolve,
    Act.MATCH_AGAIN: _undo_match_again,
}


def _record(
    kind: Act,
    tiktok_return: TikTokReturn,
    act: Callable[[TikTokReturn], tuple[Match | None, dict[str, Any]]],
    *,
    by: str,
    reason: str,
    now: datetime,
    undoes: ManualAct | None = None,
) -> ManualAct:
    """Carry the act out with the return's row held, write it down, and make the return due: all of it or nothing."""
    if not by.strip() or not reason.strip():
        raise ActRefusedError(_("Say why, in a few words: the next person will want to know."))
    with transaction.atomic():
        row = _held(tiktok_return)
        try:
            match, detail = act(row)
        except LinkRefusedError as error:
            raise ActRefusedError(str(error)) from error
        done: ManualAct = ManualAct.objects.create(
            merchant_id=row.merchant_id,
            tiktok_return=row,
            act=kind,
            by=by.strip()[:150],
            reason=reason.strip()[:500],
            match=match,
            detail=detail,
            undoes=undoes,
            done_at=now,
        )
        # A hint too, so that it is heard by a claim that is at it just now.
        TikTokReturn.objects.filter(pk=row.pk).update(hint_count=F("hint_count") + 1, next_attempt_at=now, attempts=0)
    return done


def _held(tiktok_return: TikTokReturn) -> TikTokReturn:
    TikTokReturn.objects.select_for_update().get(pk=tiktok_return.pk)
    rows = TikTokReturn.objects.select_related("shop__merchant", "rebound_return__sales_order")
    held: TikTokReturn = rows.defer("payload").get(pk=tiktok_return.pk)
    return held


def _check_open(row: TikTokReturn) -> None:
    if row.status == Status.CANCELLED:
        raise ActRefusedError(_("The buyer cancelled the return."))
    if row.status == Status.NOT_OURS:
        raise ActRefusedError(_("It needs nothing from us: {reason}.").format(reason=row.get_reason_display()))
    if row.fetched_at is None:
        raise ActRefusedError(_("TikTok has not told its lines yet. Try again in a minute."))


def _check_not_created(row: TikTokReturn) -> None:
    if row.status in {Status.CANCELLED, Status.NOT_OURS}:
        raise ActRefusedError(_("It needs no label from us."))
    if row.rebound_return_id is not None:
        raise ActRefusedError(_("It was created at ReBound already. Link it or unlink it instead."))


def _check_parcel(row: TikTokReturn, *, sales_order: SalesOrder) -> None:
    """The returns of one parcel are one return at ReBound: they belong to one order."""
    others = TikTokReturn.objects.parcel_of(row).exclude(pk=row.pk).exclude(status=Status.CANCELLED)
    for other in others.only("return_id"):
        current = current_match(shop=row.shop, return_id=other.return_id)
        if current is not None and current.sales_order_id not in (None, sales_order.pk):
            raise ActRefusedError(
                _(
                    "Return {return_id} travels in the same parcel and is linked to {order}: "
                    "a parcel belongs to one order. Unlink that one first."
                ).format(return_id=other.return_id, order=current.sales_order)
            )


def _let_go(row: TikTokReturn, *, now: datetime) -> None:
    """The return's decision no longer links its ReBound return, unless another return of the parcel does."""
    rebound_return = row.rebound_return
    if rebound_return is None or rebound_return.kind != Kind.LINKED:
        return
    others = TikTokReturn.objects.parcel_of(row).exclude(pk=row.pk).exclude(status=Status.CANCELLED)
    ids = list(others.values_list("return_id", flat=True))
    current = Match.objects.for_merchant(row.shop.merchant).current().filter(shop=row.shop, return_id__in=ids)
    if current.filter(sales_order=rebound_return.sales_order_id).exists():
        return
    held = ReboundReturn.objects.select_for_update().get(pk=rebound_return.pk)
    held.let_go()
    held.save(update_fields=ReboundReturn.LET_GO)


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
