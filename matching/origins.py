"""Which platforms' ids TikTok holds for a shop's recent orders: what the platform origin is chosen by.

Bounded: one page of orders, then one call an order; where none of them carries anything under the platform that is
asked for first, the other platforms are tried on a few. Whether TikTok answers with every platform although one is
asked for is not told for certain (TikTok reference, section 5), so both kinds of answer are understood.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.core.cache import cache

from merchants.connections import tiktok_for_page
from merchants.models import PlatformOrigin, Shop
from rebound_tts.clients.tiktok_answers import ExternalOrder
from rebound_tts.clients.tiktok_shop import TikTokShopClient

LOOKED_AT = 20  # orders
TRIED_ON = 3  # orders on which every platform is tried where the first gives nothing
AT_A_TIME = 5  # calls
KEPT_SECONDS = 600
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Held:
    """`orders` were looked at; so many carry a reference under each platform, with the first ids as examples."""

    orders: int
    carried: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def most_carried(self) -> str:
        """The platform that most orders carry, "" where none carries any."""
        return max(self.carried, key=self.carried.__getitem__, default="")

    def ids(self, platform: str) -> tuple[str, ...]:
        return self.examples.get(platform, ())


def held_origins(shop: Shop, *, limit: int = LOOKED_AT) -> Held:
    """What TikTok holds of the shop's newest orders; remembered for ten minutes. Raises RemoteError."""
    key = f"origins:{shop.pk}"
    known: Held | None = cache.get(key)
    if known is None:
        known = _look(tiktok_for_page(shop), limit=limit)
        cache.set(key, known, KEPT_SECONDS)
    return known


def _look(tiktok: TikTokShopClient, *, limit: int) -> Held:
    ids = [order.id for order in tiktok.newest_orders(page_size=limit).orders][:limit]
    first = PlatformOrigin.SHOPIFY  # the most common
    with ThreadPoolExecutor(AT_A_TIME) as pool:

        def ask(questions: Sequence[tuple[str, str]]) -> list[tuple[ExternalOrder, ...]]:
            return list(pool.map(lambda each: tiktok.external_orders(order_id=each[0], platform=each[1]), questions))

        answers = ask([(order_id, first) for order_id in ids])
        if ids and not any(answers):
            others = [platform for platform in PlatformOrigin.values if platform != first]
            tried = ask([(order_id, platform) for order_id in ids[:TRIED_ON] for platform in others])
            found = {external.platform for answer in tried for external in answer}
            answers = ask([(order_id, platform) for platform in sorted(found) for order_id in ids])
            return _held(len(ids), answers, count=len(ids))
    return _held(len(ids), answers, count=len(ids))


def _held(orders: int, answers: list[tuple[ExternalOrder, ...]], *, count: int) -> Held:
    """`answers` in rounds of `count` orders: an order counts once a platform, however often it was told."""
    carried: Counter[str] = Counter()
    examples: dict[str, dict[str, None]] = {}
    for place in range(count):
        told = [external for answer in answers[place::count] for external in answer]
        carried.update({external.platform for external in told})
        for external in told:
            examples.setdefault(external.platform, {})[external.id] = None
    return Held(orders, dict(carried.most_common()), {key: tuple(ids)[:EXAMPLES] for key, ids in examples.items()})
