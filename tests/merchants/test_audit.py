"""The audit log: written once, changed and deleted by nobody, neither through Django nor past it."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from merchants.audit import AuditEntryIsFinalError, record_act, record_acts
from merchants.models import AuditEntry
from rebound_tts.ops.retention import empty_now
from tests.factories import MerchantFactory, ShopFactory, TikTokReturnFactory

pytestmark = pytest.mark.django_db
TABLE = "merchants_auditentry"
trigger = import_module("merchants.migrations.0002_audit_is_final")


@pytest.fixture
def shipped(db: None) -> None:
    """The trigger that tests with transactions do without; gone again with this test's transaction."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(trigger.SQLITE[1])


def an_entry(**columns: Any) -> AuditEntry:
    return record_act(act="Run again", actor="somebody", now=timezone.now(), **columns)


def test_entry_says_who_what_whose_and_why(admin_user):
    row, now = TikTokReturnFactory(), timezone.now()
    entry = record_act(act="Link", actor=admin_user, subject=row, reason="The OMS lost it", detail={"to": 1}, now=now)
    entry.refresh_from_db()
    assert (entry.at, entry.actor, entry.actor_name, entry.act) == (now, admin_user, "admin", "Link")
    assert (entry.subject_type, entry.subject_id) == ("returns.tiktokreturn", str(row.pk))
    assert (entry.subject_name, entry.merchant) == (row.return_id, row.merchant)
    assert (entry.reason, entry.detail, entry.correlation_id) == ("The OMS lost it", {"to": 1}, row.correlation_id)


def test_entry_about_a_merchant_is_that_merchants():
    merchant = MerchantFactory()
    assert an_entry(subject=merchant).merchant == merchant
    assert an_entry(merchant=merchant).merchant == merchant
    assert an_entry().merchant_id is None


def test_many_rows_get_an_entry_each_in_one_query(django_assert_num_queries):
    rows = TikTokReturnFactory.create_batch(3)
    with django_assert_num_queries(1):
        assert record_acts(act="Run again", actor="upkeep", subjects=rows, now=timezone.now()) == 3
    assert set(AuditEntry.objects.values_list("subject_name", flat=True)) == {row.return_id for row in rows}


def test_entry_is_final_in_django():
    entry = an_entry()
    for change in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(act="other"),
        lambda: AuditEntry.objects.bulk_update([entry], ["act"]),
    ):
        with pytest.raises(AuditEntryIsFinalError), transaction.atomic():
            change()
    assert AuditEntry.objects.get().act == "Run again"


@pytest.mark.parametrize("statement", [f"UPDATE {TABLE} SET reason = 'other'", f"DELETE FROM {TABLE}"])  # noqa: S608  # a constant
def test_entry_is_final_in_the_database(shipped, statement):
    an_entry()
    with pytest.raises(DatabaseError, match=trigger.REFUSED), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.count() == 1


def test_entry_older_than_a_year_may_be_forgotten(shipped):
    record_act(act="Run again", actor="somebody", now=timezone.now() - timedelta(days=366))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608  # a constant
    assert AuditEntry.objects.count() == 0


def test_retention_forgets_what_is_past_its_time(shipped):
    for days_ago in (731, 729, 0):
        record_act(act=str(days_ago), actor="somebody", now=timezone.now() - timedelta(days=days_ago))
    assert {rule.name: count for rule, count in empty_now(now=timezone.now())}["audit log"] == 1
    assert set(AuditEntry.objects.values_list("act", flat=True)) == {"729", "0"}


def test_migration_can_be_undone(db):
    editor = SimpleNamespace(connection=connection, execute=connection.cursor().execute)
    trigger.backwards(None, editor)
    an_entry()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET reason = 'other'")  # noqa: S608  # a constant
    trigger.forwards(None, editor)


def test_entry_outlives_what_it_speaks_of(admin_user):
    shop = ShopFactory()
    record_act(act="Changed", actor=admin_user, subject=shop, now=timezone.now())
    merchant_key, user_key = shop.merchant_id, admin_user.pk
    shop.delete()
    admin_user.delete()
    entry = AuditEntry.objects.get()
    assert (entry.merchant_id, entry.actor_id, entry.actor_name) == (merchant_key, user_key, "admin")


def test_nobody_changes_an_entry_in_the_admin(admin_client):
    entry = an_entry()
    address = reverse("admin:merchants_auditentry_change", args=[entry.pk])
    assert admin_client.get(address).status_code == 200
    assert admin_client.post(address, {"act": "other"}).status_code == 403
    assert admin_client.post(reverse("admin:merchants_auditentry_delete", args=[entry.pk])).status_code == 403
    assert admin_client.get(reverse("admin:merchants_auditentry_add")).status_code == 403


def test_forms_write_to_this_log_and_name_fields_without_their_values(admin_client):
    shop = ShopFactory()
    page = reverse("admin:merchants_shop_change", args=[shop.pk])
    sent = {
        "matching_enabled": "on",
        "platform_origin": "SHOPIFY",
        "match_wait": "20",
        "rebound_account": shop.rebound_account_id,
        "lanes-TOTAL_FORMS": 0,
        "lanes-INITIAL_FORMS": 0,
    }
    assert admin_client.post(page, sent).status_code == 302
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.subject_name, entry.changes) == ("Changed", shop.name, ["Changed Match wait in minutes."])
    history = admin_client.get(reverse("admin:merchants_shop_history", args=[shop.pk])).content.decode()
    assert "Changed Match wait in minutes." in history


def test_acts_are_kept_in_english_and_shown_in_the_language_of_who_looks(admin_client):
    shop = ShopFactory()
    record_act(act="Bulk: Match again", actor="mona", subject=shop, now=timezone.now())
    entry = AuditEntry.objects.get()
    assert entry.act == "Bulk: Match again"
    names = ("merchants_shop_history", "merchants_auditentry_change")
    addresses = [reverse(f"admin:{name}", args=[key]) for name, key in zip(names, (shop.pk, entry.pk), strict=True)]
    for address in [*addresses, reverse("admin:merchants_auditentry_changelist")]:
        assert "Bulk: Match again" in admin_client.get(address).content.decode()
        page = admin_client.get(address, headers={"accept-language": "de"}).content.decode()
        assert ": Erneut abgleichen" in page
        assert ": Match again" not in page
