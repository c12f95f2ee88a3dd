"""Known names, found wherever they are written: the client's knowledge base as a matcher."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from typing import Final, final

import ahocorasick_rs
import numpy as np

from salient.errors import InvalidInput
from salient.kernels import token_spans
from salient.model import FURNITURE
from salient.nlp.units import Unit

NAME: Final = "salient.gazetteer.v1"
SCORE: Final = 0.95  # a name may still be written of someone else; which, is for linking to say

# Each token is wrapped in these, so that a match begins and ends at words and neighbours share
# nothing. Control characters that would forge them are white space or symbols in a text, and are
# dropped from it here.
_OPEN, _CLOSE = "\x02", "\x03"
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", _OPEN: "", _CLOSE: ""}
    # Halves of surrogate pairs cannot be handed to the matcher; they name nothing.
    | {chr(half): "\ufffd" for half in range(0xD800, 0xE000)}
)
_SHORT = 4  # a name of one token up to this many characters must be written just so


@final
class Gazetteer:
    """A set of (surface, label) names.

    - A name matches whole tokens, in any spacing, across a wrapped line, but not across a block.
    - Case: as given, or all in capitals; a name of two or more tokens in any case; a single token
      of up to four characters only as given. So "Apple" does not match "apple", nor "IT" "it".
    - A possessive 's and the full stop that ends a name may be there or not; quotes around the
      surface are no part of it.
    - Of names that overlap the one that starts first matches, and of those the longest.
    - A surface with several labels has the first one given.

    Threads may share one. Cost: building is linear in the names (about 5 s and 0.4 GB a million);
    finding is linear in the text whatever the number of names.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        """Build from (surface, label) pairs; blank surfaces are passed over.

        Raises:
            InvalidInput: a label is empty.
        """
        patterns: dict[str, int] = {}
        self._written: list[tuple[str, ...]] = []
        self._labels: list[str] = []
        digest = hashlib.sha256()
        for surface, label in names:
            if not label:
                raise InvalidInput("a name of the gazetteer has no label", surface=surface)
            digest.update(f"{surface}\0{label}\0".encode("utf-8", "surrogatepass"))
            for tokens in _variants(surface):
                key = "".join(f"{_OPEN}{t.casefold()}{_CLOSE}" for t in tokens)
                if key not in patterns:
                    patterns[key] = len(self._labels)
                    self._labels.append(label)
                    self._written.append(tuple(tokens))
        self._version = digest.hexdigest()[:12]
        self._matcher = (
            ahocorasick_rs.AhoCorasick(
                list(patterns), matchkind=ahocorasick_rs.MatchKind.LeftmostLongest
            )
            if patterns
            else None
        )

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def component(self) -> str:
        """`name@hash of the names`."""
        return f"{NAME}@{self._version}"

    def find(self, text: str, units: Iterable[Unit]) -> list[tuple[int, int, str, float]]:
        """Find names in the units, furniture excepted: (start, end, label, score), in order."""
        if self._matcher is None:
            return []
        rows: list[tuple[int, int, str, float]] = []
        for unit in units:
            if unit.kind not in FURNITURE:
                rows += self._find_in(text[unit.start : unit.end], unit.start)
        return rows

    def _find_in(self, piece: str, shift: int) -> list[tuple[int, int, str, float]]:
        if self._matcher is None:
            return []
        spans = _cut(piece)
        words = [piece[a:b].translate(_QUOTES) for a, b in spans]
        folded = [f"{_OPEN}{w.casefold()}{_CLOSE}" for w in words]
        ends = np.cumsum([len(f) for f in folded])
        rows = []
        for pattern, first, last in self._matcher.find_matches_as_indexes("".join(folded)):
            i = int(np.searchsorted(ends, first, side="right"))
            j = int(np.searchsorted(ends, last, side="left"))
            if _case_allows(self._written[pattern], words[i : j + 1]):
                rows.append(
                    (spans[i][0] + shift, spans[j][1] + shift, self._labels[pattern], SCORE)
                )
        return rows


def _cut(text: str) -> list[tuple[int, int]]:
    """Tokens, with a possessive 's as a token by itself."""
    cut: list[tuple[int, int]] = []
    for start, end, _ in token_spans(text).tolist():
        if end - start > 2 and text[end - 2] in "'’" and text[end - 1] in "sS":
            cut += [(start, end - 2), (end - 2, end)]
        else:
            cut.append((start, end))
    return cut


def _variants(surface: str) -> list[list[str]]:
    surface = surface.strip().strip('"“”«»')
    tokens = [w for a, b in _cut(surface) if (w := surface[a:b].translate(_QUOTES))]
    while tokens and not any(c.isalnum() for c in tokens[0]) and len(tokens) > 1:
        tokens = tokens[1:]
    if not tokens or not any(c.isalnum() for t in tokens for c in t):
        return []
    variants = [tokens]
    if tokens[-1] == "." and len(tokens) > 1:
        variants.append(tokens[:-1])
    return variants


def _case_allows(written: tuple[str, ...], words: list[str]) -> bool:
    if all(a == b for a, b in itertools.zip_longest(written, words)):
        return True
    together = "".join(words)
    if len(written) > 1:
        return len(together) > _SHORT or together.isupper()
    name = written[0]
    if len(name) <= _SHORT:
        return False
    return together.isupper() or (name.islower() and together[1:].islower()) or name.isupper()


__all__ = ["NAME", "SCORE", "Gazetteer"]
