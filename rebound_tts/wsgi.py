"""The WSGI entry point that granian serves."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse

from rebound_tts.lifeline import end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rebound_tts.settings")
django_application = get_wsgi_application()
if "SERVE_PID" in os.environ:
    end_with_parent(int(os.environ["SERVE_PID"]))  # a worker that outlives granian's main process would keep the port


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django's answer; one that is there whole as a list, which granian sends at once. Anything else it asks for part
    after part, between its threads and Python's: a twelfth of what it takes to accept a webhook."""
    response = django_application(environ, start_response)
    if not isinstance(response, HttpResponse):  # a stream
        return response
    response.close()
    return [response.content]
