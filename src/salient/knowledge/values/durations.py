"""How long and how often: ISO 8601 durations (P1Y6M, PT2H) and recurrences (R/P1M)."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from salient.knowledge.values.calendar import WEEKDAYS
from salient.knowledge.values.numbers import Number, number, ordinal, plain
from salient.knowledge.values.value import Value

# name -> designator and how many of it; T before those of the clock.
UNITS: Final[dict[str, tuple[str, int]]] = {
    "second": ("TS", 1), "sec": ("TS", 1), "minute": ("TM", 1), "min": ("TM", 1), "hour": ("TH", 1), "hr": ("TH", 1),
    "day": ("D", 1), "night": ("D", 1), "weekend": ("D", 2), "week": ("W", 1), "wk": ("W", 1), "fortnight": ("W", 2), "month": ("M", 1),
    "mo": ("M", 1), "mth": ("M", 1), "quarter": ("M", 3), "semester": ("M", 6), "year": ("Y", 1), "yr": ("Y", 1), "decade": ("Y", 10),
    "century": ("Y", 100), "centurie": ("Y", 100), "millennium": ("Y", 1000), "millennia": ("Y", 1000),
}  # fmt: skip
_ORDER: Final = ("Y", "M", "W", "D", "TH", "TM", "TS")
# What half of a unit is, where ISO 8601 has a smaller one that fits exactly.
_SMALLER: Final = {"Y": ("M", 12), "TH": ("TM", 60), "TM": ("TS", 60)}

_QUALIFIER = r"(?:(?P<q>business|working|trading|banking|calendar|consecutive|successive|full|additional|further|fiscal|short|long|whole)\s+)*"
_UNIT = r"(?P<u>" + "|".join(sorted(UNITS, key=len, reverse=True)) + r")s?\.?"
_TAIL = (
    r"(?:'|'s)?(?:[\s-]+(?:old|long|period|periods|term|terms|of age|time|duration|notice|prior))?"
)
_ONE = re.compile(rf"(?P<n>[^;:]{{1,60}}?)[\s-]*\b{_QUALIFIER}(?<![^\W\d]){_UNIT}{_TAIL}")
_VAGUE = frozenset({"a few", "few", "several", "many", "some", "a couple of", "a couple", "a number of", "numerous", "recent", "coming", "the last few", "a", "an"})  # fmt: skip
_JOIN = re.compile(r"\s*(?:,\s*(?:and\s+)?|\band\b|\s)\s*(?=[\d(]|\w+[\s-]+(?:\(\d+\)\s+)?(?:month|day|week|hour|minute|second|year))")  # fmt: skip
_RANGE = re.compile(
    r"(?:from\s+|between\s+)?(?P<a>.{1,40}?)\s*(?:-|\bto\b|\bor\b|\band\b)\s*(?P<b>.{3,60})"
)
_BUSINESS = frozenset({"business", "working", "trading", "banking"})


def duration(text: str, language: str) -> Value | None:
    """`text` is lower case and unhedged: "thirty (30) days", "two and a half years", "18-month"."""
    text = text.removeprefix("a ") if text.endswith("-old") else text
    single = _single(text, language)
    if single is not None:
        return single
    return _joined(text, language) or _range(text, language)


def _single(text: str, language: str) -> Value | None:
    match = _ONE.fullmatch(text)
    if match is None:
        bare = re.fullmatch(rf"{_QUALIFIER}{_UNIT}{_TAIL}", text)
        if bare is None:
            return None
        plural = text.rstrip("'").endswith(bare["u"] + "s")
        written, how = "a few" if plural else "one", bare
    else:
        written, how = match["n"].strip(" -"), match
    modifier = "business" if how["q"] in _BUSINESS else None
    designator, factor = UNITS[how["u"]]
    if written in _VAGUE and written not in {"a", "an"}:
        return Value("duration", _iso({designator: "X"}), unit=how["u"], modifier=modifier)
    count = _count(written, language)
    if count is None or count.value < 0:
        return None
    normal = _of(designator, count.value * factor)
    others = tuple(_of(designator, o * factor) for o in count.others)
    return Value("duration", normal, amount=plain(count.value), unit=how["u"], modifier=modifier, ambiguous=others, note=count.note)  # fmt: skip


def _count(written: str, language: str) -> Number | None:
    """How many: "two", "thirty (30)", "half a", "a", "one and a half"."""
    if written in {"a", "an", "one", "a single", "each", "per", "the"}:
        return Number(Fraction(1))
    if written in {"half", "half a", "half an", "a half", "one-half", "one half", "one-half of a"}:
        return Number(Fraction(1, 2))
    if found := number(written, language):
        return found
    if written.endswith((" a", " an")):  # "three quarters of an hour"
        return number(written.rsplit(" ", 1)[0].removesuffix(" of"), language)
    return None


def _of(designator: str, count: Fraction) -> str:
    """One and a half years are P1Y6M; one and a half days, P1.5D."""
    if count.denominator != 1 and designator in _SMALLER:
        smaller, per = _SMALLER[designator]
        rest = (count % 1) * per
        if rest.denominator == 1:
            parts = {designator: str(int(count))} if count >= 1 else {}
            return _iso(parts | {smaller: str(rest)})
    return _iso({designator: plain(count)})


def _iso(parts: dict[str, str]) -> str:
    day = "".join(parts[d] + d for d in _ORDER if d in parts and d[0] != "T")
    clock = "".join(parts[d] + d[1] for d in _ORDER if d in parts and d[0] == "T")
    return f"P{day}{'T' + clock if clock else ''}"


def _joined(text: str, language: str) -> Value | None:
    """Two years and six months; 1 hour 30 minutes."""
    for link in _JOIN.finditer(text):
        left = _single(text[: link.start()].strip(), language)
        if left is None or "X" in left.normal:
            continue
        rest = text[link.end() :]
        right = _single(rest, language) or _joined(rest, language)
        if right is None or "X" in right.normal:
            continue
        parts = _parts(left.normal)
        more = _parts(right.normal)
        if parts.keys() & more.keys() or max(_ORDER.index(k) for k in parts) > min(
            _ORDER.index(k) for k in more
        ):
            continue
        return Value("duration", _iso(parts | more), modifier=left.modifier or right.modifier)
    return None


def _parts(normal: str) -> dict[str, str]:
    day, _, clock = normal[1:].partition("T")
    found = {d: n for n, d in re.findall(r"([\d./]+)([YMWD])", day)}
    return found | {f"T{d}": n for n, d in re.findall(r"([\d./]+)([HMS])", clock)}


def _range(text: str, language: str) -> Value | None:
    match = _RANGE.fullmatch(text)
    high = _single(match["b"], language) if match else None
    if match is None or high is None or high.amount is None or high.unit is None:
        return None
    low = _single(match["a"], language) or _single(f"{match['a']} {high.unit}s", language)
    if low is None or low.amount is None or low.ambiguous or high.ambiguous:
        return None
    if low.unit == high.unit and "/" not in low.amount + high.amount and Fraction(low.amount) > Fraction(high.amount):  # fmt: skip
        return None
    return Value("duration", f"{low.normal}/{high.normal}", amount=low.amount, high=high.amount, unit=high.unit, modifier=high.modifier)  # fmt: skip


# --- how often --------------------------------------------------------------------------------------

_ADVERBS: Final = {
    "daily": "P1D", "nightly": "P1D", "weekly": "P1W", "fortnightly": "P2W", "monthly": "P1M", "quarterly": "P3M",
    "yearly": "P1Y", "annual": "P1Y", "annually": "P1Y", "per annum": "P1Y", "semi-annual": "P6M", "semi-annually": "P6M",
    "semiannual": "P6M", "semiannually": "P6M", "half-yearly": "P6M", "biennial": "P2Y", "biennially": "P2Y",
    "hourly": "PT1H", "every day": "P1D", "everyday": "P1D", "year-round": "P1D", "semi-monthly": "P15D",
}  # fmt: skip
_TWO_WAYS: Final = {"biweekly": ("P2W", "P3.5D"), "bi-weekly": ("P2W", "P3.5D"), "bimonthly": ("P2M", "P15D"), "bi-monthly": ("P2M", "P15D"),
             "biannual": ("P6M", "P2Y"), "biannually": ("P6M", "P2Y"), "bi-annual": ("P6M", "P2Y"), "bi-annually": ("P6M", "P2Y")}  # fmt: skip
_EVERY = re.compile(r"(?:each|every|per|once every|once each|an?)\s+(?:(?P<n>[\w() -]{1,24}?)\s+)?(?P<q>business |working |calendar |fiscal )?(?P<u>[a-z]+)")  # fmt: skip
_TIMES = re.compile(
    r"(?P<n>once|twice|thrice|[\w -]{1,16} times|[\w -]{1,16} days|[\w -]{1,16} hours)\s+(?:an?|per|each|every|in an?)\s+(?P<u>[a-z]+)"
)


def recurrence(text: str, language: str) -> Value | None:
    """Daily, every two weeks, twice a year: `R/` and how far apart; `amount` is how often in that time."""
    if text in _ADVERBS:
        return Value("set", f"R/{_ADVERBS[text]}")
    if text in _TWO_WAYS:
        first, second = _TWO_WAYS[text]
        return Value("set", f"R/{first}", ambiguous=(f"R/{second}",), note="every two, or twice in one")  # fmt: skip
    if (match := _TIMES.fullmatch(text)) and (unit := _unit(match["u"])):
        how = {"once": "1", "twice": "2", "thrice": "3"}.get(match["n"])
        if how is None and match["n"].endswith(" times"):
            found = number(match["n"].removesuffix(" times"), language)
            how = plain(found.value) if found else None
        if how is None and (inner := duration(match["n"], language)):
            how = inner.normal
        return Value("set", f"R/{_of(*unit)}", amount=how) if how else None
    match = _EVERY.fullmatch(text)
    if match is None or text.startswith(("a ", "an ")):
        return None
    modifier = "business" if match["q"] in {"business ", "working "} else None
    if match["u"].removesuffix("s") in WEEKDAYS and not match["n"]:
        return Value("set", f"R/XXXX-WXX-{WEEKDAYS[match['u'].removesuffix('s')]}")
    unit = _unit(match["u"])
    if unit is None:
        return None
    count: Fraction | None = Fraction(1)
    if match["n"]:
        written = (
            match["n"].strip().removesuffix("calendar").removesuffix("fiscal").strip() or "one"
        )
        found = number(written, language)
        nth = 2 if written == "other" else ordinal(written)
        count = found.value if found else Fraction(nth) if nth else None
    return Value("set", f"R/{_of(unit[0], unit[1] * count)}", modifier=modifier) if count else None


def _unit(word: str) -> tuple[str, Fraction] | None:
    name = word.removesuffix("s") if word.removesuffix("s") in UNITS else word
    if name == "annum":
        name = "year"
    return (UNITS[name][0], Fraction(UNITS[name][1])) if name in UNITS else None
