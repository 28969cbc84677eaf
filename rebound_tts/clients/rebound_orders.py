"""A return order as we ask ReBound for one, and its body.

Source: rebound-api.md section 6 (names assumed until the first real contract). What is empty is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal

from rebound_tts.clients.rebound_metadata import MetadataShape, write_metadata


@dataclass(frozen=True, slots=True)
class Address:
    """A person's address. Its repr shows none of it."""

    first_name: str = ""
    last_name: str = ""
    company_name: str = ""
    address_line1: str = ""
    address_line2: str = ""
    address_line3: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country_code: str = ""
    email: str = ""
    phone: str = ""

    def __repr__(self) -> str:
        return "Address(…)"


# The field of ours and ReBound's name for it, both ways.
ADDRESS_NAMES = {
    "first_name": "firstName",
    "last_name": "lastName",
    "company_name": "companyName",
    "address_line1": "addressLine1",
    "address_line2": "addressLine2",
    "address_line3": "addressLine3",
    "city": "city",
    "state": "state",
    "postal_code": "postalCode",
    "country_code": "countryCode",
    "email": "email",
    "phone": "phone",
}


@dataclass(frozen=True, slots=True)
class NewReturnItem:
    """An item to return, linked to an item of the sales order by `sales_item_id`. The rest feeds customs papers."""

    sku: str
    description: str
    quantity: int
    sales_item_id: str | None = None
    price: Decimal | None = None
    currency: str = ""
    reason: str = ""
    hs_code: str = ""
    country_of_origin: str = ""
    weight: Decimal | None = None
    weight_unit: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewReturnOrder:
    """A return order to create: linked where `sales_order_id` is set, direct where it is None.

    `rma_number` is our reference, unique for a ReBound client: a second create with it is a ConflictError that names
    the first. `country_code` and `carrier_service` choose the lane.
    """

    rma_number: str
    items: tuple[NewReturnItem, ...]
    country_code: str
    carrier_service: str = ""
    sales_order_id: str | None = None
    address: Address | None = None
    label_format: Literal["PDF", "QR"] = "PDF"
    metadata: Mapping[str, str] = field(default_factory=dict)


def return_order_body(order: NewReturnOrder, shape: MetadataShape) -> dict[str, Any]:
    return {
        **_given(
            {
                "rmaNumber": order.rma_number,
                "salesOrderId": order.sales_order_id,
                "items": [_item_body(item, shape) for item in order.items],
                "customerAddress": address_body(order.address),
                "lane": _given({"countryCode": order.country_code, "carrierService": order.carrier_service}),
                "labelFormat": order.label_format,
                "clientMetadata": write_metadata(order.metadata, shape),
            }
        ),
        "labelBase64Enabled": True,  # one call less for the label
    }


def _item_body(item: NewReturnItem, shape: MetadataShape) -> dict[str, Any]:
    return _given(
        {
            "salesItemId": item.sales_item_id,
            "sku": item.sku,
            "description": item.description,
            "quantity": item.quantity,
            "price": item.price,
            "currencyCode": item.currency,
            "reason": item.reason,
            "hsCode": item.hs_code,
            "countryOfOrigin": item.country_of_origin,
            "weight": item.weight,
            "weightUnit": item.weight_unit,
            "clientMetadata": write_metadata(item.metadata, shape),
        }
    )


def address_body(address: Address | None) -> dict[str, str]:
    return {} if address is None else _given({name: getattr(address, ours) for ours, name in ADDRESS_NAMES.items()})


def address_values(address: Address | None) -> tuple[str, ...]:
    """Everything personal in it, for keeping it out of error messages."""
    return () if address is None else tuple(getattr(address, each.name) for each in fields(address))


def _given(body: dict[str, Any]) -> dict[str, Any]:
    # A price of 0 is a price.
    return {name: value for name, value in body.items() if value not in (None, "", [], {})}
