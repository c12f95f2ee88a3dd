# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of types.py. Read that first: it says what this must do.

Forms of ASCII letters are worked out here; the few others by the definition, which is slow but knows
all of Unicode.
"""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_DecodeASCII
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from salient.kernels.types import GRAM as _GRAM, MOST_GRAMS as _MOST_GRAMS, norm_of, type_row

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

cdef enum:
    SHAPE = 5
    GRAM = 6
    LONGEST = 24
    MOST_GRAMS = 32
    COLUMNS = 39
    LONG = 12

cdef enum:
    ALL_CAPS = 1 << 0
    TITLE = 1 << 1
    ALL_LOWER = 1 << 2
    MIXED = 1 << 3
    HAS_DIGIT = 1 << 4
    ALL_DIGITS = 1 << 5
    HYPHEN = 1 << 6
    DOT = 1 << 7
    APOSTROPHE = 1 << 8
    SLASH = 1 << 9
    PUNCTUATION = 1 << 10
    SYMBOL = 1 << 11
    SINGLE = 1 << 14
    IS_LONG = 1 << 15

cdef uint64_t BASIS = 0xCBF29CE484222325
cdef uint64_t PRIME = 0x100000001B3

if (_GRAM + 1 + _MOST_GRAMS, _MOST_GRAMS) != (COLUMNS, MOST_GRAMS):
    raise ImportError("types.py and _types.pyx are of different builds")


cdef inline uint64_t _mixed(uint64_t value) noexcept nogil:
    value = (value ^ (value >> 33)) * <uint64_t>0xFF51AFD7ED558CCD
    value = (value ^ (value >> 33)) * <uint64_t>0xC4CEB9FE1A85EC53
    return value ^ (value >> 33)


cdef inline int32_t _row(int kind, const unsigned char* text, int size, uint64_t rows) noexcept nogil:
    cdef uint64_t value = (BASIS ^ <uint64_t>kind) * PRIME
    cdef int at
    for at in range(size):
        value = (value ^ text[at]) * PRIME
    return <int32_t>(1 + _mixed(value) % (rows - 1))


cdef inline bint _upper(unsigned char c) noexcept nogil:
    return 0x41 <= c <= 0x5A


cdef inline bint _lower(unsigned char c) noexcept nogil:
    return 0x61 <= c <= 0x7A


cdef inline bint _digit(unsigned char c) noexcept nogil:
    return 0x30 <= c <= 0x39


cdef inline bint _symbol(unsigned char c) noexcept nogil:
    # The signs of category S: $ + < = > ^ ` | ~
    return (c == 0x24 or c == 0x2B or 0x3C <= c <= 0x3E or c == 0x5E or c == 0x60 or c == 0x7C or c == 0x7E)


cdef inline bint _sign(unsigned char c) noexcept nogil:
    return 0x20 < c < 0x7F and not (_upper(c) or _lower(c) or _digit(c) or _symbol(c))


cdef int _norm(const unsigned char* form, Py_ssize_t size, unsigned char* norm) noexcept nogil:
    cdef int at, length = LONGEST if size > LONGEST else <int>size
    cdef unsigned char c
    for at in range(length):
        c = form[at]
        norm[at] = c + 32 if _upper(c) else 0x30 if _digit(c) else c
    return length


cdef int _shape(const unsigned char* form, Py_ssize_t size, unsigned char* shape) noexcept nogil:
    cdef Py_ssize_t at
    cdef int length = 0
    cdef unsigned char c
    for at in range(size):
        c = form[at]
        c = 0x58 if _upper(c) else 0x78 if _lower(c) else 0x64 if _digit(c) else c
        if length >= 3 and shape[length - 1] == c and shape[length - 2] == c and shape[length - 3] == c:
            continue
        shape[length] = c
        length += 1
        if length == LONGEST:
            break
    return length


cdef int32_t _flags(const unsigned char* form, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t at, upper = 0, lower = 0, digits = 0, signs = 0
    cdef unsigned char c
    cdef int32_t told = 0
    for at in range(size):
        c = form[at]
        upper += _upper(c)
        lower += _lower(c)
        digits += _digit(c)
        signs += _sign(c)
        if c == 0x2D:
            told |= HYPHEN
        elif c == 0x2E:
            told |= DOT
        elif c == 0x27:
            told |= APOSTROPHE
        elif c == 0x2F:
            told |= SLASH
        elif _symbol(c):
            told |= SYMBOL
    if upper and not lower:
        told |= ALL_CAPS
    elif upper == 1 and size > 1 and _upper(form[0]):
        told |= TITLE
    elif upper:
        told |= MIXED
    elif lower:
        told |= ALL_LOWER
    if digits:
        told |= HAS_DIGIT
        if digits == size:
            told |= ALL_DIGITS
    if size and signs == size:
        told |= PUNCTUATION
    if size == 1:
        told |= SINGLE
    if size > LONG:
        told |= IS_LONG
    return told


cdef void _type(const unsigned char* form, Py_ssize_t size, const uint64_t* sizes, int32_t* row) noexcept nogil:
    cdef unsigned char marked[LONGEST + 2]
    cdef unsigned char shape[LONGEST]
    cdef unsigned char* norm = marked + 1
    cdef int length = _norm(form, size, norm), gram, at, n = 0
    row[0] = _row(0, norm, length, sizes[0])
    row[1] = _row(1, norm + max(length - 3, 0), min(length, 3), sizes[1])
    row[2] = _row(2, norm, min(length, 3), sizes[2])
    row[3] = _row(3, norm + max(length - 2, 0), min(length, 2), sizes[3])
    row[4] = _row(4, norm + max(length - 4, 0), min(length, 4), sizes[4])
    row[5] = _row(SHAPE, shape, _shape(form, size, shape), sizes[5])
    row[6] = _flags(form, size)
    marked[0] = 0x3C
    marked[length + 1] = 0x3E
    for gram in range(3, 6):
        for at in range(length + 3 - gram):
            if n == MOST_GRAMS:
                return
            row[7 + n] = _row(GRAM, marked + at, gram, sizes[6])
            n += 1


def type_rows(forms, sizes):
    if len(sizes) != GRAM + 1 or min(sizes) < 2:
        raise ValueError(f"{list(sizes)} are not the rows of seven tables")
    out = np.zeros((len(forms), COLUMNS), np.int32)
    cdef uint64_t rows_of[GRAM + 1]
    cdef int kind
    for kind in range(GRAM + 1):
        rows_of[kind] = sizes[kind]
    cdef int32_t[:, ::1] rows = out
    cdef Py_ssize_t at = 0
    cdef str form
    for form in forms:
        if PyUnicode_IS_ASCII(form):
            _type(<const unsigned char*>PyUnicode_DATA(form), len(form), rows_of, &rows[at, 0])
        else:
            out[at] = type_row(form, sizes)
        at += 1
    return out


def norms_of(forms):
    cdef unsigned char norm[LONGEST]
    cdef str form
    cdef int length
    made = []
    for form in forms:
        if PyUnicode_IS_ASCII(form):
            length = _norm(<const unsigned char*>PyUnicode_DATA(form), len(form), norm)
            made.append(PyUnicode_DecodeASCII(<const char*>norm, length, NULL))
        else:
            made.append(norm_of(form))
    return made


cdef int32_t _place(const char* word, Py_ssize_t size, const uint8_t* letters, const uint32_t* offsets,
                    Py_ssize_t n) noexcept nogil:
    """-2 for offsets that are out of order: they would lead past the letters."""
    cdef Py_ssize_t low = 0, high = n, middle, length
    cdef int order
    while low < high:
        middle = (low + high) // 2
        if not offsets[middle] <= offsets[middle + 1] <= offsets[n]:
            return -2
        length = offsets[middle + 1] - offsets[middle]
        order = memcmp(letters + offsets[middle], word, min(length, size))
        if order == 0 and length == size:
            return <int32_t>middle
        if order < 0 or (order == 0 and length < size):
            low = middle + 1
        else:
            high = middle
    return -1


def vocabulary_rows(words, const uint8_t[::1] letters not None, const uint32_t[::1] offsets not None):
    cdef Py_ssize_t n = offsets.shape[0] - 1, at = 0
    if n < 0 or offsets[n] > <uint64_t>letters.shape[0]:
        raise ValueError("the offsets are not those of words in the letters")
    found = np.full(len(words), -1, np.int32)
    cdef int32_t[::1] out = found
    cdef const uint8_t* blob = &letters[0] if letters.shape[0] else NULL
    cdef str word
    cdef bytes written
    if n == 0:
        return found
    for word in words:
        if PyUnicode_IS_ASCII(word):
            out[at] = _place(<const char*>PyUnicode_DATA(word), len(word), blob, &offsets[0], n)
        else:
            written = word.encode("utf-8", "replace")
            out[at] = _place(PyBytes_AS_STRING(written), len(written), blob, &offsets[0], n)
        if out[at] < -1:
            raise ValueError("the offsets are not those of words in the letters")
        at += 1
    return found
