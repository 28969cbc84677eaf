"""clientMetadata, whose shape ReBound's public pages leave open: one reader of all shapes, one writer of each.

Source: rebound-api.md section 2.4. A: a list of {key, value} (or {name, value}). B: a list of objects with one field
each. C: one object.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal

from rebound_tts.clients.json_values import storable

MetadataShape = Literal["A", "B", "C"]


class MetadataConflictError(ValueError):
    """One key with two values. The text names the key, never the values."""


def normalize_metadata(value: object) -> dict[str, str]:
    """The metadata as text by key, from any of the shapes; {} for null and for an empty list.

    Values are kept exactly, numbers and true or false as JSON spells them, nested ones as JSON; null is as good as
    absent. The same pair twice is harmless. Raises MetadataConflictError where one key has two values, and ValueError
    for anything that is none of the shapes.
    """
    found: dict[str, str] = {}
    for key, each in _pairs(value):
        if each is None:
            continue
        text = _text(each)
        if found.setdefault(key, text) != text:
            raise MetadataConflictError(f"clientMetadata has two values for {key!r}")
    return found


def write_metadata(metadata: Mapping[str, str], shape: MetadataShape) -> list[dict[str, str]] | dict[str, str]:
    """`metadata` as it goes over the wire. A is the most likely reading of ReBound's pages."""
    if shape == "A":
        return [{"key": key, "value": value} for key, value in metadata.items()]
    if shape == "B":
        return [{key: value} for key, value in metadata.items()]
    return dict(metadata)


def _pairs(value: object) -> Iterator[tuple[str, object]]:
    match value:
        case None:
            return
        case dict():
            yield from ((storable(key), each) for key, each in value.items())
        case list():
            for entry in value:
                match entry:
                    case {"key": str(key), "value": each} | {"name": str(key), "value": each}:
                        yield storable(key), each
                    case dict():
                        yield from ((storable(key), each) for key, each in entry.items())
                    case _:
                        raise ValueError("clientMetadata has an entry that is no object")
        case _:
            raise ValueError("clientMetadata is neither an object nor a list")


def _text(value: object) -> str:
    match value:
        case str():
            return storable(value)
        case Decimal():
            return str(value)
        case _:
            return storable(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))
