"""The server itself: connections stay open, odd requests do no harm, and it stops at once."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rebound_tts.sandbox.http_server import DropConnection, HttpServer


def _echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/drop":
        raise DropConnection
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("a bug")
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {environ['QUERY_STRING']} ".encode(), body]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    running = HttpServer("127.0.0.1", 0, _echo)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield running
    running.stop()


@pytest.fixture
def talk(server: HttpServer) -> Iterator[Any]:
    """Sends bytes over one connection and gives back what comes, until it has been silent for a short while."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:

        def send(data: bytes) -> bytes:
            connection.sendall(data)
            got = b""
            connection.settimeout(10)
            try:
                while piece := connection.recv(65_536):
                    got += piece
                    connection.settimeout(0.2)
            except TimeoutError:
                pass
            return got

        yield send


def _get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def test_connection_is_kept_and_requests_may_be_piped(talk: Any) -> None:
    answers = talk(_get("/a%20b?x=%2B") + _get("/c"))
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"GET /a b x=%2B " in answers
    assert talk(_get("/d")).endswith(b"GET /d  ")


def test_connection_is_closed_on_request_and_for_http_1_0(server: HttpServer) -> None:
    for data in (_get("/", "Connection: close\r\n"), b"GET / HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(data)
            got = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert b"Connection: close\r\n" in got


def test_chunked_body_is_read(talk: Any) -> None:
    head = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert talk(head + b"4;ext=1\r\nlab\n\r\n2\r\nel\r\n0\r\nTrailer: 1\r\n\r\n").endswith(b"POST /p  lab\nel")


def test_client_that_asks_first_is_told_to_go_on(talk: Any) -> None:
    head = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    assert talk(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert talk(b"hi").endswith(b"POST /p  hi")


def test_head_has_no_body(talk: Any) -> None:
    answer = talk(b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 9\r\n" in answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n", b"431"),
    ],
)
def test_malformed_request_is_answered_and_hung_up_on(talk: Any, data: bytes, status: bytes) -> None:
    answer = talk(data)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close\r\n" in answer


def test_drop_closes_without_an_answer(talk: Any) -> None:
    assert talk(_get("/drop")) == b""


def test_bug_in_the_application_is_logged_and_harms_no_other(
    talk: Any, server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert talk(_get("/fail")) == b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as other:
        other.sendall(_get("/ok"))
        assert other.recv(65_536).startswith(b"HTTP/1.1 200 OK")
    assert "the sandbox failed on a request" in caplog.text


def test_stop_hangs_up_on_idle_connections() -> None:
    server = HttpServer("127.0.0.1", 0, _echo)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(_get("/"))
        connection.recv(65_536)
        server.stop()
        assert connection.recv(65_536) == b""


def test_many_connections_at_once_are_served(server: HttpServer) -> None:
    answers = []

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            for _ in range(5):
                connection.sendall(_get("/many"))
                answers.append(connection.recv(65_536).startswith(b"HTTP/1.1 200 OK"))

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 200
