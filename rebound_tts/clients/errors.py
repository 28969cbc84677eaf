"""What can go wrong in a call to TikTok Shop or ReBound, named by what the caller should do next.

Temporary: try again later. Unknown outcome: look it up before doing it again. Permanent: a person must act, or fall
back. Configuration: the connection is broken, stop this shop's work. Which vendor code means which class is decided in
`tiktok_codes` and `rebound_gateway`; nothing here knows a vendor's codes.
"""

import re
from collections.abc import Iterable
from typing import Literal

Vendor = Literal["tiktok", "rebound"]

LONGEST_RETRY_AFTER = 3600.0
LONGEST_MESSAGE = 300

# A vendor's text may echo what was sent. These shapes never belong in a log line, whatever the vendor says.
_SECRET_NAMES = (
    "access_token|refresh_token|app_secret|client_secret|auth_code|shop_cipher|sign"
    "|x-tts-access-token|authorization|bearer"
)
_ECHOED_SECRETS = (
    re.compile(r"(?<=\?)[^\s\"'<>]+"),  # the query of an address
    re.compile(rf"(?i)\b(?:{_SECRET_NAMES})(?:[\"'`]?\s*[=:]\s*[\"'`]?|\s+(?=\S{{16}}))[^\s\"'`&,;<>]+"),
    re.compile(r"\b[0-9a-fA-F]{64}\b"),  # a signature
    re.compile(r"\b(?:ROW|TTP)_[\w-]{16,}"),  # a token of TikTok's, or a shop's cipher
    re.compile(r"[^\s\"'<>@:,;()]{1,64}@[^\s\"'<>@:,;()]{1,255}"),  # an e-mail address
)
_SHORTEST_HIDDEN = 3  # replacing "US" or "1" everywhere would garble the message and hide nothing


def printable(text: str, *, hidden: Iterable[str] = (), limit: int = LONGEST_MESSAGE) -> str:
    """`text` on one line, without the `hidden` values and anything shaped like a secret, at most `limit` characters.

    Hides before it cuts, so that half a token cannot survive at the end.
    """
    text = text[: 20 * LONGEST_MESSAGE]  # a megabyte of HTML is not worth the regular expressions
    for value in sorted({value for value in hidden if len(value) >= _SHORTEST_HIDDEN}, key=len, reverse=True):
        text = re.sub(re.escape(value), "[hidden]", text, flags=re.IGNORECASE)
    for pattern in _ECHOED_SECRETS:
        text = pattern.sub("[hidden]", text)
    text = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


class RemoteError(Exception):
    """A call that did not give what was asked for.

    `str(error)` reads "METHOD path: status, code, message, request id" and is safe to log and to show: it never holds a
    token, secret, signature, query value or address. `retry_after` is in seconds, at most an hour.
    """

    def __init__(
        self,
        *,
        vendor: Vendor | None = None,
        method: str = "",
        path: str = "",
        status: int | None = None,
        code: str = "",
        message: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        hidden: Iterable[str] = (),
    ) -> None:
        # No positional arguments for Exception: `args` would show up in reprs and pickles beside the scrubbed text.
        super().__init__()
        hidden = tuple(hidden)
        self.vendor = vendor
        self.method = method
        self.path = path
        self.status = status
        self.code = printable(code, hidden=hidden, limit=100)
        self.message = printable(message, hidden=hidden)
        self.request_id = printable(request_id, hidden=hidden, limit=100)
        self.retry_after = None if retry_after is None else min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)

    def __str__(self) -> str:
        told = [
            f"status {self.status}" if self.status is not None else "",
            f"code {self.code}" if self.code else "",
            self.message,
            f"request {self.request_id}" if self.request_id else "",
        ]
        return f"{self.method} {self.path}: {', '.join(part for part in told if part)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class TemporaryError(RemoteError):
    """Nothing was done. Try again later, not before `retry_after` where it is set."""


class UnknownOutcomeError(RemoteError):
    """The request may have been carried out. Look it up before doing it again."""


class PermanentError(RemoteError):
    """Trying again gives the same answer. A person must act, or the caller falls back."""


class ConfigurationError(RemoteError):
    """The connection is broken (credentials, scopes, addresses). Stop this shop's work and tell the merchant."""


class UnexpectedAnswerError(PermanentError):
    """An answer that cannot be read, or is not what was asked for. The message names the place in the JSON."""


class NotFoundError(PermanentError):
    """The vendor does not have what was named."""


class NotOfferedError(PermanentError):
    """This environment of the vendor does not have the endpoint."""


class ConflictError(PermanentError):
    """The vendor already holds something under this reference; `existing_id` is its id, "" where it is not named."""

    def __init__(
        self,
        *,
        vendor: Vendor | None = None,
        method: str = "",
        path: str = "",
        status: int | None = None,
        code: str = "",
        message: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        hidden: Iterable[str] = (),
        existing_id: str = "",
    ) -> None:
        super().__init__(
            vendor=vendor,
            method=method,
            path=path,
            status=status,
            code=code,
            message=message,
            request_id=request_id,
            retry_after=retry_after,
            hidden=hidden,
        )
        self.existing_id = existing_id


class AlreadyUploadedError(PermanentError):
    """TikTok already has a label for the return (25021022). After an unclear answer this is success, once checked."""


class ReturnStateError(PermanentError):
    """The return is not in a state that allows this (25023001, 25020004, 25001001). Fetch it again."""


class TokenRejectedError(ConfigurationError):
    """The access token was refused, and so was the one it was renewed to.

    `just_given`: by a call, although the vendor had given it for these credentials. They are good, and it may pass.
    """

    just_given = False
