"""Posting an alert to an address that a person typed: https, to the public internet only, signed, never redirected.

The name is resolved here and the connection made to the address that was checked, so that a name which answers
differently the second time reaches nothing inside. The receiver verifies `X-Rebound-Signature: t=<unix time>,v1=<hex>`:
HMAC-SHA256 of "<unix time>.<body>" under the channel's secret.
"""

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import certifi
import urllib3

from rebound_tts.clients.errors import PermanentError, TemporaryError

SECONDS = urllib3.Timeout(connect=5, read=10)
LONGEST_ANSWER = 10_000  # bytes that are read of it, to keep what it said
SIGNATURE = "X-Rebound-Signature"

Resolve = Callable[[str, int], list[str]]


class AddressRefusedError(ValueError):
    """An address that alerts are not sent to. The text says why, for the person who typed it."""


def signature(*, secret: str, body: bytes, at: datetime) -> str:
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def check_address(url: str) -> tuple[str, int, str]:
    """Host, port and path. Raises AddressRefusedError for what can be refused without asking anybody."""
    parts = urlsplit(url)
    try:
        port = parts.port or 443
    except ValueError as error:
        raise AddressRefusedError("The port is not a number.") from error
    if parts.scheme != "https" or not parts.hostname:
        raise AddressRefusedError("Enter an address that starts with https://.")
    if parts.username or parts.password:
        raise AddressRefusedError("Leave out the user name and password: the signature says who sends.")
    host = parts.hostname
    if is_private(host) or host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise AddressRefusedError("This address is inside a private network. Alerts go to public addresses only.")
    path = parts.path or "/"
    return host, port, f"{path}?{parts.query}" if parts.query else path


def is_private(host: str) -> bool:
    """Whether this is an IP address that is not of the public internet. A name is none."""
    try:
        found = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return not (mapped or found).is_global or found.is_multicast


def post_alert(
    *, url: str, body: bytes, secret: str, at: datetime, ca_certs: str = "", resolver: Resolve = resolve
) -> None:
    """Send, once. Raises TemporaryError where another try may help, PermanentError where only a person can."""
    host, port, path = _checked(url)
    try:
        found = resolver(host, port)
    except OSError as error:
        raise TemporaryError(message=f"{host} is not found.") from error
    public = [each for each in found if not is_private(each)]
    if not public or len(public) != len(found):
        raise PermanentError(message=f"{host} leads into a private network.")
    pool = urllib3.HTTPSConnectionPool(
        public[0],
        port,
        server_hostname=host,
        assert_hostname=host,
        ca_certs=ca_certs or certifi.where(),
        cert_reqs="CERT_REQUIRED",
        timeout=SECONDS,
        retries=False,
        maxsize=1,
    )
    headers = {
        "Host": host if port == 443 else f"{host}:{port}",
        "Content-Type": "application/json",
        "User-Agent": "rebound-tts",
        SIGNATURE: signature(secret=secret, body=body, at=at),
    }
    try:
        answer = pool.urlopen("POST", path, body=body, headers=headers, redirect=False, preload_content=False)
        answer.read(LONGEST_ANSWER)
        status = answer.status
    except urllib3.exceptions.HTTPError as error:
        raise TemporaryError(message=f"{host} did not answer ({type(error).__name__}).") from error
    finally:
        pool.close()
    if 200 <= status < 300:
        return
    kind = TemporaryError if status in {408, 425, 429} or status >= 500 else PermanentError
    raise kind(status=status, message=f"{host} answered {status}.")


def _checked(url: str) -> tuple[str, int, str]:
    try:
        return check_address(url)
    except AddressRefusedError as error:
        raise PermanentError(message=str(error)) from error
