"""The WSGI entry point that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

from rebound_tts.lifeline import end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rebound_tts.settings")
application = get_wsgi_application()
if "SERVE_PID" in os.environ:
    end_with_parent(int(os.environ["SERVE_PID"]))  # a worker that outlives granian's main process would keep the port
