"""ReBound's token and sales orders."""

from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Control, ReboundApi


def _order(client_order_id: str = "SO-1", **changes: Any) -> dict[str, Any]:
    return {
        "clientOrderId": client_order_id,
        "clientOrderCreatedDate": "2026-11-01T10:00:00Z",
        "customerAddress": {"firstName": "Grace", "countryCode": "GB"},
        "salesItems": [
            {
                "sku": "TEE",
                "description": "T-shirt",
                "quantity": 2,
                "price": "10.00",
                "currencyCode": "GBP",
                "clientMetadata": [{"key": "omsItemId", "value": f"{client_order_id}-1"}],
            }
        ],
        "clientMetadata": [{"key": "omsOrderId", "value": client_order_id}],
        **changes,
    }


@pytest.fixture
def other(sandbox: Any, control: Control, http: requests.Session) -> ReboundApi:
    """Another client of the same ReBound."""
    made = control.post("rebound-clients", name="Other")
    client = ReboundApi(sandbox.connection()["rebound_url"], made["client_id"], made["client_secret"], http)
    client.connect()
    return client


def _form(rebound: ReboundApi, **changes: Any) -> dict[str, Any]:
    usual = {
        "grant_type": "client_credentials",
        "client_id": rebound.client_id,
        "client_secret": rebound.client_secret,
    }
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


def test_token_by_form_or_basic(rebound: ReboundApi, http: requests.Session) -> None:
    by_form = http.post(f"{rebound.url}/oauth2/token", data=_form(rebound), timeout=5)
    by_basic = http.post(
        f"{rebound.url}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(rebound.client_id, rebound.client_secret),
        timeout=5,
    )
    for answer in (by_form, by_basic):
        assert answer.status_code == 200
        assert sorted(answer.json()) == ["access_token", "expires_in", "token_type"]
        assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 3600)


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": None, "client_secret": None}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_token_is_refused(
    rebound: ReboundApi, http: requests.Session, changes: dict[str, Any], status: int, error: str
) -> None:
    answer = http.post(f"{rebound.url}/oauth2/token", data=_form(rebound, **changes), timeout=5)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_bearer_is_needed_and_expires(control: Control, rebound: ReboundApi, http: requests.Session) -> None:
    none = http.get(f"{rebound.url}/sales-orders", timeout=5)
    good = rebound.get("/sales-orders")
    control.post("tokens/expire", client_id=rebound.client_id)
    expired = rebound.get("/sales-orders")
    rebound.connect()
    again = rebound.get("/sales-orders")
    assert [answer.status_code for answer in (none, good, expired, again)] == [401, 200, 401, 200]
    assert none.headers["Content-Type"] == "application/problem+json"


def test_created_order_has_ids_and_echoes_what_was_sent(rebound: ReboundApi) -> None:
    answer = rebound.post("/sales-orders", _order())
    created = answer.json()
    item = created["salesItems"][0]
    assert answer.status_code == 201
    assert (created["clientOrderId"], created["status"]) == ("SO-1", "ACTIVE")
    assert created["clientMetadata"] == [{"key": "omsOrderId", "value": "SO-1"}]
    assert (item["sku"], item["quantity"], item["clientMetadata"]) == (
        "TEE",
        2,
        [{"key": "omsItemId", "value": "SO-1-1"}],
    )
    assert created["id"] != item["id"]
    assert rebound.get(f"/sales-orders/{created['id']}").json() == created


@pytest.mark.parametrize(
    "sent",
    [
        [{"key": "omsOrderId", "value": "SO-1"}, {"key": "b", "value": "2"}],
        [{"name": "omsOrderId", "value": "SO-1"}, {"name": "b", "value": "2"}],
        [{"omsOrderId": "SO-1"}, {"b": "2"}],
        {"omsOrderId": "SO-1", "b": "2"},
    ],
)
@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ("A", [{"key": "omsOrderId", "value": "SO-1"}, {"key": "b", "value": "2"}]),
        ("B", [{"omsOrderId": "SO-1"}, {"b": "2"}]),
        ("C", {"omsOrderId": "SO-1", "b": "2"}),
    ],
)
def test_metadata_is_read_in_each_shape_and_shown_in_the_set_one(
    control: Control, rebound: ReboundApi, sent: Any, shape: str, shown: Any
) -> None:
    control.post("settings", metadata_shape=shape)
    assert rebound.post("/sales-orders", _order(clientMetadata=sent)).json()["clientMetadata"] == shown


def test_bad_body_lists_every_finding(rebound: ReboundApi) -> None:
    body = _order(
        "",
        clientOrderCreatedDate="yesterday",
        premiumOrder="yes",
        customerAddress={"city": 7},
        salesItems=[{"quantity": 0}, {"price": "much", "sku": 5}, "item"],
        clientMetadata=[{"a": "1"}, {"a": "2"}],
    )
    answer = rebound.post("/sales-orders", body)
    found = sorted(error["pointer"] for error in answer.json()["errors"])
    assert answer.status_code == 400
    assert found == [
        "/clientMetadata",
        "/clientOrderCreatedDate",
        "/clientOrderId",
        "/customerAddress/city",
        "/premiumOrder",
        "/salesItems/0/quantity",
        "/salesItems/1/price",
        "/salesItems/1/sku",
        "/salesItems/2",
    ]


@pytest.mark.parametrize(
    ("content_type", "data", "status"),
    [("application/json", b"{", 400), ("application/json", b"[]", 400), ("text/plain", b"{}", 415)],
)
def test_body_that_is_no_json_object_is_refused(
    rebound: ReboundApi, content_type: str, data: bytes, status: int
) -> None:
    headers = {"Authorization": f"Bearer {rebound.token}", "Content-Type": content_type}
    answer = rebound.http.post(f"{rebound.url}/sales-orders", data=data, headers=headers, timeout=5)
    assert answer.status_code == status


def test_duplicate_is_a_conflict_unless_upserts_are_on(control: Control, rebound: ReboundApi) -> None:
    first = rebound.post("/sales-orders", _order()).json()
    second = rebound.post("/sales-orders", _order())
    other_flow = rebound.post("/sales-orders", _order(), flowKey="outlet")
    control.post("settings", rebound_upsert=True)
    changed = rebound.post("/sales-orders", _order(businessUnit="B2")).json()
    assert (second.status_code, second.json()["existingId"]) == (409, first["id"])
    assert other_flow.status_code == 201
    assert (changed["id"], changed["businessUnit"]) == (first["id"], "B2")
    assert changed["salesItems"][0]["id"] == first["salesItems"][0]["id"]
    assert changed["updatedAt"] > first["updatedAt"]


def test_order_is_found_by_its_exact_id_and_flow(rebound: ReboundApi) -> None:
    rebound.post("/sales-orders", _order("SO-1"))
    rebound.post("/sales-orders", _order("SO-1"), flowKey="outlet")
    rebound.post("/sales-orders", _order("SO-10"))

    def found(**query: Any) -> list[Any]:
        return [
            (row["clientOrderId"], row["flowKey"]) for row in rebound.get("/sales-orders", **query).json()["content"]
        ]

    assert found(clientOrderId="SO-1") == [("SO-1", None), ("SO-1", "outlet")]
    assert found(clientOrderId="SO-1", flowKey="outlet") == [("SO-1", "outlet")]
    assert found(clientOrderId="so-1") == found(clientOrderId="SO-1", flowKey="none") == []


def test_clients_do_not_see_each_other(rebound: ReboundApi, other: ReboundApi) -> None:
    made = rebound.post("/sales-orders", _order()).json()
    assert other.get("/sales-orders", clientOrderId="SO-1").json()["totalElements"] == 0
    assert other.get(f"/sales-orders/{made['id']}").status_code == 404
    assert other.post("/sales-orders", _order()).status_code == 201


def test_page_has_the_form_of_spring(rebound: ReboundApi) -> None:
    for number in range(5):
        rebound.post("/sales-orders", _order(f"P-{number}"), flowKey="paged")
    page = rebound.get("/sales-orders", flowKey="paged", page=1, size=2).json()
    content = page.pop("content")
    assert [row["clientOrderId"] for row in content] == ["P-2", "P-3"]
    assert page == {
        "totalElements": 5,
        "totalPages": 3,
        "number": 1,
        "size": 2,
        "numberOfElements": 2,
        "first": False,
        "last": False,
        "empty": False,
    }
    assert rebound.get("/sales-orders", size=0).status_code == 400


def test_feed_gives_what_changed_after(control: Control, rebound: ReboundApi) -> None:
    first = rebound.post("/sales-orders", _order("F-1")).json()
    second = rebound.post("/sales-orders", _order("F-2")).json()
    control.post(f"sales-orders/{first['id']}", status="CANCELLED")
    rows = rebound.get("/sales-orders", updatedAfter=second["createdAt"]).json()["content"]
    found = [(row["clientOrderId"], row["status"]) for row in rows if row["clientOrderId"] != "F-2"]
    assert found == [("F-1", "CANCELLED")]
    assert rebound.get("/sales-orders", updatedAfter="soon").status_code == 400


def test_loose_filter_returns_other_orders_too(control: Control, rebound: ReboundApi) -> None:
    rebound.post("/sales-orders", _order())
    control.post("settings", loose_sales_order_filter=True)
    found = [row["clientOrderId"] for row in rebound.get("/sales-orders", clientOrderId="SO-1").json()["content"]]
    assert (found.count("SO-1"), len(found)) == (1, 6)


@pytest.mark.parametrize(
    ("style", "content_type", "keys"),
    [
        ("problem", "application/problem+json", ["detail", "instance", "status", "title", "type"]),
        ("spring", "application/json", ["error", "path", "status", "timestamp"]),
    ],
)
def test_errors_speak_the_set_dialect(
    control: Control, rebound: ReboundApi, style: str, content_type: str, keys: list[str]
) -> None:
    control.post("settings", rebound_error_style=style)
    answer = rebound.get("/sales-orders/none")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, content_type)
    assert sorted(answer.json()) == keys


def test_errors_may_be_plain_text(control: Control, rebound: ReboundApi) -> None:
    control.post("settings", rebound_error_style="text")
    answer = rebound.get("/nowhere")
    assert (answer.status_code, answer.text) == (404, "Not Found: There is no such resource.")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_unknown_path_and_method(rebound: ReboundApi) -> None:
    put = rebound.http.put(
        f"{rebound.url}/sales-orders", headers={"Authorization": f"Bearer {rebound.token}"}, timeout=5
    )
    assert (rebound.get("/orders").status_code, put.status_code) == (404, 405)
