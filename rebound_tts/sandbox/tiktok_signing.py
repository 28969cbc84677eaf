"""TikTok's signatures: of requests to the Partner API and of webhooks.

Written from the public description alone, apart from the client that it will judge. Reference: section 2 and 7.2.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable

_UNSIGNED = {"sign", "access_token", "x-tts-access-token"}


def is_multipart(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def request_sign(secret: str, path: str, query: Iterable[tuple[str, str]], body: bytes) -> str:
    """The signature of one request; `query` holds decoded pairs, `body` is empty for multipart."""
    values: dict[str, list[str]] = defaultdict(list)
    for key, value in query:
        if key not in _UNSIGNED:
            values[key].append(value)
    return _sign(secret, path, "".join(key + ",".join(values[key]) for key in sorted(values)), body)


def request_sign_matches(
    sign: str, *, secret: str, path: str, query: list[tuple[str, str]], content_type: str, body: bytes
) -> bool:
    """Whether `sign` is one that a public SDK would send for this request.

    SDKs differ in two places: a repeated key is signed joined by commas or once for each value, and the body `{}` is
    signed or taken as empty.
    """
    signed_body = b"" if is_multipart(content_type) else body
    accepted = [request_sign(secret, path, query, signed_body)]
    if signed_body.strip() == b"{}":
        accepted.append(request_sign(secret, path, query, b""))
    signed = sorted((pair for pair in query if pair[0] not in _UNSIGNED), key=lambda pair: pair[0])
    if len({key for key, _ in signed}) < len(signed):
        accepted.append(_sign(secret, path, "".join(key + value for key, value in signed), signed_body))
    return any(hmac.compare_digest(sign.encode(), candidate.encode()) for candidate in accepted)


def webhook_sign(key: str, secret: str, body: bytes) -> str:
    """The value of the Authorization header of a webhook."""
    return hmac.new(secret.encode(), key.encode() + body, hashlib.sha256).hexdigest()


def _sign(secret: str, path: str, parameters: str, body: bytes) -> str:
    message = f"{secret}{path}{parameters}".encode() + body + secret.encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
