"""TikTok's token calls."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rebound_tts.clients.errors import (
    ConfigurationError,
    PermanentError,
    RemoteError,
    TemporaryError,
    UnexpectedAnswerError,
)
from rebound_tts.clients.http import Transport
from rebound_tts.clients.tiktok_shop import TikTokAuthClient, TokenGrant
from tests.clients.fake_remote import Remote, Reply, envelope
from tests.clients.sample_answers import GRANT

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def client(remote: Remote, transport: Transport) -> TikTokAuthClient:
    return TikTokAuthClient(base_url=remote.url, app_key="key", app_secret="app-secret-hush", transport=transport)


def test_get_token_reads_absolute_expiries(remote: Remote, client: TikTokAuthClient):
    remote.replies(envelope(GRANT, message="success"))
    grant = client.get_token("ROW_code-hush", now=NOW)
    assert grant == TokenGrant(
        access_token="TTP_access-hush",
        access_token_expires_at=datetime(2026, 1, 8, tzinfo=UTC),
        refresh_token="TTP_refresh-hush",
        refresh_token_expires_at=datetime(2027, 1, 1, tzinfo=UTC),
        open_id="7010736057180325637",
        seller_name="Jane's Shop",
        seller_base_region="GB",
        user_type=0,
        granted_scopes=("seller.return_refund.basic", "seller.order.info"),
    )
    assert "hush" not in repr(grant)
    received = remote.received[0]
    assert (received.method, received.path, received.body) == ("GET", "/api/v2/token/get", b"")
    assert received.query == {
        "app_key": "key",
        "app_secret": "app-secret-hush",
        "auth_code": "ROW_code-hush",
        "grant_type": "authorized_code",
    }


def test_refresh_token_reads_durations(remote: Remote, client: TikTokAuthClient):
    remote.replies(envelope({**GRANT, "access_token_expire_in": 604800, "refresh_token_expire_in": "31536000"}))
    grant = client.refresh_token("TTP_old-hush", now=NOW)
    assert grant.access_token_expires_at == NOW + timedelta(days=7)
    assert grant.refresh_token_expires_at == NOW + timedelta(days=365)
    received = remote.received[0]
    assert received.path == "/api/v2/token/refresh"
    assert received.query == {
        "app_key": "key",
        "app_secret": "app-secret-hush",
        "refresh_token": "TTP_old-hush",
        "grant_type": "refresh_token",
    }


def test_get_token_reads_a_grant_of_which_little_is_told(remote: Remote, client: TikTokAuthClient):
    needed = {name: value for name, value in GRANT.items() if "token" in name}
    remote.replies(envelope(needed))
    grant = client.get_token("c", now=NOW)
    assert (grant.open_id, grant.seller_name, grant.user_type, grant.granted_scopes) == ("", "", None, ())


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"access_token": ""}, "data.access_token is missing"),
        ({"refresh_token": None}, "data.refresh_token is missing"),
        ({"access_token": ["x"]}, "data.access_token is a list, not text"),
        ({"access_token_expire_in": None}, "data.access_token_expire_in is missing"),
        ({"access_token_expire_in": 10**18}, "data.access_token_expire_in is a number, not unix seconds"),
        ({"refresh_token_expire_in": -1}, "data.refresh_token_expire_in is a number, not unix seconds"),
        ({"granted_scopes": [1]}, "data.granted_scopes[0] is not text"),
        ({"granted_scopes": "seller.order.info"}, "data.granted_scopes is text, not a list"),
    ],
)
def test_get_token_refuses_the_unreadable(
    remote: Remote, client: TikTokAuthClient, changes: dict[str, Any], place: str
):
    remote.replies(envelope({**GRANT, **changes}))
    with pytest.raises(UnexpectedAnswerError) as raised:
        client.get_token("c", now=NOW)
    assert raised.value.message.startswith(place)


def test_get_token_with_a_used_code_is_permanent(remote: Remote, client: TikTokAuthClient):
    remote.replies(envelope(code=36004004, message="auth code ROW_code-hush with app-secret-hush is expired"))
    with pytest.raises(PermanentError) as raised:
        client.get_token("ROW_code-hush")
    assert str(raised.value) == (
        "GET /api/v2/token/get: status 200, code 36004004, auth code [hidden] with [hidden] is expired, "
        "request 20261123ABC"
    )


@pytest.mark.parametrize("code", [36004001, 36004004, 36009004, 105002, 424242])
def test_refresh_token_that_is_refused_breaks_the_connection(remote: Remote, client: TikTokAuthClient, code: int):
    remote.replies(envelope(code=code, message="refresh_token: TTP_old-hush"))
    with pytest.raises(ConfigurationError) as raised:
        client.refresh_token("TTP_old-hush")
    assert (raised.value.code, raised.value.status, raised.value.request_id) == (str(code), 200, "20261123ABC")
    assert "hush" not in str(raised.value)


def drop(handler) -> None:
    handler.connection.close()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (envelope(code=36009003, status=500), TemporaryError),
        (Reply(502, b"<html>"), TemporaryError),
        (drop, TemporaryError),
        (Reply(200, b"<html>"), UnexpectedAnswerError),
        (envelope({}), UnexpectedAnswerError),
    ],
)
def test_refresh_token_without_a_readable_answer_does_not_break_the_connection(
    remote: Remote, client: TikTokAuthClient, script, kind: type[RemoteError]
):
    remote.replies(script)
    with pytest.raises(RemoteError) as raised:
        client.refresh_token("TTP_old-hush")
    assert type(raised.value) is kind
    assert "hush" not in str(raised.value) + repr(raised.value)
