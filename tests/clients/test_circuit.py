"""The circuit: calls to a remote that does not work are not made for a while, and then one finds out."""

from dataclasses import replace

import pytest

from rebound_tts.clients.circuit import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Circuit, CircuitOpenError
from rebound_tts.clients.errors import NotFoundError, RemoteError, TemporaryError, UnknownOutcomeError
from rebound_tts.clients.http import RemoteRequest

REQUEST = RemoteRequest(vendor="rebound", method="GET", base_url="http://127.0.0.1:9", template="/sales-orders")


class Remote:
    """A remote that fails as told, behind a circuit whose clock a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.circuit = Circuit(now=lambda: self.now)
        self.calls = 0

    def call(self, error: RemoteError | None = None) -> None:
        with self.circuit.around(REQUEST):
            self.calls += 1
            if error is not None:
                raise error

    def fails(self, times: int, error: RemoteError | None = None) -> None:
        for _ in range(times):
            with pytest.raises(RemoteError):
                self.call(error or TemporaryError(status=503))

    def is_open(self) -> bool:
        before = self.calls
        try:
            self.call()
        except CircuitOpenError:
            return True
        assert self.calls == before + 1
        return False


def test_circuit_opens_after_failures_in_a_row() -> None:
    remote = Remote()
    remote.fails(FAILURES - 1)
    remote.call()
    remote.fails(FAILURES - 1, UnknownOutcomeError())
    assert not remote.is_open()
    remote.fails(FAILURES)
    assert remote.is_open()


def test_refusals_open_no_circuit() -> None:
    remote = Remote()
    remote.fails(3 * FAILURES, NotFoundError(status=404))
    assert not remote.is_open()


def test_other_calls_go_on() -> None:
    remote = Remote()
    remote.fails(FAILURES)
    with remote.circuit.around(replace(REQUEST, method="POST")):
        pass
    assert remote.is_open()


def test_open_circuit_says_when_to_try_again_and_lets_one_call_find_out() -> None:
    remote = Remote()
    remote.fails(FAILURES)
    with pytest.raises(CircuitOpenError) as caught:
        remote.call()
    assert caught.value.retry_after == FIRST_PAUSE
    remote.now += FIRST_PAUSE
    with remote.circuit.around(REQUEST):
        assert remote.is_open()  # for everybody but the one that finds out
    assert not remote.is_open()


def test_pause_doubles_while_the_remote_stays_away() -> None:
    remote = Remote()
    remote.fails(FAILURES)
    pauses = []
    for _ in range(8):
        with pytest.raises(CircuitOpenError) as caught:
            remote.call()
        pauses.append(caught.value.retry_after)
        remote.now += caught.value.retry_after or 0
        remote.fails(1)
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


@pytest.mark.parametrize("error", [TemporaryError(status=429), TemporaryError(status=200, code="36009002")])
def test_too_many_requests_open_the_circuit_at_once(error: RemoteError) -> None:
    remote = Remote()
    remote.fails(1, error)
    assert remote.is_open()


def test_retry_after_is_honored() -> None:
    remote = Remote()
    remote.fails(1, TemporaryError(status=429, retry_after=30.0))
    remote.now += 29
    assert remote.is_open()
    remote.now += 1
    assert not remote.is_open()
