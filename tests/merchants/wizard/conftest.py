"""Browsers of merchants: Django's test client, signed in as TikTok's consent page would leave it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from merchants.models import Merchant
from merchants.wizard.session import LASTS, SIGNED_IN

SignIn = Callable[..., Client]


def text(answer: Any) -> str:
    return str(answer.content.decode())


def sign_in_client(client: Client, merchant: Merchant, *, ago: timedelta = timedelta(0)) -> Client:
    session = client.session
    session[SIGNED_IN] = {
        "merchant": merchant.pk,
        "open_id": "open-of-a-test",
        "seller_name": "Test Seller",
        "until": (timezone.now() - ago + LASTS).isoformat(),
    }
    session.save()
    return client


@pytest.fixture
def signed_in_as(db: None) -> SignIn:
    """`signed_in_as(merchant)` answers a client of its own."""

    def sign_in(merchant: Merchant, *, ago: timedelta = timedelta(0)) -> Client:
        return sign_in_client(Client(), merchant, ago=ago)

    return sign_in
