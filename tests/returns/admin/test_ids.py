"""The ids on the page of a return: each to copy, and linked where it is known where another system shows it."""

import re
from html import unescape
from typing import Any

import pytest
from django.urls import reverse

from returns.models import TikTokReturn
from tests.factories import (
    MatchFactory,
    ReboundReturnFactory,
    ReturnLabelFactory,
    ShopFactory,
    TikTokReturnFactory,
)

pytestmark = pytest.mark.django_db


def ids(client: Any, row: TikTokReturn) -> dict[str, tuple[str, str]]:
    """Name, value and link of each, as the page shows them."""
    page = client.get(reverse("admin:returns_tiktokreturn_change", args=[row.pk])).content.decode()
    shown = page.split('<dl class="desk-ids">')[1].split("</dl>")[0]
    found = {}
    for block in shown.split("<dt>")[1:]:
        copied = re.search(r'data-copy="([^"]*)"', block)
        link = re.search(r'href="([^"]*)"', block)
        assert copied
        found[block.split("</dt>")[0]] = (unescape(copied[1]), unescape(link[1]) if link else "")
    return found


def test_every_id_of_a_return_is_there_to_copy(admin_client: Any) -> None:
    shop = ShopFactory()
    held = ReboundReturnFactory(shop=shop, rebound_id="RB-1", reference="TTS-1")
    ReturnLabelFactory(rebound_return=held, tracking_number="RM1")
    row = TikTokReturnFactory(shop=shop, return_id="R1", order_id="T1", rebound_return=held, correlation_id="c" * 32)
    MatchFactory(shop=shop, return_id="R1", external_order_id='SO "1"')
    assert ids(admin_client, row) == {
        "Return id": ("R1", ""),
        "TikTok order id": ("T1", ""),
        "External order id": ('SO "1"', ""),
        "ReBound return": ("RB-1", ""),
        "Our reference at ReBound": ("TTS-1", ""),
        "Tracking number": ("RM1", ""),
        "Correlation id": ("c" * 32, ""),
    }


def test_ids_that_are_not_known_yet_are_left_out(admin_client: Any) -> None:
    assert list(ids(admin_client, TikTokReturnFactory(order_id=""))) == ["Return id", "Correlation id"]


def test_ids_lead_to_where_the_shop_says_they_are_shown(admin_client: Any) -> None:
    shop = ShopFactory(
        seller_center_link="https://seller.example/order?no={order_id}",
        order_system_link="https://oms.example/orders/{external_order_id}",
    )
    row = TikTokReturnFactory(shop=shop, order_id="T1")
    MatchFactory(shop=shop, return_id=row.return_id, external_order_id='#10/42"')
    links = {name: link for name, (_value, link) in ids(admin_client, row).items() if link}
    assert links == {
        "TikTok order id": "https://seller.example/order?no=T1",
        "External order id": "https://oms.example/orders/%2310%2F42%22",
    }
