"""The step on ReBound: tried out before it is kept, the failing part named, the secret never shown again."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from merchants.models import ReboundAccount, Shop
from merchants.rebound_check import Credentials, Part, try_credentials
from tests.factories import ReboundAccountFactory, ShopFactory
from tests.merchants.wizard.conftest import SignIn, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(sandbox: Any) -> dict[str, str]:
    made: dict[str, str] = sandbox.post("/rebound-clients", name="Quay")
    return made


@pytest.fixture
def shop(db: None) -> Shop:
    return ShopFactory(live_at=None, rebound_account=None)


@pytest.fixture
def browser(shop: Shop, signed_in_as: SignIn) -> Client:
    return signed_in_as(shop.merchant)


def step(shop: Shop) -> str:
    return f"/shops/{shop.shop_id}/setup/rebound/"


def entry(account: dict[str, str], **changes: str) -> dict[str, str]:
    typed = {key: account[key] for key in ("client_id", "client_secret")}
    return {"account": "new", "environment": "PROD", "flow_key": "", "legal_entity": "", **typed, **changes}


def test_good_account_is_kept(browser: Client, shop: Shop, account: dict[str, str]) -> None:
    answer = browser.post(step(shop), entry(account, client_id=f" {account['client_id']} "))
    assert answer["Location"] == f"/shops/{shop.shop_id}/setup/matching/"
    shop.refresh_from_db()
    kept = shop.rebound_account
    assert (kept.client_id, kept.client_secret, kept.merchant) == (
        account["client_id"],
        account["client_secret"],
        shop.merchant,
    )
    assert kept.tested_at is not None
    page = text(browser.get(step(shop)))
    assert account["client_secret"] not in page


def test_submitting_twice_keeps_one_account(browser: Client, shop: Shop, account: dict[str, str]) -> None:
    for _ in range(2):
        assert browser.post(step(shop), entry(account)).status_code == 302
    assert ReboundAccount.objects.count() == 1


def test_nothing_typed_says_what_to_type(browser: Client, shop: Shop, sandbox: Any) -> None:
    answer = browser.post(step(shop), {"account": "new", "environment": "PROD"})
    page = text(answer)
    assert answer.status_code == 422
    assert "Enter the client id that your implementation manager" in page
    assert 'href="#id_client_secret"' in page
    assert sandbox.get("/calls")["total"] == 0


def test_wrong_secret_is_named_and_not_repeated(browser: Client, shop: Shop, account: dict[str, str]) -> None:
    answer = browser.post(step(shop), entry(account, client_secret="guess-of-a-secret"))
    page = text(answer)
    assert (answer.status_code, "ReBound refused the client id or the client secret" in page) == (422, True)
    assert ("guess-of-a-secret" in page, account["client_id"] in page) == (False, True)
    assert ReboundAccount.objects.count() == 0


@pytest.mark.parametrize(
    ("fault", "failing"),
    [
        ({"kind": "drop_before", "path_contains": "/oauth2/token"}, Part.NETWORK),
        ({"kind": "status", "status": 503, "path_contains": "/oauth2/token"}, Part.NETWORK),
        ({"kind": "status", "status": 404, "path_contains": "/oauth2/token"}, Part.NETWORK),
        ({"kind": "status", "status": 400, "path_contains": "/oauth2/token"}, Part.CREDENTIALS),
        ({"kind": "status", "status": 403, "path_contains": "/sales-orders"}, Part.PERMISSION),
        ({"kind": "status", "status": 401, "path_contains": "/sales-orders"}, Part.PERMISSION),
        ({"kind": "status", "status": 500, "path_contains": "/sales-orders"}, Part.NETWORK),
        ({"kind": "status", "status": 400, "path_contains": "/sales-orders"}, Part.FLOW),
        ({"kind": "status", "status": 404, "path_contains": "/sales-orders"}, None),
    ],
)
def test_failing_part_is_found(
    sandbox: Any, account: dict[str, str], fault: dict[str, Any], failing: Part | None
) -> None:
    sandbox.post("/faults", remote="rebound", times=5, **fault)
    credentials = Credentials("PROD", account["client_id"], account["client_secret"], "flow-1")
    tried = try_credentials(credentials, now=timezone.now())
    assert tried.failing == failing
    assert account["client_secret"] not in f"{tried} {credentials}"
    assert tried.seconds < 10


def test_account_that_is_there_is_used_without_typing(
    browser: Client, shop: Shop, account: dict[str, str], sandbox: Any
) -> None:
    first = ReboundAccountFactory(
        merchant=shop.merchant, client_id=account["client_id"], client_secret=account["client_secret"]
    )
    assert browser.post(step(shop), {"account": str(first.pk)}).status_code == 302
    shop.refresh_from_db()
    assert (shop.rebound_account, ReboundAccount.objects.count()) == (first, 1)


def test_new_secret_mends_a_broken_account(browser: Client, shop: Shop, account: dict[str, str]) -> None:
    broken = ReboundAccountFactory(
        merchant=shop.merchant,
        client_id=account["client_id"],
        client_secret="old",
        broken_at=timezone.now(),
        broken_reason="CREDENTIALS_REFUSED",
    )
    typed = {"account": str(broken.pk), "client_secret": account["client_secret"]}
    assert browser.post(step(shop), typed).status_code == 302
    broken.refresh_from_db()
    assert (broken.broken_at, broken.client_secret) == (None, account["client_secret"])


def test_account_of_another_merchant_is_no_choice(browser: Client, shop: Shop, account: dict[str, str]) -> None:
    theirs = ReboundAccountFactory(client_id=account["client_id"], client_secret=account["client_secret"])
    answer = browser.post(step(shop), {"account": str(theirs.pk)})
    assert answer.status_code == 422
    shop.refresh_from_db()
    assert shop.rebound_account is None
