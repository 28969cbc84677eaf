"""Whatever arrives at the webhook endpoint: an answer in words, never a crash, and nothing unsigned is stored."""

import json
from typing import Any

import pytest
from django.core.cache import caches
from django.db import transaction
from django.test import Client
from hypothesis import example, given, settings
from hypothesis import strategies as st

from returns.models import WebhookEvent
from tests.returns.conftest import return_event, signature_of

pytestmark = pytest.mark.django_db
EXAMPLES = 150
client = Client(raise_request_exception=False)  # one for all: each builds the middleware anew

header_texts = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=80)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("type", "data", "shop_id", "tts_notification_id", "timestamp")
KNOWN = return_event(shop_id="7494049642642441621", return_id="4035318504086604100", order_id="576461413038785752")


def post(body: bytes, **headers: str) -> tuple[int, Any, int]:
    """Status, answer and the number of events stored, undone afterwards."""
    client.cookies.clear()
    caches["process"].clear()  # of how often this address got it wrong
    with transaction.atomic():
        answer = client.generic("POST", "/webhooks/tiktok", body, **headers)
        stored = WebhookEvent.objects.count()
        transaction.set_rollback(True)
    return answer.status_code, answer.json(), stored


@settings(max_examples=EXAMPLES, deadline=None)
@given(body=st.binary(max_size=400) | values.map(lambda value: json.dumps(value).encode()), headers=st.data())
def test_nothing_unsigned_is_stored(body: bytes, headers: st.DataObject) -> None:
    names = ["HTTP_AUTHORIZATION", "HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_COOKIE", "CONTENT_TYPE"]
    sent = headers.draw(st.dictionaries(st.sampled_from(names), header_texts))
    status, answer, stored = post(body, **sent)
    assert (status, stored) == (401, 0)
    assert answer == {"error": "The Authorization header does not hold the signature of this body."}


@settings(max_examples=EXAMPLES, deadline=None)
@given(body=st.binary(max_size=400) | values.map(lambda value: json.dumps(value).encode()))
@example(body=b"[" * 200_000)
@example(body=b'{"type":12,"data":{},"shop_id":' + b"1" * 4300 + b"}")
def test_signed_nonsense_is_refused_with_words(body: bytes) -> None:
    status, answer, stored = post(body, HTTP_AUTHORIZATION=signature_of(body))
    assert (status, stored) == (400, 0)
    assert list(answer) == ["error"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(FIELDS), values), missing=st.sets(st.sampled_from(FIELDS), max_size=2))
def test_signed_event_of_any_shape_is_stored_or_its_field_named(changes: dict[str, Any], missing: set[str]) -> None:
    envelope = {name: value for name, value in {**KNOWN, **changes}.items() if name not in missing}
    body = json.dumps(envelope).encode()
    status, answer, stored = post(body, HTTP_AUTHORIZATION=signature_of(body), HTTP_ACCEPT="text/html")
    if status == 200:
        assert (answer, stored) == ({"received": True, "duplicate": False}, 1)
        return
    assert (status, stored) == (400, 0)
    named = [name for name in FIELDS if f"'{name}'" in answer["error"]]
    assert named or answer["error"] == "The body is not JSON in UTF-8."  # NaN somewhere inside
    assert not named or named[0] in {*changes, *missing}
