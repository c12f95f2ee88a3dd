# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of changes.py. Read that first: it says what this must do; changes.h does it."""

import numpy as np

from libc.stdint cimport int16_t, int32_t, int64_t

cdef extern from "changes.h" nogil:
    int64_t salient_changes(const float* base, const float* after, int64_t n, int64_t width, int32_t* rows,
                            int16_t* values, float* scales)
    void salient_added(const int32_t* rows, const int16_t* values, const float* scales, int64_t n, int64_t width,
                       int64_t low, float weight, float* sums, int32_t* counts)


def row_changes(const float[:, ::1] base, const float[:, ::1] after):
    cdef int64_t n = base.shape[0], width = base.shape[1], found = 0
    if after.shape[0] != n or after.shape[1] != width:
        raise ValueError("what changed has the shape it had")
    rows, values, scales = np.empty(n, np.int32), np.empty((n, width), np.int16), np.empty(n, np.float32)
    cdef int32_t[::1] r = rows
    cdef int16_t[:, ::1] v = values
    cdef float[::1] s = scales
    if n and width:
        with nogil:
            found = salient_changes(&base[0, 0], &after[0, 0], n, width, &r[0], &v[0, 0], &s[0])
    return rows[:found], values[:found], scales[:found]


def changes_summed(int64_t low, int64_t high, int64_t width, changes):
    cdef const int32_t[::1] r
    cdef const int16_t[:, ::1] v
    cdef const float[::1] s
    cdef int64_t a, b
    cdef float w
    sums, counts = np.zeros((high - low, width), np.float32), np.zeros(high - low, np.int32)
    cdef float[:, ::1] to = sums
    cdef int32_t[::1] n = counts
    for rows, values, scales, weight in changes:
        r, v, s, w = rows, values, scales, weight
        if v.shape[0] != r.shape[0] or s.shape[0] != r.shape[0] or v.shape[1] != width:
            raise ValueError("there is not a change for each row")
        a, b = np.searchsorted(rows, [low, high])
        if a < b and width:
            with nogil:
                salient_added(&r[a], &v[a, 0], &s[a], b - a, width, low, w, &to[0, 0], &n[0])
    return sums, counts
