"""A shop whose orders are checked against the sandbox, with a worker that runs in the test's own thread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from matching.coverage import pace
from matching.coverage.models import CoverageCheck, CoverageOrder
from matching.coverage.running import carry_on, claim_next
from matching.coverage.services import start_check
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Bought, Story
from tests.conftest import Clock
from tests.merchants.wizard.conftest import signed_in_as as signed_in_as

MOST_ROUNDS = 30


@dataclass(frozen=True)
class Checked:
    """The story, and checks of its first shop."""

    story: Story
    clock: Clock

    @property
    def player(self) -> Player:
        return self.story.cast.shopify

    @property
    def sandbox(self) -> Any:
        return self.story.sandbox

    def buys(self, **options: Any) -> Bought:
        return self.story.buys(self.player, ("tea-towel", "12.50", 1), **options)

    def synced(self, count: int = 1) -> list[Bought]:
        return [self.story.synced(self.player, ("tea-towel", "12.50", 1)) for _ in range(count)]

    def half_synced(
        self, *, at_tiktok: str, pushed: str, item_at_tiktok: str = "1", item_pushed: str = "1", platform: str = ""
    ) -> Bought:
        """An order that is called one thing at TikTok and another at ReBound; "" for not at all."""
        bought = self.buys()
        if at_tiktok:
            items = {bought.lines[0]["id"]: item_at_tiktok} if item_at_tiktok else {}
            self.story.references(self.player, bought, items=items, external_order_id=at_tiktok, platform=platform)
        if pushed:
            renamed = Bought(bought.order_id, pushed, bought.lines)
            self.story.pushes(self.player, renamed, (item_pushed, "tea-towel", "12.50", 1))
        return bought

    def start(self, *, size: int = 20, **options: Any) -> CoverageCheck:
        self.player.shop.refresh_from_db()
        return start_check(shop=self.player.shop, sample_size=size, now=timezone.now(), **options)

    def run(self, check: CoverageCheck | None = None, **options: Any) -> CoverageCheck:
        """Carry a check on as workers would, until it ends."""
        check = check or self.start(**options)
        for _ in range(MOST_ROUNDS):
            claimed = claim_next(now=timezone.now(), at_once=1)
            if claimed is not None:
                carry_on(claimed[0], token=claimed[1])
            check.refresh_from_db()
            if not check.is_active:
                return check
            self.clock.advance(seconds=max((check.next_attempt_at - timezone.now()).total_seconds(), 0) + 0.01)
        raise AssertionError(f"Still active after {MOST_ROUNDS} rounds: {vars(check)}")

    def order(self, check: CoverageCheck, bought: Bought) -> CoverageOrder:
        return check.orders.get(order_id=bought.order_id)

    def reasons(self, check: CoverageCheck, *bought: Bought) -> list[tuple[str, str]]:
        return [(row.outcome, row.reason) for row in (self.order(check, each) for each in bought)]

    def calls(self) -> dict[str, int]:
        return {name: count for name, count in self.sandbox.get("/calls")["by_endpoint"].items() if "token" not in name}

    def fault(self, remote: str, kind: str, **options: Any) -> None:
        self.sandbox.post("/faults", remote=remote, kind=kind, **options)


@pytest.fixture
def checked(story: Story, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Checked:
    monkeypatch.setattr(pace, "FIRST_BACKOFF", 0.001)
    story.sandbox.post("/calls/reset")
    return Checked(story, clock)


@pytest.fixture
def kinds() -> Callable[[CoverageCheck], dict[str, int]]:
    """The findings of a check: how many orders each concerns."""
    return lambda check: {finding["kind"]: finding["count"] for finding in check.findings}
