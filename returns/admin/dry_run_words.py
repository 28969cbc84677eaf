"""What a dry run found, in words. A run over many keeps lines with codes in English, which are put so when shown."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from matching.decision_words import OUTCOMES, REASONS
from returns.dry_run import Difference
from returns.models import Kind

NAMES: dict[str, Any] = {
    "return_status": gettext_lazy("Return status"),
    "outcome": gettext_lazy("Decision"),
    "reason": gettext_lazy("Reason"),
    "order": gettext_lazy("Order"),
    "kind": gettext_lazy("Kind"),
    "direct_reason": gettext_lazy("Why direct"),
    "lane": gettext_lazy("Lane"),
    "items": gettext_lazy("Items"),
    "steps": gettext_lazy("Steps"),
}
VALUES: dict[str, Any] = dict([*OUTCOMES, *REASONS, *Kind.choices])
ITEM = "item "


def in_words(found: Difference) -> Difference:
    return Difference(_name(found.what), _value(found.what, found.stored), _value(found.what, found.found))


def line_in_words(line: str) -> str:
    """A line of `returns.rehearsals`: "outcome: NO_MATCH → MATCHED; Steps: Link late". What it does not know stays."""
    return "; ".join(_part(part) for part in line.split("; "))


def _part(part: str) -> str:
    said, colon, values = part.partition(": ")
    what = said.replace(" ", "_").lower() if not said.startswith(ITEM) else said
    if what not in NAMES and not what.startswith(ITEM):
        return part
    if not colon:
        return _name(what)
    if what == "steps":
        return f"{_name(what)}: {', '.join(_(step) for step in values.split(', '))}"
    return f"{_name(what)}: {' → '.join(_value(what, value) for value in values.split(' → '))}"


def _name(what: str) -> str:
    if what.startswith(ITEM):
        return _("Item of line %(line)s") % {"line": what.removeprefix(ITEM)}
    return str(NAMES.get(what, what))


def _value(what: str, value: str) -> str:
    if value == "none":
        return _("none")
    return str(VALUES.get(value, value)) if what in {"outcome", "reason", "kind", "direct_reason"} else value
