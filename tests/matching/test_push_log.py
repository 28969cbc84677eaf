"""The record of what clients pushed: counted, kept small, and only one's own."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from matching import push_log
from matching.findings import Finding
from matching.models import OrderPush
from matching.push_log import Refused, note_push, trim_log
from matching.rules import Code
from merchants.api_access import create_client
from merchants.models import ApiClient
from tests.factories import MerchantFactory

pytestmark = pytest.mark.django_db
BAD = Refused(0, "SO-1", [Finding("/a", Code.REQUIRED, "Add it."), Finding("/b", Code.REQUIRED, "Add it.", "7")])


def client() -> ApiClient:
    return create_client(merchant=MerchantFactory(), name="OMS", scopes=[], now=timezone.now())[0]


def note(who: ApiClient, *refused: Refused, ago: timedelta = timedelta(0), **results: int) -> None:
    note_push(
        client=who,
        results=Counter(results),
        refused=refused,
        call="BATCH",
        request_id="r",
        now=timezone.now() - ago,
    )


def test_what_was_wrong_is_kept_and_what_was_good_is_counted() -> None:
    note(client(), BAD, BAD, created=3, unchanged=1)
    row = OrderPush.objects.get()
    assert (row.orders, row.created, row.unchanged, row.rejected, row.broken) == (6, 3, 1, 2, {"required": 2})
    assert row.findings[1] == {
        "index": 0,
        "order": "SO-1",
        "pointer": "/b",
        "code": "required",
        "detail": "Add it.",
        "value": "7",
    }


def test_findings_of_one_request_are_bounded() -> None:
    note(client(), *[BAD] * 500)
    assert (len(OrderPush.objects.get().findings), OrderPush.objects.get().rejected) == (50, 500)


def test_the_log_is_trimmed_by_age_and_by_client(monkeypatch: Any) -> None:
    monkeypatch.setattr(push_log, "KEPT_GOOD", 2)
    monkeypatch.setattr(push_log, "KEPT_BAD", 3)
    busy, quiet = client(), client()
    note(quiet, created=1)
    note(quiet, created=1, ago=timedelta(days=31))
    for number in range(5):
        note(busy, created=number)
        note(busy, BAD)
    assert trim_log(now=timezone.now()) == 6
    rows = [(row.client_id == busy.pk, row.created, row.rejected) for row in OrderPush.objects.order_by("pk")]
    assert rows == [
        (False, 1, 0),
        (True, 0, 1),
        (True, 3, 0),
        (True, 0, 1),
        (True, 4, 0),
        (True, 0, 1),
    ]
    assert trim_log(now=timezone.now()) == 0
