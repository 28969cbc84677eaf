"""The admin's first page: each number is what its list shows, of one's own merchants, at a price that does not grow."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from matching.match_rates import recount
from matching.models import OrderPush
from merchants.models import ApiClient, Merchant, Shop, StaffAssignment
from merchants.staff import Role
from returns.work_queue import Card, work_queue
from tests.factories import (
    MatchFactory,
    ReboundAccountFactory,
    ReboundReturnFactory,
    ShopAuthorizationFactory,
    ShopFactory,
    TikTokReturnFactory,
)

pytestmark = pytest.mark.django_db
INDEX = reverse("admin:index")
DAY = timedelta(days=1)
CONTROL = ("BEGIN", "SAVEPOINT", "RELEASE")  # carry no data


def something_of_everything(merchant: Merchant) -> None:
    now = timezone.now()
    shop = ShopFactory(merchant=merchant, live_at=now, match_wait=timedelta(minutes=10))
    for reason in ("NO_LANE", "NO_LANE", "UPLOAD_REFUSED"):
        TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason=reason)
    for left in (2, 7):
        TikTokReturnFactory(
            shop=shop, status="WAITING", reason="ORDER_AWAITED", match_wait_until=now + timedelta(minutes=left)
        )
    TikTokReturnFactory(shop=shop, rebound_return=ReboundReturnFactory(shop=shop))
    delivered = ReboundReturnFactory(shop=shop)
    TikTokReturnFactory(shop=shop, rebound_return=delivered, label_delivered_at=now, status="DONE")
    ShopAuthorizationFactory(merchant=merchant, broken_at=now, broken_reason="TOKEN_REJECTED")
    ShopAuthorizationFactory(merchant=merchant, refresh_token_expires_at=now + timedelta(days=3))
    ReboundAccountFactory(merchant=merchant, broken_at=now, broken_reason="CREDENTIALS_REFUSED")
    ShopFactory(merchant=merchant, live_at=None, created_at=now - timedelta(days=4))
    ShopFactory(merchant=merchant, live_at=None, created_at=now - timedelta(days=1))
    oms = ApiClient.objects.create(
        merchant=merchant, client_id=f"oms-{ApiClient.objects.count()}", name="OMS", created_at=now
    )
    for days_ago, rejected in ((1, 3), (2, 0), (9, 5)):
        OrderPush.objects.create(
            merchant=merchant,
            client=oms,
            received_at=now - timedelta(days=days_ago),
            call="BATCH",
            request_id=f"request-{days_ago}",
            orders=5,
            rejected=rejected,
        )
    MatchFactory.create_batch(3, shop=shop)
    MatchFactory(shop=shop, outcome="NO_MATCH", reason="ORDER_NOT_SYNCED", sales_order=None, is_curable=True)
    recount(days=1, now=now)


def manager(*merchants: Merchant) -> User:
    user = User.objects.create_user(f"manager {User.objects.count()}", is_staff=True)
    user.groups.add(Group.objects.get(name=Role.MANAGER))
    for merchant in merchants:
        StaffAssignment.objects.create(user=user, merchant=merchant)
    return user


def cards(user: User) -> dict[str, Card]:
    return {card.title: card for card in work_queue(user=user, now=timezone.now()).cards}


EXPECTED = {
    "Needs attention": 3,
    "Waiting": 2,
    "Past half of their wait": 1,
    "Labels not delivered": 1,
    "Connections": 3,
    "Installs that stalled": 1,
    "Orders rejected": 3,
}


def test_queue_counts_the_work_of_ones_own_merchants() -> None:
    own, other = ShopFactory(live_at=timezone.now()).merchant, ShopFactory(live_at=timezone.now()).merchant
    something_of_everything(own)
    for _ in range(2):
        something_of_everything(other)
    assert {title: card.count for title, card in cards(manager(own)).items()} == EXPECTED
    lead = User.objects.create_user("lead", is_staff=True)
    lead.groups.add(Group.objects.get(name=Role.LEAD))
    assert {title: card.count for title, card in cards(lead).items()} == {
        title: 3 * count for title, count in EXPECTED.items()
    }
    assert [(line.count, line.text) for line in cards(manager(own))["Needs attention"].lines] == [
        (2, "No lane covers the country: add one, or a default"),
        (1, "TikTok refused the label"),
    ]
    queue = work_queue(user=manager(own), now=timezone.now())
    assert [(rate.merchant_id, rate.asked, rate.percent) for rate in queue.rates] == [(own.pk, 4, 75)]


def test_each_number_links_to_that_many_rows(client: Client) -> None:
    own = ShopFactory(live_at=timezone.now()).merchant
    something_of_everything(own)
    something_of_everything(ShopFactory().merchant)
    user = manager(own)
    client.force_login(user)
    for card in cards(user).values():
        listed = [(card.count, card.url), *((line.count, line.url) for line in card.lines)]
        if card.title == "Connections":
            listed = listed[1:]  # three tables, and the shops that hang on them
        if card.title == "Installs that stalled":
            listed = listed[:1]  # its lines are shops, with days
        if card.title == "Orders rejected":
            listed = []  # orders, listed by push
        for count, url in listed:
            answer = client.get(url)
            assert (url, len(answer.context["cl"].result_list)) == (url, count)
    assert client.get(cards(user)["Connections"].url).status_code == 200
    pushes = client.get(cards(user)["Orders rejected"].url).context["cl"].result_list
    assert sorted(push.rejected for push in pushes) == [3, 5]


def test_page_costs_the_same_with_one_merchant_and_with_three(admin_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(INDEX).status_code == 200
        return len(captured)

    something_of_everything(ShopFactory().merchant)
    queries()
    one = queries()
    for _ in range(2):
        something_of_everything(ShopFactory().merchant)
    assert queries() == one
    assert one <= 15


def test_managers_page_takes_few_queries_however_many_installs_stalled(client: Client) -> None:
    own = [ShopFactory().merchant for _ in range(2)]
    for merchant in own:
        something_of_everything(merchant)
        stalled = ShopFactory.create_batch(4, merchant=merchant, live_at=None, created_at=timezone.now() - 5 * DAY)
        Shop.objects.filter(pk__in=[shop.pk for shop in stalled]).update(matching_chosen_at=timezone.now())
    Shop.objects.filter(live_at=None).first().lanes.all().delete()  # type: ignore[union-attr]  # at a step of its own
    client.force_login(manager(*own))
    with CaptureQueriesContext(connection) as captured:
        page = client.get(INDEX).context["queue"]
    card = {each.title: each for each in page.cards}["Installs that stalled"]
    assert (card.count, len(card.lines)) == (10, 5)
    assert len([query for query in captured if not query["sql"].startswith(CONTROL)]) <= 15


def test_empty_queue_says_what_is_well_and_what_to_do_next(client: Client) -> None:
    client.force_login(manager())
    page = client.get(INDEX).content.decode()
    assert "No merchant is assigned to you yet" in page
    client.force_login(manager(ShopFactory(live_at=timezone.now()).merchant))
    page = client.get(INDEX).content.decode()
    for said in ("Nobody is stuck.", "Every buyer has a label.", "All connections work."):
        assert said in page
    assert "No merchant is assigned" not in page


def test_fall_of_the_match_rate_is_an_alarm(admin_client: Client) -> None:
    shop = ShopFactory(merchant__name="Quay & Co", live_at=timezone.now())
    now = timezone.now()
    MatchFactory.create_batch(25, shop=shop, decided_at=now - timedelta(days=10))
    lost: dict[str, Any] = {"outcome": "NO_MATCH", "reason": "ORDER_NOT_SYNCED", "sales_order": None}
    MatchFactory.create_batch(12, shop=shop, decided_at=now, is_curable=True, **lost)
    recount(days=30, now=now)
    page = admin_client.get(INDEX).content.decode()
    assert "Quay &amp; Co: the match rate fell." in page
    assert "68 %" in page


def test_somebody_without_a_role_sees_no_numbers(client: Client) -> None:
    something_of_everything(ShopFactory().merchant)
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    answer = client.get(INDEX)
    assert (answer.status_code, answer.context["queue"].cards, answer.context["queue"].rates) == (200, [], [])
