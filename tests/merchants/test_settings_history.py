"""The settings of a shop over time, and copying them: what differs is said in words before it is done."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from merchants import shop_admin
from merchants.models import AuditEntry, Shop, ShopSettings, ShopState, StaffAssignment
from merchants.settings_history import differences, note_settings, settings_applied, settings_of
from merchants.staff import Role
from rebound_tts.clients.errors import TemporaryError
from tests.factories import LaneFactory, ShopFactory

pytestmark = pytest.mark.django_db


def told(shop: Shop) -> list[str]:
    before, after = shop.settings_versions.order_by("number")
    return [str(each) for each in differences(before.settings, after.settings)]


def page(shop: Shop, act: str = "change") -> str:
    return reverse(f"admin:merchants_shop_{act}", args=[shop.pk])


@pytest.fixture
def manager(client: Client) -> User:
    user = User.objects.create_user("mona", is_staff=True)
    user.groups.add(Group.objects.get(name=Role.MANAGER))
    client.force_login(user)
    return user


def look_after(user: User, *shops: Shop) -> None:
    for shop in shops:
        StaffAssignment.objects.get_or_create(user=user, merchant=shop.merchant)


def test_version_is_made_where_something_changed_and_only_there():
    shop, now = ShopFactory(), timezone.now()
    assert str(note_settings(shop=shop, by="mona", now=now)) == f"{shop}, version 1"
    assert note_settings(shop=shop, by="mona", now=now) is None
    Shop.objects.update(match_wait=timedelta(minutes=20), id_strip_prefix="A-", matching_enabled=False)
    lane = LaneFactory(shop=shop, country="GB")
    second = note_settings(shop=shop, by="tom", now=now + timedelta(minutes=1), reason="Slow OMS")
    assert (second.number, second.changed_by, second.reason) == (2, "tom", "Slow OMS")
    assert told(shop) == [
        "Matching enabled: yes → no",
        "Match wait: 10 min → 20 min",
        "ID strip prefix: - → A-",
        f"Lane GB, contract: - → {lane.get_contract_display()}",
        "Lane GB, carrier service: - → ROYAL_MAIL_TRACKED",
        "Lane GB, shipping provider id: - → 7117858858072016701",
        "Lane GB, shipping provider name: - → Royal Mail",
    ]


def test_no_secret_is_in_a_version():
    shop = ShopFactory()
    assert "secret" not in str(settings_of(shop))


def test_values_have_their_names_for_people():
    shop = ShopFactory(platform_origin="SHOPIFY")
    LaneFactory(shop=shop, country="DE", contract="MANAGED")
    before = settings_of(shop)
    Shop.objects.update(platform_origin="MAGENTO")
    shop.lanes.update(contract="OWN")
    shop.refresh_from_db()
    assert [str(each) for each in differences(before, settings_of(shop))] == [
        "Platform origin: Shopify → Magento",
        "Lane DE, contract: ReBound's contract → Your own contract",
    ]


def test_settings_of_a_moment_are_those_of_the_version_before_it():
    shop, now = ShopFactory(), timezone.now()
    first = note_settings(shop=shop, by="mona", now=now)
    Shop.objects.update(matching_enabled=False)
    second = note_settings(shop=shop, by="mona", now=now + timedelta(hours=2))
    found = [settings_applied(shop=shop, at=now + timedelta(seconds=after)) for after in (-1, 0, 3600, 7200)]
    assert [(each.version, each.is_noted_later) for each in found] == [
        (first, True),
        (first, False),
        (first, False),
        (second, False),
    ]


def form(shop: Shop, **changes: Any) -> dict[str, Any]:
    return {
        "rebound_account": shop.rebound_account_id,
        "matching_enabled": "on",
        "platform_origin": "SHOPIFY",
        "match_wait": "10",
        "lanes-TOTAL_FORMS": 0,
        "lanes-INITIAL_FORMS": 0,
        **changes,
    }


def test_page_notes_what_was_found_and_who_changed_what(client: Client, manager: User):
    shop = ShopFactory()
    look_after(manager, shop)
    assert client.post(page(shop), form(shop, match_wait="60")).status_code == 302
    assert [version.changed_by for version in shop.settings_versions.order_by("number")] == [
        "as it was found",
        "mona",
    ]
    assert told(shop) == ["Match wait: 10 min → 60 min"]
    shown = client.get(page(shop)).content.decode()
    assert "Match wait: 10 min → 60 min" in shown
    version = ShopSettings.objects.latest("number")
    assert (
        "10 min → 60 min"
        in client.get(reverse("admin:merchants_shopsettings_change", args=[version.pk])).content.decode()
    )


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The carriers that TikTok lists for every shop."""
    providers = {"7117858858072016701": "Royal Mail"}
    monkeypatch.setattr(shop_admin, "shipping_providers", lambda shop: providers)
    return providers


def test_settings_are_copied_once_the_difference_was_seen(client: Client, manager: User, listed: dict[str, str]):
    source = ShopFactory(match_wait=timedelta(minutes=30), id_ignore_case=True)
    target = ShopFactory(merchant=source.merchant)
    LaneFactory(shop=source, country="DE", carrier_service="DHL")
    LaneFactory(shop=target, country="GB")
    look_after(manager, source)
    sent = {"source": source.pk, "with_lanes": "on", "reason": "Same OMS"}
    shown = client.post(page(target, "copy_settings"), {**sent, "show": "1"})
    assert [str(each) for each in shown.context["differences"]][:2] == [
        "Match wait: 10 min → 30 min",
        "ID ignore case: no → yes",
    ]
    target.refresh_from_db()
    assert target.match_wait == timedelta(minutes=10)
    assert client.post(page(target, "copy_settings"), {**sent, "copy": "1"}).status_code == 302
    target.refresh_from_db()
    assert (target.match_wait, target.id_ignore_case) == (timedelta(minutes=30), True)
    assert [(lane.country, lane.carrier_service, lane.merchant) for lane in target.lanes.all()] == [
        ("DE", "DHL", target.merchant)
    ]
    assert target.rebound_account != source.rebound_account
    assert target.settings_versions.latest("number").reason == "Same OMS"
    assert AuditEntry.objects.get().act == "Copied settings"
    again = client.post(page(target, "copy_settings"), {**sent, "copy": "1"})
    assert (again.status_code, again.context["differences"]) == (200, [])


def test_lane_whose_carrier_tiktok_does_not_list_is_not_copied(client: Client, manager: User, listed: dict[str, str]):
    source = ShopFactory()
    target = ShopFactory(merchant=source.merchant)
    LaneFactory(shop=source, country="DE", shipping_provider_id="other", carrier_service="DHL")
    LaneFactory(shop=source, country="", shipping_provider_id="other")
    LaneFactory(shop=source, country="FR")
    own = LaneFactory(shop=target, country="DE", carrier_service="HERMES")
    LaneFactory(shop=target, country="IT")
    look_after(manager, source)
    sent = {"source": source.pk, "with_lanes": "on"}
    shown = client.post(page(target, "copy_settings"), {**sent, "show": "1"}).content.decode()
    assert "Not copied: DE, every other country." in shown
    client.post(page(target, "copy_settings"), {**sent, "copy": "1"})
    kept = sorted(target.lanes.values_list("country", "carrier_service"))
    assert kept == [("DE", own.carrier_service), ("FR", "ROYAL_MAIL_TRACKED")]


def test_lanes_are_not_copied_where_tiktok_does_not_say_what_fits(
    client: Client, manager: User, monkeypatch: pytest.MonkeyPatch
):
    def away(shop: Shop) -> dict[str, str]:
        raise TemporaryError(method="GET", path="/logistics", message="no connection")

    monkeypatch.setattr(shop_admin, "shipping_providers", away)
    source = ShopFactory(id_ignore_case=True)
    target = ShopFactory(merchant=source.merchant)
    look_after(manager, source)
    sent = {"source": source.pk, "copy": "1"}
    refused = client.post(page(target, "copy_settings"), {**sent, "with_lanes": "on"})
    assert "no connection. Try again, or copy without the lanes." in str(refused.context["form"].errors)
    target.refresh_from_db()
    assert not target.id_ignore_case
    assert client.post(page(target, "copy_settings"), sent).status_code == 302
    target.refresh_from_db()
    assert target.id_ignore_case


def test_settings_of_another_merchants_shop_cannot_be_chosen(client: Client, manager: User):
    source, target = ShopFactory(name="Unseen", match_wait=timedelta(hours=1)), ShopFactory()
    look_after(manager, target)
    asked = client.get(page(target, "copy_settings"))
    assert "Unseen" not in asked.content.decode()
    refused = client.post(page(target, "copy_settings"), {"source": source.pk, "copy": "1"})
    assert list(refused.context["form"].errors) == ["source"]
    assert client.get(page(source, "copy_settings")).status_code == 404
    target.refresh_from_db()
    assert target.match_wait == timedelta(minutes=10)


def test_shop_is_paused_and_resumed_with_a_reason(client: Client, manager: User):
    shop = ShopFactory(live_at=timezone.now())
    look_after(manager, shop)
    for act, state in (("Paused the shop", ShopState.PAUSED), ("Resumed the shop", ShopState.LIVE)):
        assert client.post(page(shop, "pause_or_resume"), {}).status_code == 200  # without a reason nothing happens
        assert client.post(page(shop, "pause_or_resume"), {"reason": "Stocktaking"}).status_code == 302
        shop.refresh_from_db()
        entry = AuditEntry.objects.latest("pk")
        assert (shop.state, entry.act, entry.reason) == (state, act, "Stocktaking")
    assert AuditEntry.objects.count() == 2


def test_shop_that_is_not_live_is_not_paused(client: Client, manager: User):
    shop = ShopFactory(live_at=None)
    look_after(manager, shop)
    assert "not live" in client.get(page(shop, "pause_or_resume")).content.decode()
    client.post(page(shop, "pause_or_resume"), {"reason": "x"})
    shop.refresh_from_db()
    assert (shop.state, AuditEntry.objects.count()) == (ShopState.SETTING_UP, 0)


def test_viewer_neither_pauses_nor_copies(client: Client, manager: User):
    manager.groups.set([Group.objects.get(name=Role.VIEWER)])
    shop = ShopFactory(live_at=timezone.now())
    look_after(manager, shop)
    for act in ("pause_or_resume", "copy_settings"):
        assert client.post(page(shop, act), {"reason": "x", "source": shop.pk}).status_code == 403
    assert "/pause/" not in client.get(page(shop)).content.decode()


def test_settings_are_kept_alike_whatever_whoever_looks_reads() -> None:
    shop = ShopFactory()
    with translation.override("de"):
        account = settings_of(shop)["rebound_account"]
    assert account == f"{shop.rebound_account.client_id} (Production)"


def test_difference_reads_in_the_language_of_who_looks() -> None:
    shop = ShopFactory(matching_enabled=False)
    before = settings_of(shop)
    shop.matching_enabled = True
    assert [str(each) for each in differences(before, settings_of(shop))] == ["Matching enabled: no → yes"]
    with translation.override("de"):
        assert [(each.before, each.after) for each in differences(before, settings_of(shop))] == [("nein", "ja")]
