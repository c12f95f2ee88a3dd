# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of linear.py. Read that first: it says what this must do; linear.h does it."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from salient.kernels._texts cimport Texts
from salient.kernels.linear import LOSSES, checked_index, checked_model, checked_rows, checked_sparse
from salient.kernels.terms import Spec

cdef extern from "terms.h" nogil:
    ctypedef struct salient_terms:
        const uint32_t* table
        const uint32_t* expansions
    ctypedef struct salient_spec:
        int32_t bits, words, shortest, longest
    ctypedef struct salient_bag:
        uint32_t* columns
        int32_t* values
        int64_t n
        const uint64_t* held
    void salient_terms_freed(salient_terms* s)
    int salient_features(salient_terms* s, salient_bag* bag, const uint8_t* text, int64_t n, const salient_spec* spec)
    void salient_bag_freed(salient_bag* bag)

cdef extern from "linear.h" nogil:
    ctypedef struct salient_model:
        float* rows
        float* sums
        const float* prior
        int64_t* last
        float* bias
        float* bias_sums
        int64_t stride, step, average_from
        int32_t outputs, loss
        float rate, decay, l1, l2, most
    void salient_logs_made()
    void salient_text_asked(const uint8_t* text, int64_t n)
    void salient_placed(uint32_t* columns, int64_t n, const uint64_t* held, const int32_t* before)
    void salient_asked(const uint32_t* columns, int64_t n, const float* rows, int64_t stride)
    float salient_products(const uint32_t* columns, const int32_t* counts, int64_t n, const float* rows, int64_t stride,
                           float* out)
    void salient_settled(salient_model* m, int64_t column, int64_t step)
    void salient_step(salient_model* m, const uint32_t* columns, const int32_t* counts, int64_t n, int32_t target,
                      const uint8_t* labels, float weight, float* scores, float* gradient, double* total)

salient_logs_made()


def linear_scores(texts, int bits, int words, int shortest, int longest, const float[:, ::1] rows not None,
                  int n_outputs, index=None):
    spec_ = Spec(bits, words, shortest, longest)
    spec_.check()
    checked_index(index, bits, rows, n_outputs)
    cdef Texts held = Texts(texts)
    cdef salient_spec spec
    spec.bits, spec.words, spec.shortest, spec.longest = bits, words, shortest, longest
    cdef salient_terms s
    cdef salient_bag bags[2]
    cdef salient_bag* bag
    memset(&s, 0, sizeof(s))
    memset(bags, 0, sizeof(bags))
    held.tell(&s.table, &s.expansions)
    cdef const uint64_t[::1] ones
    cdef const int32_t[::1] before
    if index is not None:
        ones, before = index
        bags[0].held = bags[1].held = &ones[0]
    found = np.zeros((held.n, n_outputs), np.float32)
    cdef float[:, ::1] out = found
    cdef int64_t i, at, n = held.n, stride = rows.shape[1]
    cdef float scale
    cdef float* sums = <float*>malloc(stride * sizeof(float))
    cdef int failed = sums == NULL
    if not failed:
        with nogil:
            # While the rows of one text come from memory, the next one is cut.
            for i in range(n + 1):
                if i < n:
                    if i + 2 < n:
                        salient_text_asked(held.at(i + 2), held.size(i + 2))
                    bag = &bags[i & 1]
                    failed = salient_features(&s, bag, held.at(i), held.size(i), &spec)
                    if failed:
                        break
                    if bag.held != NULL:
                        salient_placed(bag.columns, bag.n, bag.held, &before[0])
                    salient_asked(bag.columns, bag.n, &rows[0, 0], stride)
                if i > 0:
                    bag = &bags[(i - 1) & 1]
                    scale = salient_products(bag.columns, bag.values, bag.n, &rows[0, 0], stride, sums)
                    for at in range(n_outputs):
                        out[i - 1, at] = sums[1 + at] * scale
    free(sums)
    salient_terms_freed(&s)
    salient_bag_freed(&bags[0])
    salient_bag_freed(&bags[1])
    if failed:
        raise MemoryError
    return found


def sparse_scores(const int64_t[::1] begins not None, const int32_t[::1] columns not None,
                  const int32_t[::1] counts not None, const float[:, ::1] rows not None, int n_outputs):
    checked_rows(rows, n_outputs, rows.shape[0])
    checked_sparse(begins, columns, counts, rows.shape[0])
    found = np.zeros((begins.shape[0] - 1, n_outputs), np.float32)
    cdef float[:, ::1] out = found
    cdef int64_t i, at, stride = rows.shape[1]
    cdef float scale
    cdef float* sums = <float*>malloc(stride * sizeof(float))
    if sums == NULL:
        raise MemoryError
    if columns.shape[0]:
        with nogil:
            for i in range(begins.shape[0] - 1):
                if begins[i] == begins[i + 1]:
                    continue
                salient_asked(<const uint32_t*>&columns[begins[i]], begins[i + 1] - begins[i], &rows[0, 0], stride)
                scale = salient_products(<const uint32_t*>&columns[begins[i]], &counts[begins[i]], begins[i + 1] - begins[i],
                                         &rows[0, 0], stride, sums)
                for at in range(n_outputs):
                    out[i, at] = sums[1 + at] * scale
    free(sums)
    return found


cdef salient_model _model(state, int32_t n_outputs, loss, double rate, double decay, double l1, double l2, double most):
    cdef salient_model m
    cdef float[:, ::1] rows = state.rows, sums = state.sums
    cdef const float[:, ::1] prior
    cdef int64_t[::1] last = state.last
    cdef float[::1] bias = state.bias, bias_sums = state.bias_sums
    m.rows, m.sums, m.last = &rows[0, 0], &sums[0, 0], &last[0]
    m.prior = NULL
    if state.prior is not None:
        prior = state.prior
        m.prior = &prior[0, 0]
    m.bias, m.bias_sums = &bias[0], &bias_sums[0]
    m.stride, m.step, m.average_from = rows.shape[1], state.step, state.average_from
    m.outputs, m.loss = n_outputs, LOSSES.index(loss)
    m.rate, m.decay, m.l1, m.l2, m.most = rate, decay, l1, l2, most
    return m


def linear_pass(const int64_t[::1] begins not None, const int32_t[::1] columns not None,
                const int32_t[::1] counts not None, const int32_t[::1] targets not None, labels,
                const float[::1] weights not None, const int64_t[::1] order not None, state, int n_outputs, str loss,
                double rate, double decay, double l1, double l2, double most):
    checked_model(state, n_outputs, loss)
    checked_sparse(begins, columns, counts, state.rows.shape[0])
    cdef int64_t n = begins.shape[0] - 1, i, at
    if targets.shape[0] != n or weights.shape[0] != n:
        raise ValueError("targets and weights are not of the same texts as the features")
    if order.shape[0] and not 0 <= np.min(order) <= np.max(order) < n:
        raise IndexError("the order names a text that is not there")
    cdef const uint8_t[:, ::1] many
    cdef bint multi = labels is not None
    if multi:
        many = labels
        if many.shape[0] != n or many.shape[1] != n_outputs:
            raise ValueError("labels are not of the same texts and outputs")
    elif n and not 0 <= np.min(targets) <= np.max(targets) < max(n_outputs, 2):
        raise IndexError("a target is no output")
    cdef salient_model m = _model(state, n_outputs, loss, rate, decay, l1, l2, most)
    cdef float* scores = <float*>malloc(2 * m.stride * sizeof(float))
    if scores == NULL:
        raise MemoryError
    cdef double total = 0
    cdef const uint32_t* all_columns = <const uint32_t*>(&columns[0] if columns.shape[0] else NULL)
    cdef const int32_t* all_counts = &counts[0] if counts.shape[0] else NULL
    with nogil:
        for at in range(order.shape[0]):
            i = order[at]
            salient_step(&m, all_columns + begins[i], all_counts + begins[i], begins[i + 1] - begins[i],
                         -1 if multi else targets[i], &many[i, 0] if multi else NULL, weights[i], scores,
                         scores + m.stride, &total)
    free(scores)
    state.step = m.step
    return total


def linear_settled(state, int n_outputs, double rate, double l1, double l2):
    checked_model(state, n_outputs, LOSSES[0])
    cdef salient_model m = _model(state, n_outputs, LOSSES[0], rate, 0, l1, l2, 0)
    cdef int64_t column, n = state.rows.shape[0]
    with nogil:
        for column in range(n):
            salient_settled(&m, column, m.step)
