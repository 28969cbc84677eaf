"""The checks that every signed call passes, in their order, with code and HTTP status."""

import time
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Control, TikTokClient

SHOPS = "/authorization/202309/shops"
SEARCH = "/return_refund/202309/returns/search"


def _verdict(answer: requests.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


def test_success_has_the_whole_envelope(tiktok: TikTokClient) -> None:
    answer = tiktok.answer("GET", SHOPS, shop=False)
    assert answer.status_code == 200
    assert sorted(answer.json()) == ["code", "data", "message", "request_id"]
    assert (answer.json()["code"], answer.json()["message"]) == (0, "Success")


def test_request_ids_differ(tiktok: TikTokClient) -> None:
    ids = [tiktok.call("GET", SHOPS, shop=False)["request_id"] for _ in range(3)]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("method", "path", "verdict"),
    [
        ("GET", "/no/such/path", (404, 36009009)),
        ("GET", "/authorization/202309/shop", (404, 36009009)),
        ("PUT", SHOPS, (405, 36009010)),
        ("GET", SEARCH, (405, 36009010)),
        ("GET", "/authorization/202001/shops", (400, 36009014)),
        ("POST", "/return_refund/202405/returns/4035/approve", (400, 36009014)),
    ],
)
def test_path_and_method_come_first(tiktok: TikTokClient, method: str, path: str, verdict: tuple[int, int]) -> None:
    assert _verdict(tiktok.http.request(method, tiktok.url + path, timeout=5)) == verdict


def test_each_check_comes_before_the_next(tiktok: TikTokClient) -> None:
    """Everything is wrong at first; each step mends one thing, in the order of the gateway."""
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    url = tiktok.url + SEARCH

    def verdict() -> tuple[int, int, str]:
        answer = tiktok.http.post(url, params=query, headers=headers, timeout=5)
        return (*_verdict(answer), answer.json()["message"])

    def sign() -> None:
        query["sign"] = tiktok.sign(SEARCH, {key: str(value) for key, value in query.items()}, b"")

    seen = [verdict()]
    query["app_key"] = tiktok.key
    seen.append(verdict())
    query["timestamp"] = int(time.time())
    seen.append(verdict())
    query["sign"] = "0" * 64
    seen.append(verdict())
    sign()
    seen.append(verdict())
    headers["x-tts-access-token"] = "ROW_never_issued"
    seen.append(verdict())
    headers["x-tts-access-token"] = tiktok.token
    seen.append(verdict())
    query["shop_cipher"] = "ROW_nobody"
    sign()
    seen.append(verdict())
    query["shop_cipher"] = tiktok.cipher
    query["page_size"] = 9
    sign()
    seen.append(verdict())
    query["page_size"] = 10
    sign()
    seen.append(verdict())
    assert [found[:2] for found in seen] == [
        (400, 36009004),
        (400, 36009004),
        (400, 36009004),
        (401, 106001),
        (400, 36009004),
        (401, 105001),
        (400, 106013),
        (400, 106011),
        (200, 98001004),
        (200, 0),
    ]
    words = ("app_key", "timestamp", "sign", "sign", "x-tts-access-token", "x-tts-access-token", "shop_cipher")
    assert [word in found[2] for word, found in zip(words, seen, strict=False)] == [True] * len(words)


@pytest.mark.parametrize(
    ("offset", "code", "words"),
    [
        (-300, 0, "Success"),
        (-301, 36009004, "earlier than 5 minutes"),
        (30, 0, "Success"),
        (31, 36009004, "more than 30 seconds"),
    ],
)
def test_timestamp_window_is_inclusive(sandbox: Any, tiktok: TikTokClient, offset: int, code: int, words: str) -> None:
    sandbox.world.clock = lambda: 1_795_000_000.5
    tiktok.token = next(iter(sandbox.world.access_tokens))
    answer = tiktok.call("GET", SHOPS, {"timestamp": 1_795_000_000 + offset}, shop=False)
    assert answer["code"] == code
    assert words in answer["message"]


@pytest.mark.parametrize(("timestamp", "words"), [("-1", "lesser than 0"), ("abc", "timestamp"), ("", "timestamp")])
def test_timestamp_that_is_none_is_refused(tiktok: TikTokClient, timestamp: str, words: str) -> None:
    answer = tiktok.answer("GET", SHOPS, {"timestamp": timestamp}, shop=False)
    assert _verdict(answer) == (400, 36009004)
    assert words in answer.json()["message"]


def test_upper_case_signature_is_refused(tiktok: TikTokClient) -> None:
    parameters = {"app_key": tiktok.key, "timestamp": str(int(time.time()))}
    sign = tiktok.sign(SHOPS, parameters, b"").upper()
    assert _verdict(tiktok.answer("GET", SHOPS, shop=False, sign=sign)) == (401, 106001)


def test_changed_body_breaks_the_signature(tiktok: TikTokClient) -> None:
    sent = tiktok.answer("POST", SEARCH, body={"return_ids": ["1"]}).request
    answer = tiktok.http.post(sent.url, data=b'{"return_ids":["2"]}', headers=dict(sent.headers), timeout=5)
    assert _verdict(answer) == (401, 106001)


@pytest.mark.parametrize("signed_body", [b"{}", b""])
def test_empty_object_may_be_signed_or_not(tiktok: TikTokClient, signed_body: bytes) -> None:
    parameters = {"app_key": tiktok.key, "timestamp": str(int(time.time())), "shop_cipher": tiktok.cipher}
    sign = tiktok.sign(SEARCH, parameters, signed_body)
    answer = tiktok.answer("POST", SEARCH, body={}, timestamp=parameters["timestamp"], sign=sign)
    assert _verdict(answer) == (200, 0)


def test_token_in_the_query_is_not_signed(tiktok: TikTokClient) -> None:
    sent = tiktok.answer("GET", SHOPS, shop=False).request
    answer = tiktok.http.get(f"{sent.url}&access_token=x", headers=dict(sent.headers), timeout=5)
    assert _verdict(answer) == (200, 0)


@pytest.mark.parametrize("joined", [True, False])
def test_repeated_ids_are_accepted_however_they_are_signed(tiktok: TikTokClient, new_order: Any, joined: bool) -> None:
    ids = [new_order()["order_id"], new_order()["order_id"]]
    path = "/order/202309/orders"
    parameters = {"app_key": tiktok.key, "shop_cipher": tiktok.cipher, "timestamp": str(int(time.time()))}
    value = ",".join(ids) if joined else f"{ids[0]}ids{ids[1]}"
    sign = tiktok.sign(path, {**parameters, "ids": value}, b"")
    query = [*parameters.items(), ("ids", ids[0]), ("ids", ids[1]), ("sign", sign)]
    answer = tiktok.http.get(
        tiktok.url + path, params=query, headers={"x-tts-access-token": tiktok.token}, timeout=5
    ).json()
    assert [order["id"] for order in answer["data"]["orders"]] == ids


def test_expired_token_is_told_from_an_unknown_one(control: Control, tiktok: TikTokClient) -> None:
    control.post("tokens/expire", kind="access")
    expired = tiktok.answer("GET", SHOPS, shop=False)
    tiktok.token += "x"
    unknown = tiktok.answer("GET", SHOPS, shop=False)
    assert (_verdict(expired), _verdict(unknown)) == ((401, 105002), (401, 105001))


def test_missing_scope_is_refused_before_the_cipher(control: Control, tiktok: TikTokClient) -> None:
    seller = control.post(
        "sellers", seller_name="Narrow", shops=[{"name": "Narrow"}], scopes=["seller.authorization.info"]
    )
    tiktok.connect(control.post("authorization-codes", seller_id=seller["seller_id"])["code"])
    tiktok.cipher = "ROW_nobody"
    assert _verdict(tiktok.answer("POST", SEARCH)) == (403, 105005)


def test_cipher_of_another_seller_does_not_fit_the_token(control: Control, tiktok: TikTokClient) -> None:
    other = control.post("sellers", seller_name="Other", shops=[{"name": "Other"}])
    tiktok.cipher = other["shops"][0]["cipher"]
    assert _verdict(tiktok.answer("POST", SEARCH)) == (400, 101000)


def test_cipher_where_none_is_expected_is_refused(tiktok: TikTokClient) -> None:
    answer = tiktok.answer("GET", SHOPS)
    assert _verdict(answer) == (400, 36009004)
    assert "shop_cipher" in answer.json()["message"]


@pytest.mark.parametrize(
    ("content_type", "data", "code"),
    [
        ("application/json", b"{", 36009022),
        ("application/json", b"[1]", 36009022),
        ("application/json", b"[]", 0),
        ("multipart/form-data; boundary=B", b"--B--\r\n", 36009022),
    ],
)
def test_body_that_is_no_json_object_is_refused(
    tiktok: TikTokClient, content_type: str, data: bytes, code: int
) -> None:
    query = {"app_key": tiktok.key, "timestamp": str(int(time.time())), "shop_cipher": tiktok.cipher}
    query["sign"] = tiktok.sign(SEARCH, query, b"" if "multipart" in content_type else data)
    headers = {"x-tts-access-token": tiktok.token, "Content-Type": content_type}
    answer = tiktok.http.post(tiktok.url + SEARCH, params=query, data=data, headers=headers, timeout=5)
    assert answer.json()["code"] == code


def test_everything_200_hides_the_status_only(control: Control, tiktok: TikTokClient) -> None:
    control.post("settings", everything_200=True)
    answers = [
        tiktok.http.get(f"{tiktok.url}/nowhere", timeout=5),
        tiktok.answer("GET", SHOPS, shop=False, sign="bad"),
        tiktok.answer("GET", SHOPS, shop=False, headers={"x-tts-access-token": "ROW_unknown"}),
    ]
    assert [_verdict(answer) for answer in answers] == [(200, 36009009), (200, 106001), (200, 105001)]


def test_rate_limit_counts_each_shop_and_endpoint(control: Control, sandbox: Any, tiktok: TikTokClient) -> None:
    sandbox.world.clock = lambda: 1_795_000_000.0
    tiktok.token = next(iter(sandbox.world.access_tokens))
    control.post("settings", rate_limit_per_second=2, rate_limit_retry_after=3)
    now = {"timestamp": 1_795_000_000}
    answers = [tiktok.answer("POST", SEARCH, now) for _ in range(3)]
    other = tiktok.answer("GET", "/event/202309/webhooks", now)
    assert [_verdict(answer) for answer in answers] == [(200, 0), (200, 0), (429, 36009002)]
    assert answers[2].headers["Retry-After"] == "3"
    assert _verdict(other) == (200, 0)
