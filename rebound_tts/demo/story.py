"""The story: what buyers, the OMS and the remotes do, and what must come of it, return by return."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from matching.candidates import find_order, suggestions_for
from merchants.connections import rebound_for
from rebound_tts.demo.cast import Cast, Player
from rebound_tts.demo.sandbox_control import SandboxControl
from returns import by_hand
from returns.arrivals import wake_for_orders
from returns.models import TikTokReturn
from returns.steps.match import subject_of


@dataclass(frozen=True)
class Expected:
    """What must be true of a return in the end."""

    title: str
    player: Player
    return_id: str
    status: str = "DONE"
    outcome: str = "MATCHED"  # "" for a return that is never matched
    reason: str = ""  # the match's, or else the rest's
    kind: str = "LINKED"  # "" for a return without a ReBound return
    label: str = "application/pdf"  # what the buyer sees; "" for nothing
    rebound_status: str = "ACTIVE"
    shares_label_with: str = ""
    units: int = 1  # units that the ReBound return links to the sales order
    milestone: str = ""  # what ReBound told of the parcel last


@dataclass
class Bought:
    """An order at TikTok and what its OMS calls it."""

    order_id: str
    external_order_id: str
    lines: list[dict[str, Any]]
    sales_items: list[dict[str, Any]] = field(default_factory=list)


class Story:
    """Each chapter starts returns and says what must come of them; `later` acts once the first part is under way."""

    def __init__(self, sandbox: SandboxControl, cast: Cast) -> None:
        self.sandbox = sandbox
        self.cast = cast
        self.later: list[Callable[[], None]] = []
        self.after_delivery: list[Callable[[], None]] = []
        self._number = 1000

    # What people do

    def buys(self, player: Player, *lines: tuple[str, str, int]) -> Bought:
        """A buyer buys (sku, price, quantity) in TikTok; the OMS gives the order a number."""
        made = self.sandbox.post(
            "/orders",
            shop_id=player.shop_id,
            country="GB",
            currency="GBP",
            lines=[{"sku": sku, "price": price, "quantity": quantity} for sku, price, quantity in lines],
        )
        self._number += 1
        return Bought(order_id=made["order_id"], external_order_id=f"SO-{self._number}", lines=made["line_items"])

    def references(
        self, player: Player, bought: Bought, *, items: dict[str, str], platform: str = "", **more: Any
    ) -> None:
        """The OMS writes its ids to TikTok: TikTok line id to OMS item id."""
        self.sandbox.post(
            "/references",
            shop_id=player.shop_id,
            order_id=bought.order_id,
            platform=platform or player.shop.platform_origin,
            external_order_id=more.pop("external_order_id", bought.external_order_id),
            line_items=[{"id": external, "origin_id": line} for line, external in items.items()],
            **more,
        )

    def pushes(self, player: Player, bought: Bought, *items: tuple[str, str, str, int]) -> None:
        """The OMS pushes the order to ReBound: (omsItemId, sku, price, quantity) an item."""
        self.sandbox.post(
            "/sales-orders",
            client_id=player.client_id,
            order={
                "clientOrderId": bought.external_order_id,
                "clientMetadata": [{"key": "omsOrderId", "value": bought.external_order_id}],
                "customerAddress": {
                    "firstName": "Ada",
                    "lastName": "Okafor",
                    "addressLine1": "14 Quay Street",
                    "city": "Bristol",
                    "postalCode": "BS1 4DJ",
                    "countryCode": "GB",
                    "email": "ada@example.com",
                },
                "salesItems": [
                    {
                        "sku": sku,
                        "description": sku.replace("-", " ").title(),
                        "quantity": quantity,
                        "price": price,
                        "currencyCode": "GBP",
                        "hsCode": "6109100010",
                        "countryOfOrigin": "PT",
                        "weight": "0.35",
                        "weightUnit": "kg",
                        "clientMetadata": [{"key": "omsItemId", "value": oms_item_id}],
                    }
                    for oms_item_id, sku, price, quantity in items
                ],
            },
        )

    def returns(self, player: Player, bought: Bought, *line_ids: str, **options: Any) -> list[str]:
        """The buyer starts a return of these lines; answers TikTok's return ids, one a SKU."""
        made = self.sandbox.post(
            "/returns",
            shop_id=player.shop_id,
            order_id=bought.order_id,
            order_line_item_ids=list(line_ids),
            **options,
        )
        return [each["return_id"] for each in made["returns"]]

    def synced(self, player: Player, *lines: tuple[str, str, int]) -> Bought:
        """An order whose references and items are all where they belong: one OMS item a SKU, its units as quantity."""
        bought = self.buys(player, *lines)
        items = {line["id"]: f"{bought.external_order_id}-{line['sku']}" for line in bought.lines}
        self.references(player, bought, items=items)
        self.pushes(
            player,
            bought,
            *((f"{bought.external_order_id}-{sku}", sku, price, quantity) for sku, price, quantity in lines),
        )
        return bought

    # The chapters

    def first_chapter(self) -> list[Expected]:
        """Alone, since the fault strikes whoever posts first: ReBound creates the return and drops the connection."""
        player = self.cast.shopify
        bought = self.synced(player, ("linen-shirt", "39.00", 1))
        self.sandbox.post("/faults", remote="rebound", method="POST", path_contains="/return-orders", kind="drop_after")
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])
        return [Expected("ReBound answers after the connection dropped", player, return_id)]

    def chapters(self) -> list[Expected]:
        return [
            self.all_matched(),
            self.two_units(),
            self.same_sku_twice(),
            self.partly_matched(),
            self.order_unknown(),
            self.order_arrives(),
            self.ambiguous(),
            self.other_origin(),
            self.matching_off(),
            *self.one_parcel(),
            self.qr_code(),
            self.disorder(),
            self.refund_only(),
            self.cancelled(),
            self.linked_late(),
            self.linked_by_hand(),
            self.delivered_back(),
        ]

    def all_matched(self) -> Expected:
        player = self.cast.oms
        bought = self.synced(player, ("desk-lamp", "54.50", 1))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])
        return Expected("All matched", player, return_id)

    def two_units(self) -> Expected:
        player = self.cast.shopify
        bought = self.synced(player, ("wool-socks", "9.90", 3))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"], bought.lines[1]["id"])
        return Expected("Two units of one order line", player, return_id, units=2)

    def same_sku_twice(self) -> Expected:
        """Two OMS items of one SKU at two prices: the item id decides, not the SKU."""
        player = self.cast.shopify
        bought = self.buys(player, ("rain-jacket", "120.00", 2))
        first, second = (line["id"] for line in bought.lines)
        self.references(player, bought, items={first: "item-full-price", second: "item-on-sale"})
        self.pushes(
            player,
            bought,
            ("item-full-price", "rain-jacket", "120.00", 1),
            ("item-on-sale", "rain-jacket", "80.00", 1),
        )
        (return_id,) = self.returns(player, bought, second)
        return Expected("Same SKU on two lines", player, return_id)

    def partly_matched(self) -> Expected:
        player = self.cast.shopify
        bought = self.buys(player, ("canvas-bag", "25.00", 2))
        known, unknown = (line["id"] for line in bought.lines)
        self.references(player, bought, items={known: "bag-1"})
        self.pushes(player, bought, ("bag-1", "canvas-bag", "25.00", 1))
        (return_id,) = self.returns(player, bought, known, unknown)
        return Expected("Partly matched", player, return_id, outcome="PARTLY_MATCHED", reason="ITEM_REF_MISSING")

    def order_unknown(self) -> Expected:
        player = self.cast.shopify
        bought = self.buys(player, ("beanie", "15.00", 1))
        self.references(player, bought, items={bought.lines[0]["id"]: "beanie-1"})
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])
        return Expected(
            "Order unknown, the wait runs out",
            player,
            return_id,
            outcome="NO_MATCH",
            reason="ORDER_NOT_SYNCED",
            kind="DIRECT",
            units=0,
        )

    def order_arrives(self) -> Expected:
        player = self.cast.oms
        bought = self.buys(player, ("usb-hub", "34.00", 1))
        self.references(player, bought, items={bought.lines[0]["id"]: "hub-1"})
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])
        self.later.append(lambda: self.pushes(player, bought, ("hub-1", "usb-hub", "34.00", 1)))
        return Expected("Order arrives during the wait", player, return_id)

    def ambiguous(self) -> Expected:
        player = self.cast.shopify
        bought = self.synced(player, ("scarf", "22.00", 1))
        self.references(
            player, bought, items={bought.lines[0]["id"]: "scarf-9"}, external_order_id="SO-OTHER", append=True
        )
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])
        return Expected(
            "Ambiguous reference",
            player,
            return_id,
            outcome="NO_MATCH",
            reason="AMBIGUOUS_REF",
            kind="DIRECT",
            units=0,
        )

    def other_origin(self) -> Expected:
        player = self.cast.shopify
        bought = self.buys(player, ("belt", "30.00", 1))
        self.references(player, bought, items={bought.lines[0]["id"]: "belt-1"}, platform="MAGENTO")
        self.pushes(player, bought, ("belt-1", "belt", "30.00", 1))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])
        return Expected(
            "Reference under another origin",
            player,
            return_id,
            outcome="NO_MATCH",
            reason="REF_UNDER_OTHER_ORIGIN",
            kind="DIRECT",
            units=0,
        )

    def matching_off(self) -> Expected:
        player = self.cast.off
        bought = self.buys(player, ("outlet-tee", "8.00", 1))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])
        return Expected(
            "Matching off", player, return_id, outcome="NOT_ASKED", reason="MATCHING_OFF", kind="DIRECT", units=0
        )

    def one_parcel(self) -> list[Expected]:
        player = self.cast.shopify
        bought = self.synced(player, ("trousers", "60.00", 1), ("sun-hat", "18.00", 1))
        first, second = self.returns(player, bought, *(line["id"] for line in bought.lines), combined=True)
        return [
            Expected("Combined return, first of two", player, first, units=2),
            Expected("Combined return, second of two", player, second, units=2, shares_label_with=first),
        ]

    def qr_code(self) -> Expected:
        player = self.cast.oms
        bought = self.synced(player, ("headphones", "89.00", 1))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"], return_shipping_document_type="QR_CODE")
        return Expected("QR code instead of a label", player, return_id, label="image/png")

    def disorder(self) -> Expected:
        """The same notification three times, then an older one that says the return is still pending."""
        player = self.cast.oms
        bought = self.synced(player, ("keyboard", "70.00", 1))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"], webhook={"send": True, "copies": 3})
        old = {
            "order_id": bought.order_id,
            "return_role": "BUYER",
            "return_type": "RETURN_AND_REFUND",
            "return_status": "RETURN_OR_REFUND_REQUEST_PENDING",
            "return_id": return_id,
            "create_time": 1_767_225_600,
            "update_time": 1_767_225_600,
        }
        self.later.append(
            lambda: self.sandbox.post("/webhooks", type=12, shop_id=player.shop_id, data=old, timestamp=1_767_225_601)
        )
        return Expected("Duplicate and out-of-order webhooks", player, return_id)

    def refund_only(self) -> Expected:
        player = self.cast.shopify
        bought = self.synced(player, ("candle", "12.00", 1))
        (return_id,) = self.returns(
            player,
            bought,
            bought.lines[0]["id"],
            return_type="REFUND",
            return_status="RETURN_OR_REFUND_REQUEST_PENDING",
        )
        return Expected(
            "Refund only: needs nothing",
            player,
            return_id,
            status="NOT_OURS",
            outcome="",
            reason="REFUND_ONLY",
            kind="",
            label="",
            units=0,
        )

    def cancelled(self) -> Expected:
        player = self.cast.oms
        bought = self.synced(player, ("monitor-arm", "110.00", 1))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])
        self.after_delivery.append(
            lambda: self.sandbox.post(f"/returns/{return_id}", return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
        )
        return Expected("Cancelled by the buyer", player, return_id, status="CANCELLED", rebound_status="CANCELLED")

    def linked_late(self) -> Expected:
        """It goes direct when the wait runs out. Then the order comes after all, and the return is linked to it."""
        player = self.cast.oms
        bought = self.buys(player, ("bike-bell", "16.00", 1))
        self.references(player, bought, items={bought.lines[0]["id"]: "bell-1"})
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])

        def arrives() -> None:
            self.pushes(player, bought, ("bell-1", "bike-bell", "16.00", 1))
            wake_for_orders(player.shop.merchant, [bought.external_order_id])

        self.after_delivery.append(arrives)
        return Expected("Order arrives days later: linked late", player, return_id)

    def linked_by_hand(self) -> Expected:
        """TikTok never got a reference. A manager finds the order by its number, and takes the item of the same SKU."""
        player = self.cast.shopify
        bought = self.buys(player, ("tea-pot", "42.00", 1))
        self.pushes(player, bought, ("pot-1", "tea-pot", "42.00", 1))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])

        def manager_links() -> None:
            shop, now = player.shop, timezone.now()
            row = TikTokReturn.objects.for_merchant(shop.merchant).get(shop=shop, return_id=return_id)
            rebound = rebound_for(row.shop.rebound_account)
            (order,) = find_order(shop=shop, external_order_id=bought.external_order_id, rebound=rebound, now=now)
            lines = subject_of(row, lines=list(row.items.all())).lines
            suggested = suggestions_for(shop=shop, return_id=return_id, lines=lines, order=order)
            items = {each.return_line_item_id: each.item.pk for each in suggested}
            reason = "The buyer's invoice names the order"
            by_hand.link(tiktok_return=row, sales_order=order, items=items, by="demo", reason=reason, now=now)

        self.after_delivery.append(manager_links)
        return Expected("No reference: linked by hand", player, return_id)

    def delivered_back(self) -> Expected:
        """ReBound tells that the parcel came back."""
        player = self.cast.oms
        bought = self.synced(player, ("webcam", "45.00", 1))
        (return_id,) = self.returns(player, bought, bought.lines[0]["id"])

        def comes_back() -> None:
            row = TikTokReturn.objects.for_merchant(player.shop.merchant).get(shop=player.shop, return_id=return_id)
            held = row.rebound_return
            for kind in ("RETURN_ENTERED_NETWORK", "RETURN_DELIVERED"):
                self.sandbox.post(f"/return-orders/{held.rebound_id if held else ''}/events", type=kind)

        self.after_delivery.append(comes_back)
        return Expected("Parcel delivered: ReBound's events", player, return_id, milestone="DELIVERED")
