"""What is kept for how long: bodies, payloads, addresses, labels, attempts and logs end by setting.

A pass goes over each table by key, some thousand rows at a time, one step an upkeep: no step is long, none needs an
index of its own, and one that died is taken up where it stopped. What makes work repeatable without harm (ids, hashes,
counts, outcomes, tracking numbers) stays.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django_q.models import Failure

from matching.models import SalesOrder
from merchants.audit import AuditEntry
from rebound_tts.ops.models import RetentionPass
from rebound_tts.ops.tallies import count
from returns.models import ReboundReturn, ReturnLabel, Status, StepAttempt, TikTokReturn, WebhookEvent

logger = logging.getLogger(__name__)

STEP = 5000  # keys a step looks at
EVERY = timedelta(hours=20)  # a day at most passes between two passes
FINISHED = Q(status__in=[Status.DONE, Status.CANCELLED, Status.NOT_OURS], next_attempt_at__isnull=True)
NOTHING: dict[str, Any] = {}

Act = Callable[[models.QuerySet[Any]], int]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of a table are past their time, and what is done with them."""

    name: str
    keep: str  # the key in settings.KEEP_DAYS
    model: type[models.Model]
    past: Callable[[datetime], Q]
    act: Act

    def rows(self, *, now: datetime) -> models.QuerySet[Any]:
        cutoff = now - timedelta(days=settings.KEEP_DAYS[self.keep])
        return self.model._default_manager.filter(self.past(cutoff))


def emptied(**values: Any) -> Act:
    return lambda rows: rows.update(**values)


def deleted(rows: models.QuerySet[Any]) -> int:
    gone, _ = rows.delete()
    return gone


def deleted_for_good(rows: models.QuerySet[Any]) -> int:
    """Past the audit log's own guard, which keeps anybody else from deleting an entry."""
    gone: int = rows._raw_delete(rows.db)
    return gone


def _of_an_unfinished_return(path: str) -> Exists:
    return Exists(TikTokReturn.objects.exclude(FINISHED).filter(**{path: OuterRef("pk")}))


RULES = (
    Rule(
        "event bodies",
        "event_bodies",
        WebhookEvent,
        lambda cutoff: Q(handled_at__isnull=False, received_at__lt=cutoff) & ~Q(body="{}"),
        emptied(body="{}"),
    ),
    Rule(
        "events",
        "events",
        WebhookEvent,
        lambda cutoff: Q(handled_at__isnull=False, received_at__lt=cutoff),
        deleted,
    ),
    Rule(
        "addresses of returns",
        "addresses",
        TikTokReturn,
        lambda cutoff: FINISHED & Q(status_changed_at__lt=cutoff) & ~Q(buyer_address=NOTHING),
        emptied(buyer_address=NOTHING),
    ),
    Rule(
        "payloads of returns",
        "payloads",
        TikTokReturn,
        lambda cutoff: FINISHED & Q(status_changed_at__lt=cutoff) & ~Q(payload=NOTHING),
        emptied(payload=NOTHING),
    ),
    Rule(
        "payloads of ReBound",
        "payloads",
        ReboundReturn,
        lambda cutoff: (
            Q(confirmed_at__lt=cutoff) & ~Q(payload=NOTHING) & ~Q(_of_an_unfinished_return("rebound_return"))
        ),
        emptied(payload=NOTHING),
    ),
    Rule(
        "labels",
        "labels",
        ReturnLabel,
        lambda cutoff: (
            Q(received_at__lt=cutoff) & ~Q(content=b"") & ~Q(_of_an_unfinished_return("rebound_return__label"))
        ),
        emptied(content=b""),
    ),
    Rule(
        "addresses of orders",
        "orders",
        SalesOrder,
        lambda cutoff: Q(updated_at__lt=cutoff) & ~Q(customer_address=NOTHING),
        emptied(customer_address=NOTHING),
    ),
    Rule(
        "payloads of orders",
        "orders",
        SalesOrder,
        lambda cutoff: Q(updated_at__lt=cutoff) & ~Q(payload=NOTHING),
        emptied(payload=NOTHING),
    ),
    Rule(
        "attempts",
        "attempts",
        StepAttempt,
        lambda cutoff: (
            Q(started_at__lt=cutoff, finished_at__isnull=False)
            & Q(tiktok_return__status__in=[Status.DONE, Status.CANCELLED, Status.NOT_OURS])
        ),
        deleted,
    ),
    Rule("audit log", "audit", AuditEntry, lambda cutoff: Q(at__lt=cutoff), deleted_for_good),
    Rule("admin log", "audit", LogEntry, lambda cutoff: Q(action_time__lt=cutoff), deleted),
)


def look_after(*, now: datetime) -> int:
    """One step of each pass that is under way or due. Answers how many rows it emptied or deleted."""
    done = _small_tables(now=now)
    RetentionPass.objects.bulk_create([RetentionPass(rule=rule.name) for rule in RULES], ignore_conflicts=True)
    due = set(
        RetentionPass.objects.filter(Q(rested_at__isnull=True) | Q(rested_at__lt=now - EVERY)).values_list(
            "rule", flat=True
        )
    )
    for rule in RULES:
        if rule.name in due:
            done += _step(rule, now=now)
    return done


def _step(rule: Rule, *, now: datetime) -> int:
    with transaction.atomic():
        # One supervisor at a time; on SQLite the transaction itself holds the others off.
        mine = RetentionPass.objects.select_for_update(skip_locked=True).filter(rule=rule.name).first()
        if mine is None:
            return 0
        ahead = rule.model._default_manager.filter(pk__gt=mine.after_key).order_by("pk")
        keys = list(ahead.values_list("pk", flat=True)[:STEP])
        if not keys:
            RetentionPass.objects.filter(pk=mine.pk).update(after_key=0, rested_at=now)
            return 0
        done = rule.act(rule.rows(now=now).filter(pk__gt=mine.after_key, pk__lte=keys[-1]))
        RetentionPass.objects.filter(pk=mine.pk).update(after_key=keys[-1], rested_at=None)
    if done:
        count("deleted", done, what=rule.name)
        logger.info("retention", extra={"rule": rule.name, "rows": done})
    return done


def _small_tables(*, now: datetime) -> int:
    """What ended by itself or fails seldom, found by an index or in a table that stays small."""
    sessions, _ = Session.objects.filter(
        pk__in=list(Session.objects.filter(expire_date__lt=now).values_list("pk", flat=True)[:STEP])
    ).delete()
    jobs_end = now - timedelta(days=settings.KEEP_DAYS["failed_jobs"])
    jobs, _ = Failure.objects.filter(stopped__lt=jobs_end).delete()
    return sessions + jobs


def past_their_time(*, now: datetime) -> Iterator[tuple[Rule, int]]:
    """How many rows each rule would empty or delete now."""
    for rule in RULES:
        yield rule, rule.rows(now=now).count()


def empty_now(*, now: datetime) -> Iterator[tuple[Rule, int]]:
    """Go over each table from its start to its end at once, in the same bounded steps."""
    for rule in RULES:
        RetentionPass.objects.update_or_create(rule=rule.name, defaults={"after_key": 0, "rested_at": None})
        done = 0
        while not RetentionPass.objects.filter(rule=rule.name, rested_at__isnull=False).exists():
            done += _step(rule, now=now)
        yield rule, done
