"""What a question asks for: the kind of answer, the words to match, the names that must be there.

Read from the words alone, with mentions where an engine has found some: no parse is needed, so a
question costs microseconds and one typed in lower case still works.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from salient.errors import InvalidInput
from salient.model import Annotations
from salient.services.answering.terms import Idf, Rarity, Token, is_number, normalise, tokenise
from salient.services.answering.words import STOPWORDS

MAX_CHARACTERS = 2000


class AnswerType(StrEnum):
    """Kinds of answers. A question may allow several."""

    PERSON = "person"
    ORG = "org"
    PLACE = "place"
    DATE = "date"
    MONEY = "money"
    NUMBER = "number"
    PERCENT = "percent"
    DURATION = "duration"
    REASON = "reason"
    MANNER = "manner"
    DEFINITION = "definition"
    YESNO = "yesno"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the question that an answer should share."""

    token: Token
    weight: float
    name: int
    """Index into `Question.names`, -1 outside any."""
    focus: bool
    """Names the kind of thing asked for ("which *bank*"); need not stand beside the answer."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name in the question: what does not speak of it cannot answer."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question, read. Offsets are code points of `text`."""

    text: str
    terms: tuple[Term, ...]
    types: tuple[AnswerType, ...]
    """The likeliest first; (OTHER,) when nothing tells."""
    wh: str
    """who, what, which, when, where, why, how, whom, whose, yesno, or "" for none."""
    names: tuple[Name, ...]
    phrases: tuple[str, ...]
    """Quoted by the asker; kept as phrases for search."""
    negated: bool


_WORDS: dict[AnswerType, str] = {
    AnswerType.PERSON: """person people man woman author writer president ceo cfo cto coo chairman chairwoman chair
        chairperson founder cofounder director actor actress singer artist inventor king queen emperor leader minister
        player coach manager scientist composer philosopher architect governor mayor pope bishop general commander
        officer executive spokesperson spokesman lawyer attorney engineer designer producer spouse wife husband son
        daughter father mother brother sister applicant assignee signatory witness judge secretary captain senator
        politician historian physicist editor performer analyst trustee contact""",
    AnswerType.ORG: """company organization organisation firm bank agency university college school institution team
        club corporation party group employer publisher network band brand manufacturer vendor supplier customer
        licensor licensee lessor lessee landlord tenant buyer seller purchaser acquirer borrower lender guarantor
        subsidiary parent ministry department committee court union council league government board authority
        association startup business label channel airline contractor client investor newspaper church operator""",
    AnswerType.PLACE: """place city country state town village river location region continent province county capital
        island mountain area district nation territory headquarters venue birthplace street address site port jurisdiction
        borough neighborhood neighbourhood stadium building ocean sea lake hometown office""",
    AnswerType.DATE: """date year month day century decade deadline era birthday season time expiry period""",
    AnswerType.MONEY: """price cost fee salary rent revenue profit income budget payment amount value valuation fine
        penalty premium deposit loan capital sales earnings turnover sum consideration funding compensation damages
        wage tax royalty investment dividend""",
    AnswerType.NUMBER: """number count quantity total population size height weight width length depth distance speed
        temperature age score rank capacity area elevation altitude mass""",
    AnswerType.PERCENT: "percent percentage proportion rate share fraction stake margin interest",
    AnswerType.DURATION: "duration period term lifespan length timeframe time",
}  # fmt: skip
_NOUN_TYPES: dict[str, tuple[AnswerType, ...]] = {}
for _type, _nouns in _WORDS.items():
    for _noun in _nouns.split():
        _NOUN_TYPES[_noun] = (*_NOUN_TYPES.get(_noun, ()), _type)
        _NOUN_TYPES.setdefault(normalise(_noun)[1], _NOUN_TYPES[_noun])

_AUXILIARIES = frozenset(
    "is are was were be been do does did has have had can could may might must shall should will would".split()
)
_EMPTY_HEADS = frozenset(
    "name type kind sort title word term part form amount number one example".split()
)
_PREPOSITIONS = frozenset(
    "of in on at for to by with from that which who than as into between".split()
)
_QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{2,200})[\"“”«»]")
_DURATION_UNITS = frozenset(
    "year years month months week weeks day days hour hours minute minutes".split()
)
_NAME_LABELS = frozenset(
    {
        "PERSON",
        "ORG",
        "GPE",
        "LOC",
        "FAC",
        "NORP",
        "PRODUCT",
        "EVENT",
        "WORK_OF_ART",
        "LAW",
        "LANGUAGE",
    }
)
_JOINERS = frozenset({"of", "the", "and", "&", "de", "la", "van", "von", "del"})
_NEGATIONS = frozenset(
    {
        "not",
        "never",
        "no",
        "n't",
        "without",
        "cannot",
        "isn't",
        "wasn't",
        "didn't",
        "doesn't",
        "aren't",
        "except",
    }
)


def analyse(
    question: str,
    annotations: Annotations | None = None,
    *,
    rarity: Rarity,
    idf: Idf = None,
) -> Question:
    """Read a question.

    Args:
        annotations: of exactly `question`; its mentions become names. None: capitals tell.
        idf: rarity of words in the searched documents.

    Raises:
        InvalidInput: nothing but punctuation, or over MAX_CHARACTERS.
    """
    if len(question) > MAX_CHARACTERS:
        raise InvalidInput("question is too long", characters=len(question), limit=MAX_CHARACTERS)
    tokens = tokenise(question)
    if not tokens:
        raise InvalidInput("question has no words")
    wh, at = _wh_word(tokens)
    focus = _focus(tokens, wh, at)
    types = _types(tokens, wh, at, focus)
    names = _names(question, tokens, at, annotations)
    terms = []
    for index, token in enumerate(tokens):
        weight = rarity.weight(token, idf)
        if weight <= 0 or index == at:
            continue
        if wh == "how" and index == at + 1 and token.form in {"many", "much", "long", "old", "far"}:
            continue
        name = next((i for i, n in enumerate(names) if n.start <= token.start < n.end), -1)
        terms.append(Term(token, weight, name, index == focus and name < 0))
    if not terms:  # "Who are they?": what words there are must do
        terms = [Term(t, 0.3, -1, focus=False) for i, t in enumerate(tokens) if i != at] or [
            Term(tokens[0], 0.3, -1, focus=False)
        ]
    phrases = tuple(m[1].strip() for m in _QUOTED.finditer(question) if m[1].strip())
    lowered = {t.form for t in tokens} | {w.casefold() for w in question.split()}
    return Question(question, tuple(terms), types, wh, names, phrases, bool(lowered & _NEGATIONS))


def search_text(question: Question) -> str:
    """The question as bare words and quoted phrases for a full-text search that ORs them.

    Only letters, digits and double quotes around phrases are in it, so no search syntax can be
    smuggled in or met by accident.
    """
    words: list[str] = []
    for term in question.terms:
        surface = (
            question.text[term.token.start : term.token.end].replace("’", "'").partition("'")[0]
        )
        if surface and surface not in words:
            words.append(surface)
    for phrase in question.phrases:
        inner = " ".join(question_word for question_word in re.findall(r"[^\W_]+", phrase))
        if " " in inner:
            words.append(f'"{inner}"')
    return " ".join(words)


def _wh_word(tokens: list[Token]) -> tuple[str, int]:
    """The asking word and its row; ("", -1) without one."""
    forms = [t.form for t in tokens]
    for rows in (range(min(4, len(forms))), range(len(forms))):
        for i in rows:
            if forms[i] in {"who", "what", "which", "when", "where", "why", "how", "whom", "whose"}:
                return forms[i], i
        if forms[0] in _AUXILIARIES:
            return "yesno", 0
    return "", -1


def _focus(tokens: list[Token], wh: str, at: int) -> int:
    """Row of the noun that names the kind of answer, -1 if none."""
    if wh not in {"what", "which", "whose", ""}:
        return -1
    forms = [t.form for t in tokens]
    row = at + 1
    if row < len(forms) and forms[row] in _AUXILIARIES:
        row += 1
        while row < len(forms) and forms[row] in {
            "the",
            "a",
            "an",
            "some",
            "this",
            "that",
            "its",
            "their",
        }:
            row += 1
        return _head(forms, row, beyond_empty=True)
    if wh == "":
        return _head(forms, 0, beyond_empty=True) if len(forms) < 8 else -1
    return _head(forms, row, beyond_empty=True)


def _head(forms: list[str], row: int, *, beyond_empty: bool) -> int:
    """The last noun-like word of the phrase that starts at `row`."""
    best = -1
    for i in range(row, min(row + 5, len(forms))):
        form = forms[i]
        if form in _AUXILIARIES or form in _PREPOSITIONS:
            if beyond_empty and best >= 0 and form == "of" and forms[best] in _EMPTY_HEADS:
                start = i + 1
                while start < len(forms) and forms[start] in {"the", "a", "an"}:
                    start += 1
                further = _head(forms, start, beyond_empty=False)
                return further if further >= 0 else best
            break
        if form in STOPWORDS and form not in _EMPTY_HEADS:
            break
        if best >= 0 and form not in _NOUN_TYPES and forms[best] in _NOUN_TYPES:
            break  # "which company | bought"
        if best >= 0 and form.endswith("ed") and form not in _NOUN_TYPES:
            break
        best = i
    return best


def _types(tokens: list[Token], wh: str, at: int, focus: int) -> tuple[AnswerType, ...]:
    forms = [t.form for t in tokens]
    after = forms[at + 1] if 0 <= at < len(forms) - 1 else ""
    if wh in {"who", "whom", "whose"}:
        return (AnswerType.PERSON, AnswerType.ORG)
    if wh == "where":
        return (AnswerType.PLACE, AnswerType.ORG)
    if wh == "when":
        return (AnswerType.DATE,)
    if wh == "why":
        return (AnswerType.REASON,)
    if wh == "yesno":
        return (AnswerType.YESNO,)
    if wh == "how":
        return _how(forms, after)
    if focus >= 0:
        return _of_noun(tokens, forms, focus)
    return (AnswerType.OTHER,)


def _how(forms: list[str], after: str) -> tuple[AnswerType, ...]:
    following = set(forms[:12])
    if after == "many":
        if following & {"percent", "percentage"}:
            return (AnswerType.PERCENT,)
        if following & _DURATION_UNITS:
            return (AnswerType.NUMBER, AnswerType.DURATION)
        return (AnswerType.NUMBER,)
    if after == "much":
        return (AnswerType.MONEY, AnswerType.PERCENT, AnswerType.NUMBER)
    if after in {"long", "soon", "often", "frequently", "quickly"}:
        return (AnswerType.DURATION, AnswerType.NUMBER, AnswerType.DATE)
    if after in {
        "old",
        "far",
        "tall",
        "high",
        "big",
        "large",
        "deep",
        "fast",
        "wide",
        "heavy",
        "hot",
        "cold",
        "small",
    }:
        return (AnswerType.NUMBER, AnswerType.DURATION)
    return (AnswerType.MANNER,)


def _of_noun(tokens: list[Token], forms: list[str], focus: int) -> tuple[AnswerType, ...]:
    found = _NOUN_TYPES.get(forms[focus]) or _NOUN_TYPES.get(tokens[focus].stem)
    asked_directly = focus > 0 and forms[focus - 1] in {"what", "which"}
    following = set(forms[focus + 1 :])
    if found:
        return found
    if forms[focus] in {"reason", "cause", "purpose"}:
        return (AnswerType.REASON,)
    if forms[focus] in {"way", "method", "manner", "process", "means"} and asked_directly:
        return (AnswerType.MANNER, AnswerType.OTHER)
    if following & {"mean", "refer", "definition", "defined", "meaning"} or forms[focus] in {
        "definition",
        "meaning",
    }:
        return (AnswerType.DEFINITION,)
    if len(forms) - focus == 1 and any(f in {"is", "are"} for f in forms[:focus]):
        return (AnswerType.DEFINITION, AnswerType.OTHER)
    return (AnswerType.OTHER,)


def _names(
    text: str, tokens: list[Token], at: int, annotations: Annotations | None
) -> tuple[Name, ...]:
    """Capitalised runs and annotated mentions, longest first where they overlap."""
    spans: list[tuple[int, int]] = []
    if annotations is not None:
        spans += [
            (start, end)
            for start, end, label, _ in annotations.labelled(annotations.mentions)
            if label in _NAME_LABELS and 0 <= start < end <= len(text)
        ]
    shouted = sum(t.capital for t in tokens) > 0.7 * len(tokens) and len(tokens) > 4
    run: list[Token] = []
    for index, token in enumerate(tokens):
        joined = bool(run) and _only_gap(text, run[-1].end, token.start)
        first = index == 0 and (token.form in STOPWORDS or token.form in _NOUN_TYPES)
        proper = token.capital and index != at and not first and not shouted
        proper = proper and not (token.form in STOPWORDS and not run)
        goes_on = joined and token.form in _JOINERS and _next_capital(tokens, index)
        if goes_on or (proper and (joined or not run)):
            run.append(token)
        else:
            spans += _closed(run)
            run = [token] if proper else []
    spans += _closed(run)
    chosen: list[tuple[int, int]] = []
    for start, end in sorted(set(spans), key=lambda s: (s[0] - s[1], s[0])):
        if all(end <= a or start >= b for a, b in chosen) and not is_number(text[start:end]):
            chosen.append((start, end))
    return tuple(Name(text[a:b], a, b) for a, b in sorted(chosen))


def _closed(run: list[Token]) -> list[tuple[int, int]]:
    """The run's span; a lone first word of the sentence proves nothing by its capital."""
    while run and run[-1].form in _JOINERS:
        run = run[:-1]
    if not run or (len(run) == 1 and run[0].start == 0 and len(run[0].form) < 2):
        return []
    return [(run[0].start, run[-1].end)]


def _only_gap(text: str, start: int, end: int) -> bool:
    return text[start:end].strip(" -&.'’s") == ""


def _next_capital(tokens: list[Token], index: int) -> bool:
    return any(t.capital for t in tokens[index + 1 : index + 3])
