"""Connections that are looked after before anybody misses them, against the sandbox."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from merchants.connections import tiktok_for
from merchants.models import BrokenReason, Shop, ShopAuthorization
from merchants.subscriptions import EVENTS, webhook_address
from merchants.tending import is_due, tend
from rebound_tts.demo.cast import Cast
from rebound_tts.demo.sandbox_control import SandboxControl


def subscribed(shop: Shop) -> dict[str, str]:
    return {each.event_type: each.address for each in tiktok_for(shop).webhooks()}


def all_is_well() -> None:
    """As after a round of tending."""
    Shop.objects.update(webhooks_checked_at=timezone.now())
    ShopAuthorization.objects.update(access_token_expires_at=timezone.now() + timedelta(days=7))


def test_the_address_that_tiktok_is_told_is_ours() -> None:
    assert webhook_address() == settings.PUBLIC_URL + reverse("tiktok-webhook")


def test_token_is_renewed_before_it_ends(cast: Cast) -> None:
    all_is_well()
    authorization = cast.oms.shop.authorization
    before, now = authorization.access_token, timezone.now()
    assert not is_due(now=now)
    ShopAuthorization.objects.filter(pk=authorization.pk).update(access_token_expires_at=now + timedelta(hours=11))
    assert is_due(now=now)
    assert tend(now=now) == 1
    authorization.refresh_from_db()
    assert authorization.access_token != before
    assert authorization.access_token_expires_at > now + timedelta(hours=12)
    assert not is_due(now=now)


def test_refusal_breaks_the_connection_and_is_not_asked_again(cast: Cast) -> None:
    all_is_well()
    authorization = cast.oms.shop.authorization
    now = timezone.now()
    ShopAuthorization.objects.filter(pk=authorization.pk).update(
        access_token_expires_at=now + timedelta(hours=1), refresh_token="ROW_unknown"
    )
    tend(now=now)
    authorization.refresh_from_db()
    assert authorization.broken_reason in {BrokenReason.TOKEN_REJECTED, BrokenReason.REFUSED}
    assert not is_due(now=now)


def test_token_of_a_remote_that_is_away_is_tried_again(cast: Cast, sandbox: SandboxControl) -> None:
    all_is_well()
    authorization = cast.oms.shop.authorization
    now = timezone.now()
    ShopAuthorization.objects.filter(pk=authorization.pk).update(access_token_expires_at=now + timedelta(hours=1))
    sandbox.post("/faults", remote="tiktok", path_contains="token/refresh", kind="status", status=503, times=1)
    tend(now=now)
    assert is_due(now=now)
    tend(now=now)
    assert not is_due(now=now)


def test_subscriptions_are_mended_once_a_day(cast: Cast, settings: Any) -> None:
    all_is_well()
    settings.PUBLIC_URL = "https://returns.example.com"
    shop, now = cast.oms.shop, timezone.now()
    Shop.objects.filter(pk=shop.pk).update(webhooks_checked_at=now - timedelta(days=2))
    assert tend(now=now) == 1
    assert subscribed(shop) == dict.fromkeys(EVENTS, webhook_address())
    shop.refresh_from_db()
    assert (shop.webhooks_checked_at, shop.webhooks_problem) == (now, "")
    assert tend(now=now) == 0


def test_shop_that_left_is_left_alone(cast: Cast) -> None:
    all_is_well()
    now = timezone.now()
    Shop.objects.filter(pk=cast.oms.shop.pk).update(webhooks_checked_at=None, disconnected_at=now)
    ShopAuthorization.objects.filter(pk=cast.shopify.shop.authorization_id).update(
        broken_at=now, broken_reason=BrokenReason.DEAUTHORIZED, access_token_expires_at=now
    )
    Shop.objects.filter(authorization=cast.shopify.shop.authorization_id).update(webhooks_checked_at=None)
    assert not is_due(now=now)
