"""Staff in a browser: signing in, a second factor, a passkey, and the pages around it, in both themes."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from matching.models import MatchDay
from merchants.settings_history import note_settings
from tests.browser.conftest import DESKTOP, SMALL, findings, overflow
from tests.factories import AlertChannelFactory, LaneFactory, ShopFactory, TikTokReturnFactory

pytestmark = pytest.mark.django_db(transaction=True)
LAPTOP, WIDE = (1280, 720), (1440, 900)
PASSWORD = "a long password 1"


@pytest.fixture
def mona(db: None) -> User:
    return User.objects.create_superuser("mona", "mona@rebound.example", PASSWORD)


def sign_in(page: Page) -> None:
    page.get_by_label("Login").fill("mona")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(lambda address: "/login" not in address)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [SMALL, DESKTOP], ids=["320px", "desktop"])
def test_pages_of_an_account_are_accessible(
    open_page: Callable[..., Page], mona: User, size: tuple[int, int], dark: bool
) -> None:
    page = open_page(reverse("account_login"), size=size, dark=dark)
    assert (findings(page), overflow(page)) == ([], 0)
    page.get_by_label("Login").fill("mona")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_text("not correct").wait_for()
    assert (findings(page), overflow(page)) == ([], 0)
    sign_in(page)
    page.goto(reverse("mfa_activate_totp"))
    page.get_by_label("Password").fill(PASSWORD)
    assert (findings(page), overflow(page)) == ([], 0)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("scan the QR code").wait_for()
    assert (findings(page), overflow(page)) == ([], 0)
    for name in ("mfa_index", "mfa_list_webauthn", "mfa_add_webauthn", "account_change_password", "account_logout"):
        page.goto(reverse(name))
        assert (name, findings(page), overflow(page)) == (name, [], 0)


def test_passkey_is_added_and_signs_in_alone(
    open_page: Callable[..., Page], mona: User, settings: Any, live_server: Any
) -> None:
    settings.STAFF_SECOND_FACTOR = settings.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
    # Browsers offer passkeys to host names alone, and on this machine to "localhost" without TLS.
    here = live_server.url.replace("127.0.0.1", "localhost")
    page = open_page(reverse("account_login"))
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto(here + reverse("account_login"))
    sign_in(page)
    page.goto(here + reverse("admin:index"))
    page.get_by_text("Add a second factor first").wait_for()
    page.goto(here + reverse("mfa_add_webauthn"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(lambda address: "recovery-codes" in address or address.endswith("/webauthn/"))
    page.goto(here + reverse("mfa_list_webauthn"))
    page.get_by_text("Signs in without a password").wait_for()
    assert (findings(page), overflow(page)) == ([], 0)
    page.goto(here + reverse("account_logout"))
    page.get_by_role("button", name="Sign Out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(here + reverse("admin:index"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_work_queue_is_accessible_and_leads_to_the_rows(open_page: Callable[..., Page], mona: User, dark: bool) -> None:
    shop = ShopFactory(live_at=timezone.now())
    stuck = TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="NO_LANE")
    MatchDay.objects.create(
        merchant=shop.merchant, day=timezone.now().date(), asked=4, matched=3, counted_at=timezone.now()
    )
    page = open_page(reverse("admin:index"), size=LAPTOP, dark=dark)
    sign_in(page)
    page.get_by_text("Match rate of the last 30 days").wait_for()
    assert (findings(page), overflow(page)) == ([], 0)
    page.get_by_role("link", name="1 No lane covers the country").click()
    page.get_by_text(stuck.return_id).wait_for()
    assert overflow(page) == 0


@pytest.mark.parametrize("size", [LAPTOP, WIDE], ids=["laptop", "desktop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_look_at_the_admin(open_page: Callable[..., Page], mona: User, size: tuple[int, int], dark: bool) -> None:
    """Each page of merchants and shops as a person sees it. Where SCREENSHOTS names a folder, a picture goes there."""
    shop = ShopFactory(live_at=timezone.now())
    LaneFactory(shop=shop)
    note_settings(shop=shop, by="mona", now=timezone.now())
    channel = AlertChannelFactory(merchant=shop.merchant)
    TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="NO_LANE")
    page = open_page(reverse("admin:index"), size=size, dark=dark)
    sign_in(page)
    pages = {
        "queue": reverse("admin:index"),
        "merchants": reverse("admin:merchants_merchant_changelist"),
        "shops": reverse("admin:merchants_shop_changelist"),
        "shop": reverse("admin:merchants_shop_change", args=[shop.pk]),
        "pause": reverse("admin:merchants_shop_pause_or_resume", args=[shop.pk]),
        "copy-settings": reverse("admin:merchants_shop_copy_settings", args=[shop.pk]),
        "alert-channel": reverse("admin:returns_alertchannel_change", args=[channel.pk]),
        "audit-log": reverse("admin:merchants_auditentry_changelist"),
    }
    ours = {"queue", "pause", "copy-settings"}  # the others are the theme's own templates
    for name, address in pages.items():
        page.goto(address)
        page.get_by_role("main").or_(page.locator("#main")).first.wait_for()
        assert (name, overflow(page)) == (name, 0)
        assert (name, findings(page) if name in ours else []) == (name, [])
        if folder := os.environ.get("SCREENSHOTS"):
            theme = "dark" if dark else "light"
            page.screenshot(path=f"{folder}/50-admin-{name}-{size[0]}-{theme}.png", full_page=True)
