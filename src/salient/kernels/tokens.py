"""Cut text into words as Universal Dependencies does in English, by rules and a table of words.

A text is read chunk by chunk, a chunk being a run without white space, and each chunk from left to
right. What is at the cursor alone decides where the token ends: a link, a number, a word, or a
symbol. Every look ahead is bounded or is remembered, so the cost is linear in any text.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from salient.kernels.segments import DIGIT, IDEOGRAPH, LETTER, MARK, SPACE, SYMBOL, classes

__all__ = ["unit_words", "word_spans"]

UPPER = 6  # a capital letter; LETTER is every other

# What the table says of a word: bits. From bit SPLIT up: where its first token ends, if it is two.
ABBREVIATION = 1  # a full stop after it belongs to it
BEFORE_NUMBER = 2  # the same, if a digit comes next
BEFORE_LOWER = 4  # the same, unless a capital or nothing comes next
PREFIX = 8  # keeps its hyphen and what follows
SUFFIX = 16  # keeps its hyphen and what stands before
WHOLE = 32  # is one token though a symbol is in it or at its end
UNIT = 64  # parts from the number before it
MONEY = 128  # the same, behind a sign of currency
CLITIC = 256  # behind an apostrophe, a token with it
SIGN = 512  # one token with the "$" after it
DOMAIN = 1024  # ends the name of a host
COUNTRY = 2048  # the same, if one of DOMAIN stands before it or a path follows
FILE = 4096  # ends the name of a file
GROUP = 8192  # begins the name of a newsgroup
SCHEME = 16384  # begins an address, with ":"
FACE = 32768  # symbols that are one token, at the end of a chunk
QUOTED = 65536  # behind an apostrophe that stands for letters, one token with it
SHORT = 131072  # a word of one or two letters, not the beginning of one that broke off
CURRENCY = 262144  # parts from the number behind it
CAPITAL = 524288  # an abbreviation only with a capital; else it is a word
LOOSE = 1048576  # two words only if one of UNOWNED comes next: "its not"
UNOWNED = 2097152
SPLIT = 24

LONGEST = 24  # code points of an entry of the table
_LINK, _LOCAL = 256, 64  # code points of the name of a host, or of an address before its "@"

# At a sign a word goes on behind it; or is over, and may be two; or is cut, and no more is asked.
_ON, _OVER, _CUT = range(3)

_APOSTROPHES = "'’`´‘＇"
_CURRENCY = "$£€¥₹₽₩"
_CURSES = "*$%#@"
_POWERS = "²³"
_DOTS, _CALLS = ".…", "!?"
_RULE = "-=*~+|<>^#_"  # lines and arrows are drawn with these
_REPEATED = '-=*~+|<>^#_$,"§/\\&'  # two of the same are one token
_LINK_ENDS = '<>"“”«»|`'
_LINK_TRAIL = ".,;:!?'’…*]}"
_FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))  # two of these letters are a flag
_ZERO_WIDTH_JOINER = "\u200d"
_NAME = ".-+%~"  # in the name of a host or a file, but not at its end

_SETS = (
    _APOSTROPHES, _CURRENCY, _CURSES, _POWERS, _DOTS, _CALLS, _RULE, _REPEATED, _LINK_ENDS, _LINK_TRAIL, _FLAGS, _NAME,
)  # fmt: skip


@cache
def kinds() -> NDArray[np.uint8]:
    """`segments.classes`, with capital letters apart, as UPPER. Those above are as there."""
    table = classes().copy()
    capital = [code for code in np.flatnonzero(table == LETTER).tolist() if chr(code).isupper()]
    table[capital] = UPPER
    table.setflags(write=False)
    return table


def sets() -> NDArray[np.uint16]:
    """For the compiled twin: bit k of code point c says whether it is in `_SETS[k]`."""
    table = np.zeros(len(kinds()), np.uint16)
    for bit, characters in enumerate(_SETS):
        table[[ord(c) for c in characters]] |= 1 << bit
    return table


def hash_points(word: str) -> int:
    """FNV-1a over the code points, 32 bits."""
    value = 0x811C9DC5
    for character in word:
        value = ((value ^ ord(character)) * 0x01000193) & 0xFFFFFFFF
    return value


def word_spans(
    text: str,
    slots: NDArray[np.int32],
    starts: NDArray[np.int32],
    letters: NDArray[np.uint32],
    values: NDArray[np.uint32],
) -> NDArray[np.int32]:
    """Find the words of a text, clitics apart, punctuation apart.

    Args:
        slots: (a power of two,): an entry's number at the first free place from its `hash_points`
            modulo the size; -1 where there is none; one place free at least.
        starts: (n_entries + 1,): where each entry begins in `letters`.
        letters: code points of the entries one after the other, in lower case (ASCII), straight
            apostrophes.
        values: (n_entries,): the bits above.

    Returns:
        (n_words, 2) int32, start and end in code points, in order. Each character that is not white
        space (`str.isspace`) is in exactly one.

    Raises:
        ValueError: `slots` is no power of two in length, or `starts` does not go with `values`.
    """
    return np.array(_Scan(text, _entries(slots, starts, letters, values)).run(), np.int32).reshape(
        -1, 2
    )


def unit_words(
    text: str,
    bounds: NDArray[np.int32],
    slots: NDArray[np.int32],
    starts: NDArray[np.int32],
    letters: NDArray[np.uint32],
    values: NDArray[np.uint32],
) -> NDArray[np.int32]:
    """`word_spans` of stretches of a text, each as if it stood alone.

    Args:
        bounds: (n, 2) int32, start and end of each stretch.
        slots, starts, letters, values: as above.

    Returns:
        (n_words, 3) int32: start and end in the text, and the number of the stretch.

    Raises:
        ValueError: as `word_spans`, or a stretch does not lie in the text.
    """
    known = _entries(slots, starts, letters, values)
    if bounds.ndim != 2 or bounds.shape[1] != 2:
        raise ValueError("bounds are pairs")
    rows: list[tuple[int, int, int]] = []
    for number, (first, end) in enumerate(bounds.tolist()):
        if not 0 <= first <= end <= len(text):
            raise ValueError("a stretch does not lie in the text")
        rows += [(first + a, first + b, number) for a, b in _Scan(text[first:end], known).run()]
    return np.array(rows, np.int32).reshape(-1, 3)


def _entries(
    slots: NDArray[np.int32],
    starts: NDArray[np.int32],
    letters: NDArray[np.uint32],
    values: NDArray[np.uint32],
) -> dict[str, int]:
    if not len(slots) or len(slots) & (len(slots) - 1):
        raise ValueError(f"{len(slots)} slots are not a power of two")
    if len(starts) != len(values) + 1:
        raise ValueError(f"{len(starts)} starts for {len(values)} entries")
    spelled = "".join(map(chr, letters.tolist()))
    cuts: list[int] = starts.tolist()
    return {
        spelled[a:b]: v for (a, b), v in zip(itertools.pairwise(cuts), values.tolist(), strict=True)
    }


@final
class _Scan:
    """A walk over one text. Every method takes the place where a token starts, and says its end."""

    def __init__(self, text: str, known: dict[str, int]) -> None:
        self.text = text
        self.known = known
        self.first = self.end = 0  # of the chunk
        self.barren = 0  # no link begins before here

    def run(self) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        at, size = 0, len(self.text)
        while at < size:
            if self.kind(at) == SPACE:
                at += 1
                continue
            self.first = self.barren = at
            self.end = at + 1
            while self.end < size and self.kind(self.end) != SPACE:
                self.end += 1
            while at < self.end:
                stop = self.token(at)
                spans.append((at, stop))
                at = stop
        return spans

    # What is there

    def kind(self, at: int) -> int:
        code = ord(self.text[at])
        if code < 0x20000:
            return int(kinds()[code])
        if code < 0x40000:
            return IDEOGRAPH
        return MARK if 0xE0000 <= code < 0xE01F0 else SYMBOL

    def is_letter(self, at: int) -> bool:
        return at < self.end and self.kind(at) in (LETTER, UPPER)

    def is_word(self, at: int) -> bool:
        return at < self.end and self.kind(at) in (LETTER, UPPER, DIGIT)

    def is_digit(self, at: int) -> bool:
        return at < self.end and self.kind(at) == DIGIT

    def is_in(self, at: int, characters: str) -> bool:
        return at < self.end and self.text[at] in characters

    def follows_word(self, at: int) -> bool:
        return at > self.first and self.kind(at - 1) in (LETTER, UPPER, DIGIT, MARK)

    def marks(self, at: int) -> int:
        while at < self.end and self.kind(at) == MARK:
            at += 1
        return at

    def digits(self, at: int) -> int:
        while self.is_digit(at):
            at += 1
        return at

    def letters(self, at: int) -> int:
        while at < self.end and self.kind(at) in (LETTER, UPPER, MARK):
            at += 1
        return at

    def alphanumerics(self, at: int) -> int:
        """The end of the letters and digits from here; "_" joins them, but does not end them."""
        stop = at
        while stop < self.end and self.kind(stop) in (LETTER, UPPER, DIGIT, MARK):
            stop += 1
        while stop > at + 1 and self.text[stop - 1] == "_":
            stop -= 1
        return stop

    def value(self, at: int, stop: int) -> int:
        """What the table says of `text[at:stop]`."""
        if not 0 < stop - at <= LONGEST or stop > len(self.text):
            return 0
        lower = "".join(
            "'" if c in _APOSTROPHES else c.lower() if c.isascii() else c
            for c in self.text[at:stop]
        )
        return self.known.get(lower, 0)

    def next_start(self) -> int:
        """Where the next chunk begins; the end of the text where there is none."""
        at = self.end
        while at < len(self.text) and self.kind(at) == SPACE:
            at += 1
        return at

    def next_kind(self) -> int:
        """The kind of the first character after the chunk; SPACE where there is none."""
        at = self.next_start()
        return self.kind(at) if at < len(self.text) else SPACE

    def next_value(self) -> int:
        """What the table says of the letters that the next chunk begins with."""
        at = stop = self.next_start()
        while stop < len(self.text) and stop < at + LONGEST and self.kind(stop) in (LETTER, UPPER):
            stop += 1
        return self.value(at, stop)

    # Tokens

    def token(self, at: int) -> int:
        kind = self.kind(at)
        if kind == SYMBOL or self.text[at] == "_":
            return self.symbol(at)
        if kind not in (LETTER, UPPER, DIGIT):
            return self.marks(at + 1)
        stop = self.link(at) if at >= self.barren else 0
        if stop:
            return stop
        if kind == DIGIT:
            return self.number(at)
        stop = self.letters(at)
        if self.is_digit(stop) and self.value(at, stop) & CURRENCY:
            return stop
        return self.word(at, self.alphanumerics(at))

    def link(self, at: int) -> int:
        """The end of the address, host, file or newsgroup here; 0 if there is none."""
        stop = self.name(at)
        self.barren = stop
        if self.is_in(stop, "@") and self.is_word(stop + 1):
            if stop - at <= _LOCAL and (self.is_letter(at) or self.is_letter(stop + 1)):
                return self.host(stop + 1)
        elif self.is_in(stop, ":"):
            if self.is_in(stop + 1, "/") and self.is_in(stop + 2, "/") and stop + 3 < self.end:
                return self.address(stop + 3)
            if self.value(at, stop) & SCHEME and self.is_word(stop + 1):
                return self.address(stop + 1)
        return self.dotted(at, stop)

    def name(self, at: int) -> int:
        """The end of what may be the name of a host, of a file, or of an address before its "@"."""
        limit = min(self.end, at + _LINK)
        while at < limit and (
            self.kind(at) in (LETTER, UPPER, DIGIT, MARK) or self.text[at] in _NAME
        ):
            if self.text[at] == "." and self.is_in(at + 1, "."):
                after = at
                while after < limit and self.text[after] == ".":
                    after += 1
                # "name...@host": archives cut names so.
                return after if self.is_in(after, "@") else at
            at += 1
        return at

    def host(self, at: int) -> int:
        while at < self.end and (
            self.kind(at) in (LETTER, UPPER, DIGIT, MARK) or self.text[at] in ".-"
        ):
            at += 1
        while self.text[at - 1] in ".-":
            at -= 1
        return at

    def address(self, at: int) -> int:
        """The end of a URL whose first part ends before `at`."""
        stop, opened, closed = at, 0, 0
        while stop < self.end and self.text[stop] not in _LINK_ENDS:
            if self.kind(stop) == IDEOGRAPH:
                break
            opened += self.text[stop] == "("
            closed += self.text[stop] == ")"
            stop += 1
        while stop > at:
            last = self.text[stop - 1]
            if last == ")" and closed > opened:
                closed -= 1
            elif last not in _LINK_TRAIL:
                break
            stop -= 1
        return stop

    def dotted(self, at: int, stop: int) -> int:
        """The same as `link`, for what is told by its parts between full stops."""
        whole = stop
        while stop > at and self.text[stop - 1] in _NAME:
            stop -= 1
        label = stop
        while label > at and self.text[label - 1] != ".":
            label -= 1
        if label <= at + 1:
            return 0
        path = stop == whole and (
            self.is_in(stop, "/?#") or (self.is_in(stop, ":") and self.is_digit(stop + 1))
        )
        if self.value(at, at + 4) & DOMAIN:  # "www."
            return self.address(stop) if path else stop
        value = self.value(label, stop)
        if value & COUNTRY:
            before = label - 1
            while before > at and self.text[before - 1] != ".":
                before -= 1
            if path or self.value(before, label - 1) & (DOMAIN | COUNTRY):
                value |= DOMAIN
        if value & DOMAIN:
            return self.address(stop) if path else stop
        if value & FILE:
            return stop
        head = at
        while self.text[head] != ".":
            head += 1
        return stop if self.value(at, head) & GROUP and self.is_lower(at, stop) else 0

    def is_lower(self, at: int, stop: int) -> bool:
        return all(self.kind(i) != UPPER for i in range(at, stop))

    def number(self, at: int) -> int:
        stop = self.digits(at)
        last, hyphen, n_hyphens, before = stop - at, 0, 0, 0
        while stop < self.end:
            after = self.digits(stop + 1)
            size = after - stop - 1
            sign = self.text[stop]
            if size < 1 or not self.joins(sign, last, size):
                break
            if sign == "-":
                n_hyphens += 1
                hyphen, before = stop, last
            last, stop = size, after
        # One hyphen is a range, unless it is in a telephone number or an American postcode.
        if n_hyphens == 1 and not (last == 4 and before in (1, 3, 5)):
            return hyphen
        if self.is_decade(at, stop):
            return stop + 2
        if self.is_letter(stop):
            return self.measured(at, stop)
        return self.enumerated(at, stop) if self.is_in(stop, "(") else stop

    def is_decade(self, at: int, stop: int) -> bool:
        """Whether a number goes on as in "60's", "1590's"."""
        return (
            stop - at in (2, 4)
            and self.text[stop - 1] == "0"
            and self.is_in(stop, _APOSTROPHES)
            and self.is_in(stop + 1, "sS")
            and not self.is_word(stop + 2)
        )

    def joins(self, sign: str, last: int, size: int) -> bool:
        """Whether a sign between `last` digits and `size` more joins them."""
        if sign == ",":
            return size == 3 and last <= 3
        if sign == "/":
            return last <= 3 and size <= 4
        return sign in ".:-"

    def measured(self, at: int, stop: int) -> int:
        """A number with letters behind it: a unit parts from it, all else does not."""
        unit = self.letters(stop)
        whole = self.alphanumerics(unit)
        value = self.value(stop, unit)
        if unit == stop + 1 and self.value(stop, stop + 3) & UNIT:
            return stop
        if whole > unit and not (value & UNIT and self.is_in(unit, _POWERS)):
            return self.word(at, whole)
        priced = at > self.first and (self.text[at - 1] in _CURRENCY or self.is_letter(at - 1))
        if priced and value & MONEY:
            return stop
        if unit > stop + 1 and self.has_dot(at, stop):
            return stop  # "2.3Delivery": a heading that lost its space
        # "5 m" is a length, "M5" and "5M" are names.
        single = unit == stop + 1 and self.is_capital(stop) and self.text[stop] != "K"
        if value & UNIT and not single:
            return stop
        return self.word(at, whole)

    def enumerated(self, at: int, stop: int) -> int:
        """The end of a section's number, "2.1(a)(ii)", or of the number alone."""
        lettered = self.has_dot(at, stop)
        while self.is_in(stop, "("):
            close = stop + 1
            while close < self.end and close < stop + 6 and self.is_word(close):
                close += 1
            inner = close - stop - 1
            if not self.is_in(close, ")") or not inner or self.is_word(close + 1):
                break
            if self.is_digit(stop + 1):
                if inner > 2 or not (lettered or self.is_in(close + 1, "(")):
                    break
            elif not self.is_enumerator(stop + 1, close):
                break
            lettered = True
            stop = close + 1
        return stop

    def has_dot(self, at: int, stop: int) -> bool:
        return any(self.text[i] == "." for i in range(at, stop))

    def is_enumerator(self, at: int, stop: int) -> bool:
        """A letter, but not that of "2(s)"; or a Roman number."""
        if stop - at == 1:
            return self.text[at] not in "sS"
        return all(self.text[i] in "ivxlIVXL" for i in range(at, stop))

    def word(self, at: int, stop: int) -> int:
        """A word whose letters and digits reach to `stop` at first."""
        while stop < self.end:
            sign = self.text[stop]
            if sign in _APOSTROPHES:
                ends, stop = self.apostrophe(at, stop)
            elif sign == ".":
                ends, stop = self.full_stop(at, stop)
            elif sign == "-":
                ends, stop = self.hyphen(at, stop)
            else:
                ends, stop = self.sign(at, stop)
            if ends == _CUT:
                return stop
            if ends == _OVER:
                break
        return self.parted(at, stop)

    def parted(self, at: int, stop: int) -> int:
        """The end of the first of two words written as one, or of the one."""
        value = self.value(at, stop)
        if not value >> SPLIT:
            return stop
        if value & LOOSE and not (stop == self.end and self.next_value() & UNOWNED):
            return stop
        return at + (value >> SPLIT)

    # What a word does at a sign, and from where or how far: see _ON.

    def apostrophe(self, at: int, stop: int) -> tuple[int, int]:
        if not self.is_letter(stop + 1):
            return _OVER, stop
        after = self.alphanumerics(stop + 1)
        whole = self.value(at, after)
        if whole & WHOLE:
            return _ON, after
        if whole >> SPLIT:
            return _CUT, at + (whole >> SPLIT)
        if after == stop + 2 and self.text[stop + 1] in "tT" and self.text[stop - 1] in "nN":
            return _CUT, stop - 1 if stop - 1 > at else after
        if self.value(stop + 1, after) & CLITIC:
            return _CUT, stop
        return _ON, after

    def full_stop(self, at: int, stop: int) -> tuple[int, int]:
        if not self.is_word(stop + 1):
            if self.is_in(stop + 1, ".") and self.is_in(stop + 2, "."):
                return _OVER, stop
            return (_CUT, stop + 1) if self.is_abbreviated(at, stop) else (_OVER, stop)
        after = self.alphanumerics(stop + 1)
        dot = after + 1 if self.is_in(after, ".") else after
        if self.value(at, dot) & WHOLE:
            return _CUT, dot
        if self.value(at, after) & WHOLE:
            return _CUT, after
        if self.is_digit(stop - 1) and self.is_digit(stop + 1):
            return _ON, after  # "v1.0"
        glued = self.value(at, stop)
        if glued & (ABBREVIATION | BEFORE_NUMBER) and self.is_digit(stop + 1):
            return _CUT, stop + 1
        if stop - at == 1 and self.is_letter(at):
            return self.acronym(at, stop)
        return (
            (_CUT, stop + 1)
            if glued & ABBREVIATION and self.is_capital(stop + 1)
            else (_OVER, stop)
        )

    def acronym(self, at: int, stop: int) -> tuple[int, int]:
        """Single letters with full stops between."""
        last = stop
        while self.is_in(last, ".") and self.is_letter(last + 1) and not self.is_word(last + 2):
            last += 2
        if last == stop:  # "J.Smith"
            return (_CUT, stop + 1) if self.kind(at) == UPPER else (_OVER, stop)
        if self.is_in(last, ".") and not (self.is_in(last + 1, ".") and self.is_in(last + 2, ".")):
            value = self.value(at, last)
            if not value & BEFORE_LOWER or self.goes_on(last):
                last += 1
        return _CUT, last

    def is_abbreviated(self, at: int, stop: int) -> bool:
        """Whether the full stop at `stop`, with no letter after it, belongs to the word before."""
        value = self.value(at, stop)
        capital = self.kind(at) == UPPER
        if stop - at == 1 and capital:
            return self.is_initial(at, stop)
        if value & CAPITAL and not capital:
            return False
        if value & ABBREVIATION:
            return True
        if value & BEFORE_LOWER:
            return self.goes_on(stop)
        return bool(value & BEFORE_NUMBER) and stop + 1 == self.end and self.next_kind() == DIGIT

    def is_initial(self, at: int, stop: int) -> bool:
        """Not the pronoun, nor the last word of all, nor the last letter of a compound."""
        if self.text[at] == "I" or (at > self.first and self.text[at - 1] in "-/&'’"):
            return False
        return stop + 1 < self.end or self.next_kind() != SPACE

    def goes_on(self, stop: int) -> bool:
        """Whether what follows the full stop at `stop` goes on with the sentence."""
        if stop + 1 < self.end:
            return self.text[stop + 1] not in '"”'
        return self.next_kind() not in (SPACE, UPPER)

    def hyphen(self, at: int, stop: int) -> tuple[int, int]:
        if not self.is_word(stop + 1):
            broken = stop + 1 == self.end and self.is_broken(at, stop)
            return (_CUT, stop + 1) if broken else (_OVER, stop)
        after = self.alphanumerics(stop + 1)
        if (
            (self.value(at, stop) & PREFIX and self.is_prefix(at, stop, after))
            or self.value(stop + 1, after) & SUFFIX
            or self.value(at, after) & WHOLE
        ):
            return _ON, after
        return _OVER, stop

    def is_prefix(self, at: int, stop: int, after: int) -> bool:
        """Not in a compound, "over-the-counter", nor a short name in capitals: "UN-", "E-J"."""
        if at > self.first and self.text[at - 1] == "-":
            return False
        if after - stop <= 4 and self.is_in(after, "-") and self.is_word(after + 1):
            return False
        capitals = self.kind(stop - 1) == UPPER
        return not (capitals and (stop - at == 2 or (stop - at == 1 and self.is_capital(stop + 1))))

    def is_capital(self, at: int) -> bool:
        return at < self.end and self.kind(at) == UPPER

    def is_broken(self, at: int, stop: int) -> bool:
        """Whether a speaker broke off here: "th- the". A short run of letters that is no word."""
        if stop - at > 2 or self.value(at, stop) & SHORT or self.follows_word(at):
            return False
        return all(self.is_letter(i) for i in range(at, stop))

    def sign(self, at: int, stop: int) -> tuple[int, int]:
        """Other symbols right behind a word."""
        sign = self.text[stop]
        if sign == "$" and self.value(at, stop) & SIGN:
            return _CUT, stop + 1
        if sign == ":" and self.is_digit(stop - 1) and self.is_digit(stop + 1):
            return _ON, self.alphanumerics(stop + 1)  # "2024-12-31T10:00:00Z"
        if sign in "/&+!#":
            after = self.alphanumerics(stop + 1)
            if self.value(at, after) & WHOLE or (sign == "&" and self.is_firm(at, stop, after)):
                return _ON, after
            if self.value(at, stop + 2) & WHOLE and self.is_in(stop + 1, sign):
                return _CUT, stop + 2
            if self.value(at, stop + 1) & WHOLE:
                return _CUT, stop + 1
        if sign in _CURSES and self.is_letter(stop - 1):
            after = stop
            while after < stop + 4 and self.is_in(after, _CURSES):
                after += 1
            if self.is_letter(after):
                return _ON, self.alphanumerics(after)
        return _OVER, stop

    def is_firm(self, at: int, stop: int, after: int) -> bool:
        """Whether "&" stands between initials: "AT&T", "R&D", "p&l"."""
        if not 0 < after - stop - 1 <= 3 or stop - at > 4:
            return False
        if stop - at == 1 and after - stop == 2:
            return True
        return all(self.kind(i) == UPPER for i in range(at, after) if i != stop)

    def symbol(self, at: int) -> int:
        character = self.text[at]
        if character in _DOTS or character in _CALLS:
            return self.stops(at)
        stop = self.face(at)
        if stop:
            return stop
        if character in _APOSTROPHES:
            stop = self.quoted(at)
        elif character in "#@" and self.is_letter(at + 1) and not self.follows_word(at):
            stop = self.alphanumerics(at + 1)
        elif character == "+" and self.is_digit(at + 1) and not self.follows_word(at):
            stop = self.number(at + 1)
        if stop:
            return stop
        rule = at
        while self.is_in(rule, _RULE):
            rule += 1
        if rule - at >= 3:
            return rule
        same = _APOSTROPHES if character in _APOSTROPHES else character
        stop = at + 1
        if character in _REPEATED or character in _APOSTROPHES:
            while self.is_in(stop, same):
                stop += 1
        return self.pictured(stop)

    def stops(self, at: int) -> int:
        """Dots, or calls and questions, with one dot before or behind them."""
        if self.text[at] == "." and not self.follows_word(at):
            if self.is_digit(at + 1):
                return self.number(at + 1)
            stop = self.letters(at + 1)
            if self.value(at + 1, stop) & FILE:
                return stop
        stop = at
        while self.is_in(stop, _DOTS):
            stop += 1
        if stop > at + 1:
            return self.marks(stop)
        while self.is_in(stop, _CALLS):
            stop += 1
        if self.is_in(at, _CALLS) and self.is_in(stop, ".") and not self.is_in(stop + 1, _DOTS):
            stop += 1
        return self.marks(stop)

    def face(self, at: int) -> int:
        """A face of symbols and letters, with only stops behind it in the chunk; else 0."""
        longest = min(self.end, at + 6)
        for stop in range(longest, at + 1, -1):
            lettered = self.is_word(stop - 1) and self.follows_word(at)
            if self.value(at, stop) & FACE and not lettered:
                after = stop
                while after < stop + 4 and self.is_in(after, ".,!?"):
                    after += 1
                if after == self.end:
                    return stop
        return 0

    def quoted(self, at: int) -> int:
        """An apostrophe that is no quote: a clitic, "'em", "'72"; else 0."""
        if self.is_letter(at + 1):
            stop = self.alphanumerics(at + 1)
            value = self.value(at + 1, stop)
            quoting = at == self.first and self.is_in(stop, _APOSTROPHES)
            if (value & CLITIC and not quoting) or (value & QUOTED and not self.follows_word(at)):
                return stop
            split = self.value(at, stop) >> SPLIT
            return at + split if split else 0
        stop = self.digits(at + 1)
        if stop == at + 3 and not self.follows_word(at):
            if self.is_in(stop, "s"):
                stop += 1
            if not self.is_word(stop) and not self.is_in(stop, _APOSTROPHES):
                return stop
        return 0

    def pictured(self, stop: int) -> int:
        """Take in what changes the picture before it: marks, skin colours, and joined pictures."""
        if self.is_in(stop - 1, _FLAGS) and self.is_in(stop, _FLAGS):
            stop += 1
        while stop < self.end:
            joined = self.text[stop - 1] == _ZERO_WIDTH_JOINER and self.kind(stop) == SYMBOL
            if not joined and self.kind(stop) != MARK and not "🏻" <= self.text[stop] <= "🏿":
                break
            stop += 1
        return stop
