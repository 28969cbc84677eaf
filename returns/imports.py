"""Imports of orders, carried by the workers, and the returns that wait for what they bring."""

from contextlib import suppress
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from django_q.tasks import async_task

from matching.order_import import are_due, carry_next
from rebound_tts.broker import BROKER_AWAY, broker
from returns.arrivals import wake_for_orders

SLICE_SECONDS = 20.0  # then other jobs have their turn; the sweep rings for the rest


def ring_for_imports(*, now: datetime) -> None:
    """Wake a worker where an import is due, unless enough wake-ups are queued already."""
    if not are_due(now=now):
        return
    with suppress(*BROKER_AWAY):  # Redis is away: it is still due in a second
        if broker().queue_size() < settings.QUEUE_WORKERS:
            async_task("returns.imports.carry", broker=broker(), task_name="import")


def carry() -> bool:
    """Carry the oldest import for a while. Answers whether there was one."""
    return carry_next(clock=timezone.now, seconds=SLICE_SECONDS, on_arrival=wake_for_orders)
