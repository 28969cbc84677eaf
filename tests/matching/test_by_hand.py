"""Decisions by hand among those of the rules: whatever the order of events, units hold and a person's word stands."""

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching import services
from matching.by_hand import LinkRefusedError, link_match, take_back, unlink_match
from matching.decision import ReturnedLine
from matching.matcher import Reference, ReferenceLine
from matching.models import ItemMatch, SalesOrder, SalesOrderItem
from matching.services import LookedUp, ReturnToMatch, current_match, release_match
from merchants.models import Shop
from tests.conftest import in_threads
from tests.factories import SalesOrderFactory, SalesOrderItemFactory, ShopFactory

RETURNS, UNITS = ("R1", "R2", "R3"), 2
ACTS = st.tuples(
    st.sampled_from(["rules", "link", "link both", "unlink", "take back", "cancel"]), st.sampled_from(RETURNS)
)


class Undo(Exception):
    """Ends an example's transaction without a trace."""


def subject(return_id: str, units: int = 2) -> ReturnToMatch:
    lines = tuple(ReturnedLine(f"{return_id}-{n}", f"O-{return_id}-{n}", "cap") for n in range(units))
    return ReturnToMatch(return_id, "5764", lines)


def rules_decide(shop: Shop, return_id: str, order: SalesOrder, item: SalesOrderItem) -> None:
    """As `match_return` does, with the look-ups answered."""
    lines = tuple(ReferenceLine(item.external_item_id, line.order_line_item_id) for line in subject(return_id).lines)
    looked_up = LookedUp(references=(Reference(order.external_order_id, shop.platform_origin, lines),))
    services._decide_and_store(
        shop=shop,
        subject=subject(return_id),
        looked_up=looked_up,
        now=timezone.now(),
        known=current_match(shop=shop, return_id=return_id),
        only_answers=False,
        provided=None,
    )


@pytest.mark.django_db(transaction=True)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTS, max_size=12))
def test_units_hold_and_a_persons_word_stands_in_any_order(acts: list[tuple[str, str]]) -> None:
    try:
        with transaction.atomic():
            shop = ShopFactory()
            order = SalesOrderFactory(merchant=shop.merchant)
            item = SalesOrderItemFactory(order=order, quantity=UNITS, sku="cap")
            for kind, return_id in acts:
                before = current_match(shop=shop, return_id=return_id)
                carry_out(kind, return_id, shop=shop, order=order, item=item)
                after = current_match(shop=shop, return_id=return_id)
                held = ItemMatch.objects.filter(item=item, released_at=None, match__superseded_at=None).count()
                assert held == ItemMatch.objects.filter(item=item, released_at=None).count() <= UNITS
                if kind == "rules" and before is not None and before.is_by_hand:
                    assert after == before
            raise Undo
    except Undo:
        pass


def carry_out(kind: str, return_id: str, *, shop: Shop, order: SalesOrder, item: SalesOrderItem) -> None:
    said: dict[str, Any] = {"shop": shop, "by": "ines", "note": "why", "now": timezone.now()}
    current = current_match(shop=shop, return_id=return_id)
    if kind == "rules":
        rules_decide(shop, return_id, order, item)
    elif kind.startswith("link"):
        chosen = [f"{return_id}-0", f"{return_id}-1"][: 2 if kind == "link both" else 1]
        try:
            link_match(subject=subject(return_id), sales_order=order, items=dict.fromkeys(chosen, item.pk), **said)
        except LinkRefusedError:
            assert current_match(shop=shop, return_id=return_id) == current
    elif kind == "unlink":
        unlink_match(subject=subject(return_id), **said)
    elif kind == "cancel":
        release_match(shop=shop, return_id=return_id, now=timezone.now())
    elif current is not None and current.is_by_hand:
        assert take_back(current, now=timezone.now())


def test_two_people_never_take_the_same_unit(shared_database: None) -> None:
    shop = ShopFactory()
    order = SalesOrderFactory(merchant=shop.merchant)
    item = SalesOrderItemFactory(order=order, quantity=1, sku="cap")

    def links(number: int) -> str:
        return_id = f"R{number}"
        try:
            link_match(
                shop=shop,
                subject=subject(return_id, units=1),
                sales_order=order,
                items={f"{return_id}-0": item.pk},
                by="ines",
                note="why",
                now=timezone.now(),
            )
        except LinkRefusedError as error:
            return str(error)
        return "linked"

    said = in_threads(4, links)
    assert said.count("linked") == 1
    assert all("1 ordered, 1 in other returns" in each for each in said if each != "linked")
    assert ItemMatch.objects.filter(released_at=None).count() == 1


@pytest.mark.django_db
def test_item_that_took_over_anothers_id_took_over_its_units() -> None:
    shop = ShopFactory()
    order = SalesOrderFactory(merchant=shop.merchant)
    gone = SalesOrderItemFactory(order=order, quantity=1, external_item_id="i1", sku="cap")
    said: dict[str, Any] = {"shop": shop, "by": "ines", "note": "why", "now": timezone.now(), "sales_order": order}
    link_match(subject=subject("R1", units=1), items={"R1-0": gone.pk}, **said)
    gone.removed_at = timezone.now()
    gone.save()
    heir = SalesOrderItemFactory(order=order, quantity=1, external_item_id="i1", sku="cap")
    with pytest.raises(LinkRefusedError, match="1 in other returns"):
        link_match(subject=subject("R2", units=1), items={"R2-0": heir.pk}, **said)
    with pytest.raises(LinkRefusedError, match="no longer part of the order"):
        link_match(subject=subject("R2", units=1), items={"R2-0": gone.pk}, **said)
