"""How well a prediction agrees with a gold standard: CoNLL 2018's measures of parsing, and entities'."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from salient.errors import InvalidInput

__all__ = ["EntityScores", "Score", "Sentence", "entities", "entity_scores", "parsing_scores"]

# The features that count, as they were in 2018: those added to UD since then do not.
_FEATURES = frozenset(
    "PronType NumType Poss Reflex Foreign Abbr Gender Animacy Number Case Definite Degree "
    "VerbForm Mood Tense Aspect Voice Evident Polarity Person Polite".split()
)

Span = tuple[int, int]
Entity = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Sentence:
    """Columns of a sentence's words. All are as long as `forms`, or empty: then they do not count."""

    forms: Sequence[str]
    lemmas: Sequence[str] = ()
    upos: Sequence[str] = ()
    xpos: Sequence[str] = ()
    feats: Sequence[str] = ()
    """As in CoNLL-U: "Case=Nom|Number=Sing", or "_"."""
    heads: Sequence[int] = ()
    """0 for the root, else the number of a word, from 1."""
    relations: Sequence[str] = ()
    multiword: Sequence[tuple[int, int, str]] = ()
    """Tokens of several words, in order: the first word and the one behind the last, from 0, and how
    the text writes the token.
    """


@dataclass(frozen=True, slots=True)
class Score:
    """Counts, and what they make."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """0.0 to 1.0; 0.0 if nothing was predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """0.0 to 1.0; 0.0 if there was nothing to find."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """0.0 to 1.0; 0.0 if nothing was predicted and nothing was to find."""
        both = self.predicted + self.gold
        return 2 * self.correct / both if both else 0.0


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Over all types together, and by type, in the order of their names."""

    micro: Score
    by_type: dict[str, Score]


def parsing_scores(gold: Sequence[Sentence], predicted: Sequence[Sentence]) -> dict[str, Score]:
    """Score words, sentences and their analysis, each possibly cut differently from the gold's.

    Both are laid over the characters of the text, white space left out. A token, a word or a
    sentence is found if one with the same characters is predicted. Words are aligned so; within
    tokens of several words, which need not spell the token, by the longest common subsequence of
    their forms in lower case. A column is right at an aligned word if it is equal there: `UFeats` by
    the universal features of 2018, `UAS` if the heads are aligned or both the root, `LAS` if
    the relation is equal too, without its subtype. Predicted are all words of the prediction,
    and to find all of the gold.

    Returns:
        By name: Tokens, Sentences, Words, and those of UPOS, XPOS, UFeats, Lemmas, UAS, LAS whose
        columns both sides have.

    Raises:
        InvalidInput: the texts differ, a column is too short or too long, a form is empty, or a head
            or a multiword token lies outside its sentence.

    Source: Zeman et al. 2018, doi:10.18653/v1/K18-2001, section 4; in UD's guidelines a lemma "_"
        in the gold says that any will do.
    """
    wanted, found = _Laid(gold), _Laid(predicted)
    _check_texts(wanted.text, found.text)
    pairs = _aligned(wanted.words, found.words)
    n_found, n_wanted = len(found.words), len(wanted.words)
    scores = {
        "Tokens": _overlap(found.tokens, wanted.tokens),
        "Sentences": _overlap(found.sentences, wanted.sentences),
        "Words": Score(len(pairs), n_found, n_wanted),
    }
    for name, column, same in _COLUMNS:
        theirs, ours = wanted.column(column), found.column(column)
        if theirs is not None and ours is not None:
            correct = sum(same(theirs[g], ours[p]) for g, p in pairs)
            scores[name] = Score(correct, n_found, n_wanted)
    if wanted.heads is not None and found.heads is not None:
        partner = {p: g for g, p in pairs} | {_ROOT: _ROOT}
        right = [(g, p) for g, p in pairs if partner.get(found.heads[p]) == wanted.heads[g]]
        scores["UAS"] = Score(len(right), n_found, n_wanted)
        theirs, ours = wanted.column("relations"), found.column("relations")
        if theirs is not None and ours is not None:
            labelled = sum(_base(theirs[g]) == _base(ours[p]) for g, p in right)
            scores["LAS"] = Score(labelled, n_found, n_wanted)
    return scores


def entity_scores(
    gold: Sequence[Iterable[Entity]], predicted: Sequence[Iterable[Entity]]
) -> EntityScores:
    """Score entities, text by text. One is right if start, end and type are.

    Args:
        gold: of each text, or sentence, start, end and type of its entities, in any unit.
        predicted: of the same texts. One that is given twice counts once.

    Raises:
        InvalidInput: there are not as many texts.

    Source: Tjong Kim Sang and De Meulder 2003, doi:10.3115/1119176.1119195, section 2.4: the
        "phrase" scores of conlleval.
    """
    if len(gold) != len(predicted):
        raise InvalidInput("gold and prediction are not of the same texts",
                           gold=len(gold), predicted=len(predicted))  # fmt: skip
    counts: dict[str, list[int]] = {}
    for theirs, ours in zip(gold, predicted, strict=True):
        wanted, found = set(theirs), set(ours)
        for place, some in enumerate((wanted & found, found, wanted)):
            for _, _, kind in some:
                counts.setdefault(kind, [0, 0, 0])[place] += 1
    by_type = {kind: Score(*counts[kind]) for kind in sorted(counts)}
    correct, n_found, n_wanted = (sum(row[place] for row in counts.values()) for place in range(3))
    return EntityScores(Score(correct, n_found, n_wanted), by_type)


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities that tags of one sentence spell, in order: (start, end, type), half-open.

    Tags are "O", or "B-", "I-", and "L-" or "E-", "U-" or "S-", before a type: IOB1, IOB2, BIOLU and
    BIOES alike. What goes on where nothing began, begins there.

    Raises:
        InvalidInput: a tag is of another form.
    """
    found: list[Entity] = []
    open_kind, start = "", 0
    for at, tag in enumerate((*tags, "O")):
        prefix, _, kind = tag.partition("-")
        if tag != "O" and not (kind and prefix in _PREFIXES):
            raise InvalidInput("no tag of an entity", tag=tag)
        goes_on = prefix in "ILE" and kind == open_kind
        if open_kind and not goes_on:
            found.append((start, at, open_kind))
            open_kind = ""
        if kind and not open_kind:
            open_kind, start = kind, at
        if prefix in "LEUS":
            found.append((start, at + 1, open_kind))
            open_kind = ""
    return found


_PREFIXES = frozenset("BILEUS")
_ROOT = -1


def _features(feats: str) -> frozenset[str]:
    return frozenset(f for f in feats.split("|") if f.partition("=")[0] in _FEATURES)


def _base(relation: str) -> str:
    return relation.partition(":")[0]


_COLUMNS: tuple[tuple[str, str, Callable[[str, str], bool]], ...] = (
    ("UPOS", "upos", str.__eq__),
    ("XPOS", "xpos", str.__eq__),
    ("UFeats", "feats", lambda gold, found: _features(gold) == _features(found)),
    ("Lemmas", "lemmas", lambda gold, found: gold in (found, "_")),
)


@dataclass(frozen=True, slots=True)
class _Word:
    start: int  # of the token, if that has several words
    end: int
    form: str  # in lower case
    shared: bool  # whether the token has several words


class _Laid:
    """Sentences laid over the characters of their text, without white space."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        self._sentences = sentences
        self.words: list[_Word] = []
        self.tokens: set[Span] = set()
        self.sentences: set[Span] = set()
        parts: list[str] = []
        heads: list[int] = []
        at = 0
        for number, sentence in enumerate(sentences):
            start, first = at, len(self.words)
            for written, forms, shared in _tokens(sentence, number):
                stripped = "".join(written.split())
                if not stripped or not all(forms):
                    raise InvalidInput("a form is empty", sentence=number)
                end = at + len(stripped)
                parts.append(stripped)
                self.tokens.add((at, end))
                self.words += [_Word(at, end, form.lower(), shared) for form in forms]
                at = end
            if at > start:
                self.sentences.add((start, at))
            for head in sentence.heads:
                if not 0 <= head <= len(sentence.forms):
                    raise InvalidInput("a head is outside its sentence", sentence=number, head=head)
                heads.append(first + head - 1 if head else _ROOT)
        self.text = "".join(parts)
        self.heads = heads if self._checked("heads") else None

    def column(self, name: str) -> list[str] | None:
        """A column of all words; None where a sentence lacks it."""
        if not self._checked(name):
            return None
        return [value for sentence in self._sentences for value in getattr(sentence, name)]

    def _checked(self, name: str) -> bool:
        size = 0
        for number, sentence in enumerate(self._sentences):
            here = len(getattr(sentence, name))
            if here not in (0, len(sentence.forms)):
                raise InvalidInput("a column is not as long as its sentence",
                                   sentence=number, column=name)  # fmt: skip
            size += here
        return size == len(self.words)


def _tokens(sentence: Sentence, number: int) -> Iterable[tuple[str, Sequence[str], bool]]:
    """Each token as it is written, the forms of its words, and whether it has more than one line."""
    at = 0
    for first, end, written in sentence.multiword:
        if not at <= first < end <= len(sentence.forms):
            raise InvalidInput("a multiword token is out of place", sentence=number, token=written)
        yield from ((form, (form,), False) for form in sentence.forms[at:first])
        yield written, sentence.forms[first:end], True
        at = end
    yield from ((form, (form,), False) for form in sentence.forms[at:])


def _check_texts(gold: str, found: str) -> None:
    if gold != found:
        pairs = itertools.zip_longest(gold, found)
        at = next(i for i, (a, b) in enumerate(pairs) if a != b)
        raise InvalidInput("gold and prediction are not of the same text", at=at,
                           gold=gold[at : at + 20], predicted=found[at : at + 20])  # fmt: skip


def _overlap(found: set[Span], wanted: set[Span]) -> Score:
    return Score(len(found & wanted), len(found), len(wanted))


def _aligned(gold: Sequence[_Word], found: Sequence[_Word]) -> list[tuple[int, int]]:
    """Pairs of gold and predicted words that are the same; both rise."""
    pairs: list[tuple[int, int]] = []
    g = p = 0
    while g < len(gold) and p < len(found):
        if gold[g].shared or found[p].shared:
            g, p, next_g, next_p = _block(gold, found, g, p)
            pairs += _common(gold, found, range(g, next_g), range(p, next_p))
            g, p = next_g, next_p
        elif (gold[g].start, gold[g].end) == (found[p].start, found[p].end):
            pairs.append((g, p))
            g, p = g + 1, p + 1
        elif gold[g].start <= found[p].start:
            g += 1
        else:
            p += 1
    return pairs


def _block(
    gold: Sequence[_Word], found: Sequence[_Word], g: int, p: int
) -> tuple[int, int, int, int]:
    """The words around a token of several, such that no such token reaches out of them.

    Returns:
        The first of gold and of found, and the ones behind the last.
    """
    if gold[g].shared:
        end = gold[g].end
        if not found[p].shared and found[p].start < gold[g].start:
            p += 1
    else:
        end = found[p].end
        if not gold[g].shared and gold[g].start < found[p].start:
            g += 1
    first_g, first_p = g, p
    while not (_is_beyond(gold, g, end) and _is_beyond(found, p, end)):
        if g < len(gold) and (p >= len(found) or gold[g].start <= found[p].start):
            word, g = gold[g], g + 1
        else:
            word, p = found[p], p + 1
        if word.shared:
            end = max(end, word.end)
    return first_g, first_p, g, p


def _is_beyond(words: Sequence[_Word], at: int, end: int) -> bool:
    if at >= len(words):
        return True
    return words[at].start >= end if words[at].shared else words[at].end > end


def _common(
    gold: Sequence[_Word], found: Sequence[_Word], some: range, others: range
) -> list[tuple[int, int]]:
    """Pairs of a longest common subsequence of forms; of several, the one that pairs first words."""
    longest: Counter[tuple[int, int]] = Counter()
    for g in reversed(some):
        for p in reversed(others):
            longest[g, p] = (
                1 + longest[g + 1, p + 1]
                if gold[g].form == found[p].form
                else max(longest[g + 1, p], longest[g, p + 1])
            )
    pairs: list[tuple[int, int]] = []
    g, p = some.start, others.start
    while g < some.stop and p < others.stop:
        if gold[g].form == found[p].form:
            pairs.append((g, p))
            g, p = g + 1, p + 1
        elif longest[g, p] == longest[g + 1, p]:
            g += 1
        else:
            p += 1
    return pairs
