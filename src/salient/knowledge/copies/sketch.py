"""What is kept of a text to know its copies by, and what two sketches say of each other."""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.kernels import jaccard, minhash, term_hashes
from salient.kernels.minhash import EMPTY

RUN, BITS = 5, 7  # of the whole text: terms of a run, 128 values
LEAD_RUN, LEAD_BITS = 3, 5
LEAD_TERMS: Final = 60  # of the beginning that stands at the head of a story

LEAST: Final = 12
"""Runs of terms below which a text is too short to be anybody's copy."""

ENOUGH: Final = 2
"""Of the keys that two texts have in common, the weight from which they are held against each other."""

_KEPT = 64  # numbers, and names, that are kept: the lesser hashes, so that two texts keep the same
_TITLE = 32
_OF_RUN, _OF_ALL = 0, 1  # kinds of keys
_63 = (1 << 63) - 1
_TOLD = 3  # terms of a title, below which it tells nothing
_NUMBER = re.compile(r"\d(?:[\d.,']*\d)+")

_ALIKE = 0.5  # of the runs in common, from which the words are the same
_NEARLY = 0.3
_RETOLD = 0.2
_PART = 0.15
_WHOLE = 0.8  # of the shorter one's runs, from which it is a part of the longer
_PART_LEAST = 40

# How much names and numbers speak for a pattern filled anew, as the logarithm of odds; see `_anew`.
_ANEW = 2.0
_OWN = -2.0  # for a copy, strongly
_OWN_AND_LEAD = -0.9
_AS_LONG = 0.8
_FILLED = 0.5  # of a pattern's names, those that differ
_MISREAD = 0.02  # of names, those that are found in one of two places where both say the same
_NAME_TERMS = 1.5


Counts = tuple[tuple[int, int], ...]


class Why(StrEnum):
    """What makes two texts copies."""

    BYTES = "same_bytes"
    SAME = "same_words"
    PART = "shortened"
    RETOLD = "retold"
    """Other words here and there, but the names and numbers of the other, and much of its words, its title or its beginning."""


class Verdict(NamedTuple):
    """How alike two texts are."""

    similarity: float
    """The share of runs of words in common, of all that both have."""
    containment: float
    """The share of the shorter one's runs that the longer has as well."""
    why: Why | None
    """None: they are no copies."""


class Sketch(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a text: about 900 bytes.

    Numbers and names keep apart what is written after one pattern: letters to many customers, a daily report.
    """

    n_runs: int
    least: bytes
    """The 128 least values of its runs, in order, of 32 bits; of a short text fewer."""
    lead: bytes
    """Those of the runs in the first terms, 32 at the most."""
    title: tuple[int, ...]
    numbers: tuple[tuple[int, int], ...]
    """What they are, in 32 bits, and how often they stand there."""
    names: tuple[tuple[int, int], ...]

    def dump(self) -> str:
        """As text that fits into a column."""
        return base64.b64encode(msgspec.msgpack.encode(self)).decode()

    @classmethod
    def load(cls, data: str) -> Sketch:
        """Raises Corrupt: it is none."""
        try:
            return msgspec.msgpack.decode(base64.b64decode(data, validate=True), type=cls)
        except (ValueError, msgspec.MsgspecError) as exc:
            raise Corrupt("a sketch of a text cannot be read") from exc

    def found_by(self) -> list[int]:
        """What it may be found by, 63 bits each, of which the first that are not everybody's do.

        Two texts are worth a closer look if what they have in common of such keys weighs `ENOUGH`: a single run is
        an everyday phrase. Of the first 16 of a text, copies of which every tenth word differs have enough in 99.9 of 100
        cases, and those cut to 40 of 100 in 99.7.
        """
        if self.n_runs < LEAST:
            return []
        values = np.frombuffer(self.least, "<u4").tolist()
        made = [(_OF_RUN, value) for value in values]
        if len(values) < LEAST:  # it says the same again and again
            made.insert(0, (_OF_ALL, _joined(values)))
        if len(self.title) > _TOLD:
            made.insert(0, (_OF_ALL, _joined(self.title)))
        return [value << 1 & _63 | kind for kind, value in made]


def weight(key: int) -> int:
    """What a key that two texts have in common says, against `ENOUGH`."""
    return ENOUGH if key & 1 == _OF_ALL else 1


def sketch_of(text: str, title: str, names: Iterable[tuple[str, int]]) -> Sketch:
    """Sketch a text.

    Args:
        text: without what pages repeat.
        names: ids of the names that stand in it, and how often.

    Cost: one pass over the text, some 250 MB a second, and 0.1 to 0.2 ms.
    """
    data = text.encode("utf-8", "surrogatepass")
    _, least, counts = minhash([data], RUN, BITS)
    head = data[: 16 * LEAD_TERMS]
    _, ends, _ = term_hashes(head)
    _, lead, _ = minhash([head[: int(ends[:LEAD_TERMS][-1])] if len(ends) else b""], LEAD_RUN, LEAD_BITS)  # fmt: skip
    return Sketch(
        n_runs=int(counts[0]),
        least=_full(least[0]),
        lead=_full(lead[0]),
        title=_hashes(title.encode("utf-8", "surrogatepass"))[:_TITLE],
        numbers=_kept(Counter(zlib.crc32(re.sub(r"[.,']", "", n).encode()) for n in _NUMBER.findall(text))),
        names=_kept({int(ident[:8], 16): n for ident, n in names}),
    )  # fmt: skip


class Several:
    """Sketches, laid side by side to be held against one at once."""

    def __init__(self, sketches: Sequence[Sketch]) -> None:
        self.sketches = sketches
        self._least = _table([s.least for s in sketches], BITS)

    def against(self, one: Sketch) -> list[Verdict | None]:
        """What each is to one; None for those that have too little in common to look at closely."""
        found: list[Verdict | None] = [None] * len(self.sketches)
        if not self.sketches:
            return found
        alike = _alike(_table([one.least], BITS), self._least)
        for at in np.flatnonzero(alike >= _PART).tolist():
            found[at] = judge(one, self.sketches[at], float(alike[at]))
        return found


def judge(one: Sketch, other: Sketch, similarity: float) -> Verdict:
    """What two texts are to each other, of which so large a share of runs is in common."""
    contained = _contained(one, other)
    shorter = min(one.n_runs, other.n_runs)
    return Verdict(similarity, contained, _why(one, other, similarity, contained, shorter))


def _contained(one: Sketch, other: Sketch) -> float:
    """Of the runs of the one with fewer, the share that the other has: of those so small that both would have kept them.

    Of a part that is left as it was that is 1, whatever values were kept.
    """
    ours, theirs = (np.frombuffer(s.least, "<u4") for s in (one, other))
    most = min((v[-1] for v in (ours, theirs) if len(v) == 1 << BITS), default=EMPTY)
    ours, theirs = ours[ours <= most], theirs[theirs <= most]
    both = len(np.intersect1d(ours, theirs, assume_unique=True))
    return both / max(min(len(ours), len(theirs)), 1)


def _why(one: Sketch, other: Sketch, alike: float, contained: float, shorter: int) -> Why | None:
    if shorter < LEAST:
        return None
    numbers, names = _lost(one.numbers, other.numbers), _lost(one.names, other.names)
    in_copy = _share_in_copy(contained)
    anew = _anew(numbers[0] + names[0], numbers[1] + names[1], in_copy)
    if anew >= _ANEW:
        return None
    if alike >= _ALIKE:
        return Why.SAME
    if contained >= _WHOLE and shorter >= _PART_LEAST:
        return Why.PART
    if alike < _RETOLD or anew > _OWN_AND_LEAD:
        return None
    # Long texts of one pattern share many names: laws, what a contract calls its parties.
    if any(n > _expected(of, in_copy) for of, n in (numbers, names)):
        return None
    if alike >= _NEARLY and anew <= _OWN and shorter >= _AS_LONG * max(one.n_runs, other.n_runs):
        return Why.RETOLD
    lead = float(_alike(_table([one.lead], LEAD_BITS), _table([other.lead], LEAD_BITS))[0])
    titled = _shared(one.title, other.title)
    return Why.RETOLD if lead >= 0.4 or titled >= 0.6 else None


def _share_in_copy(contained: float) -> float:
    """Of a copy's names and numbers, the share that edits hit, or that is read otherwise there.

    Whoever changes words here and there hits names as seldom as other words; and a run is left if all its words are,
    so how often words were changed follows from the runs in common.
    """
    edited = 1.0 - math.pow(contained, 1 / RUN)
    return min(_MISREAD + _NAME_TERMS * edited, _FILLED)


def _anew(places: int, lost: int, in_copy: float) -> float:
    """How much more likely names and numbers differ as in a pattern filled anew, which hits them alone, than as in a copy.

    The logarithm of the odds, 0 where there is nothing to tell by; each place of a name or number counts.
    """
    kept = places - lost
    return lost * math.log(_FILLED / in_copy) + kept * math.log((1 - _FILLED) / (1 - in_copy))


def _expected(places: int, in_copy: float) -> float:
    """How many of them a copy loses at the most, to two standard deviations."""
    return places * in_copy + 2 * math.sqrt(places * in_copy * (1 - in_copy))


def _lost(one: Counts, other: Counts) -> tuple[int, int]:
    """The places of the one with fewer, and those of them that the other has not.

    Where one keeps only a part of what it has, just those are compared that both would have kept.
    """
    least = min((kept[-1][0] for kept in (one, other) if len(kept) == _KEPT), default=None)
    left = {k: n for k, n in one if least is None or k <= least}
    right = {k: n for k, n in other if least is None or k <= least}
    fewer = min(sum(left.values()), sum(right.values()))
    return fewer, fewer - sum(min(n, right.get(k, 0)) for k, n in left.items())


def _shared(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    if min(len(one), len(other)) < _TOLD:
        return 0.0
    return len(set(one) & set(other)) / len(set(one) | set(other))


def _kept(counted: Mapping[int, int]) -> Counts:
    return tuple(sorted(counted.items())[:_KEPT])


def _hashes(data: bytes) -> tuple[int, ...]:
    _, _, hashes = term_hashes(data)
    return tuple(int(h) for h in np.unique(hashes >> np.uint64(32)))


def _joined(values: Sequence[int]) -> int:
    value = 0
    for one in values:
        value = (value * 0x9E3779B97F4A7C15 + one + 1) & 0xFFFFFFFFFFFFFFFF
    return value


def _full(values: NDArray[np.uint32]) -> bytes:
    kept: bytes = values[values != EMPTY].astype("<u4").tobytes()
    return kept


def _table(rows: Sequence[bytes], bits: int) -> NDArray[np.uint32]:
    """Least values as `jaccard` takes them."""
    table = np.full((len(rows), 1 << bits), EMPTY, np.uint32)
    for at, row in enumerate(rows):
        values = np.frombuffer(row, "<u4")
        table[at, : len(values)] = values
    return table


def _alike(one: NDArray[np.uint32], others: NDArray[np.uint32]) -> NDArray[np.float64]:
    rows = np.arange(len(others))
    return jaccard(one, np.zeros_like(rows), others, rows)
