"""External references: an order's ids, written to TikTok for the merchant, where the shop has that switched on.

An OMS that names TikTok's order and lines in the metadata of what it pushes (`order_references.py`) need not write
its ids to TikTok itself. Before a write we look: what somebody else wrote under the shop's platform is never
overwritten, but shown to a person. After it we read back: only what TikTok shows counts as written. So a lost answer
and a dead worker do no harm.

A merchant's order names no shop: it is looked for in each shop of the merchant that has the writing switched on.
"""

import logging
import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from matching.errands import (
    SLOWEST,
    claim_fairly,
    owners_with_work,
    pause_after,
    settle,
    still_ours,
    writing_shops,
)
from matching.models import ErrandState, ReferenceWrite
from matching.services import is_dead
from merchants.connections import mark_broken, tiktok_for
from merchants.models import Shop
from rebound_tts.clients.errors import (
    ConfigurationError,
    PermanentError,
    RemoteError,
    TemporaryError,
    UnexpectedAnswerError,
)
from rebound_tts.clients.tiktok_shop import (
    LINES_A_REFERENCE,
    ExternalLine,
    ExternalOrder,
    ExternalOrderReference,
    TikTokShopClient,
)

logger = logging.getLogger(__name__)

Written = Callable[[Shop, Sequence[str]], None]
ORDERS_A_BATCH = 50  # TikTok takes 100; each is looked at before and after, under one lease
BREATH = timedelta(seconds=5)
SHOWN = 3  # lines that a message names


class Settled(Exception):
    """Nothing is to be written for this order (now): how it ends, and why."""

    def __init__(self, state: ErrandState, detail: str = "", *, after: timedelta | None = None) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail
        self.after = after


def _shops(now: datetime) -> QuerySet[Shop]:
    free = Q(references_paused_until__isnull=True) | Q(references_paused_until__lt=now)
    return writing_shops().filter(free, authorization__broken_at__isnull=True)


def references_are_due(*, now: datetime) -> bool:
    return owners_with_work(_shops(now), ReferenceWrite, owner="shop", now=now).exists()


def claim_references(*, now: datetime, limit: int) -> tuple[uuid.UUID, list[list[int]]]:
    """Claim a batch each of up to `limit` shops. Answers the claim's token and the keys of each shop's batch."""
    with transaction.atomic():
        token, keys = claim_fairly(
            _shops(now),
            ReferenceWrite,
            owner="shop",
            now=now,
            limit=limit * ORDERS_A_BATCH,
            most_an_owner=ORDERS_A_BATCH,
            most_owners=limit,
        )
        batches: dict[int, list[int]] = {}
        for key, shop in ReferenceWrite.objects.filter(pk__in=keys).values_list("pk", "shop"):
            batches.setdefault(shop, []).append(key)
    return token, list(batches.values())


def write_references(keys: Sequence[int], *, token: uuid.UUID, on_written: Written) -> None:
    """Write the references of claimed orders of one shop, and settle how that ended for each.

    `on_written(shop, tiktok_order_ids)` is called once TikTok shows them: a return may wait for that.
    """
    rows = list(
        ReferenceWrite.objects.filter(pk__in=keys, claim_token=token)
        .select_related("order", "merchant", "shop__authorization", "shop__merchant")
        .defer("order__payload", "order__customer_address")
    )
    if not rows:
        return  # the lease ran out, and somebody else has them
    random.shuffle(rows)  # one that always fails must not stand before the others for ever
    batch = Batch(rows, token=token)
    try:
        batch.look()
        batch.write()
        batch.read_back()
    except RemoteError as error:
        logger.warning("references were not written", extra={"shop": batch.shop.shop_id, "error": str(error)})
        batch.fails(error)
    except Exception as error:
        detail = f"Our own error, {type(error).__name__}: see the log."
        batch.leaves(ErrandState.RETRYING, detail, after=SLOWEST)
        raise
    if batch.written:
        on_written(batch.shop, batch.written)


class Batch:
    """Orders of one shop under one claim. `left` are those that are not settled yet."""

    def __init__(self, rows: list[ReferenceWrite], *, token: uuid.UUID) -> None:
        self.left = {row.pk: row for row in rows}
        self.shop: Shop = rows[0].shop
        self.tiktok: TikTokShopClient = tiktok_for(self.shop)
        self.token = token
        self.entries: dict[int, ExternalOrderReference] = {}
        self.written: list[str] = []  # TikTok's ids of the orders that TikTok shows as they should be

    @property
    def platform(self) -> str:
        return str(self.shop.platform_origin)

    # The three steps

    def look(self) -> None:
        """What TikTok holds already: settles what needs no writing, and gathers what does."""
        for row in list(self.left.values()):
            if not still_ours([row], token=self.token, now=timezone.now()):
                del self.left[row.pk]
                continue
            try:
                self.entries[row.pk] = self._entry(row, self._held(row))
            except Settled as end:
                self._settle(row, end)
            except UnexpectedAnswerError as error:
                self._settle(row, _again(row, error))
            except PermanentError as error:
                self._not_here(row, error=error)

    def write(self) -> None:
        if not self.entries:
            return
        rows = [self.left[key] for key in self.entries]
        ours = still_ours(rows, token=self.token, now=timezone.now())
        self.left = {key: row for key, row in self.left.items() if key in ours}
        self.entries = {key: entry for key, entry in self.entries.items() if key in ours}
        if not self.entries:
            return
        by_order = {entry.order_id: key for key, entry in self.entries.items()}
        for error in self.tiktok.add_external_orders(list(self.entries.values())):
            key = by_order.get(error.order_id)
            if key in self.left:
                told = f"TikTok refused the reference: {error.message} ({error.code})"
                self._settle(self.left[key], Settled(ErrandState.REFUSED, told))

    def read_back(self) -> None:
        """Only what TikTok shows counts as written."""
        for key, entry in self.entries.items():
            row = self.left.get(key)
            if row is None or not still_ours([row], token=self.token, now=timezone.now()):
                continue
            (shown, *_) = [*self._held(row), None]
            wanted = {line.origin_id: line.id for line in entry.external_order.line_items}
            if shown is not None and shown.id == entry.external_order.id and _lines(shown) == wanted:
                self._done(row, lines=wanted)
            else:
                told = "TikTok took the reference and shows something else."
                self._settle(row, Settled(ErrandState.RETRYING, told, after=pause_after(row.attempts)))

    # One order

    def _held(self, row: ReferenceWrite) -> list[ExternalOrder]:
        found = self.tiktok.external_orders(order_id=row.tiktok_order_id, platform=self.platform)
        return [each for each in found if each.platform == self.platform]

    def _entry(self, row: ReferenceWrite, held: list[ExternalOrder]) -> ExternalOrderReference:
        """What is to be written. Raises Settled where that is nothing."""
        if row.order.cancelled_at is not None:
            raise Settled(ErrandState.CANCELLED)
        external_id = row.order.external_order_id
        wanted = dict(row.lines)
        if len(held) > 1:
            ids = ", ".join(each.id for each in held[:SHOWN])
            raise Settled(ErrandState.CONFLICT, f"TikTok holds several ids under {self.platform}: {ids}.")
        if held and not self._is_ours(row, held[0]):
            there = _lines(held[0])
            if held[0].id != external_id:
                told = f"TikTok holds the order id {held[0].id} under {self.platform}, where ours is {external_id}."
                raise Settled(ErrandState.CONFLICT, told)
            other = {line: there[line] for line in wanted if there.get(line, wanted[line]) != wanted[line]}
            if other:
                named = ", ".join(f"{line} is {there[line]}, ours is {wanted[line]}" for line in list(other)[:SHOWN])
                raise Settled(ErrandState.CONFLICT, f"TikTok holds other item ids under {self.platform}: {named}.")
            wanted = there | wanted  # a write replaces all lines: those that others wrote stay
        if held and held[0].id == external_id and _lines(held[0]) == wanted:
            self._done(row, lines=wanted)
            raise Settled(ErrandState.DONE)
        if len(wanted) > LINES_A_REFERENCE:
            told = f"TikTok takes {LINES_A_REFERENCE} lines of an order, and this has {len(wanted)}."
            raise Settled(ErrandState.REFUSED, told)
        lines = tuple(ExternalLine(id=item, origin_id=line) for line, item in sorted(wanted.items()))
        external = ExternalOrder(id=external_id, platform=self.platform, line_items=lines)
        return ExternalOrderReference(order_id=row.tiktok_order_id, external_order=external)

    def _is_ours(self, row: ReferenceWrite, held: ExternalOrder) -> bool:
        """Whether what TikTok holds is just what we wrote: then we may write something else."""
        return bool(row.written) and row.written == self._as_written(row, held.id, _lines(held))

    def _as_written(self, row: ReferenceWrite, external_id: str, lines: dict[str, str]) -> dict[str, Any]:
        return {"order": row.tiktok_order_id, "platform": self.platform, "id": external_id, "lines": lines}

    def _done(self, row: ReferenceWrite, *, lines: dict[str, str]) -> None:
        written = self._as_written(row, row.order.external_order_id, lines)
        self._settle(row, Settled(ErrandState.DONE), written=written)
        self.written.append(row.tiktok_order_id)

    def _not_here(self, row: ReferenceWrite, *, error: PermanentError) -> None:
        """TikTok does not know the order in this shop: on to the merchant's next shop, if there is one."""
        later = writing_shops().filter(merchant=row.merchant_id, pk__gt=self.shop.pk).order_by("pk")
        shop = later.values_list("pk", flat=True).first()
        if shop is None:
            self._settle(row, Settled(ErrandState.REFUSED, str(error)))
        else:
            self._settle(row, Settled(ErrandState.QUEUED, after=timedelta(0)), shop=shop)

    def _settle(self, row: ReferenceWrite, end: Settled, **more: Any) -> None:
        if self.left.pop(row.pk, None) is None:
            return
        settle(
            row,
            token=self.token,
            version=row.wanted,
            state=end.state,
            detail=end.detail,
            after=end.after,
            now=timezone.now(),
            **more,
        )

    # All that is left

    def leaves(self, state: ErrandState, detail: str, *, after: timedelta) -> None:
        for row in list(self.left.values()):
            self._settle(row, Settled(state, detail, after=after))

    def fails(self, error: RemoteError) -> None:
        pause = None
        if isinstance(error, ConfigurationError):
            if not is_dead(error):
                pause = SLOWEST  # this one call is not granted; returns go on
            elif not mark_broken(self.shop.authorization, error=error):
                pause = BREATH
        elif isinstance(error, TemporaryError):
            pause = max(BREATH, timedelta(seconds=error.retry_after or 0))
        if pause is not None:
            Shop.objects.filter(pk=self.shop.pk).update(references_paused_until=timezone.now() + pause)
        for row in list(self.left.values()):
            self._settle(row, _again(row, error))


def _again(row: ReferenceWrite, error: RemoteError) -> Settled:
    after = pause_after(row.attempts, retry_after=error.retry_after)
    return Settled(ErrandState.RETRYING, str(error), after=after)


def _lines(external: ExternalOrder) -> dict[str, str]:
    return {line.origin_id: line.id for line in external.line_items}
