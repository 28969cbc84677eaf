"""Alerts by webhook: what is refused, what is signed, and what becomes of each answer; over real TLS."""

import datetime as dt
import hashlib
import hmac
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rebound_tts.clients import alert_webhook
from rebound_tts.clients.alert_webhook import AddressRefusedError, check_address, is_private, post_alert
from rebound_tts.clients.errors import PermanentError, TemporaryError

NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
HOST = "alerts.example"


class Receiver(BaseHTTPRequestHandler):
    status = 200
    received: list[tuple[str, dict[str, str], bytes]] = []

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, dict(self.headers), body))
        self.send_response(self.status)
        if self.status in {301, 302, 307}:
            self.send_header("Location", "https://inside.example/")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "receiver.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def receiver(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """A receiver on this machine, which is let in although it is no public address."""
    monkeypatch.setattr(alert_webhook, "is_private", lambda host: False)
    Receiver.status, Receiver.received = 200, []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def post(receiver: HTTPServer, certificate: Path, *, host: str = HOST) -> None:
    post_alert(
        url=f"https://{host}:{receiver.server_port}/hook?of=us",
        body=b'{"merchant":"Quay"}',
        secret="s3cret",
        at=NOW,
        ca_certs=str(certificate),
        resolver=lambda name, port: ["127.0.0.1"],
    )


def test_receiver_can_verify_who_sent_it(receiver: HTTPServer, certificate: Path) -> None:
    post(receiver, certificate)
    ((path, headers, body),) = Receiver.received
    stamp = int(NOW.timestamp())
    digest = hmac.new(b"s3cret", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert path == "/hook?of=us"
    assert headers["X-Rebound-Signature"] == f"t={stamp},v1={digest}"
    assert headers["Host"] == f"{HOST}:{receiver.server_port}"


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, TemporaryError), (429, TemporaryError), (404, PermanentError), (302, PermanentError), (307, PermanentError)],
)
def test_answer_says_whether_another_try_helps(
    receiver: HTTPServer, certificate: Path, status: int, error: type[Exception]
) -> None:
    Receiver.status = status
    with pytest.raises(error, match=str(status)):
        post(receiver, certificate)
    assert len(Receiver.received) == 1  # a redirect is not followed


def test_certificate_of_another_name_is_refused(receiver: HTTPServer, certificate: Path) -> None:
    with pytest.raises(TemporaryError):
        post(receiver, certificate, host="other.example")
    assert Receiver.received == []


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["10.0.0.7"],
        ["169.254.169.254"],
        ["::1"],
        ["fd00::1"],
        ["::ffff:10.0.0.7"],
        ["100.64.0.1"],
        ["93.184.216.34", "10.0.0.7"],
        ["224.0.0.1"],
    ],
)
def test_name_that_leads_inside_is_not_called(found: list[str]) -> None:
    with pytest.raises(PermanentError, match="private network"):
        post_alert(url="https://x.example/", body=b"{}", secret="s", at=NOW, resolver=lambda name, port: found)


def test_name_that_is_not_found_is_tried_again() -> None:
    def nowhere(name: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(TemporaryError, match="is not found"):
        post_alert(url="https://x.example/", body=b"{}", secret="s", at=NOW, resolver=nowhere)


@pytest.mark.parametrize(
    "address",
    [
        "http://x.example/",
        "ftp://x.example/",
        "https://",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://192.168.1.1:8443/",
        "https://box.local/",
        "https://db.internal/",
        "https://user:password@x.example/",
        "https://x.example:port/",
    ],
)
def test_address_is_refused_where_it_is_typed(address: str) -> None:
    with pytest.raises(AddressRefusedError):
        check_address(address)


def test_public_addresses_are_taken() -> None:
    assert check_address("https://x.example/hook?a=1") == ("x.example", 443, "/hook?a=1")
    assert check_address("https://x.example:8443") == ("x.example", 8443, "/")
    assert not is_private("x.example")
    assert not is_private(str(ipaddress.ip_address("93.184.216.34")))
