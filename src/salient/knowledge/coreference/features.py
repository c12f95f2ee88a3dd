"""What tells whether two mentions are the same: small integers, combined by templates into weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from salient.knowledge.coreference.referring import Referring, Role, Shape, Sort, speaks
from salient.knowledge.syntax import Tree

Ints = NDArray[np.int64]

WINDOW = 30
"""Mentions before an anaphor that are looked at, beside the last ones with its head or its name."""
_FURTHER = 3
_CHUNK = 2048  # anaphors whose pairs are in memory at a time

# How many values each feature can take.
SIZES: Mapping[str, int] = {
    "a": 18, "c": 18, "a_kind": 4, "c_kind": 4, "sentences": 8, "mentions": 8, "role_a": 10, "role_c": 10,
    "number": 9, "gender": 16, "sort_a": 6, "sort_c": 6, "head": 3, "name": 3, "words": 5, "bound": 4,
    "nested": 3, "paragraphs": 4, "quotes": 5, "speaker": 2, "beside": 4, "count": 4, "opens": 2,
    "governed": 2, "lemma": 8192, "lemmas": 8192, "own": 8192, "verb": 8192, "clause": 8, "new": 3,
    "far": 2, "said": 512, "fits": 4096, "agrees": 2, "between": 5,
}  # fmt: skip
# The lemma features are hashed; "fits" is the antecedent's lemma under the anaphor's verb.
PAIR = (
    ("a", "c"), ("a", "sentences", "c_kind"), ("a", "mentions", "sentences"), ("a", "role_a", "role_c"),
    ("a", "number", "gender"), ("a", "sort_c", "number"), ("sort_a", "sort_c", "a_kind", "c_kind"),
    ("a", "sort_c", "gender"), ("a", "c_kind", "head", "words"), ("a_kind", "name", "head", "words"),
    ("a", "bound", "c_kind"), ("a", "nested", "role_a"), ("a", "paragraphs", "c_kind"),
    ("a", "quotes", "c"), ("a", "speaker", "quotes"), ("a_kind", "beside", "c_kind", "sentences"),
    ("a", "count", "c_kind"), ("a", "opens", "role_c", "sentences"), ("a", "governed", "role_c"),
    ("lemma",), ("lemmas",), ("a", "c", "sentences"), ("a", "role_c", "sentences"),
    ("a_kind", "far", "head", "words"), ("a_kind", "sort_c", "role_c", "sentences"), ("fits",),
    ("a", "said"), ("a", "agrees", "between", "c_kind"), ("a", "agrees", "between", "role_c"),
)  # fmt: skip
NEW = (
    ("a",), ("a", "role_a"), ("own",), ("verb",), ("a", "clause"), ("a", "sentences"), ("a", "new", "name"),
    ("a", "sort_a", "new"), ("a_kind", "words", "new"),
)  # fmt: skip


def sizes(templates: Sequence[tuple[str, ...]]) -> list[int]:
    """How many weights each template has."""
    return [int(np.prod([SIZES[name] for name in template])) for template in templates]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Anaphors with their candidates. `anaphor`, `candidate` are rows of `Referring`.

    `pair` is (n_pairs, len(PAIR)) and `new` (n_anaphors, len(NEW)): which weight each template
    picks. `begins` has the first pair of each anaphor and, last, their number. `barred` pairs are
    not to be: binding, and what holds the other.
    """

    anaphors: Ints
    begins: Ints
    anaphor: Ints
    candidate: Ints
    pair: NDArray[np.int32]
    new: NDArray[np.int32]
    barred: NDArray[np.bool_]


def pairs(tree: Tree, found: Referring, anaphors: Ints) -> Iterator[Pairs]:
    """The pairs of some mentions, in order, a bounded number at a time.

    Cost: linear in the anaphors, at most WINDOW and a few candidates each.
    """
    of = _Features(tree, found)
    for at in range(0, len(anaphors), _CHUNK):
        yield of(anaphors[at : at + _CHUNK])


class _Features:
    def __init__(self, tree: Tree, found: Referring) -> None:
        self.found = found
        self.head_of = np.array(tree.head, np.int64)
        self.speaks = speaks(tree)
        self.lemma = _codes(tree.lemma)
        self.clause = _clauses(tree, found)
        self.same_head = _previous(found.head_code)
        self.same_name = _previous(np.where(found.entity >= 0, found.entity, -1 - np.arange(len(found))))  # fmt: skip
        self.same_text = _previous(found.text_code)
        self.count = _counts(found.head_code)
        self.kind = np.select(
            [found.shape == Shape.NAME, found.shape < Shape.INDEFINITE, found.shape < Shape.HE], [0, 1, 2], 3
        )  # fmt: skip
        self.opens = np.append([True], found.sentence[1:] != found.sentence[:-1])[: len(found)]

    def __call__(self, anaphors: Ints) -> Pairs:
        anaphor, candidate = self._candidates(anaphors)
        begins = np.append(np.searchsorted(anaphor, anaphors), len(anaphor))
        columns = self._pair(anaphor, candidate)
        columns |= _between(columns, begins)
        barred = self._barred(anaphor, columns)
        return Pairs(
            anaphors,
            begins,
            anaphor,
            candidate,
            _indices(PAIR, columns),
            _indices(NEW, self._new(anaphors)),
            barred,
        )

    def _candidates(self, anaphors: Ints) -> tuple[Ints, Ints]:
        near = anaphors[:, None] - np.arange(1, WINDOW + 1)
        further: list[Ints] = []
        for previous in (self.same_head, self.same_name, self.same_text):
            at = anaphors
            for _ in range(_FURTHER):
                at = np.where(at >= 0, previous[at], -1)
                further.append(np.where(at < anaphors - WINDOW, at, -1))
        table = np.concatenate([near, np.stack(further, axis=1)], axis=1)
        table = -np.sort(-table, axis=1)  # nearest first
        fresh = np.ones(table.shape, np.bool_)
        fresh[:, 1:] = table[:, 1:] != table[:, :-1]
        kept = fresh & (table >= 0)
        return np.repeat(anaphors, kept.sum(axis=1)), table[kept]

    def _pair(self, a: Ints, c: Ints) -> dict[str, Ints]:
        f, heads = self.found, self.head_of
        sentences = f.sentence[a] - f.sentence[c]
        return {
            "a": f.shape[a], "c": f.shape[c], "a_kind": self.kind[a], "c_kind": self.kind[c],
            "sentences": np.searchsorted([1, 2, 3, 4, 6, 10, 20], sentences, side="right"),
            "mentions": np.searchsorted([2, 3, 4, 5, 8, 13, 21], a - c, side="right"),
            "role_a": f.role[a], "role_c": f.role[c],
            "number": f.number[a] * 3 + f.number[c], "gender": f.gender[a] * 4 + f.gender[c],
            "sort_a": f.sort[a], "sort_c": f.sort[c],
            "head": (f.head_code[a] == f.head_code[c]) * 1 + (f.text_code[a] == f.text_code[c]) * 1,
            "name": np.where((f.entity[a] < 0) | (f.entity[c] < 0), 0, 2 - (f.entity[a] == f.entity[c])),
            "words": _subsets(f.words[a], f.words[c]),
            "bound": self._bound(a, c), "nested": _nested(heads, f.head[a], f.head[c]),
            "paragraphs": np.clip(f.paragraph[a] - f.paragraph[c], 0, 3),
            "quotes": _quotes(f.quotation[a], f.quotation[c]),
            "speaker": (self.speaks[f.governor[c]] & (f.governor[c] >= 0) & (f.role[c] == Role.SUBJECT)) * 1,
            "beside": self._beside(a, c), "count": np.minimum(self.count[c], 3),
            "opens": self.opens[c] * 1,
            "governed": self._governed(a, c),
            "lemma": (f.head_code[c] * 31 + f.shape[a]) % 8192,
            "lemmas": np.where(self.kind[a] == 3, 0, (f.head_code[a] * 31 + f.head_code[c]) % 8192),
            "far": (a - c > WINDOW) * 1,
            "said": f.head_code[c] % 512,
            "fits": np.where((self.kind[a] == 3) & (f.governor[a] >= 0), (self.lemma[f.governor[a]] * 31 + f.role[a] * 7 + f.head_code[c]) % 4095 + 1, 0),
        }  # fmt: skip

    def _new(self, a: Ints) -> dict[str, Ints]:
        f = self.found
        kind = self.kind[a]
        earlier = (self.same_head[a] >= 0) * 1 + (self.same_text[a] >= 0) * 1
        verb = self.lemma[f.governor[a]] * 31 + f.shape[a] * 7 + f.role[a]
        return {
            "a": f.shape[a], "role_a": f.role[a], "a_kind": kind, "sort_a": f.sort[a],
            "own": (f.head_code[a] * 31 + f.shape[a]) % 8192,
            "verb": np.where((kind == 3) & (f.governor[a] >= 0), verb % 8191 + 1, 0),
            "clause": self.clause[a],
            "sentences": np.searchsorted([1, 2, 3, 5, 10, 20, 40], f.sentence[a], side="right"),
            "new": earlier, "name": np.where(f.entity[a] < 0, 0, 1 + (self.same_name[a] >= 0)),
            "words": np.searchsorted([1, 2, 3, 4], _bits(f.words[a]), side="right"),
        }  # fmt: skip

    def _bound(self, a: Ints, c: Ints) -> Ints:
        """1 arguments of one verb, 2 of one verb and one owned by the other's noun, 3 owner of the anaphor."""
        f = self.found
        argument = (f.role >= Role.SUBJECT) & (f.role <= Role.OBLIQUE)
        together = (
            (f.governor[a] == f.governor[c]) & (f.governor[a] >= 0) & (f.head[a] != f.head[c])
        )
        owned = f.governor[c] == f.head[a]
        above = np.where(f.governor[a] >= 0, self.head_of[f.governor[a]], -1)
        deeper = (above == f.governor[c]) & (f.governor[c] >= 0) & ~together
        return np.select([together & argument[a] & argument[c], owned, deeper], [1, 3, 2], 0)  # fmt: skip

    def _beside(self, a: Ints, c: Ints) -> Ints:
        """1 apposition, 2 subject and predicate, 3 relative clause of."""
        f = self.found
        apposed = (f.role[a] == Role.APPOSITION) & (self.head_of[f.head[a]] == f.head[c])
        said = (f.role[a] == Role.PREDICATE) & (f.role[c] == Role.SUBJECT) & ((f.governor[c] == f.head[a]) | ((f.governor[c] == f.governor[a]) & (f.governor[a] >= 0)))  # fmt: skip
        relative = (f.shape[a] >= Shape.WHO) & (f.shape[a] <= Shape.THAT)
        governor = f.governor[a]
        above = np.where(governor >= 0, self.head_of[governor], -1)
        relative &= (above == f.head[c]) | (governor == f.head[c])
        return np.select([apposed, said, relative], [1, 2, 3], 0)

    def _governed(self, a: Ints, c: Ints) -> Ints:
        f = self.found
        verb = np.where(f.governor >= 0, self.lemma[f.governor], -1)
        same = (verb[a] == verb[c]) & (verb[a] >= 0) & (f.role[a] == f.role[c])
        return np.asarray(same, np.int64)

    def _barred(self, a: Ints, columns: Mapping[str, Ints]) -> NDArray[np.bool_]:
        """What grammar forbids: one verb's two arguments, two bearers, he and she, it and a person."""
        f = self.found
        reflexive = np.isin(f.head_code[a], _REFLEXIVE)
        relative = (columns["a"] >= Shape.WHO) & (columns["a"] <= Shape.THAT)
        pronoun = columns["a_kind"] == 3
        genders = np.divmod(columns["gender"], 4)
        barred = (columns["bound"] == 1) & pronoun & ~reflexive & ~relative
        barred |= columns["name"] == 2
        barred |= (genders[0] > 0) & (genders[1] > 0) & (genders[0] != genders[1])
        person = (columns["a"] == Shape.HE) | (columns["a"] == Shape.SHE)
        barred |= (columns["a"] == Shape.IT) & (columns["sort_c"] == Sort.PERSON)
        barred |= person & (columns["sort_c"] > Sort.PERSON)
        barred |= (person | (columns["a"] == Shape.IT)) & (columns["sort_c"] == Sort.TIME)
        held = (columns["nested"] > 0) & pronoun & ~relative & (columns["beside"] == 0)
        return np.asarray(barred | held, np.bool_)


def _reflexives() -> Ints:
    words = "himself herself itself themselves themself myself yourself ourselves yourselves"
    return np.array([crc32(w.encode()) for w in words.split()], np.int64)


_REFLEXIVE = _reflexives()


def _codes(words: Sequence[str]) -> Ints:
    known: dict[str, int] = {}
    return np.fromiter(
        (known[w] if w in known else known.setdefault(w, crc32(w.encode("utf-8", "replace"))) for w in words),
        np.int64,
        len(words),
    )  # fmt: skip


def _previous(codes: Ints) -> Ints:
    """For each row the last row before it with the same code, or -1."""
    order = np.argsort(codes, kind="stable")
    found = np.full(len(codes), -1, np.int64)
    same = codes[order[1:]] == codes[order[:-1]]
    found[order[1:][same]] = order[:-1][same]
    return found


def _counts(codes: Ints) -> Ints:
    """For each row how many rows before it have its code."""
    if not len(codes):
        return np.zeros(0, np.int64)
    order = np.argsort(codes, kind="stable")
    changes = np.append([True], codes[order[1:]] != codes[order[:-1]])
    first = np.maximum.accumulate(np.where(changes, np.arange(len(codes)), 0))
    found = np.empty(len(codes), np.int64)
    found[order] = np.arange(len(codes)) - first
    return found


def _bits(words: NDArray[np.uint64]) -> Ints:
    return np.bitwise_count(words).astype(np.int64)


def _between(columns: Mapping[str, Ints], begins: Ints) -> dict[str, Ints]:
    """Whether the candidate agrees with the anaphor, and how many nearer ones do, up to 4."""
    numbers, genders = np.array(_AGREE_NUMBER), np.array(_AGREE_GENDER)
    agrees = numbers[columns["number"]] & genders[columns["gender"]]
    agrees &= (columns["bound"] != 1) & (columns["sort_c"] != Sort.TIME)
    person = np.isin(columns["a"], (Shape.HE, Shape.SHE))
    agrees &= np.where(person, columns["sort_c"] <= Sort.PERSON, (columns["a"] != Shape.IT) | (columns["sort_c"] != Sort.PERSON))  # fmt: skip
    nearer = np.cumsum(agrees) - agrees
    nearer -= np.repeat(nearer[np.minimum(begins[:-1], max(len(nearer) - 1, 0))] if len(nearer) else begins[:-1], np.diff(begins))  # fmt: skip
    return {"agrees": agrees * 1, "between": np.minimum(nearer, 4)}


_AGREE_NUMBER = [a == 0 or c == 0 or a == c for a in range(3) for c in range(3)]
_AGREE_GENDER = [a == 0 or c == 0 or a == c for a in range(4) for c in range(4)]


def _subsets(a: NDArray[np.uint64], c: NDArray[np.uint64]) -> Ints:
    """0 nothing in common or empty, 1 equal, 2 all of the anaphor's, 3 all of the candidate's, 4 some."""
    both = a & c
    return np.select([both == 0, a == c, both == a, both == c], [0, 1, 2, 3], 4)


def _nested(heads: Ints, a: Ints, c: Ints) -> Ints:
    """1 the anaphor hangs under the candidate's head, 2 the other way round; up to six steps."""
    up_a, up_c = a, c
    found = np.zeros(len(a), np.int64)
    for _ in range(6):
        up_a, up_c = heads[up_a], heads[up_c]
        found = np.where((found == 0) & (up_a == c), 1, found)
        found = np.where((found == 0) & (up_c == a), 2, found)
    return np.where(a == c, 0, found)


def _quotes(a: Ints, c: Ints) -> Ints:
    """0 neither quoted, 1 in one quotation, 2 the anaphor alone, 3 the candidate alone, 4 in two."""
    return np.select([(a == 0) & (c == 0), a == c, c == 0, a == 0], [0, 1, 2, 3], 4)


def _clauses(tree: Tree, found: Referring) -> Ints:
    """Signs of an "it" that stands for nothing: a clause behind it, an adjective, a label."""
    clause = frozenset({"ccomp", "xcomp", "csubj", "csubj:outer", "advcl"})
    rows = np.zeros(len(found), np.int64)
    for row in np.flatnonzero((found.shape == Shape.IT) | (found.shape >= Shape.THAT)).tolist():
        head, governor = int(found.head[row]), int(found.governor[row])
        sign = 4 * (tree.deprel[head] == "expl")
        if governor >= 0:
            under = [c for c in tree.children[governor] if c > head]
            sign += any(tree.deprel[c] in clause for c in under)
            adjective = tree.upos[governor] == "ADJ" or any(tree.upos[c] == "ADJ" for c in under)
            sign += 2 * adjective
        rows[row] = sign
    return rows


def _indices(
    templates: Sequence[tuple[str, ...]], columns: Mapping[str, Ints]
) -> NDArray[np.int32]:
    """(n_rows, n_templates): the weight that each template picks."""
    n = len(next(iter(columns.values())))
    out = np.empty((n, len(templates)), np.int32)
    offset = 0
    for at, (template, size) in enumerate(zip(templates, sizes(templates), strict=True)):
        code = np.zeros(n, np.int64)
        for name in template:
            code = code * SIZES[name] + columns[name]
        out[:, at] = code + offset
        offset += size
    return out
