"""The addresses of the order API and of its documentation."""

from typing import Any

from django.urls import path, re_path, register_converter

from matching.api import conformance, pages
from matching.api.orders import Arrival, Batch, Ring, Validate, nobody_runs, nobody_waits
from matching.api.reading import Coverage, OneOrder, OrderList, WhoAmI
from merchants.oauth import TokenView
from rebound_tts.problems import NothingHere


class AnyText:
    """An id as the last part of an address: any character, `/` and line breaks too."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(AnyText, "any_text")


def order_api(*, on_arrival: Arrival = nobody_waits, on_errands: Ring = nobody_runs) -> list[Any]:
    """The addresses. `on_arrival(merchant, external_order_ids)` is called once new or changed orders are committed, and
    `on_errands()` where they are to be told elsewhere."""
    told = {"on_arrival": on_arrival, "on_errands": on_errands}
    return [
        path("oauth2/token", TokenView.as_view(), name="token"),
        path("api/v1/oauth2/token", TokenView.as_view()),
        path("api/v1/whoami", WhoAmI.as_view(), name="whoami"),
        path("api/v1/match-coverage", Coverage.as_view(), name="match-coverage"),
        path("api/v1/sales-orders", OrderList.as_view(**told), name="orders"),
        path("api/v1/sales-orders:batch", Batch.as_view(**told), name="orders-batch"),
        path("api/v1/sales-orders:validate", Validate.as_view(), name="orders-validate"),
        path("api/v1/sales-orders/<any_text:client_order_id>", OneOrder.as_view(**told), name="order"),
        path("api/v1/openapi.json", pages.OpenApiJson.as_view(), name="openapi-json"),
        path("api/v1/openapi.yaml", pages.OpenApiYaml.as_view(), name="openapi-yaml"),
        re_path(r"^(?:api|oauth2)(?:/|$)", NothingHere.as_view()),
        path("docs/api", pages.swagger, name="docs-api"),
        path("docs/orders", pages.orders_guide, name="docs-orders"),
        path("docs/order-sync.postman_collection.json", pages.postman_collection, name="docs-postman"),
        path("docs/errors", pages.error_catalog, name="docs-errors"),
        path("docs/conformance", conformance.conformance_page, name="docs-conformance"),
        path("docs/conformance/sign-in", conformance.sign_in, name="docs-conformance-sign-in"),
        path("docs/conformance/sign-out", conformance.sign_out, name="docs-conformance-sign-out"),
    ]
