"""Salient's own language engine: one small network for all of it, and rules for what has a form."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from salient.kernels import span_types
from salient.model import Annotations, Kind, Strings, Text
from salient.nlp import Engine, grammar, keyphrases, mentions
from salient.nlp.assembly import Rows, assembled, join
from salient.nlp.casing import Casing
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.language import UNDETERMINED, identify_text, is_latin
from salient.nlp.legal_forms import READ_AS, STOPPED_FORMS
from salient.nlp.mentions import Row
from salient.nlp.native import features, tokenizer
from salient.nlp.native.network import (
    Loaded,
    Network,
    Parsed,
    Words,
    known_bits,
    open_model,
)
from salient.nlp.rules_engine import RulesEngine, rule_rows
from salient.nlp.units import Unit, bounds_of, units

SHIPPED: Final = Path(__file__).with_name("models") / "english"

PIECE_TOKENS: Final = 1000
"""Tokens that are read as one sequence, a longer unit excepted. More gain no speed, and no sight of more than
the network remembers.
"""

LONGEST_NAME: Final = 60
"""Tokens. What the network takes for a longer name is none, and what is done to names may cost the square of
their length.
"""

_REVISION = "2"
"""Of this module and those that it is made of: part of the engine's version."""


@final
class NativeEngine(Engine):
    """See `Engine`.

    - Tables are read a cell at a time, mail headers a line at a time; code and page furniture get
      tokens only.
    - Headings and disclaimers in capitals are read in sentence case.
    - A text too short to tell its language from is read as the model's language if its letters are
      Latin.
    - The gazetteer's names are shown to the network too, so that it takes them into account.
    """

    name: ClassVar[str] = "salient.native.v1"

    def __init__(self, directory: Path = SHIPPED) -> None:
        """The model is loaded at the first text.

        Raises:
            Misconfigured: the directory holds no model.
        """
        self._directory = directory
        self._rules = RulesEngine()
        self._network: Network | None = None

    def _loaded(self) -> Loaded:
        return open_model(self._directory)

    @property
    def version(self) -> str:
        model = self._loaded().model.digest
        parts = (_REVISION, model, mentions.RULES_VERSION, tokenizer.digest())
        return hashlib.sha256("\0".join([*parts, str(PIECE_TOKENS)]).encode()).hexdigest()[:12]

    @property
    def languages(self) -> frozenset[str]:
        return frozenset({self._loaded().model.description.language})

    def annotate(
        self, texts: Iterable[Text], *, gazetteer: Gazetteer | None = None
    ) -> Iterator[Annotations]:
        if self._network is None:
            self._network = Network(self._loaded())
        known = self._network.description.language
        for text in texts:
            language, score = identify_text(text)
            if language == known or (language == UNDETERMINED and is_latin(text.text)):
                yield self._annotate(self._network, text, language, score, gazetteer)
            else:
                yield self._rules.annotate_as(text, language, score, gazetteer)

    def _annotate(
        self,
        network: Network,
        text: Text,
        language: str,
        score: float,
        gazetteer: Gazetteer | None,
    ) -> Annotations:
        strings = Strings()
        cut = list(units(text))
        known = gazetteer.find(text.text, cut) if gazetteer else []
        values = grammar.find(text.text, cut)
        # Companies that their legal form gives away are as good as known ones.
        told = mentions.combine((), [row for row in values if row[2] == "ORG"], known)
        parts: list[Rows] = []
        found: dict[tuple[int, int, str], float] = {}
        for piece in _pieces(text.text, cut):
            parsed = piece.read(network, told)
            parts.append(_rows(network, piece, parsed, strings))
            found |= _named(network, piece, parsed)
        parts += [rule_rows(text.text, unit, strings) for unit in cut if not unit.prose]
        tokens = join(parts)
        names = [
            (a, b, label, found.get((a, b, label), usual))
            for a, b, label, usual in mentions.refine(text.text, found, cut, values)
        ]
        combined = mentions.combine(names, values, known)
        phrases = keyphrases.extract(text.text, tokens, strings.table(), cut)
        engine = mentions.component_with(self.component, gazetteer)
        return assembled(engine, (language, score), strings, tokens, combined, phrases)


def open_scheme(rest: str) -> NativeEngine:
    """`native`, or `native:/path` of a model's directory."""
    return NativeEngine(Path(rest)) if rest else NativeEngine()


@dataclass(slots=True)
class _Piece:
    """Tokens of some units, to be read as one sequence."""

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    words: Words
    first: NDArray[np.int64]
    """Rows where the units begin."""
    calmed: list[tuple[int, int]]
    """Rows, half-open, of units that were in capitals."""
    text: str

    def read(self, network: Network, known: Sequence[Row]) -> Parsed:
        begin = int(self.start[0])
        points = self.text[begin : int(self.end[-1])].encode("utf-32-le", "surrogatepass")
        characters = np.frombuffer(points, np.uint32)
        must = np.zeros(len(self.start), np.bool_)
        must[self.first] = True
        must[1:] |= self._after_stopped_forms()
        may = np.zeros(len(must), np.bool_)
        may[1:] = _are_signs(characters[self.end[:-1] - (begin + 1)])
        bits = self._bits(must, characters)
        if known:
            bits |= known_bits(self.start, self.end, known)
        words = replace(self.words, read_as=self._companies_words(known))
        return network.read(words, bits, must, may)

    def _after_stopped_forms(self) -> NDArray[np.bool_]:
        """(n - 1,): "Acme Corp. It ...": the form's stop is the sentence's as well."""
        forms, types = self.words.forms, self.words.types
        opens = np.array([form in _PRONOUNS for form in forms], np.bool_)
        if not opens.any():
            return opens[:1] & False
        stopped = np.array([form[-1:] == "." and form[:-1] in STOPPED_FORMS for form in forms])
        found: NDArray[np.bool_] = opens[types[1:]] & stopped[types[:-1]]
        return found

    def _companies_words(self, known: Sequence[Row]) -> dict[str, str]:
        """Legal forms that are words as well, where a company here has one: what depends on it is read by it."""
        there = [form for form in READ_AS if form in self.words.forms]
        low, high = int(self.start[0]), int(self.end[-1])
        return {
            form: READ_AS[form]
            for form in there
            if any(
                label == "ORG" and low <= a < high and self.text.endswith(f" {form}", a, b)
                for a, b, label, _ in known
            )
        }

    def _bits(self, must: NDArray[np.bool_], characters: NDArray[np.uint32]) -> NDArray[np.uint16]:
        start, end = self.start, self.end
        spaced = np.zeros(len(start), np.bool_)
        spaced[0] = start[0] > 0 and self.text[start[0] - 1].isspace()
        spaced[1:] = start[1:] > end[:-1]
        lined = must.copy()
        breaks = characters == ord("\n")
        if breaks.any():
            before = np.cumsum(breaks, dtype=np.int32)
            lined[1:] |= before[start[1:] - start[0]] > before[end[:-1] - (start[0] + 1)]
        bits = (
            spaced * np.uint16(features.SPACE_BEFORE)
            | must * np.uint16(features.FIRST_OF_UNIT)
            | lined * np.uint16(features.NEWLINE_BEFORE)
        )
        for a, b in self.calmed:
            bits[a:b] |= np.uint16(features.CALMED)
        return bits


_PRONOUNS = frozenset("It He She They We You These Those".split())


class _Signs(dict[int, bool]):
    """Whether a character is a sign, which a sentence can end with."""

    def __missing__(self, code: int) -> bool:
        self[code] = unicodedata.category(chr(code))[0] in "PS"
        return self[code]


_SIGNS = _Signs()
_ASCII_SIGNS = np.array([_SIGNS[code] for code in range(128)])


def _are_signs(characters: NDArray[np.uint32]) -> NDArray[np.bool_]:
    told: NDArray[np.bool_] = _ASCII_SIGNS[np.minimum(characters, 127)]
    for at in np.flatnonzero(characters > 127).tolist():
        told[at] = _SIGNS[int(characters[at])]
    return told


def _pieces(text: str, cut: Sequence[Unit]) -> Iterator[_Piece]:
    prose = [unit for unit in cut if unit.prose]
    bounds = bounds_of(prose)
    plain = features.plain(text)
    casing = Casing(text, prose)
    rows = tokenizer.tokenize_units(plain, bounds)
    begins = np.searchsorted(rows[:, 2], np.arange(len(prose) + 1)).tolist()
    first = 0
    for after in range(1, len(prose) + 1):
        if after == len(prose) or begins[after + 1] - begins[first] > PIECE_TOKENS:
            piece = rows[begins[first] : begins[after]]
            yield _piece(text, plain, piece, prose[first:after], casing)
            first = after


def _piece(
    text: str, plain: str, rows: NDArray[np.int32], units: Sequence[Unit], casing: Casing
) -> _Piece:
    start, end = np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1])
    begin = units[0].start
    begins = np.searchsorted(start, [unit.start for unit in units])
    calmed: list[tuple[int, int]] = []
    parts: list[str] = []
    at = begin
    for number, unit in enumerate(units):
        if unit.kind != Kind.FORM_FIELD and casing.shouts(unit):
            parts += plain[at : unit.start], casing.calm(plain[unit.start : unit.end])
            at = unit.end
            calmed.append((int(begins[number]), int(np.searchsorted(start, unit.end))))
    read = "".join([*parts, plain[at : units[-1].end]])
    types, firsts = span_types(read, start - begin, end - begin)
    spelled = zip(start[firsts].tolist(), end[firsts].tolist(), strict=True)
    words = Words([read[a - begin : b - begin] for a, b in spelled], types)
    return _Piece(start, end, words, begins, calmed, text)


def _rows(network: Network, piece: _Piece, parsed: Parsed, strings: Strings) -> Rows:
    about = network.description
    lemmas, lemma_of = network.lemmas(piece.words, parsed)
    sent_start = np.zeros(len(piece.start), np.bool_)
    sent_start[parsed.sentences[:-1]] = True
    return Rows(
        start=piece.start,
        end=piece.end,
        lemma=strings.codes(lemmas)[lemma_of],
        upos=_coded(parsed.tags[:, 0], about.upos, strings),
        xpos=_coded(parsed.tags[:, 1], _plain(about.xpos), strings),
        feats=_coded(parsed.tags[:, 2], _plain(about.feats), strings),
        head=parsed.heads,
        deprel=_coded(parsed.relations, about.relations, strings),
        sent_start=sent_start,
    )


def _plain(names: Sequence[str]) -> list[str]:
    """Without the sign by which treebanks write that there is nothing."""
    return ["" if name == "_" else name for name in names]


def _coded(numbers: NDArray[np.int32], names: Sequence[str], strings: Strings) -> NDArray[np.int32]:
    """Codes of named numbers; those that are first met get theirs in the order of the names."""
    codes = np.zeros(len(names), np.int32)
    there = np.bincount(numbers, minlength=len(names)).nonzero()[0]
    codes[there] = strings.codes([names[number] for number in there.tolist()])
    return codes[numbers]


def _named(network: Network, piece: _Piece, parsed: Parsed) -> dict[tuple[int, int, str], float]:
    labels = network.description.entities
    rows = zip(parsed.entities.tolist(), parsed.entity_shares.tolist(), strict=True)
    start, end = piece.start, piece.end
    return {
        (int(start[first]), int(end[last - 1]), labels[kind]): min(max(share, 0.01), 1.0)
        for (first, last, kind), share in rows
        if last - first <= LONGEST_NAME
    }
