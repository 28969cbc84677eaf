"""The admin's first page: the work queue of whoever looks."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from returns.work_queue import work_queue


def landing(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the page shows; the theme's settings name this function."""
    return {**context, "title": "", "queue": work_queue(user=request.user, now=timezone.now())}
