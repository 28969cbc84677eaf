"""Checks against the sandbox: what they find, how often they call, and what becomes of them when things go wrong."""

import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from matching.coverage import round as round_module
from matching.coverage.models import CheckState, CoverageCheck, Failure
from matching.coverage.round import Round
from matching.coverage.running import carry_on, claim_next
from matching.coverage.services import cancel_check, start_check
from matching.decision import ReturnedLine
from matching.models import Match, SalesOrder
from matching.services import ReturnToMatch, match_return
from merchants.connections import rebound_for, tiktok_for
from merchants.models import ShopAuthorization
from tests.factories import SalesOrderFactory, SalesOrderItemFactory
from tests.matching.coverage.conftest import Checked

SEARCH = "tiktok POST /order/202309/orders/search"
REFERENCES = "tiktok GET /order/202406/orders/{id}/external_orders"
SALES_ORDERS = "rebound GET /sales-orders"


def test_every_step_of_the_funnel(checked: Checked):
    whole = checked.synced(2)
    bare = checked.buys()
    elsewhere = checked.half_synced(at_tiktok="M-1", pushed="", platform="MAGENTO")
    lost = checked.half_synced(at_tiktok="SO-LOST", pushed="")
    lineless = checked.half_synced(at_tiktok="SO-A", pushed="SO-A", item_at_tiktok="")
    unknown = checked.half_synced(at_tiktok="SO-B", pushed="SO-B", item_at_tiktok="7", item_pushed="8")
    check = checked.run()
    assert (check.state, check.failure) == (CheckState.DONE, "")
    assert (check.sampled, check.read, check.decided) == (7, 7, 7)
    assert (check.referenced, check.found, check.matched) == (5, 4, 2)
    assert checked.reasons(check, *whole, bare, elsewhere, lost, lineless, unknown) == [
        ("MATCHED", ""),
        ("MATCHED", ""),
        ("NO_MATCH", "NO_EXTERNAL_REF"),
        ("NO_MATCH", "REF_UNDER_OTHER_ORIGIN"),
        ("NO_MATCH", "ORDER_NOT_SYNCED"),
        ("ORDER_ONLY", "ITEM_REF_MISSING"),
        ("ORDER_ONLY", "ITEM_REF_UNKNOWN"),
    ]
    assert [row.where for row in (checked.order(check, each) for each in (whole[0], lost))] == ["REBOUND", ""]


def test_it_says_what_a_return_would_get(checked: Checked):
    bought = [
        *checked.synced(),
        checked.buys(),
        checked.half_synced(at_tiktok="M-1", pushed="M-1", platform="MAGENTO"),
        checked.half_synced(at_tiktok="SO-LOST", pushed="so-lost"),
        checked.half_synced(at_tiktok="SO-A", pushed="SO-A", item_at_tiktok=""),
        checked.half_synced(at_tiktok="SO-B", pushed="SO-B", item_at_tiktok="7", item_pushed="8"),
    ]
    check = checked.run()
    told = checked.reasons(check, *bought)
    shop = checked.player.shop
    decided = [
        match_return(
            shop=shop,
            subject=ReturnToMatch(
                return_id=f"4035{number}",
                tiktok_order_id=each.order_id,
                lines=tuple(ReturnedLine(line["id"], line["id"]) for line in each.lines),
            ),
            tiktok=tiktok_for(shop),
            rebound=rebound_for(shop.rebound_account),
            now=timezone.now(),
            known=None,
        )
        for number, each in enumerate(bought)
    ]
    assert told == [(match.outcome, match.reason) for match in decided]


def test_it_stores_no_order_and_no_match(checked: Checked):
    checked.synced(3)
    assert checked.run().matched == 3
    assert (SalesOrder.objects.count(), Match.objects.count()) == (0, 0)


def test_calls_are_as_few_as_can_be(checked: Checked):
    checked.synced(120)
    check = checked.run(size=110)
    assert (check.sampled, check.matched) == (110, 110)
    assert checked.calls() == {SEARCH: 2, REFERENCES: 110, SALES_ORDERS: 3}
    assert check.calls == {"searches": 2, "references": 110, "rebound": 3}


def test_what_is_held_here_asks_rebound_nothing(checked: Checked):
    for bought in checked.synced(3):
        order = SalesOrderFactory(merchant=checked.player.shop.merchant, external_order_id=bought.external_order_id)
        SalesOrderItemFactory(order=order, external_item_id=f"{bought.external_order_id}-tea-towel")
    check = checked.run()
    assert (check.matched, set(check.orders.values_list("where", flat=True))) == (3, {"BOTH"})
    assert checked.calls() == {SEARCH: 1, REFERENCES: 3}


def test_an_order_held_here_that_rebound_lacks_is_told(checked: Checked, kinds: Any):
    bought = checked.half_synced(at_tiktok="SO-1", pushed="")
    order = SalesOrderFactory(merchant=checked.player.shop.merchant, external_order_id="SO-1", rebound_id="")
    SalesOrderItemFactory(order=order, external_item_id="1")
    check = checked.run()
    assert checked.reasons(check, bought) == [("MATCHED", "")]
    assert (checked.order(check, bought).where, kinds(check)) == ("HERE", {"NOT_AT_REBOUND": 1})


def test_another_merchants_order_is_not_found(checked: Checked):
    bought = checked.half_synced(at_tiktok="SO-1", pushed="")
    order = SalesOrderFactory(merchant=checked.story.cast.oms.shop.merchant, external_order_id="SO-1")
    SalesOrderItemFactory(order=order, external_item_id="1")
    assert checked.reasons(checked.run(), bought) == [("NO_MATCH", "ORDER_NOT_SYNCED")]


def test_orders_that_cannot_be_returned_are_left_out(checked: Checked):
    checked.synced(1)
    for status in ("UNPAID", "CANCELLED", "ON_HOLD"):
        checked.sandbox.post("/orders", shop_id=checked.player.shop_id, lines=[{"sku": "tea-towel"}], status=status)
    assert checked.run().sampled == 1


def test_a_list_of_changed_orders_that_leaves_some_out_is_not_believed(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
):
    checked.synced(6)
    monkeypatch.setattr(round_module, "OLDER", timedelta(days=-1))  # as if ReBound's dates were others
    check = checked.run()
    assert (check.matched, check.calls["rebound"]) == (6, 1 + 6)


def test_a_list_of_changed_orders_that_breaks_off_is_completed_by_searches(checked: Checked):
    checked.synced(4)
    checked.fault("rebound", "status", status=400, path_contains="/sales-orders")
    check = checked.run()
    assert (check.state, check.matched) == (CheckState.DONE, 4)
    assert checked.calls()[SALES_ORDERS] == 1 + 4


def test_refusals_for_speed_are_waited_out(checked: Checked):
    checked.synced(40)
    checked.fault("tiktok", "status", status=429, path_contains="external_orders", skip=10, times=2)
    check = checked.run(size=40)
    assert (check.state, check.matched, check.calls["refused"]) == (CheckState.DONE, 40, 2)
    assert checked.calls()[REFERENCES] == 40 + 2


def test_retry_after_is_honored(checked: Checked):
    checked.synced(2)
    checked.fault("tiktok", "retry_after", path_contains="external_orders", retry_after=40)
    check = checked.start()
    claimed = claim_next(now=timezone.now(), at_once=1)
    assert claimed is not None
    carry_on(claimed[0], token=claimed[1])
    check.refresh_from_db()
    assert check.is_active
    assert 30 < (check.next_attempt_at - timezone.now()).total_seconds() <= 40
    assert claim_next(now=timezone.now(), at_once=1) is None
    assert checked.run(check).matched == 2


def test_one_answer_that_never_comes_fails_that_order_alone(checked: Checked):
    good = checked.synced(2)
    bad = checked.synced(1)
    checked.fault("tiktok", "code", code=36009003, path_contains=f"/{bad[0].order_id}/external_orders", times=50)
    check = checked.run()
    assert (check.state, checked.reasons(check, *good, *bad)) == (
        CheckState.DONE,
        [("MATCHED", ""), ("MATCHED", ""), ("NO_MATCH", "LOOKUP_FAILED")],
    )
    assert "36009003" in checked.order(check, bad[0]).problem


def test_an_outage_is_waited_for_and_then_given_up(checked: Checked):
    checked.synced(2)
    checked.fault("tiktok", "status", status=503, times=10_000)
    check = checked.run()
    assert (check.state, check.failure, check.decided) == (CheckState.FAILED, Failure.TIKTOK_UNAVAILABLE, 0)
    checked.sandbox._session.delete(f"{checked.sandbox._url}/faults")
    assert checked.run().matched == 2


def test_an_outage_that_passes_costs_nothing(checked: Checked):
    checked.synced(3)
    checked.fault("rebound", "status", status=503, path_contains="/sales-orders", times=13)
    check = checked.run()
    assert (check.state, check.matched, check.failure_detail) == (CheckState.DONE, 3, "")


def test_a_dead_authorization_ends_it_and_is_remembered(checked: Checked):
    checked.synced(1)
    checked.sandbox.post("/tokens/expire", kind="all")
    check = checked.run()
    assert (check.state, check.failure) == (CheckState.FAILED, Failure.TIKTOK_CONNECTION)
    authorization = checked.player.shop.authorization
    authorization.refresh_from_db()
    assert authorization.broken_at is not None


def test_a_refused_token_that_was_just_given_is_waited_out(checked: Checked):
    checked.synced(1)
    checked.fault("tiktok", "code", code=105002, path_contains="/orders/search", times=2)
    check = checked.run()
    assert (check.state, check.matched) == (CheckState.DONE, 1)
    assert not ShopAuthorization.objects.filter(broken_at__isnull=False).exists()


def test_a_missing_scope_ends_it_with_its_name(checked: Checked):
    checked.fault("tiktok", "code", code=105005, message="Access denied.", path_contains="/orders/search")
    check = checked.run()
    assert (check.state, check.failure) == (CheckState.FAILED, Failure.TIKTOK_SCOPE)
    checked.player.shop.authorization.refresh_from_db()
    assert checked.player.shop.authorization.broken_at is None


def test_canceled_in_the_middle_it_stops_and_keeps_what_it_has(checked: Checked, monkeypatch: pytest.MonkeyPatch):
    checked.synced(30)
    check = checked.start(size=30)
    monkeypatch.setattr(round_module, "STORE_SECONDS", 0.0)
    stored = Round._store

    def store_then_cancel(self: Round, rows: Any, *fields: str) -> None:
        stored(self, rows, *fields)
        cancel_check(self.check, now=timezone.now())

    monkeypatch.setattr(Round, "_store", store_then_cancel)
    check = checked.run(check)
    assert (check.state, check.sampled) == (CheckState.CANCELLED, 30)
    assert check.read < 30
    assert checked.calls()[REFERENCES] < 60


def test_a_round_that_was_overtaken_writes_nothing(checked: Checked):
    checked.synced(2)
    check = checked.start()
    claimed = claim_next(now=timezone.now(), at_once=1)
    assert claimed is not None
    CoverageCheck.objects.update(claim_token=uuid.uuid4())
    carry_on(claimed[0], token=claimed[1])
    check.refresh_from_db()
    assert (check.is_active, check.sampled_at, check.orders.count()) == (True, None, 0)


def test_a_killed_round_is_gone_on_from_where_its_rows_stand(checked: Checked, monkeypatch: pytest.MonkeyPatch):
    checked.synced(30)
    monkeypatch.setattr(round_module, "STORE_SECONDS", 0.0)
    check = checked.start(size=30)
    stored, died = Round._store, []

    def store_then_die(self: Round, rows: Any, *fields: str) -> None:
        stored(self, rows, *fields)
        if rows and not died:
            died.append(len(rows))
            raise KeyboardInterrupt

    monkeypatch.setattr(Round, "_store", store_then_die)
    claimed = claim_next(now=timezone.now(), at_once=1)
    assert claimed is not None
    with pytest.raises(KeyboardInterrupt):
        carry_on(claimed[0], token=claimed[1])
    assert claim_next(now=timezone.now(), at_once=5) is None  # the lease holds for a while
    called = checked.calls()[REFERENCES]
    checked.clock.advance(seconds=31)
    check = checked.run(check)
    assert (check.state, check.matched) == (CheckState.DONE, 30)
    assert checked.calls()[REFERENCES] <= called + 30 - died[0]


def test_a_check_whose_workers_die_is_given_up(checked: Checked):
    check = checked.start()
    CoverageCheck.objects.update(attempts=10)
    check = checked.run(check)
    assert (check.state, check.failure) == (CheckState.FAILED, Failure.CRASHED)


def test_our_own_error_is_told_and_raised(checked: Checked, monkeypatch: pytest.MonkeyPatch):
    check = checked.start()
    monkeypatch.setattr(Round, "_sample", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checked.run(check)
    check.refresh_from_db()
    assert (check.failure, check.failure_detail) == (Failure.CRASHED, "ZeroDivisionError: see the log")


def test_a_long_check_takes_several_rounds(checked: Checked, monkeypatch: pytest.MonkeyPatch):
    checked.synced(30)
    checked.sandbox.post("/settings", rate_limit_per_second=10)
    monkeypatch.setattr(round_module, "ROUND_SECONDS", 0.6)
    monkeypatch.setattr(
        checked.clock, "advance", lambda seconds: time.sleep(seconds)
    )  # the sandbox's limit knows no other clock
    check = checked.run(size=30)
    assert (check.state, check.matched) == (CheckState.DONE, 30)


def test_checks_leave_workers_for_labels(checked: Checked):
    checked.start()
    other = checked.story.cast.oms.shop
    start_check(shop=other, sample_size=20, now=timezone.now())
    assert claim_next(now=timezone.now(), at_once=1) is not None
    assert claim_next(now=timezone.now(), at_once=1) is None
    assert claim_next(now=timezone.now(), at_once=2) is not None


def test_a_shop_without_orders(checked: Checked, kinds: Any):
    check = checked.run()
    assert (check.state, check.sampled, kinds(check)) == (CheckState.DONE, 0, {"NOTHING_SAMPLED": 0})
