"""Connecting merchants: one authorization, its shops, and whose they are."""

from typing import Any

import pytest
from django.utils import timezone

from merchants.connections import tiktok_for
from merchants.models import Merchant, Shop, ShopAuthorization
from merchants.services import ShopTakenError, connect_shops
from rebound_tts.clients.errors import PermanentError
from tests.factories import MerchantFactory, ShopFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller(sandbox: Any) -> dict[str, Any]:
    shops = [{"name": "Quay UK", "region": "GB"}, {"name": "Quay DE", "region": "DE"}]
    made: dict[str, Any] = sandbox.post("/sellers", seller_name="Quay", region="GB", shops=shops)
    return made


def connect(sandbox: Any, seller: dict[str, Any], merchant: Merchant) -> list[Shop]:
    code = sandbox.post("/authorization-codes", seller_id=seller["seller_id"])["code"]
    return connect_shops(merchant=merchant, auth_code=code, now=timezone.now())


def test_every_shop_of_the_seller_is_connected(sandbox, seller):
    merchant = MerchantFactory()
    shops = connect(sandbox, seller, merchant)
    assert [(shop.name, shop.region, shop.merchant) for shop in shops] == [
        ("Quay UK", "GB", merchant),
        ("Quay DE", "DE", merchant),
    ]
    assert [shop.shop_id for shop in shops] == [shop["id"] for shop in seller["shops"]]
    assert [shop.cipher for shop in shops] == [shop["cipher"] for shop in seller["shops"]]
    assert [(shop.matching_enabled, shop.platform_origin, shop.rebound_account) for shop in shops] == [
        (False, "", None),
        (False, "", None),
    ]
    authorization = ShopAuthorization.objects.get()
    assert {shop.authorization for shop in shops} == {authorization}
    assert (authorization.merchant, authorization.open_id, authorization.seller_name, authorization.region) == (
        merchant,
        seller["open_id"],
        "Quay",
        "GB",
    )
    assert authorization.access_token_expires_at > timezone.now()
    assert authorization.refresh_token_expires_at > authorization.access_token_expires_at
    assert authorization.scopes
    assert tiktok_for(shops[1]).warehouses()


def test_shop_of_another_merchant_is_not_taken(sandbox, seller):
    theirs = ShopFactory(shop_id=seller["shops"][1]["id"])
    before = Shop.objects.filter(pk=theirs.pk).values().get()
    mine = MerchantFactory()
    with pytest.raises(ShopTakenError) as caught:
        connect(sandbox, seller, mine)
    assert str(caught.value) == theirs.shop_id
    assert Shop.objects.filter(pk=theirs.pk).values().get() == before
    assert list(Shop.objects.for_merchant(mine)) == []


def test_authorization_again_mends_the_connection_and_keeps_the_settings(sandbox, seller):
    merchant = MerchantFactory()
    first, _ = connect(sandbox, seller, merchant)
    Shop.objects.filter(pk=first.pk).update(matching_enabled=True, platform_origin="SHOPIFY", name="old name")
    former = ShopAuthorization.objects.get()
    ShopAuthorization.objects.update(
        broken_at=timezone.now(), broken_reason="TOKEN_REJECTED", last_error="refused", renewing_until=timezone.now()
    )
    again, _ = connect(sandbox, seller, merchant)
    assert (again.pk, again.name, again.matching_enabled, again.platform_origin) == (
        first.pk,
        "Quay UK",
        True,
        "SHOPIFY",
    )
    mended = ShopAuthorization.objects.get()
    assert mended.pk == former.pk
    assert (mended.broken_at, mended.broken_reason, mended.last_error, mended.renewing_until) == (None, "", "", None)
    assert mended.access_token != former.access_token
    assert mended.refresh_token != former.refresh_token
    assert mended.authorized_at > former.authorized_at


@pytest.mark.parametrize("kind", ["used", "unknown"])
def test_code_that_is_used_or_unknown_stores_nothing(sandbox, seller, kind):
    code = "ROW_unknown"
    if kind == "used":
        code = sandbox.post("/authorization-codes", seller_id=seller["seller_id"])["code"]
        connect_shops(merchant=MerchantFactory(), auth_code=code, now=timezone.now())
    held = (list(Shop.objects.values()), list(ShopAuthorization.objects.values()))
    with pytest.raises(PermanentError) as caught:
        connect_shops(merchant=MerchantFactory(), auth_code=code, now=timezone.now())
    assert caught.value.code == "36004004"
    assert code not in str(caught.value)
    assert (list(Shop.objects.values()), list(ShopAuthorization.objects.values())) == held


def test_refused_list_of_shops_keeps_the_grant_for_another_try(sandbox, seller):
    sandbox.post("/faults", remote="tiktok", kind="html", path_contains="/authorization/202309/shops", times=5)
    merchant = MerchantFactory()
    with pytest.raises(Exception, match="/authorization/202309/shops"):
        connect(sandbox, seller, merchant)
    assert ShopAuthorization.objects.get().merchant == merchant
    assert Shop.objects.count() == 0
