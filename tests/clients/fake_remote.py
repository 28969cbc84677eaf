"""Stand-ins for a vendor: a scripted server on 127.0.0.1, a transport without a network, tokens that count renewals."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from rebound_tts.clients.errors import TokenRejectedError
from rebound_tts.clients.http import Answer, RemoteRequest, Transport
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.tiktok_shop import TikTokShopClient
from rebound_tts.clients.tokens import TokenSource

TOKEN = "TTP_current-token-0123456789"
RENEWED = "TTP_renewed-token-9876543210"


@dataclass
class Received:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int  # the client's port: equal for two calls on one kept connection

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Script = Reply | Callable[[BaseHTTPRequestHandler], None]


class Remote:
    """Answers each request with the next of `script`, and keeps what came in."""

    def __init__(self) -> None:
        self.script: list[Script] = []
        self.received: list[Received] = []
        remote = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet an answer

            def answer(self) -> None:
                parts = urlsplit(self.path)
                remote.received.append(
                    Received(
                        method=self.command,
                        path=parts.path,
                        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                        headers={name.lower(): value for name, value in self.headers.items()},
                        body=self.rfile.read(int(self.headers.get("content-length") or 0)),
                        connection=self.client_address[1],
                    )
                )
                reply = remote.script.pop(0)
                if not isinstance(reply, Reply):
                    reply(self)
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                pass  # a client that gives up is what many tests want

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def replies(self, *script: Script) -> None:
        self.script.extend(script)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def sent(remote: Remote) -> list[tuple[str, str, dict[str, str], Any]]:
    """Method, path, query without what every signed call has, and JSON body of what came in."""
    every = {"app_key", "timestamp", "sign", "shop_cipher"}
    return [
        (
            each.method,
            each.path,
            {name: value for name, value in each.query.items() if name not in every},
            each.json() if each.body else None,
        )
        for each in remote.received
    ]


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def envelope(
    data: object = None, *, code: object = 0, message: str = "Success", status: int = 200, **headers: str
) -> Reply:
    return json_reply({"code": code, "message": message, "request_id": "20261123ABC", "data": data}, status, **headers)


class Tokens(TokenSource):
    """Renews once, to RENEWED."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.rejected: list[str] = []

    def current(self) -> str:
        return self.token

    def renew(self, *, rejected: str) -> str:
        self.rejected.append(rejected)
        self.token = RENEWED
        return self.token


class DeadTokens(Tokens):
    """Cannot renew."""

    def renew(self, *, rejected: str) -> str:
        self.rejected.append(rejected)
        raise TokenRejectedError(vendor="tiktok", message="the authorization is gone")


def rebound_of(remote: Remote, transport: Transport, **options: Any) -> ReboundClient:
    return ReboundClient(base_url=f"{remote.url}/rebound/", tokens=Tokens(), transport=transport, **options)


def shop_of(remote: Remote, transport: Transport, tokens: Tokens) -> TikTokShopClient:
    return TikTokShopClient(
        base_url=remote.url + "/",
        app_key="key",
        app_secret="secret",
        tokens=tokens,
        transport=transport,
        shop_cipher="cipher",
    )


def spring(*rows: object, total: int | None = None, **more: object) -> Reply:
    """A page of a list of ReBound's."""
    return json_reply({"content": list(rows), **({} if total is None else {"totalElements": total}), **more})


class CannedTransport(Transport):
    """Answers without a network; the last answer is repeated."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        super().__init__()
        self.answers = list(answers)
        self.requests: list[RemoteRequest] = []

    def send(self, request: RemoteRequest) -> Answer:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def canned(value: object, status: int = 200) -> CannedTransport:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return CannedTransport([Answer(status, {"content-type": "application/json"}, body, 0.0)])
