"""The webhook endpoint: what is stored, what is refused and with which words, and what a request costs."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from returns.models import WebhookEvent
from returns.webhooks import LARGEST_BODY
from tests.returns.conftest import return_event, signature_of

DATA = Path(__file__).parent.parent / "data"
VECTORS = json.loads((DATA / "tiktok_vectors.json").read_text())["webhook_signature"]
SHOP_ID = "7494049642642441621"

pytestmark = pytest.mark.django_db


def event(**changes: Any) -> dict[str, Any]:
    made = return_event(shop_id=SHOP_ID, return_id="4035318504086604100", order_id="576461413038785752")
    return {**made, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in event().items() if key != name}


def padded(size: int) -> bytes:
    """A valid event of exactly so many bytes."""
    body = json.dumps(event(padding="")).encode()
    padding = "x" * (size - len(body))
    return json.dumps(event(padding=padding)).encode()


def is_refused(answer: Any, status: int, message: str) -> None:
    assert (answer.status_code, answer.json()) == (status, {"error": message})
    assert answer["Content-Type"] == "application/json"
    assert WebhookEvent.objects.count() == 0
    assert OrmQ.objects.count() == 0


def test_signed_event_is_stored_and_rings(send):
    body = json.dumps(event(tts_notification_id="7327112393057371910")).encode()
    answer = send(body)
    assert (answer.status_code, answer.json()) == (200, {"received": True, "duplicate": False})
    stored = WebhookEvent.objects.get()
    assert stored.source == "TIKTOK"
    assert stored.dedupe_key == "7327112393057371910"
    assert stored.type == "12"
    assert stored.shop_id == SHOP_ID
    assert stored.body == body.decode()
    assert len(stored.correlation_id) == 32
    assert (stored.handled_at, stored.outcome, stored.merchant, stored.tiktok_return) == (None, "", None, None)
    assert OrmQ.objects.count() == 1


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_published_vector_is_stored(vector, send, settings):
    settings.TIKTOK_APP_KEY, settings.TIKTOK_APP_SECRET = vector["app_key"], vector["app_secret"]
    answer = send(vector["raw_body"].encode(), HTTP_AUTHORIZATION=vector["expected_signature"])
    assert answer.status_code == 200
    assert WebhookEvent.objects.get().body == vector["raw_body"]


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=lambda vector: vector["name"])
def test_negative_vector_is_refused(vector, client, settings):
    settings.TIKTOK_APP_KEY, settings.TIKTOK_APP_SECRET = vector["app_key"], vector["app_secret"]
    headers = {"HTTP_AUTHORIZATION": vector["authorization"]} if vector["authorization"] is not None else {}
    answer = client.post("/webhooks/tiktok", vector["raw_body"].encode(), content_type="application/json", **headers)
    is_refused(answer, 401, "The Authorization header does not hold the signature of this body.")


def test_plain_http_takes_nothing_where_https_is_asked_for(send, settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
    moved = send(event())
    assert (moved.status_code, moved["Location"]) == (301, "https://testserver/webhooks/tiktok")
    assert not WebhookEvent.objects.exists()
    assert send(event(), HTTP_X_FORWARDED_PROTO="https").json() == {"received": True, "duplicate": False}


@pytest.mark.parametrize("address", ["/webhooks/", "/webhooks/elsewhere", "/webhooks/rebound/"])
def test_address_of_no_webhook_is_not_there(client, address):
    assert client.post(address, b"{}", content_type="application/json").status_code == 404


def test_answer_states_its_length(send, client):
    """Whoever keeps the connection need not wait for chunks."""
    for answer in (send(event()), client.post("/webhooks/tiktok", b"{}", content_type="application/json")):
        assert answer["Content-Length"] == str(len(answer.content))


def test_second_delivery_of_a_notification_adds_nothing(send):
    first = event(tts_notification_id="7000")
    assert send(first).json() == {"received": True, "duplicate": False}
    again = send({**first, "timestamp": 1})
    assert (again.status_code, again.json()) == (200, {"received": True, "duplicate": True})
    assert WebhookEvent.objects.get().body == json.dumps(first)


def test_notification_without_id_is_known_by_its_body(send):
    first = without("tts_notification_id")
    assert [send(first).json()["duplicate"], send(first).json()["duplicate"]] == [False, True]
    assert send({**first, "timestamp": 1}).json()["duplicate"] is False
    assert WebhookEvent.objects.count() == 2


@pytest.mark.parametrize(
    "header",
    ["", "0" * 64, "é" * 64, "nonsense", "Bearer {signature}", "{SIGNATURE}", " {signature}", "{signature}00"],
)
def test_wrong_signature_is_refused(send, header):
    body = json.dumps(event()).encode()
    signature = signature_of(body)
    header = header.replace("{signature}", signature).replace("{SIGNATURE}", signature.upper())
    assert header != signature
    answer = send(body, HTTP_AUTHORIZATION=header)
    is_refused(answer, 401, "The Authorization header does not hold the signature of this body.")


@pytest.mark.parametrize(("signed_by", "status"), [("the new one", 200), ("the old one", 200), ("", 401), ("x", 401)])
def test_two_app_secrets_are_good_while_one_replaces_the_other(client, settings, signed_by, status):
    settings.TIKTOK_APP_SECRET = signed_by
    body = json.dumps(return_event(shop_id="1", return_id="2", order_id="3")).encode()
    signature = signature_of(body)
    settings.TIKTOK_APP_SECRET, settings.TIKTOK_APP_SECRET_BEFORE = "the new one", "the old one"
    assert client.generic("POST", "/webhooks/tiktok", body, HTTP_AUTHORIZATION=signature).status_code == status


def test_event_is_refused_while_the_app_secret_is_not_set(client, settings):
    settings.TIKTOK_APP_KEY = settings.TIKTOK_APP_SECRET = ""
    body = json.dumps(event()).encode()
    answer = client.post(
        "/webhooks/tiktok", body, content_type="application/json", HTTP_AUTHORIZATION=signature_of(body)
    )
    is_refused(answer, 401, "The Authorization header does not hold the signature of this body.")


def test_largest_body_is_taken(send):
    body = padded(LARGEST_BODY)
    assert len(body) == 256 * 1024
    assert send(body).status_code == 200
    assert len(WebhookEvent.objects.get().body) == LARGEST_BODY


def test_one_byte_more_is_refused(send):
    is_refused(send(padded(LARGEST_BODY + 1)), 413, "The body has 262145 bytes; at most 262144 are taken.")


@pytest.mark.parametrize(
    ("size", "status", "stored"), [(1000, 200, 1), (LARGEST_BODY, 200, 1), (LARGEST_BODY + 1, 413, 0)]
)
def test_body_in_chunks_is_read_and_limited(client, size, status, stored):
    body = padded(size)
    environ = {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_AUTHORIZATION": signature_of(body),
        "CONTENT_LENGTH": "",
        "wsgi.input": io.BytesIO(body),
    }
    answer = client.generic("POST", "/webhooks/tiktok", content_type="application/json", **environ)
    assert (answer.status_code, WebhookEvent.objects.count()) == (status, stored)


def test_content_length_that_is_no_number_is_refused(send):
    is_refused(send(event(), CONTENT_LENGTH="many"), 400, "Content-Length is not a number.")


NOT_JSON = "The body is not JSON in UTF-8."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", NOT_JSON),
        (b"<html>", NOT_JSON),
        (b'{"type":12', NOT_JSON),
        (b"\xff\xfe{}", NOT_JSON),
        (b'{"type":12,"data":{"note":"\xe9"}}', NOT_JSON),
        (b"\xef\xbb\xbf{}", NOT_JSON),
        (b'{"type":12,"data":{"note":"\x00"}}', NOT_JSON),
        (b"[" * 100_000, NOT_JSON),
        (b'{"type":12,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", NOT_JSON),
        (b'{"type":NaN,"data":{}}', NOT_JSON),
        (b'{"type":12,"data":{"amount":Infinity}}', NOT_JSON),
        (b'{"type":12,"data":{"amount":-Infinity}}', NOT_JSON),
        (b'{"type":' + b"9" * 5000 + b',"data":{}}', NOT_JSON),
        (b"null", "The body must be a JSON object."),
        (b"[]", "The body must be a JSON object."),
        (b'"text"', "The body must be a JSON object."),
        (b"12", "The body must be a JSON object."),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else "",
)
def test_body_that_is_no_json_object_is_refused(send, body, message):
    is_refused(send(body), 400, message)


NO_TYPE = "'type' must be a whole number from 0 to 9999."
NO_DATA = "'data' must be an object."
NO_SHOP = "'shop_id' must be an id of 1 to 64 printable ASCII characters."
NO_NOTIFICATION = "'tts_notification_id' must be an id of 1 to 64 printable ASCII characters."
NO_ID = ["", " ", "a b", "x" * 65, "tab\t", "nul\x00", "line\n", "caf\u00e9", "\ud800", None, True, 1.5, [], {}]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("type", [None, "12", True, 12.0, -1, 10_000, 10**30, [], {}], NO_TYPE),
        ("data", [None, [], "{}", 1, True], NO_DATA),
        ("shop_id", NO_ID, NO_SHOP),
        ("tts_notification_id", NO_ID, NO_NOTIFICATION),
    ],
)
def test_field_of_the_wrong_shape_is_refused_by_name(send, name, values, message):
    for value in values:
        is_refused(send({**event(), name: value}), 400, message)


@pytest.mark.parametrize(("name", "message"), [("type", NO_TYPE), ("data", NO_DATA)])
def test_missing_field_is_refused_by_name(send, name, message):
    is_refused(send(without(name)), 400, message)


def test_ids_as_numbers_are_read_exactly(send):
    assert send(event(shop_id=9007199254740993, tts_notification_id=18446744073709551617)).status_code == 200
    stored = WebhookEvent.objects.get()
    assert (stored.shop_id, stored.dedupe_key) == ("9007199254740993", "18446744073709551617")


def test_id_of_64_characters_is_taken(send):
    assert send(event(shop_id="s" * 64, tts_notification_id="n" * 64)).status_code == 200


def test_creator_notification_without_shop_is_kept(send):
    assert send(without("shop_id") | {"type": 20}).status_code == 200
    stored = WebhookEvent.objects.get()
    assert (stored.type, stored.shop_id) == ("20", "")


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=0.9", "nonsense", "*/*", "text/html;indent=4"])
def test_accept_header_is_no_reason_to_refuse(send, accept):
    answer = send(event(), HTTP_ACCEPT=accept)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x", "nonsense/;;"])
def test_content_type_is_no_reason_to_refuse(client, content_type):
    body = json.dumps(event()).encode()
    answer = client.generic(
        "POST", "/webhooks/tiktok", body, content_type=content_type, HTTP_AUTHORIZATION=signature_of(body)
    )
    assert (answer.status_code, WebhookEvent.objects.count()) == (200, 1)


def test_format_in_the_query_is_ignored(client):
    body = json.dumps(event()).encode()
    answer = client.generic("POST", "/webhooks/tiktok?format=xml", body, HTTP_AUTHORIZATION=signature_of(body))
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_not_allowed(client, method):
    answer = client.generic(method, "/webhooks/tiktok")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_no_cookie_and_no_csrf_token_is_asked_for_or_given(settings):
    body = json.dumps(event()).encode()
    answer = Client(enforce_csrf_checks=True).post(
        "/webhooks/tiktok", body, content_type="application/json", HTTP_AUTHORIZATION=signature_of(body)
    )
    assert (answer.status_code, dict(answer.cookies)) == (200, {})


# What it costs


def queries_of(act: Any) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        act()
    return [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]


def test_event_without_a_bell_costs_one_query(send, bell):
    bell._rang_at = time.monotonic() + 60
    (only,) = queries_of(lambda: send(event()))
    assert only.startswith("INSERT INTO returns_webhookevent")


def test_event_with_a_bell_costs_few_queries(send, bell):
    said = queries_of(lambda: send(event()))
    assert len(said) <= 4, said
    assert OrmQ.objects.count() == 1


def test_refused_event_costs_no_query(send):
    assert queries_of(lambda: send(event(), HTTP_AUTHORIZATION="0" * 64)) == []
    assert queries_of(lambda: send(b"{}")) == []
