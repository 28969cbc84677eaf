"""A merchant whose orders are relayed, the ReBound behind it, and a worker."""

from typing import Any

from django.utils import timezone

from matching.models import OrderRelay, OrderSource, SalesOrder
from matching.order_body import OrderFacts, check_order
from matching.order_sync import push_orders
from matching.relay import claim_relays, relay
from merchants.models import Merchant, ReboundAccount
from rebound_tts.demo.sandbox_control import SandboxControl
from tests.conftest import Clock
from tests.factories import MerchantFactory, ReboundAccountFactory

POST = "rebound POST /sales-orders"
FIND = "rebound GET /sales-orders"


def body(order_id: str = "SO-1", *, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "clientOrderId": order_id,
        "clientMetadata": {"omsOrderId": order_id, "channel": 7, "ttsOrderId": "576"},
        "updatedAt": "2026-11-20T09:31:00Z",
        "customerAddress": {"firstName": "Ada", "addressLine1": "14 Unseen Street", "countryCode": "GB"},
        "salesItems": [
            {
                "sku": "wool-socks",
                "quantity": quantity,
                "price": "19.90",
                "currencyCode": "GBP",
                "clientMetadata": {"omsItemId": f"{order_id}-1"},
            }
        ],
        **more,
    }


def facts(order_id: str = "SO-1", **more: Any) -> OrderFacts:
    checked = check_order(body(order_id, **more))
    assert isinstance(checked, OrderFacts), checked
    return checked


def push(merchant: Merchant, *orders: OrderFacts) -> None:
    push_orders(merchant=merchant, orders=orders, source=OrderSource.PUSHED, client=None, now=timezone.now())


class Desk:
    """A merchant whose account relays, the ReBound behind it, and a worker."""

    def __init__(self, sandbox: SandboxControl, clock: Clock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.account = self.new_account(MerchantFactory())
        self.merchant: Merchant = self.account.merchant
        self.landed: list[str] = []

    def new_account(self, merchant: Merchant, **columns: Any) -> ReboundAccount:
        made = self.sandbox.post("/rebound-clients", name="A client")
        columns = {"relays_orders": True, "access_token": "", "access_token_expires_at": None} | columns
        account: ReboundAccount = ReboundAccountFactory(
            merchant=merchant, client_id=made["client_id"], client_secret=made["client_secret"], **columns
        )
        return account

    def push(self, order_id: str = "SO-1", **more: Any) -> None:
        push(self.merchant, facts(order_id, **more))

    def land(self, merchant: Merchant, external_order_ids: Any) -> None:
        self.landed += external_order_ids

    def works(self) -> int:
        """Everything that is due now, as a worker would. Answers how many tries that took."""
        tries = 0
        while True:
            token, keys = claim_relays(now=timezone.now(), limit=8)
            for key in keys:
                relay(key, token=token, on_landed=self.land)
            tries += len(keys)
            if not keys:
                return tries
            assert tries < 100

    def later(self) -> None:
        """So much later that every try is due again; what was claimed by a worker that died, too."""
        self.clock.advance(hours=2)
        self.works()

    def fault(self, kind: str, *, method: str = "POST", **options: Any) -> None:
        self.sandbox.post(
            "/faults", remote="rebound", kind=kind, method=method, path_contains="/sales-orders", **options
        )

    def held(self) -> list[dict[str, Any]]:
        return list(self.sandbox.get("/state")["sales_orders"])

    def calls(self, name: str) -> int:
        return int(self.sandbox.get("/calls")["by_endpoint"].get(name, 0))

    def row(self, order_id: str = "SO-1") -> OrderRelay:
        return OrderRelay.objects.get(order__external_order_id=order_id, merchant=self.merchant)

    def is_at_rebound_once(self, *, quantity: int = 1) -> None:
        (order,) = self.held()
        row = self.row()
        ours = SalesOrder.objects.get(pk=row.order_id)
        assert [item["quantity"] for item in order["salesItems"]] == [quantity]
        assert (row.state, row.detail, row.asked, row.done, row.next_attempt_at, row.claim_token) == (
            "DONE",
            "",
            "",
            ours.content_hash,
            None,
            None,
        )
        assert ours.rebound_id == order["id"]
        assert [item.rebound_id for item in ours.items.all()] == [item["id"] for item in order["salesItems"]]
        assert self.landed
        assert set(self.landed) == {"SO-1"}
