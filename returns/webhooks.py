"""Webhook endpoints: verify the signature over the raw bytes, store the event, ring, answer. Nothing else.

TikTok waits about 3 seconds and repeats what was not answered with 200 (reference, 7.3), so a status code is chosen by
what the sender should do next. Finding the shop and acting on the event stand in `events.py`.
"""

import hashlib
import json
import logging
import re
import time
from abc import ABC, abstractmethod
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.http import HttpResponse
from django.http.request import UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from merchants.models import ReboundAccount
from merchants.rebound_events import account_of_events, events_secrets
from rebound_tts.clients.rebound_signing import EventSignatureError, check_event_signature
from rebound_tts.clients.tiktok_signing import webhook_signature_is_valid
from rebound_tts.ops.tallies import count
from rebound_tts.throttle import Limit
from returns.bell import bell
from returns.event_models import Notification
from returns.models import EventSource, new_correlation_id

logger = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024  # bytes
HIGHEST_TYPE = 9999  # TikTok's types have two digits so far (reference, 7.4)
# Written once: there are only these two, and a renderer would make them anew for each request.
RECEIVED, DUPLICATE = b'{"received":true,"duplicate":false}', b'{"received":true,"duplicate":true}'
LONGEST_KIND = 40  # characters of the name of a ReBound event's type
BAD_SIGNATURES = Limit("webhook", most=120)
PLAIN_ID = re.compile(r"[\x21-\x7e]{1,64}")


class RefusedError(Exception):
    """A request that is not stored, with the status and the words of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class OnlyJson(BaseContentNegotiation):
    """Answers JSON whatever the sender would rather have: an Accept header is no reason to lose an event."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Webhook(APIView, ABC):
    """What every webhook endpoint has in common: no session, no content negotiation, errors as short JSON."""

    http_method_names = ["post"]
    content_negotiation_class = OnlyJson
    parser_classes = ()  # the signature is over the raw body, which `parse` reads
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    source: EventSource

    def perform_authentication(self, request: Request) -> None:
        """Nobody signs in: the signature of the body says who sent it."""

    def post(self, request: Request, **path: str) -> HttpResponseBase:
        try:
            notification = self.receive(request, read_body(request))
        except RefusedError as refused:
            unsigned = refused.status == 401
            count("webhooks", source=self.source, result="bad_signature" if unsigned else "refused")
            wait = BAD_SIGNATURES.strike(request._request) if unsigned else 0
            if wait:  # who signs well is never told so
                said = "Too many bad signatures came from this address."
                return Response({"error": said}, status=429, headers={"Retry-After": str(wait)})
            logger.warning("webhook refused", extra={"status": refused.status, "why": refused.message})
            return Response({"error": refused.message}, status=refused.status)
        is_new = record(notification)
        count("webhooks", source=self.source, result="new" if is_new else "duplicate")
        # 200 for a duplicate too: the sender has nothing left to do.
        return HttpResponse(RECEIVED if is_new else DUPLICATE, content_type="application/json")

    @abstractmethod
    def receive(self, request: Request, body: bytes) -> Notification:
        """The row to store. Raises RefusedError."""


class TikTokWebhook(Webhook):
    source = EventSource.TIKTOK

    def receive(self, request: Request, body: bytes) -> Notification:
        valid = webhook_signature_is_valid(
            app_key=settings.TIKTOK_APP_KEY,
            app_secret=(settings.TIKTOK_APP_SECRET, settings.TIKTOK_APP_SECRET_BEFORE),
            raw_body=body,
            header=request.META.get("HTTP_AUTHORIZATION", ""),
        )
        if not valid:
            # 401, as TikTok advises: nothing unsigned is stored.
            raise RefusedError(401, "The Authorization header does not hold the signature of this body.")
        return tiktok_event(body)


class ReboundWebhook(Webhook):
    """The events of one ReBound account, at an address of its own (reference, rebound-api.md, section 6)."""

    source = EventSource.REBOUND

    def receive(self, request: Request, body: bytes) -> Notification:
        account = account_of_events(self.kwargs["key"])
        if account is None:
            # 404: nobody takes events here, and sending them again changes nothing.
            raise RefusedError(404, "No account takes events at this address.")
        header = request.META.get("HTTP_X_REBOUND_SIGNATURE", "")
        try:
            check_event_signature(secrets=events_secrets(account), raw_body=body, header=header, now=time.time())
        except EventSignatureError as error:
            # 401: nothing unsigned is stored. What is signed anew, with the time of now, is taken.
            raise RefusedError(401, str(error)) from error
        return rebound_event(body, account=account)


def rebound_event(body: bytes, *, account: ReboundAccount) -> Notification:
    """The row for an event. Its id is the account's own: no other account's event can take its place."""
    envelope = parse(body)
    kind = envelope.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= LONGEST_KIND or not kind.isprintable():
        raise RefusedError(400, f"'type' must be text of 1 to {LONGEST_KIND} characters.")
    if "id" not in envelope:
        raise RefusedError(400, "'id' is missing: it tells a repeated event from a new one.")
    return Notification(
        source=EventSource.REBOUND.value,
        dedupe_key=f"{account.pk}:{plain_id(envelope, 'id')}",
        type=kind,
        shop_id=account.events_key or "",
        body=body.decode(),
        correlation_id=new_correlation_id(),
        received_at=timezone.now(),
    )


def read_body(request: Request) -> bytes:
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError as error:
        raise RefusedError(400, "Content-Length is not a number.") from error
    if length > LARGEST_BODY:
        raise RefusedError(413, f"The body has {length} bytes; at most {LARGEST_BODY} are taken.")
    try:
        if not length and "HTTP_TRANSFER_ENCODING" in request.META:
            return read_chunks(request)
        return request._request.body
    except (UnreadablePostError, OSError) as error:
        raise RefusedError(400, "The body ended early.") from error


def read_chunks(request: Request) -> bytes:
    """A body without Content-Length, for which Django gives nothing."""
    body: bytes = request.META["wsgi.input"].read(LARGEST_BODY + 1)
    if len(body) > LARGEST_BODY:
        raise RefusedError(413, f"The body has more than {LARGEST_BODY} bytes.")
    return body


def tiktok_event(body: bytes) -> Notification:
    """The row for a notification (reference, 7.1). Raises RefusedError, which names the field."""
    envelope = parse(body)
    kind = envelope.get("type")
    if not isinstance(kind, int) or isinstance(kind, bool) or not 0 <= kind <= HIGHEST_TYPE:
        raise RefusedError(400, f"'type' must be a whole number from 0 to {HIGHEST_TYPE}.")
    if not isinstance(envelope.get("data"), dict):
        raise RefusedError(400, "'data' must be an object.")
    # Creator notifications carry no shop; they are kept and counted like every type that is not ours.
    shop_id = plain_id(envelope, "shop_id") if "shop_id" in envelope else ""
    if "tts_notification_id" in envelope:
        dedupe_key = plain_id(envelope, "tts_notification_id")
    else:
        dedupe_key = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return Notification(
        source=EventSource.TIKTOK.value,
        dedupe_key=dedupe_key,
        type=str(kind),
        shop_id=shop_id,
        body=body.decode(),
        correlation_id=new_correlation_id(),
        received_at=timezone.now(),
    )


def parse(body: bytes) -> dict[str, Any]:
    try:
        parsed = DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "The body is not JSON in UTF-8.") from error
    if not isinstance(parsed, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    return parsed


def refuse_constant(name: str) -> None:
    """NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)


DECODER = json.JSONDecoder(parse_constant=refuse_constant)  # made once: `json.loads` would make one a request


def plain_id(envelope: dict[str, Any], name: str) -> str:
    """An id as text. Numbers are taken too: Python reads them exactly, however long."""
    value = envelope[name]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not PLAIN_ID.fullmatch(value):
        raise RefusedError(400, f"'{name}' must be an id of 1 to 64 printable ASCII characters.")
    return value


def record(notification: Notification) -> bool:
    """Store the notification and ring for a worker. Answers whether it is new.

    A connection that the database closed meanwhile (a restart) is replaced and the insert sent again: it may have
    happened, and then the second is a duplicate.
    """
    try:
        return _store_and_ring(notification)
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block or connection.vendor == "sqlite":
            raise
        connection.close()
        return _store_and_ring(notification)


def _store_and_ring(notification: Notification) -> bool:
    if not bell.is_due():
        return notification.store()
    with transaction.atomic():  # with the ORM broker the event and its wake-up commit together or not at all
        is_new = notification.store()
        if is_new:
            bell.ring()
    return is_new
