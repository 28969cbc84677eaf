"""What the operator's pages read: counts of all processes together, and signs of life of the workers.

No merchant's data here. What is counted stands in `catalog.py`; how a process counts, in `tallies.py`.
"""

from datetime import datetime, timedelta
from typing import Self

from django.db import models

ALIVE = timedelta(seconds=60)  # a supervisor says every ten seconds that it lives
GONE_AFTER = timedelta(days=1)  # a heartbeat this old is of a machine that no longer exists


class Tally(models.Model):
    """How often something happened, in every process since the first. Labels are a JSON object with sorted keys."""

    name = models.CharField(max_length=80)
    labels = models.CharField(max_length=500)
    value = models.FloatField()

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="one_tally_a_name_and_labels")]

    def __str__(self) -> str:
        return f"{self.name}{self.labels} {self.value:g}"


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def heard(self, *, now: datetime) -> Self:
        """In the last minute."""
        return self.filter(beat_at__gt=now - ALIVE)


class Heartbeat(models.Model):
    """When a supervisor of workers last looked after them."""

    worker = models.CharField(max_length=200, unique=True, help_text="Host and process.")
    beat_at = models.DateTimeField(db_index=True)

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return self.worker


class RetentionPass(models.Model):
    """How far retention came in its pass over a table. What it does there stands in `retention.py`."""

    rule = models.CharField(max_length=60, unique=True)
    after_key = models.BigIntegerField(default=0, help_text="Rows up to this key were looked at.")
    rested_at = models.DateTimeField(null=True, blank=True, help_text="When the pass ended; none while it goes on.")

    class Meta:
        verbose_name_plural = "retention passes"

    def __str__(self) -> str:
        return f"{self.rule}: after {self.after_key}"


def beat(*, worker: str, now: datetime) -> bool:
    """Say that this worker lives, and forget those that have not for long. Answers whether it is the first time."""
    _, is_new = Heartbeat.objects.update_or_create(worker=worker, defaults={"beat_at": now})
    Heartbeat.objects.filter(beat_at__lt=now - GONE_AFTER).delete()
    return is_new


def is_heard(*, machine: str, now: datetime) -> bool:
    """Whether a supervisor on this machine was heard in the last minute."""
    return Heartbeat.objects.heard(now=now).filter(worker__startswith=f"{machine}:").exists()
