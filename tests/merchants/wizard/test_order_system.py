"""The merchant's order system: how orders arrive, and credentials that are shown once, rotated and revoked."""

import re

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from merchants.api_access import LIVE_CLIENTS, LIVE_SECRETS, AccessDeniedError, add_secret, create_client, verify_secret
from merchants.audit import AuditEntry
from merchants.models import ApiClient, ApiScope, OrderWay, Shop
from tests.factories import ReboundAccountFactory, ShopFactory
from tests.merchants.wizard.conftest import SignIn, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    shop = ShopFactory()
    shop.rebound_account.relays_orders = False
    shop.rebound_account.save()
    return shop


@pytest.fixture
def browser(shop: Shop, signed_in_as: SignIn) -> Client:
    return signed_in_as(shop.merchant)


def at(shop: Shop, page: str = "") -> str:
    return f"/shops/{shop.shop_id}/order-system/{page}"


def make(shop: Shop, name: str = "Plenty") -> ApiClient:
    client, _issued = create_client(merchant=shop.merchant, name=name, scopes=list(ApiScope.values), now=timezone.now())
    return client


@pytest.mark.parametrize("way", OrderWay)
def test_way_is_chosen_and_shown(browser: Client, shop: Shop, way: OrderWay) -> None:
    assert browser.post(at(shop), {"way": way, "writes_references": "on"})["Location"] == at(shop)
    shop.refresh_from_db()
    shop.rebound_account.refresh_from_db()
    assert (shop.rebound_account.order_way, shop.writes_references) == (way, True)
    assert re.search(rf'value="{way}"[^>]*checked', text(browser.get(at(shop))))
    changed = AuditEntry.objects.filter(act="Changed how orders arrive", merchant=shop.merchant).count()
    assert changed == (0 if way is OrderWay.LOOKED_UP else 1)
    assert shop.settings_versions.order_by("-number")[0].settings["writes_references"] is True


def test_second_account_cannot_take_the_orders_too(browser: Client, shop: Shop) -> None:
    other = ReboundAccountFactory(merchant=shop.merchant, client_id="first-account", relays_orders=True)
    answer = browser.post(at(shop), {"way": OrderWay.PUSHED})
    assert answer.status_code == 422
    assert str(other) in text(answer)
    shop.rebound_account.refresh_from_db()
    assert shop.rebound_account.order_way is OrderWay.LOOKED_UP


def test_references_need_an_origin(browser: Client, shop: Shop) -> None:
    Shop.objects.filter(pk=shop.pk).update(platform_origin="", matching_enabled=False)
    answer = browser.post(at(shop), {"way": OrderWay.PUSHED, "writes_references": "on"})
    assert (answer.status_code, "in the step Matching" in text(answer)) == (422, True)


def test_without_an_account_the_page_says_what_comes_first(browser: Client, shop: Shop) -> None:
    Shop.objects.filter(pk=shop.pk).update(rebound_account=None)
    answer = browser.get(at(shop))
    assert (answer.status_code, "Connect your ReBound account first" in text(answer)) == (200, True)


def test_secret_is_shown_once_and_works(browser: Client, shop: Shop) -> None:
    form = text(browser.get(at(shop, "new")))
    assert 'name="seen" value="0"' in form
    answer = browser.post(at(shop, "new"), {"name": "Plenty", "seen": "0"})
    client = ApiClient.objects.get()
    secret = re.search(r"sec_[0-9a-f]+\.[\w-]+", text(answer))
    assert secret is not None
    assert "no-store" in answer["Cache-Control"]
    assert verify_secret(client_id=client.client_id, client_secret=secret[0]).client == client
    listed = text(browser.get(at(shop)))
    assert "Plenty" in listed
    assert secret[0] not in listed
    entry = AuditEntry.objects.about(client).get()
    assert (entry.act, entry.actor_name) == ("Made API credentials", "Test Seller")


def test_form_sent_twice_makes_one(browser: Client, shop: Shop) -> None:
    for _ in range(2):
        answer = browser.post(at(shop, "new"), {"name": "Plenty", "seen": "0"}, follow=True)
    assert ApiClient.objects.count() == 1
    assert "Nothing was made" in text(answer)
    client = ApiClient.objects.get()
    seen = str(client.live_secrets[-1].pk)
    for _ in range(2):
        answer = browser.post(at(shop, f"{client.client_id}/secret"), {"seen": seen}, follow=True)
    assert len(client.live_secrets) == 2
    assert "Nothing was made" in text(answer)


@pytest.mark.parametrize("seen", ["", "x", "99999999999999999999"])
def test_nonsense_makes_nothing(browser: Client, shop: Shop, seen: str) -> None:
    client = make(shop)
    assert browser.post(at(shop, "new"), {"name": "Plenty", "seen": seen}).status_code in {302, 422}
    assert browser.post(at(shop, f"{client.client_id}/secret"), {"seen": seen}).status_code == 302
    assert (ApiClient.objects.count(), len(client.live_secrets)) == (1, 1)


def test_rotation_adds_then_revokes(browser: Client, shop: Shop) -> None:
    client, old = create_client(merchant=shop.merchant, name="Plenty", scopes=[], now=timezone.now())
    page = at(shop, f"{client.client_id}/secret")
    seen = re.search(r'name="seen" value="(\d+)"', text(browser.get(page)))
    assert seen is not None
    new = re.search(r"sec_[0-9a-f]+\.[\w-]+", text(browser.post(page, {"seen": seen[1]})))
    assert new is not None
    asks = at(shop, f"{client.client_id}/revoke/{old.prefix}")
    assert old.prefix in text(browser.get(asks))
    verify_secret(client_id=client.client_id, client_secret=old.plain)  # asking ends nothing
    assert browser.post(asks)["Location"] == at(shop)
    with pytest.raises(AccessDeniedError):
        verify_secret(client_id=client.client_id, client_secret=old.plain)
    verify_secret(client_id=client.client_id, client_secret=new[0])
    assert browser.post(asks).status_code == 404
    assert browser.post(at(shop, f"{client.client_id}/revoke"))["Location"] == at(shop)
    with pytest.raises(AccessDeniedError):
        verify_secret(client_id=client.client_id, client_secret=new[0])
    assert "Plenty" not in text(browser.get(at(shop)))


def test_numbers_are_bounded(browser: Client, shop: Shop) -> None:
    client = make(shop)
    for _ in range(LIVE_SECRETS - 1):
        add_secret(client, now=timezone.now())
    assert "Revoke an old one first" in text(browser.get(at(shop, f"{client.client_id}/secret"), follow=True))
    for number in range(LIVE_CLIENTS - 1):
        make(shop, f"System {number}")
    assert "Revoke some that nobody uses" in text(browser.get(at(shop, "new"), follow=True))


@pytest.mark.parametrize("page", ["", "new", "{}/secret", "{}/revoke", "{}/revoke/{}"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_other_merchants_credentials_do_not_exist(signed_in_as: SignIn, shop: Shop, page: str, method: str) -> None:
    client = make(shop)
    page = page.format(client.client_id, client.live_secrets[0].prefix)
    mine = ShopFactory()
    stranger = signed_in_as(mine.merchant)
    assert getattr(stranger, method)(at(shop, page)).status_code == 404
    if "/" in page:
        assert getattr(stranger, method)(at(mine, page)).status_code == 404
    client.refresh_from_db()
    assert (client.revoked_at, len(client.live_secrets)) == (None, 1)


@pytest.mark.parametrize("clients", [1, 6])
def test_page_takes_the_same_queries_for_many_credentials(
    browser: Client, shop: Shop, clients: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(clients):
        make(shop, f"System {number}")
    with django_assert_max_num_queries(16):
        browser.get(at(shop))
