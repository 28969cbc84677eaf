"""What staff see of a page that is not there, that their role does not open, or that breaks."""

import pytest
from django.conf import settings as product
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from rebound_tts.middleware import ADMIN_POLICY, PAGE_POLICY, written

pytestmark = pytest.mark.django_db
INDEX = reverse("admin:index")


def told(answer, status: int, *, policy: dict[str, str] = ADMIN_POLICY) -> str:
    assert (answer.status_code, answer["Content-Security-Policy"]) == (status, written(policy))
    page: str = answer.content.decode()
    assert "<style" not in page
    assert "style=" not in page
    return page


@pytest.mark.parametrize("address", [f"{INDEX}no/such/page/", f"{INDEX}merchants/shop/987654321/change/"])
def test_staff_are_led_back_to_the_work_queue_from_what_is_not_there(admin_client: Client, address: str):
    page = told(admin_client.get(address), 404)
    assert "a merchant that is not assigned to you" in page
    assert f'<a class="button" href="{INDEX}">To the work queue</a>' in page
    assert f'href="{reverse("front")}"' not in page


def test_merchants_keep_their_page_of_what_is_not_there(client: Client):
    page = told(client.get("/no/such/page"), 404, policy=PAGE_POLICY)
    assert f'href="{reverse("front")}"' in page
    assert INDEX not in page


def test_who_may_not_is_told_whom_to_ask(client: Client):
    client.force_login(User.objects.create_user("viewer", password=None, is_staff=True))
    page = told(client.get(reverse("admin:merchants_shop_changelist")), 403)
    assert "Your role does not allow this" in page
    assert "ask a lead or an administrator for the right" in page


def test_page_that_breaks_says_whose_fault_it_is(admin_client: Client, monkeypatch):
    def broken(*args: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("returns.landing.landing", broken)
    admin_client.raise_request_exception = False
    page = told(admin_client.get(INDEX), 500)
    assert "it is our fault" in page
    assert "es liegt an uns" in page
    assert "{%" not in page
    assert "//" not in page
    assert f'href="/{product.STATIC_URL.strip("/")}/rebound_tts/account.css"' in page
