"""Who carries a check on, and where a round of it ends: claims, rests, failures.

A claim is a lease with a token; what a late worker writes is fenced off by it. What a remote does ends in a named state
with a next move; our own error is recorded and raised.
"""

import logging
import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from matching.coverage.models import CheckState, CoverageCheck, Failure
from matching.coverage.pace import RoundOverError
from matching.coverage.round import LEASE, ClaimLostError, OutageError, Round
from matching.services import SCOPE_MISSING, is_dead
from merchants.connections import mark_broken
from rebound_tts.clients.errors import ConfigurationError, RemoteError

logger = logging.getLogger(__name__)

PATIENCE = 5  # rounds that store nothing, after which the check is given up
MOST_ROUNDS = 10  # that store nothing, whatever kept them from it
PAUSE = timedelta(seconds=5)  # after the first such round; doubled with each


def claim_next(*, now: datetime, at_once: int) -> tuple[CoverageCheck, uuid.UUID] | None:
    """Claim the check that waits longest, unless `at_once` of them are being carried on already."""
    if CoverageCheck.objects.active().filter(claimed_until__gte=now).count() >= at_once:
        return None
    token = uuid.uuid4()
    with transaction.atomic():
        due = CoverageCheck.objects.due(now=now).order_by("next_attempt_at", "pk")
        key = due.select_for_update(skip_locked=True).values_list("pk", flat=True).first()
        if key is None:
            return None
        CoverageCheck.objects.due(now=now).filter(pk=key).update(
            claimed_until=now + LEASE, claim_token=token, attempts=F("attempts") + 1
        )
    check = (
        CoverageCheck.objects.select_related("merchant", "shop__authorization", "shop__rebound_account")
        .filter(pk=key, claim_token=token)
        .first()
    )
    return None if check is None else (check, token)


def next_check(*, now: datetime) -> int | None:
    """The check that has waited longest and that nobody takes, by key; none while one is being carried on."""
    if CoverageCheck.objects.active().filter(claimed_until__gte=now).exists():
        return None
    due = CoverageCheck.objects.due(now=now).order_by("next_attempt_at", "pk")
    first: int | None = due.values_list("pk", flat=True).first()
    return first


def carry_on(check: CoverageCheck, *, token: uuid.UUID) -> None:
    """One round of a claimed check. What a remote does ends in a named state; our own error is recorded and raised."""
    if check.attempts > MOST_ROUNDS:
        fail(check, token=token, failure=Failure.CRASHED, detail="Workers ended in the middle of it, again and again.")
        return
    try:
        Round(check, token=token).go()
    except ClaimLostError:
        logger.info("a coverage check was canceled or taken over", extra={"check": check.pk})
    except RoundOverError as over:
        _rest(check, token=token, seconds=over.seconds)
    except OutageError as outage:
        _wait_or_give_up(check, token=token, error=outage.error)
    except RemoteError as error:
        _refused(check, token=token, error=error)
    except Exception as error:
        fail(check, token=token, failure=Failure.CRASHED, detail=f"{type(error).__name__}: see the log")
        raise


def fail(check: CoverageCheck, *, token: uuid.UUID, failure: Failure, detail: str) -> None:
    now = timezone.now()
    CoverageCheck.objects.active().filter(pk=check.pk, claim_token=token).update(
        state=CheckState.FAILED,
        failure=failure,
        failure_detail=detail[:500],
        finished_at=now,
        claimed_until=None,
        claim_token=None,
    )
    logger.warning("a coverage check failed", extra={"check": check.pk, "failure": failure.value})


def _rest(check: CoverageCheck, *, token: uuid.UUID, seconds: float) -> None:
    """The round is over, and the next goes on: at once, or when the remote wants to be called again."""
    check.refresh_from_db(fields=["attempts"])
    if check.attempts >= MOST_ROUNDS:
        detail = "It asked for slower calls again and again, and took none."
        fail(check, token=token, failure=Failure.TIKTOK_UNAVAILABLE, detail=detail)
        return
    later = timezone.now() + timedelta(seconds=seconds)
    mine = CoverageCheck.objects.active().filter(pk=check.pk, claim_token=token)
    mine.update(claimed_until=None, claim_token=None, next_attempt_at=later)


def _wait_or_give_up(check: CoverageCheck, *, token: uuid.UUID, error: RemoteError) -> None:
    check.refresh_from_db(fields=["attempts"])
    if check.attempts >= PATIENCE:
        is_tiktok = error.vendor == "tiktok"
        failure = Failure.TIKTOK_UNAVAILABLE if is_tiktok else Failure.REBOUND_UNAVAILABLE
        fail(check, token=token, failure=failure, detail=str(error))
        return
    pause = max(PAUSE * 2 ** max(check.attempts - 1, 0), timedelta(seconds=error.retry_after or 0))
    CoverageCheck.objects.active().filter(pk=check.pk, claim_token=token).update(
        claimed_until=None, claim_token=None, next_attempt_at=timezone.now() + pause, failure_detail=str(error)[:500]
    )


def _refused(check: CoverageCheck, *, token: uuid.UUID, error: RemoteError) -> None:
    if is_dead(error) and isinstance(error, ConfigurationError):
        is_tiktok = error.vendor == "tiktok"
        connection = check.shop.authorization if is_tiktok else check.shop.rebound_account
        if connection is not None and not mark_broken(connection, error=error):
            _wait_or_give_up(check, token=token, error=error)
            return
        failure = Failure.TIKTOK_CONNECTION if is_tiktok else Failure.REBOUND_CONNECTION
        fail(check, token=token, failure=failure, detail=str(error))
        return
    if error.code == SCOPE_MISSING:
        fail(check, token=token, failure=Failure.TIKTOK_SCOPE, detail=str(error))
        return
    fail(check, token=token, failure=Failure.REFUSED, detail=str(error))
