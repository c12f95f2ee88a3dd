"""Who is meant: a passage with full names in the place of "the Supplier", "Berg" or "the Company".

A clause that says what the Supplier must do does not repeat who that is. Ranking reads the passage
with the names that linking found put in; what people see is always the text itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A passage with names put in, and the way back.

    Segments are stretches of `text` that were kept, or put in the place of a mention. `new` and
    `old` are their starts here and in the passage, each closed by the length.
    """

    text: str
    new: tuple[int, ...]
    old: tuple[int, ...]
    kept: tuple[bool, ...]

    def forth(self, at: int) -> int:
        """Where offset `at` of the passage lies here; the inside of a mention is its start."""
        row = min(bisect_right(self.old, at) - 1, len(self.kept) - 1)
        if at >= self.old[-1]:
            return self.new[-1]
        return self.new[row] + (at - self.old[row] if self.kept[row] else 0)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The span of the passage behind a span here; a name put in is its whole mention."""
        return self._back(start, last=False), self._back(end, last=True)

    def _back(self, at: int, *, last: bool) -> int:
        if at >= self.new[-1]:
            return self.old[-1]
        row = bisect_right(self.new, at - 1 if last and at else at) - 1
        row = max(0, min(row, len(self.kept) - 1))
        if self.kept[row]:
            return self.old[row] + at - self.new[row]
        return self.old[row + 1] if last else self.old[row]


def rewrite(passage: str, meant: Iterable[tuple[int, int, str]]) -> Rewritten:
    """Put full names in.

    Args:
        meant: (start, end, full name) of mentions, offsets in the passage, in order; overlapping ones
            after the first are passed over. What says the full name already, or two words of it and
            none beside, is left as it is.
    """
    parts: list[str] = []
    new, old, kept = [0], [0], []
    length = at = 0

    def add(text: str, until: int, *, as_is: bool) -> None:
        nonlocal length, at
        if not text and until == at:
            return
        parts.append(text)
        length += len(text)
        at = until
        new.append(length)
        old.append(until)
        kept.append(as_is)

    for start, end, name in meant:
        if start < at or end > len(passage) or end <= start:
            continue
        if _is_full(passage[start:end], name):
            continue
        add(passage[at:start], start, as_is=True)
        add(name, end, as_is=False)
    add(passage[at:], len(passage), as_is=True)
    if not kept:
        kept, new, old = [True], [0, 0], [0, 0]
    return Rewritten("".join(parts), tuple(new), tuple(old), tuple(kept))


def _is_full(mention: str, name: str) -> bool:
    said, whole = mention.casefold(), name.casefold()
    return whole in said or (len(said.split()) > 1 and set(said.split()) <= set(whole.split()))
