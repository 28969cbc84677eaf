"""ReBound's refusals, in every dialect, and its token."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rebound_tts.clients.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    NotOfferedError,
    PermanentError,
    RemoteError,
    TemporaryError,
    TokenRejectedError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.http import Transport
from rebound_tts.clients.rebound import AccessToken, Address, NewReturnOrder, ReboundAuthClient, ReboundClient
from tests.clients.fake_remote import RENEWED, TOKEN, Remote, Reply, Tokens, json_reply

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = NewReturnOrder(
    rma_number="TTS-1-1",
    items=(),
    country_code="GB",
    address=Address(first_name="Jane", last_name="Doe", address_line1="1 High Street", email="jane@example.com"),
)
CREATED = json_reply({"id": "ro-1", "rmaNumber": "TTS-1-1"}, 201)


@pytest.fixture
def client(remote: Remote, transport: Transport, tokens: Tokens) -> ReboundClient:
    return ReboundClient(base_url=remote.url, tokens=tokens, transport=transport)


@pytest.mark.parametrize(
    ("status", "found", "created"),
    [
        (400, PermanentError, PermanentError),
        (403, ConfigurationError, ConfigurationError),
        (404, NotFoundError, NotFoundError),
        (405, PermanentError, PermanentError),
        (408, TemporaryError, UnknownOutcomeError),
        (409, ConflictError, ConflictError),
        (415, PermanentError, PermanentError),
        (418, PermanentError, PermanentError),
        (422, PermanentError, PermanentError),
        (425, TemporaryError, TemporaryError),
        (429, TemporaryError, TemporaryError),
        (500, TemporaryError, UnknownOutcomeError),
        (502, TemporaryError, UnknownOutcomeError),
        (503, TemporaryError, TemporaryError),
        (504, TemporaryError, UnknownOutcomeError),
        (599, TemporaryError, UnknownOutcomeError),
        (301, UnexpectedAnswerError, UnexpectedAnswerError),
    ],
)
def test_refusal_class_by_status(
    remote: Remote, client: ReboundClient, status: int, found: type[RemoteError], created: type[RemoteError]
):
    reply = Reply(status, b"no", {"Retry-After": "30", "X-Request-Id": "r-1"})
    remote.replies(reply, reply)
    with pytest.raises(RemoteError) as reading:
        client.find_sales_orders(client_order_id="OMS-1")
    with pytest.raises(RemoteError) as creating:
        client.create_return_order(ORDER)
    assert (type(reading.value), type(creating.value)) == (found, created)
    assert (creating.value.status, creating.value.retry_after, creating.value.request_id) == (status, 30.0, "r-1")
    assert creating.value.vendor == "rebound"


@pytest.mark.parametrize(
    ("reply", "code", "message"),
    [
        (
            json_reply(
                {
                    "type": "https://x/problems/invalid-body",
                    "title": "Bad Request",
                    "detail": "The body has 2 invalid values.",
                    "errors": [
                        {"pointer": "/items/0/sku", "detail": "must be a string"},
                        {"message": "odd"},
                        "plain",
                        7,
                    ],
                },
                400,
            ),
            "invalid-body",
            "The body has 2 invalid values.; /items/0/sku must be a string; odd; plain; 7",
        ),
        (json_reply({"type": "about:blank", "title": "Bad Request"}, 400), "", "Bad Request"),
        (
            json_reply({"timestamp": "2026", "status": 400, "error": "Bad Request", "path": "/x"}, 400),
            "Bad Request",
            "Bad Request",
        ),
        (json_reply({"code": 17, "message": "no"}, 400), "17", "no"),
        (json_reply({"detail": {"a": 1}, "errors": "x", "title": True}, 400), "", ""),
        (json_reply(["x"], 400), "", '["x"]'),
        (Reply(400, b"Bad Request: no"), "", "Bad Request: no"),
        (Reply(400, b"<html><body>blocked</body></html>"), "", "an HTML page"),
        (Reply(400, b"\xff\x00"), "", "\ufffd"),
        (Reply(400, b""), "", ""),
        (json_reply({"errors": [{"detail": str(number)} for number in range(9)]}, 400), "", "0; 1; 2; 3; 4; 5"),
    ],
)
def test_refusal_in_every_dialect(remote: Remote, client: ReboundClient, reply: Reply, code: str, message: str):
    remote.replies(reply)
    with pytest.raises(PermanentError) as raised:
        client.create_return_order(ORDER)
    assert (raised.value.code, raised.value.message) == (code, message)


@pytest.mark.parametrize(
    ("body", "existing_id"),
    [
        ({"existingId": "ro-7"}, "ro-7"),
        ({"existingId": 7}, "7"),
        ({"errors": [{"detail": "taken"}, {"id": "ro-8"}]}, "ro-8"),
        ({"errors": [{"existingId": "ro-9", "id": "e-1"}]}, "ro-9"),
        ({"existingId": ["ro-7"]}, ""),
        ({"detail": "taken"}, ""),
        ("taken", ""),
    ],
)
def test_conflict_names_what_exists(remote: Remote, client: ReboundClient, body: object, existing_id: str):
    remote.replies(json_reply(body, 409))
    with pytest.raises(ConflictError) as raised:
        client.create_return_order(ORDER)
    assert raised.value.existing_id == existing_id


@pytest.mark.parametrize("status", [404, 405])
def test_link_that_is_not_offered(remote: Remote, client: ReboundClient, status: int):
    remote.replies(Reply(status, b"no"))
    with pytest.raises(NotOfferedError):
        client.link_return_order("ro-1", sales_order_id="so-1", items=[("a", "b")])


def test_refusal_does_not_repeat_what_we_sent(remote: Remote, client: ReboundClient, tokens: Tokens):
    told = f"Jane  Doe of 1 High Street (jane@example.com) sent {TOKEN}"
    remote.replies(json_reply({"title": "Bad", "errors": [{"detail": told}]}, 400))
    with pytest.raises(PermanentError) as raised:
        client.create_return_order(ORDER)
    assert raised.value.message == "Bad; [hidden] [hidden] of [hidden] ([hidden]) sent [hidden]"


def test_refusal_of_a_sales_order_does_not_repeat_the_address(remote: Remote, client: ReboundClient):
    remote.replies(json_reply({"detail": "Jane of Leeds?"}, 400))
    with pytest.raises(PermanentError) as raised:
        client.create_sales_order(
            {"clientOrderId": "1", "customerAddress": {"firstName": "Jane", "x": [{"c": "Leeds"}]}}
        )
    assert raised.value.message == "[hidden] of [hidden]?"


# The token


def test_token_rejected_is_renewed_once_even_for_a_create(remote: Remote, client: ReboundClient, tokens: Tokens):
    remote.replies(Reply(401, b"expired"), CREATED)
    assert client.create_return_order(ORDER).id == "ro-1"
    assert tokens.rejected == [TOKEN]
    assert [each.headers["authorization"] for each in remote.received] == [f"Bearer {TOKEN}", f"Bearer {RENEWED}"]


def test_token_rejected_twice_breaks_the_connection(remote: Remote, client: ReboundClient, tokens: Tokens):
    remote.replies(Reply(401, b"expired"), Reply(401, f"Bearer {RENEWED} is unknown".encode()))
    with pytest.raises(TokenRejectedError) as raised:
        client.download_label("/labels/1")
    assert (tokens.rejected, len(remote.received), raised.value.message) == ([TOKEN], 2, "Bearer [hidden] is unknown")
    assert raised.value.just_given


@pytest.fixture
def auth(remote: Remote, transport: Transport) -> ReboundAuthClient:
    return ReboundAuthClient(auth_url=remote.url, transport=transport)


def ask(auth: ReboundAuthClient, **more: Any) -> AccessToken:
    return auth.token(client_id="acme-id", client_secret="acme-hush+/=&", now=NOW, **more)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [({"expires_in": 3600}, 3600), ({}, 3600), ({"expires_in": "60"}, 60), ({"expires_in": 2**31 - 1}, 30 * 24 * 3600)],
)
def test_token_is_asked_for_by_form(remote: Remote, auth: ReboundAuthClient, told: dict[str, object], seconds: int):
    remote.replies(json_reply({"access_token": "hush", "token_type": "Bearer", **told}))
    token = ask(auth, scope="returns", audience="api")
    assert token == AccessToken(value="hush", expires_at=NOW + timedelta(seconds=seconds))
    assert "hush" not in repr(token)
    received = remote.received[0]
    assert (received.method, received.path, received.query) == ("POST", "/oauth2/token", {})
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"
    assert received.body == (
        b"grant_type=client_credentials&client_id=acme-id&client_secret=acme-hush%2B%2F%3D%26&scope=returns&audience=api"
    )


def test_token_is_asked_for_without_scope_and_audience(remote: Remote, auth: ReboundAuthClient):
    remote.replies(json_reply({"access_token": "hush"}))
    ask(auth)
    assert b"scope" not in remote.received[0].body
    assert b"audience" not in remote.received[0].body


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (
            json_reply({"error": "invalid_client", "error_description": "acme-hush+/=& is wrong"}, 401),
            ConfigurationError,
        ),
        (json_reply({"error": "invalid_scope"}, 400), ConfigurationError),
        (Reply(403, b"no"), ConfigurationError),
        (Reply(404, b"no"), ConfigurationError),
        (Reply(408, b""), TemporaryError),
        (Reply(429, b""), TemporaryError),
        (Reply(500, b""), TemporaryError),
        (Reply(302, b"", {"Location": "https://login"}), UnexpectedAnswerError),
        (Reply(200, b"<html>"), UnexpectedAnswerError),
        (json_reply([]), UnexpectedAnswerError),
        (json_reply({"access_token": ""}), UnexpectedAnswerError),
        (json_reply({"access_token": ["hush"]}), UnexpectedAnswerError),
        (json_reply({"access_token": "hush", "expires_in": -1}), UnexpectedAnswerError),
        (json_reply({"access_token": "hush", "expires_in": "soon"}), UnexpectedAnswerError),
        (json_reply({"access_token": "hush", "expires_in": 10**30}), UnexpectedAnswerError),
    ],
)
def test_token_that_is_refused(remote: Remote, auth: ReboundAuthClient, reply: Reply, kind: type[RemoteError]):
    remote.replies(reply)
    with pytest.raises(RemoteError) as raised:
        ask(auth)
    assert type(raised.value) is kind
    assert "hush" not in str(raised.value) + repr(raised.value)


def test_token_refused_tells_the_oauth_error(remote: Remote, auth: ReboundAuthClient):
    remote.replies(json_reply({"error": "invalid_client"}, 401))
    with pytest.raises(ConfigurationError) as raised:
        ask(auth)
    assert str(raised.value) == "POST /oauth2/token: status 401, code invalid_client, invalid_client"
