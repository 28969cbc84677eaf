"""Every request that pushes or checks orders is noted, with what was wrong."""

from typing import Any

import pytest
from django.db import DatabaseError

from matching.models import OrderPush
from tests.matching.api.conftest import ROOT, Oms, order

BAD = order("bad", clientMetadata={"omsOrderId": "worse"})


def rows(oms: Oms) -> list[Any]:
    noted = OrderPush.objects.for_merchant(oms.merchant).filter(client=oms.client).order_by("pk")
    return [(row.call, row.orders, row.created, row.unchanged, row.rejected, row.broken) for row in noted]


def test_each_call_is_noted(oms: Oms, other: Oms) -> None:
    oms.push(order())
    oms.push(order())
    oms.push(BAD)
    oms.call("PUT", f"{ROOT}/B", order("B"))
    oms.call("POST", f"{ROOT}:batch", [order("C"), BAD, 7])
    oms.call("POST", f"{ROOT}:validate", BAD)
    oms.call("POST", f"{ROOT}:validate", [order(), BAD])
    oms.get("SO-1001")
    differs = {"oms_order_id_differs": 1}
    assert rows(oms) == [
        ("POST", 1, 1, 0, 0, {}),
        ("POST", 1, 0, 1, 0, {}),
        ("POST", 1, 0, 0, 1, differs),
        ("PUT", 1, 1, 0, 0, {}),
        ("BATCH", 3, 1, 0, 2, differs | {"wrong_type": 1}),
        ("VALIDATE", 1, 0, 0, 1, differs),
        ("VALIDATE", 2, 0, 0, 1, differs),
    ]
    assert rows(other) == []


@pytest.mark.parametrize(("body", "kind"), [(b"{", "application/json"), (b"{}", "text/plain"), (b"", "")])
def test_a_body_that_cannot_be_read_is_noted(oms: Oms, body: bytes, kind: str) -> None:
    response = oms.call("POST", ROOT, body, kind=kind)
    row = OrderPush.objects.get()
    assert (row.call, row.orders, row.rejected, row.request_id) == ("POST", 0, 1, response["X-Request-Id"])
    assert row.findings[0]["detail"] == response.json()["detail"]


def test_a_refusal_reaches_the_sender_even_if_it_cannot_be_noted(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr("matching.api.orders.note_unreadable", fail)
    assert oms.push(b"{").status_code == 400
