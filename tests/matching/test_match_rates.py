"""The match rate of each merchant: counted by day, compared with the weeks before, and noticed when it falls."""

from datetime import UTC, datetime, timedelta

import pytest

from matching.match_rates import keep_counts_fresh, match_rates, recount
from matching.models import Match, MatchDay
from merchants.models import Merchant, Shop
from tests.factories import MatchFactory, ShopFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def decided(shop: Shop, *, days_ago: float, found: int = 0, lost: int = 0, not_asked: int = 0) -> None:
    at = NOW - timedelta(days=days_ago)
    columns = {"shop": shop, "decided_at": at, "is_curable": False}
    MatchFactory.create_batch(found, **columns)
    MatchFactory.create_batch(lost, **columns, outcome="NO_MATCH", reason="ORDER_NOT_SYNCED", sales_order=None)
    MatchFactory.create_batch(not_asked, **columns, outcome="NOT_ASKED", reason="MATCHING_OFF", sales_order=None)


def counts() -> list[tuple[int, str, int, int]]:
    return list(MatchDay.objects.order_by("merchant", "day").values_list("merchant", "day__day", "asked", "matched"))


def a_day(merchant: Merchant, *, days_ago: int, asked: int, matched: int) -> None:
    day = (NOW - timedelta(days=days_ago)).date()
    MatchDay.objects.create(merchant=merchant, day=day, asked=asked, matched=matched, counted_at=NOW)


def test_standing_decisions_are_counted_by_merchant_and_day():
    shop, other = ShopFactory(), ShopFactory()
    decided(shop, days_ago=0, found=2, lost=1, not_asked=3)
    decided(shop, days_ago=1, found=1)
    decided(other, days_ago=0, lost=1)
    decided(other, days_ago=70, found=1)
    assert recount(days=60, now=NOW) == 3
    assert counts() == [(shop.merchant_id, 19, 1, 1), (shop.merchant_id, 20, 3, 2), (other.merchant_id, 20, 1, 0)]


def test_counting_again_follows_what_was_superseded():
    shop = ShopFactory()
    decided(shop, days_ago=0, lost=1)
    decided(shop, days_ago=1, found=1)
    recount(days=2, now=NOW)
    Match.objects.filter(outcome="NO_MATCH").update(superseded_at=NOW)
    decided(shop, days_ago=1, found=1)
    later = NOW + timedelta(minutes=1)
    for _ in range(2):
        recount(days=2, now=later)
        assert counts() == [(shop.merchant_id, 19, 2, 2)]


def test_counts_are_kept_fresh_and_not_counted_all_the_time(django_assert_num_queries):
    shop = ShopFactory()
    decided(shop, days_ago=40, found=1)
    assert keep_counts_fresh(now=NOW) == 1
    decided(shop, days_ago=0, found=1)
    with django_assert_num_queries(1):
        assert keep_counts_fresh(now=NOW + timedelta(minutes=14)) == 0
    assert keep_counts_fresh(now=NOW + timedelta(minutes=16)) == 1
    decided(shop, days_ago=41, found=1)
    assert keep_counts_fresh(now=NOW + timedelta(minutes=32)) == 1
    assert keep_counts_fresh(now=NOW + timedelta(hours=25)) == 3
    # What lies longer ago than anybody looks goes away.
    keep_counts_fresh(now=NOW + timedelta(days=30))
    assert [day for _, day, _, _ in counts()] == [20]


def test_rate_is_of_30_days_and_compared_with_the_30_before():
    merchant = ShopFactory().merchant
    a_day(merchant, days_ago=0, asked=10, matched=9)
    a_day(merchant, days_ago=29, asked=10, matched=7)
    a_day(merchant, days_ago=30, asked=10, matched=6)
    a_day(merchant, days_ago=60, asked=10, matched=0)
    (rate,) = match_rates(now=NOW)
    assert (rate.asked, rate.matched, rate.percent, rate.points) == (20, 16, 80, 20)
    assert not rate.has_drifted


@pytest.mark.parametrize(
    ("lately", "before", "drifted"),
    [((20, 14), (100, 95), True), ((20, 16), (100, 95), False), ((9, 0), (100, 95), False), ((20, 0), (19, 19), False)],
)
def test_drift_is_a_fall_among_enough_returns(lately, before, drifted):
    merchant = ShopFactory().merchant
    a_day(merchant, days_ago=1, asked=lately[0], matched=lately[1])
    a_day(merchant, days_ago=10, asked=before[0], matched=before[1])
    (rate,) = match_rates(now=NOW)
    assert rate.has_drifted is drifted


def test_rates_are_of_the_merchants_that_were_named_and_worst_first(django_assert_num_queries):
    merchants = [ShopFactory().merchant for _ in range(4)]
    for merchant, matched in zip(merchants, (9, 5, 7, 1), strict=True):
        a_day(merchant, days_ago=5, asked=10, matched=matched)
    a_day(merchants[0], days_ago=0, asked=20, matched=2)
    a_day(merchants[0], days_ago=6, asked=20, matched=19)
    with django_assert_num_queries(1):
        rates = match_rates(now=NOW, merchants=[merchant.pk for merchant in merchants[:3]])
    assert [rate.merchant_id for rate in rates] == [merchants[0].pk, merchants[1].pk, merchants[2].pk]
    assert match_rates(now=NOW, merchants=[]) == []
