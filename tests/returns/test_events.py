"""What each stored notification does to our rows, whatever the order, and what one bad event does to the others."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from merchants.models import ShopAuthorization
from returns import events
from returns.events import handle_events
from returns.hints import Hint
from returns.models import TikTokReturn, WebhookEvent
from tests.factories import ShopFactory, TikTokReturnFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db
TOLD_AT = 1_767_225_700


@pytest.fixture
def shop() -> Any:
    return ShopFactory(authorization__authorized_at=datetime.fromtimestamp(TOLD_AT - 3600, tz=UTC))


def arrived(shop: Any, kind: int, /, *, data: Any = None, **columns: Any) -> WebhookEvent:
    """An event of this type, stored and not handled."""
    body = {"type": kind, "timestamp": TOLD_AT, "data": {} if data is None else data}
    columns = {"type": str(kind), "shop_id": shop.shop_id if shop else "", "body": json.dumps(body), **columns}
    return WebhookEventFactory(**columns)


def changed(shop: Any, return_id: Any = "4035", /, **data: Any) -> WebhookEvent:
    return arrived(shop, 12, data={"return_id": return_id, "order_id": "5764", **data})


def handled(*stored: WebhookEvent) -> list[tuple[str, str]]:
    """Handle what waits; the outcome and detail of each of these."""
    handle_events(now=timezone.now())
    rows = WebhookEvent.objects.in_bulk([event.pk for event in stored])
    assert all(row.handled_at is not None for row in rows.values())
    return [(rows[event.pk].outcome, rows[event.pk].detail) for event in stored]


def test_return_change_makes_a_due_return_of_the_shops_merchant(shop):
    event = changed(shop)
    assert handled(event) == [("APPLIED", "")]
    row = TikTokReturn.objects.get()
    assert (row.merchant, row.shop, row.return_id, row.order_id) == (shop.merchant, shop, "4035", "5764")
    assert (row.status, row.hint_count, row.fetched_hint_count) == ("OPEN", 1, 0)
    assert row.next_attempt_at <= timezone.now()
    assert row.correlation_id == event.correlation_id
    event.refresh_from_db()
    assert (event.merchant, event.tiktok_return) == (shop.merchant, row)


def test_return_change_of_a_known_return_is_one_more_hint(shop):
    row = TikTokReturnFactory(shop=shop, return_id="4035", status="DONE", correlation_id="first")
    assert handled(changed(shop), changed(shop)) == [("APPLIED", ""), ("APPLIED", "")]
    row.refresh_from_db()
    assert (row.hint_count, row.status, row.correlation_id) == (3, "DONE", "first")
    assert row.next_attempt_at <= timezone.now()


def test_event_of_one_shop_never_touches_the_return_of_another(shop):
    other = TikTokReturnFactory(return_id="4035")
    handled(changed(shop))
    other.refresh_from_db()
    assert (other.hint_count, other.next_attempt_at) == (1, None)
    assert TikTokReturn.objects.get(shop=shop).merchant == shop.merchant


def test_older_event_than_what_we_hold_changes_nothing(shop):
    seen_at = datetime.fromtimestamp(TOLD_AT, tz=UTC)
    row = TikTokReturnFactory(shop=shop, return_id="4035", tiktok_updated_at=seen_at)
    older = changed(shop, update_time=TOLD_AT - 1)
    assert handled(older) == [("NOTHING_TO_DO", "")]
    row.refresh_from_db()
    assert (row.hint_count, row.next_attempt_at) == (1, None)
    older.refresh_from_db()
    assert older.tiktok_return == row


@pytest.mark.parametrize(
    "update_time", [TOLD_AT, str(TOLD_AT + 1), None, "soon", True, [], 10**400, TOLD_AT * 1000, float("1e30")]
)
def test_event_that_is_not_surely_older_is_a_hint(shop, update_time):
    seen_at = datetime.fromtimestamp(TOLD_AT, tz=UTC)
    row = TikTokReturnFactory(shop=shop, return_id="4035", tiktok_updated_at=seen_at)
    handled(changed(shop, update_time=update_time))
    row.refresh_from_db()
    assert row.hint_count == 2


@pytest.mark.parametrize("return_id", [None, "", "x" * 65, "a\x00b", "\ud800", True, 1.5, [], {}])
def test_return_change_without_a_return_id_is_kept_with_its_reason(shop, return_id):
    assert handled(changed(shop, return_id)) == [("NOT_UNDERSTOOD", "data.return_id is no id of 1 to 64 characters.")]
    assert TikTokReturn.objects.count() == 0


def test_ids_as_numbers_are_read_exactly(shop):
    handled(changed(shop, 4035318504086604101, order_id=576461413038785753))
    row = TikTokReturn.objects.get()
    assert (row.return_id, row.order_id) == ("4035318504086604101", "576461413038785753")


def test_unusable_order_id_is_left_out(shop):
    assert handled(changed(shop, order_id=["5764"])) == [("APPLIED", "")]
    assert TikTokReturn.objects.get().order_id == ""


def test_deauthorization_breaks_the_connection(shop):
    now = timezone.now()
    assert handled(arrived(shop, 6, data={"message": "deauthorized"})) == [("APPLIED", "")]
    shop.authorization.refresh_from_db()
    assert shop.authorization.broken_reason == "DEAUTHORIZED"
    assert shop.authorization.broken_at >= now


def test_deauthorization_keeps_an_earlier_reason(shop):
    broken_at = timezone.now() - timedelta(days=1)
    ShopAuthorization.objects.update(broken_at=broken_at, broken_reason="SCOPE_MISSING")
    assert handled(arrived(shop, 6)) == [("NOTHING_TO_DO", "")]
    shop.authorization.refresh_from_db()
    assert (shop.authorization.broken_at, shop.authorization.broken_reason) == (broken_at, "SCOPE_MISSING")


def test_deauthorization_that_comes_after_a_new_authorization_breaks_nothing(shop):
    ShopAuthorization.objects.update(authorized_at=datetime.fromtimestamp(TOLD_AT + 1, tz=UTC))
    assert handled(arrived(shop, 6)) == [("NOTHING_TO_DO", "")]
    shop.authorization.refresh_from_db()
    assert (shop.authorization.broken_at, shop.authorization.broken_reason) == (None, "")


def test_deauthorization_in_the_second_of_the_authorization_counts(shop):
    authorized_at = datetime.fromtimestamp(TOLD_AT, tz=UTC) + timedelta(milliseconds=900)
    ShopAuthorization.objects.update(authorized_at=authorized_at)
    assert handled(arrived(shop, 6)) == [("APPLIED", "")]


@pytest.mark.parametrize("timestamp", [253402300799, 10**20, "soon", None])
def test_deauthorization_at_a_time_that_no_calendar_has_counts_from_now(shop, timestamp):
    body = json.dumps({"type": 6, "timestamp": timestamp, "data": {}})
    assert handled(arrived(shop, 6, body=body)) == [("APPLIED", "")]


def test_expiring_authorization_is_noted(shop):
    assert handled(arrived(shop, 7, data={"expiration_time": "1769817600"})) == [("APPLIED", "")]
    shop.authorization.refresh_from_db()
    assert shop.authorization.refresh_token_expires_at == datetime.fromtimestamp(1769817600, tz=UTC)
    assert shop.authorization.broken_at is None


@pytest.mark.parametrize("told", [{}, {"expiration_time": None}, {"expiration_time": "soon"}])
def test_expiry_that_cannot_be_read_changes_nothing(shop, told):
    expires_at = shop.authorization.refresh_token_expires_at
    assert handled(arrived(shop, 7, data=told)) == [("NOTHING_TO_DO", "")]
    shop.authorization.refresh_from_db()
    assert shop.authorization.refresh_token_expires_at == expires_at


@pytest.mark.parametrize("kind", [1, 2, 3, 11])
def test_types_that_need_nothing_are_marked_so(shop, kind):
    assert handled(arrived(shop, kind)) == [("NOTHING_TO_DO", "")]


@pytest.mark.parametrize("kind", [0, 4, 20, 9999])
def test_unknown_type_is_kept_with_its_merchant(shop, kind):
    event = arrived(shop, kind)
    assert handled(event) == [("UNKNOWN_TYPE", "")]
    event.refresh_from_db()
    assert event.merchant == shop.merchant


@pytest.mark.parametrize("shop_id", ["", "7999999999999999999"])
def test_unknown_shop_is_kept_without_merchant(shop_id):
    event = arrived(None, 12, data={"return_id": "4035"}, shop_id=shop_id)
    assert handled(event) == [("UNKNOWN_SHOP", "")]
    event.refresh_from_db()
    assert event.merchant is None
    assert TikTokReturn.objects.count() == 0


def test_event_of_rebound_is_kept(shop):
    assert handled(arrived(shop, 12, source="REBOUND")) == [("UNKNOWN_TYPE", "")]


@pytest.mark.parametrize("body", ["not json", "[]", '{"type":12}', "[" * 5000])
def test_poison_event_does_not_hold_up_the_others(shop, body, caplog):
    before, poison, after = changed(shop, "1"), arrived(shop, 12, body=body), changed(shop, "2")
    outcomes = handled(before, poison, after)
    assert [outcome for outcome, _ in outcomes] == ["APPLIED", "CRASHED", "APPLIED"]
    assert set(TikTokReturn.objects.values_list("return_id", flat=True)) == {"1", "2"}
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["an event crashed"]


def test_crash_in_the_middle_undoes_that_event_alone(shop, monkeypatch):
    take_hints = events.take_hints

    def crashing(hints: list[Hint], *, now: datetime) -> Any:
        taken = take_hints(hints, now=now)
        if any(hint.return_id == "2" for hint in hints):
            raise KeyError("2")
        return taken

    monkeypatch.setattr(events, "take_hints", transaction.atomic(crashing))
    stored = [changed(shop, "1"), changed(shop, "2"), changed(shop, "3")]
    assert handled(*stored) == [("APPLIED", ""), ("CRASHED", "KeyError"), ("APPLIED", "")]
    rows = {row.return_id: row for row in TikTokReturn.objects.all()}
    assert set(rows) == {"1", "3"}
    assert rows["1"].hint_count == 1
    told = WebhookEvent.objects.order_by("pk").values_list("tiktok_return", flat=True)
    assert list(told) == [rows["1"].pk, None, rows["3"].pk]


def test_failing_database_blames_no_event(shop, monkeypatch):
    """A deadlock says nothing about the event: all of the batch waits for the next try."""

    def deadlock(hints: list[Hint], *, now: datetime) -> Any:
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(events, "take_hints", deadlock)
    first, second = changed(shop, "1"), arrived(shop, 1)
    with pytest.raises(OperationalError):
        handle_events(now=timezone.now())
    assert WebhookEvent.objects.to_handle().count() == 2
    monkeypatch.undo()
    assert handled(first, second) == [("APPLIED", ""), ("NOTHING_TO_DO", "")]


def test_handled_event_is_not_handled_again(shop):
    event = changed(shop)
    assert handle_events(now=timezone.now()) == 1
    held = WebhookEvent.objects.filter(pk=event.pk).values().get()
    assert handle_events(now=timezone.now()) == 0
    assert WebhookEvent.objects.filter(pk=event.pk).values().get() == held
    assert TikTokReturn.objects.get().hint_count == 1


def test_event_that_two_workers_read_is_handled_by_one(shop, monkeypatch):
    """Both have read it as new; the other one is done with it before we begin to write."""
    changed(shop)
    understand = events._understand

    def slowly(waiting: list[WebhookEvent], *, now: datetime) -> Any:
        monkeypatch.undo()
        assert handle_events(now=now) == 1
        return understand(waiting, now=now)

    monkeypatch.setattr(events, "_understand", slowly)
    assert handle_events(now=timezone.now()) == 0
    assert TikTokReturn.objects.get().hint_count == 1


def test_oldest_events_come_first(shop):
    now = timezone.now()
    late = changed(shop, "late")
    WebhookEvent.objects.filter(pk=late.pk).update(received_at=now + timedelta(hours=1))
    for number in range(events.BATCH):
        changed(shop, str(number))
    assert handle_events(now=now) == events.BATCH
    assert list(WebhookEvent.objects.to_handle()) == [late]


def test_three_hundred_events_are_all_handled_in_batches(shop, django_assert_max_num_queries):
    stored = [
        WebhookEventFactory.build(
            shop_id=shop.shop_id, body=json.dumps({"type": 12, "data": {"return_id": str(number % 250)}})
        )
        for number in range(300)
    ]
    WebhookEvent.objects.bulk_create(stored)
    with django_assert_max_num_queries(20):
        assert handle_events(now=timezone.now()) == 200
    assert handle_events(now=timezone.now()) == 100
    assert handle_events(now=timezone.now()) == 0
    assert WebhookEvent.objects.filter(outcome="APPLIED").count() == 300
    assert TikTokReturn.objects.count() == 250
    assert TikTokReturn.objects.filter(hint_count=2).count() == 50
