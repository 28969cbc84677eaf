"""Everything that happened to a return, newest first: events, steps, decisions, the return at ReBound, people."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils.translation import gettext as _

from matching.decision_words import in_words
from matching.models import Match
from matching.trail_words import told_of_json
from merchants.audit import AuditEntry
from returns.admin.event_types import named
from returns.models import Act, AttemptOutcome, EventOutcome, ManualAct, StepAttempt, TikTokReturn, WebhookEvent

MOST = 200  # of each kind; the newest
FAILED = {
    AttemptOutcome.PERMANENT,
    AttemptOutcome.CONFIGURATION,
    AttemptOutcome.CRASHED,
    EventOutcome.CRASHED,
    EventOutcome.NOT_UNDERSTOOD,
}
PASSING = {AttemptOutcome.TEMPORARY, AttemptOutcome.UNKNOWN, AttemptOutcome.BLOCKED}
MANUAL_ACT = "manual_act"  # in the detail of an audit entry: the row that tells the same, with more


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `tone` is "good", "wait", "bad" or ""; the words say the same without it."""

    at: datetime
    kind: str
    title: Any
    actor: str
    outcome: Any = ""
    tone: str = ""
    detail: str = ""
    took: timedelta | None = None
    correlation_id: str = ""
    link: str = ""
    link_title: Any = ""
    trail: Any = ()
    act: str = ""  # of a person, where it can still be taken back
    act_key: int = 0

    @property
    def took_seconds(self) -> str:
        """As short as it says something: milliseconds below a second."""
        if self.took is None:
            return ""
        seconds = self.took.total_seconds()
        return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def timeline(row: TikTokReturn, *, matches: Iterable[Match], user: User | AnonymousUser) -> list[Entry]:
    """`matches`: every decision on the return. Audit entries only for those who may see the log."""
    entries = [
        Entry(row.created_at, _("Return"), _("First heard of"), actor="TikTok Shop", correlation_id=row.correlation_id),
        *_events(row),
        *_attempts(row),
        *_decisions(matches),
        *_at_rebound(row),
        *_acts(row),
    ]
    if user.has_perm("merchants.view_auditentry"):
        entries += _audit(row)
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _events(row: TikTokReturn) -> Iterator[Entry]:
    events: Iterable[WebhookEvent] = row.events.defer("body").order_by("-pk")[:MOST]
    for event in events:
        yield Entry(
            event.received_at,
            _("Webhook"),
            named(event.type),
            actor=event.get_source_display(),
            outcome=event.get_outcome_display() if event.outcome else _("Waits to be handled"),
            tone=_tone(event.outcome),
            detail=event.detail,
            took=event.handled_at - event.received_at if event.handled_at else None,
            correlation_id=event.correlation_id,
            link=reverse("admin:returns_webhookevent_change", args=[event.pk]),
            link_title=_("Event and payload"),
        )


def _attempts(row: TikTokReturn) -> Iterator[Entry]:
    attempts: Iterable[StepAttempt] = row.step_attempts.order_by("-pk")[:MOST]
    for attempt in attempts:
        yield Entry(
            attempt.started_at,
            _("Step"),
            attempt.get_step_display(),
            actor=_("Worker"),
            outcome=attempt.get_outcome_display() if attempt.outcome else _("Under way, or its worker died"),
            tone=_tone(attempt.outcome),
            detail=in_words(attempt.detail),
            took=attempt.finished_at - attempt.started_at if attempt.finished_at else None,
            correlation_id=row.correlation_id,
            link=reverse("admin:returns_stepattempt_change", args=[attempt.pk]),
            link_title=_("Attempt"),
        )


def _decisions(matches: Iterable[Match]) -> Iterator[Entry]:
    for match in matches:
        yield Entry(
            match.decided_at,
            _("Match"),
            match.get_outcome_display(),
            actor=match.decided_by or _("Rules"),
            outcome=match.get_reason_display() if match.reason else "",
            tone="good" if match.outcome == "MATCHED" else "wait" if match.is_curable else "",
            detail=match.note or match.external_order_id,
            trail=told_of_json(match.trail),
        )


def _at_rebound(row: TikTokReturn) -> Iterator[Entry]:
    held = row.rebound_return
    if held is None:
        return
    label = getattr(held, "label", None)
    address = reverse("admin:returns_reboundreturn_change", args=[held.pk])
    moments: list[tuple[datetime | None, Any, str]] = [
        (held.confirmed_at, _("Created at ReBound"), f"{held.get_kind_display()} · {held.rebound_id}"),
        (label.received_at if label else None, _("Label received"), label.tracking_number if label else ""),
        (row.label_delivered_at, _("Label delivered to the buyer"), ""),
        (held.linked_late_at, _("Linked late"), held.link_note),
        (held.cancelled_at, _("Cancelled at ReBound"), _("By ReBound") if held.cancelled_there else _("By us")),
    ]
    for at, title, detail in moments:
        if at is not None:
            yield Entry(
                at,
                _("ReBound"),
                title,
                actor="ReBound",
                detail=detail,
                correlation_id=row.correlation_id,
                link=address,
                link_title=_("ReBound return and payloads"),
            )
    for milestone in held.milestones.order_by("-pk")[:MOST]:
        yield Entry(milestone.occurred_at, _("Parcel"), milestone.get_milestone_display(), actor="ReBound")


def _acts(row: TikTokReturn) -> Iterator[Entry]:
    acts: Iterable[ManualAct] = row.manual_acts.select_related("undone_by").order_by("-pk")[:MOST]
    for act in acts:
        is_undone = hasattr(act, "undone_by")
        stands = not is_undone and act.act not in {Act.UNDO, Act.MATCH_AGAIN}
        yield Entry(
            act.done_at,
            _("Person"),
            act.get_act_display(),
            actor=act.by,
            outcome=_("Undone since") if is_undone else "",
            detail=act.reason,
            act=act.act if stands else "",
            act_key=act.pk,
        )


def _audit(row: TikTokReturn) -> Iterator[Entry]:
    for entry in AuditEntry.objects.about(row).order_by("-pk")[:MOST]:
        if MANUAL_ACT not in entry.detail:
            yield Entry(
                entry.at,
                _("Person"),
                entry.act_in_words,
                actor=entry.actor_name,
                detail=entry.reason,
                correlation_id=entry.correlation_id,
                link=reverse("admin:merchants_auditentry_change", args=[entry.pk]),
                link_title=_("Audit entry"),
            )


def _tone(outcome: str) -> str:
    if outcome in FAILED:
        return "bad"
    return "wait" if outcome in PASSING or not outcome else "good"
