"""A fresh sandbox for each test and a small client of its own: requests and hmac, nothing of ours.

The client signs from the written rules, apart from both the product's client and the sandbox's signer.
"""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from rebound_tts.sandbox.server import Sandbox

PDF = b"%PDF-1.4\n% a label\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n rest"
ROYAL_MAIL = "7117858858072016701"


class Control:
    """The sandbox's control interface; `post` fails on anything but 200."""

    def __init__(self, url: str, http: requests.Session) -> None:
        self.url, self.http = url, http

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(f"{self.url}/control/{path}", json=body, timeout=40)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.http.get(f"{self.url}/control/{path}", timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, path: str) -> Any:
        return self.http.delete(f"{self.url}/control/{path}", timeout=10).json()

    def error(self, path: str, **body: Any) -> tuple[int, str]:
        answer = self.http.post(f"{self.url}/control/{path}", json=body, timeout=10)
        return answer.status_code, answer.json()["error"]

    def returned(self, return_id: str) -> dict[str, Any]:
        return next(row for row in self.get("state")["returns"] if row["return_id"] == return_id)


class TikTokClient:
    """A partner app in forty lines."""

    def __init__(self, connection: dict[str, Any], http: requests.Session) -> None:
        self.url, self.http = connection["tiktok_url"], http
        self.key, self.secret = connection["app_key"], connection["app_secret"]
        self.token, self.refresh_token, self.cipher = "", "", ""

    def connect(self, code: str) -> None:
        data = self.exchange(code)["data"]
        self.token, self.refresh_token = data["access_token"], data["refresh_token"]
        shops = self.call("GET", "/authorization/202309/shops", shop=False)["data"]["shops"]
        self.cipher = shops[0]["cipher"]

    def exchange(self, code: str) -> dict[str, Any]:
        return self._token("get", auth_code=code, grant_type="authorized_code")

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        return self._token("refresh", refresh_token=refresh_token, grant_type="refresh_token")

    def call(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: Any = None, *, shop: bool = True
    ) -> dict[str, Any]:
        return self.answer(method, path, query, body, shop=shop).json()

    def answer(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        *,
        shop: bool = True,
        headers: dict[str, str] | None = None,
        files: dict[str, Any] | None = None,
        form: dict[str, str] | None = None,
        **overrides: Any,
    ) -> requests.Response:
        data = b"" if body is None else json.dumps(body).encode()
        parameters = {"app_key": self.key, "timestamp": int(time.time()), **(query or {})}
        if shop:
            parameters["shop_cipher"] = self.cipher
        parameters |= overrides
        parameters = {key: str(value) for key, value in parameters.items() if value is not None}
        parameters.setdefault("sign", self.sign(path, parameters, b"" if files else data))
        sent = {"x-tts-access-token": self.token} | ({} if files else {"Content-Type": "application/json"})
        return self.http.request(
            method,
            self.url + path,
            params=parameters,
            data=form if files else data,
            files=files,
            headers=sent | (headers or {}),
            timeout=10,
        )

    def sign(self, path: str, parameters: dict[str, str], data: bytes) -> str:
        text = path + "".join(f"{key}{parameters[key]}" for key in sorted(parameters) if key != "sign")
        message = self.secret.encode() + text.encode() + data + self.secret.encode()
        return hmac.new(self.secret.encode(), message, hashlib.sha256).hexdigest()

    def upload(self, return_ids: str, **changes: Any) -> dict[str, Any]:
        files = changes.pop("files", {"return_shipping_label": ("label.pdf", PDF, "application/pdf")})
        form = {"tracking_number": "RM123456789GB", "return_provider_id": ROYAL_MAIL} | changes
        form = {key: value for key, value in form.items() if value is not None}
        path = "/return_refund/202405/returns/shipping_documents"
        return self.answer("POST", path, {"return_ids": return_ids}, files=files, form=form).json()

    def search_returns(self, query: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        return self.call("POST", "/return_refund/202309/returns/search", query, body)

    def _token(self, what: str, **parameters: str) -> dict[str, Any]:
        query = {"app_key": self.key, "app_secret": self.secret, **parameters}
        return self.http.get(f"{self.url}/api/v2/token/{what}", params=query, timeout=10).json()


class ReboundApi:
    """A ReBound client that sends what section 6 of the reference names."""

    def __init__(self, url: str, client_id: str, client_secret: str, http: requests.Session) -> None:
        self.url, self.http = url, http
        self.client_id, self.client_secret = client_id, client_secret
        self.token = ""

    def connect(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        self.token = self.http.post(f"{self.url}/oauth2/token", data=form, timeout=10).json()["access_token"]

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.http.get(self.url + path, params=query, headers=self._headers(), timeout=10)

    def post(self, path: str, body: Any = None, **query: Any) -> requests.Response:
        return self.http.post(self.url + path, json=body, params=query, headers=self._headers(), timeout=10)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Receiver:
    """A tiny web server that keeps what it got; answers with the next of `statuses`, then 200."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox, http: requests.Session) -> Sandbox:
    """With the small world, whatever the test before did to it."""
    shared_sandbox.world.clock = time.time
    Control(shared_sandbox.url, http).post("reset")
    return shared_sandbox


@pytest.fixture
def control(sandbox: Sandbox, http: requests.Session) -> Control:
    return Control(sandbox.url, http)


@pytest.fixture
def tiktok(sandbox: Sandbox, control: Control, http: requests.Session) -> TikTokClient:
    """Connected to the shop of the small world."""
    client = TikTokClient(sandbox.connection(), http)
    client.connect(control.post("authorization-codes")["code"])
    return client


@pytest.fixture
def rebound(sandbox: Sandbox, http: requests.Session) -> ReboundApi:
    facts = sandbox.connection()
    client = ReboundApi(facts["rebound_url"], facts["rebound_client_id"], facts["rebound_client_secret"], http)
    client.connect()
    return client


@pytest.fixture
def shop_id(sandbox: Sandbox) -> str:
    return sandbox.connection()["shop_id"]


@pytest.fixture
def new_order(control: Control, shop_id: str) -> Callable[..., dict[str, Any]]:
    """An order of two tees and one mug, unless told."""

    def create(**changes: Any) -> dict[str, Any]:
        lines = [{"sku": "TEE", "price": "10.00", "quantity": 2}, {"sku": "MUG", "price": "5.50"}]
        return control.post("orders", **{"shop_id": shop_id, "lines": lines, **changes})

    return create


@pytest.fixture
def new_return(
    control: Control, shop_id: str, new_order: Callable[..., dict[str, Any]]
) -> Callable[..., dict[str, Any]]:
    """A return of one tee, of an order of its own unless told."""

    def create(**changes: Any) -> dict[str, Any]:
        order = None if "order_id" in changes else new_order()
        usual = (
            {}
            if order is None
            else {"order_id": order["order_id"], "order_line_item_ids": [order["line_items"][0]["id"]]}
        )
        return control.post("returns", **{"shop_id": shop_id, **usual, **changes})

    return create


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append((dict(self.headers), body))
            self.send_response(kept.statuses.pop(0) if kept.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield kept
    server.shutdown()
    server.server_close()
