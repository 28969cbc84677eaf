"""Examples of what the API takes and answers, for its documentation."""

ORDER_EXAMPLE = {
    "clientOrderId": "SO-1001",
    "clientOrderCreatedDate": "2026-11-20T09:30:00Z",
    "updatedAt": "2026-11-20T09:31:00Z",
    "customerAddress": {
        "firstName": "Ada",
        "lastName": "Example",
        "addressLine1": "1 Sample Street",
        "city": "Bristol",
        "postalCode": "BS1 1AA",
        "countryCode": "GB",
    },
    "salesItems": [
        {
            "sku": "wool-socks",
            "description": "Wool socks, grey",
            "quantity": 2,
            "price": "19.90",
            "currencyCode": "GBP",
            "hsCode": "611595",
            "countryOfOrigin": "PT",
            "clientMetadata": {"omsItemId": "SO-1001-1"},
        }
    ],
    "clientMetadata": {"omsOrderId": "SO-1001"},
}
LISTED_EXAMPLE = ORDER_EXAMPLE | {"clientMetadata": [{"key": "omsOrderId", "value": "SO-1001"}]}
PUSHED_EXAMPLE = {
    "id": "4711",
    "clientOrderId": "SO-1001",
    "salesItems": [{"id": "9001", "sku": "wool-socks", "quantity": 2, "clientMetadata": {"omsItemId": "SO-1001-1"}}],
    "clientMetadata": {"omsOrderId": "SO-1001"},
    "result": "created",
    "warnings": [],
}
PROBLEM_EXAMPLE = {
    "type": "/docs/errors#invalid_order",
    "title": "The order breaks rules",
    "status": 422,
    "detail": "Nothing was saved: 1 finding.",
    "request_id": "5f0c6b2e9d0b4a5e8d7a1f3c2b1a0e9d",
    "errors": [
        {
            "pointer": "/clientMetadata/omsOrderId",
            "code": "oms_order_id_differs",
            "detail": "`omsOrderId` must equal `clientOrderId`, which is SO-1001.",
            "value": "SO-1002",
            "rule": "clientMetadata.omsOrderId equals clientOrderId.",
            "remedy": "Send the external order id that TikTok holds in both.",
        }
    ],
}
