"""Failures are counted by address and refused beyond a limit; who has the right key always passes."""

import json
import time
from typing import Any

import pytest
from django.core.cache import caches
from django.utils import timezone

from merchants.api_access import create_client
from merchants.models import ApiScope
from merchants.oauth import WRONG_CREDENTIALS
from rebound_tts.throttle import Limit
from returns.models import WebhookEvent
from returns.webhooks import BAD_SIGNATURES
from tests.factories import MerchantFactory
from tests.returns.conftest import return_event, signature_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute that has just begun, however slow the machine is."""
    caches["process"].clear()
    began = time.time() // 60 * 60 + 1
    monkeypatch.setattr("rebound_tts.throttle.now_in_seconds", lambda: began)


def webhook(client: Any, *, signature: str | None = None, sender: str = "192.0.2.1", number: int = 0) -> Any:
    body = json.dumps(return_event(shop_id="1", return_id=str(number), order_id="3")).encode()
    signature = signature_of(body) if signature is None else signature
    return client.generic("POST", "/webhooks/tiktok", body, HTTP_AUTHORIZATION=signature, REMOTE_ADDR=sender)


def test_bad_signatures_of_an_address_are_refused_beyond_the_limit(client):
    statuses = [webhook(client, signature="no").status_code for _ in range(BAD_SIGNATURES.most)]
    assert set(statuses) == {401}
    refused = webhook(client, signature="no")
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert webhook(client, signature="no", sender="192.0.2.2").status_code == 401
    assert not WebhookEvent.objects.exists()


def test_good_webhook_passes_whatever_else_its_address_sends(client):
    for _ in range(BAD_SIGNATURES.most + 5):
        webhook(client, signature="no")
    assert webhook(client, number=1).status_code == 200
    assert WebhookEvent.objects.count() == 1


def test_token_endpoint_refuses_guesses_and_takes_the_right_secret(client):
    oms, secret = create_client(
        merchant=MerchantFactory(), name="OMS", scopes=[ApiScope.ORDERS_WRITE.value], now=timezone.now()
    )

    def post(client_secret: str, sender: str = "192.0.2.1") -> Any:
        body = f"grant_type=client_credentials&client_id={oms.client_id}&client_secret={client_secret}"
        return client.generic(
            "POST", "/oauth2/token", body, content_type="application/x-www-form-urlencoded", REMOTE_ADDR=sender
        )

    statuses = [post("sec_0123456789abcdef.wrong").status_code for _ in range(WRONG_CREDENTIALS.most)]
    assert set(statuses) == {401}
    refused = post("sec_0123456789abcdef.wrong")
    assert (refused.status_code, refused.json()["type"]) == (429, "/docs/errors#rate_limited")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert post("sec_0123456789abcdef.wrong", sender="192.0.2.2").status_code == 401
    assert post(secret.plain).status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ],
)
def test_a_sender_is_an_address_or_a_subscribers_network(rf, one, other, same):
    limit = Limit("test", most=1)
    assert limit.strike(rf.get("/", REMOTE_ADDR=one)) == 0
    assert (limit.strike(rf.get("/", REMOTE_ADDR=other)) > 0) is same
