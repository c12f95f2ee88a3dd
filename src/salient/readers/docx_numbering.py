"""The numbers that Word shows before headings and list items, which the file does not hold as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from salient.readers.ooxml import attribute, child
from salient.readers.safe_xml import Element, local

_PLACE = re.compile(r"%([1-9])")
_PRIVATE = re.compile("[\ue000-\uf8ff]")


@dataclass(slots=True)
class _Level:
    format: str = "decimal"
    text: str = ""
    start: int = 1
    style: str | None = None


@dataclass(slots=True)
class _List:
    abstract: str
    levels: dict[int, _Level]
    restarts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Counts through a document: ask once for each numbered paragraph, in order.

    Source: ECMA-376 part 1, 17.9.
    """

    def __init__(self, root: Element | None) -> None:
        self._lists: dict[str, _List] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._begun: set[str] = set()
        self.by_style: dict[str, tuple[str, int]] = {}
        if root is None:
            return
        abstracts: dict[str, dict[int, _Level]] = {}
        for node in root:
            if local(node) == "abstractNum":
                abstracts[attribute(node, "abstractNumId") or ""] = _levels(node)
        for node in root:
            if local(node) != "num":
                continue
            number = attribute(node, "numId") or ""
            abstract = _value(node, "abstractNumId") or ""
            levels = dict(abstracts.get(abstract, {}))
            restarts = {}
            for override in node:
                if local(override) != "lvlOverride":
                    continue
                level = _integer(attribute(override, "ilvl"))
                start = _value(override, "startOverride")
                if start is not None:
                    restarts[level] = _integer(start)
                levels.update(_levels(override))
            self._lists[number] = _List(abstract, levels, restarts)
            for level, what in levels.items():
                if what.style:
                    self.by_style.setdefault(what.style, (number, level))

    def label(self, number: str, level: int) -> tuple[str, bool] | None:
        """Count one paragraph; return its label and whether that is a bullet.

        None for a list that the file does not define; numId 0 means "no list".
        """
        found = self._lists.get(number)
        if found is None or number == "0":
            return None
        counts = self._counts.setdefault(found.abstract, {})
        if number not in self._begun:
            self._begun.add(number)
            for at, start in found.restarts.items():
                counts[at] = start - 1
        what = found.levels.get(level, _Level(text=f"%{level + 1}."))
        counts[level] = counts.get(level, what.start - 1) + 1
        for deeper in [k for k in counts if k > level]:
            del counts[deeper]
        if what.format == "bullet":
            return "", True
        if what.format == "none":
            return "", False

        def numeral(match: re.Match[str]) -> str:
            at = int(match.group(1)) - 1
            at_level = found.levels.get(at, _Level())
            if at != level and at not in counts:
                counts[at] = at_level.start
            return format_number(counts.get(at, at_level.start), at_level.format)

        return _PRIVATE.sub("", _PLACE.sub(numeral, what.text)).strip(), False


def format_number(n: int, form: str) -> str:
    """A number as `w:numFmt` names it; decimal for the forms that are not known."""
    if form in ("lowerLetter", "upperLetter") and n > 0:
        letter = chr(ord("a") + (n - 1) % 26) * min((n - 1) // 26 + 1, 20)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("lowerRoman", "upperRoman") and 0 < n < 5000:
        roman = _roman(n)
        return roman if form == "upperRoman" else roman.lower()
    if form == "decimalZero":
        return f"{n:02d}"
    if form == "ordinal":
        ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
        return f"{n}{ending}"
    return str(n)


def _roman(n: int) -> str:
    pieces = []
    for value, letters in (
        (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
        (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
    ):  # fmt: skip
        pieces.append(letters * (n // value))
        n %= value
    return "".join(pieces)


def _levels(node: Element) -> dict[int, _Level]:
    found = {}
    for level in node:
        if local(level) == "lvl":
            found[_integer(attribute(level, "ilvl"))] = _Level(
                _value(level, "numFmt") or "decimal",
                _value(level, "lvlText") or "",
                _integer(_value(level, "start") or "1"),
                _value(level, "pStyle"),
            )
    return found


def _value(node: Element, name: str) -> str | None:
    found = child(node, name)
    return None if found is None else attribute(found, "val")


def _integer(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
