"""A day's work of an implementation manager in a browser: find a stuck return, understand it, mend it, see it done."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from merchants.audit import record_act
from returns.bulk import carry_on as bulk_carry_on
from returns.bulk import claim_runs
from returns.dry_run import Difference, DryRun
from returns.models import BulkRun, Step, TikTokReturn
from tests import factories
from tests.browser.conftest import PHONE, SCREENSHOTS, findings, overflow

pytestmark = pytest.mark.django_db(transaction=True)
DESK, LAPTOP = (1440, 900), (1280, 800)
TRAIL = [
    {"rule": "asked", "compared": [["platform origin", "SHOPIFY"]], "concluded": "Matching is asked for."},
    {
        "rule": "reference",
        "compared": [["platform origin", "SHOPIFY"], ["reference's platform", "SHOPIFY"], ["reference's id", "#1042"]],
        "concluded": "One reference under the shop's origin.",
    },
    {"rule": "order", "compared": [["reference", "#1042"]], "concluded": "ORDER_NOT_SYNCED: no order has this id."},
]


@pytest.fixture
def manager(db: None, client: Client) -> User:
    return User.objects.create_superuser("mona", "mona@rebound.example", None)


@pytest.fixture
def at_desk(open_page: Callable[..., Page], manager: User, client: Client, live_server: Any) -> Callable[..., Page]:
    """Open a page of the admin, signed in."""

    def at_desk(path: str, **options: Any) -> Page:
        client.force_login(manager)
        page = open_page("/livez", **options)
        cookie = client.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        page.goto(path)
        return page

    return at_desk


def is_well(page: Page, name: str) -> bool:
    """Nothing serious is wrong and nothing is too wide. Where SCREENSHOTS names a folder, a picture goes there."""
    if SCREENSHOTS:
        width = (page.viewport_size or {"width": 0})["width"]
        page.screenshot(path=f"{SCREENSHOTS}/desk-{name}-{width}.png", full_page=True)
    assert (name, findings(page), overflow(page)) == (name, [], 0)
    return True


def stuck_return() -> TikTokReturn:
    """Refused by TikTok after it went direct, since the order's id was not known."""
    now = timezone.now()
    shop = factories.ShopFactory(name="Nordic Tea UK", merchant__name="Nordic Tea")
    factories.LaneFactory(shop=shop)
    rebound_return = factories.ReboundReturnFactory(
        shop=shop, direct_reason="ORDER_NOT_SYNCED", reference="TTS-7494-4035"
    )
    factories.ReturnLabelFactory(rebound_return=rebound_return, tracking_number="RM123456785GB")
    row = factories.TikTokReturnFactory(
        shop=shop,
        status="NEEDS_ATTENTION",
        reason="UPLOAD_REFUSED",
        reason_detail="tiktok POST /shipping_documents: 25009073 the shipping provider is not enabled (request 2026…)",
        rebound_return=rebound_return,
        fetched_at=now,
        return_status="AWAITING_BUYER_SHIP",
        created_at=now - timedelta(hours=2),
    )
    factories.TikTokReturnItemFactory(tiktok_return=row, name="Tea towel, blue", seller_sku="TT-BLUE")
    factories.MatchFactory(
        shop=shop,
        return_id=row.return_id,
        outcome="NO_MATCH",
        reason="ORDER_NOT_SYNCED",
        sales_order=None,
        external_order_id="#1042",
        is_curable=True,
        trail=TRAIL,
        decided_at=now - timedelta(hours=2),
    )
    for number, (step, outcome) in enumerate(
        [("FETCH", "DONE"), ("MATCH", "DONE"), ("CREATE", "DONE"), ("DELIVER", "PERMANENT")]
    ):
        at = now - timedelta(minutes=110 - number)
        factories.StepAttemptFactory(
            tiktok_return=row,
            step=step,
            outcome=outcome,
            started_at=at,
            finished_at=at + timedelta(milliseconds=340),
            detail="" if outcome == "DONE" else row.reason_detail,
        )
    factories.WebhookEventFactory(
        tiktok_return=row, merchant=shop.merchant, shop_id=shop.shop_id, handled_at=now, outcome="APPLIED"
    )
    return row


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESK, LAPTOP], ids=["desktop", "laptop"])
def test_look_of_a_return(at_desk: Callable[..., Page], size: tuple[int, int], dark: bool) -> None:
    row = stuck_return()
    page = at_desk(reverse("admin:returns_tiktokreturn_change", args=[row.pk]), size=size, dark=dark)
    page.get_by_role("heading", name="Timeline").wait_for()
    assert is_well(page, f"return-{'dark' if dark else 'light'}")
    assert page.locator(".timeline time").first.get_attribute("title")


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_no_page_scrolls_sideways(at_desk: Callable[..., Page], manager: User, size: tuple[int, int]) -> None:
    row, long_name = stuck_return(), "7f3c9a5e" * 12
    authorization = factories.ShopAuthorizationFactory(open_id=long_name)
    account = factories.ReboundAccountFactory(client_id=long_name)
    role = Group.objects.create(name="Auditors")
    record_act(act="Changed", actor=manager, subject=account, detail={"changes": [long_name]}, now=timezone.now())
    page = at_desk(reverse("admin:returns_tiktokreturn_change", args=[row.pk]), size=size)
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true })")
    page.locator("details table").first.wait_for()
    assert is_well(page, "return-trail")
    concluded = page.locator(".trail td:last-child").first.bounding_box()
    assert concluded is not None
    assert concluded["x"] + concluded["width"] <= size[0]  # and none of it has to be scrolled to
    for name, keys in {
        "returns_alertchannel_add": (),
        "merchants_shopauthorization_change": (authorization.pk,),
        "merchants_reboundaccount_change": (account.pk,),
        "merchants_reboundaccount_history": (account.pk,),
        "auth_group_add": (),
        "auth_group_change": (role.pk,),
    }.items():
        page.goto(reverse(f"admin:{name}", args=keys))
        page.wait_for_load_state()
        assert (name, overflow(page)) == (name, 0)
        labels = page.locator("label > span")
        cut = labels.evaluate_all("all => all.filter((each) => each.scrollWidth > each.clientWidth).length")
        assert (name, cut) == (name, 0)


def test_menu_of_the_user_is_worked_by_keyboard(at_desk: Callable[..., Page], manager: User) -> None:
    page = at_desk(reverse("admin:index"), size=LAPTOP)
    opener = page.get_by_role("button", name="mona")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Light")).to_be_focused()
    for name in ("Dark", "System", "Log out"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name)).to_be_focused()
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()


def test_sidebar_of_a_phone_is_worked_by_keyboard(at_desk: Callable[..., Page]) -> None:
    page = at_desk(reverse("admin:index"), size=PHONE)
    opener = page.get_by_role("button", name="Menu", exact=True)
    entry = page.locator("#nav-sidebar").get_by_text("Needs attention")
    expect(entry).to_be_hidden()
    page.keyboard.press("Tab")
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Close the menu")).to_be_focused()
    expect(entry).to_be_visible()
    assert findings(page) == []
    page.keyboard.press("Enter")
    expect(opener).to_be_focused()
    expect(entry).to_be_hidden()


def test_ids_are_copied_by_keyboard_and_it_is_said(at_desk: Callable[..., Page]) -> None:
    row = stuck_return()
    page = at_desk(reverse("admin:returns_tiktokreturn_change", args=[row.pk]), size=LAPTOP)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy TikTok order id")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="TikTok order id copied")).to_have_count(1)
    expect(button).to_be_focused()
    assert page.evaluate("navigator.clipboard.readText()") == row.order_id
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy External order id")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("status").filter(has_text="External order id copied")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == "#1042"


def test_ids_are_copied_without_a_secure_connection_and_a_failure_is_said(at_desk: Callable[..., Page]) -> None:
    row = stuck_return()
    page = at_desk(reverse("admin:returns_tiktokreturn_change", args=[row.pk]), size=LAPTOP)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("document.execCommand = () => { window.copied = document.activeElement.value; return true; }")
    page.get_by_role("button", name="Copy Tracking number").click()
    expect(page.get_by_role("status").filter(has_text="Tracking number copied")).to_have_count(1)
    assert page.evaluate("window.copied") == "RM123456785GB"
    page.evaluate("document.execCommand = () => false")
    page.get_by_role("button", name="Copy Tracking number").click()
    expect(page.get_by_role("status").filter(has_text="It could not be copied")).to_be_visible()


def carry_on() -> None:
    """What a worker does for a run over many, and for what it made due; without remotes, so that returns are marked."""
    for ahead in range(100):
        token, keys = claim_runs(now=timezone.now() + timedelta(seconds=ahead), limit=1)
        for key in keys:
            bulk_carry_on(key, token=token)
        TikTokReturn.objects.filter(next_attempt_at__isnull=False).update(
            status="DONE", reason="", reason_detail="", next_attempt_at=None
        )
        if not BulkRun.objects.filter(finished_at__isnull=True).exists():
            return


def test_look_at_a_stuck_return_understood_rehearsed_mended_and_seen_done(
    at_desk: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = stuck_return()
    told = DryRun(
        asked_at=timezone.now(), steps=(Step.DELIVER,), differences=(Difference("lane", "GB, OLD", "GB, ROYAL_MAIL"),)
    )
    monkeypatch.setattr("returns.admin.act_views.dry_run", lambda **asked: told)
    page = at_desk(reverse("admin:index"), size=LAPTOP)
    page.get_by_role("link", name="Needs attention").first.click()
    page.get_by_role("link", name=row.return_id).click()
    page.get_by_text("TikTok refused the label").first.wait_for()
    page.get_by_text("Mend what TikTok names in the detail").wait_for()
    page.get_by_role("button", name="Run again…").click()
    page.get_by_text("Dry run: what it would do now. Nothing was done.").wait_for()
    page.get_by_role("row", name="lane GB, OLD GB, ROYAL_MAIL").wait_for()
    assert is_well(page, "dry-run")
    page.get_by_role("button", name="Run again", exact=True).click()
    page.get_by_text("queued, and logged with your name").wait_for()
    carry_on()
    page.reload()
    page.locator(".desk-badge", has_text="Done").wait_for()
    page.locator(".timeline").get_by_text("Run again").wait_for()
    assert is_well(page, "mended")


def test_look_of_a_run_over_many_with_progress(at_desk: Callable[..., Page]) -> None:
    row = stuck_return()
    for _ in range(60):
        factories.TikTokReturnFactory(shop=row.shop, status="NEEDS_ATTENTION", reason="NO_LANE")
    address = reverse("admin:returns_tiktokreturn_changelist")
    page = at_desk(f"{address}?status__exact=NEEDS_ATTENTION", size=DESK)
    assert is_well(page, "list")
    page.get_by_role("link", name="Act on all that this list finds").click()
    page.get_by_text("61 returns").wait_for()
    assert is_well(page, "bulk-choose")
    page.get_by_role("link", name="Run again…").click()
    assert is_well(page, "bulk-confirm")
    page.get_by_role("button", name="Run again: 61 returns").click()
    page.get_by_text("Under way.").wait_for()
    assert is_well(page, "bulk-under-way")
    carry_on()
    page.get_by_text("61 of 61: 61 done, 0 left alone, 0 failed.").wait_for()  # without a reload
    assert is_well(page, "bulk-result")
    page.get_by_role("link", name=row.return_id).click()
    page.locator(".desk-badge", has_text="Done").wait_for()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_look_of_a_dry_run_over_many(at_desk: Callable[..., Page], monkeypatch: pytest.MonkeyPatch, dark: bool) -> None:
    row = stuck_return()
    for _ in range(11):
        factories.TikTokReturnFactory(
            shop=row.shop, status="NEEDS_ATTENTION", reason="NO_LANE", fetched_at=timezone.now()
        )

    def told(*, tiktok_return: TikTokReturn, now: datetime) -> DryRun:
        linked = (
            Difference("outcome", "NO_MATCH", "MATCHED"),
            Difference("order", "", f"SO-{tiktok_return.pk}"),
            Difference("kind", "DIRECT", "LINKED"),
        )
        return [
            DryRun(asked_at=now, differences=linked, steps=(Step.LINK,)),
            DryRun(asked_at=now),
            DryRun(asked_at=now, problem="tiktok POST /returns/search: 36009002 too many requests"),
        ][tiktok_return.pk % 3]

    monkeypatch.setattr("returns.rehearsals.dry_run", told)
    page = at_desk(
        f"{reverse('admin:returns_tiktokreturn_bulk')}?status__exact=NEEDS_ATTENTION&act=match_again",
        size=LAPTOP if dark else DESK,
        dark=dark,
    )
    theme = "dark" if dark else "light"
    assert is_well(page, f"bulk-dry-{theme}")
    page.get_by_role("button", name="First show what it would do").click()
    page.get_by_text("This is a dry run: nothing is done.").wait_for()
    carry_on()
    page.get_by_text("12 of 12: 4 would differ").wait_for()  # without a reload
    assert is_well(page, f"bulk-dry-result-{theme}")
    page.get_by_role("link", name="Match again: those that would differ").click()
    page.get_by_text("4 returns").first.wait_for()
    page.get_by_role("button", name="Match again: 4 returns").wait_for()


def test_search_is_reached_by_the_slash_and_enter_opens_the_hit(at_desk: Callable[..., Page]) -> None:
    row = stuck_return()
    factories.TikTokReturnFactory()
    page = at_desk(reverse("admin:returns_tiktokreturn_changelist"), size=DESK)
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.keyboard.type(" TTS-7494-4035 ")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "q=" in address)
    page.get_by_role("link", name=row.return_id).wait_for()
    page.locator("#searchbar").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: reverse("admin:returns_tiktokreturn_change", args=[row.pk]) in address)


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_look_of_the_filters_which_are_set_together_and_stay(
    at_desk: Callable[..., Page], size: tuple[int, int]
) -> None:
    row = stuck_return()
    found = factories.TikTokReturnFactory(shop=row.shop, match_outcome="NO_MATCH", platform_origin="MAGENTO")
    factories.SalesOrderFactory(merchant=row.merchant)
    for name in ("matching_salesorder", "returns_webhookevent", "returns_tiktokreturn"):
        page = at_desk(reverse(f"admin:{name}_changelist"), size=size)
        page.get_by_role("button", name="Filters", exact=True).click()
        expect(page.get_by_role("button", name="Apply Filters")).to_be_visible()
        assert is_well(page, f"filters-{name}")
    page.locator("#id_match_outcome__exact").select_option("NO_MATCH", force=True)
    page.locator("#id_platform_origin__exact").select_option("MAGENTO", force=True)
    page.get_by_role("button", name="Apply Filters").click()
    page.wait_for_url(lambda address: "match_outcome__exact=NO_MATCH" in address)
    expect(page.get_by_role("link", name=found.return_id)).to_be_visible()
    expect(page.get_by_role("link", name=row.return_id)).to_have_count(0)
    button = page.get_by_role("button", name="Filters", exact=True)
    button.press("Enter")
    expect(page.locator("#filter-form .select2-selection").first).to_be_focused()
    expect(page.locator("#id_platform_origin__exact")).to_have_value("MAGENTO")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Apply Filters")).to_be_hidden()
    expect(button).to_be_focused()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_look_of_the_pages_around_a_return(at_desk: Callable[..., Page], dark: bool) -> None:
    row = stuck_return()
    order = factories.SalesOrderFactory(merchant=row.merchant, external_order_id="1042")
    factories.SalesOrderItemFactory(order=order, sku="TT-BLUE")
    event = row.events.get()  # type: ignore[attr-defined]
    link = reverse("admin:returns_tiktokreturn_link", args=[row.pk])
    pages = {
        "returns": reverse("admin:returns_tiktokreturn_changelist"),
        "payload": reverse("admin:returns_tiktokreturn_payload", args=[row.pk]),
        "resolve": reverse("admin:returns_tiktokreturn_resolve", args=[row.pk]),
        "choose-order": link,
        "link": f"{link}?order={order.pk}",
        "order": reverse("admin:matching_salesorder_change", args=[order.pk]),
        "address": reverse("admin:matching_salesorder_address", args=[order.pk]),
        "replay": reverse("admin:returns_webhookevent_replay", args=[event.pk]),
        "replay-since": reverse("admin:returns_webhookevent_replay_since"),
    }
    page = at_desk(pages["returns"], size=LAPTOP, dark=dark)
    for name, address in pages.items():
        page.goto(address)
        assert is_well(page, f"{name}-{'dark' if dark else 'light'}")
