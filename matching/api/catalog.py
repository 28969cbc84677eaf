"""The error catalog: every code with its rule and its remedy. The address of a problem's `type` points into it."""

from typing import NamedTuple

from matching.findings import Code
from matching.rules import RULES


class Entry(NamedTuple):
    code: str
    rule: str
    remedy: str
    status: str = ""


PROBLEMS = (
    Entry(
        "not_json",
        "The body must be JSON in UTF-8 (RFC 8259); NaN and Infinity are not.",
        "Mend the place that `detail` names.",
        "400",
    ),
    Entry("invalid_request", "The request must be complete and its headers well formed.", "Read `detail`.", "400"),
    Entry(
        "unauthorized",
        "Every call carries a live access token.",
        "Get a token from POST /oauth2/token and send `Authorization: Bearer <token>`.",
        "401",
    ),
    Entry(
        "forbidden",
        "Each call needs a scope that the token has.",
        "Ask for the scope that `detail` names, or have it added to your client.",
        "403",
    ),
    Entry(
        "not_found",
        "The order, or the address, must exist for this merchant.",
        "Check the id: it is compared exactly, case included, and percent-encoded in a path.",
        "404",
    ),
    Entry("method_not_allowed", "Each address offers the methods in its Allow header.", "Use one of them.", "405"),
    Entry(
        "idempotency_key_in_use",
        "One request runs under a key at a time.",
        "Wait for Retry-After seconds and send the same request again.",
        "409",
    ),
    Entry("too_large", "One order has at most 1 MiB; a batch 5 MiB and 500 orders.", "Send it in parts.", "413"),
    Entry(
        "unsupported_media_type",
        "Orders are application/json; batches also application/x-ndjson; never compressed.",
        "Set Content-Type.",
        "415",
    ),
    Entry(
        "invalid_order",
        "An order that breaks a rule is not saved.",
        "Mend every entry of `errors`, then send it again.",
        "422",
    ),
    Entry(
        "invalid_parameter", "A query parameter must have the documented form.", "Read the entry of `errors`.", "422"
    ),
    Entry(
        "idempotency_key_reused", "A key belongs to one request.", "Use a new key for each request that differs.", "422"
    ),
    Entry(
        "rate_limited",
        "Each client has a number of requests a minute; the RateLimit headers say what is left.",
        "Wait for Retry-After seconds. Push in batches: a batch counts once.",
        "429",
    ),
    Entry("internal", "An error of ours.", "Give us the request id. Repeating the push is safe.", "500"),
    Entry(
        "unavailable",
        "The service is not available at the moment, and nothing was saved.",
        "Send the request again after Retry-After seconds.",
        "503",
    ),
)

FINDINGS = tuple(Entry(code.value, *RULES[code]) for code in Code)
