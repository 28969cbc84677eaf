"""Acts on many: stated first, frozen as they start, done once each, cancellable, with a result that lists all."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from merchants.models import AuditEntry, StaffAssignment
from merchants.staff import Role
from returns import bulk
from returns.acts import Name
from returns.bulk import cancel_run, carry_on, claim_runs, progress, runs_are_due, start_run, what_would_differ
from returns.dry_run import Difference, DryRun
from returns.models import BulkItem, BulkRun, ManualAct, Step, TikTokReturn
from tests.factories import (
    ItemMatchFactory,
    MatchFactory,
    SalesOrderFactory,
    SalesOrderItemFactory,
    ShopFactory,
    TikTokReturnFactory,
    TikTokReturnItemFactory,
)

pytestmark = pytest.mark.django_db
LIST = reverse("admin:returns_tiktokreturn_changelist")
BULK = reverse("admin:returns_tiktokreturn_bulk")


def stuck(count: int, **columns: Any) -> list[TikTokReturn]:
    shop = columns.pop("shop", None) or ShopFactory()
    return [TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="NO_LANE", **columns) for _ in range(count)]


def finish(run: BulkRun, *, settle: bool = True) -> int:
    """Carry on as workers do, until it is finished; answers in how many spells."""
    for spell in range(1, 200):
        now = timezone.now() + timedelta(seconds=spell)
        token, keys = claim_runs(now=now, limit=1)
        for key in keys:
            carry_on(key, token=token)
        if settle:  # a worker takes up what was made due
            TikTokReturn.objects.update(next_attempt_at=None)
        run.refresh_from_db()
        if run.finished_at:
            return spell
    raise AssertionError("The run does not end.")


def started(name: Name, rows: Any, by: User) -> BulkRun:
    return start_run(name=name, returns=rows, by=by, reason="many asked", filters="", now=timezone.now())


def figures(run: BulkRun) -> dict[str, int]:
    return {name: number for name, number in progress(run).items() if number}


def test_selection_leads_to_a_page_that_states_count_and_effect(admin_client: Client) -> None:
    rows = stuck(3)
    chosen = [row.pk for row in rows[:2]]
    page = admin_client.post(LIST, {"action": "act_run_again", "_selected_action": chosen}, follow=True)
    assert page.context["count"] == 2
    assert "Run again: 2 returns" in page.content.decode()
    assert BulkRun.objects.count() == 0


def test_all_that_a_filter_finds_is_run_and_the_result_lists_it(admin_client: Client, admin_user: User) -> None:
    rows = stuck(3)
    TikTokReturnFactory(status="DONE")
    filters = {"status__exact": "NEEDS_ATTENTION"}
    listed = admin_client.get(LIST, filters).content.decode()
    assert f'href="{BULK}?status__exact=NEEDS_ATTENTION"' in listed
    choose = admin_client.get(BULK, filters)
    assert choose.context["count"] == 3
    assert len(choose.context["acts"]) == len(Name)
    answer = admin_client.post(f"{BULK}?status__exact=NEEDS_ATTENTION&act=run_again", {"reason": ""}, follow=True)
    run = BulkRun.objects.get()
    assert (run.total, run.filters, run.started_by) == (3, "status__exact=NEEDS_ATTENTION", admin_user)
    assert "Under way." in answer.content.decode()
    finish(run)
    page = admin_client.get(reverse("admin:returns_bulkrun_change", args=[run.pk])).content.decode()
    assert "3 of 3: 3 done, 0 left alone, 0 failed." in page
    assert all(reverse("admin:returns_tiktokreturn_change", args=[row.pk]) in page for row in rows)
    assert sorted(TikTokReturn.objects.values_list("hint_count", flat=True)) == [1, 2, 2, 2]
    acts = list(AuditEntry.objects.order_by("pk").values_list("act", flat=True))
    assert acts == ["Bulk: Run again", "Run again", "Run again", "Run again"]


def test_thousand_are_run_and_never_more_due_at_once_than_is_fair(admin_user: User) -> None:
    shop = ShopFactory()
    now = timezone.now()
    TikTokReturn.objects.bulk_create(
        TikTokReturn(
            merchant=shop.merchant,
            shop=shop,
            return_id=str(number),
            correlation_id="c" * 32,
            status="NEEDS_ATTENTION",
            reason="NO_LANE",
            created_at=now,
            status_changed_at=now,
        )
        for number in range(1000)
    )
    run = started(Name.RUN_AGAIN, TikTokReturn.objects.all(), admin_user)
    token, (key,) = claim_runs(now=timezone.now(), limit=1)
    carry_on(key, token=token)
    assert TikTokReturn.objects.due(now=timezone.now()).count() <= bulk.ENOUGH_DUE + bulk.AT_A_TIME
    assert finish(run) > 10
    assert figures(run) == {"done": 1000}
    assert set(TikTokReturn.objects.values_list("hint_count", flat=True)) == {2}


def test_what_does_not_fit_is_left_alone_with_the_reason_and_a_crash_stops_nobody(
    admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, does_not, crashes = stuck(3)
    TikTokReturn.objects.filter(pk=does_not.pk).update(direct_asked_at=timezone.now())
    perform = bulk.perform

    def perform_or_crash(**asked: Any) -> str:
        if asked["tiktok_return"].pk == crashes.pk:
            raise ZeroDivisionError
        return perform(**asked)

    monkeypatch.setattr(bulk, "perform", perform_or_crash)
    run = started(Name.SEND_DIRECT, TikTokReturn.objects.all(), admin_user)
    finish(run)
    told = {item.tiktok_return_id: (item.outcome, item.detail) for item in run.items.all()}
    assert told == {
        fits.pk: ("DONE", ""),
        does_not.pk: ("SKIPPED", "It was sent direct already."),
        crashes.pk: ("FAILED", "ZeroDivisionError: see the log"),
    }
    assert ManualAct.objects.count() == 1


def test_item_is_done_once_whoever_else_is_at_the_run(admin_user: User) -> None:
    stuck(2)
    run = started(Name.RUN_AGAIN, TikTokReturn.objects.all(), admin_user)
    item = BulkItem.objects.first()
    assert item is not None
    bulk._do(run, item.pk)
    bulk._do(run, item.pk)
    finish(run)
    assert set(TikTokReturn.objects.values_list("hint_count", flat=True)) == {2}


def test_worker_that_died_is_followed_by_another_and_its_claim_is_fenced_off(admin_user: User) -> None:
    stuck(2)
    run = started(Name.RUN_AGAIN, TikTokReturn.objects.all(), admin_user)
    now = timezone.now()
    dead, keys = claim_runs(now=now, limit=1)
    assert keys == [run.pk]
    assert claim_runs(now=now, limit=1)[1] == []
    assert not runs_are_due(now=now)
    token, again = claim_runs(now=now + bulk.LEASE + timedelta(seconds=1), limit=1)
    assert again == [run.pk]
    carry_on(run.pk, token=dead)
    assert progress(run)["todo"] == 2
    carry_on(run.pk, token=token)
    assert progress(run)["todo"] == 0


def test_cancelled_run_does_no_more(admin_client: Client, admin_user: User) -> None:
    stuck(2)
    run = started(Name.RUN_AGAIN, TikTokReturn.objects.all(), admin_user)
    token, _keys = claim_runs(now=timezone.now(), limit=1)
    answer = admin_client.post(reverse("admin:returns_bulkrun_cancel", args=[run.pk]), follow=True)
    assert "Cancelled." in answer.content.decode()
    carry_on(run.pk, token=token)
    assert progress(run)["todo"] == 2
    assert not runs_are_due(now=timezone.now())
    assert not cancel_run(run, by=admin_user, now=timezone.now())


def test_too_many_are_refused_with_what_to_do(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck(3)
    for place in ("returns.bulk.MOST", "returns.admin.bulk_views.MOST"):
        monkeypatch.setattr(place, 2)
    page = admin_client.post(f"{BULK}?act=run_again", {"reason": ""}).content.decode()
    assert "narrow the filter" in page
    assert BulkRun.objects.count() == 0


def test_run_reaches_only_ones_own_merchants_and_is_seen_by_who_started_it(client: Client) -> None:
    (own,), (other,) = stuck(1), stuck(1)
    users = [User.objects.create_user(name, password=None, is_staff=True) for name in ("mona", "nick")]
    for user in users:
        user.groups.add(Group.objects.get(name=Role.MANAGER.value))
        StaffAssignment.objects.create(merchant=own.merchant, user=user)
    client.force_login(users[0])
    for address in (BULK, f"{BULK}?keys={own.pk},{other.pk}"):
        assert client.get(address).context["count"] == 1
    client.post(f"{BULK}?act=run_again&keys={own.pk},{other.pk}", {"reason": ""})
    run = BulkRun.objects.get()
    assert list(run.items.values_list("tiktok_return", flat=True)) == [own.pk]
    page = reverse("admin:returns_bulkrun_change", args=[run.pk])
    assert client.get(page).status_code == 200
    client.force_login(users[1])
    assert client.get(page).status_code == 404
    assert client.post(reverse("admin:returns_bulkrun_cancel", args=[run.pk])).status_code == 404


def test_viewer_starts_nothing(client: Client) -> None:
    (row,) = stuck(1)
    user = User.objects.create_user("viewer", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=Role.VIEWER.value))
    StaffAssignment.objects.create(merchant=row.merchant, user=user)
    client.force_login(user)
    for method in (client.get, client.post):
        assert method(f"{BULK}?act=run_again", {"reason": "x"}).status_code == 403
    assert "Act on all" not in client.get(LIST).content.decode()


# Dry runs


def told(row: TikTokReturn) -> DryRun:
    """By turns: it would be linked, nothing would change, and TikTok does not answer."""
    linked = (Difference("kind", "DIRECT", "LINKED"), Difference("order", "", row.return_id))
    at = timezone.now()
    return [
        DryRun(asked_at=at, differences=linked, steps=(Step.LINK,)),
        DryRun(asked_at=at),
        DryRun(asked_at=at, problem="TikTok does not answer."),
    ][row.pk % 3]


@pytest.fixture
def remotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("returns.rehearsals.dry_run", lambda *, tiktok_return, now: told(tiktok_return))


@pytest.mark.usefixtures("remotes")
@pytest.mark.parametrize("name", [Name.RUN_AGAIN, Name.MATCH_AGAIN])
def test_dry_run_over_many_counts_what_would_differ_and_does_nothing(admin_client: Client, name: Name) -> None:
    stuck(6, fetched_at=timezone.now())
    before = list(TikTokReturn.objects.order_by("pk").values())
    page = f"{BULK}?status__exact=NEEDS_ATTENTION&act={name}"
    assert "First show what it would do" in admin_client.get(page).content.decode()
    admin_client.post(page, {"dry": "1", "reason": ""})
    run = BulkRun.objects.get()
    finish(run, settle=False)
    assert list(TikTokReturn.objects.order_by("pk").values()) == before
    assert ManualAct.objects.count() == 0
    assert list(AuditEntry.objects.values_list("act", flat=True)) == [f"Bulk dry run: {name.label}"]
    assert figures(run) == {"differs": 2, "same": 2, "untold": 2}
    assert what_would_differ(run.items.all()) == [("Kind: DIRECT → LINKED; Order; Steps: Link late", 2)]
    shown = admin_client.get(reverse("admin:returns_bulkrun_change", args=[run.pk])).content.decode()
    for said in ("6 of 6: 2 would differ, 2 would stay as they are", "nothing is done", "TikTok does not answer."):
        assert said in shown
    assert '<th scope="row">Kind: Direct → Linked; Order; Steps: Link late</th>' in shown
    keys = run.items.filter(outcome="DIFFERS").order_by("pk").values_list("tiktok_return", flat=True)
    differ = ",".join(map(str, keys))
    assert f"{BULK}?act={name}&amp;keys={differ}".replace(",", "%2C") in shown
    assert "all that the list finds" not in shown


@pytest.mark.usefixtures("remotes")
def test_dry_run_over_more_than_are_looked_at_says_so(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = stuck(5)
    for place in ("returns.bulk.MOST_REHEARSED", "returns.admin.bulk_views.MOST_REHEARSED"):
        monkeypatch.setattr(place, 3)
    page = f"{BULK}?status__exact=NEEDS_ATTENTION&act=run_again"
    assert "It looks at the newest 3 of these" in admin_client.get(page).content.decode()
    admin_client.post(page, {"dry": "1"})
    run = BulkRun.objects.get()
    assert list(run.items.order_by("pk").values_list("tiktok_return", flat=True)) == [row.pk for row in rows[2:]]
    finish(run)
    shown = admin_client.get(reverse("admin:returns_bulkrun_change", args=[run.pk])).content.decode()
    assert "It looks at the newest 3 of the 5 returns that were found" in shown
    assert f"{BULK}?status__exact=NEEDS_ATTENTION&amp;act=run_again" in shown


@pytest.mark.usefixtures("remotes")
def test_dry_run_leaves_alone_what_the_act_would(admin_user: User) -> None:
    (row,) = stuck(1, fetched_at=timezone.now())
    MatchFactory(
        shop=row.shop,
        return_id=row.return_id,
        outcome="NO_MATCH",
        reason="UNLINKED_BY_HAND",
        sales_order=None,
        decided_by="mona",
        note="by phone",
    )
    run = start_run(
        name=Name.MATCH_AGAIN,
        returns=TikTokReturn.objects.all(),
        by=admin_user,
        reason="",
        filters="",
        now=timezone.now(),
        is_rehearsal=True,
    )
    finish(run)
    assert run.items.values_list("outcome", "detail").get() == (
        "SKIPPED",
        "mona decided it by hand. Take that back first.",
    )


def test_no_dry_run_of_an_act_that_has_none(admin_client: Client) -> None:
    stuck(1)
    page = f"{BULK}?act=resolve"
    assert "First show" not in admin_client.get(page).content.decode()
    assert "This field is required" in admin_client.post(page, {"dry": "1", "reason": ""}).content.decode()
    assert BulkRun.objects.count() == 0


# Linking many


def one_each() -> tuple[TikTokReturn, TikTokReturn]:
    """A return whose order is safe to link, and one whose order is only alike."""
    shop = ShopFactory()
    rows = stuck(2, shop=shop, fetched_at=timezone.now())
    for row, reference in zip(rows, ("SO-1", "SO-2"), strict=True):
        line = TikTokReturnItemFactory(tiktok_return=row)
        match = MatchFactory(
            shop=shop,
            return_id=row.return_id,
            outcome="NO_MATCH",
            reason="ORDER_NOT_SYNCED",
            sales_order=None,
            external_order_id=reference,
            is_curable=True,
        )
        ItemMatchFactory(
            match=match,
            return_line_item_id=line.return_line_item_id,
            item=None,
            external_item_id="i-1",
            reason="ITEM_REF_UNKNOWN",
        )
    for order_id in ("SO-1", "so-2"):
        order = SalesOrderFactory(merchant=shop.merchant, external_order_id=order_id)
        SalesOrderItemFactory(order=order, external_item_id="i-1")
    return rows[0], rows[1]


def test_many_are_linked_each_to_its_one_safe_candidate(admin_client: Client) -> None:
    safe, alike = one_each()
    page = admin_client.get(f"{BULK}?act=link").content.decode()
    assert "Linked where exactly one order comes into question" in page
    assert "This field is required" in admin_client.post(f"{BULK}?act=link", {"act": "1"}).content.decode()
    admin_client.post(f"{BULK}?act=link", {"act": "1", "reason": "the OMS was late"})
    run = BulkRun.objects.get()
    finish(run)
    assert dict(run.items.values_list("tiktok_return", "outcome")) == {safe.pk: "DONE", alike.pk: "SKIPPED"}
    assert set(run.items.values_list("detail", flat=True)) == {
        "Order SO-1: It has exactly the id that TikTok's reference gives.",
        "so-2: Its id differs from the reference's by upper and lower case alone. "
        "That is not enough to link it unseen.",
    }
    act = ManualAct.objects.get()
    assert (act.tiktok_return, act.act, act.reason, act.match.outcome) == (safe, "LINK", "the OMS was late", "MATCHED")
    entry = AuditEntry.objects.get(act="Link to order")
    assert (entry.subject_id, entry.detail["bulk_run"], entry.detail["order"]) == (str(safe.pk), run.pk, "SO-1")


def test_dry_run_of_linking_names_order_and_reason_and_links_nothing(admin_client: Client) -> None:
    safe, _ = one_each()
    admin_client.post(f"{BULK}?act=link", {"dry": "1"})
    run = BulkRun.objects.get()
    finish(run)
    assert ManualAct.objects.count() == 0
    assert figures(run) == {"differs": 1, "skipped": 1}
    assert what_would_differ(run.items.all()) == [("Linked: It has exactly the id that TikTok's reference gives", 1)]
    item = run.items.get(tiktok_return=safe)
    assert item.detail == "Order SO-1: It has exactly the id that TikTok's reference gives."


@pytest.mark.parametrize(("goes_direct", "outcome"), [(True, "SKIPPED"), (False, "DONE")])
def test_line_without_an_item_is_linked_only_where_the_shop_wants_it(
    admin_user: User, goes_direct: bool, outcome: str
) -> None:
    safe, _ = one_each()
    safe.shop.partly_matched_goes_direct = goes_direct
    safe.shop.save()
    TikTokReturnItemFactory(tiktok_return=safe)
    run = started(Name.LINK, TikTokReturn.objects.filter(pk=safe.pk), admin_user)
    finish(run)
    item = run.items.get()
    assert item.outcome == outcome
    assert ("Lines without an item: 1." in item.detail) is not goes_direct
    assert ManualAct.objects.count() == int(not goes_direct)


def test_page_of_a_run_costs_the_same_with_one_return_and_with_three(admin_client: Client, admin_user: User) -> None:
    counts = []
    for number in (1, 3):
        stuck(number)
        run = start_run(
            name=Name.LINK,
            returns=TikTokReturn.objects.all(),
            by=admin_user,
            reason="",
            filters="",
            now=timezone.now(),
            is_rehearsal=True,
        )
        finish(run)
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(reverse("admin:returns_bulkrun_change", args=[run.pk])).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]
