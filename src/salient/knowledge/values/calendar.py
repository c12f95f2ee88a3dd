"""Names of months, weekdays and seasons, and the days that a date in standard form takes in."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import Final

# English, German, French, Spanish, Italian, Portuguese, Dutch, Norwegian, Swedish, Danish.
_MONTHS: Final = """
january jan januar januari janvier janv enero ene gennaio janeiro
february feb februar februari février fevrier févr febrero febbraio febb fevereiro
march mar märz maerz maart mars marzo março marco
april apr avril avr abril abr aprile
may mai maj mei mayo maggio maio
june jun juni juin junio giugno junho
july jul juli juillet juil julio luglio julho
august aug augusti augustus août aout agosto
september sep sept septembre septiembre settembre setembro
october oct okt oktober octobre octubre ottobre outubro
november nov novembre noviembre novembro
december dec dez dezember desember des décembre déc diciembre dic dicembre dezembro
"""
MONTHS: Final = {
    word: number
    for number, line in enumerate(_MONTHS.strip().splitlines(), 1)
    for word in line.split()
}
_DAYS: Final = "monday tuesday wednesday thursday friday saturday sunday".split()
WEEKDAYS: Final = (
    {d: i for i, d in enumerate(_DAYS, 1)}
    | {d[:3]: i for i, d in enumerate(_DAYS, 1)}
    | {"tues": 2, "weds": 3, "thur": 4, "thurs": 4}
)
SEASONS: Final = {"spring": "SP", "summer": "SU", "autumn": "FA", "fall": "FA", "winter": "WI"}
_FIRST_MONTH_OF: Final = {"SP": 3, "SU": 6, "FA": 9, "WI": 12}

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_MONTH = re.compile(r"(\d{4})-(\d\d)")
_WEEK = re.compile(r"(\d{4})-W(\d\d)")
_PART = re.compile(r"(\d{4})-([QH])([1-4])")
_YEARS = re.compile(r"(\d{1,4})(X{0,3})")

Days = tuple[date, date]


def day(year: int, month: int, number: int) -> date | None:
    """The day, None where the calendar lacks it."""
    try:
        return date(year, month, number)
    except ValueError:
        return None


def end_of_month(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


def shifted(from_: date, months: int) -> date | None:
    """The same day so many months later; the month's last where it has no such day."""
    index = from_.year * 12 + from_.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        return None
    return date(year, month + 1, min(from_.day, calendar.monthrange(year, month + 1)[1]))


def days_of(normal: str) -> Days | None:
    """First and last day of `2021-03-03`, `2021-03`, `2021-Q1`, `2021-H1`, `2021-W05`, `2021`, `199X`.

    None for what does not name one stretch of the calendar: no year, a fiscal year, a season, which
    differ by company and hemisphere.
    """
    if match := _DAY.fullmatch(normal):
        found = day(*(int(g) for g in match.groups()))
        return (found, found) if found else None
    if match := _MONTH.fullmatch(normal):
        year, month = int(match[1]), int(match[2])
        if year and 1 <= month <= 12:
            return date(year, month, 1), end_of_month(year, month)
        return None
    if match := _WEEK.fullmatch(normal):
        try:
            monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
            return monday, monday + timedelta(days=6)
        except (ValueError, OverflowError):
            return None
    if match := _PART.fullmatch(normal):
        size = 3 if match[2] == "Q" else 6
        year, number = int(match[1]), int(match[3])
        if year and number * size <= 12:
            return date(year, (number - 1) * size + 1, 1), end_of_month(year, number * size)
        return None
    if (match := _YEARS.fullmatch(normal)) and len(normal) == 4:
        low, high = int(match[1] + "0" * len(match[2])), int(match[1] + "9" * len(match[2]))
        return date(max(low, 1), 1, 1), date(max(high, 1), 12, 31)
    return None


def week_of(when: date) -> str:
    """The ISO week: 2021-W05."""
    year, week, _ = when.isocalendar()
    return f"{year:04}-W{week:02}"
