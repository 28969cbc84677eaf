"""The one table that says what a TikTok Shop code means for us. What it does not know is permanent.

Source: tiktok-shop-api.md sections 3.2 and 3.3. TikTok's HTTP statuses are undocumented and differ between clients that
were watched, so the code decides; the status only where there is no code that we know.
"""

from rebound_tts.clients.errors import (
    AlreadyUploadedError,
    ConfigurationError,
    NotFoundError,
    NotOfferedError,
    PermanentError,
    RemoteError,
    ReturnStateError,
    TemporaryError,
    TokenRejectedError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)

_TABLE: dict[int, type[RemoteError]] = {
    101000: ConfigurationError,  # cipher or token missing or not of one shop
    105004: ConfigurationError,  # the authorization does not cover the region
    105005: ConfigurationError,  # scope not granted: the merchant must authorize again
    106001: ConfigurationError,  # signature wrong: the app secret is not ours
    106011: ConfigurationError,  # shop_cipher invalid
    106013: ConfigurationError,  # shop_cipher missing
    36004001: ConfigurationError,  # refresh token expired
    36004004: PermanentError,  # auth code unknown, used or expired: start the authorization again
    36009002: TemporaryError,  # too many requests
    36009003: TemporaryError,  # internal error
    36009007: TemporaryError,  # gateway timeout
    36009009: NotOfferedError,  # path unknown
    36009010: NotOfferedError,  # method not allowed
    36009014: PermanentError,  # API version invalid
    36009021: PermanentError,  # file too large
    36009022: PermanentError,  # body is neither JSON nor multipart
    36009023: PermanentError,  # content type must be multipart
    36009033: ConfigurationError,  # our address is not on the app's allow list
    98001004: PermanentError,  # parameter invalid
    11050001: PermanentError,  # parameter invalid
    # Order detail
    10002014: TemporaryError,
    10002015: TemporaryError,
    10037002: TemporaryError,
    10037003: TemporaryError,
    10037004: TemporaryError,
    10006402: TemporaryError,
    21008111: NotFoundError,  # not an order of this seller
    # External references
    36020001: NotFoundError,  # order id invalid
    # Label upload and decisions
    25021022: AlreadyUploadedError,
    25021023: PermanentError,  # not a PDF
    25023001: ReturnStateError,
    25023002: PermanentError,  # a return of another seller
    25020004: ReturnStateError,
    25020005: PermanentError,  # no permission
    25001001: ReturnStateError,
}

# One code for many faults; the text tells them apart. The first that occurs in it counts.
_OVERLOADED = 36009004
_BY_TEXT: tuple[tuple[str, type[RemoteError]], ...] = (
    ("timestamp", TemporaryError),  # a clock is off, or the request was held up: neither is the shop's fault
    ("access-token", TokenRejectedError),  # the x-tts-access-token header
    ("access_token", TokenRejectedError),
    ("app_key", ConfigurationError),
    ("cipher", ConfigurationError),  # shop_cipher or category_asset_cipher where none belongs
    ("shop_id", ConfigurationError),
    ("signature", ConfigurationError),
    ("version", PermanentError),
)

# The work may have been done before these were answered.
_AMBIGUOUS = frozenset({36009003, 36009007, 10006402})
_TEMPORARY_STATUSES = frozenset({408, 425, 429})
_REFUSED_UNSEEN = frozenset({425, 429, 503})  # answered before any work: repeating is harmless


def error_class(code: int, *, message: str, status: int, safe: bool) -> type[RemoteError]:
    """The class for an answer with a `code` other than 0. `safe` says that doing the call twice does no harm.

    TokenRejectedError means that another token may help: renew once, try once more.
    """
    if code == _OVERLOADED:
        lowered = message.lower()
        return next((kind for text, kind in _BY_TEXT if text in lowered), PermanentError)
    if code in _TABLE:
        return UnknownOutcomeError if code in _AMBIGUOUS and not safe else _TABLE[code]
    # The 105 family is about authorization. 105002 is an expired token; what the others mean is not told.
    if str(code).startswith("105") and len(str(code)) == 6:
        return TokenRejectedError
    return (
        error_class_without_code(status, safe=safe)
        if status >= 500 or status in _TEMPORARY_STATUSES
        else PermanentError
    )


def error_class_without_code(status: int, *, safe: bool) -> type[RemoteError]:
    """The class for an answer that is not TikTok's envelope: a gateway's page, an empty body."""
    if status in _REFUSED_UNSEEN:
        return TemporaryError
    if status >= 500 or status in _TEMPORARY_STATUSES:
        return TemporaryError if safe else UnknownOutcomeError
    # Done, but what came of it cannot be read.
    if 200 <= status < 300 and not safe:
        return UnknownOutcomeError
    return UnexpectedAnswerError
