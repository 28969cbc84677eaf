"""Roles and assignments: who sees which merchant, and what a role may do."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User

from merchants.models import Merchant, Shop, StaffAssignment
from merchants.staff import PERMISSIONS, Role, grant_roles, merchant_keys, path_to_merchant, within
from returns.models import WebhookEvent
from tests.factories import MerchantFactory, ShopFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db


def member(role: Role, *merchants: Merchant) -> User:
    user = User.objects.create_user(f"{role} {User.objects.count()}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    for merchant in merchants:
        StaffAssignment.objects.create(user=user, merchant=merchant)
    return User.objects.get(pk=user.pk)


def test_migrate_made_each_role_with_its_permissions():
    for role, names in PERMISSIONS.items():
        held = Group.objects.get(name=role).permissions.select_related("content_type")
        assert {f"{each.content_type.app_label}.{each.codename}" for each in held} == names


def test_grant_mends_a_role_and_leaves_other_groups_alone():
    viewer, own = Group.objects.get(name=Role.VIEWER), Group.objects.create(name="Our own")
    extra = Permission.objects.get(codename="change_shop")
    viewer.permissions.add(extra)
    viewer.permissions.remove(Permission.objects.get(codename="view_shop"))
    own.permissions.add(extra)
    grant_roles(app_label="merchants", using="default")
    codenames = set(viewer.permissions.values_list("codename", flat=True))
    assert ("change_shop" in codenames, "view_shop" in codenames) == (False, True)
    assert "view_tiktokreturn" in codenames
    assert list(own.permissions.all()) == [extra]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MANAGER])
def test_staff_see_the_merchants_that_they_look_after(role):
    own, other = ShopFactory(), ShopFactory()
    user = member(role, own.merchant)
    assert list(within(Shop.objects.all(), user)) == [own]
    assert list(within(Merchant.objects.all(), user, path="pk")) == [own.merchant]
    assert list(within(Shop.objects.all(), member(role))) == []
    assert other.merchant.pk not in (merchant_keys(user) or [])


def test_lead_and_administrator_see_every_merchant_and_what_belongs_to_none():
    shops = {ShopFactory(), ShopFactory()}
    stray = WebhookEventFactory()
    administrator = User.objects.create_superuser("root")
    for user in (member(Role.LEAD), administrator):
        assert merchant_keys(user) is None
        assert set(within(Shop.objects.all(), user)) == shops
        assert list(within(WebhookEvent.objects.all(), user)) == [stray]
    manager = member(Role.MANAGER, *(shop.merchant for shop in shops))
    assert list(within(WebhookEvent.objects.all(), manager)) == []


def test_strangers_see_nothing():
    ShopFactory()
    assert list(within(Shop.objects.all(), AnonymousUser())) == []
    gone = member(Role.LEAD)
    gone.is_active = False
    gone.save()
    assert list(within(Shop.objects.all(), User.objects.get(pk=gone.pk))) == []


def test_own_merchants_cost_one_query_a_request(django_assert_num_queries):
    user = member(Role.MANAGER, MerchantFactory())
    merchant_keys(user)
    with django_assert_num_queries(0):
        merchant_keys(user)


def test_path_leads_to_the_merchant():
    assert (path_to_merchant(Merchant), path_to_merchant(Shop), path_to_merchant(User)) == ("pk", "merchant", None)
