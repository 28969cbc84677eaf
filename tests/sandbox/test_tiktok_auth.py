"""Codes, tokens, consent pages and authorized shops."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox.conftest import Control, TikTokClient

CALLBACK = "http://127.0.0.1:9/callback"


def _decide(tiktok: TikTokClient, path: str, query: dict[str, str], seller_id: str, decision: str) -> dict[str, Any]:
    answer = tiktok.http.post(
        tiktok.url + path,
        params=query,
        data={"seller_id": seller_id, "decision": decision},
        allow_redirects=False,
        timeout=5,
    )
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == CALLBACK
    return {key: values[0] for key, values in parse_qs(parts.query).items()}


@pytest.fixture
def facts(sandbox: Any, control: Control) -> dict[str, Any]:
    control.post("settings", redirect_url=CALLBACK)
    return sandbox.connection()


@pytest.mark.parametrize(("path", "key"), [("/open/authorize", "service_id"), ("/oauth/authorize", "app_key")])
def test_consent_gives_a_code_that_becomes_a_token(
    tiktok: TikTokClient, facts: dict[str, Any], path: str, key: str
) -> None:
    query = {key: facts[key], "state": "s&=1"}
    page = tiktok.http.get(tiktok.url + path, params=query, timeout=5)
    back = _decide(tiktok, path, query, facts["seller_id"], "authorize")
    data = tiktok.exchange(back["code"])["data"]
    assert page.status_code == 200
    assert "Meridian Clothing" in page.text
    assert sorted(back) == ["app_key", "code", "locale", "shop_region", "state"]
    assert back["state"] == "s&=1"
    assert data["seller_name"] == "Meridian Clothing"


def test_denial_comes_back_as_the_text_null(tiktok: TikTokClient, facts: dict[str, Any]) -> None:
    query = {"service_id": facts["service_id"], "state": "s1"}
    back = _decide(tiktok, "/open/authorize", query, facts["seller_id"], "deny")
    assert back == {"code": "null", "error": "auth_denied", "state": "s1"}


def test_state_that_was_not_sent_does_not_come_back(tiktok: TikTokClient, facts: dict[str, Any]) -> None:
    back = _decide(tiktok, "/open/authorize", {"service_id": facts["service_id"]}, facts["seller_id"], "authorize")
    assert "state" not in back


def test_consent_for_an_unknown_app_is_a_page_that_says_so(tiktok: TikTokClient, facts: dict[str, Any]) -> None:
    # the app key is not the service id
    answer = tiktok.http.get(f"{tiktok.url}/open/authorize", params={"service_id": facts["app_key"]}, timeout=5)
    assert answer.status_code == 400
    assert "service_id" in answer.text


def test_consent_without_a_redirect_url_says_what_to_set(sandbox: Any, tiktok: TikTokClient) -> None:
    query = {"service_id": sandbox.connection()["service_id"]}
    answer = tiktok.http.get(f"{tiktok.url}/open/authorize", params=query, timeout=5)
    assert answer.status_code == 400
    assert "redirect_url" in answer.text


def test_token_answer_has_absolute_expiries(sandbox: Any, control: Control, tiktok: TikTokClient) -> None:
    control.post("settings", access_token_seconds=600)
    now = int(time.time())
    answer = tiktok.exchange(control.post("authorization-codes")["code"])
    data = answer["data"]
    assert answer["message"] == "success"
    assert data["access_token_expire_in"] - now in range(599, 603)
    assert data["refresh_token_expire_in"] - now in range(365 * 86_400 - 2, 365 * 86_400 + 4)
    assert (data["user_type"], data["seller_base_region"]) == (0, "GB")
    assert data["granted_scopes"] == [
        "seller.authorization.info",
        "seller.order.info",
        "seller.return_refund.basic",
        "seller.logistics",
        "seller.shop.info",
    ]
    assert data["open_id"] == next(iter(sandbox.world.sellers.values())).open_id


def test_code_works_once(control: Control, tiktok: TikTokClient) -> None:
    code = control.post("authorization-codes")["code"]
    assert [tiktok.exchange(code)["code"] for _ in range(2)] == [0, 36004004]


def test_code_dies_after_30_minutes(sandbox: Any, control: Control, tiktok: TikTokClient) -> None:
    codes = [control.post("authorization-codes")["code"] for _ in range(2)]
    sandbox.world.clock = lambda: time.time() + 30 * 60 - 5
    young = tiktok.exchange(codes[0])["code"]
    sandbox.world.clock = lambda: time.time() + 30 * 60 + 1
    assert (young, tiktok.exchange(codes[1])["code"]) == (0, 36004004)


def test_wrong_secret_or_grant_type_is_refused(control: Control, tiktok: TikTokClient) -> None:
    code = control.post("authorization-codes")["code"]
    wrong_grant = tiktok._token("get", auth_code=code, grant_type="authorization_code")
    tiktok.secret = "wrong"
    assert (wrong_grant["code"], tiktok.exchange(code)["code"]) == (36009004, 36009004)


def test_refresh_rotates_and_the_old_token_is_dead(tiktok: TikTokClient) -> None:
    first = tiktok.refresh(tiktok.refresh_token)
    again = tiktok.refresh(tiktok.refresh_token)
    second = tiktok.refresh(first["data"]["refresh_token"])
    assert (first["code"], again["code"], second["code"]) == (0, 36004001, 0)
    assert len({tiktok.refresh_token, first["data"]["refresh_token"], second["data"]["refresh_token"]}) == 3
    tiktok.token = second["data"]["access_token"]
    assert tiktok.call("GET", "/authorization/202309/shops", shop=False)["code"] == 0


def test_rotated_token_lives_through_the_grace(sandbox: Any, control: Control, tiktok: TikTokClient) -> None:
    control.post("settings", rotation_grace_seconds=60)
    codes = [tiktok.refresh(tiktok.refresh_token)["code"] for _ in range(2)]
    sandbox.world.clock = lambda: time.time() + 61
    assert [*codes, tiktok.refresh(tiktok.refresh_token)["code"]] == [0, 0, 36004001]


def test_expired_refresh_token_is_refused(control: Control, tiktok: TikTokClient) -> None:
    expired = control.post("tokens/expire", kind="refresh")["expired"]
    assert (expired, tiktok.refresh(tiktok.refresh_token)["code"]) == (1, 36004001)
    assert tiktok.call("GET", "/authorization/202309/shops", shop=False)["code"] == 0


def test_authorized_shops_lists_all_shops_of_the_seller(control: Control, tiktok: TikTokClient) -> None:
    seller = control.post(
        "sellers", seller_name="Two", shops=[{"name": "UK"}, {"name": "DE", "region": "DE", "id": "7499"}]
    )
    tiktok.connect(control.post("authorization-codes", shop_id="7499")["code"])
    shops = tiktok.call("GET", "/authorization/202309/shops", shop=False)["data"]["shops"]
    active = tiktok.call("GET", "/seller/202309/shops", shop=False)["data"]["shops"]
    wanted = [(shop["id"], shop["cipher"], shop["name"], shop["region"]) for shop in seller["shops"]]
    assert [(shop["id"], shop["cipher"], shop["name"], shop["region"]) for shop in shops] == wanted
    assert [shop["seller_type"] for shop in shops] == ["LOCAL", "LOCAL"]
    assert active == [{"id": shop["id"], "region": shop["region"]} for shop in seller["shops"]]


def test_deauthorized_seller_has_no_tokens_and_comes_back_with_a_new_code(
    control: Control, tiktok: TikTokClient, sandbox: Any
) -> None:
    control.post(f"sellers/{sandbox.connection()['seller_id']}/deauthorize")
    dead = tiktok.call("GET", "/authorization/202309/shops", shop=False)["code"]
    refreshed = tiktok.refresh(tiktok.refresh_token)["code"]
    tiktok.connect(control.post("authorization-codes")["code"])
    assert (dead, refreshed, tiktok.search_returns()["code"]) == (105001, 36004001, 0)


def test_app_removes_one_shop_and_keeps_the_other(control: Control, tiktok: TikTokClient) -> None:
    control.post("sellers", seller_name="Two", shops=[{"name": "UK", "id": "71"}, {"name": "DE", "id": "72"}])
    tiktok.connect(control.post("authorization-codes", shop_id="71")["code"])
    removed = tiktok.call("DELETE", "/authorization/202403/shops")
    left = tiktok.call("GET", "/authorization/202309/shops", shop=False)["data"]["shops"]
    assert (removed["code"], removed["data"], [shop["id"] for shop in left]) == (0, {}, ["72"])
    assert tiktok.search_returns()["code"] == 105004
