"""What the matcher is asked and what it answers: the question's parts, the decision, its outcomes, reasons and trail.

Values only, pure. How an answer is reached stands in `matching.matcher`, which also exports all of these names.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from matching.id_rules import IdRules, storable


class Outcome(StrEnum):
    """What became of the question. The middle three are linked to an order."""

    NOT_ASKED = "NOT_ASKED"
    MATCHED = "MATCHED"
    PARTLY_MATCHED = "PARTLY_MATCHED"
    ORDER_ONLY = "ORDER_ONLY"
    NO_MATCH = "NO_MATCH"

    @property
    def is_linked(self) -> bool:
        """Whether the decision names an order (`Decision.order_key` is set then, and only then)."""
        return self in (Outcome.MATCHED, Outcome.PARTLY_MATCHED, Outcome.ORDER_ONLY)


class Reason(StrEnum):
    """Why a return, or one of its lines, is not fully matched."""

    # Of the whole return.
    MATCHING_OFF = "MATCHING_OFF"
    NO_PLATFORM_ORIGIN = "NO_PLATFORM_ORIGIN"
    NO_EXTERNAL_REF = "NO_EXTERNAL_REF"
    REF_UNDER_OTHER_ORIGIN = "REF_UNDER_OTHER_ORIGIN"
    AMBIGUOUS_REF = "AMBIGUOUS_REF"
    ORDER_NOT_SYNCED = "ORDER_NOT_SYNCED"
    AMBIGUOUS_ORDER = "AMBIGUOUS_ORDER"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    METADATA_CONFLICT = "METADATA_CONFLICT"
    LOOKUP_FAILED = "LOOKUP_FAILED"
    # Of one line; of the whole return too, where the first line that fails gives its reason.
    ITEM_REF_MISSING = "ITEM_REF_MISSING"
    ITEM_REF_UNKNOWN = "ITEM_REF_UNKNOWN"
    ITEM_REF_AMBIGUOUS = "ITEM_REF_AMBIGUOUS"
    QTY_EXCEEDS_ORDERED = "QTY_EXCEEDS_ORDERED"
    # Of a decision by hand; the rules never give these.
    UNLINKED_BY_HAND = "UNLINKED_BY_HAND"
    LEFT_OUT_BY_HAND = "LEFT_OUT_BY_HAND"

    @property
    def is_curable(self) -> bool:
        return self in CURABLE


CURABLE = frozenset({Reason.ORDER_NOT_SYNCED, Reason.NO_EXTERNAL_REF, Reason.ITEM_REF_UNKNOWN, Reason.LOOKUP_FAILED})
"""The reasons that time can cure (design, Waiting)."""


class MatchWarning(StrEnum):
    """What did not change the decision, yet should be mended at the source."""

    OMS_ORDER_ID_MISSING = "OMS_ORDER_ID_MISSING"
    REFERENCE_SPELLED_TWICE = "REFERENCE_SPELLED_TWICE"  # ids that differ raw and are equal under the id rules
    DUPLICATE_REFERENCE_LINE = "DUPLICATE_REFERENCE_LINE"
    DUPLICATE_RETURNED_LINE = "DUPLICATE_RETURNED_LINE"
    ORDER_LINE_RETURNED_TWICE = "ORDER_LINE_RETURNED_TWICE"  # two returned lines, one TikTok order line (one unit)
    RETURN_WITHOUT_LINES = "RETURN_WITHOUT_LINES"


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    """One unit that the buyer sends back. `sku` is for people; it never decides."""

    return_line_item_id: str
    order_line_item_id: str
    sku: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """`id` is the OMS's item id, `origin_id` TikTok's order line id (TikTok Shop API, external orders)."""

    id: str
    origin_id: str


@dataclass(frozen=True, slots=True)
class Reference:
    """What the OMS wrote at TikTok about one order: its own order id, under a platform."""

    id: str
    platform: str
    lines: tuple[ReferenceLine, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of the order. `taken` counts the units that other active returns hold; canceled returns hold none.

    `cancelled`: no longer part of the order, whether the OMS canceled it or left it out of a later push.
    """

    key: str
    external_item_id: str | None
    quantity: int
    taken: int = 0
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """`metadata_conflict` says in words how the order's metadata contradicts itself; empty if it does not."""

    key: str
    external_order_id: str
    oms_order_id: str | None
    items: tuple[OrderItem, ...] = ()
    cancelled: bool = False
    metadata_conflict: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """All that the decision depends on. None for `references` or `orders`: that look-up could not be answered.

    `orders` are this merchant's only; the look-up may be loose, ids are compared here. `lookup_problem` is shown
    in the trail where a look-up failed.
    """

    matching_enabled: bool
    platform_origin: str
    rules: IdRules
    tiktok_order_id: str
    lines: tuple[ReturnedLine, ...]
    references: tuple[Reference, ...] | None
    orders: tuple[Order, ...] | None
    lookup_problem: str = ""


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One rule that was tried: the raw values it compared, as (name, value), and what it concluded."""

    rule: str
    compared: tuple[tuple[str, str], ...]
    concluded: str

    def as_json(self) -> dict[str, Any]:
        compared = [[name, storable(value)] for name, value in self.compared]
        return {"rule": self.rule, "compared": compared, "concluded": storable(self.concluded)}


@dataclass(frozen=True, slots=True)
class LineVerdict:
    """Of one returned line. Matched: `item_key` and no reason. Not matched: a reason and no `item_key`.

    A line that was not looked at, because no order was found, carries the decision's reason.
    """

    return_line_item_id: str
    order_line_item_id: str
    matched: bool
    reason: Reason | None
    external_item_id: str
    item_key: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "return_line_item_id": storable(self.return_line_item_id),
            "order_line_item_id": storable(self.order_line_item_id),
            "matched": self.matched,
            "reason": self.reason and self.reason.value,
            "external_item_id": storable(self.external_item_id),
            "item_key": self.item_key,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. `order_key` is set if and only if the outcome is linked; `reason` is None for MATCHED only.

    `external_order_id` is the reference's id as TikTok holds it, empty where no reference was chosen. `lines` has one
    verdict per distinct `return_line_item_id`, sorted by it.
    """

    outcome: Outcome
    reason: Reason | None
    order_key: str | None
    external_order_id: str
    lines: tuple[LineVerdict, ...]
    warnings: tuple[MatchWarning, ...]
    trail: tuple[TrailEntry, ...]

    @property
    def is_curable(self) -> bool:
        """Whether waiting could improve it: a curable reason of the return, or of any line of a linked one."""
        if self.outcome.is_linked:
            return any(line.reason in CURABLE for line in self.lines)
        return self.reason in CURABLE

    def trail_as_json(self) -> list[dict[str, Any]]:
        return [entry.as_json() for entry in self.trail]

    def as_json(self) -> dict[str, Any]:
        """For a JSON column of either database: plain types, keys in a fixed order, no character it would refuse."""
        return {
            "outcome": self.outcome.value,
            "reason": self.reason and self.reason.value,
            "order_key": self.order_key,
            "external_order_id": storable(self.external_order_id),
            "lines": [line.as_json() for line in self.lines],
            "warnings": [warning.value for warning in self.warnings],
            "trail": self.trail_as_json(),
        }
