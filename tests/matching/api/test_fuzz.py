"""Whatever arrives, no call answers 500, and every refusal is a problem."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.matching.api.conftest import ROOT, Oms, order

ANY_TEXT = st.text(max_size=12) | st.sampled_from(["\x00", "\ud800", "a/b", "SO-1", "x" * 300])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["clientOrderId", "clientMetadata", "salesItems", "customerAddress", "updatedAt", "price", "extra"]
BENT = st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=2).map(lambda change: order("SO-1") | change)
BENT_ITEM = st.dictionaries(st.sampled_from(["sku", "quantity", "price", "clientMetadata", "x"]), ANY, max_size=3).map(
    lambda change: order("SO-1", salesItems=[order("SO-1")["salesItems"][0] | change])
)
BODY = st.binary(max_size=60) | (ANY | BENT | BENT_ITEM | st.lists(BENT | BENT_ITEM | ANY, max_size=3)).map(
    lambda value: json.dumps(value).encode()
)
CALLS = st.sampled_from(
    [("POST", ROOT), ("POST", f"{ROOT}:batch"), ("POST", f"{ROOT}:validate"), ("PUT", f"{ROOT}/SO-1")]
)
fuzz = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_proper(response: Any) -> bool:
    if response.status_code < 400:
        return True
    body = response.json()
    return response.status_code < 500 and body["status"] == response.status_code and bool(body["request_id"])


@pytest.mark.django_db
@fuzz
@given(call=CALLS, body=BODY, kind=st.sampled_from(["application/json", "application/x-ndjson"]))
def test_any_body(oms: Oms, call: tuple[str, str], body: bytes, kind: str) -> None:
    assert is_proper(oms.call(*call, body, kind=kind))


@pytest.mark.django_db
@fuzz
@given(
    method=st.sampled_from(["GET", "DELETE"]),
    order_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
    query=st.dictionaries(
        st.sampled_from(["limit", "cursor", "updatedAfter", "clientOrderId", "strict"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    ),
)
def test_any_address(oms: Oms, method: str, order_id: str, query: dict[str, str]) -> None:
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    assert is_proper(oms.call(method, f"{ROOT}/{quote(order_id, safe='')}"))
    assert is_proper(oms.call("GET", f"{ROOT}?{asked}"))
