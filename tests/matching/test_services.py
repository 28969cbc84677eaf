"""Matching a return: what is looked up, what is stored, which units are held and given back."""

from typing import Any

import pytest
from django.utils import timezone

from matching import services
from matching.models import ItemMatch, Match, SalesOrder
from matching.services import LookedUp, current_match, matched_items, release_match
from rebound_tts.clients.errors import ConfigurationError
from tests.conftest import in_threads
from tests.matching.conftest import Desk

FIND = "rebound GET /sales-orders"


def answer(match: Match) -> tuple[str, str, bool]:
    return (match.outcome, match.reason, match.is_curable)


def test_match_names_the_order_and_the_item_of_each_line(desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 2), ("cap", "9.00", 1))
    match = desk.matches(bought, 0, 2)
    assert answer(match) == ("MATCHED", "", False)
    assert match.sales_order == SalesOrder.objects.get(external_order_id=bought.external_order_id)
    items = {line: item.sku for line, item in matched_items([match]).items()}
    assert items == {"R1-0": bought.lines[0]["sku"], "R1-2": bought.lines[2]["sku"]}


def test_match_again_adds_no_row(desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    assert desk.matches(bought) == desk.matches(bought)
    assert (Match.objects.count(), ItemMatch.objects.count()) == (1, 1)


def test_order_that_is_held_is_not_asked_for_again(desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 3))
    for number in range(3):
        assert desk.matches(bought, number, return_id=f"R{number}").outcome == "MATCHED"
    assert desk.calls()[FIND] == 1


def test_order_that_lacks_an_item_is_asked_for_again(desk: Desk) -> None:
    desk.story.sandbox.post("/settings", rebound_upsert=True)
    bought = desk.story.buys(desk.player, ("vest", "20.00", 1))
    desk.story.references(desk.player, bought, items={bought.lines[0]["id"]: "late-1"})
    desk.story.pushes(desk.player, bought, ("early-1", "other", "1.00", 1))
    assert answer(desk.matches(bought)) == ("ORDER_ONLY", "ITEM_REF_UNKNOWN", True)
    desk.story.pushes(desk.player, bought, ("early-1", "other", "1.00", 1), ("late-1", "vest", "20.00", 1))
    assert answer(desk.matches(bought)) == ("MATCHED", "", False)
    assert [match.superseded_at is None for match in Match.objects.order_by("pk")] == [False, True]


def test_units_are_counted_over_all_returns(desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 2))
    outcomes = [desk.matches(bought, 0, return_id=return_id).outcome for return_id in ("R1", "R2", "R3")]
    assert outcomes == ["MATCHED", "MATCHED", "ORDER_ONLY"]
    assert current_match(shop=desk.player.shop, return_id="R3").reason == "QTY_EXCEEDS_ORDERED"


def test_released_units_are_free_again(desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.matches(bought, return_id="R1")
    release_match(shop=desk.player.shop, return_id="R1", now=timezone.now())
    assert current_match(shop=desk.player.shop, return_id="R1") is None
    assert desk.matches(bought, return_id="R2").outcome == "MATCHED"
    assert desk.matches(bought, return_id="R1").reason == "QTY_EXCEEDS_ORDERED"


def test_units_superseded_by_a_worse_decision_are_free_again(desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.matches(bought, return_id="R1")
    SalesOrder.objects.update(cancelled_at=timezone.now())
    assert desk.matches(bought, return_id="R1").reason == "ORDER_CANCELLED"
    SalesOrder.objects.update(cancelled_at=None)
    assert desk.matches(bought, return_id="R2").outcome == "MATCHED"


def test_equal_ids_of_two_shops_are_two_returns(desk: Desk) -> None:
    other = Desk(desk.story, desk.story.cast.oms)
    first = desk.matches(desk.story.synced(desk.player, ("vest", "20.00", 1)))
    second = other.matches(desk.story.synced(other.player, ("vest", "20.00", 1)))
    assert (first.return_id, first.merchant_id) == (second.return_id, desk.player.shop.merchant_id)
    assert second.merchant_id == other.player.shop.merchant_id
    assert {first.superseded_at, second.superseded_at} == {None}


@pytest.mark.parametrize("origin", ["", "SHOPIFY"])
def test_shop_that_does_not_match_asks_nobody(desk: Desk, origin: str) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.player.shop.matching_enabled = not origin
    desk.player.shop.platform_origin = origin
    desk.story.sandbox.post("/calls/reset")
    reason = "MATCHING_OFF" if origin else "NO_PLATFORM_ORIGIN"
    assert answer(desk.matches(bought)) == ("NOT_ASKED", reason, False)
    assert desk.calls() == {}


def test_account_that_reads_no_orders_is_not_asked(desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.player.shop.rebound_account.reads_orders = False
    assert answer(desk.matches(bought)) == ("NO_MATCH", "ORDER_NOT_SYNCED", True)
    assert FIND not in desk.calls()


@pytest.mark.parametrize(("remote", "path"), [("tiktok", "/external_orders"), ("rebound", "/sales-orders")])
def test_look_up_that_fails_is_part_of_the_answer(desk: Desk, remote: str, path: str) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.story.sandbox.post("/faults", remote=remote, kind="status", status=500, method="GET", path_contains=path)
    match = desk.matches(bought)
    assert answer(match) == ("NO_MATCH", "LOOKUP_FAILED", True)
    assert "status 500" in str(match.trail)


@pytest.mark.parametrize("found", [LookedUp(references=None, problem="no answer"), LookedUp(references=())])
def test_match_that_somebody_else_made_meanwhile_stands(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, found: LookedUp
) -> None:
    """Two returns of one parcel are worked on at once, and each decides for both. The ReBound return is asked for with
    the link of the first to decide, while the other's look-up of before goes wrong, or found nothing."""
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    look_up = services._look_up

    def overtaken(**asked: Any) -> LookedUp:
        monkeypatch.setattr(services, "_look_up", look_up)
        desk.matches(bought)
        return found

    monkeypatch.setattr(services, "_look_up", overtaken)
    assert answer(desk.matches(bought)) == ("MATCHED", "", False)
    assert Match.objects.get().superseded_at is None


def test_match_made_meanwhile_replaces_what_time_may_cure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    look_up = services._look_up

    def overtaken(**asked: Any) -> LookedUp:
        monkeypatch.setattr(services, "_look_up", lambda **_: LookedUp(references=()))
        assert answer(desk.matches(bought)) == ("NO_MATCH", "NO_EXTERNAL_REF", True)
        monkeypatch.setattr(services, "_look_up", look_up)
        return look_up(**asked)

    monkeypatch.setattr(services, "_look_up", overtaken)
    assert answer(desk.matches(bought)) == ("MATCHED", "", False)


def test_look_up_that_fails_replaces_no_link(desk: Desk) -> None:
    """The order is known, and only what ReBound calls it is looked for."""
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.matches(bought)
    SalesOrder.objects.update(rebound_id="")
    desk.story.sandbox.post(
        "/faults", remote="tiktok", kind="status", status=500, method="GET", path_contains="/external_orders"
    )
    assert answer(desk.matches(bought)) == ("MATCHED", "", False)


def test_order_that_is_held_stands_though_rebound_does_not_answer(desk: Desk) -> None:
    """What is missing is an item; the order itself is known."""
    bought = desk.story.buys(desk.player, ("vest", "20.00", 1))
    desk.story.references(desk.player, bought, items={bought.lines[0]["id"]: "late-1"})
    desk.story.pushes(desk.player, bought, ("early-1", "other", "1.00", 1))
    desk.matches(bought)
    desk.story.sandbox.post("/faults", remote="rebound", kind="status", status=500, method="GET")
    assert answer(desk.matches(bought)) == ("ORDER_ONLY", "ITEM_REF_UNKNOWN", True)


DEAD: list[dict[str, Any]] = [
    {"remote": "tiktok", "kind": "code", "code": 106011, "path_contains": "/external_orders"},
    {"remote": "tiktok", "kind": "code", "code": 105002, "path_contains": "/external_orders", "times": 2},
    {"remote": "rebound", "kind": "status", "status": 401, "path_contains": "/sales-orders", "times": 2},
    {"remote": "rebound", "kind": "status", "status": 401, "path_contains": "/oauth2/token"},
]


@pytest.mark.parametrize("fault", DEAD)
def test_connection_that_is_dead_is_no_answer(desk: Desk, fault: dict[str, Any]) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.story.sandbox.post("/faults", **fault)
    with pytest.raises(ConfigurationError):
        desk.matches(bought)
    assert Match.objects.count() == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"remote": "tiktok", "kind": "code", "code": 105005, "path_contains": "/external_orders"},
        {"remote": "rebound", "kind": "status", "status": 403, "path_contains": "/sales-orders"},
    ],
)
def test_permission_that_is_missing_for_the_look_up_alone_is_an_answer(desk: Desk, fault: dict[str, Any]) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    desk.story.sandbox.post("/faults", **fault)
    assert answer(desk.matches(bought)) == ("NO_MATCH", "LOOKUP_FAILED", True)


def test_ids_that_are_equal_under_the_rules_alone_are_ambiguous(desk: Desk) -> None:
    """The one spelled like the reference is not preferred, and the other is looked for too."""
    desk.player.shop.id_strip_prefix = "SO-"
    bought = desk.story.synced(desk.player, ("vest", "20.00", 1))
    plain = bought.external_order_id.removeprefix("SO-")
    order = {"clientOrderId": plain, "salesItems": []}
    desk.story.sandbox.post("/sales-orders", client_id=desk.player.client_id, order=order)
    assert answer(desk.matches(bought)) == ("NO_MATCH", "AMBIGUOUS_ORDER", False)


def test_returns_that_are_matched_at_once_never_take_the_same_unit(shared_database: None, desk: Desk) -> None:
    bought = desk.story.synced(desk.player, ("vest", "20.00", 2))
    desk.matches(bought, return_id="first")  # the order is mirrored
    release_match(shop=desk.player.shop, return_id="first", now=timezone.now())
    in_threads(4, lambda number: desk.matches(bought, return_id=f"R{number}"))
    outcomes = Match.objects.filter(superseded_at=None).values_list("outcome", flat=True)
    assert sorted(outcomes) == ["MATCHED", "MATCHED", "ORDER_ONLY", "ORDER_ONLY"]
    assert ItemMatch.objects.filter(item__isnull=False, released_at=None).count() == 2
