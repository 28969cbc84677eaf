"""How every ReBound call is made: with a bearer token renewed once, its refusals classified by HTTP status.

Source: rebound-api.md sections 2.2, 2.3 and 5 row 8. What ReBound's error bodies look like is not public: problem+json,
Spring's, OAuth's and plain text are read.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Literal, TypeVar

from rebound_tts.clients.circuit import Circuit
from rebound_tts.clients.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PermanentError,
    RemoteError,
    TemporaryError,
    TokenRejectedError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.http import Answer, RemoteRequest, Transport
from rebound_tts.clients.json_values import AnswerShapeError, JsonObject, parse_json, to_json
from rebound_tts.clients.rebound_answers import Page, read_page
from rebound_tts.clients.tokens import TokenSource, with_token

T = TypeVar("T")

PAGE_SIZE = 50
_ERRORS_TOLD = 5

_BY_STATUS: dict[int, type[RemoteError]] = {
    401: TokenRejectedError,
    403: ConfigurationError,
    404: NotFoundError,
    409: ConflictError,
    425: TemporaryError,
    429: TemporaryError,
    503: TemporaryError,
}


def error_class(status: int, *, safe: bool) -> type[RemoteError]:
    """The class for an answer that is not 2xx. `safe` says that doing the call twice does no harm.

    429 and 503 are answered before any work; a 408 or another 5xx may come after it.
    """
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 408 or status >= 500:
        return TemporaryError if safe else UnknownOutcomeError
    return PermanentError if status >= 400 else UnexpectedAnswerError


def refusal(
    request: RemoteRequest, answer: Answer, *, kinds: Mapping[int, type[RemoteError]] | None = None
) -> RemoteError:
    """The error that an answer other than 2xx means. `kinds` are what some statuses mean for this call alone."""
    code, message, existing_id = _told(answer)
    error = request.error(
        (kinds or {}).get(answer.status) or error_class(answer.status, safe=request.safe),
        status=answer.status,
        code=code,
        message=message,
        request_id=answer.headers.get("x-request-id", ""),
        retry_after=answer.retry_after,
    )
    if isinstance(error, ConflictError):
        error.existing_id = existing_id
    return error


def _told(answer: Answer) -> tuple[str, str, str]:
    """Code, message and the id of what exists already, as far as the body tells them."""
    try:
        body = JsonObject.of(parse_json(answer.body), "answer").fields
    except ValueError:
        text = answer.body[:2000].decode("utf-8", "replace").strip()
        return "", "an HTML page" if text.startswith("<") else text, ""
    entries = body.get("errors") if isinstance(body.get("errors"), list) else []
    details = [entry if isinstance(entry, dict) else {"detail": entry} for entry in entries or []]
    parts = [
        _first(body, "detail", "message", "error_description", "title", "error"),
        *(
            " ".join(filter(None, (_first(each, "pointer", "field"), _first(each, "detail", "message"))))
            for each in details
        ),
    ]
    existing = [_first(body, "existingId"), *(_first(each, "existingId", "id") for each in details)]
    return (
        _first(body, "code") or _problem_name(_first(body, "type")) or _first(body, "error"),
        "; ".join([part for part in parts if part][: _ERRORS_TOLD + 1]),
        next(filter(None, existing), ""),
    )


def _first(body: Mapping[str, object], *names: str) -> str:
    """The first of the fields that is text or a number. A body of an error is not worth another error."""
    for name in names:
        value = body.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return ""


def _problem_name(kind: str) -> str:
    """What a problem type's address ends in; "" for about:blank, which says no more than the status."""
    return "" if kind == "about:blank" else kind.rstrip("/").rpartition("/")[2]


class ReboundGateway:
    """Sends the calls of one ReBound client."""

    def __init__(
        self, *, base_url: str, tokens: TokenSource, transport: Transport, circuit: Circuit | None = None
    ) -> None:
        self._base_url = base_url
        self._tokens = tokens
        self._transport = transport
        self._circuit = circuit

    def call(
        self,
        method: Literal["GET", "POST"],
        template: str,
        read: Callable[[object], T],
        *,
        ids: tuple[str, ...] = (),
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        kinds: Mapping[int, type[RemoteError]] | None = None,
        safe: bool = True,
        hidden: tuple[str, ...] = (),
    ) -> T:
        """What `read` makes of the JSON of a 2xx answer; otherwise `refusal`, or what `Transport` raises.

        Where `read` refuses: UnexpectedAnswerError, or UnknownOutcomeError where the call may have done something.
        """
        request = RemoteRequest(
            vendor="rebound",
            method=method,
            base_url=self._base_url,
            template=template,
            ids=ids,
            query={name: value for name, value in (query or {}).items() if value},
            headers={"accept": "application/json", **({"content-type": "application/json"} if body else {})},
            body=to_json(body) if body else None,
            safe=safe,
            hidden=hidden,
        )
        answer = self.send(request, kinds=kinds)
        try:
            return read(parse_json(answer.body))
        except ValueError as error:
            told = str(error) if isinstance(error, AnswerShapeError) else "the answer is not JSON"
        raise request.error(
            UnexpectedAnswerError if safe else UnknownOutcomeError,
            status=answer.status,
            message=told,
            request_id=answer.headers.get("x-request-id", ""),
        )

    def send(self, request: RemoteRequest, *, kinds: Mapping[int, type[RemoteError]] | None = None) -> Answer:
        """The 2xx answer. A refused token is renewed once, and the call made once more: a 401 did nothing."""
        return with_token(self._tokens, lambda token: self._send(request, token, kinds))

    def _send(self, request: RemoteRequest, token: str, kinds: Mapping[int, type[RemoteError]] | None) -> Answer:
        authorized = replace(
            request,
            headers={**request.headers, "authorization": f"Bearer {token}"},
            hidden=(*request.hidden, token),
        )
        with self._circuit.around(authorized) if self._circuit else nullcontext():
            answer = self._transport.send(authorized)
            if 200 <= answer.status < 300:
                return answer
            raise refusal(authorized, answer, kinds=kinds)

    def pages(
        self, template: str, read: Callable[[JsonObject], T], *, query: Mapping[str, str], max_pages: int
    ) -> Iterator[tuple[T, ...]]:
        """The pages of a list until its end, none of them empty.

        Raises UnexpectedAnswerError where the list does not end within `max_pages`, or a page comes twice although the
        list is longer: rows that nobody saw must not pass for rows that are not there.
        """
        seen = 0
        former: Page[T] | None = None
        for number in range(max_pages):
            page = self.call(
                "GET",
                template,
                lambda answer: read_page(answer, read),
                query={**query, "page": str(number), "size": str(PAGE_SIZE)},
            )
            repeated = former is not None and page.rows == former.rows
            if not page.rows or (repeated and page.total is None):
                return
            if repeated:
                break
            yield page.rows
            seen += len(page.rows)
            if _is_last(page, seen):
                return
            former = page
        raise UnexpectedAnswerError(
            vendor="rebound",
            method="GET",
            path=template,
            message=f"the list does not end: the same page again, or more than {max_pages} pages",
        )


def _is_last(page: Page[T], seen: int) -> bool:
    if page.is_whole or (page.total is not None and seen >= page.total):
        return True
    return page.total is None and page.size is not None and len(page.rows) < page.size
