"""The sandbox's signer against every vector of the reference."""

import json
from pathlib import Path
from typing import Any

import pytest

from rebound_tts.sandbox import tiktok_signing

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "tiktok_vectors.json").read_text("utf-8"))
REQUESTS = VECTORS["request_signing"]["vectors"]
WEBHOOKS = VECTORS["webhook_signature"]["vectors"]
FORGED = VECTORS["webhook_signature"]["negative"]


def _matches(vector: dict[str, Any], sign: str, **changes: Any) -> bool:
    given: dict[str, Any] = {
        "secret": vector["app_secret"],
        "path": vector["path"],
        "query": list(vector["query"].items()),
        "content_type": vector["content_type"] or "",
        "body": (vector["body"] or "").encode(),
    }
    return tiktok_signing.request_sign_matches(sign, **{**given, **changes})


@pytest.mark.parametrize("vector", REQUESTS, ids=[vector["name"] for vector in REQUESTS])
def test_request_vector_has_its_sign(vector: dict[str, Any]) -> None:
    multipart = tiktok_signing.is_multipart(vector["content_type"] or "")
    body = b"" if multipart else (vector["body"] or "").encode()
    sign = tiktok_signing.request_sign(vector["app_secret"], vector["path"], vector["query"].items(), body)
    assert sign == vector["expected_sign"]
    assert _matches(vector, sign)


@pytest.mark.parametrize("vector", REQUESTS, ids=[vector["name"] for vector in REQUESTS])
def test_request_vector_refuses_upper_case_and_other_bytes(vector: dict[str, Any]) -> None:
    sign = vector["expected_sign"]
    assert not _matches(vector, sign.upper())
    assert not _matches(vector, sign, path=vector["path"] + "/")
    assert not _matches(vector, sign, secret=vector["app_secret"] + "x")


def test_multipart_is_told_by_media_type_alone() -> None:
    assert tiktok_signing.is_multipart("Multipart/Form-Data; boundary=B")
    assert not tiktok_signing.is_multipart("application/json; note=multipart/form-data")


def test_empty_object_is_accepted_signed_or_not() -> None:
    vector = next(vector for vector in REQUESTS if vector["body"] == "{}")
    unsigned = tiktok_signing.request_sign(vector["app_secret"], vector["path"], vector["query"].items(), b"")
    assert _matches(vector, vector["expected_sign"])
    assert _matches(vector, unsigned)
    assert not _matches(vector, unsigned, body=b'{"a":1}')


def test_repeated_parameter_is_accepted_in_both_readings() -> None:
    query = [("ids", "a"), ("ids", "b"), ("app_key", "k")]
    joined = tiktok_signing.request_sign("s", "/p", [("app_key", "k"), ("ids", "a,b")], b"")
    apart = tiktok_signing.request_sign("s", "/p", [("app_key", "k"), ("ids", "aidsb")], b"")
    other = tiktok_signing.request_sign("s", "/p", [("app_key", "k"), ("ids", "ab")], b"")
    results = [
        tiktok_signing.request_sign_matches(sign, secret="s", path="/p", query=query, content_type="", body=b"")
        for sign in (joined, apart, other)
    ]
    assert results == [True, True, False]


def test_blank_value_is_signed_as_its_key() -> None:
    assert tiktok_signing.request_sign("s", "/p", [("k", "")], b"") == tiktok_signing.request_sign("s", "/pk", [], b"")


@pytest.mark.parametrize("vector", WEBHOOKS, ids=[vector["name"] for vector in WEBHOOKS])
def test_webhook_vector_has_its_signature(vector: dict[str, Any]) -> None:
    signature = tiktok_signing.webhook_sign(vector["app_key"], vector["app_secret"], vector["raw_body"].encode())
    assert signature == vector["expected_signature"]


@pytest.mark.parametrize("vector", FORGED, ids=[vector["name"] for vector in FORGED])
def test_forged_webhook_has_another_signature(vector: dict[str, Any]) -> None:
    signature = tiktok_signing.webhook_sign(vector["app_key"], vector["app_secret"], vector["raw_body"].encode())
    assert signature != vector["authorization"]
