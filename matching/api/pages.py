"""The documentation pages: the guide for the developer of an OMS, the error catalog, the collection for Postman."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator

from matching.api.catalog import FINDINGS, PROBLEMS
from matching.api.postman import collection


def orders_guide(request: HttpRequest) -> HttpResponse:
    context = {"base": _base(request), "pushes_per_minute": settings.ORDER_PUSHES_PER_MINUTE}
    return render(request, "docs/orders.html", context)


def postman_collection(request: HttpRequest) -> HttpResponse:
    document = SchemaGenerator().get_schema(request=None, public=True)
    response = JsonResponse(collection(document, base_url=_base(request)), json_dumps_params={"indent": 2})
    response["Content-Disposition"] = 'attachment; filename="order-sync.postman_collection.json"'
    return response


def _base(request: HttpRequest) -> str:
    return request.build_absolute_uri("/").rstrip("/")


def error_catalog(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/errors.html", {"problems": PROBLEMS, "findings": FINDINGS})
