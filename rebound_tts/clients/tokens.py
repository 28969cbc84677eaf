"""Where a client gets its access token from. Storing, locking and renewing are the business of who implements this."""

from typing import Protocol


class TokenSource(Protocol):
    """The access token of one connection, shared by all workers."""

    def current(self) -> str:
        """The token to use now. Raises ConfigurationError where there is none."""

    def renew(self, *, rejected: str) -> str:
        """A token other than `rejected`, renewed once for all workers that ask. Raises ConfigurationError, and the
        errors of the token call."""
