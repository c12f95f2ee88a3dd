# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled twin of segments.py. Read that first: it says what this must do."""

import numpy as np

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND

from salient.kernels.segments import classes as _classes

cdef extern from "Python.h":
    # Cython's own declaration asks for the GIL, which a read from a held string does not need.
    Py_UCS4 PyUnicode_READ(int kind, void* data, Py_ssize_t index) noexcept nogil

cdef enum:
    SPACE = 0
    SYMBOL = 1
    LETTER = 2
    DIGIT = 3
    IDEOGRAPH = 4
    MARK = 5

cdef const unsigned char[::1] _table = _classes()

# The isspace of segments.py is class SPACE of the table: nothing above it is white space.


cdef inline int _class(Py_UCS4 code) noexcept nogil:
    if code < 0x20000:
        return _table[code]
    if code < 0x40000:
        return IDEOGRAPH
    return MARK if 0xE0000 <= code < 0xE01F0 else SYMBOL


def chunk_spans(str text not None):
    cdef Py_ssize_t size = len(text), at, start = -1, n = 0
    cdef int kind = PyUnicode_KIND(text)
    cdef void* data = PyUnicode_DATA(text)
    out = np.empty((size // 2 + 1, 2), np.int32)
    cdef int[:, ::1] rows = out
    with nogil:
        for at in range(size):
            if _class(PyUnicode_READ(kind, data, at)) == SPACE:
                if start >= 0:
                    rows[n, 0] = <int>start
                    rows[n, 1] = <int>at
                    n += 1
                start = -1
            elif start < 0:
                start = at
        if start >= 0:
            rows[n, 0] = <int>start
            rows[n, 1] = <int>size
            n += 1
    return out[:n].copy()


def token_spans(str text not None):
    cdef Py_ssize_t size = len(text), n = 0, at = 0, start
    cdef int kind = PyUnicode_KIND(text), first
    cdef void* data = PyUnicode_DATA(text)
    out = np.empty((size, 3), np.int32)
    cdef int[:, ::1] rows = out
    with nogil:
        while _next(kind, data, size, &at, &start, &first):
            rows[n, 0] = <int>start
            rows[n, 1] = <int>at
            rows[n, 2] = first
            n += 1
    return out[:n].copy()


cdef bint _next(
    int width, void* data, Py_ssize_t size, Py_ssize_t* begin, Py_ssize_t* start, int* first
) noexcept nogil:
    """Find the token at or after `begin`, which becomes its end; False where there is none."""
    cdef Py_ssize_t at = begin[0]
    cdef int kind, last, now, joins
    cdef Py_UCS4 character
    while at < size:
        kind = _class(PyUnicode_READ(width, data, at))
        start[0] = at
        at += 1
        if kind == SPACE:
            continue
        if kind == LETTER or kind == DIGIT:
            last = kind
            while at < size:
                character = PyUnicode_READ(width, data, at)
                now = _class(character)
                if now == LETTER or now == DIGIT:
                    last = now
                elif now != MARK:
                    if character == 0x27 or character == 0x2019:
                        joins = LETTER
                    elif character == 0x2E or character == 0x2C:
                        joins = DIGIT
                    else:
                        break
                    if joins != last or at + 1 >= size:
                        break
                    if _class(PyUnicode_READ(width, data, at + 1)) != joins:
                        break
                at += 1
        else:
            while at < size and _class(PyUnicode_READ(width, data, at)) == MARK:
                at += 1
        begin[0] = at
        first[0] = kind
        return True
    return False


cdef inline bint _is_owned(int width, void* data, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    cdef Py_UCS4 mark, letter
    if end - start <= 2:
        return False
    mark, letter = PyUnicode_READ(width, data, end - 2), PyUnicode_READ(width, data, end - 1)
    return (mark == 0x27 or mark == 0x2019) and (letter == 0x73 or letter == 0x53)


def name_spans(str text not None, const int[:, :] bounds not None):
    cdef Py_ssize_t size = len(text), n = 0, room = 0, stretch, at, start, end
    cdef int kind = PyUnicode_KIND(text), first
    cdef void* data = PyUnicode_DATA(text)
    if bounds.shape[1] != 2:
        raise ValueError("bounds are pairs")
    for stretch in range(bounds.shape[0]):
        if not 0 <= bounds[stretch, 0] <= bounds[stretch, 1] <= size:
            raise ValueError("a stretch does not lie in the text")
        room += bounds[stretch, 1] - bounds[stretch, 0] + 1
    out = np.empty((room, 2), np.int32)
    cdef int[:, ::1] rows = out
    with nogil:
        for stretch in range(bounds.shape[0]):
            at, end = bounds[stretch, 0], bounds[stretch, 1]
            while _next(kind, data, end, &at, &start, &first):
                rows[n, 0] = <int>start
                if _is_owned(kind, data, start, at):
                    rows[n, 1] = <int>(at - 2)
                    n += 1
                    rows[n, 0] = <int>(at - 2)
                rows[n, 1] = <int>at
                n += 1
            rows[n, 0] = rows[n, 1] = <int>end
            n += 1
    return out[:n].copy()


def utf8_offsets(str text not None):
    cdef Py_ssize_t size = len(text), at
    cdef int kind = PyUnicode_KIND(text), total = 0
    cdef void* data = PyUnicode_DATA(text)
    cdef Py_UCS4 code
    out = np.empty(size + 1, np.int32)
    cdef int[::1] offsets = out
    with nogil:
        offsets[0] = 0
        for at in range(size):
            code = PyUnicode_READ(kind, data, at)
            total += 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
            offsets[at + 1] = total
    return out
