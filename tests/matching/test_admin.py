"""The admin's pages of sales orders: they open, and show neither an address nor a way to change an order."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from matching.models import ErrandState, OrderRelay, OrderSource, SalesOrder
from merchants.models import AuditEntry
from tests.factories import (
    MatchFactory,
    OrderRelayFactory,
    ReferenceWriteFactory,
    SalesOrderFactory,
    SalesOrderItemFactory,
)

pytestmark = pytest.mark.django_db
ORDERS = reverse("admin:matching_salesorder_changelist")


def order(**columns: Any) -> SalesOrder:
    made: SalesOrder = SalesOrderFactory(payload={"clientOrderId": "<SO>"}, **columns)
    SalesOrderItemFactory(order=made)
    SalesOrderItemFactory(order=made, removed_at=timezone.now(), price="9.90", currency="GBP")
    return made


def change_page(row: SalesOrder) -> str:
    return reverse("admin:matching_salesorder_change", args=[row.pk])


def queries(client: Any, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_every_page_opens_in_every_state_and_shows_no_address(admin_client):
    rows = [order(source=source) for source in OrderSource]
    rows += [
        order(cancelled_at=timezone.now()),
        order(metadata_conflict="omsOrderId is SO-2"),
        order(oms_order_id=None),
    ]
    for address in [ORDERS, *map(change_page, rows)]:
        answer = admin_client.get(address)
        page = answer.content.decode()
        assert answer.status_code == 200
        assert [address for address in ("Secretia Hidden", "14 Unseen Street") if address in page] == []
    assert "&quot;clientOrderId&quot;: &quot;&lt;SO&gt;&quot;" in page


def test_page_asks_for_a_value_three_times_at_most(admin_client):
    """The theme's own template makes it five, each with the queries behind the value."""
    first = order()
    MatchFactory(sales_order=first, shop__merchant=first.merchant)
    with CaptureQueriesContext(connection) as captured:
        assert admin_client.get(change_page(first)).status_code == 200
    assert len([query for query in captured if 'FROM "matching_match"' in query["sql"]]) <= 3


@pytest.mark.parametrize("of_a_row", [False, True])
def test_page_costs_the_same_with_one_row_and_with_three(admin_client, of_a_row):
    first = order()
    address = change_page(first) if of_a_row else ORDERS
    admin_client.get(address)
    one = queries(admin_client, address)
    order(), order()
    SalesOrderItemFactory.create_batch(2, order=first)
    assert queries(admin_client, address) == one


def test_order_is_found_by_each_of_its_ids_and_by_nothing_else(admin_client):
    row = order()
    order()
    for term in (row.external_order_id, row.rebound_id):
        for asked, found in ((term, [row]), (f" {term} ", [row]), (term[:-1], [])):
            assert list(admin_client.get(ORDERS, {"q": asked}).context["cl"].result_list) == found


def test_filter_lists_what_it_says(admin_client):
    row = order(source=OrderSource.FILE)
    order()
    assert list(admin_client.get(ORDERS, {"source__exact": "FILE"}).context["cl"].result_list) == [row]


def test_order_is_not_changed_here(admin_client):
    row = order()
    before = SalesOrder.objects.values().get()
    assert admin_client.post(change_page(row), {"oms_order_id": "other"}).status_code == 403
    assert admin_client.post(reverse("admin:matching_salesorder_delete", args=[row.pk])).status_code == 403
    assert admin_client.get(reverse("admin:matching_salesorder_add")).status_code == 403
    assert SalesOrder.objects.values().get() == before


def test_viewer_sees_and_stranger_does_not(client):
    row = order()
    assert client.get(ORDERS).status_code == 302
    user = User.objects.create_user("viewer", password=None, is_staff=True)
    client.force_login(user)
    assert client.get(ORDERS).status_code == 403
    assert client.get(change_page(row)).status_code == 404
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    assert client.get(change_page(row)).status_code == 200


RELAYS = reverse("admin:matching_orderrelay_changelist")
WRITES = reverse("admin:matching_referencewrite_changelist")


def test_relays_are_shown_in_every_state_with_their_order(admin_client):
    rows = [OrderRelayFactory(order=order(), state=state, detail=f"<why {state}>") for state in ErrandState]
    for row in rows:
        page = admin_client.get(change_page(row.order)).content.decode()
        assert f"&lt;why {row.state}&gt;" in page
        own = reverse("admin:matching_orderrelay_change", args=[row.pk])
        assert own in page
        assert admin_client.get(own).status_code == 200
    page = admin_client.get(RELAYS).content.decode()
    assert [row for row in rows if row.order.external_order_id not in page] == []
    assert "Unseen" not in page


def test_list_of_relays_costs_the_same_with_one_row_and_with_three(admin_client):
    OrderRelayFactory()
    admin_client.get(RELAYS)
    one = queries(admin_client, RELAYS)
    OrderRelayFactory.create_batch(2)
    assert queries(admin_client, RELAYS) == one


def test_person_tries_what_was_refused_again_and_leaves_what_is_done(admin_client):
    refused, done = OrderRelayFactory(state="REFUSED", detail="no"), OrderRelayFactory(state="DONE")
    chosen = {"action": "try_again", "_selected_action": [refused.pk, done.pk]}
    answer = admin_client.post(RELAYS, chosen, follow=True)
    assert "1 queued again" in answer.content.decode()
    assert dict(OrderRelay.objects.values_list("pk", "state")) == {refused.pk: "QUEUED", done.pk: "DONE"}


def test_errands_are_found_by_their_order_without_a_join(admin_client):
    relay, write = OrderRelayFactory(order__external_order_id="#7"), ReferenceWriteFactory(tiktok_order_id="5764")
    OrderRelayFactory(), ReferenceWriteFactory()
    for address, term, wanted in (
        (RELAYS, " #7 ", [relay]),
        (RELAYS, "#8", []),
        (WRITES, "5764", [write]),
        (WRITES, write.order.external_order_id, [write]),
    ):
        with CaptureQueriesContext(connection) as captured:
            assert list(admin_client.get(address, {"q": term}).context["cl"].result_list) == wanted
        assert [
            query["sql"] for query in captured if "external_order_id\" = '" in query["sql"] and "JOIN" in query["sql"]
        ] == []


def test_viewer_may_not_try_again(client):
    row = OrderRelayFactory(state="REFUSED")
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_orderrelay"))
    client.force_login(viewer)
    client.post(RELAYS, {"action": "try_again", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.state == "REFUSED"


def test_order_page_says_what_is_odd_and_which_returns_came_of_it(admin_client):
    row = order(metadata_conflict="omsOrderId is SO-2", source=OrderSource.PUSHED)
    match = MatchFactory(sales_order=row, shop__merchant=row.merchant)
    page = admin_client.get(change_page(row)).content.decode()
    assert "omsOrderId is SO-2" in page
    assert "Without items no returned item can be matched" in page
    assert f'href="{reverse("admin:returns_tiktokreturn_changelist")}?q={match.return_id}"' in page
    read = admin_client.get(change_page(order(source=OrderSource.READ_THROUGH))).content.decode()
    assert "Without items" not in read


def test_look_at_an_address_needs_the_permission_and_is_logged(admin_client, admin_user, client):
    row = order()
    address = reverse("admin:matching_salesorder_address", args=[row.pk])
    page = admin_client.get(address)
    assert "14 Unseen Street" in page.content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.actor, entry.subject_name) == ("Looked at buyer data", admin_user, row.external_order_id)
    viewer = User.objects.create_user("viewer", password=None, is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__in=["view_every_merchant", "view_salesorder"]))
    client.force_login(viewer)
    assert client.get(address).status_code == 403
    assert AuditEntry.objects.count() == 1
