# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled twin of phrases.py. Read that first: it says what this must do."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcmp

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef uint64_t BASIS = 0xCBF29CE484222325
cdef uint64_t PRIME = 0x100000001B3


cdef inline uint64_t _mixed(uint64_t value) noexcept nogil:
    value = (value ^ (value >> 33)) * <uint64_t>0xFF51AFD7ED558CCD
    value = (value ^ (value >> 33)) * <uint64_t>0xC4CEB9FE1A85EC53
    return value ^ (value >> 33)


cdef inline uint64_t _hash(const unsigned char* word, Py_ssize_t size) noexcept nogil:
    cdef uint64_t value = BASIS
    cdef Py_ssize_t at
    for at in range(size):
        value = (value ^ word[at]) * PRIME
    return _mixed(value)


cdef int _shift(const int32_t[::1] starts) except -1:
    cdef Py_ssize_t buckets = starts.shape[0] - 1
    cdef int bits = 0
    if buckets < 2 or buckets & (buckets - 1):
        raise ValueError(f"{buckets} buckets are not a power of two")
    while (<Py_ssize_t>1 << bits) < buckets:
        bits += 1
    return 64 - bits


def word_hashes(words):
    cdef Py_ssize_t at = 0, size = 0
    cdef const char* letters
    out = np.empty(len(words), np.uint64)
    cdef uint64_t[::1] hashes = out
    for word in words:
        letters = PyUnicode_AsUTF8AndSize(word, &size)
        hashes[at] = _hash(<const unsigned char*>letters, size)
        at += 1
    return out


def word_codes(
    words,
    const int32_t[::1] starts not None,
    const int64_t[::1] ends not None,
    const unsigned char[::1] letters not None,
):
    cdef int shift = _shift(starts)
    cdef Py_ssize_t at = 0, size = 0
    cdef int32_t code
    cdef int64_t begin
    cdef uint64_t bucket
    cdef const char* wanted
    out = np.full(len(words), -1, np.int32)
    cdef int32_t[::1] codes = out
    for word in words:
        wanted = PyUnicode_AsUTF8AndSize(word, &size)
        bucket = _hash(<const unsigned char*>wanted, size) >> shift
        for code in range(starts[bucket], starts[bucket + 1]):
            begin = ends[code - 1] if code else 0
            if ends[code] - begin == size and (size == 0 or memcmp(&letters[begin], wanted, size) == 0):
                codes[at] = code
                break
        at += 1
    return out


def longest_phrases(
    const int32_t[::1] codes not None,
    const int32_t[::1] starts not None,
    const uint64_t[::1] keys not None,
    const int32_t[::1] nodes not None,
    const int32_t[::1] phrases not None,
):
    cdef int shift = _shift(starts)
    cdef Py_ssize_t size = codes.shape[0], at = 0, place, end, n = 0
    cdef int32_t node, best, edge, each
    cdef uint64_t key, bucket
    out = np.empty((size, 3), np.int32)
    cdef int32_t[:, ::1] rows = out
    with nogil:
        while at < size:
            node, best, end = 0, -1, at
            for place in range(at, size):
                if codes[place] < 0:
                    break
                key = <uint64_t>node << 32 | <uint64_t>codes[place]
                bucket = _mixed(key) >> shift
                edge = -1
                for each in range(starts[bucket], starts[bucket + 1]):
                    if keys[each] == key:
                        edge = each
                        break
                if edge < 0:
                    break
                node = nodes[edge]
                if phrases[edge] >= 0:
                    best = phrases[edge]
                    end = place + 1
            if best >= 0:
                rows[n, 0] = <int32_t>at
                rows[n, 1] = <int32_t>end
                rows[n, 2] = best
                n += 1
            at = end if end > at else at + 1
    return out[:n].copy()
