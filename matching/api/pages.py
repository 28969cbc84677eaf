"""The documentation pages: the guide for the developer of an OMS, and the error catalog."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from matching.api.catalog import FINDINGS, PROBLEMS


def orders_guide(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/orders.html", {"base": request.build_absolute_uri("/").rstrip("/")})


def error_catalog(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/errors.html", {"problems": PROBLEMS, "findings": FINDINGS})
