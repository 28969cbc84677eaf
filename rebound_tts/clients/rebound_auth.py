"""ReBound's access token, by OAuth 2.0 client credentials. Keeping it is not done here.

Source: rebound-api.md sections 2.2 and 6; RFC 6749 section 4.4.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rebound_tts.clients.circuit import Circuit
from rebound_tts.clients.errors import ConfigurationError, RemoteError, UnexpectedAnswerError
from rebound_tts.clients.http import RemoteRequest, Transport
from rebound_tts.clients.json_values import AnswerShapeError, JsonObject, parse_json
from rebound_tts.clients.rebound_gateway import refusal

_LIFE = 3600  # documented, where the answer does not say
_LONGEST_LIFE = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class AccessToken:
    """`expires_at` is when ReBound drops it; renew a minute before. There is no refresh token."""

    value: str = field(repr=False)
    expires_at: datetime


class ReboundAuthClient:
    """The token endpoint of one ReBound environment."""

    def __init__(self, *, auth_url: str, transport: Transport, circuit: Circuit | None = None) -> None:
        self._auth_url = auth_url
        self._transport = transport
        self._circuit = circuit

    def token(
        self, *, client_id: str, client_secret: str, scope: str = "", audience: str = "", now: datetime | None = None
    ) -> AccessToken:
        """A new token. May be repeated.

        Raises ConfigurationError where ReBound refuses the credentials or the address is wrong (any 4xx that is not
        about load), TemporaryError where it cannot answer now.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            **({"scope": scope} if scope else {}),
            **({"audience": audience} if audience else {}),
        }
        request = RemoteRequest(
            vendor="rebound",
            method="POST",
            base_url=self._auth_url,
            template="/oauth2/token",
            headers={"accept": "application/json"},
            form=form,
            safe=True,
            hidden=(client_secret, client_id),
        )
        asked_at = now or datetime.now(UTC)
        with self._circuit.around(request) if self._circuit else nullcontext():
            answer = self._transport.send(request)
            if not 200 <= answer.status < 300:
                kinds: dict[int, type[RemoteError]] = {
                    status: ConfigurationError for status in range(400, 500) if status not in (408, 425, 429)
                }
                raise refusal(request, answer, kinds=kinds)
        try:
            return _read_token(JsonObject.of(parse_json(answer.body), "answer"), asked_at)
        except ValueError as error:
            told = str(error) if isinstance(error, AnswerShapeError) else "the answer is not JSON"
        raise request.error(UnexpectedAnswerError, status=answer.status, message=told)


def _read_token(answer: JsonObject, asked_at: datetime) -> AccessToken:
    value, life = answer.text("access_token"), answer.count("expires_in", default=_LIFE)
    if not value:
        raise AnswerShapeError(f"{answer.at('access_token')} is missing")
    return AccessToken(value=value, expires_at=asked_at + timedelta(seconds=min(life, _LONGEST_LIFE)))
