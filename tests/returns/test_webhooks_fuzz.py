"""Whatever arrives at the webhook endpoints: an answer in words, never a crash, and nothing unsigned is stored.

What is stored is handled too: an event of whatever shape ends in an outcome, and touches nothing of another account.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import caches
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from merchants.models import ReboundAccount
from merchants.rebound_events import renew_events_secret
from returns.events import handle_events
from returns.models import EventOutcome, ReboundReturn, ReturnMilestone, WebhookEvent
from returns.rebound_events import MILESTONES
from tests.factories import ReboundAccountFactory, ReboundReturnFactory, ShopFactory, TikTokReturnFactory
from tests.returns.conftest import rebound_signature_of, return_event, signature_of

pytestmark = pytest.mark.django_db
client = Client(raise_request_exception=False)  # one for all: each builds the middleware anew
# Each example is undone, so that the next one finds the fixtures as they were.
fuzzed = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])

header_texts = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=80)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
bodies = st.binary(max_size=400) | values.map(lambda value: json.dumps(value).encode())
signatures = st.from_regex(r"\A *t=[0-9]{1,14} *(, *v1=[0-9a-fA-F]{0,70} *){0,3}\Z")
headers = st.fixed_dictionaries(
    {},
    optional={
        "HTTP_X_REBOUND_SIGNATURE": signatures | header_texts,
        **{f"HTTP_{name}": header_texts for name in ("AUTHORIZATION", "ACCEPT", "ACCEPT_LANGUAGE", "COOKIE")},
        "CONTENT_TYPE": header_texts,
    },
)
SHOP_ID = "7494049642642441621"
TIKTOKS = return_event(shop_id=SHOP_ID, return_id="4035318504086604100", order_id="576461413038785752")
MOMENTS = ("2026-03-01T12:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z")


@dataclass(frozen=True)
class Endpoint:
    address: str
    sign: Callable[[bytes], dict[str, str]]


@pytest.fixture
def tiktok() -> Endpoint:
    ShopFactory(shop_id=SHOP_ID)
    return Endpoint("/webhooks/tiktok", lambda body: {"HTTP_AUTHORIZATION": signature_of(body)})


def endpoint_of(account: ReboundAccount) -> Endpoint:
    return Endpoint(
        f"/webhooks/rebound/{account.events_key}",
        lambda body: {"HTTP_X_REBOUND_SIGNATURE": rebound_signature_of(body, secret=account.events_secret)},
    )


def an_account() -> ReboundAccount:
    """One that takes events, with a return."""
    account = ReboundAccountFactory()
    renew_events_secret(account)
    shop = ShopFactory(merchant=account.merchant, rebound_account=account)
    TikTokReturnFactory(shop=shop, rebound_return=ReboundReturnFactory(shop=shop))
    account.refresh_from_db()
    return account


@pytest.fixture
def account() -> ReboundAccount:
    return an_account()


@pytest.fixture
def stranger() -> ReboundAccount:
    return an_account()


@pytest.fixture(params=["tiktok", "rebound"])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    if request.param == "tiktok":
        return request.getfixturevalue("tiktok")
    return endpoint_of(request.getfixturevalue("account"))


@dataclass(frozen=True)
class Answered:
    status: int
    says: Any  # the JSON of the answer; None where it is a page
    events: list[WebhookEvent]  # as handled
    milestones: list[ReturnMilestone]


def post(address: str, body: bytes, **sent: str) -> Answered:
    """What came of it, undone afterwards."""
    client.cookies.clear()
    caches["process"].clear()  # of how often this address got it wrong
    with transaction.atomic():
        answer = client.generic("POST", address, body, **sent)
        handle_events(now=timezone.now())
        stored = list(WebhookEvent.objects.select_related("tiktok_return"))
        milestones = list(ReturnMilestone.objects.all())
        transaction.set_rollback(True)
    is_json = answer["Content-Type"].startswith("application/json")
    return Answered(answer.status_code, answer.json() if is_json else None, stored, milestones)


@fuzzed
@given(body=bodies, sent=headers)
def test_nothing_unsigned_is_stored(endpoint: Endpoint, body: bytes, sent: dict[str, str]) -> None:
    answered = post(endpoint.address, body, **sent)
    assert (answered.status, answered.events, list(answered.says)) == (401, [], ["error"])
    assert "signature" in answered.says["error"].lower()


@fuzzed
@given(body=bodies)
@example(body=b"[" * 200_000)
@example(body=b'{"type":12,"data":{},"shop_id":' + b"1" * 4300 + b"}")
@example(body=b'{"type":"X","id":' + b"1" * 4301 + b"}")
def test_signed_nonsense_is_refused_with_words(endpoint: Endpoint, body: bytes) -> None:
    answered = post(endpoint.address, body, **endpoint.sign(body))
    assert (answered.status, answered.events, list(answered.says)) == (400, [], ["error"])


def changed(event: dict[str, Any], draw: st.DataObject, **likely: st.SearchStrategy[Any]) -> tuple[bytes, set[str]]:
    """The event with some fields missing and some of another shape, and which these are."""
    names = sorted({*event, *likely})
    missing = draw.draw(st.sets(st.sampled_from(names), max_size=2), label="missing")
    others = draw.draw(st.sets(st.sampled_from(names), max_size=3), label="others")
    changes = {name: draw.draw(values | likely.get(name, values), label=name) for name in sorted(others)}
    left = {name: value for name, value in {**event, **changes}.items() if name not in missing}
    return json.dumps(left).encode(), {*changes, *missing}


def is_stored_or_its_field_named(answered: Answered, *, touched: set[str]) -> bool:
    """Whether the event was stored, and so handled; a refusal names the field that is to blame."""
    if answered.status == 200:
        assert answered.says == {"received": True, "duplicate": False}
        (event,) = answered.events
        assert event.outcome not in ("", EventOutcome.CRASHED), event.detail
        return True
    assert (answered.status, answered.events) == (400, [])
    named = [name for name in touched if f"'{name}'" in answered.says["error"]]
    assert named or answered.says["error"] == "The body is not JSON in UTF-8."  # NaN somewhere inside
    return False


@fuzzed
@given(draw=st.data())
def test_tiktoks_event_of_any_shape_is_handled_or_its_field_named(tiktok: Endpoint, draw: st.DataObject) -> None:
    seconds = st.sampled_from([0, -1, 1_767_225_700, 253_402_300_799, 10**20, "1767225700"])
    data = st.fixed_dictionaries({}, optional={name: values | seconds for name in (*TIKTOKS["data"], "update_time")})
    expiring = st.fixed_dictionaries({"expiration_time": values | seconds})
    body, touched = changed(
        TIKTOKS, draw, type=st.sampled_from([1, 6, 7, 12, 33]), data=data | expiring, timestamp=seconds
    )
    answered = post(tiktok.address, body, **tiktok.sign(body), HTTP_ACCEPT="text/html")
    is_stored_or_its_field_named(answered, touched=touched)


@fuzzed
@given(draw=st.data())
def test_rebounds_event_of_any_shape_is_handled_for_its_account_or_its_field_named(
    account: ReboundAccount, stranger: ReboundAccount, draw: st.DataObject
) -> None:
    own, others = (ReboundReturn.objects.get(account=each) for each in (account, stranger))
    event = {"id": "e-1", "type": "RETURN_DELIVERED", "occurredAt": MOMENTS[0], "returnOrderId": own.rebound_id}
    event |= {"rmaNumber": own.reference, "data": {}}
    item = st.fixed_dictionaries({}, optional={name: values for name in ("sku", "quantity", "expected", "photo")})
    body, touched = changed(
        event,
        draw,
        type=st.sampled_from(sorted(MILESTONES)),
        occurredAt=st.sampled_from(MOMENTS),
        returnOrderId=st.sampled_from([own.rebound_id, others.rebound_id]),
        rmaNumber=st.sampled_from([own.reference, others.reference]),
        data=st.fixed_dictionaries({"items": st.lists(item, max_size=3)}),
    )
    endpoint = endpoint_of(account)
    answered = post(endpoint.address, body, **endpoint.sign(body), HTTP_ACCEPT="text/html")
    if is_stored_or_its_field_named(answered, touched=touched):
        (stored,) = answered.events
        assert (stored.shop_id, stored.merchant_id) == (account.events_key, account.merchant_id)
        assert stored.tiktok_return in (None, own.tiktok_returns.get())
    assert {each.rebound_return_id for each in answered.milestones} <= {own.pk}


@fuzzed
@given(body=bodies | st.just(b'{"id":"e-1","type":"RETURN_DELIVERED"}'))
def test_what_another_account_signed_is_not_stored(
    account: ReboundAccount, stranger: ReboundAccount, body: bytes
) -> None:
    answered = post(endpoint_of(account).address, body, **endpoint_of(stranger).sign(body))
    assert (answered.status, answered.events) == (401, [])


@fuzzed
@given(key=st.text(max_size=60), body=bodies)
@example(key="\0", body=b"{}")
def test_address_of_nobody_stores_nothing(account: ReboundAccount, key: str, body: bytes) -> None:
    address = "/webhooks/rebound/" + quote(key, safe="", errors="surrogatepass")
    answered = post(address, body, **endpoint_of(account).sign(body))
    assert (answered.status, answered.events) == (404, [])
