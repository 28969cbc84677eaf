"""Returns: how they come to be, search, records and the seller's decisions."""

from typing import Any

import pytest

from tests.sandbox.conftest import Control, TikTokClient

PENDING = "RETURN_OR_REFUND_REQUEST_PENDING"
SHIP = "AWAITING_BUYER_SHIP"
SHIPPED = "BUYER_SHIPPED_ITEM"


def _one(tiktok: TikTokClient, return_id: str) -> dict[str, Any]:
    return tiktok.search_returns(return_ids=[return_id])["data"]["return_orders"][0]


def _decide(tiktok: TikTokClient, return_id: str, verb: str, query: Any = None, **body: Any) -> int:
    return tiktok.call("POST", f"/return_refund/202309/returns/{return_id}/{verb}", query, body)["code"]


@pytest.fixture
def returned(new_return: Any) -> Any:
    """The id of a new return."""
    return lambda **changes: new_return(**changes)["returns"][0]["return_id"]


def test_return_shows_what_the_buyer_asked_for_and_leaves_out_what_is_empty(
    tiktok: TikTokClient, control: Control, shop_id: str, new_order: Any
) -> None:
    order = new_order()
    line = order["line_items"][0]
    made = control.post("returns", shop_id=shop_id, order_id=order["order_id"], order_line_item_ids=[line["id"]])
    found = _one(tiktok, made["returns"][0]["return_id"])
    shown = ("order_id", "return_type", "return_status", "return_method", "return_shipping_document_type", "role")
    assert [found[key] for key in shown] == [
        order["order_id"],
        "RETURN_AND_REFUND",
        SHIP,
        "SELLER_SHIPPED",
        "SHIPPING_LABEL",
        "BUYER",
    ]
    assert [(row["order_line_item_id"], row["sku_id"], row["seller_sku"]) for row in found["return_line_items"]] == [
        (line["id"], line["sku_id"], "TEE")
    ]
    assert found["refund_amount"]["refund_total"] == "10.00"
    empty = {
        "return_tracking_number",
        "return_provider_id",
        "combined_return_id",
        "pre_return_id",
        "arbitration_status",
    }
    assert empty & found.keys() == set()


def test_lines_of_one_sku_share_a_return_and_others_get_their_own(
    control: Control, shop_id: str, new_order: Any
) -> None:
    order = new_order()
    ids = [line["id"] for line in order["line_items"]]
    request = {"shop_id": shop_id, "order_id": order["order_id"], "order_line_item_ids": ids}
    apart = control.post("returns", **request)
    together = control.post("returns", **request, split_by_sku=False)
    assert sorted(row["order_line_item_ids"] for row in apart["returns"]) == sorted([ids[:2], ids[2:]])
    assert [row["order_line_item_ids"] for row in together["returns"]] == [ids]
    assert "combined_return_id" not in apart


def test_combined_returns_share_one_id(tiktok: TikTokClient, control: Control, shop_id: str, new_order: Any) -> None:
    order = new_order()
    made = control.post(
        "returns",
        shop_id=shop_id,
        order_id=order["order_id"],
        order_line_item_ids=[line["id"] for line in order["line_items"]],
        combined=True,
    )
    found = tiktok.search_returns(order_ids=[order["order_id"]])["data"]["return_orders"]
    combined = made["combined_return_id"]
    assert [(row["is_combined_return"], row["combined_return_id"]) for row in found] == [(True, combined)] * 2


def test_edited_return_replaces_the_old_one(tiktok: TikTokClient, returned: Any) -> None:
    old = returned()
    new = returned(pre_return_id=old)
    first, second = _one(tiktok, old), _one(tiktok, new)
    assert (first["return_status"], first["next_return_id"]) == ("RETURN_OR_REFUND_REQUEST_CANCEL", new)
    assert (second["return_status"], second["pre_return_id"]) == (SHIP, old)


@pytest.mark.parametrize("changes", [{"return_type": "REFUND"}, {"can_buyer_keep_item": True}])
def test_return_without_goods_has_no_method(tiktok: TikTokClient, returned: Any, changes: dict[str, Any]) -> None:
    found = _one(tiktok, returned(**changes))
    missing = {"return_method", "return_shipping_document_type", "shipment_type", "return_warehouse_address"}
    assert missing & found.keys() == set()


@pytest.mark.parametrize("version", ["202309", "202602"])
def test_search_pages_through_everything_once_oldest_first(
    tiktok: TikTokClient, control: Control, returned: Any, version: str
) -> None:
    control.post("reset")
    tiktok.connect(control.post("authorization-codes")["code"])
    old = {row["return_id"] for row in tiktok.search_returns()["data"]["return_orders"]}
    made = [returned() for _ in range(21)]
    path, query, pages = f"/return_refund/{version}/returns/search", {"page_size": 10}, []
    while True:
        data = tiktok.call("POST", path, query, {})["data"]
        pages.append([row["return_id"] for row in data["return_orders"]])
        if "next_page_token" not in data:
            break
        query["page_token"] = data["next_page_token"]
        assert {"+", "/", "="} <= set(query["page_token"])
    found = [return_id for page in pages for return_id in page]
    assert [len(page) for page in pages] == [10, 10, len(old) + 1]
    assert found == sorted(found)
    assert set(found) == old | set(made)
    assert data["total_count"] == len(old) + 21


def test_page_does_not_shift_when_a_row_arrives(tiktok: TikTokClient, returned: Any) -> None:
    for _ in range(12):
        returned()
    query = {"sort_order": "DESC"}
    first = tiktok.search_returns(query)["data"]
    returned()
    second = tiktok.search_returns({**query, "page_token": first["next_page_token"]})["data"]
    ids = [row["return_id"] for row in first["return_orders"] + second["return_orders"]]
    assert len(ids) == len(set(ids)) == 16


def test_search_filters(tiktok: TikTokClient, control: Control, returned: Any) -> None:
    pending = returned(return_status=PENDING)
    refund = returned(return_type="REFUND", return_status=PENDING)
    late = returned()
    control.post(f"returns/{late}", update_time=2_000_000_100, create_time=2_000_000_000)
    mine = [pending, refund, late]

    def found(**body: Any) -> list[str]:
        rows = tiktok.search_returns({"page_size": 50}, **body)["data"]["return_orders"]
        return [row["return_id"] for row in rows if row["return_id"] in mine]

    assert found(return_ids=[late, refund, "4035"]) == [refund, late]
    assert found(order_ids=[_one(tiktok, pending)["order_id"]]) == [pending]
    assert found(return_status=[PENDING]) == [pending, refund]
    assert found(return_types=["REFUND"]) == [refund]
    assert found(update_time_ge=2_000_000_100, update_time_lt=2_000_000_101) == [late]
    assert found(update_time_ge=2_000_000_101) == found(create_time_ge=1, create_time_lt=2) == []
    assert found(arbitration_status=["IN_PROGRESS"]) == []


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"page_size": 9}, {}),
        ({"page_size": 51}, {}),
        ({"page_size": "ten"}, {}),
        ({"sort_field": "id"}, {}),
        ({"sort_order": "UP"}, {}),
        ({"page_token": "x"}, {}),
        ({}, {"return_status": ["SHIPPED"]}),
        ({}, {"return_types": "REFUND"}),
        ({}, {"return_ids": [4035]}),
    ],
)
def test_search_names_the_wrong_parameter(tiktok: TikTokClient, query: Any, body: Any) -> None:
    answer = tiktok.search_returns(query, **body)
    assert answer["code"] == 98001004
    assert next(iter({**query, **body})) in answer["message"]


def test_page_token_belongs_to_its_sorting(tiktok: TikTokClient, returned: Any) -> None:
    for _ in range(11):
        returned()
    token = tiktok.search_returns()["data"]["next_page_token"]
    assert tiktok.search_returns({"page_token": token, "sort_field": "update_time"})["code"] == 98001004


def test_returns_of_another_shop_are_not_found(control: Control, tiktok: TikTokClient, returned: Any) -> None:
    return_id = returned()
    control.post("sellers", seller_name="Other", shops=[{"name": "Other", "id": "7499"}])
    tiktok.connect(control.post("authorization-codes", shop_id="7499")["code"])
    path = f"/return_refund/202309/returns/{return_id}/records"
    assert tiktok.search_returns(return_ids=[return_id])["data"] == {"return_orders": [], "total_count": 0}
    assert tiktok.call("GET", path)["code"] == 25020005
    assert _decide(tiktok, return_id, "approve", decision="APPROVE_RETURN") == 25020005


def test_records_tell_the_story(tiktok: TikTokClient, control: Control, returned: Any) -> None:
    return_id = returned(return_status=PENDING)
    _decide(tiktok, return_id, "approve", decision="APPROVE_RETURN")
    control.post(f"returns/{return_id}", return_status=SHIPPED)
    records = tiktok.call("GET", f"/return_refund/202309/returns/{return_id}/records")["data"]["records"]
    assert [(row["event"], row["role"]) for row in records] == [
        ("ORDER_RETURN", "BUYER"),
        ("ORDER_RETURN", "SELLER"),
        ("ORDER_RETURN", "BUYER"),
    ]


@pytest.mark.parametrize(
    ("start", "kind", "body", "code", "status"),
    [
        (PENDING, "RETURN_AND_REFUND", {"decision": "APPROVE_RETURN"}, 0, SHIP),
        (
            PENDING,
            "RETURN_AND_REFUND",
            {"decision": "APPROVE_RETURN", "buyer_keep_item": True},
            0,
            "RETURN_OR_REFUND_REQUEST_SUCCESS",
        ),
        (PENDING, "REFUND", {"decision": "APPROVE_REFUND"}, 0, "RETURN_OR_REFUND_REQUEST_SUCCESS"),
        (PENDING, "REFUND", {"decision": "APPROVE_RETURN"}, 25020004, PENDING),
        (SHIP, "RETURN_AND_REFUND", {"decision": "APPROVE_RETURN"}, 25020004, SHIP),
        (
            SHIPPED,
            "RETURN_AND_REFUND",
            {"decision": "APPROVE_RECEIVED_PACKAGE"},
            0,
            "RETURN_OR_REFUND_REQUEST_SUCCESS",
        ),
        (PENDING, "RETURN_AND_REFUND", {"decision": "YES"}, 98001004, PENDING),
        (
            PENDING,
            "RETURN_AND_REFUND",
            {"decision": "OFFER_PARTIAL_REFUND", "partial_refund": {"amount": "3.00", "currency": "GBP"}},
            0,
            "AWAITING_BUYER_RESPONSE",
        ),
    ],
)
def test_approval_follows_the_states(
    tiktok: TikTokClient, returned: Any, start: str, kind: str, body: Any, code: int, status: str
) -> None:
    return_id = returned(return_status=start, return_type=kind)
    assert _decide(tiktok, return_id, "approve", **body) == code
    assert _one(tiktok, return_id)["return_status"] == status


def test_rejection_needs_a_reason_of_this_return(tiktok: TikTokClient, returned: Any) -> None:
    return_id = returned(return_status=PENDING)
    query = {"return_or_cancel_id": return_id}
    reasons = tiktok.call("GET", "/return_refund/202309/reject_reasons", query)["data"]["reasons"]
    body = {"decision": "REJECT_RETURN", "comment": "Größe ≠ café"}
    wrong = _decide(tiktok, return_id, "reject", **body, reject_reason="because")
    right = _decide(tiktok, return_id, "reject", **body, reject_reason=reasons[1]["name"])
    late = _decide(tiktok, return_id, "reject", **body, reject_reason=reasons[1]["name"])
    assert [reason["name"] for reason in reasons][1] == "reverse_reject_request_reason_3"
    assert (wrong, right, late) == (25020010, 0, 25020004)
    assert _one(tiktok, return_id)["return_status"] == "REFUND_OR_RETURN_REQUEST_REJECT"


def test_idempotency_key_makes_a_repetition_harmless(tiktok: TikTokClient, returned: Any) -> None:
    return_id = returned(return_status=PENDING)
    key = {"idempotency_key": "k-1"}
    codes = [_decide(tiktok, return_id, "approve", key, decision="APPROVE_RETURN") for _ in range(2)]
    other = _decide(tiktok, return_id, "approve", {"idempotency_key": "k-2"}, decision="APPROVE_RETURN")
    assert (codes, other) == ([0, 0], 25020004)


def test_decision_eligibility_says_what_is_possible(tiktok: TikTokClient, returned: Any) -> None:
    query = {
        "return_or_cancel_id": returned(return_status=PENDING),
        "check_decisions": "APPROVE_RETURN,REJECT_RETURN,APPROVE_RECEIVED_PACKAGE",
    }
    found = tiktok.call("GET", "/return_refund/202601/decision_eligibility", query)["data"]["decisions"]
    assert [(row["decision"], row["eligible"], row.get("ineligible_code")) for row in found] == [
        ("APPROVE_RETURN", True, None),
        ("REJECT_RETURN", True, None),
        ("APPROVE_RECEIVED_PACKAGE", False, 25011014),
    ]
    assert len(found[1]["available_reject_reasons"]) == 2


def test_unknown_return_is_refused(tiktok: TikTokClient) -> None:
    assert _decide(tiktok, "4035", "approve", decision="APPROVE_RETURN") == 25001001
