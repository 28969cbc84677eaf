"""Reading single JSON values: what is accepted, what becomes nothing, what is refused."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rebound_tts.clients.json_values import AnswerShapeError, JsonObject, parse_json, to_json

REFUSED = AnswerShapeError


def read(text: str, reader: str, **options: object) -> object:
    """What `reader` makes of the JSON `text` in a field named x, or REFUSED."""
    value = JsonObject.of(parse_json(f'{{"x": {text}}}'.encode()), "answer")
    try:
        return getattr(value, reader)("x", **options)
    except AnswerShapeError as error:
        return REFUSED if str(error).startswith("answer.x is ") else str(error)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"0012"', "0012"),
        ('" Ab "', " Ab "),
        ("4035318504086604100", "4035318504086604100"),
        ("-1", "-1"),
        ("null", ""),
        ('""', ""),
        ("1.0", REFUSED),
        ("1e3", REFUSED),
        ("true", REFUSED),
        ("[]", REFUSED),
        ("{}", REFUSED),
    ],
)
def test_optional_id(text: str, found: object):
    assert read(text, "optional_id") == found
    assert read(text, "id") == (found or REFUSED)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"12.50"', Decimal("12.50")),
        ("12.10", Decimal("12.10")),
        ("12", Decimal(12)),
        ("0", Decimal(0)),
        ('"-0.01"', Decimal("-0.01")),
        ("0.30000000000000004", Decimal("0.300000")),
        ("1e3", Decimal(1000)),
        ("null", None),
        ('""', None),
        ('"12,50"', None),
        ('"free"', None),
        ('"NaN"', None),
        ('"1e3"', None),
        ("1e99999", None),
        ("1e-99999", Decimal("0.000000")),
        ('"1000000000000000"', None),
        ("true", REFUSED),
        ("[]", REFUSED),
        ("{}", REFUSED),
    ],
)
def test_money(text: str, found: object):
    assert read(text, "money") == found
    assert not isinstance(read(text, "money"), float)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
        ('"1767225600"', datetime(2026, 1, 1, tzinfo=UTC)),
        ("1767225600.0", datetime(2026, 1, 1, tzinfo=UTC)),
        ("0", None),
        ('""', None),
        ("null", None),
        ("-1", REFUSED),
        ("1.5", REFUSED),
        ("1e15", REFUSED),
        ("true", REFUSED),
        ('"2026-01-01"', REFUSED),
    ],
)
def test_unix_time(text: str, found: object):
    assert read(text, "unix_time") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"2026-01-01T01:00:00+01:00"', datetime(2026, 1, 1, tzinfo=UTC)),
        ('"2026-01-01T00:00:00.000Z"', datetime(2026, 1, 1, tzinfo=UTC)),
        ('"2026-01-01T00:00:00"', datetime(2026, 1, 1, tzinfo=UTC)),
        ('"0001-01-01T00:00:00+14:00"', None),
        ('"soon"', None),
        ("null", None),
        ("1767225600", REFUSED),
    ],
)
def test_iso_time(text: str, found: object):
    assert read(text, "iso_time") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2", 2),
        ('"2"', 2),
        ("2.0", 2),
        ("0", 0),
        ("null", 7),
        ("-1", REFUSED),
        ("1.5", REFUSED),
        ("2147483648", REFUSED),
        ("true", REFUSED),
        ('"two"', REFUSED),
    ],
)
def test_count(text: str, found: object):
    assert read(text, "count", default=7) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("true", True), ('"False"', False), ("null", None), ("1", REFUSED), ('"yes"', REFUSED), ("[]", REFUSED)],
)
def test_optional_flag(text: str, found: object):
    assert read(text, "optional_flag") is found


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"\xff", b"[" * 100_000, b"1" * 5000, b"1e99999999999999999999"])
def test_parse_json_refuses_what_is_no_json(body: bytes):
    with pytest.raises(ValueError, match=r".+"):
        parse_json(body)


def test_to_json_is_ascii_with_decimals_as_text():
    assert to_json({"a": "ü", "b": Decimal("1E+2"), "c": Decimal("0.10")}) == b'{"a":"\\u00fc","b":"100","c":"0.10"}'
    with pytest.raises(TypeError, match="datetime does not go into JSON"):
        to_json({"at": datetime(2026, 1, 1, tzinfo=UTC)})
