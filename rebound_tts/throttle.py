"""Senders that get it wrong again and again: counted by address, refused with 429 beyond a limit.

Only failures are counted, and only a failure is refused: who has the right key passes however many wrong ones came from
the same address, since a proxy may stand for everybody. People's passwords, which can be guessed, are the login page's
own matter. Each process counts for itself, in memory: a failure must not cost more than it did.
"""

import ipaddress
from dataclasses import dataclass
from time import time as now_in_seconds

from django.core.cache import caches
from django.http import HttpRequest

from rebound_tts.client_address import client_address
from rebound_tts.ops.tallies import count


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures of one address in so many seconds are answered as what they are; later ones with 429."""

    endpoint: str
    most: int
    seconds: int = 60

    def strike(self, request: HttpRequest) -> int:
        """Note a failure. Answers in how many seconds to come back; 0 while the limit is not reached."""
        now = now_in_seconds()
        key = f"strikes:{self.endpoint}:{sender(request)}:{int(now // self.seconds)}"
        cache = caches["process"]
        cache.add(key, 0, self.seconds * 2)
        try:
            strikes = cache.incr(key)
        except ValueError:  # it was dropped in between
            return 0
        if strikes <= self.most:
            return 0
        count("throttled", endpoint=self.endpoint)
        return self.seconds - int(now % self.seconds)


def sender(request: HttpRequest) -> str:
    """The sender's address; of IPv6 the /64, which one subscriber has whole."""
    address = client_address(request)
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)
