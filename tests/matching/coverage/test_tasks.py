"""Wake-ups of checks: queued when nothing else waits, found again by the sweep."""

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from matching.coverage import tasks
from matching.coverage.models import CheckState
from matching.coverage.running import claim_next
from matching.coverage.services import start_check
from rebound_tts.management.commands.work import oldest_work
from returns.tasks import sweep
from tests.factories import ShopFactory
from tests.matching.coverage.conftest import Checked


@pytest.mark.django_db
def test_ring_queues_one_job_and_none_while_others_wait():
    assert tasks.ring() is True
    assert tasks.ring() is False
    assert OrmQ.objects.count() == 1


def test_the_job_carries_a_check_to_its_end(checked: Checked):
    checked.synced(2)
    check = checked.start()
    assert tasks.carry_on_one() is True
    check.refresh_from_db()
    assert (check.state, check.matched, OrmQ.objects.count()) == (CheckState.DONE, 2, 0)
    assert tasks.carry_on_one() is False


@pytest.mark.django_db
def test_the_sweep_rings_for_a_check_whose_bell_was_lost():
    assert sweep() is False
    check = start_check(shop=ShopFactory(), sample_size=20, now=timezone.now())
    assert oldest_work()[-1] == check.pk
    assert sweep() is True
    assert OrmQ.objects.count() == 1


@pytest.mark.django_db
def test_a_check_at_work_is_no_sign_of_a_frozen_cluster():
    start_check(shop=ShopFactory(), sample_size=20, now=timezone.now())
    claim_next(now=timezone.now(), at_once=1)
    assert set(oldest_work()) == {None}
    assert sweep() is False
