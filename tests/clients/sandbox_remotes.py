"""The sandbox in a process of its own, as both remotes: its controls, token sources, and a seller to act for."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests

from rebound_tts.clients.http import Transport
from rebound_tts.clients.rebound import Address, NewReturnItem, NewReturnOrder, ReboundAuthClient, ReboundClient
from rebound_tts.clients.tiktok_shop import (
    TikTokAuthClient,
    TikTokShopClient,
)
from rebound_tts.clients.tokens import TokenSource

JANE = Address(
    first_name="Jane",
    last_name="Doe",
    address_line1="1 High Street",
    city="Leeds",
    postal_code="LS1",
    country_code="GB",
)


class Remotes:
    """The sandbox's control interface, and a transport for it that waits briefly."""

    def __init__(self, connection: dict[str, Any]) -> None:
        self.connection = connection
        self.session = requests.Session()
        self.session.trust_env = False
        self.transport = Transport(connect_timeout=2.0, read_timeout=2.0, total_timeout=5.0)

    def post(self, path: str, **body: Any) -> Any:
        answer = self.session.post(self.connection["control_url"] + path, json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self) -> Any:
        return self.session.get(self.connection["control_url"] + "/state", timeout=10).json()

    def fail(self, remote: str, kind: str, path_contains: str = "", **more: Any) -> None:
        self.post("/faults", remote=remote, kind=kind, path_contains=path_contains, **more)


class TikTokTokens(TokenSource):
    """The least that a token source must do: hold a grant, renew it once for whoever was rejected."""

    def __init__(self, auth: TikTokAuthClient, code: str) -> None:
        self.auth = auth
        self.grant = auth.get_token(code)
        self.renewals = 0

    def current(self) -> str:
        return self.grant.access_token

    def renew(self, *, rejected: str) -> str:
        if self.grant.access_token == rejected:
            self.grant = self.auth.refresh_token(self.grant.refresh_token)
            self.renewals += 1
        return self.grant.access_token


class ReboundTokens(TokenSource):
    def __init__(self, auth: ReboundAuthClient, client_id: str, client_secret: str) -> None:
        self.auth, self.client_id, self.client_secret = auth, client_id, client_secret
        self.renewals = 0
        self.token = auth.token(client_id=client_id, client_secret=client_secret)

    def current(self) -> str:
        return self.token.value

    def renew(self, *, rejected: str) -> str:
        self.renewals += 1
        self.token = self.auth.token(client_id=self.client_id, client_secret=self.client_secret)
        return self.token.value


@dataclass
class Seller:
    """A seller with one shop, and the clients that act for it."""

    remotes: Remotes
    auth: TikTokAuthClient
    tokens: TikTokTokens
    shop_id: str
    shop: TikTokShopClient

    def buys(self, *skus: str) -> tuple[str, list[str]]:
        """An order of one unit each: its id and its line ids."""
        made = self.remotes.post(
            "/orders", shop_id=self.shop_id, lines=[{"sku": sku, "price": "12.50"} for sku in skus]
        )
        return made["order_id"], [line["id"] for line in made["line_items"]]

    def returns(self, **options: Any) -> str:
        """A buyer returns a one-unit order; answers the return id."""
        order_id, lines = self.buys("TEE-M")
        made = self.remotes.post(
            "/returns",
            shop_id=self.shop_id,
            order_id=order_id,
            order_line_item_ids=lines,
            **{"webhook": {"send": False}, **options},
        )
        return str(made["returns"][0]["return_id"])


def shop_client(remotes: Remotes, tokens: Any, cipher: str, **changes: Any) -> TikTokShopClient:
    return TikTokShopClient(
        **{
            "base_url": remotes.connection["tiktok_url"],
            "app_key": remotes.connection["app_key"],
            "app_secret": remotes.connection["app_secret"],
            "tokens": tokens,
            "transport": remotes.transport,
            "shop_cipher": cipher,
            **changes,
        }
    )


def rebound_client(remotes: Remotes, **options: Any) -> ReboundClient:
    made = remotes.post("/rebound-clients", name="Harbour")
    auth = ReboundAuthClient(auth_url=remotes.connection["rebound_url"], transport=remotes.transport)
    tokens = ReboundTokens(auth, made["client_id"], made["client_secret"])
    return ReboundClient(
        base_url=remotes.connection["rebound_url"], tokens=tokens, transport=remotes.transport, **options
    )


def direct(reference: str, *, label_format: Any = "PDF") -> NewReturnOrder:
    item = NewReturnItem(
        sku="TEE-M",
        description="Tee",
        quantity=1,
        price=Decimal("12.50"),
        currency="GBP",
        metadata={"tiktokLineId": "2"},
    )
    return NewReturnOrder(
        rma_number=reference,
        items=(item,),
        address=JANE,
        country_code="GB",
        carrier_service="EVRI_PARCELSHOP" if label_format == "PDF" else "",
        label_format=label_format,
        metadata={"tiktokReturnId": "1"},
    )


def sales_order(client_order_id: str, *, quantity: int = 2) -> dict[str, Any]:
    return {
        "clientOrderId": client_order_id,
        "clientMetadata": [{"key": "omsOrderId", "value": client_order_id}],
        "customerAddress": {"firstName": "Jane", "countryCode": "GB"},
        "salesItems": [
            {
                "sku": "TEE-M",
                "description": "Tee",
                "quantity": quantity,
                "price": Decimal("12.50"),
                "currencyCode": "GBP",
                "hsCode": "6109",
                "countryOfOrigin": "PT",
                "weight": "0.2",
                "weightUnit": "kg",
                "returnable": True,
                "clientMetadata": [{"key": "omsItemId", "value": f"{client_order_id}-1"}],
            }
        ],
    }
