"""Filters of the lists: by name in the address, each answered by an index of its own, within one's own merchants."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Count
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from matching.models import SalesOrder
from merchants.models import StaffAssignment
from merchants.staff import Role
from rebound_tts.demo.cast import Player
from returns.models import TikTokReturn
from tests.factories import (
    LaneFactory,
    ReboundReturnFactory,
    ReturnLabelFactory,
    SalesOrderFactory,
    ShopFactory,
    TikTokReturnFactory,
    WebhookEventFactory,
)
from tests.returns.scene import Scene

RETURNS = reverse("admin:returns_tiktokreturn_changelist")
ORDERS = reverse("admin:matching_salesorder_changelist")
EVENTS = reverse("admin:returns_webhookevent_changelist")
AT_REBOUND = reverse("admin:returns_reboundreturn_changelist")


def listed(client: Client, address: str, **query: str) -> list[Any]:
    return list(client.get(address, query).context["cl"].result_list)


@pytest.fixture
def player(scene: Scene) -> Player:
    return scene.story.cast.oms


def test_return_at_rest_says_what_it_was_matched_as_and_under_which_origin(scene: Scene, player: Player) -> None:
    expected = scene.buys_and_returns(player)
    scene.starts(expected)
    row = scene.row(expected.return_id)
    assert (row.match_outcome, row.platform_origin) == ("MATCHED", player.shop.platform_origin)
    scene.changes(player, expected.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    row.refresh_from_db()
    assert (row.status, row.match_outcome) == ("CANCELLED", "")


@pytest.mark.django_db
def test_returns_are_filtered_by_outcome_and_origin_and_the_filter_survives(admin_client: Client) -> None:
    shop = ShopFactory()
    found = TikTokReturnFactory(shop=shop, match_outcome="NO_MATCH", platform_origin="SHOPIFY")
    TikTokReturnFactory(shop=shop, match_outcome="NO_MATCH", platform_origin="MAGENTO")
    TikTokReturnFactory(shop=shop, match_outcome="MATCHED", platform_origin="SHOPIFY")
    filters = {"match_outcome__exact": "NO_MATCH", "platform_origin__exact": "SHOPIFY"}
    assert listed(admin_client, RETURNS, **filters) == [found]
    page = admin_client.get(RETURNS, filters).content.decode()
    address = "match_outcome__exact=NO_MATCH&amp;platform_origin__exact=SHOPIFY"
    for leads_on in ("admin:returns_tiktokreturn_bulk", "admin:returns_tiktokreturn_export"):
        assert f'"{reverse(leads_on)}?{address}"' in page
    exported = b"".join(admin_client.get(reverse("admin:returns_tiktokreturn_export"), filters).streaming_content)
    assert exported.decode().count("\n") == 2
    assert found.return_id in exported.decode()


@pytest.mark.django_db
def test_events_are_found_by_each_of_their_ids_through_its_index(admin_client: Client) -> None:
    found = WebhookEventFactory(dedupe_key="N-1", correlation_id="c-1", shop_id="7001", source="REBOUND")
    WebhookEventFactory(dedupe_key="N-2", correlation_id="c-2", shop_id="7002")
    for term in ("N-1", " c-1 ", "7001"):
        assert listed(admin_client, EVENTS, q=term) == [found]
    assert listed(admin_client, EVENTS, q="nothing-like-it") == []
    assert len(listed(admin_client, EVENTS, q=" ")) == 2
    with CaptureQueriesContext(connection) as captured:
        admin_client.get(EVENTS, {"q": "c-1"})
    assert [query["sql"] for query in captured if " OR " in query["sql"] and "webhookevent" in query["sql"]] == []


@pytest.mark.django_db
def test_filter_by_a_merchant_or_shop_of_others_finds_nothing_and_asks_no_table(client: Client) -> None:
    own, other = TikTokReturnFactory(), TikTokReturnFactory()
    user = User.objects.create_user("mona", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=Role.MANAGER.value))
    StaffAssignment.objects.create(merchant=own.merchant, user=user)
    client.force_login(user)
    for name in ("merchant", "shop"):
        field = f"{name}__id__exact"
        assert listed(client, RETURNS, **{field: getattr(own, f"{name}_id")}) == [own]
        with CaptureQueriesContext(connection) as captured:
            assert listed(client, RETURNS, **{field: getattr(other, f"{name}_id")}) == []
        assert [query["sql"] for query in captured if 'FROM "returns_tiktokreturn"' in query["sql"]] == []
        assert client.get(RETURNS, {field: "none"}).status_code == 302  # no such value: the list without it


@pytest.mark.django_db
@pytest.mark.parametrize("few", [0, 1000], ids=["many", "few"])
def test_returns_are_filtered_by_what_rebound_has(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("returns.admin.filters.FEW", few)
    shop = ShopFactory()
    LaneFactory(shop=shop, country="FR")
    linked = ReboundReturnFactory(shop=shop, kind="LINKED", direct_reason="", sales_order=SalesOrderFactory())
    direct = ReboundReturnFactory(
        shop=shop, kind="DIRECT", direct_reason="ORDER_NOT_SYNCED", sales_order=None, country="FR"
    )
    rows = {held.kind: TikTokReturnFactory(shop=shop, rebound_return=held) for held in (linked, direct)}
    TikTokReturnFactory(shop=shop)
    for kind, row in rows.items():
        assert listed(admin_client, RETURNS, rebound_return__kind__exact=kind) == [row]
    assert listed(admin_client, RETURNS, why="ORDER_NOT_SYNCED") == [rows["DIRECT"]]
    assert listed(admin_client, RETURNS, why="LOOKUP_FAILED") == []
    assert listed(admin_client, RETURNS, country="FR") == [rows["DIRECT"]]
    assert listed(admin_client, AT_REBOUND, kind__exact="LINKED") == [linked]
    with CaptureQueriesContext(connection) as captured:
        assert listed(admin_client, AT_REBOUND, why="ORDER_NOT_SYNCED") == [direct]
    assert [query["sql"] for query in captured if "DISTINCT" in query["sql"]] == []


@pytest.mark.django_db
def test_returns_at_rebound_are_found_by_each_of_their_ids_through_its_index(admin_client: Client) -> None:
    found = ReboundReturnFactory(reference="TTS-1", rebound_id="RR-1")
    ReturnLabelFactory(rebound_return=found, tracking_number="RM-1")
    ReboundReturnFactory(reference="TTS-2", rebound_id="RR-2")
    for term in ("TTS-1", "RR-1", " RM-1 "):
        assert listed(admin_client, AT_REBOUND, q=term) == [found]
    assert listed(admin_client, AT_REBOUND, q="nothing-like-it") == []
    with CaptureQueriesContext(connection) as captured:
        admin_client.get(AT_REBOUND, {"q": "RR-1"})
    assert [query["sql"] for query in captured if " OR " in query["sql"] and "reboundreturn" in query["sql"]] == []


@pytest.mark.django_db
def test_orders_are_filtered_by_source(admin_client: Client) -> None:
    orders = {source: SalesOrderFactory(source=source) for source in ("PUSHED", "FILE", "READ_THROUGH")}
    for source, order in orders.items():
        assert listed(admin_client, ORDERS, source__exact=source) == [order]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "filters", "index"),
    [
        (TikTokReturn, {"match_outcome": "ORDER_ONLY"}, "returns_listed_by_outcome"),
        (TikTokReturn, {"platform_origin": "MAGENTO"}, "returns_listed_by_origin"),
        (SalesOrder, {"source": "FILE"}, "orders_of_a_source"),
    ],
)
def test_filter_has_an_index_that_gives_the_order_of_the_list(model: Any, filters: dict[str, str], index: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # a table of no rows is read whole, whatever indexes there are
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
    plan = model.objects.filter(**filters).order_by("-pk")[:51].explain()
    assert index in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "filters"),
    [
        (RETURNS, {"match_outcome__exact": "NO_MATCH", "platform_origin__exact": "SHOPIFY"}),
        (ORDERS, {"source__exact": "FILE"}),
    ],
)
def test_filter_stays_within_ones_own_merchants_at_the_same_price(
    client: Client, address: str, filters: dict[str, str]
) -> None:
    own = ShopFactory()
    user = User.objects.create_user("mona", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=Role.MANAGER.value))
    StaffAssignment.objects.create(merchant=own.merchant, user=user)
    client.force_login(user)
    counts = []
    for more in (1, 2):
        for shop in (own, ShopFactory()):
            for _ in range(more):
                TikTokReturnFactory(shop=shop, match_outcome="NO_MATCH", platform_origin="SHOPIFY")
                SalesOrderFactory(merchant=shop.merchant, source="FILE")
        with CaptureQueriesContext(connection) as captured:
            rows = listed(client, address, **filters)
        assert {row.merchant_id for row in rows} == {own.merchant_id}
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_events_of_a_shop_are_found_newest_first_by_the_index_of_its_times(admin_client: Client) -> None:
    at = timezone.now()
    second, first, third = (
        WebhookEventFactory(shop_id="7001", received_at=at + timedelta(seconds=number)) for number in (2, 1, 3)
    )
    WebhookEventFactory(shop_id="7002")
    with CaptureQueriesContext(connection) as captured:
        assert listed(admin_client, EVENTS, q="7001") == [third, second, first]
    (keys,) = (query["sql"] for query in captured if "received_at" in query["sql"] and "LIMIT 50" in query["sql"])
    assert 'ORDER BY "returns_webhookevent"."received_at" DESC, 1 DESC' in keys


def test_postgresql_is_told_that_a_shop_has_one_merchant(db: None) -> None:
    """Else it reads all returns of a shop to show its staff the first fifty of one status."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite walks the shop's index anyway")
    with connection.cursor() as cursor:
        cursor.execute("SELECT stxkind FROM pg_statistic_ext WHERE stxrelid = 'returns_tiktokreturn'::regclass")
        assert cursor.fetchall() == [(["f"],)]


def test_labels_not_delivered_are_counted_by_an_index_alone(db: None) -> None:
    """SQLite would else read each return of the work queue's number."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL knows that what an index is limited to holds for its rows")
    for rows in (TikTokReturn.objects.all(), TikTokReturn.objects.filter(merchant__in=[1, 2])):
        counted = rows.label_not_delivered().values("status").annotate(count=Count("*")).order_by()
        assert "USING COVERING INDEX returns_without_labels" in counted.explain()
