"""Errands: what must be done elsewhere for an order that was pushed. Queued with the push, claimed by lease, settled.

Rows are the list of work; a worker may come late, twice or not at all. A newer version of an order may be queued at any
time, while the one before is in hand too: the newest is what is wanted, and a finisher never hides it. What an errand
does stands beside this file: `relay.py` for ReBound, `references.py` for TikTok.
"""

import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db.models import Case, CharField, Count, DateTimeField, Exists, F, OuterRef, Q, QuerySet, Value, When

from matching.models import Errand, ErrandState, OrderRelay, ReferenceWrite
from matching.order_facts import OrderFacts
from merchants.models import Merchant, ReboundAccount, Shop

LEASE = timedelta(minutes=2)  # longer than any one call may take, which is 45 seconds
SLOWEST = timedelta(hours=1)  # the longest pause between two tries
MOST_DOUBLINGS = 12
CHUNK = 200  # rows a statement
QUEUED_COLUMNS = ("state", "detail", "wanted", "queued_at", "next_attempt_at", "attempts")


class Stored(Protocol):
    """An order as it was just stored."""

    @property
    def pk(self) -> Any: ...
    @property
    def content_hash(self) -> str: ...
    @property
    def external_order_id(self) -> str: ...


def relaying_account(merchant: Merchant) -> ReboundAccount | None:
    """The account that the merchant's pushed orders are relayed to, if any."""
    found: ReboundAccount | None = (
        ReboundAccount.objects.for_merchant(merchant).filter(relays_orders=True).only("pk").first()
    )
    return found


def writing_shop(merchant: Merchant) -> Shop | None:
    """The first of the merchant's shops to which references are written, if any."""
    found: Shop | None = writing_shops().filter(merchant=merchant).order_by("pk").only("pk").first()
    return found


def queue_errands(
    *,
    merchant: Merchant,
    account: ReboundAccount | None,
    shop: Shop | None,
    written: Sequence[Stored],
    unchanged: Sequence[Stored],
    facts: Mapping[str, OrderFacts],
    now: datetime,
) -> None:
    """Queue what the merchant's settings ask for, inside the push's transaction: relays to the account, references to
    the shop. The orders' rows are locked.

    An order that came unchanged is queued where it never was: it may have been pushed before the setting was on.
    """
    written, unchanged = (sorted(orders, key=lambda row: row.pk) for orders in (written, unchanged))
    if account is not None:
        rows, missing = (
            [_row(OrderRelay, order, merchant=merchant, now=now, account=account) for order in orders]
            for orders in (written, unchanged)
        )
        _queue(OrderRelay, rows, missing, columns=("account",))
    if shop is None:
        return
    rows, missing = (
        [
            _row(
                ReferenceWrite,
                order,
                merchant=merchant,
                now=now,
                shop=shop,
                tiktok_order_id=told.tiktok_order_id,
                lines=told.tiktok_lines,
            )
            for order in orders
            if (told := facts[order.external_order_id]).tiktok_order_id
        ]
        for orders in (written, unchanged)
    )
    _queue(ReferenceWrite, rows, missing, columns=("shop", "tiktok_order_id", "lines"))


def writing_shops() -> QuerySet[Shop]:
    """The shops to which references are written. An order names no shop: it is looked for in one after another."""
    shops: QuerySet[Shop] = Shop.objects.filter(writes_references=True).exclude(platform_origin="")
    return shops


def _row(model: type[Any], order: Stored, *, merchant: Merchant, now: datetime, **more: Any) -> Any:
    return model(
        merchant=merchant,
        order_id=order.pk,
        wanted=order.content_hash,
        queued_at=now,
        next_attempt_at=now,
        **more,
    )


def _queue(model: type[Any], rows: list[Any], missing: list[Any], *, columns: Sequence[str]) -> None:
    """Queue these, whatever stands there, and those of `missing` that do not stand there."""
    model.objects.bulk_create(
        rows,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["order"],
        update_fields=[*QUEUED_COLUMNS, *columns],
    )
    model.objects.bulk_create(missing, batch_size=CHUNK, ignore_conflicts=True)


def queue_again(errands: QuerySet[Any], *, now: datetime) -> int:
    """Try these again now, with fresh patience. Answers how many."""
    count: int = errands.exclude(state=ErrandState.DONE).update(
        state=ErrandState.QUEUED, detail="", next_attempt_at=now, attempts=0
    )
    return count


def owners_with_work(owners: QuerySet[Any], model: type[Errand], *, owner: str, now: datetime) -> QuerySet[Any]:
    """Those of the owners (accounts, shops) for whom something is due: one look into an index each."""
    due: QuerySet[Any] = model.objects.due(now=now)
    found: QuerySet[Any] = owners.filter(Exists(due.filter(**{owner: OuterRef("pk")})))
    return found


def claim_fairly(
    owners: QuerySet[Any],
    model: type[Errand],
    *,
    owner: str,
    now: datetime,
    limit: int,
    most_an_owner: int,
    most_owners: int,
) -> tuple[uuid.UUID, list[int]]:
    """Claim up to `limit` errands, evenly over the owners that have any due. Answers the claim's token and their keys.

    Who has the least in hand comes first, and lots are drawn between equals: a backlog of one delays no other. Called
    in a transaction.
    """
    token = uuid.uuid4()
    waiting = list(owners_with_work(owners, model, owner=owner, now=now).values_list("pk", flat=True))
    if not waiting:
        return token, []
    counted = model.objects.in_hand(now=now).order_by().values(owner).annotate(count=Count("pk"))
    in_hand = dict(counted.values_list(owner, "count"))
    random.shuffle(waiting)
    waiting.sort(key=lambda each: in_hand.get(each, 0))
    waiting = waiting[:most_owners]
    share = max(limit // len(waiting), 1)
    keys: list[int] = []
    for each in waiting:
        room = min(share, most_an_owner - in_hand.get(each, 0), limit - len(keys))
        if room > 0:
            due = model.objects.due(now=now).filter(**{owner: each}).order_by("next_attempt_at")
            keys += due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:room]
    model.objects.due(now=now).filter(pk__in=keys).update(
        claimed_until=now + LEASE, claim_token=token, attempts=F("attempts") + 1
    )
    return token, list(model.objects.filter(claim_token=token, pk__in=keys).values_list("pk", flat=True))


def still_ours(errands: Iterable[Errand], *, token: uuid.UUID, now: datetime, **values: Any) -> set[int]:
    """Renew the lease right before a call that does something, writing `values`; answers the keys that are still ours.

    Whoever lost its lease must not act: another worker may have sent a newer version since.
    """
    model = type(next(iter(errands)))
    rows = model._default_manager.filter(pk__in=[each.pk for each in errands], claim_token=token)
    if not rows.update(claimed_until=now + LEASE, **values):
        return set()
    return set(rows.values_list("pk", flat=True))


def settle(
    errand: Errand,
    *,
    token: uuid.UUID,
    version: str,
    state: ErrandState,
    now: datetime,
    detail: str = "",
    after: timedelta | None = None,
    **more: Any,
) -> None:
    """Write how it ended, unless the lease was lost. Where another version is wanted by now, it is queued at once."""
    is_done = state is ErrandState.DONE
    is_newest = Q(wanted=version)
    type(errand)._default_manager.filter(pk=errand.pk, claim_token=token).update(
        state=Case(When(is_newest, then=Value(state.value)), default=Value("QUEUED"), output_field=CharField()),
        detail=Case(When(is_newest, then=Value(detail[:500])), default=Value(""), output_field=CharField()),
        next_attempt_at=Case(
            When(is_newest, then=Value(now + after if after is not None else None)),
            default=Value(now),
            output_field=DateTimeField(),
        ),
        attempts=Case(When(is_newest, then=F("attempts")), default=Value(0)) if after is not None else 0,
        claimed_until=None,
        claim_token=None,
        **({"done": version, "done_at": now} if is_done else {}),
        **more,
    )


def pause_after(attempts: int, *, retry_after: float | None = None) -> timedelta:
    """The pause before the next try: it doubles from two seconds to an hour, and never ends before `retry_after`."""
    seconds = 2.0 ** min(max(attempts, 1), MOST_DOUBLINGS) * random.uniform(0.75, 1.25)  # noqa: S311  # a jitter
    return min(timedelta(seconds=max(seconds, retry_after or 0.0)), SLOWEST)
