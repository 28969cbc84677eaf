"""One field of an order at a time: a good value in, or a finding that says where, what and how to mend it.

Pure. Which fields an order has stands in `order_body.py`, which tests a good value inline, for speed, and asks here
only for what looks wrong.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from matching.findings import Code, Finding, pointer, shown
from matching.id_rules import LONGEST_ID, UNSTORABLE
from matching.order_json import DEEPEST, RepeatedFields, is_too_deep, repeated_within

METADATA_LEVELS = 2  # the list of its entries, and each entry
Place = tuple[str | int, ...]
RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
SMALLEST = Decimal("0.0001")
LARGEST = 10_000_000


class MetadataShapeError(ValueError):
    """clientMetadata is neither an object nor a list of key and value."""


class MetadataConflictError(ValueError):
    """One key with two values."""


def moment_of(text: str) -> datetime | None:
    """The time in UTC, or None where the text is none."""
    if not RFC_3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(slots=True)
class Check:
    """One pass over a body, collecting every finding on the way."""

    strict: bool
    findings: list[Finding] = field(default_factory=list)

    def add(self, code: Code, place: Place, message: str, value: Any = None, *, show: bool = True) -> None:
        text = shown(value) if show and value is not None else None
        self.findings.append(Finding(pointer(*place), code, message, text))

    def fields(self, body: dict[str, Any], known: frozenset[str], place: Place) -> None:
        """What can be wrong with the names: a field twice, or, if strict, one that nobody knows."""
        if body.keys() <= known and type(body) is dict:
            return
        if type(body) is RepeatedFields:
            for name in body.repeated:
                self.add(Code.REPEATED_FIELD, (*place, name), "This field stands here twice. Send it once.")
        for name in body.keys() - known:
            if self.strict:
                said = "This field is not documented. Check its spelling."
                self.add(Code.UNKNOWN_FIELD, (*place, name), said)
            self.foreign(body[name], (*place, name))

    def foreign(self, value: Any, place: Place, *, deepest: int = DEEPEST) -> None:
        """What can be wrong with a value whose meaning nobody here knows: too deep, or a field that stands twice."""
        if is_too_deep(value, deepest=deepest):
            self.add(Code.TOO_DEEP, place, "This is nested too deeply to be kept.")
            return
        for name in repeated_within(value):
            said = f"The field {shown(name)} stands twice in one object of this. Send it once."
            self.add(Code.REPEATED_FIELD, place, said)

    def text(self, value: Any, place: Place, *, longest: int, show: bool = True) -> str:
        if not isinstance(value, str):
            self.add(Code.WRONG_TYPE, place, "This must be a JSON string.", value, show=show)
        elif len(value) > longest:
            said = f"This may have at most {longest} characters; it has {len(value)}."
            self.add(Code.TOO_LONG, place, said, value, show=show)
        else:
            return value
        return ""

    def flag(self, body: dict[str, Any], name: str, place: Place) -> None:
        value = body.get(name)
        if value is not None and value is not True and value is not False:
            self.add(Code.WRONG_TYPE, (*place, name), "This must be true or false.", value)

    def identifier(self, value: Any, place: Place) -> str:
        """A required id: an opaque string, kept exactly."""
        if not isinstance(value, str):
            self.add(Code.WRONG_TYPE, place, "An id must be a JSON string, so that no digit is lost.", value)
        elif not value.strip():
            self.add(Code.EMPTY, place, "An id must not be empty or blank.", value)
        elif len(value) > LONGEST_ID:
            said = f"An id may have at most {LONGEST_ID} characters; it has {len(value)}."
            self.add(Code.TOO_LONG, place, said, value)
        else:
            return value
        return ""

    def moment(self, value: Any, place: Place) -> datetime | None:
        if value is None:
            return None
        found = moment_of(value) if isinstance(value, str) else None
        if found is not None:
            return found
        said = "This must be a time as RFC 3339 gives it, with its offset, such as 2026-11-23T14:05:00+01:00."
        self.add(Code.NOT_A_TIME, place, said, value)
        return None

    def decimal(self, value: Any, place: Place) -> Decimal | None:
        """An amount of 0 or more with at most 7 digits before and 4 after the point."""
        if value is None:
            return None
        if isinstance(value, str):
            found = Decimal(value) if NUMBER.fullmatch(value) else None
        elif isinstance(value, bool) or not isinstance(value, int | Decimal):
            found = None
        else:
            found = Decimal(value)
        if found is None:
            self.add(Code.NOT_A_DECIMAL, place, 'This must be a decimal number, best as a string: "19.90".', value)
        elif found < 0:
            self.add(Code.NEGATIVE, place, "This must not be negative.", value)
        elif found >= LARGEST or found != found.quantize(SMALLEST):
            said = "This may have at most 7 digits before and 4 after the point."
            self.add(Code.OUT_OF_RANGE, place, said, value)
        else:
            return found
        return None

    def metadata(self, body: dict[str, Any], place: Place) -> dict[str, Any] | None:
        """The metadata by key, from each documented shape; None where it could not be read."""
        value = body.get("clientMetadata")
        where = (*place, "clientMetadata")
        try:
            found = read_metadata(value)
        except MetadataConflictError as error:
            key = str(error)
            said = f"The key {shown(key)} stands here with two values, or twice in one object. Send it once."
            self.add(Code.METADATA_CONFLICT, metadata_place(body, key, place), said)
            return None
        except MetadataShapeError:
            said = "This must be an object, or a list of objects with `key` and `value`."
            self.add(Code.METADATA_SHAPE, where, said, value)
            return None
        if isinstance(value, dict | list):
            self.foreign(value, where, deepest=DEEPEST + METADATA_LEVELS)
        return found

    def storable(self, value: Any, place: Place = ()) -> None:
        """Every text in `value` that no database can hold. Called where there is one."""
        if isinstance(value, str):
            if UNSTORABLE.search(value):
                self.add(Code.NOT_STORABLE, place, "This holds a NUL or half of a surrogate pair. Remove it.")
        elif isinstance(value, dict):
            for name, each in value.items():
                if UNSTORABLE.search(name):
                    said = "The name of this field holds a NUL or half of a surrogate pair. Remove it."
                    self.add(Code.NOT_STORABLE, (*place, name), said)
                self.storable(each, (*place, name))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                self.storable(each, (*place, index))


def read_metadata(value: Any) -> dict[str, Any]:
    """Metadata by key, values as they came, without nulls. Raises MetadataShapeError, MetadataConflictError.

    The shapes are those that ReBound's pages leave open (rebound-api.md, 2.4): an object; a list of `key` and `value`
    (or `name` and `value`); a list of objects with fields of their own. The same pair twice is harmless.
    """
    if value is None:
        return {}
    if isinstance(value, dict):
        if type(value) is RepeatedFields:
            raise MetadataConflictError(value.repeated[0])
        return {key: each for key, each in value.items() if each is not None}
    if not isinstance(value, list):
        raise MetadataShapeError
    found: dict[str, Any] = {}
    for entry in value:
        if not isinstance(entry, dict):
            raise MetadataShapeError
        if type(entry) is RepeatedFields:
            raise MetadataConflictError(entry.repeated[0])
        pairs = entry
        if "value" in entry:
            key = entry.get("key")
            key = key if isinstance(key, str) else entry.get("name")
            if isinstance(key, str):
                pairs = {key: entry["value"]}
        for key, each in pairs.items():
            if each is not None and found.setdefault(key, each) != each:
                raise MetadataConflictError(key)
    return found


def metadata_place(body: dict[str, Any], key: str, place: Place) -> Place:
    """Where a key of the metadata stands, or would stand."""
    value = body.get("clientMetadata")
    where = (*place, "clientMetadata")
    if not isinstance(value, list):
        return (*where, key)
    for index, entry in enumerate(value):
        if entry.get("key") == key or entry.get("name") == key:
            return (*where, index, "value")
        if key in entry:
            return (*where, index, key)
    return where
