"""The page of a return: the timeline, the match panel, what would cure it and who can, and links both ways."""

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from matching.matcher import Reason as MatchReason
from merchants.audit import record_act
from merchants.settings_history import note_settings
from returns.acts import Name
from returns.admin.advice import AT_REST, CURES, FOR_REASON, NOT_OURS, next_move
from returns.admin.match_panel import match_panel
from returns.admin.timeline import timeline
from returns.bulk import runs_are_due, start_run
from returns.models import Reason, Status, TikTokReturn
from returns.tasks import sweep
from tests.factories import (
    ItemMatchFactory,
    MatchFactory,
    SalesOrderFactory,
    SalesOrderItemFactory,
    StepAttemptFactory,
    TikTokReturnFactory,
    TikTokReturnItemFactory,
    WebhookEventFactory,
)

pytestmark = pytest.mark.django_db


def page_of(client: Any, row: TikTokReturn) -> str:
    answer = client.get(reverse("admin:returns_tiktokreturn_change", args=[row.pk]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_every_state_and_reason_says_what_is_next_and_who_can() -> None:
    assert set(AT_REST) == {Status.OPEN, Status.DONE, Status.CANCELLED}
    assert set(CURES) == set(MatchReason)
    without = [reason for reason in Reason if reason not in FOR_REASON]
    assert without == [
        Reason.REFUND_ONLY,
        Reason.BUYER_KEEPS_ITEM,
        Reason.PLATFORM_LABEL,
        Reason.BUYER_SHIPS,
        Reason.ALREADY_SHIPPED,
        Reason.LABEL_BY_OTHERS,
        Reason.REJECTED,
        Reason.CLOSED,
    ]
    assert next_move(TikTokReturn(status="NOT_OURS", reason="REFUND_ONLY")) is NOT_OURS


def test_timeline_merges_everything_newest_first(admin_user: User) -> None:
    now = timezone.now()
    row = TikTokReturnFactory(created_at=now - timedelta(hours=3))
    event = WebhookEventFactory(
        tiktok_return=row, received_at=now - timedelta(hours=2), handled_at=now - timedelta(hours=2), outcome="APPLIED"
    )
    attempt = StepAttemptFactory(
        tiktok_return=row,
        started_at=now - timedelta(hours=1),
        finished_at=now - timedelta(hours=1) + timedelta(milliseconds=1500),
        outcome="TEMPORARY",
        detail="NO_MATCH ORDER_NOT_SYNCED",
    )
    record_act(act="Run again", actor=admin_user, subject=row, reason="asked by the merchant", now=now)
    entries = timeline(row, matches=[], user=admin_user)
    assert [(entry.kind, entry.title) for entry in entries] == [
        ("Person", "Run again"),
        ("Step", "Fetch from TikTok"),
        ("Webhook", "Return changed (12)"),
        ("Return", "First heard of"),
    ]
    assert (entries[0].actor, entries[0].detail) == (admin_user.username, "asked by the merchant")
    assert (entries[1].took_seconds, entries[1].tone, entries[1].detail) == (
        "1.5 s",
        "wait",
        "No match: Order not synced",
    )
    assert entries[1].link == reverse("admin:returns_stepattempt_change", args=[attempt.pk])
    assert entries[2].link == reverse("admin:returns_webhookevent_change", args=[event.pk])


def test_audit_entries_are_for_those_who_may_see_the_log(client: Any) -> None:
    row = TikTokReturnFactory()
    record_act(act="Looked at buyer data", actor="somebody", subject=row, now=timezone.now())
    viewer = User.objects.create_user("viewer", password=None, is_staff=True)
    assert [entry.title for entry in timeline(row, matches=[], user=viewer)] == ["First heard of"]


def test_panel_sets_values_side_by_side_and_marks_what_differs() -> None:
    order = SalesOrderFactory(external_order_id="SO-1", oms_order_id="SO-01")
    item = SalesOrderItemFactory(order=order, external_item_id="item-1", sku="socks-blue", quantity=2)
    free = SalesOrderItemFactory(order=order, external_item_id="item-2")
    row = TikTokReturnFactory(shop__merchant=order.merchant)
    first = TikTokReturnItemFactory(tiktok_return=row, return_line_item_id="1", seller_sku="socks-red")
    TikTokReturnItemFactory(tiktok_return=row, return_line_item_id="2")
    match = MatchFactory(
        shop=row.shop,
        return_id=row.return_id,
        sales_order=order,
        outcome="PARTLY_MATCHED",
        reason="ITEM_REF_UNKNOWN",
        trail=[
            {
                "rule": "reference",
                "compared": [["platform origin", "SHOPIFY"], ["reference's platform", "AMAZON"]],
                "concluded": "REF_UNDER_OTHER_ORIGIN",
            }
        ],
        warnings=["RETURN_WITHOUT_LINES", "OF_AN_OLDER_VERSION"],
    )
    ItemMatchFactory(match=match, item=item, return_line_item_id=first.return_line_item_id)
    ItemMatchFactory(
        match=match, item=None, reason="ITEM_REF_UNKNOWN", return_line_item_id="2", external_item_id="item-9"
    )
    panel = match_panel(row, match=match)
    assert [(each.what, each.left, each.right, each.state) for each in panel.comparisons] == [
        ("Platform of the external reference", "AMAZON", "SHOPIFY", "different"),
        ("External order id", "SO-1", "SO-1", "same"),
        ("omsOrderId in the order", "SO-1", "SO-01", "different"),
        ("Order", "", "Active", "same"),
    ]
    assert panel.comparisons[2].note == "They part at character 4."
    matched, unknown = panel.lines
    assert (matched.verdict, matched.note) == (
        "Matched",
        "The SKUs differ. A SKU never decides, yet look whether this is the right item.",
    )
    assert (unknown.verdict, unknown.state) == ("Item ref unknown", "missing")
    assert "item-9" in unknown.left
    assert panel.free_items == [free]
    assert panel.cure is CURES[MatchReason.ITEM_REF_UNKNOWN]
    assert panel.warnings == ["The return has no lines", "OF_AN_OLDER_VERSION"]


@pytest.mark.parametrize(
    ("left", "right", "note"),
    [
        ("1042 ", "1042", "They differ in spaces alone."),
        ("so-1", "SO-1", "They differ in capitals alone."),
        ("0042", "42", "They differ in leading zeros alone."),
        ("SO-1042", "SO-1043", "They part at character 7."),
        ("SO-1", "SO-10", "They part at character 5."),
    ],
)
def test_difference_of_two_ids_is_named(left: str, right: str, note: str) -> None:
    order = SalesOrderFactory(external_order_id=right)
    row = TikTokReturnFactory(shop__merchant=order.merchant)
    match = MatchFactory(shop=row.shop, return_id=row.return_id, sales_order=order, external_order_id=left)
    assert match_panel(row, match=match).comparisons[1].note == note


def test_page_tells_the_settings_that_applied_and_what_changed_since(admin_client: Any) -> None:
    now = timezone.now()
    row = TikTokReturnFactory()
    shop = row.shop
    MatchFactory(shop=shop, return_id=row.return_id, decided_at=now - timedelta(hours=2))

    def told() -> str:
        section = page_of(admin_client, row).split('id="settings-heading"')[1].split("</section>")[0]
        return " ".join(unescape(strip_tags(section)).split())

    assert "today's were in force" in told()
    first = note_settings(shop=shop, by="mona", now=now - timedelta(hours=1))
    assert "Version 1 is the oldest, noted only later:" in told()
    type(first).objects.update(changed_at=now - timedelta(hours=3), reason="Set up")
    assert f"Version 1 was in force, since {now - timedelta(hours=3):%Y-%m-%d %H:%M:%S} UTC · mona (Set up)" in told()
    assert "Today's settings are the same." in told()
    type(shop).objects.update(match_wait=timedelta(minutes=25))
    note_settings(shop=shop, by="tom", now=now - timedelta(hours=1))
    assert told().endswith("Match wait10 min25 min")
    assert f'href="{reverse("admin:merchants_shopsettings_change", args=[first.pk])}"' in page_of(admin_client, row)


def test_page_before_a_match_tells_of_no_settings(admin_client: Any) -> None:
    assert "settings-heading" not in page_of(admin_client, TikTokReturnFactory())


def test_pages_lead_to_each_other(admin_client: Any) -> None:
    order = SalesOrderFactory()
    row = TikTokReturnFactory(shop__merchant=order.merchant)
    MatchFactory(shop=row.shop, return_id=row.return_id, sales_order=order)
    attempt = StepAttemptFactory(tiktok_return=row)
    event = WebhookEventFactory(tiktok_return=row, merchant=row.merchant)
    page = page_of(admin_client, row)
    back = reverse("admin:returns_tiktokreturn_change", args=[row.pk])
    for other in (attempt, event):
        address = reverse(f"admin:returns_{other._meta.model_name}_change", args=[other.pk])
        assert f'href="{address}"' in page
        assert f'href="{back}' in admin_client.get(address).content.decode()
    for other in (row.merchant, row.shop, order):
        app, name = other._meta.app_label, other._meta.model_name
        assert f'href="{reverse(f"admin:{app}_{name}_change", args=[other.pk])}"' in page


def test_payload_is_shown_and_the_body_of_an_event_is_masked(admin_client: Any) -> None:
    row = TikTokReturnFactory(payload={"return_status": "AWAITING_BUYER_SHIP"})
    payload = admin_client.get(reverse("admin:returns_tiktokreturn_payload", args=[row.pk])).content.decode()
    assert "AWAITING_BUYER_SHIP" in payload
    event = WebhookEventFactory(body='{"type":12,"data":{"return_id":"7","buyer_email":"somebody@example.com"}}')
    page = admin_client.get(reverse("admin:returns_webhookevent_change", args=[event.pk])).content.decode()
    assert "buyer_email" in page
    assert "somebody@example.com" not in page
    broken = WebhookEventFactory(body="not json: somebody@example.com")
    page = admin_client.get(reverse("admin:returns_webhookevent_change", args=[broken.pk])).content.decode()
    assert "somebody@example.com" not in page


def test_page_offers_the_acts_that_fit_its_state(admin_client: Any) -> None:
    order = SalesOrderFactory()
    now = timezone.now()
    matched = TikTokReturnFactory(shop__merchant=order.merchant, fetched_at=now)
    MatchFactory(shop=matched.shop, return_id=matched.return_id, sales_order=order)
    waiting = TikTokReturnFactory(status="WAITING", reason="ORDER_AWAITED", fetched_at=now, match_wait_until=now)
    ended = TikTokReturnFactory(status="CANCELLED", fetched_at=now)

    def offered(row: TikTokReturn) -> list[str]:
        answer = admin_client.get(reverse("admin:returns_tiktokreturn_change", args=[row.pk]))
        return [str(act["label"]) for act in answer.context["acts"]]

    assert offered(ended) == ["Run again"]
    assert "Unlink" in offered(matched)
    assert offered(waiting) == [
        "Run again",
        "Match again",
        "Send direct now",
        "Cancel the wait",
        "Resolve by hand",
        "Link to order",
    ]


def test_run_over_many_is_taken_up_by_the_workers(admin_user: User) -> None:
    TikTokReturnFactory(status="NEEDS_ATTENTION", reason="NO_LANE")
    assert not sweep()
    start_run(
        name=Name.RUN_AGAIN,
        returns=TikTokReturn.objects.all(),
        by=admin_user,
        reason="",
        filters="",
        now=timezone.now(),
    )
    assert runs_are_due(now=timezone.now())
    assert sweep()
