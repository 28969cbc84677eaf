"""Test returns: what a return of a real order would become, shown and not done.

The same code decides that works on returns: a journey over a row that is never stored. TikTok is asked for the order
and its references, ReBound for the sales order; nothing is sent to TikTok and nothing created at ReBound.
"""

from dataclasses import asdict
from datetime import datetime

from django.db import transaction

from matching.decision import Decision
from matching.matcher import ReturnedLine
from matching.services import ReturnToMatch, decide_return
from merchants.connections import rebound_for, tiktok_for, tiktok_for_page
from merchants.models import Shop
from rebound_tts.clients.errors import NotFoundError
from rebound_tts.clients.tiktok_answers import TikTokOrder
from returns.dry_run import Rehearsal, unsaved_match
from returns.journey import BlockedError
from returns.models import TikTokReturn
from returns.pipeline import AWAITING_BUYER_SHIP
from returns.steps.create import Plan, plan_for
from returns.trial_models import Trial

OFFERED = 12  # orders to choose from
LOOKED_AT = 50
NOT_RETURNABLE = frozenset({"UNPAID", "ON_HOLD", "CANCELLED"})
KEPT = 20  # of a shop, the newest


class NoSuchOrderError(Exception):
    """TikTok does not know the order in this shop, or it has no lines."""


def orders_to_try(shop: Shop) -> list[TikTokOrder]:
    """The shop's newest orders that could be returned. Raises RemoteError."""
    page = tiktok_for_page(shop).newest_orders(page_size=LOOKED_AT)
    return [order for order in page.orders if order.status not in NOT_RETURNABLE and order.lines][:OFFERED]


def try_return(*, shop: Shop, order_id: str, wants_qr: bool, by: str, now: datetime) -> Trial:
    """Decide on a return of the whole order as a run would, and keep what came of it.

    Raises NoSuchOrderError, and RemoteError where TikTok or ReBound cannot be asked at all.
    """
    tiktok = tiktok_for(shop)
    try:
        found = tiktok.orders([order_id])
    except NotFoundError as error:
        raise NoSuchOrderError from error
    order = next((each for each in found if each.id == order_id), None)
    if order is None or not order.lines:
        raise NoSuchOrderError
    rebound = rebound_for(shop.rebound_account) if shop.rebound_account else None
    lines = tuple(ReturnedLine(line.id, line.id, line.seller_sku) for line in order.lines)
    subject = ReturnToMatch(return_id="", tiktok_order_id=order_id, lines=lines)
    decision = decide_return(shop=shop, subject=subject, tiktok=tiktok, rebound=rebound, now=now)
    plan, direct_reason, country = _planned(shop, order=order, decision=decision, wants_qr=wants_qr, now=now)
    with transaction.atomic():
        trial = Trial.objects.create(
            merchant=shop.merchant,
            shop=shop,
            order_id=order_id,
            lines=[{"id": line.id, "sku": line.seller_sku, "name": line.product_name[:200]} for line in order.lines],
            outcome=decision.outcome,
            reason=decision.reason or "",
            external_order_id=decision.external_order_id[:255],
            trail=decision.trail_as_json(),
            is_linked=plan is not None and plan.sales_order is not None,
            direct_reason=direct_reason[:60],
            country=country,
            carrier_service=plan.service if plan else "",
            shipping_provider_name=plan.lane.shipping_provider_name if plan else "",
            wants_qr=wants_qr,
            asked_by=by[:150],
            asked_at=now,
        )
        trials = Trial.objects.for_merchant(shop.merchant).filter(shop=shop)
        old = list(trials.order_by("-asked_at", "-pk").values_list("pk", flat=True)[KEPT:])
        trials.filter(pk__in=old).delete()
    return trial


def _planned(
    shop: Shop, *, order: TikTokOrder, decision: Decision, wants_qr: bool, now: datetime
) -> tuple[Plan | None, str, str]:
    """The plan of the return at ReBound, why it would be direct, and its country. Without a lane there is no plan."""
    row = TikTokReturn(
        merchant=shop.merchant,
        shop=shop,
        return_id="",
        order_id=order.id,
        return_status=AWAITING_BUYER_SHIP,
        return_type="RETURN_AND_REFUND",
        return_method="SELLER_SHIPPED",
        document_type="QR_CODE" if wants_qr else "SHIPPING_LABEL",
        buyer_address=asdict(order.address) if order.address else {},
        fetched_at=now,
        order_fetched_at=now,
    )
    journey = Rehearsal(row)
    journey.at = now
    journey.__dict__["matches"] = {"": unsaved_match(shop, return_id="", decision=decision, now=now)}
    try:
        plan = plan_for(journey)
    except BlockedError:
        return None, journey.order_to_link()[1], ""
    return plan, plan.direct_reason, plan.country
