"""A small threaded HTTP/1.1 server for one WSGI application.

werkzeug's server closes each connection after one answer, and http.server spends more time on headers than the sandbox
spends on the whole answer; this one keeps connections open and parses by hand. It reads each body in full before the
application runs, so a connection is always in step. Nothing in here knows about TikTok Shop or ReBound.
"""

import io
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

logger = logging.getLogger(__name__)

MAX_LINE = 65_536
MAX_HEADERS = 200
MAX_BODY = 64 * 1024 * 1024
IDLE_SECONDS = 120

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_REASONS = {int(status): status.phrase for status in HTTPStatus}


class DropConnection(Exception):
    """Raised by the application to close the connection without an answer."""


class _BadRequest(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HttpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serve `app` on host and port; port 0 picks a free one, see `port`."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, host: str, port: int, app: WsgiApp) -> None:
        self.app = app
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((host, port), _Connection)
        self.port: int = self.server_address[1]

    def track(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.add(connection)

    def forget(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(connection)

    def stop(self) -> None:
        """Stop accepting and hang up on every open connection; returns at once."""
        self.shutdown()
        self.server_close()
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("a connection was closed already")

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError | TimeoutError):
            return  # the client hung up: nobody is left to answer
        logger.error("the sandbox failed on a request from %s", client_address, exc_info=error)


class _Connection(socketserver.BaseRequestHandler):
    server: HttpServer

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.request.settimeout(IDLE_SECONDS)
        self.server.track(self.request)
        self.reader = self.request.makefile("rb", 65_536)

    def finish(self) -> None:
        self.server.forget(self.request)
        self.reader.close()

    def handle(self) -> None:
        try:
            while self._serve_one():
                pass
        except DropConnection:
            pass
        except (TimeoutError, ConnectionError):
            logger.debug("connection from %s ended", self.client_address)

    def _serve_one(self) -> bool:
        try:
            environ = self._read_request()
        except _BadRequest as bad:
            self._write(f"{bad.status} {_REASONS[bad.status]}", [], b"", head=False, keep_alive=False)
            return False
        if environ is None:
            return False
        keep_alive = _wants_keep_alive(environ)
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., Any]:
            started[:] = [status, headers]
            return started.append  # the legacy write() callable of WSGI; nothing here uses it

        result = self.server.app(environ, start_response)
        try:
            body = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close:
                close()
        self._write(started[0], started[1], body, head=environ["REQUEST_METHOD"] == "HEAD", keep_alive=keep_alive)
        return keep_alive

    def _read_request(self) -> Environ | None:
        line = self.reader.readline(MAX_LINE)
        if line in (b"\r\n", b"\n"):  # RFC 9112: skip an empty line before a request
            line = self.reader.readline(MAX_LINE)
        if not line:
            return None
        parts = line.decode("latin-1").split()
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _BadRequest(400)
        method, target, protocol = parts
        if target.startswith(("http://", "https://")):  # absolute form, as a proxy would send it
            target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
        path, _, query = target.partition("?")
        environ: Environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "REQUEST_URI": target,
            "QUERY_STRING": query,
            "SERVER_NAME": self.server.server_address[0],
            "SERVER_PORT": str(self.server.port),
            "SERVER_PROTOCOL": protocol,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        self._read_headers(environ)
        body = self._read_body(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return environ

    def _read_headers(self, environ: Environ) -> None:
        for _ in range(MAX_HEADERS):
            line = self.reader.readline(MAX_LINE)
            if line in (b"\r\n", b"\n"):
                return
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name or name != name.strip():
                raise _BadRequest(400)
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = "HTTP_" + key
            value = value.strip()
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        raise _BadRequest(431)

    def _read_body(self, environ: Environ) -> bytes:
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            return self._read_chunks()
        declared = environ.get("CONTENT_LENGTH", "0")
        if not declared.isdigit():
            raise _BadRequest(400)
        return self._read_exactly(int(declared))

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size_text = self.reader.readline(MAX_LINE).split(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise _BadRequest(400) from None
            if size < 0:
                raise _BadRequest(400)
            if size == 0:
                while self.reader.readline(MAX_LINE) not in (b"\r\n", b"\n", b""):
                    pass  # trailers carry nothing that we read
                return bytes(body)
            body += self._read_exactly(size)
            if len(body) > MAX_BODY:
                raise _BadRequest(413)
            self.reader.readline(MAX_LINE)

    def _read_exactly(self, size: int) -> bytes:
        if size > MAX_BODY:
            raise _BadRequest(413)
        data = self.reader.read(size) if size else b""
        if len(data) != size:
            raise ConnectionResetError("the client hung up in the middle of a body")
        return data

    def _write(self, status: str, headers: list[tuple[str, str]], body: bytes, *, head: bool, keep_alive: bool) -> None:
        lines = [f"HTTP/1.1 {status}"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() != "content-length"]
        lines.append(f"Date: {formatdate(usegmt=True)}")
        lines.append(f"Content-Length: {len(body)}")
        lines.append("Connection: keep-alive" if keep_alive else "Connection: close")
        data = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self.request.sendall(data if head else data + body)


def _wants_keep_alive(environ: Environ) -> bool:
    wish = environ.get("HTTP_CONNECTION", "").lower()
    if environ["SERVER_PROTOCOL"] == "HTTP/1.0":
        return "keep-alive" in wish
    return "close" not in wish
