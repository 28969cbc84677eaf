"""What the developer of an OMS reads: the guide, the error catalog, Swagger, OpenAPI, the collection for Postman."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework.request import Request

from matching.api.catalog import FINDINGS, PROBLEMS
from matching.api.document import FILE, document
from matching.api.postman import collection
from rebound_tts.problems import ApiView

YAML = "application/vnd.oai.openapi"


def orders_guide(request: HttpRequest) -> HttpResponse:
    context = {"base": _base(request), "pushes_per_minute": settings.ORDER_PUSHES_PER_MINUTE}
    return render(request, "docs/orders.html", context)


def postman_collection(request: HttpRequest) -> HttpResponse:
    response = JsonResponse(collection(document(), base_url=_base(request)), json_dumps_params={"indent": 2})
    response["Content-Disposition"] = 'attachment; filename="order-sync.postman_collection.json"'
    return response


def _base(request: HttpRequest) -> str:
    return request.build_absolute_uri("/").rstrip("/")


def error_catalog(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/errors.html", {"problems": PROBLEMS, "findings": FINDINGS})


def swagger(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/api.html")


class OpenApiYaml(ApiView):
    """The OpenAPI document."""

    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:
        headers = {"Content-Disposition": 'inline; filename="order-sync.openapi.yaml"'}
        return HttpResponse(FILE.read_bytes(), content_type=YAML, headers=headers)


class OpenApiJson(ApiView):
    """The OpenAPI document, as JSON."""

    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:
        headers = {"Content-Disposition": 'inline; filename="order-sync.openapi.json"'}
        return JsonResponse(document(), content_type=f"{YAML}+json", headers=headers)
