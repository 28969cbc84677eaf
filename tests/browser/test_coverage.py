"""The coverage check in a browser: accessible on any screen, live with JavaScript, complete without it."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page

from matching.coverage.diagnosis import Finding, Kind
from matching.coverage.models import CheckState, CoverageCheck
from matching.coverage.services import start_check
from matching.id_rules import IdRules
from merchants.models import Shop
from tests.browser.conftest import look
from tests.browser.test_wizard import enter
from tests.factories import ShopFactory
from tests.matching.coverage.test_pages import done_check
from tests.merchants.wizard.conftest import sign_in_client

pytestmark = pytest.mark.django_db(transaction=True)

FOUND = (
    Finding(Kind.ID_RULES, 9, ("576461413000001",), {"matched": "9"}, rules=IdRules(strip_prefix="#")),
    Finding(Kind.OTHER_ORIGINS_TOO, 3, ("576461413000002",), {}, origin="MAGENTO"),
    Finding(Kind.SKU_AT_TIKTOK, 2, ("576461413000003",), {"at_tiktok": "tea-towel-" * 9, "in_order": "4711"}),
)


def opened(open_page: Callable[..., Page], shop: Shop, path: str = "", **options: object) -> Page:
    page = open_page("/help", **options)
    enter(page, sign_in_client(Client(), shop.merchant))
    page.goto(f"/shops/{shop.shop_id}/setup/coverage/{path}")
    return page


def test_every_page_looks_right(open_page: Callable[..., Page]) -> None:
    shop = ShopFactory(live_at=None)
    page = opened(open_page, shop)
    wrong = look(page, "50-coverage-start")
    check = done_check(shop, orders=30, matched=12, findings=FOUND)
    for name, path in (
        ("result", ""),
        ("orders", f"checks/{check.pk}/orders"),
        ("order", f"checks/{check.pk}/orders/576000029"),
    ):
        page.goto(f"/shops/{shop.shop_id}/setup/coverage/{path}")
        page.evaluate("document.querySelectorAll('.trail details').forEach(each => each.open = true)")
        wrong |= look(page, f"50-coverage-{name}")
    start_check(shop=shop, sample_size=20, now=timezone.now())
    CoverageCheck.objects.filter(state=CheckState.ACTIVE).update(sampled_at=timezone.now(), sampled=20, read=9)
    page.goto(f"/shops/{shop.shop_id}/setup/coverage/")
    assert wrong | look(page, "50-coverage-progress") == {}


def test_progress_is_live_and_ends_in_the_result(open_page: Callable[..., Page]) -> None:
    shop = ShopFactory(live_at=None)
    page = opened(open_page, shop)
    page.get_by_label("How many of your newest orders?").fill("50")
    page.get_by_role("button", name="Start the check").click()
    page.get_by_text("50 orders", exact=True).wait_for()
    CoverageCheck.objects.update(sampled_at=timezone.now(), sampled=50, read=20)
    page.get_by_text("20 read and 0 decided of 50 orders").wait_for()
    CoverageCheck.objects.update(state=CheckState.DONE, finished_at=timezone.now(), read=50, decided=50, matched=50)
    page.get_by_text("All 50 orders would match").wait_for()


def test_everything_works_without_javascript(open_page: Callable[..., Page]) -> None:
    shop = ShopFactory(live_at=None)
    page = opened(open_page, shop, java_script_enabled=False)
    page.get_by_label("How many of your newest orders?").fill("20")
    page.get_by_role("button", name="Start the check").click()
    page.get_by_role("link", name="Look again").click()
    page.get_by_role("button", name="Cancel the check").click()
    page.get_by_text("The check was canceled").wait_for()
    check = done_check(shop, orders=3, findings=FOUND)
    page.goto(f"/shops/{shop.shop_id}/setup/coverage/")
    page.get_by_role("button", name="Set this rule and check again").click()
    page.get_by_text("Asking TikTok").or_(page.get_by_text("Looking up")).first.wait_for()
    shop.refresh_from_db()
    assert (shop.id_strip_prefix, CoverageCheck.objects.exclude(pk=check.pk).filter(state="ACTIVE").count()) == ("#", 1)
