"""Dates that are told from another: "yesterday", "last Monday", "three months ago", "next fiscal year".

With an anchor, the day the document was written, they are resolved as TimeML's guidelines have it; without one
they stay what the words say, in SUTime's notation (Chang and Manning 2012): `OFFSET P-3M` is three months
before, `THIS P1W OFFSET P1W` the week after this one. What is told from another date of the text ("the following
year") is never resolved by the document's.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from salient.knowledge.values.calendar import MONTHS, SEASONS, WEEKDAYS, shifted, week_of
from salient.knowledge.values.dates import When, dated
from salient.knowledge.values.durations import UNITS, duration
from salient.knowledge.values.value import Value

_DAYS: Final = {
    "today": 0, "yesterday": -1, "tomorrow": 1, "the day before yesterday": -2, "day before yesterday": -2,
    "the day after tomorrow": 2, "day after tomorrow": 2,
}  # fmt: skip
_NOW: Final = {
    "now": "PRESENT_REF", "currently": "PRESENT_REF", "present": "PRESENT_REF", "to date": "PRESENT_REF", "nowadays": "PRESENT_REF",
    "recently": "PAST_REF", "once": "PAST_REF", "formerly": "PAST_REF", "the past": "PAST_REF", "past": "PAST_REF",
    "soon": "FUTURE_REF", "future": "FUTURE_REF", "the future": "FUTURE_REF",
}  # fmt: skip
_STEPS: Final = {"last": -1, "past": -1, "this": 0, "current": 0, "present": 0, "next": 1, "coming": 1, "upcoming": 1}  # fmt: skip
_OF_TEXT: Final = {"previous": -1, "prior": -1, "preceding": -1, "same": 0, "following": 1, "subsequent": 1, "succeeding": 1}  # fmt: skip

_AGO = re.compile(r"(?P<n>.{1,50}?)\s+(?P<w>ago|from now|hence|from today|earlier|before|later|after|prior|previously|afterwards?)")  # fmt: skip
_STEP = re.compile(
    rf"(?:the\s+)?(?:(?P<p>early|late|later|earlier|mid|end of|beginning of|start of)[\s-]+)?(?:the\s+)?(?P<s>{'|'.join([*_STEPS, *_OF_TEXT])})\s+(?P<q>fiscal |financial |calendar |business )?(?P<u>[a-z]+)(?:'s)?"
)
_LAST_N = re.compile(
    r"(?:the\s+)?(?P<s>last|past|previous|prior|preceding|next|coming|following|first|final|succeeding)\s+(?P<n>.{2,50})"
)
_PHASES: Final = {"early": "start", "earlier": "start", "beginning of": "start", "start of": "start", "mid": "mid", "late": "end", "later": "end",
           "end of": "end"}  # fmt: skip


def relative(text: str, when: When) -> Value | None:
    """`text` is lower case; see the module for the forms."""
    if text in _DAYS:
        step = _DAYS[text]
        if when.anchor is not None:
            return _day(when.anchor, step)
        return dated(f"OFFSET P{step}D" if step else "THIS P1D")
    if text in _NOW:
        return dated(_NOW[text])
    return _ago(text, when) or _stepped(text, when) or _last_few(text, when)


def _day(anchor: date, days: int) -> Value | None:
    try:
        return dated((anchor + timedelta(days=days)).isoformat())
    except OverflowError:
        return None


def _ago(text: str, when: When) -> Value | None:
    """Three months ago is a month, three weeks ago a week, three years ago a year."""
    match = _AGO.fullmatch(text)
    if match is None:
        return None
    written = "a year" if match["n"] == "the year" else match["n"]
    how = duration(written.removeprefix("about ").removeprefix("nearly "), when.language)
    if how is None:
        return None
    back = match["w"] in {"ago", "earlier", "before", "prior", "previously"}
    single = re.fullmatch(r"P(?P<t>T?)(?P<n>\d+)(?P<u>[YMWDHS])", how.normal)
    offset = f"OFFSET P{'-' if back else ''}{how.normal[1:]}"
    known = match["w"] in {"ago", "from now", "hence", "from today"}
    if single is None or when.anchor is None or not known or how.modifier or single["t"]:
        return replace(dated(offset), modifier=how.modifier)
    return _moved(when.anchor, single["u"], int(single["n"]) * (-1 if back else 1)) or dated(offset)


def _moved(anchor: date, unit: str, count: int) -> Value | None:
    """The day, week, month or year so many away."""
    if abs(count) > 20_000:
        return None
    if unit == "D":
        return _day(anchor, count)
    if unit == "W":
        found = _day(anchor, 7 * count)
        return dated(week_of(found.first)) if found and found.first else None
    there = shifted(anchor, count * (12 if unit == "Y" else 1))
    if there is None:
        return None
    return dated(f"{there.year:04}" if unit == "Y" else f"{there.year:04}-{there.month:02}")


def _stepped(text: str, when: When) -> Value | None:
    """Last week, this year, next Monday, the previous quarter, late last year."""
    match = _STEP.fullmatch(text)
    if match is None:
        return None
    anchor = when.anchor if match["s"] in _STEPS else None
    step = {**_STEPS, **_OF_TEXT}[match["s"]]
    phase = _PHASES.get(match["p"] or "")
    fiscal = (match["q"] or "").strip() in {"fiscal", "financial"}
    found = _step(match["u"], step, anchor, fiscal=fiscal)
    if found is None:
        return None
    return replace(found, modifier=phase) if phase else found


def _step(word: str, step: int, anchor: date | None, *, fiscal: bool) -> Value | None:
    if fiscal:
        # Whose fiscal year it is, and when that begins, no date tells.
        units = {"year": "P1Y", "quarter": "P3M"}
        if word not in units:
            return None
        return dated(_shift(f"THIS FISCAL {units[word]}", step, units[word]), note="the fiscal year is the company's")  # fmt: skip
    if word in WEEKDAYS and len(word) > 2:
        return _weekday(WEEKDAYS[word], step, anchor)
    if word in MONTHS:
        return _named(f"-{MONTHS[word]:02}", step, anchor, MONTHS[word])
    if word in SEASONS:
        return _named(f"-{SEASONS[word]}", step, None, 0)
    if word not in UNITS or word in {"second", "sec", "min", "minute", "hour", "hr", "night"}:
        return None
    designator, count = UNITS[word]
    unit = f"P{count}{designator}"
    if anchor is None or designator.startswith("T"):
        return dated(_shift(f"THIS {unit}", step, unit))
    if word == "quarter":
        index = anchor.year * 4 + (anchor.month - 1) // 3 + step
        return dated(f"{index // 4:04}-Q{index % 4 + 1}")
    if word == "decade":
        return dated(f"{anchor.year // 10 + step:03}X")
    if word == "century":
        return dated(f"{anchor.year // 100 + step:02}XX")
    if word == "weekend":
        monday = _day(anchor, 7 * step - anchor.isoweekday() + 6)
        if monday is None or monday.first is None:
            return None
        return Value("date_range", f"{monday.first}/{monday.first + timedelta(days=1)}", first=monday.first, last=monday.first + timedelta(days=1))  # fmt: skip
    return _moved(anchor, designator, step * count) if count == 1 else None


def _shift(base: str, step: int, unit: str) -> str:
    if step == 0:
        return base
    return f"{base} OFFSET {unit if step > 0 else unit.replace('P', 'P-')}"


def _weekday(number: int, step: int, anchor: date | None) -> Value | None:
    """Last Monday: the nearest before. Said late in a week it can be that of the week before: flagged."""
    if anchor is None:
        return dated(_shift(f"XXXX-WXX-{number}", step, "P1W"))
    here = anchor.isoweekday()
    in_week = _day(anchor, number - here)
    if step == 0 or in_week is None:
        return in_week
    nearest = (number - here) % 7 or 7 if step > 0 else -((here - number) % 7 or 7)
    other = number - here + 7 * step
    found, second = _day(anchor, nearest), _day(anchor, other)
    if found is None or second is None or found.normal == second.normal:
        return found
    return replace(found, ambiguous=(second.normal,), note="of this week or of the one beside it")


def _named(part: str, step: int, anchor: date | None, month: int) -> Value | None:
    """Last March: the nearest before the anchor's month; this March: of the same year."""
    if anchor is None or not month:
        return dated(_shift(f"XXXX{part}", step, "P1Y"))
    year = anchor.year
    if step < 0 and month >= anchor.month:
        year -= 1
    if step > 0 and month <= anchor.month:
        year += 1
    return dated(f"{year:04}{part}")


def _last_few(text: str, when: When) -> Value | None:
    """The last three years: with an anchor the days up to it, else how long."""
    match = _LAST_N.fullmatch(text)
    how = duration(match["n"], when.language) if match else None
    if match is None or how is None or "/" in how.normal:
        return None
    forward = match["s"] in {"next", "coming"}
    side = {"past": "last", "coming": "next"}.get(match["s"], match["s"])
    single = re.fullmatch(r"P(\d{1,5})([YMWD])", how.normal)
    if when.anchor is None or single is None or how.modifier or side not in {"last", "next"}:
        return replace(how, modifier=how.modifier or side)
    count, unit = int(single[1]) * (1 if forward else -1), single[2]
    if unit in "YM":
        other = shifted(when.anchor, count * (12 if unit == "Y" else 1))
    else:
        moved = _day(when.anchor, count * (7 if unit == "W" else 1))
        other = moved.first if moved else None
    if other is None:
        return replace(how, modifier=side)
    low, high = sorted((when.anchor, other))
    return Value("date_range", f"{low}/{high}", first=low, last=high, modifier=side)
