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

    def worked(self) -> None:
        """A call was made with the token. Need not be noted."""
        return


def with_token(tokens: TokenSource, send: Callable[[str], T]) -> T:
    """What `send` answers for the token. A refused one is renewed once, and sent once more.

    `send` raises TokenRejectedError where the token was looked at before anything was done, so that repeating is
    harmless. Raises it where the renewed one is refused too, with `just_given`.
    """
    token = tokens.current()
    try:
        answer = send(token)
    except TokenRejectedError:
        answer = _once_more(tokens, send, rejected=token)
    tokens.worked()
    return answer


def _once_more(tokens: TokenSource, send: Callable[[str], T], *, rejected: str) -> T:
    renewed = tokens.renew(rejected=rejected)
    try:
        return send(renewed)
    except TokenRejectedError as error:
        error.just_given = True
        raise
