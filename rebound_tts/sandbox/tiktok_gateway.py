"""What each signed TikTok call passes before its rule runs, and the envelope of the answer.

The order of the checks is that of section 9 of the reference: path, method, app key, timestamp, signature, token,
scope, shop cipher, parameters. A module with endpoints decorates them with `endpoint`; server.py imports the modules
and calls `add_routes`. No rule of a single endpoint belongs here.
"""

import itertools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, Request, Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException

from rebound_tts.sandbox import json_text
from rebound_tts.sandbox.tiktok_signing import is_multipart, request_sign_matches
from rebound_tts.sandbox.world import Seller, Shop, World

OLDEST_SECONDS = 300
AHEAD_SECONDS = 30
MAX_UPLOAD_BYTES = 10 * 1024 * 1024

# Section 3.2; what is not listed answers 200. TikTok documents none of them, hence the switch `everything_200`.
HTTP_STATUS = {
    36009004: 400,
    106013: 400,
    106011: 400,
    101000: 400,
    36009014: 400,
    105001: 401,
    105002: 401,
    106001: 401,
    105004: 403,
    105005: 403,
    36009033: 403,
    36009009: 404,
    36009010: 405,
    36009007: 408,
    36009021: 413,
    36009002: 429,
    36009003: 500,
}

_request_numbers = itertools.count(1)


class TikTokError(Exception):
    """Ends a call with this code and message."""

    def __init__(self, code: int, message: str, *, retry_after: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after = retry_after


def invalid_parameter(name: str, reason: str, expected: str) -> TikTokError:
    return TikTokError(98001004, f"Invalid parameter. Parameter name: {name}. Reason: {reason}. Expected: {expected}.")


@dataclass(frozen=True)
class Endpoint:
    method: str
    rule: str
    serve: Callable[["Call"], dict[str, Any] | None]
    scope: str
    shop_scoped: bool
    multipart: bool


@dataclass
class Call:
    """One admitted request. `shop` is the shop of the cipher; only calls without a shop lack it."""

    world: World
    seller: Seller
    maybe_shop: Shop | None
    query: list[tuple[str, str]]
    path: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    files: dict[str, FileStorage] = field(default_factory=dict)

    @property
    def shop(self) -> Shop:
        if self.maybe_shop is None:
            raise TikTokError(106013, "The identifier 'shop_cipher' is missing.")
        return self.maybe_shop

    def text(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.query if key == name), default)

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise invalid_parameter(name, "the value is missing", "a value")
        return value

    def values(self, name: str, limit: int) -> list[str]:
        """The values of a list parameter, joined by commas or repeated; at least one, each once."""
        given = [part for key, value in self.query if key == name for part in value.split(",") if part]
        if not given:
            raise invalid_parameter(name, "the value is missing", f"1 to {limit} values")
        if len(given) > limit:
            raise invalid_parameter(name, f"{len(given)} values", f"at most {limit} values")
        return list(dict.fromkeys(given))

    def number(self, name: str, low: int, high: int, default: int | None) -> int:
        """A whole number of the query; where `default` is None it must be given."""
        text = self.text(name)
        if not text and default is not None:
            return default
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise invalid_parameter(name, f"got '{text[:40]}'", f"a number from {low} to {high}")
        return int(text)

    def choice(self, name: str, options: Sequence[str], default: str = "") -> str:
        value = self.text(name) or default
        if value not in options:
            raise invalid_parameter(name, f"got '{value}'", "one of " + ", ".join(options))
        return value


_endpoints: list[Endpoint] = []


def endpoint(
    method: str, *rules: str, scope: str, shop_scoped: bool = True, multipart: bool = False
) -> Callable[[Callable[[Call], dict[str, Any] | None]], Callable[[Call], dict[str, Any] | None]]:
    """Register a rule under one path for each version it has."""

    def register(serve: Callable[[Call], dict[str, Any] | None]) -> Callable[[Call], dict[str, Any] | None]:
        _endpoints.extend(Endpoint(method, rule, serve, scope, shop_scoped, multipart) for rule in rules)
        return serve

    return register


def add_routes(app: Flask, world: World) -> None:
    for number, found in enumerate(_endpoints):
        app.add_url_rule(
            found.rule,
            endpoint=f"tiktok-{number}",
            view_func=partial(_serve, world, found),
            methods=[found.method],
            provide_automatic_options=False,
        )


def envelope(world: World, data: dict[str, Any] | None, *, message: str = "Success") -> Response:
    return _json({"code": 0, "message": message, "request_id": new_request_id(), "data": data or {}}, 200)


def error_envelope(world: World, error: TikTokError) -> Response:
    status = 200 if world.settings.everything_200 else HTTP_STATUS.get(error.code, 200)
    answer = _json({"code": error.code, "message": error.message, "request_id": new_request_id()}, status)
    if error.retry_after:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def not_served(world: World, error: HTTPException) -> Response:
    """The answer where no endpoint came to its own: no such path or method, a body that is too large, a crash."""
    return error_envelope(world, _error_of(error))


def _error_of(error: HTTPException) -> TikTokError:
    if error.code == 405:
        return TikTokError(36009010, f"The method {request.method} is not allowed.")
    if error.code == 413:
        return TikTokError(36009021, "The file is too large.")
    if error.code != 404:
        return TikTokError(36009003, "Internal error. Please try again.")
    if _other_version_exists(request.path):
        return TikTokError(36009014, "The API version is invalid.")
    return TikTokError(36009009, f"The path {request.path} is not found.")


def new_request_id() -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime()) + f"{next(_request_numbers):018X}"


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json_text.write(body), status, mimetype="application/json")


def _other_version_exists(path: str) -> bool:
    match = re.fullmatch(r"/([a-z_]+)/\d{6}(/.*)", path)
    if not match:
        return False
    module, rest = match.groups()
    pattern = re.compile(rf"/{module}/\d{{6}}" + r"(/.*)")
    for rule in {found.rule for found in _endpoints}:
        known = pattern.fullmatch(rule)
        if known and re.fullmatch(re.sub(r"<[^>]+>", "[^/]+", known[1]), rest):
            return True
    return False


def _serve(world: World, found: Endpoint, **path: str) -> Response:
    try:
        with world.lock:
            call = _admit(world, found, path)
            return envelope(world, found.serve(call))
    except TikTokError as error:
        return error_envelope(world, error)


def _admit(world: World, found: Endpoint, path: dict[str, str]) -> Call:
    query = parse_qsl(request.environ["QUERY_STRING"], keep_blank_values=True)
    raw_body = b"" if is_multipart(request.content_type or "") else request.get_data()
    sent = dict(query)
    _check_app_key(world, sent)
    _check_timestamp(world, sent)
    _check_sign(world, sent, query, raw_body)
    seller = _seller_of_token(world, found, request)
    shop = _shop_of_cipher(world, found, seller, sent)
    _check_rate(world, found, shop)
    call = Call(world, seller, shop, query, path)
    _read_body(call, found, raw_body)
    return call


def _check_app_key(world: World, sent: dict[str, str]) -> None:
    if sent.get("app_key") != world.app.key:
        raise TikTokError(36009004, "Invalid 'app_key'. It does not exist or is not given.")


def _check_timestamp(world: World, sent: dict[str, str]) -> None:
    text = sent.get("timestamp", "")
    if not re.fullmatch(r"-?\d{1,12}", text):
        raise TikTokError(36009004, "Invalid 'timestamp'. It must be a 10-digit number of seconds.")
    age = world.now() - int(text)
    if int(text) < 0:
        raise TikTokError(36009004, "Invalid 'timestamp'. It is lesser than 0.")
    if age > OLDEST_SECONDS:
        raise TikTokError(36009004, "Invalid 'timestamp'. It is earlier than 5 minutes ago.")
    if age < -AHEAD_SECONDS:
        raise TikTokError(36009004, "Invalid 'timestamp'. It exceeds the current time by more than 30 seconds.")


def _check_sign(world: World, sent: dict[str, str], query: list[tuple[str, str]], body: bytes) -> None:
    if not sent.get("sign"):
        raise TikTokError(36009004, "The signature is missing: query parameter 'sign'.")
    if not request_sign_matches(
        sent["sign"],
        secret=world.app.secret,
        path=request.path,
        query=query,
        content_type=request.content_type or "",
        body=body,
    ):
        raise TikTokError(106001, "Invalid signature: 'sign' does not match the request.")


def _seller_of_token(world: World, found: Endpoint, sent: Request) -> Seller:
    value = sent.headers.get("x-tts-access-token", "")
    if not value:
        raise TikTokError(36009004, "Invalid header 'x-tts-access-token'. It is missing.")
    token = world.access_tokens.get(value)
    if token is None:
        raise TikTokError(105001, "The access token in header 'x-tts-access-token' is invalid.")
    if token.expires_at <= world.clock():
        raise TikTokError(105002, "Expired credentials. The 'access_token' in 'x-tts-access-token' has expired.")
    if found.scope not in token.scopes:
        raise TikTokError(105005, f"Access denied. The scope '{found.scope}' has not been granted.")
    return world.sellers[token.seller_id]


def _shop_of_cipher(world: World, found: Endpoint, seller: Seller, sent: dict[str, str]) -> Shop | None:
    if "category_asset_cipher" in sent:
        raise TikTokError(36009004, "Unexpected identifier in the request: 'category_asset_cipher'.")
    cipher = sent.get("shop_cipher")
    if not found.shop_scoped:
        if cipher is not None:
            raise TikTokError(36009004, "Unexpected identifier in the request: 'shop_cipher'.")
        return None
    if not cipher:
        raise TikTokError(106013, "The identifier 'shop_cipher' is missing.")
    shop = world.shops_by_cipher.get(cipher)
    if shop is None:
        raise TikTokError(106011, "The identifier 'shop_cipher' is invalid.")
    if shop.seller_id != seller.id:
        raise TikTokError(101000, "The 'shop_cipher' does not belong to the 'x-tts-access-token'.")
    if not shop.authorized:
        raise TikTokError(105004, "The shop is no longer authorized for this app.")
    return shop


def _check_rate(world: World, found: Endpoint, shop: Shop | None) -> None:
    limit = world.settings.rate_limit_per_second
    if not limit:
        return
    key = (shop.id if shop else "", f"{found.method} {found.rule}")
    second, count = world.rate_windows.get(key, (0, 0))
    now = world.now()
    count = count + 1 if second == now else 1
    world.rate_windows[key] = (now, count)
    if count > limit:
        raise TikTokError(36009002, "Too many requests.", retry_after=world.settings.rate_limit_retry_after)


def _read_body(call: Call, found: Endpoint, raw_body: bytes) -> None:
    content_type = request.content_type or ""
    if found.multipart:
        if not is_multipart(content_type):
            raise TikTokError(36009023, "The content-type must be multipart/form-data.")
        if (request.content_length or 0) > MAX_UPLOAD_BYTES:
            raise TikTokError(36009021, "The file is too large.")
        call.form = request.form.to_dict()
        call.files = request.files.to_dict()
        return
    if is_multipart(content_type):
        raise TikTokError(36009022, "The body format must be JSON.")
    if not raw_body or found.method == "GET":
        return
    try:
        parsed = json_text.read(raw_body)
    except ValueError as error:
        raise TikTokError(36009022, "The body format must be JSON.") from error
    if parsed == []:
        return  # PHP writes an empty object so, and its SDKs work at TikTok
    if not isinstance(parsed, dict):
        raise TikTokError(36009022, "The body format must be a JSON object.")
    call.body = parsed
