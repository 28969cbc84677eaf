"""What is wrong with an order, said so that a developer can mend it: where, which value, which rule, what to do.

Values only. The codes stand in `rules.py`, the checks in `order_body.py`; how a refusal travels stands in
`rebound_tts/problems.py`.
"""

from dataclasses import dataclass
from typing import Any

from matching.id_rules import storable
from matching.rules import RULES, Code

LONGEST_SHOWN = 120  # characters of an offending value


@dataclass(frozen=True, slots=True)
class Finding:
    """`pointer`: RFC 6901, from the root of the order. `message`: what is wrong with this value, for people."""

    pointer: str
    code: Code
    message: str
    value: str | None = None

    def as_json(self, *, under: str = "") -> dict[str, Any]:
        shown = {} if self.value is None else {"value": self.value}
        rule, remedy = RULES[self.code]
        return {
            "pointer": under + self.pointer,
            "code": self.code.value,
            "detail": self.message,
            **shown,
            "rule": rule,
            "remedy": remedy,
        }


def shown(value: Any) -> str:
    """A value as an error shows it: short, printable, and never another type's look-alike."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    else:
        text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    text = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return storable(text)


def pointer(*steps: str | int) -> str:
    """A JSON pointer from its steps (RFC 6901)."""
    return storable("".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps))
