"""Who calls: a bearer token of an OMS, its scopes for each method, its rate.

How tokens are made and checked stands in `merchants/api_access.py`; what a call does stands in the view modules.
"""

from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from merchants.api_access import AccessDeniedError, authenticate
from merchants.api_limits import Allowance, take
from merchants.models import ApiClient, ApiScope, ApiToken, Merchant
from rebound_tts.problems import ApiView, Problem

REALM = 'Bearer realm="orders"'


class ClientView(ApiView):
    """A view for an OMS with a token. `scopes` names what each method asks for; a method without one asks for none."""

    scopes: ClassVar[dict[str, ApiScope]] = {}
    token: ApiToken
    _allowance: Allowance | None = None

    @property
    def client(self) -> ApiClient:
        client: ApiClient = self.token.secret.client
        return client

    @property
    def merchant(self) -> Merchant:
        merchant: Merchant = self.client.merchant
        return merchant

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.token = _token_of(request)
        self._allowance = take("calls", self.client.pk)
        if self._allowance.retry_after:
            said = f"At most {self._allowance.limit} requests a minute. Push in batches: a batch counts once."
            raise Problem(429, "rate_limited", said)
        scope = self.scopes.get(request.method or "")
        if scope is not None and scope not in self.token.scopes:
            said = f"This needs the scope {scope.value}, which the token does not have."
            challenge = f'{REALM}, error="insufficient_scope", scope="{scope.value}"'
            raise Problem(403, "forbidden", said, headers={"WWW-Authenticate": challenge})

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        if self._allowance is not None:
            for name, value in self._allowance.headers.items():
                response[name] = value
        return response


def _token_of(request: Request) -> ApiToken:
    scheme, _, plain = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not plain:
        said = "Send `Authorization: Bearer <token>`, with a token from POST /oauth2/token."
        raise Problem(401, "unauthorized", said, headers={"WWW-Authenticate": REALM})
    try:
        return authenticate(plain.strip(), now=timezone.now())
    except AccessDeniedError as error:
        said = "The token is unknown, expired or revoked. Get a new one from POST /oauth2/token."
        challenge = f'{REALM}, error="invalid_token"'
        raise Problem(401, "unauthorized", said, headers={"WWW-Authenticate": challenge}) from error
