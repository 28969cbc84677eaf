"""The relay while something fails, or happens at the same moment: an order still ends up at ReBound once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from matching import relay as relay_module
from matching.errands import LEASE
from matching.models import OrderRelay, SalesOrder
from matching.relay import claim_relays, next_relay, relay, relays_are_due
from merchants.models import ReboundAccount
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.conftest import Clock, in_threads
from tests.factories import MerchantFactory
from tests.matching.relay_desk import FIND, POST, Desk, facts, push


@pytest.fixture
def desk(sandbox: SandboxControl, db: None, clock: Clock) -> Desk:
    return Desk(sandbox, clock)


# What may fail


@pytest.mark.parametrize("upserts", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("drop_after", {}),
        ("drop_before", {}),
        ("status", {"status": 500}),
        ("status", {"status": 503}),
        ("retry_after", {"retry_after": 7}),
        ("empty", {"status": 201}),
        ("garbage_json", {"status": 201}),
        ("html", {}),
    ],
)
def test_failed_post_ends_in_one_order(desk: Desk, kind: str, options: dict[str, Any], upserts: bool) -> None:
    desk.sandbox.post("/settings", rebound_upsert=upserts)
    desk.fault(kind, **options)
    desk.push()
    assert desk.works() == 1
    row = desk.row()
    assert (row.state, row.claim_token) == ("RETRYING", None)
    assert row.detail
    assert row.next_attempt_at > timezone.now()
    desk.later()
    desk.is_at_rebound_once()


def test_order_is_looked_up_before_it_is_posted_again(desk: Desk) -> None:
    desk.fault("drop_after")
    desk.push()
    desk.works()
    assert desk.row().asked == SalesOrder.objects.get().content_hash
    desk.later()
    desk.is_at_rebound_once()
    assert (desk.calls(POST), desk.calls(FIND)) == (1, 1)


def test_failed_look_up_does_not_lead_to_a_second_post(desk: Desk) -> None:
    desk.fault("drop_after")
    desk.fault("status", method="GET", status=500, times=2)
    desk.push()
    desk.works()
    desk.later()
    assert (desk.row().state, desk.calls(POST)) == ("RETRYING", 1)
    desk.later()
    desk.later()
    desk.is_at_rebound_once()
    assert desk.calls(POST) == 1


@pytest.mark.parametrize("upserts", [False, True])
def test_worker_that_dies_between_the_call_and_its_record_leaves_one_order(
    desk: Desk, upserts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.sandbox.post("/settings", rebound_upsert=upserts)
    desk.push()

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(relay_module, "note_rebound_ids", dies)
        with pytest.raises(KeyboardInterrupt):
            desk.works()
    assert (len(desk.held()), desk.row().state) == (1, "QUEUED")
    assert desk.works() == 0  # the lease of the dead worker holds
    desk.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert desk.works() == 1
    desk.is_at_rebound_once()
    assert desk.calls(POST) == 1


def test_lost_answer_to_a_newer_version_is_repeated_where_rebound_holds_the_older(desk: Desk) -> None:
    desk.sandbox.post("/settings", rebound_upsert=True)
    desk.push()
    desk.works()
    desk.fault("drop_before")
    desk.push(quantity=3)
    desk.works()
    desk.later()
    desk.is_at_rebound_once(quantity=3)


def test_refused_order_waits_for_a_person_or_a_newer_version(desk: Desk) -> None:
    desk.fault("status", status=422, message="hsCode is unknown")
    desk.push()
    desk.works()
    row = desk.row()
    assert (row.state, row.asked, row.next_attempt_at) == ("REFUSED", "", None)
    assert "hsCode is unknown" in row.detail
    assert "Unseen" not in row.detail
    desk.later()
    assert desk.calls(POST) == 1
    desk.push(quantity=2)
    desk.works()
    desk.is_at_rebound_once(quantity=2)


def test_refused_credentials_break_the_connection_until_they_are_mended(desk: Desk) -> None:
    ReboundAccount.objects.update(client_secret="wrong")
    desk.push()
    desk.works()
    account = ReboundAccount.objects.get()
    assert (account.broken_reason, desk.row().state) == ("CREDENTIALS_REFUSED", "RETRYING")
    desk.later()
    assert desk.calls(POST) == 0
    ReboundAccount.objects.update(client_secret=desk.account.client_secret, broken_at=None, broken_reason="")
    desk.works()
    desk.is_at_rebound_once()


def test_token_that_was_just_given_and_is_refused_is_waited_out(desk: Desk) -> None:
    desk.fault("status", status=401, times=2)
    desk.push()
    desk.works()
    assert (ReboundAccount.objects.get().broken_at, desk.row().state, desk.calls(POST)) == (None, "RETRYING", 2)
    desk.later()
    desk.is_at_rebound_once()


def test_forbidden_orders_leave_the_connection_alone(desk: Desk) -> None:
    """Labels need the connection too, and may well be allowed."""
    desk.fault("status", status=403)
    push(desk.merchant, facts("SO-1"), facts("SO-2"))
    token, (key,) = claim_relays(now=timezone.now(), limit=1)
    relay(key, token=token, on_landed=desk.land)
    account = ReboundAccount.objects.get()
    assert (account.broken_at, desk.works(), desk.calls(POST)) == (None, 0, 1)
    desk.later()
    assert len(desk.held()) == 2


def test_busy_rebound_is_left_alone_by_all_orders_of_the_account(desk: Desk) -> None:
    desk.fault("retry_after", retry_after=60)
    push(desk.merchant, *(facts(f"SO-{number}") for number in range(20)))
    desk.works()
    assert desk.calls(POST) <= relay_module.AT_A_TIME_AN_ACCOUNT + 4
    before = desk.calls(POST)
    desk.clock.advance(seconds=50)
    assert (desk.works(), desk.calls(POST)) == (0, before)
    desk.clock.advance(seconds=70)
    desk.works()
    assert len(desk.held()) == 20


def test_crash_of_ours_is_recorded_and_tried_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.push()
    with monkeypatch.context() as patch:
        patch.setattr(relay_module, "relay_body", lambda order: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            desk.works()
    assert (desk.row().state, desk.row().claim_token) == ("RETRYING", None)
    assert "ZeroDivisionError" in desk.row().detail
    desk.later()
    desk.is_at_rebound_once()


# At the same moment


@pytest.mark.parametrize("fails", [False, True])
def test_version_pushed_while_one_is_in_hand_ends_up_at_rebound(
    desk: Desk, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.sandbox.post("/settings", rebound_upsert=True)
    desk.push()
    if fails:
        desk.fault("status", status=422)
    real = relay_module.relay_body

    def meanwhile(order: SalesOrder) -> dict[str, Any]:
        sent = real(order)
        if SalesOrder.objects.get().items.get().quantity == 1:
            desk.push(quantity=5)
        return sent

    monkeypatch.setattr(relay_module, "relay_body", meanwhile)
    assert desk.works() == 2
    desk.is_at_rebound_once(quantity=5)


def test_worker_that_lost_its_lease_does_not_post(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood still before its call; another worker has sent a newer version since."""
    desk.sandbox.post("/settings", rebound_upsert=True)
    desk.push()
    token, (key,) = claim_relays(now=timezone.now(), limit=1)
    real = relay_module.rebound_for

    def stands_still(account: ReboundAccount) -> Any:
        monkeypatch.setattr(relay_module, "rebound_for", real)
        desk.clock.advance(seconds=LEASE.total_seconds() + 1)
        desk.push(quantity=7)
        desk.works()
        return real(account)

    monkeypatch.setattr(relay_module, "rebound_for", stands_still)
    relay(key, token=token, on_landed=desk.land)
    desk.is_at_rebound_once(quantity=7)
    assert desk.calls(POST) == 1


def test_late_finisher_does_not_hide_what_came_since(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sandbox.post("/settings", rebound_upsert=True)
    desk.push()
    token, (key,) = claim_relays(now=timezone.now(), limit=1)
    OrderRelay.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    claim_relays(now=timezone.now(), limit=1)
    relay(key, token=token, on_landed=desk.land)  # nothing: the claim is another's
    assert (desk.calls(POST), desk.row().state) == (0, "QUEUED")


def test_two_workers_at_once_post_each_order_once(shared_database: None, sandbox: SandboxControl, clock: Clock) -> None:
    desk = Desk(sandbox, clock)
    push(desk.merchant, *(facts(f"SO-{number}") for number in range(12)))
    in_threads(2, lambda number: desk.works())
    assert sorted(order["clientOrderId"] for order in desk.held()) == sorted(f"SO-{number}" for number in range(12))
    assert desk.calls(POST) == 12
    assert set(OrderRelay.objects.values_list("state", flat=True)) == {"DONE"}


def test_pushes_during_the_relay_end_in_the_newest(
    shared_database: None, sandbox: SandboxControl, clock: Clock
) -> None:
    desk = Desk(sandbox, clock)
    sandbox.post("/settings", rebound_upsert=True, rebound_latency_ms=3)

    def act(number: int) -> None:
        if number:
            for _ in range(15):
                desk.works()
        else:
            for quantity in range(1, 11):
                desk.push(quantity=quantity, updatedAt=f"2026-11-20T09:31:{quantity:02}Z")

    in_threads(3, act)
    desk.works()
    desk.is_at_rebound_once(quantity=10)


# Whose turn it is


def test_a_backlog_of_one_merchant_delays_no_other(desk: Desk) -> None:
    other = desk.new_account(MerchantFactory())
    push(desk.merchant, *(facts(f"SO-{number}") for number in range(30)))
    push(other.merchant, facts("SO-B"))
    _, keys = claim_relays(now=timezone.now(), limit=4)
    owners = list(OrderRelay.objects.filter(pk__in=keys).values_list("merchant", flat=True))
    assert (len(owners), owners.count(other.merchant_id)) == (3, 1)  # an even share each; the rest at the next look


def test_one_account_holds_only_so_many_threads(desk: Desk) -> None:
    push(desk.merchant, *(facts(f"SO-{number}") for number in range(30)))
    claimed = [len(claim_relays(now=timezone.now(), limit=8)[1]) for _ in range(3)]
    assert claimed == [relay_module.AT_A_TIME_AN_ACCOUNT, 0, 0]


def test_broken_account_is_not_looked_at(desk: Desk) -> None:
    desk.push()
    assert next_relay(now=timezone.now()) == desk.row().pk
    ReboundAccount.objects.update(broken_at=timezone.now(), broken_reason="CREDENTIALS_REFUSED")
    assert (relays_are_due(now=timezone.now()), next_relay(now=timezone.now()), desk.works()) == (False, None, 0)


def test_merchants_with_equal_ids_do_not_mix(desk: Desk) -> None:
    other = desk.new_account(MerchantFactory())
    desk.push()
    push(other.merchant, facts("SO-1", quantity=9))
    desk.works()
    held = {order["client_id"]: order for order in desk.held()}
    for account, quantity in ((desk.account, 1), (other, 9)):
        ours = SalesOrder.objects.get(merchant=account.merchant)
        assert held[account.client_id]["salesItems"][0]["quantity"] == quantity
        assert ours.rebound_id == held[account.client_id]["id"]


def test_queueing_costs_a_batch_one_statement(desk: Desk) -> None:
    def cost(number: int, orders: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            push(desk.merchant, *(facts(f"SO-{number}-{each}") for each in range(orders)))
        return len(captured)

    relayed = cost(1, 1)
    assert cost(2, 3) == relayed
    ReboundAccount.objects.update(relays_orders=False)
    assert cost(3, 3) == relayed - 1


def test_rows_that_contradict_themselves_are_refused(desk: Desk) -> None:
    desk.push()
    wrong: list[Callable[[], Any]] = [
        lambda: OrderRelay.objects.update(state="DONE"),
        lambda: OrderRelay.objects.update(next_attempt_at=None),
        lambda: OrderRelay.objects.update(done="x"),
    ]
    for act in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            act()
