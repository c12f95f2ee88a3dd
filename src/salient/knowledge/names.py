"""What a name is made of: its normalised form, its legal form, its given names and surname.

Nothing here knows documents or stores. The stored surface of a name is never changed; the
normalised form is what names are found and grouped by.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import yaml

MAX_NORM = 255
"""Code points of a stored norm; a longer one ends in a digest of the whole, so that it stays one of a kind."""

MAX_SURFACE = 1000
"""Code points of a surface that are looked at: a "name" beyond that is a run of text."""


@cache
def table(file: str) -> Mapping[str, Any]:
    """One of the word tables that ship beside this module."""
    text = resources.files("salient.knowledge").joinpath("tables", file).read_text("utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


@cache
def words(name: str) -> frozenset[str]:
    return frozenset(str(w) for w in table("words.yaml")[name])


@cache
def abbreviations() -> Mapping[str, str]:
    return dict(table("words.yaml")["abbreviations"])


@cache
def _nicknames() -> Mapping[str, frozenset[int]]:
    groups: dict[str, set[int]] = {}
    for number, group in enumerate(table("words.yaml")["nicknames"]):
        for name in group:
            groups.setdefault(name, set()).add(number)
    return {name: frozenset(g) for name, g in groups.items()}


@cache
def _legal_forms() -> tuple[Mapping[tuple[str, ...], str], frozenset[str], int]:
    forms: dict[tuple[str, ...], str] = {}
    raw = table("legal_forms.yaml")
    for family, spellings in raw.items():
        if family != "leading":
            for spelling in spellings:
                forms[tuple(str(spelling).split())] = family
    return forms, frozenset(str(w) for w in raw["leading"]), max(map(len, forms))


# Letters that NFKD leaves whole though a reader takes them for a base letter.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ŋ": "n"}
)
_APOSTROPHES = re.compile(r"['’‘ʼ`´ʻ]")
_POSSESSIVE = re.compile(r"(?<=\w)(?:['’‘ʼ´`]s|(?<=s)['’ʼ])\s*$", re.IGNORECASE)
_INITIALS = re.compile(r"(?<!\w)((?:\w\.){2,})(?!\w\w)|(?<!\w)(\w\.(?:\w\.)*\w)(?!\w)")
_SLASHED = re.compile(r"(?<!\w)(\w)/(\w)(?!\w)")
_OTHER = re.compile(r"[^a-z0-9+#]+")
_LONE_SIGN = re.compile(r"(?<![^\W_])(?<![+#])[+#]+")


def fold(text: str) -> str:
    """Compatibility forms, case and the accents of Latin and Greek letters folded away.

    Marks of other scripts stay: there they are vowels, not ornaments.
    """
    if text.isascii():
        return text.lower()
    composed = unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS)
    out: list[str] = []
    base_folds = False
    for char in unicodedata.normalize("NFKD", composed):
        category = unicodedata.category(char)
        if category == "Mn":
            if not base_folds:
                out.append(char)
            continue
        if category == "Cf":
            continue
        base_folds = char < "Ͱ" or "Ͱ" <= char < "Ѐ" or "ἀ" <= char <= "῾"
        out.append(char)
    return unicodedata.normalize("NFC", "".join(out))


def normalise(surface: str, *, person: bool = False) -> str:
    """The form by which names are found: folded words parted by single spaces.

    - Case, accents, punctuation and possessives go; words, numbers and legal forms stay.
    - "A/S", "S.p.A.", "U.S." become "as", "spa", "us"; "&" becomes "and".
    - `person` turns "Berg, Ingrid" round and leaves titles ("Mr.", "Dr.") out.
    - A surface of signs alone ("🍕", "!!!") is its own norm; only a blank one gives "".

    Returns:
        At most MAX_NORM code points.
    """
    surface = surface[:MAX_SURFACE]
    if person:
        surface = _turned(surface)
    text = _POSSESSIVE.sub("", surface.strip())
    text = fold(text)
    if not person:  # a person's "J.C." is two names
        text = _INITIALS.sub(lambda m: m.group(0).replace(".", "") + " ", text)
    text = _SLASHED.sub(r"\1\2", text)
    text = _APOSTROPHES.sub("", text).replace("&", " and ")
    text = _LONE_SIGN.sub(" ", text)
    tokens = _words_of(text)
    if person:
        tokens = _untitled(tokens)
    norm = " ".join(tokens) or " ".join(fold(surface).split())
    norm = "".join(c for c in norm if c.isprintable() and not "\ud800" <= c <= "\udfff").strip()
    if len(norm) > MAX_NORM:
        digest = hashlib.sha256(norm.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        norm = f"{norm[: MAX_NORM - 17].rstrip()} {digest}"
    return norm


def _words_of(text: str) -> list[str]:
    """Runs of letters, marks, digits, "+" and "#"; `text` is folded.

    `re` counts no combining mark as part of a word, which would cut Indic words to pieces.
    """
    if text.isascii():
        return _OTHER.sub(" ", text).split()
    kept = (c if c in "+#" or unicodedata.category(c)[0] in "LNM" else " " for c in text)
    return "".join(kept).split()


def _turned(surface: str) -> str:
    """Turn "Berg, Ingrid" round; leave "Ingrid Berg, Jr." as it is."""
    left, comma, right = surface.partition(",")
    if not comma or "," in right or not right.strip() or not left.strip():
        return surface
    after = _words_of(fold(right).replace(".", ""))
    if not after or all(w in words("suffixes") for w in after) or len(after) > 3:
        return surface
    return f"{right.strip()} {left.strip()}"


def _untitled(tokens: list[str]) -> list[str]:
    titles = words("titles")
    start = 0
    while start < len(tokens) - 1 and tokens[start] in titles:
        start += 1
    return tokens[start:]


def name_id(workspace: str, kind: str, norm: str) -> str:
    """The id of a name: 20 hex digits, equal on every machine."""
    key = f"{workspace}\0{kind}\0{norm}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(key).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Name:
    """A norm taken apart.

    - `tokens` are all words; `core` is without legal form and leading "the", abbreviations opened
      ("intl" as "international"). `core` is never empty when `tokens` is not.
    - `legal` is the family of the legal form, "" without one.
    - `numbers` are the numbers in the core: two names whose numbers differ are two things.
    - For a person, `given` and `surname` part the core; `surname` is "" for a single word.
    """

    kind: str
    norm: str
    tokens: tuple[str, ...]
    core: tuple[str, ...]
    legal: str
    numbers: tuple[str, ...]
    given: tuple[str, ...] = ()
    surname: str = ""

    @property
    def key(self) -> str:
        return " ".join(self.core)


@lru_cache(maxsize=8192)
def parse(norm: str, kind: str) -> Name:
    """Take a norm (of `normalise`) apart. Cost: some microseconds."""
    tokens = tuple(norm.split())
    if kind == "PERSON":
        return _person(norm, tokens)
    core, legal = (tokens, "") if kind not in {"ORG", "PRODUCT"} else split_legal_form(tokens)
    if len(core) > 1 and core[0] == "the":
        core = core[1:]
    opened: list[str] = []
    expand = abbreviations()
    for token in core:
        opened.extend(expand.get(token, token).split())
    core = tuple(opened)
    return Name(kind, norm, tokens, core, legal, _numbers(core))


def _numbers(core: tuple[str, ...]) -> tuple[str, ...]:
    values: Mapping[str, str] = table("words.yaml")["numbers"]
    found = [
        re.sub(r"\D", "", t) or values[t] for t in core if t in values or any(map(str.isdigit, t))
    ]
    return tuple(sorted(found))


def split_legal_form(tokens: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Part a company's words from its legal form, which may be several words at either end."""
    forms, leading, longest = _legal_forms()
    core = tokens
    legal = ""
    changed = True
    while changed and len(core) > 1:
        changed = False
        for size in range(min(longest, len(core) - 1), 0, -1):
            family = forms.get(core[-size:])
            if family is not None:
                # Of several ("Foo Company, Inc.") the last says what the company is.
                legal = legal or family
                core, changed = core[:-size], True
                break
    for size in range(min(longest, len(core) - 1), 0, -1):
        # One-word forms in front are a closed list ("PT", "OOO"); longer ones are unmistakable.
        if (size > 2 or core[0] in leading) and core[:size] in forms:
            legal = legal or forms[core[:size]]
            core = core[size:]
            break
    if len(core) > 1 and legal and core[-1] == "and":
        core = core[:-1]
    return core, legal


def is_legal_form(norm: str) -> bool:
    """Whether a whole norm is a legal form and nothing else."""
    return tuple(norm.split()) in _legal_forms()[0]


def _person(norm: str, tokens: tuple[str, ...]) -> Name:
    suffixes, particles = words("suffixes"), words("particles")
    core = tokens
    while len(core) > 1 and core[-1] in suffixes:
        core = core[:-1]
    if len(core) < 2:
        return Name("PERSON", norm, tokens, core, "", (), (), "")
    start = len(core) - 1
    while start > 1 and core[start - 1] in particles:
        start -= 1
    return Name(
        "PERSON", norm, tokens, core, "", (), given=core[:start], surname=" ".join(core[start:])
    )


def given_names_agree(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    """How well two lists of given names can be one person's: 0 when they cannot.

    1 for equal, 0.9 for one that leaves middle names out, 0.85 for nicknames, 0.8 for initials.
    """
    if left == right:
        return 1.0
    if not left or not right:
        return 0.0
    first = _given_agrees(left[0], right[0])
    if first == 0.0:
        return max(_run_together(left, right), _run_together(right, left))
    score = first
    rest_left, rest_right = left[1:], right[1:]
    if rest_left and rest_right:
        for a, b in zip(rest_left, rest_right, strict=False):
            score = min(score, _given_agrees(a, b))
    if len(left) != len(right):
        score = min(score, 0.9)
    return score


def _run_together(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    """Score "jc" for "jean claude"."""
    if (
        len(left) == 1
        and len(left[0]) == len(right) > 1
        and left[0] == "".join(r[0] for r in right)
    ):
        return 0.8
    return 0.0


def _given_agrees(a: str, b: str) -> float:
    if a == b:
        return 1.0
    if len(a) == 1 or len(b) == 1:
        return 0.8 if a[0] == b[0] else 0.0
    nick = _nicknames()
    if nick.get(a, frozenset()) & nick.get(b, frozenset()):
        return 0.85
    return 0.0


def acronyms(core: tuple[str, ...]) -> tuple[str, ...]:
    """The acronyms that a name of several words can have, with and without its small words."""
    if len(core) < 2:
        return ()
    stop = words("stop")
    full = "".join(t[0] for t in core)
    short = "".join(t[0] for t in core if t not in stop)
    return tuple(sorted({a for a in (full, short) if 2 <= len(a) <= 8}))
