"""Questions to the matcher of every kind, with ids that are near to one another, so that they meet."""

import json
import random
import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st

from matching.matcher import (
    Decision,
    IdRules,
    Order,
    OrderItem,
    Question,
    Reference,
    ReferenceLine,
    ReturnedLine,
)

T = TypeVar("T")

thorough = settings(max_examples=100)

# Few ids, near to one another, so that they meet; and any text at all, so that nothing is taken for granted.
NEAR_IDS = ["1", "2", "01", "001", "SO-1", "so-1", "SO-01", "SO-SO-1", "1-EU", "SO-1-eu", "0", "00", "a", "A", "00A"]
ODD_IDS = ["", " ", "\u2003", "SO-", "-EU", "SO--EU", "SO- ", "\0", "\ud800", "1\udfff", "\u00df", "SS", "x" * 256]
any_text = st.text(st.characters(), max_size=8)  # with lone surrogates
ids = st.one_of(st.sampled_from(NEAR_IDS), st.sampled_from(NEAR_IDS), st.sampled_from(NEAR_IDS + ODD_IDS), any_text)
sane_ids = st.sampled_from(NEAR_IDS)
platforms = st.sampled_from(["SHOPIFY", "SHOPIFY", "SHOPIFY", "shopify", "MAGENTO", ""])
affixes = st.one_of(st.just(""), st.sampled_from(["SO-", "so-", "-EU", "0", "S"]), any_text)
rules_of_shops = st.builds(
    IdRules, strip_prefix=affixes, strip_suffix=affixes, ignore_case=st.booleans(), trim_leading_zeros=st.booleans()
)
line_ids = st.one_of(st.sampled_from(["T1", "T2", "T3", "t1", ""]), any_text)


def tuples(elements: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(elements, max_size=size).map(tuple)


returned_lines = st.builds(
    ReturnedLine,
    return_line_item_id=st.sampled_from(["R1", "R2", "R3", "R4", ""]),
    order_line_item_id=line_ids,
    sku=any_text,
)
reference_lines = st.builds(ReferenceLine, id=ids, origin_id=line_ids)
references = st.builds(Reference, id=ids, platform=platforms, lines=tuples(reference_lines, 4))
items = st.builds(
    OrderItem,
    key=st.uuids().map(str),
    external_item_id=st.one_of(st.none(), ids),
    quantity=st.integers(-1, 4),
    taken=st.integers(-1, 3),
    cancelled=st.sampled_from([False, False, False, True]),
)


@st.composite
def orders_of(draw: st.DrawFn) -> Order:
    external_order_id = draw(ids)
    return Order(
        key=draw(st.uuids().map(str)),
        external_order_id=external_order_id,
        oms_order_id=draw(st.one_of(st.just(external_order_id), st.just(external_order_id), st.none(), ids)),
        items=draw(tuples(items, 4)),
        cancelled=draw(st.sampled_from([False, False, False, True])),
        metadata_conflict=draw(st.sampled_from(["", "", "", "omsOrderId: 1, 2"])),
    )


loose_questions = st.builds(
    Question,
    matching_enabled=st.sampled_from([True, True, True, False]),
    platform_origin=st.sampled_from(["SHOPIFY", "SHOPIFY", "SHOPIFY", "MAGENTO", ""]),
    rules=rules_of_shops,
    tiktok_order_id=any_text,
    lines=tuples(returned_lines, 5),
    references=st.one_of(st.none(), tuples(references, 3), tuples(references, 3)),
    orders=st.one_of(st.none(), tuples(orders_of(), 3), tuples(orders_of(), 3)),
    lookup_problem=any_text,
)


def seldom(other: st.SearchStrategy[Any], usual: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 7).flatmap(lambda chance: other if chance == 0 else st.just(usual))


@st.composite
def near_questions(draw: st.DrawFn) -> Question:
    """Questions that mostly get as far as the lines, and go wrong in one way or two: few ids, all of them near."""
    order_id = draw(sane_ids)
    item_ids = draw(st.lists(sane_ids, min_size=1, max_size=4))
    lines = tuple(
        ReturnedLine(draw(seldom(st.just("R0"), f"R{n}")), draw(seldom(st.sampled_from(["", "t1", "T0"]), f"T{n}")))
        for n in range(draw(st.integers(0, 5)))
    )
    referenced = [
        ReferenceLine(draw(seldom(ids, draw(st.sampled_from(item_ids)))), draw(seldom(line_ids, f"T{n}")))
        for n in range(draw(st.integers(0, 5)))
    ]
    cut = draw(seldom(st.integers(0, 5), 5))
    found = [Reference(order_id, "SHOPIFY", tuple(referenced[:cut]))]
    if cut < 5 or draw(st.integers(0, 3)) == 0:
        other = Reference(
            draw(st.one_of(st.just(order_id), ids)), draw(platforms), tuple(referenced[cut:] or referenced)
        )
        found.append(other)
    sold = tuple(
        OrderItem(
            key=f"item {n}",
            external_item_id=draw(seldom(ids, item_id)),
            quantity=draw(st.integers(0, 4)),
            taken=draw(st.integers(-1, 2)),
            cancelled=draw(seldom(st.just(True), False)),
        )
        for n, item_id in enumerate(item_ids)
    )
    orders = [
        Order(
            key=f"order {n}",
            external_order_id=draw(seldom(ids, order_id)) if n == 0 else draw(ids),
            oms_order_id=draw(st.one_of(st.none(), st.just(order_id), seldom(ids, order_id))),
            items=sold,
            cancelled=draw(seldom(st.just(True), False)),
            metadata_conflict=draw(seldom(st.just("omsOrderId: 1, 2"), "")),
        )
        for n in range(draw(st.integers(1, 2)))
    ]
    return Question(
        matching_enabled=True,
        platform_origin="SHOPIFY",
        rules=draw(st.one_of(st.just(IdRules()), rules_of_shops)),
        tiktok_order_id="576461413038785752",
        lines=lines,
        references=tuple(found),
        orders=tuple(orders),
    )


questions = st.one_of(near_questions(), near_questions(), near_questions(), loose_questions)


def rewritten(value: str, rules: IdRules) -> str:
    """The id rules once more, written another way than in the product."""
    flags = re.DOTALL
    prefix, suffix = rules.strip_prefix, rules.strip_suffix
    if rules.ignore_case:
        value, prefix, suffix = (text.casefold() for text in (value, prefix, suffix))
    value = re.sub(rf"\A(?:{re.escape(prefix)})", "", value, count=1, flags=flags)
    value = re.sub(rf"(?:{re.escape(suffix)})\Z", "", value, count=1, flags=flags)
    return re.sub(r"\A0+(?=0|[^0])", "", value, flags=flags) if rules.trim_leading_zeros else value


def is_some_id(value: str, rules: IdRules) -> bool:
    """Whether an order of ours could carry this id: storable, not too long, not blank under the rules."""
    return (
        len(value) <= 255 and re.search("[\\0\ud800-\udfff]", value) is None and bool(rewritten(value, rules).strip())
    )


def only(found: Collection[T]) -> T:
    assert len(found) == 1
    return next(iter(found))


def as_bytes(decision: Decision) -> bytes:
    return json.dumps(decision.as_json(), ensure_ascii=False).encode()


def shuffled(question: Question, chance: random.Random) -> Question:
    """The same question, its parts supplied in another order."""

    def mixed(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(chance.sample(parts, len(parts)))

    found, orders = question.references, question.orders
    return replace(
        question,
        lines=mixed(question.lines),
        references=None if found is None else mixed(tuple(replace(each, lines=mixed(each.lines)) for each in found)),
        orders=None if orders is None else mixed(tuple(replace(each, items=mixed(each.items)) for each in orders)),
    )
