"""Acts on many returns, carried out in the queue: started from a list, one return after another, to the last.

Each return has a transaction of its own, in which its item is marked: the act is done once, whatever dies in between.
One that cannot be done holds up no other. A run makes only so many returns due at a time, so that a buyer's label never
waits behind a thousand reruns.

A dry run is a run whose items are rehearsed instead. It asks TikTok and ReBound for each, so that only the newest of
many are looked at, and the run says so.
"""

import logging
import time
import uuid
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from merchants.audit import kept, record_act
from returns.acts import ActRefusedError, Name, candidate_of, perform
from returns.bulk_models import BulkItem, BulkOutcome, BulkRun
from returns.models import TikTokReturn
from returns.rehearsals import rehearse

logger = logging.getLogger(__name__)

MOST = 20_000  # returns of one run
MOST_REHEARSED = 200
MOST_FILTERS = 1000  # characters
A_BATCH = 1000
AT_A_TIME = 25  # items between looks at the lease, at a cancellation, and at the work that waits
ENOUGH_DUE = 50  # returns due at once: a run waits while there are so many
PAUSE = timedelta(milliseconds=200)  # shorter than a drain lingers
LEASE = timedelta(seconds=60)
LONGEST_SPELL = 5.0  # seconds; then another worker may go on


class TooManyError(Exception):
    """More returns than one run takes."""


def start_run(
    *,
    name: Name,
    returns: QuerySet[TikTokReturn],
    by: User,
    reason: str,
    filters: str,
    now: datetime,
    is_rehearsal: bool = False,
) -> BulkRun:
    """Freeze which returns it is about, and queue it. The caller rings the bell. Raises TooManyError."""
    found = list(returns.order_by("pk").values_list("pk", "merchant_id")[: MOST + 1])
    if len(found) > MOST:
        raise TooManyError(f"At most {MOST} returns at once: narrow the filter.")
    asked = len(found)
    if is_rehearsal:
        found = found[-MOST_REHEARSED:]
    with transaction.atomic():
        run: BulkRun = BulkRun.objects.create(
            act=name.value,
            reason=reason,
            started_by=by,
            filters=filters[:MOST_FILTERS],
            total=len(found),
            is_rehearsal=is_rehearsal,
            found=asked if is_rehearsal else None,
            started_at=now,
            next_attempt_at=now,
        )
        items = [BulkItem(run=run, tiktok_return_id=key, merchant_id=merchant) for key, merchant in found]
        BulkItem.objects.bulk_create(items, batch_size=A_BATCH)
        detail = {"run": run.pk, "returns": len(found), "filters": filters[:MOST_FILTERS]}
        what = "Bulk dry run" if is_rehearsal else "Bulk"
        record_act(act=f"{what}: {kept(name.label)}", actor=by, subject=run, reason=reason, detail=detail, now=now)
    return run


def cancel_run(run: BulkRun, *, by: User, now: datetime) -> bool:
    """Do no more of it; what is done stays done. Answers whether there was something to cancel."""
    with transaction.atomic():
        open_runs = BulkRun.objects.filter(pk=run.pk, finished_at__isnull=True)
        if not open_runs.update(cancelled_at=now, finished_at=now, next_attempt_at=None):
            return False
        record_act(act="Bulk: cancelled", actor=by, subject=run, now=now)
    return True


def runs_are_due(*, now: datetime) -> bool:
    return _due(now).exists()


def claim_runs(*, now: datetime, limit: int) -> tuple[uuid.UUID, list[int]]:
    """Claim up to `limit` runs that are due. Answers the claim's token and their keys."""
    token = uuid.uuid4()
    claimed = []
    for key in _due(now).order_by("next_attempt_at").values_list("pk", flat=True)[:limit]:
        if _due(now).filter(pk=key).update(claimed_until=now + LEASE, claim_token=token):
            claimed.append(key)
    return token, claimed


def carry_on(key: int, *, token: uuid.UUID) -> None:
    """Do items of a claimed run for a while, then leave it due again, or finished."""
    run = BulkRun.objects.select_related("started_by").get(pk=key)
    ends = time.monotonic() + LONGEST_SPELL
    while True:
        now = timezone.now()
        mine = BulkRun.objects.filter(pk=key, claim_token=token, finished_at__isnull=True)
        if not mine.update(claimed_until=now + LEASE):
            return  # cancelled, or the lease ran out and somebody else goes on
        todo = list(
            run.items.filter(outcome="")
            .order_by("pk")
            .values_list("pk", flat=True)[: 1 if run.is_rehearsal else AT_A_TIME]
        )
        if not todo:
            mine.update(finished_at=now, next_attempt_at=None, claimed_until=None, claim_token=None)
            return
        busy = TikTokReturn.objects.due(now=now)[:ENOUGH_DUE].count() >= ENOUGH_DUE
        if busy or time.monotonic() > ends:
            mine.update(next_attempt_at=now + (PAUSE if busy else timedelta(0)), claimed_until=None, claim_token=None)
            return
        for item_key in todo:
            (_rehearse if run.is_rehearsal else _do)(run, item_key)


def progress(run: BulkRun) -> dict[str, int]:
    """How many items have each outcome, by its name in lower case, and how many are `todo`."""
    counts = {outcome.value.lower(): Count("pk", filter=Q(outcome=outcome)) for outcome in BulkOutcome}
    return dict(run.items.aggregate(**counts, todo=Count("pk", filter=Q(outcome=""))))


def what_would_differ(items: QuerySet[BulkItem]) -> list[tuple[str, int]]:
    """Of a dry run's items: each thing that would be otherwise, and with how many returns, the most frequent first."""
    counted = items.order_by().filter(outcome=BulkOutcome.DIFFERS).values("summary").annotate(number=Count("pk"))
    return list(counted.order_by("-number", "summary").values_list("summary", "number"))


def _due(now: datetime) -> QuerySet[BulkRun]:
    unclaimed = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
    return BulkRun.objects.filter(unclaimed, next_attempt_at__lte=now)


def _do(run: BulkRun, key: int) -> None:
    """Do one item, once: its mark commits with what it did."""
    name = Name(run.act)
    try:
        row = _row_of(key)
        candidate = candidate_of(row) if name is Name.LINK else None
        with transaction.atomic():
            if not BulkItem.objects.filter(pk=key, outcome="").update(outcome=BulkOutcome.DONE):
                return
            said = perform(
                name=name,
                tiktok_return=row,
                actor=run.started_by,
                reason=run.reason,
                now=timezone.now(),
                detail={"bulk_run": run.pk},
                candidate=candidate,
            )
            BulkItem.objects.filter(pk=key).update(detail=said[:500])
    except ActRefusedError as refused:
        _mark(key, outcome=BulkOutcome.SKIPPED, detail=str(refused))
    except DatabaseError:
        raise  # a deadlock or a lost connection says nothing about the item: it is taken up again
    except Exception as error:
        # One return must not hold up the others; it is named, and logged whole.
        logger.exception("an item of a bulk run crashed", extra={"item": key})
        _mark(key, outcome=BulkOutcome.FAILED, detail=f"{type(error).__name__}: see the log")


def _rehearse(run: BulkRun, key: int) -> None:
    """Say what the act would do to one item's return. It may be said twice, since it does nothing."""
    try:
        told = rehearse(name=Name(run.act), tiktok_return=_row_of(key), actor=run.started_by, now=timezone.now())
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("an item of a bulk dry run crashed", extra={"item": key})
        _mark(key, outcome=BulkOutcome.FAILED, detail=f"{type(error).__name__}: see the log")
    else:
        _mark(key, outcome=told.outcome, detail=told.detail, summary=told.summary)


def _row_of(key: int) -> TikTokReturn:
    rows = TikTokReturn.objects.select_related("shop__merchant").defer("payload", "buyer_address")
    row: TikTokReturn = rows.get(bulk_items=key)
    return row


def _mark(key: int, *, outcome: BulkOutcome, detail: str, summary: str = "") -> None:
    marked = {"outcome": outcome, "detail": detail[:500], "summary": summary[:200]}
    BulkItem.objects.filter(pk=key, outcome="").update(**marked)
