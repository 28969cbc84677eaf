"""Installs that stalled: the step of the wizard at which each stands, and for how long, wherever staff look."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from matching.coverage.models import CheckState
from matching.coverage.services import start_check
from merchants.installs import standings, wizard_steps
from merchants.models import Shop
from merchants.wizard.steps import first_open
from returns.models import Trial
from tests.factories import LaneFactory, ShopFactory

pytestmark = pytest.mark.django_db
SHOPS = reverse("admin:merchants_shop_changelist")


def stalled(days: int = 12, **options: Any) -> Shop:
    shop: Shop = ShopFactory(live_at=None, created_at=timezone.now() - timedelta(days=days, hours=1), **options)
    return shop


def at_each_step() -> list[Shop]:
    """A shop at each step but the first, with all steps before its own done."""
    now = timezone.now()
    chosen = {"matching_chosen_at": now}
    confirmed = {**chosen, "checklist_confirmed_at": now}
    shops = [
        stalled(rebound_account=None),
        stalled(),
        stalled(**chosen),
        stalled(**chosen),
        stalled(**chosen),
        stalled(**confirmed),
        stalled(**confirmed),
    ]
    for shop in shops[3:]:
        check = start_check(shop=shop, sample_size=20, now=now)
        type(check).objects.filter(pk=check.pk).update(state=CheckState.DONE, finished_at=now)
    for shop in shops[4:]:
        LaneFactory(shop=shop)
    Trial.objects.create(
        merchant=shops[6].merchant, shop=shops[6], order_id="T1", outcome="MATCHED", is_linked=True, asked_at=now
    )
    return shops


def test_each_install_stands_at_its_first_open_step_in_two_queries() -> None:
    at_each_step()
    at_hand = Shop.objects.select_related("authorization", "rebound_account").prefetch_related("lanes")
    shops = list(at_hand.order_by("pk"))
    with CaptureQueriesContext(connection) as captured:
        found = standings(shops)
    assert len(captured) == 2
    assert [found[shop.pk].step for shop in shops] == [first_open(wizard_steps(), shop) for shop in shops]
    assert [found[shop.pk].number for shop in shops] == [2, 3, 4, 5, 6, 7, 8]


def test_queue_names_the_longest_with_step_days_and_link(admin_client: Client) -> None:
    shop = stalled(days=12, name="Nordic Tea UK", rebound_account=None)
    for days in (5, 6, 7, 8, 9, 4):
        stalled(days=days)
    cards = admin_client.get(reverse("admin:index")).context["queue"].cards
    card = next(card for card in cards if "stall" in card.title)
    assert card.count == 7
    assert [line.count for line in card.lines] == [12, 9, 8, 7, 6]
    stands = str(standings([shop])[shop.pk])
    assert stands.startswith("Step 2 of 8: ")
    page = reverse("admin:merchants_shop_change", args=[shop.pk])
    assert (card.lines[0].text, card.lines[0].url) == (f"days: Nordic Tea UK, {stands}", page)
    for address in (page, f"{SHOPS}?connection=stalled"):
        assert f"{stands}; connected 12 days ago" in admin_client.get(address).content.decode()


def test_list_of_shops_costs_the_same_with_many_installs(admin_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(SHOPS).status_code == 200
        return len(captured)

    at_each_step()
    admin_client.get(SHOPS)
    some = queries()
    at_each_step()
    assert queries() == some


def test_live_shop_stands_at_no_step(admin_client: Client) -> None:
    shop = ShopFactory(live_at=timezone.now())
    for address in (reverse("admin:merchants_shop_change", args=[shop.pk]), SHOPS):
        assert "Step 8 of 8" not in admin_client.get(address).content.decode()
