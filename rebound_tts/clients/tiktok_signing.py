"""TikTok Shop's two signatures: of our requests and of their webhooks. Pure functions.

Source: tiktok-shop-api.md sections 2 and 7.2; every vector of tiktok_vectors.json is a test.
"""

import hmac
from collections.abc import Mapping, Sequence

_UNSIGNED = frozenset({"sign", "access_token"})


def sign_request(
    *, app_secret: str, path: str, query: Mapping[str, str], body: bytes | None, content_type: str | None
) -> str:
    """The value of `sign`: 64 lower-case hex digits.

    `path` is without host and query, `query` is decoded, `body` are the very bytes that are sent. The body is left out
    where the media type is multipart/form-data, whatever its parameters and letter case.
    """
    pairs = "".join(key + query[key] for key in sorted(query) if key not in _UNSIGNED)
    message = app_secret.encode() + path.encode() + pairs.encode()
    if body and (content_type or "").partition(";")[0].strip().lower() != "multipart/form-data":
        message += body
    return _hex(app_secret, message + app_secret.encode())


def sign_webhook(*, app_key: str, app_secret: str, raw_body: bytes) -> str:
    """What TikTok puts into the Authorization header of a webhook: bare lower-case hex, no scheme before it."""
    return _hex(app_secret, app_key.encode() + raw_body)


def webhook_signature_is_valid(
    *, app_key: str, app_secret: str | Sequence[str], raw_body: bytes, header: str | None
) -> bool:
    """Whether `header` signs `raw_body`. Several secrets may be given while one replaces another.

    Takes the same time whichever character differs. Never raises: a header that cannot be a signature is a wrong one.
    """
    if not header or not header.isascii():
        return False
    secrets = [app_secret] if isinstance(app_secret, str) else app_secret
    # Not any(): the time must not tell which secret is in use.
    verdicts = [
        hmac.compare_digest(sign_webhook(app_key=app_key, app_secret=secret, raw_body=raw_body), header)
        for secret in secrets
        if secret  # an unset secret must not make everything signed with "" valid
    ]
    return True in verdicts


def _hex(secret: str, message: bytes) -> str:
    return hmac.digest(secret.encode(), message, "sha256").hex()
