"""The catch-up feed: what an OMS pushes to ReBound itself is held here soon after, the newest version of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from matching import order_feed
from matching.models import OrderFeed, OrderSource, SalesOrder
from matching.order_body import OrderFacts, check_order
from matching.order_feed import SEVERAL, feeds_are_due, read_feeds
from matching.order_sync import push_orders
from merchants.models import Merchant, ReboundAccount
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.conftest import Clock, in_threads
from tests.factories import MerchantFactory, ReboundAccountFactory

FIND = "rebound GET /sales-orders"


def body(order_id: str, *, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "clientOrderId": order_id,
        "clientMetadata": {"omsOrderId": order_id},
        "salesItems": [{"sku": "wool-socks", "quantity": quantity, "clientMetadata": {"omsItemId": f"{order_id}-1"}}],
        **more,
    }


class Desk:
    """A merchant whose OMS pushes to ReBound itself."""

    def __init__(self, sandbox: SandboxControl, clock: Clock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.account = self.new_account()
        self.merchant: Merchant = self.account.merchant
        self.told: list[str] = []
        sandbox.post("/settings", rebound_upsert=True)

    def new_account(self, **columns: Any) -> ReboundAccount:
        made = self.sandbox.post("/rebound-clients", name="A client")
        columns = {"follows_orders": True, "access_token": "", "access_token_expires_at": None} | columns
        account: ReboundAccount = ReboundAccountFactory(
            client_id=made["client_id"], client_secret=made["client_secret"], **columns
        )
        return account

    def at_rebound(self, order_id: str = "SO-1", *, account: ReboundAccount | None = None, **more: Any) -> Any:
        """The OMS pushes an order to ReBound."""
        options = {name: more.pop(name) for name in ("allow_duplicate",) if name in more}
        return self.sandbox.post(
            "/sales-orders", client_id=(account or self.account).client_id, order=body(order_id, **more), **options
        )

    def changes(self, order: Any, status: str) -> None:
        self.sandbox.post(f"/sales-orders/{order['id']}", status=status)

    def tell(self, merchant: Merchant, external_order_ids: Any) -> None:
        self.told += external_order_ids

    def reads(self) -> list[str]:
        """The next turn of the feed; answers the orders that it told of."""
        self.told = []
        self.clock.advance(minutes=6)
        read_feeds(now=timezone.now(), on_arrival=self.tell)
        return self.told

    def feed(self) -> OrderFeed:
        return OrderFeed.objects.get(account=self.account)

    def held(self) -> dict[str, int]:
        return {
            order.external_order_id: order.items.get().quantity
            for order in SalesOrder.objects.for_merchant(self.merchant)
        }


@pytest.fixture
def desk(sandbox: SandboxControl, db: None, clock: Clock) -> Desk:
    return Desk(sandbox, clock)


def test_orders_at_rebound_are_held_here_and_told_once(desk: Desk) -> None:
    order = desk.at_rebound()
    desk.at_rebound("SO-2", quantity=2)
    assert feeds_are_due(now=timezone.now())
    assert desk.reads() == ["SO-1", "SO-2"]
    assert desk.held() == {"SO-1": 1, "SO-2": 2}
    row = SalesOrder.objects.get(external_order_id="SO-1")
    assert (row.rebound_id, row.source, row.oms_order_id) == (order["id"], "READ_THROUGH", "SO-1")
    assert not feeds_are_due(now=timezone.now())
    assert desk.reads() == []
    assert desk.feed().last_error == ""


def test_account_that_does_not_follow_is_not_asked(desk: Desk) -> None:
    ReboundAccount.objects.update(follows_orders=False)
    desk.at_rebound()
    assert (feeds_are_due(now=timezone.now()), desk.reads(), desk.held()) == (False, [], {})


def test_changed_order_is_told_again_and_the_newest_stands(desk: Desk) -> None:
    desk.at_rebound()
    desk.reads()
    desk.at_rebound(quantity=4)
    assert desk.reads() == ["SO-1"]
    assert desk.held() == {"SO-1": 4}


def test_older_version_does_not_overwrite_a_newer(desk: Desk) -> None:
    desk.at_rebound()
    desk.reads()
    later = timezone.now() + timedelta(days=1)
    SalesOrder.objects.update(rebound_updated_at=later)  # a return was matched with a newer answer meanwhile
    desk.at_rebound(quantity=4)
    assert desk.reads() == []
    assert desk.held() == {"SO-1": 1}


def test_order_cancelled_at_rebound_is_cancelled_here(desk: Desk) -> None:
    order = desk.at_rebound()
    desk.reads()
    desk.changes(order, "CANCELLED")
    assert desk.reads() == ["SO-1"]
    assert SalesOrder.objects.get().cancelled_at is not None
    desk.changes(order, "ACTIVE")
    assert desk.reads() == ["SO-1"]
    assert SalesOrder.objects.get().cancelled_at is None


def test_pushed_order_learns_its_ids_and_keeps_what_was_pushed(desk: Desk) -> None:
    facts = check_order(body("SO-1", quantity=7))
    assert isinstance(facts, OrderFacts)
    push_orders(merchant=desk.merchant, orders=[facts], source=OrderSource.PUSHED, client=None, now=timezone.now())
    order = desk.at_rebound(quantity=2)
    assert desk.reads() == ["SO-1"]
    row = SalesOrder.objects.get()
    assert (row.source, row.rebound_id, row.items.get().rebound_id) == (
        "PUSHED",
        order["id"],
        order["salesItems"][0]["id"],
    )
    assert desk.held() == {"SO-1": 7}
    assert desk.reads() == []


def test_two_orders_of_one_id_are_linked_to_by_nobody_until_one_is_left(desk: Desk) -> None:
    desk.at_rebound()
    desk.reads()
    second = desk.at_rebound(quantity=3, allow_duplicate=True)
    assert desk.reads() == ["SO-1"]
    assert SalesOrder.objects.get().metadata_conflict == SEVERAL
    first = SalesOrder.objects.get().rebound_id
    desk.sandbox.post(f"/sales-orders/{first}", status="CANCELLED")
    assert desk.reads() == ["SO-1"]
    row = SalesOrder.objects.get()
    assert (row.metadata_conflict, row.rebound_id, row.cancelled_at) == ("", second["id"], None)
    assert desk.held() == {"SO-1": 3}


def test_merchants_do_not_mix(desk: Desk) -> None:
    other = desk.new_account()
    desk.at_rebound(quantity=2)
    desk.at_rebound(account=other, quantity=5)
    desk.reads()
    assert desk.held() == {"SO-1": 2}
    assert SalesOrder.objects.get(merchant=other.merchant).items.get().quantity == 5


@pytest.mark.parametrize(
    ("kind", "options"),
    [("status", {"status": 500}), ("drop_before", {}), ("drop_after", {}), ("html", {}), ("garbage_json", {})],
)
def test_failure_is_shown_and_the_next_turn_reads_on(desk: Desk, kind: str, options: dict[str, Any]) -> None:
    desk.at_rebound()
    desk.sandbox.post("/faults", remote="rebound", kind=kind, method="GET", times=9, **options)
    assert desk.reads() == []
    assert desk.feed().last_error
    desk.sandbox._session.delete(f"{desk.sandbox._url}/faults").raise_for_status()
    assert desk.reads() == ["SO-1"]
    assert desk.feed().last_error == ""


def test_failing_feed_holds_up_no_other(desk: Desk) -> None:
    other = desk.new_account()
    desk.at_rebound(account=other)
    ReboundAccount.objects.filter(pk=desk.account.pk).update(client_secret="wrong")
    assert desk.reads() == ["SO-1"]
    desk.account.refresh_from_db()
    assert desk.account.broken_reason == "CREDENTIALS_REFUSED"


def test_refusal_of_a_token_just_given_is_looked_at_again_within_a_minute(desk: Desk) -> None:
    """An account without returns on their way has its feed alone to find out that its credentials are over."""
    desk.sandbox.post("/faults", remote="rebound", kind="status", status=401, path_contains="/sales-orders", times=99)
    desk.reads()
    assert ReboundAccount.objects.get().broken_at is None
    desk.clock.advance(seconds=61)
    read_feeds(now=timezone.now(), on_arrival=desk.tell)
    assert ReboundAccount.objects.get().broken_reason == "CREDENTIALS_REFUSED"


def test_forbidden_feed_leaves_the_connection_alone(desk: Desk) -> None:
    desk.sandbox.post("/faults", remote="rebound", kind="status", status=403, method="GET")
    assert desk.reads() == []
    assert ReboundAccount.objects.get().broken_at is None
    assert desk.reads() == []
    assert desk.sandbox.get("/calls")["by_endpoint"][FIND] == 1
    desk.clock.advance(hours=1)
    desk.reads()
    assert desk.sandbox.get("/calls")["by_endpoint"][FIND] == 2


def test_long_list_is_read_in_turns_that_go_on_where_they_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(120):
        desk.at_rebound(f"SO-{number}")
    monkeypatch.setattr(order_feed, "SECONDS_A_TURN", -1.0)
    monkeypatch.setattr(order_feed, "SAME_MOMENT", timedelta(milliseconds=1))
    told = desk.reads()
    assert len(told) == 50
    assert desk.feed().resume_after is not None
    assert feeds_are_due(now=timezone.now())  # at once
    told = [*told, *desk.reads(), *desk.reads()]
    assert (len(told), len(desk.held()), desk.reads()) == (120, 120, [])
    assert desk.feed().resume_after is None


def test_worker_that_dies_is_followed_by_another_after_the_lease(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        desk.at_rebound(f"SO-{number}")

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    desk.clock.advance(minutes=1)
    with pytest.raises(KeyboardInterrupt):
        read_feeds(now=timezone.now(), on_arrival=dies)
    assert not feeds_are_due(now=timezone.now())
    desk.reads()
    assert len(desk.held()) == 60


def test_order_that_no_row_can_hold_ends_the_feed_of_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk.at_rebound("SO-1")
    desk.at_rebound("SO-2")
    real = order_feed.mirror

    def mirror(**given: Any) -> SalesOrder:
        if given["remote"].client_order_id == "SO-1":
            raise order_feed.DatabaseError("out of range")
        return real(**given)

    monkeypatch.setattr(order_feed, "mirror", mirror)
    assert desk.reads() == ["SO-2"]
    assert "an order of the feed could not be kept" in caplog.messages


def test_two_workers_at_once_read_a_feed_once(shared_database: None, sandbox: SandboxControl, clock: Clock) -> None:
    desk = Desk(sandbox, clock)
    desk.at_rebound()
    in_threads(2, lambda number: read_feeds(now=timezone.now(), on_arrival=desk.tell))
    assert desk.told == ["SO-1"]
    assert sandbox.get("/calls")["by_endpoint"][FIND] == 1


def test_page_of_unchanged_orders_costs_one_look(desk: Desk, django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        desk.at_rebound(f"SO-{number}")
    desk.reads()
    desk.clock.advance(minutes=6)
    with django_assert_max_num_queries(9):
        read_feeds(now=timezone.now(), on_arrival=desk.tell)


def test_new_merchant_starts_with_the_past_sixty_days(desk: Desk) -> None:
    MerchantFactory()
    desk.reads()
    feed = desk.feed()
    assert feed.read_until is not None
    assert order_feed._since(OrderFeed(account=desk.account), now=timezone.now()) < timezone.now() - timedelta(days=59)
