"""The rows of the admin's lists: what each shows, where it leads, and how little each adds to the page."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.factories import SalesOrderFactory, ShopFactory, TikTokReturnFactory, WebhookEventFactory

RETURNS = reverse("admin:returns_tiktokreturn_changelist")
pytestmark = pytest.mark.django_db


def rows(page: str) -> list[str]:
    return re.findall(r'<tr class="data-row">(.*?)</tr>', page, re.DOTALL)


def test_row_names_each_value_and_leads_to_its_page_and_back(admin_client: Client) -> None:
    row = TikTokReturnFactory(return_id="R1 & co", shop=ShopFactory(name="<Tees>"), status="DONE")
    (shown,) = rows(admin_client.get(RETURNS, {"status__exact": "DONE"}).content.decode())
    page = reverse("admin:returns_tiktokreturn_change", args=[row.pk])
    assert f'href="{page}?_changelist_filters=status__exact%3DDONE">R1 &amp; co</a></th>' in shown
    assert '<td class="field-shop" data-label="shop">&lt;Tees&gt;</td>' in shown
    assert '<td class="field-kind" data-label="Linked or direct">-</td>' in shown
    assert f'name="_selected_action" value="{row.pk}" aria-label="Select record"' in shown


def test_booleans_dates_and_what_is_missing_are_shown_as_the_theme_shows_them(admin_client: Client) -> None:
    User.objects.create_user("mona", is_staff=True)
    newest, _administrator = rows(admin_client.get(reverse("admin:auth_user_changelist")).content.decode())
    values = dict(re.findall(r'class="field-(\w+)" data-label="[^"]+">(.*?)</t[dh]>', newest, re.DOTALL))
    assert "close_small" in values["is_superuser"]
    assert "check_small" in values["is_active"]
    assert (values["email"], values["last_login"]) == ("-", "-")


@pytest.mark.parametrize("language", ["en", "de"])
def test_times_of_lists_and_pages_say_that_they_are_utc(admin_client: Client, language: str) -> None:
    at = datetime(2026, 11, 27, 8, 18, 42, tzinfo=timezone(timedelta(hours=2)))
    event = WebhookEventFactory(received_at=at, handled_at=None)
    user = User.objects.create_user("mona", last_login=at)
    for name, row in (("returns_webhookevent", event), ("auth_user", user)):
        for address in (reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=[row.pk])):
            page = admin_client.get(address, headers={"accept-language": language}).content.decode()
            assert "2026-11-27 06:18:42 UTC" in page
            assert "6:18 " not in page


def test_popup_hands_back_the_key_of_the_chosen_row(admin_client: Client) -> None:
    order = SalesOrderFactory()
    answer = admin_client.get(reverse("admin:matching_salesorder_changelist"), {"_popup": "1"})
    (shown,) = rows(answer.content.decode())
    assert f'data-popup-opener="{order.pk}"' in shown


def test_list_of_nothing_says_so(admin_client: Client) -> None:
    page = admin_client.get(RETURNS, {"q": "nothing-like-it"}).content.decode()
    assert rows(page) == []
    assert "No results" in page


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("returns_tiktokreturn", {"status__exact": "DONE"}),
        ("returns_tiktokreturn", {"q": "nothing-like-it"}),
        ("merchants_merchant", {"q": "nothing-like-it"}),
    ],
)
def test_empty_list_says_whether_a_filter_made_it_so(admin_client: Client, name: str, asked: dict[str, str]) -> None:
    """Neither offers to create what nobody can create, nor to take away a filter that is not set."""
    address = reverse(f"admin:{name}_changelist")
    plain = admin_client.get(address).content.decode()
    assert "Nothing is here yet." in plain
    for said in ("that are set", "No return fits", "Create a new item", "Reset filters"):
        assert said not in plain
    searched = admin_client.get(address, asked).content.decode()
    assert 'that are set. <a href="?">Show all</a>' in searched
    assert "Nothing is here yet." not in searched


def test_row_adds_little_to_the_page(admin_client: Client) -> None:
    """The theme's own row is 6.5 kB."""
    shop = ShopFactory()
    for _ in range(3):
        TikTokReturnFactory(shop=shop)
    shown = rows(admin_client.get(RETURNS).content.decode())
    assert len(shown) == 3
    assert max(len(row) for row in shown) < 2_000
