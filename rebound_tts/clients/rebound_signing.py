"""The signature of ReBound's events (rebound-api.md, section 6).

`X-Rebound-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256(secret, t + "." + raw body)>`. The time is part of what is
signed, so that a body caught on the way cannot be sent again later.
"""

import hashlib
import hmac
from collections.abc import Sequence

WINDOW_SECONDS = 300
LONGEST_HEADER = 500


class EventSignatureError(Exception):
    """The header does not sign this body now. `str()` says what is wrong with it, and holds no part of it."""


def check_event_signature(*, secrets: Sequence[str], raw_body: bytes, header: str, now: float) -> None:
    """Return if the header signs `raw_body` with one of the secrets, at most `WINDOW_SECONDS` ago or ahead.

    Several secrets may be given while one replaces another, and several `v1` in the header for the same reason. Raises
    EventSignatureError.
    """
    seconds, given = _parts(header)
    signed = f"{seconds}.".encode() + raw_body
    wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets if secret]
    # Not any(): the time must not tell which secret is in use.
    verdicts = [hmac.compare_digest(want, value) for want in wanted for value in given]
    if True not in verdicts:
        raise EventSignatureError("X-Rebound-Signature does not hold the signature of this body.")
    if abs(now - seconds) > WINDOW_SECONDS:
        raise EventSignatureError(f"X-Rebound-Signature was made more than {WINDOW_SECONDS} seconds ago or ahead.")


def _parts(header: str) -> tuple[int, list[str]]:
    pairs = [part.strip().partition("=") for part in header.split(",")] if len(header) <= LONGEST_HEADER else []
    times = [value for name, _, value in pairs if name == "t"]
    given = [value.lower() for name, _, value in pairs if name == "v1" and value.isascii()]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12) or not given:
        raise EventSignatureError("X-Rebound-Signature must read t=<unix seconds>,v1=<hex>.")
    return int(times[0]), given
