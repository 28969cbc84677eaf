"""API credentials of an OMS: client id and secrets, tokens for an hour, revocation at once.

Secrets and tokens are random enough (256 bits) that one round of SHA-256 keeps them safe at rest; each carries a
look-up prefix, so that finding one is an index look-up and checking it is a comparison in constant time.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.db.models import Q, QuerySet

from merchants.models import ApiClient, ApiSecret, ApiToken, Merchant

TOKEN_LIFE = timedelta(minutes=60)
PREFIX_BYTES = 8  # 64 bits: no two of a billion tokens share a prefix by chance
PLAIN = re.compile(r"[\x21-\x7e]{1,128}")
LIVE_CLIENTS = 20  # a merchant; each has a rate limit of its own, so that their number is bounded too
LIVE_SECRETS = 5  # a client
USED_EVERY = timedelta(minutes=1)  # how exactly "last used" is kept: a write a request would cost more than it tells


class AccessDeniedError(Exception):
    """The credentials or the token are not good; which of them and why is not the sender's business."""


class ScopeError(Exception):
    """Scopes were asked for that the client does not have."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A secret or token in plain text: shown once, stored as a digest. Its repr shows the prefix alone."""

    prefix: str
    plain: str

    def __repr__(self) -> str:
        return f"Issued({self.prefix}…)"


def digest_of(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


def _issue(kind: str) -> Issued:
    prefix = f"{kind}_{secrets.token_hex(PREFIX_BYTES)}"
    return Issued(prefix, f"{prefix}.{secrets.token_urlsafe(32)}")


def prefix_of(plain: str) -> str:
    """The look-up prefix. Raises AccessDeniedError for what no secret or token of ours looks like."""
    if not PLAIN.fullmatch(plain):
        raise AccessDeniedError
    return plain.partition(".")[0][:32]


def create_client(*, merchant: Merchant, name: str, scopes: list[str], now: datetime) -> tuple[ApiClient, Issued]:
    """A client with its first secret. The secret is in the answer and nowhere else."""
    client = ApiClient.objects.create(
        merchant=merchant, client_id=f"oms_{secrets.token_hex(12)}", name=name, scopes=scopes, created_at=now
    )
    return client, add_secret(client, now=now)


def add_secret(client: ApiClient, *, now: datetime) -> Issued:
    """One more secret beside those that live: rotate by adding, switching over, then revoking the old."""
    issued = _issue("sec")
    ApiSecret.objects.create(
        merchant_id=client.merchant_id,
        client=client,
        prefix=issued.prefix,
        digest=digest_of(issued.plain),
        created_at=now,
    )
    return issued


def revoke_secret(secret: ApiSecret, *, now: datetime) -> None:
    """From now on neither the secret nor any token that it got is good."""
    ApiSecret.objects.filter(pk=secret.pk, revoked_at__isnull=True).update(revoked_at=now)


def revoke_client(client: ApiClient, *, now: datetime) -> None:
    ApiClient.objects.filter(pk=client.pk, revoked_at__isnull=True).update(revoked_at=now)


def verify_secret(*, client_id: str, client_secret: str) -> ApiSecret:
    """The live secret, with its client. Raises AccessDeniedError."""
    secret = (
        ApiSecret.objects.select_related("client")
        .filter(prefix=prefix_of(client_secret), revoked_at__isnull=True, client__revoked_at__isnull=True)
        .first()
    )
    if secret is None or not hmac.compare_digest(secret.digest, digest_of(client_secret)):
        raise AccessDeniedError
    if not hmac.compare_digest(secret.client.client_id.encode(), client_id.encode(errors="replace")):
        raise AccessDeniedError
    return secret


def live_secret(key: int) -> ApiSecret | None:
    """The secret with this key, with its client and merchant, unless it or its client was revoked."""
    live = ApiSecret.objects.filter(revoked_at__isnull=True, client__revoked_at__isnull=True)
    return live.select_related("client__merchant").filter(pk=key).first()


def grant_token(secret: ApiSecret, *, scopes: list[str], now: datetime) -> tuple[ApiToken, Issued]:
    """A token for an hour (RFC 6749, 4.4), by default with every scope of the client. Raises ScopeError."""
    granted = scopes or list(secret.client.scopes)
    if any(scope not in secret.client.scopes for scope in granted):
        raise ScopeError
    issued = _issue("tok")
    token = ApiToken.objects.create(
        merchant_id=secret.merchant_id,
        secret=secret,
        prefix=issued.prefix,
        digest=digest_of(issued.plain),
        scopes=granted,
        created_at=now,
        expires_at=now + TOKEN_LIFE,
    )
    _note_use(secret, now=now)
    return token, issued


@cache
def live_tokens() -> QuerySet[ApiToken]:
    """Tokens of secrets and clients that were not revoked. The query is made once: it stands before every call."""
    live = ApiToken.objects.filter(secret__revoked_at__isnull=True, secret__client__revoked_at__isnull=True)
    return live.select_related("secret__client__merchant")


def authenticate(plain: str, *, now: datetime) -> ApiToken:
    """The live token, with its client and merchant. Raises AccessDeniedError."""
    try:
        token = live_tokens().get(prefix=prefix_of(plain), expires_at__gt=now)
    except ApiToken.DoesNotExist as error:
        raise AccessDeniedError from error
    if not hmac.compare_digest(token.digest, digest_of(plain)):
        raise AccessDeniedError
    _note_use(token.secret, now=now)
    # A scope that was taken from the client ends at once, as a revoked secret does.
    token.scopes = [scope for scope in token.scopes if scope in token.secret.client.scopes]
    return token


def _note_use(secret: ApiSecret, *, now: datetime) -> None:
    if secret.last_used_at is None or now - secret.last_used_at > USED_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USED_EVERY)
        ApiSecret.objects.filter(stale, pk=secret.pk).update(last_used_at=now)


def forget_expired_tokens(*, now: datetime) -> int:
    """Delete tokens that ended a day ago or earlier. Answers how many."""
    count, _ = ApiToken.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    return count
