"""Reads the JSON bodies of the control interface; each error names the field."""

import re
from collections.abc import Sequence
from typing import Any

LONGEST = 10**9  # seconds; more than a clock can wait


class ControlError(Exception):
    """Ends a control call with this message and status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Fields:
    """One JSON object. Read every field that is known, then call `done`: what is left is a spelling mistake."""

    def __init__(self, body: Any, at: str = "") -> None:
        if not isinstance(body, dict):
            raise ControlError(f"{at or 'body'}: a JSON object is expected")
        self._body: dict[str, Any] = body
        self._at = f"{at}." if at else ""
        self._read: set[str] = set()

    def done(self) -> None:
        unknown = sorted(self._body.keys() - self._read)
        if unknown:
            known = ", ".join(sorted(self._read)) or "none"
            raise ControlError(f"{self._at}{unknown[0]}: there is no such field here; known are {known}")

    def given(self, name: str) -> bool:
        return name in self._body

    def value(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return self._body.get(name, default)

    def rest(self) -> dict[str, Any]:
        """The whole object, for a reader that checks the names itself."""
        self._read.update(self._body)
        return dict(self._body)

    def text(self, name: str, default: str | None = None) -> str:
        """A string; without a default it must be given."""
        value = self.value(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, "a string", value)
        return value

    def amount(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,2})?", value):
            raise self.wrong(name, 'an amount such as "19.99"', value)
        return value

    def choice(self, name: str, options: Sequence[str], default: str | None = None) -> str:
        value = self.text(name, default)
        if value not in options:
            raise self.wrong(name, "one of " + ", ".join(options), value)
        return value

    def whole(self, name: str, default: int, lowest: int = 0) -> int:
        value = self.value(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
            raise self.wrong(name, f"a whole number of at least {lowest}", value)
        return value

    def maybe_whole(self, name: str) -> int | None:
        return None if self.value(name) is None else self.whole(name, 0)

    def seconds(self, name: str, default: float) -> float:
        value = self.value(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= LONGEST:
            raise self.wrong(name, f"a number of seconds up to {LONGEST}", value)
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.value(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false", value)
        return value

    def strings(self, name: str) -> list[str]:
        value = self.value(name)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self.wrong(name, "a list of strings, not empty", value)
        return list(dict.fromkeys(value))

    def objects(self, name: str) -> list["Fields"]:
        value = self.value(name)
        if not isinstance(value, list):
            raise self.wrong(name, "a list of objects", value)
        return [Fields(item, f"{self._at}{name}[{number}]") for number, item in enumerate(value)]

    def object(self, name: str) -> "Fields":
        return Fields(self.value(name, {}), f"{self._at}{name}")

    def wrong(self, name: str, expected: str, value: Any) -> ControlError:
        return ControlError(f"{self._at}{name}: {expected} is expected, got {value!r}")
