"""Broken connections: a token renewed once, a grant that is dead, credentials refused; and what happens once mended."""

import pytest
from django.utils import timezone

from merchants.models import ReboundAccount, Shop, ShopAuthorization
from merchants.services import connect_shops
from rebound_tts.demo.cast import Player
from returns.services import wake_mended
from tests.returns.scene import CREATION, SEARCH, Scene

REFRESH = "tiktok GET /api/v2/token/refresh"
REBOUND_TOKEN = "rebound POST /oauth2/token"  # an address


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.shopify


def seller_of(scene: Scene, player: Player) -> str:
    (shop,) = (each for each in scene.sandbox.get("/state")["shops"] if each["id"] == player.shop_id)
    return str(shop["seller_id"])


def expires(scene: Scene, player: Player, kind: str) -> None:
    scene.sandbox.post("/tokens/expire", kind=kind, seller_id=seller_of(scene, player))


def authorizes_again(scene: Scene, player: Player) -> None:
    code = scene.sandbox.post("/authorization-codes", seller_id=seller_of(scene, player))["code"]
    connect_shops(merchant=player.shop.merchant, auth_code=code, now=timezone.now())


def wakes(scene: Scene) -> int:
    count = wake_mended(now=timezone.now())
    scene.work()
    return count


def broken() -> tuple[list[str], list[str]]:
    return (
        list(ShopAuthorization.objects.exclude(broken_at=None).values_list("broken_reason", flat=True)),
        list(ReboundAccount.objects.exclude(broken_at=None).values_list("broken_reason", flat=True)),
    )


def test_expired_token_is_renewed_once_for_all(scene: Scene, player: Player) -> None:
    told = [scene.buys_and_returns(player) for _ in range(3)]
    expires(scene, player, "access")
    scene.starts(*told)
    assert [scene.differences(each) for each in told] == [()] * 3
    assert (scene.calls()[REFRESH], broken()) == (1, ([], []))


def test_expired_rebound_token_is_renewed(scene: Scene, player: Player) -> None:
    first, second = scene.buys_and_returns(player), scene.buys_and_returns(player)
    scene.starts(first)
    scene.sandbox.post("/tokens/expire", client_id=player.client_id)
    scene.starts(second)
    assert scene.differences(second) == ()
    assert scene.calls()[REBOUND_TOKEN] == 2


def test_dead_grant_stops_the_shop_and_a_new_one_resumes_it(scene: Scene, player: Player) -> None:
    first, second = scene.buys_and_returns(player), scene.buys_and_returns(player)
    other = scene.buys_and_returns(scene.story.cast.oms)
    expires(scene, player, "all")
    scene.starts(first)
    scene.sandbox.post("/calls/reset")
    scene.starts(second, other)
    stopped = ("NEEDS_ATTENTION", "TIKTOK_CONNECTION")
    assert [scene.rest(each.return_id) for each in (first, second)] == [stopped] * 2
    assert scene.differences(other) == ()
    # No call is made for the shop that is broken; the other one's return is the only one that was searched for.
    assert (scene.calls().get(SEARCH), scene.calls().get(REFRESH)) == (2, None)
    assert broken() == (["TOKEN_REJECTED"], [])
    assert wakes(scene) == 0
    authorizes_again(scene, player)
    assert wakes(scene) == 2
    assert [scene.differences(each) for each in (first, second)] == [()] * 2


@pytest.mark.parametrize(
    ("path", "steps"),
    [("/external_orders", ["FETCH", "MATCH"]), ("/order/202507/orders", ["FETCH"]), ("/shipping_documents", None)],
)
def test_grant_that_dies_on_the_way_loses_nothing(
    scene: Scene, player: Player, path: str, steps: list[str] | None
) -> None:
    """In the middle of a look-up too: a return whose order was only not looked up must not go direct."""
    expected = scene.buys_and_returns(player)
    scene.fault("tiktok", "code", code=105002, path_contains=path)
    scene.fault("tiktok", "code", code=36004001, path_contains="/token/refresh")
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "TIKTOK_CONNECTION")
    if steps:
        assert [step for step, _ in scene.steps(expected.return_id)] == steps
    scene.passes(hours=1)
    authorizes_again(scene, player)
    wakes(scene)
    assert scene.differences(expected) == ()
    assert len(scene.at_rebound()) == 1


@pytest.mark.parametrize("path", ["/sales-orders", "/return-orders"])
def test_rebound_credentials_that_are_refused_stop_the_account(scene: Scene, player: Player, path: str) -> None:
    expected, next_one = scene.buys_and_returns(player), scene.buys_and_returns(player)
    scene.fault("rebound", "status", status=401, path_contains=path)
    scene.fault("rebound", "status", status=401, path_contains="/oauth2/token", skip=1, times=99)
    scene.starts(expected)
    scene.sandbox.post("/calls/reset")
    scene.starts(next_one)
    stopped = ("NEEDS_ATTENTION", "REBOUND_CONNECTION")
    assert [scene.rest(each.return_id) for each in (expected, next_one)] == [stopped] * 2
    assert (scene.calls(), broken()) == ({}, ([], ["CREDENTIALS_REFUSED"]))
    scene.passes(hours=1)
    scene.mends()
    ReboundAccount.objects.update(broken_at=None, broken_reason="")
    assert wakes(scene) == 2
    assert [scene.differences(each) for each in (expected, next_one)] == [()] * 2


def refuses(scene: Scene, vendor: str, times: int) -> None:
    """The next calls about returns refuse their token, whichever it is; tokens themselves are given."""
    if vendor == "tiktok":
        scene.fault("tiktok", "code", code=105002, path_contains="/returns/search", times=times)
    else:
        scene.fault("rebound", "status", status=401, path_contains="/return-orders", times=times)


both_vendors = pytest.mark.parametrize(
    ("vendor", "reason", "breaks"),
    [
        ("tiktok", "TIKTOK_CONNECTION", (["TOKEN_REJECTED"], [])),
        ("rebound", "REBOUND_CONNECTION", ([], ["CREDENTIALS_REFUSED"])),
    ],
)


@both_vendors
def test_token_that_was_just_given_and_is_refused_stops_nothing_if_it_passes(
    scene: Scene, player: Player, vendor: str, reason: str, breaks: object
) -> None:
    """Many workers renewed at once, and what they hold is over when they use it: the grant is good."""
    told = [scene.buys_and_returns(player) for _ in range(2)]
    refuses(scene, vendor, times=8)
    scene.starts(*told)
    assert ([scene.rest(each.return_id) for each in told], broken()) == ([("WAITING", "REMOTE_BUSY")] * 2, ([], []))
    scene.passes(seconds=30)
    assert ([scene.differences(each) for each in told], broken()) == ([()] * 2, ([], []))


@both_vendors
def test_token_that_was_just_given_and_is_refused_for_a_while_breaks_the_connection(
    scene: Scene, player: Player, vendor: str, reason: str, breaks: object
) -> None:
    expected = scene.buys_and_returns(player)
    refuses(scene, vendor, times=999)
    scene.starts(expected)
    scene.passes(seconds=50)
    assert broken() == ([], [])
    scene.passes(minutes=3)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", reason)
    assert broken() == breaks


@both_vendors
def test_refusal_after_calls_that_worked_is_doubted_anew(
    scene: Scene, player: Player, vendor: str, reason: str, breaks: object
) -> None:
    """However soon: tokens that end now and then, each in the middle of a call, say nothing together either."""
    for _ in range(4):
        expected = scene.buys_and_returns(player)
        refuses(scene, vendor, times=2)
        scene.starts(expected)
        assert scene.rest(expected.return_id) == ("WAITING", "REMOTE_BUSY")
        scene.passes(seconds=50)
        assert (scene.differences(expected), broken()) == ((), ([], []))


def test_grant_that_was_renewed_and_is_refused_is_doubted_anew_once_it_was_given_again(
    scene: Scene, player: Player
) -> None:
    expected = scene.buys_and_returns(player)
    refuses(scene, "tiktok", times=999)
    scene.starts(expected)
    scene.passes(minutes=3)
    assert broken() == (["TOKEN_REJECTED"], [])
    scene.mends()
    authorizes_again(scene, player)
    refuses(scene, "tiktok", times=2)
    wakes(scene)
    assert (scene.rest(expected.return_id), broken()) == (("WAITING", "REMOTE_BUSY"), ([], []))
    scene.passes(seconds=30)
    assert (scene.differences(expected), broken()) == ((), ([], []))


@pytest.mark.parametrize(("code", "reason"), [(105004, "TOKEN_REJECTED"), (105005, "SCOPE_MISSING")])
def test_grant_that_lacks_the_region_or_the_permission_is_final(
    scene: Scene, player: Player, code: int, reason: str
) -> None:
    """No other token helps (TikTok reference, 3.2), so that nothing is in doubt."""
    expected = scene.buys_and_returns(player)
    scene.fault("tiktok", "code", code=code, path_contains="/returns/search")
    scene.starts(expected)
    assert (scene.rest(expected.return_id), broken()) == (("NEEDS_ATTENTION", "TIKTOK_CONNECTION"), ([reason], []))


def test_one_permission_that_is_missing_costs_the_link_and_not_the_label(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.fault("tiktok", "code", code=105005, path_contains="/external_orders", times=99)
    scene.starts(expected)
    scene.passes(minutes=1)
    assert scene.row(expected.return_id).rebound_return.direct_reason == "LOOKUP_FAILED"
    assert (len(scene.uploads(expected.return_id)), broken()) == (1, ([], []))


def test_orders_that_rebound_does_not_show_cost_the_link_and_not_the_label(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.fault("rebound", "status", status=403, method="GET", path_contains="/sales-orders", times=99)
    scene.starts(expected)
    scene.passes(minutes=1)
    assert scene.row(expected.return_id).rebound_return.direct_reason == "LOOKUP_FAILED"
    assert (len(scene.uploads(expected.return_id)), broken()) == (1, ([], []))


def test_shop_without_an_account_waits_for_one(scene: Scene, player: Player) -> None:
    account, player.shop.rebound_account = player.shop.rebound_account, None
    player.shop.save()
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    scene.passes(minutes=1)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "NO_REBOUND_ACCOUNT")
    Shop.objects.filter(pk=player.shop.pk).update(rebound_account=account)
    assert wakes(scene) == 1
    assert scene.differences(expected) == ()


def test_return_stays_with_its_account_when_the_shop_moves_to_another(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    made = scene.sandbox.post("/rebound-clients", name="The new one")
    Shop.objects.filter(pk=player.shop.pk).update(
        rebound_account=ReboundAccount.objects.create(
            merchant=player.shop.merchant, client_id=made["client_id"], client_secret=made["client_secret"]
        )
    )
    scene.changes(player, expected.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    assert [order["status"] for order in scene.at_rebound()] == ["CANCELLED"]
    assert scene.calls()[CREATION] == 1


def test_webhook_during_a_broken_connection_is_not_lost(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    ShopAuthorization.objects.update(broken_at=timezone.now(), broken_reason="REFUSED")
    scene.changes(player, expected.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "TIKTOK_CONNECTION")
    ShopAuthorization.objects.update(broken_at=None, broken_reason="")
    wakes(scene)
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
