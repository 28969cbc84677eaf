"""From an authorization code to whom it signs in: what TikTok granted is checked, and the merchant found or made.

A seller is who TikTok says it is (`open_id`). A shop is never handed to another seller by this: one that is connected
under another merchant stays there, and the page says so. Browsers and sessions stand in `merchants.wizard`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from merchants.connections import tiktok_auth, tiktok_for_authorization, tiktok_with_tokens
from merchants.models import Merchant, Shop, ShopAuthorization
from merchants.services import ShopTakenError, store_grant, store_shop
from rebound_tts.clients.errors import ConfigurationError, PermanentError, RemoteError, TokenRejectedError
from rebound_tts.clients.tiktok_answers import AuthorizedShop
from rebound_tts.clients.tiktok_auth import TokenGrant
from rebound_tts.clients.tokens import TokenSource

# What each is for, in the merchant's words (TikTok reference, 1.3).
NEEDED_SCOPES: dict[str, Promise] = {
    "seller.authorization.info": _("see which shops you authorized, and be told of changes"),
    "seller.order.info": _("see the order that a return belongs to"),
    "seller.return_refund.basic": _("see returns and give buyers their label"),
    "seller.logistics": _("see the carriers that TikTok offers your shop"),
}
SELLER = 0  # TikTok's user_type of a shop's main account


class Trouble(Enum):
    """Why nobody is signed in."""

    CODE_DEAD = "The code was used before, or is older than 30 minutes"
    SCOPES_MISSING = "The seller did not grant everything"
    NOT_A_SELLER = "Not the main account of a shop"
    NO_SHOP = "The account has no shop"
    OTHER_MERCHANT = "Everything that was authorized belongs to another merchant here"
    REFUSED = "TikTok refused"
    UNAVAILABLE = "TikTok does not answer"


class AuthorizationError(Exception):
    """The authorization cannot be used; `shops` and `scopes` name what it is about, `request_id` TikTok's call."""

    def __init__(
        self,
        trouble: Trouble,
        *,
        scopes: Sequence[str] = (),
        shops: Sequence[str] = (),
        error: RemoteError | None = None,
    ) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.scopes = tuple(scopes)
        self.shops = tuple(shops)
        self.code = error.code if error else ""
        self.request_id = error.request_id if error else ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who authorized, and what became of the shops."""

    merchant: Merchant
    authorization: ShopAuthorization
    is_new: bool  # never seen before
    connected: tuple[Shop, ...] = ()  # connected before or by this
    to_choose: tuple[AuthorizedShop, ...] = ()  # may be connected, if the merchant says so
    taken: tuple[AuthorizedShop, ...] = field(default=())  # connected under another merchant


class GrantTokens(TokenSource):
    """The token of a grant that is not stored yet."""

    def __init__(self, grant: TokenGrant) -> None:
        self._grant = grant

    def current(self) -> str:
        return self._grant.access_token

    def renew(self, *, rejected: str) -> str:
        raise TokenRejectedError(vendor="tiktok", method="GET", path="/", message="a fresh token was refused")


def admit(*, auth_code: str, signed_in: Merchant | None, now: datetime) -> Arrival:
    """Exchange the code of a round that this browser started, and connect what needs no choice.

    `signed_in` is the merchant for whom a further seller or shop is connected. A seller seen before is welcome back to
    its merchant; a new one becomes a merchant. Nothing is stored before all of it is checked.

    Raises AuthorizationError.
    """
    grant, authorized = _granted(auth_code)
    owners = {
        shop.shop_id: shop.merchant_id
        for shop in Shop.objects.filter(shop_id__in=[each.id for each in authorized]).only("shop_id", "merchant_id")
    }
    merchant = _merchant_of(grant, owners=owners, signed_in=signed_in)
    taken = tuple(each for each in authorized if owners.get(each.id) not in (None, merchant and merchant.pk))
    usable = tuple(each for each in authorized if each not in taken)
    if not usable:
        raise AuthorizationError(Trouble.OTHER_MERCHANT, shops=[each.name for each in taken])
    with transaction.atomic():
        is_new = merchant is None
        if merchant is None:
            merchant = Merchant.objects.create(name=(grant.seller_name or usable[0].name)[:200], created_at=now)
        authorization = store_grant(merchant=merchant, grant=grant, now=now)
        at_once = _without_a_choice(usable, merchant=merchant)
        try:
            connected = [
                store_shop(merchant=merchant, authorization=authorization, authorized=each, now=now) for each in at_once
            ]
        except ShopTakenError as error:  # since we looked
            raise AuthorizationError(Trouble.OTHER_MERCHANT, shops=[each.name for each in at_once]) from error
    return Arrival(
        merchant=merchant,
        authorization=authorization,
        is_new=is_new,
        connected=tuple(connected),
        to_choose=tuple(each for each in usable if each not in at_once),
        taken=taken,
    )


def _granted(auth_code: str) -> tuple[TokenGrant, tuple[AuthorizedShop, ...]]:
    try:
        grant = tiktok_auth().get_token(auth_code)
        if not grant.open_id or grant.user_type not in (None, SELLER):
            raise AuthorizationError(Trouble.NOT_A_SELLER)
        missing = [scope for scope in NEEDED_SCOPES if scope not in grant.granted_scopes]
        if missing:
            raise AuthorizationError(Trouble.SCOPES_MISSING, scopes=missing)
        authorized = tiktok_with_tokens(GrantTokens(grant)).authorized_shops()
    except PermanentError as error:
        is_dead = error.code == "36004004"
        raise AuthorizationError(Trouble.CODE_DEAD if is_dead else Trouble.REFUSED, error=error) from error
    except ConfigurationError as error:
        raise AuthorizationError(Trouble.REFUSED, error=error) from error
    except RemoteError as error:
        raise AuthorizationError(Trouble.UNAVAILABLE, error=error) from error
    if not authorized:
        raise AuthorizationError(Trouble.NO_SHOP)
    return grant, authorized


def _merchant_of(grant: TokenGrant, *, owners: dict[str, int], signed_in: Merchant | None) -> Merchant | None:
    """The merchant of this seller, None for a new one. Raises AuthorizationError where it is not the one signed in."""
    known = (
        ShopAuthorization.objects.filter(open_id=grant.open_id).select_related("merchant").order_by("-authorized_at")
    )
    merchants = [each.merchant for each in known]
    if signed_in is not None:
        if merchants and signed_in not in merchants:
            raise AuthorizationError(Trouble.OTHER_MERCHANT, shops=[grant.seller_name])
        return signed_in
    return next((each for each in merchants if each.pk in owners.values()), merchants[0] if merchants else None)


def _without_a_choice(usable: Sequence[AuthorizedShop], *, merchant: Merchant) -> list[AuthorizedShop]:
    """Shops connected already; a single one as well, since there is nothing to choose."""
    if len(usable) == 1:
        return list(usable)
    mine = Shop.objects.for_merchant(merchant).connected().filter(shop_id__in=[each.id for each in usable])
    connected = set(mine.values_list("shop_id", flat=True))
    return [each for each in usable if each.id in connected]


def choosable_shops(merchant: Merchant) -> list[tuple[ShopAuthorization, AuthorizedShop]]:
    """What the merchant's working authorizations cover and is not connected yet, as TikTok says now.

    Raises RemoteError.
    """
    connected = set(Shop.objects.for_merchant(merchant).connected().values_list("shop_id", flat=True))
    found = {}
    for authorization in ShopAuthorization.objects.for_merchant(merchant).filter(broken_at__isnull=True):
        for each in tiktok_for_authorization(authorization).authorized_shops():
            if each.id not in connected:
                found[each.id] = (authorization, each)
    theirs = Shop.objects.filter(shop_id__in=found).exclude(merchant=merchant).values_list("shop_id", flat=True)
    for shop_id in theirs:
        del found[shop_id]
    return list(found.values())
