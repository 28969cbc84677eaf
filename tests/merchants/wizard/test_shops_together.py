"""Several shops of one merchant: switching, copying settings with the differences shown first; input that is kept."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client

from merchants.copying import copy_settings
from merchants.models import Lane, Shop
from rebound_tts.demo.cast import Cast
from tests.factories import LaneFactory, ShopFactory
from tests.merchants.wizard.conftest import SignIn, sign_in_client, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


@pytest.fixture
def shops(cast: Cast) -> tuple[Shop, Shop]:
    """Two shops of one merchant: one set up, and one that is not yet."""
    source, target = cast.shopify.shop, cast.off.shop
    target.lanes.all().delete()
    Shop.objects.filter(pk=target.pk).update(live_at=None, matching_chosen_at=None, rebound_account=None)
    target.refresh_from_db()
    return source, target


def test_differences_are_shown_before_anything_is_copied(shops: tuple[Shop, Shop], signed_in_as: SignIn) -> None:
    source, target = shops
    browser, page = signed_in_as(source.merchant), f"/shops/{target.shop_id}/copy"
    shown = text(browser.get(page))
    assert "<strong>Shopify</strong>" in shown
    assert source.rebound_account.client_secret not in shown
    target.refresh_from_db()
    assert (target.platform_origin, target.lanes.count()) == ("", 0)
    for _ in range(2):  # twice is once
        assert browser.post(page, {"from": source.shop_id}).status_code == 302
    target.refresh_from_db()
    assert (target.platform_origin, target.matching_enabled, target.rebound_account, target.live_at) == (
        "SHOPIFY",
        True,
        source.rebound_account,
        None,
    )
    assert sorted(target.lanes.values_list("country", "carrier_service")) == sorted(
        source.lanes.values_list("country", "carrier_service")
    )
    assert "Nothing: both are set alike." in text(browser.get(page))


def test_lane_whose_carrier_is_not_listed_is_left_out(shops: tuple[Shop, Shop], signed_in_as: SignIn) -> None:
    source, target = shops
    LaneFactory(shop=source, country="FR", shipping_provider_id="gone")
    browser, page = signed_in_as(source.merchant), f"/shops/{target.shop_id}/copy"
    assert "another carrier for this shop: France" in text(browser.get(page)).replace("\n", " ")
    browser.post(page, {"from": source.shop_id})
    assert not Lane.objects.filter(shop=target, country="FR").exists()


def test_own_lanes_stay(shops: tuple[Shop, Shop]) -> None:
    source, target = shops
    LaneFactory(shop=target, country="IE", carrier_service="AN_POST")
    copy_settings(source=source, target=target, providers=dict.fromkeys(["7117858858072016702"], "Evri"))
    assert set(target.lanes.values_list("country", flat=True)) == {"", "IE"}


def test_another_merchants_shop_is_not_copied_from(shops: tuple[Shop, Shop], signed_in_as: SignIn, cast: Cast) -> None:
    _, target = shops
    browser, theirs = signed_in_as(target.merchant), cast.oms.shop
    page = f"/shops/{target.shop_id}/copy"
    assert browser.get(f"{page}?from={theirs.shop_id}").status_code == 404
    assert browser.post(page, {"from": theirs.shop_id}).status_code == 404
    with pytest.raises(ValueError, match="within a merchant"):
        copy_settings(source=theirs, target=target, providers={})


def test_shops_can_be_switched(shops: tuple[Shop, Shop], signed_in_as: SignIn) -> None:
    source, target = shops
    page = text(signed_in_as(source.merchant).get(f"/shops/{target.shop_id}/setup/tiktok/"))
    assert f'<a href="/shops/{source.shop_id}/">Harbour UK</a>' in page
    assert "Volt" not in page


def test_what_was_typed_survives_the_end_of_the_session(signed_in_as: SignIn) -> None:
    shop = ShopFactory(live_at=None, rebound_account=None)
    browser: Client = signed_in_as(shop.merchant, ago=timedelta(hours=13))
    page = f"/shops/{shop.shop_id}/setup/rebound/"
    typed = {"account": "new", "environment": "PRE", "client_id": "typed-id", "client_secret": "typed-secret"}
    assert browser.post(page, typed)["Location"] == "/"
    assert "what you typed is kept" in text(browser.get("/"))
    assert "typed-secret" not in str(dict(browser.session))
    sign_in_client(browser, shop.merchant)
    again = text(browser.get(page))
    assert ('value="typed-id"' in again, "before you were signed out" in again) == (True, True)
    assert "typed-id" not in text(browser.get(page))


def test_typed_input_is_not_shown_to_another_merchant(signed_in_as: SignIn) -> None:
    mine, theirs = ShopFactory(live_at=None), ShopFactory(live_at=None, rebound_account=None)
    browser = signed_in_as(mine.merchant, ago=timedelta(hours=13))
    browser.post(f"/shops/{mine.shop_id}/setup/rebound/", {"client_id": "typed-id"})
    sign_in_client(browser, theirs.merchant)
    assert browser.get(f"/shops/{mine.shop_id}/setup/rebound/").status_code == 404
    assert "typed-id" not in text(browser.get(f"/shops/{theirs.shop_id}/setup/rebound/"))
