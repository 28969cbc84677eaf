"""The token endpoint: client credentials in, an access token out (RFC 6749, 2.3.1, 4.4, 5).

Its errors are OAuth's own, since a client library reads them; what OAuth does not rule is a problem as everywhere.
"""

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from django.core.exceptions import TooManyFieldsSent
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from rest_framework.request import Request

from merchants.api_access import TOKEN_LIFE, AccessDeniedError, ScopeError, grant_token, verify_secret
from merchants.api_limits import take
from rebound_tts.problems import ApiView, Problem, answer
from rebound_tts.throttle import Limit

BASIC = 'Basic realm="orders", charset="UTF-8"'
FORM = "application/x-www-form-urlencoded"
WRONG_CREDENTIALS = Limit("token", most=30)


class OAuthError(Exception):
    """An error by RFC 6749, 5.2."""

    def __init__(self, code: str, description: str, *, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.status = status


class TokenView(ApiView):
    http_method_names = ["post"]
    largest_body = 16 * 1024

    def post(self, request: Request) -> HttpResponse:
        """Exchange client id and secret for an access token that is good for 60 minutes."""
        try:
            return self._grant(request)
        except OAuthError as error:
            headers = {"WWW-Authenticate": BASIC} if error.status == 401 else {}
            return _never_cached({"error": error.code, "error_description": error.description}, error.status, headers)

    def _grant(self, request: Request) -> HttpResponse:
        form = _form(request, self.read_body(request))
        client_id, client_secret = _credentials(request, form)
        grant_type = form.get("grant_type", "")
        if not grant_type:
            raise OAuthError("invalid_request", "grant_type is missing. Send client_credentials.")
        if grant_type != "client_credentials":
            raise OAuthError("unsupported_grant_type", "Only client_credentials is offered.")
        try:
            secret = verify_secret(client_id=client_id, client_secret=client_secret)
        except AccessDeniedError as error:
            wait = WRONG_CREDENTIALS.strike(request._request)
            if wait:
                said = "Too many wrong credentials came from this address. Right ones are taken at any time."
                raise Problem(429, "rate_limited", said, headers={"Retry-After": str(wait)}) from error
            said = "Client id or client secret are wrong, or were revoked."
            raise OAuthError("invalid_client", said, status=401) from error
        allowance = take("tokens", secret.client_id)
        if allowance.retry_after:
            said = "Keep a token for its hour instead of asking for one a request."
            raise Problem(429, "rate_limited", said, headers=allowance.headers)
        scopes = list(dict.fromkeys(form.get("scope", "").split()))
        try:
            token, issued = grant_token(secret, scopes=scopes, now=timezone.now())
        except ScopeError as error:
            raise OAuthError("invalid_scope", "A scope was asked for that this client does not have.") from error
        body = {
            "access_token": issued.plain,
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
            "scope": " ".join(token.scopes),
        }
        return _never_cached(body, 200, {})


def _never_cached(body: dict[str, Any], status: int, headers: dict[str, str]) -> HttpResponse:
    return answer(body, status, headers={"Pragma": "no-cache", **headers})


def _form(request: Request, body: bytes) -> dict[str, str]:
    kind = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind not in {"", FORM}:
        raise OAuthError("invalid_request", f"Send the parameters as {FORM}.")
    try:
        parsed = QueryDict(body.decode(), encoding="utf-8")
    except (UnicodeDecodeError, TooManyFieldsSent) as error:
        raise OAuthError("invalid_request", "The body is not a form in UTF-8.") from error
    if any(len(values) > 1 for _, values in parsed.lists()):
        raise OAuthError("invalid_request", "A parameter is given twice.")
    return {name: str(value) for name, value in parsed.items()}


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Client id and secret, from the Authorization header or from the form, not from both (RFC 6749, 2.3)."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, encoded = header.partition(" ")
    if not header:
        if "client_id" not in form or "client_secret" not in form:
            said = "Send client_id and client_secret, in the form or by HTTP Basic."
            raise OAuthError("invalid_client", said, status=401)
        return form["client_id"], form["client_secret"]
    if "client_secret" in form:
        raise OAuthError("invalid_request", "The secret is given twice: in the form and by HTTP Basic.")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "Only HTTP Basic is offered here.", status=401)
    try:
        client_id, colon, client_secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise OAuthError("invalid_client", "The Authorization header cannot be read.", status=401) from error
    if not colon:
        raise OAuthError("invalid_client", "The Authorization header has no secret.", status=401)
    client_id, client_secret = unquote_plus(client_id), unquote_plus(client_secret)
    if form.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "The form names another client than the Authorization header.")
    return client_id, client_secret
