"""Where a client gets its access token from. Storing, locking and renewing are the business of who implements this."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from rebound_tts.clients.errors import TokenRejectedError

T = TypeVar("T")


class TokenSource(Protocol):
    """The access token of one connection, shared by all workers."""

    def current(self) -> str:
        """The token to use now. Raises ConfigurationError where there is none."""

    def renew(self, *, rejected: str) -> str:
        """A token other than `rejected`, renewed once for all workers that ask. Raises ConfigurationError, and the
        errors of the token call."""


def with_token(tokens: TokenSource, send: Callable[[str], T]) -> T:
    """What `send` answers for the token. A refused one is renewed once, and sent once more.

    `send` raises TokenRejectedError where the token was looked at before anything was done, so that repeating is
    harmless. Raises it where the renewed one is refused too, with `just_given`.
    """
    token = tokens.current()
    try:
        return send(token)
    except TokenRejectedError:
        renewed = tokens.renew(rejected=token)
    try:
        return send(renewed)
    except TokenRejectedError as error:
        error.just_given = True
        raise
