"""What granian is handed: a whole answer in one part, a stream as it is."""

from typing import Any

import pytest
from django.core.signals import request_finished
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from rebound_tts import wsgi


def call(path: str) -> tuple[str, Any, int]:
    """The status, what is handed over, and how often the request was said to be finished by then."""
    said: list[str] = []
    finished: list[object] = []

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        said.append(status)

    def note(sender: object, **more: object) -> None:
        finished.append(sender)

    request_finished.connect(note)
    try:
        handed = wsgi.application(RequestFactory().get(path).environ, start)
    finally:
        request_finished.disconnect(note)
    return said[0], handed, len(finished)


@pytest.mark.django_db
def test_a_whole_answer_is_one_part_and_its_request_is_finished() -> None:
    assert call("/livez") == ("200 OK", [b"ok\n"], 1)
    status, handed, finished = call("/nothing-here")
    assert (status, len(handed), finished) == ("404 Not Found", 1, 1)
    assert b"<html" in handed[0]


def test_a_stream_is_handed_over_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StreamingHttpResponse(iter([b"one", b"two"]))
    monkeypatch.setattr(wsgi, "django_application", lambda environ, start: start("200 OK", []) or stream)
    status, handed, finished = call("/export")
    assert (status, handed, finished) == ("200 OK", stream, 0)
    assert list(handed) == [b"one", b"two"]


def test_what_an_answer_has_written_in_parts_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = HttpResponse(["one", "two"])
    monkeypatch.setattr(wsgi, "django_application", lambda environ, start: start("200 OK", []) or parts)
    assert call("/parts")[1] == [b"onetwo"]
    assert parts.closed
