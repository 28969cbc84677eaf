"""External references: an order's ids are written to TikTok once, nothing of others is overwritten, TikTok decides."""

from typing import Any

import pytest
from django.utils import timezone

from matching import references as references_module
from matching.errands import LEASE
from matching.models import OrderSource, ReferenceWrite
from matching.order_body import OrderFacts, check_order
from matching.order_sync import cancel_order, push_orders
from matching.references import claim_references, references_are_due, write_references
from merchants.models import Shop, ShopAuthorization
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Bought, Story
from tests.conftest import Clock, in_threads

WRITE = "tiktok POST /order/202406/orders/external_orders"
PATH = "/external_orders"


def body(bought: Bought, *, order_id: str = "", **more: Any) -> dict[str, Any]:
    """One OMS item a SKU, with a line of TikTok's for each unit of it."""
    by_sku: dict[str, list[str]] = {}
    for line in bought.lines:
        by_sku.setdefault(line["sku"], []).append(line["id"])
    order_id = order_id or bought.external_order_id
    return {
        "clientOrderId": order_id,
        "clientMetadata": {"omsOrderId": order_id, "ttsOrderId": bought.order_id},
        "salesItems": [
            {"sku": sku, "quantity": len(lines), "clientMetadata": {"omsItemId": sku, "ttsLineItemIds": lines}}
            for sku, lines in by_sku.items()
        ],
        **more,
    }


class Desk:
    """A shop that has its references written, and a worker."""

    def __init__(self, story: Story, clock: Clock) -> None:
        self.story, self.clock, self.sandbox = story, clock, story.sandbox
        self.player: Player = story.cast.oms
        self.shop: Shop = self.player.shop
        Shop.objects.filter(pk=self.shop.pk).update(writes_references=True)
        self.told: list[str] = []

    def buys(self, *lines: tuple[str, str, int]) -> Bought:
        return self.story.buys(self.player, *(lines or (("mug", "9.00", 2), ("tray", "19.00", 1))))

    def push(self, bought: Bought, *, merchant: Any = None, **more: Any) -> None:
        facts = check_order(body(bought, **more))
        assert isinstance(facts, OrderFacts), facts
        push_orders(
            merchant=merchant or self.shop.merchant,
            orders=[facts],
            source=OrderSource.PUSHED,
            client=None,
            now=timezone.now(),
        )

    def works(self) -> int:
        for tries in range(50):
            token, batches = claim_references(now=timezone.now(), limit=2)
            for keys in batches:
                write_references(keys, token=token, on_written=lambda shop, ids: self.told.extend(ids))
            if not batches:
                return tries
        raise AssertionError("no end")

    def later(self) -> None:
        self.clock.advance(hours=2)
        self.works()

    def fault(self, kind: str, *, method: str = "POST", **options: Any) -> None:
        self.sandbox.post("/faults", remote="tiktok", kind=kind, method=method, path_contains=PATH, **options)

    def held(self, bought: Bought) -> list[dict[str, Any]]:
        """What TikTok holds of an order."""
        held = {each["order_id"]: each["external_orders"] for each in self.sandbox.get("/state")["references"]}
        return list(held.get(bought.order_id, []))

    def wanted(self, bought: Bought) -> list[dict[str, Any]]:
        lines = sorted((line["id"], line["sku"]) for line in bought.lines)
        return [
            {
                "id": bought.external_order_id,
                "platform": self.shop.platform_origin,
                "line_items": [{"id": sku, "origin_id": line} for line, sku in lines],
            }
        ]

    def row(self) -> ReferenceWrite:
        return ReferenceWrite.objects.get()

    def writes(self) -> int:
        return int(self.sandbox.get("/calls")["by_endpoint"].get(WRITE, 0))

    def is_written(self, bought: Bought) -> None:
        assert self.held(bought) == self.wanted(bought)
        row = self.row()
        assert (row.state, row.detail, row.done, row.claim_token) == ("DONE", "", row.wanted, None)
        assert set(self.told) == {bought.order_id}


@pytest.fixture
def desk(story: Story, clock: Clock) -> Desk:
    return Desk(story, clock)


def test_ids_of_a_pushed_order_are_written_line_by_line(desk: Desk) -> None:
    bought = desk.buys()
    desk.push(bought)
    assert references_are_due(now=timezone.now())
    desk.works()
    desk.is_written(bought)
    assert (desk.writes(), references_are_due(now=timezone.now())) == (1, False)


def test_shop_that_has_it_switched_off_gets_none(desk: Desk) -> None:
    Shop.objects.update(writes_references=False)
    bought = desk.buys()
    desk.push(bought)
    assert (desk.works(), desk.held(bought), ReferenceWrite.objects.count()) == (0, [], 0)
    Shop.objects.filter(pk=desk.shop.pk).update(writes_references=True)
    desk.push(bought)  # unchanged, and never queued
    desk.works()
    desk.is_written(bought)


def test_order_without_tiktoks_id_is_not_queued(desk: Desk) -> None:
    bought = desk.buys()
    desk.push(bought, clientMetadata={"omsOrderId": bought.external_order_id})
    assert ReferenceWrite.objects.count() == 0


def test_many_orders_are_written_in_one_call(desk: Desk) -> None:
    orders = [desk.buys() for _ in range(7)]
    for bought in orders:
        desk.push(bought)
    desk.works()
    assert [desk.held(bought) for bought in orders] == [desk.wanted(bought) for bought in orders]
    assert desk.writes() == 1


def test_references_that_are_there_already_are_not_written_again(desk: Desk) -> None:
    bought = desk.buys()
    desk.story.references(desk.player, bought, items={line["id"]: line["sku"] for line in bought.lines})
    desk.push(bought)
    desk.works()
    assert (desk.row().state, desk.writes()) == ("DONE", 0)


def test_lines_that_another_wrote_stay(desk: Desk) -> None:
    bought = desk.buys()
    other = {"id": "by-hand", "origin_id": "000"}
    desk.story.references(desk.player, bought, items={"000": "by-hand"})
    desk.push(bought)
    desk.works()
    (held,) = desk.held(bought)
    assert held["line_items"] == [other, *desk.wanted(bought)[0]["line_items"]]


def test_id_of_another_under_the_platform_is_a_conflict_and_stays(desk: Desk) -> None:
    bought = desk.buys()
    desk.story.references(desk.player, bought, items={}, external_order_id="SOMEBODY-ELSES")
    before = desk.held(bought)
    desk.push(bought)
    desk.works()
    row = desk.row()
    assert (row.state, desk.held(bought), desk.writes(), desk.told) == ("CONFLICT", before, 0, [])
    assert "SOMEBODY-ELSES" in row.detail
    assert bought.external_order_id in row.detail


def test_item_id_of_another_is_a_conflict_and_stays(desk: Desk) -> None:
    bought = desk.buys()
    desk.story.references(desk.player, bought, items={bought.lines[0]["id"]: "another-item"})
    before = desk.held(bought)
    desk.push(bought)
    desk.works()
    assert (desk.row().state, desk.held(bought)) == ("CONFLICT", before)
    assert "another-item" in desk.row().detail


def test_reference_under_another_platform_is_no_conflict(desk: Desk) -> None:
    bought = desk.buys()
    desk.story.references(desk.player, bought, items={}, external_order_id="S-1", platform="SHOPIFY")
    desk.push(bought)
    desk.works()
    assert desk.row().state == "DONE"
    assert [each["platform"] for each in desk.held(bought)] == ["SHOPIFY", desk.shop.platform_origin]


def test_two_orders_of_ours_for_one_order_of_tiktoks_are_a_conflict(desk: Desk) -> None:
    bought = desk.buys()
    desk.push(bought)
    desk.works()
    desk.push(bought, order_id="SPLIT-2")
    desk.works()
    states = dict(ReferenceWrite.objects.values_list("order__external_order_id", "state"))
    assert states == {bought.external_order_id: "DONE", "SPLIT-2": "CONFLICT"}
    assert desk.held(bought) == desk.wanted(bought)


def test_what_we_wrote_ourselves_may_change(desk: Desk) -> None:
    bought = desk.buys(("mug", "9.00", 1))
    desk.push(bought)
    desk.works()
    bought.lines[0]["sku"] = "mug-blue"
    desk.push(bought)
    desk.works()
    desk.is_written(bought)


def test_order_of_another_shop_is_found_there(desk: Desk) -> None:
    """The order names no shop; the first that is asked does not know it."""
    merchant = desk.story.cast.shopify.shop.merchant
    Shop.objects.filter(merchant=merchant).update(
        writes_references=True, platform_origin=desk.shop.platform_origin, matching_enabled=True
    )
    second = Player(Shop.objects.filter(merchant=merchant).order_by("-pk").first(), "")
    bought = desk.story.buys(second, ("mug", "9.00", 1))
    desk.push(bought, merchant=merchant)
    assert desk.row().shop_id != second.shop.pk
    desk.works()
    desk.is_written(bought)
    assert desk.row().shop_id == second.shop.pk


def test_order_that_no_shop_of_the_merchant_has_is_refused(desk: Desk) -> None:
    """Another merchant's, for instance: nothing of it is seen or written."""
    foreign = desk.story.buys(desk.story.cast.shopify, ("mug", "9.00", 1))
    desk.push(foreign)
    desk.works()
    assert (desk.row().state, desk.held(foreign), desk.writes()) == ("REFUSED", [], 0)


def test_order_that_is_refused_alone_spoils_no_other(desk: Desk) -> None:
    good, bad = desk.buys(), desk.buys()
    desk.push(good)
    desk.push(bad)
    refused = {
        "code": "36020001",
        "message": "Invalid order_id",
        "detail": {"order_id": bad.order_id, "external_order": {"id": "x", "platform": "y"}},
    }
    desk.story.references(desk.player, good, items={line["id"]: line["sku"] for line in good.lines})
    later = desk.buys()
    desk.push(later)
    answer = {"code": 0, "message": "Success", "request_id": "1", "data": {"errors": [refused]}}
    desk.fault("status", body=answer, status=200)
    desk.works()
    states = dict(ReferenceWrite.objects.values_list("tiktok_order_id", "state"))
    # The answer was made up: nothing was written of the third either, which the reading back finds out.
    assert states == {good.order_id: "DONE", bad.order_id: "REFUSED", later.order_id: "RETRYING"}
    desk.later()
    assert desk.held(later) == desk.wanted(later)


@pytest.mark.parametrize(
    ("kind", "method", "options"),
    [
        ("drop_before", "POST", {}),
        ("drop_after", "POST", {}),
        ("status", "POST", {"status": 500}),
        ("retry_after", "POST", {"retry_after": 5}),
        ("html", "POST", {}),
        ("drop_before", "GET", {"times": 3}),
        ("drop_before", "GET", {"skip": 1, "times": 3}),
        ("garbage_json", "GET", {"times": 3}),
        ("code", "GET", {"code": 36009003, "times": 3}),
    ],
)
def test_failure_at_any_point_ends_in_the_references(
    desk: Desk, kind: str, method: str, options: dict[str, Any]
) -> None:
    bought = desk.buys()
    desk.push(bought)
    desk.fault(kind, method=method, **options)
    desk.works()
    assert desk.row().state == "RETRYING"
    assert desk.row().detail
    for _ in range(4):
        desk.later()
    desk.is_written(bought)
    assert desk.writes() <= 2


def test_worker_that_dies_after_the_call_is_followed_by_one_that_looks_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought = desk.buys()
    desk.push(bought)

    def dies(batch: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(references_module.Batch, "read_back", dies)
        with pytest.raises(KeyboardInterrupt):
            desk.works()
    assert desk.works() == 0  # the lease of the dead worker holds
    desk.clock.advance(seconds=LEASE.total_seconds() + 1)
    desk.works()
    desk.is_written(bought)
    assert desk.writes() == 1


def test_missing_permission_for_this_call_leaves_the_shop_alone(desk: Desk) -> None:
    desk.push(desk.buys())
    desk.fault("code", method="GET", code=105005)
    desk.works()
    assert (desk.row().state, ShopAuthorization.objects.filter(broken_at__isnull=False).count()) == ("RETRYING", 0)
    assert not references_are_due(now=timezone.now())
    desk.later()
    assert desk.row().state == "DONE"


def test_token_that_was_just_given_and_is_refused_is_waited_out(desk: Desk) -> None:
    desk.push(desk.buys())
    desk.fault("code", method="GET", code=105002, times=2)
    desk.works()
    assert (desk.row().state, ShopAuthorization.objects.filter(broken_at__isnull=False).count()) == ("RETRYING", 0)
    desk.later()
    assert desk.row().state == "DONE"


def test_cancelled_order_is_not_written(desk: Desk) -> None:
    bought = desk.buys()
    desk.push(bought)
    cancel_order(merchant=desk.shop.merchant, external_order_id=bought.external_order_id, now=timezone.now())
    desk.works()
    assert (desk.row().state, desk.held(bought)) == ("CANCELLED", [])


def test_version_pushed_while_one_is_in_hand_is_written_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    bought = desk.buys(("mug", "9.00", 1))
    desk.push(bought)
    real = references_module.Batch.write

    def meanwhile(batch: Any) -> None:
        real(batch)
        if bought.lines[0]["sku"] == "mug":
            bought.lines[0]["sku"] = "mug-blue"
            desk.push(bought)

    monkeypatch.setattr(references_module.Batch, "write", meanwhile)
    desk.works()
    desk.is_written(bought)


def test_two_workers_at_once_write_each_order_once(shared_database: None, sandbox: Any, clock: Clock) -> None:
    from rebound_tts.demo.cast import assemble  # noqa: PLC0415  # what the fixtures do, in a database that is shared

    desk = Desk(Story(sandbox, assemble(sandbox)), clock)
    orders = [desk.buys(("mug", "9.00", 1)) for _ in range(6)]
    for bought in orders:
        desk.push(bought)
    in_threads(2, lambda number: desk.works())
    assert [desk.held(bought) for bought in orders] == [desk.wanted(bought) for bought in orders]
    assert set(ReferenceWrite.objects.values_list("state", flat=True)) == {"DONE"}
    assert sorted(desk.told) == sorted(bought.order_id for bought in orders)
