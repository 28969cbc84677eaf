"""The queue's broker, and what it raises while it is away."""

from functools import cache
from time import sleep
from typing import Any

from django.conf import settings
from django.db import connections
from django_q.brokers import Broker, get_broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf

BROKER_AWAY: tuple[type[Exception], ...] = (OSError,)
if settings.REDIS_URL:  # its driver takes 6 MB
    from redis.exceptions import RedisError

    BROKER_AWAY = (OSError, RedisError)


@cache
def broker() -> Broker:
    return get_broker()  # kept: the Redis broker opens a connection each time it is made


class QuietOrmBroker(ORM):
    """django-q2's broker in the database, which looks twenty times a second whether there is a job: in plain SQL, while
    there is none, that costs a third of what the ORM's query does."""

    def dequeue(self) -> Any:
        self.get_connection()  # leaves one that the database has closed
        with connections[Conf.ORM].cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_q_ormq LIMIT 1")
            if cursor.fetchone() is None:
                sleep(Conf.POLL)
                return None
        return super().dequeue()
