"""The list as CSV: under its filters and one's own merchants, safe in a spreadsheet, logged."""

import csv
import io
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from merchants.models import AuditEntry, StaffAssignment
from merchants.staff import Role
from returns.admin import export
from tests.factories import TikTokReturnFactory

pytestmark = pytest.mark.django_db
EXPORT = reverse("admin:returns_tiktokreturn_export")


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    assert answer.streaming
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))


@pytest.fixture
def manager() -> User:
    user = User.objects.create_user("mona", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=Role.MANAGER.value))
    return user


def test_export_respects_filters_and_is_logged(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "A_BATCH", 2)
    made = [TikTokReturnFactory(status="NEEDS_ATTENTION", reason="NO_LANE") for _ in range(5)]
    TikTokReturnFactory(status="DONE")
    rows = rows_of(admin_client.get(EXPORT, {"status__exact": "NEEDS_ATTENTION"}))
    assert [row["return id"] for row in rows] == [row.return_id for row in reversed(made)]
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.detail) == ("Exported returns", {"filters": "status__exact=NEEDS_ATTENTION"})


def test_formulas_are_not_carried_out(admin_client: Client) -> None:
    TikTokReturnFactory(status="NEEDS_ATTENTION", reason="NO_LANE", reason_detail='=HYPERLINK("http://evil.example")')
    (row,) = rows_of(admin_client.get(EXPORT))
    assert row["detail"] == '\'=HYPERLINK("http://evil.example")'
    assert [export.safe(each) for each in ("+1", "-1", "@x", "\tx", "x", None)] == [
        "'+1",
        "'-1",
        "'@x",
        "'\tx",
        "x",
        "",
    ]


def test_buyer_data_is_left_out_unless_asked_and_allowed(client: Client, manager: User) -> None:
    row = TikTokReturnFactory()
    StaffAssignment.objects.create(merchant=row.merchant, user=manager)
    client.force_login(manager)
    assert "Secretia Hidden" not in client.get(EXPORT).getvalue().decode()
    (told,) = rows_of(client.get(EXPORT, {"with_buyer": "1"}))
    assert (told["buyer name"], told["buyer line 1"], told["buyer country"]) == (
        "Secretia Hidden",
        "14 Unseen Street",
        "GB",
    )
    assert AuditEntry.objects.order_by("-pk")[0].act == "Exported returns with buyer data"
    manager.groups.set([Group.objects.get(name=Role.VIEWER.value)])
    assert client.get(EXPORT, {"with_buyer": "1"}).status_code == 403
    assert client.get(EXPORT).status_code == 403


def test_export_holds_ones_own_merchants_alone(client: Client, manager: User) -> None:
    own, other = TikTokReturnFactory(), TikTokReturnFactory()
    StaffAssignment.objects.create(merchant=own.merchant, user=manager)
    client.force_login(manager)
    for query in ({}, {"q": other.return_id}, {"merchant__id__exact": str(other.merchant_id)}):
        answer = client.get(EXPORT, query)
        found = [row["return id"] for row in rows_of(answer)] if answer.status_code == 200 else []
        assert other.return_id not in found
