"""The pages of the check: who may see what, what a click does, and what is shown."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format
from django_q.models import OrmQ

from matching.coverage.diagnosis import Finding, Kind
from matching.coverage.models import CheckState, CoverageCheck, CoverageOrder, Stage
from matching.coverage.pages import COVERAGE
from matching.coverage.services import cancel_check, start_check
from matching.coverage.table import safe
from matching.coverage.wording import _TEXTS, REASONS, said
from matching.id_rules import IdRules
from merchants.models import Shop
from tests.factories import ShopFactory
from tests.matching.coverage.conftest import Checked
from tests.merchants.wizard.conftest import SignIn, sign_in_client

pytestmark = pytest.mark.django_db


def done_check(shop: Shop, *, orders: int = 1, findings: Any = (), matched: int = 0) -> CoverageCheck:
    check = start_check(shop=shop, sample_size=20, now=timezone.now())
    CoverageOrder.objects.bulk_create(
        CoverageOrder(
            merchant=shop.merchant,
            coverage_check=check,
            position=number,
            order_id=f"5760000{number}",
            order_status="DELIVERED",
            ordered_at=timezone.now(),
            lines=[{"id": "1", "sku": "tea-towel"}],
            references=[{"id": f"#{number}", "platform": "SHOPIFY", "lines": []}],
            outcome="MATCHED" if number < matched else "NO_MATCH",
            reason="" if number < matched else "ORDER_NOT_SYNCED",
            stage=Stage.MATCHED if number < matched else Stage.REFERENCED,
            external_order_id=f"#{number}",
        )
        for number in range(orders)
    )
    counted = check.orders.counted()
    CoverageCheck.objects.filter(pk=check.pk).update(
        state=CheckState.DONE,
        sampled_at=timezone.now(),
        finished_at=timezone.now(),
        findings=[each.as_json() for each in findings],
        **counted,
    )
    check.refresh_from_db()
    return check


@pytest.fixture
def shop() -> Shop:
    return ShopFactory(live_at=None)


@pytest.fixture
def browser(shop: Shop) -> Client:
    return sign_in_client(Client(), shop.merchant)


def url(shop: Shop, rest: str = "") -> str:
    return f"/shops/{shop.shop_id}/setup/coverage/{rest}"


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_start_queues_a_check_once(browser: Client, shop: Shop):
    for _ in range(2):
        answer = browser.post(url(shop), {"sample_size": "50"})
        assert (answer.status_code, answer["Location"]) == (302, url(shop))
    check = CoverageCheck.objects.get()
    assert (check.sample_size, check.shop, check.is_active, OrmQ.objects.count()) == (50, shop, True, 1)
    assert "Asking TikTok for your newest orders" in text(browser.get(url(shop)))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("19", "Type 20 or more"),
        ("501", "Type 500 or less"),
        ("many", "Type a whole number"),
        ("", "Type a number from 20 to 500."),
    ],
)
def test_a_wrong_size_says_what_to_type(browser: Client, shop: Shop, typed: str, message: str):
    answer = browser.post(url(shop), {"sample_size": typed})
    assert answer.status_code == 422
    assert message in text(answer)
    assert not CoverageCheck.objects.exists()


def test_times_of_checks_have_a_zone(browser: Client, shop: Shop):
    earlier, newest = done_check(shop), done_check(shop)
    page = text(browser.get(url(shop)))
    assert f"Checked {date_format(newest.asked_at, 'DATETIME_FORMAT')} UTC with the platform origin Shopify." in page
    assert f">{date_format(earlier.asked_at, 'DATETIME_FORMAT')} UTC</a>" in page


def test_a_shop_without_an_origin_is_sent_to_choose_one(browser: Client, shop: Shop):
    Shop.objects.update(platform_origin="")
    assert "Choose your platform origin first" in text(browser.get(url(shop)))
    assert browser.post(url(shop), {"sample_size": "50"}).status_code == 200
    assert not CoverageCheck.objects.exists()


def test_a_shop_without_matching_has_nothing_to_check(browser: Client, shop: Shop):
    Shop.objects.update(matching_enabled=False, matching_chosen_at=timezone.now())
    shop.refresh_from_db()
    assert "There is nothing to check" in text(browser.get(url(shop)))
    assert (COVERAGE.is_done(shop), COVERAGE.warnings(shop)) == (True, [])


def test_cancel_stops_it(browser: Client, shop: Shop):
    check = start_check(shop=shop, sample_size=20, now=timezone.now())
    assert browser.get(url(shop, "cancel")).status_code == 405
    assert browser.post(url(shop, "cancel")).status_code == 302
    check.refresh_from_db()
    assert check.state == CheckState.CANCELLED
    assert "The check was canceled" in text(browser.get(url(shop)))


def test_progress_is_a_part_of_the_page(browser: Client, shop: Shop):
    assert browser.get(url(shop, "progress")).status_code == 404
    start_check(shop=shop, sample_size=20, now=timezone.now())
    answer = browser.get(url(shop, "progress"))
    assert text(answer).startswith('<div data-state="ACTIVE">')


def test_the_result_says_what_is_in_the_way(browser: Client, shop: Shop):
    rules = Finding(Kind.ID_RULES, 43, ("5761",), {"matched": "43"}, rules=IdRules(strip_prefix="#"))
    check = done_check(shop, orders=2, findings=[rules, Finding(Kind.NO_REFERENCE, 1)])
    shown = text(browser.get(url(shop)))
    assert "0 of 2 orders would match" in shown
    assert "43 orders would match if the prefix “#” were left out" in shown
    assert "1 order has no reference at TikTok" in shown
    assert f'action="{url(shop, f"checks/{check.pk}/apply/0")}"' in shown
    assert "apply/1" not in shown


def test_the_remedy_is_applied_once_and_of_the_newest_check_only(browser: Client, shop: Shop):
    rules = Finding(Kind.ID_RULES, 43, rules=IdRules(strip_prefix="#"))
    older = done_check(shop, findings=[rules])
    check = done_check(shop, findings=[rules, Finding(Kind.NO_REFERENCE, 1)])
    assert browser.get(url(shop, f"checks/{check.pk}/apply/0")).status_code == 405
    assert browser.post(url(shop, f"checks/{check.pk}/apply/1")).status_code == 404
    assert browser.post(url(shop, f"checks/{check.pk}/apply/7")).status_code == 404
    assert browser.post(url(shop, f"checks/{older.pk}/apply/0")).status_code == 302
    shop.refresh_from_db()
    assert shop.id_strip_prefix == ""
    for _ in range(2):
        assert browser.post(url(shop, f"checks/{check.pk}/apply/0")).status_code == 302
    shop.refresh_from_db()
    assert (shop.id_strip_prefix, CoverageCheck.objects.count()) == ("#", 3)


def test_orders_are_shown_with_their_reasons_some_on_a_page(browser: Client, shop: Shop):
    check = done_check(shop, orders=30, matched=3)
    shown = text(browser.get(url(shop, f"checks/{check.pk}/orders")))
    assert "Page 1 of 2" in shown
    assert str(REASONS["ORDER_NOT_SYNCED"]) in shown
    assert "57600000<" not in shown
    assert "57600000<" in text(browser.get(url(shop, f"checks/{check.pk}/orders?show=matched")))
    assert "Page 2 of 2" in text(browser.get(url(shop, f"checks/{check.pk}/orders?page=999")))


@pytest.mark.parametrize("count", [1, 3])
def test_orders_take_as_many_queries_for_one_as_for_three(browser: Client, shop: Shop, count: int):
    check = done_check(shop, orders=count)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        browser.get(url(shop, f"checks/{check.pk}/orders"))
    assert len(queries) <= 10, [each["sql"] for each in queries]


def test_one_order_tells_what_was_compared(browser: Client, shop: Shop):
    check = done_check(shop)
    shown = text(browser.get(url(shop, f"checks/{check.pk}/orders/57600000")))
    assert "Is there a sales order with this id?" in shown
    assert "Order id at TikTok" in shown
    assert browser.get(url(shop, f"checks/{check.pk}/orders/1")).status_code == 404


def test_the_table_is_a_file_without_formulas(browser: Client, shop: Shop):
    check = done_check(shop, orders=2)
    check.orders.filter(position=0).update(external_order_id="=HYPERLINK(1)", problem="@x")
    answer = browser.get(url(shop, f"checks/{check.pk}/orders.csv"))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="coverage-')
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert (len(rows), rows[0][0], rows[1][0]) == (3, "TikTok order", "57600000")
    assert ("'=HYPERLINK(1)" in rows[1], "'@x" in rows[1]) == (True, True)


@pytest.mark.parametrize("start", list("=+-@\t\r\n"))
def test_a_cell_that_starts_like_a_formula_is_text(start: str):
    assert safe(f"{start}1") == f"'{start}1"
    assert safe(f"1{start}") == f"1{start}"


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("get", ""),
        ("post", ""),
        ("get", "progress"),
        ("post", "cancel"),
        ("get", "checks/{}"),
        ("post", "checks/{}/apply/0"),
        ("get", "checks/{}/orders"),
        ("get", "checks/{}/orders.csv"),
        ("get", "checks/{}/orders/57600000"),
    ],
)
def test_another_merchants_check_does_not_exist(shop: Shop, signed_in_as: SignIn, method: str, rest: str):
    rules = Finding(Kind.ID_RULES, 43, rules=IdRules(strip_prefix="#"))
    theirs = done_check(shop, findings=[rules])
    mine = ShopFactory(live_at=None)
    client = signed_in_as(mine.merchant)
    path = rest.format(theirs.pk)
    assert getattr(client, method)(url(shop, path), {"sample_size": "50"}).status_code == 404
    if "checks/" in rest:  # nor through a shop of one's own
        assert getattr(client, method)(url(mine, path)).status_code == 404
        other = ShopFactory(merchant=shop.merchant, live_at=None)
        assert getattr(signed_in_as(shop.merchant), method)(url(other, path)).status_code == 404
    shop.refresh_from_db()
    assert (shop.id_strip_prefix, CoverageCheck.objects.count()) == ("", 1)


def test_earlier_checks_are_at_hand(browser: Client, shop: Shop):
    older = done_check(shop, orders=2, matched=1)
    cancel_check(start_check(shop=shop, sample_size=20, now=timezone.now()), now=timezone.now())
    assert "1 of 2 match" in text(browser.get(url(shop)))
    shown = text(browser.get(url(shop, f"checks/{older.pk}")))
    assert "1 of 2 orders would match" in shown
    assert "Back to the newest check" in shown


def test_the_step_is_done_by_a_check_that_ran_to_its_end(shop: Shop):
    assert COVERAGE.is_done(shop) is False
    assert len(COVERAGE.warnings(shop)) == 1
    done_check(shop, orders=3, matched=1)
    assert COVERAGE.is_done(shop) is True
    ((name, value),) = COVERAGE.facts(shop)
    assert (str(name), "1 of 3 orders would match" in value) == ("Coverage check", True)
    (warning,) = COVERAGE.warnings(shop)
    assert warning.startswith("2 of 3 checked orders would not match")


def test_every_finding_has_words():
    assert set(_TEXTS) == set(Kind)
    check = CoverageCheck(platform_origin="SHOPIFY")
    rules = IdRules(strip_prefix="%", strip_suffix="%s", ignore_case=True, trim_leading_zeros=True)
    values = {"one": "%1", "other": "%d", "wanted": "%", "held": "", "at_tiktok": "", "in_order": "", "referenced": "0"}
    for kind in Kind:
        for count in (1, 2):
            words = said(Finding(kind, count, (), values, rules=rules, origin="MAGENTO"), check=check)
            assert words.title
            assert words.remedy
            assert bool(words.button) == kind.is_ours


def test_the_pages_tell_a_real_check(checked: Checked, signed_in_as: SignIn):
    for number in range(3):
        checked.half_synced(at_tiktok=f"#10{number}", pushed=f"10{number}")
    check = checked.run()
    shop = checked.player.shop
    client: Callable[..., Any] = signed_in_as(shop.merchant).get  # type: ignore[assignment]
    assert "3 orders would match if the prefix “#” were left out" in text(client(url(shop)))
    row = check.orders.first()
    assert row is not None
    assert "#10" in text(client(url(shop, f"checks/{check.pk}/orders/{row.order_id}")))
