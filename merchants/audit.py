"""The audit log: every act of a person, and every look at a buyer's data. Written once, changed and deleted by nobody.

The database refuses changes too (`merchants/migrations`): a row of the first year can be neither updated nor deleted.
Names of people and rows are copied, and no foreign key binds a row, so that an entry outlives what it speaks of.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

if TYPE_CHECKING:
    from merchants.models import Merchant

LOOKED_AT_BUYER = gettext_noop("Looked at buyer data")
A_BATCH = 500
# Stored in English, and looked up when an entry is shown; what an act on a return is called is marked with the act.
ACTS = (
    gettext_noop("Added"),
    gettext_noop("Added a secret"),
    gettext_noop("Bulk"),
    gettext_noop("Bulk dry run"),
    gettext_noop("Canceled the check"),
    gettext_noop("Changed"),
    gettext_noop("Changed how orders arrive"),
    gettext_noop("Changed the signing secret"),
    gettext_noop("Copied settings"),
    gettext_noop("Deleted"),
    gettext_noop("Exported returns"),
    gettext_noop("Exported returns with buyer data"),
    gettext_noop("Link to order"),
    gettext_noop("Made API credentials"),
    gettext_noop("Paused the shop"),
    gettext_noop("Removed the second factor"),
    gettext_noop("Replay"),
    gettext_noop("Resumed the shop"),
    gettext_noop("Revoked a secret"),
    gettext_noop("Revoked the client"),
    gettext_noop("Sent a test alert"),
    gettext_noop("Try again now"),
    gettext_noop("Undo"),
    gettext_noop("cancelled"),
)


class AuditEntryIsFinalError(Exception):
    """Somebody wanted to change or delete an entry of the audit log."""


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **columns: Any) -> NoReturn:
        raise AuditEntryIsFinalError("An entry of the audit log is not changed.")

    def delete(self) -> NoReturn:
        raise AuditEntryIsFinalError("An entry of the audit log is not deleted.")

    def about(self, subject: models.Model) -> "AuditEntryQuerySet":
        return self.filter(subject_type=subject._meta.label_lower, subject_id=str(subject.pk))


class AuditEntry(models.Model):
    """Who did what to which row, when and why."""

    at = models.DateTimeField()
    actor = models.ForeignKey(
        "auth.User", on_delete=models.DO_NOTHING, related_name="+", null=True, blank=True, db_constraint=False
    )
    actor_name = models.CharField(max_length=150)
    act = models.CharField(max_length=60)
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.DO_NOTHING, related_name="+", null=True, blank=True, db_constraint=False
    )
    subject_type = models.CharField(max_length=60, blank=True, help_text="Such as returns.tiktokreturn.")
    subject_id = models.CharField(max_length=64, blank=True)
    subject_name = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    detail = models.JSONField(default=dict, blank=True)
    correlation_id = models.CharField(max_length=32, blank=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        indexes = [
            models.Index(fields=["subject_type", "subject_id"], name="audit_by_subject"),
            models.Index(
                fields=["correlation_id"], condition=~models.Q(correlation_id=""), name="audit_by_correlation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.act_in_words} {self.subject_name}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AuditEntryIsFinalError("An entry of the audit log is not changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditEntryIsFinalError("An entry of the audit log is not deleted.")

    @property
    def act_in_words(self) -> str:
        """In the reader's language. Of a run over many, such as "Bulk: Match again", part by part."""
        return ": ".join(gettext(part) for part in self.act.split(": "))

    @property
    def changes(self) -> list[str]:
        """What a form changed, a line each."""
        return [str(change) for change in self.detail.get("changes", [])]


def record_act(
    *,
    act: str,
    actor: User | AnonymousUser | str,
    now: datetime,
    subject: models.Model | None = None,
    merchant: "Merchant | None" = None,
    reason: str = "",
    correlation_id: str = "",
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write one entry. `actor` is a user, or the name of what acts by itself. The merchant and the correlation id
    default to the subject's own. `detail` holds JSON values: what changed, how many, which filter; never a secret."""
    entry = _entry(act, actor, now, subject, merchant, reason, correlation_id, detail or {})
    entry.save(force_insert=True)
    return entry


def record_acts(
    *,
    act: str,
    actor: User | AnonymousUser | str,
    now: datetime,
    subjects: Iterable[models.Model],
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> int:
    """Write one entry a subject. Answers how many."""
    entries = [_entry(act, actor, now, subject, None, reason, "", detail or {}) for subject in subjects]
    AuditEntry.objects.bulk_create(entries, batch_size=A_BATCH)
    return len(entries)


def kept(text: object) -> str:
    """As an entry keeps it: in English, whatever whoever acts reads."""
    with translation.override("en"):
        return str(text)


def _entry(
    act: str,
    actor: User | AnonymousUser | str,
    now: datetime,
    subject: models.Model | None,
    merchant: "Merchant | None",
    reason: str,
    correlation_id: str,
    detail: dict[str, Any],
) -> AuditEntry:
    return AuditEntry(
        at=now,
        actor_id=None if isinstance(actor, str) else actor.pk,
        actor_name=(actor if isinstance(actor, str) else actor.get_username() or "nobody")[:150],
        act=act,
        merchant_id=merchant.pk if merchant else _merchant_of(subject),
        subject_type=subject._meta.label_lower if subject else "",
        subject_id=str(subject.pk) if subject else "",
        subject_name=kept(subject)[:200] if subject else "",
        reason=reason[:500],
        detail=detail,
        correlation_id=correlation_id or getattr(subject, "correlation_id", ""),
    )


def _merchant_of(subject: models.Model | None) -> Any:
    if subject is None:
        return None
    if subject._meta.label_lower == "merchants.merchant":
        return subject.pk
    return getattr(subject, "merchant_id", None)
