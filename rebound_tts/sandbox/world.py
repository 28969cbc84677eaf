"""What exists in the sandbox: sellers, shops, orders, returns, sales orders and return orders, in memory.

State only: one lock, the clock, the ids and plain dataclasses with the indexes that keep look-ups cheap. Rules live
with the remote they belong to (tiktok_*.py, rebound*.py); JSON shapes too.
"""

import secrets
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rebound_tts.sandbox.courier import Courier
from rebound_tts.sandbox.settings import Settings

ALL_SCOPES = (
    "seller.authorization.info",
    "seller.order.info",
    "seller.return_refund.basic",
    "seller.logistics",
    "seller.shop.info",
)


@dataclass(frozen=True)
class App:
    """Our app as TikTok's Partner Center knows it. Fixed values: a restarted sandbox needs no new configuration."""

    key: str = "6sandboxapp01"
    secret: str = "5a4db0c5sandbox00secret00of00the00app0001"
    service_id: str = "7400000000000000001"


@dataclass
class Seller:
    id: str
    open_id: str
    name: str
    region: str
    scopes: tuple[str, ...]
    shop_ids: list[str] = field(default_factory=list)
    user_type: int = 0


@dataclass
class Shop:
    id: str
    cipher: str
    code: str
    name: str
    region: str
    seller_id: str
    authorized: bool = False
    deauthorized: bool = False  # was authorized once: TikTok sends nothing about it any more


@dataclass
class AuthorizationCode:
    code: str
    seller_id: str
    expires_at: float


@dataclass
class Token:
    """An access or a refresh token of one seller."""

    value: str
    seller_id: str
    scopes: tuple[str, ...]
    expires_at: float


@dataclass
class Buyer:
    user_id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    address_lines: tuple[str, ...]
    city: str
    state: str
    postal_code: str
    region: str


@dataclass
class OrderLine:
    id: str
    product_id: str
    sku_id: str
    seller_sku: str
    product_name: str
    price: str


@dataclass
class Order:
    id: str
    shop_id: str
    buyer: Buyer
    currency: str
    status: str
    lines: list[OrderLine]
    create_time: int
    update_time: int
    tracking_number: str
    package_id: str

    def line(self, line_id: str) -> OrderLine | None:
        return next((line for line in self.lines if line.id == line_id), None)


@dataclass
class ExternalOrder:
    """What an OMS wrote to a TikTok order: its own ids, under one platform."""

    id: str
    platform: str
    line_items: list[dict[str, str]] | None


@dataclass
class Upload:
    """A return document as the buyer sees it."""

    kind: str  # "return_shipping_label" or "return_qr_code", as in the call
    content_type: str
    data: bytes
    tracking_number: str
    return_provider_id: str
    uploaded_at: int


@dataclass
class Return:
    id: str
    shop_id: str
    order_id: str
    order_line_item_ids: list[str]
    return_line_item_ids: list[str]
    return_type: str
    return_status: str
    create_time: int
    update_time: int
    role: str = "BUYER"
    return_reason: str = ""
    return_method: str = "SELLER_SHIPPED"
    return_shipping_document_type: str = ""
    shipment_type: str = ""
    handover_method: str = ""
    arbitration_status: str = ""
    return_tracking_number: str = ""
    return_provider_id: str = ""
    return_provider_name: str = ""
    is_combined_return: bool = False
    combined_return_id: str = ""
    pre_return_id: str = ""
    next_return_id: str = ""
    can_buyer_keep_item: bool = False
    seller_proposed_return_type: str = ""
    partial_refund: dict[str, str] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Cancellation:
    id: str
    shop_id: str
    order_id: str
    cancel_type: str
    cancel_status: str
    cancel_reason: str
    role: str
    create_time: int
    update_time: int

    @property
    def shown_status(self) -> str:
        return shown_cancel_status(self.cancel_status)


def shown_cancel_status(status: str) -> str:
    """As answers and webhooks spell it; a search may ask for it as …_CANCEL (reference, 6.6)."""
    return f"{status}LED" if status.endswith("_CANCEL") else status


@dataclass
class Subscription:
    event_type: str
    address: str
    create_time: int
    update_time: int


@dataclass
class ReboundClient:
    id: str
    secret: str
    name: str
    events_url: str = ""  # where its events go; the settings' address unless it has one of its own
    events_secret: str = ""


@dataclass
class SalesOrder:
    id: str
    client_id: str
    flow_key: str | None
    client_order_id: str
    status: str
    created_at: float
    updated_at: float
    body: dict[str, Any]  # as received, without clientMetadata and salesItems
    metadata: dict[str, str]
    items: list["SalesItem"]


@dataclass
class SalesItem:
    id: str
    quantity: int
    body: dict[str, Any]
    metadata: dict[str, str]


@dataclass
class Parcel:
    id: str
    carrier: str
    carrier_service: str
    tracking_number: str
    label_format: str  # "PDF" or "QR"
    label: bytes


@dataclass
class ReturnItem:
    id: str
    sales_item_id: str | None
    quantity: int
    body: dict[str, Any]
    metadata: dict[str, str]


@dataclass
class ReturnOrder:
    id: str
    client_id: str
    flow_key: str | None
    rma_number: str
    sales_order_id: str | None
    status: str
    created_at: float
    updated_at: float
    items: list[ReturnItem]
    parcels: list[Parcel]
    label_inline: bool
    body: dict[str, Any]
    metadata: dict[str, str]


class IdMint:
    """Decimal ids that no other run of the sandbox hands out: a receiver keeps what it has seen over our restarts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self, prefix: str) -> str:
        """`prefix` and 15 more digits, which grow with time."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000 % 10**15)
            return f"{prefix}{self._last:015d}"


class World:
    """All state. Hold `lock` while reading or changing it; `clock` gives unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.app = App()
        self.new_id = IdMint()
        self.courier = Courier()
        self._count_lock = threading.Lock()  # a call is counted before it may wait for `lock`
        self.base_url = ""  # set by the server once the port is known
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget everything but the app and its keys."""
        self.courier.forget_all()
        self.settings = Settings()
        self.calls: Counter[str] = Counter()
        self.sellers: dict[str, Seller] = {}
        self.shops: dict[str, Shop] = {}
        self.shops_by_cipher: dict[str, Shop] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access_tokens: dict[str, Token] = {}
        self.refresh_tokens: dict[str, Token] = {}
        self.catalog: dict[tuple[str, str], tuple[str, str]] = {}  # (shop id, sku): (product id, sku id)
        self.orders: dict[str, Order] = {}
        self.orders_of_shop: dict[str, list[str]] = defaultdict(list)
        self.references: dict[str, list[ExternalOrder]] = defaultdict(list)
        self.returns: dict[str, Return] = {}
        self.returns_of_shop: dict[str, list[str]] = defaultdict(list)
        self.returns_of_order: dict[str, list[str]] = defaultdict(list)
        self.cancellations: dict[str, Cancellation] = {}
        self.subscriptions: dict[str, dict[str, Subscription]] = defaultdict(dict)  # by shop id, event type
        self.answered: dict[tuple[str, str, str], Any] = {}  # idempotency: (what, id, key) to the answer given
        self.rate_windows: dict[tuple[str, str], tuple[int, int]] = {}
        self.rebound_clients: dict[str, ReboundClient] = {}
        self.rebound_tokens: dict[str, Token] = {}
        self.sales_orders: dict[str, SalesOrder] = {}
        self.sales_orders_by_client_order_id: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.return_orders: dict[str, ReturnOrder] = {}
        self.return_orders_by_rma: dict[tuple[str, str], str] = {}
        self.return_orders_of_sales_order: dict[str, list[str]] = defaultdict(list)
        self.parcels: dict[str, ReturnOrder] = {}

    def now(self) -> int:
        return int(self.clock())

    def count_call(self, name: str) -> None:
        with self._count_lock:
            self.calls[name] += 1

    def counted_calls(self) -> dict[str, int]:
        with self._count_lock:
            return dict(self.calls)

    def forget_calls(self) -> None:
        with self._count_lock:
            self.calls.clear()

    def add_shop(self, shop: Shop) -> None:
        self.shops[shop.id] = shop
        self.shops_by_cipher[shop.cipher] = shop
        self.sellers[shop.seller_id].shop_ids.append(shop.id)


def new_secret(prefix: str = "", length: int = 32) -> str:
    """Random letters and digits, as both remotes use for tokens, ciphers and codes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return prefix + "".join(secrets.choice(alphabet) for _ in range(length))
