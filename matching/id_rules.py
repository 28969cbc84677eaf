"""How a shop's ids are compared: exactly, or after rewritings that the shop chose one by one (design, section 4.8).

Pure and leaf: no ORM, no settings. Which ids are compared with which is `matching.matcher`'s business.
"""

import re
from dataclasses import dataclass, replace

MOST_LEADING_ZEROS = 20
"""`candidates` adds at most this many zeros: an index is asked for a bounded number of spellings."""

LONGEST_ID = 255
"""Characters. What is longer is nobody's id (expectations C3.10); no column of ours holds it."""

LONGEST_FOLDED = 512
"""Characters of the folded form by which candidates are found; a few letters fold into three."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class IdRules:
    """Explicit rewritings of an id, all off by default, applied to both sides of every comparison of external ids.

    The order is fixed: ignore case, strip the prefix, strip the suffix, trim leading zeros. Prefix and suffix go once
    (`SO-SO-1` becomes `SO-1`) and follow `ignore_case`, so that ids which differ by case only stay equal. Case is
    Unicode's case folding (`str.casefold`); a zero is ASCII `0`; of zeros alone one stays. White space is never
    touched.
    """

    strip_prefix: str = ""
    strip_suffix: str = ""
    ignore_case: bool = False
    trim_leading_zeros: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether no rewriting is on: ids are then opaque and compared character by character."""
        return self == IdRules()

    def apply(self, value: str) -> str:
        """The form in which `value` is compared. May be empty; see `key`."""
        text = self._fold(value).removeprefix(self._fold(self.strip_prefix))
        text = text.removesuffix(self._fold(self.strip_suffix))
        return (text.lstrip("0") or text[:1]) if self.trim_leading_zeros else text

    def key(self, value: str | None) -> str | None:
        """`apply(value)`, or None where this id must never match anything.

        That is an id that is absent, that is empty or white space only once the rules are applied, or that no order of
        ours can carry: longer than `LONGEST_ID`, or with a character that no database holds (a NUL, a lone surrogate).
        """
        if value is None or len(value) > LONGEST_ID or not is_storable(value):
            return None
        applied = self.apply(value)
        return applied if applied.strip() else None

    def are_equal(self, one: str | None, other: str | None) -> bool:
        """Whether both ids can match at all and are the same id under these rules."""
        key = self.key(one)
        return key is not None and key == self.key(other)

    def candidates(self, value: str) -> tuple[str, ...]:
        """The spellings to ask an index for: raw first, no two alike, at most 85; none if `value` matches nothing.

        Complete: whatever equals `value` under the rules is among them, unless it carries more than
        `MOST_LEADING_ZEROS` zeros that `value` does not. Under `ignore_case` the caller asks for them `folded`;
        for a remote look-up that cannot, prefix, suffix and id keep their case.
        """
        key = self.key(value)
        if key is None:
            return ()
        core = replace(self, ignore_case=False).apply(value)
        if self._fold(core) != key:
            core = key
        spellings = [value]
        for zeros in range(MOST_LEADING_ZEROS + 1 if self.trim_leading_zeros else 1):
            for prefix in ("", self.strip_prefix):
                for suffix in ("", self.strip_suffix):
                    spellings.append(f"{prefix}{'0' * zeros}{core}{suffix}")
        return tuple(dict.fromkeys(spelling for spelling in spellings if self.key(spelling) == key))

    def _fold(self, text: str) -> str:
        return text.casefold() if self.ignore_case else text


def folded(external_id: str) -> str:
    """What an index finds an id by, whatever its case. The rules decide; this only finds candidates."""
    return external_id.casefold()[:LONGEST_FOLDED]


def is_storable(text: str) -> bool:
    """Whether PostgreSQL and SQLite can both hold `text`: no NUL, no lone surrogate (JSON may carry either)."""
    return UNSTORABLE.search(text) is None


def storable(text: str) -> str:
    r"""`text`, with what no database can hold written out as `\u0000` or `\ud800`, so that a person sees it."""
    return UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
