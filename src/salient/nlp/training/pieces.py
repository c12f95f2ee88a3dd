"""What a network is trained on: pieces of documents, drawn and changed at random, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salient.nlp.native import features
from salient.nlp.training.data import TAGGERS, UNKNOWN, UPOS, Columns, Ints, Soft, Types


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive sentences as the network gets them: words of `Columns`, and what was changed."""

    rows: NDArray[np.int64]
    form: Ints
    bits: NDArray[np.uint16]
    starts: NDArray[np.int64]
    """Where the sentences begin in the piece."""
    start: Ints
    """Of each word: 1 where a sentence begins, 0 where not, UNKNOWN where the network need not say."""
    lemma: Ints


@dataclass(frozen=True, slots=True)
class Changes:
    """How often a piece or a sentence is changed, as shares of 1. `Changes.none()` for reading."""

    alone: float = 0.3
    upper: float = 0.03
    lower: float = 0.03
    title: float = 0.01
    calmed: float = 0.7
    """Of what is in capitals: given back its case, and the bit that says so."""
    no_stop: float = 0.04
    unit: float = 0.05
    newlines: float = 0.1
    gazetteer: float = 0.15
    most_words: int = 160

    @classmethod
    def none(cls, most_words: int = 1000) -> Changes:
        return cls(0, 0, 0, 0, 0, 0, 0, 0, 0, most_words)


def pieces(columns: Columns, rng: np.random.Generator, changes: Changes) -> Iterator[Piece]:
    """Cut every document into pieces at random and change some of them. In order of the documents."""
    sizes = np.diff(columns.sentences)
    for first, end in zip(columns.documents[:-1], columns.documents[1:], strict=True):
        at = int(first)
        while at < end:
            until = at + 1
            if rng.random() >= changes.alone:
                room = changes.most_words
                if changes.alone:
                    room = int(rng.integers(20, changes.most_words + 1))
                room -= int(sizes[at])
                while until < end and sizes[until] <= room:
                    room -= int(sizes[until])
                    until += 1
            yield _piece(columns, rng, changes, at, until)
            at = until


def _piece(
    columns: Columns, rng: np.random.Generator, changes: Changes, at: int, until: int
) -> Piece:
    types = columns.types
    bounds = columns.sentences[at : until + 1]
    rows = np.arange(bounds[0], bounds[-1])
    starts = bounds[:-1] - bounds[0]
    training = changes.alone > 0
    if training and rng.random() < changes.no_stop * (until - at):
        rows, starts = _without_stop(columns, rng, rows, starts)
    form, lemma = columns.form[rows], columns.label["lemma"][rows]

    bits = columns.space[rows].astype(np.uint16) * features.SPACE_BEFORE
    unit = columns.paragraph[at:until].copy()
    if training:
        unit &= rng.random(until - at) < 0.8
        unit |= rng.random(until - at) < changes.unit
        unit[0] |= rng.random() < 0.8
    else:
        unit[0] = True
    bits[starts[unit]] |= features.FIRST_OF_UNIT | features.NEWLINE_BEFORE
    if rng.random() < changes.newlines:
        lines = rng.random(len(rows)) < 1 / rng.integers(5, 20)
        bits[lines & (bits & features.SPACE_BEFORE > 0)] |= features.NEWLINE_BEFORE

    start = np.zeros(len(rows), np.int32)
    start[starts] = 1
    start[starts[unit]] = UNKNOWN
    start[0] = UNKNOWN
    start[np.repeat(~columns.bounded[at:until], np.diff([*starts, len(rows)]))] = UNKNOWN

    shouted = columns.shouted[at:until].all()
    draw = rng.random()
    if shouted or draw < changes.upper:
        if rng.random() < changes.calmed or not training:
            form = _calmed(types, rng, form, bits, starts, shouted=bool(shouted))
        else:
            form = types.cased(form, "upper")
            lemma = np.full_like(lemma, UNKNOWN)
    elif draw < changes.upper + changes.lower:
        form = types.cased(form, "lower")
    elif draw < changes.upper + changes.lower + changes.title:
        form = types.cased(form, "capitalize")
    if rng.random() < changes.gazetteer:
        bits |= _gazetteer(columns.known[rows], rng)
    return Piece(rows, form, bits, starts, start, lemma)


def _without_stop(
    columns: Columns, rng: np.random.Generator, rows: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The piece without the last sign of one of its sentences, if nothing hangs on it."""
    chosen = int(rng.integers(len(starts)))
    ends = [*starts[1:], len(rows)]
    last, size = int(ends[chosen]) - 1, int(ends[chosen] - starts[chosen])
    heads = columns.label["head"][rows[starts[chosen] : last]]
    stop = columns.label["upos"][rows[last]] == UPOS.index("PUNCT")
    if size < 2 or not stop or (heads == size).any() or columns.soft:
        return rows, starts
    moved = starts - (np.arange(len(starts)) > chosen)
    return np.delete(rows, last), moved


def _calmed(
    types: Types,
    rng: np.random.Generator,
    form: Ints,
    bits: NDArray[np.uint16],
    starts: NDArray[np.int64],
    *,
    shouted: bool,
) -> Ints:
    """What `casing.Casing` makes of capitals.

    The usual case if it is known, else small letters in prose and capitals in short stretches.
    """
    bits |= features.CALMED
    if not shouted and rng.random() < 0.5:
        return form
    upper, lower = types.cased(form, "upper"), types.cased(form, "lower")
    sizes = np.array([len(types.forms[number]) for number in form])
    loud = (form == upper) & (upper != lower) & (sizes > 1) if shouted else upper != lower
    titled = np.repeat(np.diff([*starts, len(form)]) < 12, np.diff([*starts, len(form)]))
    titled &= sizes > 3
    titled[0] = True
    made = np.where(titled, types.cased(form, "capitalize"), lower)
    return np.where(loud, made, form)


def _gazetteer(known: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Bits of a gazetteer that knows half of the names.

    It holds a tenth of them for another kind, and some words for names that are none.
    """
    bits = np.zeros(len(known), np.uint16)
    begins = np.flatnonzero(known % 2 == 1)
    for at in begins[rng.random(len(begins)) < 0.5]:
        kind = int(known[at] - 1) // 2
        end = at + 1
        while end < len(known) and known[end] == known[at] + 1:
            end += 1
        if rng.random() < 0.1:
            kind = int(rng.integers(4))
        bits[at] |= 1 << (4 + 2 * kind)
        bits[at + 1 : end] |= 1 << (5 + 2 * kind)
    for at in np.flatnonzero(rng.random(len(known)) < 0.005):
        bits[at] |= 1 << (4 + 2 * int(rng.integers(4)))
    return bits


@dataclass(frozen=True, slots=True)
class Batch:
    """Pieces side by side. T words at most, B pieces; word t of piece b is row t * B + b when flat.

    Features are of U distinct types; the last one, U, is none and stands where a piece has ended.
    """

    hashed: Ints
    grams: Ints
    flags: NDArray[np.float32]
    vectors: Ints
    type: NDArray[np.int64]
    """(T, B): which of the types."""
    bits: NDArray[np.float32]
    """(T, B, N_CONTEXT)."""
    mask: NDArray[np.bool_]
    """(T, B)."""
    rows: NDArray[np.int64]
    """(T, B): rows of `Columns`, or -1."""
    label: dict[str, NDArray[np.int64]]
    """(T, B) of TAGGERS and "start", with UNKNOWN."""
    allowed: NDArray[np.int64]
    """(T, B): numbers of `sets`."""
    sets: list[int]
    sentences: NDArray[np.int64]
    """(S, L): flat rows of the words of each sentence whose syntax counts, or -1."""
    head: NDArray[np.int64]
    relation: NDArray[np.int64]
    """(S, L), with UNKNOWN."""
    soft: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]
    """(T, B, k) labels and probabilities; for "head" and "relation" (S, L, k)."""


def batches(
    columns: Columns, drawn: Sequence[Piece], *, n_words: int, syntax_everywhere: bool = False
) -> Iterator[Batch]:
    """Every piece in batches for reading: nothing is drawn or dropped.

    Args:
        n_words: of a batch, counted with what fills it up.
        syntax_everywhere: also for sentences without labels of syntax.
    """
    for chosen in groups(drawn, n_words):
        yield batch(columns, chosen, syntax_everywhere=syntax_everywhere)


def groups(
    drawn: Sequence[Piece], n_words: int, rng: np.random.Generator | None = None
) -> list[list[Piece]]:
    """Pieces of about the same length together, no more than fill a batch of so many words.

    Args:
        rng: makes neighbours in length change; the groups are in order of length all the same.
    """
    sizes = np.array([len(piece.rows) for piece in drawn], float)
    noise = rng.random(len(drawn)) * 6 if rng else np.zeros(len(drawn))
    made: list[list[Piece]] = []
    longest = 0
    for at in np.argsort(sizes + noise, kind="stable"):
        longest = max(longest, int(sizes[at]))
        if not made or longest * (len(made[-1]) + 1) > n_words:
            made.append([])
            longest = int(sizes[at])
        made[-1].append(drawn[at])
    return made


def batch(
    columns: Columns,
    chosen: Sequence[Piece],
    rng: np.random.Generator | None = None,
    *,
    dropped: float = 0.0,
    syntax_everywhere: bool = False,
) -> Batch:
    """Put pieces side by side.

    Args:
        dropped: share of words whose norm and vector are hidden, by `rng`.
        syntax_everywhere: also for sentences without labels of syntax.
    """
    height, width = max(len(p.rows) for p in chosen), len(chosen)
    rows = np.full((height, width), -1, np.int64)
    form, bits = np.zeros((height, width), np.int32), np.zeros((height, width), np.uint16)
    start, lemma = np.full_like(form, UNKNOWN), np.full_like(form, UNKNOWN)
    spans: list[NDArray[np.int64]] = []
    for b, piece in enumerate(chosen):
        size = len(piece.rows)
        rows[:size, b], form[:size, b], bits[:size, b] = piece.rows, piece.form, piece.bits
        start[:size, b], lemma[:size, b] = piece.start, piece.lemma
        ends = [*piece.starts[1:], size]
        spans += [np.arange(s, e) * width + b for s, e in zip(piece.starts, ends, strict=True)]
    mask = rows >= 0

    hidden = rng.random(form.shape) < dropped if rng else np.zeros(form.shape, bool)
    keys, inverse = np.unique((form * 2 + hidden)[mask], return_inverse=True)
    kind = np.full(form.shape, len(keys), np.int64)
    kind[mask] = inverse
    hashed, grams, flags, vectors = columns.types.rows(keys // 2)
    hashed[keys % 2 == 1, 0] = 0
    vectors[keys % 2 == 1] = 0

    label = {name: _at(columns.label[name], rows, UNKNOWN) for name in TAGGERS if name != "lemma"}
    label |= {"lemma": lemma.astype(np.int64), "start": start.astype(np.int64)}
    flat = rows.reshape(-1)
    everywhere = syntax_everywhere or "head" in columns.soft
    spans = [s for s in spans if everywhere or columns.label["head"][flat[s[0]]] != UNKNOWN]
    sentences = np.full((len(spans), max(map(len, spans), default=0)), -1, np.int64)
    for s, span in enumerate(spans):
        sentences[s, : len(span)] = span
    words = np.where(sentences >= 0, flat[sentences], -1)
    return Batch(
        hashed=hashed, grams=grams, flags=flags, vectors=vectors, type=kind,
        bits=features.flag_columns(bits.reshape(-1).astype(np.uint32), features.N_CONTEXT).reshape(height, width, -1),
        mask=mask, rows=rows, label=label, allowed=_at(columns.allowed, rows, 0), sets=columns.sets,
        sentences=sentences, head=_at(columns.label["head"], words, UNKNOWN),
        relation=_at(columns.label["relation"], words, UNKNOWN),
        soft={
            name: _soft(pair, words if name in ("head", "relation") else rows)
            for name, pair in columns.soft.items()
        },
    )  # fmt: skip


def _at(column: Ints, rows: NDArray[np.int64], missing: int) -> NDArray[np.int64]:
    return np.where(rows >= 0, column[rows], missing).astype(np.int64)


def _soft(pair: Soft, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    labels, shares = pair[0][rows].astype(np.int64), pair[1][rows].astype(np.float32)
    # What fills up has no label: that of some other word could be a head past the batch's longest sentence.
    labels[rows < 0] = shares[rows < 0] = 0
    return labels, shares
