"""One JSON object a line, and the correlation id that follows a return from webhook to label."""

import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings

from rebound_tts.logs import CorrelationFilter, JsonFormatter, correlated
from returns.models import WebhookEvent
from tests.returns.conftest import bell, send, tell, work  # noqa: F401  # fixtures of the returns' tests


class Lines:
    """What the product's handler wrote."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    written = Lines()
    handler = logging.StreamHandler(written.stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(CorrelationFilter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_handler_of_the_settings_is_this_one():
    assert settings.LOGGING["root"]["handlers"] == ["out"]
    assert settings.LOGGING["handlers"]["out"]["formatter"] == "json"
    assert settings.LOGGING["handlers"]["out"]["filters"] == ["correlation"]
    assert settings.LOGGING["formatters"]["json"]["()"] == "rebound_tts.logs.JsonFormatter"


def test_line_is_one_json_object(lines):
    logging.getLogger("some.logger").warning("two\nlines %s", "of text", extra={"return_id": "4035"})
    (line,) = lines.all()
    assert line.pop("timestamp").startswith("20")
    assert line == {
        "level": "WARNING",
        "logger": "some.logger",
        "message": "two\nlines of text",
        "correlation_id": "",
        "return_id": "4035",
    }


def test_exception_stays_on_its_line(lines):
    try:
        raise KeyError("mistake")
    except KeyError:
        logging.getLogger("some.logger").exception("it crashed")
    (line,) = lines.all()
    assert line["exc_info"].endswith("KeyError: 'mistake'")


def test_what_is_no_json_is_written_as_text(lines):
    logging.getLogger("some.logger").warning("odd", extra={"thing": {1, 2}, "kind": KeyError})
    (line,) = lines.all()
    assert set(line) == {"level", "logger", "message", "correlation_id", "timestamp", "thing", "kind"}


def test_query_of_a_refused_request_is_not_logged(lines, client, db):
    assert client.get("/nowhere?code=secret-code").status_code == 404
    assert "secret-code" not in lines.stream.getvalue()
    assert [line["message"] for line in lines.all()] == ["Not Found: /nowhere"]


def test_correlation_ends_with_its_block_and_stays_in_its_thread(lines):
    logger = logging.getLogger("some.logger")
    with correlated("outer"):
        with correlated("inner"):
            logger.warning("1")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(logger.warning, "2").result()
        logger.warning("3")
    logger.warning("4")
    assert [line["correlation_id"] for line in lines.all()] == ["inner", "", "outer", ""]


def test_every_line_of_a_journey_carries_the_correlation_id_of_its_event(lines, story, tell, work):  # noqa: F811
    expected = story.all_matched()
    lines.stream.truncate(0)
    lines.stream.seek(0)
    tell(story.cast.oms, expected.return_id, "")
    work()
    event = WebhookEvent.objects.get()
    told = lines.all()
    assert {line["correlation_id"] for line in told} == {event.correlation_id}
    assert told[0]["message"] == "event handled"
    assert told[-1]["message"] == "return came to rest"
    paths = [line["path"] for line in told if line["message"] == "remote call"]
    assert len(paths) >= 6
    assert any("shipping_documents" in path for path in paths)
