"""Exporting and erasing: everything of one, nothing of another, and the ids that make a repeat harmless stay."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models
from django.utils import timezone

from matching.models import SalesOrder
from merchants.api_access import create_client
from merchants.encryption import EncryptedTextField
from merchants.models import ApiScope, Merchant, ReboundAccount, ShopAuthorization
from rebound_tts.ops.personal_data import OF_BUYERS, OF_MERCHANTS
from returns.models import ReturnLabel, Status, StepAttempt, TikTokReturn, WebhookEvent
from tests.factories import (
    ADDRESS,
    MatchFactory,
    ReboundReturnFactory,
    ReturnLabelFactory,
    SalesOrderFactory,
    StepAttemptFactory,
    TikTokReturnFactory,
    TikTokReturnItemFactory,
    WebhookEventFactory,
)

pytestmark = pytest.mark.django_db
NOTE = "leave it with Mrs Unseen"
HIDDEN = ("Secretia", "Unseen", "secret")


def carried(order_id: str, shop: Any = None, **values: Any) -> TikTokReturn:
    """A finished return with everything that hangs on one."""
    rebound_return = ReboundReturnFactory(payload={"note": NOTE}, **({"shop": shop} if shop else {}))
    row = TikTokReturnFactory(
        shop=rebound_return.shop,
        rebound_return=rebound_return,
        order_id=order_id,
        payload={"note": NOTE},
        **{"status": Status.DONE, "next_attempt_at": None} | values,
    )
    ReturnLabelFactory(rebound_return=rebound_return)
    TikTokReturnItemFactory(tiktok_return=row, name=NOTE)
    StepAttemptFactory(tiktok_return=row, detail=NOTE)
    WebhookEventFactory(tiktok_return=row, merchant=row.merchant, body=json.dumps({"note": NOTE}))
    order = SalesOrderFactory(merchant=row.merchant, payload={"note": NOTE})
    MatchFactory(
        merchant=row.merchant,
        shop=row.shop,
        return_id=row.return_id,
        outcome="ORDER_ONLY",
        sales_order=order,
        external_order_id=order.external_order_id,
    )
    return row


def run(command: str, *arguments: Any, **options: Any) -> dict[str, int]:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return {name: int(count) for name, _, count in (line.partition(": ") for line in out.getvalue().splitlines())}


def held(merchant: Merchant, path: Path) -> str:
    """Everything that is held of a merchant, as text."""
    path.unlink(missing_ok=True)
    run("export_data", merchant.pk, path)
    with zipfile.ZipFile(path) as archive:
        return "\n".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


def test_every_column_that_may_hold_a_person_is_erased():
    """A new one must be named in personal_data.py."""
    known = {
        (model, name) for named in (OF_BUYERS, OF_MERCHANTS) for model, columns in named.items() for name in columns
    }
    telling = {
        (model, field.name)
        for model in apps.get_models()
        if model._meta.app_label in {"merchants", "matching", "returns"}
        for field in model._meta.local_concrete_fields
        if isinstance(field, EncryptedTextField | models.BinaryField) or field.name in {"payload", "body", "request"}
    }
    assert {f"{model._meta.label}.{name}" for model, name in telling - known} <= {"matching.IdempotentAnswer.body"}


def test_export_of_an_order_holds_it_whole_and_nothing_else(tmp_path):
    row = carried("576461413038785752")
    other = carried("576461413038785799", shop=row.shop)
    path = tmp_path / "order.zip"
    assert run("export_data", row.merchant_id, path, order="576461413038785752") == {
        "matching.salesorder": 1,
        "returns.reboundreturn": 1,
        "returns.returnlabel": 1,
        "returns.stepattempt": 1,
        "returns.tiktokreturn": 1,
        "returns.tiktokreturnitem": 1,
        "returns.webhookevent": 1,
    }
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read("returns.tiktokreturn.ndjson"))
        text = b"".join(archive.read(name) for name in archive.namelist() if name.endswith("ndjson")).decode()
        label = archive.read(f"labels/{ReturnLabel.objects.get(rebound_return=row.rebound_return).pk}.pdf")
    assert (told["return_id"], told["buyer_address"]) == (row.return_id, ADDRESS)
    assert label.startswith(b"%PDF")
    assert other.return_id not in text
    assert path.stat().st_mode & 0o077 == 0


def test_order_is_found_by_the_oms_id_too(tmp_path):
    row = carried("576461413038785752")
    order = SalesOrder.objects.get()
    found = run("export_data", row.merchant_id, tmp_path / "a.zip", order=order.external_order_id)
    assert found["returns.tiktokreturn"] == 1


def test_export_of_a_merchant_holds_no_secret(tmp_path):
    row = carried("1")
    create_client(merchant=row.merchant, name="OMS", scopes=[ApiScope.ORDERS_READ.value], now=timezone.now())
    text = held(row.merchant, tmp_path / "all.zip")
    authorization = ShopAuthorization.objects.get()
    account = ReboundAccount.objects.get()
    secrets = [authorization.access_token, authorization.refresh_token, account.client_secret, account.access_token]
    assert [secret for secret in secrets if secret in text] == []
    assert "Secretia Hidden" in text
    assert "digest" not in text


def test_erased_order_leaves_no_person_and_every_id(tmp_path):
    row, other = carried("576461413038785752"), carried("576461413038785799")
    order_id = SalesOrder.objects.get(merchant=row.merchant).external_order_id
    assert run("erase_data", row.merchant_id, order="576461413038785752")["returns.TikTokReturn"] == 1
    text = held(row.merchant, tmp_path / "a.zip")
    assert [word for word in HIDDEN[:2] if word in text] == []
    assert row.return_id in text
    assert order_id in text
    assert WebhookEvent.objects.filter(merchant=row.merchant).get().dedupe_key
    assert ReturnLabel.objects.get(rebound_return=row.rebound_return).tracking_number
    assert "Unseen" in held(other.merchant, tmp_path / "b.zip")
    run("erase_data", row.merchant_id, order="576461413038785752")  # again: nothing happens


def test_order_of_another_merchant_is_not_found():
    row, other = carried("576461413038785752"), carried("2")
    assert run("erase_data", other.merchant_id, order="576461413038785752")["returns.TikTokReturn"] == 0
    assert TikTokReturn.objects.get(pk=row.pk).buyer_address == ADDRESS


def test_order_whose_return_is_under_way_is_left_unless_insisted():
    row = carried("1", status=Status.OPEN, next_attempt_at=timezone.now())
    with pytest.raises(CommandError, match="1 returns are not finished"):
        run("erase_data", row.merchant_id, order="1")
    assert TikTokReturn.objects.get().buyer_address == ADDRESS
    run("erase_data", row.merchant_id, order="1", even_if_unfinished=True)
    assert TikTokReturn.objects.get().buyer_address == {}


def test_dry_run_counts():
    row = carried("1")
    assert run("erase_data", row.merchant_id, order="1", dry_run=True)["returns.ReturnLabel"] == 1
    assert StepAttempt.objects.get().detail == NOTE


def test_erased_merchant_cannot_be_acted_for(tmp_path, monkeypatch):
    monkeypatch.setattr("rebound_tts.ops.erasure.STEP", 1)
    row = carried("1")
    carried("2", shop=row.shop)
    merchant = row.merchant
    with pytest.raises(CommandError, match="Confirm with"):
        run("erase_data", merchant.pk)
    done = run("erase_data", merchant.pk, confirm=merchant.name)
    assert (done["returns.TikTokReturn"], done["merchants.ShopAuthorization"]) == (2, 1)
    text = held(merchant, tmp_path / "a.zip")
    assert [word for word in HIDDEN if word in text] == []
    authorization = ShopAuthorization.objects.get()
    assert (authorization.access_token, authorization.refresh_token) == ("", "")
    assert authorization.broken_reason == "DEAUTHORIZED"
    assert Merchant.objects.get().name == f"Erased merchant {merchant.pk}"
