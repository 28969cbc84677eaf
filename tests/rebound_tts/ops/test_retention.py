"""What ends and what stays: personal data past its time is gone, and work goes on as if nothing had been."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from matching.models import SalesOrder
from merchants.audit import AuditEntry, record_act
from rebound_tts.ops import retention
from rebound_tts.ops.models import RetentionPass
from rebound_tts.ops.retention import RULES, look_after
from returns.models import ReboundReturn, ReturnLabel, Status, StepAttempt, TikTokReturn, WebhookEvent
from tests.factories import (
    ADDRESS,
    ReboundReturnFactory,
    ReturnLabelFactory,
    SalesOrderFactory,
    StepAttemptFactory,
    TikTokReturnFactory,
    WebhookEventFactory,
)

pytestmark = pytest.mark.django_db
OLD, DAY = 1000, timedelta(days=1)


def before(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def finished(days: float, **values: Any) -> TikTokReturn:
    return TikTokReturnFactory(
        status=Status.DONE,
        reason="",
        status_changed_at=before(days),
        next_attempt_at=None,
        buyer_address=ADDRESS,
        payload={"buyer": "note"},
        **values,
    )


def run(**options: Any) -> dict[str, str]:
    out = io.StringIO()
    call_command("retain", stdout=out, **options)
    return dict(line.split(", kept ") for line in out.getvalue().splitlines())


def test_event_loses_its_body_first_and_is_deleted_later():
    handled = {"body": '{"a":1}', "handled_at": before(0), "outcome": "APPLIED"}
    young, middle, old = (WebhookEventFactory(received_at=before(days), **handled) for days in (1, 60, OLD))
    waits = WebhookEventFactory(received_at=before(OLD), body='{"a":1}')
    run()
    left = dict(WebhookEvent.objects.values_list("pk", "body"))
    assert left == {young.pk: '{"a":1}', middle.pk: "{}", waits.pk: '{"a":1}'}
    assert old.pk not in left


def test_finished_return_loses_address_and_payload_and_keeps_its_history():
    old, young = finished(OLD), finished(1)
    works = TikTokReturnFactory(status_changed_at=before(OLD), buyer_address=ADDRESS, payload={"buyer": "note"})
    run()
    found = {row.pk: (row.buyer_address, row.payload) for row in TikTokReturn.objects.all()}
    kept = (ADDRESS, {"buyer": "note"})
    assert found == {old.pk: ({}, {}), young.pk: kept, works.pk: kept}
    assert TikTokReturn.objects.get(pk=old.pk).return_id == old.return_id


@pytest.mark.parametrize(("status", "gone"), [(Status.DONE, True), (Status.OPEN, False)])
def test_label_goes_once_no_return_needs_it(status, gone):
    rebound_return = ReboundReturnFactory(confirmed_at=before(OLD), rebound_id="R1", payload={"a": 1})
    label = ReturnLabelFactory(rebound_return=rebound_return, merchant=rebound_return.merchant, received_at=before(OLD))
    TikTokReturnFactory(
        shop=rebound_return.shop,
        rebound_return=rebound_return,
        status=status,
        next_attempt_at=None if status == Status.DONE else timezone.now(),
    )
    run()
    content = bytes(ReturnLabel.objects.get(pk=label.pk).content)
    payload = ReboundReturn.objects.get(pk=rebound_return.pk).payload
    assert (content == b"", payload == {}) == (gone, gone)
    assert ReturnLabel.objects.get(pk=label.pk).tracking_number == label.tracking_number


def test_order_keeps_its_ids():
    old = SalesOrderFactory(updated_at=before(OLD), payload={"note": "by the door"})
    young = SalesOrderFactory(updated_at=before(1))
    run()
    row = SalesOrder.objects.get(pk=old.pk)
    assert (row.customer_address, row.payload, row.external_order_id) == ({}, {}, old.external_order_id)
    assert SalesOrder.objects.get(pk=young.pk).customer_address == ADDRESS


def test_attempts_of_finished_returns_are_deleted():
    done, works = finished(OLD), TikTokReturnFactory()
    for row in (done, works):
        StepAttemptFactory(tiktok_return=row, started_at=before(OLD), finished_at=before(OLD), outcome="DONE")
    run()
    assert list(StepAttempt.objects.values_list("tiktok_return", flat=True)) == [works.pk]


def test_audit_log_ends_by_setting_and_not_before():
    for days in (OLD, 400):
        record_act(act="Looked", actor="somebody", now=before(days))
    run()
    assert AuditEntry.objects.count() == 1


def test_dry_run_says_it_and_does_nothing():
    finished(OLD)
    said = run(dry_run=True)
    assert said["addresses of returns"] == "90 days: 1 past their time"
    assert said["labels"] == "90 days: 0 past their time"
    assert TikTokReturn.objects.get().buyer_address == ADDRESS
    assert list(said) == [rule.name for rule in RULES]


def test_days_are_settings(settings):
    finished(2)
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"addresses": 1}
    assert run(dry_run=True)["addresses of returns"] == "1 days: 1 past their time"


def test_upkeep_goes_on_where_it_stopped_and_rests_for_a_day(monkeypatch):
    monkeypatch.setattr(retention, "STEP", 2)
    for _ in range(5):
        finished(OLD)
    now = timezone.now()

    def left() -> int:
        return sum(1 for row in TikTokReturn.objects.all() if row.buyer_address)

    found = []
    for _ in range(4):
        look_after(now=now)
        found.append(left())
    assert found == [3, 1, 0, 0]
    finished(OLD)
    look_after(now=now + timedelta(hours=1))
    assert left() == 1  # it rests
    look_after(now=now + timedelta(hours=21))
    look_after(now=now + timedelta(hours=21))
    look_after(now=now + timedelta(hours=21))
    assert left() == 0


def test_upkeep_at_rest_is_cheap(django_assert_max_num_queries):
    now = timezone.now()
    look_after(now=now)
    assert RetentionPass.objects.filter(rested_at=now).count() == len(RULES)
    with django_assert_max_num_queries(6):
        look_after(now=now + DAY / 24)


def test_sessions_that_ended_are_deleted():
    for key, days in (("ended", 1), ("live", -1)):
        Session.objects.create(session_key=key, session_data="", expire_date=before(days))
    look_after(now=timezone.now())
    assert list(Session.objects.values_list("session_key", flat=True)) == ["live"]
