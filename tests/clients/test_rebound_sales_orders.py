"""What each call about sales orders sends to ReBound and what its answer becomes."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rebound_tts.clients.errors import UnexpectedAnswerError, UnknownOutcomeError
from rebound_tts.clients.http import Transport
from rebound_tts.clients.rebound import (
    Address,
    ReboundClient,
    ReboundSalesItem,
    ReboundSalesOrder,
)
from tests.clients.fake_remote import TOKEN, Remote, Reply, json_reply, rebound_of, sent, spring
from tests.clients.sample_answers import SALES_ORDER


@pytest.fixture
def client(remote: Remote, transport: Transport) -> ReboundClient:
    return rebound_of(remote, transport)


def test_find_sales_orders_reads_everything(remote: Remote, client: ReboundClient):
    remote.replies(spring(SALES_ORDER, total=1, number=0, size=50))
    (found,) = client.find_sales_orders(client_order_id="OMS-1")
    assert found == ReboundSalesOrder(
        id="so-1",
        client_order_id="OMS-1",
        oms_order_id="OMS-1",
        status="ACTIVE",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        updated_at=datetime(2026, 1, 2, tzinfo=UTC),
        address=Address(first_name="Jane", email="jane@example.com", country_code="GB"),
        items=(
            ReboundSalesItem(
                id="si-1",
                sku="TEE-M",
                description="Tee",
                quantity=2,
                price=Decimal("12.1"),
                currency="GBP",
                hs_code="6109",
                country_of_origin="PT",
                weight=Decimal("0.20"),
                weight_unit="kg",
                image_url="https://x/1.png",
                returnable=True,
                oms_item_id="OMS-1-1",
                metadata={"omsItemId": "OMS-1-1"},
            ),
            ReboundSalesItem("42", "", "", 1, None, "", "", "", None, "", "", None, None, {}),
        ),
        metadata={"omsOrderId": "OMS-1"},
        raw={
            **{name: value for name, value in SALES_ORDER.items() if name != "customerAddress"},
            "salesItems": [{**SALES_ORDER["salesItems"][0], "price": "12.1"}, {"id": 42}],  # type: ignore[index]
        },
    )
    assert "Jane" not in repr(found)
    assert "jane@" not in repr(found)


@pytest.mark.parametrize(
    ("reply", "ids"),
    [
        (json_reply([SALES_ORDER, {"id": "so-2"}]), ["so-1", "so-2"]),
        (json_reply([]), []),
        (json_reply(SALES_ORDER), ["so-1"]),
        (spring(), []),
        (spring(total=0), []),
        (spring(SALES_ORDER, SALES_ORDER, last=True), ["so-1"]),
    ],
)
def test_find_sales_orders_takes_a_list_a_page_or_one_object(
    remote: Remote, client: ReboundClient, reply: Reply, ids: list[str]
):
    remote.replies(reply)
    assert [order.id for order in client.find_sales_orders(client_order_id="OMS-1")] == ids
    assert len(remote.received) == 1


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({}, "answer.id is missing"),
        (None, "answer is null, not an object"),
        ("x", "answer is text, not an object"),
        (["x"], "answer[0] is text, not an object"),
        ({"content": {}}, "answer.content is an object, not a list"),
        ({"content": None}, "answer.id is missing"),
        ({"content": [{}]}, "answer.content[0].id is missing"),
        ({"content": [{"id": 1.5}]}, "answer.content[0].id is a number, not an id"),
        ({"content": [], "totalElements": "many"}, "answer.totalElements is text, not a whole number"),
        ([{**SALES_ORDER, "salesItems": [{"sku": "x"}]}], "answer[0].salesItems[0].id is missing"),
        (
            [{**SALES_ORDER, "salesItems": [{"id": "1", "quantity": 1.5}]}],
            "answer[0].salesItems[0].quantity is a number",
        ),
    ],
)
def test_find_sales_orders_never_takes_nonsense_for_nothing(
    remote: Remote, client: ReboundClient, value: object, place: str
):
    remote.replies(json_reply(value))
    with pytest.raises(UnexpectedAnswerError) as raised:
        client.find_sales_orders(client_order_id="OMS-1")
    assert raised.value.message.startswith(place)


def test_find_sales_orders_asks_within_its_flow_page_by_page(remote: Remote, transport: Transport):
    rows = [{"id": f"so-{number}"} for number in range(3)]
    remote.replies(spring(*rows[:2], total=3), spring(rows[2], total=3))
    found = rebound_of(remote, transport, flow_key="main/flow").find_sales_orders(client_order_id="OMS 1&2")
    assert [order.id for order in found] == ["so-0", "so-1", "so-2"]
    query = {"clientOrderId": "OMS 1&2", "flowKey": "main/flow", "size": "50"}
    assert sent(remote) == [("GET", "/rebound/sales-orders", {**query, "page": str(page)}, None) for page in range(2)]
    assert remote.received[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("pages", "calls"),
    [
        ([spring({"id": "1"}, {"id": "2"}, size=2), spring({"id": "3"}, size=2)], 2),  # a short page is the last
        ([spring({"id": "1"}), spring({"id": "2"}), spring()], 3),  # nothing told: until an empty page
        ([spring({"id": "1"}), spring({"id": "1"})], 2),  # `page` is ignored
        ([spring({"id": "1"}, last=False), spring({"id": "2"}, last=True)], 2),
    ],
)
def test_find_sales_orders_ends_however_the_end_is_told(
    remote: Remote, client: ReboundClient, pages: list[Reply], calls: int
):
    remote.replies(*pages)
    client.find_sales_orders(client_order_id="OMS-1")
    assert len(remote.received) == calls


@pytest.mark.parametrize(
    "pages",
    [
        [spring({"id": "1"}, total=9), spring({"id": "1"}, total=9)],
        [spring({"id": "1"}, total=9), spring({"id": "2"}, total=9), spring({"id": "3"}, total=9)],
    ],
)
def test_find_sales_orders_that_is_cut_off_is_an_error(remote: Remote, client: ReboundClient, pages: list[Reply]):
    remote.replies(*pages)
    with pytest.raises(UnexpectedAnswerError, match="does not end"):
        client.find_sales_orders(client_order_id="OMS-1", max_pages=3)


def test_find_sales_orders_by_nothing_is_refused(client: ReboundClient):
    with pytest.raises(ValueError, match="something to search for"):
        client.find_sales_orders(client_order_id="")


def test_find_sales_orders_keeps_an_order_with_conflicting_metadata(remote: Remote, client: ReboundClient):
    conflict = [{"key": "omsOrderId", "value": "OMS-1"}, {"omsOrderId": "OMS-2"}]
    items = [{"id": "1", "clientMetadata": [{"omsItemId": "a"}, {"name": "omsItemId", "value": "b"}]}]
    remote.replies(
        json_reply(
            [{**SALES_ORDER, "clientMetadata": conflict, "salesItems": items}, {"id": "2", "clientMetadata": "x"}]
        )
    )
    one, two = client.find_sales_orders(client_order_id="OMS-1")
    assert (one.oms_order_id, one.metadata) == (None, {})
    assert one.metadata_conflict == "answer[0].clientMetadata: clientMetadata has two values for 'omsOrderId'"
    assert one.items[0].oms_item_id is None
    assert one.items[0].metadata_conflict.endswith("clientMetadata has two values for 'omsItemId'")
    assert two.metadata_conflict == "answer[1].clientMetadata: clientMetadata is neither an object nor a list"


def test_sales_orders_updated_after_gives_pages_as_they_are_read(remote: Remote, client: ReboundClient):
    remote.replies(spring({"id": "1"}, total=2), spring({"id": "2"}, total=2))
    pages = client.sales_orders_updated_after(datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert [order.id for order in next(pages)] == ["1"]
    assert len(remote.received) == 1
    assert [[order.id for order in page] for page in pages] == [["2"]]
    assert remote.received[0].query["updatedAfter"] == "2026-01-01T12:00:00Z"


def test_sales_orders_updated_after_a_time_without_an_offset_is_refused(client: ReboundClient):
    with pytest.raises(ValueError, match="without an offset"):
        client.sales_orders_updated_after(datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_create_sales_order_sends_the_body_as_given(remote: Remote, transport: Transport):
    body = {
        "clientOrderId": "OMS-1",
        "salesItems": [{"price": Decimal("12.50")}],
        "clientMetadata": {"omsOrderId": "OMS-1"},
    }
    remote.replies(json_reply({"id": "so-1", "clientOrderId": "OMS-1"}, 201))
    created = rebound_of(remote, transport, flow_key="f").create_sales_order(body)
    assert (created.id, created.items) == ("so-1", ())
    assert sent(remote) == [
        ("POST", "/rebound/sales-orders", {"flowKey": "f"}, {**body, "salesItems": [{"price": "12.50"}]})
    ]
    assert remote.received[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize("value", [{}, [], None, {"id": "so-1", "clientOrderId": "OMS-2"}])
def test_create_sales_order_answered_unreadably_has_an_unknown_outcome(
    remote: Remote, client: ReboundClient, value: object
):
    remote.replies(json_reply(value, 201))
    with pytest.raises(UnknownOutcomeError):
        client.create_sales_order({"clientOrderId": "OMS-1"})
