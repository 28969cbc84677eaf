"""Webhooks as TikTok sends them, and workers that run in the test's own thread."""

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from rebound_tts.demo.story import Story
from returns import bell as bell_module
from returns import tasks
from returns.bell import Bell
from returns.events import handle_events
from returns.models import TikTokReturn
from returns.services import advance, claim_due
from tests.conftest import Clock
from tests.returns.scene import Scene

MOST_ROUNDS = 50
_numbers = itertools.count(7_327_112_393_057_371_910)


def signature_of(body: bytes) -> str:
    """TikTok's webhook signature (reference, 7.2), computed apart from the product's own."""
    key, secret = settings.TIKTOK_APP_KEY, settings.TIKTOK_APP_SECRET
    return hmac.new(secret.encode(), key.encode() + body, hashlib.sha256).hexdigest()


def rebound_signature_of(body: bytes, *, secret: str, seconds: int | None = None) -> str:
    """The signature of ReBound's events (rebound-api.md, section 6), computed apart from the product's own."""
    seconds = int(time.time()) if seconds is None else seconds
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def return_event(*, shop_id: str, return_id: str, order_id: str, **changes: Any) -> dict[str, Any]:
    data = {
        "order_id": order_id,
        "return_role": "BUYER",
        "return_type": "RETURN_AND_REFUND",
        "return_status": "AWAITING_BUYER_SHIP",
        "return_id": return_id,
    }
    event = {"type": 12, "tts_notification_id": str(next(_numbers)), "shop_id": shop_id, "timestamp": 1_767_225_700}
    return {**event, **changes, "data": {**data, **changes.get("data", {})}}


@pytest.fixture(autouse=True)
def bell(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Bell:
    """The process's bell, as if it had never rung; once it did, it is silent for longer than a test takes."""
    settings.BELL_SECONDS = 60.0
    monkeypatch.setattr(bell_module.bell, "_rang_at", float("-inf"))
    return bell_module.bell


@pytest.fixture
def send(client: Client) -> Callable[..., Any]:
    """POST a body to the webhook endpoint, signed unless told otherwise."""

    def send(event: Any, **headers: str) -> Any:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = {"HTTP_AUTHORIZATION": signature_of(body), **headers}
        return client.post("/webhooks/tiktok", data=body, content_type="application/json", **headers)

    return send


@pytest.fixture
def tell(send: Callable[..., Any]) -> Callable[..., Any]:
    """The webhook of a return that the sandbox holds."""

    def tell(player: Any, return_id: str, order_id: str, **changes: Any) -> Any:
        event = return_event(shop_id=player.shop_id, return_id=return_id, order_id=order_id, **changes)
        answer = send(event)
        assert answer.status_code == 200, answer.content
        return answer

    return tell


@pytest.fixture
def work(db: None) -> Callable[[], int]:
    """Do what is due, as a worker would, until nothing is due any more. Answers how many claims it took."""

    def work() -> int:
        claims = 0
        for _ in range(MOST_ROUNDS):
            handled = handle_events(now=timezone.now())
            token, keys, _ = claim_due(now=timezone.now(), limit=20)
            for key in keys:
                advance(key, token=token)
            claims += len(keys)
            if not handled and not keys:
                return claims
        raise AssertionError(f"Still work after {MOST_ROUNDS} rounds.")

    return work


def the_return(return_id: str) -> TikTokReturn:
    return TikTokReturn.objects.select_related("rebound_return__label", "shop").get(return_id=return_id)


@pytest.fixture
def scene(story: Story, work: Callable[[], int], clock: Clock) -> Scene:
    """The story, its workers and the time; see tests/returns/scene.py."""
    return Scene(story, work, clock)


def jobs() -> list[str]:
    """What is queued: "function argument"."""
    found = [SignedPackage.loads(job.payload) for job in OrmQ.objects.order_by("pk")]
    return [" ".join([job["func"], *job["args"]]) for job in found]


class InlinePool:
    """Runs what it is given at once, in the test's own thread and transaction."""

    def submit(self, act: Callable[..., None], *arguments: Any) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(act(*arguments))
        return done


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_pool", InlinePool)
    monkeypatch.setattr(tasks, "LINGER", 0.0)
    # In a test's transaction every connection looks obsolete.
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
