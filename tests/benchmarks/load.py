"""Signed webhooks, made before the clock starts, and processes that send them over connections that stay open.

Raw sockets and epoll: one process sends some 20 000 requests a second, so the server is what is measured. A round is
closed: each connection sends the next webhook when the last was answered.
"""

import hashlib
import hmac
import itertools
import json
import math
import multiprocessing
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

PATH = "/webhooks/tiktok"
PROCESSES = 2
LAST_ANSWERS = 15.0  # seconds after a round in which answers are still awaited
NOBODYS_SHOP = "7494049642642441621"
_numbers = itertools.count(time.time_ns())


@dataclass(frozen=True)
class Outcome:
    """What became of one round. `latencies` are in seconds, sorted; only a 200 is an acknowledgement."""

    seconds: float
    latencies: list[float]
    statuses: Counter[int]
    lost: int

    @property
    def acknowledged(self) -> int:
        return self.statuses[200]

    @property
    def refused(self) -> int:
        return self.statuses.total() - self.acknowledged

    @property
    def a_second(self) -> float:
        return self.acknowledged / self.seconds

    def milliseconds(self, share: float) -> float:
        return 1000 * percentile(self.latencies, share)


def percentile(ordered: list[float], share: float) -> float:
    """The value that `share` of these, sorted, do not exceed (nearest rank)."""
    if not ordered:
        return float("nan")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def return_event(*, shop_id: str = NOBODYS_SHOP, return_id: str = "", order_id: str = "") -> dict[str, Any]:
    """TikTok's notification 12, each with its own id."""
    number = next(_numbers)
    return {
        "type": 12,
        "tts_notification_id": str(number),
        "shop_id": shop_id,
        "timestamp": int(time.time()),
        "data": {
            "order_id": order_id or "576461413038785752",
            "return_role": "BUYER",
            "return_type": "RETURN_AND_REFUND",
            "return_status": "AWAITING_BUYER_SHIP",
            "return_id": return_id or str(number),
            "create_time": 1_767_225_600,
            "update_time": 1_767_225_600,
        },
    }


def signed(event: dict[str, Any], *, app_key: str, app_secret: str) -> bytes:
    """The whole request, as it goes over the wire (signature: TikTok reference, 7.2)."""
    body = json.dumps(event).encode()
    signature = hmac.new(app_secret.encode(), app_key.encode() + body, hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(port: int, requests: list[bytes], *, connections: int, seconds: float) -> Outcome:
    """Send as many of these as fit into the time, and wait for what is on its way then."""
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(PROCESSES)
    readers, senders = [], []
    for number in range(PROCESSES):
        reader, writer = context.Pipe(duplex=False)
        share = connections // PROCESSES + (number < connections % PROCESSES)
        sender = context.Process(
            target=_send_all, args=(port, requests[number::PROCESSES], share, seconds, gate, writer)
        )
        sender.start()
        readers.append(reader)
        senders.append(sender)
    parts: list[Outcome] = [reader.recv() for reader in readers]
    for sender in senders:
        sender.join()
    return Outcome(
        seconds=max(part.seconds for part in parts),
        latencies=sorted(latency for part in parts for latency in part.latencies),
        statuses=sum((part.statuses for part in parts), Counter()),
        lost=sum(part.lost for part in parts),
    )


def offer(port: int, requests: list[bytes], *, a_second: float) -> Outcome:
    """Send these at a steady pace over one connection."""
    connected = _connect(port)
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    started = time.perf_counter()
    for number, request in enumerate(requests):
        time.sleep(max(0.0, started + number / a_second - time.perf_counter()))
        sent_at = time.perf_counter()
        connected.sendall(request)
        received = b""
        while (status := answer_in(received)) is None:
            received += connected.recv(65_536)
        statuses[status] += 1
        latencies.append(time.perf_counter() - sent_at)
    connected.close()
    return Outcome(time.perf_counter() - started, sorted(latencies), statuses, lost=0)


def answer_in(received: bytes) -> int | None:
    """The status, once the whole answer is there."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    fields = head.lower()
    if b"transfer-encoding: chunked" in fields:
        whole = body.endswith(b"0\r\n\r\n")
    else:
        length = fields.partition(b"content-length:")[2].partition(b"\r\n")[0]
        whole = len(body) >= int(length or 0)
    return int(head[9:12]) if whole else None


def _connect(port: int) -> socket.socket:
    connected = socket.create_connection(("127.0.0.1", port), timeout=LAST_ANSWERS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


class _Line:
    """One connection and the answer that it waits for."""

    __slots__ = ("received", "sent_at", "socket")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.received = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)


def _send_all(
    port: int, requests: list[bytes], connections: int, seconds: float, gate: Barrier, results: Connection
) -> None:
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector:
        lines = [_Line(_connect(port)) for _ in range(connections)]
        for line in lines:
            selector.register(line.socket, selectors.EVENT_READ, line)
        gate.wait(timeout=30)
        results.send(_round(lines, waiting, selector, seconds))
    for line in lines:
        line.socket.close()


def _round(lines: list[_Line], waiting: Iterator[bytes], selector: selectors.BaseSelector, seconds: float) -> Outcome:
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    lost = busy = 0
    started = now = time.perf_counter()
    for line in lines:
        request = next(waiting, None)
        if request is not None:
            line.send(request)
            busy += 1
    while busy and now < started + seconds + LAST_ANSWERS:
        for key, _ in selector.select(timeout=1):
            line = key.data
            try:
                part = line.socket.recv(65_536)
            except OSError:
                part = b""
            now = time.perf_counter()
            line.received += part
            status = answer_in(line.received)
            if status is None and part:
                continue
            request = None
            if status is None:  # closed without an answer
                lost += 1
                selector.unregister(line.socket)
            else:
                latencies.append(now - line.sent_at)
                statuses[status] += 1
                request = next(waiting, None) if now < started + seconds else None
            if request is None:
                busy -= 1
            else:
                line.send(request)
        now = max(now, time.perf_counter()) if busy else now
    return Outcome(now - started, latencies, statuses, lost + busy)
