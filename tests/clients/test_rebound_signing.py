"""The signature of ReBound's events: right ones pass, nothing else does, and nothing raises anything else."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebound_tts.clients.rebound_signing import EventSignatureError, check_event_signature

BODY, NOW = b'{"id":"1"}', 1_800_000_000


def signed(key: str = "s1", *, body: bytes = BODY, seconds: int = NOW) -> str:
    return hmac.new(key.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def check(header: str, *, secrets: tuple[str, ...] = ("s1",), now: float = NOW, body: bytes = BODY) -> None:
    check_event_signature(secrets=secrets, raw_body=body, header=header, now=now)


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_signature_within_the_window_is_good(off: int) -> None:
    check(f"t={NOW},v1={signed()}", now=NOW + off)


def test_either_secret_is_good_while_one_replaces_the_other() -> None:
    for secret in ("old", "new"):
        check(f"t={NOW},v1={signed(secret)}", secrets=("new", "old"))


def test_one_good_signature_of_several_is_enough() -> None:
    check(f"t={NOW}, v1={'0' * 64}, v1={signed().upper()}, v0=x")


@pytest.mark.parametrize("off", [-301, 301, 10**6])
def test_signature_outside_the_window_is_refused(off: int) -> None:
    with pytest.raises(EventSignatureError, match="300 seconds"):
        check(f"t={NOW},v1={signed()}", now=NOW + off)


@pytest.mark.parametrize(
    "header",
    [
        f"t={NOW},v1={signed('another')}",
        f"t={NOW},v1={signed(body=b'{}')}",
        f"t={NOW + 1},v1={signed()}",
        f"t={NOW},v1={signed('')}",
    ],
)
def test_signature_of_something_else_is_refused(header: str) -> None:
    with pytest.raises(EventSignatureError, match="signature of this body"):
        check(header, secrets=("s1", ""))


@pytest.mark.parametrize(
    "header", ["", "t=,v1=", f"v1={signed()}", f"t={NOW}", f"t={NOW},t={NOW},v1={signed()}", f"t=-1,v1={signed()}", "é"]
)
def test_header_of_another_shape_is_refused(header: str) -> None:
    with pytest.raises(EventSignatureError, match="must read"):
        check(header)


@given(st.text(), st.binary())
def test_no_header_and_no_body_raises_anything_else(header: str, body: bytes) -> None:
    with pytest.raises(EventSignatureError):
        check(header, body=body)
