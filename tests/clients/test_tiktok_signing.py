"""Every published and computed vector of TikTok's two signatures."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebound_tts.clients.tiktok_signing import sign_request, sign_webhook, webhook_signature_is_valid

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "tiktok_vectors.json").read_text())
REQUESTS = VECTORS["request_signing"]["vectors"]
WEBHOOKS = VECTORS["webhook_signature"]["vectors"]
FORGED = VECTORS["webhook_signature"]["negative"]


def by_name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", REQUESTS, ids=by_name)
def test_sign_request_vector(vector: dict[str, Any]):
    sign = sign_request(
        app_secret=vector["app_secret"],
        path=vector["path"],
        query=vector["query"],
        body=None if vector["body"] is None else vector["body"].encode(),
        content_type=vector["content_type"],
    )
    assert sign == vector["expected_sign"]


@pytest.mark.parametrize(
    "media_type", ["multipart/form-data", "Multipart/Form-Data; boundary=x", " MULTIPART/FORM-DATA ;"]
)
def test_sign_request_multipart_leaves_the_body_out(media_type: str):
    known = {"app_secret": "s", "path": "/p", "query": {"a": "1"}}
    assert sign_request(**known, body=b"file", content_type=media_type) == sign_request(
        **known, body=None, content_type="application/json"
    )


@pytest.mark.parametrize("vector", WEBHOOKS, ids=by_name)
def test_sign_webhook_vector(vector: dict[str, Any]):
    known = {"app_key": vector["app_key"], "app_secret": vector["app_secret"], "raw_body": vector["raw_body"].encode()}
    assert sign_webhook(**known) == vector["expected_signature"]
    assert webhook_signature_is_valid(**known, header=vector["expected_signature"]) is True


@pytest.mark.parametrize("vector", FORGED, ids=by_name)
def test_webhook_forged_is_not_valid(vector: dict[str, Any]):
    assert (
        webhook_signature_is_valid(
            app_key=vector["app_key"],
            app_secret=vector["app_secret"],
            raw_body=vector["raw_body"].encode(),
            header=vector["authorization"],
        )
        is False
    )


def test_webhook_signed_with_any_of_several_secrets_is_valid():
    header = sign_webhook(app_key="k", app_secret="former", raw_body=b"{}")
    assert webhook_signature_is_valid(app_key="k", app_secret=["new", "former"], raw_body=b"{}", header=header) is True
    assert webhook_signature_is_valid(app_key="k", app_secret=["new", "other"], raw_body=b"{}", header=header) is False
    assert webhook_signature_is_valid(app_key="k", app_secret=[], raw_body=b"{}", header=header) is False


def test_webhook_unset_secret_accepts_nothing():
    header = sign_webhook(app_key="k", app_secret="", raw_body=b"{}")
    assert webhook_signature_is_valid(app_key="k", app_secret="", raw_body=b"{}", header=header) is False


def test_webhook_uppercase_signature_is_not_valid():
    header = sign_webhook(app_key="k", app_secret="s", raw_body=b"{}").upper()
    assert webhook_signature_is_valid(app_key="k", app_secret="s", raw_body=b"{}", header=header) is False


@given(header=st.text(), body=st.binary(max_size=50))
def test_webhook_any_header_never_raises(header: str, body: bytes):
    assert webhook_signature_is_valid(app_key="k", app_secret="s", raw_body=body, header=header) is False
