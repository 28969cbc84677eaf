"""How we reach TikTok Shop and ReBound on behalf of a merchant: clients with the right address and a live token.

Tokens live in the database, encrypted, and are renewed once for all workers: whoever wins the row's lease refreshes,
the others wait for the new token. The lease is a conditional UPDATE rather than a held row lock, since no transaction
stays open across a remote call. A client is made for one call chain of one tenant and is never kept.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from merchants.models import BrokenReason, ReboundAccount, Shop, ShopAuthorization
from rebound_tts.clients.circuit import Circuit
from rebound_tts.clients.errors import ConfigurationError, TemporaryError, TokenRejectedError
from rebound_tts.clients.http import Call, Transport, waiting_for_a_remote
from rebound_tts.clients.rebound import ReboundAuthClient, ReboundClient
from rebound_tts.clients.tiktok_auth import TikTokAuthClient
from rebound_tts.clients.tiktok_shop import TikTokShopClient
from rebound_tts.clients.tokens import TokenSource
from rebound_tts.ops.tallies import count, observe

logger = logging.getLogger(__name__)

RENEWAL_LEASE = timedelta(seconds=60)
RENEWAL_LOOKS = 100  # every 0.1 s: a little longer than a token endpoint may take
DOUBT = timedelta(seconds=60)  # for which tokens that were just given are refused before the connection is broken
DOUBT_ENDS = timedelta(minutes=10)  # a refusal so long after the first is another matter, if no call was made between
EARLY = timedelta(seconds=60)  # a token this close to its end is renewed before it is used


def note_call(call: Call) -> None:
    """Every call that was made, for logs and figures."""
    status = str(call.status) if call.status is not None else call.failure
    count("remote_calls", vendor=call.vendor, method=call.method, path=call.path, status=status)
    observe("remote_call_seconds", call.seconds, vendor=call.vendor)
    logger.info(
        "remote call",
        extra={
            "vendor": call.vendor,
            "method": call.method,
            "path": call.path,
            "status": call.status,
            "seconds": round(call.seconds, 3),
        },
    )


transport = Transport(
    connect_timeout=settings.REMOTE_CONNECT_SECONDS, read_timeout=settings.REMOTE_READ_SECONDS, observer=note_call
)
impatient = Transport(connect_timeout=3, read_timeout=5, total_timeout=6, observer=note_call)


def tiktok_auth() -> TikTokAuthClient:
    return TikTokAuthClient(
        base_url=settings.TIKTOK_AUTH_URL,
        app_key=settings.TIKTOK_APP_KEY,
        app_secret=settings.TIKTOK_APP_SECRET,
        transport=transport,
    )


class AuthorizationTokens(TokenSource):
    """The access token of a shop authorization."""

    def __init__(self, authorization: ShopAuthorization) -> None:
        self.authorization = authorization

    def current(self) -> str:
        if self.authorization.access_token_expires_at - timezone.now() < EARLY:
            return self.renew(rejected=self.authorization.access_token)
        return str(self.authorization.access_token)

    def renew(self, *, rejected: str) -> str:
        """Another token than the rejected one. Raises ConfigurationError when only the merchant can help."""
        rows = ShopAuthorization.objects.filter(pk=self.authorization.pk)
        for _ in range(RENEWAL_LOOKS):
            now = timezone.now()
            lease = now + RENEWAL_LEASE
            free = Q(renewing_until__isnull=True) | Q(renewing_until__lt=now)
            is_ours = rows.filter(free).update(renewing_until=lease)
            self.authorization = rows.get()  # after the lease: whoever had it last may have renewed
            held_ends_at = self.authorization.access_token_expires_at
            if self.authorization.access_token != rejected and held_ends_at - timezone.now() > EARLY:
                if is_ours:
                    rows.filter(renewing_until=lease).update(renewing_until=None)
                return str(self.authorization.access_token)
            if is_ours:
                return self._refresh(lease=lease)
            with waiting_for_a_remote():
                time.sleep(0.1)
        raise TemporaryError(
            vendor="tiktok", method="GET", path="/api/v2/token/refresh", message="Another worker's renewal did not end."
        )

    def worked(self) -> None:
        end_doubt(self.authorization)

    def _refresh(self, *, lease: datetime) -> str:
        """Refresh and store, unless the merchant authorized again meanwhile: those tokens are the newer."""
        leased = ShopAuthorization.objects.filter(pk=self.authorization.pk, renewing_until=lease)
        try:
            grant = tiktok_auth().refresh_token(self.authorization.refresh_token)
        except BaseException:
            leased.update(renewing_until=None)
            raise
        leased.update(
            access_token=grant.access_token,
            access_token_expires_at=grant.access_token_expires_at,
            refresh_token=grant.refresh_token,
            refresh_token_expires_at=grant.refresh_token_expires_at,
            renewing_until=None,
        )
        self.authorization.refresh_from_db()
        logger.info("renewed the TikTok token", extra={"authorization": self.authorization.pk})
        return str(self.authorization.access_token)


class AccountTokens(TokenSource):
    """The access token of a ReBound account.

    Client credentials can be exchanged any number of times, so that two workers that renew at once do no harm.
    """

    def __init__(self, account: ReboundAccount, *, circuit: Circuit | None = None) -> None:
        self.account = account
        self.circuit = circuit

    def current(self) -> str:
        expires_at = self.account.access_token_expires_at
        if not self.account.access_token or expires_at is None or expires_at - timezone.now() < EARLY:
            return self.renew(rejected=self.account.access_token)
        return str(self.account.access_token)

    def renew(self, *, rejected: str) -> str:
        self.account.refresh_from_db(fields=["client_id", "client_secret", "access_token", "access_token_expires_at"])
        expires_at = self.account.access_token_expires_at
        if self.account.access_token != rejected and expires_at and expires_at - timezone.now() > EARLY:
            return str(self.account.access_token)
        auth_url = settings.REBOUND_AUTH_URLS[self.account.environment]
        client = ReboundAuthClient(auth_url=auth_url, transport=transport, circuit=self.circuit)
        token = client.token(client_id=self.account.client_id, client_secret=self.account.client_secret)
        self.account.access_token = token.value
        self.account.access_token_expires_at = token.expires_at
        self.account.save(update_fields=["access_token", "access_token_expires_at"])
        return token.value

    def worked(self) -> None:
        end_doubt(self.account)


def tiktok_with_tokens(
    tokens: TokenSource, *, cipher: str = "", transport: Transport = transport, circuit: Circuit | None = None
) -> TikTokShopClient:
    return TikTokShopClient(
        base_url=settings.TIKTOK_API_URL,
        app_key=settings.TIKTOK_APP_KEY,
        app_secret=settings.TIKTOK_APP_SECRET,
        tokens=tokens,
        transport=transport,
        shop_cipher=cipher,
        circuit=circuit,
    )


def tiktok_for_authorization(
    authorization: ShopAuthorization, *, cipher: str = "", circuit: Circuit | None = None
) -> TikTokShopClient:
    return tiktok_with_tokens(AuthorizationTokens(authorization), cipher=cipher, circuit=circuit)


def tiktok_for_page(shop: Shop) -> TikTokShopClient:
    """For a page that a person waits for: TikTok has a few seconds, then the page says that it did not answer.

    Raises ConfigurationError where the merchant has to connect the shop again: TikTok is not asked then.
    """
    if not shop.is_connected:
        raise ConfigurationError(vendor="tiktok", message="The shop has to be connected again.")
    tokens = AuthorizationTokens(shop.authorization)
    return tiktok_with_tokens(tokens, cipher=shop.cipher, transport=impatient)


_circuits: dict[tuple[type[Model], int], Circuit] = {}


def circuit_of(connection: Shop | ReboundAccount) -> Circuit:
    """This process's circuit of a shop at TikTok or of an account at ReBound, for work that nobody waits for."""
    return _circuits.setdefault((type(connection), connection.pk), Circuit(now=lambda: timezone.now().timestamp()))


def tiktok_for(shop: Shop, *, circuit: Circuit | None = None) -> TikTokShopClient:
    return tiktok_for_authorization(shop.authorization, cipher=shop.cipher, circuit=circuit)


def rebound_for(account: ReboundAccount, *, circuit: Circuit | None = None) -> ReboundClient:
    return ReboundClient(
        base_url=settings.REBOUND_API_URLS[account.environment],
        tokens=AccountTokens(account, circuit=circuit),
        transport=transport,
        flow_key=account.flow_key,
        circuit=circuit,
    )


def mark_broken(connection: ShopAuthorization | ReboundAccount, *, error: ConfigurationError) -> bool:
    """Remember that only a person can mend this connection, and why; not if it was authorized anew meanwhile.

    Answers False where it is not believed yet, and the call is to be made again: `is_in_doubt`.
    """
    rows: QuerySet[Any] = type(connection).objects.filter(pk=connection.pk, broken_at__isnull=True)
    if isinstance(connection, ShopAuthorization):
        rows = rows.filter(authorized_at=connection.authorized_at)
    now = timezone.now()
    if isinstance(error, TokenRejectedError) and error.just_given and is_in_doubt(rows, now=now):
        return False
    if isinstance(connection, ReboundAccount):
        reason = BrokenReason.CREDENTIALS_REFUSED if error.status in {400, 401} else BrokenReason.REFUSED
    elif error.code == "105005":
        reason = BrokenReason.SCOPE_MISSING
    elif isinstance(error, TokenRejectedError) or error.code.startswith(("105", "36004")):
        reason = BrokenReason.TOKEN_REJECTED
    else:
        reason = BrokenReason.REFUSED
    if rows.update(broken_at=now, broken_reason=reason, last_error=str(error)[:500], refused_since=None):
        logger.warning("connection broken", extra={"connection": str(connection), "reason": reason.value})
    return True


def is_in_doubt(rows: QuerySet[Any], *, now: datetime) -> bool:
    """Whether a refused token says nothing of its connection yet, since the vendor had given it just before.

    Many workers that renew at once may hold, and store, tokens that are over when they are used. It is believed once
    calls are refused for a while and none works; the token that is held is renewed before it is used again. `rows` is
    the connection's own; empty where it is broken or was authorized anew meanwhile.
    """
    begins = Q(refused_since__isnull=True) | Q(refused_since__lt=now - DOUBT_ENDS)
    if rows.filter(begins).update(refused_since=now, access_token_expires_at=now):
        return True
    return rows.filter(refused_since__gt=now - DOUBT).exists()


def end_doubt(connection: ShopAuthorization | ReboundAccount) -> None:
    """A call worked: the next refusal is another matter than the one that this row tells of."""
    if connection.refused_since is not None:
        rows: QuerySet[Any] = type(connection).objects.filter(pk=connection.pk)
        rows.filter(refused_since=connection.refused_since).update(refused_since=None)
        connection.refused_since = None
