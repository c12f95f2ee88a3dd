"""Times of day: ISO 8601 (T15:30, T15:30Z), and TimeML's parts of the day (TMO, TAF, TEV, TNI)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from salient.knowledge.values.dates import When, absolute
from salient.knowledge.values.relative import relative
from salient.knowledge.values.value import Value, unhedged

_CLOCK = re.compile(
    r"(?P<h>\d{1,2})(?:[:.h](?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,]\d{1,6})?)?)?\s*(?P<x>a\.?\s?m\.?|p\.?\s?m\.?|o'?\s?clock|noon|midnight|hours|hrs|h|uhr)?"
    r"(?:\s*(?:in the\s+)?(?P<part>morning|afternoon|evening|at night))?"
    r"[\s,]*(?:\(?(?P<z>z|utc|gmt|[a-z]{2,5}t|(?:local|new york(?: city)?|london|eastern|pacific|central|mountain|greenwich|standard|daylight|mean|prevailing|european|saving|savings|time| )+|[+-]\d\d:?\d\d)\)?)?"
)
_PARTS: Final = {"morning": "MO", "mornings": "MO", "afternoon": "AF", "evening": "EV", "evenings": "EV", "night": "NI", "nights": "NI",
          "overnight": "NI", "midday": "MI", "lunchtime": "MI", "dawn": "MO", "dusk": "EV", "daytime": "DT"}  # fmt: skip
_PART = re.compile(rf"(?P<a>.{{0,40}}?)[\s,]*(?P<e>early|late|mid)?[\s-]*(?P<p>{'|'.join(sorted(_PARTS, key=len, reverse=True))})(?P<b>(?:\s+of|,)?\s+.{{3,40}})?")  # fmt: skip
_RANGE = re.compile(r"(?:from\s+|between\s+)?(?P<a>.{1,24}?)\s*(?:-|\bto\b|\buntil\b|\band\b)\s*(?P<b>.{1,60})")  # fmt: skip
_DATED = re.compile(r"(?P<a>.{1,50}?)(?:\s*,\s*|\s+(?:on|at|of)\s+|\s+)(?P<b>.{3,60})")


def time_of_day(text: str, when: When) -> Value | None:
    """`text` is lower case and unhedged: "3:30 p.m.", "noon", "9 a.m. to 5 p.m.", "this morning"."""
    text = text.strip(" ,")
    return _clock(text) or _part(text, when) or _range(text) or _with_date(text, when)


def _clock(text: str) -> Value | None:
    """A time by the clock. "5 o'clock" can be either side of noon, midnight either end of a day."""
    text = text.strip(" ,")
    word = text.removeprefix("12:00 ").removeprefix("12 ")
    if word == "noon":
        return Value("time", "T12:00")
    if word == "midnight":
        return Value("time", "T00:00", ambiguous=("T24:00",), note="the day's beginning or its end")
    match = _CLOCK.fullmatch(text)
    if match is None or not (match["m"] or match["x"] or match["part"]):
        return None
    hour, minute, second = (int(match[k] or 0) for k in "hms")
    suffix = (match["x"] or "").replace(".", "").replace(" ", "")
    half = match["part"] or suffix
    if hour > 24 or minute > 59 or second > 60 or (suffix in {"am", "pm"} and not 1 <= hour <= 12):
        return None
    if half in {"pm", "afternoon", "evening", "at night", "noon"} and hour < 12:
        hour += 12
    elif half in {"am", "morning", "midnight"} and hour == 12:
        hour = 0
    if hour == 24 and (minute or second):
        return None
    zone = _zone(match["z"])
    tail = f":{minute:02}" + (f":{second:02}" if match["s"] else "")
    iso = zone if zone and re.fullmatch(r"Z|[+-]\d\d:\d\d", zone) else ""
    normal = f"T{hour:02}{tail}{iso}"
    if suffix in {"o'clock", "oclock"} and not match["part"] and 1 <= hour <= 12:
        other = f"T{hour % 12 + (12 if hour < 12 else 0):02}{tail}"
        return Value("time", normal, unit=zone, ambiguous=(other,), note="before or after noon")
    return Value("time", normal, unit=zone)


def _zone(written: str | None) -> str | None:
    """Z for UTC, an offset as ISO has it; other zones as written: "CST" has three meanings."""
    if not written or not written.strip():
        return None
    written = written.strip()
    if written in {"z", "utc", "gmt"}:
        return "Z"
    if written[0] in "+-":
        return f"{written[:3]}:{written[-2:]}"
    return written.upper() if len(written) <= 5 else written


def _part(text: str, when: When) -> Value | None:
    if text in {"tonight", "last night", "overnight"}:
        text = {"tonight": "today night", "last night": "yesterday night", "overnight": "night"}[
            text
        ]
    match = _PART.fullmatch(text)
    if match is None:
        return None
    code = f"T{_PARTS[match['p']]}"
    modifier = {"early": "start", "late": "end", "mid": "mid"}.get(match["e"] or "")
    told = " ".join((match["a"] or match["b"] or "").strip(" ,").removeprefix("of ").removeprefix("in the").split())  # fmt: skip
    told = re.sub(r"^(early|late|mid)\s+", "", told)
    told = {"this": "today", "next": "tomorrow", "the": ""}.get(told, told)
    if not told:
        return Value("time", code, modifier=modifier)
    day = relative(told, when) or absolute(unhedged(told)[1], when)
    if day is None or day.kind != "date" or day.ambiguous:
        return None
    plain = re.fullmatch(r"[\dX]{4}-(?:\d\d|WXX)-\d{1,2}", day.normal)
    return Value("time", day.normal + code if plain else f"{day.normal} {code}", modifier=modifier, first=day.first, last=day.last)  # fmt: skip


def _range(text: str) -> Value | None:
    match = _RANGE.fullmatch(text)
    high = _clock(match["b"]) if match else None
    if match is None or high is None:
        return None
    low = _clock(match["a"])
    if low is None and (suffix := re.search(r"[ap]\.?\s?m\.?", match["b"])):
        low = _clock(f"{match['a']} {suffix.group()}")
    if low is None or low.ambiguous or high.ambiguous:
        return None
    return Value("time", f"{low.normal}/{high.normal}", unit=high.unit)


def _with_date(text: str, when: When) -> Value | None:
    """3 March 2021 at 10:00; 10:00 on 3 March 2021."""
    for link in re.finditer(r"\s*,\s*|\s+(?:on|at|of)\s+|\s+", text):
        sides = text[: link.start()].strip(" ,"), text[link.end() :].strip(" ,")
        for clock_text, day_text in (sides, sides[::-1]):
            clock = _clock(unhedged(clock_text)[1])
            if clock is None or clock.ambiguous:
                continue
            day = relative(day_text, when) or absolute(unhedged(day_text)[1], when)
            if day and day.kind == "date" and not day.ambiguous and re.fullmatch(r"[\dX]{4}-(?:\d\d|WXX)-\d{1,2}", day.normal):  # fmt: skip
                return replace(clock, normal=day.normal + clock.normal, first=day.first, last=day.last)  # fmt: skip
    return None
