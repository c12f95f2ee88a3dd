# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled twin of tokens.py. Read that first: it says what this must do, function by function."""

import numpy as np

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from salient.kernels import tokens as _definition

cdef extern from "Python.h":
    # Cython's own declaration asks for the GIL, which a read from a held string does not need.
    Py_UCS4 PyUnicode_READ(int kind, const void* data, Py_ssize_t index) noexcept nogil

cdef enum:  # kinds
    SPACE = 0, SYMBOL = 1, LETTER = 2, DIGIT = 3, IDEOGRAPH = 4, MARK = 5, UPPER = 6
cdef enum:  # what the table says of a word
    ABBREVIATION = 1, BEFORE_NUMBER = 2, BEFORE_LOWER = 4, PREFIX = 8, SUFFIX = 16, WHOLE = 32
    UNIT = 64, MONEY = 128, CLITIC = 256, SIGN = 512, DOMAIN = 1024, COUNTRY = 2048, FILE = 4096
    GROUP = 8192, SCHEME = 16384, FACE = 32768, QUOTED = 65536, SHORT = 131072
    CURRENCY = 262144, CAPITAL = 524288, LOOSE = 1048576, UNOWNED = 2097152, SPLIT = 24
cdef enum:
    LONGEST = 24, LINK = 256, LOCAL = 64
    ON = 0, OVER = 1, CUT = 2
cdef enum:  # sets of characters, in the order of the definition's _SETS
    APOSTROPHES = 1, CURRENCY_SIGNS = 2, CURSES = 4, POWERS = 8, DOTS = 16, CALLS = 32
    RULE = 64, REPEATED = 128, LINK_ENDS = 256, LINK_TRAIL = 512, FLAGS = 1024, NAME = 2048

cdef const uint8_t[::1] _kinds = _definition.kinds()
cdef const uint16_t[::1] _sets = _definition.sets()

cdef struct Scan:
    int width
    const void* data
    Py_ssize_t size, first, end, barren
    const int32_t* slots
    uint32_t mask
    const int32_t* starts
    const uint32_t* letters
    const uint32_t* values


def word_spans(
    str text not None, const int32_t[::1] slots not None, const int32_t[::1] starts not None,
    const uint32_t[::1] letters not None, const uint32_t[::1] values not None,
):
    whole = np.array([[0, len(text)]], np.int32)
    return unit_words(text, whole, slots, starts, letters, values)[:, :2].copy()


def unit_words(
    str text not None, const int32_t[:, :] bounds not None, const int32_t[::1] slots not None,
    const int32_t[::1] starts not None, const uint32_t[::1] letters not None, const uint32_t[::1] values not None,
):
    cdef Py_ssize_t n_slots = slots.shape[0], size = len(text), n = 0, at, room = 0
    cdef const uint8_t* data = <const uint8_t*>PyUnicode_DATA(text)
    if n_slots < 1 or n_slots & (n_slots - 1):
        raise ValueError(f"{n_slots} slots are not a power of two")
    if starts.shape[0] != values.shape[0] + 1:
        raise ValueError(f"{starts.shape[0]} starts for {values.shape[0]} entries")
    if bounds.shape[1] != 2:
        raise ValueError("bounds are pairs")
    for at in range(bounds.shape[0]):
        if not 0 <= bounds[at, 0] <= bounds[at, 1] <= size:
            raise ValueError("a stretch does not lie in the text")
        room += bounds[at, 1] - bounds[at, 0]
    cdef Scan s
    s.width = PyUnicode_KIND(text)
    s.slots, s.starts = &slots[0], &starts[0]
    s.mask = <uint32_t>(n_slots - 1)
    s.letters = &letters[0] if letters.shape[0] else NULL
    s.values = &values[0] if values.shape[0] else NULL
    out = np.empty((room, 3), np.int32)
    cdef int32_t[:, ::1] spans = out
    with nogil:
        for at in range(bounds.shape[0]):
            # As a text by itself: what stands around the stretch must not be seen.
            s.data = data + <Py_ssize_t>bounds[at, 0] * s.width
            s.size = bounds[at, 1] - bounds[at, 0]
            n = _run(&s, bounds[at, 0], at, spans, n)
    return out[:n].copy()


cdef Py_ssize_t _run(Scan* s, Py_ssize_t shift, Py_ssize_t number, int32_t[:, ::1] spans, Py_ssize_t n) noexcept nogil:
    """Write the words of a stretch from row n on; return the row behind the last."""
    cdef Py_ssize_t at = 0, stop
    cdef bint linked
    cdef Py_UCS4 c
    s.first = s.end = s.barren = 0
    while at < s.size:
        if _kind(s, at) == SPACE:
            at += 1
            continue
        s.first = s.barren = s.end = at
        linked = False
        while s.end < s.size:
            c = _at(s, s.end)
            if _kind_of(c) == SPACE:
                break
            linked |= c == c"." or c == c"@" or c == c":"
            s.end += 1
        if not linked:
            s.barren = s.end  # no link is without one of these
        while at < s.end:
            stop = _token(s, at)
            spans[n, 0], spans[n, 1], spans[n, 2] = <int32_t>(shift + at), <int32_t>(shift + stop), <int32_t>number
            n += 1
            at = stop
    return n


# What is there
cdef inline Py_UCS4 _at(const Scan* s, Py_ssize_t at) noexcept nogil:
    return PyUnicode_READ(s.width, s.data, at)


cdef inline int _kind_of(Py_UCS4 code) noexcept nogil:
    if code < 0x20000:
        return _kinds[code]
    if code < 0x40000:
        return IDEOGRAPH
    return MARK if 0xE0000 <= code < 0xE01F0 else SYMBOL


cdef inline int _kind(const Scan* s, Py_ssize_t at) noexcept nogil:
    return _kind_of(_at(s, at))


cdef inline bint _lettered(int kind) noexcept nogil:
    return kind == LETTER or kind == UPPER


cdef inline bint _worded(int kind) noexcept nogil:
    return kind == LETTER or kind == UPPER or kind == DIGIT


cdef inline bint _is_letter(const Scan* s, Py_ssize_t at) noexcept nogil:
    return at < s.end and _lettered(_kind(s, at))


cdef inline bint _is_word(const Scan* s, Py_ssize_t at) noexcept nogil:
    return at < s.end and _worded(_kind(s, at))


cdef inline bint _is_digit(const Scan* s, Py_ssize_t at) noexcept nogil:
    return at < s.end and _kind(s, at) == DIGIT


cdef inline bint _is_capital(const Scan* s, Py_ssize_t at) noexcept nogil:
    return at < s.end and _kind(s, at) == UPPER


cdef inline bint _is(const Scan* s, Py_ssize_t at, Py_UCS4 character) noexcept nogil:
    return at < s.end and _at(s, at) == character


cdef inline bint _of(Py_UCS4 c, int some) noexcept nogil:
    return c < 0x20000 and _sets[c] & some


cdef inline bint _in(const Scan* s, Py_ssize_t at, int some) noexcept nogil:
    return at < s.end and _of(_at(s, at), some)


cdef inline bint _in_name(Py_UCS4 c) noexcept nogil:
    cdef int kind = _kind_of(c)
    return _worded(kind) or kind == MARK or _of(c, NAME)


cdef inline bint _follows_word(const Scan* s, Py_ssize_t at) noexcept nogil:
    if at <= s.first:
        return False
    cdef int kind = _kind(s, at - 1)
    return _worded(kind) or kind == MARK


cdef Py_ssize_t _marks(const Scan* s, Py_ssize_t at) noexcept nogil:
    while at < s.end and _kind(s, at) == MARK:
        at += 1
    return at


cdef Py_ssize_t _digits(const Scan* s, Py_ssize_t at) noexcept nogil:
    while _is_digit(s, at):
        at += 1
    return at


cdef Py_ssize_t _letters(const Scan* s, Py_ssize_t at) noexcept nogil:
    cdef int kind
    while at < s.end:
        kind = _kind(s, at)
        if not _lettered(kind) and kind != MARK:
            break
        at += 1
    return at


cdef Py_ssize_t _alphanumerics(const Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t stop = at
    cdef int kind
    while stop < s.end:
        kind = _kind(s, stop)
        if not _worded(kind) and kind != MARK:
            break
        stop += 1
    while stop > at + 1 and _at(s, stop - 1) == c"_":
        stop -= 1
    return stop


cdef uint32_t _value(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t size = stop - at, i
    if size <= 0 or size > LONGEST or stop > s.size:
        return 0
    cdef uint32_t[LONGEST] lower
    cdef uint32_t c, hashed = 0x811C9DC5
    for i in range(size):
        c = <uint32_t>_at(s, at + i)
        if 0x41 <= c <= 0x5A:
            c |= 0x20
        elif _of(<Py_UCS4>c, APOSTROPHES):
            c = 0x27
        lower[i] = c
        hashed = (hashed ^ c) * <uint32_t>0x01000193
    cdef uint32_t slot = hashed & s.mask
    cdef int32_t entry = s.slots[slot], start
    while entry >= 0:
        start = s.starts[entry]
        if s.starts[entry + 1] - start == size:
            i = 0
            while i < size and s.letters[start + i] == lower[i]:
                i += 1
            if i == size:
                return s.values[entry]
        slot = (slot + 1) & s.mask
        entry = s.slots[slot]
    return 0


cdef Py_ssize_t _next_start(const Scan* s) noexcept nogil:
    cdef Py_ssize_t at = s.end
    while at < s.size and _kind(s, at) == SPACE:
        at += 1
    return at


cdef int _next_kind(const Scan* s) noexcept nogil:
    cdef Py_ssize_t at = _next_start(s)
    return _kind(s, at) if at < s.size else SPACE


cdef uint32_t _next_value(const Scan* s) noexcept nogil:
    cdef Py_ssize_t at = _next_start(s), stop = at
    while stop < s.size and stop < at + LONGEST and _lettered(_kind(s, stop)):
        stop += 1
    return _value(s, at, stop)


# Tokens
cdef Py_ssize_t _token(Scan* s, Py_ssize_t at) noexcept nogil:
    cdef int kind = _kind(s, at)
    cdef Py_ssize_t stop
    if kind == SYMBOL or _at(s, at) == c"_":
        return _symbol(s, at)
    if not _worded(kind):
        return _marks(s, at + 1)
    if at >= s.barren:
        stop = _link(s, at)
        if stop:
            return stop
    if kind == DIGIT:
        return _number(s, at)
    stop = _letters(s, at)
    if _is_digit(s, stop) and _value(s, at, stop) & CURRENCY:
        return stop
    return _word(s, at, _alphanumerics(s, at))


cdef Py_ssize_t _link(Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t stop = _name(s, at)
    s.barren = stop
    if _is(s, stop, c"@") and _is_word(s, stop + 1):
        if stop - at <= LOCAL and (_is_letter(s, at) or _is_letter(s, stop + 1)):
            return _host(s, stop + 1)
    elif _is(s, stop, c":"):
        if _is(s, stop + 1, c"/") and _is(s, stop + 2, c"/") and stop + 3 < s.end:
            return _address(s, stop + 3)
        if _value(s, at, stop) & SCHEME and _is_word(s, stop + 1):
            return _address(s, stop + 1)
    return _dotted(s, at, stop)


cdef Py_ssize_t _name(const Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t limit = min(s.end, at + LINK), after
    while at < limit and _in_name(_at(s, at)):
        if _at(s, at) == c"." and _is(s, at + 1, c"."):
            after = at
            while after < limit and _at(s, after) == c".":
                after += 1
            return after if _is(s, after, c"@") else at
        at += 1
    return at


cdef Py_ssize_t _host(const Scan* s, Py_ssize_t at) noexcept nogil:
    cdef int kind
    while at < s.end:
        kind = _kind(s, at)
        if not _worded(kind) and kind != MARK and _at(s, at) != c"." and _at(s, at) != c"-":
            break
        at += 1
    while _at(s, at - 1) == c"." or _at(s, at - 1) == c"-":
        at -= 1
    return at


cdef Py_ssize_t _address(const Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t stop = at, opened = 0, closed = 0
    cdef Py_UCS4 c
    while stop < s.end:
        c = _at(s, stop)
        if _of(c, LINK_ENDS) or _kind_of(c) == IDEOGRAPH:
            break
        opened += c == c"("
        closed += c == c")"
        stop += 1
    while stop > at:
        c = _at(s, stop - 1)
        if c == c")" and closed > opened:
            closed -= 1
        elif not _of(c, LINK_TRAIL):
            break
        stop -= 1
    return stop


cdef Py_ssize_t _dotted(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t whole = stop, label, before, head = at
    cdef bint path
    cdef uint32_t value
    while stop > at and _of(_at(s, stop - 1), NAME):
        stop -= 1
    label = stop
    while label > at and _at(s, label - 1) != c".":
        label -= 1
    if label <= at + 1:
        return 0
    path = stop == whole and (
        _is(s, stop, c"/") or _is(s, stop, c"?") or _is(s, stop, c"#")
        or (_is(s, stop, c":") and _is_digit(s, stop + 1))
    )
    if _value(s, at, at + 4) & DOMAIN:
        return _address(s, stop) if path else stop
    value = _value(s, label, stop)
    if value & COUNTRY:
        before = label - 1
        while before > at and _at(s, before - 1) != c".":
            before -= 1
        if path or _value(s, before, label - 1) & (DOMAIN | COUNTRY):
            value |= DOMAIN
    if value & DOMAIN:
        return _address(s, stop) if path else stop
    if value & FILE:
        return stop
    while _at(s, head) != c".":
        head += 1
    if not _value(s, at, head) & GROUP:
        return 0
    while at < stop and _kind(s, at) != UPPER:
        at += 1
    return stop if at == stop else 0


cdef Py_ssize_t _number(Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t stop = _digits(s, at), after, size
    cdef Py_ssize_t last = stop - at, hyphen = 0, before = 0, n_hyphens = 0
    cdef Py_UCS4 sign
    while stop < s.end:
        after = _digits(s, stop + 1)
        size = after - stop - 1
        sign = _at(s, stop)
        if size < 1 or not _joins(sign, last, size):
            break
        if sign == c"-":
            n_hyphens += 1
            hyphen = stop
            before = last
        last = size
        stop = after
    if n_hyphens == 1 and not (last == 4 and (before == 1 or before == 3 or before == 5)):
        return hyphen
    if _is_decade(s, at, stop):
        return stop + 2
    if _is_letter(s, stop):
        return _measured(s, at, stop)
    return _enumerated(s, at, stop) if _is(s, stop, c"(") else stop


cdef bint _is_decade(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    return (
        (stop - at == 2 or stop - at == 4)
        and _at(s, stop - 1) == c"0"
        and stop < s.end
        and _of(_at(s, stop), APOSTROPHES)
        and (_is(s, stop + 1, c"s") or _is(s, stop + 1, c"S"))
        and not _is_word(s, stop + 2)
    )


cdef inline bint _joins(Py_UCS4 sign, Py_ssize_t last, Py_ssize_t size) noexcept nogil:
    if sign == c",":
        return size == 3 and last <= 3
    if sign == c"/":
        return last <= 3 and size <= 4
    return sign == c"." or sign == c":" or sign == c"-"


cdef Py_ssize_t _measured(Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t unit = _letters(s, stop), whole = _alphanumerics(s, unit)
    cdef uint32_t value = _value(s, stop, unit)
    cdef bint priced, single
    if unit == stop + 1 and _value(s, stop, stop + 3) & UNIT:
        return stop
    if whole > unit and not (value & UNIT and _in(s, unit, POWERS)):
        return _word(s, at, whole)
    priced = at > s.first and (_of(_at(s, at - 1), CURRENCY_SIGNS) or _is_letter(s, at - 1))
    if priced and value & MONEY:
        return stop
    if unit > stop + 1 and _has_dot(s, at, stop):
        return stop
    single = unit == stop + 1 and _is_capital(s, stop) and _at(s, stop) != c"K"
    if value & UNIT and not single:
        return stop
    return _word(s, at, whole)


cdef Py_ssize_t _enumerated(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef bint lettered = _has_dot(s, at, stop)
    cdef Py_ssize_t close, inner
    while _is(s, stop, c"("):
        close = stop + 1
        while close < s.end and close < stop + 6 and _is_word(s, close):
            close += 1
        inner = close - stop - 1
        if not _is(s, close, c")") or not inner or _is_word(s, close + 1):
            break
        if _is_digit(s, stop + 1):
            if inner > 2 or not (lettered or _is(s, close + 1, c"(")):
                break
        elif not _is_enumerator(s, stop + 1, close):
            break
        lettered = True
        stop = close + 1
    return stop


cdef bint _has_dot(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    while at < stop and _at(s, at) != c".":
        at += 1
    return at < stop


cdef bint _is_enumerator(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef uint32_t c
    if stop - at == 1:
        return _at(s, at) != c"s" and _at(s, at) != c"S"
    while at < stop:
        c = <uint32_t>_at(s, at) | 0x20  # in lower case
        if not (c == c"i" or c == c"v" or c == c"x" or c == c"l"):
            return False
        at += 1
    return True


cdef Py_ssize_t _word(Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef Py_UCS4 sign
    cdef int ends
    while stop < s.end:
        sign = _at(s, stop)
        if _of(sign, APOSTROPHES):
            ends = _apostrophe(s, at, &stop)
        elif sign == c".":
            ends = _full_stop(s, at, &stop)
        elif sign == c"-":
            ends = _hyphen(s, at, &stop)
        else:
            ends = _sign(s, at, &stop)
        if ends == CUT:
            return stop
        if ends == OVER:
            break
    return _parted(s, at, stop)


cdef Py_ssize_t _parted(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef uint32_t value = _value(s, at, stop)
    if not value >> SPLIT:
        return stop
    if value & LOOSE and not (stop == s.end and _next_value(s) & UNOWNED):
        return stop
    return at + (value >> SPLIT)


cdef int _apostrophe(const Scan* s, Py_ssize_t at, Py_ssize_t* stop) noexcept nogil:
    cdef Py_ssize_t here = stop[0], after
    cdef uint32_t whole
    if not _is_letter(s, here + 1):
        return OVER
    after = _alphanumerics(s, here + 1)
    whole = _value(s, at, after)
    if whole & WHOLE:
        stop[0] = after
        return ON
    if whole >> SPLIT:
        stop[0] = at + (whole >> SPLIT)
        return CUT
    if (
        after == here + 2
        and (_at(s, here + 1) == c"t" or _at(s, here + 1) == c"T")
        and (_at(s, here - 1) == c"n" or _at(s, here - 1) == c"N")
    ):
        stop[0] = here - 1 if here - 1 > at else after
        return CUT
    if _value(s, here + 1, after) & CLITIC:
        return CUT
    stop[0] = after
    return ON


cdef int _full_stop(const Scan* s, Py_ssize_t at, Py_ssize_t* stop) noexcept nogil:
    cdef Py_ssize_t here = stop[0], after, dot
    cdef uint32_t glued
    if not _is_word(s, here + 1):
        if (_is(s, here + 1, c".") and _is(s, here + 2, c".")) or not _is_abbreviated(s, at, here):
            return OVER
        stop[0] = here + 1
        return CUT
    after = _alphanumerics(s, here + 1)
    dot = after + 1 if _is(s, after, c".") else after
    if _value(s, at, dot) & WHOLE:
        stop[0] = dot
        return CUT
    if _value(s, at, after) & WHOLE:
        stop[0] = after
        return CUT
    if _is_digit(s, here - 1) and _is_digit(s, here + 1):
        stop[0] = after
        return ON
    glued = _value(s, at, here)
    if glued & (ABBREVIATION | BEFORE_NUMBER) and _is_digit(s, here + 1):
        stop[0] = here + 1
        return CUT
    if here - at == 1 and _is_letter(s, at):
        return _acronym(s, at, stop)
    if glued & ABBREVIATION and _is_capital(s, here + 1):
        stop[0] = here + 1
        return CUT
    return OVER


cdef int _acronym(const Scan* s, Py_ssize_t at, Py_ssize_t* stop) noexcept nogil:
    cdef Py_ssize_t last = stop[0]
    while _is(s, last, c".") and _is_letter(s, last + 1) and not _is_word(s, last + 2):
        last += 2
    if last == stop[0]:
        if _kind(s, at) != UPPER:
            return OVER
        stop[0] += 1
        return CUT
    if _is(s, last, c".") and not (_is(s, last + 1, c".") and _is(s, last + 2, c".")):
        if not _value(s, at, last) & BEFORE_LOWER or _goes_on(s, last):
            last += 1
    stop[0] = last
    return CUT


cdef bint _is_abbreviated(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef uint32_t value = _value(s, at, stop)
    cdef bint capital = _kind(s, at) == UPPER
    if stop - at == 1 and capital:
        return _is_initial(s, at, stop)
    if value & CAPITAL and not capital:
        return False
    if value & ABBREVIATION:
        return True
    if value & BEFORE_LOWER:
        return _goes_on(s, stop)
    return value & BEFORE_NUMBER and stop + 1 == s.end and _next_kind(s) == DIGIT


cdef bint _is_initial(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    cdef Py_UCS4 c
    if _at(s, at) == c"I":
        return False
    if at > s.first:
        c = _at(s, at - 1)
        if c == c"-" or c == c"/" or c == c"&" or c == 0x27 or c == 0x2019:
            return False
    return stop + 1 < s.end or _next_kind(s) != SPACE


cdef bint _goes_on(const Scan* s, Py_ssize_t stop) noexcept nogil:
    cdef int kind
    if stop + 1 < s.end:
        return _at(s, stop + 1) != c'"' and _at(s, stop + 1) != 0x201D
    kind = _next_kind(s)
    return kind != SPACE and kind != UPPER


cdef int _hyphen(const Scan* s, Py_ssize_t at, Py_ssize_t* stop) noexcept nogil:
    cdef Py_ssize_t here = stop[0], after
    if not _is_word(s, here + 1):
        if here + 1 < s.end or not _is_broken(s, at, here):
            return OVER
        stop[0] = here + 1
        return CUT
    after = _alphanumerics(s, here + 1)
    if (
        (_value(s, at, here) & PREFIX and _is_prefix(s, at, here, after))
        or _value(s, here + 1, after) & SUFFIX
        or _value(s, at, after) & WHOLE
    ):
        stop[0] = after
        return ON
    return OVER


cdef bint _is_prefix(
    const Scan* s, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t after
) noexcept nogil:
    if at > s.first and _at(s, at - 1) == c"-":
        return False
    if after - stop <= 4 and _is(s, after, c"-") and _is_word(s, after + 1):
        return False
    if _kind(s, stop - 1) != UPPER:
        return True
    return stop - at != 2 and not (stop - at == 1 and _is_capital(s, stop + 1))


cdef bint _is_broken(const Scan* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    if stop - at > 2 or _value(s, at, stop) & SHORT or _follows_word(s, at):
        return False
    while at < stop and _is_letter(s, at):
        at += 1
    return at == stop


cdef int _sign(const Scan* s, Py_ssize_t at, Py_ssize_t* stop) noexcept nogil:
    cdef Py_ssize_t here = stop[0], after
    cdef Py_UCS4 sign = _at(s, here)
    if sign == c"$" and _value(s, at, here) & SIGN:
        stop[0] = here + 1
        return CUT
    if sign == c":" and _is_digit(s, here - 1) and _is_digit(s, here + 1):
        stop[0] = _alphanumerics(s, here + 1)
        return ON
    if sign == c"/" or sign == c"&" or sign == c"+" or sign == c"!" or sign == c"#":
        after = _alphanumerics(s, here + 1)
        if _value(s, at, after) & WHOLE or (sign == c"&" and _is_firm(s, at, here, after)):
            stop[0] = after
            return ON
        if _is(s, here + 1, sign) and _value(s, at, here + 2) & WHOLE:
            stop[0] = here + 2
            return CUT
        if _value(s, at, here + 1) & WHOLE:
            stop[0] = here + 1
            return CUT
    if _of(sign, CURSES) and _is_letter(s, here - 1):
        after = here
        while after < here + 4 and _in(s, after, CURSES):
            after += 1
        if _is_letter(s, after):
            stop[0] = _alphanumerics(s, after)
            return ON
    return OVER


cdef bint _is_firm(
    const Scan* s, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t after
) noexcept nogil:
    cdef Py_ssize_t i
    if after - stop - 1 <= 0 or after - stop - 1 > 3 or stop - at > 4:
        return False
    if stop - at == 1 and after - stop == 2:
        return True
    for i in range(at, after):
        if i != stop and _kind(s, i) != UPPER:
            return False
    return True


cdef Py_ssize_t _symbol(Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_UCS4 c = _at(s, at)
    cdef Py_ssize_t stop, rule = at
    if _of(c, DOTS) or _of(c, CALLS):
        return _stops(s, at)
    stop = _face(s, at)
    if stop:
        return stop
    if _of(c, APOSTROPHES):
        stop = _quoted(s, at)
    elif (c == c"#" or c == c"@") and _is_letter(s, at + 1) and not _follows_word(s, at):
        stop = _alphanumerics(s, at + 1)
    elif c == c"+" and _is_digit(s, at + 1) and not _follows_word(s, at):
        stop = _number(s, at + 1)
    if stop:
        return stop
    while _in(s, rule, RULE):
        rule += 1
    if rule - at >= 3:
        return rule
    stop = at + 1
    if _of(c, APOSTROPHES):
        while _in(s, stop, APOSTROPHES):
            stop += 1
    elif _of(c, REPEATED):
        while _is(s, stop, c):
            stop += 1
    return _pictured(s, stop)


cdef Py_ssize_t _stops(Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t stop
    if _at(s, at) == c"." and not _follows_word(s, at):
        if _is_digit(s, at + 1):
            return _number(s, at + 1)
        stop = _letters(s, at + 1)
        if _value(s, at + 1, stop) & FILE:
            return stop
    stop = at
    while _in(s, stop, DOTS):
        stop += 1
    if stop > at + 1:
        return _marks(s, stop)
    while _in(s, stop, CALLS):
        stop += 1
    if (
        _of(_at(s, at), CALLS)
        and _is(s, stop, c".")
        and not (_in(s, stop + 1, DOTS))
    ):
        stop += 1
    return _marks(s, stop)


cdef Py_ssize_t _face(const Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t stop = min(s.end, at + 6), after
    while stop > at + 1:
        if _value(s, at, stop) & FACE and not (_is_word(s, stop - 1) and _follows_word(s, at)):
            after = stop
            while (
                after < stop + 4
                and after < s.end
                and (_of(_at(s, after), CALLS) or _at(s, after) == c"." or _at(s, after) == c",")
            ):
                after += 1
            if after == s.end:
                return stop
        stop -= 1
    return 0


cdef Py_ssize_t _quoted(const Scan* s, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t stop
    cdef uint32_t value, split
    cdef bint quoting
    if _is_letter(s, at + 1):
        stop = _alphanumerics(s, at + 1)
        value = _value(s, at + 1, stop)
        quoting = at == s.first and _in(s, stop, APOSTROPHES)
        if (value & CLITIC and not quoting) or (value & QUOTED and not _follows_word(s, at)):
            return stop
        split = _value(s, at, stop) >> SPLIT
        return at + split if split else 0
    stop = _digits(s, at + 1)
    if stop == at + 3 and not _follows_word(s, at):
        if _is(s, stop, c"s"):
            stop += 1
        if not _is_word(s, stop) and not (_in(s, stop, APOSTROPHES)):
            return stop
    return 0


cdef Py_ssize_t _pictured(const Scan* s, Py_ssize_t stop) noexcept nogil:
    cdef Py_UCS4 c
    cdef int kind
    if stop < s.end and _of(_at(s, stop - 1), FLAGS) and _of(_at(s, stop), FLAGS):
        stop += 1
    while stop < s.end:
        c = _at(s, stop)
        kind = _kind_of(c)
        if (
            not (_at(s, stop - 1) == 0x200D and kind == SYMBOL)
            and kind != MARK
            and not 0x1F3FB <= c <= 0x1F3FF
        ):
            break
        stop += 1
    return stop
