"""An OMS that knows a base URL, its credentials and the guide at /docs/orders, and nothing else of the product.

It speaks plain HTTP, as a curl would. What it pushes is relayed to ReBound by the product.
"""

from collections.abc import Callable
from typing import Any

import requests
from django.utils import timezone

from merchants.api_access import create_client
from merchants.models import ApiScope, ReboundAccount, Shop
from rebound_tts.demo.cast import Player
from rebound_tts.demo.processes import DemoError
from rebound_tts.demo.story import Bought, Expected, Story

TIMEOUT = 20.0  # seconds


class Oms:
    def __init__(self, base: str, *, client_id: str, client_secret: str) -> None:
        self._base = base
        self._session = requests.Session()
        self._session.trust_env = False
        answer = self._session.post(
            f"{base}/oauth2/token",
            auth=(client_id, client_secret),
            data={"grant_type": "client_credentials"},
            timeout=TIMEOUT,
        )
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def push(self, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = self._session.post(f"{self._base}/api/v1/sales-orders", json=order, timeout=TIMEOUT)
        return answer.status_code, answer.json()

    def reads(self, order_id: str) -> dict[str, Any]:
        answer = self._session.get(f"{self._base}/api/v1/sales-orders/{order_id}", timeout=TIMEOUT)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def signed_up(base: str, player: Player) -> Oms:
    """The OMS of this shop's merchant, with credentials as an operator makes them; ReBound gets its orders from us, and
    TikTok its ids where an order names TikTok's."""
    ReboundAccount.objects.filter(shops=player.shop).update(relays_orders=True)
    Shop.objects.filter(pk=player.shop.pk).update(writes_references=True)
    client, secret = create_client(
        merchant=player.shop.merchant, name="An OMS", scopes=list(ApiScope.values), now=timezone.now()
    )
    return Oms(base, client_id=client.client_id, client_secret=secret.plain)


def order_of(bought: Bought, *, item_id: str, sku: str, price: str) -> dict[str, Any]:
    return {
        "clientOrderId": bought.external_order_id,
        "clientMetadata": {"omsOrderId": bought.external_order_id},
        "customerAddress": {"firstName": "Ada", "city": "Bristol", "postalCode": "BS1 4DJ", "countryCode": "GB"},
        "salesItems": [
            {
                "sku": sku,
                "quantity": 1,
                "price": price,
                "currencyCode": "GBP",
                "clientMetadata": {"omsItemId": item_id},
            }
        ],
    }


def chapter(story: Story, oms: Oms, *, say: Callable[[str], None]) -> list[Expected]:
    """Orders pushed to us: one that is refused, mended and matched, and one that comes after its return went direct."""
    player = story.cast.oms
    bought = story.buys(player, ("travel-mug", "18.50", 1))
    story.references(player, bought, items={bought.lines[0]["id"]: "mug-1"})
    good = order_of(bought, item_id="mug-1", sku="travel-mug", price="18.50")
    item = good["salesItems"][0] | {"currencyCode": "pounds", "clientMetadata": {}}
    _expect(422, oms.push(good | {"salesItems": [item], "clientMetadata": {"omsOrderId": "so-typo"}}), say=say)
    _expect(201, oms.push(good), say=say)
    (return_id,) = story.returns(player, bought, bought.lines[0]["id"])

    late = story.buys(player, ("tea-towel", "7.00", 1))
    story.references(player, late, items={late.lines[0]["id"]: "towel-1"})
    (late_id,) = story.returns(player, late, late.lines[0]["id"])
    late_order = order_of(late, item_id="towel-1", sku="tea-towel", price="7.00")
    story.after_delivery.append(lambda: _expect(201, oms.push(late_order), say=say))
    alone = story.buys(player, ("desk-fan", "45.00", 1))
    order = order_of(alone, item_id="fan-1", sku="desk-fan", price="45.00")
    order["clientMetadata"]["ttsOrderId"] = alone.order_id
    order["salesItems"][0]["clientMetadata"]["ttsLineItemIds"] = [alone.lines[0]["id"]]
    _expect(201, oms.push(order), say=say)
    (alone_id,) = story.returns(player, alone, alone.lines[0]["id"])
    return [
        Expected("Pushed to us alone, which wrote its ids to TikTok", player, alone_id),
        Expected("Pushed to us by an OMS that read the guide", player, return_id),
        Expected("Order comes after its return went direct", player, late_id),
    ]


def _expect(status: int, answer: tuple[int, dict[str, Any]], *, say: Callable[[str], None]) -> None:
    """Show what the API said. Raises DemoError where it is not what the guide promises."""
    got, body = answer
    if got != status:
        raise DemoError(f"The order API answered {got}, not {status}: {body}")
    if status == 201:
        say(f"  {body['clientOrderId']}: 201 {body['result']}.")
        return
    say(f"  422 {body['title']}. {body['detail']} Request {body['request_id']}.")
    for error in body["errors"]:
        value = f" (it was {error['value']})" if "value" in error else ""
        say(f"    {error['pointer']}: {error['detail']}{value}\n      {error['remedy']} [{error['code']}]")
