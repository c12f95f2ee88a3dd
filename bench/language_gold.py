"""Gold documents of the bench of language engines, and what an engine said of them. No bench itself.

The parts are those of `salient.nlp.training.data`: what a peer is trained on here is what our model was, and
what both are scored on neither has seen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from salient.model import Annotations, Block, Builder, Kind, Part, Text
from salient.nlp.training import conllu, data, entities, scores
from salient.nlp.training.entities import ANYTHING, Scheme, Tagged

Name = tuple[int, int, str]
"""Start, end, kind."""

KINDS = ("PER", "ORG", "LOC", "MISC")
KIND_OF = {"PERSON": "PER", "PER": "PER", "ORG": "ORG", "GPE": "LOC", "LOC": "LOC", "FAC": "LOC"} | dict.fromkeys(
    ["MISC", "NORP", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW", "LANGUAGE"], "MISC"
)  # fmt: skip
VALUES = frozenset("DATE TIME PERCENT MONEY QUANTITY ORDINAL CARDINAL".split())


def coarse(types: frozenset[str]) -> str | None:
    """What a corpus's label means, of PER, ORG, LOC and MISC; None of a value.

    As in `data`: what may be a person or a nationality is a person, what may be an organisation or a state
    an organisation.
    """
    if types & VALUES:
        return None
    for kind in ("PERSON", "LOC", "ORG"):
        if kind in types:
            return KIND_OF[kind]
    return "MISC"


@dataclass(frozen=True)
class Words:
    """A sentence with gold words: where each lies in its document, and what is known of them."""

    spans: Sequence[tuple[int, int]]
    forms: Sequence[str]
    syntax: conllu.Sentence | None
    names: Sequence[tuple[int, int, str]]
    """First word, end, kind."""
    unknown: frozenset[int]
    """Words of which nobody knows whether they are names; with `named` False, all."""
    named: bool
    paragraph: bool


@dataclass(frozen=True)
class Gold:
    """A document."""

    text: Text
    sentences: list[Words]

    @property
    def names(self) -> set[Name]:
        return {
            (s.spans[a][0], s.spans[b - 1][1], kind)
            for s in self.sentences
            for a, b, kind in s.names
        }

    @property
    def unknown(self) -> set[int]:
        """Characters that begin a word that may be a name or not."""
        return {
            s.spans[at][0]
            for s in self.sentences
            for at in (s.unknown if s.named else range(len(s.spans)))
        }

    def parsed(self) -> list[scores.Sentence]:
        """Sentences as the scorer takes them."""
        return [
            scores.Sentence(
                g.forms, g.lemmas, g.upos, g.xpos, g.feats, g.heads, g.relations, multiword(g, self.text.text)
            )
            for g in (s.syntax for s in self.sentences)
            if g is not None
        ]  # fmt: skip


def multiword(sentence: conllu.Sentence, text: str) -> list[tuple[int, int, str]]:
    """Tokens whose words do not spell them. "don't" is two tokens here, "do" and "n't"."""
    found: list[tuple[int, int, str]] = []
    first = 0
    for at in range(1, len(sentence.spans) + 1):
        if at == len(sentence.spans) or sentence.spans[at] != sentence.spans[first]:
            if at - first > 1:
                found.append((first, at, text[slice(*sentence.spans[first])]))
            first = at
    return found


def treebank(document: conllu.Document, tagged: dict[str, Tagged] | None) -> Gold:
    """A document with syntax, and its names: of `tagged`, or of GUM's own column."""
    builder = Builder()
    builder.add(Part([Block(Kind.PARAGRAPH, p) for p in document.text.split("\n\n")]))
    text = builder.build()
    if text.text != document.text:
        raise ValueError(f"the text of {document.name} is not that of its blocks")
    sentences: list[Words] = []
    for s in document.sentences:
        spans: Sequence[entities.Span] = ()
        sets: Sequence[int] = ()
        scheme, known = entities.UNER, False
        if tagged is None:
            scheme, known = entities.GUM, True
            sets, spans = entities.gum_allowed(s)
        elif (layer := entities.joined(s, tagged)) is not None:
            sets, spans, known = layer.allowed, layer.spans, True
        sentences.append(
            Words(s.spans, s.forms, s, _coarse(spans, scheme), _open(sets), known, s.paragraph)
        )
    return Gold(text, sentences)


def named(document: Sequence[Tagged], scheme: Scheme) -> Gold:
    """A document of which only names are known, as one paragraph; where spaces stand is a guess."""
    written, sentences = "", list[Words]()
    for at, s in enumerate(document):
        written += " " if written else ""
        spans: list[tuple[int, int]] = []
        for form, space in zip(s.forms, entities.spaces(s.forms), strict=True):
            written += " " if space and spans else ""
            spans.append((len(written), len(written) + len(form)))
            written += form
        sentences.append(
            Words(spans, s.forms, None, _coarse(s.spans, scheme), _open(s.allowed), True, at == 0)
        )
    builder = Builder()
    builder.add(Part([Block(Kind.PARAGRAPH, written)]))
    return Gold(builder.build(), sentences)


def _coarse(spans: Iterable[entities.Span], scheme: Scheme) -> list[tuple[int, int, str]]:
    rows = ((a, b, coarse(scheme.types[label])) for a, b, label in spans)
    return [(a, b, kind) for a, b, kind in rows if kind is not None]


def _open(sets: Sequence[int]) -> frozenset[int]:
    return frozenset(at for at, one in enumerate(sets) if one == ANYTHING)


# --- parts --------------------------------------------------------------------------------------


def parts(
    root: Path, fold: tuple[int, int], *, share: float = 1.0
) -> dict[str, dict[str, list[Gold]]]:
    """All documents by part (train, tune, shown) and source, as `data.load` parts them.

    Args:
        share: of the documents of each source, from its beginning; for trying things out.
    """
    made: dict[str, dict[str, list[Gold]]] = {"train": {}, "tune": {}, "shown": {}}

    def put(source: str, documents: Sequence[Gold], part: Callable[[int], str]) -> None:
        for at, document in enumerate(documents[: max(1, round(share * len(documents)))]):
            made[part(at)].setdefault(source, []).append(document)

    def held(at: int) -> bool:
        return at % data.HELD_OUT == data.HELD_OUT - 1

    for source, name in (("ewt", "ud/ewt/en_ewt-ud"), ("gum", "ud/gum/gum")):
        for part in ("train", "dev"):
            tagged = _uner(root, part) if source == "ewt" else None
            documents = [
                treebank(d, tagged) for d in conllu.read(root / f"{name}-{part}.conllu.xz")
            ]
            put(
                source,
                documents,
                lambda at, part=part: "shown" if part == "dev" else "tune" if held(at) else "train",
            )  # type: ignore[misc] # mypy knows no defaults of lambdas
    for source, (file, corpus) in data.NAMES.items():
        documents = [named(d, corpus.scheme) for d in entities.read(root / file, corpus)]
        aside = (lambda at: False) if source == "wnut17" else (lambda at: at % fold[1] == fold[0])
        put(
            source,
            documents,
            lambda at, aside=aside: "tune" if held(at) else "shown" if aside(at) else "train",
        )  # type: ignore[misc] # the same
    dev = entities.read(root / "ner/wnut17/wnut17-dev.conll", entities.WNUT17)
    put("wnut17", [named(d, entities.WNUT) for d in dev], lambda _: "shown")
    return made


def _uner(root: Path, part: str) -> dict[str, Tagged]:
    file = root / f"ner/uner_ewt/en_ewt-ud-{part}.iob2.xz"
    return {t.name: t for document in entities.read(file, entities.UNER_EWT) for t in document}


# --- what an engine said ------------------------------------------------------------------------


@dataclass
class Read:
    """Of one document: columns of its words; `head` counts words from 0, and a root is its own."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    lemma: list[str] = field(default_factory=list)
    upos: list[str] = field(default_factory=list)
    xpos: list[str] = field(default_factory=list)
    feats: list[str] = field(default_factory=list)
    head: list[int] = field(default_factory=list)
    relation: list[str] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    """Words that begin sentences."""
    names: set[Name] = field(default_factory=set)

    @classmethod
    def of(cls, made: Annotations) -> Read:
        tokens = made.tokens
        return cls(
            list(zip(tokens.start.tolist(), tokens.end.tolist(), strict=True)), made.words(tokens.lemma),
            made.words(tokens.upos), made.words(tokens.xpos), made.words(tokens.feats), tokens.head.tolist(),
            made.words(tokens.deprel), made.sentences()[:, 0].tolist(),
            {(a, b, KIND_OF[label]) for a, b, label, _ in made.labelled(made.mentions) if label in KIND_OF},
        )  # fmt: skip

    def parsed(self, text: str, *, trees: bool = True) -> list[scores.Sentence]:
        """Sentences as the scorer takes them; without `trees`, less heads and relations."""
        ends = [*self.first[1:], len(self.spans)]
        return [
            scores.Sentence(
                [text[s:e] for s, e in self.spans[a:b]], self.lemma[a:b], self.upos[a:b], self.xpos[a:b],
                [feats or "_" for feats in self.feats[a:b]],
                [h - a + 1 if h != at else 0 for at, h in enumerate(self.head[a:b], a)] if trees else (),
                self.relation[a:b] if trees else (),
            )
            for a, b in zip(self.first, ends, strict=True)
        ]  # fmt: skip


def parsing(golds: Sequence[Gold], found: Iterator[Sequence[scores.Sentence]]) -> dict[str, float]:
    """CoNLL 2018's F1 in per cent, over all documents together."""
    counts: dict[str, list[int]] = {}
    for gold, said in zip(golds, found, strict=True):
        for name, score in scores.parsing_scores(gold.parsed(), said).items():
            sums = counts.setdefault(name, [0, 0, 0])
            for at, n in enumerate((score.correct, score.predicted, score.gold)):
                sums[at] += n
    return {name: round(100 * scores.Score(*sums).f1, 2) for name, sums in counts.items()}


def naming(golds: Sequence[Gold], found: Iterable[set[Name]]) -> dict[str, object]:
    """Span F1 in per cent over the kinds that the gold names hold, and by kind, with the counts.

    What touches a word of which nobody knows whether it is a name does not count.
    """
    kinds = {kind for gold in golds for *_, kind in gold.names}
    wanted: list[set[Name]] = []
    own: list[set[Name]] = []
    for gold, said in zip(golds, found, strict=True):
        unknown = sorted(gold.unknown)
        wanted.append(gold.names)
        own.append({n for n in said if n[2] in kinds and not _touches(n, unknown)})
    made = scores.entity_scores(wanted, own)
    micro = made.micro
    return {
        "f1": round(100 * micro.f1, 2),
        **{kind: round(100 * score.f1, 2) for kind, score in made.by_type.items()},
        "counts": [micro.correct, micro.predicted, micro.gold],
    }


def _touches(name: Name, unknown: Sequence[int]) -> bool:
    at = bisect_left(unknown, name[0])
    return at < len(unknown) and unknown[at] < name[1]
