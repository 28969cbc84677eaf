"""ReBound's events: signed, stored once, written down as milestones; a cancellation there ends in a named state."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from merchants.models import ReboundAccount
from merchants.rebound_events import end_former_secret, renew_events_secret
from rebound_tts.demo.story import Expected
from returns.events import handle_events
from returns.models import EventOutcome, ReboundReturn, ReturnMilestone, WebhookEvent
from tests.factories import ReboundAccountFactory, ReboundReturnFactory, ShopFactory, TikTokReturnFactory
from tests.returns.conftest import rebound_signature_of
from tests.returns.scene import Scene

pytestmark = pytest.mark.django_db
Send = Callable[..., Any]


@pytest.fixture
def account() -> ReboundAccount:
    account = ReboundAccountFactory()
    renew_events_secret(account)
    account.refresh_from_db()
    return account


@pytest.fixture
def rebound_return(account: ReboundAccount) -> ReboundReturn:
    shop = ShopFactory(merchant=account.merchant, rebound_account=account)
    held = ReboundReturnFactory(shop=shop)
    TikTokReturnFactory(shop=shop, rebound_return=held)
    return held


def an_event(held: ReboundReturn, kind: str = "RETURN_DELIVERED", **changes: Any) -> dict[str, Any]:
    return {
        "id": "event-1",
        "type": kind,
        "occurredAt": "2026-03-01T12:00:00.000Z",
        "returnOrderId": held.rebound_id,
        "rmaNumber": held.reference,
        "data": {},
        **changes,
    }


@pytest.fixture
def send_rebound(client: Client) -> Send:
    def send(account: ReboundAccount, event: Any, *, secret: str = "", seconds: int | None = None, **more: Any) -> Any:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        signature = rebound_signature_of(body, secret=secret or account.events_secret, seconds=seconds)
        headers = {"HTTP_X_REBOUND_SIGNATURE": signature, **more}
        address = f"/webhooks/rebound/{account.events_key}"
        return client.post(address, data=body, content_type="application/json", **headers)

    return send


def handled() -> WebhookEvent:
    handle_events(now=timezone.now())
    return WebhookEvent.objects.order_by("-pk").first()


@pytest.mark.parametrize(
    ("kind", "milestone"),
    [
        ("RETURN_ENTERED_NETWORK", "ENTERED_NETWORK"),
        ("RETURN_ARRIVED_AT_HUB", "ARRIVED_AT_HUB"),
        ("RETURN_DELIVERED", "DELIVERED"),
        ("RETURN_ITEMS_PROCESSED", "ITEMS_PROCESSED"),
    ],
)
def test_event_becomes_a_milestone(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send, kind: str, milestone: str
) -> None:
    answer = send_rebound(account, an_event(rebound_return, kind))
    assert (answer.status_code, answer.json()) == (200, {"received": True, "duplicate": False})
    event = handled()
    assert (event.outcome, event.merchant) == (EventOutcome.APPLIED, account.merchant)
    assert event.tiktok_return == rebound_return.tiktok_returns.get()
    found = ReturnMilestone.objects.get()
    assert (found.milestone, found.rebound_return, found.merchant) == (milestone, rebound_return, account.merchant)
    assert found.occurred_at.isoformat() == "2026-03-01T12:00:00+00:00"


def test_items_that_were_processed_are_kept(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send
) -> None:
    item = {"salesItemId": "i1", "sku": "cap", "quantity": 1, "condition": "A", "expected": True}
    items = [{**item, "photo": {"x": 1}}, {"sku": "c\0p", "condition": "\ud800"}, 5]
    send_rebound(account, an_event(rebound_return, "RETURN_ITEMS_PROCESSED", data={"items": items}))
    handled()
    # PostgreSQL takes neither a NUL nor half a character.
    assert ReturnMilestone.objects.get().items == [item, {"sku": "c\ufffdp", "condition": "\ufffd"}]


def test_event_again_is_a_duplicate_and_handled_again_changes_nothing(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send
) -> None:
    send_rebound(account, an_event(rebound_return))
    assert send_rebound(account, an_event(rebound_return)).json()["duplicate"] is True
    handled()
    WebhookEvent.objects.update(handled_at=None, outcome="")
    assert handled().outcome == EventOutcome.NOTHING_TO_DO
    assert ReturnMilestone.objects.count() == 1


def test_event_before_the_answer_to_the_creation_is_known_by_our_reference(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send
) -> None:
    event = an_event(rebound_return)
    ReboundReturn.objects.update(rebound_id="", confirmed_at=None)
    send_rebound(account, event)
    assert handled().outcome == EventOutcome.APPLIED


def test_unknown_type_is_kept_and_counted(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send
) -> None:
    assert send_rebound(account, an_event(rebound_return, "RETURN_DANCED")).status_code == 200
    assert handled().outcome == EventOutcome.UNKNOWN_TYPE


@pytest.mark.parametrize("changes", [{"returnOrderId": "another", "rmaNumber": "TTS-1-1"}, {"returnOrderId": "x"}])
def test_unknown_return_is_kept_and_counted(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send, changes: dict[str, str]
) -> None:
    send_rebound(account, an_event(rebound_return, **changes))
    assert (handled().outcome, ReturnMilestone.objects.count()) == (EventOutcome.UNKNOWN_RETURN, 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"occurredAt": "yesterday"}, "occurredAt is no time with an offset."),
        ({"occurredAt": "2026-03-01T12:00:00"}, "occurredAt is no time with an offset."),
        ({"occurredAt": 5}, "occurredAt is no time with an offset."),
        ({"occurredAt": "0001-01-01T00:00:00+23:59"}, "occurredAt is no time with an offset."),
        ({"returnOrderId": ["x"]}, "returnOrderId is no id of 1 to 255 characters."),
    ],
)
def test_event_that_lacks_what_it_must_say_is_kept_and_says_what(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send, changes: dict[str, Any], told: str
) -> None:
    assert send_rebound(account, an_event(rebound_return, **changes)).status_code == 200
    event = handled()
    assert (event.outcome, event.detail) == (EventOutcome.NOT_UNDERSTOOD, told)


def test_event_of_another_merchants_return_is_unknown(rebound_return: ReboundReturn, send_rebound: Send) -> None:
    stranger = ReboundAccountFactory()
    renew_events_secret(stranger)
    stranger.refresh_from_db()
    send_rebound(stranger, an_event(rebound_return, "RETURN_ORDER_CANCELLED"))
    assert handled().outcome == EventOutcome.UNKNOWN_RETURN
    rebound_return.refresh_from_db()
    assert rebound_return.cancelled_at is None


def test_equal_event_ids_of_two_accounts_are_two_events(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send
) -> None:
    stranger = ReboundAccountFactory()
    renew_events_secret(stranger)
    stranger.refresh_from_db()
    send_rebound(stranger, an_event(rebound_return))
    assert send_rebound(account, an_event(rebound_return)).json()["duplicate"] is False


def test_both_secrets_are_good_while_one_replaces_the_other(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send
) -> None:
    former, key = account.events_secret, account.events_key
    assert renew_events_secret(account)[0] == key
    account.refresh_from_db()
    for number, secret in enumerate((former, account.events_secret)):
        assert send_rebound(account, an_event(rebound_return, id=f"e{number}"), secret=secret).status_code == 200
    end_former_secret(account)
    assert send_rebound(account, an_event(rebound_return, id="e3"), secret=former).status_code == 401


@pytest.mark.parametrize("off", [-400, 400])
def test_event_signed_at_another_time_is_refused(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send, off: int
) -> None:
    answer = send_rebound(account, an_event(rebound_return), seconds=int(time.time()) + off)
    assert (answer.status_code, WebhookEvent.objects.count()) == (401, 0)


def test_event_without_signature_or_address_is_refused(
    account: ReboundAccount, rebound_return: ReboundReturn, send_rebound: Send
) -> None:
    event = an_event(rebound_return)
    assert send_rebound(account, event, HTTP_X_REBOUND_SIGNATURE="").status_code == 401
    assert send_rebound(account, event, secret="another").status_code == 401
    account.events_key = "nobody"
    assert send_rebound(account, event).status_code == 404
    assert WebhookEvent.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"<html>", b'{"type":"X"}', b'{"id":"1"}', b'{"id":"","type":"X"}', b'{"id":"1","type":5}', b"\xff"],
)
def test_body_that_is_no_event_is_refused(account: ReboundAccount, send_rebound: Send, body: bytes) -> None:
    assert send_rebound(account, body).status_code == 400


def test_cancellation_at_rebound_ends_in_a_named_state(scene: Scene, send_rebound: Send) -> None:
    expected = cancelled_there(scene, send_rebound)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "CANCELLED_AT_REBOUND")
    held = ReboundReturn.objects.get()
    assert (held.cancelled_there, held.rebound_status) == (True, "CANCELLED")
    assert ReturnMilestone.objects.get().milestone == "CANCELLED"
    scene.changes(expected.player, expected.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    assert scene.rest(expected.return_id) == ("CANCELLED", "")


def test_cancellation_of_ours_that_rebound_echoes_is_no_news(scene: Scene, send_rebound: Send) -> None:
    expected = scene.buys_and_returns(scene.story.cast.oms)
    scene.starts(expected)
    scene.changes(expected.player, expected.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    account = takes_events(expected)
    send_rebound(account, an_event(ReboundReturn.objects.get(), "RETURN_ORDER_CANCELLED"))
    scene.work()
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    assert ReboundReturn.objects.get().cancelled_there is False


def takes_events(expected: Expected) -> ReboundAccount:
    account = expected.player.shop.rebound_account
    renew_events_secret(account)
    account.refresh_from_db()
    return account


def cancelled_there(scene: Scene, send_rebound: Send) -> Expected:
    expected = scene.buys_and_returns(scene.story.cast.oms)
    scene.starts(expected)
    account = takes_events(expected)
    send_rebound(account, an_event(ReboundReturn.objects.get(), "RETURN_ORDER_CANCELLED"))
    scene.work()
    return expected


def test_sandbox_signs_as_the_reference_says(scene: Scene, live_server: Any) -> None:
    """The sandbox's own signature, over HTTP, at the account's own address."""
    expected = scene.buys_and_returns(scene.story.cast.oms)
    scene.starts(expected)
    account = takes_events(expected)
    scene.sandbox.post(
        f"/rebound-clients/{account.client_id}",
        events_url=f"{live_server.url}/webhooks/rebound/{account.events_key}",
        events_secret=account.events_secret,
    )
    (order,) = scene.at_rebound()
    sent = scene.sandbox.post(f"/return-orders/{order['id']}/events", type="RETURN_DELIVERED")
    assert [each["status"] for each in sent["deliveries"]] == [200]
    handled()
    assert ReturnMilestone.objects.get().milestone == "DELIVERED"
