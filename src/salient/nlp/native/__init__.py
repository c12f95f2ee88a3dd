"""Salient's own language engine: one small network for all of it, and rules for what has a form."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from salient.kernels import span_types
from salient.model import Annotations, Kind, Strings, Text
from salient.nlp import AHEAD, Engine, grammar, keyphrases, mentions
from salient.nlp.assembly import Rows, assembled, join
from salient.nlp.casing import Casing
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.language import UNDETERMINED, identify_text, is_latin
from salient.nlp.legal_forms import READ_AS, STOPPED_FORMS
from salient.nlp.mentions import Row
from salient.nlp.native import features, tokenizer
from salient.nlp.native.network import (
    Asked,
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

TOGETHER: Final = 6000
"""Characters of short texts that are read at once: about as many tokens as a piece has."""

LONGEST_NAME: Final = 60
"""Tokens. What the network takes for a longer name is none, and what is done to names may cost the square of
their length.
"""

_REVISION = "3"
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

    @cached_property
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
        for group in _groups(texts):
            yield from self._annotate_all(self._network, group, gazetteer)

    def _annotate_all(
        self, network: Network, texts: Sequence[Text], gazetteer: Gazetteer | None
    ) -> Iterator[Annotations]:
        told = [identify_text(text) for text in texts]
        begun = [
            _Begun.of(text, language, gazetteer) if self._reads(network, text, language) else None
            for text, language in zip(texts, told, strict=True)
        ]
        read = _read(network, [one for one in begun if one])
        engine = mentions.component_with(self.component, gazetteer)
        for text, language, one in zip(texts, told, begun, strict=True):
            if one is None:
                yield self._rules.annotate_as(text, *language, gazetteer)
            else:
                yield one.ended(engine, network, next(read))

    def _reads(self, network: Network, text: Text, language: tuple[str, float]) -> bool:
        known = network.description.language
        return language[0] == known or (language[0] == UNDETERMINED and is_latin(text.text))


def _groups(texts: Iterable[Text]) -> Iterator[list[Text]]:
    """Short texts that follow each other, together; a long one by itself."""
    group: list[Text] = []
    size = 0
    try:
        for text in texts:
            if group and size + len(text.text) > TOGETHER:
                yield group
                group, size = [], 0
            group.append(text)
            size += len(text.text)
            if size > TOGETHER or len(group) == AHEAD:
                yield group
                group, size = [], 0
    except Exception:  # of anybody's source; raised again when what came before it is annotated
        if group:
            yield group
        raise
    if group:
        yield group


@dataclass(slots=True)
class _Begun:
    """A text, up to what the network is asked of it."""

    text: Text
    language: tuple[str, float]
    cut: list[Unit]
    known: list[Row]
    values: list[Row]

    @classmethod
    def of(cls, text: Text, language: tuple[str, float], gazetteer: Gazetteer | None) -> _Begun:
        cut = list(units(text))
        known = gazetteer.find(text.text, cut) if gazetteer else []
        return cls(text, language, cut, known, grammar.find(text.text, cut))

    def pieces(self) -> Iterator[tuple[_Piece, Asked]]:
        # Companies that their legal form gives away are as good as known ones.
        companies = [row for row in self.values if row[2] == "ORG"]
        told = mentions.combine((), companies, self.known)
        for piece in _pieces(self.text.text, self.cut):
            yield piece, piece.asked(told)

    def ended(
        self, engine: str, network: Network, read: Iterable[tuple[_Piece, Parsed]]
    ) -> Annotations:
        """All that is made of the text."""
        text, cut, strings = self.text.text, self.cut, Strings()
        parts: list[Rows] = []
        found: dict[tuple[int, int, str], float] = {}
        for piece, parsed in read:
            parts.append(_rows(network, piece, parsed, strings))
            found |= _named(network, piece, parsed)
        parts += [rule_rows(text, unit, strings) for unit in cut if not unit.prose]
        tokens = join(parts)
        names = [
            (a, b, label, found.get((a, b, label), usual))
            for a, b, label, usual in mentions.refine(text, found, cut, self.values)
        ]
        combined = mentions.combine(names, self.values, self.known)
        phrases = keyphrases.extract(text, tokens, strings.table(), cut)
        return assembled(engine, self.language, strings, tokens, combined, phrases)


def _read(network: Network, texts: Sequence[_Begun]) -> Iterator[Iterable[tuple[_Piece, Parsed]]]:
    """What the network says of the pieces of each text: of short ones at once, of a long one as it goes."""
    if len(texts) == 1:
        yield ((piece, network.read([asked])[0]) for piece, asked in texts[0].pieces())
        return
    cut = [list(text.pieces()) for text in texts]
    asked = [asked for pieces in cut for _, asked in pieces]
    parsed = iter(network.read(asked) if asked else ())
    for pieces in cut:
        yield [(piece, next(parsed)) for piece, _ in pieces]


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

    def asked(self, known: Sequence[Row]) -> Asked:
        """What the network is asked; `known` are the text's sure names."""
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
        return Asked(words, bits, must, may)

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
        xpos=_coded(parsed.tags[:, 1], network.xpos, strings),
        feats=_coded(parsed.tags[:, 2], network.feats, strings),
        head=parsed.heads,
        deprel=_coded(parsed.relations, about.relations, strings),
        sent_start=sent_start,
    )


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
