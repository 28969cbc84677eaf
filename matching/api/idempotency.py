"""Idempotency-Key on POST (draft-ietf-httpapi-idempotency-key-header-07): the same request twice is done once.

A key belongs to one client and one request. It is kept for a day with the answer; while the first request runs, a
second is refused; a request that died frees its key after a minute. A refusal (4xx, 5xx) is not kept, so that a mended
body may be sent under the same key.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from matching.models import IdempotentAnswer
from matching.push_log import KEPT_ANSWER
from merchants.models import ApiClient
from rebound_tts.problems import Problem

RUNS_AT_MOST = timedelta(minutes=1)
KEY = re.compile(r"[\x20-\x7e]{1,255}")


def once(request: Request, *, client: ApiClient, body: bytes, act: Callable[[], HttpResponse]) -> HttpResponse:
    """`act()`, or the answer that it gave the first time. Without the header, `act()`. Raises Problem."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return act()
    if not KEY.fullmatch(key):
        raise Problem(400, "invalid_request", "Idempotency-Key must be 1 to 255 printable ASCII characters.")
    fingerprint = _fingerprint(request, body)
    now = timezone.now()
    row, is_new = IdempotentAnswer.objects.get_or_create(
        merchant_id=client.merchant_id,
        client=client,
        key=key,
        defaults={"fingerprint": fingerprint, "started_at": now},
    )
    if not is_new and not _take_over(row, fingerprint=fingerprint, now=now):
        return _replay(IdempotentAnswer.objects.filter(pk=row.pk).first(), fingerprint=fingerprint)
    mine = IdempotentAnswer.objects.filter(pk=row.pk, started_at=now, status__isnull=True)
    try:
        response = act()
    except Exception:
        mine.delete()
        raise
    mine.update(status=response.status_code, body=response.content.decode())
    return response


def _fingerprint(request: Request, body: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (request.path.encode(errors="replace"), request.META.get("QUERY_STRING", "").encode(), body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _take_over(row: IdempotentAnswer, *, fingerprint: str, now: datetime) -> bool:
    """Whether the key was free after all: its day is over, or its request died. Only one of several gets it."""
    free = Q(started_at__lt=now - KEPT_ANSWER) | Q(status__isnull=True, started_at__lt=now - RUNS_AT_MOST)
    taken = IdempotentAnswer.objects.filter(free, pk=row.pk, started_at=row.started_at).update(
        started_at=now, fingerprint=fingerprint, status=None, body=""
    )
    return taken == 1


def _replay(row: IdempotentAnswer | None, *, fingerprint: str) -> HttpResponse:
    if row is not None and row.fingerprint != fingerprint:
        raise Problem(422, "idempotency_key_reused", "This key was sent with another request. Use a new key for each.")
    if row is None or row.status is None:  # None: the first was refused this very moment, and let go of the key
        said = "Wait for its answer, then send the request again."
        raise Problem(409, "idempotency_key_in_use", said, headers={"Retry-After": "2"})
    return HttpResponse(
        row.body.encode(),
        status=row.status,
        content_type="application/json",
        headers={"Idempotency-Replayed": "true"},
    )
