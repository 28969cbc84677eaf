"""How a machine-facing view refuses: RFC 9457 problems, one shape for every status, always with a request id.

`ApiView` is the base of such views. What a finding in an order is stands in `matching/findings.py`; answers that OAuth
rules stand in `merchants/oauth.py`.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import msgspec
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException, UnreadablePostError
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from rebound_tts.logs import correlated

logger = logging.getLogger(__name__)

CATALOG = "/docs/errors"
PLAIN_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
CHUNK = 64 * 1024
MOST_READ_AWAY = 8 * 1024 * 1024  # bytes of a refused body

TITLES = {
    "not_json": "The body is not JSON",
    "invalid_request": "The request cannot be understood",
    "unauthorized": "No valid access token",
    "forbidden": "The token lacks a scope",
    "not_found": "There is no such thing",
    "method_not_allowed": "This method is not offered here",
    "idempotency_key_in_use": "The first request with this Idempotency-Key is still running",
    "too_large": "The body is too large",
    "unsupported_media_type": "The content type is not taken",
    "invalid_order": "The order breaks rules",
    "invalid_parameter": "A parameter cannot be used",
    "idempotency_key_reused": "The Idempotency-Key was used for another request",
    "rate_limited": "Too many requests",
    "internal": "An error of ours",
    "unavailable": "Not available at the moment",
}


class Problem(Exception):
    """A refusal: its status, its code (the catalog explains each), what to do, and every finding."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})


def json_bytes(data: Any) -> bytes:
    """JSON as UTF-8, with a question mark for half a character."""
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=_plain).encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def answer(data: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(json_bytes(data), status=status, content_type="application/json", headers=headers)


def problem_response(problem: Problem, *, request_id: str) -> HttpResponse:
    body = {
        "type": f"{CATALOG}#{problem.code}",
        "title": TITLES[problem.code],
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
        "errors": problem.errors,
    }
    response = HttpResponse(json_bytes(body), status=problem.status, content_type="application/problem+json")
    for name, value in problem.headers.items():
        response[name] = value
    return response


def request_id_of(request: HttpRequest) -> str:
    """The sender's own id where it is a plain one, else a new one."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if PLAIN_REQUEST_ID.fullmatch(given) else uuid4().hex


class AnyAccept(BaseContentNegotiation):
    """Answers JSON whatever Accept says: there is one format, and RFC 9110 (12.4.1) leaves it to us."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """A view that answers JSON, refuses with problems, and gives every answer its request id."""

    content_negotiation_class = AnyAccept
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    http_method_names = ["get", "post", "put", "delete", "head"]
    largest_body = 1024 * 1024  # bytes

    request_id = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.request_id = request_id_of(request)
        with correlated(self.request_id):
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            _read_away(request)
        response["X-Request-Id"] = self.request_id
        response["Cache-Control"] = "no-store"
        return response

    def get_exception_handler(self) -> Callable[[Exception, Any], HttpResponse]:
        return self.refuse

    def refuse(self, error: Exception, context: Any) -> HttpResponse:
        return problem_response(self.problem_of(error), request_id=self.request_id)

    def problem_of(self, error: Exception) -> Problem:
        """What this error says to the sender; an unexpected one is logged and says nothing."""
        match error:
            case Problem():
                return error
            case Http404():
                return Problem(404, "not_found", "There is nothing at this address.")
            case APIException(status_code=405):
                return Problem(405, "method_not_allowed", f"Use one of: {', '.join(self.allowed_methods)}.")
            case UnreadablePostError() | RawPostDataException():
                return Problem(400, "invalid_request", "The body ended early.")
            case OperationalError() | InterfaceError():
                # 503: nothing was saved, and the same request may well work in a moment.
                logger.error("api has no database", exc_info=error, extra={"request_id": self.request_id})
                said = "Nothing was saved. Send the request again."
                return Problem(503, "unavailable", said, headers={"Retry-After": "5"})
            case _:
                logger.error("api failed", exc_info=error, extra={"request_id": self.request_id})
                return Problem(500, "internal", "This is not your fault. Give us the request id.")

    def read_body(self, request: Request) -> bytes:
        """The raw body, at most `largest_body` bytes. Django's own limit is lower than ours and is not used."""
        plain = request._request
        if plain.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise Problem(415, "unsupported_media_type", "Send the body as it is, without Content-Encoding.")
        said = f"At most {self.largest_body} bytes are taken."
        try:
            length = int(plain.META.get("CONTENT_LENGTH") or 0)
        except ValueError as error:
            raise Problem(400, "invalid_request", "Content-Length is not a number.") from error
        if length > self.largest_body:
            raise Problem(413, "too_large", said)
        try:
            if not length and "HTTP_TRANSFER_ENCODING" in plain.META:
                body: bytes = plain.META["wsgi.input"].read(self.largest_body + 1)  # chunked: Django gives nothing
            else:
                body = plain.read()
        except OSError as error:
            raise Problem(400, "invalid_request", "The body ended early.") from error
        if len(body) > self.largest_body:
            raise Problem(413, "too_large", said)
        return body


def _read_away(request: HttpRequest) -> None:
    """Read what a refused request still sends: a client that writes its whole body before it reads would otherwise
    find the connection closed, and not learn why."""
    left = MOST_READ_AWAY
    try:
        while left > 0 and (part := request.read(CHUNK)):
            left -= len(part)
    except (OSError, RawPostDataException):
        return  # it is gone, or was read whole


class NothingHere(ApiView):
    """Every address under a machine-facing root that is not one of ours."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Problem(404, "not_found", "There is nothing at this address. The guide is at /docs/orders.")
