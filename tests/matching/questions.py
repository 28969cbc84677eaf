"""A question to the matcher whose ids are all in place, the parts to change in it, and the answers to expect."""

from dataclasses import replace
from typing import Any

from matching.matcher import (
    Decision,
    IdRules,
    LineVerdict,
    Order,
    OrderItem,
    Outcome,
    Question,
    Reason,
    Reference,
    ReferenceLine,
    ReturnedLine,
)

EXACT = IdRules()
BIG = "9007199254740993"  # 2 ** 53 + 1: a float would make it ...992


def line(number: int, sku: str = "") -> ReturnedLine:
    return ReturnedLine(f"R{number}", f"T{number}", sku)


def ref(*items: str, id: str = "SO-1", platform: str = "SHOPIFY") -> Reference:
    """The OMS's reference to the order; the nth item id belongs to TikTok line Tn."""
    return Reference(id, platform, tuple(ReferenceLine(item, f"T{n}") for n, item in enumerate(items, 1)))


def item(external_item_id: str | None, quantity: int = 1, **more: Any) -> OrderItem:
    return OrderItem(
        **{"key": f"key of {external_item_id}", "external_item_id": external_item_id, "quantity": quantity} | more
    )


def order(*items: OrderItem, id: str = "SO-1", **more: Any) -> Order:
    return Order(**{"key": f"key of {id}", "external_order_id": id, "oms_order_id": id, "items": items} | more)


def ask(**changes: Any) -> Question:
    """A return of two lines, every id in place. Each test changes what it is about."""
    question = Question(
        matching_enabled=True,
        platform_origin="SHOPIFY",
        rules=EXACT,
        tiktok_order_id="576461413038785752",
        lines=(line(1), line(2)),
        references=(ref("A", "B"),),
        orders=(order(item("A"), item("B")),),
    )
    return replace(question, **changes)


def yes(number: int, item_id: str, key: str = "") -> LineVerdict:
    return LineVerdict(f"R{number}", f"T{number}", True, None, item_id, key or f"key of {item_id}")


def no(number: int, reason: Reason, item_id: str = "") -> LineVerdict:
    return LineVerdict(f"R{number}", f"T{number}", False, reason, item_id, None)


def both(reason: Reason) -> tuple[LineVerdict, LineVerdict]:
    return (no(1, reason), no(2, reason))


def answer(decision: Decision) -> tuple[Outcome, Reason | None, tuple[LineVerdict, ...]]:
    return (decision.outcome, decision.reason, decision.lines)


def concluded(decision: Decision, rule: str) -> list[str]:
    return [entry.concluded for entry in decision.trail if entry.rule == rule]


MATCHED = (Outcome.MATCHED, None, (yes(1, "A"), yes(2, "B")))


def refused(reason: Reason, outcome: Outcome = Outcome.NO_MATCH) -> tuple[Outcome, Reason, tuple[LineVerdict, ...]]:
    return (outcome, reason, both(reason))
