"""Candidates: which orders are shown to a person, for which reason, and that they decide nothing."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from matching.candidates import Hint, NoSafeCandidateError, candidates_for, safe_candidate, suggestions_for
from matching.decision import ReturnedLine
from matching.models import Match, SalesOrder
from matching.services import ReturnToMatch
from merchants.models import Shop
from tests.factories import (
    ItemMatchFactory,
    MatchFactory,
    SalesOrderFactory,
    SalesOrderItemFactory,
    ShopFactory,
)

pytestmark = pytest.mark.django_db
SUBJECT = ReturnToMatch("R1", "576461413038785752", ())


@pytest.fixture
def shop() -> Shop:
    return ShopFactory()


def unmatched(shop: Shop, *, reference: str, reason: str = "ORDER_NOT_SYNCED") -> Match:
    trail = [{"rule": "reference", "compared": [["reference's id", reference]], "concluded": ""}]
    return MatchFactory(
        shop=shop, return_id="R1", outcome="NO_MATCH", reason=reason, sales_order=None, trail=trail, is_curable=True
    )


def hints(shop: Shop) -> dict[str, tuple[Hint, ...]]:
    return {each.order.external_order_id: each.hints for each in candidates_for(shop=shop, subject=SUBJECT)}


@pytest.mark.parametrize(
    ("reference", "order", "hint"),
    [
        ("SO-1001", "SO-1001", Hint.SAME_ID),
        ("SO-1001", "so-1001", Hint.OTHER_CASE),
        ("SO-1001", "SO-0001001", Hint.OTHER_ZEROS),
        ("0001001", "1001", Hint.OTHER_ZEROS),
        ("1001", "SO-1001", Hint.OTHER_PREFIX),
        ("SO-1001", "1001", Hint.OTHER_PREFIX),
        ("1001", "#1001", Hint.OTHER_PREFIX),
        ("1001", "1001-UK", Hint.OTHER_PREFIX),
    ],
)
def test_candidate_says_how_its_id_differs(shop: Shop, reference: str, order: str, hint: Hint) -> None:
    unmatched(shop, reference=reference)
    SalesOrderFactory(merchant=shop.merchant, external_order_id=order)
    SalesOrderFactory(merchant=shop.merchant, external_order_id="SO-10012")
    SalesOrderFactory(merchant=shop.merchant, external_order_id="ANOTHER-5")
    assert hints(shop) == {order: (hint,)}


def test_candidate_under_the_shops_rules_says_so(shop: Shop) -> None:
    shop.id_strip_prefix = "SO-"
    unmatched(shop, reference="SO-1001", reason="AMBIGUOUS_ORDER")
    SalesOrderFactory(merchant=shop.merchant, external_order_id="1001")
    assert hints(shop) == {"1001": (Hint.SAME_UNDER_RULES,)}


def test_candidate_by_rebounds_id_and_by_the_tiktok_order(shop: Shop) -> None:
    unmatched(shop, reference="4711")
    SalesOrderFactory(merchant=shop.merchant, external_order_id="A-1", rebound_id="4711")
    SalesOrderFactory(
        merchant=shop.merchant,
        external_order_id="A-2",
        payload={"clientMetadata": [{"key": "ttsOrderId", "value": SUBJECT.tiktok_order_id}]},
    )
    SalesOrderFactory(
        merchant=shop.merchant, external_order_id="A-3", payload={"clientMetadata": {"ttsOrderId": "5764"}}
    )
    SalesOrderFactory(merchant=shop.merchant, external_order_id=SUBJECT.tiktok_order_id)
    assert hints(shop) == {
        "A-2": (Hint.NAMES_THE_TIKTOK_ORDER,),
        "A-1": (Hint.REBOUND_ID,),
        SUBJECT.tiktok_order_id: (Hint.IS_THE_TIKTOK_ID,),
    }


def test_candidates_come_strongest_first_with_their_caution(shop: Shop) -> None:
    unmatched(shop, reference="SO-1")
    SalesOrderFactory(merchant=shop.merchant, external_order_id="so-1")
    SalesOrderFactory(merchant=shop.merchant, external_order_id="SO-1", cancelled_at=timezone.now())
    SalesOrderFactory(merchant=shop.merchant, external_order_id="1", rebound_id="")
    found = candidates_for(shop=shop, subject=SUBJECT)
    assert [(each.order.external_order_id, each.caution.split(":")[0]) for each in found] == [
        ("SO-1", "It was cancelled"),
        ("so-1", ""),
        ("1", "ReBound does not hold it yet"),
    ]


def test_candidates_of_another_merchant_are_never_shown(shop: Shop) -> None:
    unmatched(shop, reference="SO-1")
    SalesOrderFactory(external_order_id="SO-1", rebound_id="SO-1")
    SalesOrderFactory(external_order_id=SUBJECT.tiktok_order_id)
    SalesOrderFactory(external_order_id="X", payload={"clientMetadata": {"ttsOrderId": SUBJECT.tiktok_order_id}})
    assert candidates_for(shop=shop, subject=SUBJECT) == []


@pytest.mark.parametrize("orders", [1, 3])
def test_candidates_take_the_same_queries_however_many(shop: Shop, orders: int) -> None:
    unmatched(shop, reference="1001")
    for number in range(orders):
        SalesOrderFactory(merchant=shop.merchant, external_order_id=f"{'#' * number}1001")
    with CaptureQueriesContext(
        connection,
    ) as captured:
        candidates_for(shop=shop, subject=SUBJECT)
    assert len(captured) <= 8


def test_nothing_is_stored(shop: Shop) -> None:
    match = unmatched(shop, reference="SO-1")
    SalesOrderFactory(merchant=shop.merchant, external_order_id="SO-1")
    candidates_for(shop=shop, subject=SUBJECT)
    assert (Match.objects.get(), SalesOrder.objects.count()) == (match, 1)


# The SKU suggestion


def partly(shop: Shop, *skus: tuple[str, int]) -> Match:
    order = SalesOrderFactory(merchant=shop.merchant)
    for sku, quantity in skus:
        SalesOrderItemFactory(order=order, sku=sku, quantity=quantity)
    return MatchFactory(shop=shop, return_id="R1", outcome="ORDER_ONLY", reason="ITEM_REF_MISSING", sales_order=order)


def suggested(shop: Shop, *lines: tuple[str, str]) -> dict[str, str]:
    returned = [ReturnedLine(line, f"order-{line}", sku) for line, sku in lines]
    return {
        each.return_line_item_id: each.item.sku for each in suggestions_for(shop=shop, return_id="R1", lines=returned)
    }


def test_one_free_item_of_the_sku_is_suggested(shop: Shop) -> None:
    partly(shop, ("cap", 1), ("vest", 1))
    assert suggested(shop, ("L1", "cap"), ("L2", "sock"), ("L3", "")) == {"L1": "cap"}


def test_two_items_of_one_sku_suggest_nothing(shop: Shop) -> None:
    partly(shop, ("cap", 1), ("cap", 1))
    assert suggested(shop, ("L1", "cap")) == {}


def test_item_without_a_unit_left_is_not_suggested(shop: Shop) -> None:
    match = partly(shop, ("cap", 1), ("vest", 1))
    other = MatchFactory(shop=shop, return_id="R2", sales_order=match.sales_order)
    ItemMatchFactory(match=other, item=match.sales_order.items.get(sku="cap"))
    ItemMatchFactory(match=match, item=match.sales_order.items.get(sku="vest"), return_line_item_id="L9")
    assert suggested(shop, ("L1", "cap"), ("L2", "vest")) == {}


def test_units_are_suggested_once_each(shop: Shop) -> None:
    partly(shop, ("cap", 2))
    assert suggested(shop, ("L1", "cap"), ("L2", "cap"), ("L3", "cap")) == {"L1": "cap", "L2": "cap"}


def test_order_that_a_person_thinks_of_is_suggested_from(shop: Shop) -> None:
    unmatched(shop, reference="SO-1")
    order = SalesOrderFactory(merchant=shop.merchant, updated_at=timezone.now() - timedelta(days=1))
    item = SalesOrderItemFactory(order=order, sku="cap")
    found = suggestions_for(shop=shop, return_id="R1", lines=[ReturnedLine("L1", "O1", "cap")], order=order)
    assert [each.item for each in found] == [item]


NAMING = {"clientMetadata": {"ttsOrderId": SUBJECT.tiktok_order_id}}


def refusal(shop: Shop) -> str:
    with pytest.raises(NoSafeCandidateError) as refused:
        safe_candidate(shop=shop, subject=SUBJECT)
    return str(refused.value)


def test_safe_candidate_is_the_only_one_on_the_omss_own_word(shop: Shop) -> None:
    unmatched(shop, reference="SO-1")
    SalesOrderFactory(external_order_id="SO-1")
    same = SalesOrderFactory(merchant=shop.merchant, external_order_id="SO-1")
    found = safe_candidate(shop=shop, subject=SUBJECT)
    assert (found.order, found.hints) == (same, (Hint.SAME_ID,))


def test_safe_candidate_may_be_the_order_that_names_the_tiktok_order(shop: Shop) -> None:
    MatchFactory(shop=shop, return_id="R1", outcome="NO_MATCH", reason="NO_EXTERNAL_REF", sales_order=None)
    named = SalesOrderFactory(merchant=shop.merchant, external_order_id="A-2", payload=NAMING)
    assert safe_candidate(shop=shop, subject=SUBJECT).order == named


def test_no_candidate_is_safe_where_several_come_into_question(shop: Shop) -> None:
    unmatched(shop, reference="SO-1")
    SalesOrderFactory(merchant=shop.merchant, external_order_id="SO-1")
    SalesOrderFactory(merchant=shop.merchant, external_order_id="so-1")
    assert refusal(shop) == "2 orders come into question: SO-1, so-1."


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"external_order_id": "so-1"}, Hint.OTHER_CASE),
        ({"external_order_id": "SO-01"}, Hint.OTHER_ZEROS),
        ({"external_order_id": "1"}, Hint.OTHER_PREFIX),
        ({"external_order_id": "A-1", "rebound_id": "SO-1"}, Hint.REBOUND_ID),
        ({"external_order_id": SUBJECT.tiktok_order_id}, Hint.IS_THE_TIKTOK_ID),
        ({"external_order_id": "SO-1", "cancelled_at": timezone.now()}, "was cancelled"),
        ({"external_order_id": "SO-1", "metadata_conflict": "omsOrderId is SO-2"}, "contradicts itself"),
        ({"external_order_id": "ANOTHER-5"}, "No order of the merchant comes into question."),
    ],
)
def test_no_candidate_is_safe_by_likeness_or_against_its_own_word(shop: Shop, order: dict[str, str], said: str) -> None:
    unmatched(shop, reference="SO-1")
    SalesOrderFactory(merchant=shop.merchant, **order)
    assert said in refusal(shop)


def test_no_candidate_is_safe_by_the_id_of_another_platform(shop: Shop) -> None:
    unmatched(shop, reference="SO-1", reason="REF_UNDER_OTHER_ORIGIN")
    order = SalesOrderFactory(merchant=shop.merchant, external_order_id="SO-1")
    assert Hint.SAME_ID in refusal(shop)
    order.payload = NAMING
    order.save()
    assert safe_candidate(shop=shop, subject=SUBJECT).order == order


def test_no_candidate_is_safe_where_the_references_disagree(shop: Shop) -> None:
    match = unmatched(shop, reference="SO-1", reason="AMBIGUOUS_REF")
    match.trail.append({"rule": "reference", "compared": [["reference's id", "SO-2"]], "concluded": ""})
    match.save()
    SalesOrderFactory(merchant=shop.merchant, external_order_id="SO-1")
    assert refusal(shop) == "TikTok's references give several ids."


def test_no_candidate_is_safe_where_a_person_or_the_rules_decided(shop: Shop) -> None:
    order = SalesOrderFactory(merchant=shop.merchant, external_order_id="SO-1")
    match = MatchFactory(shop=shop, return_id="R1", sales_order=order)
    assert refusal(shop) == "It is matched to SO-1 already."
    Match.objects.filter(pk=match.pk).update(decided_by="mona", note="by phone")
    assert refusal(shop) == "mona decided it by hand."
