"""Idempotency-Key: the same request twice is done once, another under the same key is refused."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from matching.models import IdempotentAnswer, SalesOrder
from matching.push_log import forget_old_answers
from merchants.models import ApiScope
from tests.conftest import Clock, in_threads
from tests.factories import MerchantFactory
from tests.matching.api.conftest import ROOT, Oms, order

KEY = {"Idempotency_Key": "push-1"}


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/docs/errors#")


@pytest.mark.parametrize(("path", "body"), [(ROOT, order()), (f"{ROOT}:batch", [order(), {}])])
def test_the_first_answer_is_given_again(oms: Oms, path: str, body: Any) -> None:
    first = oms.call("POST", path, body, **KEY)
    second = oms.call("POST", path, body, **KEY)
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert ("Idempotency-Replayed" in first, second["Idempotency-Replayed"]) == (False, "true")
    assert first["X-Request-Id"] != second["X-Request-Id"]


@pytest.mark.parametrize(
    ("path", "body"), [(ROOT, order(items=2)), (f"{ROOT}:batch", order()), (f"{ROOT}?x=1", order())]
)
def test_another_request_under_the_same_key_is_refused(oms: Oms, path: str, body: Any) -> None:
    oms.push(order(), **KEY)
    assert code(oms.call("POST", path, body, **KEY)) == (422, "idempotency_key_reused")
    assert SalesOrder.objects.get().items.count() == 1


def test_a_key_belongs_to_one_client(oms: Oms, other: Oms) -> None:
    sibling = Oms(oms.merchant, scopes=ApiScope.values)
    answers = [each.push(order(), **KEY) for each in (oms, sibling, other)]
    assert [each.json()["result"] for each in answers] == ["created", "unchanged", "created"]
    assert not any("Idempotency-Replayed" in each for each in answers)


def test_a_running_request_is_409_and_one_that_died_frees_its_key_after_a_minute(oms: Oms, clock: Clock) -> None:
    oms.push(order(), **KEY)
    IdempotentAnswer.objects.update(status=None, body="")
    running = oms.push(order(), **KEY)
    assert (code(running), running["Retry-After"]) == ((409, "idempotency_key_in_use"), "2")
    clock.advance(seconds=61)
    assert oms.push(order(), **KEY).json()["result"] == "unchanged"
    assert oms.push(order(), **KEY)["Idempotency-Replayed"] == "true"


def test_a_key_is_free_again_after_a_day(oms: Oms, clock: Clock) -> None:
    oms.push(order(), **KEY)
    IdempotentAnswer.objects.update(started_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert oms.push(order(), **KEY)["Idempotency-Replayed"] == "true"
    IdempotentAnswer.objects.update(started_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert oms.push(order(items=2), **KEY).json()["result"] == "changed"


def test_old_answers_are_forgotten(oms: Oms) -> None:
    oms.push(order(), **KEY)
    assert forget_old_answers(now=timezone.now() + timedelta(hours=23)) == 0
    assert forget_old_answers(now=timezone.now() + timedelta(hours=25)) == 1


def test_a_refusal_leaves_the_key_free_for_the_mended_body(oms: Oms) -> None:
    assert oms.push({}, **KEY).status_code == 422
    assert oms.push(b"{", **KEY).status_code == 400
    assert oms.push(order(), **KEY).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "ü"])
def test_a_key_that_is_none(oms: Oms, key: str) -> None:
    assert code(oms.push(order(), Idempotency_Key=key)) == (400, "invalid_request")


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite in memory has one connection; run on PostgreSQL")
@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_one_is_done() -> None:
    oms = Oms(MerchantFactory())
    answers = in_threads(5, lambda _: oms.push(order(), **KEY))
    statuses = sorted({each.status_code for each in answers} - {409})
    done = [each for each in answers if each.status_code == 201 and "Idempotency-Replayed" not in each]
    assert (statuses, len(done)) == ([201], 1)
