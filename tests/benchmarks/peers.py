"""What the webhook endpoint is measured against: the least that verifies, stores and answers. PEER says which.

raw    WSGI without a framework, the driver's own prepared INSERT: the floor of Python
bare   a plain Django view, no middleware
drf    a lean DRF APIView, no middleware
jobs   the plain view, and one queued job for each event (django-q2, tuned); `python -m tests.benchmarks.peers` is its
       cluster

Each has a lean table of its own, without the columns, checks and indexes that the product pays for.
"""

import hashlib
import hmac
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import django
import environ
import psycopg
from django.conf import settings

PEER = os.environ.get("PEER", "bare")
URL = os.environ.get("DATABASE_URL", "")
ON_SQLITE = URL.startswith("sqlite")
KEY = os.environ.get("TIKTOK_APP_KEY", "").encode()
SECRET = os.environ.get("TIKTOK_APP_SECRET", "").encode()
INSERT = "INSERT INTO peer_event (dedupe_key, body, received_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"


def is_signed(body: bytes, signature: str) -> bool:
    return hmac.compare_digest(hmac.new(SECRET, KEY + body, hashlib.sha256).hexdigest(), signature)


def values_of(body: bytes) -> tuple[str, str, Any]:
    now = datetime.now(UTC)
    return json.loads(body)["tts_notification_id"], body.decode(), now.isoformat() if ON_SQLITE else now


def _options() -> dict[str, Any]:
    if not ON_SQLITE:
        return {}
    return {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": PRAGMAS}


if PEER != "raw" and not settings.configured:  # the cluster imports this module twice
    settings.configure(
        SECRET_KEY="a secret key for benchmarks only",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="tests.benchmarks.peers",
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.contenttypes", "django_q"] if PEER == "jobs" else [],
        MIDDLEWARE=[],
        DATABASES={"default": environ.Env.db_url_config(URL) | {"CONN_MAX_AGE": None, "OPTIONS": _options()}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING={"version": 1, "loggers": {"django-q": {"level": "ERROR"}}},
        REST_FRAMEWORK={
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "UNAUTHENTICATED_USER": None,
        },
        Q_CLUSTER={
            "name": "peer",
            "orm": "default",
            "workers": 2,
            "timeout": 60,
            "retry": 300,
            "queue_limit": 50,
            "bulk": 20,
            "poll": 0.05,
            "save_limit": -1,
            "ack_failures": True,
            "max_attempts": 1,
        },
    )
    django.setup()

# These need the settings above.
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402


def store(body: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(INSERT, values_of(body))


def bare(request: HttpRequest) -> HttpResponse:
    if not is_signed(request.body, request.headers.get("Authorization", "")):
        return JsonResponse({"error": "signature"}, status=401)
    store(request.body)
    return JsonResponse({"received": True})


def drf() -> Callable[..., Any]:
    from rest_framework.request import Request  # noqa: PLC0415  # needs settings, which the raw peer has not
    from rest_framework.response import Response  # noqa: PLC0415
    from rest_framework.views import APIView  # noqa: PLC0415

    class Webhook(APIView):
        authentication_classes = ()
        permission_classes = ()

        def post(self, request: Request) -> Response:
            body = request._request.body
            if not is_signed(body, request.META.get("HTTP_AUTHORIZATION", "")):
                return Response({"error": "signature"}, status=401)
            store(body)
            return Response({"received": True})

    return Webhook.as_view()


@cache
def broker() -> Any:
    from django_q.brokers import get_broker  # noqa: PLC0415  # needs settings

    return get_broker()


def jobs(request: HttpRequest) -> HttpResponse:
    from django_q.tasks import async_task  # noqa: PLC0415  # needs settings

    if not is_signed(request.body, request.headers.get("Authorization", "")):
        return JsonResponse({"error": "signature"}, status=401)
    key = json.loads(request.body)["tts_notification_id"]
    with transaction.atomic():
        store(request.body)
        async_task("tests.benchmarks.peers.handle", key, broker=broker())
    return JsonResponse({"received": True})


def handle(key: str) -> None:
    """The job of one event: as little as can be done with it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM peer_event WHERE dedupe_key = %s", [key])
        json.loads(cursor.fetchone()[0])
        cursor.execute("UPDATE peer_event SET handled_at = received_at WHERE dedupe_key = %s", [key])


def raw() -> Callable[..., Iterable[bytes]]:
    held = threading.local()
    insert = INSERT.replace("%s", "?") if ON_SQLITE else INSERT

    def connected() -> Any:
        if not hasattr(held, "connection"):
            if ON_SQLITE:
                held.connection = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None, timeout=20)
                held.connection.executescript(PRAGMAS)
            else:
                held.connection = psycopg.connect(URL, autocommit=True, prepare_threshold=0)
        return held.connection

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, said = "200 OK", b'{"received":true}'
        if environ["PATH_INFO"] != "/livez":
            if is_signed(body, environ.get("HTTP_AUTHORIZATION", "")):
                connected().execute(insert, values_of(body))
            else:
                status, said = "401 Unauthorized", b'{"error":"signature"}'
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(said)))])
        return [said]

    return answer


if PEER == "raw":
    application = raw()
else:
    views = {"bare": bare, "drf": drf() if PEER == "drf" else bare, "jobs": jobs}
    urlpatterns = [
        path("webhooks/tiktok", views[PEER]),
        path("livez", lambda request: HttpResponse("ok\n")),
    ]
    application = get_wsgi_application()

if __name__ == "__main__":
    call_command(*(sys.argv[1:] or ["qcluster"]))
