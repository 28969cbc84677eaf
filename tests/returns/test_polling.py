"""Polling: a return whose webhooks were all lost still gets its label, and history that needs none gets no row."""

from datetime import timedelta

import pytest
from django.utils import timezone

from merchants.models import Shop, ShopAuthorization
from rebound_tts.demo.story import Story
from returns.models import ReturnPoll, TikTokReturn
from returns.polling import poll_due, polls_are_due
from tests.returns.conftest import the_return

SILENT = {"send": False}
SEARCH = "tiktok POST /return_refund/202309/returns/search"


def calls(story: Story) -> int:
    """How often returns were searched."""
    return story.sandbox.get("/calls")["by_endpoint"].get(SEARCH, 0)


@pytest.fixture
def quiet(story: Story) -> tuple[Story, str, str]:
    """A return that no webhook announced."""
    player = story.cast.oms
    bought = story.synced(player, ("desk-lamp", "54.50", 1))
    (return_id,) = story.returns(player, bought, bought.lines[0]["id"], webhook=SILENT)
    return story, return_id, bought.order_id


def test_return_without_webhook_is_found_and_delivered(quiet, work):
    story, return_id, _ = quiet
    poll_due(now=timezone.now())
    work()
    row = the_return(return_id)
    assert (row.status, story.sandbox.label_of(return_id) is not None) == ("DONE", True)


def test_change_without_webhook_is_noticed(quiet, work, clock):
    story, return_id, _ = quiet
    poll_due(now=timezone.now())
    work()
    clock.advance(minutes=16)
    story.sandbox.post(
        f"/returns/{return_id}",
        return_status="RETURN_OR_REFUND_REQUEST_CANCEL",
        update_time=int(timezone.now().timestamp()),
        webhook=SILENT,
    )
    poll_due(now=timezone.now())
    work()
    assert the_return(return_id).status == "CANCELLED"


def test_poll_that_finds_nothing_new_gives_no_work(quiet, work, clock):
    for _ in range(2):  # the second look sees what our own upload changed
        poll_due(now=timezone.now())
        work()
        clock.advance(minutes=16)
    poll_due(now=timezone.now())
    assert TikTokReturn.objects.due(now=timezone.now()).count() == 0


def test_history_that_needs_no_label_gets_no_row(story, work):
    expected = story.refund_only()
    poll_due(now=timezone.now())
    assert not TikTokReturn.objects.filter(return_id=expected.return_id).exists()


def test_poll_is_due_once_a_shop_and_then_after_its_pause(story, clock):
    assert polls_are_due(now=timezone.now())
    assert poll_due(now=timezone.now()) == 3
    assert not polls_are_due(now=timezone.now())
    clock.advance(minutes=14)
    assert poll_due(now=timezone.now()) == 0
    clock.advance(minutes=2)
    assert poll_due(now=timezone.now()) == 3


def test_failed_poll_keeps_its_window(story, clock):
    poll_due(now=timezone.now())
    before = dict(ReturnPoll.objects.values_list("shop_id", "polled_until"))
    clock.advance(minutes=16)
    story.sandbox.post("/faults", remote="tiktok", path_contains="/returns/search", kind="status", status=500, times=3)
    poll_due(now=timezone.now())
    assert dict(ReturnPoll.objects.values_list("shop_id", "polled_until")) == before
    assert all("500" in error for error in ReturnPoll.objects.values_list("last_error", flat=True))


@pytest.fixture
def busy(story: Story, monkeypatch) -> Story:
    """A shop with 25 returns that no webhook announced, searched in pages of ten."""
    monkeypatch.setattr("rebound_tts.clients.tiktok_shop.LARGEST_RETURN_PAGE", 10)
    player = story.cast.oms
    ReturnPoll.objects.bulk_create(
        ReturnPoll(merchant=shop.merchant, shop=shop, next_poll_at=timezone.now() + timedelta(days=1))
        for shop in Shop.objects.exclude(pk=player.shop.pk).select_related("merchant")
    )
    start = int(timezone.now().timestamp()) - 3600
    for number in range(25):
        bought = story.buys(player, ("mug", "9.00", 1))
        (return_id,) = story.returns(player, bought, bought.lines[0]["id"], webhook=SILENT)
        story.sandbox.post(f"/returns/{return_id}", update_time=start + number, webhook=SILENT)
    return story


def test_search_of_a_large_shop_goes_on_where_its_turn_ended(busy, monkeypatch):
    monkeypatch.setattr("returns.polling.HINTS_A_TURN", 9)
    began = timezone.now()
    found = []
    for _ in range(3):
        assert poll_due(now=timezone.now()) == 1
        found.append(TikTokReturn.objects.count())
    poll = ReturnPoll.objects.get(shop=busy.cast.oms.shop)
    assert found == [10, 19, 25]  # the last of a turn is told again by the next: another may have its second
    assert (poll.begun_at, poll.resume_after) == (None, None)
    assert began <= poll.polled_until < poll.next_poll_at
    assert set(TikTokReturn.objects.values_list("hint_count", flat=True)) == {1}


def test_search_that_broke_off_keeps_what_it_found(busy, clock):
    busy.sandbox.post("/faults", remote="tiktok", path_contains="/returns/search", kind="status", status=500, skip=2)
    poll_due(now=timezone.now())
    poll = ReturnPoll.objects.get(shop=busy.cast.oms.shop)
    assert (TikTokReturn.objects.count(), poll.polled_until, "500" in poll.last_error) == (20, None, True)
    begun_at, before = poll.begun_at, calls(busy)
    clock.advance(minutes=16)
    poll_due(now=timezone.now())
    poll.refresh_from_db()
    assert (TikTokReturn.objects.count(), poll.polled_until, poll.last_error) == (25, begun_at, "")
    assert calls(busy) - before == 1  # not all over again


def test_refusal_that_is_doubted_is_looked_at_again_within_a_minute(story, clock):
    """A shop without returns on their way has its polls alone to find out that its grant is over."""
    refused = {"remote": "tiktok", "kind": "code", "code": 105002, "path_contains": "/returns/search"}
    story.sandbox.post("/faults", **refused, times=999)
    assert poll_due(now=timezone.now()) == 3
    assert not ShopAuthorization.objects.filter(broken_at__isnull=False).exists()
    clock.advance(seconds=61)
    assert poll_due(now=timezone.now()) == 3
    assert not ShopAuthorization.objects.filter(broken_at__isnull=True).exists()


def test_broken_connection_is_not_polled(story):
    authorization = story.cast.oms.shop.authorization
    authorization.broken_at, authorization.broken_reason = timezone.now(), "DEAUTHORIZED"
    authorization.save()
    assert poll_due(now=timezone.now()) == 2
