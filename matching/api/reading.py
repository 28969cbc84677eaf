"""Reading orders back, replacing or cancelling one, how many returns matched, and who am I."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from matching.api import bodies
from matching.api.answers import coverage_answer, order_detail, order_summary
from matching.api.authentication import ClientView
from matching.api.orders import Orders, PushView
from matching.findings import Finding
from matching.id_rules import LONGEST_ID, is_storable
from matching.match_coverage import match_coverage
from matching.models import Match, SalesOrder
from matching.order_changes import settled_until
from matching.order_fields import Check
from matching.order_sync import cancel_order
from merchants.models import ApiScope
from rebound_tts.problems import Problem, answer

LARGEST_PAGE = 200
PAGE = 50
COVERED_DAYS, MOST_COVERED_DAYS = 30, 90


class OrderList(Orders):
    """The collection: GET pages of orders, POST one more."""

    http_method_names = ["get", "head", "post"]
    scopes: ClassVar[Any] = {
        "GET": ApiScope.ORDERS_READ,
        "HEAD": ApiScope.ORDERS_READ,
        "POST": ApiScope.ORDERS_WRITE,
    }

    def get(self, request: Request) -> HttpResponse:
        limit = _whole_number(request, "limit", default=PAGE, most=LARGEST_PAGE)
        wanted = _after_cursor(request) & _updated_after(request) & _with_id(request)
        until = settled_until(self.merchant)
        orders = (
            SalesOrder.objects.for_merchant(self.merchant)
            .filter(wanted, Q() if until is None else Q(updated_at__lt=until))
            .select_related("api_client")
            .defer("payload", "customer_address")
            .order_by("updated_at", "pk")
        )
        page = list(orders[: limit + 1])
        more = len(page) > limit
        page = page[:limit]
        return answer(
            {"content": [order_summary(order) for order in page], "nextCursor": _cursor(page[-1]) if more else None}
        )


class OneOrder(PushView):
    """One order by its id, which may hold any character: percent-encoded, `/` included."""

    call = "PUT"
    http_method_names = ["get", "head", "put", "delete"]
    scopes: ClassVar[Any] = {
        "GET": ApiScope.ORDERS_READ,
        "HEAD": ApiScope.ORDERS_READ,
        "PUT": ApiScope.ORDERS_WRITE,
        "DELETE": ApiScope.ORDERS_WRITE,
    }

    def get(self, request: Request, client_order_id: str) -> HttpResponse:
        order = (
            SalesOrder.objects.for_merchant(self.merchant)
            .select_related("api_client", "relay", "reference_write")
            .filter(external_order_id=_held_id(client_order_id))
            .first()
        )
        if order is None:
            raise _unknown()
        matches = None
        if ApiScope.MATCHES_READ in self.token.scopes:
            matches = (
                Match.objects.for_merchant(self.merchant)
                .current()
                .filter(sales_order=order)
                .select_related("shop")
                .order_by("decided_at", "pk")
            )
        return answer(order_detail(order, items=order.items.order_by("position"), matches=matches))

    def put(self, request: Request, client_order_id: str) -> HttpResponse:
        body = bodies.read_one(request, self.read_body(request))
        return self.push_one(request, body=body, must_be=client_order_id)

    def delete(self, request: Request, client_order_id: str) -> HttpResponse:
        order = cancel_order(merchant=self.merchant, external_order_id=_held_id(client_order_id), now=timezone.now())
        if order is None:
            raise _unknown()
        return HttpResponse(status=204)  # and again 204 for the second time: it is cancelled


class Coverage(ClientView):
    """How many returns found their order, and what the others lacked."""

    http_method_names = ["get", "head"]
    scopes: ClassVar[Any] = {"GET": ApiScope.MATCHES_READ, "HEAD": ApiScope.MATCHES_READ}

    def get(self, request: Request) -> HttpResponse:
        days = _whole_number(request, "days", default=COVERED_DAYS, most=MOST_COVERED_DAYS)
        since = timezone.now() - timedelta(days=days)
        return answer(coverage_answer(match_coverage(merchant=self.merchant, since=since)))


class WhoAmI(ClientView):
    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:
        return answer(
            {
                "merchant": self.merchant.name,
                "clientId": self.client.client_id,
                "clientName": self.client.name,
                "scopes": self.token.scopes,
                "tokenExpiresAt": self.token.expires_at.isoformat().replace("+00:00", "Z"),
            }
        )


def _unknown() -> Problem:
    return Problem(404, "not_found", "We hold no order with this id. Ids are compared exactly, case included.")


def _held_id(client_order_id: str) -> str:
    if len(client_order_id) > LONGEST_ID or not is_storable(client_order_id):
        raise _unknown()  # no column of ours could hold it
    return client_order_id


def _refused(parameter: str, detail: str, value: str) -> Problem:
    errors = [
        {
            "pointer": "",
            "parameter": parameter,
            "code": "invalid_parameter",
            "detail": detail,
            "value": bodies.shown(value),
            "rule": f"`{parameter}` has the form that the documentation names.",
            "remedy": detail,
        }
    ]
    return Problem(422, "invalid_parameter", f"The parameter `{parameter}` cannot be used.", errors=errors)


def _whole_number(request: Request, name: str, *, default: int, most: int) -> int:
    raw = request.query_params.get(name, str(default))
    if not (raw.isascii() and raw.isdigit() and len(raw) < 4 and 1 <= int(raw) <= most):
        raise _refused(name, f"Give a whole number from 1 to {most}.", raw)
    return int(raw)


def _updated_after(request: Request) -> Q:
    raw = request.query_params.get("updatedAfter")
    if raw is None:
        return Q()
    check = Check(strict=False)
    moment = check.moment(raw.replace(" ", "+"), ("updatedAfter",))  # a plus that was not encoded arrives as a space
    if moment is None:
        findings: list[Finding] = check.findings
        raise _refused("updatedAfter", findings[0].message, raw)
    return Q(updated_at__gt=moment)


def _with_id(request: Request) -> Q:
    raw = request.query_params.get("clientOrderId")
    if raw is None:
        return Q()
    return Q(external_order_id=raw) if len(raw) <= LONGEST_ID and is_storable(raw) else Q(pk__in=[])


def _cursor(order: SalesOrder) -> str:
    text = json.dumps([order.updated_at.isoformat(), order.pk], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _after_cursor(request: Request) -> Q:
    raw = request.query_params.get("cursor")
    if raw is None:
        return Q()
    try:
        moment, pk = json.loads(base64.urlsafe_b64decode(raw.encode("ascii") + b"=" * (-len(raw) % 4)))
        told = datetime.fromisoformat(moment)
        if told.tzinfo is None or type(pk) is not int or not 0 < pk < 2**63:
            raise ValueError
        at = told.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _refused("cursor", "Give the `nextCursor` of the page before, unchanged.", raw) from error
    # The first term alone bounds the index; the second sorts out those of the same moment.
    return Q(updated_at__gte=at) & (Q(updated_at__gt=at) | Q(pk__gt=pk))
