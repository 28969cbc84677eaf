"""Late link: a return that went direct for want of its order is linked when the order comes, once, its label kept."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from matching.models import ItemMatch, Match, SalesOrder
from merchants.connections import rebound_for
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Bought, Expected
from returns.arrivals import wake, wake_for_orders
from returns.late import first_look, look_late, look_now
from returns.models import ReboundReturn, StepAttempt, TikTokReturn
from returns.steps import link as link_step
from tests.returns.scene import UPLOAD, Scene

LINK = "rebound POST /return-orders/{id}/link"
pytestmark = pytest.mark.django_db


@pytest.fixture
def player(scene: Scene) -> Player:
    player = scene.story.cast.oms
    player.shop.match_wait = timedelta(0)
    player.shop.save()
    return player


def sold(scene: Scene, player: Player, **options: Any) -> tuple[Bought, Expected]:
    """A unit bought and sent back whose order nobody synced yet."""
    bought = scene.story.buys(player, ("bell", "6.00", 1))
    scene.story.references(player, bought, items={bought.lines[0]["id"]: "bell-1"})
    (return_id,) = scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False}, **options)
    expected = Expected("", player, return_id, units=0, kind="DIRECT", outcome="NO_MATCH", reason="ORDER_NOT_SYNCED")
    return bought, expected


def went_direct(scene: Scene, player: Player, **options: Any) -> tuple[Bought, Expected]:
    bought, expected = sold(scene, player, **options)
    scene.starts(expected)
    assert scene.differences(expected) == ()
    return bought, expected


def linked(expected: Expected) -> Expected:
    return replace(expected, outcome="MATCHED", reason="", kind="LINKED", units=1)


def arrives(scene: Scene, player: Player, bought: Bought) -> None:
    scene.story.pushes(player, bought, ("bell-1", "bell", "6.00", 1))


def is_told(scene: Scene, player: Player, bought: Bought) -> int:
    count = wake(merchant=player.shop.merchant, external_order_ids=[bought.external_order_id], now=timezone.now())
    scene.work()
    return count


def held(expected: Expected) -> ReboundReturn:
    return ReboundReturn.objects.get(tiktok_returns__return_id=expected.return_id)


def test_direct_return_is_linked_when_its_order_arrives(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    before = scene.row(direct.return_id)
    arrives(scene, player, bought)
    assert is_told(scene, player, bought) == 1
    assert scene.differences(linked(direct)) == ()
    row, rebound_return = scene.row(direct.return_id), held(direct)
    assert bytes(row.rebound_return.label.content) == bytes(before.rebound_return.label.content)
    assert (row.label_delivered_at, scene.calls()[UPLOAD]) == (before.label_delivered_at, 1)
    order = SalesOrder.objects.get()
    assert (rebound_return.sales_order, rebound_return.direct_reason) == (order, "ORDER_NOT_SYNCED")
    assert (rebound_return.linked_late_at is not None, rebound_return.late_look_at) == (True, None)
    assert (rebound_return.rebound_sales_order_id, rebound_return.link_note) == (order.rebound_id, "")
    assert scene.steps(direct.return_id)[-1] == ("LINK", "DONE")
    assert [step for step, _ in scene.steps(direct.return_id)].count("LINK") == 1
    assert scene.at_rebound()[0]["salesOrderId"] == order.rebound_id


def test_order_that_nobody_announces_is_found_in_the_night(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    scene.passes(hours=25)
    assert scene.differences(linked(direct)) == ()


def test_reference_that_the_oms_writes_days_later_is_found_in_the_night(scene: Scene, player: Player) -> None:
    bought = scene.story.buys(player, ("bell", "6.00", 1))
    arrives(scene, player, bought)
    (return_id,) = scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
    direct = Expected("", player, return_id, units=0, kind="DIRECT", outcome="NO_MATCH", reason="NO_EXTERNAL_REF")
    scene.starts(direct)
    assert scene.differences(direct) == ()
    scene.passes(days=3)
    assert scene.differences(direct) == ()
    scene.story.references(player, bought, items={bought.lines[0]["id"]: "bell-1"})
    scene.passes(hours=25)
    assert scene.differences(linked(direct)) == ()


def test_looks_end_after_sixty_days(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    scene.passes(days=58)
    looks = [step for step, _ in scene.steps(direct.return_id)].count("MATCH")
    assert 57 <= looks <= 60
    scene.passes(days=3)
    assert held(direct).late_look_at is None
    arrives(scene, player, bought)
    assert is_told(scene, player, bought) == 0
    scene.passes(days=2)
    assert scene.differences(direct) == ()
    assert Match.objects.count() == 1  # the same answer each night adds no row


def test_another_order_wakes_nothing(scene: Scene, player: Player) -> None:
    bought, _ = went_direct(scene, player)
    assert is_told(scene, player, replace(bought, external_order_id=f"{bought.external_order_id}0")) == 0


def test_order_of_another_merchant_wakes_and_links_nothing(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    other = scene.story.cast.shopify
    arrives(scene, other, bought)
    woken = wake(merchant=other.shop.merchant, external_order_ids=[bought.external_order_id], now=timezone.now())
    scene.passes(hours=25)
    assert woken == 0
    assert scene.differences(direct) == ()


def test_id_rules_decide_whom_an_order_wakes(scene: Scene, player: Player) -> None:
    player.shop.id_ignore_case = True
    player.shop.save()
    bought, _ = went_direct(scene, player)
    lower = replace(bought, external_order_id=bought.external_order_id.lower())
    arrives(scene, player, lower)
    scene.settings(loose_sales_order_filter=True)
    assert is_told(scene, player, lower) == 1


def test_order_that_rebound_does_not_hold_yet_is_linked_once_it_does(scene: Scene, player: Player) -> None:
    bought, direct = sold(scene, player)
    order = SalesOrder.objects.create(
        merchant=player.shop.merchant,
        external_order_id=bought.external_order_id,
        oms_order_id=bought.external_order_id,
        source="PUSHED",
        content_hash="x",
        first_seen_at=timezone.now(),
        updated_at=timezone.now(),
    )
    order.items.create(merchant=order.merchant, position=0, external_item_id="bell-1", sku="bell", quantity=1)
    scene.starts(direct)
    matched = replace(direct, outcome="MATCHED", reason="")
    assert scene.differences(matched) == ()
    assert held(direct).direct_reason == "ORDER_NOT_AT_REBOUND"
    scene.passes(hours=25)
    assert scene.differences(matched) == ()
    arrives(scene, player, bought)
    there = scene.sandbox.get("/state")["sales_orders"][0]
    order.items.update(rebound_id=there["salesItems"][0]["id"])
    SalesOrder.objects.update(rebound_id=there["id"])  # as whoever learns of it writes it down, and then tells
    assert is_told(scene, player, bought) == 1
    assert scene.differences(linked(direct)) == ()


def test_order_that_arrives_while_the_return_is_being_created_is_linked_at_once(
    scene: Scene, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision was made without it, and nobody waits for the night."""
    bought, direct = sold(scene, player)

    def arrives_now(rebound_return: Any, **named: Any) -> Any:
        arrives(scene, player, bought)
        SalesOrder.objects.create(
            merchant=player.shop.merchant,
            external_order_id=bought.external_order_id,
            oms_order_id=bought.external_order_id,
            rebound_id=scene.sandbox.get("/state")["sales_orders"][0]["id"],
            source="READ_THROUGH",
            first_seen_at=timezone.now(),
            updated_at=timezone.now(),
        )
        return first_look(rebound_return, **named)

    monkeypatch.setattr("returns.steps.create.first_look", arrives_now)
    scene.starts(direct)
    assert scene.differences(linked(direct)) == ()


def test_shipped_return_is_linked_too(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    scene.changes(player, direct.return_id, return_status="BUYER_SHIPPED_ITEM")
    arrives(scene, player, bought)
    assert is_told(scene, player, bought) == 1
    assert held(direct).kind == "LINKED"


def test_cancelled_return_is_left_alone(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    scene.changes(player, direct.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    arrives(scene, player, bought)
    is_told(scene, player, bought)
    scene.passes(days=2)
    assert (held(direct).kind, LINK in scene.calls()) == ("DIRECT", False)


def test_cancelled_order_is_not_linked(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    (order,) = scene.sandbox.get("/state")["sales_orders"]
    scene.sandbox.post(f"/sales-orders/{order['id']}", status="CANCELLED")
    is_told(scene, player, bought)
    assert scene.differences(replace(direct, reason="ORDER_CANCELLED")) == ()


def test_return_of_a_person_who_wanted_it_direct_is_left_alone(scene: Scene, player: Player) -> None:
    bought, direct = sold(scene, player)
    scene.hints(player, direct.return_id)
    TikTokReturn.objects.update(direct_asked_at=timezone.now(), direct_asked_by="manager")
    scene.work()
    assert (held(direct).direct_reason, held(direct).late_look_at) == ("ASKED_BY_A_PERSON", None)
    arrives(scene, player, bought)
    assert is_told(scene, player, bought) == 0


@pytest.mark.parametrize("status", [404, 405])
def test_link_that_rebound_does_not_offer_is_kept_here_and_says_so(scene: Scene, player: Player, status: int) -> None:
    scene.settings(rebound_link_enabled=False, rebound_link_status=status)
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    is_told(scene, player, bought)
    rebound_return = held(direct)
    assert (rebound_return.kind, rebound_return.rebound_sales_order_id) == ("LINKED", "")
    assert rebound_return.link_note.startswith("Linked here only.")
    assert f"status {status}" in rebound_return.link_note
    assert scene.differences(replace(linked(direct), units=0)) == ()
    assert scene.rest(direct.return_id) == ("DONE", "")
    scene.passes(days=3)
    assert scene.calls()[LINK] == 1


def test_link_that_rebound_refuses_is_kept_here_and_says_why(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    scene.fault("rebound", "status", status=409, path_contains="/link", message="no")
    is_told(scene, player, bought)
    assert "status 409" in held(direct).link_note
    assert ItemMatch.objects.filter(released_at=None, item__isnull=False).count() == 1  # its unit is taken all the same


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_link_whose_answer_is_lost_is_made_once(scene: Scene, player: Player, kind: str) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    scene.fault("rebound", kind, path_contains="/link")
    is_told(scene, player, bought)
    assert scene.rest(direct.return_id) == ("WAITING", "REMOTE_BUSY")
    scene.passes(minutes=1)
    assert scene.differences(linked(direct)) == ()
    assert scene.calls()[LINK] == (1 if kind == "drop_after" else 2)
    assert scene.steps(direct.return_id)[-1] == ("LINK", "DONE")


def test_crash_between_the_link_and_its_row_is_made_good(
    scene: Scene, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    with monkeypatch.context() as patch:
        patch.setattr(link_step, "_keep", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            is_told(scene, player, bought)
    assert held(direct).kind == "DIRECT"
    scene.passes(hours=2)
    assert scene.differences(linked(direct)) == ()
    assert scene.calls()[LINK] == 1  # adopted, not made again


def test_rebound_that_keeps_failing_is_asked_again_in_the_night(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    scene.fault("rebound", "status", status=500, path_contains="/link", times=1000)
    is_told(scene, player, bought)
    scene.passes(hours=1)
    assert scene.rest(direct.return_id) == ("DONE", "")
    scene.mends()
    scene.passes(hours=25)
    assert scene.differences(linked(direct)) == ()


def test_look_up_that_fails_replaces_no_decision(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    scene.fault("tiktok", "status", status=500, path_contains="/external_orders", method="GET", times=1)
    scene.passes(hours=25)
    assert scene.differences(direct) == ()
    assert Match.objects.count() == 1
    arrives(scene, player, bought)
    scene.passes(hours=25)
    assert scene.differences(linked(direct)) == ()


def test_looking_twice_links_once(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    for _ in range(3):
        is_told(scene, player, bought)
        look_late(now=timezone.now())
        scene.runs_again(direct)
    assert scene.calls()[LINK] == 1
    assert StepAttempt.objects.filter(step="LINK").count() == 1


def test_run_again_looks_at_once(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    scene.runs_again(direct)
    assert scene.differences(linked(direct)) == ()


def test_units_are_never_taken_twice_by_a_late_link(scene: Scene, player: Player) -> None:
    """One unit ordered, two returns of it that went direct: one of them is linked to the item."""
    bought = scene.story.buys(player, ("bell", "6.00", 2))
    first, second = (line["id"] for line in bought.lines)
    scene.story.references(player, bought, items={first: "bell-1", second: "bell-1"})
    both = []
    for line in (first, second):
        (return_id,) = scene.story.returns(player, bought, line, webhook={"send": False})
        both.append(
            Expected("", player, return_id, units=0, kind="DIRECT", outcome="NO_MATCH", reason="ORDER_NOT_SYNCED")
        )
    scene.starts(*both)
    arrives(scene, player, bought)  # with a quantity of one
    is_told(scene, player, bought)
    outcomes = sorted(Match.objects.current().values_list("outcome", flat=True))
    assert outcomes == ["MATCHED", "ORDER_ONLY"]
    units = [sum(bool(item.get("salesItemId")) for item in order["items"]) for order in scene.at_rebound()]
    assert sorted(units) == [0, 1]


def parcel(scene: Scene, player: Player) -> tuple[list[Bought], list[Expected]]:
    """Two returns in one parcel, of one TikTok order with one reference."""
    bought = scene.story.buys(player, ("bell", "6.00", 1), ("lamp", "9.00", 1))
    first, second = (line["id"] for line in bought.lines)
    scene.story.references(player, bought, items={first: "bell-1", second: "lamp-1"})
    ids = scene.story.returns(player, bought, first, second, combined=True, webhook={"send": False})
    expected = [
        Expected("", player, each, units=0, kind="DIRECT", outcome="NO_MATCH", reason="ORDER_NOT_SYNCED")
        for each in ids
    ]
    scene.starts(*expected)
    assert [scene.differences(each) for each in expected] == [(), ()]
    return [bought], expected


def test_parcel_is_linked_once_with_the_items_of_all_its_returns(scene: Scene, player: Player) -> None:
    (bought,), both = parcel(scene, player)
    scene.story.pushes(player, bought, ("bell-1", "bell", "6.00", 1), ("lamp-1", "lamp", "9.00", 1))
    is_told(scene, player, bought)
    for each in both:
        assert scene.differences(replace(linked(each), units=2)) == ()
    assert scene.calls()[LINK] == 1


def test_parcel_whose_returns_disagree_is_not_linked(scene: Scene, player: Player) -> None:
    (bought,), both = parcel(scene, player)
    scene.story.pushes(player, bought, ("bell-1", "bell", "6.00", 1), ("lamp-1", "lamp", "9.00", 1))
    other = SalesOrder.objects.create(
        merchant=player.shop.merchant,
        external_order_id="OTHER",
        rebound_id="elsewhere",
        source="PUSHED",
        first_seen_at=timezone.now(),
        updated_at=timezone.now(),
    )
    Match.objects.filter(return_id=both[1].return_id).update(
        outcome="ORDER_ONLY", sales_order=other, decided_by="manager", note="seen on the slip"
    )
    is_told(scene, player, bought)
    assert (held(both[0]).kind, LINK in scene.calls()) == ("DIRECT", False)


def test_looks_of_a_night_come_in_bounded_numbers(scene: Scene, player: Player) -> None:
    several = [went_direct(scene, player)[1] for _ in range(3)]
    later = timezone.now() + timedelta(days=2)
    assert look_late(now=later, limit=2) == 2
    assert look_late(now=later, limit=2) == 1
    assert look_late(now=later, limit=2) == 0
    assert {held(each).kind for each in several} == {"DIRECT"}


def test_look_now_waits_for_the_label(scene: Scene, player: Player) -> None:
    """A return whose label is not delivered yet is not moved: the look comes after the delivery."""
    bought, direct = sold(scene, player)
    scene.fault("tiktok", "status", status=500, path_contains="/shipping_documents", times=1)
    scene.starts(direct)
    assert look_now([held(direct).pk], now=timezone.now()) == 0
    arrives(scene, player, bought)
    scene.passes(minutes=1)
    assert scene.differences(linked(direct)) == ()


def test_wake_for_orders_rings(scene: Scene, player: Player, bell: Any) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    assert bell.is_due()
    wake_for_orders(player.shop.merchant, [bought.external_order_id])
    assert not bell.is_due()
    scene.work()
    assert scene.differences(linked(direct)) == ()


def test_rebound_that_cancelled_it_meanwhile_ends_in_a_named_state(scene: Scene, player: Player) -> None:
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    (order,) = scene.at_rebound()
    scene.settings(rebound_events_url="http://127.0.0.1:9/", rebound_events_secret="s")
    scene.sandbox.post(f"/return-orders/{order['id']}/events", type="RETURN_ORDER_CANCELLED")
    is_told(scene, player, bought)
    assert scene.rest(direct.return_id) == ("NEEDS_ATTENTION", "CANCELLED_AT_REBOUND")
    assert LINK not in scene.calls()


def test_link_to_another_order_at_rebound_is_kept_here(scene: Scene, player: Player) -> None:
    """Somebody linked it at ReBound by hand, to another order."""
    bought, direct = went_direct(scene, player)
    arrives(scene, player, bought)
    other = scene.story.synced(player, ("bell", "6.00", 1))
    orders = {order["clientOrderId"]: order for order in scene.sandbox.get("/state")["sales_orders"]}
    there, (return_order,) = orders[other.external_order_id], scene.at_rebound()
    rebound_for(player.shop.rebound_account).link_return_order(
        return_order["id"],
        sales_order_id=there["id"],
        items=[(return_order["items"][0]["id"], there["salesItems"][0]["id"])],
    )
    is_told(scene, player, bought)
    rebound_return = held(direct)
    assert (rebound_return.kind, rebound_return.rebound_sales_order_id) == ("LINKED", there["id"])
    assert "status 409" in rebound_return.link_note
