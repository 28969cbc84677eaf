"""Rows for tests. Each factory makes one valid row of a merchant of its own; what hangs on a row shares its merchant.

No remote system knows these rows. Secrets and addresses are recognizable, so that a test can look for them.
"""

from datetime import timedelta
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from matching.models import (
    OPEN_ERRANDS,
    ErrandState,
    ItemMatch,
    Match,
    OrderFeed,
    OrderRelay,
    OrderSource,
    ReferenceWrite,
    SalesOrder,
    SalesOrderItem,
)
from merchants.models import Lane, Merchant, PlatformOrigin, ReboundAccount, Shop, ShopAuthorization
from returns.alert_models import AlertChannel, AlertKind
from returns.models import (
    EventSource,
    Kind,
    LabelFormat,
    ReboundReturn,
    ReturnLabel,
    ReturnPoll,
    Status,
    Step,
    StepAttempt,
    TikTokReturn,
    TikTokReturnItem,
    WebhookEvent,
    new_correlation_id,
)

PDF = b"%PDF-1.4\n% a label\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n a QR code"
ADDRESS = {"name": "Secretia Hidden", "line1": "14 Unseen Street", "city": "Bristol", "country": "GB"}


def now() -> Any:
    return factory.LazyFunction(timezone.now)


def same(path: str) -> Any:
    return factory.SelfAttribute(f"{path}.merchant")


class MerchantFactory(DjangoModelFactory):
    class Meta:
        model = Merchant

    name = factory.Sequence(lambda number: f"Merchant {number}")
    created_at = now()


class ShopAuthorizationFactory(DjangoModelFactory):
    class Meta:
        model = ShopAuthorization

    merchant = factory.SubFactory(MerchantFactory)
    open_id = factory.Sequence(lambda number: f"open-{number}")
    seller_name = factory.Sequence(lambda number: f"Seller {number}")
    region = "GB"
    access_token = factory.Sequence(lambda number: f"ROW_secret-access-{number}")
    access_token_expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=7))
    refresh_token = factory.Sequence(lambda number: f"ROW_secret-refresh-{number}")
    refresh_token_expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=365))
    authorized_at = now()


class ReboundAccountFactory(DjangoModelFactory):
    class Meta:
        model = ReboundAccount

    merchant = factory.SubFactory(MerchantFactory)
    client_id = factory.Sequence(lambda number: f"client-{number}")
    client_secret = factory.Sequence(lambda number: f"secret-of-client-{number}")
    access_token = factory.Sequence(lambda number: f"secret-rebound-token-{number}")
    access_token_expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))


class ShopFactory(DjangoModelFactory):
    class Meta:
        model = Shop

    merchant = factory.SubFactory(MerchantFactory)
    authorization = factory.SubFactory(ShopAuthorizationFactory, merchant=factory.SelfAttribute("..merchant"))
    rebound_account = factory.SubFactory(ReboundAccountFactory, merchant=factory.SelfAttribute("..merchant"))
    shop_id = factory.Sequence(lambda number: f"74940000000000{number:05}")
    cipher = factory.Sequence(lambda number: f"ROW_secret-cipher-{number}")
    name = factory.Sequence(lambda number: f"Shop {number}")
    region = "GB"
    matching_enabled = True
    platform_origin = PlatformOrigin.SHOPIFY
    created_at = now()
    live_at = now()


class LaneFactory(DjangoModelFactory):
    class Meta:
        model = Lane

    shop = factory.SubFactory(ShopFactory)
    merchant = same("shop")
    carrier_service = "ROYAL_MAIL_TRACKED"
    shipping_provider_id = "7117858858072016701"
    shipping_provider_name = "Royal Mail"


class SalesOrderFactory(DjangoModelFactory):
    class Meta:
        model = SalesOrder

    merchant = factory.SubFactory(MerchantFactory)
    external_order_id = factory.Sequence(lambda number: f"SO-{number}")
    oms_order_id = factory.SelfAttribute("external_order_id")
    rebound_id = factory.Sequence(lambda number: f"rebound-order-{number}")
    customer_address = factory.LazyFunction(ADDRESS.copy)
    source = OrderSource.READ_THROUGH
    first_seen_at = now()
    updated_at = now()


class SalesOrderItemFactory(DjangoModelFactory):
    class Meta:
        model = SalesOrderItem

    order = factory.SubFactory(SalesOrderFactory)
    merchant = same("order")
    position = factory.Sequence(lambda number: number)
    external_item_id = factory.Sequence(lambda number: f"item-{number}")
    sku = "wool-socks"
    quantity = 1


class ErrandFactory(DjangoModelFactory):
    """Something to do elsewhere for an order; `state` brings along what such a row holds."""

    class Meta:
        abstract = True

    order = factory.SubFactory(SalesOrderFactory)
    merchant = same("order")
    wanted = "hash"
    queued_at = now()
    next_attempt_at = factory.LazyAttribute(lambda row: row.queued_at if row.state in OPEN_ERRANDS else None)
    state = ErrandState.QUEUED
    done = factory.LazyAttribute(lambda row: row.wanted if row.state == ErrandState.DONE else "")
    done_at = factory.LazyAttribute(lambda row: row.queued_at if row.done else None)


class OrderRelayFactory(ErrandFactory):
    class Meta:
        model = OrderRelay

    account = factory.SubFactory(ReboundAccountFactory, merchant=factory.SelfAttribute("..merchant"))


class ReferenceWriteFactory(ErrandFactory):
    class Meta:
        model = ReferenceWrite

    shop = factory.SubFactory(ShopFactory, merchant=factory.SelfAttribute("..merchant"))
    tiktok_order_id = factory.Sequence(lambda number: f"57646141300000{number:05}")
    lines = factory.LazyFunction(lambda: {"line-1": "item-1"})


class OrderFeedFactory(DjangoModelFactory):
    class Meta:
        model = OrderFeed

    account = factory.SubFactory(ReboundAccountFactory)
    merchant = same("account")
    next_read_at = now()


class ReturnPollFactory(DjangoModelFactory):
    class Meta:
        model = ReturnPoll

    shop = factory.SubFactory(ShopFactory)
    merchant = same("shop")
    next_poll_at = now()


class MatchFactory(DjangoModelFactory):
    """A match with its order; `outcome`, `reason` and `sales_order=None` make one without."""

    class Meta:
        model = Match

    shop = factory.SubFactory(ShopFactory)
    merchant = same("shop")
    return_id = factory.Sequence(lambda number: f"40353185040000{number:05}")
    outcome = "MATCHED"
    is_curable = False
    sales_order = factory.SubFactory(SalesOrderFactory, merchant=factory.SelfAttribute("..merchant"))
    external_order_id = factory.LazyAttribute(lambda row: row.sales_order.external_order_id if row.sales_order else "")
    order_key = factory.SelfAttribute("external_order_id")
    decided_at = now()


class ItemMatchFactory(DjangoModelFactory):
    class Meta:
        model = ItemMatch

    match = factory.SubFactory(MatchFactory)
    merchant = same("match")
    item = factory.SubFactory(SalesOrderItemFactory, order=factory.SelfAttribute("..match.sales_order"))
    return_line_item_id = factory.Sequence(lambda number: f"return-line-{number}")
    order_line_item_id = factory.Sequence(lambda number: f"order-line-{number}")
    external_item_id = factory.LazyAttribute(lambda row: row.item.external_item_id if row.item else "")


class ReboundReturnFactory(DjangoModelFactory):
    """A direct return that ReBound has confirmed."""

    class Meta:
        model = ReboundReturn

    shop = factory.SubFactory(ShopFactory)
    merchant = same("shop")
    account = factory.SelfAttribute("shop.rebound_account")
    reference = factory.Sequence(lambda number: f"TTS-{number}")
    kind = Kind.DIRECT
    direct_reason = "MATCHING_OFF"
    country = "GB"
    carrier_service = "ROYAL_MAIL_TRACKED"
    shipping_provider_id = "7117858858072016701"
    label_format = LabelFormat.PDF
    rebound_id = factory.Sequence(lambda number: f"rebound-return-{number}")
    rebound_status = "ACTIVE"
    started_at = now()
    confirmed_at = now()


class ReturnLabelFactory(DjangoModelFactory):
    class Meta:
        model = ReturnLabel

    rebound_return = factory.SubFactory(ReboundReturnFactory)
    merchant = same("rebound_return")
    format = LabelFormat.PDF
    content_type = "application/pdf"
    content = PDF
    carrier = "Royal Mail"
    tracking_number = factory.Sequence(lambda number: f"RM{number:09}GB")
    received_at = now()


class TikTokReturnFactory(DjangoModelFactory):
    """A return that was announced and not fetched yet."""

    class Meta:
        model = TikTokReturn

    shop = factory.SubFactory(ShopFactory)
    merchant = same("shop")
    return_id = factory.Sequence(lambda number: f"40353185040000{number:05}")
    order_id = factory.Sequence(lambda number: f"57646141300000{number:05}")
    correlation_id = factory.LazyFunction(new_correlation_id)
    buyer_address = factory.LazyFunction(ADDRESS.copy)
    status = Status.OPEN
    created_at = now()
    status_changed_at = now()


class TikTokReturnItemFactory(DjangoModelFactory):
    class Meta:
        model = TikTokReturnItem

    tiktok_return = factory.SubFactory(TikTokReturnFactory)
    merchant = same("tiktok_return")
    return_line_item_id = factory.Sequence(lambda number: f"return-line-{number}")
    order_line_item_id = factory.Sequence(lambda number: f"order-line-{number}")
    seller_sku = "wool-socks"


class StepAttemptFactory(DjangoModelFactory):
    """An attempt that is under way."""

    class Meta:
        model = StepAttempt

    tiktok_return = factory.SubFactory(TikTokReturnFactory)
    merchant = same("tiktok_return")
    step = Step.FETCH
    started_at = now()


class WebhookEventFactory(DjangoModelFactory):
    """An event that waits to be handled."""

    class Meta:
        model = WebhookEvent

    source = EventSource.TIKTOK
    dedupe_key = factory.Sequence(lambda number: f"notification-{number}")
    type = "12"
    body = '{"type":12,"data":{}}'
    correlation_id = factory.LazyFunction(new_correlation_id)
    received_at = now()


class AlertChannelFactory(DjangoModelFactory):
    """A webhook that hears of everything."""

    class Meta:
        model = AlertChannel

    merchant = factory.SubFactory(MerchantFactory)
    kind = AlertKind.WEBHOOK
    address = factory.Sequence(lambda number: f"https://alerts-{number}.example/hook")
    secret = "secret-of-channel"
    created_at = now()
    told_until = now()
    next_digest_at = now()
