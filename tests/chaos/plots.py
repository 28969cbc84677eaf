"""What buyers and the OMS do in the fault run: the kinds of the demo's story, drawn at random."""

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

from rebound_tts.demo.cast import Cast, Player
from rebound_tts.demo.sandbox_control import SandboxControl
from rebound_tts.demo.story import Bought, Story
from tests.chaos.auditor import Case

CANCELLED = "RETURN_OR_REFUND_REQUEST_CANCEL"
LATER_SECONDS = (0.0, 20.0)  # when what comes later comes: during the wait for the order, and after it


class Plots:
    """`start()` starts one parcel of a drawn kind; what happens later to it waits in `later`, with its delay."""

    def __init__(self, control: SandboxControl, cast: Cast, *, dice: random.Random) -> None:
        self.control = control
        self.cast = cast
        self.dice = dice
        self.story = Story(control, cast)
        self._lock = threading.Lock()
        self.later: list[tuple[float, Callable[[], Any]]] = []
        self.kinds: list[tuple[int, Callable[[Player], Case]]] = [
            (30, self.matched),
            (10, self.two_units),
            (6, self.same_sku_twice),
            (6, self.partly_matched),
            (6, self.order_unknown),
            (10, self.order_arrives),
            (4, self.ambiguous),
            (4, self.other_origin),
            (8, self.matching_off),
            (8, self.one_parcel),
            (6, self.qr_code),
            (4, self.refund_only),
            (8, self.cancelled),
        ]

    def start(self) -> Case:
        with self._lock:  # one dice, so that a seed repeats the draw
            weights = [weight for weight, _ in self.kinds]
            kind = self.dice.choices([make for _, make in self.kinds], weights)[0]
            player = self.dice.choice([self.cast.shopify, self.cast.oms])
        return kind(player)

    def due_later(self, now: float) -> Iterator[Callable[[], Any]]:
        with self._lock:
            due = [act for at, act in self.later if at <= now]
            self.later = [(at, act) for at, act in self.later if at > now]
        yield from due

    def _later(self, now: float, act: Callable[[], Any]) -> None:
        with self._lock:
            self.later.append((now + self.dice.uniform(*LATER_SECONDS), act))

    def webhook(self) -> dict[str, Any]:
        """How the notification of it travels: once, lost, three times, late, or telling an older state."""
        with self._lock:
            drawn = self.dice.random()
            if drawn < 0.10:
                return {"send": False}
            if drawn < 0.20:
                return {"send": True, "copies": 3}
            if drawn < 0.30:
                return {"send": True, "delay_seconds": self.dice.uniform(0.5, 6)}
            return {"send": True, "stale": drawn < 0.35}

    def _returned(self, kind: str, player: Player, bought: Bought, *lines: str, **more: Any) -> Case:
        truth = ("is_due", "is_cancelled", "external_order_id", "items")
        facts = {name: more.pop(name) for name in truth if name in more}
        made = self.control.post(
            "/returns",
            shop_id=player.shop_id,
            order_id=bought.order_id,
            order_line_item_ids=list(lines),
            webhook=self.webhook(),
            **more,
        )
        return Case(
            kind=kind,
            shop_id=player.shop_id,
            return_ids=tuple(each["return_id"] for each in made["returns"]),
            order_id=bought.order_id,
            combined_return_id=made.get("combined_return_id", ""),
            **facts,
        )

    def _synced(self, kind: str, player: Player, *lines: tuple[str, str, int], returned: int, **more: Any) -> Case:
        bought = self._number(self.story.buys(player, *lines))
        names = {line["id"]: f"{bought.external_order_id}-{line['sku']}" for line in bought.lines}
        self.story.references(player, bought, items=names)
        items = [(f"{bought.external_order_id}-{sku}", sku, price, quantity) for sku, price, quantity in lines]
        self.story.pushes(player, bought, *items)
        ids = [line["id"] for line in bought.lines][:returned]
        return self._returned(
            kind, player, bought, *ids, external_order_id=bought.external_order_id, items=names, **more
        )

    def _number(self, bought: Bought) -> Bought:
        """An OMS number of its own, however many threads buy: the story's own counter is one person's."""
        bought.external_order_id = f"SO-{bought.order_id[-12:]}"
        return bought

    def matched(self, player: Player) -> Case:
        return self._synced("matched", player, ("desk-lamp", "54.50", 1), returned=1)

    def two_units(self, player: Player) -> Case:
        return self._synced("two units", player, ("wool-socks", "9.90", 3), returned=2)

    def qr_code(self, player: Player) -> Case:
        return self._synced(
            "QR code", player, ("headphones", "89.00", 1), returned=1, return_shipping_document_type="QR_CODE"
        )

    def one_parcel(self, player: Player) -> Case:
        lines = (("trousers", "60.00", 1), ("sun-hat", "18.00", 1))
        return self._synced("one parcel", player, *lines, returned=2, combined=True)

    def refund_only(self, player: Player) -> Case:
        return self._synced(
            "refund only",
            player,
            ("candle", "12.00", 1),
            returned=1,
            is_due=False,
            return_type="REFUND",
            return_status="RETURN_OR_REFUND_REQUEST_PENDING",
        )

    def cancelled(self, player: Player) -> Case:
        case = self._synced(
            "cancelled", player, ("monitor-arm", "110.00", 1), returned=1, is_due=False, is_cancelled=True
        )
        (return_id,) = case.return_ids
        self._later(
            self.now(),
            lambda: self.control.post(f"/returns/{return_id}", return_status=CANCELLED, webhook=self.webhook()),
        )
        return case

    def same_sku_twice(self, player: Player) -> Case:
        bought = self._number(self.story.buys(player, ("rain-jacket", "120.00", 2)))
        first, second = (line["id"] for line in bought.lines)
        names = {first: f"full-{bought.order_id}", second: f"sale-{bought.order_id}"}
        self.story.references(player, bought, items=names)
        self.story.pushes(
            player,
            bought,
            (names[first], "rain-jacket", "120.00", 1),
            (names[second], "rain-jacket", "80.00", 1),
        )
        known = {"external_order_id": bought.external_order_id, "items": names}
        return self._returned("same SKU twice", player, bought, second, **known)

    def partly_matched(self, player: Player) -> Case:
        bought = self._number(self.story.buys(player, ("canvas-bag", "25.00", 2)))
        known, unknown = (line["id"] for line in bought.lines)
        names = {known: f"bag-{bought.order_id}"}
        self.story.references(player, bought, items=names)
        self.story.pushes(player, bought, (names[known], "canvas-bag", "25.00", 1))
        facts = {"external_order_id": bought.external_order_id, "items": names}
        return self._returned("partly matched", player, bought, known, unknown, **facts)

    def order_unknown(self, player: Player) -> Case:
        bought = self._number(self.story.buys(player, ("beanie", "15.00", 1)))
        self.story.references(player, bought, items={bought.lines[0]["id"]: "beanie-1"})
        return self._returned("order unknown", player, bought, bought.lines[0]["id"])

    def order_arrives(self, player: Player) -> Case:
        bought = self._number(self.story.buys(player, ("usb-hub", "34.00", 1)))
        names = {bought.lines[0]["id"]: f"hub-{bought.order_id}"}
        self.story.references(player, bought, items=names)
        (item,) = names.values()
        self._later(self.now(), lambda: self.story.pushes(player, bought, (item, "usb-hub", "34.00", 1)))
        known = {"external_order_id": bought.external_order_id, "items": names}
        return self._returned("order arrives", player, bought, bought.lines[0]["id"], **known)

    def ambiguous(self, player: Player) -> Case:
        bought = self._number(self.story.buys(player, ("scarf", "22.00", 1)))
        line = bought.lines[0]["id"]
        self.story.references(player, bought, items={line: "scarf-1"})
        self.story.references(player, bought, items={line: "scarf-9"}, external_order_id="SO-OTHER", append=True)
        self.story.pushes(player, bought, ("scarf-1", "scarf", "22.00", 1))
        return self._returned("ambiguous", player, bought, line)

    def other_origin(self, player: Player) -> Case:
        bought = self._number(self.story.buys(player, ("belt", "30.00", 1)))
        self.story.references(player, bought, items={bought.lines[0]["id"]: "belt-1"}, platform="MAGENTO")
        self.story.pushes(player, bought, ("belt-1", "belt", "30.00", 1))
        return self._returned("other origin", player, bought, bought.lines[0]["id"])

    def matching_off(self, player: Player) -> Case:
        off = self.cast.off
        bought = self._number(self.story.buys(off, ("outlet-tee", "8.00", 1)))
        return self._returned("matching off", off, bought, bought.lines[0]["id"])

    now: Callable[[], float]
