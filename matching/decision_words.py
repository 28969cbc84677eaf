"""The outcomes and reasons of a decision as people read them in lists and filters; the advice says what cures one."""

import re
from typing import Any

from django.utils.translation import gettext_lazy as _

from matching.decision import Outcome, Reason

OUTCOMES: list[tuple[str, Any]] = [
    (Outcome.NOT_ASKED.value, _("Not asked")),
    (Outcome.MATCHED.value, _("Matched")),
    (Outcome.PARTLY_MATCHED.value, _("Partly matched")),
    (Outcome.ORDER_ONLY.value, _("Order only")),
    (Outcome.NO_MATCH.value, _("No match")),
]
REASONS: list[tuple[str, Any]] = [
    (Reason.MATCHING_OFF.value, _("Matching off")),
    (Reason.NO_PLATFORM_ORIGIN.value, _("No platform origin")),
    (Reason.NO_EXTERNAL_REF.value, _("No external ref")),
    (Reason.REF_UNDER_OTHER_ORIGIN.value, _("Ref under other origin")),
    (Reason.AMBIGUOUS_REF.value, _("Ambiguous ref")),
    (Reason.ORDER_NOT_SYNCED.value, _("Order not synced")),
    (Reason.AMBIGUOUS_ORDER.value, _("Ambiguous order")),
    (Reason.ORDER_CANCELLED.value, _("Order cancelled")),
    (Reason.METADATA_CONFLICT.value, _("Metadata conflict")),
    (Reason.LOOKUP_FAILED.value, _("Lookup failed")),
    (Reason.ITEM_REF_MISSING.value, _("Item ref missing")),
    (Reason.ITEM_REF_UNKNOWN.value, _("Item ref unknown")),
    (Reason.ITEM_REF_AMBIGUOUS.value, _("Item ref ambiguous")),
    (Reason.QTY_EXCEEDS_ORDERED.value, _("Qty exceeds ordered")),
    (Reason.UNLINKED_BY_HAND.value, _("Unlinked by hand")),
    (Reason.LEFT_OUT_BY_HAND.value, _("Left out by hand")),
]
WORDS: dict[str, Any] = dict([*OUTCOMES, *REASONS])
CODE = "|".join(sorted(WORDS, key=len, reverse=True))
CODES = re.compile(rf"\b(?:{CODE})(?: (?:{CODE}))*\b")


def in_words(line: str) -> str:
    """A line that was stored with codes: "NO_MATCH ORDER_NOT_SYNCED" reads "No match: Order not synced"."""
    return CODES.sub(lambda found: ": ".join(str(WORDS[code]) for code in found[0].split()), line)
