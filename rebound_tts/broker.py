"""The queue's broker, and what it raises while it is away."""

from functools import cache

from django.conf import settings
from django_q.brokers import Broker, get_broker

BROKER_AWAY: tuple[type[Exception], ...] = (OSError,)
if settings.REDIS_URL:  # its driver takes 6 MB
    from redis.exceptions import RedisError

    BROKER_AWAY = (OSError, RedisError)


@cache
def broker() -> Broker:
    return get_broker()  # kept: the Redis broker opens a connection each time it is made
