# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled twin of hashing.py. Read that first: it says what this must do."""

import numpy as np

from libc.stdint cimport uint64_t

cdef enum:
    WORD_WEIGHT = 4
    SHORTEST = 3
    LONGEST = 5

cdef uint64_t BASIS = 0xCBF29CE484222325
cdef uint64_t PRIME = 0x100000001B3


cdef inline uint64_t _mixed(uint64_t value) noexcept nogil:
    value = (value ^ (value >> 33)) * <uint64_t>0xFF51AFD7ED558CCD
    value = (value ^ (value >> 33)) * <uint64_t>0xC4CEB9FE1A85EC53
    return value ^ (value >> 33)


cdef inline bint _is_word_byte(unsigned char byte) noexcept nogil:
    return (byte >= 0x80 or 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A)


cdef inline bint _has(const uint64_t[::1] values, uint64_t value) noexcept nogil:
    cdef Py_ssize_t low = 0, high = values.shape[0], middle
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < values.shape[0] and values[low] == value


cdef inline void _add(int* row, uint64_t mask, uint64_t value, int weight) noexcept nogil:
    row[value & mask] += -weight if value >> 63 else weight


cdef inline unsigned char _marked(const unsigned char* word, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    if at == 0:
        return 0x3C
    return 0x3E if at == size + 1 else word[at - 1]


cdef void _word(
    const unsigned char* word, Py_ssize_t size, const uint64_t[::1] skip, int* row, uint64_t mask
) noexcept nogil:
    cdef Py_ssize_t at, end
    cdef uint64_t value = BASIS
    for at in range(size):
        value = (value ^ word[at]) * PRIME
    value = _mixed(value)
    if _has(skip, value):
        return
    _add(row, mask, value, WORD_WEIGHT)
    # One pass a start: each n-gram's hash goes on from that of the shorter one.
    for at in range(size + 3 - SHORTEST):
        value = BASIS
        for end in range(at, min(at + LONGEST, size + 2)):
            value = (value ^ _marked(word, size, end)) * PRIME
            if end - at + 1 >= SHORTEST:
                _add(row, mask, _mixed(value), 1)


cdef void _text(
    const unsigned char* data, Py_ssize_t size, const uint64_t[::1] skip, int* row, uint64_t mask
) noexcept nogil:
    cdef Py_ssize_t at, start = -1
    for at in range(size):
        if _is_word_byte(data[at]):
            if start < 0:
                start = at
        else:
            if start >= 0:
                _word(data + start, at - start, skip, row, mask)
            start = -1
    if start >= 0:
        _word(data + start, size - start, skip, row, mask)


def hashed_sums(texts, const uint64_t[::1] skip, Py_ssize_t dimensions):
    if dimensions < 1 or dimensions & (dimensions - 1):
        raise ValueError(f"dimensions is {dimensions}, not a power of two")
    sums = np.zeros((len(texts), dimensions), np.int32)
    cdef int[:, ::1] rows = sums
    cdef const unsigned char* data
    cdef Py_ssize_t size, row
    cdef bytes text
    for row, text in enumerate(texts):
        data = text
        size = len(text)
        with nogil:
            _text(data, size, skip, &rows[row, 0], <uint64_t>dimensions - 1)
    return sums
