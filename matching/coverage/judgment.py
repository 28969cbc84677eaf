"""What a return of a whole TikTok order would be decided to be. Pure: values in, the matcher's own decision out.

The question is the one that a return would ask (`matching.matcher`), with every line of the order returned and no unit
taken yet: the check is about ids.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matching.decision import (
    Decision,
    Order,
    OrderItem,
    Outcome,
    Question,
    Reason,
    Reference,
    ReferenceLine,
    ReturnedLine,
)
from matching.id_rules import IdRules, storable
from matching.matcher import decide

SAMPLED, REFERENCED, ORDER_FOUND, MATCHED = range(4)  # matching.coverage.models.Stage
WITHOUT_REFERENCE = frozenset({Reason.NO_EXTERNAL_REF, Reason.REF_UNDER_OTHER_ORIGIN, Reason.AMBIGUOUS_REF})


@dataclass(frozen=True, slots=True)
class KnownItem:
    key: str
    external_item_id: str | None
    sku: str
    quantity: int
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """A sales order that is held here or at ReBound (`where`), without anything about the customer."""

    key: str
    external_order_id: str
    oms_order_id: str | None
    items: tuple[KnownItem, ...] = ()
    cancelled: bool = False
    metadata_conflict: str = ""
    where: str = ""

    def as_order(self) -> Order:
        items = tuple(
            OrderItem(
                key=item.key,
                external_item_id=item.external_item_id,
                quantity=item.quantity,
                cancelled=item.cancelled,
            )
            for item in self.items
        )
        return Order(
            key=self.key,
            external_order_id=self.external_order_id,
            oms_order_id=self.oms_order_id,
            items=items,
            cancelled=self.cancelled,
            metadata_conflict=self.metadata_conflict,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "id": storable(self.external_order_id),
            "oms_order_id": None if self.oms_order_id is None else storable(self.oms_order_id),
            "items": [
                [item.key, item.external_item_id and storable(item.external_item_id), storable(item.sku), item.quantity]
                + ([True] if item.cancelled else [])
                for item in self.items
            ],
            "cancelled": self.cancelled,
            "conflict": storable(self.metadata_conflict),
            "where": self.where,
        }

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> "KnownOrder":
        return cls(
            key=held["key"],
            external_order_id=held["id"],
            oms_order_id=held["oms_order_id"],
            items=tuple(KnownItem(*item) for item in held["items"]),
            cancelled=held["cancelled"],
            metadata_conflict=held["conflict"],
            where=held["where"],
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One unit of a TikTok order."""

    id: str
    sku: str


@dataclass(frozen=True, slots=True)
class Sampled:
    """A TikTok order of the sample and what is known of it. `references` is None where they could not be read;
    `orders` is None where it could not be looked up whether there is one; `problem` says why."""

    order_id: str
    status: str
    lines: tuple[Line, ...]
    references: tuple[Reference, ...] | None
    orders: tuple[KnownOrder, ...] | None = ()
    problem: str = ""


def question_of(
    sampled: Sampled, *, origin: str, rules: IdRules, orders: Iterable[KnownOrder] | None = None
) -> Question:
    """The question of a return of all its lines; about other `orders` than those of the sample, where given."""
    known = sampled.orders if orders is None else tuple(orders)
    return Question(
        matching_enabled=True,
        platform_origin=origin,
        rules=rules,
        tiktok_order_id=sampled.order_id,
        lines=tuple(
            ReturnedLine(return_line_item_id=line.id, order_line_item_id=line.id, sku=line.sku)
            for line in sampled.lines
        ),
        references=sampled.references,
        orders=None if known is None else tuple(order.as_order() for order in known),
        lookup_problem=sampled.problem,
    )


def decide_on(sampled: Sampled, *, origin: str, rules: IdRules) -> Decision:
    return decide(question_of(sampled, origin=origin, rules=rules))


def stage_of(decision: Decision) -> int:
    """How far the order got: a reference, a usable sales order, every line."""
    if decision.outcome is Outcome.MATCHED:
        return MATCHED
    if decision.outcome.is_linked:
        return ORDER_FOUND
    if decision.reason in WITHOUT_REFERENCE or not decision.external_order_id:
        return SAMPLED
    return REFERENCED


def references_from_json(held: list[dict[str, Any]] | None) -> tuple[Reference, ...] | None:
    if held is None:
        return None
    return tuple(
        Reference(
            id=each["id"],
            platform=each["platform"],
            lines=tuple(ReferenceLine(id=line["id"], origin_id=line["origin_id"]) for line in each["lines"]),
        )
        for each in held
    )


def references_as_json(references: Iterable[Reference]) -> list[dict[str, Any]]:
    return [
        {
            "id": storable(each.id),
            "platform": storable(each.platform),
            "lines": [{"id": storable(line.id), "origin_id": storable(line.origin_id)} for line in each.lines],
        }
        for each in references
    ]
