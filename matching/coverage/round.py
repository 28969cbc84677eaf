"""Carrying a check on: one round under one claim, from wherever its rows say that it stands.

Remote calls are waiting, not computing: several orders at a time, in threads that only call. What they learn is stored
in batches by the round itself, each batch fenced by the claim, so that a round that was overtaken, canceled or killed
leaves rows that the next one goes on from. A round is short: the worker that carries it also makes labels.

Calls, and no more: one search page for 100 orders, one look at the references of each, and at ReBound one page of the
list of changed orders for 50 that are not here, then one search for each that is left (see `_look_up_orders`).
"""

import logging
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

from django.db import connections, transaction
from django.utils import timezone

from matching.coverage.diagnosis import diagnose
from matching.coverage.judgment import (
    KnownOrder,
    Sampled,
    decide_on,
    question_of,
    references_as_json,
    stage_of,
)
from matching.coverage.models import CheckState, CoverageCheck, CoverageOrder, Where
from matching.coverage.pace import Pace, RoundOverError
from matching.coverage.sources import (
    ChangedOrders,
    changed_at_rebound,
    find_at_rebound,
    held_here,
    newest_here,
    together,
)
from matching.matcher import Reference, choose_reference
from matching.models import SalesOrder
from matching.services import is_dead, is_enough, problem_of, reference_of
from merchants.connections import rebound_for, tiktok_for
from rebound_tts.clients.errors import RemoteError, TemporaryError
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.tiktok_answers import TikTokOrder

logger = logging.getLogger(__name__)

T = TypeVar("T")

ROUND_SECONDS = 10.0
LEASE = timedelta(seconds=30)  # renewed with every batch that is stored
AT_A_TIME = 16  # calls under way
STORE_SECONDS = 0.5  # between batches
OUTAGE = 24  # calls in a row that fail for a moment, each tried several times
PROBES = 3  # orders looked up one by one, to test that ReBound's list of changed orders leaves nothing out
OLDER = timedelta(days=1)  # clocks differ, and an OMS may know an order before TikTok shows it
NOT_RETURNABLE = frozenset({"UNPAID", "ON_HOLD", "CANCELLED"})
MOST_SEARCH_PAGES = 20
DECIDED = ("orders", "where", "problem", "outcome", "reason", "external_order_id", "stage", "lines_found")


class ClaimLostError(Exception):
    """The check was canceled, or another worker has it."""


class OutageError(Exception):
    """A remote does not answer anybody."""

    def __init__(self, error: RemoteError) -> None:
        super().__init__(str(error))
        self.error = error


class Round:
    """One check under one claim, for a few seconds."""

    def __init__(self, check: CoverageCheck, *, token: uuid.UUID) -> None:
        self.check = check
        self.token = token
        self.ends_at = time.monotonic() + ROUND_SECONDS
        self.tiktok = tiktok_for(check.shop)
        self.tiktok_pace = Pace(ends_at=self.ends_at, spacing=check.seconds_between_calls)
        self.rebound_pace = Pace(ends_at=self.ends_at)
        self._calls_before = Counter(check.calls)

    def go(self) -> None:
        if self.check.sampled_at is None:
            self._sample()
        self._read_references()
        changed = self._look_up_orders()
        self._conclude(changed)

    @cached_property
    def rebound(self) -> ReboundClient | None:
        account = self.check.shop.rebound_account
        return rebound_for(account) if account is not None and account.reads_orders else None

    # The sample

    def _sample(self) -> None:
        """The newest orders that could be returned. All of them at once, or the next round begins anew."""
        wanted, page_token = self.check.sample_size, ""
        found: dict[str, TikTokOrder] = {}
        for _ in range(MOST_SEARCH_PAGES):
            page = self._search(page_token, min(100, max(wanted, 20)))
            for order in page.orders:
                if order.status not in NOT_RETURNABLE:
                    found.setdefault(order.id, order)
            page_token = page.next_page_token
            if len(found) >= wanted or not page_token:
                break
        rows = [
            CoverageOrder(
                merchant_id=self.check.merchant_id,
                coverage_check=self.check,
                position=position,
                order_id=order.id[:64],
                order_status=order.status[:40],
                ordered_at=order.create_time,
                lines=[{"id": line.id, "sku": line.seller_sku[:255]} for line in order.lines],
            )
            for position, order in enumerate(list(found.values())[:wanted])
        ]
        with transaction.atomic():
            self._hold(sampled_at=timezone.now())
            CoverageOrder.objects.bulk_create(rows)
            self._count()

    def _search(self, page_token: str, size: int) -> Any:
        try:
            return self.tiktok_pace.call(
                "searches", lambda: self.tiktok.newest_orders(page_size=size, page_token=page_token)
            )
        except TemporaryError as error:
            raise OutageError(error) from error

    # What the OMS wrote at TikTok

    def _read_references(self) -> None:
        rows = list(self._undecided().filter(references__isnull=True))

        def read(row: CoverageOrder) -> tuple[Reference, ...]:
            found = self.tiktok_pace.call(
                "references",
                lambda: self.tiktok.external_orders(order_id=row.order_id, platform=self.check.platform_origin),
            )
            return tuple(reference_of(each) for each in found)

        def store(answers: Sequence[tuple[CoverageOrder, tuple[Reference, ...]]]) -> None:
            decided = []
            for row, references in answers:
                row.references = references_as_json(references)
                sampled = row.sampled()
                if self._chosen(sampled) is None:
                    self._judge(row, sampled)
                decided.append(row)
            self._store(decided, "references", *DECIDED)

        self._each(rows, read, store)

    def _chosen(self, sampled: Sampled) -> Reference | None:
        question = question_of(sampled, origin=self.check.platform_origin, rules=self.check.rules, orders=())
        return choose_reference(question).reference

    # The sales orders

    def _look_up_orders(self) -> ChangedOrders:
        """Decide on every order that has a reference; answers what ReBound told of its orders on the way.

        What is held here and is whole needs no call, exactly as for a return. For the others, ReBound's list of changed
        orders is read as long as that may save calls: a page is one call, and an order not in the list is one. Whatever
        the list did not show is searched for one by one, unless the list was read to its end and three such searches
        found nothing that it left out.
        """
        rows = list(self._undecided())
        references = {row.pk: self._chosen(row.sampled()) for row in rows}
        rules = self.check.rules
        ids = [reference.id for reference in references.values() if reference is not None]
        held = held_here(merchant=self.check.merchant, external_order_ids=ids, rules=rules)
        here: dict[int, list[SalesOrder]] = {}
        missing: list[CoverageOrder] = []
        settled: list[CoverageOrder] = []
        for row in rows:
            reference = references[row.pk]
            here[row.pk] = held.get(rules.key(reference.id) or "", []) if reference else []
            if reference and self.rebound and not self._is_enough(row, here[row.pk], reference):
                missing.append(row)
            else:
                settled.append(row)
        self._store_found(settled, here=here, remote={})
        if not missing or self.rebound is None:
            return ChangedOrders()
        changed = self._changed(most_pages=len(missing))
        listed: dict[str, list[KnownOrder]] = {}
        for order in changed.orders:
            listed.setdefault(rules.key(order.external_order_id) or "", []).append(order)
        wanted = {row.pk: rules.key(_id_of(references[row.pk])) or "" for row in missing}
        found = [row for row in missing if wanted[row.pk] in listed]
        self._store_found(found, here=here, remote={row.pk: listed[wanted[row.pk]] for row in found})
        left = [row for row in missing if wanted[row.pk] not in listed]
        if changed.is_whole and not self._search_for(left[:PROBES], references, here):
            self._store_found(left[PROBES:], here=here, remote={})
            return changed
        self._search_for(left if not changed.is_whole else left[PROBES:], references, here)
        return changed

    def _is_enough(self, row: CoverageOrder, held: list[SalesOrder], reference: Reference) -> bool:
        wanted = {line["id"] for line in row.lines}
        return is_enough(held=held, reference=reference, order_line_item_ids=wanted, rules=self.check.rules)

    def _changed(self, *, most_pages: int) -> ChangedOrders:
        if self.rebound is None:
            return ChangedOrders()
        oldest = self.check.orders.filter(ordered_at__isnull=False).order_by("ordered_at").first()
        since = (oldest.ordered_at if oldest else self.check.asked_at) - OLDER
        changed = changed_at_rebound(rebound=self.rebound, pace=self.rebound_pace, since=since, most_pages=most_pages)
        self._hold()
        return changed

    def _search_for(
        self,
        rows: list[CoverageOrder],
        references: dict[int, Reference | None],
        here: dict[int, list[SalesOrder]],
    ) -> bool:
        """Search for each at ReBound and decide. Whether any was found."""
        any_found = False
        rebound = self.rebound
        if rebound is None:
            return False

        def search(row: CoverageOrder) -> list[KnownOrder]:
            return find_at_rebound(
                rebound=rebound,
                pace=self.rebound_pace,
                external_order_id=_id_of(references[row.pk]),
                rules=self.check.rules,
            )

        def store(answers: Sequence[tuple[CoverageOrder, list[KnownOrder]]]) -> None:
            nonlocal any_found
            any_found = any_found or any(found for _, found in answers)
            self._store_found([row for row, _ in answers], here=here, remote={row.pk: found for row, found in answers})

        self._each(rows, search, store, here=here)
        return any_found

    def _store_found(
        self,
        rows: Iterable[CoverageOrder],
        *,
        here: dict[int, list[SalesOrder]],
        remote: dict[int, list[KnownOrder]],
    ) -> None:
        decided = []
        for row in rows:
            held, there = here[row.pk], remote.get(row.pk, [])
            orders = together(held=held, remote=there)
            row.orders = [order.as_json() for order in orders]
            is_there = bool(there) or any(order.rebound_id for order in held)
            row.where = (Where.BOTH if is_there else Where.HERE) if held else (Where.REBOUND if is_there else "")
            self._judge(row, row.sampled())
            decided.append(row)
        self._store(decided, *DECIDED)

    # The end

    def _conclude(self, changed: ChangedOrders) -> None:
        rows = list(self.check.orders.order_by("position"))
        findings = diagnose(
            [row.sampled() for row in rows],
            known=[*newest_here(merchant=self.check.merchant), *changed.orders],
            origin=self.check.platform_origin,
            rules=self.check.rules,
        )
        now = timezone.now()
        self._hold(
            state=CheckState.DONE,
            finished_at=now,
            failure_detail="",
            findings=[finding.as_json() for finding in findings],
            claimed_until=None,
            claim_token=None,
        )
        logger.info("a coverage check is done", extra={"check": self.check.pk, "matched": self.check.matched})

    # Several at a time, and what becomes of it

    def _undecided(self) -> Any:
        return self.check.orders.filter(outcome="").order_by("position")

    def _judge(self, row: CoverageOrder, sampled: Sampled) -> None:
        decision = decide_on(sampled, origin=self.check.platform_origin, rules=self.check.rules)
        row.outcome = decision.outcome
        row.reason = decision.reason or ""
        row.external_order_id = decision.external_order_id[:255]
        row.stage = stage_of(decision)
        row.lines_found = sum(1 for line in decision.lines if line.matched)

    def _each(
        self,
        rows: list[CoverageOrder],
        act: Callable[[CoverageOrder], T],
        store: Callable[[Sequence[tuple[CoverageOrder, T]]], None],
        *,
        here: dict[int, list[SalesOrder]] | None = None,
    ) -> None:
        """`act` on each row, several at a time; what they answer is stored as it comes.

        A row whose call fails for good is decided as a return would be: the look-up failed. If nobody is answered, it
        is an outage, and no row is blamed for it. Raises RoundOverError once what was under way is stored.
        """
        waiting, under_way = deque(rows), dict[Future[T], CoverageOrder]()
        answers: list[tuple[CoverageOrder, T]] = []
        failed: list[tuple[CoverageOrder, RemoteError]] = []
        over: RoundOverError | None = None
        answered, in_a_row, stored_at = 0, 0, time.monotonic()
        with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="coverage") as pool:
            while (waiting and over is None) or under_way:
                while waiting and over is None and len(under_way) < AT_A_TIME:
                    row = waiting.popleft()
                    under_way[pool.submit(_in_thread, act, row)] = row
                for future in wait(under_way, timeout=STORE_SECONDS, return_when=FIRST_COMPLETED).done:
                    row = under_way.pop(future)
                    try:
                        answers.append((row, future.result()))
                        answered, in_a_row = answered + 1, 0
                    except RoundOverError as error:
                        over = error
                    except RemoteError as error:
                        if is_dead(error):
                            raise
                        failed.append((row, error))
                        in_a_row += 1
                        if in_a_row >= OUTAGE and isinstance(error, TemporaryError):
                            raise OutageError(error) from error
                if time.monotonic() - stored_at >= STORE_SECONDS:
                    store(answers)
                    answers, stored_at = [], time.monotonic()
        store(answers)
        if failed and not answered and isinstance(failed[-1][1], TemporaryError):
            raise OutageError(failed[-1][1])
        if over is not None:
            raise over  # what failed is tried again in the next round
        self._store_failed(failed, here=here or {})

    def _store_failed(
        self, failed: list[tuple[CoverageOrder, RemoteError]], *, here: dict[int, list[SalesOrder]]
    ) -> None:
        """What is held here still stands, as for a return; without it nobody knows whether there is an order."""
        for row, error in failed:
            row.problem = problem_of(error)[:500]
            row.orders = [order.as_json() for order in together(held=here.get(row.pk, []), remote=())]
            row.where = Where.HERE if row.orders else ""
            self._judge(row, row.sampled())
        self._store([row for row, _ in failed], *DECIDED)

    def _store(self, rows: Sequence[CoverageOrder], *fields: str) -> None:
        with transaction.atomic():
            self._hold()
            if rows:
                CoverageOrder.objects.bulk_update(rows, fields)
                self._count()

    def _hold(self, **changes: Any) -> None:
        """Write to the check and hold on to it. Raises ClaimLostError where it is no longer ours."""
        changes = {
            "claimed_until": timezone.now() + LEASE,
            "calls": dict(self._calls_before + self.tiktok_pace.calls + self.rebound_pace.calls),
            "seconds_between_calls": self.tiktok_pace.spacing,
            **changes,
        }
        mine = CoverageCheck.objects.active().filter(pk=self.check.pk, claim_token=self.token)
        if not mine.update(**changes):
            raise ClaimLostError
        for name, value in changes.items():
            setattr(self.check, name, value)

    def _count(self) -> None:
        counted = self.check.orders.counted()
        CoverageCheck.objects.filter(pk=self.check.pk).update(attempts=0, failure_detail="", **counted)
        for name, value in counted.items():
            setattr(self.check, name, value)


def _id_of(reference: Reference | None) -> str:
    return reference.id if reference else ""


def _in_thread(act: Callable[[CoverageOrder], T], row: CoverageOrder) -> T:
    try:
        return act(row)
    finally:
        connections.close_all()  # a thread opens one only where it had to renew a token
