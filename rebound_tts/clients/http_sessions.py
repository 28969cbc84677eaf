"""A requests session fit for a server: no environment, no cookies, no redirects, a deadline that holds, a quiet log.

What is sent with it, and what a failure means, is decided in `http`.
"""

import http.client
import io
import logging
import math
import re
import ssl
import time
from contextvars import ContextVar
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from socket import socket
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from rebound_tts.clients.public_hosts import public_address_of


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        # Even with allow_redirects=False requests would read the whole body of a redirect, past our size limit.
        return None


def new_session(*, public_only: bool = False) -> requests.Session:
    """`public_only`: connect to hosts of the public internet alone, each looked up once."""
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a session serves many tenants
    session.headers["User-Agent"] = "rebound-tts"
    for scheme in ("https://", "http://"):
        adapter = _PublicAdapter if public_only else _Adapter
        session.mount(scheme, adapter(pool_connections=32, pool_maxsize=8, max_retries=0))
    return session


@cache
def tls_context() -> ssl.SSLContext:
    """What every connection is verified by. To read the certificates of the authorities takes 30 ms of processor
    time, which requests spends on each connection anew: here once, and where it was before a fork, for all of them."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


# When the running call must be over, on the monotonic clock.
call_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket and gives up at the deadline, however few bytes trickle in before it.

    The timeouts of requests bound one silence each; a peer that sends a byte a second would never meet them.
    """

    def __init__(self, raw: io.RawIOBase, connection: socket) -> None:
        super().__init__()
        self._raw = raw
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        allowed = self._connection.gettimeout()
        left = call_deadline.get() - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the call has passed")
        if left == math.inf:
            return self._raw.readinto(buffer)
        self._connection.settimeout(left if allowed is None else min(allowed, left))
        try:
            return self._raw.readinto(buffer)
        finally:
            self._connection.settimeout(allowed)  # the connection outlives the call

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _DeadlineResponse


class _TlsConnection(HTTPSConnection):
    response_class = _DeadlineResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _Pool, "https": _TlsPool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {**tls, "ssl_context": tls_context()} if verify is True else tls

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # requests' stubs lack it
        if verify is True:
            conn.ca_certs = None  # the context has them; named here they would be read again


class _ToPublicHosts:
    """Connects to the address that was checked. Named before urllib3's class."""

    _dns_host: str
    port: int

    def _new_conn(self) -> socket:
        name = self._dns_host
        self._dns_host = public_address_of(name, self.port)
        try:
            connected: socket = super()._new_conn()  # type: ignore[misc]  # urllib3's class has it
            return connected
        finally:
            self._dns_host = name  # for the certificate, which names the host


class _PublicConnection(_ToPublicHosts, _Connection):
    pass


class _PublicTlsConnection(_ToPublicHosts, _TlsConnection):
    pass


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicTlsPool(HTTPSConnectionPool):
    ConnectionCls = _PublicTlsConnection


class _PublicAdapter(_Adapter):
    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _PublicPool, "https": _PublicTlsPool}


class _WithoutQuery(logging.Filter):
    """Cuts queries out of urllib3's own log records: TikTok's carry signatures, its token calls even secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"\?\S+", "?…", record.getMessage())
        record.args = ()
        return True


for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_WithoutQuery())
