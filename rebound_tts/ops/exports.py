"""What is held of a merchant or of a buyer's order, as a ZIP: a file of JSON lines a table, each label as a file.

Addresses are readable in it, so treat the file as they deserve; secrets are left out. Rows are read in steps and
written as they come: memory stays flat however many there are.
"""

import datetime as dt
import json
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import models

from merchants.encryption import EncryptedJSONField, EncryptedTextField
from merchants.models import Merchant
from rebound_tts.ops.erasure import rows_of_order
from returns.models import ReturnLabel

# What lets somebody in, or says nothing to anybody but us.
LEFT_OUT = frozenset({"digest", "fingerprint", "claim_token", "claimed_until", "renewing_until"})
STEP = 500


def export_merchant(*, merchant: Merchant, path: Path) -> Counter[str]:
    """Every row that names the merchant. Answers how many of each table."""
    tables: list[models.QuerySet[Any]] = [Merchant.objects.filter(pk=merchant.pk)]
    for model in apps.get_models():
        owner = next((field for field in model._meta.fields if field.name == "merchant"), None)
        if owner is not None and owner.related_model is Merchant:
            tables.append(model._default_manager.filter(merchant=merchant))
    return _write(tables, path=path)


def export_order(*, merchant: Merchant, order_id: str, path: Path) -> Counter[str]:
    """What is held of a buyer's order, by TikTok's id of it or by the OMS's."""
    return _write(list(rows_of_order(merchant=merchant, order_id=order_id).values()), path=path)


def _write(tables: Iterable[models.QuerySet[Any]], *, path: Path) -> Counter[str]:
    done: Counter[str] = Counter()
    path.touch(mode=0o600, exist_ok=False)  # addresses are readable in it
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for rows in tables:
            name = rows.model._meta.label_lower
            columns = [field for field in rows.model._meta.concrete_fields if _is_told(field)]
            with archive.open(f"{name}.ndjson", "w", force_zip64=True) as file:
                for row in rows.order_by("pk").iterator(chunk_size=STEP):
                    told = {field.attname: getattr(row, field.attname) for field in columns}
                    file.write(json.dumps(told, default=_plain, ensure_ascii=False).encode() + b"\n")
                    done[name] += 1
            if rows.model is ReturnLabel:
                for label in rows.order_by("pk").iterator(chunk_size=STEP):
                    ending = "pdf" if label.format == "PDF" else "png"
                    archive.writestr(f"labels/{label.pk}.{ending}", bytes(label.content))
    return done


def _is_told(field: "models.Field[Any, Any]") -> bool:
    if isinstance(field, models.BinaryField) or field.name in LEFT_OUT:
        return False
    return not isinstance(field, EncryptedTextField) or isinstance(field, EncryptedJSONField)


def _plain(value: Any) -> Any:
    match value:
        case dt.datetime() | dt.date():
            return value.isoformat()
        case dt.timedelta():
            return value.total_seconds()
        case Decimal() | uuid.UUID():
            return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
