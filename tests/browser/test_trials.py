"""The test return in a browser: from the newest orders to the decision and the specimen."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page

from rebound_tts.demo.story import Story
from returns.trials import try_return
from tests.browser.conftest import look
from tests.browser.test_wizard import enter
from tests.merchants.wizard.conftest import sign_in_client

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_page_looks_right(open_page: Callable[..., Page], story: Story) -> None:
    player = story.cast.shopify
    bought = story.synced(player, ("linen-shirt", "39.00", 1))
    page = open_page("/help")
    enter(page, sign_in_client(Client(), player.shop.merchant))
    page.goto(f"/shops/{player.shop.shop_id}/setup/test-return/")
    wrong = look(page, "51-test-return")
    for wants_qr in (False, True):
        trial = try_return(shop=player.shop, order_id=bought.order_id, wants_qr=wants_qr, by="", now=timezone.now())
        page.goto(f"/shops/{player.shop.shop_id}/setup/test-return/{trial.pk}")
        page.evaluate("document.querySelectorAll('.trail details').forEach(each => each.open = true)")
        wrong |= look(page, f"51-test-return-{'qr' if wants_qr else 'label'}")
        assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
    assert wrong == {}


@pytest.mark.parametrize("javascript", [True, False])
def test_the_whole_way(open_page: Callable[..., Page], story: Story, javascript: bool) -> None:
    player = story.cast.shopify
    bought = story.synced(player, ("linen-shirt", "39.00", 1))
    page = open_page("/help", java_script_enabled=javascript)
    enter(page, sign_in_client(Client(), player.shop.merchant))
    page.goto(f"/shops/{player.shop.shop_id}/setup/test-return/")
    page.get_by_role("link", name=bought.order_id).click()
    page.get_by_label("A QR code to show").check()
    page.get_by_role("button", name="See what would happen").click()
    page.get_by_text("The return would be linked to your order").wait_for()
    page.get_by_text("ROYAL_MAIL_QR").first.wait_for()
