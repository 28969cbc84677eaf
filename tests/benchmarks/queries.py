"""The queries of one return, counted step by step in this process, as the worker carries it out.

A step's queries are all that happen from its start to the start of the next: its own, the record of its attempt, and
what decides what comes next. BEGIN, SAVEPOINT and the like carry no data and are counted apart.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test import Client
from django.utils import timezone

from returns import services
from returns.events import handle_events
from returns.models import TikTokReturn
from tests.benchmarks.load import PATH

CONTROL = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")
NOTED, HANDLED, CLAIMED = "webhook", "event handled", "claimed"


class Count:
    """Counts statements under the name that is current; a name is what the worker is at."""

    def __init__(self) -> None:
        self.at = NOTED
        self.queries: Counter[str] = Counter()
        self.control: Counter[str] = Counter()

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        kind = self.control if str(sql).startswith(CONTROL) else self.queries
        kind[self.at] += 1
        return execute(sql, params, many, context)


def queries_of_a_return(webhooks: list[bytes]) -> dict[str, Any]:
    """Carry these one after another; the last is counted, when tokens and connections are there."""
    count, client = Count(), Client()
    for request in webhooks:
        count = Count()
        carry_one(request, client=client, count=count)
    if TikTokReturn.objects.filter(status="DONE").count() != len(webhooks):
        raise RuntimeError("A return whose queries were to be counted did not reach its label.")
    return {"queries": dict(count.queries), "control": dict(count.control)}


def carry_one(request: bytes, *, client: Client, count: Count) -> None:
    """From webhook to label in this process, as the endpoint and one worker would."""
    head, _, body = request.partition(b"\r\n\r\n")
    signature = head.decode().partition("Authorization: ")[2].partition("\r\n")[0]
    with connection.execute_wrapper(count):
        answer = client.post(
            PATH, data=body, content_type="application/json", headers={"Authorization": signature, "Host": "127.0.0.1"}
        )
        if answer.status_code != 200:
            raise RuntimeError(f"The webhook was answered with {answer.status_code}.")
        count.at = HANDLED
        handle_events(now=timezone.now())
        count.at = CLAIMED
        token, keys, _ = services.claim_due(now=timezone.now(), limit=20)
        with steps_named(count):
            for key in keys:
                services.advance(key, token=token)


@contextmanager
def steps_named(count: Count) -> Any:
    """Every step says its name when it starts."""

    def naming(name: str, step: Callable[..., str]) -> Callable[..., str]:
        def named(journey: Any) -> str:
            count.at = name
            return step(journey)

        return named

    with patch.dict(services.STEPS, {name: naming(name.value, step) for name, step in services.STEPS.items()}):
        yield
