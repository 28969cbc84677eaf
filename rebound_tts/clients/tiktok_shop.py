"""The calls to TikTok Shop's Partner API that this product makes.

Source: tiktok-shop-api.md; each method names its section. How calls are signed and refusals classified stands in
`tiktok_gateway` and `tiktok_codes`, what answers hold in `tiktok_answers`, `tiktok_returns` and `tiktok_logistics`.

Every method raises the errors of `errors`: TemporaryError, ConfigurationError (TokenRejectedError after one renewal),
PermanentError and its kinds. The calls that do something and must not be done twice unseen (`add_external_orders`,
`upload_shipping_document`, decisions without a key) raise UnknownOutcomeError where it is not known whether they did.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from rebound_tts.clients.circuit import Circuit
from rebound_tts.clients.errors import UnexpectedAnswerError
from rebound_tts.clients.http import Transport
from rebound_tts.clients.json_values import JsonObject
from rebound_tts.clients.tiktok_answers import (
    AuthorizedShop,
    BuyerAddress,
    ExternalLine,
    ExternalOrder,
    ExternalOrderError,
    ExternalOrderReference,
    OrderPage,
    TikTokOrder,
    TikTokOrderLine,
    WebhookSubscription,
    read_authorized_shops,
    read_external_order_errors,
    read_external_order_references,
    read_external_orders,
    read_order_page,
    read_orders,
    read_webhooks,
)
from rebound_tts.clients.tiktok_auth import TikTokAuthClient, TokenGrant
from rebound_tts.clients.tiktok_gateway import TikTokGateway, Upload
from rebound_tts.clients.tiktok_logistics import (
    DeliveryOption,
    ShippingProvider,
    Warehouse,
    read_delivery_options,
    read_shipping_providers,
    read_warehouses,
)
from rebound_tts.clients.tiktok_returns import (
    RejectReason,
    RemoteReturn,
    RemoteReturnLine,
    ReturnRecord,
    read_reject_reasons,
    read_return_page,
    read_return_records,
    read_upload,
)
from rebound_tts.clients.tokens import TokenSource

__all__ = [
    "AuthorizedShop",
    "BuyerAddress",
    "DeliveryOption",
    "ExternalLine",
    "ExternalOrder",
    "ExternalOrderError",
    "ExternalOrderReference",
    "OrderPage",
    "RejectReason",
    "RemoteReturn",
    "RemoteReturnLine",
    "ReturnRecord",
    "ShippingProvider",
    "TikTokAuthClient",
    "TikTokOrder",
    "TikTokOrderLine",
    "TikTokShopClient",
    "TokenGrant",
    "TokenSource",
    "Warehouse",
    "WebhookSubscription",
]

ORDERS_A_CALL = 50
ORDERS_A_PAGE = 100
REFERENCES_A_CALL = 100
LINES_A_REFERENCE = 100
SMALLEST_RETURN_PAGE, LARGEST_RETURN_PAGE = 10, 50


class TikTokShopClient:
    """One shop's calls, or one authorization's where `shop_cipher` is "". Threads may share it."""

    def __init__(
        self,
        *,
        base_url: str,
        app_key: str,
        app_secret: str,
        tokens: TokenSource,
        transport: Transport,
        shop_cipher: str = "",
        clock: Callable[[], float] = time.time,
        circuit: Circuit | None = None,
    ) -> None:
        """`clock` gives unix seconds; TikTok refuses more than 5 minutes behind or 30 seconds ahead."""
        self._gateway = TikTokGateway(
            base_url=base_url,
            app_key=app_key,
            app_secret=app_secret,
            tokens=tokens,
            transport=transport,
            shop_cipher=shop_cipher,
            clock=clock,
            circuit=circuit,
        )

    # Shops and webhooks

    def authorized_shops(self) -> tuple[AuthorizedShop, ...]:
        """All shops that the token may act for (1.4). Sent without `shop_cipher`, which this call refuses."""
        return self._gateway.call("GET", "/authorization/202309/shops", read_authorized_shops, of_shop=False)

    def remove_authorization(self) -> None:
        """End the app's authorization for this shop (1.4). TikTok tells the seller by e-mail. May be repeated."""
        self._gateway.call("DELETE", "/authorization/202403/shops", _nothing)

    def webhooks(self) -> tuple[WebhookSubscription, ...]:
        """This shop's event subscriptions (7.6)."""
        return self._gateway.call("GET", "/event/202309/webhooks", read_webhooks)

    def put_webhook(self, event_type: str, address: str) -> None:
        """Subscribe, or change the address, which TikTok takes up to 255 characters long (7.6)."""
        body = {"address": address, "event_type": event_type}
        self._gateway.call("PUT", "/event/202309/webhooks", _nothing, body=body)

    def delete_webhook(self, event_type: str) -> None:
        """Unsubscribe. Succeeds where there was none (7.6)."""
        self._gateway.call("DELETE", "/event/202309/webhooks", _nothing, body={"event_type": event_type})

    # Orders and what an OMS calls them

    def orders(self, order_ids: Sequence[str]) -> tuple[TikTokOrder, ...]:
        """The orders that TikTok knows among `order_ids`, 50 a call (4.1). One it does not know is left out.

        Raises NotFoundError where none of a call's ids is this seller's (21008111).
        """
        found: list[TikTokOrder] = []
        for start in range(0, len(order_ids), ORDERS_A_CALL):
            ids = ",".join(order_ids[start : start + ORDERS_A_CALL])
            found += self._gateway.call("GET", "/order/202507/orders", read_orders, query={"ids": ids})
        return tuple(found)

    def newest_orders(self, *, page_size: int = ORDERS_A_PAGE, page_token: str = "") -> OrderPage:
        """One page of the shop's orders, the newest first, at most 100 (4.2)."""
        query = {
            "page_size": str(min(max(page_size, 1), ORDERS_A_PAGE)),
            "sort_field": "create_time",
            "sort_order": "DESC",
            **({"page_token": page_token} if page_token else {}),
        }
        return self._gateway.call("POST", "/order/202309/orders/search", read_order_page, query=query)

    def external_orders(self, *, order_id: str, platform: str) -> tuple[ExternalOrder, ...]:
        """What OMSs call this order (5). May hold other platforms than the one asked for: filter by `platform`."""
        return self._gateway.call(
            "GET",
            "/order/202406/orders/{}/external_orders",
            read_external_orders,
            ids=(order_id,),
            query={"platform": platform},
        )

    def search_by_external_order(self, *, platform: str, external_order_id: str) -> tuple[ExternalOrderReference, ...]:
        """The TikTok orders that an OMS gave this id (5)."""
        return self._gateway.call(
            "POST",
            "/order/202406/orders/external_order_search",
            read_external_order_references,
            query={"platform": platform, "external_order_id": external_order_id},
        )

    def add_external_orders(self, entries: Sequence[ExternalOrderReference]) -> tuple[ExternalOrderError, ...]:
        """Write an OMS's ids to TikTok, 100 orders a call; what was refused comes back (5).

        The same order and platform again replaces what was there. Raises ValueError for more than 100 lines an order.
        """
        if any(len(entry.external_order.line_items) > LINES_A_REFERENCE for entry in entries):
            raise ValueError(f"an external order has at most {LINES_A_REFERENCE} lines")
        errors: list[ExternalOrderError] = []
        for start in range(0, len(entries), REFERENCES_A_CALL):
            errors += self._gateway.call(
                "POST",
                "/order/202406/orders/external_orders",
                read_external_order_errors,
                body={"orders": [_reference_body(entry) for entry in entries[start : start + REFERENCES_A_CALL]]},
                safe=False,
            )
        return tuple(errors)

    # Returns

    def search_returns(
        self,
        *,
        return_ids: Sequence[str] = (),
        order_ids: Sequence[str] = (),
        update_time_ge: datetime | int | None = None,
        update_time_lt: datetime | int | None = None,
        page_size: int = LARGEST_RETURN_PAGE,
        max_pages: int = 200,
        locale: str = "en-US",
    ) -> tuple[RemoteReturn, ...]:
        """All returns that fit, oldest change first, each once and as it was told last (6.1). Also the way to get one.

        The times are aware datetimes or unix seconds; they cut by the change. Rows that changed since may appear beyond
        `update_time_lt`. Raises UnexpectedAnswerError where there are more than `max_pages` pages, rather than leave
        some out: ask for a shorter time.
        """
        body: dict[str, object] = {"locale": locale}
        if return_ids:
            body["return_ids"] = list(return_ids)
        if order_ids:
            body["order_ids"] = list(order_ids)
        if update_time_ge is not None:
            body["update_time_ge"] = _unix(update_time_ge)
        if update_time_lt is not None:
            body["update_time_lt"] = _unix(update_time_lt)
        found: dict[str, RemoteReturn] = {}
        for page in self._return_pages(body, page_size=page_size, max_pages=max_pages):
            for each in page:
                # A return that changes between two pages is told twice: it moves to the end.
                found.pop(each.return_id, None)
                found[each.return_id] = each
        return tuple(found.values())

    def returns_updated_since(
        self, update_time_ge: datetime, *, max_pages: int = 10_000
    ) -> Iterator[tuple[RemoteReturn, ...]]:
        """The returns changed since an aware time, oldest change first, page by page as they are read.

        A return that changes meanwhile is told again, further on.
        """
        body = {"locale": "en-US", "update_time_ge": _unix(update_time_ge)}
        return self._return_pages(body, page_size=LARGEST_RETURN_PAGE, max_pages=max_pages)

    def _return_pages(
        self, body: Mapping[str, object], *, page_size: int, max_pages: int
    ) -> Iterator[tuple[RemoteReturn, ...]]:
        query = {
            "page_size": str(min(max(page_size, SMALLEST_RETURN_PAGE), LARGEST_RETURN_PAGE)),
            "sort_field": "update_time",
            "sort_order": "ASC",
        }
        for _ in range(max_pages):
            page = self._gateway.call(
                "POST", "/return_refund/202309/returns/search", read_return_page, query=query, body=body
            )
            yield page.returns
            if not page.next_page_token:
                return
            if page.next_page_token == query.get("page_token"):
                break
            query = {**query, "page_token": page.next_page_token}
        raise UnexpectedAnswerError(
            vendor="tiktok",
            method="POST",
            path="/return_refund/202309/returns/search",
            message=f"the search does not end: the same page again, or more than {max_pages} pages",
        )

    def return_records(self, return_id: str, *, locale: str = "en-US") -> tuple[ReturnRecord, ...]:
        """The return's history with the buyer's pictures (6.4)."""
        return self._gateway.call(
            "GET",
            "/return_refund/202309/returns/{}/records",
            read_return_records,
            ids=(return_id,),
            query={"locale": locale},
        )

    def reject_reasons(self, return_id: str, locale: str = "en-US") -> tuple[RejectReason, ...]:
        """The reasons that TikTok takes for this return. They differ by return: fetch right before rejecting (6.4)."""
        return self._gateway.call(
            "GET",
            "/return_refund/202309/reject_reasons",
            read_reject_reasons,
            query={"return_or_cancel_id": return_id, "locale": locale},
        )

    def approve_return(
        self, return_id: str, *, decision: str, buyer_keep_item: bool | None = None, idempotency_key: str = ""
    ) -> None:
        """Approve (6.4), for example with APPROVE_RETURN. `buyer_keep_item` goes with APPROVE_RETURN only.

        With an `idempotency_key` (at most 255 characters) it may be repeated. Raises ReturnStateError where the
        decision does not fit the return's state.
        """
        body: dict[str, object] = {"decision": decision}
        if buyer_keep_item is not None:
            body["buyer_keep_item"] = buyer_keep_item
        self._decide("/return_refund/202309/returns/{}/approve", return_id, body, idempotency_key)

    def reject_return(
        self, return_id: str, *, decision: str, reject_reason: str, comment: str = "", idempotency_key: str = ""
    ) -> None:
        """Reject (6.4), for example with REJECT_RETURN and one of `reject_reasons`. Otherwise as `approve_return`."""
        body = {"decision": decision, "reject_reason": reject_reason, **({"comment": comment} if comment else {})}
        self._decide("/return_refund/202309/returns/{}/reject", return_id, body, idempotency_key)

    def _decide(self, template: str, return_id: str, body: Mapping[str, object], idempotency_key: str) -> None:
        query = {"idempotency_key": idempotency_key} if idempotency_key else {}
        self._gateway.call(
            "POST", template, _nothing, ids=(return_id,), query=query, body=body, safe=bool(idempotency_key)
        )

    def upload_shipping_document(
        self,
        *,
        return_ids: Sequence[str],
        tracking_number: str,
        provider_id: str,
        label_pdf: bytes | None = None,
        qr_code: bytes | None = None,
        qr_content_type: str = "image/png",
    ) -> None:
        """Give the buyer a label, a QR code or both, for all returns of one parcel (6.3).

        TikTok takes it once for a return: AlreadyUploadedError (25021022) after an unclear answer is success, once
        `tracking_number` of `search_returns` says so. Raises ReturnStateError where the return does not wait for it,
        ValueError where there is nothing to upload.
        """
        if not return_ids or not (label_pdf or qr_code):
            raise ValueError("a label or a QR code, and the returns that it is for, are needed")
        files: dict[str, tuple[str, bytes, str]] = {}
        if label_pdf:
            files["return_shipping_label"] = ("label.pdf", label_pdf, "application/pdf")
        if qr_code:
            ending = qr_content_type.rpartition("/")[2]
            files["return_qr_code"] = (f"qr-code.{ending}", qr_code, qr_content_type)
        self._gateway.call(
            "POST",
            "/return_refund/202405/returns/shipping_documents",
            read_upload,
            query={"return_ids": ",".join(return_ids)},
            upload=Upload(fields={"tracking_number": tracking_number, "return_provider_id": provider_id}, files=files),
            safe=False,
        )

    # Logistics: where `provider_id` comes from (6.3)

    def warehouses(self) -> tuple[Warehouse, ...]:
        return self._gateway.call("GET", "/logistics/202309/warehouses", read_warehouses)

    def delivery_options(self, warehouse_id: str) -> tuple[DeliveryOption, ...]:
        return self._gateway.call(
            "GET", "/logistics/202309/warehouses/{}/delivery_options", read_delivery_options, ids=(warehouse_id,)
        )

    def shipping_providers(self, delivery_option_id: str) -> tuple[ShippingProvider, ...]:
        return self._gateway.call(
            "GET",
            "/logistics/202309/delivery_options/{}/shipping_providers",
            read_shipping_providers,
            ids=(delivery_option_id,),
        )


def _nothing(_data: JsonObject) -> None:
    """For calls whose answer says nothing beyond success."""


def _unix(moment: datetime | int) -> int:
    if isinstance(moment, int):
        return moment
    if moment.tzinfo is None:
        raise ValueError("a time without an offset could be any time")
    return int(moment.timestamp())


def _reference_body(entry: ExternalOrderReference) -> dict[str, object]:
    lines = [{"id": line.id, "origin_id": line.origin_id} for line in entry.external_order.line_items]
    external: dict[str, object] = {"id": entry.external_order.id, "platform": entry.external_order.platform}
    return {"id": entry.order_id, "external_order": {**external, **({"line_items": lines} if lines else {})}}
