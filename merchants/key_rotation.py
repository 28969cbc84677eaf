"""Giving every stored secret and address the newest key, while workers go on.

A value names its key, so that what is left to do is asked of the database each time: this may stop anywhere, run twice
and run beside itself. A value that somebody writes meanwhile is left alone, since it has the newest key already.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.conf import settings
from django.db import connection, models

from merchants.encryption import EncryptedTextField, seal, unseal

BATCH = 500


@dataclass(frozen=True, slots=True)
class Column:
    """A column of encrypted values."""

    table: str
    key: str
    name: str
    context: str

    def __str__(self) -> str:
        return self.context


def columns() -> Iterator[Column]:
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedTextField):
                yield _column(model, field)


def _column(model: type[models.Model], field: EncryptedTextField) -> Column:
    return Column(model._meta.db_table, str(model._meta.pk.column), str(field.column), field.context)


def reencrypt(column: Column, *, batch: int = BATCH) -> Iterator[int]:
    """Re-encrypt a column, batch by batch; yields how many values each changed. Raises CannotDecryptError."""
    label = next(iter(settings.FIELD_ENCRYPTION_KEYS)).encode()
    newest = bytes([len(label)]) + label
    quote = connection.ops.quote_name
    table, key, name = quote(column.table), quote(column.key), quote(column.name)
    find = (
        f"SELECT {key}, {name} FROM {table} WHERE {key} > %s AND length({name}) > 0"  # noqa: S608  # our own names
        f" AND substr({name}, 1, {len(newest)}) <> %s ORDER BY {key} LIMIT {batch}"
    )
    replace = f"UPDATE {table} SET {name} = %s WHERE {key} = %s AND {name} = %s"  # noqa: S608  # our own names
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(find, [last, newest])
            found = [(row_key, bytes(stored)) for row_key, stored in cursor.fetchall()]
        if not found:
            return
        changed = 0
        for row_key, stored in found:
            sealed = seal(unseal(stored, context=column.context), context=column.context)
            with connection.cursor() as cursor:
                cursor.execute(replace, [sealed, row_key, stored])
                changed += cursor.rowcount
        last = found[-1][0]
        yield changed


def keys_in_use() -> Counter[str]:
    """How many values each key id sealed. A key that none names may leave FIELD_ENCRYPTION_KEYS."""
    found: Counter[str] = Counter({key_id: 0 for key_id in settings.FIELD_ENCRYPTION_KEYS})
    quote = connection.ops.quote_name
    for column in columns():
        table, name = quote(column.table), quote(column.name)
        # The first byte counts the key id's bytes, of which there are at most 16.
        ask = (
            f"SELECT substr({name}, 1, 17), count(*) FROM {table}"  # noqa: S608  # our own names
            f" WHERE length({name}) > 0 GROUP BY 1"
        )
        with connection.cursor() as cursor:
            cursor.execute(ask)
            for start, count in cursor.fetchall():
                head = bytes(start)
                found[head[1 : 1 + head[0]].decode(errors="replace")] += count
    return found
