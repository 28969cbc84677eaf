"""Makes the remotes fail on purpose: slow, broken or lost answers, for the next calls that fit.

The layer stands before Flask, so that a fault may hide an answer whose work was done. It counts the calls too.
"""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rebound_tts.sandbox.http_server import DropConnection, Environ, WsgiApp
from rebound_tts.sandbox.rebound_gateway import PREFIX as REBOUND_PREFIX
from rebound_tts.sandbox.tiktok_gateway import HTTP_STATUS, new_request_id
from rebound_tts.sandbox.world import World

KINDS = (
    "status",
    "code",
    "html",
    "not_json",
    "empty",
    "slow",
    "drop_before",
    "drop_after",
    "garbage_json",
    "other_object",
    "retry_after",
)
REMOTES = ("tiktok", "rebound")
_OURS = ("/control", "/page", "/favicon.ico", "/static")
_ID_AFTER = re.compile(
    r"(?<=/)(returns|orders|return-orders|sales-orders|labels|warehouses|delivery_options|cancellations)/"
    r"(?!search(?:/|$)|shipping_documents(?:/|$)|external_orders(?:/|$)|external_order_search(?:/|$))[^/]+"
)


@dataclass
class Fault:
    remote: str
    kind: str
    id: str = ""
    method: str = ""
    path_contains: str = ""
    status: int | None = None
    code: int | None = None
    message: str = ""
    body: Any = None
    seconds: float = 0.0
    retry_after: int | None = None
    times: int = 1
    skip: int = 0  # let so many fitting calls pass first


class Faults:
    """The faults that wait for a call that fits them, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)

    def add(self, fault: Fault) -> str:
        with self._lock:
            fault.id = str(next(self._numbers))
            self._faults.append(fault)
        return fault.id

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def left(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(vars(fault)) for fault in self._faults]

    def take(self, remote: str, method: str, path: str) -> Fault | None:
        """The first fault that fits this call, counted down."""
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                if fault.remote != remote or fault.method not in ("", method) or fault.path_contains not in path:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None


class FaultLayer:
    """WSGI around the application: counts, waits, and plays the first fault that fits a call to a remote."""

    def __init__(self, app: WsgiApp, world: World, faults: Faults) -> None:
        self._app = app
        self._world = world
        self._faults = faults

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        remote = remote_of(path)
        if remote is None:
            return self._app(environ, start_response)
        self._world.count_call(f"{remote} {method} {pattern_of(path.removeprefix(REBOUND_PREFIX))}")
        fault = self._faults.take(remote, method, path)
        self._wait(remote)
        if fault is None:
            return self._app(environ, start_response)
        return self._play(fault, environ, start_response)

    def _wait(self, remote: str) -> None:
        settings = self._world.settings
        own = settings.tiktok_latency_ms if remote == "tiktok" else settings.rebound_latency_ms
        latency_ms = settings.latency_ms if own is None else own
        if latency_ms:
            time.sleep(latency_ms / 1000)

    def _play(self, fault: Fault, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if fault.seconds:
            time.sleep(fault.seconds)
        if fault.kind == "drop_before":
            raise DropConnection
        if fault.kind in ("slow", "drop_after"):
            answer = self._app(environ, start_response)
            if fault.kind == "drop_after":
                raise DropConnection
            return answer
        status, content_type, body = _answer(fault)
        headers = [("Content-Type", content_type)]
        wait = 1 if fault.kind == "retry_after" and fault.retry_after is None else fault.retry_after
        if wait is not None:
            headers.append(("Retry-After", str(wait)))
        start_response(f"{status} Fault", headers)
        return [body]


def remote_of(path: str) -> str | None:
    """Which remote a path belongs to; None for the page and the controls."""
    if path == "/" or path.startswith(_OURS):
        return None
    return "rebound" if path == REBOUND_PREFIX or path.startswith(f"{REBOUND_PREFIX}/") else "tiktok"


def pattern_of(path: str) -> str:
    """The path with each id as `{id}`."""
    return _ID_AFTER.sub(r"\1/{id}", path)


def _answer(fault: Fault) -> tuple[int, str, bytes]:
    """(status, content type, body) of a fault that answers without doing the work."""
    if fault.body is not None:
        text = fault.body if isinstance(fault.body, str) else json.dumps(fault.body, ensure_ascii=False)
        kind = "text/plain" if isinstance(fault.body, str) else "application/json"
        return fault.status or 200, kind, text.encode()
    if fault.kind == "html":
        page = "<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"
        return fault.status or 502, "text/html", page.encode()
    if fault.kind == "not_json":
        return fault.status or 200, "application/json", b"upstream connect error or disconnect/reset before headers"
    if fault.kind == "empty":
        return fault.status or 200, "application/json", b""
    if fault.kind == "garbage_json":
        return fault.status or 200, "application/json", b'{"code":0,"message":"Success","data":{"orders":[{"id":'
    if fault.kind == "other_object":
        return fault.status or 200, "application/json", b'["this","is","not","what","was","asked","for"]'
    if fault.remote == "tiktok":
        return _tiktok_error(fault)
    return _rebound_error(fault)


def _tiktok_error(fault: Fault) -> tuple[int, str, bytes]:
    code = fault.code or (36009002 if fault.kind == "retry_after" or fault.status == 429 else 36009003)
    status = fault.status or HTTP_STATUS.get(code, 200)
    body = {"code": code, "message": fault.message or "Internal error.", "request_id": new_request_id()}
    return status, "application/json", json.dumps(body).encode()


def _rebound_error(fault: Fault) -> tuple[int, str, bytes]:
    status = fault.status or (429 if fault.kind == "retry_after" else fault.code or 500)
    body = {
        "type": "about:blank",
        "title": "Fault",
        "status": status,
        "detail": fault.message or "A fault was asked for.",
    }
    return status, "application/problem+json", json.dumps(body).encode()
