"""Coverage checks in the admin: an implementation manager starts and cancels them for their own shops."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from matching.coverage.models import CheckState, CoverageCheck
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


def test_shop_without_an_origin_is_refused_in_words(client: Client, mona: User) -> None:
    shop = ShopFactory(platform_origin="")
    StaffAssignment.objects.create(user=mona, merchant=shop.merchant)
    answer = client.post(ADD, {"shop": shop.pk, "sample_size": 7})
    assert set(answer.context["adminform"].form.errors) == {"shop", "sample_size"}
    assert CoverageCheck.objects.count() == 0


def test_shop_of_another_merchant_cannot_be_checked(client: Client, mona: User) -> None:
    assert "shop" in client.post(ADD, {"shop": ShopFactory().pk, "sample_size": 50}).context["adminform"].form.errors
    assert CoverageCheck.objects.count() == 0
