"""Reads the filters in the body of TikTok's search calls."""

from collections.abc import Sequence
from typing import Any

from rebound_tts.sandbox.tiktok_gateway import Call, invalid_parameter


def strings(call: Call, name: str, options: Sequence[str] = (), limit: int = 100) -> list[str] | None:
    """A list of strings of the body; None where it is not given or empty: then it does not filter."""
    value = call.body.get(name)
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid_parameter(name, "it is not a list of strings", "a list of strings")
    if len(value) > limit:
        raise invalid_parameter(name, f"{len(value)} values", f"at most {limit} values")
    wrong = [item for item in value if options and item not in options]
    if wrong:
        raise invalid_parameter(name, f"got '{wrong[0]}'", "one of " + ", ".join(options))
    return value


class TimeWindow:
    """The create_time and update_time bounds of a search: `_ge` inclusive, `_lt` exclusive."""

    def __init__(self, call: Call) -> None:
        self._bounds = [
            (name, _seconds(call, f"{name}_ge"), _seconds(call, f"{name}_lt"))
            for name in ("create_time", "update_time")
        ]

    def holds(self, row: Any) -> bool:
        for name, lowest, end in self._bounds:
            value = getattr(row, name)
            if (lowest is not None and value < lowest) or (end is not None and value >= end):
                return False
        return True


def _seconds(call: Call, name: str) -> int | None:
    value = call.body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise invalid_parameter(name, f"got {value!r}", "unix seconds as a number")
    return value
