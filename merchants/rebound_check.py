"""Trying ReBound credentials out on the spot, and naming the part that fails: the network, the credentials, or what
they may do.

Nothing is stored here, and no secret is in the answer. Two calls: a token, and a search for an order that nobody has.
"""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from django.conf import settings

from merchants.connections import note_call
from rebound_tts.clients.errors import (
    ConfigurationError,
    NotFoundError,
    PermanentError,
    RemoteError,
    TemporaryError,
    TokenRejectedError,
)
from rebound_tts.clients.http import Transport
from rebound_tts.clients.rebound import AccessToken, ReboundAuthClient, ReboundClient
from rebound_tts.clients.tokens import TokenSource

NOBODYS_ORDER = "connection-test"
# Both calls together end within ten seconds, whatever ReBound does.
transport = Transport(connect_timeout=3, read_timeout=4, total_timeout=4.5, observer=note_call)


class Part(Enum):
    """Where it fails, in the order in which it is tried."""

    NETWORK = "ReBound cannot be reached, or does not answer in time"
    CREDENTIALS = "Client id and client secret do not fit together, or not this environment"
    PERMISSION = "The credentials are good, but may not read orders"
    FLOW = "The flow key is not known"


@dataclass(frozen=True, slots=True)
class Credentials:
    environment: str
    client_id: str
    client_secret: str
    flow_key: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.environment}, {self.client_id}, …)"


@dataclass(frozen=True, slots=True)
class Tried:
    """`failing` is None where all is well; then `token` can be used."""

    at: datetime
    seconds: float
    failing: Part | None = None
    error: RemoteError | None = None
    token: AccessToken | None = None


class _OneToken(TokenSource):
    """A token that was just given."""

    def __init__(self, token: AccessToken) -> None:
        self._token = token

    def current(self) -> str:
        return self._token.value

    def renew(self, *, rejected: str) -> str:
        raise TokenRejectedError(
            vendor="rebound", method="GET", path="/sales-orders", message="a fresh token was refused"
        )


def try_credentials(credentials: Credentials, *, now: datetime) -> Tried:
    started = time.monotonic()
    tried = _try(credentials, now)
    return replace(tried, seconds=time.monotonic() - started)


def _try(credentials: Credentials, now: datetime) -> Tried:
    auth = ReboundAuthClient(auth_url=settings.REBOUND_AUTH_URLS[credentials.environment], transport=transport)
    try:
        token = auth.token(client_id=credentials.client_id, client_secret=credentials.client_secret)
    except ConfigurationError as error:
        # A wrong address gives a 404 here: not the merchant's credentials.
        return _failed(Part.NETWORK if error.status == 404 else Part.CREDENTIALS, error, now)
    except RemoteError as error:
        return _failed(Part.NETWORK, error, now)
    rebound = ReboundClient(
        base_url=settings.REBOUND_API_URLS[credentials.environment],
        tokens=_OneToken(token),
        transport=transport,
        flow_key=credentials.flow_key,
    )
    try:
        rebound.find_sales_orders(client_order_id=NOBODYS_ORDER, max_pages=1)
    except NotFoundError:
        pass  # a search that answers so has looked
    except ConfigurationError as error:
        return _failed(Part.PERMISSION, error, now)
    except TemporaryError as error:
        return _failed(Part.NETWORK, error, now)
    except PermanentError as error:
        # More than one page of orders that nobody has is an answer too.
        if error.status in (400, 422) and credentials.flow_key:
            return _failed(Part.FLOW, error, now)
        if error.status is not None and error.status >= 400:
            return _failed(Part.PERMISSION, error, now)
    return Tried(at=now, seconds=0, token=token)


def _failed(part: Part, error: RemoteError, now: datetime) -> Tried:
    return Tried(at=now, seconds=0, failing=part, error=error)
