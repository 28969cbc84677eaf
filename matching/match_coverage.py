"""How many of a merchant's returns found their order, and what the others lacked: for the developer of its OMS.

Read from the current matches, by the time of the decision. What a return became of it stands in `returns`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count

from matching.matcher import Outcome, Reason
from matching.models import Match
from merchants.models import Merchant

MOST_SHOWN = 100  # returns that lacked something, newest first


class Lack(NamedTuple):
    """What a return lacked, in plain words, and what the OMS's developer can do about it."""

    what: str
    remedy: str


LACKS: dict[Reason, Lack] = {
    Reason.ORDER_NOT_SYNCED: Lack(
        "The order was not here when the return needed it.",
        "Push orders as soon as they are final, with the id that was written to TikTok as clientOrderId.",
    ),
    Reason.NO_EXTERNAL_REF: Lack(
        "TikTok holds no external order id for the order.",
        "Write your order id and item ids to TikTok when the order is imported.",
    ),
    Reason.REF_UNDER_OTHER_ORIGIN: Lack(
        "TikTok holds an external order id under another platform than the shop is set to.",
        "Write ids under the platform that the shop is set to, or have the shop's setting changed.",
    ),
    Reason.AMBIGUOUS_REF: Lack(
        "TikTok holds several external order ids for the order.", "Write one external order id per TikTok order."
    ),
    Reason.AMBIGUOUS_ORDER: Lack(
        "Several orders have this id under the shop's id rules.", "Give each order an id of its own."
    ),
    Reason.ORDER_CANCELLED: Lack(
        "The order was cancelled.", "Cancel an order only where nothing of it was shipped; push it again otherwise."
    ),
    Reason.METADATA_CONFLICT: Lack(
        "The order's omsOrderId contradicts its clientOrderId.", "Send the same id in both, then push the order again."
    ),
    Reason.ITEM_REF_MISSING: Lack(
        "TikTok holds no external item id for a returned line.", "Write an item id for every line of the TikTok order."
    ),
    Reason.ITEM_REF_UNKNOWN: Lack(
        "The item id that TikTok holds is not in the order.",
        "Send it as omsItemId of the item, exactly as it was written to TikTok.",
    ),
    Reason.ITEM_REF_AMBIGUOUS: Lack(
        "One TikTok line has several item ids, or one item id several items.", "Write one item id per line."
    ),
    Reason.QTY_EXCEEDS_ORDERED: Lack(
        "More units came back than the item's quantity.", "Push the item with the quantity that was ordered."
    ),
}
"""The reasons that the OMS's side can mend. The others (matching off, a look-up that failed) are not its business."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A return that was not matched whole, and the order id that it asked for."""

    return_id: str
    external_order_id: str
    reason: Reason
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class MatchCoverage:
    """`reasons`: how many current decisions gave each reason, most frequent first."""

    since: datetime
    outcomes: dict[Outcome, int]
    reasons: dict[Reason, int]
    lacking: tuple[Lacking, ...]

    @property
    def returns(self) -> int:
        return sum(self.outcomes.values())


def match_coverage(*, merchant: Merchant, since: datetime) -> MatchCoverage:
    decided = Match.objects.for_merchant(merchant).current().filter(decided_at__gte=since)
    outcomes = dict.fromkeys(Outcome, 0)
    reasons: dict[Reason, int] = {}
    for outcome, reason, count in decided.values_list("outcome", "reason").annotate(count=Count("pk")):
        outcomes[Outcome(outcome)] += count
        if reason:
            reasons[Reason(reason)] = reasons.get(Reason(reason), 0) + count
    rows = (
        decided.filter(reason__in=LACKS)
        .order_by("-decided_at", "-pk")
        .values_list("return_id", "external_order_id", "reason", "decided_at")[:MOST_SHOWN]
    )
    return MatchCoverage(
        since=since,
        outcomes=outcomes,
        reasons=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        lacking=tuple(Lacking(return_id, order_id, Reason(reason), at) for return_id, order_id, reason, at in rows),
    )
