"""The operator's addresses: `/livez`, `/readyz`, `/readyz/web`, `/metrics`. They answer any Host, over plain HTTP."""

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from rebound_tts.client_address import comes_from
from rebound_tts.ops.exposition import exposition
from rebound_tts.ops.readiness import OK, for_everything, for_requests


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Whether this process answers; it looks at nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether returns are being carried. Not for a load balancer, which would turn webhooks away with the workers."""
    return _answer(for_everything(now=timezone.now()))


@require_safe
def readyz_web(request: HttpRequest) -> HttpResponse:
    """Whether this process can take requests."""
    return _answer(for_requests())


def _answer(checks: dict[str, str]) -> HttpResponse:
    ready = all(said == OK for said in checks.values())
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, for who has the token or comes from a named network; for all others nothing is here."""
    if not (settings.METRICS_TOKEN or settings.METRICS_NETWORKS):
        return HttpResponse(status=404)
    if not (_has_token(request) or comes_from(request, settings.METRICS_NETWORKS)):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(exposition(now=timezone.now()), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    given = request.META.get("HTTP_AUTHORIZATION", "").encode()
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given, expected)
