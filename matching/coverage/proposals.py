"""Id rules that could make ids equal which are not, guessed from both sides of the comparison. Pure.

Guesses only: whoever asks tries them out with the matcher, and refuses those that `clash`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from matching.id_rules import IdRules

LONGEST_AFFIX = 20  # characters; a column holds 40
MOST_IDS = 1000  # of each side
MOSTLY = 0.9  # of the ids of one side carry an affix that is digits alone


def proposals(
    wanted: Sequence[str],
    *,
    there: Sequence[str],
    items: Iterable[tuple[Sequence[str], Sequence[str]]],
    present: IdRules,
) -> list[IdRules]:
    """Rules to try, the most promising first, the simplest first where they promise the same.

    `wanted` are ids at TikTok that found no order, `there` the ids of the orders that exist; `items` are such pairs for
    the lines of one order each. Each proposal keeps what the present rules do, unless it sets the same thing anew.
    """
    promised: Counter[IdRules] = Counter()
    for one_side, other_side in [(wanted[:MOST_IDS], there[:MOST_IDS]), *items]:
        held = {each for each in other_side if each}
        missing = [each for each in one_side if each and each not in held]
        promised.update(_of_one_comparison(missing, sorted(held), present))
    promised.pop(present, None)
    return [rules for rules, _ in sorted(promised.items(), key=lambda item: (-item[1], *_size(item[0])))]


def _of_one_comparison(wanted: Sequence[str], there: Sequence[str], present: IdRules) -> Counter[IdRules]:
    found: Counter[IdRules] = Counter()
    for ignore_case, trim in product({present.ignore_case, True}, {present.trim_leading_zeros, True}):
        flags = IdRules(ignore_case=ignore_case, trim_leading_zeros=trim)
        base = replace(present, ignore_case=ignore_case, trim_leading_zeros=trim)
        keys_wanted, keys_there = {flags.apply(each) for each in wanted}, {flags.apply(each) for each in there}
        found[base] += _matched(base, wanted, there)
        for ids, keys in ((wanted, keys_there), (there, keys_wanted)):
            for each in ids:
                for length in range(1, min(len(each), LONGEST_AFFIX + 1)):
                    if flags.apply(each[length:]) in keys:
                        found[replace(base, strip_prefix=each[:length])] += 1
                    if flags.apply(each[:-length]) in keys:
                        found[replace(base, strip_suffix=each[-length:])] += 1
        for rules in _common_affixes(wanted, there, base):
            found[rules] += _matched(rules, wanted, there)
    return Counter({rules: count for rules, count in found.items() if count and _is_plausible(rules, wanted, there)})


def _matched(rules: IdRules, wanted: Sequence[str], there: Sequence[str]) -> int:
    keys = {rules.apply(each) for each in there}
    return sum(rules.apply(each) in keys for each in wanted)


def _common_affixes(wanted: Sequence[str], there: Sequence[str], base: IdRules) -> set[IdRules]:
    """A prefix and a suffix at once, where all ids of a side share them."""
    sides = [list(ids) for ids in (wanted, there) if len(ids) > 1]
    prefixes = [_common_start(ids) for ids in sides]
    suffixes = [_common_start([each[::-1] for each in ids])[::-1] for ids in sides]
    return {
        replace(base, strip_prefix=prefix, strip_suffix=suffix)
        for prefix, suffix in product(prefixes, suffixes)
        if prefix and suffix and max(len(prefix), len(suffix)) <= LONGEST_AFFIX
    }


def _common_start(ids: Sequence[str]) -> str:
    """How all of them begin. Numbers in a row share their first digits, which belong to the number."""
    first, last = min(ids), max(ids)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length].rstrip("0123456789")


def _is_plausible(rules: IdRules, wanted: Sequence[str], there: Sequence[str]) -> bool:
    """One number may end like another by chance: an affix of digits alone must be on nearly all ids of a side."""
    for affix, carries in ((rules.strip_prefix, str.startswith), (rules.strip_suffix, str.endswith)):
        if affix.isdigit() and not any(
            sum(carries(each, affix) for each in ids) >= MOSTLY * len(ids) for ids in (wanted, there)
        ):
            return False
    return True


def _size(rules: IdRules) -> tuple[int, int, str]:
    """How much a rule takes away. An affix that reaches into the number would not fit when numbers grow."""
    settings = bool(rules.strip_prefix) + bool(rules.strip_suffix) + rules.ignore_case + rules.trim_leading_zeros
    cuts = rules.strip_prefix[-1:].isdigit() + rules.strip_suffix[:1].isdigit()
    return settings + cuts, len(rules.strip_prefix) + len(rules.strip_suffix), rules.strip_prefix + rules.strip_suffix


def clash(
    rules: IdRules, *, present: IdRules, orders: Iterable[Sequence[str]], items: Iterable[Sequence[str]]
) -> tuple[str, str] | None:
    """Two different ids of one list that the rules make equal and the present ones do not, or None."""
    for ids in (*orders, *items):
        seen: dict[str, str] = {}
        for each in ids:
            key = rules.key(each)
            if key is None:
                continue
            other = seen.setdefault(key, each)
            if other != each and not present.are_equal(other, each):
                return other, each
    return None
