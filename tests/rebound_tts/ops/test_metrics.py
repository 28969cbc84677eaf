"""The figures: who may read them, what is counted where, and that all processes add up."""

import ipaddress
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from matching.models import ErrandState
from merchants.models import BrokenReason
from rebound_tts.ops.catalog import READ, TALLIED
from rebound_tts.ops.exposition import exposition
from rebound_tts.ops.models import Tally, beat
from rebound_tts.ops.tallies import Tallies, count, observe, tallies
from returns.models import Reason, Status
from tests.factories import (
    OrderRelayFactory,
    ReboundAccountFactory,
    ReferenceWriteFactory,
    ShopAuthorizationFactory,
    TikTokReturnFactory,
    WebhookEventFactory,
)

pytestmark = pytest.mark.django_db


def read() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a scrape gives: value by name and labels."""
    text = exposition(now=timezone.now()).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(name: str, **labels: str) -> float | None:
    return read().get((f"rebound_tts_{name}", tuple(sorted(labels.items()))))


# Who may read


def test_nothing_is_public(client):
    assert client.get("/metrics").status_code == 404


@pytest.mark.parametrize("sent", [None, "Bearer wrong", "open sesame", "Bearer ", "Basic b3BlbiBzZXNhbWU=", "\xe9"])
def test_wrong_token_gets_nothing(client, settings, sent):
    settings.METRICS_TOKEN = "open sesame"
    answer = client.get("/metrics", **({"HTTP_AUTHORIZATION": sent} if sent is not None else {}))
    assert (answer.status_code, answer.content, answer["WWW-Authenticate"]) == (401, b"", "Bearer")


def test_token_reads_the_figures(client, settings):
    settings.METRICS_TOKEN = "open sesame"
    answer = client.get("/metrics", HTTP_AUTHORIZATION="Bearer open sesame")
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, "text/plain")
    assert b"# TYPE rebound_tts_events_waiting gauge" in answer.content


@pytest.mark.parametrize(("address", "status"), [("10.2.3.4", 200), ("11.2.3.4", 401), ("", 401)])
def test_network_reads_the_figures(client, settings, address, status):
    settings.METRICS_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == status


# What processes count


def test_every_figure_is_told():
    families = {family.name for family in text_string_to_metric_families(exposition(now=timezone.now()).decode())}
    assert families == {figure.full_name for figure in (*TALLIED.values(), *READ.values())}


def test_processes_add_up():
    one, other = Tallies(), Tallies()
    key = ("webhooks", (("source", "TIKTOK"), ("result", "new")))
    for process, amount in ((one, 2), (other, 3), (one, 5)):
        process.add(key, amount)
        process.store()
    assert figure("webhooks_total", source="TIKTOK", result="new") == 10


def test_histogram_counts_up_to_each_edge():
    for seconds in (0.1, 0.3, 7.0, 100.0):
        observe("remote_call_seconds", seconds, vendor="tiktok")
    tallies.store()
    observe("remote_call_seconds", 0.2, vendor="tiktok")
    found = {edge: figure("remote_call_seconds_bucket", vendor="tiktok", le=edge) for edge in ("0.05", "0.25", "10.0")}
    assert found == {"0.05": 0, "0.25": 2, "10.0": 4}
    assert figure("remote_call_seconds_bucket", vendor="tiktok", le="+Inf") == 5
    assert figure("remote_call_seconds_count", vendor="tiktok") == 5
    assert figure("remote_call_seconds_sum", vendor="tiktok") == pytest.approx(107.6)


def test_figures_that_cannot_be_stored_are_kept():
    count("throttled", endpoint="token")

    def refuse(*_: Any) -> Any:
        raise OperationalError("away")

    with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
        tallies.store()
    tallies.store()
    assert Tally.objects.get(name="throttled").value == 1


def test_a_label_that_is_missing_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        count("webhooks", source="TIKTOK")


# What the tables say


def test_unfinished_returns_and_the_oldest_that_waits():
    now = timezone.now()
    for hours in (1, 3):
        TikTokReturnFactory(
            status=Status.WAITING,
            reason=Reason.ORDER_AWAITED,
            status_changed_at=now - timedelta(hours=hours),
            next_attempt_at=None,
        )
    TikTokReturnFactory(status=Status.DONE, next_attempt_at=None)
    assert figure("returns_unfinished", status="WAITING", reason="ORDER_AWAITED") == 2
    assert figure("returns_unfinished", status="DONE", reason="") is None
    assert figure("waiting_oldest_seconds", reason="ORDER_AWAITED") == pytest.approx(3 * 3600, abs=60)


def test_backlog():
    long_ago = timezone.now() - timedelta(seconds=50)
    WebhookEventFactory(handled_at=None, outcome="", received_at=long_ago)
    TikTokReturnFactory(next_attempt_at=long_ago)
    assert (figure("events_waiting"), figure("returns_due"), figure("queue_jobs")) == (1, 1, 0)
    assert figure("events_oldest_seconds") == pytest.approx(50, abs=20)
    assert figure("returns_due_oldest_seconds") == pytest.approx(50, abs=20)


def test_crashed_returns_are_dead_work():
    TikTokReturnFactory(status=Status.NEEDS_ATTENTION, reason=Reason.CRASHED, next_attempt_at=None)
    assert (figure("dead", what="returns"), figure("dead", what="jobs")) == (1, 0)


def test_authorizations_that_end_first_are_named():
    now = timezone.now()
    rows = [ShopAuthorizationFactory(refresh_token_expires_at=now + timedelta(days=days)) for days in range(12, 0, -1)]
    found = {labels: value for (name, labels), value in read().items() if name == "rebound_tts_token_days_left"}
    soonest = rows[:1:-1]
    assert set(found) == {(("authorization", str(row.pk)),) for row in soonest}
    assert figure("token_days_left", authorization=str(rows[-1].pk)) == pytest.approx(1, abs=0.1)


def test_broken_connections_by_reason():
    now = timezone.now()
    ShopAuthorizationFactory(broken_at=now, broken_reason=BrokenReason.DEAUTHORIZED)
    ReboundAccountFactory(broken_at=now, broken_reason=BrokenReason.CREDENTIALS_REFUSED)
    assert figure("connections_broken", vendor="tiktok", reason="DEAUTHORIZED") == 1
    assert figure("connections_broken", vendor="rebound", reason="CREDENTIALS_REFUSED") == 1


def test_orders_on_their_way_and_those_that_stopped():
    long_ago = timezone.now() - timedelta(hours=2)
    for state in (ErrandState.QUEUED, ErrandState.RETRYING, ErrandState.DONE, ErrandState.REFUSED):
        OrderRelayFactory(state=state, queued_at=long_ago)
    ReferenceWriteFactory(state=ErrandState.CONFLICT)
    assert (figure("errands_waiting", errand="relay"), figure("errands_waiting", errand="references")) == (2, 0)
    assert figure("errands_oldest_seconds", errand="relay") == pytest.approx(2 * 3600, abs=60)
    assert figure("errands_for_people", errand="relay", state="REFUSED") == 1
    assert figure("errands_for_people", errand="references", state="CONFLICT") == 1
    assert figure("errands_for_people", errand="relay", state="DONE") is None


def test_workers_heard():
    beat(worker="here:1", now=timezone.now())
    beat(worker="there:2", now=timezone.now() - timedelta(minutes=5))
    assert figure("workers") == 1
    assert figure("worker_heartbeat_age_seconds", worker="there:2") == pytest.approx(300, abs=60)


def test_a_scrape_asks_as_much_with_three_returns_as_with_one(django_assert_max_num_queries):
    TikTokReturnFactory(status=Status.WAITING, reason=Reason.NOT_APPROVED)
    with django_assert_max_num_queries(18):
        exposition(now=timezone.now())
    for reason in (Reason.ORDER_AWAITED, Reason.REMOTE_BUSY):
        TikTokReturnFactory(status=Status.WAITING, reason=reason)
        ShopAuthorizationFactory()
    with django_assert_max_num_queries(18):
        exposition(now=timezone.now())
