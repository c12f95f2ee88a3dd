"""Numbers in digits and in English words, exactly: as fractions, never as floats."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from salient.knowledge.values.value import NEUTRAL, Conventions

# Where "1,5" is one and a half. After CLDR's `numbers/symbols/decimal`.
COMMA_DECIMAL: Final = frozenset(
    "az be bg bs ca cs da de el es et eu fi fr gl hr hu hy id is it ka kk lt lv mk nb nl nn no pl pt ro ru sk sl sq "
    "sr sv tr uk vi".split()
)  # fmt: skip
# Where "billion" is a million millions.
_LONG_SCALE: Final = frozenset("da de es fi fr hr hu it nb nl nn no pl pt sk sl sv".split())

_ONES: Final = {w: i for i, w in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen".split())}  # fmt: skip
_TENS: Final = {w: 10 * i for i, w in enumerate(
    "twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)} | {"fourty": 40}  # fmt: skip
SCALES: Final = {
    "thousand": 10**3, "k": 10**3, "lakh": 10**5, "lakhs": 10**5, "lac": 10**5, "million": 10**6, "millions": 10**6,
    "m": 10**6, "mm": 10**6, "mn": 10**6, "mil": 10**6, "mill": 10**6, "mln": 10**6, "mio": 10**6, "crore": 10**7,
    "crores": 10**7, "cr": 10**7, "billion": 10**9, "billions": 10**9, "b": 10**9, "bn": 10**9, "bln": 10**9,
    "mrd": 10**9, "milliard": 10**9, "milliarden": 10**9, "milliarder": 10**9, "millionen": 10**6, "millioner": 10**6,
    "trillion": 10**12, "trillions": 10**12, "tn": 10**12, "trn": 10**12, "t": 10**12,
}  # fmt: skip
_ORDINALS: Final = {
    "zeroth": 0, "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15,
    "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
    "fortieth": 40, "fiftieth": 50, "sixtieth": 60, "seventieth": 70, "eightieth": 80, "ninetieth": 90,
    "hundredth": 100, "thousandth": 1000, "millionth": 10**6, "billionth": 10**9,
}  # fmt: skip
_PARTS: Final = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4} | {
    word + s: n for word, n in _ORDINALS.items() if n > 2 for s in ("", "s")
}
_GLYPHS: Final = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}  # fmt: skip

_WORD = re.compile(r"[a-z]+|\d[\d.,]*|\S")
_GROUPS = re.compile(
    r"\d{1,3}(?:(?:\D\d{2})*|(?:\D\d{3})*)\D\d{3}"
)  # thousands, or lakhs and crores
_SPACED = re.compile(r"[' \u00a0\u202f\u2009]")


@dataclass(frozen=True, slots=True)
class Number:
    """A number, what else its digits could be, and why."""

    value: Fraction
    others: tuple[Fraction, ...] = ()
    note: str = ""

    def times(self, factor: Fraction | int) -> Number:
        return Number(self.value * factor, tuple(o * factor for o in self.others), self.note)


def plain(number: Fraction) -> str:
    """The exact decimal; `n/d` where it would not end."""
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{number.numerator}/{number.denominator}"
    places = 0
    while number.denominator != 1 and (number * 10**places).denominator != 1:
        places += 1
    digits = str(abs(number.numerator * 10**places // number.denominator)).rjust(places + 1, "0")
    sign = "-" if number < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def in_digits(text: str, language: str, conventions: Conventions = NEUTRAL) -> Number | None:
    """A number in digits: 1,234.50, 1.234,50, 1 234, 1'234, 12,34,567, 3/4, 2 1/2, ½.

    "1,234" has two readings where a comma can be the decimal sign, unless the document settles it.
    """
    text = text.strip()
    if any(c in _GLYPHS for c in text):
        text = "".join(f" {_GLYPHS[c]}" if c in _GLYPHS else c for c in text).strip()
    if match := re.fullmatch(r"(?:(\d{1,4})[ -])?(\d{1,3})/([1-9]\d{0,3})", text):
        whole, over, under = (int(g or 0) for g in match.groups())
        return Number(whole + Fraction(over, under))
    sign = -1 if text[:1] == "-" else 1
    text = text.lstrip("+-").strip()
    if not text or not text[0].isdecimal() or not text[-1].isdecimal():
        return None
    text = "".join(str(int(c)) if c.isdecimal() else c for c in text)
    if _SPACED.search(text):
        head = re.split(r"[.,]", text)[0]
        if not _GROUPS.fullmatch(head) or _SPACED.search(text[len(head) :]):
            return None
        text = _SPACED.sub("", text)
        decimal = text.replace(",", ".")
        found = Number(Fraction(decimal)) if re.fullmatch(r"\d+(?:\.\d+)?", decimal) else None
    elif re.fullmatch(r"[\d.,]+", text):
        found = _separated(text, language, conventions)
    else:
        found = None
    return found.times(sign) if found else None


def _separated(text: str, language: str, conventions: Conventions) -> Number | None:
    marks = [c for c in text if c in ".,"]
    if not marks:
        return Number(Fraction(text))
    last = marks[-1]
    if len(set(marks)) == 2:
        whole, _, part = text.rpartition(last)
        if last in whole or not _GROUPS.fullmatch(whole):
            return None
        return Number(Fraction(f"{re.sub(r'[.,]', '', whole)}.{part}"))
    grouped = Fraction(text.replace(last, "")) if _GROUPS.fullmatch(text) else None
    if len(marks) > 1:
        return Number(grouped) if grouped is not None else None
    as_decimal = Fraction(text.replace(",", "."))
    if grouped is None or text[0] == "0":
        return Number(as_decimal)
    return _settled(last, grouped, as_decimal, language, conventions)


def _settled(
    mark: str, grouped: Fraction, decimal: Fraction, language: str, conventions: Conventions
) -> Number:
    """One mark before three digits: by the document, else by the language, else open."""
    if conventions.decimal:
        return Number(decimal if mark == conventions.decimal else grouped)
    note = f"{mark!r} can part thousands or begin the decimals"
    if language in COMMA_DECIMAL:
        return Number(grouped) if mark == "." else Number(decimal, (grouped,), note)
    if language == "en":
        return Number(grouped) if mark == "," else Number(decimal, (grouped,), note)
    return Number(grouped, (decimal,), note)


def scale_of(word: str, language: str) -> int | None:
    """What "million", "bn", "crore", "Mrd." multiply by."""
    word = word.strip(" .-").lower()
    if language in _LONG_SCALE and word.startswith("billion"):
        return 10**12
    return SCALES.get(word)


def in_words(text: str) -> Fraction | None:
    """An English number in words: "one hundred and twenty-three thousand", "two and a half million"."""
    tokens = _WORD.findall(text.lower().replace("-", " "))
    tokens = [t for t in tokens if t not in {","}]
    if not tokens or len(tokens) > 48:
        return None
    return _fraction_in(tokens) or _whole(tokens)


def _fraction_in(tokens: list[str]) -> Fraction | None:
    """Halves, thirds: "two and a half million", "half a million", "three quarters", "one-half"."""
    at = next((i for i, t in enumerate(tokens) if t in _PARTS), None)
    if at is None:
        return None
    factor = Fraction(1)
    for word in (t for t in tokens[at + 1 :] if t not in {"a", "an", "of"}):
        if word not in SCALES or len(word) < 4:
            return None
        factor *= SCALES[word]
    before = tokens[:at]
    whole: Fraction | None = Fraction(0)
    if "and" in before:
        cut = len(before) - 1 - before[::-1].index("and")
        whole, before = _whole(before[:cut]), before[cut + 1 :]
    over = Fraction(1) if before in ([], ["a"], ["an"]) else _whole(before)
    if whole is None or over is None or over >= 100:
        return None
    return (whole + over / _PARTS[tokens[at]]) * factor


def _whole(tokens: list[str]) -> Fraction | None:
    total, group, level = Fraction(0), Fraction(0), 10**15
    room = 1000  # what the next small number must be below
    seen = False
    for position, word in enumerate(tokens):
        if word == "and":
            if not seen or position == len(tokens) - 1:
                return None
            continue
        if word in {"a", "an"} and position == 0 and len(tokens) > 1:
            group, room, seen = Fraction(1), 1, True
            continue
        small = _small(word)
        if small is not None:
            if small >= room and room != 1000:
                return None
            group, seen = group + small, True
            room = 10 if small in range(20, 100, 10) and word in _TENS else 1
        elif word == "hundred" and 0 < group < 100:
            group, room = group * 100, 100
        elif word == "dozen" and 0 <= group < 100:
            group, room, seen = (group or Fraction(1)) * 12, 1, True
        elif word in SCALES and len(word) >= 4 and SCALES[word] < level and seen and group:
            total, level = total + group * SCALES[word], SCALES[word]
            group, room = Fraction(0), 1000
        else:
            return None
    return total + group if seen else None


def _small(word: str) -> Fraction | None:
    if word in _ONES:
        return Fraction(_ONES[word])
    if word in _TENS:
        return Fraction(_TENS[word])
    if word[0].isdecimal():
        found = in_digits(word, "en")
        return found.value if found else None
    return None


def ordinal(text: str) -> int | None:
    """21st, "twenty-first", "second", "hundredth"."""
    text = text.lower().strip()
    if match := re.fullmatch(r"(\d{1,3}(?:,?\d{3}){0,3})\s?(?:st|nd|rd|th|d)", text):
        return int(match.group(1).replace(",", ""))
    head, _, last = text.replace("-", " ").rpartition(" ")
    if last not in _ORDINALS:
        return None
    if not head or head in {"a", "one"}:
        return _ORDINALS[last]
    if _ORDINALS[last] >= 100:
        base = in_words(head)
        return int(base * _ORDINALS[last]) if base is not None and base.denominator == 1 else None
    cardinal = in_words(head.removesuffix(" and"))
    if cardinal is None or cardinal.denominator != 1 or cardinal % 10 or (
        cardinal % 100 and _ORDINALS[last] >= 10
    ):  # fmt: skip
        return None
    return int(cardinal) + _ORDINALS[last]


_BOTH = re.compile(r"(.{1,100}?)\s*\(\s*([^()]{1,40}?)\s*\)\s*(.{0,40})")
_SCALED = re.compile(r"(.*?\d)\s*-?\s*([A-Za-z]{1,10})\.?")


def number(text: str, language: str, conventions: Conventions = NEUTRAL) -> Number | None:
    """A number in any of these ways: 5, 1.2 million, 5m, five million, thirty (30), ten thousand (10,000).

    Where words and digits disagree the words are the value, as in law, and the digits are flagged.
    """
    text = text.strip()
    if match := _BOTH.fullmatch(text):
        outer, inner, rest = match.groups()
        words, digits = number(outer, language, conventions), number(inner, language, conventions)
        if rest or words is None or digits is None:
            return None
        if digits.value == words.value or words.value in digits.others:
            return Number(words.value)
        return Number(words.value, (digits.value,), "words and digits do not agree")
    found = in_digits(text, language, conventions)
    if found is not None:
        return found
    if (match := _SCALED.fullmatch(text)) and (scale := scale_of(match.group(2), language)):
        base = in_digits(match.group(1), language, conventions)
        if base is None:
            return None
        if base.others and base.others[0] > base.value:  # "1.234 billion" is never 1,234 billion
            base = Number(base.value)
        return base.times(scale)
    value = in_words(text)
    return Number(value) if value is not None else None
