"""The queue's broker in the database: an empty queue is looked at cheaply, and a job is handed out once."""

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.brokers import get_broker
from django_q.conf import Conf

from rebound_tts.broker import QuietOrmBroker

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker(monkeypatch):
    monkeypatch.setattr(Conf, "POLL", 0)
    return get_broker()


def test_installation_without_redis_looks_quietly(broker):
    assert settings.REDIS_URL == ""
    assert type(broker) is QuietOrmBroker


def test_empty_queue_costs_one_short_query(broker):
    with CaptureQueriesContext(connection) as captured:
        assert broker.dequeue() is None
    assert [query["sql"] for query in captured] == ["SELECT 1 FROM django_q_ormq LIMIT 1"]


def test_job_is_handed_out_once(broker):
    key = broker.enqueue("a job")
    assert broker.dequeue() == [(key, "a job")]
    assert broker.dequeue() is None
