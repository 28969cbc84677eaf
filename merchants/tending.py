"""Looking after connections before anybody misses them: tokens renewed ahead of time, subscriptions read back daily.

A token is renewed by whoever needs it, too (`connections.py`), and polling finds what no webhook told: nothing here is
the only way. Each act is claimed by a conditional UPDATE or the token's lease, so that any number of workers may tend.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from merchants.connections import AuthorizationTokens, mark_broken
from merchants.models import Shop, ShopAuthorization
from merchants.subscriptions import subscribe
from rebound_tts.clients.errors import ConfigurationError, RemoteError

logger = logging.getLogger(__name__)

AHEAD = timedelta(hours=12)  # of a token that lives for seven days (TikTok reference, 2.3)
CHECKED_EVERY = timedelta(days=1)
MOST = 20  # of each a round: rounds follow one another


def tend(*, now: datetime) -> int:
    """Renew and mend what is due. Answers how many connections it looked at; one that fails does not hold up others."""
    looked_at = 0
    for authorization in ending_tokens(now=now).order_by("access_token_expires_at")[:MOST]:
        _renew(authorization)
        looked_at += 1
    for shop in unchecked_shops(now=now).select_related("authorization")[:MOST]:
        if unchecked_shops(now=now).filter(pk=shop.pk).update(webhooks_checked_at=now):
            subscribe(shop=shop, now=now)  # which notes what TikTok says, and mends what is missing
            looked_at += 1
    return looked_at


def ending_tokens(*, now: datetime) -> QuerySet[ShopAuthorization]:
    """Authorizations whose access token ends soon, and that nobody renews just now."""
    free = Q(renewing_until__isnull=True) | Q(renewing_until__lt=now)
    ending: QuerySet[ShopAuthorization] = ShopAuthorization.objects.filter(
        free, broken_at__isnull=True, access_token_expires_at__lt=now + AHEAD, refresh_token_expires_at__gt=now
    ).exclude(refresh_token="")
    return ending


def unchecked_shops(*, now: datetime) -> QuerySet[Shop]:
    """Connected shops whose subscriptions were last read back a day ago or earlier."""
    stale = Q(webhooks_checked_at__isnull=True) | Q(webhooks_checked_at__lt=now - CHECKED_EVERY)
    shops: QuerySet[Shop] = Shop.objects.connected().filter(stale, authorization__broken_at__isnull=True)
    return shops


def is_due(*, now: datetime) -> bool:
    return ending_tokens(now=now).exists() or unchecked_shops(now=now).exists()


def _renew(authorization: ShopAuthorization) -> None:
    try:
        AuthorizationTokens(authorization).renew(rejected=authorization.access_token)
    except ConfigurationError as error:
        mark_broken(authorization, error=error)
    except RemoteError as error:
        logger.warning("could not renew ahead", extra={"authorization": authorization.pk, "error": str(error)})
