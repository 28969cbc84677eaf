"""Coverage checks in the admin: an implementation manager starts and cancels them for their own shops."""

from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from matching.coverage.diagnosis import Finding, Kind
from matching.coverage.models import CheckState, CoverageCheck, Failure
from matching.coverage.services import start_check
from merchants.models import AuditEntry, StaffAssignment
from merchants.staff import Role
from tests.factories import ShopFactory

pytestmark = pytest.mark.django_db
ADD = reverse("admin:matching_coveragecheck_add")


@pytest.fixture
def mona(client: Client) -> User:
    user = User.objects.create_user("mona", is_staff=True)
    user.groups.add(Group.objects.get(name=Role.MANAGER))
    client.force_login(user)
    return user


def test_check_is_started_watched_and_canceled(client: Client, mona: User) -> None:
    shop = ShopFactory()
    StaffAssignment.objects.create(user=mona, merchant=shop.merchant)
    for _ in range(2):  # a second click finds the first
        assert client.post(ADD, {"shop": shop.pk, "sample_size": 50}).status_code == 302
    check = CoverageCheck.objects.get()
    assert (check.shop, check.asked_by, check.sample_size, check.is_active) == (shop, "mona", 50, True)
    page = reverse("admin:matching_coveragecheck_change", args=[check.pk])
    assert client.get(page).status_code == 200
    assert client.post(reverse("admin:matching_coveragecheck_cancel", args=[check.pk])).status_code == 302
    check.refresh_from_db()
    assert check.state == CheckState.CANCELLED
    assert list(AuditEntry.objects.order_by("pk").values_list("act", flat=True))[-1] == "Canceled the check"


def page_of(client: Client, check: CoverageCheck) -> str:
    page = client.get(reverse("admin:matching_coveragecheck_change", args=[check.pk])).content.decode()
    return " ".join(unescape(strip_tags(page.split('<div class="findings">')[1].split("</div>")[0])).split())


def test_diagnosis_is_told_in_words_with_its_remedy_and_examples(admin_client: Client) -> None:
    check = start_check(shop=ShopFactory(platform_origin="SHOPIFY"), sample_size=20, now=timezone.now())
    assert page_of(admin_client, check).startswith("The check is running")
    found = [
        Finding(Kind.OTHER_ORIGIN, 7, ("T<1>",), {"referenced": "3"}, origin="MAGENTO"),
        Finding(Kind.NOT_SYNCED, 2, ("T2",), {"wanted": "#10", "held": "10"}),
    ]
    check.state, check.finished_at, check.sampled, check.matched = CheckState.DONE, timezone.now(), 20, 11
    check.findings = [each.as_json() for each in found]
    check.save()
    told = page_of(admin_client, check)
    assert told.startswith("11 of 20 orders would match.")
    assert "7 orders carry a Magento reference" in told
    assert "You chose Shopify. Only 3 of the orders carry a reference of it. It is set on the shop's page" in told
    assert "For example T<1>" in told
    assert "2 orders have a reference, but no sales order with that id" in told
    assert "At TikTok an order is called “#10”, while a sales order is called “10”." in told


def test_check_that_failed_says_who_can_help_and_one_without_findings_that_all_is_well(admin_client: Client) -> None:
    check = start_check(shop=ShopFactory(), sample_size=20, now=timezone.now())
    check.state, check.finished_at, check.failure = CheckState.FAILED, timezone.now(), Failure.TIKTOK_SCOPE
    check.save()
    assert page_of(admin_client, check).startswith("The app may not read orders at TikTok. Connect the shop again")
    check.state, check.failure, check.sampled, check.matched = CheckState.DONE, "", 20, 20
    check.save()
    assert page_of(admin_client, check) == "Every order of the sample would match."


def test_shop_without_an_origin_is_refused_in_words(client: Client, mona: User) -> None:
    shop = ShopFactory(platform_origin="")
    StaffAssignment.objects.create(user=mona, merchant=shop.merchant)
    answer = client.post(ADD, {"shop": shop.pk, "sample_size": 7})
    assert set(answer.context["adminform"].form.errors) == {"shop", "sample_size"}
    assert CoverageCheck.objects.count() == 0


def test_shop_of_another_merchant_cannot_be_checked(client: Client, mona: User) -> None:
    assert "shop" in client.post(ADD, {"shop": ShopFactory().pk, "sample_size": 50}).context["adminform"].form.errors
    assert CoverageCheck.objects.count() == 0
