"""What an OMS may send at the edges: each order answers for itself, and what is taken can be read back."""

import base64
import http.client
import json
import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from matching.models import OrderSource, SalesOrder
from matching.order_body import OrderFacts, check_order
from matching.order_json import DEEPEST
from matching.order_sync import push_orders
from matching.relay import relay_body
from merchants.models import ApiScope
from tests.conftest import in_threads
from tests.factories import ItemMatchFactory, MatchFactory, MerchantFactory
from tests.matching.api.conftest import ROOT, Oms, order

BATCH = f"{ROOT}:batch"
VALIDATE = f"{ROOT}:validate"


def deep(levels: int, core: str = "1.5") -> str:
    return "[" * levels + core + "]" * levels


def with_metadata(order_id: str, inner: str) -> bytes:
    """An order whose metadata has a field that nobody knows beside key and value."""
    return (
        f'{{"clientOrderId":"{order_id}","clientMetadata":[{{"key":"omsOrderId","value":"{order_id}","x":{inner}}}]}}'
    ).encode()


@pytest.mark.parametrize("levels", [DEEPEST + 2, 480, 940, 2000, 100_000])
def test_metadata_that_is_nested_too_deeply_is_refused(oms: Oms, levels: int) -> None:
    answer = oms.push(with_metadata("d", deep(levels)))
    assert answer.status_code in {400, 422}, answer.content
    assert not SalesOrder.objects.exists()


def test_metadata_within_the_limit_is_kept_and_read_back(oms: Oms) -> None:
    assert oms.push(with_metadata("d", deep(DEEPEST - 1))).status_code == 201
    assert oms.get("d").json()["clientMetadata"][0]["x"] == json.loads(deep(DEEPEST - 1))


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("application/json", with_metadata("d", deep(480))),
        ("application/json", b'{"a":"\\ud800"}'),
        ("application/x-ndjson", with_metadata("d", deep(480))),
        ("application/x-ndjson", with_metadata("d", deep(2000))),
        ("application/x-ndjson", b'{"a":NaN}'),
    ],
)
def test_bad_order_spoils_no_other(oms: Oms, kind: str, bad: bytes) -> None:
    good = json.dumps(order("good")).encode()
    body = b"[" + good + b"," + bad + b"]" if kind == "application/json" else good + b"\n" + bad
    results = oms.call("POST", BATCH, body, kind=kind).json()["results"]
    assert [each["result"] for each in results] == ["created", "rejected"]


def test_order_that_is_too_large_is_refused_in_every_call(oms: Oms) -> None:
    large = order("large", pad="x" * 1024 * 1024)
    assert oms.push(large).status_code == 413
    assert oms.call("POST", VALIDATE, large).status_code == 413
    for path in (BATCH, VALIDATE):
        small, refused = oms.call("POST", path, [order("small"), large]).json()["results"]
        assert (small["errors"], [error["code"] for error in refused["errors"]]) == ([], ["order_too_large"])


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"])
def test_cursor_that_was_not_given_out_is_refused(oms: Oms, moment: str) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([moment, 1]).encode()).decode()
    answer = oms.call("GET", f"{ROOT}?cursor={cursor}")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error.keys() == {"pointer", "parameter", "code", "detail", "value", "rule", "remedy"}


def test_item_that_vanished_still_says_which_it_was(oms: Oms) -> None:
    oms.push(order(items=2))
    row = SalesOrder.objects.get()
    first = row.items.get(position=0)
    match = MatchFactory(merchant=oms.merchant, shop__merchant=oms.merchant, sales_order=row)
    ItemMatchFactory(match=match, item=first)
    second = order(items=2)
    second["salesItems"] = second["salesItems"][1:]
    oms.push(second)
    gone, _ = oms.get("SO-1001").json()["salesItems"]
    assert gone["removedAt"]
    assert gone["clientMetadata"] == {"omsItemId": first.external_item_id}


def test_everything_that_is_wrong_is_said_at_once(oms: Oms) -> None:
    def codes(body: Any) -> set[tuple[str, str]]:
        return {(error["pointer"], error["code"]) for error in oms.push(body).json()["errors"]}

    assert codes({}) == {
        ("/clientOrderId", "required"),
        ("/clientMetadata/omsOrderId", "oms_order_id_missing"),
    }
    item = {"quantity": 0, "clientMetadata": {"omsItemId": "i\u0000"}}
    assert codes(order("a\u0000", salesItems=[item])) >= {
        ("/clientOrderId", "not_storable"),
        ("/salesItems/0/quantity", "not_positive"),
        ("/salesItems/0/clientMetadata/omsItemId", "not_storable"),
    }


def test_unknown_field_of_an_address_is_kept_and_warned_of(oms: Oms) -> None:
    address = {"city": "Bath", "adressLine1": "1 Street", "geo": {"lat": 51.5}}
    answer = oms.push(order(customerAddress=address)).json()
    pointers = ["/customerAddress/adressLine1", "/customerAddress/geo"]
    assert [warning["pointer"] for warning in answer["warnings"]] == pointers
    held = oms.get("SO-1001").json()
    assert held["addressFields"] == ["city", "adressLine1", "geo"]
    assert [warning["pointer"] for warning in held["warnings"]] == pointers
    assert "1 Street" not in json.dumps(held)
    row = SalesOrder.objects.get()
    assert row.customer_address["more"] == {"adressLine1": "1 Street", "geo": {"lat": 51.5}}
    assert relay_body(row)["customerAddress"] == address
    (result,) = oms.call("POST", BATCH, [order(customerAddress=address)]).json()["results"]
    assert (result["result"], [each["pointer"] for each in result["warnings"]]) == ("unchanged", pointers)


def test_price_without_a_currency_is_warned_of(oms: Oms) -> None:
    item = {"quantity": 1, "price": "5", "clientMetadata": {"omsItemId": "i"}}
    (result,) = oms.call("POST", BATCH, [order(salesItems=[item])]).json()["results"]
    assert [(each["pointer"], each["code"]) for each in result["warnings"]] == [
        ("/salesItems/0/currencyCode", "currency_missing")
    ]


def test_field_that_stands_twice_within_an_unknown_one_is_refused(oms: Oms) -> None:
    body = json.dumps(order()).encode()[:-1] + b', "x": [{"a": 1, "a": 2}]}'
    answer = oms.push(body)
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/x", "repeated_field")]


def test_byte_order_mark_is_passed_over(oms: Oms) -> None:
    mark = b"\xef\xbb\xbf"
    assert oms.push(mark + json.dumps(order("a")).encode()).status_code == 201
    for kind, body in (("application/json", [order("b")]), ("application/x-ndjson", order("c"))):
        answer = oms.call("POST", BATCH, mark + json.dumps(body).encode(), kind=kind)
        assert [each["result"] for each in answer.json()["results"]] == ["created"]


@pytest.mark.parametrize("order_id", ["\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}" * 255, "\ufb03" * 180])
def test_id_whose_folded_form_is_long_is_kept_exactly(oms: Oms, order_id: str) -> None:
    item = {"quantity": 1, "clientMetadata": {"omsItemId": order_id}}
    assert oms.push(order(order_id, salesItems=[item])).status_code == 201
    assert SalesOrder.objects.get().external_order_id == order_id


def test_not_a_number_is_named(oms: Oms) -> None:
    answer = oms.push(b'{"clientOrderId": NaN}')
    assert (answer.status_code, "NaN" in answer.json()["detail"]) == (400, True)
    assert "line 1" not in answer.json()["detail"]


def test_refusal_for_a_scope_counts_too(oms: Oms) -> None:
    reader = Oms(oms.merchant, scopes=[ApiScope.ORDERS_READ])
    answer = reader.push(order())
    assert (answer.status_code, "RateLimit" in answer) == (403, True)


@pytest.mark.parametrize("size", [4_500_000, 5 * 1024 * 1024 + 1])
def test_client_that_writes_its_whole_body_first_learns_why_it_is_refused(live_server: Any, size: int) -> None:
    host = live_server.url.removeprefix("http://")
    sender = http.client.HTTPConnection(host, timeout=20)
    sender.request("POST", BATCH, b"x" * size, {"Authorization": "Bearer gone", "Content-Type": "application/json"})
    assert sender.getresponse().status == 401
    sender.close()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time; run on PostgreSQL")
@pytest.mark.django_db(transaction=True)
def test_reader_waits_for_a_change_that_is_under_way() -> None:
    """Else the change would come behind what the reader has passed, and never be seen."""
    oms = Oms(MerchantFactory())
    began = threading.Event()

    def slowly() -> None:
        with transaction.atomic():
            facts = check_order(order("slow"))
            assert isinstance(facts, OrderFacts)
            source = OrderSource.PUSHED
            push_orders(merchant=oms.merchant, orders=[facts], source=source, client=None, now=timezone.now())
            began.set()
            time.sleep(0.5)

    def follow() -> list[str]:
        began.wait(10)
        oms.push(order("quick"))
        page = oms.call("GET", ROOT).json()["content"]
        return [each["clientOrderId"] for each in page]

    found = in_threads(2, lambda number: slowly() if number == 0 else follow())
    assert found[1] == ["slow", "quick"]


def test_changes_are_followed_by_the_time_that_the_list_gives(oms: Oms) -> None:
    for name in ("a", "b", "c"):
        oms.push(order(name, updatedAt="2020-01-01T00:00:00Z"))
    first = oms.call("GET", f"{ROOT}?limit=2").json()["content"]
    rest = oms.call("GET", f"{ROOT}?updatedAfter={first[-1]['changedAt']}").json()["content"]
    assert [each["clientOrderId"] for each in (*first, *rest)] == ["a", "b", "c"]
    oms.call("DELETE", f"{ROOT}/a")
    last = oms.call("GET", f"{ROOT}?updatedAfter={rest[-1]['changedAt']}").json()["content"]
    assert [(each["clientOrderId"], bool(each["cancelledAt"])) for each in last] == [("a", True)]
