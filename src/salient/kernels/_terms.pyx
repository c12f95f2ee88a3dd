# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of terms.py. Read that first: it says what this must do; terms.h does it."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from salient.kernels.terms import TABLE as _TABLE, Spec, table
from salient.kernels._texts cimport Texts

cdef extern from "terms.h" nogil:
    ctypedef struct salient_term:
        uint64_t hash
        int64_t start, end, at, size
    ctypedef struct salient_terms:
        const uint32_t* table
        const uint32_t* expansions
        salient_term* terms
        int64_t n
    ctypedef struct salient_spec:
        int32_t bits, words, shortest, longest
    ctypedef struct salient_bag:
        uint32_t* columns
        int32_t* values
        int64_t n
    int salient_cut(salient_terms* s, const uint8_t* text, int64_t n)
    void salient_terms_freed(salient_terms* s)
    int salient_features(salient_terms* s, salient_bag* bag, const uint8_t* text, int64_t n, const salient_spec* spec)
    void salient_bag_freed(salient_bag* bag)
    enum:
        SALIENT_TABLE

if _TABLE != SALIENT_TABLE:
    raise ImportError("terms.py and terms.h are of different builds")


def term_hashes(text):
    cdef Texts texts = Texts([text])
    cdef salient_terms s
    memset(&s, 0, sizeof(s))
    texts.tell(&s.table, &s.expansions)
    cdef int failed
    with nogil:
        failed = salient_cut(&s, texts.at(0), texts.size(0))
    if failed:
        salient_terms_freed(&s)
        raise MemoryError
    starts, ends, hashes = np.empty(s.n, np.int64), np.empty(s.n, np.int64), np.empty(s.n, np.uint64)
    cdef int64_t[::1] a = starts, b = ends
    cdef uint64_t[::1] h = hashes
    cdef int64_t i
    for i in range(s.n):
        a[i], b[i], h[i] = s.terms[i].start, s.terms[i].end, s.terms[i].hash
    salient_terms_freed(&s)
    return starts, ends, hashes


def hashed_features(texts, int bits, int words, int shortest, int longest):
    Spec(bits, words, shortest, longest).check()
    cdef Texts held = Texts(texts)
    cdef salient_spec spec
    spec.bits, spec.words, spec.shortest, spec.longest = bits, words, shortest, longest
    cdef salient_terms s
    cdef salient_bag bag
    memset(&s, 0, sizeof(s))
    memset(&bag, 0, sizeof(bag))
    held.tell(&s.table, &s.expansions)
    begins = np.zeros(held.n + 1, np.int64)
    cdef int64_t[::1] begin = begins
    cdef int64_t i, at, n = 0, room = 0
    cdef int32_t* columns = NULL
    cdef int32_t* values = NULL
    cdef int32_t* more
    cdef int failed = 0
    with nogil:
        for i in range(held.n):
            failed = salient_features(&s, &bag, held.at(i), held.size(i), &spec)
            if not failed and n + bag.n > room:
                room = 2 * (n + bag.n) + 1024
                more = <int32_t*>realloc(columns, room * sizeof(int32_t))
                failed = more == NULL
                if not failed:
                    columns = more
                    more = <int32_t*>realloc(values, room * sizeof(int32_t))
                    failed = more == NULL
                    if not failed:
                        values = more
            if failed:
                break
            for at in range(bag.n):
                columns[n + at] = <int32_t>bag.columns[at]
                values[n + at] = bag.values[at]
            n += bag.n
            begin[i + 1] = n
    salient_terms_freed(&s)
    salient_bag_freed(&bag)
    if failed:
        free(columns)
        free(values)
        raise MemoryError
    found = np.empty(n, np.int32), np.empty(n, np.int32)
    cdef int32_t[::1] c = found[0], v = found[1]
    for at in range(n):
        c[at], v[at] = columns[at], values[at]
    free(columns)
    free(values)
    return begins, found[0], found[1]
