"""Acts on one return: asked for on a page of its own, done once, logged with its reason, taken back if possible."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from merchants.models import AuditEntry, StaffAssignment
from merchants.staff import Role
from returns.acts import ON_ONE, Name
from returns.dry_run import Difference, DryRun
from returns.models import ManualAct, Step, TikTokReturn
from tests.factories import (
    MatchFactory,
    SalesOrderFactory,
    SalesOrderItemFactory,
    TikTokReturnFactory,
    TikTokReturnItemFactory,
)

pytestmark = pytest.mark.django_db
WHY = {"reason": "the merchant asked"}


def waiting(**columns: Any) -> TikTokReturn:
    now = timezone.now()
    columns = {
        "status": "WAITING",
        "reason": "ORDER_AWAITED",
        "fetched_at": now,
        "match_wait_until": now + timedelta(minutes=5),
        **columns,
    }
    return TikTokReturnFactory(**columns)


def address(name: str, row: TikTokReturn) -> str:
    return reverse(f"admin:returns_tiktokreturn_{name}", args=[row.pk])


@pytest.mark.parametrize("name", ON_ONE)
def test_act_asks_first_and_does_nothing_before(admin_client: Client, name: Name) -> None:
    row = waiting()
    page = admin_client.get(address(name, row))
    assert page.status_code == 200
    refused = admin_client.post(address(name, row), {"reason": " "}) if name is not Name.RUN_AGAIN else None
    assert refused is None or "This field is required" in refused.content.decode()
    row.refresh_from_db()
    assert (row.hint_count, ManualAct.objects.count(), AuditEntry.objects.count()) == (1, 0, 0)


@pytest.mark.parametrize("name", [Name.SEND_DIRECT, Name.CANCEL_WAIT, Name.RESOLVE, Name.MATCH_AGAIN])
def test_act_by_hand_is_done_queued_and_logged_once(admin_client: Client, admin_user: User, name: Name) -> None:
    row = waiting()
    answer = admin_client.post(address(name, row), WHY, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("admin:returns_tiktokreturn_change", args=[row.pk])
    act = ManualAct.objects.get()
    assert (act.by, act.reason, act.tiktok_return) == (admin_user.username, "the merchant asked", row)
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.reason, entry.detail) == (name.label, "the merchant asked", {"manual_act": act.pk})
    row.refresh_from_db()
    assert row.next_attempt_at is not None
    assert OrmQ.objects.count() == 1
    titles = [each.title for each in answer.context["timeline"]]
    assert titles.count(act.get_act_display()) + titles.count(name.label) == 1  # told once, not twice


def test_act_of_one_who_reads_german_is_logged_in_the_words_of_everybody(admin_client: Client) -> None:
    row = waiting(status="NEEDS_ATTENTION", reason="NO_LANE", match_wait_until=None)
    in_german = {"accept-language": "de"}
    page = admin_client.get(address(Name.SEND_DIRECT, row), headers=in_german).content.decode()
    assert "Jetzt direkt anlegen" in page
    answer = admin_client.post(address(Name.SEND_DIRECT, row), WHY, headers=in_german, follow=True).content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.subject_name) == ("Send direct now", str(row))
    assert "Direkt angelegt" in answer
    listed = admin_client.get(reverse("admin:returns_tiktokreturn_changelist"), headers=in_german).content.decode()
    assert "Restliche Wartezeit" in listed  # a heading is looked up when the page is made


def test_run_again_wants_no_reason(admin_client: Client) -> None:
    row = TikTokReturnFactory(status="NEEDS_ATTENTION", reason="NO_LANE", attempts=5)
    admin_client.post(address(Name.RUN_AGAIN, row), {"act": "1", "reason": ""})
    row.refresh_from_db()
    assert (row.attempts, row.hint_count) == (0, 2)
    assert AuditEntry.objects.get().act == "Run again"


def test_dry_run_is_shown_and_does_nothing(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    row = waiting()
    told = DryRun(
        asked_at=timezone.now(),
        steps=(Step.CREATE, Step.DELIVER),
        kind="LINKED",
        order="SO-77",
        differences=(Difference("outcome", "NO_MATCH", "MATCHED"), Difference("item 7", "", "TT-BLUE")),
    )
    monkeypatch.setattr("returns.admin.act_views.dry_run", lambda **asked: told)
    page = admin_client.post(address(Name.RUN_AGAIN, row), {"dry": "1"}).content.decode()
    assert "Nothing was done" in page
    assert "Create at ReBound, Deliver the label" in page
    assert "<dt>Kind</dt><dd>Linked</dd>" in page
    assert '<th scope="row">Decision</th><td>No match</td><td>Matched</td>' in page
    assert '<th scope="row">Item of line 7</th><td>-</td><td>TT-BLUE</td>' in page
    row.refresh_from_db()
    assert (row.hint_count, AuditEntry.objects.count()) == (1, 0)


def test_dry_run_of_a_story_says_what_a_run_then_does(story: Any, tell: Any, work: Any, admin_client: Client) -> None:
    expected = story.order_unknown()
    tell(story.cast.shopify, expected.return_id, "")
    work()
    row = TikTokReturn.objects.get()
    page = admin_client.post(address(Name.RUN_AGAIN, row), {"dry": "1"}).content.decode()
    assert "<dt>Decision</dt><dd>No match: Order not synced</dd>" in page
    admin_client.post(address(Name.SEND_DIRECT, row), WHY)
    work()
    row.refresh_from_db()
    assert row.rebound_return is not None
    assert (row.status, row.rebound_return.kind) == ("DONE", "DIRECT")


def test_act_that_cannot_be_done_says_why_and_logs_nothing(admin_client: Client) -> None:
    row = waiting(direct_asked_at=timezone.now(), direct_asked_by="somebody")
    page = admin_client.post(address(Name.SEND_DIRECT, row), WHY).content.decode()
    assert "It was sent direct already." in page
    assert (ManualAct.objects.count(), AuditEntry.objects.count(), OrmQ.objects.count()) == (0, 0, 0)


def linkable() -> tuple[TikTokReturn, Any, Any]:
    order = SalesOrderFactory(external_order_id="SO-1042")
    item = SalesOrderItemFactory(order=order, external_item_id="item-1", sku="TT-BLUE")
    row = waiting(shop__merchant=order.merchant)
    TikTokReturnItemFactory(tiktok_return=row, seller_sku="TT-BLUE", return_line_item_id="1")
    MatchFactory(
        shop=row.shop,
        return_id=row.return_id,
        outcome="NO_MATCH",
        reason="ORDER_NOT_SYNCED",
        sales_order=None,
        external_order_id="so-1042",
        is_curable=True,
    )
    return row, order, item


def test_order_is_chosen_among_candidates_or_searched_and_linked(admin_client: Client) -> None:
    row, order, item = linkable()
    other = SalesOrderFactory(external_order_id="SO-9999")
    choose = admin_client.get(address("link", row)).content.decode()
    assert f'href="?order={order.pk}"' in choose
    assert "differs from the reference" in choose
    found = admin_client.get(address("link", row), {"q": " SO-1042 "})
    assert [each.pk for each in found.context["found"]] == [order.pk]
    assert admin_client.get(address("link", row), {"q": "SO-9999"}).context["found"] == []  # another merchant's
    assert admin_client.get(address("link", row), {"order": other.pk}).status_code == 404
    link = f"{address('link', row)}?order={order.pk}"
    page = admin_client.get(link).content.decode()
    assert "suggested: the one free item with this SKU" in page
    line = row.items.get()
    admin_client.post(link, {f"line_{line.pk}": str(item.pk), **WHY})
    match = row.shop.matches.current().get()  # type: ignore[attr-defined]
    assert (match.sales_order, match.outcome, match.is_by_hand) == (order, "MATCHED", True)
    assert AuditEntry.objects.get().detail["order"] == "SO-1042"


def test_link_is_taken_back_from_the_timeline(admin_client: Client) -> None:
    row, order, item = linkable()
    admin_client.post(f"{address('link', row)}?order={order.pk}", {f"line_{row.items.get().pk}": str(item.pk), **WHY})
    act = ManualAct.objects.get()
    undo = f"{address('undo', row)}?act={act.pk}"
    page = admin_client.get(reverse("admin:returns_tiktokreturn_change", args=[row.pk])).content.decode()
    assert f'href="{undo}"' in page
    admin_client.post(undo, {"reason": "the wrong order"})
    assert not row.shop.matches.current().exists()  # type: ignore[attr-defined]
    assert [each.act for each in ManualAct.objects.order_by("pk")] == ["LINK", "UNDO"]
    page = admin_client.get(reverse("admin:returns_tiktokreturn_change", args=[row.pk])).content.decode()
    assert undo not in page
    assert "It was taken back already." in admin_client.post(undo, WHY).content.decode()


@pytest.mark.parametrize("name", [*Name, "link", "undo"])
def test_act_needs_its_own_permission_and_the_merchant(client: Client, name: str) -> None:
    row, stranger = waiting(), waiting()
    user = User.objects.create_user("viewer", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=Role.VIEWER.value))
    StaffAssignment.objects.create(merchant=row.merchant, user=user)
    client.force_login(user)
    for method in (client.get, client.post):
        assert method(address(name, row), WHY).status_code == 403
        assert method(address(name, stranger), WHY).status_code == 404
    assert ManualAct.objects.count() + AuditEntry.objects.count() == 0
    page = client.get(reverse("admin:returns_tiktokreturn_change", args=[row.pk]))
    assert page.context["acts"] == []
