"""Connecting merchants: from an authorization code to shops with live tokens, and what their owners say to us later."""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from merchants.connections import tiktok_auth, tiktok_for, tiktok_for_authorization
from merchants.models import GoLiveConsent, Lane, Merchant, OrderWay, ReboundAccount, Shop, ShopAuthorization
from merchants.rebound_check import Credentials
from rebound_tts.clients.errors import RemoteError, TokenRejectedError
from rebound_tts.clients.rebound_auth import AccessToken
from rebound_tts.clients.tiktok_answers import AuthorizedShop
from rebound_tts.clients.tiktok_auth import TokenGrant

logger = logging.getLogger(__name__)


class LaneTakenError(Exception):
    """Another lane of the shop stands for the country."""


class ShopTakenError(Exception):
    """The shop is connected for another merchant."""


def store_grant(*, merchant: Merchant, grant: TokenGrant, now: datetime) -> ShopAuthorization:
    """Remember what was granted; a seller's newer grant replaces the tokens of the older and mends the connection."""
    authorization, _ = ShopAuthorization.objects.update_or_create(
        merchant=merchant,
        open_id=grant.open_id,
        defaults={
            "seller_name": grant.seller_name,
            "region": grant.seller_base_region,
            "scopes": list(grant.granted_scopes),
            "access_token": grant.access_token,
            "access_token_expires_at": grant.access_token_expires_at,
            "refresh_token": grant.refresh_token,
            "refresh_token_expires_at": grant.refresh_token_expires_at,
            "renewing_until": None,
            "broken_at": None,
            "broken_reason": "",
            "last_error": "",
            "authorized_at": now,
        },
    )
    return authorization


def store_shop(
    *, merchant: Merchant, authorization: ShopAuthorization, authorized: AuthorizedShop, now: datetime
) -> Shop:
    """The shop's row, made or brought up to date. Raises ShopTakenError."""
    with transaction.atomic():
        shop, created = Shop.objects.select_for_update().get_or_create(
            shop_id=authorized.id,
            defaults={
                "merchant": merchant,
                "authorization": authorization,
                "cipher": authorized.cipher,
                "name": authorized.name,
                "region": authorized.region,
                "created_at": now,
            },
        )
        if shop.merchant_id != merchant.pk:
            raise ShopTakenError(authorized.id)
        if not created:
            shop.authorization = authorization
            shop.cipher = authorized.cipher
            shop.name = authorized.name
            shop.region = authorized.region
            shop.disconnected_at = None
            shop.save(update_fields=["authorization", "cipher", "name", "region", "disconnected_at"])
    stored: Shop = shop
    return stored


def connect_shops(*, merchant: Merchant, auth_code: str, now: datetime) -> list[Shop]:
    """Exchange an authorization code and store every shop that it covers.

    Raises the clients' RemoteError where TikTok refuses, ShopTakenError where a shop is another merchant's; then none
    of the shops is stored.
    """
    grant = tiktok_auth().get_token(auth_code)
    authorization = store_grant(merchant=merchant, grant=grant, now=now)
    authorized = tiktok_for_authorization(authorization).authorized_shops()
    with transaction.atomic():
        return [
            store_shop(merchant=merchant, authorization=authorization, authorized=shop, now=now) for shop in authorized
        ]


def store_account(
    *,
    shop: Shop,
    account: ReboundAccount | None,
    credentials: Credentials,
    legal_entity: str,
    token: AccessToken | None,
    now: datetime,
) -> ReboundAccount:
    """Keep credentials that were tried out: `account` brought up to date, or another one of the shop's merchant.

    Entering an account a second time brings the first up to date. A broken connection is mended by it.
    """
    same = ReboundAccount.objects.for_merchant(shop.merchant).filter(
        environment=credentials.environment, client_id=credentials.client_id, flow_key=credentials.flow_key
    )
    account = same.first() or account or ReboundAccount(merchant=shop.merchant, environment=credentials.environment)
    account.client_id, account.client_secret = credentials.client_id, credentials.client_secret
    account.flow_key, account.legal_entity = credentials.flow_key, legal_entity or account.legal_entity
    account.access_token = token.value if token else ""
    account.access_token_expires_at = token.expires_at if token else None
    account.tested_at = now
    account.broken_at, account.broken_reason, account.last_error = None, "", ""
    account.save()
    return account


def use_account(*, shop: Shop, account: ReboundAccount) -> None:
    """Create the shop's returns with this account from now on; those that exist stay with theirs."""
    Shop.objects.filter(pk=shop.pk).update(rebound_account=account)
    shop.rebound_account = account


@dataclass(frozen=True, slots=True)
class MatchingChoice:
    """What a merchant decides about matching; the fields are those of the shop."""

    matching_enabled: bool
    platform_origin: str
    id_strip_prefix: str
    id_strip_suffix: str
    id_ignore_case: bool
    id_trim_leading_zeros: bool
    partly_matched_goes_direct: bool
    match_wait: timedelta


def choose_matching(*, shop: Shop, choice: MatchingChoice, now: datetime) -> None:
    changes = asdict(choice)
    for name, value in changes.items():
        setattr(shop, name, value)
    shop.matching_chosen_at = now
    shop.save(update_fields=[*changes, "matching_chosen_at"])


def choose_order_way(*, account: ReboundAccount, shop: Shop, way: OrderWay, writes_references: bool) -> None:
    """How orders reach us for all shops of the account, and whether this shop's references are written from them.

    Orders that are queued for ReBound wait there until the account relays again.
    """
    account.relays_orders = way is OrderWay.PUSHED
    account.follows_orders = way is OrderWay.FOLLOWED
    account.save(update_fields=["relays_orders", "follows_orders"])
    shop.writes_references = writes_references
    shop.save(update_fields=["writes_references"])


def store_lane(*, shop: Shop, lane: Lane | None, country: str, **values: str) -> Lane:
    """Change a lane, or make one. Raises LaneTakenError where another stands for this country."""
    row = lane or Lane(merchant=shop.merchant, shop=shop)
    row.country = country.upper()
    for name, value in values.items():
        setattr(row, name, value)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise LaneTakenError(country) from error
    return row


def remove_lane(*, lane: Lane) -> None:
    """Returns on their way keep what the lane said when they were created."""
    lane.delete()


def confirm_checklist(*, shop: Shop, confirmed: list[str], is_complete: bool, now: datetime) -> None:
    shop.checklist = confirmed
    shop.checklist_confirmed_at = (shop.checklist_confirmed_at or now) if is_complete else None
    shop.save(update_fields=["checklist", "checklist_confirmed_at"])


def go_live(*, shop: Shop, open_id: str, seller_name: str, text_version: str, now: datetime) -> None:
    """Create the shop's returns from now on, and those that waited for it. Remembers who agreed to what.

    Twice is once: the second time changes nothing.
    """
    with transaction.atomic():
        if not Shop.objects.filter(pk=shop.pk, live_at__isnull=True).update(live_at=now):
            return
        GoLiveConsent.objects.create(
            merchant_id=shop.merchant_id,
            shop=shop,
            open_id=open_id,
            seller_name=seller_name,
            text_version=text_version,
            given_at=now,
        )


def pause_shop(*, shop: Shop, now: datetime) -> bool:
    """Start no new return at ReBound until it is resumed; they are kept and wait. What exists there goes on: labels are
    delivered, cancelled returns cancelled. Answers whether it was at work."""
    return bool(Shop.objects.live().filter(pk=shop.pk, paused_at__isnull=True).update(paused_at=now))


def resume_shop(*, shop: Shop, now: datetime) -> bool:
    """Take up what waited. Answers whether it was paused."""
    return bool(Shop.objects.filter(pk=shop.pk, paused_at__isnull=False).update(paused_at=None))


def disconnect_shop(*, shop: Shop, now: datetime) -> bool:
    """Stop all work on the shop, then end its authorization at TikTok, which tells the seller by e-mail.

    Labels that buyers have stay good; returns that are open are kept and wait, should the shop be connected again.
    Answers whether the authorization has ended at TikTok too; where TikTok cannot say, we have stopped all the same.
    """
    Shop.objects.filter(pk=shop.pk, disconnected_at__isnull=True).update(disconnected_at=now)
    try:
        tiktok_for(shop).remove_authorization()
    except RemoteError as error:
        logger.warning("could not end an authorization", extra={"shop": shop.shop_id, "error": str(error)})
        return isinstance(error, TokenRejectedError)
    return True
