"""Orders as the API answers them, by ReBound's names. The customer's address is in none of the answers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from matching.match_coverage import LACKS, MatchCoverage
from matching.matcher import Outcome
from matching.models import ADDRESS_MORE, Errand, Match, SalesOrder, SalesOrderItem
from matching.order_body import order_warnings
from matching.order_facts import OrderFacts
from matching.order_fields import MetadataConflictError, MetadataShapeError, read_metadata
from matching.order_sync import Pushed, Result
from merchants.models import Merchant
from rebound_tts.clients.rebound_orders import ADDRESS_NAMES


class Item(Protocol):
    """An item as the answer to a push shows it: its row, or those columns of it."""

    @property
    def pk(self) -> Any: ...
    @property
    def sku(self) -> str: ...
    @property
    def quantity(self) -> int: ...
    @property
    def external_item_id(self) -> str | None: ...


def order_answer(merchant: Merchant, pushed: Pushed, *, facts: OrderFacts) -> dict[str, Any]:
    """The answer to a push: what ReBound answers, and what became of it. `facts`: what was pushed."""
    if pushed.result is Result.OUTDATED:  # another version of it is what we hold
        order = SalesOrder.objects.for_merchant(merchant).get(pk=pushed.order_id)
        payload, warnings = order.payload, warnings_of(order)
    else:
        payload, warnings = facts.payload, warnings_of_facts(facts)
    metadata = _item_metadata(payload)
    items = SalesOrderItem.objects.filter(merchant=merchant, order=pushed.order_id, removed_at=None)
    found = items.order_by("position").values_list("pk", "sku", "quantity", "external_item_id", named=True)
    return {
        "id": str(pushed.order_id),
        "clientOrderId": pushed.external_order_id,
        "salesItems": [_item_answer(item, metadata=metadata) for item in found],
        "clientMetadata": payload.get("clientMetadata"),
        "result": pushed.result.value,
        "warnings": warnings,
    }


def order_detail(
    order: SalesOrder, *, items: Iterable[SalesOrderItem], matches: Iterable[Match] | None
) -> dict[str, Any]:
    """All that is held of an order but the address. `matches` is None where the caller may not see them."""
    metadata = _item_metadata(order.payload)
    return {
        **order_summary(order),
        "salesItems": [
            _item_answer(item, metadata=metadata)
            | {
                "description": item.description,
                "price": _amount(item.price),
                "currencyCode": item.currency,
                "hsCode": item.hs_code,
                "countryOfOrigin": item.country_of_origin,
                "weight": _amount(item.weight),
                "weightUnit": item.weight_unit,
                "removedAt": _time(item.removed_at),
            }
            for item in items
        ],
        "clientMetadata": order.payload.get("clientMetadata"),
        "addressFields": [
            *(name for ours, name in ADDRESS_NAMES.items() if order.customer_address.get(ours)),
            *order.customer_address.get(ADDRESS_MORE, {}),
        ],
        "asSent": order.payload if order.content_hash else None,
        "warnings": warnings_of(order),
        "matches": None if matches is None else [_match_answer(match) for match in matches],
        "relay": _relay_answer(order),
        "externalReference": _reference_answer(order),
    }


def order_summary(order: SalesOrder) -> dict[str, Any]:
    return {
        "id": str(order.pk),
        "clientOrderId": order.external_order_id,
        "clientOrderCreatedDate": _time(order.ordered_at),
        "updatedAt": _time(order.version_at),
        "firstSeenAt": _time(order.first_seen_at),
        "changedAt": _time(order.updated_at),
        "cancelledAt": _time(order.cancelled_at),
        "source": order.source,
        "client": None if order.api_client is None else order.api_client.client_id,
    }


def warnings_of(order: SalesOrder) -> list[dict[str, Any]]:
    if not order.content_hash:
        return []  # read from ReBound, whose fields are its own
    more = order.customer_address.get(ADDRESS_MORE, {})
    return [warning.as_json() for warning in order_warnings(order.payload, address_more=more)]


def warnings_of_facts(facts: OrderFacts) -> list[dict[str, Any]]:
    if not facts.may_warn:
        return []
    return [warning.as_json() for warning in order_warnings(facts.payload, address_more=facts.address_more)]


def coverage_answer(coverage: MatchCoverage) -> dict[str, Any]:
    return {
        "since": _time(coverage.since),
        "returns": coverage.returns,
        "matched": coverage.outcomes[Outcome.MATCHED],
        "partlyMatched": coverage.outcomes[Outcome.PARTLY_MATCHED],
        "orderOnly": coverage.outcomes[Outcome.ORDER_ONLY],
        "noMatch": coverage.outcomes[Outcome.NO_MATCH],
        "notAsked": coverage.outcomes[Outcome.NOT_ASKED],
        "reasons": [
            {
                "reason": reason.value,
                "returns": count,
                "meaning": LACKS[reason].what if reason in LACKS else None,
                "remedy": LACKS[reason].remedy if reason in LACKS else None,
            }
            for reason, count in coverage.reasons.items()
        ],
        "lacking": [
            {
                "returnId": each.return_id,
                "clientOrderId": each.external_order_id or None,
                "reason": each.reason.value,
                "decidedAt": _time(each.decided_at),
            }
            for each in coverage.lacking
        ],
    }


def _item_answer(item: Item, *, metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(item.pk),
        "sku": item.sku,
        "quantity": item.quantity,
        # An item that vanished from the order stands in no body any more.
        "clientMetadata": metadata.get(item.external_item_id or "", {"omsItemId": item.external_item_id}),
    }


def _item_metadata(payload: dict[str, Any]) -> dict[str, Any]:
    """Each item's metadata, as it was sent, by its omsItemId."""
    found: dict[str, Any] = {}
    for item in payload.get("salesItems") or []:
        raw = item.get("clientMetadata") if isinstance(item, dict) else None
        try:
            item_id = read_metadata(raw).get("omsItemId")
        except (MetadataShapeError, MetadataConflictError):  # an order that came from ReBound was not checked here
            continue
        found.setdefault(str(item_id), raw)
    return found


def _match_answer(match: Match) -> dict[str, Any]:
    return {
        "returnId": match.return_id,
        "shop": match.shop.name,
        "outcome": match.outcome,
        "reason": match.reason,
        "decidedAt": _time(match.decided_at),
    }


def _relay_answer(order: SalesOrder) -> dict[str, Any] | None:
    """How far the order is on its way to ReBound; None where it is not sent there."""
    if not hasattr(order, "relay"):
        return None
    return _errand_answer(order.relay) | {"reboundId": order.rebound_id or None}


def _reference_answer(order: SalesOrder) -> dict[str, Any] | None:
    """How far the order's ids are on their way to TikTok; None where they are not written for the merchant."""
    if not hasattr(order, "reference_write"):
        return None
    return _errand_answer(order.reference_write) | {"ttsOrderId": order.reference_write.tiktok_order_id}


def _errand_answer(errand: Errand) -> dict[str, Any]:
    return {
        "state": errand.state,
        "detail": errand.detail,
        "queuedAt": _time(errand.queued_at),
        "doneAt": _time(errand.done_at),
        "nextAttemptAt": _time(errand.next_attempt_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
