"""Errors say what happened and show nothing that must stay secret."""

import copy
import pickle

import pytest

from rebound_tts.clients import errors
from rebound_tts.clients.errors import (
    AlreadyUploadedError,
    ConfigurationError,
    ConflictError,
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

SIGNATURE = "5dec0f11ec2f6783b8deee53c9ffbf8d024302f7c7e7fa55a35d17629031ac05"


def test_str_tells_method_path_status_code_message_and_request_id():
    error = PermanentError(
        vendor="tiktok",
        method="POST",
        path="/return_refund/202309/returns/1/approve",
        status=200,
        code="25020005",
        message="no permission",
        request_id="2026ABC",
    )
    assert str(error) == (
        "POST /return_refund/202309/returns/1/approve: status 200, code 25020005, no permission, request 2026ABC"
    )
    assert repr(error) == f"PermanentError({str(error)!r})"


def test_str_leaves_out_what_is_not_known():
    assert str(TemporaryError(method="GET", path="/orders", message="no connection")) == "GET /orders: no connection"


@pytest.mark.parametrize(
    "message",
    [
        "token SECRET-TOKEN-1 is bad",
        "token secret-token-1 is bad",
        f"expected sign {SIGNATURE}",
        f"sign={SIGNATURE[:20]}",
        "no such address: https://x.example/a?app_secret=hush&b=1",
        'you sent {"client_secret": "hush-hush"}',
        "refresh_token: hush-hush",
        "Authorization was Bearer abcdefghijklmnopqrstuv",
        "mail to jane.doe@example.com bounced",
        "Jane Doe, 1 High Street",
    ],
)
def test_message_hides_secrets_and_addresses(message: str):
    error = TemporaryError(message=message, hidden=("SECRET-TOKEN-1", "1 High Street", "Jane Doe"))
    shown = str(error) + repr(error)
    for secret in (
        "SECRET",
        "secret-token",
        SIGNATURE[:20],
        "hush",
        "abcdefghijklmnopqrstuv",
        "jane.doe",
        "Jane",
        "High",
    ):
        assert secret not in shown


def test_message_hidden_before_it_is_cut():
    error = TemporaryError(message="x" * 290 + "SECRET-TOKEN-1", hidden=("SECRET-TOKEN-1",))
    assert "SECR" not in error.message
    assert len(error.message) <= 300


def test_message_is_one_line_of_at_most_300_characters():
    error = TemporaryError(message="one\r\nFAKE LOG LINE\x1b[31m" + "y" * 1000)
    assert error.message.startswith("one FAKE LOG LINE [31my")
    assert len(error.message) == 300


@pytest.mark.parametrize(("given", "kept"), [(None, None), (-5.0, 0.0), (17.5, 17.5), (1e9, 3600.0)])
def test_retry_after_is_at_most_an_hour(given: float | None, kept: float | None):
    assert TemporaryError(retry_after=given).retry_after == kept


def test_error_survives_pickling_and_copying():
    error = ConflictError(method="POST", path="/return-orders", status=409, message="taken", existing_id="ro-1")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own bytes
        assert (str(twin), twin.existing_id) == (str(error), "ro-1")


def test_each_class_says_what_to_do_next():
    next_moves = (TemporaryError, UnknownOutcomeError, PermanentError, ConfigurationError)
    kinds = {
        UnexpectedAnswerError: PermanentError,
        NotFoundError: PermanentError,
        NotOfferedError: PermanentError,
        ConflictError: PermanentError,
        AlreadyUploadedError: PermanentError,
        ReturnStateError: PermanentError,
        TokenRejectedError: ConfigurationError,
    }
    assert {kind: [move for move in next_moves if issubclass(kind, move)] for kind in kinds} == {
        kind: [move] for kind, move in kinds.items()
    }
    named = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, RemoteError)}
    assert named == {RemoteError, *next_moves, *kinds}
