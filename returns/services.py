"""Working on returns: claiming what is due, carrying steps out one after another, recording each try, coming to rest.

A claim is one conditional UPDATE with a lease and a token; what a late worker writes at the end is fenced off by the
token. The queue may lose or repeat a wake-up: everything here is safe to run twice, and finds its place by itself.
"""

import itertools
import logging
import random
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Case, DateTimeField, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from matching.models import Match
from matching.services import release_match
from merchants.connections import mark_broken
from merchants.models import Shop, ShopState
from rebound_tts.clients.circuit import CircuitOpenError
from rebound_tts.clients.errors import (
    ConfigurationError,
    PermanentError,
    RemoteError,
    ReturnStateError,
    TemporaryError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.logs import correlated
from rebound_tts.ops.tallies import count, observe
from returns.journey import BlockedError, Journey, claimed_journey
from returns.late import look_now, put_off
from returns.models import AttemptOutcome, Reason, Status, Step, StepAttempt, TikTokReturn
from returns.pipeline import Rest, next_step, resolved
from returns.steps.cancel import cancel
from returns.steps.collect import collect
from returns.steps.create import create
from returns.steps.deliver import deliver
from returns.steps.fetch import fetch
from returns.steps.link import link
from returns.steps.match import match

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)  # renewed by the drain while the work goes on: a dead worker's claim ends soon
PATIENCE = 8  # tries of a step before a failing remote asks for a person; about two minutes
NONSENSE_PATIENCE = 4  # tries before an answer that makes no sense asks for a person
SLOW = timedelta(hours=1)  # what waits for a person is tried again this often, where a try may help
MOST_DOUBLINGS = 12  # of the pause between tries, which SLOW ends before
MOST_STEPS = 20  # a claim never carries out more; a journey has eight
SIBLING_PAUSE = timedelta(seconds=2)
DATABASE_AWAY = (OperationalError, InterfaceError)  # restarted, locked for long, or a deadlock: no error of ours

STEPS = {
    Step.FETCH: fetch,
    Step.MATCH: match,
    Step.CREATE: create,
    Step.COLLECT: collect,
    Step.DELIVER: deliver,
    Step.LINK: link,
    Step.CANCEL: cancel,
}
REFUSED = {
    Step.FETCH: Reason.TIKTOK_REFUSED,
    Step.MATCH: Reason.TIKTOK_REFUSED,
    Step.CREATE: Reason.CREATE_REFUSED,
    Step.COLLECT: Reason.LABEL_UNUSABLE,
    Step.DELIVER: Reason.UPLOAD_REFUSED,
    Step.LINK: Reason.UNEXPECTED_ANSWER,
    Step.CANCEL: Reason.CANCEL_REFUSED,
}
HOLDS = {ShopState.SETTING_UP: Reason.SHOP_NOT_LIVE, ShopState.DISCONNECTED: Reason.SHOP_DISCONNECTED}


class Claimed(NamedTuple):
    """What one claim holds: its token, and the keys of its returns and of their merchants."""

    token: uuid.UUID
    keys: list[int]
    merchants: list[int]


def claim_due(*, now: datetime, limit: int, besides: Collection[int] = ()) -> Claimed:
    """Claim up to `limit` returns that are due, the longest due first, of any merchant but `besides` (keys)."""
    token = uuid.uuid4()
    with transaction.atomic():
        due = TikTokReturn.objects.due(now=now).exclude(merchant__in=besides).order_by("next_attempt_at")
        # They stay due until the claim commits: their rows are locked, on SQLite the whole database is.
        found = list(due.select_for_update(skip_locked=True).values_list("pk", "merchant")[:limit])
        keys = [key for key, _ in found]
        if keys:
            TikTokReturn.objects.filter(pk__in=keys).update(
                claimed_until=now + LEASE, claim_token=token, attempts=F("attempts") + 1
            )
    return Claimed(token, keys, [merchant for _, merchant in found])


def renew_claims(*, tokens: set[uuid.UUID], now: datetime) -> None:
    """Hold on to what is in hand: its workers are alive."""
    TikTokReturn.objects.filter(claim_token__in=tokens).update(claimed_until=now + LEASE)


def advance(key: int, *, token: uuid.UUID) -> None:
    """Carry a claimed return as far as it goes, and leave it at rest.

    What a remote does ends in a named rest; an unexpected exception is recorded and raised again.
    """
    journey = claimed_journey(key, token=token)
    if journey is None:
        return  # the lease ran out, and somebody else has it
    with correlated(journey.tiktok_return.correlation_id):
        hints_at_start = journey.tiktok_return.hint_count
        try:
            rest = _held(journey) or _keeps_dying(journey) or _walk(journey, token=token)
        except DATABASE_AWAY:
            raise  # nothing can be written now: the lease ends, and whoever claims it next goes on
        except Exception as error:
            # Our own error: a person is asked to look, and it is tried again each hour, since a release may mend it.
            crashed = Rest(Status.NEEDS_ATTENTION, Reason.CRASHED, f"{type(error).__name__}: see the log")
            rest = Resting(crashed, after=SLOW, failed=True)
            _settle(journey, rest=rest, token=token, hints_seen=hints_at_start)
            raise
        _settle(
            journey, rest=rest, token=token, hints_seen=max(hints_at_start, journey.tiktok_return.fetched_hint_count)
        )


def _held(journey: Journey) -> "Resting | None":
    """What stops the work of a shop before anything is called: its merchant did not start it, or ended it, or a
    connection is broken. A paused shop is not here: what it has at ReBound goes on."""
    if journey.shop.state in HOLDS:
        return Resting(Rest(Status.WAITING, HOLDS[journey.shop.state]))
    if journey.shop.authorization.broken_at:
        return Resting(Rest(Status.NEEDS_ATTENTION, Reason.TIKTOK_CONNECTION))
    account = journey.shop.rebound_account
    if account is not None and account.broken_at:
        return Resting(Rest(Status.NEEDS_ATTENTION, Reason.REBOUND_CONNECTION))
    return None


def _keeps_dying(journey: Journey) -> "Resting | None":
    """A return whose workers died over it, again and again, must not take the next one with it each second."""
    row = journey.tiktok_return
    if row.attempts <= PATIENCE:
        return None
    last = row.step_attempts.order_by("-pk").first()
    if last is None or last.finished_at is not None:
        return None
    _finish(last, outcome=AttemptOutcome.CRASHED, detail="The worker ended in the middle of this step.")
    return Resting(
        Rest(Status.NEEDS_ATTENTION, Reason.CRASHED, f"Workers died in {last.step}."), after=SLOW, failed=True
    )


@dataclass
class Resting:
    """Where a claim ends: what to show, and when to look again (None: when an event or a person says so)."""

    rest: Rest
    after: timedelta | None = None
    failed: bool = False  # its tries go on being counted
    fetches_again: bool = False


def _walk(journey: Journey, *, token: uuid.UUID) -> Resting:
    for _ in range(MOST_STEPS):
        if journey.tiktok_return.claim_token != token:
            return Resting(Rest(Status.OPEN))  # the lease ran out on the way: who has it now goes on, and settles it
        step = next_step(journey.facts())
        if isinstance(step, Rest):
            return _at_rest(journey, rest=step)
        resting = _try(journey, step=step)
        if resting is not None:
            return resting
        if step is not Step.FETCH:  # which has just read it again
            journey.reload()
    raise RuntimeError(f"Return {journey.tiktok_return.return_id} came to no rest after {MOST_STEPS} steps.")


def _at_rest(journey: Journey, *, rest: Rest) -> Resting:
    row = journey.tiktok_return
    if rest.status == Status.CANCELLED or rest.reason == Reason.REJECTED:
        release_match(shop=journey.shop, return_id=row.return_id, now=journey.now)
    if journey.looked_late and row.rebound_return is not None and row.rebound_return.may_be_linked_late:
        put_off(row.rebound_return, now=journey.now, why=journey.order_to_link()[1])
    if rest.reason == Reason.ORDER_AWAITED:
        return Resting(rest, after=_wait_for_the_order(journey))
    if rest.reason in {Reason.UNKNOWN_RETURN_STATUS, Reason.UNKNOWN_RETURN_METHOD}:
        return Resting(rest, after=SLOW, fetches_again=True)
    return Resting(rest)


def _wait_for_the_order(journey: Journey) -> timedelta:
    """Half as long again as it has waited so far, between 2 seconds and 2 minutes, and never past the wait's end."""
    now = journey.now
    ends = max((member.match_wait_until for member in journey.wanting() if member.match_wait_until), default=now)
    waited = now - (ends - journey.shop.match_wait)
    return max(min(max(waited / 2, timedelta(seconds=2)), timedelta(minutes=2), ends - now), timedelta(0))


def _try(journey: Journey, *, step: Step) -> Resting | None:
    """One try of one step, recorded. None: it succeeded, go on."""
    row = journey.tiktok_return
    attempt = StepAttempt.objects.create(
        merchant_id=row.merchant_id, tiktok_return=row, step=step, started_at=journey.now
    )
    try:
        detail = STEPS[step](journey)
    except CircuitOpenError as error:
        attempt.delete()  # nothing was tried
        rest = Rest(Status.WAITING, Reason.REMOTE_BUSY, str(error))
        return Resting(rest, after=timedelta(seconds=(error.retry_after or 0) + random.uniform(0, 2)), failed=True)  # noqa: S311
    except RemoteError as error:
        tries = _tries(row, step=step)
        resting, outcome = _after_remote_error(journey, step=step, error=error, tries=tries)
        _finish(attempt, outcome=outcome, detail=str(error))
        return resting
    except BlockedError as error:
        tries = _tries(row, step=step)
        _finish(attempt, outcome=AttemptOutcome.BLOCKED, detail=str(error))
        return _after_block(error, tries=tries, now=journey.now)
    except DATABASE_AWAY:
        raise
    except Exception as error:
        _finish(attempt, outcome=AttemptOutcome.CRASHED, detail=f"{type(error).__name__}: see the log")
        raise
    _finish(attempt, outcome=AttemptOutcome.DONE, detail=detail)
    return None


def _tries(row: TikTokReturn, *, step: Step) -> int:
    """How often this step was tried in vain, this time too, since it last succeeded or a person asked for a new start.

    Per step, so that an outage of one remote does not use up the patience with the other.
    """
    outcomes = row.step_attempts.filter(step=step).order_by("-pk").values_list("outcome", flat=True)
    failed = itertools.takewhile(lambda outcome: outcome != AttemptOutcome.DONE, outcomes[: MOST_DOUBLINGS + 1])
    return min(sum(1 for _ in failed), row.attempts)


def _finish(attempt: StepAttempt, *, outcome: AttemptOutcome, detail: str) -> None:
    attempt.finished_at = timezone.now()
    attempt.outcome = outcome
    attempt.detail = detail[:500]
    attempt.save(update_fields=["finished_at", "outcome", "detail"])


def _after_remote_error(
    journey: Journey, *, step: Step, error: RemoteError, tries: int
) -> tuple[Resting, AttemptOutcome]:
    row = journey.tiktok_return
    logger.warning("step failed", extra={"step": step.value, "return_id": row.return_id, "error": str(error)})
    if isinstance(error, ConfigurationError):
        return _after_configuration_error(journey, error=error, tries=tries), AttemptOutcome.CONFIGURATION
    if step is Step.LINK and tries >= PATIENCE:
        if row.rebound_return is not None:
            put_off(row.rebound_return, now=journey.now)
        # The buyer has the label; what is left is for the books, and calls nobody.
        return Resting(Rest(Status.DONE)), AttemptOutcome.TEMPORARY
    if isinstance(error, TemporaryError | UnknownOutcomeError):
        outcome = AttemptOutcome.TEMPORARY if isinstance(error, TemporaryError) else AttemptOutcome.UNKNOWN
        return _again(Reason.REMOTE_UNAVAILABLE, error=error, tries=tries, patience=PATIENCE), outcome
    if isinstance(error, UnexpectedAnswerError):
        return _again(Reason.UNEXPECTED_ANSWER, error=error, tries=tries), AttemptOutcome.PERMANENT
    if isinstance(error, ReturnStateError) and tries < NONSENSE_PATIENCE:
        # TikTok's state has moved on: look again before a person is asked.
        resting = _again(REFUSED[step], error=error, tries=tries)
        resting.fetches_again = True
        return resting, AttemptOutcome.PERMANENT
    if step is Step.COLLECT:
        return _again(REFUSED[step], error=error, tries=tries), AttemptOutcome.PERMANENT  # not made yet, perhaps
    assert isinstance(error, PermanentError)  # noqa: S101  # the fourth and last kind of RemoteError
    return Resting(Rest(Status.NEEDS_ATTENTION, REFUSED[step], str(error))), AttemptOutcome.PERMANENT


def _again(
    reason: Reason, *, error: RemoteError | BlockedError, tries: int, patience: int = NONSENSE_PATIENCE
) -> Resting:
    """Try again, after a pause that doubles up to an hour: quietly while there is patience, then with a person asked
    to look."""
    pause = _pause(tries, at_least=getattr(error, "retry_after", None) or 0.0)
    if tries < patience:
        return Resting(Rest(Status.WAITING, Reason.REMOTE_BUSY, str(error)), after=pause, failed=True)
    return Resting(Rest(Status.NEEDS_ATTENTION, reason, str(error)), after=pause, failed=True)


def _pause(tries: int, *, at_least: float = 0.0) -> timedelta:
    seconds = 2.0 ** min(tries - 1, MOST_DOUBLINGS) * random.uniform(0.75, 1.25)  # noqa: S311
    return min(timedelta(seconds=max(seconds, at_least)), SLOW)


def _after_configuration_error(journey: Journey, *, error: ConfigurationError, tries: int) -> Resting:
    if error.vendor == "tiktok":
        if not mark_broken(journey.shop.authorization, error=error):
            return _again(Reason.TIKTOK_CONNECTION, error=error, tries=tries, patience=PATIENCE)
        return Resting(Rest(Status.NEEDS_ATTENTION, Reason.TIKTOK_CONNECTION, str(error)))
    if not mark_broken(journey.account, error=error):
        return _again(Reason.REBOUND_CONNECTION, error=error, tries=tries, patience=PATIENCE)
    return Resting(Rest(Status.NEEDS_ATTENTION, Reason.REBOUND_CONNECTION, str(error)))


def _after_block(error: BlockedError, *, tries: int, now: datetime) -> Resting:
    if error.reason == Reason.SIBLING_AWAITED:
        return Resting(Rest(Status.WAITING, error.reason), after=SIBLING_PAUSE)
    if error.until is not None:
        pause = min(_pause(tries), max(error.until - now, timedelta(0)))
        return Resting(Rest(Status.WAITING, error.reason, error.detail), after=pause, failed=True)
    if error.passing:
        return _again(error.reason, error=error, tries=tries)
    rest = Rest(Status.NEEDS_ATTENTION, error.reason, error.detail)
    return Resting(rest, after=SLOW if error.reason == Reason.NO_LANE else None)


def _settle(journey: Journey, *, rest: Resting, token: uuid.UUID, hints_seen: int) -> None:
    """Write the rest, unless the lease was lost. A hint that came meanwhile keeps the return due."""
    row, now = journey.tiktok_return, journey.now
    if row.resolved_at and rest.rest.status in {Status.WAITING, Status.NEEDS_ATTENTION}:
        # A person handled it outside: it asks for nobody any more, and is looked at when TikTok says something.
        rest = Resting(resolved(delivered=row.label_delivered_at is not None))
    planned = now + rest.after if rest.after is not None else None
    changed = row.status != rest.rest.status or row.reason != (rest.rest.reason or "")
    decided = Match.objects.current().filter(
        merchant=OuterRef("merchant"), shop=OuterRef("shop"), return_id=OuterRef("return_id")
    )
    settled = TikTokReturn.objects.filter(pk=row.pk, claim_token=token).update(
        status=rest.rest.status,
        reason=rest.rest.reason or "",
        reason_detail=rest.rest.detail[:500],
        status_changed_at=now if changed else row.status_changed_at,
        match_outcome=Coalesce(Subquery(decided.values("outcome")[:1]), Value("")),
        platform_origin=journey.shop.platform_origin,
        next_attempt_at=Case(
            When(hint_count__gt=hints_seen, then=Value(now)), default=Value(planned), output_field=DateTimeField()
        ),
        claimed_until=None,
        claim_token=None,
        attempts=F("attempts") if rest.failed else 0,
        hint_count=F("hint_count") + (1 if rest.fetches_again else 0),
    )
    if settled and changed:
        count("returns_rested", status=rest.rest.status, reason=rest.rest.reason or "")
        if rest.rest.status == Status.DONE and row.label_delivered_at:
            observe("label_seconds", (row.label_delivered_at - _asked_at(row)).total_seconds())
        logger.info(
            "return came to rest",
            extra={
                "return_id": row.return_id,
                "status": rest.rest.status.value,
                "reason": rest.rest.reason.value if rest.rest.reason else "",
            },
        )


def _asked_at(row: TikTokReturn) -> datetime:
    """When TikTok asked for the label: the last notification before the return was first matched, since one that still
    waits for the seller's approval needs none."""
    matched = row.step_attempts.filter(step=Step.MATCH).order_by("pk").values("started_at")[:1]
    told = row.events.filter(received_at__lte=matched).order_by("-received_at").values_list("received_at", flat=True)
    return told.first() or row.created_at


def run_again(returns: list[TikTokReturn], *, now: datetime) -> int:
    """Look at these again from the start, with fresh patience. Answers how many.

    One whose ReBound return was cancelled before the buyer had its label gets another, if TikTok waits for one.
    """
    rows = TikTokReturn.objects.filter(pk__in=[row.pk for row in returns])
    reopened = rows.filter(reason__in=[Reason.REOPENED, Reason.CANCELLED_AT_REBOUND], label_delivered_at__isnull=True)
    reopened.filter(rebound_return__cancelled_at__isnull=False).update(rebound_return=None)
    waiting_for_an_order = rows.filter(rebound_return__late_look_at__isnull=False)
    look_now(waiting_for_an_order.values_list("rebound_return", flat=True), now=now)
    count: int = rows.update(hint_count=F("hint_count") + 1, next_attempt_at=now, attempts=0)
    return count


def wake_mended(*, now: datetime) -> int:
    """Take up the work of every shop whose connection was broken and is mended, and of those that their merchant
    started or resumed."""
    resting = TikTokReturn.objects.filter(next_attempt_at__isnull=True)
    stuck = resting.filter(status=Status.NEEDS_ATTENTION)
    tiktok = Q(reason=Reason.TIKTOK_CONNECTION, shop__authorization__broken_at__isnull=True)
    rebound = Q(reason=Reason.REBOUND_CONNECTION, shop__rebound_account__broken_at__isnull=True)
    account = Q(reason=Reason.NO_REBOUND_ACCOUNT, shop__rebound_account__isnull=False)
    keys = list(stuck.filter(tiktok | rebound | account).values_list("pk", flat=True)[:1000])
    held = resting.filter(status=Status.WAITING, shop__in=Shop.objects.live())
    started = Q(reason__in=HOLDS.values()) | Q(reason=Reason.SHOP_PAUSED, shop__paused_at__isnull=True)
    keys += held.filter(started).values_list("pk", flat=True)[:1000]
    count: int = TikTokReturn.objects.filter(pk__in=keys).update(next_attempt_at=now, attempts=0)
    return count
