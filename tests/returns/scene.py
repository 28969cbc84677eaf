"""What the tests of this folder ask of the world: what ReBound holds, what the buyer sees, and time that passes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Min
from django.utils import timezone

from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Expected, Story
from rebound_tts.demo.verdict import judge
from returns.hints import Hint, take_hints
from returns.late import look_late
from returns.models import ReboundReturn, StepAttempt, TikTokReturn
from returns.services import run_again

SEARCH = "tiktok POST /return_refund/202309/returns/search"
UPLOAD = "tiktok POST /return_refund/202405/returns/shipping_documents"
CREATION = "rebound POST /return-orders"


@dataclass(frozen=True)
class Scene:
    """The story, its workers and a clock that a test moves. TikTok tells by hints; test_journey.py sends webhooks."""

    story: Story
    work: Callable[[], int]
    clock: Any

    @property
    def sandbox(self) -> Any:
        return self.story.sandbox

    def fault(self, remote: str, kind: str, **options: Any) -> None:
        self.sandbox.post("/faults", remote=remote, kind=kind, **options)

    def mends(self) -> None:
        """No fault is left."""
        self.sandbox._session.delete(f"{self.sandbox._url}/faults").raise_for_status()

    def settings(self, **values: Any) -> None:
        self.sandbox.post("/settings", **values)

    def starts(self, *expected: Expected) -> None:
        """TikTok tells of these returns, and workers take them up."""
        for each in expected:
            self.hints(each.player, each.return_id)
        self.work()

    def hints(self, player: Player, return_id: str) -> None:
        take_hints([Hint(player.shop, return_id, correlation_id="c" * 32)], now=timezone.now())

    def changes(self, player: Player, return_id: str, **changes: Any) -> None:
        """TikTok changes the return and says so. A second later than before, as its times have whole seconds."""
        shown = self.tiktok(return_id)
        later = shown["update_time"] + 1
        self.sandbox.post(f"/returns/{return_id}", webhook={"send": False}, **{"update_time": later, **changes})
        self.hints(player, return_id)
        self.work()

    def passes(self, **duration: float) -> None:
        """Time passes; what comes due on the way is done when it does."""
        end = timezone.now() + timedelta(**duration)
        while True:
            planned = TikTokReturn.objects.aggregate(Min("next_attempt_at"))["next_attempt_at__min"]
            late = ReboundReturn.objects.filter(tiktok_returns__status="DONE").aggregate(Min("late_look_at"))
            moments = [moment for moment in (planned, late["late_look_at__min"]) if moment is not None]
            if not moments or min(moments) > end:
                break
            self._moves_to(min(moments))
            look_late(now=timezone.now())
            self.work()
        self._moves_to(end)

    def _moves_to(self, moment: Any) -> None:
        ahead = (moment - timezone.now()).total_seconds()
        if ahead > 0:
            self.clock.advance(seconds=ahead + 0.001)

    def runs_again(self, *expected: Expected) -> None:
        """A person presses "Run again"."""
        run_again([self.row(each.return_id) for each in expected], now=timezone.now())
        self.work()

    # What is to be seen

    def row(self, return_id: str) -> TikTokReturn:
        return TikTokReturn.objects.select_related("rebound_return__label", "shop").get(return_id=return_id)

    def rest(self, return_id: str) -> tuple[str, str]:
        return TikTokReturn.objects.values_list("status", "reason").get(return_id=return_id)

    def tiktok(self, return_id: str) -> dict[str, Any]:
        (found,) = (each for each in self.sandbox.get("/state")["returns"] if each["return_id"] == return_id)
        return found

    def uploads(self, return_id: str) -> list[str]:
        """The tracking numbers of what was uploaded for a return."""
        return [upload["tracking_number"] for upload in self.tiktok(return_id).get("uploads", [])]

    def at_rebound(self) -> list[dict[str, Any]]:
        """Every return that ReBound holds, the oldest first."""
        return list(self.sandbox.get("/state")["return_orders"])

    def calls(self) -> dict[str, int]:
        return dict(self.sandbox.get("/calls")["by_endpoint"])

    def differences(self, expected: Expected) -> tuple[str, ...]:
        """Every difference between what is and what the story expects."""
        held: dict[str, list[dict[str, Any]]] = {}
        for order in self.at_rebound():
            held.setdefault(order["rmaNumber"], []).append(order)
        return judge(expected, sandbox=self.sandbox, return_orders=held).differences

    def steps(self, return_id: str) -> list[tuple[str, str]]:
        tries = StepAttempt.objects.filter(tiktok_return__return_id=return_id).order_by("pk")
        return list(tries.values_list("step", "outcome"))

    def buys_and_returns(self, player: Player, **options: Any) -> Expected:
        """One unit bought, with references and sales order where they belong, and its return."""
        bought = self.story.synced(player, ("tea-towel", "12.50", 1))
        (return_id,) = self.story.returns(player, bought, bought.lines[0]["id"], webhook={"send": False}, **options)
        return Expected("", player, return_id)
