"""Orders as a client pushes them, and the record of it: what came, what became of it, what was wrong.

The record is one small row, inserted in the transaction that stores the orders, so that it costs no commit of its own.
Good orders are only counted. `trim_log` keeps it bounded.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count

from matching.findings import Finding
from matching.models import IdempotentAnswer, OrderPush, OrderSource
from matching.order_body import OrderFacts
from matching.order_sync import Pushed, push_orders
from merchants.models import ApiClient

MOST_FINDINGS = 50  # of one request
KEPT_FOR = timedelta(days=30)
KEPT_ANSWER = timedelta(hours=24)  # of a request with an Idempotency-Key
KEPT_GOOD, KEPT_BAD = 200, 500  # requests of one client without and with rejected orders


@dataclass(frozen=True, slots=True)
class Refused:
    """An order of a request that breaks rules. `index`: its place in the request."""

    index: int
    client_order_id: str | None
    findings: Sequence[Finding]


def receive_push(
    *,
    client: ApiClient,
    orders: Sequence[OrderFacts],
    refused: Sequence[Refused],
    call: str,
    request_id: str,
    now: datetime,
) -> list[Pushed]:
    """Store the good orders of a request and note the request. Answers one result each, in the order given."""
    with transaction.atomic():
        pushed = (
            push_orders(merchant=client.merchant, orders=orders, source=OrderSource.PUSHED, client=client, now=now)
            if orders
            else []
        )
        results = Counter(each.result.value for each in pushed)
        note_push(client=client, results=results, refused=refused, call=call, request_id=request_id, now=now)
    return pushed


def note_push(
    *,
    client: ApiClient,
    results: Counter[str],
    refused: Sequence[Refused],
    call: str,
    request_id: str,
    now: datetime,
    checked: int = 0,
) -> None:
    """Note a request. `results`: how many orders had which result; `checked`: orders that were only looked at."""
    findings = [_as_json(each, finding) for each in refused for finding in each.findings]
    OrderPush.objects.create(
        merchant_id=client.merchant_id,
        client=client,
        received_at=now,
        call=call,
        request_id=request_id,
        orders=checked or results.total() + len(refused),
        rejected=len(refused),
        broken=Counter(code for each in refused for code in {finding.code.value for finding in each.findings}),
        findings=findings[:MOST_FINDINGS],
        **results,
    )


def _as_json(refused: Refused, finding: Finding) -> dict[str, Any]:
    return {
        "index": refused.index,
        "order": refused.client_order_id,
        "pointer": finding.pointer,
        "code": finding.code.value,
        "detail": finding.message,
        "value": finding.value,
    }


def note_unreadable(*, client: ApiClient, detail: str, call: str, request_id: str, now: datetime) -> None:
    """Note a request whose body could not be taken for orders at all."""
    said = {"index": None, "order": None, "pointer": "", "code": "", "detail": detail, "value": None}
    OrderPush.objects.create(
        merchant_id=client.merchant_id,
        client=client,
        received_at=now,
        call=call,
        request_id=request_id,
        orders=0,
        rejected=1,
        findings=[said],
    )


def trim_log(*, now: datetime) -> int:
    """Delete what is a month old, and all but the latest of a client that pushes much. Answers how many rows."""
    deleted, _ = OrderPush.objects.filter(received_at__lt=now - KEPT_FOR).delete()
    for kept, rows in (
        (KEPT_GOOD, OrderPush.objects.filter(rejected=0)),
        (KEPT_BAD, OrderPush.objects.filter(rejected__gt=0)),
    ):
        busy = rows.values("client").annotate(count=Count("pk")).filter(count__gt=kept)
        for key in [int(each["client"]) for each in busy]:
            of_client = rows.filter(client_id=key)
            oldest_kept = of_client.order_by("-pk").values_list("pk", flat=True)[kept - 1]
            deleted += of_client.filter(pk__lt=oldest_kept).delete()[0]
    return deleted


def forget_old_answers(*, now: datetime) -> int:
    """Delete answers under an Idempotency-Key whose day is over. Answers how many."""
    count, _ = IdempotentAnswer.objects.filter(started_at__lt=now - KEPT_ANSWER).delete()
    return count
