"""Signing, token renewal and refusals, against a socket."""

import pytest

from rebound_tts.clients.errors import (
    AlreadyUploadedError,
    ConfigurationError,
    PermanentError,
    RemoteError,
    ReturnStateError,
    TemporaryError,
    TokenRejectedError,
    UnexpectedAnswerError,
    UnknownOutcomeError,
)
from rebound_tts.clients.http import Transport
from rebound_tts.clients.tiktok_shop import TikTokShopClient
from rebound_tts.clients.tiktok_signing import sign_request
from tests.clients.fake_remote import RENEWED, TOKEN, DeadTokens, Remote, Reply, Tokens, envelope, json_reply

APP_SECRET = "1f2e3d4c5b6a79880123456789abcdef01234567"
CIPHER = "GCP_XF90igAAAABh00qsWgtvOiGFNqyubMt3"
NO_RETURNS = envelope({"return_orders": [], "total_count": 0})
HTML = Reply(502, b"<html><h1>Bad gateway</h1></html>", {"Content-Type": "text/html", "Retry-After": "7"})


def shop(remote: Remote, transport: Transport, tokens: Tokens, *, cipher: str = CIPHER) -> TikTokShopClient:
    return TikTokShopClient(
        base_url=remote.url,
        app_key="6abc1def2ghij",
        app_secret=APP_SECRET,
        tokens=tokens,
        transport=transport,
        shop_cipher=cipher,
        clock=lambda: 1767225603.9,
    )


def upload(client: TikTokShopClient) -> None:
    client.upload_shipping_document(return_ids=["1"], tracking_number="T1", provider_id="7", label_pdf=b"%PDF-1.4 x")


@pytest.fixture
def client(remote: Remote, transport: Transport, tokens: Tokens) -> TikTokShopClient:
    return shop(remote, transport, tokens)


def test_call_is_signed_like_the_published_vector(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({"external_orders": []}))
    client.external_orders(order_id="576461413038785752", platform="SHOPIFY")
    received = remote.received[0]
    assert (received.method, received.path, received.body) == (
        "GET",
        "/order/202406/orders/576461413038785752/external_orders",
        b"",
    )
    assert received.query == {
        "app_key": "6abc1def2ghij",
        "timestamp": "1767225603",
        "shop_cipher": CIPHER,
        "platform": "SHOPIFY",
        # vector get_external_order_references
        "sign": "c1bda1239f7b33340ed8f0d9d6d06ea46d9cac8bbc0417ef9f26fb4f73d54b4b",
    }
    assert received.headers["x-tts-access-token"] == TOKEN
    assert received.headers["content-type"] == "application/json"


def test_call_signs_the_very_bytes_of_the_body(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope())
    client.reject_return(
        "1", decision="REJECT_RETURN", reject_reason="r", comment="Größe ≠ café", idempotency_key="k+/="
    )
    received = remote.received[0]
    query = {name: value for name, value in received.query.items() if name != "sign"}
    assert received.query["sign"] == sign_request(
        app_secret=APP_SECRET, path=received.path, query=query, body=received.body, content_type="application/json"
    )
    assert query["idempotency_key"] == "k+/="
    assert received.json()["comment"] == "Größe ≠ café"


def test_call_without_anything_to_send_has_no_body(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({"orders": []}))
    client.search_by_external_order(platform="SHOPIFY", external_order_id="OMS 1")
    received = remote.received[0]
    assert (received.method, received.body, received.headers["content-length"]) == ("POST", b"", "0")


def test_upload_is_multipart_and_signed_without_its_body(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({}))
    client.upload_shipping_document(
        return_ids=["11", "22"], tracking_number="T1", provider_id="7", label_pdf=b"%PDF-1.4 x", qr_code=b"\x89PNG y"
    )
    received = remote.received[0]
    kind, _, boundary = received.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    parts = [part.strip(b"\r\n").split(b"\r\n\r\n", 1) for part in received.body.split(b"--" + boundary.encode())[1:-1]]
    assert {head.decode(): content for head, content in parts} == {
        'Content-Disposition: form-data; name="tracking_number"': b"T1",
        'Content-Disposition: form-data; name="return_provider_id"': b"7",
        'Content-Disposition: form-data; name="return_shipping_label"; filename="label.pdf"\r\n'
        "Content-Type: application/pdf": b"%PDF-1.4 x",
        'Content-Disposition: form-data; name="return_qr_code"; filename="qr-code.png"\r\n'
        "Content-Type: image/png": b"\x89PNG y",
    }
    query = {name: value for name, value in received.query.items() if name != "sign"}
    assert query["return_ids"] == "11,22"
    assert received.query["sign"] == sign_request(
        app_secret=APP_SECRET, path=received.path, query=query, body=None, content_type="multipart/form-data"
    )


# The token


@pytest.mark.parametrize("status", [200, 401])
def test_token_rejected_is_renewed_once_and_the_call_repeated(
    remote: Remote, client: TikTokShopClient, tokens: Tokens, status: int
):
    remote.replies(envelope(code=105002, message="access_token is expired", status=status), NO_RETURNS)
    assert client.search_returns(return_ids=["1"]) == ()
    assert tokens.rejected == [TOKEN]
    assert [each.headers["x-tts-access-token"] for each in remote.received] == [TOKEN, RENEWED]


def test_token_rejected_before_an_upload_is_renewed_too(remote: Remote, client: TikTokShopClient, tokens: Tokens):
    remote.replies(envelope(code=36009004, message="x-tts-access-token is invalid", status=400), envelope({}))
    upload(client)
    assert tokens.rejected == [TOKEN]
    assert [each.body.count(b"%PDF") for each in remote.received] == [1, 1]


def test_token_rejected_twice_breaks_the_connection(remote: Remote, client: TikTokShopClient, tokens: Tokens):
    remote.replies(envelope(code=105002), envelope(code=105001))
    with pytest.raises(TokenRejectedError) as raised:
        client.search_returns(return_ids=["1"])
    assert (raised.value.code, tokens.rejected, len(remote.received)) == ("105001", [TOKEN], 2)
    assert raised.value.just_given


def test_token_that_cannot_be_renewed_breaks_the_connection(remote: Remote, transport: Transport):
    remote.replies(envelope(code=105002))
    with pytest.raises(TokenRejectedError, match="the authorization is gone") as raised:
        shop(remote, transport, DeadTokens()).search_returns(return_ids=["1"])
    assert not raised.value.just_given  # the renewal was refused, not what it gave
    assert len(remote.received) == 1


def test_token_without_the_scope_is_not_renewed(remote: Remote, client: TikTokShopClient, tokens: Tokens):
    remote.replies(envelope(code=105005, message="access denied", status=403))
    with pytest.raises(ConfigurationError) as raised:
        client.warehouses()
    assert (type(raised.value), tokens.rejected) == (ConfigurationError, [])


# Refusals


def test_refusal_tells_code_message_and_request_id(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope(code=25020004, message="wrong state"))
    with pytest.raises(ReturnStateError) as raised:
        client.approve_return("1", decision="APPROVE_RETURN")
    assert str(raised.value) == (
        "POST /return_refund/202309/returns/1/approve: status 200, code 25020004, wrong state, request 20261123ABC"
    )
    assert raised.value.vendor == "tiktok"


def test_refusal_does_not_repeat_what_we_sent(remote: Remote, client: TikTokShopClient, tokens: Tokens):
    def echo(handler) -> None:
        sign = remote.received[-1].query["sign"]
        body = (
            f'{{"code":106001,"message":"{TOKEN} {sign} {APP_SECRET} {CIPHER} wrong","request_id":"{TOKEN}"}}'.encode()
        )
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    remote.replies(echo)
    with pytest.raises(ConfigurationError) as raised:
        client.warehouses()
    assert raised.value.message == "[hidden] [hidden] [hidden] [hidden] wrong"
    assert raised.value.request_id == "[hidden]"


def test_refusal_honors_retry_after(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope(code=36009002, status=429, Retry_After="7"))
    with pytest.raises(TemporaryError) as raised:
        client.warehouses()
    assert raised.value.retry_after == 7.0


@pytest.mark.parametrize("code", ["25021022", 25021022])
def test_refusal_code_may_be_text(remote: Remote, client: TikTokShopClient, code: object):
    remote.replies(envelope(code=code))
    with pytest.raises(AlreadyUploadedError):
        upload(client)


def test_refusal_inside_a_successful_upload_is_a_refusal(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({"errors": [{"code": "25021022", "message": "uploaded before"}]}))
    with pytest.raises(AlreadyUploadedError, match="uploaded before"):
        upload(client)
    remote.replies(envelope({"errors": [{"message": "no"}]}))
    with pytest.raises(PermanentError, match="no"):
        upload(client)


@pytest.mark.parametrize(
    ("reply", "safe", "unsafe"),
    [
        (HTML, TemporaryError, UnknownOutcomeError),
        (Reply(503, b""), TemporaryError, TemporaryError),
        (Reply(429, b"slow down"), TemporaryError, TemporaryError),
        (Reply(408, b""), TemporaryError, UnknownOutcomeError),
        (Reply(403, b"<html>blocked</html>"), UnexpectedAnswerError, UnexpectedAnswerError),
        (Reply(302, b"", {"Location": "https://login.example.com"}), UnexpectedAnswerError, UnexpectedAnswerError),
        (Reply(200, b"<html>ok</html>"), UnexpectedAnswerError, UnknownOutcomeError),
        (Reply(200, b""), UnexpectedAnswerError, UnknownOutcomeError),
        (Reply(200, b"\xff\xfe"), UnexpectedAnswerError, UnknownOutcomeError),
        (Reply(200, b"[" * 100_000), UnexpectedAnswerError, UnknownOutcomeError),
        (Reply(200, b'{"code": NaN}'), UnexpectedAnswerError, UnknownOutcomeError),
        (Reply(200, b'{"code": 0, "data": 1e999999999999999999999}'), UnexpectedAnswerError, UnknownOutcomeError),
        (Reply(200, b'{"code": ' + b"9" * 5000 + b"}"), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply([]), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply({}), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply({"code": None}), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply({"code": False}), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply({"code": 0.0}), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply({"code": "OK"}), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply({"code": 0, "data": []}), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply({"code": 0, "data": "ok"}), UnexpectedAnswerError, UnknownOutcomeError),
        (json_reply({"code": 7, "message": ["?"]}), PermanentError, PermanentError),
    ],
)
def test_nonsense_is_named_by_whether_the_call_may_have_done_something(
    remote: Remote, client: TikTokShopClient, reply: Reply, safe: type[RemoteError], unsafe: type[RemoteError]
):
    remote.replies(reply, reply)
    with pytest.raises(RemoteError) as read:
        client.search_returns(return_ids=["1"])
    with pytest.raises(RemoteError) as wrote:
        upload(client)
    assert (type(read.value), type(wrote.value)) == (safe, unsafe)
    assert read.value.status == wrote.value.status == reply.status


def test_html_keeps_its_retry_after(remote: Remote, client: TikTokShopClient):
    remote.replies(HTML)
    with pytest.raises(TemporaryError) as raised:
        client.warehouses()
    assert (raised.value.retry_after, raised.value.message) == (7.0, "not TikTok's envelope (text/html)")


def test_success_is_told_by_code_and_not_by_status(remote: Remote, client: TikTokShopClient):
    remote.replies(envelope({"warehouses": []}, status=400))
    assert client.warehouses() == ()


def test_decision_with_a_key_may_be_repeated_and_without_may_not(remote: Remote, client: TikTokShopClient):
    remote.replies(HTML, HTML)
    with pytest.raises(TemporaryError):
        client.approve_return("1", decision="APPROVE_RETURN", idempotency_key="k")
    with pytest.raises(UnknownOutcomeError):
        client.approve_return("1", decision="APPROVE_RETURN")
