"""Setting up a shop as another of the same merchant is: matching, lanes and which ReBound account.

No secret is copied: the account itself is shared. What makes a shop live is never copied.
"""

from dataclasses import dataclass

from django.db import transaction

from merchants.models import Lane, Shop

COPIED = (
    "matching_enabled",
    "platform_origin",
    "id_strip_prefix",
    "id_strip_suffix",
    "id_ignore_case",
    "id_trim_leading_zeros",
    "partly_matched_goes_direct",
    "match_wait",
    "matching_chosen_at",
)


@dataclass(frozen=True, slots=True)
class Copied:
    """Lanes that were not copied, since TikTok does not list their provider for this shop."""

    left_out: tuple[Lane, ...] = ()


def lanes_that_fit(source: Shop, *, providers: dict[str, str]) -> tuple[list[Lane], list[Lane]]:
    """The source's lanes with a provider that TikTok lists for the target, and the others."""
    lanes = list(source.lanes.all())
    fitting = [lane for lane in lanes if lane.shipping_provider_id in providers]
    return fitting, [lane for lane in lanes if lane not in fitting]


def lanes_in_place_of(target: Shop, *, source: Shop, providers: dict[str, str]) -> tuple[list[Lane], list[str]]:
    """The lanes that replace the target's, and the countries of the source's lanes that do not fit ("" for every other,
    last): there the target's own lane stays."""
    fitting, left_out = lanes_that_fit(source, providers=providers)
    countries = sorted((lane.country for lane in left_out), key=lambda country: (not country, country))
    return [*fitting, *target.lanes.filter(country__in=countries)], countries


def copy_settings(*, source: Shop, target: Shop, providers: dict[str, str]) -> Copied:
    """Give `target` the settings of `source`. A lane of the target for the same country is replaced, others stay.

    Raises ValueError for shops of two merchants. Twice is once.
    """
    if source.merchant_id != target.merchant_id:
        raise ValueError("settings are copied within a merchant")
    fitting, left_out = lanes_that_fit(source, providers=providers)
    with transaction.atomic():
        values = {name: getattr(source, name) for name in COPIED if source.matching_chosen_at}
        if source.rebound_account_id:
            values["rebound_account_id"] = source.rebound_account_id
        if values:
            Shop.objects.filter(pk=target.pk).update(**values)
        for lane in fitting:
            Lane.objects.update_or_create(
                merchant=target.merchant,
                shop=target,
                country=lane.country,
                defaults={
                    "contract": lane.contract,
                    "carrier_service": lane.carrier_service,
                    "qr_carrier_service": lane.qr_carrier_service,
                    "shipping_provider_id": lane.shipping_provider_id,
                    "shipping_provider_name": lane.shipping_provider_name,
                },
            )
    return Copied(tuple(left_out))
