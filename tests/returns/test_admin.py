"""The admin's pages of returns, events and ReBound returns: they open, show no secret, and their acts queue work."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from merchants.models import AuditEntry
from returns.models import EventOutcome, Reason, Status, TikTokReturn
from tests.factories import (
    PDF,
    PNG,
    ItemMatchFactory,
    MatchFactory,
    ReboundReturnFactory,
    ReturnLabelFactory,
    SalesOrderFactory,
    ShopFactory,
    StepAttemptFactory,
    TikTokReturnFactory,
    TikTokReturnItemFactory,
    WebhookEventFactory,
)

RETURNS = reverse("admin:returns_tiktokreturn_changelist")
LISTS = [reverse(f"admin:returns_{name}_changelist") for name in ("tiktokreturn", "reboundreturn", "webhookevent")]
SECRETS = ("secret", "Secretia Hidden", "14 Unseen Street")
pytestmark = pytest.mark.django_db
TRAIL = [
    {"rule": "id_rules", "compared": [], "concluded": "Ids are compared exactly."},
    {"rule": "order", "compared": [["order's id", "<SO-1>"]], "concluded": "ORDER_NOT_SYNCED: no order & no item."},
]


def change_page(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def delivered(*, label_format: str = "PDF", **columns: Any) -> TikTokReturn:
    """A return with everything that can hang on one."""
    order = SalesOrderFactory()
    shop = ShopFactory(merchant=order.merchant)
    rebound_return = ReboundReturnFactory(
        shop=shop,
        kind="LINKED",
        direct_reason="",
        sales_order=order,
        request={"items": [{"sku": "wool-socks"}]},
        payload={"status": "ACTIVE"},
    )
    is_pdf = label_format == "PDF"
    ReturnLabelFactory(
        rebound_return=rebound_return,
        format=label_format,
        content=PDF if is_pdf else PNG,
        content_type="application/pdf" if is_pdf else "image/png",
    )
    columns = {"payload": {"return_status": "AWAITING_BUYER_SHIP"}, "status": Status.DONE, **columns}
    row = TikTokReturnFactory(
        shop=shop,
        rebound_return=rebound_return,
        label_delivered_at=timezone.now(),
        fetched_at=timezone.now(),
        **columns,
    )
    match = MatchFactory(shop=shop, return_id=row.return_id, sales_order=order, trail=TRAIL)
    ItemMatchFactory(match=match)
    TikTokReturnItemFactory(tiktok_return=row)
    StepAttemptFactory(tiktok_return=row)
    StepAttemptFactory(tiktok_return=row, step="DELIVER", outcome="DONE", finished_at=timezone.now())
    WebhookEventFactory(
        tiktok_return=row, merchant=shop.merchant, shop_id=shop.shop_id, handled_at=timezone.now(), outcome="APPLIED"
    )
    return row


def in_every_state() -> list[TikTokReturn]:
    rows = [delivered(), delivered(label_format="QR"), TikTokReturnFactory()]
    resting = {Status.WAITING: "ORDER_AWAITED", Status.NOT_OURS: "REFUND_ONLY", Status.CANCELLED: ""}
    rows += [TikTokReturnFactory(status=status, reason=reason) for status, reason in resting.items()]
    rows += [TikTokReturnFactory(status=Status.NEEDS_ATTENTION, reason=reason) for reason in Reason]
    unconfirmed = ReboundReturnFactory(rebound_id="", confirmed_at=None, rebound_status="")
    rows.append(TikTokReturnFactory(shop=unconfirmed.shop, rebound_return=unconfirmed))
    undecided = MatchFactory(outcome="NO_MATCH", reason="ORDER_NOT_SYNCED", sales_order=None, is_curable=True)
    rows.append(TikTokReturnFactory(shop=undecided.shop, return_id=undecided.return_id))
    rows.append(TikTokReturnFactory(shop__rebound_account=None, claimed_until=timezone.now()))
    return rows


def page_of(client: Any, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    page: str = answer.content.decode()
    assert [secret for secret in SECRETS if secret in page] == [], address
    return page


def queries(client: Any, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


# Pages


def test_every_page_opens_in_every_state_and_shows_no_secret(admin_client):
    for row in in_every_state():
        page_of(admin_client, change_page(row))
        if row.rebound_return:
            page_of(admin_client, change_page(row.rebound_return))
    for outcome in EventOutcome:
        event = WebhookEventFactory(outcome=outcome, handled_at=timezone.now(), detail="why")
        page_of(admin_client, change_page(event))
    for address in [*LISTS, reverse("admin:index"), reverse("admin:app_list", args=["returns"])]:
        page_of(admin_client, address)


@pytest.mark.parametrize("address", LISTS)
def test_list_costs_the_same_with_one_row_and_with_three(admin_client, address):
    delivered()
    admin_client.get(address)
    one = queries(admin_client, address)
    delivered(label_format="QR")
    delivered()
    assert queries(admin_client, address) == one
    assert one <= 10


def test_return_page_costs_the_same_with_one_attempt_and_with_three(admin_client):
    row = delivered()
    admin_client.get(change_page(row))
    one = queries(admin_client, change_page(row))
    for _ in range(2):
        StepAttemptFactory(tiktok_return=row)
        TikTokReturnItemFactory(tiktok_return=row)
        WebhookEventFactory(tiktok_return=row, merchant=row.merchant)
    assert queries(admin_client, change_page(row)) == one


def test_return_page_shows_the_trail_escaped_and_links_the_order(admin_client):
    row = delivered()
    page = page_of(admin_client, change_page(row))
    asked = (
        '<th scope="row">Is there a sales order with this id?</th><td>Sales order id: <code>&lt;SO-1&gt;</code></td>'
    )
    assert f'{asked}<td title="ORDER_NOT_SYNCED: no order &amp; no item.">No.</td>' in page
    assert "id_rules" not in page
    assert f'<a href="{change_page(row.rebound_return.sales_order)}">' in page
    assert f'<a href="{reverse("admin:returns_tiktokreturn_label", args=[row.pk])}">' in page


def listed(client: Any, address: str, **query: str) -> set[int]:
    answer = client.get(address, query)
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


def test_return_is_found_by_each_of_its_ids_and_by_nothing_else(admin_client):
    row = delivered()
    delivered()
    rebound_return = row.rebound_return
    external_id = rebound_return.sales_order.external_order_id
    tracking = rebound_return.label.tracking_number
    for term in (row.return_id, row.order_id, rebound_return.reference, tracking, external_id):
        assert listed(admin_client, RETURNS, q=term) == {row.pk}
        assert listed(admin_client, RETURNS, q=f" {term} ") == {row.pk}
        assert listed(admin_client, RETURNS, q=term[:-1]) == set()


def test_rebound_return_and_event_are_found_by_their_ids(admin_client):
    row = delivered()
    delivered()
    (event,) = row.events.all()
    rebound_return = row.rebound_return
    for term in (rebound_return.reference, rebound_return.rebound_id, rebound_return.label.tracking_number):
        assert listed(admin_client, LISTS[1], q=term) == {rebound_return.pk}
    for term in (event.dedupe_key, event.correlation_id, event.shop_id):
        assert listed(admin_client, LISTS[2], q=term) == {event.pk}


@pytest.mark.parametrize(
    ("name", "value"),
    [("status__exact", "DONE"), ("rebound_return__kind__exact", "LINKED"), ("merchant__id__exact", None)],
)
def test_filter_lists_what_it_says(admin_client, name, value):
    row = delivered()
    TikTokReturnFactory(status="NEEDS_ATTENTION", reason="NO_LANE")
    assert listed(admin_client, RETURNS, **{name: value or str(row.merchant_id)}) == {row.pk}


def test_filter_by_reason_lists_what_it_says(admin_client):
    delivered()
    stuck = TikTokReturnFactory(status="NEEDS_ATTENTION", reason="NO_LANE")
    assert listed(admin_client, RETURNS, reason__exact="NO_LANE") == {stuck.pk}
    assert listed(admin_client, RETURNS, shop__id__exact=str(stuck.shop_id)) == {stuck.pk}


def test_page_of_a_return_saves_nothing(admin_client):
    row = delivered()
    assert admin_client.post(change_page(row), {"status": "OPEN"}).status_code == 403
    assert admin_client.post(reverse("admin:returns_tiktokreturn_delete", args=[row.pk])).status_code == 403
    assert admin_client.get(reverse("admin:returns_tiktokreturn_add")).status_code == 403
    row.refresh_from_db()
    assert row.status == "DONE"


def log() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("subject_name", "act"))


# Who may


@pytest.fixture
def viewer(client: Any) -> Any:
    user = User.objects.create_user("viewer", password=None, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def test_viewer_sees_and_changes_nothing(viewer):
    stuck = TikTokReturnFactory(status="WAITING", reason="ORDER_AWAITED")
    page = page_of(viewer, RETURNS)
    assert 'name="action"' not in page
    page_of(viewer, change_page(stuck))
    for action in ("act_run_again", "act_send_direct", "delete_selected"):
        viewer.post(RETURNS, {"action": action, "_selected_action": [stuck.pk]})
    assert viewer.post(change_page(stuck), {}).status_code == 403
    held = TikTokReturn.objects.get()
    assert (held.hint_count, held.direct_asked_at, held.next_attempt_at) == (1, None, None)
    assert log() == []
    assert OrmQ.objects.count() == 0


@pytest.mark.parametrize("address", LISTS)
def test_staff_without_permission_is_refused(client, db, address):
    client.force_login(User.objects.create_user("nobody", password=None, is_staff=True))
    assert client.get(address).status_code == 403


def test_anonymous_is_sent_to_the_login(client):
    row = delivered()
    label = reverse("admin:returns_tiktokreturn_label", args=[row.pk])
    for address in [*LISTS, change_page(row), change_page(row.rebound_return), label]:
        answer = client.get(address)
        assert (answer.status_code, answer["Location"]) == (302, f"{reverse('admin:login')}?next={address}")
    assert client.post(RETURNS, {"action": "act_run_again", "_selected_action": [row.pk]}).status_code == 302
    row.refresh_from_db()
    assert row.hint_count == 1


# The label


@pytest.mark.parametrize(
    ("label_format", "content", "content_type", "ending"),
    [("PDF", PDF, "application/pdf", "pdf"), ("QR", PNG, "image/png", "png")],
)
def test_label_is_shown_as_data(admin_client, label_format, content, content_type, ending):
    row = delivered(label_format=label_format)
    answer = admin_client.get(reverse("admin:returns_tiktokreturn_label", args=[row.pk]))
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, content, content_type)
    assert answer["Content-Disposition"] == f'inline; filename="{row.rebound_return.label.pk}.{ending}"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]


def test_label_that_is_not_there_is_not_found(admin_client):
    unlabelled = ReboundReturnFactory()
    for row in (TikTokReturnFactory(), TikTokReturnFactory(shop=unlabelled.shop, rebound_return=unlabelled)):
        assert admin_client.get(reverse("admin:returns_tiktokreturn_label", args=[row.pk])).status_code == 404
    assert admin_client.get(reverse("admin:returns_tiktokreturn_label", args=[999_999])).status_code == 404


def test_label_needs_the_permission_to_view(client, db):
    user = User.objects.create_user("nobody", password=None, is_staff=True)
    client.force_login(user)
    address = reverse("admin:returns_tiktokreturn_label", args=[delivered().pk])
    assert client.get(address).status_code == 404
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_every_merchant", "view_tiktokreturn"]))
    assert client.get(address).status_code == 403
    assert AuditEntry.objects.count() == 0


def test_look_at_a_label_is_logged_since_it_carries_the_address(admin_client, admin_user):
    row = delivered()
    admin_client.get(reverse("admin:returns_tiktokreturn_label", args=[row.pk]))
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.actor, entry.subject_name) == ("Looked at buyer data", admin_user, row.return_id)
    assert (entry.merchant, entry.correlation_id) == (row.merchant, row.correlation_id)
