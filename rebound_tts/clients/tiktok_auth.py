"""Getting and renewing TikTok Shop's tokens. Storing them is not done here.

Source: tiktok-shop-api.md section 1.2. These calls are not signed; their secrets stand in the query, which is why
errors and logs never show one.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rebound_tts.clients.errors import ConfigurationError, PermanentError
from rebound_tts.clients.http import RemoteRequest, Transport
from rebound_tts.clients.json_values import AnswerShapeError, JsonObject, storable
from rebound_tts.clients.tiktok_gateway import read_envelope

_DURATION_BELOW = 10**9  # unix seconds have been above this since 2001; some servers send a duration instead


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a merchant's authorization gave. Both times are aware and in UTC.

    Each renewal gives a new refresh token: store both tokens together. `user_type` is 0 for a seller, 1 for a creator.
    """

    access_token: str = field(repr=False)
    access_token_expires_at: datetime
    refresh_token: str = field(repr=False)
    refresh_token_expires_at: datetime
    open_id: str
    seller_name: str
    seller_base_region: str
    user_type: int | None
    granted_scopes: tuple[str, ...]


class TikTokAuthClient:
    """Both calls may be repeated after a TemporaryError; no look-up could tell more than trying does."""

    def __init__(self, *, base_url: str, app_key: str, app_secret: str, transport: Transport) -> None:
        self._base_url = base_url
        self._app_key = app_key
        self._app_secret = app_secret
        self._transport = transport

    def get_token(self, auth_code: str, *, now: datetime | None = None) -> TokenGrant:
        """Exchange the code of the callback, once, within 30 minutes.

        Raises PermanentError (36004004) where the code is unknown, used or expired: start the authorization again.
        """
        return self._call("/api/v2/token/get", "authorized_code", now, auth_code=auth_code)

    def refresh_token(self, refresh_token: str, *, now: datetime | None = None) -> TokenGrant:
        """Renew both tokens. The former refresh token may be dead as soon as this returns.

        Raises ConfigurationError where TikTok refuses for good: the merchant must authorize again.
        """
        try:
            return self._call("/api/v2/token/refresh", "refresh_token", now, refresh_token=refresh_token)
        except PermanentError as error:
            if not error.code or error.code == "0":  # not a refusal, but an answer that could not be read
                raise
            refused = error
        raise ConfigurationError(
            vendor="tiktok",
            method=refused.method,
            path=refused.path,
            status=refused.status,
            code=refused.code,
            message=refused.message,
            request_id=refused.request_id,
        )

    def _call(self, path: str, grant_type: str, now: datetime | None, **secret: str) -> TokenGrant:
        moment = now or datetime.now(UTC)
        request = RemoteRequest(
            vendor="tiktok",
            method="GET",
            base_url=self._base_url,
            template=path,
            query={"app_key": self._app_key, "app_secret": self._app_secret, **secret, "grant_type": grant_type},
            safe=True,
            hidden=(self._app_secret, *secret.values()),
        )
        return read_envelope(request, self._transport.send(request), lambda data: _read_grant(data, moment))


def _read_grant(data: JsonObject, now: datetime) -> TokenGrant:
    user_type = data.count("user_type", default=-1)
    return TokenGrant(
        access_token=_token(data, "access_token"),
        access_token_expires_at=_expiry(data, "access_token_expire_in", now),
        refresh_token=_token(data, "refresh_token"),
        refresh_token_expires_at=_expiry(data, "refresh_token_expire_in", now),
        open_id=data.text("open_id"),
        seller_name=data.text("seller_name"),
        seller_base_region=data.text("seller_base_region"),
        user_type=None if user_type == -1 else user_type,
        granted_scopes=tuple(_scope(value, place) for value, place in data.values("granted_scopes")),
    )


def _token(data: JsonObject, name: str) -> str:
    token = data.text(name)
    if not token:
        raise AnswerShapeError(f"{data.at(name)} is missing")
    return token


def _expiry(data: JsonObject, name: str, now: datetime) -> datetime:
    """Absolute unix seconds, whatever the name says; a duration only where the number is too small for that."""
    expires_at = data.unix_time(name)
    if expires_at is None:
        raise AnswerShapeError(f"{data.at(name)} is missing")
    seconds = int(expires_at.timestamp())
    return now + timedelta(seconds=seconds) if seconds < _DURATION_BELOW else expires_at


def _scope(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise AnswerShapeError(f"{place} is not text")
    return storable(value)
