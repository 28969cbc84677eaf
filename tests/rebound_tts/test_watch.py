"""The watch over the workers: standing still is not the same as having much to do."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rebound_tts.management.commands.work import FROZEN_SECONDS, Watch
from returns.models import TikTokReturn, WebhookEvent
from tests.factories import TikTokReturnFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db
LATER = FROZEN_SECONDS + 1


def waiting_event() -> WebhookEvent:
    return WebhookEventFactory(handled_at=None, outcome="")


def test_event_that_nobody_handles_is_a_frozen_cluster():
    waiting_event()
    watch = Watch()
    assert [watch.is_frozen(0), watch.is_frozen(FROZEN_SECONDS - 1), watch.is_frozen(LATER)] == [False, False, True]


def test_due_return_that_nobody_takes_is_a_frozen_cluster():
    TikTokReturnFactory(next_attempt_at=timezone.now())
    watch = Watch()
    assert [watch.is_frozen(0), watch.is_frozen(LATER)] == [False, True]


def test_long_list_that_moves_on_is_not_frozen():
    first, _ = waiting_event(), waiting_event()
    watch = Watch()
    watch.is_frozen(0)
    WebhookEvent.objects.filter(pk=first.pk).update(handled_at=timezone.now(), outcome="NOTHING_TO_DO")
    assert [watch.is_frozen(LATER), watch.is_frozen(2 * LATER)] == [False, True]


def test_return_in_hand_is_a_sign_of_life():
    waiting_event()
    row = TikTokReturnFactory(next_attempt_at=timezone.now())
    TikTokReturn.objects.filter(pk=row.pk).update(claimed_until=timezone.now() + timedelta(seconds=30))
    watch = Watch()
    assert [watch.is_frozen(0), watch.is_frozen(LATER)] == [False, False]


def test_nothing_to_do_is_not_frozen():
    watch = Watch()
    assert [watch.is_frozen(0), watch.is_frozen(LATER)] == [False, False]
