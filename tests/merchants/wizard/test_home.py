"""The status home of a shop, and what a merchant does there: pause, resume, disconnect."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from merchants.models import Shop, ShopAuthorization
from rebound_tts.demo.cast import Cast
from tests.factories import ShopFactory, TikTokReturnFactory, WebhookEventFactory
from tests.merchants.wizard.conftest import SignIn, text

pytestmark = pytest.mark.django_db


def test_home_takes_the_same_queries_for_one_return_and_three(signed_in_as: SignIn) -> None:
    shop = ShopFactory()
    browser, taken = signed_in_as(shop.merchant), []
    for more in (1, 2):
        TikTokReturnFactory.create_batch(more, shop=shop)
        with CaptureQueriesContext(connection) as queries:
            page = text(browser.get(f"/shops/{shop.shop_id}/"))
        taken.append(len(queries))
    assert "<strong>3</strong> being worked on" in page
    assert taken[0] == taken[1] <= 20


def test_home_counts_this_shops_returns_alone(signed_in_as: SignIn) -> None:
    mine = ShopFactory()
    TikTokReturnFactory(shop=mine, status="WAITING", reason="NOT_APPROVED")
    TikTokReturnFactory(shop=mine, status="NEEDS_ATTENTION", reason="NO_LANE")
    TikTokReturnFactory.create_batch(
        2, shop=ShopFactory(merchant=mine.merchant), status="NEEDS_ATTENTION", reason="NO_LANE"
    )
    TikTokReturnFactory(status="NEEDS_ATTENTION", reason="NO_LANE")
    page = text(signed_in_as(mine.merchant).get(f"/shops/{mine.shop_id}/"))
    assert "1 return comes from a country without a lane." in page
    assert "1 return waits for your approval in Seller Center." in page
    assert "<strong>1</strong> need a person" in page


def notifications(signed_in_as: SignIn, shop: Shop) -> str:
    """What the status home says of them."""
    page = text(signed_in_as(shop.merchant).get(f"/shops/{shop.shop_id}/"))
    found = page.partition("<dt>Notifications from TikTok</dt><dd>")[2].partition("</dd>")[0]
    return strip_tags(found).replace("\n", " ")


def test_notifications_of_which_none_came_are_not_called_good(signed_in_as: SignIn) -> None:
    shop = ShopFactory()
    asked = "Quiet None has come yet: ask TikTok whether it sends them Mend it: Notifications from TikTok"
    assert notifications(signed_in_as, shop) == asked
    Shop.objects.filter(pk=shop.pk).update(webhooks_checked_at=timezone.now())
    assert notifications(signed_in_as, shop) == "Quiet None has come yet: the first return of your shop brings one"
    Shop.objects.filter(pk=shop.pk).update(webhooks_problem="TikTok does not list: RETURN_STATUS_CHANGE")
    assert notifications(signed_in_as, shop).startswith("Soon Not all are sent; we ask every 15 minutes Mend it")


@pytest.mark.parametrize(("ago", "level"), [(timedelta(days=1), "Good"), (timedelta(days=4), "Quiet")])
def test_notifications_are_good_while_they_come(signed_in_as: SignIn, ago: timedelta, level: str) -> None:
    shop = ShopFactory(webhooks_checked_at=timezone.now())
    WebhookEventFactory(merchant=shop.merchant, shop_id=shop.shop_id, received_at=timezone.now() - ago)
    assert notifications(signed_in_as, shop).startswith(f"{level} The last one came")


@pytest.mark.parametrize("how", ["disconnected", "broken"])
def test_home_of_a_shop_that_is_not_connected_says_that_nothing_comes(signed_in_as: SignIn, how: str) -> None:
    shop = ShopFactory(webhooks_checked_at=timezone.now())
    WebhookEventFactory(merchant=shop.merchant, shop_id=shop.shop_id)
    if how == "disconnected":
        Shop.objects.filter(pk=shop.pk).update(disconnected_at=timezone.now())
    else:
        grants = ShopAuthorization.objects.filter(pk=shop.authorization_id)
        grants.update(broken_at=timezone.now(), broken_reason="DEAUTHORIZED")
    said = "Stopped None comes until the shop is connected again Mend it: Notifications from TikTok"
    assert notifications(signed_in_as, shop) == said
    page = text(signed_in_as(shop.merchant).get(f"/shops/{shop.shop_id}/"))
    assert ("We hear of no return until the shop is connected again." in page, "it shows here" in page) == (True, False)


def test_pause_resume_and_disconnect(sandbox: Any, cast: Cast, signed_in_as: SignIn) -> None:
    shop = cast.shopify.shop
    browser, home = signed_in_as(shop.merchant), f"/shops/{shop.shop_id}/"
    assert "Pause Harbour UK?" in text(browser.get(f"{home}pause"))
    shop.refresh_from_db()
    assert shop.paused_at is None  # asked first
    browser.post(f"{home}pause")
    assert "This shop is paused" in text(browser.get(home))
    browser.post(f"{home}resume")
    shop.refresh_from_db()
    assert shop.paused_at is None
    browser.post(f"{home}disconnect")
    page = text(browser.get(home))
    assert ("This shop is disconnected" in page, "Disconnected, here and at TikTok." in page) == (True, True)
    (listed,) = [each for each in sandbox.get("/state")["shops"] if each["id"] == shop.shop_id]
    assert listed["authorized"] is False


@pytest.mark.parametrize("page", ["pause", "resume", "disconnect"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_acts_on_another_merchants_shop_do_not_exist(signed_in_as: SignIn, page: str, method: str) -> None:
    theirs = ShopFactory()
    answer = getattr(signed_in_as(ShopFactory().merchant), method)(f"/shops/{theirs.shop_id}/{page}")
    theirs.refresh_from_db()
    assert (answer.status_code, theirs.paused_at, theirs.disconnected_at) == (404, None, None)
