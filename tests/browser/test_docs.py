"""The order API's pages in a browser: readable on any screen, in both themes, without another host."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, SMALL, findings, overflow
from tests.factories import MatchFactory, MerchantFactory, ShopFactory
from tests.matching.api.conftest import ROOT, Oms, order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [SMALL, DESKTOP], ids=["320px", "desktop"])
@pytest.mark.parametrize("path", ["/docs/orders", "/docs/errors"])
def test_docs_are_accessible(open_page: Callable[..., Page], path: str, size: tuple[int, int], dark: bool) -> None:
    page = open_page(path, size=size, dark=dark)
    assert (findings(page), overflow(page)) == ([], 0)


def test_swagger_shows_the_calls(open_page: Callable[..., Page]) -> None:
    page = open_page("/docs/api")
    page.get_by_text("/api/v1/sales-orders:batch").first.wait_for()
    expect(page.locator(".info .description a")).to_have_attribute("href", "/docs/orders")


def test_swagger_gets_a_token_and_makes_a_call(open_page: Callable[..., Page]) -> None:
    cache.clear()
    oms = Oms(MerchantFactory(name="Harbour Outfitters"))
    page = open_page("/docs/api")
    page.locator(".auth-wrapper .authorize").first.click()
    asked = page.locator(".auth-container")
    asked.locator("#client_id_clientCredentials").fill(oms.client.client_id)
    asked.locator("#client_secret_clientCredentials").fill(oms.secret.plain)
    asked.get_by_text("select all").click()
    asked.locator("button.authorize").click()
    page.locator(".btn-done").click()
    call = page.locator("#operations-Orders-whoAmI")
    call.locator(".opblock-summary-control").click()
    call.get_by_text("Try it out").click()
    call.locator(".execute").click()
    expect(call.locator(".live-responses-table")).to_contain_text('"merchant": "Harbour Outfitters"')


@pytest.fixture
def oms() -> Oms:
    cache.clear()
    oms = Oms(MerchantFactory(name="Harbour Outfitters"))
    oms.push(order("A-very-long-id-" * 12))
    oms.call(
        "POST",
        f"{ROOT}:batch",
        [
            order("B"),
            order("C", salesItems=[{"quantity": 0, "sku": "x" * 200}], clientMetadata={"omsOrderId": "c" * 90}),
        ],
    )
    oms.push(b"{")
    MatchFactory(
        shop=ShopFactory(merchant=oms.merchant),
        outcome="NO_MATCH",
        reason="ORDER_NOT_SYNCED",
        sales_order=None,
        external_order_id="SO-" + "9" * 60,
    )
    return oms


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [SMALL, DESKTOP], ids=["320px", "desktop"])
def test_a_developer_signs_in_without_a_script_and_sees_what_was_wrong(
    open_page: Callable[..., Page], oms: Oms, size: tuple[int, int], dark: bool
) -> None:
    page = open_page("/docs/conformance", size=size, dark=dark, java_script_enabled=False)
    page.get_by_label("Client id").fill(oms.client.client_id)
    page.get_by_label("Client secret").fill(oms.secret.plain)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="The three rules").wait_for()
    page.get_by_text("What was wrong").first.wait_for()
    state = page.context.storage_state()
    shown = open_page("/docs/conformance", size=size, dark=dark, storage_state=state)
    for summary in shown.locator("summary").all():
        summary.click()
    assert (findings(shown), overflow(shown)) == ([], 0)
    shown.get_by_role("button", name="Sign out").click()
    assert (findings(shown), overflow(shown)) == ([], 0)
