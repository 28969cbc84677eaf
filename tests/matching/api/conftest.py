"""An OMS with a token, and a second merchant beside it whose data could leak."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils import timezone

from merchants.api_access import create_client, grant_token, verify_secret
from merchants.models import ApiClient, ApiScope, Merchant
from tests.factories import MerchantFactory

ROOT = "/api/v1/sales-orders"


def order(order_id: str = "SO-1001", *, items: int = 1, **more: Any) -> dict[str, Any]:
    """A good order."""
    return {
        "clientOrderId": order_id,
        "clientMetadata": {"omsOrderId": order_id},
        "salesItems": [
            {"sku": "wool-socks", "quantity": 1, "clientMetadata": {"omsItemId": f"{order_id}-{number}"}}
            for number in range(items)
        ],
        **more,
    }


class Oms:
    """An OMS that has a token and pushes JSON."""

    def __init__(self, merchant: Merchant, *, scopes: list[str] | None = None) -> None:
        now = timezone.now()
        self.merchant = merchant
        self.client: ApiClient
        self.client, self.secret = create_client(
            merchant=merchant, name="An OMS", scopes=ApiScope.values if scopes is None else scopes, now=now
        )
        secret = verify_secret(client_id=self.client.client_id, client_secret=self.secret.plain)
        self.token = grant_token(secret, scopes=[], now=now)[1].plain
        self.http = Client(raise_request_exception=False)

    def call(self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.generic(
            method, path, data, content_type=kind, headers={"Authorization": f"Bearer {self.token}", **named}
        )

    def push(self, body: Any, **headers: str) -> Any:
        return self.call("POST", ROOT, body, **headers)

    def get(self, order_id: str) -> Any:
        return self.call("GET", f"{ROOT}/{order_id}")


@pytest.fixture(autouse=True)
def _empty_buckets() -> Iterator[None]:
    caches["process"].clear()
    yield
    caches["process"].clear()


@pytest.fixture
def oms(db: None) -> Oms:
    return Oms(MerchantFactory())


@pytest.fixture
def other(db: None) -> Oms:
    return Oms(MerchantFactory())
