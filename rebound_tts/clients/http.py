"""One HTTP call, carried out with care: time limits, a size limit, and a failure that says whether it was sent.

Knows nothing of TikTok or ReBound beyond their names. What a status or a body means is decided by the callers.

- No redirect is followed, no cookie is kept, nothing is read from the environment (proxies, netrc).
- Nothing is tried twice. Whether a second try is harmless is known one layer up.
- A session serves one call at a time and goes back on a stack: connections stay open and are shared by worker threads
  of any lifetime, but never by two calls at once or by two processes.
"""

import logging
import os
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypedDict, TypeVar, Unpack
from urllib.parse import quote, urlencode

import requests
import urllib3
from urllib3.exceptions import MaxRetryError, NewConnectionError

from rebound_tts.clients.errors import (
    LONGEST_RETRY_AFTER,
    ConfigurationError,
    RemoteError,
    TemporaryError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
    Vendor,
)
from rebound_tts.clients.http_sessions import call_deadline, new_session
from rebound_tts.clients.public_hosts import NotPublicError

logger = logging.getLogger(__name__)

ErrorT = TypeVar("ErrorT", bound=RemoteError)

_waiting: set[int] = set()  # threads of this process, by `threading.get_ident`
os.register_at_fork(after_in_child=_waiting.clear)  # a fork has none of them


@contextmanager
def waiting_for_a_remote() -> Iterator[None]:
    """What a thread does in here takes as long as a remote takes."""
    thread = threading.get_ident()
    _waiting.add(thread)
    try:
        yield
    finally:
        _waiting.discard(thread)


def threads_that_wait() -> set[int]:
    """The threads of this process that wait for a remote at this moment, by `threading.get_ident`."""
    return _waiting.copy()


class Details(TypedDict, total=False):
    """What an answer adds to an error; see `RemoteError`."""

    status: int | None
    code: str
    message: str
    request_id: str
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class RemoteRequest:
    """One call to make. Either `body` (bytes sent as they are) or `form` and `files`, which requests encodes.

    `template` is the path with `{}` where `ids` go; ids are percent-encoded. `safe` says that doing it twice does no
    harm. `hidden` are values that must not come back in an error message.
    """

    vendor: Vendor
    method: str
    base_url: str
    template: str
    ids: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    files: Mapping[str, tuple[str, bytes, str]] | None = field(default=None, repr=False)
    safe: bool = False
    hidden: tuple[str, ...] = field(default=(), repr=False)
    address: str = field(
        default="", repr=False
    )  # where a vendor gave a whole address: used instead of base_url and path

    def __post_init__(self) -> None:
        # "" and dot segments would silently become another path.
        if any(part in ("", ".", "..") for part in self.ids):
            raise ValueError(f"{self.method} {self.label} needs an id")

    @property
    def path(self) -> str:
        """The path as sent and as signed, without the base address's own."""
        return self.template.format(*(quote(part, safe="") for part in self.ids))

    @property
    def label(self) -> str:
        """The path with {id} for each id: the same text for every call of a kind, for metrics."""
        return self.template.format(*("{id}" for _ in self.ids))

    @property
    def url(self) -> str:
        if self.address:
            return self.address
        address = self.base_url.rstrip("/") + self.path
        return f"{address}?{urlencode(self.query, quote_via=quote, safe='')}" if self.query else address

    def error(self, kind: type[ErrorT], **details: Unpack[Details]) -> ErrorT:
        """An error about this call, with what it must not show taken out."""
        return kind(vendor=self.vendor, method=self.method, path=self.path, hidden=self.hidden, **details)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case; `seconds` is how long it took."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from Retry-After as seconds or as an HTTP date; at most an hour."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
            return min(float(value), LONGEST_RETRY_AFTER)
        try:
            moment = parsedate_to_datetime(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return min(max(moment.timestamp() - time.time(), 0.0), LONGEST_RETRY_AFTER)
        except (ValueError, TypeError, OverflowError, IndexError):
            return None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made, for metrics and logs. `status` is None where no answer came; `failure` then says why."""

    vendor: Vendor
    method: str
    path: str
    status: int | None
    seconds: float
    failure: str = ""


class Transport:
    """Sends `RemoteRequest`s. One for the whole process; any number of threads may use it.

    Raises, from `send`:
    TemporaryError where it could not connect, and where a safe call got no answer;
    UnknownOutcomeError where a call that is not safe was sent and got no answer that could be read;
    UnexpectedAnswerError where the answer to a safe call is larger than `max_answer_bytes`;
    ConfigurationError where the address or a header cannot be sent at all.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        total_timeout: float = 45.0,
        max_answer_bytes: int = 16 * 1024 * 1024,
        observer: Callable[[Call], None] | None = None,
        public_only: bool = False,
    ) -> None:
        """`read_timeout` bounds each silence, `total_timeout` the whole call: a slow drip must not hold a worker.
        `public_only` is for addresses that a merchant gave; see `public_hosts`."""
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._total_timeout = total_timeout
        self._max_answer_bytes = max_answer_bytes
        self._observer = observer
        self._public_only = public_only
        self._idle: deque[tuple[int, requests.Session]] = deque()

    def send(self, request: RemoteRequest) -> Answer:
        """The answer, whatever its status. See the class for what is raised."""
        started = time.monotonic()
        with waiting_for_a_remote():
            outcome = self._attempt(request, started)
        failed = isinstance(outcome, RemoteError)
        self._observe(
            Call(
                vendor=request.vendor,
                method=request.method,
                path=request.label,
                status=outcome.status,
                seconds=time.monotonic() - started,
                failure=type(outcome).__name__ if failed else "",
            )
        )
        # Raised here and not where it was caught: requests' own exceptions hold addresses with secrets in the query,
        # and must not hang on ours as the context.
        if isinstance(outcome, RemoteError):
            raise outcome
        return outcome

    def _attempt(self, request: RemoteRequest, started: float) -> Answer | RemoteError:
        unanswered = TemporaryError if request.safe else UnknownOutcomeError
        deadline = call_deadline.set(started + self._total_timeout)
        try:
            with self._session() as session, self._open(session, request) as response:
                body = self._read(response)
                if body is None:
                    return request.error(
                        UnexpectedAnswerError if request.safe else UnknownOutcomeError,
                        status=response.status_code,
                        message=f"the answer is larger than {self._max_answer_bytes} bytes",
                    )
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, headers, body, time.monotonic() - started)
        except _NotSendableError as error:
            return request.error(ConfigurationError, message=f"the call cannot be sent ({error})")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if _never_sent(error):
                return request.error(TemporaryError, message=f"no connection ({_plain_reason(error)})")
            return request.error(unanswered, message=f"no answer, or not all of it ({_plain_reason(error)})")
        finally:
            call_deadline.reset(deadline)

    def _open(self, session: requests.Session, request: RemoteRequest) -> requests.Response:
        try:
            prepared = session.prepare_request(
                requests.Request(
                    request.method,
                    request.url,
                    headers=dict(request.headers),
                    data=request.body if request.body is not None else request.form,
                    files=request.files,
                )
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise _NotSendableError(_plain_reason(error)) from None
        try:
            return session.send(
                prepared,
                stream=True,
                timeout=(self._connect_timeout, self._read_timeout),
                allow_redirects=False,
            )
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            urllib3.exceptions.LocationValueError,
            UnicodeEncodeError,
        ) as error:
            # Found out late, but before the first byte: http.client encodes a header (a token) only now.
            raise _NotSendableError(_plain_reason(error)) from None
        except NotPublicError as error:
            raise _NotSendableError(str(error)) from None

    def _read(self, response: requests.Response) -> bytes | None:
        """The whole body, or None where it is too large."""
        parts: list[bytes] = []
        size = 0
        for part in response.iter_content(64 * 1024):
            size += len(part)
            if size > self._max_answer_bytes:
                return None
            parts.append(part)
        return b"".join(parts)

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        session: requests.Session | None = None
        while self._idle and session is None:
            try:
                owner, candidate = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            # A forked worker must not write on connections that its parent still reads from.
            session = candidate if owner == os.getpid() else None
        session = session or new_session(public_only=self._public_only)
        try:
            yield session
        finally:
            self._idle.append((os.getpid(), session))

    def _observe(self, call: Call) -> None:
        if self._observer is None:
            return
        try:
            self._observer(call)
        except Exception:
            # The call is done; a metric that cannot be written must not make its outcome unknown.
            logger.exception("The observer of remote calls failed")


class _NotSendableError(Exception):
    """The address or a header is such that no request can be made of it."""


def _never_sent(error: Exception) -> bool:
    """Whether the failure came before the first byte of the request: only then is a second try always harmless."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    wrapped = error.args[0] if error.args else None
    if isinstance(wrapped, MaxRetryError) and isinstance(wrapped.reason, NewConnectionError):
        return True
    return isinstance(_innermost(error), ssl.SSLCertVerificationError)


def _plain_reason(error: BaseException) -> str:
    """The kind of failure. Never the exception's own text, which holds the address with its query."""
    return type(_innermost(error)).__name__


def _innermost(error: BaseException) -> BaseException:
    """What requests and urllib3 wrapped, each in one of theirs."""
    while True:
        inner = error.reason if isinstance(error, MaxRetryError) else next(iter(error.args), None)
        # urllib3 puts ("Connection aborted.", cause) into a ProtocolError.
        if not isinstance(inner, BaseException):
            inner = next((each for each in error.args[1:] if isinstance(each, BaseException)), None)
        if inner is None:
            return error
        error = inner
