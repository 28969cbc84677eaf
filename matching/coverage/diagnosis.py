"""What is in the way of the orders that would not match, in what numbers, and whether a setting of ours would cure it.

Pure: values in, findings out; the words for people stand in `wording`. A finding that proposes id rules or another
origin was tried on the sample with the matcher itself, so that its number is what would really happen. Rules that would
make two different orders or items of the sample equal are never offered, however many orders they would match.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from matching.coverage.judgment import (
    MATCHED,
    ORDER_FOUND,
    REFERENCED,
    KnownOrder,
    Sampled,
    decide_on,
    question_of,
    stage_of,
)
from matching.coverage.proposals import clash, proposals
from matching.decision import Decision, MatchWarning, Reason, Reference
from matching.id_rules import IdRules, storable
from matching.matcher import choose_reference, decide

MOST_EXAMPLES = 3
MOST_TRIED = 12  # proposed rules that are tried out on the whole sample
FEWEST_CURED = 2  # orders; one alone may be chance
NOT_SHIPPED = frozenset({"AWAITING_SHIPMENT", "PARTIALLY_SHIPPING", "AWAITING_COLLECTION"})


class Kind(StrEnum):
    """What was found. The first group has a remedy that is ours to apply."""

    ID_RULES = "ID_RULES"
    OTHER_ORIGIN = "OTHER_ORIGIN"

    NOTHING_SAMPLED = "NOTHING_SAMPLED"
    UNSAFE_RULES = "UNSAFE_RULES"  # they would cure, and make different orders equal
    NO_REFERENCE = "NO_REFERENCE"
    OTHER_ORIGINS_TOO = "OTHER_ORIGINS_TOO"  # fewer than carry the chosen one
    AMBIGUOUS_REFERENCE = "AMBIGUOUS_REFERENCE"
    NO_ORDERS_YET = "NO_ORDERS_YET"  # none at all has arrived
    NOT_SYNCED = "NOT_SYNCED"
    AMBIGUOUS_ORDER = "AMBIGUOUS_ORDER"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    OMS_ORDER_ID_DIFFERS = "OMS_ORDER_ID_DIFFERS"
    OMS_ORDER_ID_MISSING = "OMS_ORDER_ID_MISSING"
    REFERENCE_WITHOUT_LINES = "REFERENCE_WITHOUT_LINES"
    LINES_MISSING = "LINES_MISSING"
    SKU_AT_TIKTOK = "SKU_AT_TIKTOK"
    SKU_IN_ORDER = "SKU_IN_ORDER"
    NO_ITEM_IDS = "NO_ITEM_IDS"
    ITEM_UNKNOWN = "ITEM_UNKNOWN"
    ITEM_AMBIGUOUS = "ITEM_AMBIGUOUS"
    TOO_FEW_UNITS = "TOO_FEW_UNITS"
    NOT_AT_REBOUND = "NOT_AT_REBOUND"
    LOOKUP_FAILED = "LOOKUP_FAILED"
    NOT_SHIPPED_YET = "NOT_SHIPPED_YET"

    @property
    def is_ours(self) -> bool:
        return self in (Kind.ID_RULES, Kind.OTHER_ORIGIN)


@dataclass(frozen=True, slots=True)
class Finding:
    """`count` orders are concerned, the first of them in `examples`. `rules` and `origin` are what to set."""

    kind: Kind
    count: int
    examples: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)
    rules: IdRules | None = None
    origin: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "count": self.count,
            "examples": list(self.examples),
            "values": self.values,
            "rules": asdict(self.rules) if self.rules else None,
            "origin": self.origin,
        }

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> "Finding":
        return cls(
            kind=Kind(held["kind"]),
            count=held["count"],
            examples=tuple(held["examples"]),
            values=held["values"],
            rules=IdRules(**held["rules"]) if held["rules"] else None,
            origin=held["origin"],
        )


@dataclass(frozen=True, slots=True)
class Judged:
    sampled: Sampled
    decision: Decision
    reference: Reference | None

    @property
    def stage(self) -> int:
        return stage_of(self.decision)

    @property
    def reasons(self) -> set[Reason]:
        """Of its lines, where its order was found; else of the whole."""
        if self.decision.outcome.is_linked:
            return {line.reason for line in self.decision.lines if line.reason}
        return {self.decision.reason} if self.decision.reason else set()


def diagnose(
    sample: Sequence[Sampled], *, known: Iterable[KnownOrder], origin: str, rules: IdRules
) -> tuple[Finding, ...]:
    """The findings, those first that a button cures, then those of most orders. `known` are orders that the merchant
    has, here or at ReBound, whether the sample asked for them or not: they show how ids are written there."""
    if not sample:
        return (Finding(Kind.NOTHING_SAMPLED, 0),)
    judged = [_judge(each, origin=origin, rules=rules) for each in sample]
    by_id = {order.external_order_id: order for each in sample for order in each.orders or ()}
    for order in known:
        by_id.setdefault(order.external_order_id, order)
    all_known = list(by_id.values())
    ours = [*_id_rules(judged, known=all_known, origin=origin, rules=rules), *_origins(judged, origin=origin)]
    theirs = [*_references(judged), *_orders(judged, known=all_known), *_items(judged), *_remarks(judged)]
    ours.sort(key=lambda finding: (not finding.kind.is_ours, -finding.count))
    theirs.sort(key=lambda finding: -finding.count)
    return (*ours, *theirs)


def _judge(sampled: Sampled, *, origin: str, rules: IdRules) -> Judged:
    reference = choose_reference(question_of(sampled, origin=origin, rules=rules, orders=())).reference
    return Judged(sampled, decide_on(sampled, origin=origin, rules=rules), reference)


def _finding(kind: Kind, concerned: Sequence[Judged], **more: Any) -> list[Finding]:
    """One finding about these orders, or none where there are none."""
    if not concerned:
        return []
    examples = tuple(each.sampled.order_id for each in concerned[:MOST_EXAMPLES])
    values = {name: storable(value) for name, value in more.pop("values", {}).items()}
    return [Finding(kind, len(concerned), examples, values, **more)]


# What a setting of ours would cure


def _id_rules(judged: list[Judged], *, known: list[KnownOrder], origin: str, rules: IdRules) -> list[Finding]:
    """The rules that match most orders more than the present ones and make nothing equal that is not the same."""
    asked = [each for each in judged if each.reference is not None]
    before = sum(each.stage == MATCHED for each in asked), sum(each.stage >= ORDER_FOUND for each in asked)
    failing = [each for each in asked if each.stage < MATCHED]
    best: tuple[tuple[int, int], IdRules, list[Judged]] | None = None
    unsafe: tuple[tuple[int, int], IdRules, tuple[str, str], list[Judged]] | None = None
    wanted_orders = [each.reference.id for each in failing if each.reference and each.stage < ORDER_FOUND]
    wanted_items = [
        ([line.id for line in each.reference.lines], [item.external_item_id or "" for item in order.items])
        for each in failing
        if each.reference and each.stage == ORDER_FOUND
        for order in each.sampled.orders or ()
    ]
    for proposed in proposals(
        wanted_orders, there=[order.external_order_id for order in known], items=wanted_items, present=rules
    )[:MOST_TRIED]:
        by_key: dict[str | None, list[KnownOrder]] = {}
        for order in known:
            by_key.setdefault(proposed.key(order.external_order_id), []).append(order)
        after = [_with_rules(each, known=by_key, origin=origin, rules=proposed) for each in asked]
        gained = sum(each.stage == MATCHED for each in after), sum(each.stage >= ORDER_FOUND for each in after)
        cured = [one for one, other in zip(asked, after, strict=True) if other.stage > one.stage]
        worse = any(other.stage < one.stage for one, other in zip(asked, after, strict=True))
        if worse or gained <= before or len(cured) < FEWEST_CURED:
            continue
        equal = clash(
            proposed,
            present=rules,
            orders=[
                [each.reference.id for each in asked if each.reference],
                [order.external_order_id for order in known],
            ],
            items=[[item.external_item_id or "" for item in order.items] for order in known]
            + [[line.id for line in each.reference.lines] for each in asked if each.reference],
        )
        if equal is None and (best is None or gained > best[0]):
            best = gained, proposed, cured
        if equal is not None and (unsafe is None or gained > unsafe[0]):
            unsafe = gained, proposed, equal, cured
    found: list[Finding] = []
    if best is not None:
        gained, proposed, cured = best
        whole = gained[0] - before[0]
        found += _finding(Kind.ID_RULES, cured, rules=proposed, values={"matched": str(whole)})
    if unsafe is not None and (best is None or unsafe[0] > best[0]):
        _, proposed, (one, other), cured = unsafe
        found += _finding(Kind.UNSAFE_RULES, cured, rules=proposed, values={"one": one, "other": other})
    return found


def _with_rules(judged: Judged, *, known: dict[str | None, list[KnownOrder]], origin: str, rules: IdRules) -> Judged:
    """The same order under other rules, with the orders that those would find; `known` by the key of their ids."""
    chosen = choose_reference(question_of(judged.sampled, origin=origin, rules=rules, orders=())).reference
    orders = known.get(rules.key(chosen.id), []) if chosen else []
    decision = decide(question_of(judged.sampled, origin=origin, rules=rules, orders=orders))
    return Judged(judged.sampled, decision, chosen)


def _origins(judged: list[Judged], *, origin: str) -> list[Finding]:
    """References under another origin than the shop's: the one that most orders carry."""
    elsewhere = [each for each in judged if Reason.REF_UNDER_OTHER_ORIGIN in each.reasons]
    if not elsewhere:
        return []
    carried = Counter(platform for each in elsewhere for platform in _platforms(each))
    platform, count = max(carried.items(), key=lambda item: (item[1], item[0]))
    concerned = [each for each in elsewhere if platform in _platforms(each)]
    under_the_shops = sum(each.reference is not None for each in judged)
    kind = Kind.OTHER_ORIGIN if count > under_the_shops else Kind.OTHER_ORIGINS_TOO
    return _finding(kind, concerned, origin=platform, values={"origin": origin, "referenced": str(under_the_shops)})


def _platforms(judged: Judged) -> set[str]:
    return {reference.platform for reference in judged.sampled.references or ()}


# What others must mend


def _references(judged: list[Judged]) -> list[Finding]:
    return [
        *_finding(Kind.NO_REFERENCE, _with(judged, Reason.NO_EXTERNAL_REF)),
        *_finding(Kind.AMBIGUOUS_REFERENCE, _with(judged, Reason.AMBIGUOUS_REF)),
    ]


def _orders(judged: list[Judged], *, known: list[KnownOrder]) -> list[Finding]:
    not_synced = _with(judged, Reason.ORDER_NOT_SYNCED)
    example = not_synced[0].decision.external_order_id if not_synced else ""
    return [
        *_finding(
            Kind.NOT_SYNCED if known else Kind.NO_ORDERS_YET,
            not_synced,
            values={"wanted": example, "held": known[0].external_order_id if known else ""},
        ),
        *_finding(Kind.AMBIGUOUS_ORDER, _with(judged, Reason.AMBIGUOUS_ORDER)),
        *_finding(Kind.ORDER_CANCELLED, _with(judged, Reason.ORDER_CANCELLED)),
        *_finding(Kind.OMS_ORDER_ID_DIFFERS, _with(judged, Reason.METADATA_CONFLICT)),
        *_finding(
            Kind.OMS_ORDER_ID_MISSING,
            [each for each in judged if MatchWarning.OMS_ORDER_ID_MISSING in each.decision.warnings],
        ),
    ]


def _items(judged: list[Judged]) -> list[Finding]:
    """Each order under one of these, the most telling."""
    sorted_out: dict[Kind, list[Judged]] = {}
    for each in judged:
        if each.stage == ORDER_FOUND:
            sorted_out.setdefault(_item_kind(each), []).append(each)
    found = []
    for kind, concerned in sorted_out.items():
        found += _finding(kind, concerned, values=_item_values(concerned[0]))
    return found


def _item_kind(judged: Judged) -> Kind:
    reasons, reference = judged.reasons, judged.reference
    if Reason.ITEM_REF_UNKNOWN in reasons:
        items = [item for order in judged.sampled.orders or () for item in order.items]
        skus = {line.sku for line in judged.sampled.lines if line.sku} | {item.sku for item in items if item.sku}
        if not any(item.external_item_id for item in items):
            return Kind.NO_ITEM_IDS
        if reference and any(line.id in skus for line in reference.lines):
            return Kind.SKU_AT_TIKTOK
        if any(item.external_item_id == item.sku for item in items if item.sku):
            return Kind.SKU_IN_ORDER
        return Kind.ITEM_UNKNOWN
    if Reason.ITEM_REF_MISSING in reasons:
        return Kind.LINES_MISSING if reference and reference.lines else Kind.REFERENCE_WITHOUT_LINES
    return Kind.ITEM_AMBIGUOUS if Reason.ITEM_REF_AMBIGUOUS in reasons else Kind.TOO_FEW_UNITS


def _item_values(judged: Judged) -> dict[str, str]:
    """One id of each side, to lay beside each other."""
    at_tiktok = [line.id for line in judged.reference.lines] if judged.reference else []
    items = [item.external_item_id for order in judged.sampled.orders or () for item in order.items]
    held = [item_id for item_id in items if item_id]
    return {"at_tiktok": at_tiktok[0] if at_tiktok else "", "in_order": held[0] if held else ""}


def _remarks(judged: list[Judged]) -> list[Finding]:
    def is_here_alone(each: Judged) -> bool:
        return each.stage >= ORDER_FOUND and all(order.where == "HERE" for order in each.sampled.orders or ())

    not_found = [each for each in judged if each.stage <= REFERENCED and Reason.LOOKUP_FAILED not in each.reasons]
    return [
        *_finding(Kind.LOOKUP_FAILED, _with(judged, Reason.LOOKUP_FAILED)),
        *_finding(Kind.NOT_AT_REBOUND, [each for each in judged if is_here_alone(each)]),
        *_finding(Kind.NOT_SHIPPED_YET, [each for each in not_found if each.sampled.status in NOT_SHIPPED]),
    ]


def _with(judged: list[Judged], reason: Reason) -> list[Judged]:
    return [each for each in judged if reason in each.reasons]
