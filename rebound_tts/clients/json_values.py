"""Reading JSON that somebody else wrote, without trusting its shape.

Every reader names the place ("data.orders[0].id") when it refuses, and never the value, which may be personal.

- Ids are opaque strings. A JSON integer becomes its exact decimal string; a fraction, a bool or a list is refused.
- Text that is missing or null is "". Characters that a database refuses (NUL, lone surrogates) become U+FFFD.
- Money comes as decimal text or as a number and becomes a Decimal, never a float. Text that is no number is None: a
  price is not worth a label.
- Times come as unix seconds (TikTok) or as ISO 8601 (ReBound) and become aware datetimes in UTC.
"""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

LONGEST_ID = 255
LARGEST_COUNT = 2**31 - 1  # what an integer column holds
_DEEPEST_RAW = 40
_SIX_PLACES = Decimal("0.000001")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class AnswerShapeError(ValueError):
    """The JSON is not what was asked for. The text says where and what was expected, never what stood there."""


def parse_json(body: bytes) -> object:
    """The value in `body`, with fractions as Decimal. Raises ValueError for anything that is not JSON."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (RecursionError, ArithmeticError):
        raise ValueError("not JSON") from None


def to_json(value: object) -> bytes:
    """The bytes to sign and to send. ASCII only, so that no encoding question arises on the way; Decimals as text."""
    return json.dumps(value, separators=(",", ":"), default=_plain).encode()


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} does not go into JSON")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def storable(text: str) -> str:
    """`text` without the characters that PostgreSQL and UTF-8 refuse."""
    return _UNSTORABLE.sub("\ufffd", text)


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object and where it stood. Each method reads one field, or refuses with AnswerShapeError."""

    fields: dict[str, Any] = field(repr=False)
    place: str

    @classmethod
    def of(cls, value: object, place: str) -> "JsonObject":
        if not isinstance(value, dict):
            raise AnswerShapeError(f"{place} is {_kind(value)}, not an object")
        return cls(value, place)

    def at(self, name: str) -> str:
        return f"{self.place}.{name}"

    def id(self, name: str) -> str:
        """A required id."""
        found = self.optional_id(name)
        if not found:
            raise AnswerShapeError(f"{self.at(name)} is missing")
        return found

    def optional_id(self, name: str) -> str:
        """An id, "" where it is missing. White space, case and leading zeros are kept: ids are compared exactly."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise AnswerShapeError(f"{self.at(name)} is {_kind(value)}, not an id")
        if len(value) > LONGEST_ID or _UNSTORABLE.search(value):
            raise AnswerShapeError(f"{self.at(name)} is longer than {LONGEST_ID} characters, or not storable")
        return value

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise AnswerShapeError(f"{self.at(name)} is {_kind(value)}, not text")
        return storable(value)

    def flag(self, name: str) -> bool:
        """True or false; false where it is missing."""
        return self.optional_flag(name) or False

    def optional_flag(self, name: str) -> bool | None:
        value = self.fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise AnswerShapeError(f"{self.at(name)} is {_kind(value)}, not true or false")

    def count(self, name: str, *, default: int) -> int:
        """A whole number from 0 up; `default` where it is missing."""
        value = self.fields.get(name)
        if value is None:
            return default
        number = _whole(value)
        if number is None or not 0 <= number <= LARGEST_COUNT:
            raise AnswerShapeError(f"{self.at(name)} is {_kind(value)}, not a whole number")
        return number

    def money(self, name: str) -> Decimal | None:
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            number = Decimal(value) if re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", value) else None
        elif isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            number = Decimal(value)
        else:
            raise AnswerShapeError(f"{self.at(name)} is {_kind(value)}, not a decimal")
        # The digits of an amount. Beyond them it is noise, and no column holds it.
        if number is None or number.adjusted() > 14:
            return None
        exponent = number.as_tuple().exponent
        return number.quantize(_SIX_PLACES) if isinstance(exponent, int) and exponent < -6 else number

    def unix_time(self, name: str) -> datetime | None:
        """Unix seconds, as a number or as text; None where it is missing or 0."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        seconds = _whole(value)
        if seconds == 0:
            return None
        try:
            if seconds is not None and seconds > 0:
                return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            pass
        raise AnswerShapeError(f"{self.at(name)} is {_kind(value)}, not unix seconds")

    def iso_time(self, name: str) -> datetime | None:
        """ISO 8601, read as UTC where it names no offset; None where it is missing or no time."""
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise AnswerShapeError(f"{self.at(name)} is {_kind(value)}, not a time")
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def optional_object(self, name: str) -> "JsonObject | None":
        value = self.fields.get(name)
        return None if value is None else JsonObject.of(value, self.at(name))

    def objects(self, name: str) -> tuple["JsonObject", ...]:
        """The objects of a list; none where it is missing."""
        return tuple(JsonObject.of(value, place) for value, place in self.values(name))

    def values(self, name: str) -> tuple[tuple[Any, str], ...]:
        value = self.fields.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise AnswerShapeError(f"{self.at(name)} is {_kind(value)}, not a list")
        return tuple((each, f"{self.at(name)}[{number}]") for number, each in enumerate(value))

    def raw(self, *, drop: Callable[[str], bool] | Collection[str]) -> dict[str, Any]:
        """A copy to keep: without the fields to `drop`, at any depth, and such that any JSON column takes it."""
        dropped = drop if callable(drop) else drop.__contains__
        return _keep_fields(self.fields, dropped, self.place, _DEEPEST_RAW)


def _keep_fields(fields: dict[str, Any], dropped: Callable[[str], bool], place: str, depth: int) -> dict[str, Any]:
    return {
        storable(name): _keep(value, dropped, place, depth - 1) for name, value in fields.items() if not dropped(name)
    }


def _keep(value: Any, dropped: Callable[[str], bool], place: str, depth: int) -> Any:
    if not depth:
        raise AnswerShapeError(f"{place} is nested too deeply")
    if isinstance(value, dict):
        return _keep_fields(value, dropped, place, depth)
    if isinstance(value, list):
        return [_keep(each, dropped, place, depth - 1) for each in value]
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Decimal):
        return str(value)
    return value


def _whole(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if (
        isinstance(value, Decimal)
        and value.is_finite()
        and value.adjusted() < 18
        and value == value.to_integral_value()
    ):
        return int(value)
    return None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | Decimal():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
