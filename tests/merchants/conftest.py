"""Shops that the sandbox knows."""

from typing import Any

import pytest

from merchants.models import ShopAuthorization


@pytest.fixture
def authorization(cast: Any) -> ShopAuthorization:
    """The grant that covers the Shopify shop and the outlet."""
    return ShopAuthorization.objects.get(pk=cast.shopify.shop.authorization_id)
