"""The admin's pages of imports: upload, watch, take the report home."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from matching.import_models import OrderImport
from matching.order_import import carry_next, start_import
from merchants.models import Merchant
from merchants.staff import Role
from tests.factories import MerchantFactory
from tests.merchants.test_staff import member

pytestmark = pytest.mark.django_db
LIST = reverse("admin:matching_orderimport_changelist")
ADD = reverse("admin:matching_orderimport_add")
TEXT = "clientOrderId,omsItemId,quantity\nSO-1,a,1\nSO-2,b,0\n"


def upload(client: Client, text: str, *, merchant: Merchant, name: str = "my orders.csv") -> Any:
    file = SimpleUploadedFile(name, text.encode())
    return client.post(ADD, {"merchant": merchant.pk, "file": file}, follow=True)


def started(text: str = TEXT) -> OrderImport:
    raw = text.encode()
    return start_import(
        merchant=MerchantFactory(), name="x.csv", size=len(raw), chunks=[raw], by="ada", now=timezone.now()
    )


def carry() -> None:
    carry_next(clock=timezone.now, seconds=60, on_arrival=lambda merchant, ids: None)


def page(row: OrderImport) -> str:
    return reverse("admin:matching_orderimport_change", args=[row.pk])


def test_a_file_is_uploaded_carried_and_its_report_downloaded(admin_client: Client) -> None:
    merchant = MerchantFactory()
    answer = upload(admin_client, TEXT, merchant=merchant)
    row = OrderImport.objects.get()
    assert (answer.status_code, row.file_name, row.started_by, row.merchant) == (
        200,
        "my orders.csv",
        "admin",
        merchant,
    )
    running = admin_client.get(page(row))
    assert (running["Refresh"], "0 % done" in running.content.decode()) == ("3", True)
    carry()
    done = admin_client.get(page(row))
    assert ("Refresh" in done, "Download, mend, and upload again" in done.content.decode()) == (False, True)
    report = admin_client.get(reverse("admin:matching_orderimport_report", args=[row.pk]))
    assert b"".join(report.streaming_content).decode().splitlines()[1].startswith("SO-2,b,0,not_positive")
    assert report["Content-Disposition"] == 'attachment; filename="my orders.rejected.csv"'


@pytest.mark.parametrize(("text", "says"), [("", "empty"), ("clientOrderId,colour\n", "not known"), ("[]", "list")])
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(admin_client: Client, text: str, says: str) -> None:
    answer = upload(admin_client, text, merchant=MerchantFactory())
    assert says in answer.content.decode()
    assert OrderImport.objects.count() == 0


def test_the_template_can_be_downloaded(admin_client: Client) -> None:
    assert reverse("admin:matching_orderimport_template") in admin_client.get(LIST).content.decode()
    answer = admin_client.get(reverse("admin:matching_orderimport_template"))
    assert answer.content.decode().startswith("clientOrderId,")
    upload(admin_client, answer.content.decode(), merchant=MerchantFactory())
    carry()
    assert OrderImport.objects.get().created == 2


def test_every_page_opens_and_costs_the_same_with_one_row_and_with_three(admin_client: Client) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(address).status_code == 200
        return len(captured)

    row = started()
    carry()
    queries(LIST)
    one = queries(LIST), queries(page(row))
    OrderImport.objects.filter(pk=started().pk).update(failure="<b>", finished_at=timezone.now())
    started()
    assert (queries(LIST), queries(page(row))) == one
    assert "<b>" not in admin_client.get(LIST).content.decode()


def test_each_role_sees_its_own_merchants_imports_and_a_viewer_uploads_nothing(client: Client) -> None:
    mine, theirs = started(), started(TEXT)
    manager, viewer = member(Role.MANAGER, mine.merchant), member(Role.VIEWER, mine.merchant)
    carry(), carry()
    report = "admin:matching_orderimport_report"
    for user in (manager, viewer):
        client.force_login(user)
        assert [client.get(page(row)).status_code for row in (mine, theirs)] == [200, 404]
        reports = [client.get(reverse(report, args=[row.pk])).status_code for row in (mine, theirs)]
        assert reports == [200, 404]
        assert client.get(LIST).content.decode().count("x.csv</a>") == 1
    assert client.get(ADD).status_code == 403
    assert upload(client, TEXT, merchant=mine.merchant).status_code == 403
    client.force_login(manager)
    upload(client, TEXT, merchant=theirs.merchant)
    assert OrderImport.objects.count() == 2
    upload(client, TEXT, merchant=mine.merchant)
    assert OrderImport.objects.latest("pk").merchant == mine.merchant


def test_there_is_no_report_where_nothing_was_rejected_and_none_without_a_role(client: Client) -> None:
    row = started()
    address = reverse("admin:matching_orderimport_report", args=[row.pk])
    client.force_login(member(Role.MANAGER, row.merchant))
    assert client.get(address).status_code == 404
    carry()
    assert client.get(address).status_code == 200
    client.force_login(User.objects.create_user("nobody", password="x", is_staff=True))
    assert client.get(address).status_code == 404
