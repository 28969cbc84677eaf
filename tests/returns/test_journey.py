"""A return from webhook to label, chapter by chapter: what the buyer, ReBound and our tables show in the end."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from merchants.connections import rebound_for
from rebound_tts.demo.story import Expected
from returns import services
from returns.arrivals import wake
from returns.models import Step, StepAttempt, TikTokReturn
from tests.returns.scene import Scene

Tell = Callable[..., Any]
MOST_QUERIES = 12

CHAPTERS = [
    "all_matched",
    "two_units",
    "same_sku_twice",
    "partly_matched",
    "order_unknown",
    "order_arrives",
    "ambiguous",
    "other_origin",
    "matching_off",
    "one_parcel",
    "qr_code",
    "disorder",
    "refund_only",
    "cancelled",
    "linked_late",
    "linked_by_hand",
    "delivered_back",
    "first_chapter",
]


def test_story_has_no_chapter_that_is_not_told_here(scene: Scene) -> None:
    told = {each.title for name in CHAPTERS for each in _begin(scene, name)}
    assert told == {each.title for each in [*scene.story.chapters(), *scene.story.first_chapter()]}


def _begin(scene: Scene, chapter: str) -> list[Expected]:
    begun = getattr(scene.story, chapter)()
    return begun if isinstance(begun, list) else [begun]


@pytest.fixture
def _nobody_listens(scene: Scene) -> Iterator[None]:
    """An address for what the story makes the sandbox send: the test delivers its own."""
    scene.settings(webhook_url="http://127.0.0.1:9/", rebound_events_url="http://127.0.0.1:9/")
    yield
    scene.settings(webhook_url="", rebound_events_url="")


@pytest.mark.usefixtures("_nobody_listens")
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_ends_as_the_story_says(scene: Scene, tell: Tell, chapter: str) -> None:
    told = _begin(scene, chapter)
    for expected in told:
        tell(expected.player, expected.return_id, "")
    scene.work()
    for act in scene.story.later:
        act()
    if chapter == "disorder":
        old = {"return_status": "RETURN_OR_REFUND_REQUEST_PENDING", "update_time": 1_767_225_600}
        for _ in range(3):
            tell(told[0].player, told[0].return_id, "", tts_notification_id="1", data=old)
    scene.passes(minutes=1)
    for act in scene.story.after_delivery:
        act()
        for expected in told:
            tell(expected.player, expected.return_id, "")
    scene.work()
    # ReBound's events come by HTTP: test_rebound_events.py delivers them.
    told = [replace(expected, milestone="") for expected in told]
    assert [scene.differences(expected) for expected in told] == [()] * len(told)
    references = [order["rmaNumber"] for order in scene.at_rebound()]
    assert len(references) == len(set(references))


def test_return_takes_four_steps(scene: Scene, tell: Tell) -> None:
    expected = scene.story.all_matched()
    tell(expected.player, expected.return_id, "")
    assert scene.work() == 1
    assert scene.steps(expected.return_id) == [
        ("FETCH", "DONE"),
        ("MATCH", "DONE"),
        ("CREATE", "DONE"),
        ("DELIVER", "DONE"),
    ]


def test_return_takes_six_remote_calls(scene: Scene, tell: Tell) -> None:
    expected = scene.story.all_matched()
    order_id = scene.tiktok(expected.return_id)["order_id"]
    tell(expected.player, expected.return_id, order_id)
    scene.sandbox.post("/calls/reset")
    scene.work()
    assert scene.rest(expected.return_id) == ("DONE", "")
    calls = scene.calls()
    calls.pop("rebound POST /oauth2/token")
    assert calls == {
        "tiktok POST /return_refund/202309/returns/search": 1,
        "tiktok GET /order/202507/orders": 1,
        "tiktok GET /order/202406/orders/{id}/external_orders": 1,
        "rebound GET /sales-orders": 1,
        "rebound POST /return-orders": 1,
        "tiktok POST /return_refund/202405/returns/shipping_documents": 1,
    }


def test_webhook_again_after_the_label_asks_tiktok_and_does_nothing(scene: Scene, tell: Tell) -> None:
    expected = scene.story.all_matched()
    for _ in range(3):
        tell(expected.player, expected.return_id, "")
        scene.work()
    assert scene.differences(expected) == ()
    assert [step for step, _ in scene.steps(expected.return_id)] == [
        "FETCH",
        "MATCH",
        "CREATE",
        "DELIVER",
        "FETCH",
        "FETCH",
    ]
    assert len(scene.uploads(expected.return_id)) == 1


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The queries of each step, by its name; the most where it was carried out several times."""
    counted: dict[str, int] = {}

    def counting(step: Step, carry_out: Callable[..., str]) -> Callable[..., str]:
        def carry(journey: Any) -> str:
            with CaptureQueriesContext(connection) as captured:
                said = carry_out(journey)
            asked = [query for query in captured if "SAVEPOINT" not in query["sql"]]
            counted[step.value] = max(counted.get(step.value, 0), len(asked))
            return said

        return carry

    monkeypatch.setattr(
        services, "STEPS", {step: counting(step, carry_out) for step, carry_out in services.STEPS.items()}
    )
    return counted


@pytest.mark.parametrize("units", [1, 6])
def test_step_takes_at_most_twelve_queries_however_many_units(
    scene: Scene, queries: dict[str, int], units: int
) -> None:
    scene.settings(label_by_url=True)
    player = scene.story.cast.oms
    rebound_for(player.shop.rebound_account).find_return_orders(rma_number="-")  # it has its token
    bought = scene.story.synced(player, ("socks", "4.00", units), ("hat", "9.00", units))
    (return_id,) = scene.story.returns(
        player, bought, *(line["id"] for line in bought.lines), split_by_sku=False, webhook={"send": False}
    )
    scene.starts(Expected("", player, return_id))
    scene.changes(player, return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    assert scene.rest(return_id) == ("CANCELLED", "")
    late = scene.story.buys(player, ("socks", "4.00", units))
    lines = [line["id"] for line in late.lines]
    scene.story.references(player, late, items=dict.fromkeys(lines, "socks-1"))
    player.shop.match_wait = timedelta(0)
    player.shop.save()
    (return_id,) = scene.story.returns(player, late, *lines, webhook={"send": False})
    scene.starts(Expected("", player, return_id))
    scene.story.pushes(player, late, ("socks-1", "socks", "4.00", units))
    wake(merchant=player.shop.merchant, external_order_ids=[late.external_order_id], now=timezone.now())
    scene.work()
    assert scene.row(return_id).rebound_return.kind == "LINKED"
    over = {step: count for step, count in queries.items() if count > MOST_QUERIES}
    assert (set(queries), over) == ({step.value for step in Step}, {})


def test_attempts_are_written_down_with_what_they_found(scene: Scene) -> None:
    expected = scene.story.all_matched()
    scene.starts(expected)
    (order,) = scene.at_rebound()
    assert list(StepAttempt.objects.order_by("pk").values_list("detail", flat=True)) == [
        "AWAITING_BUYER_SHIP",
        "MATCHED",
        f"Linked {order['id']}",
        order["parcels"][0]["trackingNumber"],
    ]
    assert not StepAttempt.objects.filter(finished_at=None).exists()


def test_return_that_no_webhook_announced_is_found_by_its_sibling(scene: Scene) -> None:
    player = scene.story.cast.shopify
    bought = scene.story.synced(player, ("mug", "8.00", 1), ("bowl", "9.00", 1))
    told, untold = scene.story.returns(player, bought, *(line["id"] for line in bought.lines))
    scene.starts(Expected("", player, told))
    assert scene.differences(Expected("", player, told)) == ()
    assert scene.differences(Expected("", player, untold)) == ()


def test_approval_that_no_webhook_announced_is_found_by_a_sibling(scene: Scene) -> None:
    player = scene.story.cast.shopify
    bought = scene.story.synced(player, ("mug", "8.00", 1), ("bowl", "9.00", 1))
    first, second = scene.story.returns(
        player, bought, *(line["id"] for line in bought.lines), return_status="RETURN_OR_REFUND_REQUEST_PENDING"
    )
    scene.starts(Expected("", player, first), Expected("", player, second))
    assert scene.rest(second) == ("WAITING", "NOT_APPROVED")
    later = scene.tiktok(second)["update_time"] + 1
    scene.sandbox.post(
        f"/returns/{second}", return_status="AWAITING_BUYER_SHIP", update_time=later, webhook={"send": False}
    )
    scene.changes(player, first, return_status="AWAITING_BUYER_SHIP")
    assert scene.differences(Expected("", player, first)) == ()
    assert scene.differences(Expected("", player, second)) == ()


def test_shops_of_two_merchants_never_cross_though_their_ids_are_equal(scene: Scene) -> None:
    """Both OMSs call their order SO-1 and its item SO-1-lamp."""
    cast = scene.story.cast
    returned = {}
    for player, price in ((cast.shopify, "10.00"), (cast.oms, "99.00")):
        bought = scene.story.buys(player, ("lamp", price, 1))
        bought.external_order_id = "SO-1"
        scene.story.references(player, bought, items={bought.lines[0]["id"]: "SO-1-lamp"})
        scene.story.pushes(player, bought, ("SO-1-lamp", "lamp", price, 1))
        (returned[player.client_id],) = scene.story.returns(player, bought, bought.lines[0]["id"])
    scene.starts(*(Expected("", player, returned[player.client_id]) for player in (cast.shopify, cast.oms)))
    orders = {order["id"]: order["client_id"] for order in scene.sandbox.get("/state")["sales_orders"]}
    held = {order["client_id"]: order for order in scene.at_rebound()}
    assert set(held) == {cast.shopify.client_id, cast.oms.client_id}
    for client_id, order in held.items():
        assert orders[order["salesOrderId"]] == client_id
        assert order["rmaNumber"].endswith(returned[client_id])
    merchants = TikTokReturn.objects.values_list(
        "merchant",
        "rebound_return__merchant",
        "rebound_return__sales_order__merchant",
        "rebound_return__account__merchant",
    )
    assert [len(set(row)) for row in merchants] == [1, 1]
