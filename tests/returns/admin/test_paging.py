"""Pages of the big lists: each row once, no count of the table, and an end that says what to do instead."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from merchants.tenant_admin import TOO_DEEP, InfinitePaginator
from returns.admin.tiktok_returns import TikTokReturnAdmin
from returns.models import TikTokReturn
from tests.factories import ShopFactory, TikTokReturnFactory

RETURNS = reverse("admin:returns_tiktokreturn_changelist")
pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[TikTokReturn]:
    """Five, newest first, of which the list shows two a page."""
    monkeypatch.setattr(TikTokReturnAdmin, "list_per_page", 2)
    shop = ShopFactory()
    made = [TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="NO_LANE") for _ in range(5)]
    return made[::-1]


def listed(answer: Any) -> list[TikTokReturn]:
    return list(answer.context["cl"].result_list)


def pages_below(answer: Any) -> str:
    return str(answer.content.decode().split('<nav class="pages"')[1].split("</nav>")[0])


def test_each_row_is_on_one_page_and_the_filter_leads_on(admin_client: Client, rows: list[TikTokReturn]) -> None:
    TikTokReturnFactory(status="DONE")
    found = []
    for number in (1, 2, 3):
        answer = admin_client.get(RETURNS, {"status__exact": "NEEDS_ATTENTION", "p": number})
        found.append(listed(answer))
        assert f"Page {number}" in pages_below(answer)
        assert ("Next" in pages_below(answer), "Previous" in pages_below(answer)) == (number < 3, number > 1)
    assert found == [rows[:2], rows[2:4], rows[4:]]
    assert 'href="?p=2&amp;status__exact=NEEDS_ATTENTION"' in pages_below(answer)


def test_no_page_counts_the_table(admin_client: Client, rows: list[TikTokReturn]) -> None:
    for page in ("1", "2"):
        with CaptureQueriesContext(connection) as captured:
            shown = admin_client.get(RETURNS, {"p": page, "status__exact": "NEEDS_ATTENTION"}).content.decode()
        assert [query["sql"] for query in captured if "COUNT(" in query["sql"]] == []
        assert "results" not in strip_tags(shown)


def test_no_filter_counts_what_it_would_find(admin_client: Client, rows: list[TikTokReturn]) -> None:
    for address in (RETURNS, reverse("admin:matching_salesorder_changelist")):
        answer = admin_client.get(address, {"_facets": "True"})
        assert not answer.context["cl"].add_facets
        assert "Show counts" not in answer.content.decode()


def test_list_ends_where_a_filter_finds_more_and_says_so(
    admin_client: Client, rows: list[TikTokReturn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InfinitePaginator, "deepest", 2)
    last = admin_client.get(RETURNS, {"p": "2"})
    assert "Next" not in pages_below(last)
    assert str(TOO_DEEP) in pages_below(last)
    beyond = admin_client.get(RETURNS, {"reason__exact": "NO_LANE", "p": "9"}, follow=True)
    assert beyond.redirect_chain == [(f"{RETURNS}?reason__exact=NO_LANE&p=2", 302)]
    assert [str(message) for message in beyond.context["messages"]] == [str(TOO_DEEP)]
    assert listed(beyond) == rows[2:4]


def test_empty_list_has_one_page(admin_client: Client) -> None:
    answer = admin_client.get(RETURNS)
    assert listed(answer) == []
    assert "Next" not in pages_below(answer)
