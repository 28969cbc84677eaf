"""Addresses that a merchant gave: what is called, what is refused, and that a name cannot change its mind."""

import socket
from typing import Any

import pytest

from rebound_tts.clients.errors import ConfigurationError
from rebound_tts.clients.http import RemoteRequest, Transport
from rebound_tts.clients.public_hosts import NotPublicError, check_public_url, is_public
from tests.clients.fake_remote import Remote, Reply


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "8.8.8.8"])
def test_public_address(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104  # refused, not bound to
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # the metadata of a cloud's machine
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "not an address",
        "",
    ],
)
def test_address_that_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("url", ["https://example.com/hook?a=1", "https://example.com:8443/", "https://8.8.8.8/"])
def test_url_that_a_merchant_may_give(url):
    check_public_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "example.com",
        "https://user:pass@example.com/",
        "https://example.com:22/",
        "https://example.com:http/",
        "https://localhost/",
        "https://intranet/",
        "https://db.internal/",
        "https://printer.local./",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://example.com/\nHost: other",
        "https://example.com/" + "a" * 3000,
    ],
)
def test_url_that_is_refused_with_words(url):
    with pytest.raises(NotPublicError, match=r"\w+.*\."):
        check_public_url(url)


def request(url: str) -> RemoteRequest:
    return RemoteRequest(vendor="rebound", method="POST", base_url=url, template="/hook", body=b"{}")


def test_name_that_leads_to_our_network_is_not_called(remote: Remote, monkeypatch):
    port = int(remote.url.rpartition(":")[2])
    asked = []
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if host == "hooks.example.com" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ConfigurationError, match=r"hooks\.example\.com is not a host of the public internet"):
        Transport(public_only=True).send(request(f"http://hooks.example.com:{port}"))
    assert (asked, remote.received) == (["hooks.example.com"], [])


def test_connection_goes_to_the_address_that_was_checked(remote: Remote, monkeypatch):
    """The name is looked up once, and the peer still hears its name."""
    monkeypatch.setattr("rebound_tts.clients.public_hosts.is_public", lambda address: address == "127.0.0.1")
    asked = []
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if host == "hooks.example.com" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    port = int(remote.url.rpartition(":")[2])
    remote.script.append(Reply())
    Transport(public_only=True).send(request(f"http://hooks.example.com:{port}"))
    assert asked == ["hooks.example.com", "127.0.0.1"]
    assert remote.received[0].headers["host"] == f"hooks.example.com:{port}"
