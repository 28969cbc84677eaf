"""Which call takes and answers what: the hooks of the generator, which nothing that is served loads.

The shapes stand in `components.py`. `manage.py spectacular --file matching/api/openapi.yaml` writes the committed file,
which is what `document.py` serves.
"""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from matching.api.components import COMPONENTS, ref
from matching.api.document import TOKEN_PATH
from matching.api.examples import LISTED_EXAMPLE, ORDER_EXAMPLE, PROBLEM_EXAMPLE, PUSHED_EXAMPLE
from matching.api.orders import Batch, Validate
from matching.api.reading import Coverage, OneOrder, OrderList, WhoAmI
from merchants.models import ApiScope
from merchants.oauth import TokenView

Decorator = Callable[[Any], Any]

PROBLEM = "application/problem+json"
SECOND_TOKEN_PATH = f"/api/v1{TOKEN_PATH}"
PROBLEMS = {
    400: "Not JSON, or not a request that can be understood.",
    401: "No valid access token.",
    403: "The token lacks the scope.",
    404: "No such order of this merchant.",
    409: "The first request with this Idempotency-Key is still running.",
    413: "The body is too large, or has too many orders.",
    415: "The content type is not taken.",
    422: "The order breaks rules, a parameter cannot be used, or the Idempotency-Key was used for another request.",
    429: "Too many requests: wait for Retry-After seconds.",
    500: "An error of ours. Give us the request id.",
    503: "Not available at the moment. Nothing was saved.",
}
ALWAYS = (400, 401, 403, 429, 500, 503)
BODY = (413, 415, 422)

FLOW_KEY = OpenApiParameter(
    "flowKey", str, description="Taken as ReBound takes it. The flow that returns run through is set on the account."
)
STRICT = OpenApiParameter(
    "X-Strict",
    bool,
    OpenApiParameter.HEADER,
    description="`true` refuses undocumented fields, too. Also `?strict=true`.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    description="The same key with the same request is answered with the first answer, for 24 hours.",
)
REPLAYED = OpenApiParameter(
    "Idempotency-Replayed",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="`true` where this is the answer to an earlier request.",
)
HEADERS = [
    OpenApiParameter(
        "X-Request-Id", str, OpenApiParameter.HEADER, response=True, description="Say it when you ask us."
    ),
    OpenApiParameter("RateLimit", str, OpenApiParameter.HEADER, response=True, description="What is left."),
    OpenApiParameter("RateLimit-Policy", str, OpenApiParameter.HEADER, response=True, description="The limit."),
    OpenApiParameter(
        "Retry-After", int, OpenApiParameter.HEADER, response=[409, 429, 503], description="Seconds to wait."
    ),
]


def _call(
    operation_id: str,
    *,
    summary: str,
    description: str = "",
    scope: ApiScope | None,
    request: Any = None,
    good: dict[Any, Any],
    problems: tuple[int, ...] = (),
    parameters: tuple[OpenApiParameter, ...] = (),
    examples: tuple[OpenApiExample, ...] = (),
) -> Decorator:
    refusals = {
        (status, PROBLEM): OpenApiResponse(ref("Problem"), description=PROBLEMS[status])
        for status in sorted({*ALWAYS, *problems})
    }
    if 422 in problems:
        refused = OpenApiExample(
            "Refused", PROBLEM_EXAMPLE, response_only=True, status_codes=["422"], media_type=PROBLEM
        )
        examples = (*examples, refused)
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=description,
        tags=["Orders"],
        auth=[{"oauth2": [scope.value] if scope else []}],  # type: ignore[list-item]  # a requirement as OpenAPI has it
        request=request,
        responses=good | refusals,
        parameters=[*parameters, *HEADERS],
        examples=list(examples),
    )


def _ok(name: str, description: str) -> OpenApiResponse:
    return OpenApiResponse(ref(name), description=description)


_order_examples = (
    OpenApiExample("Metadata as an object", ORDER_EXAMPLE, request_only=True),
    OpenApiExample("Metadata as a list", LISTED_EXAMPLE, request_only=True),
    OpenApiExample("Created", PUSHED_EXAMPLE, response_only=True, status_codes=["201"]),
)

create_order = _call(
    "createSalesOrder",
    summary="Push an order",
    description="ReBound's call. Repeating it is safe: equal content answers `unchanged`.",
    scope=ApiScope.ORDERS_WRITE,
    request={"application/json": ref("SalesOrder")},
    good={201: _ok("PushedOrder", "Created."), 200: _ok("PushedOrder", "Changed, unchanged or outdated.")},
    problems=(409, *BODY),
    parameters=(FLOW_KEY, STRICT, IDEMPOTENCY_KEY, REPLAYED),
    examples=_order_examples,
)
replace_order = _call(
    "putSalesOrder",
    summary="Create or replace an order",
    scope=ApiScope.ORDERS_WRITE,
    request={"application/json": ref("SalesOrder")},
    good={201: _ok("PushedOrder", "Created."), 200: _ok("PushedOrder", "Changed, unchanged or outdated.")},
    problems=BODY,
    parameters=(FLOW_KEY, STRICT),
    examples=_order_examples,
)
push_batch = _call(
    "pushSalesOrders",
    summary="Push up to 500 orders",
    description="At most 5 MiB. A bad order never spoils the rest: 200 with a status for each.",
    scope=ApiScope.ORDERS_WRITE,
    request={
        "application/json": {"type": "array", "items": ref("SalesOrder"), "minItems": 1, "maxItems": 500},
        "application/x-ndjson": {"type": "string", "description": "One order a line."},
    },
    good={200: _ok("BatchAnswer", "One result an order.")},
    problems=(409, *BODY),
    parameters=(FLOW_KEY, STRICT, IDEMPOTENCY_KEY, REPLAYED),
    examples=(
        OpenApiExample("Two orders", [ORDER_EXAMPLE, LISTED_EXAMPLE], request_only=True, media_type="application/json"),
    ),
)
validate_orders = _call(
    "validateSalesOrders",
    summary="Check without saving",
    description="One order or a list. 200 whatever is found; `valid` says it.",
    scope=ApiScope.ORDERS_WRITE,
    request={
        "application/json": {
            "oneOf": [
                ref("SalesOrder"),
                {"type": "array", "items": ref("SalesOrder"), "minItems": 1, "maxItems": 500},
            ]
        },
        "application/x-ndjson": {"type": "string", "description": "One order a line."},
    },
    good={
        200: OpenApiResponse(
            {"anyOf": [ref("Verdict"), ref("Verdicts")]}, description="What would be refused, and why."
        )
    },
    problems=BODY,
    parameters=(STRICT,),
    examples=(OpenApiExample("One order", ORDER_EXAMPLE, request_only=True, media_type="application/json"),),
)
list_orders = _call(
    "listSalesOrders",
    summary="List orders",
    description="In the order of their last change, oldest first.",
    scope=ApiScope.ORDERS_READ,
    good={200: _ok("OrderPage", "A page.")},
    problems=(422,),
    parameters=(
        OpenApiParameter("cursor", str, description="`nextCursor` of the page before."),
        OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        OpenApiParameter(
            "updatedAfter",
            {"type": "string", "format": "date-time"},
            description="Only what changed here after this time, by `changedAt`. To follow changes, ask again with the "
            "`changedAt` of the last order that you were given: none is missed, however many push at the same time.",
        ),
        OpenApiParameter("clientOrderId", str, description="Only the order with exactly this id."),
    ),
)
read_order = _call(
    "readSalesOrder",
    summary="Read an order back",
    description="What is held, since when, from which client, its warnings and the returns that matched.",
    scope=ApiScope.ORDERS_READ,
    good={200: _ok("HeldOrderDetail", "The order.")},
    problems=(404,),
)
cancel_order = _call(
    "cancelSalesOrder",
    summary="Cancel an order",
    description="Returns are no longer linked to it. A newer version, or one without `updatedAt`, makes it stand "
    "again.",
    scope=ApiScope.ORDERS_WRITE,
    good={204: OpenApiResponse(description="Cancelled, now or earlier.")},
    problems=(404,),
)
read_coverage = _call(
    "readMatchCoverage",
    summary="How many returns found their order",
    description="And what the others lacked, so that it can be mended: the last 100 of them by name.",
    scope=ApiScope.MATCHES_READ,
    good={200: _ok("MatchCoverage", "The returns of these days.")},
    problems=(422,),
    parameters=(OpenApiParameter("days", {"type": "integer", "minimum": 1, "maximum": 90, "default": 30}),),
)
who_am_i = _call(
    "whoAmI",
    summary="Whose token is this?",
    description="Any valid token may ask.",
    scope=None,
    good={200: _ok("WhoAmI", "The merchant, the client, the scopes.")},
)
get_token = extend_schema(
    operation_id="getToken",
    summary="Get an access token",
    description="Client credentials (RFC 6749, 4.4), in the form or by HTTP Basic. A token is good for 60 minutes.",
    tags=["Access"],
    auth=[],
    request={"application/x-www-form-urlencoded": ref("TokenRequest")},
    responses={
        200: _ok("Token", "A token."),
        400: _ok("TokenError", "The request is wrong."),
        401: _ok("TokenError", "Client id or client secret are wrong."),
        **{
            (status, PROBLEM): OpenApiResponse(ref("Problem"), description=PROBLEMS[status])
            for status in (413, 415, 429, 500, 503)
        },
    },
)

DOCUMENTED: dict[type[Any], dict[str, Decorator]] = {
    TokenView: {"post": get_token},
    WhoAmI: {"get": who_am_i},
    Coverage: {"get": read_coverage},
    OrderList: {"get": list_orders, "post": create_order},
    Batch: {"post": push_batch},
    Validate: {"post": validate_orders},
    OneOrder: {"get": read_order, "put": replace_order, "delete": cancel_order},
}
for view, calls in DOCUMENTED.items():
    extend_schema_view(**calls)(view)


def only_documented(endpoints: list[Any], **_: Any) -> list[Any]:
    """Hook: the API alone; the token endpoint once, though it stands at two addresses."""
    return [each for each in endpoints if each[3].cls in DOCUMENTED and each[0] != SECOND_TOKEN_PATH]


def add_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Hook: the shapes, and how to get a token."""
    result["components"] = {
        "schemas": COMPONENTS,
        "securitySchemes": {
            "oauth2": {
                "type": "oauth2",
                "flows": {
                    "clientCredentials": {
                        "tokenUrl": TOKEN_PATH,
                        "scopes": {scope.value: str(scope.label) for scope in ApiScope},
                    }
                },
            }
        },
    }
    return result
