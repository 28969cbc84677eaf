"""A pause for a remote that does not work: after failures in a row, or a 429, calls are not made for a while.

One circuit a connection (a shop at TikTok, an account at ReBound): its trouble costs each call its time limit, and
threads that wait for it are missing elsewhere. In memory and a process alone; each finds out for itself.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rebound_tts.clients.errors import TemporaryError, UnknownOutcomeError
from rebound_tts.clients.http import RemoteRequest

FAILURES = 5  # in a row, after which the circuit opens
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds; doubled with each failure that follows
TOO_MANY_REQUESTS, TIKTOKS_TOO_MANY = 429, "36009002"


class CircuitOpenError(TemporaryError):
    """The call was not made, since those before it failed. `retry_after` says when it is worth a try."""


@dataclass
class _State:
    failures: int = 0
    open_until: float | None = None
    is_probing: bool = False


class Circuit:
    """Any number of threads may use it. `now` gives seconds.

    Each kind of call has its own state: a search that fails must not keep a return from being created, and TikTok
    counts its limits for each kind (reference, 3.4).
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}

    @contextmanager
    def around(self, request: RemoteRequest) -> Iterator[None]:
        """Make a call inside. Raises CircuitOpenError instead where the circuit is open."""
        state = self._states.setdefault(f"{request.method} {request.label}", _State())
        probe = self._enter(state, request)
        try:
            yield
        except (TemporaryError, UnknownOutcomeError) as error:
            self._failed(state, error)
            raise
        except Exception:
            self._worked(state)  # it answers, whatever it answers
            raise
        else:
            self._worked(state)
        finally:
            if probe:
                with self._lock:
                    state.is_probing = False

    def _enter(self, state: _State, request: RemoteRequest) -> bool:
        """Whether this call is the one that finds out if the remote works again."""
        with self._lock:
            if state.open_until is None:
                return False
            left = state.open_until - self._now()
            if left <= 0 and not state.is_probing:
                state.is_probing = True
                return True
        raise request.error(
            CircuitOpenError, message="not called: it failed just now", retry_after=max(left, FIRST_PAUSE)
        )

    def _failed(self, state: _State, error: TemporaryError | UnknownOutcomeError) -> None:
        is_throttled = error.status == TOO_MANY_REQUESTS or error.code == TIKTOKS_TOO_MANY
        with self._lock:
            state.failures += 1
            beyond = state.failures - (1 if is_throttled else FAILURES)
            if beyond >= 0:
                pause = min(FIRST_PAUSE * 2.0 ** min(beyond, 10), LONGEST_PAUSE)
                state.open_until = self._now() + max(pause, error.retry_after or 0.0)

    def _worked(self, state: _State) -> None:
        with self._lock:
            state.failures = 0
            state.open_until = None
