"""Answers as the vendors give them, whole, for tests to take apart."""

import base64
from typing import Any

RMA = "TTS-7494049642642441621-4035318504086604100"

ADDRESS: dict[str, Any] = {
    "name": "Jane Doe",
    "first_name": "Jane",
    "last_name": "Doe",
    "phone_number": "(+1)213-***-1234",
    "address_line1": "1 High Street",
    "address_line2": "Flat 2",
    "postal_code": "90001",
    "region_code": "US",
    "district_info": [
        {"address_level": "L0", "address_level_name": "Country", "address_name": "United States"},
        {"address_level": "L1", "address_level_name": "State", "address_name": "California"},
        {"address_level": "L2", "address_level_name": "County", "address_name": "Los Angeles County"},
        {"address_level": "L3", "address_level_name": "City", "address_name": "Los Angeles"},
    ],
}
RETURN: dict[str, Any] = {
    "return_id": "4035318504086604100",
    "order_id": "576461413038785752",
    "return_type": "RETURN_AND_REFUND",
    "return_status": "AWAITING_BUYER_SHIP",
    "return_line_items": [
        {"return_line_item_id": "4035318504086604101", "order_line_item_id": "577086512123755123"},
    ],
}
GRANT: dict[str, Any] = {
    "access_token": "TTP_access-hush",
    "access_token_expire_in": 1767830400,
    "refresh_token": "TTP_refresh-hush",
    "refresh_token_expire_in": 1798761600,
    "open_id": "7010736057180325637",
    "seller_name": "Jane's Shop",
    "seller_base_region": "GB",
    "user_type": 0,
    "granted_scopes": ["seller.return_refund.basic", "seller.order.info"],
}
SALES_ORDER: dict[str, Any] = {
    "id": "so-1",
    "clientOrderId": "OMS-1",
    "status": "ACTIVE",
    "createdAt": "2026-01-01T01:00:00+01:00",
    "updatedAt": "2026-01-02T00:00:00.000Z",
    "customerAddress": {"firstName": "Jane", "email": "jane@example.com", "countryCode": "GB", "more": 1},
    "clientMetadata": [{"key": "omsOrderId", "value": "OMS-1"}],
    "salesItems": [
        {
            "id": "si-1",
            "sku": "TEE-M",
            "description": "Tee",
            "quantity": 2,
            "price": 12.1,
            "currencyCode": "GBP",
            "hsCode": "6109",
            "countryOfOrigin": "PT",
            "weight": "0.20",
            "weightUnit": "kg",
            "imageUrl": "https://x/1.png",
            "returnable": True,
            "clientMetadata": {"omsItemId": "OMS-1-1"},
        },
        {"id": 42},
    ],
}
RETURN_ORDER: dict[str, Any] = {
    "id": "ro-1",
    "rmaNumber": RMA,
    "status": "ACTIVE",
    "salesOrderId": "so-1",
    "customerAddress": {"firstName": "Jane"},
    "items": [{"id": "ri-1", "salesItemId": "si-1", "sku": "TEE-M", "quantity": 1}, {"id": "ri-2", "sku": "CAP"}],
    "parcels": [
        {
            "id": "p-1",
            "carrier": "Evri",
            "carrierService": "EVRI_QR",
            "trackingNumber": "H1",
            "label": {
                "format": "PDF",
                "contentType": "application/pdf",
                "base64": base64.b64encode(b"%PDF-1.4 x").decode(),
            },
        },
        {"id": "p-2", "label": None},
        {"label": {"format": "QR", "url": "https://x/labels/1"}},
    ],
}
