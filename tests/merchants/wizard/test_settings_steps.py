"""The steps on matching, lanes and Seller Center, and going live: what is kept, what is refused, and in which words."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from matching.origins import held_origins
from merchants.models import GoLiveConsent, Lane, PlatformOrigin, Shop, ShopAuthorization
from rebound_tts.demo.cast import Cast
from tests.factories import LaneFactory
from tests.merchants.wizard.conftest import SignIn, text

pytestmark = pytest.mark.django_db

MATCHING = {"matching": "on", "platform_origin": "SHOPIFY", "partly": "linked", "wait": "10"}
LANE = {
    "country": "DE",
    "contract": "OWN",
    "carrier_service": "DHL_RETOURE",
    "qr_carrier_service": "",
    "provider": "7117858858072016704",
}


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


@pytest.fixture
def shop(cast: Cast) -> Shop:
    """A shop at the sandbox that is being set up."""
    shop = cast.shopify.shop
    Shop.objects.filter(pk=shop.pk).update(
        live_at=None, matching_chosen_at=None, checklist_confirmed_at=None, matching_enabled=False, platform_origin=""
    )
    shop.lanes.all().delete()
    shop.refresh_from_db()
    return shop


@pytest.fixture
def browser(shop: Shop, signed_in_as: SignIn) -> Client:
    return signed_in_as(shop.merchant)


def at(shop: Shop, page: str) -> str:
    return f"/shops/{shop.shop_id}/setup/{page}"


def buys(sandbox: Any, shop: Shop, *platforms: str) -> None:
    made = sandbox.post("/orders", shop_id=shop.shop_id, lines=[{"sku": "tea-towel"}])
    for platform in platforms:
        sandbox.post(
            "/references",
            shop_id=shop.shop_id,
            order_id=made["order_id"],
            platform=platform,
            external_order_id=f"#{made['order_id'][-4:]}",
        )


# Matching


def test_origin_is_preselected_from_what_tiktok_holds(sandbox: Any, browser: Client, shop: Shop) -> None:
    for platforms in ([], ["MAGENTO"], ["MAGENTO"], ["SHOPIFY", "MAGENTO"]):
        buys(sandbox, shop, *platforms)
    page = text(browser.get(at(shop, "matching/")))
    assert "3 of your last 4 orders carry a Magento reference." in page
    assert "1 of your last 4 orders carries a Shopify reference." in page
    assert '<option value="MAGENTO" selected>Magento (3/4)</option>' in page
    assert Shop.objects.get(pk=shop.pk).platform_origin == ""  # a page that is looked at changes nothing


def test_origins_are_asked_for_once_and_boundedly(sandbox: Any, shop: Shop) -> None:
    for _ in range(4):
        buys(sandbox, shop)
    sandbox.post("/calls/reset")
    held = [held_origins(shop) for _ in range(3)]
    calls = sandbox.get("/calls")["by_endpoint"]
    assert (held[0].orders, held[0].carried) == (4, {})
    references = sum(count for endpoint, count in calls.items() if "external_orders" in endpoint)
    assert references == 4 + 3 * (len(PlatformOrigin.values) - 1)


def test_matching_page_works_while_tiktok_does_not(sandbox: Any, browser: Client, shop: Shop) -> None:
    sandbox.post("/faults", remote="tiktok", kind="status", status=503, path_contains="/order/", times=99)
    assert "TikTok cannot tell us what your orders carry" in text(browser.get(at(shop, "matching/")))
    assert browser.post(at(shop, "matching/"), MATCHING).status_code == 302


def test_neither_choice_is_made_for_the_merchant(browser: Client, shop: Shop) -> None:
    assert "checked" not in text(browser.get(at(shop, "matching/"))).partition("If you match")[0]
    answer = browser.post(at(shop, "matching/"), {})
    assert (answer.status_code, "your orders? Choose one of the two" in text(answer)) == (422, True)


def test_matching_is_kept(browser: Client, shop: Shop) -> None:
    rules = {"id_strip_prefix": "# ", "id_ignore_case": "on", "partly": "direct", "wait": "240"}
    answer = browser.post(at(shop, "matching/"), MATCHING | rules)
    assert answer["Location"].startswith(f"/shops/{shop.shop_id}/setup/")
    shop.refresh_from_db()
    assert (shop.matching_enabled, shop.platform_origin, shop.id_strip_prefix, shop.id_strip_suffix) == (
        True,
        "SHOPIFY",
        "# ",
        "",
    )
    assert (shop.id_ignore_case, shop.id_trim_leading_zeros, shop.partly_matched_goes_direct, shop.match_wait) == (
        True,
        False,
        True,
        timedelta(hours=4),
    )


def test_who_changed_a_setting_is_kept(browser: Client, shop: Shop) -> None:
    browser.post(at(shop, "matching/"), MATCHING)
    browser.post(at(shop, "lanes/add/"), LANE)
    versions = shop.settings_versions.order_by("number")
    assert [version.changed_by for version in versions] == ["as it was found", "Test Seller", "Test Seller"]
    assert versions[2].settings["lanes"]["DE"]["carrier_service"] == "DHL_RETOURE"


def test_matching_off_needs_nothing_more(browser: Client, shop: Shop) -> None:
    assert browser.post(at(shop, "matching/"), {"matching": "off"}).status_code == 302
    shop.refresh_from_db()
    assert (shop.matching_enabled, shop.matching_chosen_at is not None) == (False, True)


def test_matching_on_needs_an_origin(browser: Client, shop: Shop) -> None:
    answer = browser.post(at(shop, "matching/"), MATCHING | {"platform_origin": "", "id_strip_prefix": "#kept"})
    page = text(answer)
    assert (answer.status_code, "Choose the system whose ids" in page, 'value="#kept"' in page) == (422, True, True)
    assert 'href="#id_platform_origin"' in page


def test_preview_shows_what_rules_do_and_saves_nothing(sandbox: Any, browser: Client, shop: Shop) -> None:
    buys(sandbox, shop, "SHOPIFY")
    answer = browser.post(at(shop, "matching/"), MATCHING | {"id_strip_prefix": "#", "preview": "1"})
    (order,) = sandbox.get("/state")["orders"]
    page = text(answer)
    assert answer.status_code == 200
    assert f"<code>#{order['id'][-4:]}</code></td><td><code>{order['id'][-4:]}</code>" in page
    shop.refresh_from_db()
    assert (shop.matching_chosen_at, shop.id_strip_prefix) == (None, "")


def test_odd_wait_stays_when_something_else_is_saved(browser: Client, shop: Shop) -> None:
    Shop.objects.filter(pk=shop.pk).update(match_wait=timedelta(minutes=7))
    assert '<option value="7" selected>' in text(browser.get(at(shop, "matching/")))


# Lanes


def test_lane_is_added_changed_and_removed(browser: Client, shop: Shop) -> None:
    assert browser.post(at(shop, "lanes/add/"), LANE)["Location"] == at(shop, "lanes/")
    lane = Lane.objects.get(shop=shop)
    assert (lane.country, lane.contract, lane.shipping_provider_name, lane.merchant) == (
        "DE",
        "OWN",
        "DHL",
        shop.merchant,
    )
    page = text(browser.get(at(shop, "lanes/DE/")))
    assert 'value="DHL_RETOURE"' in page
    assert ("<title>Lane: Germany ·" in page, "<h1>Lane: Germany</h1>" in page) == (True, True)
    assert browser.post(at(shop, "lanes/DE/"), LANE | {"country": ""}).status_code == 302
    lane.refresh_from_db()
    assert lane.country == ""
    assert browser.post(at(shop, "lanes/other/"), LANE | {"country": "", "carrier_service": "DPD"}).status_code == 302
    assert browser.get(at(shop, "lanes/other/remove")).status_code == 405
    assert browser.post(at(shop, "lanes/other/remove")).status_code == 302
    assert Lane.objects.filter(shop=shop).count() == 0
    assert browser.get(at(shop, "lanes/other/")).status_code == 404


def test_page_that_adds_a_lane_says_so(browser: Client, shop: Shop) -> None:
    page = text(browser.get(at(shop, "lanes/add/")))
    assert ("<title>Add a lane ·" in page, "<h1>Add a lane</h1>" in page) == (True, True)


def test_second_lane_for_a_country_is_refused_in_words(browser: Client, shop: Shop) -> None:
    browser.post(at(shop, "lanes/add/"), LANE)
    answer = browser.post(at(shop, "lanes/add/"), LANE)
    assert (answer.status_code, "There is a lane for this already" in text(answer)) == (422, True)
    assert Lane.objects.filter(shop=shop).count() == 1


def test_countries_stand_where_a_german_looks_for_them(browser: Client, shop: Shop) -> None:
    german = {"headers": {"accept-language": "de"}}
    page = text(browser.get(at(shop, "lanes/add/"), **german))
    names = re.findall(r">([^<]+)</option>", page.partition("</select>")[0])[1:]
    assert names[names.index("Österreich") - 1] == "Norwegen"
    assert names[-1] == "Zypern"
    for country in ("CY", "AT", ""):
        LaneFactory(shop=shop, country=country)
    listed = re.findall(r"<li class=\"spread\"><span><strong>([^<]+)<", text(browser.get(at(shop, "lanes/"), **german)))
    assert listed == ["Österreich", "Zypern", "Alle anderen Länder"]


def test_provider_must_be_one_of_tiktoks(browser: Client, shop: Shop) -> None:
    answer = browser.post(at(shop, "lanes/add/"), LANE | {"provider": "made-up", "carrier_service": ""})
    page = text(answer)
    assert answer.status_code == 422
    assert "Enter ReBound&#x27;s name of the service" in page


def test_provider_that_tiktok_lists_no_more_stays_until_changed(browser: Client, shop: Shop) -> None:
    LaneFactory(shop=shop, country="GB", shipping_provider_id="gone", shipping_provider_name="Old Post")
    assert '<option value="gone" selected>Old Post</option>' in text(browser.get(at(shop, "lanes/GB/")))


def test_lanes_without_tiktok_say_so(sandbox: Any, browser: Client, shop: Shop) -> None:
    sandbox.post("/faults", remote="tiktok", kind="status", status=503, path_contains="/logistics/", times=9)
    answer = browser.get(at(shop, "lanes/add/"))
    assert (answer.status_code, "TikTok cannot tell us your carriers now" in text(answer)) == (503, True)


# Seller Center


def test_ticks_are_kept_and_all_of_them_finish_the_step(browser: Client, shop: Shop) -> None:
    browser.post(at(shop, "seller-center/"), {"confirmed": ["reasons"]})
    shop.refresh_from_db()
    assert (shop.checklist, shop.checklist_confirmed_at) == (["reasons"], None)
    assert text(browser.get(at(shop, "seller-center/"))).count(" checked ") == 1
    everything = ["auto_approval", "seller_shipped", "carrier_services", "reasons"]
    browser.post(at(shop, "seller-center/"), {"confirmed": everything})
    shop.refresh_from_db()
    assert shop.checklist_confirmed_at is not None


def test_checks_say_what_tiktok_shows(sandbox: Any, browser: Client, shop: Shop) -> None:
    made = sandbox.post("/orders", shop_id=shop.shop_id, lines=[{"sku": "tea-towel", "quantity": 2}])
    for line, options in zip(
        made["line_items"],
        [{"return_method": "PLATFORM_SHIPPED"}, {"return_status": "RETURN_OR_REFUND_REQUEST_PENDING"}],
        strict=True,
    ):
        sandbox.post(
            "/returns",
            shop_id=shop.shop_id,
            order_id=made["order_id"],
            order_line_item_ids=[line["id"]],
            webhook={"send": False},
            **options,
        )
    page = text(browser.get(at(shop, "seller-center/")))
    assert "1 of the last 2 returns were to be shipped with your label." in page


def test_checklist_works_while_tiktok_does_not(sandbox: Any, browser: Client, shop: Shop) -> None:
    sandbox.post("/faults", remote="tiktok", kind="status", status=503, times=99)
    assert "TikTok cannot tell us how it is set now" in text(browser.get(at(shop, "seller-center/")))


# A connection that is lost

ASK_TIKTOK = ["setup/matching/", "setup/lanes/add/", "setup/seller-center/", "setup/test-return/"]
AGAIN = '<a class="button" href="/tiktok/connect">Connect again</a>'


@pytest.mark.parametrize("page", ASK_TIKTOK)
def test_page_of_a_disconnected_shop_leads_to_connecting_again(
    sandbox: Any, browser: Client, shop: Shop, page: str
) -> None:
    browser.post(f"/shops/{shop.shop_id}/disconnect")
    sandbox.post("/calls/reset")
    answer = browser.get(f"/shops/{shop.shop_id}/{page}")
    said = text(answer)
    assert answer.status_code == 200
    assert ("This shop is disconnected" in said, AGAIN in said) == (True, True)
    assert [each for each in ("in a moment", "in a minute", "/api/v2/") if each in said] == []
    assert sandbox.get("/calls")["by_endpoint"] == {}


@pytest.mark.parametrize("page", ASK_TIKTOK)
def test_page_says_that_the_connection_is_broken(browser: Client, shop: Shop, page: str) -> None:
    ShopAuthorization.objects.filter(pk=shop.authorization_id).update(
        broken_at=timezone.now(), broken_reason="TOKEN_REJECTED"
    )
    said = text(browser.get(f"/shops/{shop.shop_id}/{page}"))
    assert ("The token was refused: authorize again." in said, AGAIN in said) == (True, True)


@pytest.mark.parametrize("page", ASK_TIKTOK)
def test_page_that_tiktok_refuses_first_leads_to_connecting_again(
    sandbox: Any, browser: Client, shop: Shop, page: str
) -> None:
    sandbox.post("/faults", remote="tiktok", kind="code", code=36009033, times=99)
    said = text(browser.get(f"/shops/{shop.shop_id}/{page}"))
    assert ("TikTok no longer accepts the connection of this shop." in said, AGAIN in said) == (True, True)


@pytest.mark.parametrize("page", [*ASK_TIKTOK, "copy?from=", "/shops/choose/"])
def test_error_of_tiktok_is_told_by_its_code_alone(
    sandbox: Any, cast: Cast, browser: Client, shop: Shop, page: str
) -> None:
    sandbox.post("/faults", remote="tiktok", kind="code", code=36009003, times=99)
    path = page if page.startswith("/") else f"/shops/{shop.shop_id}/{page}"
    said = text(browser.get(path + (cast.off.shop.shop_id if page.endswith("=") else "")))
    assert ("code <code>36009003</code>" in said, "GET /" in said, AGAIN in said) == (True, False, False)


# Going live

MISSING = {"matching/": "Matching", "lanes/": "Lanes and carriers"}


def ready(shop: Shop) -> None:
    LaneFactory(shop=shop)
    Shop.objects.filter(pk=shop.pk).update(matching_chosen_at=timezone.now())


def test_shop_that_is_not_ready_cannot_go_live(browser: Client, shop: Shop) -> None:
    answer = browser.post(at(shop, "review/"), {"agreed": "on"})
    links = [f'<a href="{at(shop, page)}">{name}</a>' for page, name in MISSING.items()]
    page = text(answer)
    assert (answer.status_code, f"Finish these steps first: {', '.join(links)}." in page) == (422, True)
    assert "Not ready yet" not in page  # the same list, once more
    assert "Not ready yet" in text(browser.get(at(shop, "review/")))
    shop.refresh_from_db()
    assert shop.live_at is None


def test_going_live_needs_consent_and_keeps_it(browser: Client, shop: Shop) -> None:
    ready(shop)
    refused = browser.post(at(shop, "review/"), {})
    assert (refused.status_code, GoLiveConsent.objects.count()) == (422, 0)
    for _ in range(2):  # twice is once
        assert browser.post(at(shop, "review/"), {"agreed": "on"})["Location"] == f"/shops/{shop.shop_id}/"
    shop.refresh_from_db()
    consent = GoLiveConsent.objects.get()
    assert (consent.shop, consent.merchant, consent.seller_name, consent.open_id) == (
        shop,
        shop.merchant,
        "Test Seller",
        "open-of-a-test",
    )
    assert (consent.given_at, bool(consent.text_version)) == (shop.live_at, True)
    assert "is live." in text(browser.get(f"/shops/{shop.shop_id}/"))


def test_review_lists_what_is_open(browser: Client, shop: Shop) -> None:
    ready(shop)
    Shop.objects.filter(pk=shop.pk).update(webhooks_problem="TikTok does not list: RETURN_STATUS_CHANGE")
    page = text(browser.get(at(shop, "review/")))
    assert "TikTok does not tell us of every change" in page
    assert "Not every setting in Seller Center is confirmed" in page
    assert "No test return was looked at." in page
    assert "Not done:" not in page


def test_step_edited_alone_leads_home(browser: Client, shop: Shop) -> None:
    Shop.objects.filter(pk=shop.pk).update(live_at=timezone.now())
    assert browser.post(at(shop, "matching/"), {"matching": "off"})["Location"] == f"/shops/{shop.shop_id}/"
