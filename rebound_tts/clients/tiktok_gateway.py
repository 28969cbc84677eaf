"""How every TikTok Shop call is made: signed, enveloped, its refusals classified, its token renewed once.

Source: tiktok-shop-api.md sections 2 and 3. What the calls are stands in `tiktok_shop`.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from rebound_tts.clients.circuit import Circuit
from rebound_tts.clients.errors import (
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.http import Answer, RemoteRequest, Transport
from rebound_tts.clients.json_values import AnswerShapeError, JsonObject, parse_json, to_json
from rebound_tts.clients.tiktok_codes import error_class, error_class_without_code
from rebound_tts.clients.tiktok_signing import sign_request
from rebound_tts.clients.tokens import TokenSource, with_token

T = TypeVar("T")

MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """The parts of a multipart call: text fields, and files as (file name, bytes, media type)."""

    fields: Mapping[str, str]
    files: Mapping[str, tuple[str, bytes, str]]


class RefusedInsideError(Exception):
    """Raised by a reader: the envelope says success and the data say no, with this code."""

    def __init__(self, *, code: str, message: str) -> None:
        super().__init__()
        self.code = code
        self.message = message


def read_envelope(request: RemoteRequest, answer: Answer, read: Callable[[JsonObject], T]) -> T:
    """What `read` makes of the answer's `data`. Success is `code` 0, whatever the HTTP status says.

    Raises the class that `tiktok_codes` gives a refusal; UnexpectedAnswerError where `read` refuses the data, and
    UnknownOutcomeError instead where the call may have done something.
    """
    opened = _open_envelope(answer.body)
    if opened is None:
        raise request.error(
            error_class_without_code(answer.status, safe=request.safe),
            status=answer.status,
            message=f"not TikTok's envelope ({answer.headers.get('content-type', 'no content type')})",
            retry_after=answer.retry_after,
        )
    envelope, code = opened
    try:
        message, request_id = envelope.text("message"), envelope.text("request_id")
    except AnswerShapeError:
        message = request_id = ""
    data = envelope.fields.get("data")
    try:
        if code == 0:
            return read(JsonObject.of({} if data is None else data, "data"))
    except AnswerShapeError as error:
        raise request.error(
            UnexpectedAnswerError if request.safe else UnknownOutcomeError,
            status=answer.status,
            message=str(error),
            request_id=request_id,
        ) from None
    except RefusedInsideError as refusal:
        code, message = int(refusal.code) if refusal.code.isdecimal() else -1, refusal.message
    raise request.error(
        error_class(code, message=message, status=answer.status, safe=request.safe),
        status=answer.status,
        code=str(code),
        message=message,
        request_id=request_id,
        retry_after=answer.retry_after,
    )


def _open_envelope(body: bytes) -> tuple[JsonObject, int] | None:
    try:
        envelope = JsonObject.of(parse_json(body), "answer")
        return envelope, int(envelope.id("code"))
    except ValueError:
        return None


class TikTokGateway:
    """Signs and sends the calls of one connection, for one shop of it where `shop_cipher` is set."""

    def __init__(
        self,
        *,
        base_url: str,
        app_key: str,
        app_secret: str,
        tokens: TokenSource,
        transport: Transport,
        shop_cipher: str,
        clock: Callable[[], float] = time.time,
        circuit: Circuit | None = None,
    ) -> None:
        self._base_url = base_url
        self._app_key = app_key
        self._app_secret = app_secret
        self._tokens = tokens
        self._transport = transport
        self._shop_cipher = shop_cipher
        self._clock = clock
        self._circuit = circuit

    def call(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        template: str,
        read: Callable[[JsonObject], T],
        *,
        ids: tuple[str, ...] = (),
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        upload: Upload | None = None,
        of_shop: bool = True,
        safe: bool = True,
    ) -> T:
        """One call; see `read_envelope` and `Transport` for what is raised.

        A refused token is renewed once and the call made once more: TikTok looks at the token before it does anything
        (section 9), so that this is harmless for every call. `of_shop=False` leaves `shop_cipher` out, which some calls
        refuse.
        """
        request = RemoteRequest(
            vendor="tiktok",
            method=method,
            base_url=self._base_url,
            template=template,
            ids=ids,
            query={**(query or {}), **({"shop_cipher": self._shop_cipher} if of_shop and self._shop_cipher else {})},
            # Nothing to send is sent as no body: official samples disagree on whether "{}" is signed.
            body=to_json(body) if body else None,
            form=upload.fields if upload else None,
            files=upload.files if upload else None,
            safe=safe,
        )
        return with_token(self._tokens, lambda token: self._send(request, token, read))

    def _send(self, request: RemoteRequest, token: str, read: Callable[[JsonObject], T]) -> T:
        content_type = MULTIPART if request.files else "application/json"
        query = {**request.query, "app_key": self._app_key, "timestamp": str(int(self._clock()))}
        sign = sign_request(
            app_secret=self._app_secret,
            path=request.path,
            query=query,
            body=request.body,
            content_type=content_type,
        )
        headers = {"x-tts-access-token": token}
        if not request.files:  # the multipart header needs the boundary that requests chooses
            headers["content-type"] = content_type
        signed = replace(
            request,
            query={**query, "sign": sign},
            headers=headers,
            hidden=(token, self._app_secret, sign, self._shop_cipher),
        )
        with self._circuit.around(signed) if self._circuit else nullcontext():
            return read_envelope(signed, self._transport.send(signed), read)
