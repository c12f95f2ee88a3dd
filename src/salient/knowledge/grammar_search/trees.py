"""The columns of one or several documents as patterns see them: one scheme of relations, mentions by token.

spaCy's trees are turned into the shape of Universal Dependencies, so that a pattern means the same on
both: a preposition hangs under its noun, coordinated words under the first, "be" under what is said
to be. What is left different: `cc`, and which word of a name is its head (mentions make up for that).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count

import numpy as np
from numpy.typing import NDArray

from salient.knowledge.grammar_search import relations
from salient.model import Annotations

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Spans = Sequence[tuple[int, int, int]]

_NOMINAL = frozenset({"NOUN", "PROPN", "PRON", "NUM", "SYM", "X", "DET"})
_NEGATIONS = frozenset({"not", "n't", "n’t", "never"})
_LONGEST_CHAIN = 64  # conjuncts or prepositions that hang under one another


@dataclass(frozen=True, slots=True)
class Source:
    """A document to search. Its text is read only for patterns that ask for forms."""

    annotations: Annotations
    text: Callable[[], str]


class Block:
    """Documents one behind the other. Token numbers are rows of all their tokens."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """`sources` has at least one."""
        self._sources = sources
        made = [s.annotations for s in sources]
        sizes = [len(a.tokens) for a in made]
        self.first_row = np.cumsum([0, *sizes])
        """(n_documents + 1,) first row of each, and the number of all."""
        self.strings, self._vocabulary = _together([a.strings for a in made])
        ends = [int(a.tokens.end[-1]) + 1 if len(a.tokens) else 1 for a in made]
        self.first_character = np.cumsum([0, *ends])
        tokens = [a.tokens for a in made]
        self._first_code = np.cumsum([0, *[len(a.strings) for a in made]])
        self.start = _joined([t.start for t in tokens], self.first_character)
        self.end = _joined([t.end for t in tokens], self.first_character)
        self._raw_head = _joined([t.head for t in tokens], self.first_row)
        self._columns = {
            name: self._coded([getattr(t, name) for t in tokens])
            for name in ("lemma", "upos", "xpos", "feats", "deprel")
        }
        starts = np.concatenate([t.sent_start for t in tokens]) if len(tokens) > 1 else tokens[0].sent_start  # fmt: skip
        self.sentence_first = np.flatnonzero(starts).astype(np.int32)
        self.n = int(self.first_row[-1])

    def _coded(self, parts: Sequence[NDArray[np.int32]]) -> Ints:
        """Codes of documents as codes of the block."""
        joined = _joined(parts, self._first_code)
        return joined if self._vocabulary is None else self._vocabulary[joined]

    @cached_property
    def sentence_last(self) -> Ints:
        """(n_sentences,) last row of each."""
        return np.append(self.sentence_first[1:], self.n).astype(np.int32) - 1

    @cached_property
    def text(self) -> str:
        """The texts, such that token offsets of the block hold in it."""
        if len(self._sources) == 1:
            return self._sources[0].text()
        lengths = np.diff(self.first_character).tolist()
        return "".join(s.text()[:n].ljust(n) for s, n in zip(self._sources, lengths, strict=True))

    @cached_property
    def characters(self) -> NDArray[np.uint32]:
        """The text as code points."""
        return np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), np.uint32)

    @cached_property
    def _searchable(self) -> str | None:
        """The strings in lower case between zero bytes; None where a string holds one."""
        joined = "\0" + "\0".join(self.strings) + "\0"
        return joined.lower() if joined.count("\0") == len(self.strings) + 1 else None

    def column(self, name: str) -> Ints:
        """Codes of lemma, upos, xpos or feats."""
        return self._columns[name]

    def codes_of(self, value: str) -> list[int]:
        """Codes of a string whatever its case. Cost: one search of the table's characters."""
        folded = value.lower()
        if self._searchable is None or "\0" in value:
            return [i for i, s in enumerate(self.strings) if s.lower() == folded]
        wanted, found, counted, at = f"\0{folded}\0", [], 0, -1
        before = 0
        while (at := self._searchable.find(wanted, at + 1)) >= 0:
            before += self._searchable.count("\0", counted, at)
            counted = at
            found.append(before)
        return found

    def sentence_of(self, rows: Ints) -> Ints:
        """The number of each row's sentence."""
        return (np.searchsorted(self.sentence_first, rows, side="right") - 1).astype(np.int32)

    # ---- trees

    @cached_property
    def _tree(self) -> tuple[Ints, NDArray[np.int16], tuple[str, ...]]:
        return _universal(self)

    @property
    def head(self) -> Ints:
        """(n,) row of the head; a root is its own."""
        return self._tree[0]

    @property
    def relation(self) -> NDArray[np.int16]:
        """(n,) places in `relation_names`."""
        return self._tree[1]

    @property
    def relation_names(self) -> tuple[str, ...]:
        return self._tree[2]

    def by_case(self, cases: Sequence[str]) -> Bools:
        """(n,) whether one of these prepositions hangs under the token."""
        found = np.zeros(self.n, np.bool_)
        table = np.array([n in {"case", "mark"} for n in self.relation_names], np.bool_)
        rows = np.flatnonzero(table[self.relation])
        codes = [code for case in cases for code in self.codes_of(case)]
        rows = rows[np.isin(self._columns["lemma"][rows], codes)]
        found[self.head[rows]] = True
        return found

    # ---- mentions

    @cached_property
    def mentions(self) -> Mentions:
        """All mentions, by token."""
        parts = [s.annotations.mentions for s in self._sources]
        return Mentions(
            self,
            _joined([m.start for m in parts], self.first_character),
            _joined([m.end for m in parts], self.first_character),
            self._coded([m.label for m in parts]),
        )

    def entity(self, spans: Spans) -> Mentions:
        """The mentions of an entity, from (number of the document, start, end)."""
        rows = np.array(spans, np.int64).reshape(-1, 3)
        shift = self.first_character[rows[:, 0]]
        start, end = (rows[:, 1] + shift).astype(np.int32), (rows[:, 2] + shift).astype(np.int32)
        return Mentions(self, start, end, np.zeros(len(rows), np.int32))


class Mentions:
    """Spans over tokens. A mention stands at each of its tokens that depends on none of its others."""

    def __init__(self, block: Block, start: Ints, end: Ints, label: Ints) -> None:
        first = np.searchsorted(block.end, start, side="right")
        last = np.searchsorted(block.start, end, side="left") - 1
        real = first <= last
        self.first = first[real].astype(np.int32)
        self.last = last[real].astype(np.int32)
        self.label = label[real]
        self._block = block

    @cached_property
    def rows(self) -> tuple[Ints, Ints]:
        """Where mentions stand, rising, and the number of the mention there; of several, the longest."""
        sizes = self.last - self.first + 1
        which, rows = ranges(self.first, sizes)
        # Shorter ones are painted over by longer ones.
        order = np.argsort(sizes[which], kind="stable")
        painted = np.full(self._block.n, -1, np.int32)
        painted[rows[order]] = which[order]
        rows = rows[painted[rows] == which]
        which = painted[rows]
        head = self._block.head[rows]
        out = (head < self.first[which]) | (head > self.last[which]) | (head == rows)
        rows, which = rows[out], which[out]
        order = np.argsort(rows, kind="stable")
        return rows[order].astype(np.int32), which[order].astype(np.int32)

    @cached_property
    def at(self) -> Ints:
        """(n,) the number of the mention that stands at a row, -1 for none."""
        found = np.full(self._block.n, -1, np.int32)
        rows, which = self.rows
        found[rows] = which
        return found


def _joined(parts: Sequence[NDArray[np.int32]], shift: NDArray[np.int64]) -> Ints:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(
        [p + s for p, s in zip(parts, shift[:-1].astype(np.int32), strict=True)]
    ).astype(np.int32, copy=False)


def _together(tables: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], Ints | None]:
    """One table of strings for several, and the code there of each string; None where they are equal."""
    if len(tables) == 1:
        return tables[0], None
    number: defaultdict[str, int] = defaultdict(count().__next__)
    strings = chain.from_iterable(tables)
    codes = np.fromiter(map(number.__getitem__, strings), np.int32, sum(map(len, tables)))
    return tuple(number), codes


def ranges(first: Ints, sizes: Ints) -> tuple[Ints, Ints]:
    """(which range, row) of every row of the ranges `first .. first + size`."""
    which = np.repeat(np.arange(len(first), dtype=np.int32), sizes)
    begin = np.cumsum(sizes) - sizes
    rows = np.arange(len(which), dtype=np.int32) - np.repeat(begin - first, sizes)
    return which, rows.astype(np.int32)


def _universal(block: Block) -> tuple[Ints, NDArray[np.int16], tuple[str, ...]]:
    """Heads and relations in the scheme of Universal Dependencies.

    Cost: a few passes over the columns; more only where labels of the other scheme stand.
    """
    deprel = block._columns["deprel"]
    used = np.flatnonzero(np.bincount(deprel, minlength=len(block.strings))).tolist()
    names: dict[str, int] = {}
    table = np.zeros(len(block.strings), np.int16)
    flags = np.zeros(len(block.strings), np.uint8)
    present = 0
    number: dict[str, int] = {}  # of a label as engines write it
    for code in used:
        raw = block.strings[code]
        if raw not in number:
            number[raw] = names.setdefault(relations.UD.get(raw, raw), len(names))
            present |= _FLAGS.get(raw, 0)
        table[code] = number[raw]
        if raw in _FLAGS:
            flags[code] = _FLAGS[raw]
    turn = _Turn(block, names, block._raw_head, table[deprel], flags[deprel] if present else None)
    if present & _SAID:
        turn.copulas()
    if present & (_NOUN | _CLAUSE):
        turn.prepositions()
    if "conj" in names:
        turn.coordination()
    if "advmod" in names:
        turn.negations()
    return turn.head, turn.relation, tuple(names)


_PREP, _AGENT, _DATIVE, _NOUN, _CLAUSE, _SAID = (1 << n for n in range(6))
_FLAGS = {
    "prep": _PREP, "agent": _AGENT, "dative": _DATIVE, "pobj": _NOUN, "pcomp": _CLAUSE, "attr": _SAID,
    "acomp": _SAID,
}  # fmt: skip


class _Turn:
    """Turns trees; heads and relations are copied when first written."""

    def __init__(
        self,
        block: Block,
        names: dict[str, int],
        head: Ints,
        relation: NDArray[np.int16],
        flags: NDArray[np.uint8] | None,
    ) -> None:
        self.block, self.names = block, names
        self.raw_head = head
        self.head, self.relation = head, relation
        self.flags = np.zeros(0, np.uint8) if flags is None else flags
        """(n,) which of the other scheme's labels the engine gave."""
        self._is_copied = False

    def _write(self) -> None:
        if not self._is_copied:
            self.head, self.relation = self.head.copy(), self.relation.copy()
            self._is_copied = True

    def _name(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names))

    def _labelled(self, flag: int) -> Ints:
        return np.flatnonzero(self.flags & flag).astype(np.int32)

    def _under_nominal(self, rows: Ints) -> Bools:
        codes, inverse = np.unique(
            self.block._columns["upos"][self.raw_head[rows]], return_inverse=True
        )
        strings = self.block.strings
        table = np.array([strings[code] in _NOMINAL for code in codes.tolist()], np.bool_)
        return table[inverse.ravel()]

    def copulas(self) -> None:
        """Put what is said to be in the place of "be"."""
        said = self._labelled(_SAID)
        verbs = self.head[said]
        is_be = np.isin(self.block._columns["lemma"][verbs], self.block.codes_of("be"))
        said, verbs = said[is_be & (verbs != said)], verbs[is_be & (verbs != said)]
        verbs, once = np.unique(verbs, return_index=True)
        said = said[once]
        plain = ~np.isin(said, verbs)  # "is to be": both cannot take the other's place
        said, verbs = said[plain], verbs[plain]
        if not len(said):
            return
        self._write()
        instead = np.arange(self.block.n, dtype=np.int32)
        instead[verbs] = said
        above, relation = self.head[verbs], self.relation[verbs]
        self.head = instead[self.head]
        self.head[said] = np.where(above == verbs, said, instead[above])
        self.relation[said] = relation
        self.head[verbs] = said
        self.relation[verbs] = self._name("cop")

    def prepositions(self) -> None:
        """Put a preposition under its noun, and the noun where the preposition was."""
        rows = self._labelled(_NOUN | _CLAUSE)
        word = self.raw_head[rows]
        kept = (word != rows) & (self.flags[word] & (_PREP | _AGENT | _DATIVE) > 0)
        rows, word = rows[kept], word[kept]
        if not len(rows):
            return
        self._write()
        top = word
        for _ in range(_LONGEST_CHAIN):  # "out of": one preposition under another
            above = self.raw_head[top]
            again = (self.flags[above] & _PREP > 0) & (above != top)
            if not again.any():
                break
            top = np.where(again, above, top)
        clause = self.flags[rows] & _CLAUSE > 0
        by = (self.flags[top] & _AGENT > 0) & ~clause
        nominal = self._under_nominal(top)
        governor = self.head[top]
        self.relation[rows] = np.select(
            [by, clause & nominal, clause, nominal],
            [self._name("obl:agent"), self._name("acl"), self._name("advcl"), self._name("nmod")],
            self._name("obl"),
        )
        mark, case = self._name("mark"), self._name("case")
        # A preposition that is the root itself leaves its noun as the root.
        self.head[rows] = np.where(governor == top, rows, governor)
        self.head[word] = rows
        self.relation[word] = np.where(clause, mark, case)
        inner = top != word
        self.head[top[inner]] = rows[inner]
        self.relation[top[inner]] = case

    def coordination(self) -> None:
        """Hang every coordinated word under the first of its row."""
        conj = self._name("conj")
        rows = np.flatnonzero(self.relation == conj)
        above = self.head[rows]
        chained = self.relation[above] == conj
        if not chained.any():
            return
        self._write()
        rows, above = rows[chained], above[chained]
        for _ in range(_LONGEST_CHAIN):
            again = self.relation[above] == conj
            if not again.any():
                break
            above = np.where(again, self.head[above], above)
        self.head[rows] = above

    def negations(self) -> None:
        """Tell "not" apart from other adverbs, as the other scheme does."""
        codes = [code for word in sorted(_NEGATIONS) for code in self.block.codes_of(word)]
        if not codes:
            return
        rows = np.flatnonzero(self.relation == self._name("advmod"))
        rows = rows[np.isin(self.block._columns["lemma"][rows], codes)]
        if len(rows):
            self._write()
            self.relation[rows] = self._name("advmod:neg")
