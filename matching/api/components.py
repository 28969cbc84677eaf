"""The shapes of the API, as OpenAPI 3.1 components. Plain data: `schema.py` says which call uses which.

They are as strict as the checks where JSON Schema can say so; what it cannot (an id that must equal another) stands in
the descriptions, and `matching/order_body.py` is what decides.
"""

from typing import Any

from matching.findings import Code
from matching.models import ErrandState
from matching.order_body import ADDRESS_FIELDS, ITEM_TEXTS, MOST_ITEMS, MOST_UNITS
from matching.order_sync import Result

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def text(longest: int | None = None, description: str = "", **more: Any) -> Schema:
    return _said({"type": "string"} | ({} if longest is None else {"maxLength": longest}) | more, description)


def maybe(schema: Schema) -> Schema:
    """Null is as good as absent."""
    return {**schema, "type": [schema["type"], "null"]}


def record(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), description: str = "") -> Schema:
    required = [name for name in properties if name not in optional]
    return _said({"type": "object", "properties": properties, "required": required}, description)


def list_of(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _said(schema: Schema, description: str) -> Schema:
    return schema | {"description": description} if description else schema


IDENTIFIER = text(255, minLength=1, pattern="\\S")
MOMENT = text(format="date-time")
MAYBE_MOMENT = maybe(MOMENT)
INTEGER: Schema = {"type": "integer"}
FLAG: Schema = {"type": ["boolean", "null"]}
DECIMAL: Schema = {
    "description": "0 or more, at most 7 digits before and 4 after the point, whatever its form. Best as a string.",
    "oneOf": [
        {"type": "string", "pattern": "^-?[0-9]{1,40}(\\.[0-9]{1,40})?$"},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 10_000_000},
        {"type": "null"},
    ],
}
RESULT = text(enum=[result.value for result in Result])
KEPT: Schema = {"description": "As it was sent."}

METADATA: Schema = {
    "description": (
        "An object, or a list of objects with `key` and `value`. One key has one value. Values of `omsOrderId` and "
        "`omsItemId` are strings."
    ),
    "oneOf": [
        {"type": "object", "additionalProperties": True},
        list_of({"type": "object", "additionalProperties": True}),
    ],
}

ERRAND: dict[str, Schema] = {
    "state": text(
        enum=[state.value for state in ErrandState],
        description=(
            "QUEUED and RETRYING go on by themselves. CONFLICT and REFUSED need a person: `detail` says why. A newer "
            "version of the order starts anew."
        ),
    ),
    "detail": text(),
    "queuedAt": MOMENT,
    "doneAt": MAYBE_MOMENT | {"description": "When a version of it was last done."},
    "nextAttemptAt": MAYBE_MOMENT,
}

COMPONENTS: dict[str, Schema] = {
    "ClientMetadata": METADATA,
    "CustomerAddress": {
        "type": ["object", "null"],
        "description": "Encrypted at rest, and in no answer and no log.",
        "properties": {
            name: maybe(text(255, "ISO 3166-1 alpha-2." if name == "countryCode" else "")) for name in ADDRESS_FIELDS
        },
    },
    "SalesItem": {
        "type": "object",
        "required": ["quantity", "clientMetadata"],
        "properties": {
            **{name: maybe(text(longest)) for name, longest in ITEM_TEXTS.items()},
            "currencyCode": maybe(text(3, "ISO 4217.")),
            "countryOfOrigin": maybe(text(2, "ISO 3166-1 alpha-2.")),
            "quantity": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_UNITS,
                "description": "Units ordered, written as a whole number: 2, not 2.0.",
            },
            "price": DECIMAL,
            "weight": DECIMAL,
            "returnable": FLAG,
            "clientMetadata": ref("ClientMetadata")
            | {
                "description": (
                    "Holds `omsItemId`: the external item id that TikTok holds, unique within the order. May hold "
                    "`ttsLineItemIds`: a list of TikTok's line ids of this item, one a unit."
                )
            },
        },
    },
    "SalesOrder": {
        "type": "object",
        "required": ["clientOrderId", "clientMetadata"],
        "properties": {
            "clientOrderId": IDENTIFIER | {"description": "The external order id that TikTok holds. Kept exactly."},
            "clientOrderCreatedDate": MAYBE_MOMENT,
            "updatedAt": MAYBE_MOMENT
            | {"description": "Your time of this version. An older version never overwrites a newer one."},
            "customerAddress": ref("CustomerAddress"),
            "businessUnit": maybe(text(255)),
            "rmaNumber": maybe(text(255)),
            "premiumOrder": FLAG,
            "labelBase64Enabled": FLAG,
            "salesItems": {**list_of(ref("SalesItem"), maxItems=MOST_ITEMS), "type": ["array", "null"]},
            "clientMetadata": ref("ClientMetadata")
            | {
                "description": (
                    "Holds `omsOrderId`, equal to `clientOrderId`: a return is linked by it. May hold `ttsOrderId`: "
                    "TikTok's id of the order, for us to write your ids to TikTok."
                )
            },
        },
    },
    "Finding": record(
        {
            "pointer": text(description="JSON pointer (RFC 6901) from the root of the order."),
            "parameter": text(description="The parameter, where no part of the body is meant."),
            "code": text(enum=sorted([*(code.value for code in Code), "invalid_parameter"])),
            "detail": text(description="What is wrong with this value, for people."),
            "value": text(description="The value that broke the rule, cut short. Never a part of an address."),
            "rule": text(description="The rule that the code stands for, as the error catalog has it."),
            "remedy": text(description="What to do."),
        },
        optional=("pointer", "parameter", "value", "rule", "remedy"),
    ),
    "Problem": record(
        {
            "type": text(description="The rule's place in the error catalog.", format="uri-reference"),
            "title": text(),
            "status": INTEGER,
            "detail": text(),
            "request_id": text(description="Also in the header X-Request-Id."),
            "errors": list_of(ref("Finding"), description="Everything that is wrong, at once."),
        },
        description="RFC 9457.",
    ),
    "PushedItem": record(
        {"id": text(), "sku": text(), "quantity": INTEGER, "clientMetadata": KEPT},
    ),
    "PushedOrder": record(
        {
            "id": text(),
            "clientOrderId": text(),
            "salesItems": list_of(ref("PushedItem")),
            "clientMetadata": KEPT,
            "result": RESULT,
            "warnings": list_of(ref("Finding")),
        },
    ),
    "BatchResult": record(
        {
            "index": INTEGER,
            "clientOrderId": maybe(text()),
            "id": maybe(text()),
            "status": {"type": "integer", "enum": [200, 201, 422]},
            "result": text(enum=[*(result.value for result in Result), "rejected"]),
            "errors": list_of(ref("Finding")),
            "warnings": list_of(ref("Finding")),
        },
    ),
    "BatchAnswer": record(
        {
            "counts": record({name: INTEGER for name in [*(result.value for result in Result), "rejected"]}),
            "results": list_of(ref("BatchResult")),
        },
        description="One result an order, in the order of the request.",
    ),
    "Verdict": record(
        {
            "index": INTEGER,
            "clientOrderId": maybe(text()),
            "valid": {"type": "boolean"},
            "errors": list_of(ref("Finding")),
            "warnings": list_of(ref("Finding")),
        },
        optional=("index",),
    ),
    "Verdicts": record({"valid": {"type": "boolean"}, "results": list_of(ref("Verdict"))}),
    "HeldOrder": record(
        {
            "id": text(),
            "clientOrderId": text(),
            "clientOrderCreatedDate": MAYBE_MOMENT,
            "updatedAt": MAYBE_MOMENT | {"description": "Your time of the version that is held."},
            "firstSeenAt": MOMENT,
            "changedAt": MOMENT | {"description": "When what is held last changed here: what `updatedAfter` asks for."},
            "cancelledAt": MAYBE_MOMENT,
            "source": text(enum=["READ_THROUGH", "PUSHED", "FILE"]),
            "client": maybe(text(description="The client that pushed it last.")),
        },
    ),
    "HeldItem": record(
        {
            "id": text(),
            "sku": text(),
            "quantity": INTEGER,
            "clientMetadata": KEPT,
            "description": text(),
            "price": maybe(text()),
            "currencyCode": text(),
            "hsCode": text(),
            "countryOfOrigin": text(),
            "weight": maybe(text()),
            "weightUnit": text(),
            "removedAt": MAYBE_MOMENT | {"description": "Set where it vanished from the order while a return held it."},
        },
    ),
    "MatchedReturn": record(
        {"returnId": text(), "shop": text(), "outcome": text(), "reason": text(), "decidedAt": MOMENT},
    ),
    "Relay": record(
        {
            **ERRAND,
            "reboundId": maybe(text(description="ReBound's id of the sales order.")),
        },
    ),
    "ExternalReference": record({**ERRAND, "ttsOrderId": text()}),
    "HeldOrderDetail": {
        "allOf": [
            ref("HeldOrder"),
            record(
                {
                    "salesItems": list_of(ref("HeldItem")),
                    "clientMetadata": KEPT,
                    "addressFields": list_of(text(), description="Which parts of an address are held."),
                    "asSent": {
                        "type": ["object", "null"],
                        "additionalProperties": True,
                        "description": "The body of the version that is held, without its address. Null where we read "
                        "the order from ReBound.",
                    },
                    "warnings": list_of(ref("Finding")),
                    "matches": {
                        **list_of(ref("MatchedReturn")),
                        "type": ["array", "null"],
                        "description": "Returns that matched it. Null without the scope matches:read.",
                    },
                    "relay": {
                        "oneOf": [ref("Relay"), {"type": "null"}],
                        "description": "How far it is on its way to ReBound. Null where we do not send it there.",
                    },
                    "externalReference": {
                        "oneOf": [ref("ExternalReference"), {"type": "null"}],
                        "description": "How far its ids are on their way to TikTok. Null where we do not write them.",
                    },
                },
            ),
        ]
    },
    "OrderPage": record({"content": list_of(ref("HeldOrder")), "nextCursor": maybe(text())}),
    "MatchCoverage": record(
        {
            "since": MOMENT,
            **{
                name: INTEGER | {"description": said}
                for name, said in {
                    "returns": "All of them.",
                    "matched": "Linked to an order, every line to its item.",
                    "partlyMatched": "Linked to an order, some lines to their items.",
                    "orderOnly": "Linked to an order, no line to an item.",
                    "noMatch": "Created direct: no order was found for certain.",
                    "notAsked": "Created direct: the shop does not match orders.",
                }.items()
            },
            "reasons": list_of(
                record(
                    {
                        "reason": text(),
                        "returns": INTEGER,
                        "meaning": maybe(text(description="Null where your side cannot mend it.")),
                        "remedy": maybe(text()),
                    }
                )
            ),
            "lacking": list_of(
                record(
                    {
                        "returnId": text(),
                        "clientOrderId": maybe(text(description="The external order id that TikTok holds.")),
                        "reason": text(),
                        "decidedAt": MOMENT,
                    }
                )
            ),
        },
    ),
    "WhoAmI": record(
        {
            "merchant": text(),
            "clientId": text(),
            "clientName": text(),
            "scopes": list_of(text()),
            "tokenExpiresAt": MOMENT,
        },
    ),
    "TokenRequest": record(
        {
            "grant_type": text(enum=["client_credentials"]),
            "client_id": text(description="Here or by HTTP Basic."),
            "client_secret": text(),
            "scope": text(description="Separated by spaces; without it, all scopes of the client."),
        },
        optional=("client_id", "client_secret", "scope"),
    ),
    "Token": record(
        {
            "access_token": text(),
            "token_type": text(enum=["Bearer"]),
            "expires_in": INTEGER | {"description": "Seconds."},
            "scope": text(),
        },
    ),
    "TokenError": record(
        {
            "error": text(enum=["invalid_request", "invalid_client", "unsupported_grant_type", "invalid_scope"]),
            "error_description": text(),
        },
        description="RFC 6749, 5.2.",
    ),
}
