"""Entity corpora as partial labels: at each word, the tags that a corpus's annotation allows.

Every corpus names some types only, and few of them as finely as `nlp.LABELS` does. So a word's label is a
set of tags, as bits of an integer: bit 0 is O, and type t of `TYPES` has B, I, L, U at 1 + 4 t and on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salient.errors import InvalidInput
from salient.nlp import LABELS
from salient.nlp.training.conllu import Sentence, lines

TYPES: Final = LABELS[:18]
BEGIN, INSIDE, LAST, UNIT = range(4)
N_TAGS: Final = 1 + 4 * len(TYPES)
OUTSIDE: Final = 1
ANYTHING: Final = (1 << N_TAGS) - 1

TAGS: Final = ("O", *(f"{position}-{name}" for name in TYPES for position in "BILU"))

_INDEX = {name: index for index, name in enumerate(TYPES)}
_VALUES = frozenset("DATE TIME PERCENT MONEY QUANTITY ORDINAL CARDINAL".split())
_PLACES = frozenset(["GPE", "LOC", "FAC"])
_WORKS = frozenset("NORP PRODUCT EVENT WORK_OF_ART LAW LANGUAGE".split())

Span = tuple[int, int, str]
"""First word, end, and the corpus's own label."""


def tags(names: frozenset[str], *positions: int) -> int:
    """The set of tags of these types at these positions."""
    return sum(1 << (1 + 4 * _INDEX[name] + p) for name in names for p in positions)


def masks(sets: Sequence[int]) -> NDArray[np.bool_]:
    """(n_sets, N_TAGS) bool: whether each set has each tag."""
    raw = b"".join(value.to_bytes(N_TAGS // 8 + 1, "little") for value in sets)
    table = np.frombuffer(raw, np.uint8).reshape(len(sets), -1)
    return np.unpackbits(table, axis=1, bitorder="little")[:, :N_TAGS].astype(bool)


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a corpus's labels can mean, and which types its "O" leaves open."""

    types: Mapping[str, frozenset[str]]
    unseen: frozenset[str]

    @property
    def outside(self) -> int:
        """The tags of a word outside every span."""
        return OUTSIDE | tags(self.unseen, BEGIN, INSIDE, LAST, UNIT)

    def allowed(self, size: int, spans: Sequence[Span]) -> list[int]:
        """The allowed tags of a sentence's words, under spans that do not overlap."""
        sets = [self.outside] * size
        for start, end, label in spans:
            names = self.types[label]
            if end - start == 1:
                sets[start] = tags(names, UNIT)
                continue
            sets[start:end] = [tags(names, INSIDE)] * (end - start)
            sets[start] = tags(names, BEGIN)
            sets[end - 1] = tags(names, LAST)
        return sets


def _scheme(unseen: frozenset[str], **types: str) -> Scheme:
    named = {
        label.replace("_", "-"): _PLACES if names == "PLACE" else frozenset(names.split())
        for label, names in types.items()
    }
    return Scheme(named, unseen)


UNER: Final = _scheme(_WORKS | _VALUES, PER="PERSON", LOC="PLACE", ORG="ORG")
CONLL: Final = _scheme(
    _VALUES,
    PER="PERSON",
    LOC="PLACE",
    ORG="ORG",
    MISC="NORP EVENT PRODUCT WORK_OF_ART LAW LANGUAGE",
)
WNUT: Final = _scheme(
    _VALUES | {"NORP", "EVENT", "LAW", "LANGUAGE"}, person="PERSON", location="PLACE", corporation="ORG",
    group="ORG NORP", product="PRODUCT", creative_work="WORK_OF_ART",
)  # fmt: skip
RE3D: Final = _scheme(
    (_VALUES | _WORKS) - {"MONEY"}, Person="PERSON", Location="PLACE", Organisation="ORG GPE NORP",
    Nationality="NORP", Temporal="DATE TIME", Quantity="QUANTITY CARDINAL PERCENT", Money="MONEY",
    Weapon="PRODUCT", MilitaryPlatform="PRODUCT", DocumentReference="LAW WORK_OF_ART",
)  # fmt: skip
GUM: Final = _scheme(
    _VALUES | (_WORKS - {"EVENT"}), person="PERSON NORP", place="PLACE", organization="ORG NORP GPE",
    event="EVENT", object="PRODUCT WORK_OF_ART FAC", abstract="WORK_OF_ART LAW LANGUAGE PRODUCT EVENT ORG",
    time="DATE TIME",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tagged:
    """A sentence of a corpus that says nothing but names."""

    name: str
    forms: tuple[str, ...]
    allowed: tuple[int, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """How a file of "word ... tag" lines is to be read."""

    scheme: Scheme
    column: int = -1
    word: int = 0
    alone: bool = True
    """Whether each sentence is a document; else "-DOCSTART-" parts them."""
    only_names: bool = False
    """Whether the corpus marks also "the hospital", "we" and "Borrower", which are not names."""
    joined_signs: bool = False
    """Whether the corpus leaves signs together that everybody else parts, and writes '"' for a quote."""


BTC: Final = Corpus(UNER, joined_signs=True)
WIKIGOLD: Final = Corpus(CONLL, alone=False)
WNUT17: Final = Corpus(WNUT)
RE3D_REPORTS: Final = Corpus(RE3D, only_names=True)
SEC_LOANS: Final = Corpus(CONLL, alone=False, only_names=True, joined_signs=True)
UNER_EWT: Final = Corpus(UNER, column=2, word=1, alone=False)

_ARTICLES = frozenset("the a an our their its his her this that these those".split())
_SMALL = frozenset("of the and for in on at to de la 's ’s & - ' ’ , . /".split())
_PARTIES = frozenset(
    "bank borrower lender agent company guarantor creditor buyer seller parent corporation".split()
)
_PRONOUNS = frozenset("i we he she they it you who".split())
_TITLES = frozenset(
    "mr mrs ms miss dr prof professor sir lord lady dame king queen prince princess president senator "
    "minister secretary general colonel captain major sergeant judge justice pope saint father sister "
    "mayor governor director us u.s. uk ceo founder chairman foreign prime".split()
)
_NAMED = frozenset("PERSON NORP FAC ORG GPE LOC PRODUCT EVENT WORK_OF_ART LAW".split())


def read(path: Path, corpus: Corpus) -> list[list[Tagged]]:
    """Read the documents of a file of one word a line and an empty line after each sentence.

    IOB1 and IOB2 are told apart by themselves: a span begins at "B-", at another label, or after "O".

    Raises:
        InvalidInput: a label is not of the corpus's scheme.
    """
    documents: list[list[Tagged]] = [[]]
    name, rows = "", list[tuple[str, str]]()
    count = 0
    for line in [*lines(path), ""]:
        if line.startswith("# sent_id"):
            name = line.partition("=")[2].strip()
        parts = line.split()
        if not parts or parts[0] == "-DOCSTART-":
            if rows:
                count += 1
                documents[-1].append(_tagged(name or f"{path.name}-{count}", rows, corpus))
            if documents[-1] and (corpus.alone or parts):
                documents.append([])
            name, rows = "", []
        elif not line.startswith("# ") and len(parts) > 1:
            # A line without a word holds a character that is nothing but space.
            word, tag = parts[corpus.word], parts[corpus.column]
            pieces = _pieces(word) if corpus.joined_signs else [word]
            rows += [(piece, tag) for piece in pieces]
    return [document for document in documents if document]


def _pieces(word: str) -> list[str]:
    if word == "'\"'":
        return ['"']
    signs = len(word) > 1 and not any(c.isalnum() for c in word) and len(set(word)) > 1
    return list(word) if signs and word.isascii() and set(word) <= set("()\",.;:'") else [word]


def _tagged(name: str, rows: list[tuple[str, str]], corpus: Corpus) -> Tagged:
    forms = tuple(word for word, _ in rows)
    spans = list(bio_spans([tag for _, tag in rows]))
    for _, _, label in spans:
        if label not in corpus.scheme.types:
            raise InvalidInput("a label is not of its corpus", label=label, sentence=name)
    if not corpus.only_names:
        return Tagged(name, forms, tuple(corpus.scheme.allowed(len(forms), spans)), tuple(spans))
    names = [
        _without_article(forms, span) for span in spans if _is_name(forms, span, corpus.scheme)
    ]
    sets = corpus.scheme.allowed(len(forms), names)
    for span in spans:
        if not any(span[1] == kept[1] for kept in names):
            for at in range(span[0], span[1]):
                sets[at] = ANYTHING if forms[at][:1].isupper() else sets[at]
    return Tagged(name, forms, tuple(sets), tuple(names))


def _without_article(forms: Sequence[str], span: Span) -> Span:
    start, end, label = span
    while start < end - 1 and forms[start].casefold() in _ARTICLES:
        start += 1
    return start, end, label


def _is_name(forms: Sequence[str], span: Span, scheme: Scheme) -> bool:
    start, end, label = _without_article(forms, span)
    if not scheme.types[label] & _NAMED:
        return True
    words = forms[start:end]
    if all(word.casefold() in _PARTIES | _PRONOUNS | _TITLES for word in words):
        return False
    return all(
        word[:1].isupper() or not word[:1].isalpha() or word in _SMALL for word in words
    ) and (words[0][:1].isupper())


def bio_spans(labels: Sequence[str]) -> Iterator[Span]:
    """The spans of IOB1 or IOB2 tags, in order."""
    start, kind = 0, ""
    for at, tag in enumerate([*labels, "O"]):
        position, _, label = tag.partition("-")
        if kind and (position != "I" or label != kind):
            yield start, at, kind
            kind = ""
        if position in ("B", "I") and not kind:
            start, kind = at, label


def spaces(forms: Sequence[str]) -> list[bool]:
    """Guess whether a space stands before each word, where a corpus does not say."""
    guessed, opened = [], True
    for form in forms:
        closing = (form[:1] in ".,;:!?)]}%’'" and not form[1:2].isalpha()) or form in (
            "n't",
            "'s",
            "’s",
        )
        guessed.append(not opened and not closing)
        opened = form in "([{$#@£€"
    return guessed


_OPENED = re.compile(r"\([^()]+|[^()]*\)")
_NAME_PARTS = frozenset(["flat", "compound", "goeswith", "fixed"])
_LINKING = frozenset("of for de du von van of der la and &".split())


def gum_mentions(sentence: Sentence) -> list[Span]:
    """The mentions that begin and end in a sentence, by GUM's "Entity=" in the last column.

    Returns:
        Spans that may nest, in the order of their beginnings; the label is GUM's type.
    """
    found: list[Span] = []
    opened: list[tuple[str, int, str]] = []
    for at, misc in enumerate(sentence.misc):
        value = next((f[7:] for f in misc.split("|") if f.startswith("Entity=")), "")
        for part in _OPENED.findall(value):
            if part[0] == "(":
                number, _, rest = part[1:].partition("-")
                opened.append((number, at, rest.split("-")[0]))
                continue
            number = part[:-1]
            match = next((o for o in reversed(opened) if not number or o[0] == number), None)
            if match is not None:
                opened.remove(match)
                found.append((match[1], at + 1, match[2]))
    return sorted(found, key=lambda s: (s[0], -s[1]))


def gum_allowed(sentence: Sentence) -> tuple[list[int], list[Span]]:
    """Partial labels from GUM's mentions, which are whole noun phrases: names only, and only the name.

    A name is what hangs together by `flat`, `compound` and the like around a head that is a proper
    noun. Proper nouns that are in none of the names may be anything.
    """
    names: list[Span] = []
    taken: set[int] = set()
    for mention in gum_mentions(sentence):
        core = _time(sentence, mention) if mention[2] == "time" else _name(sentence, mention)
        if core is not None and mention[2] in GUM.types and taken.isdisjoint(range(*core)):
            names.append((*core, mention[2]))
            taken.update(range(*core))
    names.sort()
    sets = GUM.allowed(len(sentence.forms), names)
    for at, upos in enumerate(sentence.upos):
        capital = sentence.forms[at][:1].isupper() and at > 0
        if at not in taken and (upos == "PROPN" or (upos == "ADJ" and capital)):
            sets[at] = ANYTHING
    return sets, names


def _time(sentence: Sentence, mention: Span) -> tuple[int, int] | None:
    start, end, _ = _without_article(sentence.forms, mention)
    plain = all(u in ("NUM", "PROPN", "PUNCT") for u in sentence.upos[start:end])
    return (start, end) if plain and sentence.upos[start] != "PUNCT" else None


def _name(sentence: Sentence, mention: Span) -> tuple[int, int] | None:
    """The words of a mention that are its name, or None where its head is no proper noun."""
    start, end, kind = mention
    inside = range(start, end)
    heads = [i for i in inside if sentence.heads[i] - 1 not in inside]
    if len(heads) != 1 or sentence.upos[heads[0]] != "PROPN":
        return None
    head = heads[0]
    core = {head}
    grown = True
    while grown:
        joined = {i for i in inside if sentence.heads[i] - 1 in core and _joins(sentence, i, kind)}
        grown = not joined <= core
        core |= joined
    first = last = head
    while first - 1 in core:
        first -= 1
    while last + 1 in core:
        last += 1

    def skipped(i: int) -> bool:
        titled = kind == "person" and sentence.forms[i].rstrip(".").casefold() in _TITLES
        return sentence.upos[i] in ("DET", "PUNCT") or titled

    while first < last and skipped(first):
        first += 1
    while last > first and sentence.upos[last] in ("PUNCT", "PART", "ADP", "DET", "CCONJ"):
        last -= 1
    # What goes on in capitals before the name, or with a name after it, is a longer name than this
    # rule can see.
    before = sentence.forms[first - 1] if first > start else ""
    if before[:1].isupper() and before.rstrip(".").casefold() not in _TITLES | _ARTICLES:
        return None
    if kind in ("abstract", "object") and "PROPN" in sentence.upos[last + 1 : end]:
        return None
    return first, last + 1


def _joins(sentence: Sentence, at: int, kind: str) -> bool:
    relation, form = sentence.relations[at].split(":")[0], sentence.forms[at]
    capital = form[:1].isupper() or form[:1].isdigit()
    if relation in _NAME_PARTS:
        return capital or sentence.upos[at] == "PROPN"
    if relation in ("amod", "nummod"):
        return capital and sentence.upos[at] in ("PROPN", "ADJ", "NUM")
    if relation == "punct":
        return form in ("-", ".", "'", "’", "&", "/", "–")
    if relation in ("case", "cc"):
        return form.casefold() in _LINKING or form in ("'s", "’s")
    if relation == "det":
        return True  # only one inside a name stays; the first word is looked at again
    if kind in ("organization", "place", "event", "object", "abstract") and relation == "nmod":
        links = [
            i for i, h in enumerate(sentence.heads)
            if h - 1 == at and sentence.relations[i].split(":")[0] == "case"
        ]  # fmt: skip
        small = all(sentence.forms[i].casefold() in _LINKING or i > at for i in links)
        return sentence.upos[at] == "PROPN" and sentence.relations[at] != "nmod:desc" and small
    return relation == "conj" and kind in ("organization", "object", "abstract") and capital


def joined(sentence: Sentence, tagged: Mapping[str, Tagged]) -> Tagged | None:
    """The entity layer of a treebank's sentence, if there is one and it has the same words."""
    layer = tagged.get(sentence.name)
    return layer if layer is not None and layer.forms == sentence.forms else None
