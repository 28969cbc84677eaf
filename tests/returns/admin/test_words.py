"""Lists and pages around a return speak in words where rows hold codes; the code stays for who searches by it."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from matching.models import OrderPush
from returns.admin.dry_run_words import line_in_words
from returns.models import BulkRun, ReturnPoll
from tests.factories import ReboundReturnFactory, ShopFactory, StepAttemptFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db


def list_and_page(client: Client, row: object) -> list[str]:
    name = f"admin:returns_{row._meta.model_name}"  # type: ignore[attr-defined]
    addresses = (reverse(f"{name}_changelist"), reverse(f"{name}_change", args=[row.pk]))  # type: ignore[attr-defined]
    return [client.get(address).content.decode() for address in addresses]


def test_return_at_rebound_says_why_it_is_direct_and_how_it_stands(admin_client: Client) -> None:
    row = ReboundReturnFactory(kind="DIRECT", direct_reason="ORDER_NOT_SYNCED", rebound_status="ACTIVE")
    for page in list_and_page(admin_client, row):
        assert '<span title="ORDER_NOT_SYNCED">Order not synced</span>' in page
        assert '<span title="ACTIVE">Active</span>' in page


def test_step_attempt_says_in_words_what_was_decided(admin_client: Client) -> None:
    for page in list_and_page(admin_client, StepAttemptFactory(step="MATCH", detail="NO_MATCH ORDER_NOT_SYNCED")):
        assert "No match: Order not synced" in page
        assert "NO_MATCH" not in page


@pytest.mark.parametrize(
    ("event_type", "told"),
    [
        ("12", "Return changed (12)"),
        ("RETURN_DELIVERED", "Delivered (RETURN_DELIVERED)"),
        ("99", "Type 99"),
    ],
)
def test_event_says_what_its_type_means(admin_client: Client, event_type: str, told: str) -> None:
    for page in list_and_page(admin_client, WebhookEventFactory(type=event_type)):
        assert told in page


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (
            "reason: MATCHING_OFF → NO_PLATFORM_ORIGIN; direct_reason: MATCHING_OFF → NO_PLATFORM_ORIGIN",
            "Reason: Matching off → No platform origin; Why direct: Matching off → No platform origin",
        ),
        (
            "Outcome: none → MATCHED; Items; Steps: Match, Link late",
            "Decision: none → Matched; Items; Steps: Match, Link late",
        ),
        ("item 7: - → Tea; order: - → MATCHED", "Item of line 7: - → Tea; Order: - → MATCHED"),
        ("TikTok does not list the return: see the log.", "TikTok does not list the return: see the log."),
    ],
)
def test_line_of_a_dry_run_over_many_reads_in_words(stored: str, told: str) -> None:
    assert line_in_words(stored) == told


def test_rows_are_named_in_sentences() -> None:
    push = OrderPush(call="POST", orders=1)
    assert (str(push), str(OrderPush(call="BATCH", orders=2))) == ("POST: 1 order", "BATCH: 2 orders")
    runs = (BulkRun(act="match_again", total=22, is_rehearsal=True), BulkRun(act="link", total=1))
    assert [str(run) for run in runs] == [
        "Dry run: Match again: 22 returns",
        "Link to the one safe candidate: 1 return",
    ]
    shop = ShopFactory.build(name="Harbour UK")
    polled = datetime(2026, 11, 27, 6, 18, 42, 136247, tzinfo=UTC)
    polls = (ReturnPoll(shop=shop, polled_until=polled), ReturnPoll(shop=shop))
    assert [str(poll) for poll in polls] == ["Harbour UK: until 2026-11-27 06:18 UTC", "Harbour UK"]


def test_run_over_many_is_named_in_the_language_of_who_looks() -> None:
    with translation.override("de"):
        assert str(BulkRun(act="match_again", total=2)).startswith("Erneut abgleichen: ")
