"""Encryption at rest for tokens, secrets and buyer addresses: AES-256-GCM with keys that rotate.

Stored form: one byte that counts the key id's bytes, the key id, a 12-byte nonce, the sealed bytes. The name of the
model field is authenticated too, so that a value copied into another column does not open. Keys come from
FIELD_ENCRYPTION_KEYS, newest first. Nothing here decides who may read a value.
"""

import json
import secrets
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

NONCE_BYTES = 12


class CannotDecryptError(Exception):
    """A stored value whose key is no longer configured, or that was changed."""


def seal(plain: bytes, *, context: str) -> bytes:
    """Encrypt with the newest key."""
    key_id, key = next(iter(settings.FIELD_ENCRYPTION_KEYS.items()))
    label = key_id.encode()
    nonce = secrets.token_bytes(NONCE_BYTES)
    return bytes([len(label)]) + label + nonce + _cipher(key).encrypt(nonce, plain, context.encode())


def unseal(stored: bytes, *, context: str) -> bytes:
    """Decrypt with the key that the value names. Raises CannotDecryptError."""
    end = 1 + stored[0] if stored else 0
    key_id = stored[1:end].decode(errors="replace")
    key = settings.FIELD_ENCRYPTION_KEYS.get(key_id)
    if key is None:
        raise CannotDecryptError(
            f"{context} was encrypted with key {key_id!r}, which FIELD_ENCRYPTION_KEYS does not hold."
        )
    try:
        return _cipher(key).decrypt(stored[end : end + NONCE_BYTES], stored[end + NONCE_BYTES :], context.encode())
    except (InvalidTag, ValueError) as error:
        raise CannotDecryptError(f"{context} holds a value that was changed after it was encrypted.") from error


@lru_cache(maxsize=16)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)  # to make one takes longer than to seal an address


class EncryptedTextField(models.Field):
    """Text that the database holds encrypted. It cannot be searched; an empty text stays empty."""

    description = "Text, encrypted at rest"
    empty_strings_allowed = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", "")
        kwargs.setdefault("blank", True)
        kwargs["editable"] = False  # no form shows or takes it; services write it
        super().__init__(*args, **kwargs)

    def get_internal_type(self) -> str:
        return "BinaryField"

    @property
    def context(self) -> str:
        return f"{self.model._meta.label_lower}.{self.name}"

    def to_plain(self, value: Any) -> bytes:
        return str(value).encode()

    def from_plain(self, plain: bytes) -> Any:
        return plain.decode()

    def get_prep_value(self, value: Any) -> Any:
        return seal(self.to_plain(value), context=self.context) if value else b""

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        sealed = value if prepared else self.get_prep_value(value)
        return connection.Database.Binary(sealed)  # type: ignore[attr-defined]  # every backend's driver has it

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        return self.from_plain(unseal(bytes(value), context=self.context)) if value else self.get_default()

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError(f"{self.context} is a secret and is not serialized.")


class EncryptedJSONField(EncryptedTextField):
    """A JSON object that the database holds encrypted."""

    description = "JSON object, encrypted at rest"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", dict)
        super().__init__(*args, **kwargs)

    def to_plain(self, value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":")).encode()

    def from_plain(self, plain: bytes) -> Any:
        return json.loads(plain)
