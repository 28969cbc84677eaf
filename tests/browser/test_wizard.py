"""The merchant's way in a browser, against the sandbox: from TikTok's consent page to a shop that is live.

Every page is looked at on the way, wide and narrow, in both themes; `make screenshots` keeps pictures of them.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from merchants.models import Merchant, Shop
from rebound_tts.demo.cast import Cast
from rebound_tts.demo.newcomer import Newcomer, newcomer
from rebound_tts.urls import STEPS
from tests.browser.conftest import DESKTOP, PHONE, SCREENSHOTS, SMALL, look, overflow
from tests.factories import ShopFactory
from tests.merchants.wizard.conftest import sign_in_client

pytestmark = pytest.mark.django_db(transaction=True)

Open = Callable[..., Page]


@pytest.fixture
def guest(sandbox: Any, live_server: LiveServer, settings: Any) -> Newcomer:
    """A seller with twenty orders, who has not connected yet."""
    settings.PUBLIC_URL = live_server.url
    sandbox.post("/settings", redirect_url=f"{live_server.url}/tiktok/callback")
    return newcomer(sandbox)


def enter(page: Page, client: Client) -> None:
    """The browser takes over the session of a signed-in client."""
    key = str(client.session.session_key)
    page.context.add_cookies([{"name": "sessionid", "value": key, "url": page.url}])


@pytest.fixture
def signed_in_browser(open_page: Open) -> Open:
    """`signed_in_browser(merchant, path, …)`: a page of a merchant who is signed in already."""

    def opened(merchant: Merchant, path: str, **options: Any) -> Page:
        page = open_page("/help", **options)
        enter(page, sign_in_client(Client(), merchant))
        page.goto(path)
        return page

    return opened


def consents(page: Page, decision: str = "Authorize") -> None:
    """The sandbox's consent page."""
    page.get_by_role("button", name=decision, exact=True).click()


def test_whole_way_looks_right(open_page: Open, guest: Newcomer, settings: Any) -> None:
    wrong: dict[str, Any] = {}
    page = open_page("/", also=(settings.TIKTOK_API_URL,))
    wrong |= look(page, "00-front")
    page.get_by_role("link", name="Connect TikTok Shop").click()
    consents(page)
    wrong |= look(page, "02-rebound")
    page.get_by_role("link", name="Connect TikTok Shop").first.click()
    wrong |= look(page, "01-tiktok")
    page.get_by_role("link", name="Continue").click()
    page.get_by_role("button", name="Test and save").click()
    wrong |= look(page, "02-rebound-errors")
    page.get_by_label("Client id").fill(guest.client_id)
    page.get_by_label("Client secret").fill("wrong")
    page.get_by_role("button", name="Test and save").click()
    wrong |= look(page, "02-rebound-refused")
    assert page.get_by_label("Client id").input_value() == guest.client_id
    assert page.get_by_label("Client secret").input_value() == ""
    page.get_by_label("Client secret").fill(guest.client_secret)
    page.get_by_role("button", name="Test and save").click()
    wrong |= look(page, "03-matching")
    page.get_by_text("Match", exact=True).click()
    page.get_by_text("The ids differ by").click()
    page.get_by_label("Ignore this at the start").fill("55")
    page.get_by_role("button", name="Show what the rules do").click()
    wrong |= look(page, "03-matching-preview")
    page.get_by_label("Ignore this at the start").fill("")
    page.get_by_role("button", name="Save and continue").click()
    shop = Shop.objects.get()
    assert (shop.matching_enabled, shop.platform_origin, shop.id_strip_prefix) == (True, "SHOPIFY", "")
    page.goto(f"/shops/{shop.shop_id}/setup/lanes/")
    wrong |= look(page, "05-lanes-empty")
    page.get_by_role("link", name="Add the first lane").click()
    page.get_by_role("button", name="Save lane").click()
    wrong |= look(page, "05-lane-errors")
    page.get_by_label("Returns from").select_option("")
    page.get_by_label("Carrier service for labels").fill("EVRI_PARCELSHOP")
    page.get_by_label("Carrier that your buyer sees").select_option(label="Evri")
    page.get_by_role("button", name="Save lane").click()
    wrong |= look(page, "05-lanes")
    page.get_by_role("link", name="Continue").click()
    wrong |= look(page, "06-seller-center")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Save and continue").click()
    page.goto(f"/shops/{shop.shop_id}/setup/review/")
    page.get_by_role("button", name="Go live").click()
    wrong |= look(page, "08-review-errors")
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Go live").click()
    wrong |= look(page, "09-home")
    page.get_by_role("link", name="Pause this shop").click()
    wrong |= look(page, "10-pause")
    page.get_by_role("button", name="Pause").click()
    wrong |= look(page, "11-home-paused")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("link", name="Disconnect this shop").click()
    wrong |= look(page, "12-disconnect")
    page.get_by_role("button", name="Disconnect").click()
    wrong |= look(page, "13-home-disconnected")
    page.goto("/help")
    wrong |= look(page, "14-help")
    assert wrong == {}


def arrives(page: Page, guest: Newcomer) -> Shop:
    """Through TikTok's consent page to the first open step."""
    page.get_by_role("link", name="Connect TikTok Shop").first.click()
    consents(page)
    page.get_by_role("heading", name="Connect ReBound", level=1).wait_for()
    return Shop.objects.get()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_whole_way_works_without_javascript(
    open_page: Open, guest: Newcomer, settings: Any, size: tuple[int, int]
) -> None:
    page = open_page("/", also=(settings.TIKTOK_API_URL,), size=size, java_script_enabled=False)
    shop = arrives(page, guest)
    page.get_by_label("Client id").fill(guest.client_id)
    page.get_by_label("Client secret").fill(guest.client_secret)
    page.get_by_role("button", name="Test and save").click()
    page.get_by_text("ReBound answered in").wait_for()
    page.get_by_text("Do not match", exact=True).click()
    expect(page.get_by_label("Whose order numbers does TikTok hold?")).to_be_hidden()
    page.get_by_role("button", name="Save and continue").click()
    page.goto(f"/shops/{shop.shop_id}/setup/lanes/add/")
    page.get_by_label("Carrier service for labels").fill("EVRI_PARCELSHOP")
    page.get_by_label("Carrier that your buyer sees").select_option(label="Evri")
    page.get_by_role("button", name="Save lane").click()
    page.goto(f"/shops/{shop.shop_id}/setup/review/")
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Go live").click()
    page.get_by_text("Meridian UK is live.").wait_for()
    shop.refresh_from_db()
    assert (shop.live_at is not None, shop.matching_enabled) == (True, False)


def test_merchant_goes_on_where_it_stopped_on_another_device(open_page: Open, guest: Newcomer, settings: Any) -> None:
    page = open_page("/", also=(settings.TIKTOK_API_URL,))
    arrives(page, guest)
    page.get_by_label("Client id").fill(guest.client_id)
    page.get_by_label("Client secret").fill(guest.client_secret)
    page.get_by_role("button", name="Test and save").click()
    page.get_by_role("heading", name="Matching", level=1).wait_for()
    other = open_page("/", also=(settings.TIKTOK_API_URL,), size=PHONE)
    other.get_by_role("link", name="Connect TikTok Shop").first.click()
    consents(other)
    other.get_by_text("Welcome back").wait_for()
    expect(other.get_by_role("heading", level=1)).to_have_text("Matching")
    expect(other.locator(".steps summary")).to_contain_text(f"Step 3 of {len(STEPS)}")


def test_focus_moves_to_what_is_wrong_and_on_to_the_field(open_page: Open, guest: Newcomer, settings: Any) -> None:
    page = open_page("/", also=(settings.TIKTOK_API_URL,))
    arrives(page, guest)
    page.get_by_role("button", name="Test and save").click()
    expect(page.locator("#errors")).to_be_focused()
    expect(page).to_have_title(re.compile("^Error:"))
    page.get_by_role("link", name="Client id: Enter").click()
    expect(page.get_by_label("Client id")).to_be_focused()
    described = page.get_by_label("Client id").get_attribute("aria-describedby") or ""
    assert "Enter the client id" in page.locator(f"#{described.split()[-1]}").inner_text()


def test_edges_of_signing_in_look_right(open_page: Open, guest: Newcomer, settings: Any, sandbox: Any) -> None:
    wrong: dict[str, Any] = {}
    page = open_page("/", also=(settings.TIKTOK_API_URL,))

    def sees(name: str, title: str) -> None:
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        wrong.update(look(page, f"20-{name}"))

    page.get_by_role("link", name="Connect TikTok Shop").click()
    consents(page, "Deny")
    sees("denied", "You did not authorize the app")
    page.goto("/tiktok/callback?code=ROW_from_the_app_store")
    sees("app-store", "One more step")
    page.goto("/tiktok/callback?code=ROW_planted&state=made-up")
    sees("state-lost", "This sign-in cannot be finished")
    for name, title, options in (
        ("code-dead", "TikTok's code has expired", {"code": 36004004, "path_contains": "/token/get"}),
        ("refused", "TikTok refused the connection", {"code": 105004, "path_contains": "/authorization/"}),
        ("unavailable", "TikTok does not answer", {"code": 36009003, "path_contains": "/authorization/"}),
    ):
        sandbox.post("/faults", remote="tiktok", kind="code", **options)
        page.get_by_role("link", name="Try again").click()
        consents(page)
        sees(name, title)
    sandbox.post("/sellers", seller_name="Narrow", shops=[{"name": "Narrow UK"}], scopes=["seller.authorization.info"])
    sandbox.post("/sellers", seller_name="Creator", shops=[{"name": "None"}], user_type=1)
    taken = sandbox.post("/sellers", seller_name="Taken", shops=[{"name": "Taken UK"}])
    sandbox.post("/sellers", seller_name="Wide", shops=[{"name": "Wide UK"}, {"name": "Wide IE"}])
    ShopFactory(shop_id=taken["shops"][0]["id"])
    for seller, name, title in (
        ("Narrow", "scopes", "Some permissions are missing"),
        ("Creator", "not-owner", "This is not a shop's main account"),
        ("Taken", "taken", "This shop is connected under another account"),
        ("Wide", "choose", "Which shops do you want to connect?"),
    ):
        page.goto("/")
        page.get_by_role("link", name="Connect TikTok Shop").click()
        option = page.locator("option", has_text=seller).first.get_attribute("value")
        page.get_by_role("combobox").select_option(option)
        consents(page)
        sees(name, title)
    page.get_by_role("button", name="Connect").click()
    sees("choose-errors", "Which shops do you want to connect?")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Connect").click()
    page.goto("/shops/")
    sees("shops", "Your shops")
    page.goto("/nowhere")
    sees("not-found", "This page does not exist")
    assert wrong == {}


def test_copying_looks_right(open_page: Open, signed_in_browser: Callable[..., Page], cast: Cast) -> None:
    cache.clear()
    target = cast.off.shop
    Shop.objects.filter(pk=target.pk).update(live_at=None, matching_chosen_at=None)
    page = signed_in_browser(target.merchant, f"/shops/{target.shop_id}/copy")
    wrong = look(page, "15-copy")
    page.get_by_role("button", name="Copy these").click()
    page.get_by_text("Copied from Harbour UK.").wait_for()
    wrong |= look(page, "16-copied")
    assert wrong == {}


def test_look_of_the_order_system(signed_in_browser: Callable[..., Page]) -> None:
    shop = ShopFactory()
    page = signed_in_browser(shop.merchant, f"/shops/{shop.shop_id}/")
    page.get_by_role("link", name="Open Your order system").click()
    wrong = look(page, "17-order-system")
    page.get_by_text("It sends them here. Pass them on to ReBound").click()
    page.get_by_label("Write my order and item ids").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_role("link", name="Make credentials").click()
    page.get_by_role("button", name="Make credentials").click()
    page.get_by_text("Enter a name, for example").first.wait_for()
    wrong |= look(page, "17-credentials-errors")
    page.get_by_label("Name").fill("Plentymarkets")
    page.get_by_role("button", name="Make credentials").click()
    page.get_by_role("heading", name="Your new secret").wait_for()
    wrong |= look(page, "17-credentials-shown")
    page.get_by_role("link", name="I have copied both").click()
    page.get_by_role("link", name="Add a secret Plentymarkets").click()
    wrong |= look(page, "17-secret")
    page.get_by_role("button", name="Add a secret").click()
    page.get_by_role("link", name="I have copied both").click()
    wrong |= look(page, "17-order-system-used")
    page.get_by_role("link", name="Revoke sec_").first.click()
    wrong |= look(page, "17-revoke")
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("Revoked. It is refused from now on.").wait_for()
    assert wrong == {}


def test_home_of_a_disconnected_shop_among_others_fits_a_phone(signed_in_browser: Callable[..., Page]) -> None:
    shop = ShopFactory(name="The Harbour Outfitters' Warehouse Outlet", disconnected_at=timezone.now())
    ShopFactory(merchant=shop.merchant)
    page = signed_in_browser(shop.merchant, f"/shops/{shop.shop_id}/", size=PHONE)
    first, second = (each.bounding_box() for each in page.locator(".notice .button").all())
    assert first is not None
    assert second is not None
    assert second["y"] - (first["y"] + first["height"]) >= 8
    name, switcher = page.locator(".switcher .shop-name").bounding_box(), page.locator(".switcher").bounding_box()
    assert name is not None
    assert switcher is not None
    assert name["y"] - switcher["y"] < 16  # on the first line, with the arrow
    assert overflow(page) == 0


@pytest.mark.parametrize("path", ["/", "/shops/{}/", "/shops/{}/setup/matching/"])
def test_right_to_left_fits(signed_in_browser: Callable[..., Page], settings: Any, path: str, sandbox: Any) -> None:
    settings.LANGUAGES = [*settings.LANGUAGES, ("ar", "العربية")]
    shop = ShopFactory(live_at=None if "setup" in path else timezone.now())
    page = signed_in_browser(shop.merchant, path.format(shop.shop_id), size=SMALL, locale="ar")
    assert page.locator("html").get_attribute("dir") == "rtl"
    assert overflow(page) == 0
    name = path.strip("/").replace("/{}", "").replace("/", "-") or "front"
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/30-rtl-{name}.png", full_page=True)


def test_german_fits_a_small_phone(signed_in_browser: Callable[..., Page], cast: Cast) -> None:
    cache.clear()
    shop = cast.shopify.shop
    page = signed_in_browser(shop.merchant, f"/shops/{shop.shop_id}/", size=SMALL, locale="de-DE")
    assert page.locator("html").get_attribute("lang") == "de"
    wide = {}
    for name in ("", "copy", "pause", "disconnect", *(f"setup/{step.slug}/" for step in STEPS), "setup/lanes/add/"):
        page.goto(f"/shops/{shop.shop_id}/{name}")
        if overflow(page):
            wide[name] = overflow(page)
        if SCREENSHOTS:
            page.screenshot(path=f"{SCREENSHOTS}/40-de-{name.strip('/').replace('/', '-')}.png", full_page=True)
    assert wide == {}
