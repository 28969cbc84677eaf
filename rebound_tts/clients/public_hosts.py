"""Addresses that a merchant gave us to call: only hosts of the public internet, never our own network.

A name is looked up once, every address that it has must be public, and the connection goes to the address that was
checked: a name that changes between the look and the call (DNS rebinding) gains nothing. `Transport(public_only=True)`
in `http.py` calls so; `check_public_url` refuses what a form can refuse before anything is called.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

# Public by number, and yet a way into a network of ours: IPv4 inside IPv6 (NAT64, 6to4, Teredo).
_TUNNELS = tuple(ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
_NOT_HOSTS = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".onion")
LONGEST_URL = 2000


class NotPublicError(Exception):
    """The address is not one of the public internet. The text says what to give instead."""


def is_public(address: str) -> bool:
    """Whether this IP address is one of the public internet."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and (found.ipv4_mapped or any(found in net for net in _TUNNELS)):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def check_public_url(url: str) -> None:
    """Raise NotPublicError where the address can be seen to be none that we would call. Looks nothing up."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise NotPublicError("This is not an address. Give one such as https://example.com/hook.") from error
    if parts.scheme != "https" or not host or len(url) > LONGEST_URL or not url.isprintable():
        raise NotPublicError("Give an address that starts with https://, such as https://example.com/hook.")
    if parts.username is not None or parts.password is not None:
        raise NotPublicError("Leave the name and password out of the address.")
    if port not in {None, 443, 8443}:
        raise NotPublicError(f"Port {port} is not called. Use 443.")
    if ("." not in host and ":" not in host) or f".{host}".endswith(_NOT_HOSTS):
        raise NotPublicError(f"{host} is not a host of the public internet.")
    if _is_number(host) and not is_public(host):
        raise NotPublicError(f"{host} is not a host of the public internet.")


def _is_number(host: str) -> bool:
    """Whether the host is an IP address in any spelling: 127.1, 0x7f.0.0.1, 2130706433, too."""
    return ":" in host or (host.rpartition(".")[2].lower().removeprefix("0x").isalnum() and host[-1:].isdigit())


def public_address_of(host: str, port: int) -> str:
    """The first address of this host, if all that it has are public. Raises NotPublicError, OSError."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not found or not all(is_public(address) for address in found):
        raise NotPublicError(f"{host} is not a host of the public internet.")
    return found[0]
