"""The transport against a real socket: what was sent, how long it may take, and what each failure is called."""

import gzip
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rebound_tts.clients.errors import (
    ConfigurationError,
    RemoteError,
    TemporaryError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.http import Answer, Call, RemoteRequest, Transport
from rebound_tts.clients.http_sessions import tls_context
from tests.clients.fake_remote import Remote, Reply

SECRET = "hush-hush-secret"


def request(url: str, *, safe: bool = True, method: str = "POST", body: bytes | None = b"{}") -> RemoteRequest:
    return RemoteRequest(
        vendor="rebound",
        method=method,
        base_url=url,
        template="/things/{}",
        ids=("a/b ü",),
        query={"secret": SECRET, "q": "1+1=2, & so"},
        headers={"x-token": SECRET},
        body=body,
        safe=safe,
        hidden=(SECRET,),
    )


@contextmanager
def silent_port() -> Iterator[str]:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


# What an impatient transport (0.6 s in all) has left long before the remote would end, however busy the machine.
ENDLESS, SOON = 60.0, 10.0


def hang(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(ENDLESS)


def drop(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def half_an_answer(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n")
    for _ in range(600):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def drip_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(600):
        handler.wfile.write(b"1\r\nx\r\n")
        handler.wfile.flush()
        time.sleep(0.1)


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    for char in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 600:
        handler.wfile.write(bytes([char]))
        handler.wfile.flush()
        time.sleep(0.1)


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


def two_lengths(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")


UNANSWERED = [hang, drop, half_an_answer, drip_body, drip_chunks, drip_headers, no_http, two_lengths]


def assert_tells_no_secret(error: RemoteError) -> None:
    assert SECRET not in str(error) + repr(error)
    # A traceback or an error tracker would print what hangs on it: requests' errors hold the whole address.
    assert (error.__cause__, error.__context__) == (None, None)


def test_send_encodes_ids_and_query_and_sends_the_bytes_as_they_are(remote: Remote, transport: Transport):
    remote.replies(Reply(201, b"made", {"X-Request-Id": "r1"}))
    answer = transport.send(request(remote.url, body=b'{"a": "\xc3\xbc"}'))
    received = remote.received[0]
    assert (answer.status, answer.body, answer.headers["x-request-id"]) == (201, b"made", "r1")
    assert (received.method, received.path, received.body) == ("POST", "/things/a%2Fb%20%C3%BC", b'{"a": "\xc3\xbc"}')
    assert received.query == {"secret": SECRET, "q": "1+1=2, & so"}
    assert received.headers["x-token"] == SECRET


@pytest.mark.parametrize("bad", ["", ".", ".."])
def test_request_with_an_id_that_changes_the_path_is_refused(bad: str):
    with pytest.raises(ValueError, match="needs an id"):
        RemoteRequest(vendor="tiktok", method="GET", base_url="http://x", template="/a/{}/b", ids=(bad,))


@pytest.mark.parametrize("script", UNANSWERED)
@pytest.mark.parametrize(("safe", "kind"), [(True, TemporaryError), (False, UnknownOutcomeError)])
def test_send_without_an_answer_is_temporary_only_if_safe(
    remote: Remote, impatient: Transport, script, safe: bool, kind: type[RemoteError]
):
    remote.replies(script)
    started = time.monotonic()
    with pytest.raises(RemoteError) as raised:
        impatient.send(request(remote.url, safe=safe))
    assert type(raised.value) is kind
    assert time.monotonic() - started < SOON
    assert_tells_no_secret(raised.value)


@pytest.mark.parametrize("safe", [True, False])
def test_send_that_never_connected_is_temporary_even_if_not_safe(transport: Transport, safe: bool):
    with silent_port() as url, pytest.raises(RemoteError) as raised:
        transport.send(request(url, safe=safe))
    assert type(raised.value) is TemporaryError
    assert_tells_no_secret(raised.value)


def test_send_to_a_name_that_does_not_resolve_is_temporary(transport: Transport):
    with pytest.raises(TemporaryError) as raised:
        transport.send(request("http://no-such-host.invalid", safe=False))
    assert_tells_no_secret(raised.value)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake remote")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "remote.pem"
    path.write_bytes(built.public_bytes(encoding) + plain)
    return path


@pytest.fixture
def tls_remote(remote: Remote, certificate: Path) -> Remote:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    remote.server.socket = context.wrap_socket(remote.server.socket, server_side=True)
    remote.url = remote.url.replace("http:", "https:")
    return remote


def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let this certificate alone be an authority. Answers what is read of authorities from now on, each time."""
    monkeypatch.setattr("rebound_tts.clients.http_sessions.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    monkeypatch.setattr("rebound_tts.clients.http_sessions.tls_context", cache(tls_context.__wrapped__))
    read: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def noting(context: ssl.SSLContext, cafile: str | None = None, *others: Any) -> None:
        read.append(cafile or "")
        load(context, cafile, *others)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noting)
    return read


@pytest.mark.parametrize("safe", [True, False])
def test_send_to_a_certificate_that_is_not_trusted_was_never_sent(tls_remote: Remote, transport: Transport, safe: bool):
    with pytest.raises(RemoteError, match="SSLCertVerificationError") as raised:
        transport.send(request(tls_remote.url, safe=safe))
    assert type(raised.value) is TemporaryError
    assert_tells_no_secret(raised.value)


@pytest.mark.parametrize("script", UNANSWERED)
def test_send_over_tls_keeps_its_connection_and_its_limits(
    tls_remote: Remote,
    transport: Transport,
    impatient: Transport,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    script,
):
    trust(certificate, monkeypatch)
    tls_remote.replies(Reply(200, b"one"), Reply(200, b"x" * 100_000), script)
    assert transport.send(request(tls_remote.url)).body == b"one"
    assert transport.send(request(tls_remote.url)).body == b"x" * 100_000
    impatient._idle = transport._idle  # the same connection, with its limits
    started = time.monotonic()
    with pytest.raises(UnknownOutcomeError):
        impatient.send(request(tls_remote.url, safe=False))
    assert time.monotonic() - started < SOON
    assert len({each.connection for each in tls_remote.received}) == 1


def test_the_authorities_are_read_once_however_many_connections(
    tls_remote: Remote, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    read = trust(certificate, monkeypatch)
    tls_remote.replies(*(Reply(200, b"fine") for _ in range(4)))
    for transport in (Transport(), Transport(), Transport()):
        assert transport.send(request(tls_remote.url)).body == b"fine"
    assert len({each.connection for each in tls_remote.received}) == 3
    assert read == [str(certificate)]


@pytest.mark.parametrize(
    "base_url", ["", "api.example.com", "ftp://example.com", "http://", "http://[::1", "http://a..b"]
)
def test_send_to_a_broken_address_is_a_configuration_error(transport: Transport, base_url: str):
    with pytest.raises(ConfigurationError) as raised:
        transport.send(request(base_url, safe=False))
    assert_tells_no_secret(raised.value)


@pytest.mark.parametrize("token", ["two\r\nlines", "not latin: 中", " leading"])
def test_send_a_token_that_is_no_header_value_is_a_configuration_error(
    remote: Remote, transport: Transport, token: str
):
    with pytest.raises(ConfigurationError) as raised:
        transport.send(
            RemoteRequest(
                vendor="tiktok",
                method="GET",
                base_url=remote.url,
                template="/x",
                headers={"x-token": token},
                safe=False,
            )
        )
    assert token not in str(raised.value)
    assert remote.received == []


@pytest.mark.parametrize(("safe", "kind"), [(True, UnexpectedAnswerError), (False, UnknownOutcomeError)])
@pytest.mark.parametrize("compressed", [True, False])
def test_send_stops_reading_a_huge_answer(
    remote: Remote, transport: Transport, safe: bool, kind: type[RemoteError], compressed: bool
):
    body = b"x" * 1_000_000
    remote.replies(Reply(200, gzip.compress(body), {"Content-Encoding": "gzip"}) if compressed else Reply(200, body))
    with pytest.raises(RemoteError) as raised:
        transport.send(request(remote.url, safe=safe))
    assert (type(raised.value), raised.value.status) == (kind, 200)


def test_send_reads_a_compressed_answer(remote: Remote, transport: Transport):
    remote.replies(Reply(200, gzip.compress(b"hello"), {"Content-Encoding": "gzip"}))
    assert transport.send(request(remote.url)).body == b"hello"


def test_send_follows_no_redirect_and_does_not_read_a_huge_one(remote: Remote, transport: Transport):
    remote.replies(
        Reply(302, b"", {"Location": "/elsewhere"}), Reply(307, b"x" * 1_000_000, {"Location": "/elsewhere"})
    )
    assert transport.send(request(remote.url)).status == 302
    with pytest.raises(UnexpectedAnswerError):
        transport.send(request(remote.url))
    assert [each.path for each in remote.received] == ["/things/a%2Fb%20%C3%BC"] * 2


def test_send_keeps_no_cookie_and_reads_no_environment(remote: Remote, transport: Transport, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password eve")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    remote.replies(Reply(200, b"", {"Set-Cookie": "tenant=one; Path=/"}), Reply())
    for _ in range(2):
        transport.send(request(remote.url))
    assert [set(each.headers) & {"cookie", "authorization"} for each in remote.received] == [set(), set()]


def test_send_keeps_the_connection_even_across_threads(remote: Remote, transport: Transport):
    remote.replies(*[Reply(200, b"ok") for _ in range(4)])
    for _ in range(4):
        thread = threading.Thread(target=transport.send, args=(request(remote.url),))
        thread.start()
        thread.join()
    assert len({each.connection for each in remote.received}) == 1


def test_send_at_the_same_time_never_shares_a_connection(remote: Remote, transport: Transport):
    barrier = threading.Barrier(8, timeout=5)

    def meet(handler: BaseHTTPRequestHandler) -> None:
        barrier.wait()
        body = handler.path.encode()
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    remote.replies(*[meet] * 8)

    def path_of(number: int) -> bytes:
        return transport.send(
            RemoteRequest(
                vendor="tiktok", method="GET", base_url=remote.url, template="/{}", ids=(str(number),), safe=True
            )
        ).body

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(path_of, range(8))) == [f"/{number}".encode() for number in range(8)]


def test_send_after_a_fork_opens_its_own_connection(remote: Remote, transport: Transport, monkeypatch):
    remote.replies(Reply(), Reply())
    transport.send(request(remote.url))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    transport.send(request(remote.url))
    assert len({each.connection for each in remote.received}) == 2


def test_send_works_after_a_failed_call_on_the_same_connection(
    remote: Remote, transport: Transport, impatient: Transport
):
    impatient._idle = transport._idle
    remote.replies(Reply(200, b"one"), drip_body, Reply(200, b"three"))
    assert transport.send(request(remote.url)).body == b"one"
    with pytest.raises(TemporaryError):
        impatient.send(request(remote.url))
    assert transport.send(request(remote.url)).body == b"three"


def test_send_on_a_connection_that_the_remote_closed_while_idle_opens_a_new_one(remote: Remote, transport: Transport):
    def last_words(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")  # and closes without having said so

    remote.replies(last_words, Reply(200, b"again"))
    transport.send(request(remote.url, safe=False))
    time.sleep(0.05)
    assert transport.send(request(remote.url, safe=False)).body == b"again"


def test_observer_is_told_of_each_call_without_ids_or_query(remote: Remote):
    calls: list[Call] = []
    transport = Transport(observer=calls.append)
    remote.replies(Reply(503), drop)
    transport.send(request(remote.url))
    with pytest.raises(UnknownOutcomeError):
        transport.send(request(remote.url, safe=False))
    assert [(each.vendor, each.method, each.path, each.status, each.failure) for each in calls] == [
        ("rebound", "POST", "/things/{id}", 503, ""),
        ("rebound", "POST", "/things/{id}", None, "UnknownOutcomeError"),
    ]
    assert all(0 < each.seconds < SOON for each in calls)


def test_observer_that_fails_does_not_change_the_outcome(remote: Remote, caplog):
    def broken(call: Call) -> None:
        raise KeyError("metrics are away")

    remote.replies(Reply(201, b"made"))
    assert Transport(observer=broken).send(request(remote.url, safe=False)).body == b"made"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "The observer of remote calls failed"
    ]


def test_log_of_urllib3_shows_no_query(remote: Remote, transport: Transport, caplog):
    caplog.set_level(logging.DEBUG, logger="urllib3.connectionpool")
    remote.replies(Reply(200, b"", {"Retry-After": "1"}))
    transport.send(request(remote.url))
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("urllib3")]
    assert [message for message in messages if "POST /things/" in message] != []
    assert [message for message in messages if SECRET in message] == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("17", 17.0),
        ("1.5", 1.5),
        (" 5 ", 5.0),
        ("86400", 3600.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("1e3", None),
        ("\u0665", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_reads_seconds_and_dates(value: str, seconds: float | None):
    assert Answer(429, {"retry-after": value}, b"", 0.0).retry_after == seconds


def test_retry_after_reads_a_date_in_the_future():
    soon = datetime.now(UTC) + timedelta(seconds=90)
    found = Answer(429, {"retry-after": format_datetime(soon, usegmt=True)}, b"", 0.0).retry_after
    assert found == pytest.approx(90, abs=2)


def test_answer_and_request_show_no_content():
    shown = repr(request("http://x")) + repr(Answer(200, {"set-cookie": SECRET}, SECRET.encode(), 0.0))
    assert SECRET not in shown
