"""Pushing orders: POST and PUT one, POST a batch, and checking without saving.

Each view makes one call into `matching/push_log.py`, which stores the orders and notes the request. Reading orders back
stands in `reading.py`.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.db import DatabaseError
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from matching.api import bodies
from matching.api.answers import order_answer, warnings_of_facts
from matching.api.authentication import ClientView
from matching.api.idempotency import once
from matching.findings import Code, Finding
from matching.order_body import OrderFacts, check_order
from matching.order_sync import WRITTEN, Pushed, Result
from matching.push_log import Refused, note_push, note_unreadable, receive_push
from merchants.models import ApiScope, Merchant
from rebound_tts.ops.tallies import count
from rebound_tts.problems import Problem, answer, problem_response

logger = logging.getLogger(__name__)

Arrival = Callable[[Merchant, Sequence[str]], None]
Ring = Callable[[], object]
LARGEST_BATCH = 5 * 1024 * 1024  # bytes
UNREADABLE = frozenset({400, 413, 415})


def nobody_waits(merchant: Merchant, external_order_ids: Sequence[str]) -> None:
    """What happens on arrival where nobody is told."""


def nobody_runs() -> None:
    """What happens where errands are queued and nobody is told."""


class PushView(ClientView):
    """A view that stores orders and tells, once they are committed, which of them are new or changed, and whether that
    is to be told elsewhere."""

    scopes: ClassVar[Any] = {"POST": ApiScope.ORDERS_WRITE, "PUT": ApiScope.ORDERS_WRITE}
    on_arrival: Arrival = staticmethod(nobody_waits)
    on_errands: Ring = staticmethod(nobody_runs)

    call: str

    def push(self, orders: Sequence[OrderFacts], *, refused: Sequence[Refused] = ()) -> list[Pushed]:
        pushed = receive_push(
            client=self.client,
            orders=orders,
            refused=refused,
            call=self.call,
            request_id=self.request_id,
            now=timezone.now(),
        )
        for result, number in Counter(each.result for each in pushed).items():
            count("order_pushes", number, result=result)
        news = [each for each in pushed if each.result in WRITTEN]
        if news:
            self._tell(news)
        return pushed

    def _tell(self, news: list[Pushed]) -> None:
        try:
            self.on_arrival(self.merchant, sorted({each.external_order_id for each in news}))
            if any(each.has_errand for each in news):
                self.on_errands()
        except Exception:
            # The orders are committed: an error here would make the sender repeat a push that has worked. Whoever
            # waits for an order looks by itself, too.
            logger.exception("orders arrived and nobody could be told", extra={"orders": len(news)})

    def refuse(self, error: Exception, context: Any) -> HttpResponse:
        problem = self.problem_of(error)
        if problem.status in UNREADABLE:
            self._note_unreadable(problem.detail)
        return problem_response(problem, request_id=self.request_id)

    def _note_unreadable(self, detail: str) -> None:
        try:
            note_unreadable(
                client=self.client, detail=detail, call=self.call, request_id=self.request_id, now=timezone.now()
            )
        except DatabaseError:
            logger.exception("a request that could not be read could not be noted")  # the sender gets its answer

    def push_one(self, request: Request, *, body: Any, must_be: str | None = None) -> HttpResponse:
        checked = check_order(body, strict=bodies.is_strict(request))
        if must_be is not None:
            checked = _with_path(checked, body=body, must_be=must_be)
        if isinstance(checked, list):
            count("order_pushes", result="rejected")
            found = f"{len(checked)} findings" if len(checked) > 1 else "1 finding"
            errors = [finding.as_json() for finding in checked]
            self.push([], refused=bodies.refused_of([bodies.Arrived(bodies.named(body), checked)]))
            raise Problem(422, "invalid_order", f"Nothing was saved: {found}.", errors=errors)
        [pushed] = self.push([checked])
        # 201 says "created" to a client made for ReBound; everything else is 200, whether something changed or not.
        status = 201 if pushed.result is Result.CREATED else 200
        return answer(order_answer(self.merchant, pushed, facts=checked), status)


class Orders(PushView):
    """POST one order."""

    call = "POST"
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        raw = self.read_body(request)
        return once(
            request,
            client=self.client,
            body=raw,
            act=lambda: self.push_one(request, body=bodies.read_one(request, raw)),
        )


class Batch(PushView):
    """POST up to 500 orders; each gets its own result."""

    call = "BATCH"
    http_method_names = ["post"]
    largest_body = LARGEST_BATCH

    def post(self, request: Request) -> HttpResponse:
        raw = self.read_body(request)
        return once(request, client=self.client, body=raw, act=lambda: self._push(bodies.read_many(request, raw)))

    def _push(self, orders: list[bodies.Arrived]) -> HttpResponse:
        good = [order.checked for order in orders if isinstance(order.checked, OrderFacts)]
        pushed = iter(self.push(good, refused=bodies.refused_of(orders)))
        results: list[dict[str, Any]] = []
        counts = {result.value: 0 for result in Result} | {"rejected": 0}
        for index, order in enumerate(orders):
            if isinstance(order.checked, list):
                counts["rejected"] += 1
                outcome = {"id": None, "status": 422, "result": "rejected", "errors": order.errors, "warnings": []}
            else:
                done = next(pushed)
                result = done.result.value
                counts[result] += 1
                status = 201 if done.result is Result.CREATED else 200
                outcome = {"id": str(done.order_id), "status": status, "result": result, "errors": []}
                outcome["warnings"] = warnings_of_facts(order.checked)
            results.append({"index": index, "clientOrderId": order.client_order_id, **outcome})
        # 200 as soon as the batch was read: each order's own status stands beside it.
        if counts["rejected"]:
            count("order_pushes", counts["rejected"], result="rejected")
        return answer({"counts": counts, "results": results})


class Validate(ClientView):
    """POST one order or a list, to learn what is wrong with it. Nothing is saved."""

    http_method_names = ["post"]
    scopes: ClassVar[Any] = {"POST": ApiScope.ORDERS_WRITE}
    largest_body = LARGEST_BATCH

    def post(self, request: Request) -> HttpResponse:
        raw = self.read_body(request)
        is_one = bodies.media_type(request) in bodies.JSON and raw.lstrip()[:1] != b"["
        if is_one and len(raw) > bodies.LARGEST_ORDER:
            raise Problem(413, "too_large", f"At most {bodies.LARGEST_ORDER} bytes are taken of one order.")
        if is_one:
            order = bodies.arrived(bodies.read_one(request, raw), strict=bodies.is_strict(request))
            self._note([order])
            return answer(_verdict(order))
        orders = bodies.read_many(request, raw)
        self._note(orders)
        results = [{"index": index, **_verdict(order)} for index, order in enumerate(orders)]
        return answer({"valid": all(result["valid"] for result in results), "results": results})

    def _note(self, orders: list[bodies.Arrived]) -> None:
        refused = bodies.refused_of(orders)
        note_push(
            client=self.client,
            results=Counter(),
            refused=refused,
            call="VALIDATE",
            request_id=self.request_id,
            now=timezone.now(),
            checked=len(orders),
        )


def _verdict(order: bodies.Arrived) -> dict[str, Any]:
    facts = order.checked
    return {
        "clientOrderId": order.client_order_id,
        "valid": isinstance(facts, OrderFacts),
        "errors": order.errors,
        "warnings": warnings_of_facts(facts) if isinstance(facts, OrderFacts) else [],
    }


def _with_path(checked: OrderFacts | list[Finding], *, body: Any, must_be: str) -> OrderFacts | list[Finding]:
    """PUT names the order in its path, too; both must say the same."""
    named = body.get("clientOrderId") if isinstance(body, dict) else None
    if not isinstance(named, str) or named == must_be:
        return checked
    said = "`clientOrderId` must equal the id in the path, percent-decoded."
    finding = Finding("/clientOrderId", Code.ID_DIFFERS_FROM_PATH, said, bodies.shown(named))
    return [finding, *checked] if isinstance(checked, list) else [finding]
