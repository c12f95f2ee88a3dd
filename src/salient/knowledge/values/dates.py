"""Dates of the calendar, in ISO 8601 and EDTF (ISO 8601-2) where those have a form.

Quarters, halves, seasons and what has no year are written as TimeML does: 2021-Q1, 2021-H1, 2021-SU,
XXXX-03-04, XXXX-WXX-1. A fiscal year is FY2021, a quarter of it FY2021-Q3: which days that takes in only
its company knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from salient.knowledge.values.calendar import (
    MONTHS,
    SEASONS,
    WEEKDAYS,
    day,
    days_of,
    end_of_month,
    shifted,
)
from salient.knowledge.values.numbers import in_words, ordinal
from salient.knowledge.values.value import NEUTRAL, Conventions, Value, unhedged


@dataclass(frozen=True, slots=True)
class When:
    """What a date is read with: the document's date, its conventions."""

    anchor: date | None = None
    conventions: Conventions = NEUTRAL
    language: str = "en"


_MONTH = r"(?P<m>[^\W\d_]{3,10})\.?"
_DAY = r"(?P<d>\d{1,2})(?:\s?st|\s?nd|\s?rd|\s?th|\.|º|er)?"
_YEAR = r"(?P<y>\d{4}|'?\d\d(?!\d))"
_SEP = r"(?:\s*,\s*|\s+|-|/|\.)"
_WEEKDAY = re.compile(rf"(?:{'|'.join(sorted(WEEKDAYS, key=len, reverse=True))})\b\.?,?\s*(?:the\s+)?", re.I)  # fmt: skip

_DAY_MONTH = re.compile(
    rf"{_DAY}{_SEP}?(?:day\s+)?(?:(?:of|de|du)\s+)?{_MONTH}(?:{_SEP}*(?:(?:in the year|of|de|del|in)\s+)?{_YEAR})?"
)
_MONTH_DAY = re.compile(rf"{_MONTH}{_SEP}?(?:the\s+)?{_DAY}(?:{_SEP}+(?:of\s+|in\s+)?{_YEAR})?")
_MONTH_YEAR = re.compile(
    rf"{_MONTH}{_SEP}?\s*(?:(?:of|de|del)\s+)?(?P<y>\d{{4}}|'\d\d|(?<=[-/])\d\d)"
)
_YEAR_MONTH_DAY = re.compile(
    r"(?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?:(?P=s)(?P<d>\d{1,2}))?(?:T[\d:.]{4,15}Z?)?"
)
_PACKED = re.compile(r"(?P<y>1[5-9]\d\d|20\d\d)(?P<m>\d\d)(?P<d>\d\d)")
_NUMERIC = re.compile(r"(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|'?\d\d)\.?")
_NUMERIC_MONTH = re.compile(r"(?P<m>\d{1,2})[/.-](?P<y>\d{4})")
_BARE_YEAR = re.compile(r"(?:(?:calendar|tax)\s+)?(?:year\s+)?(?P<y>[12]\d{3})(?:\s+(?:a\.?d|c\.?e)\.?)?(?:\s+calendar year)?")  # fmt: skip
_DECADE = re.compile(r"(?:(?P<c>\d\d)|')(?P<t>\d)0'?s")
_CENTURY = re.compile(r"(?P<n>[a-z0-9 -]{3,20}?)[\s-]+century(?:\s+(?:a\.?d|c\.?e)\.?)?")
_NINETIES: Final = {w: i for i, w in enumerate("twenties thirties forties fifties sixties seventies eighties nineties".split(), 2)}  # fmt: skip
_PART_WORD = r"(?P<n>[1-4](?:st|nd|rd|th)?|first|second|third|fourth|final|last)"
_FISCAL = r"(?:(?P<fy>f\.?y\.?|fiscal(?:\s+year)?|financial\s+year)\s*)"
_QUARTER = re.compile(
    rf"(?:{_FISCAL}?q(?P<a>[1-4])|(?P<b>[1-4])q|(?:(?:fiscal)\s+)?{_PART_WORD}[\s-]+quarter)"
    rf"(?:\s*[,/'-]?\s*(?:of\s+|in\s+)?(?:the\s+)?(?P<f2>f\.?y\.?|fiscal(?:\s+year)?|financial\s+year|calendar(?:\s+year)?)?\s*(?P<y>'?\d{{4}}|'?\d\d))?"
)
_YEAR_QUARTER = re.compile(rf"{_FISCAL}?(?P<y>\d{{4}})[\s/-]*(?P<k>[qh])(?P<a>[1-4])")
_HALF = re.compile(
    r"(?:h(?P<a>[12])|(?P<b>[12])h|(?P<n>first|second|1st|2nd|latter)[\s-]+half)"
    r"(?:\s*[/'-]?\s*(?:of\s+)?(?P<f2>f\.?y\.?|fiscal(?:\s+year)?)?\s*(?P<y>\d{4}|'?\d\d))?"
)
_FISCAL_YEAR = re.compile(rf"{_FISCAL}[\s'-]*(?P<y>\d{{4}}|\d\d)(?:[/-](?P<z>\d{{4}}|\d\d))?")
_SEASON = re.compile(r"(?P<s>spring|summer|autumn|fall|winter)(?:(?:\s+of)?[\s,]+(?P<y>\d{4}))?")
_ISO_WEEK = re.compile(r"(?P<y>\d{4})-?w(?P<w>\d\d)(?:-?(?P<d>[1-7]))?")
_WEEK = re.compile(r"week\s+(?P<w>\d\d?)(?:\s+of|,)?\s+(?P<y>\d{4})")
_WEEK_OF = re.compile(r"week\s+(?:of|ending|ended|beginning|commencing)\s+(?P<rest>.{4,40})")
_STRETCH_END = re.compile(
    r"(?P<span>.{1,40}?)(?:[\s-]+(?:period|periods))?\s+(?:ended|ending|to)\s+(?P<rest>.{4,40})"
)
_PHASE = re.compile(r"(?P<p>early|beginning of|start of|mid|middle of|late|end of|close of)[\s-]+(?:the\s+)?(?P<rest>.{2,60})")  # fmt: skip
_PHASES: Final = {"early": "start", "beginning of": "start", "start of": "start", "mid": "mid", "middle of": "mid",
           "late": "end", "end of": "end", "close of": "end"}  # fmt: skip


def absolute(text: str, when: When) -> Value | None:
    """A day, month, quarter, season, year, decade or century; `text` is lower case and unhedged."""
    text = _WEEKDAY.sub("", text, count=1) if text not in WEEKDAYS else text
    text = re.sub(r"^this (?=\d)", "", text.strip(" ,."))
    for reading in _READINGS:
        found = reading(text, when)
        if found is not None:
            return found
    return None


def dated(normal: str, modifier: str | None = None, note: str = "", ambiguous: tuple[str, ...] = ()) -> Value:  # fmt: skip
    """A date in standard form, with the days it takes in."""
    days = days_of(normal)
    first, last = days or (None, None)
    return Value("date", normal, modifier=modifier, first=first, last=last, ambiguous=ambiguous, note=note)  # fmt: skip


def year_of(digits: str, when: When) -> int:
    """A year; of two digits the one nearest to the document: from 79 years before it to 20 after.

    Without a document's date as POSIX has it: 69 to 99 are 19xx.
    """
    digits = digits.strip("'")
    if len(digits) != 2:
        return int(digits)
    number = int(digits)
    if when.anchor is None:
        return number + (1900 if number >= 69 else 2000)
    lowest = when.anchor.year - 79
    return lowest + (number - lowest) % 100


def _calendar_day(year: int | None, month: int, number: int) -> str | None:
    if year is None:
        return f"XXXX-{month:02}-{number:02}" if day(2000, month, number) else None
    return f"{year:04}-{month:02}-{number:02}" if day(year, month, number) else None


def _day_and_month(text: str, when: When) -> Value | None:
    for pattern in (_DAY_MONTH, _MONTH_DAY):
        if (match := pattern.fullmatch(text)) and (month := MONTHS.get(match["m"])):
            year = year_of(match["y"], when) if match["y"] else None
            normal = _calendar_day(year, month, int(match["d"]))
            return dated(normal) if normal else None
    return None


def _day_in_words(text: str, when: When) -> Value | None:
    """The third day of March, two thousand twenty-one."""
    match = re.fullmatch(
        r"(?P<d>[a-z]+(?:[ -][a-z]+)?)(?:\s+day)?\s+(?:of\s+)?(?P<m>[a-z]{3,9})(?:[\s,]+(?P<y>\d{4}|two thousand[a-z -]{0,20}|nineteen [a-z -]{3,20}))?",
        text,
    ) or re.fullmatch(r"(?P<m>[a-z]{3,9})\s+(?P<d>[a-z]+(?:[ -][a-z]+)?)(?:[\s,]+(?P<y>\d{4}|two thousand[a-z -]{0,20}|nineteen [a-z -]{3,20}))?", text)  # fmt: skip
    if match is None or not (month := MONTHS.get(match["m"])):
        return None
    number, year = ordinal(match["d"].removesuffix(" day")), _year_in_words(match["y"] or "")
    if not number or (match["y"] and year is None):
        return None
    normal = _calendar_day(year, month, number)
    return dated(normal) if normal else None


def _year_in_words(text: str) -> int | None:
    if not text or text.isdigit():
        return int(text) if text else None
    if text.startswith("nineteen "):
        rest = in_words(
            text.removeprefix("nineteen ").removeprefix("hundred ").removeprefix("and ")
        )
        return 1900 + int(rest) if rest is not None and rest < 100 else None
    value = in_words(text)
    return int(value) if value is not None and value.denominator == 1 else None


def _iso_day(text: str, when: When) -> Value | None:
    for pattern in (_YEAR_MONTH_DAY, _PACKED):
        if match := pattern.fullmatch(text.upper()):
            year, month = int(match["y"]), int(match["m"])
            if match["d"]:
                normal = _calendar_day(year, month, int(match["d"]))
                return dated(normal) if normal else None
            if 1 <= month <= 12 and match["s"] != ".":
                # "2008-09" is a month by ISO 8601 and two years in running text.
                years = (
                    (f"{year:04}/{year // 100}{month:02}",)
                    if month > year % 100 and len(match["m"]) == 2
                    else ()
                )
                return dated(
                    f"{year:04}-{month:02}",
                    note="a month or two years" if years else "",
                    ambiguous=years,
                )
    return None


def _numeric(text: str, when: When) -> Value | None:
    """3/4/2021: by the document's order; else by the language; with a point always day first."""
    match = _NUMERIC.fullmatch(text)
    if match is None:
        return None
    a, b, year = int(match[1]), int(match[3]), year_of(match[4], when)
    day_first, month_first = _calendar_day(year, b, a), _calendar_day(year, a, b)
    if day_first is None or month_first is None or day_first == month_first:
        only = day_first or month_first
        return dated(only) if only else None
    settled = when.conventions.day_first
    if settled is None and (match[2] == "." or when.language not in {"en", "und"}):
        settled = True
    if settled is not None:
        return dated(day_first if settled else month_first)
    return dated(month_first, note="day or month first", ambiguous=(day_first,))


def numeric_order(surface: str) -> bool | None:
    """What a numeric date says about the order of its document's: True for the day first."""
    match = _NUMERIC.fullmatch(surface.strip())
    if match is None:
        return None
    a, b = int(match[1]), int(match[3])
    if 12 < a <= 31 and 1 <= b <= 12:
        return True
    return False if 12 < b <= 31 and 1 <= a <= 12 else None


def _month_year(text: str, when: When) -> Value | None:
    if (match := _MONTH_YEAR.fullmatch(text)) and (month := MONTHS.get(match["m"])):
        return dated(f"{year_of(match['y'], when):04}-{month:02}")
    if (match := _NUMERIC_MONTH.fullmatch(text)) and 1 <= int(match["m"]) <= 12:
        return dated(f"{match['y']}-{int(match['m']):02}")
    if re.fullmatch(r"[^\W\d_]{3,10}", text) and (month := MONTHS.get(text)):
        return dated(f"XXXX-{month:02}")
    return None


def _year(text: str, when: When) -> Value | None:
    if match := _BARE_YEAR.fullmatch(text):
        return dated(match["y"])
    if re.fullmatch(r"'\d\d", text):
        return dated(str(year_of(text, when)))
    if match := re.fullmatch(r"(\d{1,4})\s?(?:b\.?c\.?e?)\.?", text):
        return dated(f"-{int(match[1]) - 1:04}")  # ISO 8601 has a year 0
    if re.fullmatch(r"(?:two thousand|nineteen|twenty)\b[a-z -]{0,24}", text):
        year = _year_in_words(text)
        return dated(f"{year:04}") if year and 1900 <= year < 2100 else None
    return None


def _decade(text: str, when: When) -> Value | None:
    if match := _DECADE.fullmatch(text):
        century = match["c"] or ("20" if int(match["t"]) < 3 else "19")
        return dated(f"{century}{match['t']}X")
    if text in _NINETIES:
        return dated(f"19{_NINETIES[text]}X", note="the century is not written")
    if match := _CENTURY.fullmatch(text):
        number = ordinal(match["n"])
        return dated(f"{number - 1:02}XX") if number and 0 < number <= 99 else None
    return None


_WHICH: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "final": 4, "last": 4}


def _quarter(text: str, when: When) -> Value | None:
    fiscal = False
    if match := _YEAR_QUARTER.fullmatch(text):
        year, number, fiscal = match["y"], match["a"], bool(match["fy"])
        if match["k"] == "h" and number in "34":
            return None
        letter = match["k"].upper()
    elif match := _QUARTER.fullmatch(text):
        year, letter = match["y"], "Q"
        number = match["a"] or match["b"] or str(_WHICH.get(match["n"], match["n"][0]))
        fiscal = bool(match["fy"]) or "f" in (match["f2"] or "") or text.startswith("fiscal")
    elif match := _HALF.fullmatch(text):
        year, letter = match["y"], "H"
        named = {"latter": "2", "first": "1", "second": "2"}
        number = match["a"] or match["b"] or named.get(match["n"], match["n"][0])
        fiscal = bool(match["f2"])
    else:
        return None
    written = f"{year_of(year, when):04}" if year else "XXXX"
    return dated(f"{'FY' if fiscal else ''}{written}-{letter}{number}")


def _fiscal_year(text: str, when: When) -> Value | None:
    match = _FISCAL_YEAR.fullmatch(text)
    if match is None:
        return None
    year = year_of(match["y"], when)
    if match["z"]:
        end = int(match["z"]) if len(match["z"]) == 4 else year - year % 100 + int(match["z"])
        end += 100 * (end < year and len(match["z"]) == 2)
        if end != year + 1:
            return None
        return dated(f"FY{year:04}/{end:04}")
    return dated(f"FY{year:04}", note="its first and last day are the company's")


def _season(text: str, when: When) -> Value | None:
    match = _SEASON.fullmatch(text)
    return dated(f"{match['y'] or 'XXXX'}-{SEASONS[match['s']]}") if match else None


def _week(text: str, when: When) -> Value | None:
    match = _ISO_WEEK.fullmatch(text) or _WEEK.fullmatch(text)
    if match:
        normal = f"{match['y']}-W{int(match['w']):02}"
        return dated(normal) if days_of(normal) else None
    if match := _WEEK_OF.fullmatch(text):
        return absolute(match["rest"], when)
    return None


def _weekday(text: str, when: When) -> Value | None:
    name = text.rstrip("s") if text.endswith("days") else text
    if name not in WEEKDAYS or len(name) < 3:
        return None
    normal = f"XXXX-WXX-{WEEKDAYS[name]}"
    return Value("set", f"R/{normal}") if text.endswith("days") else dated(normal)


def _phase(text: str, when: When) -> Value | None:
    match = _PHASE.fullmatch(text)
    found = absolute(match["rest"], when) if match else None
    return replace(found, modifier=_PHASES[match["p"]]) if match and found else None


def _stretch_to(text: str, when: When) -> Value | None:
    """Three months ended March 31, 2021: from the first day of January."""
    match = _STRETCH_END.fullmatch(text)
    end = absolute(match["rest"], when) if match else None
    if match is None or end is None or end.last is None or len(end.normal) != 10:
        return None
    span = re.fullmatch(
        r"(?P<n>[\w -]{1,16}?)?[\s-]*(?:fiscal |calendar )?(?P<u>month|quarter|year)s?",
        match["span"],
    )
    number = in_words(span["n"].strip()) if span and span["n"] and span["n"].strip() else 1
    if span is None or number is None or number not in range(1, 121):
        return None
    months = int(number) * {"month": 1, "quarter": 3, "year": 12}[span["u"]]
    whole = end.last == end_of_month(end.last.year, end.last.month)
    before = shifted(end.last, -months)
    if before is None:
        return None
    if whole:
        before = end_of_month(before.year, before.month)
    first = date.fromordinal(before.toordinal() + 1)
    return Value("date_range", f"{first}/{end.last}", first=first, last=end.last)


_READINGS = (
    _day_and_month, _iso_day, _numeric, _month_year, _year, _decade, _quarter, _fiscal_year, _season, _week, _weekday,
    _day_in_words, _phase, _stretch_to,
)  # fmt: skip

# --- ranges ---------------------------------------------------------------------------------------

_OPENING = re.compile(r"(?:from|between|beginning|commencing|starting|the period from|period from)\s+(?:on\s+)?")  # fmt: skip
_LINK = re.compile(
    r"\s*(?:-{1,2}|/|\bto and including\b|\bup to\b|\bthrough and including\b|\bthrough\b|\bthru\b|\buntil\b|\btill\b|"
    r"\bto\b|\band ending(?: on)?\b|\bending(?: on)?\b|\band\b|\bbis\b|\bau\b)\s*"
)
_SAME_MONTH = re.compile(
    r"(?P<m>[^\W\d_]{3,10})\.?\s+(?P<a>\d{1,2})\s*(?:-|to|through|and)\s*(?P<b>\d{1,2})(?:\s*,\s*|\s+)?(?P<y>\d{4})?"
)
_MONTH_LAST = re.compile(
    r"(?P<a>\d{1,2})(?:st|nd|rd|th)?\s*(?:-|to|through|and)\s*(?P<b>\d{1,2})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<m>[^\W\d_]{3,10})\.?,?(?:\s+(?P<y>\d{4}))?"
)
_CENTURIES = re.compile(
    r"(?P<a>[a-z0-9 -]{3,20}?)\s+(?:and|or)\s+(?P<b>[a-z0-9 -]{3,20}?)\s+centuries"
)
_YEARS = re.compile(r"(?P<a>[12]\d{3})\s*[-/]\s*(?P<b>\d\d)")
_OPEN = re.compile(r"(?P<w>since|from|after|starting|beginning(?: in)?|before|prior to|until|till|through|by the end of|on or after|on or before|on and after|on or prior to)\s+(?P<rest>.{3,60})")  # fmt: skip
_STARTS = frozenset({"since", "from", "after", "starting", "beginning", "beginning in", "on or after", "on and after"})  # fmt: skip


def span(text: str, when: When) -> Value | None:
    """A range in EDTF, `2010/2015`, open with `..`; or of several single dates the set `{2019,2020}`."""
    between = _OPENING.match(text)
    body = text[between.end() :] if between else text
    for pattern in (_SAME_MONTH, _MONTH_LAST):
        if (match := pattern.fullmatch(body)) and (month := MONTHS.get(match["m"])):
            year = int(match["y"]) if match["y"] else None
            low, high = (_calendar_day(year, month, int(match[k])) for k in "ab")
            return _range(dated(low), dated(high)) if low and high else None
    if match := _CENTURIES.fullmatch(body):
        numbers = [ordinal(match[k]) for k in "ab"]
        if numbers[0] and numbers[1]:
            first, last = (dated(f"{n - 1:02}XX") for n in numbers if n)
            return Value(
                "date",
                "{" + f"{first.normal},{last.normal}" + "}",
                first=first.first,
                last=last.last,
            )
    if match := _YEARS.fullmatch(body):
        high = f"{match['a'][:2]}{match['b']}"
        return _range(dated(match["a"]), dated(high)) if high > match["a"] else None
    for link in _LINK.finditer(body):
        low_text, high_text = body[: link.start()].strip(" ,"), body[link.end() :].strip(" ,")
        if not low_text or not high_text:
            continue
        _, high_text = unhedged(high_text)
        ends = _ends(low_text, high_text, when)
        if ends is None:
            continue
        if link.group().strip() == "and" and not between:
            if len(ends[1].normal) == 4 and len(ends[0].normal) == 10:  # "March 31, 2019 and 2020"
                ends = (ends[0], dated(ends[1].normal + ends[0].normal[4:]))
            return Value("date", "{" + f"{ends[0].normal},{ends[1].normal}" + "}", first=ends[0].first, last=ends[1].last)  # fmt: skip
        return _range(*ends)
    if match := _OPEN.fullmatch(text):
        found = absolute(unhedged(match["rest"])[1], when)
        if found is None:
            return None
        starts = match["w"] in _STARTS
        normal = f"{found.normal}/.." if starts else f"../{found.normal}"
        return Value(
            "date_range", normal, first=found.first if starts else None, last=None if starts else found.last,
            ambiguous=tuple(f"{a}/.." if starts else f"../{a}" for a in found.ambiguous), note=found.note,
        )  # fmt: skip
    return None


def _ends(low_text: str, high_text: str, when: When) -> tuple[Value, Value] | None:
    """Both ends; the first takes the year of the second where it has none of its own."""
    high = absolute(high_text, when)
    if high is None or high.kind != "date":
        return None
    low = absolute(low_text, when)
    if low is None and (year := re.search(r"\d{4}$", high_text)):
        low = absolute(f"{low_text} {year.group()}", when)
    if low is None or low.kind != "date":
        return None
    if low.normal.startswith("XXXX-") and not high.normal.startswith("XXXX-") and "W" not in low.normal:  # fmt: skip
        low = dated(high.normal[:4] + low.normal[4:])
    if ("XXXX" in low.normal) != ("XXXX" in high.normal):
        return None
    return low, high


def _range(low: Value, high: Value) -> Value | None:
    if low.first and high.last and low.first > high.last:
        return None
    others = [(a, b) for a in (low.normal, *low.ambiguous) for b in (high.normal, *high.ambiguous)]
    return Value(
        "date_range", f"{low.normal}/{high.normal}", first=low.first, last=high.last,
        ambiguous=tuple(f"{a}/{b}" for a, b in others[1:]) if len(others) > 1 else (), note=low.note or high.note,
    )  # fmt: skip
