"""Each code of the reference has its class, and what is unknown is permanent."""

import pytest

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
from rebound_tts.clients.tiktok_codes import error_class, error_class_without_code

CODES: list[tuple[int, type[RemoteError]]] = [
    (101000, ConfigurationError),
    (105001, TokenRejectedError),
    (105002, TokenRejectedError),
    (105003, TokenRejectedError),
    (105999, TokenRejectedError),
    (105004, ConfigurationError),
    (105005, ConfigurationError),
    (106001, ConfigurationError),
    (106011, ConfigurationError),
    (106013, ConfigurationError),
    (36004001, ConfigurationError),
    (36004004, PermanentError),
    (36009002, TemporaryError),
    (36009003, TemporaryError),
    (36009007, TemporaryError),
    (36009009, NotOfferedError),
    (36009010, NotOfferedError),
    (36009014, PermanentError),
    (36009021, PermanentError),
    (36009022, PermanentError),
    (36009023, PermanentError),
    (36009033, ConfigurationError),
    (98001004, PermanentError),
    (11050001, PermanentError),
    (10002014, TemporaryError),
    (10002015, TemporaryError),
    (10037002, TemporaryError),
    (10037003, TemporaryError),
    (10037004, TemporaryError),
    (10006402, TemporaryError),
    (21008111, NotFoundError),
    (36020001, NotFoundError),
    (25021022, AlreadyUploadedError),
    (25021023, PermanentError),
    (25023001, ReturnStateError),
    (25023002, PermanentError),
    (25020004, ReturnStateError),
    (25020005, PermanentError),
    (25001001, ReturnStateError),
    (25011012, PermanentError),
    (1050021, PermanentError),  # seven digits: not of the 105 family
    (7, PermanentError),
    (-1, PermanentError),
]


@pytest.mark.parametrize("status", [200, 400, 401, 403])
@pytest.mark.parametrize(("code", "kind"), CODES)
def test_error_class_of_code_whatever_the_status(code: int, kind: type[RemoteError], status: int):
    assert error_class(code, message="", status=status, safe=True) is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Invalid timestamp. The timestamp is earlier than 5 minutes", TemporaryError),
        ("The x-tts-access-token header is invalid", TokenRejectedError),
        ("Invalid Access_Token", TokenRejectedError),
        ("app_key is invalid", ConfigurationError),
        ("Unexpected identifier `shop_cipher`", ConfigurationError),
        ("Unexpected identifier `category_asset_cipher`", ConfigurationError),
        ("shop_id is invalid", ConfigurationError),
        ("The signature is missing", ConfigurationError),
        ("API version is invalid", PermanentError),
        ("invalid param error", PermanentError),
        ("", PermanentError),
    ],
)
def test_error_class_of_36009004_is_told_by_its_text(message: str, kind: type[RemoteError]):
    assert error_class(36009004, message=message, status=400, safe=True) is kind


@pytest.mark.parametrize("code", [36009003, 36009007])
def test_error_class_after_which_the_work_may_be_done_is_unknown_unless_safe(code: int):
    assert error_class(code, message="", status=200, safe=False) is UnknownOutcomeError


def test_error_class_of_too_many_requests_is_temporary_even_if_not_safe():
    assert error_class(36009002, message="", status=429, safe=False) is TemporaryError


@pytest.mark.parametrize(
    ("status", "safe", "kind"),
    [
        (200, True, PermanentError),
        (404, True, PermanentError),
        (500, True, TemporaryError),
        (500, False, UnknownOutcomeError),
        (503, False, TemporaryError),
        (429, False, TemporaryError),
        (408, False, UnknownOutcomeError),
    ],
)
def test_error_class_of_an_unknown_code_falls_back_on_the_status(status: int, safe: bool, kind: type[RemoteError]):
    assert error_class(424242, message="", status=status, safe=safe) is kind


@pytest.mark.parametrize(
    ("status", "safe", "kind"),
    [
        (200, True, UnexpectedAnswerError),
        (200, False, UnknownOutcomeError),
        (204, False, UnknownOutcomeError),
        (302, True, UnexpectedAnswerError),
        (302, False, UnexpectedAnswerError),
        (403, False, UnexpectedAnswerError),
        (404, True, UnexpectedAnswerError),
        (408, True, TemporaryError),
        (429, True, TemporaryError),
        (429, False, TemporaryError),
        (500, True, TemporaryError),
        (502, False, UnknownOutcomeError),
        (503, False, TemporaryError),
        (504, True, TemporaryError),
    ],
)
def test_error_class_without_code_is_told_by_the_status(status: int, safe: bool, kind: type[RemoteError]):
    assert error_class_without_code(status, safe=safe) is kind
