"""Orders and the external references that an OMS writes to them."""

import re
from typing import Any

import pytest

from tests.sandbox.conftest import Control, TikTokClient

REFERENCES = "/order/202406/orders/external_orders"


def _detail(tiktok: TikTokClient, *ids: str, version: str = "202507") -> dict[str, Any]:
    return tiktok.call("GET", f"/order/{version}/orders", {"ids": ",".join(ids)})


def _write(tiktok: TikTokClient, order_id: str, external_id: str, platform: str = "SHOPIFY", lines: Any = ()) -> Any:
    external: dict[str, Any] = {"id": external_id, "platform": platform}
    if lines is not None:
        external["line_items"] = [{"id": own, "origin_id": origin} for own, origin in lines]
    return tiktok.call("POST", REFERENCES, body={"orders": [{"id": order_id, "external_order": external}]})


def _read(tiktok: TikTokClient, order_id: str, platform: str = "SHOPIFY") -> dict[str, Any]:
    return tiktok.call("GET", f"/order/202406/orders/{order_id}/external_orders", {"platform": platform})


@pytest.mark.parametrize("version", ["202309", "202507"])
def test_order_has_one_line_for_each_unit(tiktok: TikTokClient, new_order: Any, version: str) -> None:
    made = new_order()
    order = _detail(tiktok, made["order_id"], version=version)["data"]["orders"][0]
    lines = order["line_items"]
    assert [(line["id"], line["seller_sku"], line["sale_price"]) for line in lines] == [
        (made["line_items"][0]["id"], "TEE", "10.00"),
        (made["line_items"][1]["id"], "TEE", "10.00"),
        (made["line_items"][2]["id"], "MUG", "5.50"),
    ]
    assert lines[0]["sku_id"] == lines[1]["sku_id"] != lines[2]["sku_id"]
    assert order["payment"]["total_amount"] == "25.50"
    assert order["status"] == "DELIVERED"


def test_ids_are_long_decimal_strings(tiktok: TikTokClient, new_order: Any) -> None:
    order = _detail(tiktok, new_order()["order_id"])["data"]["orders"][0]
    ids = [order["id"], order["user_id"], *(line[key] for line in order["line_items"] for key in ("id", "sku_id"))]
    assert [bool(re.fullmatch(r"\d{18,19}", found)) and int(found) > 2**53 for found in ids] == [True] * len(ids)


def test_same_sku_has_one_sku_id_in_a_shop(tiktok: TikTokClient, new_order: Any) -> None:
    first, second = new_order(), new_order()
    assert first["line_items"][0]["sku_id"] == second["line_items"][0]["sku_id"]


def test_empty_seller_sku_is_left_out(tiktok: TikTokClient, new_order: Any) -> None:
    order_id = new_order(lines=[{"sku": "", "name": "Nameless"}])["order_id"]
    assert "seller_sku" not in _detail(tiktok, order_id)["data"]["orders"][0]["line_items"][0]


def test_unknown_ids_are_left_out(tiktok: TikTokClient, new_order: Any) -> None:
    order_id = new_order()["order_id"]
    answer = _detail(tiktok, "576000000000000000", order_id)
    assert [order["id"] for order in answer["data"]["orders"]] == [order_id]
    assert _detail(tiktok, "576000000000000000")["code"] == 21008111


def test_orders_of_another_seller_are_not_shown(control: Control, tiktok: TikTokClient, new_order: Any) -> None:
    other = control.post("sellers", seller_name="Other", shops=[{"name": "Other"}])["shops"][0]["id"]
    assert _detail(tiktok, new_order(shop_id=other)["order_id"])["code"] == 21008111


def test_too_many_ids_are_refused(tiktok: TikTokClient) -> None:
    ids = [str(576_000_000_000_000_000 + number) for number in range(51)]
    assert _detail(tiktok, *ids)["code"] == 98001004
    assert _detail(tiktok, *ids[:50])["code"] == 21008111
    assert tiktok.call("GET", "/order/202507/orders")["code"] == 98001004


def test_address_is_masked_unless_switched_off(
    sandbox: Any, control: Control, tiktok: TikTokClient, new_order: Any
) -> None:
    order_id = new_order()["order_id"]
    buyer = sandbox.world.orders[order_id].buyer
    masked = _detail(tiktok, order_id)["data"]["orders"][0]["recipient_address"]
    control.post("settings", mask_addresses=False)
    clear = _detail(tiktok, order_id)["data"]["orders"][0]["recipient_address"]
    assert masked["name"] == f"{buyer.first_name[0]}***"
    assert re.fullmatch(r"\(\+44\)20-\*{4}-\d{4}", masked["phone_number"])
    assert (masked["address_line1"], masked["postal_code"]) == ("***", "***")
    assert (clear["name"], clear["phone_number"]) == (f"{buyer.first_name} {buyer.last_name}", buyer.phone)
    assert (clear["address_line1"], clear["postal_code"]) == (buyer.address_lines[0], buyer.postal_code)
    assert masked["region_code"] == clear["region_code"] == "GB"
    assert masked["district_info"] == clear["district_info"]
    assert [level["address_level"] for level in masked["district_info"]] == ["L0", "L1", "L2"]
    hidden = [value for value in (buyer.last_name, buyer.phone, *buyer.address_lines) if value in str(masked)]
    assert hidden == []


@pytest.mark.parametrize("status", ["UNPAID", "ON_HOLD"])
def test_address_is_absent_before_payment(tiktok: TikTokClient, new_order: Any, status: str) -> None:
    order = _detail(tiktok, new_order(status=status)["order_id"])["data"]["orders"][0]
    assert ("recipient_address" in order, "paid_time" in order) == (False, False)


def test_search_pages_through_all_orders_newest_first(tiktok: TikTokClient, new_order: Any) -> None:
    made = [new_order(create_time=2_000_000_000 + number)["order_id"] for number in range(5)]
    path = "/order/202309/orders/search"
    body = {"create_time_ge": 2_000_000_000, "create_time_lt": 2_000_000_004}
    first = tiktok.call("POST", path, {"page_size": 3}, body)["data"]
    second = tiktok.call("POST", path, {"page_size": 3, "page_token": first["next_page_token"]}, body)["data"]
    found = [order["id"] for order in first["orders"] + second["orders"]]
    assert found == made[3::-1]
    assert (first["total_count"], "next_page_token" in second) == (4, False)


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ({}, {}, 98001004),
        ({"page_size": 101}, {}, 98001004),
        ({"page_size": 1}, {"order_status": "LOST"}, 98001004),
        ({"page_size": 1, "sort_field": "price"}, {}, 98001004),
        ({"page_size": 1, "page_token": "bm90IG91cnM="}, {}, 98001004),
        ({"page_size": 1}, {"create_time_ge": "today"}, 98001004),
        ({"page_size": 100}, {"order_status": "CANCELLED"}, 0),
    ],
)
def test_search_checks_its_parameters(tiktok: TikTokClient, query: Any, body: Any, code: int) -> None:
    assert tiktok.call("POST", "/order/202309/orders/search", query, body)["code"] == code


def test_reference_is_read_as_it_was_written(tiktok: TikTokClient, new_order: Any) -> None:
    made = new_order()
    line_id = made["line_items"][0]["id"]
    written = _write(tiktok, made["order_id"], "OMS-1", lines=[("OMS-1-1", line_id)])
    read = _read(tiktok, made["order_id"])
    entry = {"id": "OMS-1", "platform": "SHOPIFY", "line_items": [{"id": "OMS-1-1", "origin_id": line_id}]}
    assert (written["code"], read["data"]) == (0, {"external_orders": [entry]})


def test_reference_of_the_same_platform_is_replaced_and_others_stay(tiktok: TikTokClient, new_order: Any) -> None:
    order_id = new_order()["order_id"]
    for external_id, platform in (("A", "SHOPIFY"), ("B", "MAGENTO"), ("C", "SHOPIFY")):
        _write(tiktok, order_id, external_id, platform)
    # all platforms come although one is asked for
    entries = _read(tiktok, order_id, "AMAZON")["data"]["external_orders"]
    assert [(entry["platform"], entry["id"]) for entry in entries] == [("MAGENTO", "B"), ("SHOPIFY", "C")]


def test_reference_without_lines_has_none(tiktok: TikTokClient, new_order: Any) -> None:
    order_id = new_order()["order_id"]
    _write(tiktok, order_id, "OMS-1", lines=None)
    assert _read(tiktok, order_id)["data"]["external_orders"] == [{"id": "OMS-1", "platform": "SHOPIFY"}]


def test_order_without_reference_has_an_empty_list(tiktok: TikTokClient, new_order: Any) -> None:
    assert _read(tiktok, new_order()["order_id"])["data"] == {"external_orders": []}


def test_bad_orders_are_listed_and_good_ones_written(tiktok: TikTokClient, new_order: Any) -> None:
    order_id = new_order()["order_id"]
    external = {"id": "OMS-7", "platform": "ERP_SYSTEM", "line_items": []}
    body = {"orders": [{"id": found, "external_order": external} for found in ("5760", order_id)]}
    answer = tiktok.call("POST", REFERENCES, body=body)
    detail = {"order_id": "5760", "external_order": {"id": "OMS-7", "platform": "ERP_SYSTEM"}}
    error = {"code": "36020001", "message": "Invalid order_id", "detail": detail}
    assert (answer["code"], answer["data"]) == (0, {"errors": [error]})
    assert _read(tiktok, order_id)["data"]["external_orders"] == [external]


@pytest.mark.parametrize(
    "orders",
    [
        [],
        [{"id": "1", "external_order": {"id": "A", "platform": "WIX"}}],
        [{"id": "1", "external_order": {"id": "", "platform": "SHOPIFY"}}],
        [{"id": "1", "external_order": {"id": "A", "platform": "SHOPIFY", "line_items": [{"id": "1"}]}}],
        [{"id": "1", "external_order": {"id": "A", "platform": "SHOPIFY"}}] * 101,
        [{"id": "1", "external_order": {"id": "A", "platform": "SHOPIFY", "line_items": [{}] * 101}}],
    ],
)
def test_reference_that_breaks_the_schema_is_refused(tiktok: TikTokClient, orders: Any) -> None:
    assert tiktok.call("POST", REFERENCES, body={"orders": orders})["code"] == 98001004


def test_reference_of_an_unknown_order_or_platform_is_refused(tiktok: TikTokClient, new_order: Any) -> None:
    order_id = new_order()["order_id"]
    codes = [
        _read(tiktok, "5760")["code"],
        _read(tiktok, order_id, "WIX")["code"],
        tiktok.call("GET", f"/order/202406/orders/{order_id}/external_orders")["code"],
    ]
    assert codes == [36020001, 98001004, 98001004]


def test_search_by_reference_finds_the_exact_id(tiktok: TikTokClient, new_order: Any) -> None:
    order_id = new_order()["order_id"]
    _write(tiktok, order_id, "OMS-1", lines=None)
    path = "/order/202406/orders/external_order_search"

    def search(platform: str, external_id: str) -> Any:
        return tiktok.call("POST", path, {"platform": platform, "external_order_id": external_id})["data"]

    found = {"orders": [{"id": order_id, "external_order": {"id": "OMS-1", "platform": "SHOPIFY"}}]}
    assert search("SHOPIFY", "OMS-1") == found
    assert search("SHOPIFY", "oms-1") == search("MAGENTO", "OMS-1") == {"orders": []}
