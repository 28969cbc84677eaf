"""How often one client may call: a token bucket a client, in the memory of the process.

Each web process keeps its own buckets, so that with n processes a client may get up to n times its rate: a shared count
would cost each call more than it protects. Tries to sign in are rare, and are counted for all processes together.
"""

import math
import time
from dataclasses import dataclass
from hashlib import sha256

from django.conf import settings
from django.core.cache import caches

WINDOW = 60  # seconds in which an empty bucket is full again


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left after this request. `retry_after` is 0 where the request may go on."""

    limit: int
    left: int
    full_in: int  # seconds
    retry_after: int  # seconds

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit` fields as draft-ietf-httpapi-ratelimit-headers has them."""
        found = {
            "RateLimit-Policy": f'"default";q={self.limit};w={WINDOW}',
            "RateLimit": f'"default";r={self.left};t={self.full_in}',
        }
        return found | {"Retry-After": str(self.retry_after)} if self.retry_after else found


def take(kind: str, whose: int | str, *, cost: int = 1, limit: int | None = None, is_shared: bool = False) -> Allowance:
    """Take from a bucket of this kind; `whose`: a client's key, or whatever else tells senders apart.

    `is_shared`: one bucket for all processes and machines, at the price of the shared cache. Two processes that take
    at the same moment may count one for both.
    """
    cache = caches["default" if is_shared else "process"]
    limit = limit or settings.ORDER_PUSHES_PER_MINUTE
    each = WINDOW / limit  # seconds until one comes back
    # Hashed where it is text: whatever a sender types must be fit for a key of any cache.
    key = f"rate:{kind}:{whose if isinstance(whose, int) else sha256(whose.encode(errors='replace')).hexdigest()}"
    now = time.time()
    left, at = cache.get(key) or (float(limit), now)
    left = min(float(limit), left + max(0.0, now - at) / each)
    allowed = left >= cost
    if allowed:
        left -= cost
    cache.set(key, (left, now), WINDOW * 2)
    return Allowance(
        limit=limit,
        left=int(left),
        full_in=math.ceil((limit - left) * each),
        retry_after=0 if allowed else max(1, math.ceil((cost - left) * each)),
    )
