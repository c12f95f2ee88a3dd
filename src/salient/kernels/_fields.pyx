# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of fields.py. Read that first: it says what this must do."""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy

from salient.kernels.fields import checked_offsets

cdef enum:
    ABSENT = 0
    TEXT = 1
    OTHER = 2


cdef inline const uint8_t* _string_end(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The quote that ends the string whose first byte is at p; `end` if there is none."""
    cdef const uint8_t* quote
    cdef const uint8_t* back
    cdef const uint8_t* at = p
    while at < end:
        quote = <const uint8_t*>memchr(at, c'"', end - at)
        if quote == NULL:
            return end
        back = quote
        while back > p and back[-1] == c'\\':
            back -= 1
        if (quote - back) % 2 == 0:
            return quote
        at = quote + 1
    return end


cdef inline const uint8_t* _blank(const uint8_t* p, const uint8_t* end) noexcept nogil:
    while p < end and (p[0] == c' ' or p[0] == c'\n' or p[0] == c'\r' or p[0] == c'\t'):
        p += 1
    return p


cdef inline const uint8_t* _past(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Just past the value at p."""
    cdef int64_t depth = 0
    while p < end:
        if p[0] == c'"':
            p = _string_end(p + 1, end)
            if p == end:
                return end
        elif p[0] == c'{' or p[0] == c'[':
            depth += 1
        elif p[0] == c'}' or p[0] == c']':
            if depth == 0:
                return p
            depth -= 1
        elif p[0] == c',' and depth == 0:
            return p
        p += 1
    return end


cdef inline int _hex(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Four hexadecimal digits; -1 if there are none."""
    cdef int i, value = 0
    cdef uint8_t c
    if end - p < 4:
        return -1
    for i in range(4):
        c = p[i]
        if c'0' <= c <= c'9':
            value = value * 16 + c - c'0'
        elif c'a' <= (c | 32) <= c'f':
            value = value * 16 + (c | 32) - c'a' + 10
        else:
            return -1
    return value


cdef inline uint8_t* _written(uint8_t* to, uint32_t point) noexcept nogil:
    if point < 0x80:
        to[0] = point
        return to + 1
    if point < 0x800:
        to[0] = 0xc0 | point >> 6
        to[1] = 0x80 | point & 0x3f
        return to + 2
    if point < 0x10000:
        to[0] = 0xe0 | point >> 12
        to[1] = 0x80 | point >> 6 & 0x3f
        to[2] = 0x80 | point & 0x3f
        return to + 3
    to[0] = 0xf0 | point >> 18
    to[1] = 0x80 | point >> 12 & 0x3f
    to[2] = 0x80 | point >> 6 & 0x3f
    to[3] = 0x80 | point & 0x3f
    return to + 4


cdef uint8_t* _plain(uint8_t* to, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Write what a string says; it never takes more bytes than it was written in."""
    cdef const uint8_t* slash
    cdef int high, low
    cdef uint8_t c
    while p < end:
        slash = <const uint8_t*>memchr(p, c'\\', end - p)
        if slash == NULL or slash + 1 >= end:
            memcpy(to, p, end - p)
            return to + (end - p)
        memcpy(to, p, slash - p)
        to += slash - p
        c = slash[1]
        p = slash + 2
        if c == c'u':
            high = _hex(p, end)
            if high < 0:
                continue
            p += 4
            if 0xd800 <= high < 0xdc00 and end - p >= 6 and p[0] == c'\\' and p[1] == c'u':
                low = _hex(p + 2, end)
                if 0xdc00 <= low < 0xe000:
                    high = 0x10000 + ((high - 0xd800) << 10) + low - 0xdc00
                    p += 6
            to = _written(to, high)
            continue
        if c == c'n':
            c = c'\n'
        elif c == c't':
            c = c'\t'
        elif c == c'r':
            c = c'\r'
        elif c == c'b':
            c = 8
        elif c == c'f':
            c = 12
        to[0] = c
        to += 1
    return to


def field_texts(const uint8_t[::1] data not None, const int64_t[::1] offsets not None, str field):
    checked_offsets(np.asarray(data), np.asarray(offsets))
    cdef int64_t n = offsets.shape[0] - 1, i, wanted_size, least
    name = field.encode("utf-8", "surrogatepass")
    wanted_size = len(name)
    cdef const uint8_t* wanted = name
    # No text is longer than what it is written in.
    made = np.empty(offsets[n] - offsets[0] + 16, np.uint8)
    ends, kinds = np.zeros(n + 1, np.int64), np.zeros(n, np.uint8)
    cdef uint8_t[::1] out = made, kind = kinds
    cdef int64_t[::1] begins = ends
    cdef uint8_t* to
    cdef uint8_t* after
    cdef const uint8_t* p
    cdef const uint8_t* end
    cdef const uint8_t* key
    cdef const uint8_t* key_end
    cdef bint same
    if data.shape[0] == 0:
        return made[:0], ends, kinds
    with nogil:
        for i in range(n):
            to = &out[0] + begins[i]
            after = to
            p, end = &data[0] + offsets[i], &data[0] + offsets[i + 1]
            p = _blank(p, end)
            if p < end and p[0] == c'{':
                p += 1
                while True:
                    p = _blank(p, end)
                    if p >= end or p[0] != c'"':
                        break
                    key = p + 1
                    key_end = _string_end(key, end)
                    if key_end == end:
                        break
                    if memchr(key, c'\\', key_end - key) == NULL:
                        same = key_end - key == wanted_size and memcmp(key, wanted, wanted_size) == 0
                    else:
                        # Behind what was found before, which the bytes in front of this key were enough for.
                        least = _plain(after, key, key_end) - after
                        same = least == wanted_size and memcmp(after, wanted, wanted_size) == 0
                    p = _blank(key_end + 1, end)
                    if p >= end or p[0] != c':':
                        break
                    p = _blank(p + 1, end)
                    if p >= end:
                        break
                    key = p
                    p = _past(p, end)
                    if same:
                        after = to
                        if key[0] == c'"':
                            kind[i] = TEXT
                            after = _plain(to, key + 1, _string_end(key + 1, end))
                        else:
                            kind[i] = ABSENT if key[0] == c'n' else OTHER
                    if p >= end or p[0] != c',':
                        break
                    p += 1
            begins[i + 1] = after - &out[0]
    return made[:begins[n]], ends, kinds
