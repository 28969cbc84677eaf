"""Seller authorization at TikTok: codes, tokens, the consent pages and the authorized shops. Reference: section 1."""

from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from rebound_tts.sandbox.tiktok_events import announce_deauthorization
from rebound_tts.sandbox.tiktok_gateway import Call, TikTokError, endpoint, envelope, error_envelope
from rebound_tts.sandbox.world import AuthorizationCode, Seller, Shop, Token, World, new_secret

CODE_SECONDS = 30 * 60


def add_routes(app: Flask, world: World) -> None:
    """The pages and calls that carry no signature."""

    @app.get("/api/v2/token/get", provide_automatic_options=False)
    def get_token() -> Response:
        return _token_answer(world, _exchange_code)

    @app.get("/api/v2/token/refresh", provide_automatic_options=False)
    def refresh_token() -> Response:
        return _token_answer(world, _refresh)

    @app.get("/open/authorize")
    @app.get("/oauth/authorize")
    def consent() -> tuple[str, int] | str:
        with world.lock:
            problem = _consent_problem(world)
            sellers = [
                (seller, [world.shops[shop_id].name for shop_id in seller.shop_ids])
                for seller in world.sellers.values()
            ]
            page = render_template(
                "authorize.html", problem=problem, sellers=sellers, scopes=_all_scopes(world), query=request.args
            )
        return (page, 400) if problem else page

    @app.post("/open/authorize")
    @app.post("/oauth/authorize")
    def decide() -> BaseResponse | tuple[str, int]:
        with world.lock:
            seller = world.sellers.get(request.form.get("seller_id", ""))
            problem = _consent_problem(world) or ("" if seller else "Choose a seller.")
            if problem or seller is None:
                return render_template("authorize.html", problem=problem, sellers=[], query=request.args), 400
            granted = request.form.get("decision") == "authorize"
            return redirect(_callback(world, seller, granted, request.args.get("state")))


def new_code(world: World, seller: Seller) -> str:
    """A fresh single-use authorization code, as if the seller had pressed Authorize."""
    prefix = "TTP_" if seller.region == "US" else "ROW_"
    code = AuthorizationCode(new_secret(prefix, 40), seller.id, world.clock() + CODE_SECONDS)
    world.codes[code.code] = code
    return code.code


def deauthorize(world: World, seller: Seller, shops: list[Shop]) -> None:
    """End the authorization of these shops; with the last one the tokens of the seller die."""
    for shop in shops:
        announce_deauthorization(world, shop)
        shop.authorized = False
        shop.deauthorized = True
    if not any(world.shops[shop_id].authorized for shop_id in seller.shop_ids):
        for tokens in (world.access_tokens, world.refresh_tokens):
            for value in [token.value for token in tokens.values() if token.seller_id == seller.id]:
                del tokens[value]


def expire_tokens(world: World, kind: str, seller_id: str | None) -> int:
    """Let the access or refresh tokens (of one seller) expire now; returns how many."""
    count = 0
    stores = {"access": [world.access_tokens], "refresh": [world.refresh_tokens]}
    for tokens in stores.get(kind, [world.access_tokens, world.refresh_tokens]):
        for token in tokens.values():
            if seller_id in (None, token.seller_id) and token.expires_at > world.clock():
                token.expires_at = world.clock()
                count += 1
    return count


def shop_json(shop: Shop) -> dict[str, str]:
    return {
        "cipher": shop.cipher,
        "code": shop.code,
        "id": shop.id,
        "name": shop.name,
        "region": shop.region,
        "seller_type": "LOCAL",
    }


@endpoint("GET", "/authorization/202309/shops", scope="seller.authorization.info", shop_scoped=False)
def authorized_shops(call: Call) -> dict[str, Any]:
    shops = (call.world.shops[shop_id] for shop_id in call.seller.shop_ids)
    return {"shops": [shop_json(shop) for shop in shops if shop.authorized]}


@endpoint("DELETE", "/authorization/202403/shops", scope="seller.authorization.info")
def remove_authorization(call: Call) -> None:
    deauthorize(call.world, call.seller, [call.shop])


@endpoint("GET", "/seller/202309/shops", scope="seller.shop.info", shop_scoped=False)
def active_shops(call: Call) -> dict[str, Any]:
    shops = (call.world.shops[shop_id] for shop_id in call.seller.shop_ids)
    return {"shops": [{"id": shop.id, "region": shop.region} for shop in shops]}


def _consent_problem(world: World) -> str:
    known = request.args.get("service_id") == world.app.service_id
    if request.path == "/oauth/authorize":
        known = request.args.get("app_key") == world.app.key
    if not known:
        name = "app_key" if request.path == "/oauth/authorize" else "service_id"
        return f"This app does not exist: check {name} in the address."
    if not world.settings.redirect_url:
        return "No redirect URL is registered for this app: set redirect_url through POST /control/settings."
    return ""


def _callback(world: World, seller: Seller, granted: bool, state: str | None) -> str:
    parameters = {"code": "null", "error": "auth_denied"}
    if granted:
        parameters = {
            "app_key": world.app.key,
            "code": new_code(world, seller),
            "locale": "en-GB",
            "shop_region": seller.region,
        }
    if state is not None:
        parameters["state"] = state
    url = world.settings.redirect_url
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"


def _all_scopes(world: World) -> list[str]:
    return sorted({scope for seller in world.sellers.values() for scope in seller.scopes})


def _token_answer(world: World, exchange: Any) -> Response:
    try:
        with world.lock:
            if (request.args.get("app_key"), request.args.get("app_secret")) != (world.app.key, world.app.secret):
                # no code is documented for this; the gateway's own for an unknown app key is the nearest
                raise TikTokError(36009004, "Invalid 'app_key' or 'app_secret'.")
            return envelope(world, exchange(world), message="success")
    except TikTokError as error:
        return error_envelope(world, error)


def _exchange_code(world: World) -> dict[str, Any]:
    if request.args.get("grant_type") != "authorized_code":
        raise TikTokError(36009004, "Invalid param error: 'grant_type' must be authorized_code.")
    code = world.codes.pop(request.args.get("auth_code", ""), None)
    if code is None or code.expires_at <= world.clock():
        raise TikTokError(36004004, "The authorization code is invalid: unknown, used, or expired.")
    seller = world.sellers[code.seller_id]
    for shop_id in seller.shop_ids:
        world.shops[shop_id].authorized = True
        world.shops[shop_id].deauthorized = False
    return _issue(world, seller)


def _refresh(world: World) -> dict[str, Any]:
    if request.args.get("grant_type") != "refresh_token":
        raise TikTokError(36009004, "Invalid param error: 'grant_type' must be refresh_token.")
    token = world.refresh_tokens.get(request.args.get("refresh_token", ""))
    if token is None or token.expires_at <= world.clock():
        raise TikTokError(36004001, "The refresh token is invalid or has expired.")
    grace_end = world.clock() + world.settings.rotation_grace_seconds
    token.expires_at = min(token.expires_at, grace_end)
    return _issue(world, world.sellers[token.seller_id])


def _issue(world: World, seller: Seller) -> dict[str, Any]:
    prefix = "TTP_" if seller.region == "US" else "ROW_"
    now = world.now()
    access = Token(new_secret(prefix, 56), seller.id, seller.scopes, float(now + world.settings.access_token_seconds))
    refresh = Token(new_secret(prefix, 56), seller.id, seller.scopes, float(now + world.settings.refresh_token_seconds))
    world.access_tokens[access.value] = access
    world.refresh_tokens[refresh.value] = refresh
    return {
        "access_token": access.value,
        "access_token_expire_in": int(access.expires_at),
        "refresh_token": refresh.value,
        "refresh_token_expire_in": int(refresh.expires_at),
        "open_id": seller.open_id,
        "seller_name": seller.name,
        "seller_base_region": seller.region,
        "user_type": seller.user_type,
        "granted_scopes": list(seller.scopes),
    }
