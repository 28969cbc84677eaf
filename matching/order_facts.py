"""A valid order in facts, and the limits of its fields. Pure values.

How a body becomes facts stands in `order_body.py` (every finding) and in `order_typed.py` (quick). Structs of msgspec
are made in a fifth of the time that frozen dataclasses take.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

MOST_ITEMS = 1000
MOST_UNITS = 100_000
SHORT_ID = 100  # characters: shorter ones cannot be too long in any form
ITEM_TEXTS = {
    "sku": 255,
    "description": 1000,
    "currencyCode": 255,
    "hsCode": 40,
    "countryOfOrigin": 255,
    "weightUnit": 10,
    "imageUrl": 2000,
}


class ItemFacts(Struct, frozen=True):
    """One line of the order. Money and weight are exact decimals."""

    external_item_id: str
    sku: str
    description: str
    quantity: int
    price: Decimal | None
    currency: str
    hs_code: str
    country_of_origin: str
    weight: Decimal | None
    weight_unit: str


class OrderFacts(Struct, frozen=True):
    """A valid order.

    `payload_text`: the body without the address. `content_hash`: equal for equal content, whatever the order of its
    keys; `updatedAt` says when, not what, and does not count. `tiktok_order_id` is empty where the order does not name
    TikTok's order; `tiktok_lines` gives the external item id of each of TikTok's lines. `address_more`: undocumented
    fields of the address, as they came. `may_warn`: false where no warning is possible.
    """

    external_order_id: str
    ordered_at: datetime | None
    updated_at: datetime | None
    address: dict[str, str]
    items: tuple[ItemFacts, ...]
    payload_text: str
    content_hash: str
    tiktok_order_id: str = ""
    tiktok_lines: dict[str, str] = {}
    address_more: dict[str, Any] = {}
    may_warn: bool = True

    @property
    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payload_text)
        return found
