"""Signing in by TikTok against the sandbox: the way through, every edge of it, and what must not be possible."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from django.utils import timezone

from merchants.authorizing import NEEDED_SCOPES
from merchants.connections import tiktok_for
from merchants.models import Merchant, Shop, ShopAuthorization
from merchants.subscriptions import EVENTS
from merchants.wizard.arrival import ROUNDS
from merchants.wizard.session import SIGNED_IN
from tests.conftest import Clock
from tests.factories import ShopAuthorizationFactory, ShopFactory
from tests.merchants.wizard.conftest import text

pytestmark = pytest.mark.django_db

CALLBACK = "/tiktok/callback"


@pytest.fixture(autouse=True)
def _consent_pages(sandbox: Any, settings: Any) -> None:
    settings.PUBLIC_URL = "https://returns.example.com"
    sandbox.post("/settings", redirect_url=f"https://returns.example.com{CALLBACK}")


Seller = Callable[..., dict[str, Any]]


@pytest.fixture
def seller(sandbox: Any) -> Seller:
    def seller(*shops: str, name: str = "Quay", **options: Any) -> dict[str, Any]:
        wanted = [{"name": shop, "region": "GB"} for shop in shops]
        made: dict[str, Any] = sandbox.post("/sellers", seller_name=name, region="GB", shops=wanted, **options)
        return made

    return seller


def state_of(client: Client, query: str = "") -> str:
    """A round started: what TikTok is given as the state."""
    away = client.get(f"/tiktok/connect{query}")
    return parse_qs(urlsplit(away["Location"]).query)["state"][0]


def consent(client: Client, seller: dict[str, Any], *, decision: str = "authorize", query: str = "") -> str:
    """Through the sandbox's consent page, as a browser would; answers the path that TikTok sends it back to."""
    away = client.get(f"/tiktok/connect{query}")["Location"]
    answer = requests.post(
        away, data={"seller_id": seller["seller_id"], "decision": decision}, allow_redirects=False, timeout=10
    )
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def code_for(sandbox: Any, seller: dict[str, Any]) -> str:
    return str(sandbox.post("/authorization-codes", seller_id=seller["seller_id"])["code"])


def test_new_seller_becomes_a_merchant_with_its_shop(client: Client, sandbox: Any, seller: Seller) -> None:
    quay = seller("Quay UK")
    answer = client.get(consent(client, quay))
    shop = Shop.objects.get()
    assert answer["Location"] == f"/shops/{shop.shop_id}/"
    assert (shop.name, shop.merchant.name, shop.live_at, shop.webhooks_problem) == ("Quay UK", "Quay", None, "")
    assert client.get(f"/shops/{shop.shop_id}/")["Location"].startswith(f"/shops/{shop.shop_id}/setup/")
    (listed,) = sandbox.get("/state")["shops"]
    assert ShopAuthorization.objects.get().open_id == quay["open_id"]
    assert listed["id"] == shop.shop_id


def test_webhooks_are_subscribed_and_read_back(client: Client, seller: Seller) -> None:
    client.get(consent(client, seller("Quay UK")))
    shop = Shop.objects.get()
    listed = {each.event_type: each.address for each in tiktok_for(shop).webhooks()}
    assert listed == dict.fromkeys(EVENTS, "https://returns.example.com/webhooks/tiktok")
    assert shop.webhooks_checked_at is not None


def test_webhooks_that_cannot_be_subscribed_do_not_stop_the_way(client: Client, sandbox: Any, seller: Seller) -> None:
    sandbox.post("/faults", remote="tiktok", kind="code", code=36009003, path_contains="/event/", times=9)
    answer = client.get(consent(client, seller("Quay UK")))
    assert answer.status_code == 302
    assert "36009003" in Shop.objects.get().webhooks_problem


def test_seller_seen_before_is_welcome_back_at_the_same_place(client: Client, seller: Seller) -> None:
    quay = seller("Quay UK")
    client.get(consent(client, quay))
    shop = Shop.objects.get()
    other_device = Client()
    wanted = f"/shops/{shop.shop_id}/setup/tiktok/"
    assert other_device.get(wanted)["Location"] == "/"
    answer = other_device.get(consent(other_device, quay))
    assert answer["Location"] == wanted
    assert "Welcome back, Quay." in text(other_device.get(wanted))
    assert (Merchant.objects.count(), Shop.objects.count(), ShopAuthorization.objects.count()) == (1, 1, 1)


def test_several_shops_are_chosen_from(client: Client, seller: Seller) -> None:
    quay = seller("Quay UK", "Quay DE", "Quay FR")
    assert client.get(consent(client, quay))["Location"] == "/shops/choose/"
    assert Shop.objects.count() == 0
    assert "Quay DE" in text(client.get("/shops/choose/"))
    nothing = client.post("/shops/choose/", {})
    assert (nothing.status_code, "Tick at least one shop." in text(nothing)) == (422, True)
    wanted = [each["id"] for each in quay["shops"][:2]]
    assert client.post("/shops/choose/", {"shops": wanted})["Location"] == f"/shops/{wanted[0]}/"
    assert sorted(Shop.objects.values_list("shop_id", flat=True)) == sorted(wanted)
    page = text(client.get("/shops/choose/"))
    assert ("Quay FR" in page, "Quay DE" in page) == (True, False)
    again = Client()  # comes back: the third is not asked for again
    assert again.get(consent(again, quay))["Location"] == "/shops/"


def test_shop_outside_the_authorization_cannot_be_chosen(client: Client, seller: Seller) -> None:
    client.get(consent(client, seller("Quay UK", "Quay DE")))
    theirs = ShopFactory()
    answer = client.post("/shops/choose/", {"shops": [theirs.shop_id]})
    assert (answer.status_code, "can no longer be connected" in text(answer)) == (422, True)


def test_declined(client: Client, seller: Seller) -> None:
    back = consent(client, seller("Quay UK"), decision="deny")
    assert "code=null" in back
    assert "You did not authorize the app" in text(client.get(back))
    assert "You did not authorize the app" in text(client.get(f"{CALLBACK}?code=null&error=auth_denied"))
    assert Merchant.objects.count() == 0


def test_arrival_from_the_app_store_starts_a_round_of_ours(client: Client, sandbox: Any, seller: Seller) -> None:
    quay = seller("Quay UK")
    answer = client.get(f"{CALLBACK}?code={code_for(sandbox, quay)}&shop_region=US")
    assert (answer.status_code, "One more step" in text(answer)) == (200, True)
    assert 'class="button" href="/tiktok/connect?region=us"' in text(answer)
    assert (Merchant.objects.count(), SIGNED_IN in client.session) == (0, False)


@pytest.mark.parametrize("state", ["made-up", ""])
def test_code_without_a_round_of_this_browser_is_not_used(
    client: Client, sandbox: Any, seller: Seller, state: str
) -> None:
    """Somebody else's code, planted in this browser, signs nobody in; nor does the state of another browser."""
    quay, theirs = seller("Quay UK"), Client()
    sandbox.post("/calls/reset")
    code = code_for(sandbox, quay)
    for planted in (state, state_of(theirs)):
        client.get(f"{CALLBACK}?code={code}&state={planted}")
    assert (SIGNED_IN in client.session, Merchant.objects.count()) == (False, 0)
    assert "tiktok GET /api/v2/token/get" not in sandbox.get("/calls")["by_endpoint"]


def test_state_is_good_once_and_for_half_an_hour(client: Client, sandbox: Any, seller: Seller, clock: Clock) -> None:
    quay = seller("Quay UK")
    back = consent(client, quay)
    assert client.get(back).status_code == 302
    again = client.get(back)
    assert (again.status_code, "This sign-in cannot be finished" in text(again)) == (400, True)
    state = state_of(client)
    clock.advance(minutes=31)
    assert client.get(f"{CALLBACK}?code={code_for(sandbox, quay)}&state={state}").status_code == 400


def test_rounds_of_several_tabs_live_beside_each_other(client: Client, seller: Seller) -> None:
    quay = seller("Quay UK")
    first = consent(client, quay)
    for _ in range(4):
        state_of(client)
    assert len(client.session[ROUNDS]) == 5
    assert client.get(first).status_code == 302
    for _ in range(9):
        state_of(client)
    assert len(client.session[ROUNDS]) == 5


def test_dead_code(client: Client, sandbox: Any, seller: Seller) -> None:
    answer = client.get(f"{CALLBACK}?code=ROW_used&state={state_of(client)}")
    assert (answer.status_code, "36004004" in text(answer)) == (400, True)
    assert SIGNED_IN not in client.session


def test_missing_scopes_are_named(client: Client, seller: Seller) -> None:
    granted = ["seller.authorization.info", "seller.order.info", "seller.logistics"]
    answer = client.get(consent(client, seller("Quay UK", scopes=granted)))
    page = text(answer)
    assert (answer.status_code, "seller.return_refund.basic" in page, "seller.logistics" in page) == (400, True, False)
    assert str(NEEDED_SCOPES["seller.return_refund.basic"]) in page
    assert (Merchant.objects.count(), SIGNED_IN in client.session) == (0, False)


def test_not_the_main_account(client: Client, seller: Seller) -> None:
    page = text(client.get(consent(client, seller("Quay UK", user_type=1))))
    assert "not a shop's main account" in page.replace("&#x27;", "'")
    assert Merchant.objects.count() == 0


def test_no_shop(client: Client, sandbox: Any, seller: Seller) -> None:
    nothing = {"code": 0, "message": "Success", "request_id": "r", "data": {}}
    sandbox.post("/faults", remote="tiktok", kind="status", status=200, path_contains="/authorization/", body=nothing)
    assert "No shop came with this authorization" in text(client.get(consent(client, seller("Quay UK"))))
    assert Merchant.objects.count() == 0


def test_shop_of_another_merchant_stays_there(client: Client, seller: Seller) -> None:
    quay = seller("Quay UK")
    theirs = ShopFactory(shop_id=quay["shops"][0]["id"])
    answer = client.get(consent(client, quay))
    assert (answer.status_code, "Quay UK" in text(answer), SIGNED_IN in client.session) == (409, True, False)
    theirs.refresh_from_db()
    assert (Merchant.objects.count(), theirs.authorization.open_id != quay["open_id"]) == (1, True)


def test_the_shops_that_are_free_can_be_connected(client: Client, seller: Seller) -> None:
    quay = seller("Quay UK", "Quay DE")
    theirs = ShopFactory(shop_id=quay["shops"][0]["id"])
    assert client.get(consent(client, quay))["Location"] == f"/shops/{quay['shops'][1]['id']}/"
    assert "left there: Quay UK" in text(client.get(f"/shops/{quay['shops'][1]['id']}/setup/tiktok/"))
    assert client.get(f"/shops/{theirs.shop_id}/").status_code == 404


def test_signed_in_merchant_adds_a_second_seller(client: Client, seller: Seller) -> None:
    client.get(consent(client, seller("Quay UK")))
    client.get(consent(client, seller("Quay US", name="Quay Inc."), query="?region=us"))
    assert set(Shop.objects.values_list("name", "merchant__name")) == {("Quay UK", "Quay"), ("Quay US", "Quay")}


def test_signed_in_merchant_cannot_take_another_merchants_seller(client: Client, seller: Seller) -> None:
    client.get(consent(client, seller("Quay UK")))
    pier = seller("Pier UK", name="Pier")
    theirs = ShopAuthorizationFactory(open_id=pier["open_id"])
    assert client.get(consent(client, pier)).status_code == 409
    assert client.session[SIGNED_IN]["merchant"] == Merchant.objects.get(name="Quay").pk
    assert ShopAuthorization.objects.for_merchant(theirs.merchant).get().access_token == theirs.access_token


@pytest.mark.parametrize(
    ("fault", "status"), [({"kind": "status", "status": 503}, 503), ({"kind": "code", "code": 105004}, 502)]
)
def test_tiktok_in_trouble(client: Client, sandbox: Any, seller: Seller, fault: dict[str, Any], status: int) -> None:
    sandbox.post("/faults", remote="tiktok", path_contains="/authorization/", times=9, **fault)
    answer = client.get(consent(client, seller("Quay UK")))
    assert (answer.status_code, SIGNED_IN in client.session, Merchant.objects.count()) == (status, False, 0)


def test_session_gets_a_new_key(client: Client, seller: Seller) -> None:
    """A key that somebody planted before signing in is worth nothing after it."""
    back = consent(client, seller("Quay UK"))
    planted = client.session.session_key
    client.get(back)
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert thief.get("/shops/")["Location"] == "/"
    assert client.session.session_key != planted


@pytest.mark.parametrize("parameter", ["next", "redirect", "return_to"])
def test_no_parameter_leads_elsewhere(client: Client, seller: Seller, parameter: str) -> None:
    back = consent(client, seller("Quay UK"), query=f"?{parameter}=https://evil.example/")
    assert client.get(f"{back}&{parameter}=//evil.example")["Location"].startswith("/shops/")


def test_page_of_another_merchant_is_not_where_one_lands(client: Client, seller: Seller) -> None:
    theirs = ShopFactory()
    client.get(f"/shops/{theirs.shop_id}/")
    assert (
        client.get(consent(client, seller("Quay UK")))["Location"]
        == f"/shops/{Shop.objects.get(name='Quay UK').shop_id}/"
    )


def test_consent_page_follows_the_region(client: Client, settings: Any) -> None:
    settings.TIKTOK_CONSENT_URL, settings.TIKTOK_US_CONSENT_URL = "https://row.example", "https://us.example"
    assert client.get("/tiktok/connect")["Location"].startswith("https://row.example/open/authorize?service_id=")
    assert client.get("/tiktok/connect?region=us")["Location"].startswith("https://us.example/open/authorize?")


def test_disconnected_shop_is_connected_again(client: Client, seller: Seller) -> None:
    quay = seller("Quay UK")
    client.get(consent(client, quay))
    Shop.objects.update(disconnected_at=timezone.now() - timedelta(days=1))
    client.get(consent(client, quay))
    assert Shop.objects.get().disconnected_at is None
