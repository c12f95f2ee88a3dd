# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of minhash.py. Read that first: it says what this must do; minhash.h does it."""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from salient.kernels._texts cimport Texts
from salient.kernels.minhash import EMPTY as _EMPTY, _check_pairs, check

cdef extern from "terms.h" nogil:
    ctypedef struct salient_term:
        uint64_t hash
    ctypedef struct salient_terms:
        const uint32_t* table
        const uint32_t* expansions
        salient_term* terms
        int64_t n
    int salient_cut(salient_terms* s, const uint8_t* text, int64_t n)
    void salient_terms_freed(salient_terms* s)
    uint64_t salient_mixed(uint64_t value)

cdef extern from "minhash.h" nogil:
    int64_t salient_bins(
        const salient_term* terms, int64_t n, int64_t run, int bits, uint32_t* bins, uint32_t* values
    )
    void salient_filled(const uint32_t* bins, int bits, uint32_t* out)
    void salient_least(const uint32_t* values, int64_t n, int64_t size, uint32_t* spare, uint32_t* out)
    double salient_jaccard(const uint32_t* one, const uint32_t* other, int64_t size)
    enum:
        SALIENT_EMPTY

cdef uint32_t EMPTY = _EMPTY
cdef uint64_t BASE = 0x9E3779B97F4A7C15


def minhash(texts, int run, int bits):
    check(run, bits)
    cdef Texts held = Texts(texts)
    cdef salient_terms s
    memset(&s, 0, sizeof(s))
    held.tell(&s.table, &s.expansions)
    cdef int64_t size = 1 << bits, i
    sketches = np.full((held.n, size), EMPTY, np.uint32)
    lowest = np.full((held.n, size), EMPTY, np.uint32)
    counts = np.zeros(held.n, np.int64)
    cdef uint32_t[:, ::1] out = sketches, least = lowest
    cdef int64_t[::1] n_runs = counts
    cdef uint32_t* bins = <uint32_t*>malloc(size * sizeof(uint32_t))
    cdef uint32_t* values = NULL
    cdef uint32_t* more
    cdef int64_t room = 0
    cdef int failed = bins == NULL
    with nogil:
        for i in range(held.n):
            if not failed:
                failed = salient_cut(&s, held.at(i), held.size(i))
            if failed:
                break
            if s.n > room:
                more = <uint32_t*>realloc(values, 6 * s.n * sizeof(uint32_t))
                if more == NULL:
                    failed = 1
                    break
                values, room = more, 2 * s.n
            n_runs[i] = salient_bins(s.terms, s.n, run, bits, bins, values)
            if n_runs[i]:
                salient_filled(bins, bits, &out[i, 0])
                salient_least(values, n_runs[i], size, values + room, &least[i, 0])
    free(bins)
    free(values)
    salient_terms_freed(&s)
    if failed:
        raise MemoryError
    return sketches, lowest, counts


def jaccard(
    const uint32_t[:, ::1] one not None, const int64_t[::1] rows not None,
    const uint32_t[:, ::1] other not None, const int64_t[::1] others not None,
):
    _check_pairs(np.asarray(one), np.asarray(rows), np.asarray(other), np.asarray(others))
    cdef int64_t n = rows.shape[0], size = one.shape[1], i
    found = np.zeros(n)
    cdef double[::1] out = found
    with nogil:
        for i in range(n):
            out[i] = salient_jaccard(&one[rows[i], 0], &other[others[i], 0], size)
    return found


def band_keys(const uint32_t[:, ::1] sketches not None, long rows):
    cdef int64_t n = sketches.shape[0], size = sketches.shape[1], row, band, at
    if not 1 <= rows <= size:
        raise ValueError(f"a band of {rows} of {size} bins")
    cdef int64_t bands = size // rows
    keys = np.zeros((n, bands), np.uint64)
    cdef uint64_t[:, ::1] out = keys
    cdef uint64_t value
    with nogil:
        for row in range(n):
            if sketches[row, 0] == EMPTY:
                continue
            for band in range(bands):
                value = band
                for at in range(rows):
                    value = value * BASE + sketches[row, band * rows + at]
                out[row, band] = salient_mixed(value) | 1
    return keys
