"""Replay: a stored notification is handled again, one or all of a shop since a time; twice makes nothing twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from merchants.models import AuditEntry, StaffAssignment
from merchants.staff import Role
from returns.models import ReboundReturn, TikTokReturn, WebhookEvent
from tests.factories import ShopFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db
SINCE = reverse("admin:returns_webhookevent_replay_since")


def handled(**columns: Any) -> WebhookEvent:
    return WebhookEventFactory(handled_at=timezone.now(), outcome="APPLIED", **columns)


def test_replay_twice_makes_nothing_twice(story: Any, tell: Any, work: Any, admin_client: Client) -> None:
    expected = story.order_unknown()
    tell(story.cast.shopify, expected.return_id, "")
    work()
    event = WebhookEvent.objects.get()
    hints = TikTokReturn.objects.get().hint_count
    address = reverse("admin:returns_webhookevent_replay", args=[event.pk])
    for _ in range(2):
        assert admin_client.post(address, {"reason": ""}).status_code == 302
        assert WebhookEvent.objects.to_handle().count() == 1
        work()
    event.refresh_from_db()
    assert event.handled_at is not None
    assert TikTokReturn.objects.get().hint_count == hints + 2
    assert TikTokReturn.objects.count() == 1
    assert ReboundReturn.objects.count() <= 1
    assert [entry.act for entry in AuditEntry.objects.all()] == ["Replay", "Replay"]


def test_all_of_a_shop_since_a_time_is_counted_first_and_then_replayed(admin_client: Client) -> None:
    shop = ShopFactory()
    now = timezone.now()
    new = [handled(shop_id=shop.shop_id, received_at=now - timedelta(minutes=number)) for number in range(3)]
    old = handled(shop_id=shop.shop_id, received_at=now - timedelta(days=2))
    other = handled(shop_id="another", received_at=now)
    asked = {"shop": shop.shop_id, "since": f"{now - timedelta(hours=1):%Y-%m-%d %H:%M}", "reason": "after an outage"}
    page = admin_client.post(SINCE, {**asked, "count": "1"}).content.decode()
    assert "3 events would be handled again." in page
    assert not WebhookEvent.objects.to_handle().exists()
    admin_client.post(SINCE, {**asked, "replay": "1"})
    waiting = set(WebhookEvent.objects.to_handle().values_list("pk", flat=True))
    assert waiting == {event.pk for event in new}
    assert {old.pk, other.pk}.isdisjoint(waiting)
    entry = AuditEntry.objects.get()
    assert (entry.subject_name, entry.reason, entry.detail["events"]) == (str(shop), "after an outage", 3)
    assert OrmQ.objects.count() == 1


def test_replay_is_for_ones_own_shops_and_those_who_may(client: Client) -> None:
    own, other = ShopFactory(), ShopFactory(name="Unseen shop")
    event = handled(shop_id=own.shop_id, merchant=own.merchant)
    foreign = handled(shop_id=other.shop_id, merchant=other.merchant)
    user = User.objects.create_user("mona", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=Role.MANAGER.value))
    StaffAssignment.objects.create(merchant=own.merchant, user=user)
    client.force_login(user)
    for told in (other.shop_id, other.name):
        page = client.post(SINCE, {"shop": told, "since": "2020-01-01 00:00", "replay": "1"}).content.decode()
        assert "No shop of your merchants is called so." in page
    assert client.post(reverse("admin:returns_webhookevent_replay", args=[foreign.pk])).status_code == 404
    user.groups.set([Group.objects.get(name=Role.VIEWER.value)])
    assert client.get(SINCE).status_code == 403
    assert client.post(reverse("admin:returns_webhookevent_replay", args=[event.pk])).status_code == 403
    assert not WebhookEvent.objects.to_handle().exists()
