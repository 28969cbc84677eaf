"""A sandbox's shop with clients, for matching without the journey around it."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from matching.matcher import ReturnedLine
from matching.models import Match
from matching.services import ReturnToMatch, current_match, match_return
from merchants.connections import rebound_for, tiktok_for
from rebound_tts.demo.cast import Player
from rebound_tts.demo.story import Bought, Story


@dataclass(frozen=True)
class Desk:
    """One shop, and a decision on any return of its orders."""

    story: Story
    player: Player

    def matches(self, bought: Bought, *lines: int, return_id: str = "R1") -> Match:
        returned = tuple(
            ReturnedLine(return_line_item_id=f"{return_id}-{line}", order_line_item_id=bought.lines[line]["id"])
            for line in lines or (0,)
        )
        shop = self.player.shop
        return match_return(
            shop=shop,
            subject=ReturnToMatch(return_id=return_id, tiktok_order_id=bought.order_id, lines=returned),
            tiktok=tiktok_for(shop),
            rebound=rebound_for(shop.rebound_account),
            now=timezone.now(),
            known=current_match(shop=shop, return_id=return_id),
        )

    def calls(self) -> dict[str, Any]:
        return dict(self.story.sandbox.get("/calls")["by_endpoint"])


@pytest.fixture
def desk(story: Story) -> Desk:
    return Desk(story, story.cast.shopify)
