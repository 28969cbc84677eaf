"""Structured logs: one JSON object a line, with the correlation id that follows a return from webhook to label.

What to log is the caller's business. Secrets never reach a logger; this module does not try to find them afterwards.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


@contextmanager
def correlated(correlation_id: str) -> Iterator[None]:
    """Everything logged inside carries this correlation id."""
    token = _correlation_id.set(correlation_id)
    try:
        yield
    finally:
        _correlation_id.reset(token)


class CorrelationFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = _correlation_id.get()
        return True


class JsonFormatter(BaseJsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}{correlation_id}",
            style="{",
            timestamp=True,
            # Django's error records carry the request, whose text holds the query: codes, names, addresses.
            reserved_attrs=[*RESERVED_ATTRS, "request"],
            rename_fields={"levelname": "level", "name": "logger"},
        )
