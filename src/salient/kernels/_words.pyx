# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of words.py. Read that first: it says what this must do."""

import numpy as np

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef extern from "Python.h":
    # Cython's own declarations ask for the GIL, which reads from held strings and tables do not need.
    Py_UCS4 PyUnicode_READ(int kind, const void* data, Py_ssize_t index) noexcept nogil
    bint Py_UNICODE_ISALNUM(Py_UCS4 character) noexcept nogil
    bint Py_UNICODE_ISDECIMAL(Py_UCS4 character) noexcept nogil
    bint Py_UNICODE_ISUPPER(Py_UCS4 character) noexcept nogil
    bint Py_UNICODE_ISLOWER(Py_UCS4 character) noexcept nogil
    bint Py_UNICODE_ISTITLE(Py_UCS4 character) noexcept nogil

cdef uint64_t PRIME = 0x9E3779B97F4A7C15


cdef inline bint _wordy(Py_UCS4 c) noexcept nogil:
    # \w of a regular expression.
    if c < 0x80:
        return 0x61 <= c <= 0x7A or 0x41 <= c <= 0x5A or 0x30 <= c <= 0x39 or c == 0x5F
    return Py_UNICODE_ISALNUM(c)


cdef inline bint _letter(Py_UCS4 c) noexcept nogil:
    if c < 0x80:
        return 0x61 <= c <= 0x7A or 0x41 <= c <= 0x5A
    return Py_UNICODE_ISALNUM(c) and not Py_UNICODE_ISDECIMAL(c)


cdef inline bint _apostrophe(Py_UCS4 c) noexcept nogil:
    return c == 0x27 or c == 0x2019


cdef inline uint64_t _mixed(uint64_t value) noexcept nogil:
    value = (value ^ (value >> 33)) * <uint64_t>0xFF51AFD7ED558CCD
    value = (value ^ (value >> 33)) * <uint64_t>0xC4CEB9FE1A85EC53
    return value ^ (value >> 33)


cdef inline uint64_t _hash(const uint8_t* letters, Py_ssize_t size) noexcept nogil:
    cdef uint64_t value = <uint64_t>size, word
    while size >= 8:
        memcpy(&word, letters, 8)
        value = (value ^ word) * PRIME
        value ^= value >> 29
        letters += 8
        size -= 8
    word = 0
    memcpy(&word, letters, size)
    return _mixed((value ^ word) * PRIME)


cdef Py_ssize_t _room(Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t size = 16
    while size < 2 * n:
        size *= 2
    return size


def span_types(str text not None, const int32_t[:] starts not None, const int32_t[:] ends not None):
    cdef Py_ssize_t n = starts.shape[0], size = len(text), at, place, n_types = 0
    if n != ends.shape[0]:
        raise ValueError(f"{n} starts and {ends.shape[0]} ends")
    for at in range(n):
        if not 0 <= starts[at] <= ends[at] <= size:
            raise ValueError("a span does not lie in the text")
    cdef int width = PyUnicode_KIND(text)
    cdef const uint8_t* data = <const uint8_t*>PyUnicode_DATA(text)
    cdef Py_ssize_t mask = _room(n) - 1, length, first
    out, uses = np.empty(n, np.int32), np.empty(n, np.int32)
    cdef int32_t[::1] types = out, firsts = uses
    cdef int32_t[::1] table = np.full(mask + 1, -1, np.int32)
    cdef const uint8_t* letters
    with nogil:
        for at in range(n):
            letters = data + <Py_ssize_t>starts[at] * width
            length = ends[at] - starts[at]
            place = _hash(letters, length * width) & mask
            while table[place] >= 0:
                first = firsts[table[place]]
                if ends[first] - starts[first] == length and not memcmp(
                    letters, data + <Py_ssize_t>starts[first] * width, length * width
                ):
                    break
                place = (place + 1) & mask
            if table[place] < 0:
                table[place] = <int32_t>n_types
                firsts[n_types] = <int32_t>at
                n_types += 1
            types[at] = table[place]
    return out, uses[:n_types].copy()


def first_uses(const int64_t[:] keys not None):
    cdef Py_ssize_t n = keys.shape[0], at, place, n_types = 0, mask = _room(n) - 1
    out, uses = np.empty(n, np.int32), np.empty(n, np.int32)
    cdef int32_t[::1] numbers = out, firsts = uses
    cdef int32_t[::1] table = np.full(mask + 1, -1, np.int32)
    with nogil:
        for at in range(n):
            place = _mixed(<uint64_t>keys[at]) & mask
            while table[place] >= 0 and keys[firsts[table[place]]] != keys[at]:
                place = (place + 1) & mask
            if table[place] < 0:
                table[place] = <int32_t>n_types
                firsts[n_types] = <int32_t>at
                n_types += 1
            numbers[at] = table[place]
    return out, uses[:n_types].copy()


cdef int _check(Py_ssize_t size, const int32_t[:, :] bounds) except -1:
    cdef Py_ssize_t at
    if bounds.shape[1] != 2:
        raise ValueError("bounds are pairs")
    for at in range(bounds.shape[0]):
        if not 0 <= bounds[at, 0] <= bounds[at, 1] <= size:
            raise ValueError("a stretch does not lie in the text")
    return 0


cdef Py_ssize_t _most(const int32_t[:, :] bounds) noexcept nogil:
    """Words that can stand in the stretches, one letter and one other character each."""
    cdef Py_ssize_t at, most = 0
    for at in range(bounds.shape[0]):
        most += (bounds[at, 1] - bounds[at, 0] + 1) // 2
    return most


cdef Py_ssize_t _end_of_word(int width, const void* data, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Where the word ends that begins with the letter at `at`."""
    while True:
        at += 1
        while at < end and _letter(PyUnicode_READ(width, data, at)):
            at += 1
        if not (at + 1 < end and _apostrophe(PyUnicode_READ(width, data, at))
                and _letter(PyUnicode_READ(width, data, at + 1))):
            return at


def letter_words(str text not None, const int32_t[:, :] bounds not None):
    _check(len(text), bounds)
    cdef int width = PyUnicode_KIND(text)
    cdef const void* data = PyUnicode_DATA(text)
    cdef Py_ssize_t row, at, end, stop, n = 0
    cdef int place
    out = np.empty((_most(bounds), 3), np.int32)
    cdef int32_t[:, ::1] words = out
    with nogil:
        for row in range(bounds.shape[0]):
            at, end, place = bounds[row, 0], bounds[row, 1], 0
            while at < end:
                if not _letter(PyUnicode_READ(width, data, at)):
                    at += 1
                    continue
                stop = _end_of_word(width, data, at, end)
                words[n, 0], words[n, 1], words[n, 2] = <int32_t>at, <int32_t>stop, place
                place += 1
                n += 1
                at = stop
    return out[:n].copy()


cdef bint _is_upper(int width, const void* data, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    cdef bint cased = False
    cdef Py_UCS4 c
    for at in range(at, end):
        c = PyUnicode_READ(width, data, at)
        if c < 0x80:
            if 0x61 <= c <= 0x7A:
                return False
            cased = cased or 0x41 <= c <= 0x5A
        elif Py_UNICODE_ISLOWER(c) or Py_UNICODE_ISTITLE(c):
            return False
        else:
            cased = cased or Py_UNICODE_ISUPPER(c)
    return cased


def case_counts(str text not None, const int32_t[:, :] bounds not None):
    _check(len(text), bounds)
    cdef int width = PyUnicode_KIND(text)
    cdef const void* data = PyUnicode_DATA(text)
    cdef Py_ssize_t row, at, end, stop
    out = np.zeros((bounds.shape[0], 3), np.int32)
    cdef int32_t[:, ::1] counts = out
    with nogil:
        for row in range(bounds.shape[0]):
            at, end = bounds[row, 0], bounds[row, 1]
            while at < end:
                if not _letter(PyUnicode_READ(width, data, at)):
                    at += 1
                    continue
                stop = _end_of_word(width, data, at, end)
                if stop - at > 1:
                    counts[row, 0] += <int32_t>(stop - at)
                    counts[row, 1] += 1
                    counts[row, 2] += _is_upper(width, data, at, stop)
                at = stop
    return out


cdef inline bint _joins(Py_UCS4 c) noexcept nogil:
    # @ / & -
    return c == 0x40 or c == 0x2F or c == 0x26 or c == 0x2D


cdef bint _is_lone(int width, const void* data, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t end) noexcept nogil:
    cdef Py_UCS4 c = PyUnicode_READ(width, data, at)
    if 0x41 <= c <= 0x5A:
        return False
    if at:
        c = PyUnicode_READ(width, data, at - 1)
        if _wordy(c) or _joins(c) or c == 0x2E or _apostrophe(c):
            return False
    if stop == end:
        return True
    c = PyUnicode_READ(width, data, stop)
    if _wordy(c) or _joins(c):
        return False
    return not (
        (c == 0x2E or _apostrophe(c)) and stop + 1 < end and _wordy(PyUnicode_READ(width, data, stop + 1))
    )


def lone_words(str text not None, const int32_t[:, :] bounds not None):
    _check(len(text), bounds)
    cdef int width = PyUnicode_KIND(text)
    cdef const void* data = PyUnicode_DATA(text)
    cdef Py_ssize_t row, at, end, stop, n = 0
    out = np.empty((_most(bounds), 2), np.int32)
    cdef int32_t[:, ::1] words = out
    with nogil:
        for row in range(bounds.shape[0]):
            at, end = bounds[row, 0], bounds[row, 1]
            while at < end:
                if not _letter(PyUnicode_READ(width, data, at)):
                    at += 1
                    continue
                stop = at + 1
                while stop < end and _letter(PyUnicode_READ(width, data, stop)):
                    stop += 1
                if _is_lone(width, data, at, stop, end):
                    words[n, 0], words[n, 1] = <int32_t>at, <int32_t>stop
                    n += 1
                at = stop
    return out[:n].copy()
