"""The wake-up of coverage checks. The rows are the list of work; a job carries on whichever check is due.

A check yields: one job carries it on for some seconds, at most all workers but one are at checks at a time, and no job
is queued while others wait, since those make labels.
"""

import logging

from django.conf import settings
from django.utils import timezone
from django_q.tasks import async_task

from matching.coverage.models import CoverageCheck
from matching.coverage.running import carry_on, claim_next
from rebound_tts.broker import BROKER_AWAY, broker

logger = logging.getLogger(__name__)


def ring() -> bool:
    """Wake a worker for the checks, unless something else waits for one: the sweep rings again each second."""
    try:
        if broker().queue_size() > 0:
            return False
        async_task("matching.coverage.tasks.carry_on_one", broker=broker(), task_name="coverage")
    except BROKER_AWAY:
        logger.exception("could not ring for a coverage check")
        return False
    return True


def ring_if_due() -> bool:
    """For the sweep: ring where a check is due and a worker may take it. Answers whether one is due."""
    if not CoverageCheck.objects.due(now=timezone.now()).exists():
        return False
    ring()
    return True


def carry_on_one() -> bool:
    """One round of the check that waits longest. Answers whether there was one."""
    claimed = claim_next(now=timezone.now(), at_once=max(settings.QUEUE_WORKERS - 1, 1))
    if claimed is None:
        return False
    check, token = claimed
    carry_on(check, token=token)
    ring_if_due()
    return True
