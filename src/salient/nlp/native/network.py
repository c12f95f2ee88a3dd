"""A model at work: words in, what the network and the decoders say of them out."""

from __future__ import annotations

import bisect
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from numpy.typing import NDArray

from salient.nlp.native import decode, features
from salient.nlp.native.model import Description, Model, load

if TYPE_CHECKING or os.environ.get("SALIENT_PURE_PYTHON") == "1":
    from salient.kernels.decode import entity_spans, trees
    from salient.kernels.encoder import Encoder
    from salient.kernels.types import type_rows
    from salient.kernels.words import first_uses
else:
    from salient.kernels._decode import entity_spans, trees
    from salient.kernels._encoder import Encoder
    from salient.kernels._types import type_rows
    from salient.kernels._words import first_uses

MOST_TYPES: Final = 4096
"""Word types that are remembered: 22 MB at the shipped model's width. New ones take the place of those that
were not seen for the longest time.
"""

_MOST_LEMMAS = 20_000

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

# Which weights make a head's scores: they are divided by its temperature.
_SCALED = {
    "upos": ("upos.weight", "upos.bias"), "xpos": ("xpos.weight", "xpos.bias"),
    "feats": ("feats.weight", "feats.bias"), "lemma": ("lemma.weight", "lemma.bias"),
    "start": ("start.weight", "start.bias"), "arc": ("arc.w", "arc.u", "arc.dist"),
    "label": ("label.out.weight", "label.out.bias"), "ner": ("ner.out.weight", "ner.out.bias"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """A sequence of n tokens, read. Shares are probabilities, as far as the model's temperatures make them so.

    Arrays may be views of those of sequences that were read with it.
    """

    tags: Ints
    """(n, 4): numbers of upos, xpos, feats and the lemma's rule."""
    tag_shares: Floats
    sentences: Ints
    """(n_sentences + 1,): rows where they begin, and n."""
    starts: Floats
    """(n,): the probability that a sentence begins here."""
    heads: Ints
    """(n,): the row of each token's head; a root is its own."""
    head_shares: Floats
    relations: Ints
    """(n,): numbers of relations."""
    relation_shares: Floats
    entities: Ints
    """(n_entities, 3): first row, end (half-open) and type of each name, in order."""
    entity_shares: Floats
    """The mean probability of its tags."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """A sequence of n words. What depends on a word alone is worked out for `forms`, then looked up for all."""

    forms: Sequence[str]
    """As the network should see them: see `features.plain`. In the order of first uses."""
    types: Ints
    """(n,): which of the forms each word is."""
    read_as: Mapping[str, str] = field(default_factory=dict)
    """What the network takes some of the forms for; lemmas are of the forms themselves."""

    @classmethod
    def of(cls, forms: Sequence[str]) -> Words:
        numbers = {form: at for at, form in enumerate(dict.fromkeys(forms))}
        return cls(list(numbers), np.array([numbers[form] for form in forms], np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A sequence of n tokens to be read; n is 1 at least."""

    words: Words
    bits: NDArray[np.uint16]
    """(n,): of each token in its place, as `features` has them."""
    must: NDArray[np.bool_]
    """(n,): sentences that begin for sure, as in `decode.sentence_bounds`."""
    may: NDArray[np.bool_]
    """(n,): where sentences can begin."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model and its network, which threads and engines of a process share."""

    model: Model
    encoder: Encoder
    distance: Floats


@cache
def open_model(directory: Path) -> Loaded:
    """Load once a process.

    Raises:
        Misconfigured, Corrupt: see `salient.nlp.native.model.load`.
    """
    model = load(directory)
    arrays = dict(model.arrays)
    for head, names in _SCALED.items():
        for name in names:
            arrays[name] = arrays[name] / np.float32(model.description.temperature(head))
    return Loaded(model, Encoder(arrays), arrays["arc.dist"])


@final
class Network:
    """Reads tokens by one model. Not safe for threads: it remembers words."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._types = _Types(loaded)
        self._lemmas: dict[tuple[str, int, int], str] = {}
        about = loaded.model.description
        others = [name for name in about.relations if name != "root"]
        self._likely = decode.LIKELY / about.temperature("start")
        self._root = _number(about.relations, "root", *others)
        self._loose = _number(about.relations, "parataxis", "dep", *others, "root")
        self._not_root = _number(about.relations, "dep", *others, "root")
        self.xpos, self.feats = _plain(about.xpos), _plain(about.feats)

    @property
    def description(self) -> Description:
        return self._loaded.model.description

    def read(self, asked: Sequence[Asked]) -> list[Parsed]:
        """Read sequences of tokens, none of which sees another.

        Many short ones at once cost what one long one costs.

        Cost: linear in the tokens.
        """
        encoder = self._loaded.encoder
        table, slots = self._types.slots([one.words for one in asked])
        sizes = [len(one.bits) for one in asked]
        begins = np.zeros(len(sizes) + 1, np.int32)
        np.cumsum(sizes, out=begins[1:])
        reading = encoder.read(table, slots, _together([one.bits for one in asked]), begins)
        must, may = (_together([getattr(one, name) for one in asked]) for name in ("must", "may"))
        sentences, stretches = decode.sentence_bounds(reading.start, must, may, self._likely)
        heads, head_shares = trees(
            reading.heads, reading.deps, encoder.root, self._loaded.distance, stretches
        )
        loose = decode.joined(heads, sentences, stretches)
        relations, relation_shares = encoder.relations(reading, heads)
        roots = heads == np.arange(len(heads))
        relations[(relations == self._root) & ~roots] = self._not_root
        relations[roots] = self._root
        relations[loose] = self._loose
        entities, entity_shares = entity_spans(reading.entities, sentences)
        starts = np.float32(0.5) + np.float32(0.5) * np.tanh(reading.start / np.float32(2))
        whole = Parsed(
            reading.tags, reading.shares, sentences, starts, heads, head_shares, relations,
            relation_shares, entities, entity_shares,
        )  # fmt: skip
        return [whole] if len(asked) == 1 else _apart(whole, begins)

    def lemmas(self, words: Words, parsed: Parsed) -> tuple[list[str], Ints]:
        """Lemmas: by the lexicon, else by the rule that the network chose, else the form itself.

        Returns:
            Those that there are, some twice, in the order of first uses; and which is each token's.
        """
        about = self.description
        n_upos, n_rules = len(about.upos), len(about.rules)
        upos, choice = parsed.tags[:, 0].astype(np.int64), parsed.tags[:, 3]
        numbers, firsts = first_uses((words.types * n_rules + choice) * n_upos + upos)
        forms, rows = (
            words.forms,
            zip(
                words.types[firsts].tolist(),
                upos[firsts].tolist(),
                choice[firsts].tolist(),
                strict=True,
            ),
        )
        keys = [(forms[number], tag, rule) for number, tag, rule in rows]
        known = self._lemmas
        if len(known) > _MOST_LEMMAS:
            known.clear()
        if new := [key for key in keys if key not in known]:
            known.update(zip(new, self._worked_out(new), strict=True))
        return list(map(known.__getitem__, keys)), numbers

    def _worked_out(self, keys: Sequence[tuple[str, int, int]]) -> list[str]:
        model = self._loaded.model
        tags, rules = model.description.upos, model.description.rules
        small = [form.lower() for form, _, _ in keys]
        asked = [f"{form}\t{tags[upos]}" for form, (_, upos, _) in zip(small, keys, strict=True)]
        places = model.lexicon.rows(asked).tolist()
        chosen = [
            int(model.lexicon_rules[at]) if at >= 0 else choice
            for at, (_, _, choice) in zip(places, keys, strict=True)
        ]
        return [
            decode.lemma_by(rules[rule], form) or low
            for rule, low, (form, _, _) in zip(chosen, small, keys, strict=True)
        ]


def _plain(names: Sequence[str]) -> list[str]:
    """Without the sign by which treebanks write that there is nothing."""
    return ["" if name == "_" else name for name in names]


def _number(names: Sequence[str], *wanted: str) -> int:
    """Where the first of these stands that there is."""
    return next(names.index(name) for name in wanted if name in names)


class _Types:
    """Vectors and projections of the word types that were seen lately."""

    def __init__(self, loaded: Loaded) -> None:
        self._encoder, self._vocabulary = loaded.encoder, loaded.model.vocabulary
        self._table = np.empty((MOST_TYPES, self._encoder.type_width), np.float32)
        self._slots: dict[str, int] = {}
        self._free = list(range(MOST_TYPES - 1, -1, -1))
        self._used = np.zeros(MOST_TYPES, np.int64)
        self._now = 0

    def slots(self, sequences: Sequence[Words]) -> tuple[Floats, Ints]:
        """A table, and the row in it of each word of the sequences; good until the next call."""
        forms, types = _one_list(sequences)
        found = list(map(self._slots.get, forms))
        self._now += 1
        if None in found:
            missing = (form for form, slot in zip(forms, found, strict=True) if slot is None)
            new = list(dict.fromkeys(missing))
            known = {slot for slot in found if slot is not None}
            if (
                len(new) + len(known) > MOST_TYPES
            ):  # more than are remembered: a table for them alone
                return self._worked_out(forms), types
            self._used[list(known)] = self._now
            self._add(new)
            found = list(map(self._slots.get, forms))
        rows = np.array(found, np.int32)
        self._used[rows] = self._now
        return self._table, rows[types]

    def _add(self, forms: Sequence[str]) -> None:
        if len(forms) > len(self._free):
            self._forget(max(len(forms), MOST_TYPES // 2))
        slots = [self._free.pop() for _ in forms]
        self._table[slots] = self._worked_out(forms)
        self._slots.update(zip(forms, slots, strict=True))

    def _forget(self, count: int) -> None:
        """Make room for so many, but leave those that are needed now."""
        old = np.argsort(self._used, kind="stable")[:count]
        dropped = set(old[self._used[old] < self._now].tolist())
        self._slots = {f: s for f, s in self._slots.items() if s not in dropped}
        held = set(self._slots.values())
        self._free = [slot for slot in range(MOST_TYPES - 1, -1, -1) if slot not in held]

    def _worked_out(self, forms: Sequence[str]) -> Floats:
        rows = type_rows(forms, features.SIZES)
        words = np.zeros(len(forms), np.int32)
        if len(self._vocabulary):
            words = self._vocabulary.rows(features.norms(forms)) + np.int32(1)
        return self._encoder.types(rows, words)


def _one_list(sequences: Sequence[Words]) -> tuple[Sequence[str], Ints]:
    """The forms of all sequences, and which of them each word is."""
    read = [
        [words.read_as.get(f, f) for f in words.forms] if words.read_as else words.forms
        for words in sequences
    ]
    if len(read) == 1:
        return read[0], sequences[0].types
    sizes = np.cumsum([0, *map(len, read)], dtype=np.int32).tolist()
    types = [words.types + size for words, size in zip(sequences, sizes, strict=False)]
    return list(itertools.chain.from_iterable(read)), np.concatenate(types)


def _together(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _apart(whole: Parsed, begins: Ints) -> list[Parsed]:
    """Sequences that were read together, each with rows of its own."""
    sentences = np.searchsorted(whole.sentences, begins).tolist()
    entities = np.searchsorted(whole.entities[:, 0], begins).tolist()
    edges = begins.tolist()
    made = []
    for at, (a, b) in enumerate(itertools.pairwise(edges)):
        first, last = entities[at], entities[at + 1]
        made.append(
            Parsed(
                whole.tags[a:b], whole.tag_shares[a:b], whole.sentences[sentences[at] : sentences[at + 1] + 1] - a,
                whole.starts[a:b], whole.heads[a:b] - a, whole.head_shares[a:b], whole.relations[a:b],
                whole.relation_shares[a:b], whole.entities[first:last] - np.array([a, a, 0], np.int32),
                whole.entity_shares[first:last],
            )
        )  # fmt: skip
    return made


def known_bits(
    start: Ints, end: Ints, names: Sequence[tuple[int, int, str, float]]
) -> NDArray[np.uint16]:
    """The bits of tokens that known names cover.

    Args:
        start: (n,) where each token starts, in order; n is 1 at least.
        end: (n,) and where it ends.
        names: (start, end, label, score) of the whole text, in order, as `Gazetteer.find` gives.

    Cost: linear in the names among the tokens; the others are not looked at.
    """
    bits = np.zeros(len(start), np.uint16)
    here = slice(
        bisect.bisect_right(names, int(start[0]), key=itemgetter(1)),
        bisect.bisect_left(names, int(end[-1]), key=itemgetter(0)),
    )
    for a, b, label, _ in names[here]:
        first, last = int(np.searchsorted(start, a)), int(np.searchsorted(end, b, side="right"))
        if first < last:
            kind = 4 + 2 * _KIND_OF.get(label, len(features.GAZETTEER_KINDS) - 1)
            bits[first] |= 1 << kind
            bits[first + 1 : last] |= 2 << kind
    return bits


_KIND_OF = {"PERSON": 0, "ORG": 1, "GPE": 2, "LOC": 2, "FAC": 2}
