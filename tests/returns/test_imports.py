"""Imports of orders from the outside: the command, the workers' job, and the returns that waited."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from matching.import_models import OrderImport
from matching.models import SalesOrder
from matching.order_import import start_import
from returns import imports, tasks
from returns.imports import carry
from tests.factories import MatchFactory, MerchantFactory, ShopFactory, TikTokReturnFactory

pytestmark = pytest.mark.django_db
GOOD = "clientOrderId,omsItemId,quantity\nSO-1,a,1\nSO-2,b,1\n"
BAD = GOOD + "SO-3,c,0\n"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[str, Path]]:
    def run(text: str, *arguments: str, merchant: Any = None) -> tuple[str, Path]:
        file = tmp_path / "orders.csv"
        file.write_text(text)
        out = StringIO()
        try:
            call_command(
                "import_orders", str((merchant or MerchantFactory()).pk), str(file), *arguments, stdout=out, stderr=out
            )
        except CommandError as error:
            out.write(str(error))
        return out.getvalue(), tmp_path / "orders.rejected.csv"

    return run


def test_the_command_imports_and_reports(run: Any) -> None:
    merchant = MerchantFactory()
    said, report = run(GOOD, merchant=merchant)
    assert (said, report.exists()) == ("2 created, 0 changed, 0 unchanged, 0 outdated, 0 rejected\n", False)
    said, report = run(BAD, merchant=merchant)
    assert said.startswith("0 created, 0 changed, 2 unchanged, 0 outdated, 1 rejected\nWhat was rejected stands in")
    assert (report.read_text().splitlines()[1][:10], oct(report.stat().st_mode)[-3:]) == ("SO-3,c,0,n", "600")
    row = OrderImport.objects.latest("pk")
    assert (row.finished_at is not None, row.rejected, row.parts.count()) == (True, 1, 0)


def test_the_command_says_what_it_cannot_do(run: Any, tmp_path: Path) -> None:
    assert "not known" in run("clientOrderId,colour\n")[0]
    for arguments in (
        ["987654", "x"],
        [str(MerchantFactory().pk)],
        [str(MerchantFactory().pk), str(tmp_path / "none")],
    ):
        with pytest.raises(CommandError):
            call_command("import_orders", *arguments)


def test_the_command_prints_a_template_that_it_takes(run: Any) -> None:
    out = StringIO()
    call_command("import_orders", "--template", stdout=out)
    assert run(out.getvalue())[0].startswith("2 created")


def test_a_file_that_is_broken_in_the_middle_says_where_it_ended(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("matching.order_import.push_orders", fail)
    with pytest.raises(KeyboardInterrupt):
        run(GOOD)
    assert OrderImport.objects.get().failure == "The command was stopped."


def start(merchant: Any, text: str = GOOD) -> OrderImport:
    raw = text.encode()
    return start_import(merchant=merchant, name="x.csv", size=len(raw), chunks=[raw], by="", now=timezone.now())


def test_a_worker_carries_what_was_uploaded_and_wakes_the_returns_that_wait() -> None:
    merchant = MerchantFactory()
    shop = ShopFactory(merchant=merchant)
    waiting = TikTokReturnFactory(shop=shop, status="WAITING", reason="ORDER_AWAITED")
    MatchFactory(
        shop=shop,
        return_id=waiting.return_id,
        outcome="NO_MATCH",
        reason="ORDER_NOT_SYNCED",
        is_curable=True,
        sales_order=None,
        external_order_id="SO-2",
    )
    start(merchant)
    assert carry()
    waiting.refresh_from_db()
    assert waiting.next_attempt_at is not None
    assert SalesOrder.objects.for_merchant(merchant).count() == 2
    assert not carry()


def test_the_sweep_rings_for_an_import_until_it_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr(imports, "async_task", lambda path, **_: rung.append(path))
    tasks.sweep()
    start(MerchantFactory())
    tasks.sweep()
    carry()
    tasks.sweep()
    assert rung == ["returns.imports.carry"]
