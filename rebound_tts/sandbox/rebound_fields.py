"""Reads and checks the bodies that clients send to ReBound: every finding with its JSON pointer, all at once."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from rebound_tts.sandbox.rebound_gateway import ReboundError


class Findings:
    """Collects what is wrong with a body; `raise_if_any` ends the call with a 400 that lists it."""

    def __init__(self) -> None:
        self.errors: list[dict[str, str]] = []

    def add(self, pointer: str, detail: str) -> None:
        self.errors.append({"pointer": pointer, "detail": detail})

    def raise_if_any(self) -> None:
        if self.errors:
            raise ReboundError(
                400, f"The body has {len(self.errors)} invalid values.", kind="invalid-body", errors=self.errors
            )

    def text(self, owner: dict[str, Any], key: str, at: str = "", *, required: bool = False) -> str | None:
        value = owner.get(key)
        if value is None and not required:
            return None
        if not isinstance(value, str) or (required and not value):
            self.add(f"{at}/{key}", "must be a non-empty string" if required else "must be a string")
            return None
        return value

    def boolean(self, owner: dict[str, Any], key: str, at: str = "") -> bool:
        value = owner.get(key)
        if value is not None and not isinstance(value, bool):
            self.add(f"{at}/{key}", "must be true or false")
        return value is True

    def quantity(self, owner: dict[str, Any], at: str) -> int:
        value = owner.get("quantity", 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.add(f"{at}/quantity", "must be a whole number of at least 1")
            return 1
        return value

    def price(self, owner: dict[str, Any], at: str) -> None:
        value = owner.get("price")
        if value is None:
            return
        try:
            fits = not isinstance(value, bool) and Decimal(str(value)) >= 0
        except InvalidOperation:
            fits = False
        if not fits:
            self.add(f"{at}/price", "must be a decimal number")

    def moment(self, owner: dict[str, Any], key: str) -> None:
        value = self.text(owner, key)
        if value is None:
            return
        try:
            aware = datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            aware = False
        if not aware:
            self.add(f"/{key}", "must be an RFC 3339 date-time with an offset")

    def address(self, owner: dict[str, Any], *, required: bool) -> None:
        value = owner.get("customerAddress")
        if value is None and not required:
            return
        if not isinstance(value, dict):
            self.add("/customerAddress", "must be an object")
            return
        for key, part in value.items():
            if part is not None and not isinstance(part, str):
                self.add(f"/customerAddress/{key}", "must be a string")
        if required:
            self.text(value, "countryCode", "/customerAddress", required=True)

    def objects(self, owner: dict[str, Any], key: str, *, required: bool) -> list[dict[str, Any]]:
        value = owner.get(key)
        if value is None and not required:
            return []
        if not isinstance(value, list) or (required and not value):
            self.add(f"/{key}", "must be a non-empty list of objects" if required else "must be a list of objects")
            return []
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                self.add(f"/{key}/{number}", "must be an object")
        return [item for item in value if isinstance(item, dict)]

    def metadata(self, owner: dict[str, Any], at: str = "") -> dict[str, str]:
        """clientMetadata in any of its three shapes, as one mapping."""
        pointer = f"{at}/clientMetadata"
        found: dict[str, str] = {}
        for key, value in self._metadata_pairs(owner.get("clientMetadata"), pointer):
            if not isinstance(key, str) or not isinstance(value, str):
                self.add(pointer, "must hold strings only")
            elif found.setdefault(key, value) != value:
                self.add(pointer, f"says two different things about {key}")
        return found

    def _metadata_pairs(self, value: Any, pointer: str) -> list[tuple[Any, Any]]:
        if value is None:
            return []
        if isinstance(value, dict):
            return list(value.items())
        if not isinstance(value, list):
            self.add(pointer, "must be an object or a list of objects")
            return []
        pairs: list[tuple[Any, Any]] = []
        for entry in value:
            if not isinstance(entry, dict):
                self.add(pointer, "must be an object or a list of objects")
            elif "value" in entry and ("key" in entry or "name" in entry):
                pairs.append((entry.get("key", entry.get("name")), entry["value"]))
            else:
                pairs.extend(entry.items())
        return pairs


def metadata_json(metadata: dict[str, str], shape: str) -> Any:
    """The mapping in the wire shape A, B or C of section 2.4."""
    if shape == "A":
        return [{"key": key, "value": value} for key, value in metadata.items()]
    if shape == "B":
        return [{key: value} for key, value in metadata.items()]
    return metadata
