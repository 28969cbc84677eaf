"""Orders as JSON text, read without losing a digit: decimals stay exact, a repeated field is noticed.

Pure. What an order may hold stands in `order_body.py`.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

LONGEST_INTEGER = 100  # digits; Python reads far longer ones in quadratic time
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors and tools write it; RFC 8259 (8.1) lets a reader skip it
DEEPEST = 20  # levels of objects and lists in a field that is not ours


class NotJsonError(ValueError):
    """The text is no JSON. The message says where, and holds nothing of the text."""


class RepeatedFields(dict[str, Any]):
    """An object in which a field stands twice. The last value stands; `repeated` names the fields."""

    repeated: tuple[str, ...] = ()


def read_json(body: bytes) -> Any:
    """The value. Raises NotJsonError."""
    try:
        return _decoder.decode(body.removeprefix(BYTE_ORDER_MARK).decode())
    except UnicodeDecodeError as error:
        raise NotJsonError(f"The body is not UTF-8: byte {error.start} cannot be read.") from error
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg} (line {error.lineno}, column {error.colno}).") from error
    except RecursionError as error:
        raise NotJsonError("The body is nested too deeply.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    marked = RepeatedFields(found)
    marked.repeated = tuple(name for name in found if names.count(name) > 1)
    return marked


def _float(text: str) -> Any:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond every computer
        return text


def _int(text: str) -> Any:
    return int(text) if len(text) <= LONGEST_INTEGER else Decimal(text)


def _constant(text: str) -> Any:
    raise NotJsonError(f"{text} is no value of JSON. Leave the field out, or send null.")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant)


def is_too_deep(value: Any, *, deepest: int = DEEPEST) -> bool:
    level = [value]
    for _ in range(deepest):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def repeated_within(value: Any) -> list[str]:
    """The fields that stand twice in any object within `value`, which is not too deep."""
    found: list[str] = []
    if isinstance(value, RepeatedFields):
        found += value.repeated
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            found += repeated_within(each)
    return found


def kept(value: Any) -> Any:
    """`value` as a JSON column keeps it: an exact decimal as a number where no digit is lost, else as text."""
    if isinstance(value, dict):
        return {name: kept(each) for name, each in value.items()}
    if isinstance(value, list):
        return [kept(each) for each in value]
    if isinstance(value, Decimal):
        number = float(value)
        return number if value == Decimal(repr(number)) else str(value)
    return value
