"""Test returns: decided as a return would be, with nothing sent, created or linked."""

from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from matching.models import Match
from merchants.models import Lane
from returns.models import ReboundReturn, TikTokReturn, Trial
from returns.specimen import MODULES, bars_of, squares_of
from returns.trial_pages import TEST_RETURN
from returns.trials import KEPT, NoSuchOrderError, try_return
from tests.factories import ShopFactory
from tests.merchants.wizard.conftest import sign_in_client
from tests.returns.scene import CREATION, UPLOAD, Scene

pytestmark = pytest.mark.django_db


def tried(scene: Scene, bought: Any, **options: Any) -> Trial:
    options = {"wants_qr": False, "by": "Quay", "now": timezone.now(), **options}
    return try_return(shop=scene.story.cast.shopify.shop, order_id=bought.order_id, **options)


def bought(scene: Scene, **options: Any) -> Any:
    return scene.story.synced(scene.story.cast.shopify, ("tea-towel", "12.50", 2), **options)


def test_a_trial_says_what_a_real_return_becomes(scene: Scene):
    order = bought(scene)
    trial = tried(scene, order)
    assert (trial.outcome, trial.is_linked, trial.direct_reason) == ("MATCHED", True, "")
    assert (trial.country, trial.carrier_service) == ("GB", "ROYAL_MAIL_TRACKED")
    assert (trial.shipping_provider_name, len(trial.lines)) == ("Royal Mail", 2)
    player = scene.story.cast.shopify
    lines = [line["id"] for line in order.lines]
    (return_id,) = scene.story.returns(player, order, *lines, webhook={"send": False})
    scene.hints(player, return_id)
    scene.work()
    real = scene.row(return_id).rebound_return
    assert real is not None
    assert (real.kind, real.carrier_service, real.country) == ("LINKED", trial.carrier_service, trial.country)


def test_nothing_is_done(scene: Scene):
    tried(scene, bought(scene))
    calls = scene.calls()
    assert {CREATION, UPLOAD} & set(calls) == set()
    assert not any(name.split()[1] == "POST" for name in calls if name.startswith("rebound") and "token" not in name)
    assert [model.objects.count() for model in (TikTokReturn, ReboundReturn, Match)] == [0, 0, 0]


def test_a_qr_code_takes_its_own_service(scene: Scene):
    assert tried(scene, bought(scene), wants_qr=True).carrier_service == "ROYAL_MAIL_QR"


def test_an_order_without_references_goes_direct_with_a_label(scene: Scene):
    order = scene.story.buys(scene.story.cast.shopify, ("tea-towel", "12.50", 1))
    trial = tried(scene, order)
    assert (trial.outcome, trial.reason, trial.is_linked) == ("NO_MATCH", "NO_EXTERNAL_REF", False)
    assert (trial.direct_reason, trial.carrier_service) == ("NO_EXTERNAL_REF", "ROYAL_MAIL_TRACKED")


def test_without_a_lane_there_is_no_label(scene: Scene):
    Lane.objects.filter(shop=scene.story.cast.shopify.shop).delete()
    trial = tried(scene, bought(scene))
    assert (trial.carrier_service, trial.is_linked) == ("", False)
    assert TEST_RETURN.warnings(trial.shop) == [
        "The last test return found no lane: buyers from that country would get no label."
    ]


def test_an_order_of_another_shop_is_not_known(scene: Scene):
    theirs = scene.story.buys(scene.story.cast.oms, ("tea-towel", "12.50", 1))
    with pytest.raises(NoSuchOrderError):
        tried(scene, theirs)


def test_old_trials_are_forgotten(scene: Scene):
    order = bought(scene)
    shop = scene.story.cast.shopify.shop
    first = tried(scene, order)
    rows = [Trial(**{**_fields(first), "asked_at": timezone.now()}) for _ in range(KEPT)]
    Trial.objects.bulk_create(rows)
    tried(scene, order)
    assert Trial.objects.filter(shop=shop).count() == KEPT
    assert not Trial.objects.filter(pk=first.pk).exists()


def _fields(trial: Trial) -> dict[str, Any]:
    return {field.name: getattr(trial, field.name) for field in Trial._meta.fields if field.name != "id"}


# The pages


def url(shop: Any, rest: str = "") -> str:
    return f"/shops/{shop.shop_id}/setup/test-return/{rest}"


def test_the_whole_way(scene: Scene, settings: Any):
    order = bought(scene)
    shop = scene.story.cast.shopify.shop
    browser = sign_in_client(Client(), shop.merchant)
    assert TEST_RETURN.is_done(shop) is False
    listed = browser.get(url(shop)).content.decode()
    assert f"?order={order.order_id}#form" in listed
    chosen = browser.get(url(shop, f"?order={order.order_id}")).content.decode()
    assert f'value="{order.order_id}"' in chosen
    answer = browser.post(url(shop), {"order_id": order.order_id, "kind": "label"})
    trial = Trial.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, url(shop, str(trial.pk)))
    shown = browser.get(answer["Location"]).content.decode()
    assert "The return would be linked to your order" in shown
    assert "Is a unit of it left?" in shown
    assert "Open the sandbox" not in shown
    tried_at = f"{date_format(trial.asked_at, 'DATETIME_FORMAT')} UTC"
    assert f"Tried on {tried_at}, with nothing sent" in shown
    settings.SANDBOX_PAGE_URL = "http://127.0.0.1:8900/"
    listed = browser.get(url(shop)).content.decode()
    assert ("Open the sandbox" in listed, tried_at in listed) == (True, True)
    assert TEST_RETURN.is_done(shop) is True
    assert [str(name) for name, _ in TEST_RETURN.facts(shop)] == ["Test return"]
    assert TEST_RETURN.warnings(shop) == []


@pytest.mark.parametrize("wants_qr", [False, True])
def test_the_specimen_is_a_picture_that_nobody_takes_for_a_label(scene: Scene, wants_qr: bool):
    trial = tried(scene, bought(scene), wants_qr=wants_qr)
    answer = sign_in_client(Client(), trial.merchant).get(url(trial.shop, f"{trial.pk}/specimen.svg"))
    assert answer["Content-Type"] == "image/svg+xml"
    words = [each.text for each in ElementTree.fromstring(answer.content).iter() if each.tag.endswith("text")]  # noqa: S314  # our own
    assert "SPECIMEN" in words
    assert "Not a label. No carrier takes it." in words


def test_a_wrong_order_id_says_so(scene: Scene):
    shop = scene.story.cast.shopify.shop
    browser = sign_in_client(Client(), shop.merchant)
    answer = browser.post(url(shop), {"order_id": "576000000000000000", "kind": "label"})
    assert (answer.status_code, Trial.objects.count()) == (422, 0)
    assert "TikTok does not know this order in this shop." in answer.content.decode()
    assert "Choose an order, or type its id." in browser.post(url(shop), {"kind": "label"}).content.decode()


def test_a_remote_that_is_away_ends_in_a_page(scene: Scene):
    order = bought(scene)
    shop = scene.story.cast.shopify.shop
    scene.fault("tiktok", "status", status=503, times=9)
    browser = sign_in_client(Client(), shop.merchant)
    for answer in (browser.get(url(shop)), browser.post(url(shop), {"order_id": order.order_id, "kind": "label"})):
        assert answer.status_code == 200
        assert "TikTok or ReBound did not answer" in answer.content.decode()
    assert Trial.objects.count() == 0


@pytest.mark.parametrize(("method", "rest"), [("get", ""), ("post", ""), ("get", "{}"), ("get", "{}/specimen.svg")])
def test_another_merchants_trial_does_not_exist(scene: Scene, method: str, rest: str):
    trial = tried(scene, bought(scene))
    mine = ShopFactory(live_at=None)
    client = sign_in_client(Client(), mine.merchant)
    path = rest.format(trial.pk)
    assert getattr(client, method)(url(trial.shop, path), {"order_id": trial.order_id}).status_code == 404
    if rest:
        assert getattr(client, method)(url(mine, path)).status_code == 404
        other = scene.story.cast.off.shop  # of the same merchant
        assert getattr(sign_in_client(Client(), trial.merchant), method)(url(other, path)).status_code == 404


def test_patterns_are_the_same_for_the_same_order():
    assert bars_of("5761") == bars_of("5761") != bars_of("5762")
    assert squares_of("5761") == squares_of("5761") != squares_of("5762")
    assert all(0 <= column < MODULES and 0 <= row < MODULES for column, row in squares_of("5761"))
    assert max(place + width for place, width in bars_of("5761")) < 350
