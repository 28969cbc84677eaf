"""What a person does to a return: it holds against every automatic run, leaves a row, and can be taken back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from matching.models import ItemMatch, Match, SalesOrder
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Bought, Expected
from returns import by_hand
from returns.arrivals import wake
from returns.by_hand import ActRefusedError
from returns.dry_run import dry_run
from returns.models import ManualAct, ReboundReturn, TikTokReturn
from tests.factories import SalesOrderFactory, SalesOrderItemFactory
from tests.returns.scene import UPLOAD, Scene

LINK = "rebound POST /return-orders/{id}/link"
SAID: dict[str, Any] = {"by": "ines", "reason": "The packing slip says so"}


@pytest.fixture
def player(scene: Scene) -> Player:
    player = scene.story.cast.oms
    player.shop.match_wait = timedelta(0)
    player.shop.save()
    return player


def unreferenced(scene: Scene, player: Player, *, units: int = 1) -> tuple[Bought, Expected]:
    """Units bought and sent back, whose order is synced and whose reference TikTok never got."""
    bought = scene.story.buys(player, ("bell", "6.00", units))
    scene.story.pushes(player, bought, ("bell-1", "bell", "6.00", units))
    (return_id,) = scene.story.returns(player, bought, *(x["id"] for x in bought.lines), webhook={"send": False})
    return bought, Expected("", player, return_id, units=0, kind="DIRECT", outcome="NO_MATCH", reason="NO_EXTERNAL_REF")


def the_order(scene: Scene, player: Player, bought: Bought) -> SalesOrder:
    """The order as it is held here, as if it had been read or pushed before."""
    orders = {order["clientOrderId"]: order for order in scene.sandbox.get("/state")["sales_orders"]}
    there = orders[bought.external_order_id]
    order = SalesOrderFactory(
        merchant=player.shop.merchant,
        external_order_id=bought.external_order_id,
        rebound_id=there["id"],
        customer_address={},
    )
    for item in there["salesItems"]:
        SalesOrderItemFactory(
            order=order, external_item_id="bell-1", sku="bell", quantity=item["quantity"], rebound_id=item["id"]
        )
    return order


def lines(expected: Expected) -> list[str]:
    row = TikTokReturn.objects.get(return_id=expected.return_id)
    return list(row.items.order_by("return_line_item_id").values_list("return_line_item_id", flat=True))


def does(scene: Scene, act: Any, expected: Expected, **named: Any) -> ManualAct:
    done = act(tiktok_return=scene.row(expected.return_id), now=timezone.now(), **{**SAID, **named})
    scene.work()
    return done


def takes_back(scene: Scene, act: ManualAct) -> ManualAct:
    done = by_hand.undo(act=act, by="ines", reason="A slip of the hand", now=timezone.now())
    scene.work()
    return done


def linked(expected: Expected, units: int = 1) -> Expected:
    return replace(expected, outcome="MATCHED", reason="", kind="LINKED", units=units)


def held(expected: Expected) -> ReboundReturn:
    return ReboundReturn.objects.get(tiktok_returns__return_id=expected.return_id)


def test_link_after_creation_goes_through_the_late_link(scene: Scene, player: Player) -> None:
    bought, direct = unreferenced(scene, player)
    scene.starts(direct)
    order = the_order(scene, player, bought)
    (line,) = lines(direct)
    act = does(scene, by_hand.link, direct, sales_order=order, items={line: order.items.get().pk})
    assert scene.differences(linked(direct)) == ()
    assert (held(direct).linked_late_at is not None, scene.calls()[UPLOAD]) == (True, 1)
    assert (act.by, act.reason, act.match.note) == ("ines", SAID["reason"], SAID["reason"])
    assert act.match.trail[0]["rule"] == "by_hand"


def test_link_before_creation_makes_a_linked_return(scene: Scene, player: Player) -> None:
    player.shop.match_wait = timedelta(hours=1)
    player.shop.save()
    bought, direct = unreferenced(scene, player)
    scene.starts(direct)
    assert scene.rest(direct.return_id) == ("WAITING", "ORDER_AWAITED")
    order = the_order(scene, player, bought)
    does(scene, by_hand.link, direct, sales_order=order, items={lines(direct)[0]: order.items.get().pk})
    assert scene.differences(linked(direct)) == ()
    assert (held(direct).linked_late_at, LINK in scene.calls()) == (None, False)


def test_link_survives_every_automatic_run(scene: Scene, player: Player) -> None:
    bought, direct = unreferenced(scene, player)
    scene.starts(direct)
    order = the_order(scene, player, bought)
    does(scene, by_hand.link, direct, sales_order=order, items={lines(direct)[0]: order.items.get().pk})
    other = scene.story.synced(player, ("bell", "6.00", 1))
    scene.story.references(
        player, bought, items={bought.lines[0]["id"]: "bell-1"}, external_order_id=other.external_order_id
    )
    scene.runs_again(direct)
    wake(merchant=player.shop.merchant, external_order_ids=[other.external_order_id], now=timezone.now())
    scene.passes(days=3)
    assert scene.differences(linked(direct)) == ()
    assert Match.objects.current().get().decided_by == "ines"
    assert dry_run(tiktok_return=scene.row(direct.return_id), now=timezone.now()).changes_nothing


def test_link_to_an_order_that_rebound_gets_later_is_made_then(scene: Scene, player: Player) -> None:
    """Held here, pushed by the OMS, and not at ReBound yet."""
    bought = scene.story.buys(player, ("bell", "6.00", 1))
    (return_id,) = scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
    direct = Expected("", player, return_id, units=0, kind="DIRECT", outcome="NO_MATCH", reason="NO_EXTERNAL_REF")
    scene.starts(direct)
    order = SalesOrderFactory(
        merchant=player.shop.merchant,
        external_order_id=bought.external_order_id,
        rebound_id="",
        content_hash="x",
        source="PUSHED",
    )
    item = SalesOrderItemFactory(order=order, external_item_id="bell-1", sku="bell")
    does(scene, by_hand.link, direct, sales_order=order, items={lines(direct)[0]: item.pk})
    assert (held(direct).kind, scene.rest(return_id)) == ("DIRECT", ("DONE", ""))
    scene.story.pushes(player, bought, ("bell-1", "bell", "6.00", 1))
    scene.passes(hours=25)
    assert scene.differences(linked(direct)) == ()


def test_unlink_holds_until_it_is_taken_back(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    order = held(expected).sales_order
    act = does(scene, by_hand.unlink, expected)
    scene.runs_again(expected)
    wake(merchant=player.shop.merchant, external_order_ids=[order.external_order_id], now=timezone.now())
    scene.passes(days=3)
    rebound_return = held(expected)
    assert (rebound_return.kind, rebound_return.direct_reason) == ("DIRECT", "UNLINKED_BY_HAND")
    assert rebound_return.link_note.startswith("ReBound still holds the link")
    assert ItemMatch.objects.filter(released_at=None, item__isnull=False).count() == 0  # its unit is free
    takes_back(scene, act)
    assert scene.differences(expected) == ()
    assert held(expected).sales_order == order


def test_unlink_before_creation_goes_direct(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.fault("rebound", "status", status=503, path_contains="/return-orders", method="POST", times=2)
    scene.starts(expected)
    TikTokReturn.objects.update(rebound_return=None)
    ReboundReturn.objects.all().delete()
    does(scene, by_hand.unlink, expected)
    scene.passes(minutes=1)
    direct = replace(expected, outcome="NO_MATCH", reason="UNLINKED_BY_HAND", kind="DIRECT", units=0)
    assert scene.differences(direct) == ()


def test_link_taken_back_is_decided_by_the_rules_again(scene: Scene, player: Player) -> None:
    bought, direct = unreferenced(scene, player)
    scene.starts(direct)
    order = the_order(scene, player, bought)
    act = does(scene, by_hand.link, direct, sales_order=order, items={lines(direct)[0]: order.items.get().pk})
    takes_back(scene, act)
    assert (held(direct).kind, held(direct).direct_reason) == ("DIRECT", "NO_EXTERNAL_REF")
    assert held(direct).link_note.startswith("ReBound still holds the link")
    assert Match.objects.current().get().reason == "NO_EXTERNAL_REF"
    assert [each.act for each in ManualAct.objects.order_by("pk")] == ["LINK", "UNDO"]
    with pytest.raises(ActRefusedError, match="taken back already"):
        takes_back(scene, act)


def test_link_without_items_takes_those_that_the_reference_names(scene: Scene, player: Player) -> None:
    """The reference names the item; the order's id is spelled differently."""
    bought = scene.story.buys(player, ("bell", "6.00", 1))
    scene.story.references(player, bought, items={bought.lines[0]["id"]: "bell-1"})
    spelled = replace(bought, external_order_id=f"0{bought.external_order_id}")
    scene.story.pushes(player, spelled, ("bell-1", "bell", "6.00", 1))
    (return_id,) = scene.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False})
    direct = Expected("", player, return_id, units=0, kind="DIRECT", outcome="NO_MATCH", reason="ORDER_NOT_SYNCED")
    scene.starts(direct)
    order = the_order(scene, player, spelled)
    does(scene, by_hand.link, direct, sales_order=order)
    # No order was found, so no line was looked at, and nothing tells of the item: it is left out.
    assert Match.objects.current().get().outcome == "ORDER_ONLY"


@pytest.mark.parametrize("units", [1, 2])
def test_units_count_for_people_too(scene: Scene, player: Player, units: int) -> None:
    bought, direct = unreferenced(scene, player, units=2)
    scene.starts(direct)
    order = the_order(scene, player, bought)
    order.items.update(quantity=units)
    item = order.items.get()
    chosen = dict.fromkeys(lines(direct), item.pk)
    if units == 2:
        does(scene, by_hand.link, direct, sales_order=order, items=chosen)
        assert Match.objects.current().get().outcome == "MATCHED"
        return
    with pytest.raises(ActRefusedError, match="bell: 1 ordered, 0 in other returns, 2 asked for here"):
        does(scene, by_hand.link, direct, sales_order=order, items=chosen)
    assert (ManualAct.objects.count(), Match.objects.current().get().reason) == (0, "NO_EXTERNAL_REF")


def test_units_that_another_return_holds_are_refused(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    order = held(expected).sales_order
    _, direct = unreferenced(scene, player)
    scene.starts(direct)
    with pytest.raises(ActRefusedError, match="1 ordered, 1 in other returns"):
        does(scene, by_hand.link, direct, sales_order=order, items={lines(direct)[0]: order.items.get().pk})


def test_link_to_what_cannot_be_linked_is_refused(scene: Scene, player: Player) -> None:
    bought, direct = unreferenced(scene, player)
    scene.starts(direct)
    order = the_order(scene, player, bought)
    elsewhere = SalesOrderFactory()
    stranger = SalesOrderItemFactory()
    (line,) = lines(direct)
    with pytest.raises(ActRefusedError, match="no such order"):
        does(scene, by_hand.link, direct, sales_order=elsewhere)
    with pytest.raises(ActRefusedError, match="not one of this order's"):
        does(scene, by_hand.link, direct, sales_order=order, items={line: stranger.pk})
    with pytest.raises(ActRefusedError, match="has no line"):
        does(scene, by_hand.link, direct, sales_order=order, items={"nobody": order.items.get().pk})
    with pytest.raises(ActRefusedError, match="Say why"):
        does(scene, by_hand.link, direct, sales_order=order, reason="  ")
    SalesOrder.objects.update(cancelled_at=timezone.now())
    with pytest.raises(ActRefusedError, match="was cancelled"):
        does(scene, by_hand.link, direct, sales_order=order)
    assert ManualAct.objects.count() == 0


def test_link_of_what_is_linked_is_refused(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    with pytest.raises(ActRefusedError, match="Unlink it first"):
        does(scene, by_hand.link, expected, sales_order=held(expected).sales_order)


def test_link_of_a_cancelled_return_is_refused(scene: Scene, player: Player) -> None:
    bought, direct = unreferenced(scene, player)
    scene.starts(direct)
    scene.changes(player, direct.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    with pytest.raises(ActRefusedError, match="buyer cancelled"):
        does(scene, by_hand.link, direct, sales_order=the_order(scene, player, bought))


def test_parcel_belongs_to_one_order(scene: Scene) -> None:
    first, second = scene.story.one_parcel()
    for each in (first, second):
        scene.hints(each.player, each.return_id)
    scene.work()
    other = SalesOrderFactory(merchant=first.player.shop.merchant)
    does(scene, by_hand.unlink, first)
    with pytest.raises(ActRefusedError, match="same parcel"):
        does(scene, by_hand.link, first, sales_order=other)
    assert held(second).kind == "LINKED"  # the other return of the parcel still links it


def test_send_direct_can_be_taken_back_until_it_is_created(scene: Scene, player: Player) -> None:
    player.shop.match_wait = timedelta(hours=1)
    player.shop.save()
    _, direct = unreferenced(scene, player)
    scene.starts(direct)
    act = by_hand.send_direct(tiktok_return=scene.row(direct.return_id), now=timezone.now(), **SAID)
    takes_back(scene, act)
    assert scene.rest(direct.return_id) == ("WAITING", "ORDER_AWAITED")
    act = does(scene, by_hand.send_direct, direct)
    assert held(direct).direct_reason == "ASKED_BY_A_PERSON"
    with pytest.raises(ActRefusedError, match="created at ReBound already"):
        takes_back(scene, act)


def test_wait_that_is_ended_links_what_arrives_later(scene: Scene, player: Player) -> None:
    player.shop.match_wait = timedelta(hours=1)
    player.shop.save()
    bought, direct = unreferenced(scene, player)
    scene.starts(direct)
    does(scene, by_hand.cancel_wait, direct)
    assert scene.differences(direct) == ()
    scene.story.references(player, bought, items={bought.lines[0]["id"]: "bell-1"})
    scene.passes(hours=25)
    assert scene.differences(linked(direct)) == ()


def test_resolved_return_asks_for_nobody(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.fault("rebound", "status", status=400, path_contains="/return-orders", method="POST", times=1000)
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "CREATE_REFUSED")
    act = does(scene, by_hand.resolve, expected)
    scene.runs_again(expected)
    assert scene.rest(expected.return_id) == ("NOT_OURS", "RESOLVED_BY_HAND")
    scene.mends()
    takes_back(scene, act)
    scene.passes(minutes=1)
    assert scene.rest(expected.return_id) == ("DONE", "")


def test_resolved_return_that_tiktok_does_not_know_stays_resolved(scene: Scene, player: Player) -> None:
    expected = Expected("", player, "4035318504000099999")
    scene.starts(expected)
    scene.passes(hours=2)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "RETURN_NOT_FOUND")
    does(scene, by_hand.resolve, expected)
    scene.passes(hours=2)
    assert scene.rest(expected.return_id) == ("NOT_OURS", "RESOLVED_BY_HAND")


def test_resolved_return_that_the_buyer_cancels_is_cancelled(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    does(scene, by_hand.resolve, expected)
    scene.changes(player, expected.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    assert scene.at_rebound()[0]["status"] == "CANCELLED"


def test_match_again_follows_the_settings_of_now(scene: Scene, player: Player) -> None:
    player.shop.matching_enabled = False
    player.shop.save()
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    assert held(expected).direct_reason == "MATCHING_OFF"
    player.shop.matching_enabled = True
    player.shop.save()
    scene.runs_again(expected)
    assert held(expected).kind == "DIRECT"  # an automatic run does not reopen what was settled
    act = does(scene, by_hand.match_again, expected)
    assert scene.differences(expected) == ()
    with pytest.raises(ActRefusedError, match="nothing to take back"):
        takes_back(scene, act)


def test_match_again_leaves_a_decision_by_hand_alone(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    does(scene, by_hand.unlink, expected)
    with pytest.raises(ActRefusedError, match="ines decided it by hand"):
        does(scene, by_hand.match_again, expected)


def test_link_is_kept_here_where_rebound_holds_another(scene: Scene, player: Player) -> None:
    """Unlinked here, ReBound still holds the first link, and refuses a second."""
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    first = held(expected).sales_order
    does(scene, by_hand.unlink, expected)
    bought = scene.story.buys(player, ("bell", "6.00", 1))
    scene.story.pushes(player, bought, ("bell-1", "bell", "6.00", 1))
    order = the_order(scene, player, bought)
    does(scene, by_hand.link, expected, sales_order=order, items={lines(expected)[0]: order.items.get().pk})
    rebound_return = held(expected)
    assert (rebound_return.kind, rebound_return.sales_order) == ("LINKED", order)
    assert rebound_return.rebound_sales_order_id == first.rebound_id
    assert rebound_return.link_note.startswith("Linked here only.")


def test_act_on_several_says_what_became_of_each(scene: Scene, player: Player) -> None:
    done, direct = scene.buys_and_returns(player), unreferenced(scene, player)[1]
    scene.starts(done)
    player.shop.match_wait = timedelta(hours=1)
    player.shop.save()
    scene.starts(direct)
    rows = [scene.row(done.return_id), scene.row(direct.return_id)]
    now = timezone.now()
    several = by_hand.on_each(rows, lambda row: by_hand.cancel_wait(tiktok_return=row, now=now, **SAID))
    assert [act.tiktok_return_id for act in several.done] == [rows[1].pk]
    assert [(row.pk, why.split(":")[0]) for row, why in several.refused] == [
        (rows[0].pk, "It was created at ReBound already. Link it or unlink it instead.")
    ]
