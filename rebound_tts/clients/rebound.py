"""The calls to ReBound's API that this product makes.

Source: rebound-api.md, above all section 6: most names there are assumed, and stand in `rebound_orders` and
`rebound_answers` alone. How calls are authorized and refusals classified stands in `rebound_gateway`.

Every method raises the errors of `errors`: TemporaryError, ConfigurationError (403; TokenRejectedError for a 401
after one renewal), NotFoundError, ConflictError, PermanentError. The two that create raise UnknownOutcomeError where
it is not known whether they did, an unreadable answer to a success included: look it up by our reference, then adopt
or repeat.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from rebound_tts.clients.circuit import Circuit
from rebound_tts.clients.errors import NotOfferedError, RemoteError, UnexpectedAnswerError
from rebound_tts.clients.http import RemoteRequest, Transport
from rebound_tts.clients.json_values import AnswerShapeError, JsonObject
from rebound_tts.clients.rebound_answers import (
    Label,
    Parcel,
    ReboundReturnItem,
    ReboundReturnOrder,
    ReboundSalesItem,
    ReboundSalesOrder,
    read_return_order,
    read_sales_order,
)
from rebound_tts.clients.rebound_auth import AccessToken, ReboundAuthClient
from rebound_tts.clients.rebound_gateway import ReboundGateway
from rebound_tts.clients.rebound_metadata import (
    MetadataConflictError,
    MetadataShape,
    normalize_metadata,
    write_metadata,
)
from rebound_tts.clients.rebound_orders import (
    Address,
    NewReturnItem,
    NewReturnOrder,
    address_values,
    return_order_body,
)
from rebound_tts.clients.tokens import TokenSource

__all__ = [
    "AccessToken",
    "Address",
    "Label",
    "MetadataConflictError",
    "MetadataShape",
    "NewReturnItem",
    "NewReturnOrder",
    "Parcel",
    "ReboundAuthClient",
    "ReboundClient",
    "ReboundReturnItem",
    "ReboundReturnOrder",
    "ReboundSalesItem",
    "ReboundSalesOrder",
    "TokenSource",
    "normalize_metadata",
    "write_metadata",
]

OrderT = TypeVar("OrderT", ReboundSalesOrder, ReboundReturnOrder)


class ReboundClient:
    """One ReBound account's calls, in one flow of it where `flow_key` is set. Threads may share it."""

    def __init__(
        self,
        *,
        base_url: str,
        tokens: TokenSource,
        transport: Transport,
        flow_key: str = "",
        metadata_shape: MetadataShape = "A",
        circuit: Circuit | None = None,
    ) -> None:
        self._base_url = base_url
        self._flow_key = flow_key
        self._shape = metadata_shape
        self._gateway = ReboundGateway(base_url=base_url, tokens=tokens, transport=transport, circuit=circuit)

    # Sales orders

    def find_sales_orders(self, *, client_order_id: str, max_pages: int = 20) -> tuple[ReboundSalesOrder, ...]:
        """What ReBound answers to a search by client order id, each order once.

        Whether its filter is exact is not public: it may be loose or ignored, so **compare `client_order_id` again**.
        Raises UnexpectedAnswerError where the list does not end within `max_pages`: not having seen an order in it is
        no proof that there is none.
        """
        query = {"clientOrderId": _given(client_order_id), "flowKey": self._flow_key}
        return _each_once(self._gateway.pages("/sales-orders", read_sales_order, query=query, max_pages=max_pages))

    def sales_orders_updated_after(
        self, updated_after: datetime, *, max_pages: int = 10_000
    ) -> Iterator[tuple[ReboundSalesOrder, ...]]:
        """The sales orders changed since an aware time, page by page as they are read."""
        if updated_after.tzinfo is None:
            raise ValueError("a time without an offset could be any time")
        moment = updated_after.astimezone(UTC).isoformat().replace("+00:00", "Z")
        query = {"updatedAfter": moment, "flowKey": self._flow_key}
        return self._gateway.pages("/sales-orders", read_sales_order, query=query, max_pages=max_pages)

    def create_sales_order(self, body: Mapping[str, Any]) -> ReboundSalesOrder:
        """Create a sales order from a body as ReBound documents it (2.3): `clientOrderId` and what else there is.

        Sent as given; Decimals go as text. Raises ConflictError where ReBound has the order already,
        UnknownOutcomeError where the answer is unclear: look it up with `find_sales_orders`.
        """
        client_order_id = str(body["clientOrderId"])
        return self._gateway.call(
            "POST",
            "/sales-orders",
            lambda answer: _of_reference(
                read_sales_order(JsonObject.of(answer, "answer")), "client_order_id", client_order_id
            ),
            query={"flowKey": self._flow_key},
            body=body,
            safe=False,
            hidden=_texts(body.get("customerAddress")),
        )

    # Return orders

    def create_return_order(self, order: NewReturnOrder) -> ReboundReturnOrder:
        """Create a return order with its label, linked or direct.

        Raises ConflictError where the `rma_number` is taken: adopt the order that it names. Raises UnknownOutcomeError
        where the answer is unclear: look it up with `find_return_orders(rma_number=…)`.
        """
        return self._gateway.call(
            "POST",
            "/return-orders",
            lambda answer: _of_reference(
                read_return_order(JsonObject.of(answer, "answer")), "rma_number", order.rma_number
            ),
            query={"flowKey": self._flow_key},
            body=return_order_body(order, self._shape),
            safe=False,
            hidden=address_values(order.address),
        )

    def find_return_orders(
        self, *, rma_number: str = "", client_order_id: str = "", max_pages: int = 20
    ) -> tuple[ReboundReturnOrder, ...]:
        """What ReBound answers to a search by our reference or by the sales order's client order id, each once.

        As with `find_sales_orders` the filter may be loose: **compare `rma_number` again**. Raises ValueError unless
        exactly one of the two is given.
        """
        if bool(rma_number) == bool(client_order_id):
            raise ValueError("give either rma_number or client_order_id")
        query = {"rmaNumber": rma_number, "clientOrderId": client_order_id}
        return _each_once(self._gateway.pages("/return-orders", read_return_order, query=query, max_pages=max_pages))

    def cancel_return_order(self, return_order_id: str) -> ReboundReturnOrder:
        """Cancel; the items are free again. May be repeated."""
        return self._gateway.call(
            "POST",
            "/return-orders/{}/cancel",
            lambda answer: _of_reference(read_return_order(JsonObject.of(answer, "answer")), "id", return_order_id),
            ids=(return_order_id,),
        )

    def link_return_order(
        self, return_order_id: str, *, sales_order_id: str, items: Sequence[tuple[str, str]]
    ) -> ReboundReturnOrder:
        """Link a direct return order to a sales order, by (return item id, sales item id). May be repeated.

        Raises NotOfferedError where this environment of ReBound cannot link afterwards (404, 405).
        """
        not_offered: dict[int, type[RemoteError]] = {404: NotOfferedError, 405: NotOfferedError}
        return self._gateway.call(
            "POST",
            "/return-orders/{}/link",
            lambda answer: _of_reference(read_return_order(JsonObject.of(answer, "answer")), "id", return_order_id),
            ids=(return_order_id,),
            body={
                "salesOrderId": sales_order_id,
                "items": [{"itemId": item_id, "salesItemId": sales_item_id} for item_id, sales_item_id in items],
            },
            kinds=not_offered,
        )

    def download_label(self, url: str) -> tuple[bytes, str]:
        """The label's bytes and their media type in lower case, "" where it is not told.

        Our token goes along, so only an address on ReBound's own scheme, host and port is taken, and no redirect is
        followed. Raises UnexpectedAnswerError for any other address, and for an empty label.
        """
        request = RemoteRequest(
            vendor="rebound",
            method="GET",
            base_url=self._base_url,
            template="/(label)",  # a label's address may be all that is needed to see it: not for logs
            headers={"accept": "*/*"},
            safe=True,
        )
        address = _own_address(url, self._base_url)
        if not address:
            raise request.error(UnexpectedAnswerError, message="the label's address is not ReBound's own")
        answer = self._gateway.send(replace(request, address=address, hidden=(url, address)))
        if not answer.body:
            raise request.error(UnexpectedAnswerError, status=answer.status, message="the label is empty")
        return answer.body, answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _given(reference: str) -> str:
    # Without it the search would answer with everything.
    if not reference:
        raise ValueError("a search needs something to search for")
    return reference


def _each_once(pages: Iterator[tuple[OrderT, ...]]) -> tuple[OrderT, ...]:
    return tuple({order.id: order for page in pages for order in page}.values())


def _of_reference(order: OrderT, name: str, expected: str) -> OrderT:
    """The order, unless it says that it is another one than was asked for."""
    if getattr(order, name) not in ("", expected):
        raise AnswerShapeError(f"answer: {name} is not the one asked for")
    return order


def _texts(value: object) -> tuple[str, ...]:
    """All text in a JSON value: what an error message must not repeat."""
    match value:
        case str():
            return (value,)
        case Mapping():
            return tuple(text for each in value.values() for text in _texts(each))
        case list() | tuple():
            return tuple(text for each in value for text in _texts(each))
        case _:
            return ()


def _own_address(url: str, base_url: str) -> str:
    """`url`, made absolute, where it is on the scheme, host and port of `base_url`; otherwise "".

    Put together again from its parts, so that what was checked is what is fetched.
    """
    if any(not char.isprintable() or char in " \\" for char in url):
        return ""
    try:
        base = urlsplit(base_url)
        asked = urlsplit(urljoin(base_url.rstrip("/") + "/", url))
        same = (
            bool(url)
            and asked.scheme == base.scheme
            and asked.hostname == base.hostname
            and (asked.port or _port(asked.scheme)) == (base.port or _port(base.scheme))
            and "@" not in asked.netloc
        )
    except ValueError:
        return ""
    return urlunsplit((base.scheme, base.netloc, asked.path, asked.query, "")) if same else ""


def _port(scheme: str) -> int:
    return {"http": 80}.get(scheme, 443)
