"""Starting, canceling, applying what a check proposes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from matching.coverage.diagnosis import Finding, Kind
from matching.coverage.models import CheckState, CoverageCheck
from matching.coverage.services import (
    KEPT,
    NotReadyError,
    SampleSizeError,
    apply_remedy,
    cancel_check,
    newest_check,
    start_check,
)
from matching.id_rules import IdRules
from tests.factories import ShopFactory
from tests.matching.coverage.conftest import Checked
from tests.matching.coverage.test_running import REFERENCES, SEARCH

pytestmark = pytest.mark.django_db


def test_a_second_start_answers_the_first():
    shop = ShopFactory()
    first = start_check(shop=shop, sample_size=20, now=timezone.now())
    assert start_check(shop=shop, sample_size=500, now=timezone.now()) == first
    assert cancel_check(first, now=timezone.now()) is True
    assert cancel_check(first, now=timezone.now()) is False
    assert start_check(shop=shop, sample_size=500, now=timezone.now()) != first


def test_a_shop_has_one_active_check():
    check = start_check(shop=ShopFactory(), sample_size=20, now=timezone.now())
    check.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        check.save(force_insert=True)


@pytest.mark.parametrize("size", [19, 501, 0, -1])
def test_a_sample_is_of_20_to_500(size: int):
    with pytest.raises(SampleSizeError):
        start_check(shop=ShopFactory(), sample_size=size, now=timezone.now())


def test_a_shop_without_an_origin_has_nothing_to_check():
    with pytest.raises(NotReadyError):
        start_check(shop=ShopFactory(platform_origin=""), sample_size=20, now=timezone.now())


def test_old_checks_are_forgotten():
    shop, now = ShopFactory(), timezone.now()
    for minute in range(KEPT + 3):
        cancel_check(start_check(shop=shop, sample_size=20, now=now + timedelta(minutes=minute)), now=now)
    assert CoverageCheck.objects.count() == KEPT
    newest = newest_check(shop)
    assert newest is not None
    assert newest.asked_at == now + timedelta(minutes=KEPT + 2)


def test_newest_check_of_a_shop_that_has_none():
    start_check(shop=ShopFactory(), sample_size=20, now=timezone.now())
    assert newest_check(ShopFactory()) is None


def test_a_rule_is_applied_and_checked_without_asking_tiktok_again(checked: Checked):
    for number in range(3):
        checked.half_synced(at_tiktok=f"#10{number}", pushed=f"10{number}")
    check = checked.run()
    assert check.matched == 0
    (finding, *_) = [Finding.from_json(each) for each in check.findings]
    assert (finding.kind, finding.rules) == (Kind.ID_RULES, IdRules(strip_prefix="#"))
    checked.sandbox.post("/calls/reset")
    again = checked.run(apply_remedy(check=check, finding=finding, now=timezone.now()))
    assert (again.pk != check.pk, again.state, again.matched) == (True, CheckState.DONE, 3)
    assert {SEARCH, REFERENCES} & set(checked.calls()) == set()
    shop = checked.player.shop
    shop.refresh_from_db()
    assert shop.id_strip_prefix == "#"
    before, after = shop.settings_versions.order_by("number")
    assert (before.settings["id_strip_prefix"], after.settings["id_strip_prefix"]) == ("", "#")
    assert after.reason == "Proposed by a coverage check"


def test_a_sample_that_is_no_longer_fresh_is_taken_anew(checked: Checked):
    checked.synced(1)
    check = checked.run()
    checked.clock.advance(minutes=16)
    again = checked.start(like=check)
    assert again.sampled_at is None


def test_an_origin_is_applied_and_everything_is_asked_again(checked: Checked):
    for number in range(2):
        checked.half_synced(at_tiktok=f"M-{number}", pushed=f"M-{number}", platform="MAGENTO")
    check = checked.run()
    (finding, *_) = [Finding.from_json(each) for each in check.findings]
    assert (finding.kind, finding.origin, finding.count) == (Kind.OTHER_ORIGIN, "MAGENTO", 2)
    again = checked.run(apply_remedy(check=check, finding=finding, now=timezone.now()))
    assert (again.platform_origin, again.matched) == ("MAGENTO", 2)


def test_a_finding_that_others_must_mend_has_no_remedy_of_ours():
    check = start_check(shop=ShopFactory(), sample_size=20, now=timezone.now())
    unsafe: Any = Finding(Kind.UNSAFE_RULES, 3, rules=IdRules(strip_prefix="#"))
    for finding in (unsafe, Finding(Kind.NOT_SYNCED, 3)):
        with pytest.raises(ValueError, match="no remedy"):
            apply_remedy(check=check, finding=finding, now=timezone.now())
