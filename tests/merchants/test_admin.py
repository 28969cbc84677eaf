"""The admin's pages of merchants, shops and connections: secrets go in and never come out."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from merchants.models import BrokenReason, Lane, Merchant, ReboundAccount, Shop, ShopAuthorization, StaffAssignment
from returns.services import wake_mended
from tests.factories import (
    LaneFactory,
    MerchantFactory,
    ReboundAccountFactory,
    ShopAuthorizationFactory,
    ShopFactory,
    TikTokReturnFactory,
)

pytestmark = pytest.mark.django_db
NAMES = ("merchant", "shop", "shopauthorization", "reboundaccount")
LISTS = [reverse(f"admin:merchants_{name}_changelist") for name in NAMES]


def change_page(row: Any) -> str:
    return reverse(f"admin:merchants_{row._meta.model_name}_change", args=[row.pk])


def in_every_state() -> list[Any]:
    shop = ShopFactory()
    LaneFactory(shop=shop)
    rows = [shop, shop.merchant, shop.authorization, shop.rebound_account, ShopFactory(rebound_account=None)]
    for reason in BrokenReason:
        broken = {"broken_at": timezone.now(), "broken_reason": reason, "last_error": "refused"}
        authorization, account = ShopAuthorizationFactory(**broken), ReboundAccountFactory(**broken)
        rows += [authorization, account]
        rows.append(ShopFactory(merchant=authorization.merchant, authorization=authorization))
        rows.append(ShopFactory(merchant=account.merchant, rebound_account=account))
    return rows


def page_of(client: Any, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    page: str = answer.content.decode()
    for secret in ("secret-access", "secret-refresh", "secret-of-client", "secret-rebound-token", "secret-cipher"):
        assert secret not in page, address
    return page


def queries(client: Any, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def fields_of(answer: Any) -> dict[str, Any]:
    """What a browser would send back from this page."""
    form = answer.context["adminform"].form
    sent = {name: form[name].value() for name in form.fields}
    for formset in answer.context["inline_admin_formsets"]:
        for each in [formset.formset.management_form, *formset.formset.forms]:
            sent |= {each.add_prefix(name): each[name].value() for name in each.fields}
    return {name: value for name, value in sent.items() if value is not None and value is not False}


def save(client: Any, row: Any, **changes: Any) -> Any:
    """Change these fields on the row's page; None leaves one out."""
    sent = fields_of(client.get(change_page(row))) | changes
    return client.post(change_page(row), {name: value for name, value in sent.items() if value is not None})


def errors_of(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [
        str(error) for errors in answer.context["errors"] for error in ([errors] if isinstance(errors, str) else errors)
    ]


def test_every_page_opens_in_every_state_and_shows_no_secret(admin_client):
    for row in in_every_state():
        page_of(admin_client, change_page(row))
    for address in [*LISTS, reverse("admin:app_list", args=["merchants"])]:
        page_of(admin_client, address)
    for name in ("merchant", "reboundaccount"):
        page_of(admin_client, reverse(f"admin:merchants_{name}_add"))
    for name in ("shop", "shopauthorization"):
        assert admin_client.get(reverse(f"admin:merchants_{name}_add")).status_code == 403


@pytest.mark.parametrize("address", LISTS)
def test_list_costs_the_same_with_one_row_and_with_three(admin_client, address):
    LaneFactory()
    admin_client.get(address)
    one = queries(admin_client, address)
    LaneFactory.create_batch(2)
    assert queries(admin_client, address) == one


def test_shop_list_says_what_is_wrong_with_a_connection(admin_client):
    page = page_of(admin_client, LISTS[1])
    in_every_state()
    page = page_of(admin_client, LISTS[1])
    refused = "ReBound broken: Client id or client secret were refused: enter them again"
    for said in ("Works", "No ReBound account", "TikTok broken: The merchant removed the app", refused):
        assert re.search(rf'<td class="field-connection[^>]*>\s*{said}\s*</td>', page)


@pytest.mark.parametrize(
    ("address", "make", "term"),
    [
        (LISTS[0], lambda: MerchantFactory(name="Quay"), "uay"),
        (LISTS[1], lambda: ShopFactory(shop_id="7494"), "7494"),
        (LISTS[1], lambda: ShopFactory(name="Quay UK"), "quay"),
        (LISTS[3], lambda: ReboundAccountFactory(client_id="abc"), "abc"),
    ],
)
def test_row_is_found_by_what_names_it(admin_client, address, make, term):
    MerchantFactory(), ShopFactory(), ReboundAccountFactory()
    row = make()
    assert [found.pk for found in admin_client.get(address, {"q": term}).context["cl"].result_list] == [row.pk]


# Merchants


def test_merchant_is_added_by_name_alone(admin_client):
    assert admin_client.post(reverse("admin:merchants_merchant_add"), {"name": "Quay"}).status_code == 302
    merchant = Merchant.objects.get()
    assert merchant.name == "Quay"
    assert merchant.created_at <= timezone.now()


def test_merchant_page_leads_to_its_shops_and_names_who_looks_after_it(admin_client, admin_user):
    shop, other = ShopFactory(name="Quay UK", live_at=timezone.now()), ShopFactory(name="Elsewhere")
    page = page_of(admin_client, change_page(other.merchant))
    assert "Nobody yet: a lead assigns somebody." in page
    StaffAssignment.objects.create(user=admin_user, merchant=shop.merchant)
    page = page_of(admin_client, change_page(shop.merchant))
    assert f'<a href="{change_page(shop)}">Quay UK</a> (Live)' in page
    assert "Elsewhere" not in page
    assert "Nobody yet" not in page


@pytest.mark.parametrize("make", [MerchantFactory, ShopFactory, ShopAuthorizationFactory])
def test_rows_that_hold_others_are_not_deleted_here(admin_client, make):
    row = make()
    address = reverse(f"admin:merchants_{row._meta.model_name}_delete", args=[row.pk])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()


# ReBound accounts


def test_new_account_needs_its_secret_and_stores_it_sealed(admin_client):
    merchant = MerchantFactory()
    address = reverse("admin:merchants_reboundaccount_add")
    sent = {"merchant": merchant.pk, "environment": "PRE", "client_id": "abc", "reads_orders": "on"}
    told = "Enter the client secret that ReBound gave with this client id."
    assert errors_of(admin_client.post(address, sent)) == [told]
    assert admin_client.post(address, {**sent, "new_client_secret": "typed-secret"}).status_code == 302
    account = ReboundAccount.objects.get()
    assert (account.merchant, account.environment, account.client_id) == (merchant, "PRE", "abc")
    assert account.client_secret == "typed-secret"
    with connection.cursor() as cursor:
        cursor.execute("SELECT client_secret FROM merchants_reboundaccount")
        assert b"typed-secret" not in bytes(cursor.fetchone()[0])
    assert "typed-secret" not in page_of(admin_client, change_page(account))


def test_typed_secret_is_not_shown_again_beside_an_error(admin_client):
    account = ReboundAccountFactory()
    answer = save(admin_client, account, client_id="", new_client_secret="typed-secret")
    assert errors_of(answer) == ["This field is required."]
    assert "typed-secret" not in answer.content.decode()


def test_secret_is_kept_when_left_empty(admin_client):
    account = ReboundAccountFactory(broken_at=timezone.now(), broken_reason="REFUSED", last_error="refused")
    assert save(admin_client, account, flow_key="sub-flow").status_code == 302
    kept = ReboundAccount.objects.get()
    assert (kept.flow_key, kept.client_secret, kept.access_token) == (
        "sub-flow",
        account.client_secret,
        account.access_token,
    )
    assert (kept.broken_reason, kept.last_error) == ("REFUSED", "refused")


def test_new_secret_mends_the_account_and_its_returns_go_on(admin_client):
    account = ReboundAccountFactory(broken_at=timezone.now(), broken_reason="CREDENTIALS_REFUSED", last_error="refused")
    shop = ShopFactory(merchant=account.merchant, rebound_account=account)
    stuck = TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="REBOUND_CONNECTION")
    assert wake_mended(now=timezone.now()) == 0
    assert save(admin_client, account, new_client_secret="typed-secret").status_code == 302
    mended = ReboundAccount.objects.get()
    assert mended.client_secret == "typed-secret"
    assert (mended.broken_at, mended.broken_reason, mended.last_error) == (None, "", "")
    assert (mended.access_token, mended.access_token_expires_at) == ("", None)
    assert wake_mended(now=timezone.now()) == 1
    stuck.refresh_from_db()
    assert stuck.next_attempt_at <= timezone.now()


@pytest.mark.parametrize("change", [{"client_id": "other"}, {"environment": "PRE"}])
def test_other_credentials_forget_the_token(admin_client, change):
    account = ReboundAccountFactory(broken_at=timezone.now(), broken_reason="REFUSED")
    assert save(admin_client, account, **change).status_code == 302
    changed = ReboundAccount.objects.get()
    assert (changed.access_token, changed.broken_at) == ("", None)
    assert changed.client_secret == account.client_secret


def test_saving_writes_back_nothing_that_a_worker_changed(admin_client, monkeypatch):
    account = ReboundAccountFactory()
    save_model = ReboundAccount.save

    def after_a_renewal(self: ReboundAccount, **options: Any) -> None:
        ReboundAccount.objects.update(access_token="renewed meanwhile")
        save_model(self, **options)

    monkeypatch.setattr(ReboundAccount, "save", after_a_renewal)
    assert save(admin_client, account, flow_key="sub-flow").status_code == 302
    assert ReboundAccount.objects.values_list("flow_key", "access_token").get() == ("sub-flow", "renewed meanwhile")


def test_authorization_page_saves_nothing(admin_client):
    authorization = ShopAuthorizationFactory()
    before = ShopAuthorization.objects.values().get()
    assert admin_client.post(change_page(authorization), {"broken_reason": "REFUSED"}).status_code == 403
    assert ShopAuthorization.objects.values().get() == before


# Shops


def test_shop_settings_and_lanes_are_saved(admin_client):
    shop = ShopFactory(matching_enabled=False, platform_origin="")
    lane = {
        "lanes-0-country": " gb",
        "lanes-0-contract": "OWN",
        "lanes-0-carrier_service": "EVRI",
        "lanes-0-shipping_provider_id": "71",
    }
    answer = save(
        admin_client, shop, matching_enabled="on", platform_origin="SHOPIFY", **lane, **{"lanes-TOTAL_FORMS": 1}
    )
    assert answer.status_code == 302
    shop.refresh_from_db()
    assert (shop.matching_enabled, shop.platform_origin) == (True, "SHOPIFY")
    saved = Lane.objects.get()
    assert (saved.merchant, saved.shop, saved.country, saved.carrier_service) == (shop.merchant, shop, "GB", "EVRI")
    assert save(admin_client, shop, **{"lanes-0-DELETE": "on"}).status_code == 302
    assert Lane.objects.count() == 0


@pytest.mark.parametrize(("country", "named"), [("GB", "GB"), ("", "every other country")])
def test_two_lanes_for_one_country_are_refused_in_words(admin_client, country, named):
    lane = LaneFactory(country=country)
    second = {
        "lanes-TOTAL_FORMS": 2,
        "lanes-1-country": country.lower(),
        "lanes-1-contract": "MANAGED",
        "lanes-1-carrier_service": "EVRI",
        "lanes-1-shipping_provider_id": "71",
    }
    assert errors_of(save(admin_client, lane.shop, **second)) == [f"There are two lanes for {named}; keep one."]
    assert Lane.objects.count() == 1


def test_shop_cannot_take_the_account_of_another_merchant(admin_client):
    shop, other = ShopFactory(rebound_account=None), ReboundAccountFactory()
    own = ReboundAccountFactory(merchant=shop.merchant)
    page = page_of(admin_client, change_page(shop))
    assert own.client_id in page
    assert other.client_id not in page
    answer = save(admin_client, shop, rebound_account=other.pk)
    assert errors_of(answer) == ["Select a valid choice. That choice is not one of the available choices."]
    assert Shop.objects.get(pk=shop.pk).rebound_account is None
    assert save(admin_client, shop, rebound_account=own.pk).status_code == 302
    assert Shop.objects.get(pk=shop.pk).rebound_account == own


def test_shop_keeps_its_merchant_and_its_authorization(admin_client):
    shop, other = ShopFactory(), ShopFactory()
    sent = {"merchant": other.merchant_id, "authorization": other.authorization_id, "shop_id": "1", "cipher": "x"}
    before = Shop.objects.filter(pk=shop.pk).values().get()
    assert save(admin_client, shop, **sent).status_code == 302
    assert Shop.objects.filter(pk=shop.pk).values().get() == before


@pytest.mark.parametrize(("typed", "minutes"), [("0", 0), ("25", 25), ("1440", 1440)])
def test_match_wait_is_typed_and_shown_in_minutes(admin_client, typed, minutes):
    shop = ShopFactory()
    page = page_of(admin_client, change_page(shop))
    assert re.search(r'<label[^>]*for="id_match_wait"[^>]*>\s*Match wait in minutes', page)
    assert re.search(r'<input[^>]*name="match_wait"[^>]*value="10"', page)
    assert save(admin_client, shop, match_wait=typed).status_code == 302
    shop.refresh_from_db()
    assert shop.match_wait == timedelta(minutes=minutes)
    assert f"Match wait: 10 min → {minutes} min" in page_of(admin_client, change_page(shop))


@pytest.mark.parametrize("wait", ["-1", "1441", "10 minutes", "25:00:00", "1.5", ""])
def test_impossible_wait_is_refused_by_its_field(admin_client, wait):
    shop = ShopFactory()
    answer = save(admin_client, shop, match_wait=wait)
    told = {"match_wait": ["Enter a whole number of minutes, from 0 to 1440 (24 hours)."]}
    assert (answer.status_code, answer.context["adminform"].form.errors) == (200, told)
    assert Shop.objects.get().match_wait == timedelta(minutes=10)


def test_wait_of_odd_seconds_stays_when_something_else_is_saved(admin_client):
    shop = ShopFactory(match_wait=timedelta(seconds=90))
    assert save(admin_client, shop, id_strip_prefix="#").status_code == 302
    shop.refresh_from_db()
    assert (shop.id_strip_prefix, shop.match_wait) == ("#", timedelta(seconds=90))


def test_matching_without_an_origin_is_refused_by_its_field(admin_client):
    shop = ShopFactory(matching_enabled=False, platform_origin="")
    answer = save(admin_client, shop, matching_enabled="on")
    told = {"platform_origin": ["Choose the system whose ids the TikTok orders carry, or put matching off."]}
    assert (answer.status_code, answer.context["adminform"].form.errors) == (200, told)
    assert not Shop.objects.get().matching_enabled
    assert save(admin_client, shop, id_strip_prefix="#").status_code == 302


# Who may


def test_viewer_sees_and_changes_nothing(client):
    user = User.objects.create_user("viewer", password=None, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    shop = ShopFactory()
    for row in (shop, shop.merchant, shop.authorization, shop.rebound_account):
        page_of(client, change_page(row))
        assert client.post(change_page(row), {"name": "changed", "new_client_secret": "typed"}).status_code == 403
    assert ReboundAccount.objects.get().client_secret == shop.rebound_account.client_secret
    assert "10 min" in page_of(client, change_page(shop))  # where the form has a number of minutes


def test_anonymous_is_sent_to_the_login(client):
    shop = ShopFactory()
    for address in [*LISTS, change_page(shop), change_page(shop.rebound_account)]:
        answer = client.get(address)
        assert (answer.status_code, answer["Location"]) == (302, f"{reverse('admin:login')}?next={address}")
