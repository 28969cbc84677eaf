"""Fetch: what TikTok says of the return, of the others on its order, and of the order. The webhook was only a hint."""

import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Case, DateTimeField, F, PositiveIntegerField, Q, Value, When
from django.db.models.functions import Coalesce

from matching.orders import amount_held
from rebound_tts.clients.errors import ConfigurationError, RemoteError, TemporaryError, UnexpectedAnswerError
from rebound_tts.clients.tiktok_answers import TikTokOrder
from rebound_tts.clients.tiktok_returns import RemoteReturn
from returns.hints import Hint, take_hints
from returns.journey import BlockedError, Journey, need_of
from returns.models import Reason, TikTokReturn, TikTokReturnItem
from returns.pipeline import AWAITING_BUYER_SHIP, Need

logger = logging.getLogger(__name__)

TRIES_FOR_THE_ORDER = 3  # the order gives the buyer's address; a label is worth more than an address
LONGEST_ID = 64  # characters that a column of ours holds; TikTok's ids have 19
SCOPE_MISSING = "105005"  # TikTok's code where one permission is missing, and others may be there


def fetch(journey: Journey) -> str:
    row = journey.tiktok_return
    hints_seen = row.hint_count
    found = search(journey)
    remote = found.get(row.return_id)
    if remote is None:
        raise BlockedError(Reason.RETURN_NOT_FOUND, "The search by its id lists other returns or none.", passing=True)
    check_remote(remote)
    _store(row, remote=remote, journey=journey, hints_seen=hints_seen)
    for other in found.values():
        if other.return_id != row.return_id:
            _store_sibling(row, remote=other, journey=journey)
    journey.forget_items()
    journey.reload()
    if need_of(journey.tiktok_return, our_tracking_number=journey.our_tracking_number).need is Need.LABEL:
        fetch_order(journey, insist=True)
    return remote.return_status


def search(journey: Journey) -> dict[str, RemoteReturn]:
    """Every return on the order, by id. One search by order is enough where the hint named the right order."""
    row = journey.tiktok_return
    found: dict[str, RemoteReturn] = {}
    if row.order_id:
        found = {remote.return_id: remote for remote in journey.tiktok.search_returns(order_ids=[row.order_id])}
    if row.return_id not in found:
        found = {remote.return_id: remote for remote in journey.tiktok.search_returns(return_ids=[row.return_id])}
        remote = found.get(row.return_id)
        if remote is not None:
            siblings = journey.tiktok.search_returns(order_ids=[remote.order_id])
            found = {other.return_id: other for other in siblings} | {remote.return_id: remote}
    own = found.get(row.return_id)
    return {key: other for key, other in found.items() if own is not None and other.order_id == own.order_id}


def check_remote(remote: RemoteReturn) -> None:
    """Refuse what cannot be a whole return: ids that nobody gives, or an approved return of nothing."""
    ids = [remote.order_id, remote.combined_return_id, remote.pre_return_id, remote.next_return_id]
    for line in remote.lines:
        ids += [line.return_line_item_id, line.order_line_item_id]
    if any(len(each) > LONGEST_ID for each in ids):
        raise BlockedError(Reason.UNEXPECTED_ANSWER, f"An id is longer than {LONGEST_ID} characters.", passing=True)
    if remote.return_status == AWAITING_BUYER_SHIP and not remote.lines:
        raise BlockedError(Reason.UNEXPECTED_ANSWER, "TikTok lists no line of the return.", passing=True)


def facts_of(remote: RemoteReturn) -> dict[str, Any]:
    """TikTok's answer as columns of our row."""
    return {
        "order_id": remote.order_id,
        "return_type": remote.return_type[:40],
        "return_status": remote.return_status[:60],
        "return_method": remote.return_method[:40],
        "document_type": remote.document_type[:40],
        "can_buyer_keep_item": remote.can_buyer_keep_item,
        "combined_return_id": remote.combined_return_id if remote.is_combined or remote.combined_return_id else "",
        "pre_return_id": remote.pre_return_id,
        "next_return_id": remote.next_return_id,
        "tiktok_tracking_number": remote.tracking_number[:100],
        "reason_code": remote.reason[:120],
        "tiktok_updated_at": remote.updated_at,
        "payload": remote.raw,
    }


def _store(row: TikTokReturn, *, remote: RemoteReturn, journey: Journey, hints_seen: int) -> None:
    """Bring the row up to date, unless it already holds a newer view. The hints that led here are followed."""
    now = journey.now
    with transaction.atomic():
        rows = TikTokReturn.objects.filter(pk=row.pk)
        newer = Q(tiktok_updated_at__isnull=True) | Q(tiktok_updated_at__lte=remote.updated_at or now)
        progress = _progress(remote, hints_seen=hints_seen, wait_until=now + journey.shop.match_wait)
        if rows.filter(newer).update(**facts_of(remote), **progress, fetched_at=now):
            _store_items(row, remote=remote)
        else:
            rows.update(**progress)
        if remote.tracking_number:
            # An upload whose answer was lost shows up here.
            rows.filter(
                label_delivered_at__isnull=True, rebound_return__label__tracking_number=remote.tracking_number
            ).update(label_delivered_at=now)


def _progress(remote: RemoteReturn, *, hints_seen: int, wait_until: datetime) -> dict[str, Any]:
    """What a fetch moves on, whichever view is the newer: both only ever grow."""
    fewer = When(fetched_hint_count__lt=hints_seen, then=Value(hints_seen))
    followed = Case(fewer, default=F("fetched_hint_count"), output_field=PositiveIntegerField())
    if remote.return_status != AWAITING_BUYER_SHIP:
        return {"fetched_hint_count": followed}
    # The wait for the order starts once the return is approved.
    waits = Coalesce(F("match_wait_until"), Value(wait_until), output_field=DateTimeField())
    return {"fetched_hint_count": followed, "match_wait_until": waits}


def _store_items(row: TikTokReturn, *, remote: RemoteReturn) -> None:
    held = set(row.items.values_list("return_line_item_id", flat=True))
    lines = {line.return_line_item_id: line for line in remote.lines}
    if not lines or held == set(lines):
        return
    if held - set(lines):
        TikTokReturnItem.objects.filter(tiktok_return=row).exclude(return_line_item_id__in=lines).delete()
    TikTokReturnItem.objects.bulk_create(
        TikTokReturnItem(
            merchant_id=row.merchant_id,
            tiktok_return=row,
            return_line_item_id=line.return_line_item_id,
            order_line_item_id=line.order_line_item_id,
            sku_id=line.sku_id[:64],
            seller_sku=line.seller_sku[:255],
            name=line.product_name[:1000],
            price=amount_held(line.refund_total),
            currency=line.currency[:3],
        )
        for line in lines.values()
        if line.return_line_item_id not in held
    )


def _store_sibling(row: TikTokReturn, *, remote: RemoteReturn, journey: Journey) -> None:
    """Another return on the order: bring its row up to date, or make one where it needs us and no webhook came."""
    try:
        check_remote(remote)
    except BlockedError:
        return  # its own claim says what is wrong with it
    sibling = TikTokReturn.objects.filter(shop=row.shop, return_id=remote.return_id).first()
    if sibling is None:
        sibling = TikTokReturn(
            return_id=remote.return_id, **{k: v for k, v in facts_of(remote).items() if k != "payload"}
        )
        if need_of(sibling, our_tracking_number="").need not in {Need.LABEL, Need.NOT_YET}:
            return
        ((sibling, _),) = take_hints([Hint(row.shop, remote.return_id, remote.order_id)], now=journey.now)
        logger.info("found a return that no webhook announced", extra={"return_id": remote.return_id})
    elif sibling.fetched_at:
        if not (remote.updated_at and sibling.tiktok_updated_at and remote.updated_at > sibling.tiktok_updated_at):
            return  # nothing new; its own fetch may have seen more within the same second
        # Its own webhook may be lost, or be taken for an old one now: its claim looks for itself.
        TikTokReturn.objects.filter(pk=sibling.pk).update(hint_count=F("hint_count") + 1, next_attempt_at=journey.now)
    # Its own claim fetches what changed since; what is followed here are no hints of its own.
    _store(sibling, remote=remote, journey=journey, hints_seen=0)


def fetch_order(journey: Journey, *, insist: bool) -> None:
    """The buyer's address and the prices, once. With `insist` a failure that may pass is raised, a few times."""
    row = journey.tiktok_return
    if row.order_fetched_at:
        return
    try:
        orders = journey.tiktok.orders([row.order_id])
    except RemoteError as error:
        is_dead = isinstance(error, ConfigurationError) and error.code != SCOPE_MISSING
        may_pass = isinstance(error, TemporaryError | UnexpectedAnswerError)
        if is_dead or (insist and may_pass and row.attempts <= TRIES_FOR_THE_ORDER):
            raise
        logger.warning("going on without the order", extra={"return_id": row.return_id, "error": str(error)})
        return
    order = next((order for order in orders if order.id == row.order_id), None)
    if order is None:
        logger.warning("TikTok does not list the order", extra={"return_id": row.return_id, "order_id": row.order_id})
        return
    _store_order(row, order=order, journey=journey)


def _store_order(row: TikTokReturn, *, order: TikTokOrder, journey: Journey) -> None:
    """The buyer's address, and what was paid for each unit."""
    row.buyer_address = asdict(order.address) if order.address else {}
    row.order_fetched_at = journey.now
    row.save(update_fields=["buyer_address", "order_fetched_at"])
    prices = {line.id: line for line in order.lines if line.sale_price is not None}
    changed = []
    for item in journey.items_of(row):
        line = prices.get(item.order_line_item_id)
        paid = (amount_held(line.sale_price), line.currency[:3]) if line else (item.price, item.currency)
        if (item.price, item.currency) != paid:
            item.price, item.currency = paid
            changed.append(item)
    TikTokReturnItem.objects.bulk_update(changed, ["price", "currency"])
