"""How well a client keeps the three rules of the integration, and what it cost where it did not.

Read from the record of its pushes (`push_log.py`) and from the merchant's matches (`match_coverage.py`). The page
stands in `api/conformance.py`.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from matching.match_coverage import LACKS, Lack, Lacking, MatchCoverage, match_coverage
from matching.matcher import Reason
from matching.models import OrderPush
from matching.rules import RULES, Code
from merchants.models import ApiClient

SHOWN = 25  # requests a page
RETURNS_OF = timedelta(days=30)
CHECKS = "VALIDATE"  # these orders were only looked at

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Rule:
    """One of the three rules. `codes`: findings that say it was broken; `reasons`: what a return then lacked."""

    text: Words
    codes: frozenset[Code]
    reasons: frozenset[Reason]


INTEGRATION = (
    Rule(
        _("clientOrderId is the external order id that TikTok holds for the order."),
        frozenset({Code.ID_DIFFERS_FROM_PATH}),
        frozenset({Reason.ORDER_NOT_SYNCED, Reason.AMBIGUOUS_ORDER}),
    ),
    Rule(
        _("The order's clientMetadata.omsOrderId is the same id."),
        frozenset({Code.OMS_ORDER_ID_MISSING, Code.OMS_ORDER_ID_DIFFERS, Code.METADATA_CONFLICT, Code.METADATA_SHAPE}),
        frozenset({Reason.METADATA_CONFLICT}),
    ),
    Rule(
        _("Every item has clientMetadata.omsItemId, the external item id that TikTok holds, unique within the order."),
        frozenset({Code.OMS_ITEM_ID_MISSING, Code.OMS_ITEM_ID_REPEATED}),
        frozenset({Reason.ITEM_REF_UNKNOWN, Reason.ITEM_REF_AMBIGUOUS}),
    ),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A rule and how it was kept lately: orders that broke it, and returns that lacked what it gives."""

    rule: Rule
    orders: int
    returns: int

    @property
    def is_kept(self) -> bool:
        return not self.orders and not self.returns


@dataclass(frozen=True, slots=True)
class Said:
    """One finding, in plain words."""

    order: str
    pointer: str
    value: str
    what: str
    code: str
    rule: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """A return that was not matched whole, what it lacked, and the remedy."""

    lacking: Lacking
    lack: Lack


@dataclass(frozen=True, slots=True)
class Push:
    row: OrderPush
    findings: tuple[Said, ...]

    @property
    def left_out(self) -> bool:
        """Whether more was wrong than is kept."""
        return sum(self.row.broken.values()) > len(self.findings)


@dataclass(frozen=True, slots=True)
class Conformance:
    client: ApiClient
    totals: dict[str, int]
    rules: tuple[Kept, ...]
    pushes: tuple[Push, ...]
    older: int | None  # the page after this one starts before this request
    coverage: MatchCoverage
    costs: tuple[Cost, ...] = field(default=())


def conformance(
    *, client: ApiClient, now: datetime, only_rejected: bool = False, before: int | None = None
) -> Conformance:
    rows = OrderPush.objects.for_merchant(client.merchant).filter(client=client)
    counted = ("orders", "created", "changed", "unchanged", "outdated", "rejected")
    pushed = rows.exclude(call=CHECKS)
    sums = pushed.aggregate(**{f"sum_{name}": Sum(name) for name in counted})
    broken: Counter[str] = Counter()
    for each in pushed.filter(rejected__gt=0).values_list("broken", flat=True):
        broken.update(each)
    coverage = match_coverage(merchant=client.merchant, since=now - RETURNS_OF)
    shown = rows.filter(rejected__gt=0) if only_rejected else rows
    if before is not None:
        shown = shown.filter(pk__lt=before)
    page = list(shown.order_by("-pk")[: SHOWN + 1])
    return Conformance(
        client=client,
        totals={name: sums[f"sum_{name}"] or 0 for name in counted},
        rules=tuple(
            Kept(
                rule,
                orders=sum(broken[code] for code in rule.codes),
                returns=sum(coverage.reasons.get(reason, 0) for reason in rule.reasons),
            )
            for rule in INTEGRATION
        ),
        pushes=tuple(Push(row, tuple(map(_said, row.findings))) for row in page[:SHOWN]),
        older=page[SHOWN - 1].pk if len(page) > SHOWN else None,
        coverage=coverage,
        costs=tuple(Cost(lacking, LACKS[lacking.reason]) for lacking in coverage.lacking),
    )


def _said(finding: dict[str, Any]) -> Said:
    code = finding.get("code") or ""
    rule, remedy = RULES[Code(code)] if code in set(Code) else ("", "")
    return Said(
        order=finding.get("order") or "",
        pointer=finding.get("pointer") or "",
        value=finding.get("value") or "",
        what=finding.get("detail") or "",
        code=code,
        rule=rule,
        remedy=remedy,
    )
