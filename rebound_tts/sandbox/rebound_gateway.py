"""What each ReBound call passes before its rule runs: bearer token, JSON body, and the three dialects of its errors.

ReBound publishes little of this; the names are those of section 6 of the reference. The token endpoint is here too.
"""

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from rebound_tts.sandbox import json_text
from rebound_tts.sandbox.world import ReboundClient, Token, World, new_secret

PREFIX = "/rebound"
PROBLEM_TYPES = "https://api.reboundplatform.invalid/problems/"
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class ReboundError(Exception):
    """Ends a call with this status and problem. `kind` names the problem type, `extra` adds members to it."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        errors: list[dict[str, str]] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.kind = kind
        self.errors = errors
        self.extra = extra or {}


@dataclass
class ReboundCall:
    world: World
    client: ReboundClient
    path: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return request.args.get(name, "")

    @property
    def flow_key(self) -> str | None:
        return self.text("flowKey") or None


Answer = tuple[int, dict[str, Any]] | Response
_resources: list[tuple[str, str, Callable[[ReboundCall], Answer]]] = []


def resource(method: str, rule: str) -> Callable[[Callable[[ReboundCall], Answer]], Callable[[ReboundCall], Answer]]:
    """Register a rule under {rebound_url}; it returns (status, JSON object), or a whole answer."""

    def register(serve: Callable[[ReboundCall], Answer]) -> Callable[[ReboundCall], Answer]:
        _resources.append((method, PREFIX + rule, serve))
        return serve

    return register


def add_routes(app: Flask, world: World) -> None:
    for number, (method, rule, serve) in enumerate(_resources):
        app.add_url_rule(
            rule,
            endpoint=f"rebound-{number}",
            view_func=partial(_serve, world, serve),
            methods=[method],
            provide_automatic_options=False,
        )

    @app.post(f"{PREFIX}/oauth2/token", provide_automatic_options=False)
    def token() -> Response:
        with world.lock:
            return _token(world)


def error_answer(world: World, error: ReboundError) -> Response:
    style = world.settings.rebound_error_style
    title = _TITLES.get(error.status, "Error")
    if style == "text":
        return Response(f"{title}: {error.detail}", error.status, mimetype="text/plain")
    if style == "spring":
        body = {
            "timestamp": timestamp(time.time()),
            "status": error.status,
            "error": title,
            "path": request.path,
        }
        return _json(body, error.status, "application/json")
    body = {
        "type": PROBLEM_TYPES + error.kind if error.kind else "about:blank",
        "title": title,
        "status": error.status,
        "detail": error.detail,
        "instance": request.path,
        **({"errors": error.errors} if error.errors else {}),
        **error.extra,
    }
    return _json(body, error.status, "application/problem+json")


def not_served(world: World, error: HTTPException) -> Response:
    """The answer where no resource came to its own: no such path or method, or a crash."""
    details = {404: "There is no such resource.", 405: f"{request.method} is not possible here."}
    return error_answer(world, ReboundError(error.code or 500, details.get(error.code or 500, error.name)))


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, as Spring writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def expire_tokens(world: World, client_id: str | None) -> int:
    """Let the tokens (of one client) expire now; returns how many."""
    count = 0
    for token in world.rebound_tokens.values():
        if client_id in (None, token.seller_id) and token.expires_at > world.clock():
            token.expires_at = world.clock()
            count += 1
    return count


def page_of(call: ReboundCall, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A page of rows, in the form of Spring's Page."""
    number = _whole("page", call.text("page"), 0, 1_000_000, 0)
    size = _whole("size", call.text("size"), 1, 200, 20)
    content = rows[number * size : (number + 1) * size]
    pages = -(-len(rows) // size)
    return {
        "content": content,
        "totalElements": len(rows),
        "totalPages": pages,
        "number": number,
        "size": size,
        "numberOfElements": len(content),
        "first": number == 0,
        "last": number >= pages - 1,
        "empty": not content,
    }


def _serve(world: World, serve: Callable[[ReboundCall], Answer], **path: str) -> Response:
    try:
        with world.lock:
            answer = serve(ReboundCall(world, _client_of_bearer(world), path, _body()))
    except ReboundError as error:
        return error_answer(world, error)
    if isinstance(answer, Response):
        return answer
    return _json(answer[1], answer[0], "application/json")


def _client_of_bearer(world: World) -> ReboundClient:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    token = world.rebound_tokens.get(value.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise ReboundError(401, "A bearer token is missing or unknown.")
    if token.expires_at <= world.clock():
        raise ReboundError(401, "The bearer token has expired.")
    return world.rebound_clients[token.seller_id]


def _body() -> dict[str, Any]:
    raw = request.get_data() if request.method in ("POST", "PUT", "PATCH") else b""
    if not raw:
        return {}
    if not (request.content_type or "").lower().startswith("application/json"):
        raise ReboundError(415, f"Content type '{request.content_type}' is not supported.")
    try:
        parsed = json_text.read(raw)
    except ValueError as error:
        raise ReboundError(400, f"The body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ReboundError(400, "The body is not a JSON object.")
    return parsed


def _token(world: World) -> Response:
    if request.mimetype != "application/x-www-form-urlencoded":
        return _oauth_error(400, "invalid_request")
    if request.form.get("grant_type") != "client_credentials":
        return _oauth_error(400, "unsupported_grant_type")
    client_id, secret = _basic_credentials() or (
        request.form.get("client_id", ""),
        request.form.get("client_secret", ""),
    )
    client = world.rebound_clients.get(client_id)
    if client is None or client.secret != secret:
        return _oauth_error(401, "invalid_client")
    seconds = world.settings.rebound_token_seconds
    token = Token(new_secret("", 64), client.id, (), world.clock() + seconds)
    world.rebound_tokens[token.value] = token
    return _json({"access_token": token.value, "token_type": "Bearer", "expires_in": seconds}, 200, "application/json")


def _basic_credentials() -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return client_id, secret


def _oauth_error(status: int, error: str) -> Response:
    answer = _json({"error": error}, status, "application/json")
    answer.headers["Cache-Control"] = "no-store"
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="rebound"'
    return answer


def _whole(name: str, text: str, low: int, high: int, default: int) -> int:
    if not text:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise ReboundError(400, f"{name} must be a number from {low} to {high}.")
    return int(text)


def _json(body: dict[str, Any], status: int, mimetype: str) -> Response:
    return Response(json_text.write(body), status, mimetype=mimetype)
