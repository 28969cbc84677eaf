"""Every template of our own in the admin, looked at by axe: on a laptop in light, on a phone in dark."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test.signals import template_rendered
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from matching.coverage.diagnosis import Finding, Kind
from matching.coverage.models import CheckState
from matching.coverage.services import start_check
from matching.models import OrderImport
from merchants.audit import record_act
from merchants.settings_history import note_settings
from returns.dry_run import Difference, DryRun
from returns.models import BulkItem, BulkRun, Step
from tests import factories
from tests.browser.conftest import PHONE, SCREENSHOTS, findings, overflow
from tests.browser.test_desk import LAPTOP, is_well, stuck_return
from tests.browser.test_desk import at_desk as at_desk
from tests.browser.test_desk import manager as manager

pytestmark = pytest.mark.django_db(transaction=True)
OURS = Path(settings.BASE_DIR) / "templates"


@pytest.fixture
def rendered() -> Iterator[set[str]]:
    """The names of the templates that were rendered, by the server's thread too."""
    names: set[str] = set()

    def note(sender: Any, template: Any, **more: Any) -> None:
        names.add(str(template.origin.name))

    template_rendered.connect(note, weak=False, dispatch_uid="looked at")
    yield names
    template_rendered.disconnect(dispatch_uid="looked at")


def pages(user: Any) -> dict[str, str]:
    now = timezone.now()
    row = stuck_return()
    note_settings(shop=row.shop, by="mona", now=now)
    type(row.shop).objects.update(live_at=None, seller_center_link="https://seller.example/{order_id}", region="GB")
    order = factories.SalesOrderFactory(merchant=row.merchant, external_order_id="#1042")
    factories.SalesOrderItemFactory(order=order, sku="TT-BLUE")
    event = row.events.get()  # type: ignore[attr-defined]
    check = start_check(shop=row.shop, sample_size=20, now=now)
    check.state, check.finished_at, check.sampled, check.matched = CheckState.DONE, now, 20, 11
    found = Finding(Kind.NOT_SYNCED, 2, ("T2",), {"wanted": "#10", "held": "10"})
    check.findings = [
        found.as_json(),
        Finding(Kind.OTHER_ORIGIN, 7, ("T1",), {"referenced": "3"}, origin="MAGENTO").as_json(),
    ]
    check.save()
    OrderImport.objects.create(
        merchant=row.merchant, file_name="orders.csv", kind="CSV", size=1, is_stored=False, created_at=now
    )
    run = BulkRun.objects.create(act="run_again", started_by=user, total=1, started_at=now, finished_at=now)
    BulkItem.objects.create(merchant=row.merchant, run=run, tiktok_return=row, outcome="FAILED", detail="Our own error")
    record_act(act="Run again", actor="mona", subject=row, reason="asked by the merchant", now=now)

    def at(name: str, *keys: int) -> str:
        return reverse(f"admin:{name}", args=keys)

    return {
        "queue": at("index"),
        "not-found": f"{at('index')}no/such/page/",
        "returns": at("returns_tiktokreturn_changelist"),
        "return": at("returns_tiktokreturn_change", row.pk),
        "history": at("returns_tiktokreturn_history", row.pk),
        "payload": at("returns_tiktokreturn_payload", row.pk),
        "resolve": at("returns_tiktokreturn_resolve", row.pk),
        "link": at("returns_tiktokreturn_link", row.pk),
        "bulk": at("returns_tiktokreturn_bulk") + "?status__exact=NEEDS_ATTENTION&act=match_again",
        "runs": at("returns_bulkrun_changelist"),
        "run": at("returns_bulkrun_change", run.pk),
        "events": at("returns_webhookevent_changelist"),
        "event": at("returns_webhookevent_change", event.pk),
        "replay": at("returns_webhookevent_replay", event.pk),
        "replay-since": at("returns_webhookevent_replay_since"),
        "orders": at("matching_salesorder_changelist"),
        "order": at("matching_salesorder_change", order.pk),
        "address": at("matching_salesorder_address", order.pk),
        "imports": at("matching_orderimport_changelist"),
        "check": at("matching_coveragecheck_change", check.pk),
        "shops": at("merchants_shop_changelist"),
        "shop": at("merchants_shop_change", row.shop_id),
        "settings": at("merchants_shopsettings_change", row.shop.settings_versions.get().pk),
        "copy-settings": at("merchants_shop_copy_settings", row.shop_id),
    }


@pytest.mark.parametrize(("size", "dark"), [(LAPTOP, False), (PHONE, True)], ids=["laptop", "phone"])
def test_look_of_every_template_of_ours(
    at_desk: Callable[..., Page],
    manager: Any,
    rendered: set[str],
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    dark: bool,
) -> None:
    told = DryRun(
        asked_at=timezone.now(), steps=(Step.DELIVER,), differences=(Difference("lane", "GB, OLD", "GB, NEW"),)
    )
    monkeypatch.setattr("returns.admin.act_views.dry_run", lambda **asked: told)
    look = pages(manager)
    page = at_desk(look["queue"], size=size, dark=dark)
    wrong = []
    for name, address in look.items():
        page.goto(address)
        if SCREENSHOTS:
            page.screenshot(path=f"{SCREENSHOTS}/own-{name}-{size[0]}.png", full_page=True)
        found = findings(page), overflow(page)
        if found != ([], 0):
            wrong.append((name, found))
    page.goto(look["return"])
    page.get_by_role("button", name="Run again…").click()
    page.get_by_text("Dry run: what it would do now").wait_for()
    assert is_well(page, "own-rehearsal")
    assert wrong == []
    own = {str(path) for path in (OURS / "admin").rglob("*.html")}
    assert sorted(own - rendered) == []
