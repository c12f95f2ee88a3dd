"""Regular expressions that cannot run away: a bounded subset, for single words.

Python's engine backtracks, so what makes that explode is refused: repeats of what repeats or chooses,
look-around, back references, and more than three open repeats. With words of at most `MAX_WORD`
characters a match takes at most `MAX_WORD ** 3` steps, far less for words that people write.
"""

from __future__ import annotations

import re

from salient.errors import InvalidInput

MAX_PATTERN = 200
MAX_WORD = 64
_MAX_OPEN = 3
_MAX_COUNT = 64
_CLASSES = frozenset("wdsWDS")
_COUNT = re.compile(r"\{(\d{1,3})(?:(,)(\d{0,3}))?\}")


def compiled(source: str, *, ignore_case: bool) -> re.Pattern[str]:
    """Compile after checking that it is of the safe subset.

    Raises:
        InvalidInput: it is not; `position` in the context is where.
    """
    if len(source) > MAX_PATTERN:
        raise InvalidInput(f"an expression has at most {MAX_PATTERN} characters", position=0)
    _Check(source).run()
    try:
        return re.compile(source, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError) as exc:
        at = getattr(exc, "pos", None) or 0
        raise InvalidInput(f"/{source}/ is no expression: {exc}", position=at) from exc


class _Check:
    """Walks over an expression, remembering of each open group whether it repeats or chooses."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.open = 0
        self.groups: list[bool] = [False]

    def run(self) -> None:
        last: bool | None = None  # whether what may now be repeated varies; None: nothing may
        while self.at < len(self.source):
            char = self.source[self.at]
            if char in "*+?{":
                self._repeat(last)
                last = None
                continue
            self.at += 1
            if char == "\\":
                self._escape()
                last = False
            elif char == "[":
                self._set()
                last = False
            elif char == "(":
                if self.source[self.at : self.at + 1] == "?":
                    raise self._refusal("(? is not allowed")
                self.groups.append(False)
                last = None
            elif char == ")":
                if len(self.groups) == 1:
                    raise self._refusal("this ) closes nothing")
                last = self.groups.pop()
                self.groups[-1] |= last
            elif char == "|":
                self.groups[-1] = True
                last = None
            else:
                last = None if char in "^$" else False
        if len(self.groups) > 1:
            raise self._refusal("a ( is not closed")

    def _repeat(self, last: bool | None) -> None:  # noqa: FBT001 - private, called once
        char = self.source[self.at]
        if last is None:
            raise self._refusal("nothing to repeat")
        if last and char != "?":
            raise self._refusal("a repeat of what itself repeats or chooses is not allowed")
        if char == "{":
            found = _COUNT.match(self.source, self.at)
            if found is None:
                raise self._refusal("write {n}, {n,} or {n,m}, or \\{")
            low, comma, high = found.groups()
            if max(int(low), int(high or 0)) > _MAX_COUNT:
                raise self._refusal(f"at most {_MAX_COUNT} times")
            self.open += bool(comma)
            self.at = found.end()
        else:
            self.open += char != "?"
            self.at += 1
        if self.open > _MAX_OPEN:
            raise self._refusal(f"at most {_MAX_OPEN} open repeats")
        self.groups[-1] = True
        if self.source[self.at : self.at + 1] in {"?", "+"}:
            raise self._refusal("a second repeat sign is not allowed")

    def _escape(self) -> None:
        char = self.source[self.at : self.at + 1]
        if not char or (char.isalnum() and char not in _CLASSES):
            raise self._refusal("only \\w \\d \\s, their capitals, and escaped signs are allowed")
        self.at += 1

    def _set(self) -> None:
        at = self.at
        at += self.source[at : at + 1] == "^"
        at += self.source[at : at + 1] == "]"
        while at < len(self.source) and self.source[at] != "]":
            # Python means to give these a meaning of their own one day, and warns of them.
            if self.source[at] == "[" or self.source[at : at + 2] in {"--", "&&", "~~", "||"}:
                raise self._refusal("escape [ and doubled signs between [ and ]")
            at += 2 if self.source[at] == "\\" else 1
        if at >= len(self.source):
            raise self._refusal("a [ is not closed")
        self.at = at + 1

    def _refusal(self, why: str) -> InvalidInput:
        return InvalidInput(f"/{self.source}/: {why}", position=min(self.at, len(self.source)))
