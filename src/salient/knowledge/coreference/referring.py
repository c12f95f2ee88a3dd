"""What in a text can refer to something: names, pronouns and common noun phrases, as columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from salient.knowledge.names import fold, table
from salient.knowledge.syntax import Tree
from salient.nlp.noun_phrases import NounPhrases

Ints = NDArray[np.int64]


class Shape(IntEnum):
    """How a mention is said. Pronouns come last."""

    NAME = 0
    DEFINITE = 1
    DEMONSTRATIVE = 2
    POSSESSED = 3
    INDEFINITE = 4
    BARE = 5
    HE = 6
    SHE = 7
    IT = 8
    THEY = 9
    ONE_SELF = 10
    WE = 11
    YOU = 12
    WHO = 13
    WHICH = 14
    THAT = 15
    THIS = 16
    OTHER = 17


class Role(IntEnum):
    """The part a mention plays in its clause."""

    NONE = 0
    SUBJECT = 1
    PASSIVE_SUBJECT = 2
    OBJECT = 3
    OBLIQUE = 4
    POSSESSOR = 5
    OF_NOUN = 6
    APPOSITION = 7
    PREDICATE = 8
    MODIFIER = 9


class Sort(IntEnum):
    """What kind of thing a mention stands for, as far as its words tell."""

    UNKNOWN = 0
    PERSON = 1
    ORGANISATION = 2
    PLACE = 3
    THING = 4
    TIME = 5


UNKNOWN, SINGULAR, PLURAL = 0, 1, 2
MALE, FEMALE, NEUTER = 1, 2, 3

_PRONOUNS: Mapping[str, Shape] = {
    **dict.fromkeys("he him his himself".split(), Shape.HE),
    **dict.fromkeys("she her hers herself".split(), Shape.SHE),
    **dict.fromkeys("it its itself".split(), Shape.IT),
    **dict.fromkeys("they them their theirs themselves themself".split(), Shape.THEY),
    **dict.fromkeys("i me my mine myself".split(), Shape.ONE_SELF),
    **dict.fromkeys("we us our ours ourselves".split(), Shape.WE),
    **dict.fromkeys("you your yours yourself yourselves".split(), Shape.YOU),
    **dict.fromkeys("who whom whose".split(), Shape.WHO),
    "which": Shape.WHICH,
    "that": Shape.THAT,
    **dict.fromkeys("this these those".split(), Shape.THIS),
}  # fmt: skip
_NUMBER = {
    Shape.HE: SINGULAR, Shape.SHE: SINGULAR, Shape.IT: SINGULAR, Shape.ONE_SELF: SINGULAR,
    Shape.THEY: PLURAL, Shape.WE: PLURAL,
}  # fmt: skip
_GENDER = {Shape.HE: MALE, Shape.SHE: FEMALE, Shape.IT: NEUTER}
_PERSONAL = {Shape.HE, Shape.SHE, Shape.ONE_SELF, Shape.WE, Shape.YOU, Shape.WHO}
_RELATIVE = {Shape.WHO, Shape.WHICH, Shape.THAT}
_SORT_OF_TYPE = {"PERSON": Sort.PERSON, "ORG": Sort.ORGANISATION, "PLACE": Sort.PLACE}
_SUBJECTS = {"nsubj", "csubj", "nsubj:outer", "expl"}
_ANY_SUBJECT = {*_SUBJECTS, "nsubjpass", "nsubj:pass", "csubjpass", "csubj:pass"}
_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(_SUBJECTS, Role.SUBJECT),
    **dict.fromkeys(("nsubjpass", "nsubj:pass", "csubjpass", "csubj:pass"), Role.PASSIVE_SUBJECT),
    **dict.fromkeys(("dobj", "obj", "iobj"), Role.OBJECT),
    **dict.fromkeys(("obl", "obl:agent", "obl:arg", "obl:tmod", "obl:npmod", "obl:unmarked", "dative"), Role.OBLIQUE),
    **dict.fromkeys(("poss", "nmod:poss"), Role.POSSESSOR),
    **dict.fromkeys(("nmod", "nmod:npmod", "nmod:tmod", "nmod:unmarked"), Role.OF_NOUN),
    **dict.fromkeys(("appos",), Role.APPOSITION),
    **dict.fromkeys(("attr", "root", "ROOT", "xcomp", "oprd", "acomp"), Role.PREDICATE),
    **dict.fromkeys(("compound", "amod", "flat", "nn", "det", "npadvmod"), Role.MODIFIER),
}  # fmt: skip
_DETERMINERS: Mapping[str, Shape] = {
    "the": Shape.DEFINITE,
    **dict.fromkeys(("this", "that", "these", "those", "such"), Shape.DEMONSTRATIVE),
    **dict.fromkeys(("a", "an", "another", "some", "any", "no", "every", "each"), Shape.INDEFINITE),
}
_MALE_TITLE = re.compile(r"(?:^|\s)(?:Mr|Sir|Lord|Herr|Monsieur|King|Prince)\b", re.ASCII)
_FEMALE_TITLE = re.compile(
    r"(?:^|\s)(?:Mrs|Ms|Miss|Dame|Lady|Frau|Madame|Mme|Queen|Princess)\b", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name or defined term in the text; equal `entity` numbers mean one bearer. `type` as in the ontology."""

    start: int
    end: int
    type: str
    entity: int


@dataclass(frozen=True, slots=True)
class Referring:
    """One row a mention, in order of (start, -end).

    `start, end` are code points; `first, last, head` rows of tokens, `last` one past. `name` is the
    position in the names given, or -1, and `entity` that name's. `governor` is the row of the verb
    or noun that the mention depends on, -1 for none. `head_code`, `text_code` are 32-bit hashes of
    the head's lemma and of the words; `words` is a 64-bit set of content words, by hash.
    """

    start: Ints
    end: Ints
    first: Ints
    last: Ints
    head: Ints
    shape: Ints
    role: Ints
    number: Ints
    gender: Ints
    sort: Ints
    sentence: Ints
    paragraph: Ints
    quotation: Ints
    name: Ints
    entity: Ints
    governor: Ints
    head_code: Ints
    text_code: Ints
    words: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.start)


Span = tuple[int, int, int]
"""First row, one past the last, head."""


def found_in(tree: Tree, names: Sequence[Name], phrases: NounPhrases) -> list[tuple[Span, int]]:
    """The mentions of a text that people did not mark: (span, position of the name or -1).

    Names, the noun phrases beside them, and pronouns.
    """
    taken = np.zeros(len(tree.start) + 1, np.bool_)
    found: list[tuple[Span, int]] = []
    for number, (first, last) in enumerate(_rows_of(tree, names)):
        if last > first:
            found.append(((first, last, _head_of(tree, first, last)), number))
            taken[first:last] = True
    for first, last, head in zip(
        phrases.start.tolist(), phrases.end.tolist(), phrases.head.tolist(), strict=True
    ):
        if not taken[head]:
            found.append(((first, last, head), -1))
    found += [((r, r + 1, r), -1) for r in _pronouns(tree) if not taken[r]]
    return sorted(found, key=lambda f: (f[0][0], -f[0][1]))


def _pronouns(tree: Tree) -> Iterable[int]:
    for row, word in enumerate(tree.word):
        shape = _PRONOUNS.get(word)
        if shape is None or tree.upos[row] not in {"PRON", "DET", "ADJ"}:
            continue
        if shape in {Shape.THAT, Shape.THIS} and tree.deprel[row] in {"det", "mark", "advmod"}:
            continue
        if tree.deprel[row] in {"expl", "mark"} and shape is not Shape.IT:
            continue
        yield row


def _rows_of(tree: Tree, names: Sequence[Name]) -> list[tuple[int, int]]:
    starts = np.array([n.start for n in names], np.int64)
    ends = np.array([n.end for n in names], np.int64)
    first = np.searchsorted(np.array(tree.end, np.int64), starts, side="right")
    last = np.searchsorted(np.array(tree.start, np.int64), ends, side="left")
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _head_of(tree: Tree, first: int, last: int) -> int:
    """The row whose head lies outside; where there are several, as without syntax, the last."""
    outside = [r for r in range(first, last) if not first <= tree.head[r] < last]
    roots = outside or [r for r in range(first, last) if tree.head[r] == r]
    return roots[0] if outside and tree.deprel[outside[0]] else (roots or [last - 1])[-1]


def referring(
    text: str, tree: Tree, mentions: Sequence[tuple[Span, int]], names: Sequence[Name]
) -> Referring:
    """The columns of mentions, which are in order of (start, -end)."""
    describe = _Describer(text, tree, names)
    rows = [describe(span, number) for span, number in mentions]
    placed = ("sentence", "paragraph", "quotation", "words")
    order = [f.name for f in fields(Referring) if f.name not in placed]
    columns = np.array(rows, np.int64).reshape(len(rows), len(order)).T
    start = columns[0]
    sentence_starts = np.array([tree.start[f] for f, _ in tree.sentences] or [0], np.int64)
    sentence = np.searchsorted(sentence_starts, start, side="right") - 1
    breaks = np.array([m.start() for m in re.finditer(r"\n", text)], np.int64)
    return Referring(
        **dict(zip(order, columns, strict=True)),
        sentence=sentence,
        paragraph=np.searchsorted(breaks, start),
        quotation=_quotations(text, start),
        words=np.array([describe.content(s) for s, _ in mentions], np.uint64),
    )


_QUOTE_MARK = re.compile(r"[“”\"\n]")


def _quotations(text: str, at: Ints) -> Ints:
    """For each offset the number of the quotation it is in, 0 outside. Quotations end with the line."""
    bounds, numbers = [0], [0]
    current = count = 0
    for mark in _QUOTE_MARK.finditer(text):
        sign = mark.group()
        opens = sign == "“" or (sign == '"' and not current)
        count += opens
        now = count if opens else 0
        if now != current:
            current = now
            bounds.append(mark.start())
            numbers.append(current)
    found = np.searchsorted(np.array(bounds, np.int64), at, side="right") - 1
    return np.array(numbers, np.int64)[found]


@cache
def _lexicon() -> Mapping[str, Mapping[str, int]]:
    """Sorts and genders of nouns, genders of given names, nouns for many at once."""
    raw = {key: [str(w) for w in words] for key, words in table("coreference.yaml").items()}
    sorts = {w: int(Sort.TIME) for w in raw["time"]}
    for key, sort in (("place", Sort.PLACE), ("organisation", Sort.ORGANISATION), ("person", Sort.PERSON)):  # fmt: skip
        sorts |= dict.fromkeys(raw[key], int(sort))
    both = set(raw["male_names"]) & set(raw["female_names"])
    given = dict.fromkeys(raw["male_names"], MALE) | dict.fromkeys(raw["female_names"], FEMALE)
    return {
        "sort": sorts,
        "gender": dict.fromkeys(raw["male"], MALE) | dict.fromkeys(raw["female"], FEMALE),
        "given": {name: g for name, g in given.items() if name not in both},
        "collective": dict.fromkeys(raw["collective"], 1),
        "speech": dict.fromkeys(raw["speech"], 1),
    }


def speaks(tree: Tree) -> NDArray[np.bool_]:
    """(n_tokens,): whether the word says that somebody says something."""
    verbs = _lexicon()["speech"]
    return np.fromiter((lemma in verbs for lemma in tree.lemma), np.bool_, len(tree.lemma))


class _Describer:
    """Columns of single mentions of one text."""

    def __init__(self, text: str, tree: Tree, names: Sequence[Name]) -> None:
        self.text, self.tree, self.names = text, tree, names
        self.lexicon = _lexicon()

    def __call__(self, span: Span, number: int) -> tuple[int, ...]:
        first, last, head = span
        tree = self.tree
        name = self.names[number] if number >= 0 else None
        shape = Shape.NAME if name else self.shape(first, last, head)
        start, end = tree.start[first], tree.end[last - 1]
        words = " ".join(w for w in tree.word[first:last] if w not in _DETERMINERS)
        return (
            start, end, first, last, head, shape, self.role(head),
            self.number(head, shape, span), self.gender(head, shape, name),
            self.sort(head, shape, name), number, name.entity if name else -1,
            self.governor(head), crc32(tree.lemma[head].encode("utf-8", "replace")),
            crc32(words.encode("utf-8", "replace")),
        )  # fmt: skip

    def shape(self, first: int, last: int, head: int) -> Shape:
        tree = self.tree
        if tree.upos[head] in {"PRON", "DET"} or (
            last - first == 1 and tree.word[head] in _PRONOUNS and tree.upos[head] != "PROPN"
        ):
            return _PRONOUNS.get(tree.word[head], Shape.OTHER)
        if tree.upos[head] == "PROPN":
            return Shape.NAME
        if (shape := _DETERMINERS.get(tree.word[first])) is not None:
            return shape
        owners = {"poss", "nmod:poss"}
        if any(tree.deprel[c] in owners for c in tree.children[head][:8]):
            return Shape.POSSESSED
        return Shape.BARE

    def role(self, head: int) -> Role:
        tree = self.tree
        for _ in range(3):
            if tree.deprel[head] != "conj":
                break
            head = tree.head[head]
        label = tree.deprel[head]
        if label == "pobj":
            above = tree.head[tree.head[head]]
            return Role.OBLIQUE if tree.upos[above] in {"VERB", "AUX", "ADJ"} else Role.OF_NOUN
        found = _ROLES.get(label)
        found = found if found is not None else _ROLES.get(label.split(":")[0], Role.NONE)
        if found in {Role.NONE, Role.MODIFIER} and self._leads(head):
            return Role.SUBJECT
        return found

    def _leads(self, row: int) -> bool:
        """Whether a noun stands before a verb that has no subject, by a label that fits no noun.

        Parsers trip over names: in "Halden Maritime AS builds ferries" over "AS".
        """
        tree, verb = self.tree, self.tree.head[row]
        return (
            tree.upos[row] == "PROPN"
            and row < verb
            and tree.upos[verb] == "VERB"
            and not any(tree.deprel[c] in _ANY_SUBJECT for c in tree.children[verb])
        )

    def governor(self, head: int) -> int:
        tree = self.tree
        for _ in range(3):
            if tree.deprel[head] != "conj":
                break
            head = tree.head[head]
        above = tree.head[head]
        if tree.deprel[head] == "pobj":
            above = tree.head[above]
        return -1 if above == head else above

    def number(self, head: int, shape: Shape, span: Span) -> int:
        tree = self.tree
        if shape >= Shape.HE:
            if shape in {Shape.THIS, Shape.THAT}:
                return PLURAL if tree.word[head] in {"these", "those"} else SINGULAR
            return _NUMBER.get(shape, UNKNOWN)
        if any(tree.deprel[c] == "conj" and c < span[1] for c in tree.children[head][:12]):
            return PLURAL
        if tree.xpos[head] in {"NNS", "NNPS"}:
            return PLURAL
        if shape is not Shape.NAME and tree.lemma[head] in self.lexicon["collective"]:
            return UNKNOWN
        return SINGULAR if tree.xpos[head] in {"NN", "NNP"} else UNKNOWN

    def gender(self, head: int, shape: Shape, name: Name | None) -> int:
        if shape >= Shape.HE:
            return _GENDER.get(shape, UNKNOWN)
        if name is None or name.type != "PERSON":
            if name is not None and name.type in {"ORG", "PLACE"}:
                return NEUTER
            return self.lexicon["gender"].get(self.tree.lemma[head], UNKNOWN)
        around = self.text[max(name.start - 9, 0) : name.end]
        if _MALE_TITLE.search(around):
            return MALE
        if _FEMALE_TITLE.search(around):
            return FEMALE
        given = fold(self.text[name.start : name.end]).split()[:2]
        known = (self.lexicon["given"].get(w.strip(".,")) for w in given[: max(len(given) - 1, 1)])
        return next((g for g in known if g), UNKNOWN)

    def sort(self, head: int, shape: Shape, name: Name | None) -> int:
        if name is not None:
            return _SORT_OF_TYPE.get(name.type, Sort.THING)
        if shape in _PERSONAL:
            return Sort.PERSON
        lemma = self.tree.lemma[head]
        found = self.lexicon["sort"].get(lemma)
        if shape is Shape.NAME:  # "13 March"; a Mr March is among the names
            return Sort.TIME if found == Sort.TIME else Sort.UNKNOWN
        if found is None and lemma.endswith(("ist", "woman")):
            found = int(Sort.PERSON)
        return found or Sort.UNKNOWN

    def content(self, span: Span) -> int:
        """A set of 64 hashed content words."""
        tree, found = self.tree, 0
        for row in range(span[0], min(span[1], span[0] + 40)):
            if tree.upos[row] in {"NOUN", "PROPN", "ADJ", "NUM", "VERB"}:
                found |= 1 << (crc32(tree.lemma[row].encode("utf-8", "replace")) & 63)
        return found


def is_relative(tree: Tree, row: int) -> bool:
    """Whether a pronoun opens a clause that says more of a noun."""
    return _PRONOUNS.get(tree.word[row]) in _RELATIVE
