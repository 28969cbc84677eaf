"""Each client has a number of requests a minute; what is left stands on every answer."""

import time
from typing import Any

import pytest

from merchants.api_limits import take
from merchants.models import ApiScope
from tests.matching.api.conftest import ROOT, Oms, order


def test_what_is_left_stands_on_every_answer(oms: Oms, settings: Any) -> None:
    settings.ORDER_PUSHES_PER_MINUTE = 3
    answers = [oms.push(order()), oms.push({}), oms.call("GET", f"{ROOT}/nothing"), oms.push(order())]
    assert [each.status_code for each in answers] == [201, 422, 404, 429]
    assert {each["RateLimit-Policy"] for each in answers} == {'"default";q=3;w=60'}
    assert [each["RateLimit"].partition(";t=")[0] for each in answers] == [
        '"default";r=2',
        '"default";r=1',
        '"default";r=0',
        '"default";r=0',
    ]
    assert 1 <= int(answers[3]["Retry-After"]) <= 20
    assert answers[3].json()["type"] == "/docs/errors#rate_limited"
    assert not any("Retry-After" in each for each in answers[:3])


def test_one_client_does_not_use_up_anothers(oms: Oms, other: Oms, settings: Any) -> None:
    settings.ORDER_PUSHES_PER_MINUTE = 1
    sibling = Oms(oms.merchant)
    assert [each.push(order()).status_code for each in (oms, oms, sibling, other)] == [201, 429, 200, 201]


def test_a_bucket_fills_evenly(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORDER_PUSHES_PER_MINUTE = 60
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    assert [take("calls", 1).retry_after for _ in range(61)] == [0] * 60 + [1]
    now += 2.5
    assert [take("calls", 1).retry_after for _ in range(3)] == [0, 0, 1]
    now += 3600
    assert take("calls", 1).left == 59
    now -= 7200  # a clock that was set back takes nothing away
    assert take("calls", 1).left == 58


def test_scope_that_was_taken_from_the_client_ends_at_once(oms: Oms) -> None:
    assert oms.push(order()).status_code == 201
    oms.client.scopes = [ApiScope.ORDERS_READ.value]
    oms.client.save()
    assert oms.push(order()).status_code == 403
    assert oms.get("SO-1001").status_code == 200
    assert oms.call("GET", "/api/v1/whoami").json()["scopes"] == ["orders:read"]
