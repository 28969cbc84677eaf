"""Whose request it is, by address: the peer's, or what the trusted proxies in front of us say.

Each proxy appends the address that it saw to X-Forwarded-For, so with n proxies the n-th from the right is the last
that somebody trusted wrote. What stands left of it is the sender's own word and is never believed.
"""

import ipaddress
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(request: HttpRequest) -> str:
    """An IP address in its plain form, or "" where none is known (a Unix socket)."""
    peer = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        # Fewer hops than proxies: it did not come through them, and the header is the sender's own.
        if len(hops) >= settings.TRUSTED_PROXIES:
            peer = hops[-settings.TRUSTED_PROXIES]
    try:
        return str(ipaddress.ip_address(peer))
    except ValueError:
        return ""


def comes_from(request: HttpRequest, networks: Iterable[Network]) -> bool:
    """Whether the request comes from one of these networks."""
    found = client_address(request)
    return bool(found) and any(ipaddress.ip_address(found) in network for network in networks)
