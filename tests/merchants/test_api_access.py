"""Client credentials, tokens, scopes, rotation, revocation; and the token endpoint."""

import base64
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils import timezone

from merchants.api_access import (
    AccessDeniedError,
    Issued,
    add_secret,
    authenticate,
    create_client,
    forget_expired_tokens,
    grant_token,
    revoke_client,
    revoke_secret,
    verify_secret,
)
from merchants.models import ApiClient, ApiScope, ApiSecret, ApiToken
from tests.conftest import Clock
from tests.factories import MerchantFactory

pytestmark = pytest.mark.django_db
URL = "/oauth2/token"


@pytest.fixture(autouse=True)
def _empty_buckets() -> None:
    caches["process"].clear()


@pytest.fixture
def oms() -> tuple[ApiClient, Issued]:
    return create_client(merchant=MerchantFactory(), name="OMS", scopes=ApiScope.values[:2], now=timezone.now())


def ask(http: Client, form: dict[str, str], **headers: str) -> Any:
    return http.post(URL, form_body(form), content_type="application/x-www-form-urlencoded", headers=headers)


def form_body(form: dict[str, str]) -> str:
    return urlencode(form)


def good(oms: tuple[ApiClient, Issued], **more: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": oms[0].client_id,
        "client_secret": oms[1].plain,
        **more,
    }


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("url", [URL, "/api/v1/oauth2/token"])
def test_a_token_for_an_hour(client: Client, oms: tuple[ApiClient, Issued], url: str) -> None:
    response = client.post(url, form_body(good(oms)), content_type="application/x-www-form-urlencoded")
    body = response.json()
    token = body.pop("access_token")
    assert (response.status_code, body) == (
        200,
        {"token_type": "Bearer", "expires_in": 3600, "scope": "orders:write orders:read"},
    )
    assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
    assert authenticate(token, now=timezone.now()).secret.client == oms[0]


def test_a_token_by_basic_with_fewer_scopes(client: Client, oms: tuple[ApiClient, Issued]) -> None:
    form = {"grant_type": "client_credentials", "scope": "orders:read"}
    response = ask(client, form, Authorization=basic(oms[0].client_id, oms[1].plain))
    assert (response.status_code, response.json()["scope"]) == (200, "orders:read")


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"scope": "matches:read"}, 400, "invalid_scope"),
        ({"scope": "everything"}, 400, "invalid_scope"),
        ({"client_secret": "sec_0000000000000000.wrong"}, 401, "invalid_client"),
        ({"client_secret": "\x00"}, 401, "invalid_client"),
        ({"client_secret": "ü"}, 401, "invalid_client"),
        ({"client_id": "oms_other"}, 401, "invalid_client"),
        ({"client_id": "ü"}, 401, "invalid_client"),
    ],
)
def test_refusals_are_oauths(
    client: Client, oms: tuple[ApiClient, Issued], change: dict[str, str], status: int, error: str
) -> None:
    response = ask(client, good(oms) | change)
    assert (response.status_code, response.json()["error"], sorted(response.json())) == (
        status,
        error,
        ["error", "error_description"],
    )
    assert response["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in response) == (status == 401)
    assert ApiToken.objects.count() == 0


@pytest.mark.parametrize("header", ["Basic !!!", "Basic " + base64.b64encode(b"\xff").decode(), "Bearer x", "Basic"])
def test_a_header_that_cannot_be_read_is_invalid_client(client: Client, header: str) -> None:
    response = ask(client, {"grant_type": "client_credentials"}, Authorization=header)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_two_ways_at_once_and_repeated_parameters_are_invalid_requests(
    client: Client, oms: tuple[ApiClient, Issued]
) -> None:
    both = ask(client, good(oms), Authorization=basic(oms[0].client_id, oms[1].plain))
    twice = client.post(
        URL, form_body(good(oms)) + "&scope=a&scope=b", content_type="application/x-www-form-urlencoded"
    )
    as_json = client.post(URL, good(oms), content_type="application/json")
    many = client.post(URL, "&".join(f"a{n}=" for n in range(2000)), content_type="application/x-www-form-urlencoded")
    answers = [(each.status_code, each.json()["error"]) for each in (both, twice, as_json, many)]
    assert answers == [(400, "invalid_request")] * 4


def test_what_oauth_does_not_rule_is_a_problem(client: Client) -> None:
    wrong_method = client.get(URL)
    too_large = client.post(URL, "a" * 20_000, content_type="application/x-www-form-urlencoded")
    found = [(each.status_code, each["Content-Type"]) for each in (wrong_method, too_large)]
    assert found == [(405, "application/problem+json"), (413, "application/problem+json")]


def test_another_merchants_secret_is_no_good(oms: tuple[ApiClient, Issued]) -> None:
    other = create_client(merchant=MerchantFactory(), name="Other", scopes=ApiScope.values, now=timezone.now())
    with pytest.raises(AccessDeniedError):
        verify_secret(client_id=oms[0].client_id, client_secret=other[1].plain)


def test_secrets_overlap_and_revoking_one_ends_its_tokens_at_once(oms: tuple[ApiClient, Issued]) -> None:
    now = timezone.now()
    client, first = oms
    second = add_secret(client, now=now)
    tokens = [
        grant_token(verify_secret(client_id=client.client_id, client_secret=each.plain), scopes=[], now=now)[1].plain
        for each in (first, second)
    ]
    revoke_secret(ApiSecret.objects.get(prefix=first.prefix), now=now)
    with pytest.raises(AccessDeniedError):
        authenticate(tokens[0], now=now)
    assert authenticate(tokens[1], now=now).secret.prefix == second.prefix
    revoke_client(client, now=now)
    with pytest.raises(AccessDeniedError):
        authenticate(tokens[1], now=now)
    with pytest.raises(AccessDeniedError):
        verify_secret(client_id=client.client_id, client_secret=second.plain)


def test_a_token_ends_after_an_hour_and_is_forgotten_a_day_later(oms: tuple[ApiClient, Issued]) -> None:
    now = timezone.now()
    secret = verify_secret(client_id=oms[0].client_id, client_secret=oms[1].plain)
    token = grant_token(secret, scopes=[], now=now)[1].plain
    assert authenticate(token, now=now + timedelta(minutes=59)).merchant_id == oms[0].merchant_id
    with pytest.raises(AccessDeniedError):
        authenticate(token, now=now + timedelta(minutes=60))
    assert forget_expired_tokens(now=now + timedelta(hours=24)) == 0
    assert forget_expired_tokens(now=now + timedelta(hours=26)) == 1


def test_last_use_is_noted_once_a_minute(
    oms: tuple[ApiClient, Issued], django_assert_num_queries: Any, clock: Clock
) -> None:
    secret = verify_secret(client_id=oms[0].client_id, client_secret=oms[1].plain)
    now = timezone.now()
    token = grant_token(secret, scopes=[], now=now)[1].plain
    with django_assert_num_queries(1):
        authenticate(token, now=now)
    with django_assert_num_queries(2):
        authenticate(token, now=now + timedelta(minutes=2))
    assert ApiSecret.objects.get().last_used_at == now + timedelta(minutes=2)


@pytest.mark.parametrize("plain", ["", "tok_1", "tok_1.2", "\x00", "ü", "x" * 500, "a b"])
def test_what_is_no_token_is_denied(plain: str) -> None:
    with pytest.raises(AccessDeniedError):
        authenticate(plain, now=timezone.now())


def test_nothing_at_rest_nor_in_a_log_shows_a_secret_or_a_token(
    client: Client, oms: tuple[ApiClient, Issued], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        token = ask(client, good(oms)).json()["access_token"]
        ask(client, good(oms) | {"grant_type": "password"})
    rows = repr([*ApiSecret.objects.values(), *ApiToken.objects.values(), oms[1]])
    for plain in (token, oms[1].plain):
        assert plain.partition(".")[2] not in rows + caplog.text


def test_too_many_tokens_are_refused_for_a_while(client: Client, oms: tuple[ApiClient, Issued], settings: Any) -> None:
    settings.ORDER_PUSHES_PER_MINUTE = 2
    answers = [ask(client, good(oms)) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) > 0
