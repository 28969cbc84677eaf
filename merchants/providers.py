"""The shipping providers that TikTok offers a shop: whose ids a label's upload must name (TikTok reference, 6.3)."""

from django.core.cache import cache

from merchants.connections import tiktok_for_page
from merchants.models import Shop
from rebound_tts.clients.tiktok_shop import DeliveryOption, ShippingProvider, Warehouse

KEPT_SECONDS = 600


def shipping_providers(shop: Shop) -> dict[str, str]:
    """Name by id, in the order of names; remembered for ten minutes. Raises RemoteError."""
    key = f"shipping-providers:{shop.pk}"
    known: dict[str, str] | None = cache.get(key)
    if known is None:
        tiktok = tiktok_for_page(shop)
        options: dict[str, DeliveryOption] = {}
        for warehouse in _active(tiktok.warehouses()):
            options |= {option.id: option for option in tiktok.delivery_options(warehouse.id)}
        found: list[ShippingProvider] = []
        for option in options.values():
            found += tiktok.shipping_providers(option.id)
        known = {each.id: each.name for each in sorted(found, key=lambda each: each.name.casefold())}
        cache.set(key, known, KEPT_SECONDS)
    return known


def _active(warehouses: tuple[Warehouse, ...]) -> list[Warehouse]:
    """Those in use, or all where TikTok says that of none."""
    return [each for each in warehouses if each.effect_status == "ENABLED"] or list(warehouses)
