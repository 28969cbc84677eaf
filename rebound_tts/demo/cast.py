"""Who is in the story: merchants, their shops and what connects them, made through the product's own services."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from merchants.connections import tiktok_for
from merchants.models import Lane, Merchant, PlatformOrigin, ReboundAccount, ReboundEnvironment, Shop
from merchants.services import connect_shops
from rebound_tts.demo.processes import DemoError
from rebound_tts.demo.sandbox_control import SandboxControl

MATCH_WAIT = timedelta(seconds=8)  # a shop's default is ten minutes; a story has less patience


@dataclass(frozen=True)
class Player:
    """One shop of the story and whom its OMS pushes orders as."""

    shop: Shop
    client_id: str

    @property
    def shop_id(self) -> str:
        return self.shop.shop_id


@dataclass(frozen=True)
class Cast:
    shopify: Player
    oms: Player
    off: Player


def assemble(sandbox: SandboxControl) -> Cast:
    outfitters = Merchant.objects.create(name="Harbour Outfitters", created_at=timezone.now())
    electronics = Merchant.objects.create(name="Volt & Vine", created_at=timezone.now())
    first = _seller(sandbox, name="Harbour Outfitters", shops=["Harbour UK", "Harbour Outlet"])
    second = _seller(sandbox, name="Volt & Vine", shops=["Volt & Vine"])
    account_one = _account(sandbox, merchant=outfitters)
    account_two = _account(sandbox, merchant=electronics)
    shops = {
        shop.name: shop for shop in [*_connect(sandbox, outfitters, first), *_connect(sandbox, electronics, second)]
    }
    shopify, outlet, oms = shops["Harbour UK"], shops["Harbour Outlet"], shops["Volt & Vine"]
    _settle(shopify, account=account_one, origin=PlatformOrigin.SHOPIFY)
    _settle(outlet, account=account_one, origin=None)
    _settle(oms, account=account_two, origin=PlatformOrigin.ORDER_MANAGEMENT_SYSTEM)
    return Cast(
        shopify=Player(shopify, account_one.client_id),
        oms=Player(oms, account_two.client_id),
        off=Player(outlet, account_one.client_id),
    )


def _seller(sandbox: SandboxControl, *, name: str, shops: list[str]) -> str:
    seller = sandbox.post(
        "/sellers", seller_name=name, region="GB", shops=[{"name": shop, "region": "GB"} for shop in shops]
    )
    return str(seller["seller_id"])


def _account(sandbox: SandboxControl, *, merchant: Merchant) -> ReboundAccount:
    made = sandbox.post("/rebound-clients", name=merchant.name)
    return ReboundAccount.objects.create(
        merchant=merchant,
        environment=ReboundEnvironment.PROD,
        client_id=made["client_id"],
        client_secret=made["client_secret"],
    )


def _connect(sandbox: SandboxControl, merchant: Merchant, seller_id: str) -> list[Shop]:
    code = sandbox.post("/authorization-codes", seller_id=seller_id)["code"]
    return connect_shops(merchant=merchant, auth_code=code, now=timezone.now())


def _settle(shop: Shop, *, account: ReboundAccount, origin: PlatformOrigin | None) -> None:
    """What a merchant chooses in the install wizard."""
    shop.rebound_account = account
    shop.matching_enabled = origin is not None
    shop.platform_origin = origin or ""
    shop.match_wait = MATCH_WAIT
    shop.matching_chosen_at = shop.checklist_confirmed_at = shop.live_at = timezone.now()
    shop.save()
    providers = _providers(shop)
    for country, provider, service in (("", "Evri", "EVRI_PARCELSHOP"), ("GB", "Royal Mail", "ROYAL_MAIL_TRACKED")):
        Lane.objects.create(
            merchant=shop.merchant,
            shop=shop,
            country=country,
            carrier_service=service,
            qr_carrier_service="ROYAL_MAIL_QR" if country == "GB" else "",
            shipping_provider_id=providers[provider],
            shipping_provider_name=provider,
        )


def _providers(shop: Shop) -> dict[str, str]:
    """TikTok's shipping providers of the shop: id by name."""
    tiktok = tiktok_for(shop)
    found = {
        provider.name: provider.id
        for warehouse in tiktok.warehouses()
        for option in tiktok.delivery_options(warehouse.id)
        for provider in tiktok.shipping_providers(option.id)
    }
    if not {"Evri", "Royal Mail"} <= set(found):
        raise DemoError(f"The sandbox lists no Evri or Royal Mail, only {sorted(found)}.")
    return found
