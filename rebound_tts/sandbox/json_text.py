"""JSON as a strict server reads and writes it: what is taken can always be written out again."""

import json
import math
from typing import Any

LARGEST = 2**63  # a number beyond it fits no column and no clock


def read(raw: bytes) -> Any:
    """The value of a body. Raises ValueError: no UTF-8, no JSON, NaN, half a character, too deep or too large."""
    text = raw.decode()
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\u" in text:
        write(value).encode()  # raises where a surrogate stands alone: it could be stored and never be shown
    return value


def write(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) >= LARGEST:
        raise ValueError("a number is too large")
    return number
