"""The frame of the merchant's pages: who gets in, where they land, and that "3 of 8" follows from the list of steps."""

import html
from datetime import timedelta

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from merchants.models import Shop
from merchants.wizard.session import WANTED, SignedIn
from merchants.wizard.steps import Place, Step, first_open
from rebound_tts.urls import STEPS
from tests.factories import ShopFactory
from tests.merchants.wizard.conftest import SignIn

pytestmark = pytest.mark.django_db


def shop_being_set_up() -> Shop:
    return ShopFactory(live_at=None)


def step_named(slug: str, *, done: bool) -> Step:
    def show(request: HttpRequest, place: Place) -> HttpResponse:
        return HttpResponse()

    return Step(slug=slug, title=slug, lead="", show=show, is_done=lambda shop: done)


def place_of(shop: Shop, steps: tuple[Step, ...], which: int) -> Place:
    return Place(shop, SignedIn(shop.merchant, "", ""), steps, steps[which])


@pytest.mark.parametrize("path", ["/shops/", "/shops/{}/", *(f"/shops/{{}}/setup/{step.slug}/" for step in STEPS)])
def test_page_without_a_session_leads_to_the_front_and_back(client: Client, path: str) -> None:
    wanted = path.format(shop_being_set_up().shop_id)
    answer = client.get(wanted)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session[WANTED] == wanted


@pytest.mark.parametrize("path", ["/shops/{}/", *(f"/shops/{{}}/setup/{step.slug}/" for step in STEPS)])
@pytest.mark.parametrize("method", ["get", "post"])
def test_page_of_another_merchants_shop_does_not_exist(signed_in_as: SignIn, path: str, method: str) -> None:
    theirs, mine = shop_being_set_up(), shop_being_set_up()
    client = signed_in_as(mine.merchant)
    assert getattr(client, method)(path.format(theirs.shop_id)).status_code == 404


def test_session_ends_by_itself(signed_in_as: SignIn) -> None:
    shop = shop_being_set_up()
    assert signed_in_as(shop.merchant, ago=timedelta(hours=11)).get(f"/shops/{shop.shop_id}/").status_code == 302
    gone = signed_in_as(shop.merchant, ago=timedelta(hours=13)).get(f"/shops/{shop.shop_id}/")
    assert gone["Location"] == "/"


def test_signing_out_ends_the_session(signed_in_as: SignIn) -> None:
    shop = shop_being_set_up()
    client = signed_in_as(shop.merchant)
    key = client.session.session_key
    assert client.get("/sign-out")["Location"] == "/"
    assert client.get(f"/shops/{shop.shop_id}/setup/tiktok/").status_code == 200  # an address alone ends nothing
    assert client.post("/sign-out")["Location"] == "/"
    assert client.get(f"/shops/{shop.shop_id}/")["Location"] == "/"
    assert client.session.session_key != key


def test_single_shop_needs_no_list(signed_in_as: SignIn) -> None:
    shop = shop_being_set_up()
    client = signed_in_as(shop.merchant)
    assert client.get("/shops/")["Location"] == f"/shops/{shop.shop_id}/"
    other = ShopFactory(merchant=shop.merchant, name="Second shop")
    assert other.name in client.get("/shops/").content.decode()


def test_live_shop_has_a_home(signed_in_as: SignIn) -> None:
    shop = ShopFactory()
    answer = signed_in_as(shop.merchant).get(f"/shops/{shop.shop_id}/")
    assert (answer.status_code, "Live" in answer.content.decode()) == (200, True)


def test_authorization_that_ends_soon_is_told(signed_in_as: SignIn) -> None:
    shop = ShopFactory(authorization__refresh_token_expires_at=timezone.now() + timedelta(days=20))
    browser = signed_in_as(shop.merchant)
    home, connect = (browser.get(f"/shops/{shop.shop_id}/{page}").content.decode() for page in ("", "setup/tiktok/"))
    assert ("ends soon: authorize again" in home, 'class="badge warn">Soon' in home) == (True, True)
    assert '<a class="button" href="/tiktok/connect">Authorize again</a>' in connect


def test_pages_are_small_and_never_cached(signed_in_as: SignIn) -> None:
    shop = shop_being_set_up()
    answer = signed_in_as(shop.merchant).get(f"/shops/{shop.shop_id}/setup/tiktok/")
    assert len(answer.content) < 60_000
    assert "no-store" in answer["Cache-Control"]


def test_progress_follows_from_the_list_of_steps() -> None:
    shop = shop_being_set_up()
    steps = (step_named("one", done=True), step_named("two", done=False), step_named("three", done=True))
    place = place_of(shop, steps, 1)
    assert (place.number, place.total) == (2, 3)
    assert first_open(steps, shop) is steps[1]
    assert first_open((steps[0], steps[2]), shop) is steps[2]


def test_saving_leads_on_and_home_once_live(rf: RequestFactory, settings: object) -> None:
    shop = shop_being_set_up()
    steps = (STEPS[0], step_named("two", done=False))
    assert place_of(shop, (steps[1], STEPS[0]), 0).next_url == f"/shops/{shop.shop_id}/setup/tiktok/"
    assert place_of(shop, steps, 1).next_url == f"/shops/{shop.shop_id}/"
    shop.live_at = timezone.now()
    assert place_of(shop, (steps[1], STEPS[0]), 0).next_url == f"/shops/{shop.shop_id}/"


def test_form_without_its_token_is_refused_in_words() -> None:
    answer = Client(enforce_csrf_checks=True).post("/sign-out")
    assert (answer.status_code, "This form could not be taken" in answer.content.decode()) == (403, True)


def test_language_changes_on_the_same_page(client: Client) -> None:
    address = "/tiktok/callback?code=ROW_planted&state=made-up"
    page = client.get(address).content.decode()
    kept = html.unescape(page.partition('name="next" value="')[2].partition('"')[0])
    again = client.post("/i18n/setlang/", {"language": "de", "next": kept})["Location"]
    assert again == address
    assert "Diese Anmeldung kann nicht abgeschlossen werden" in client.get(again).content.decode()


def test_language_follows_the_browser_and_the_switch(client: Client) -> None:
    assert '<html lang="en"' in client.get("/").content.decode()
    assert '<html lang="de"' in client.get("/", headers={"accept-language": "de-AT,de;q=0.9"}).content.decode()
    assert client.post("/i18n/setlang/", {"language": "de", "next": "https://evil.example/"})["Location"] == "/"
    assert '<html lang="de"' in client.get("/").content.decode()
