# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of encoder.py. Read that first: it says what this must do; gemm.h does the sums."""

import numpy as np

from libc.stdint cimport int8_t, int32_t, uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from salient.kernels.encoder import SLOPE as _SLOPE, TAGS as _TAGS, Reading

cdef extern from "gemm.h" nogil:
    ctypedef struct salient_kernels:
        void (*gemm_whole)(const float*, long, long, long, const int8_t*, const int32_t*, const float*, long, float*, long) noexcept nogil
        void (*maxout_norm)(float*, long, long, long, const float*, const float*, const float*, const float*, long,
                            float*, long) noexcept nogil
        void (*norm)(float*, long, long, long, const float*, const float*, const float*, long) noexcept nogil
        void (*window)(const float*, long, const int32_t*, const uint16_t*, const float*, long, long, float*) noexcept nogil
        void (*mingru)(const float*, long, long, long, const float*, int, float*, float*, long) noexcept nogil
        void (*bias_leaky)(float*, long, long, long, const float*, float) noexcept nogil
        void (*best)(const float*, long, long, long, long, int32_t*, float*, long) noexcept nogil
        void (*log_softmax)(float*, long, long, long) noexcept nogil
    void salient_pack_whole(const float* w, long ldw, long n, long k, int8_t* packed, int32_t* zeros, float* scales)
    enum:
        SALIENT_DEEPEST
    const salient_kernels* salient_level(int level)

cdef enum:
    PANEL = 32
    LANES = 16
    CHUNK = 64  # rows between two layers: what they hand on stays in the nearest cache
    N_TAGS = 4
    N_TABLES = 6
    N_FLAGS = 16
    GRAMS = 7  # the first column of grams
    COLUMNS = 39

cdef float SLOPE = _SLOPE
cdef float NEVER = -1e30  # the bias of a column that stands for nothing


def levels():
    """How many of the ways to compute this machine has: portable, AVX2, AVX-512."""
    cdef int n = 0
    while salient_level(n) != NULL:
        n += 1
    return n


cdef inline long _chunks(long n) noexcept nogil:
    return (n + CHUNK - 1) // CHUNK


cdef class _Layer:
    """A weight matrix, packed, and its bias; columns past the outputs are filled up."""

    cdef object _held
    cdef const int8_t* packed
    cdef const int32_t* zeros
    cdef const float* scales
    cdef const float* bias
    cdef long n, k, panels, columns  # outputs, inputs; columns = 32 * panels

    def __cinit__(self, weight, bias=None):
        cdef const float[:, ::1] w = np.ascontiguousarray(weight, np.float32)
        self.n, self.k = w.shape[0], w.shape[1]
        self.panels = (self.n + PANEL - 1) // PANEL
        self.columns = self.panels * PANEL
        if self.k % LANES or self.k > SALIENT_DEEPEST:
            raise ValueError(f"a layer has {self.k} inputs: {LANES}, {2 * LANES}, … or {SALIENT_DEEPEST} can be")
        packed, zeros = np.empty(self.columns * self.k, np.int8), np.empty(self.columns, np.int32)
        scales = np.empty(self.columns, np.float32)
        biases = np.zeros(self.columns, np.float32)
        if bias is not None:
            biases[: self.n] = bias
        cdef int8_t[::1] p = packed
        cdef int32_t[::1] z = zeros
        cdef float[::1] s = scales
        cdef const float[::1] b = biases
        salient_pack_whole(&w[0, 0], self.k, self.n, self.k, &p[0], &z[0], &s[0])
        self.packed, self.zeros, self.scales, self.bias = &p[0], &z[0], &s[0], &b[0]
        self._held = (packed, zeros, scales, biases)


cdef class _Norm:
    cdef object _held
    cdef const float* gain
    cdef const float* shift

    def __cinit__(self, weights, name):
        self._held = tuple(np.array(weights[f"{name}.ln.{part}"], np.float32) for part in ("weight", "bias"))
        cdef const float[::1] gain = self._held[0]
        cdef const float[::1] shift = self._held[1]
        self.gain, self.shift = &gain[0], &shift[0]


cdef class _Table:
    """int8 rows, still in their file, and a scale for each so many of them."""

    cdef const int8_t[:, ::1] rows
    cdef const float[::1] scale
    cdef long width, per_scale

    def __cinit__(self, weights, name):
        self.rows = weights[name]
        self.scale = np.ascontiguousarray(weights[f"{name}.scale"], np.float32)
        self.width = self.rows.shape[1]
        self.per_scale = self.rows.shape[0] // self.scale.shape[0]
        if self.per_scale * self.scale.shape[0] != self.rows.shape[0]:
            raise ValueError(f"{name} has {self.rows.shape[0]} rows and {self.scale.shape[0]} scales")

    cdef inline void add(self, int32_t row, float times, float* to) noexcept nogil:
        cdef long at
        cdef float scale = self.scale[row // self.per_scale] * times
        for at in range(self.width):
            to[at] += scale * self.rows[row, at]


cdef object _halves(weight):
    """Maxout's pieces one after the other, not in turn, so that rows of one meet rows of the other."""
    return np.concatenate([weight[::2], weight[1::2]])


cdef class Encoder:
    cdef readonly long width, type_width
    cdef readonly object root
    cdef const salient_kernels* _kernels
    cdef list _tables
    cdef _Table _grams, _vectors
    cdef _Layer _in, _project, _conv2, _gru3f, _gru3b, _gru4f, _gru4b
    cdef _Layer _from_e, _tags, _arcs, _ner, _labels
    cdef _Norm _in_norm, _norm1, _norm2, _norm3, _norm4
    cdef const float[:, ::1] _bits
    cdef const float[::1] _bias1, _label_root
    cdef long _hidden, _n_features, _n_tags, _n_arc, _n_label, _n_ner, _n_entities, _n_relations
    cdef long _first[N_TAGS + 2]

    def __init__(self, weights, level=None):
        """`level` is for tests: the way to compute, below `levels()`; the fastest by default."""
        cdef long wide, told
        cdef _Table table
        self._kernels = salient_level(levels() - 1 if level is None else level)
        if self._kernels == NULL:
            raise ValueError(f"this machine has no level {level}")
        w = weights
        self.width = w["in.weight"].shape[0] // 2
        self.type_width = 7 * self.width
        self._hidden = w["gru3.fwd.weight"].shape[0] // 2
        self._n_tags, self._n_ner = w["tags.weight"].shape[0], w["ner.hidden.weight"].shape[0]
        self._n_arc, self._n_label = w["arc.w"].shape[0], w["label.bias"].shape[0]
        self._n_entities, self._n_relations = w["ner.out.weight"].shape[0], w["label.out.weight"].shape[0]
        for wide in (self.width, self._hidden, self._n_tags, self._n_arc, self._n_label, self._n_ner):
            if wide < LANES or wide % LANES:
                raise ValueError(f"a layer {wide} wide is no multiple of {LANES}")
        self._tables = [_Table(w, f"table.{kind}") for kind in range(N_TABLES)]
        self._grams = _Table(w, "table.grams")
        self._vectors = _Table(w, "vectors") if "vectors" in w else None
        self._n_features = w["in.weight"].shape[1]
        told = N_FLAGS
        for table in self._inputs():
            told += table.width
        if told != self._n_features:
            raise ValueError(f"{told} features do not fit {self._n_features} weights")
        self._windows(w)
        self._heads(w)

    cdef list _inputs(self):
        cdef list tables = [*self._tables, self._grams]
        return [*tables, self._vectors] if self._vectors is not None else tables

    cdef _windows(self, w):
        self._in = _Layer(_halves(w["in.weight"]), _halves(w["in.bias"]))
        self._in_norm = _Norm(w, "in")
        parts = np.split(_halves(w["conv1.weight"]), 3, axis=1)
        self._project = _Layer(np.concatenate(parts))
        self._bias1 = np.ascontiguousarray(_halves(w["conv1.bias"]), np.float32)
        self._bits = np.ascontiguousarray(_halves(w["conv1.bits"].T).T, np.float32)
        self._norm1 = _Norm(w, "conv1")
        self._conv2 = _Layer(_halves(w["conv2.weight"]), _halves(w["conv2.bias"]))
        self._norm2 = _Norm(w, "conv2")
        self._gru3f, self._gru3b, self._gru4f, self._gru4b = (
            _Layer(w[f"{name}.weight"], w[f"{name}.bias"])
            for name in ("gru3.fwd", "gru3.bwd", "gru4.fwd", "gru4.bwd")
        )
        self._norm3, self._norm4 = _Norm(w, "gru3"), _Norm(w, "gru4")

    cdef _heads(self, w):
        cdef long at = 0, head
        none = np.zeros(self._n_label, np.float32)
        self._from_e = _Layer(
            np.concatenate([w[f"{n}.weight"] for n in _FROM_E]),
            np.concatenate([*(w[f"{n}.bias"] for n in _FROM_E[:4]), none, w["label.bias"]]),
        )
        # Every group of outputs begins at a multiple of the lanes; what fills it up is never chosen.
        weights, biases = [], []
        for head, name in enumerate((*_TAGS, "start")):
            weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
            more = (LANES - len(weight) % LANES) % LANES
            weights += [weight, np.zeros((more, self._n_tags), np.float32)]
            biases += [bias, np.full(more, NEVER, np.float32)]
            self._first[head] = at
            at += len(weight) + more
        self._first[N_TAGS + 1] = at
        self._tags = _Layer(np.concatenate(weights), np.concatenate(biases))
        self._arcs = _Layer(np.ascontiguousarray(w["arc.w"].T), w["arc.u"])
        self._ner = _padded(w, "ner.out")
        self._labels = _padded(w, "label.out")
        sums = w["arc.head.weight"] @ w["root"] + w["arc.head.bias"]
        self.root = np.maximum(sums, np.float32(SLOPE) * sums)
        self._label_root = np.ascontiguousarray(w["label.head.weight"] @ w["root"], np.float32)

    def types(self, const int32_t[:, ::1] rows not None, const int32_t[::1] words not None):
        cdef long n = rows.shape[0]
        if rows.shape[1] != COLUMNS or words.shape[0] != n:
            raise ValueError("rows and words are not of the same types")
        out = np.empty((n, self.type_width), np.float32)
        features = np.empty((min(n, CHUNK), self._n_features), np.float32)
        mixed = np.empty((min(n, CHUNK), self._in.columns), np.float32)
        sums = np.empty((min(n, CHUNK), self._project.columns), np.float32)
        cdef float[:, ::1] o = out, f = features, m = mixed, p = sums
        cdef list tables = self._inputs()
        cdef long chunk, first, size, d = self.width
        for chunk in range(_chunks(n)):
            first = chunk * CHUNK
            size = min(n - first, CHUNK)
            features[:] = 0
            self._features(rows[first : first + size], words[first : first + size], f)
            with nogil:
                self._layer(&f[0, 0], self._n_features, size, self._in, &m[0, 0])
                self._kernels.maxout_norm(&m[0, 0], self._in.columns, size, d, self._in.bias, self._in_norm.gain,
                                          self._in_norm.shift, NULL, 0, &o[first, 0], self.type_width)
                self._layer(&o[first, 0], self.type_width, size, self._project, &p[0, 0])
            out[first : first + size, d:] = sums[:size, : 6 * d]
        return out

    cdef _features(self, const int32_t[:, ::1] rows, const int32_t[::1] words, float[:, ::1] out):
        """Look the rows up in their tables, once they are seen to lie in them."""
        cdef long n = rows.shape[0], row, kind, at, gram, n_grams
        cdef _Table table
        checked = np.asarray(rows)
        for kind, table in enumerate(self._tables):
            _within(checked[:, kind], table)
        _within(checked[:, GRAMS:], self._grams)
        if self._vectors is not None:
            _within(np.asarray(words), self._vectors)
        at = 0
        for kind in range(N_TABLES):
            table = self._tables[kind]
            with nogil:
                for row in range(n):
                    table.add(rows[row, kind], 1, &out[row, at])
            at += table.width
        table = self._grams
        with nogil:
            for row in range(n):
                n_grams = 0
                for gram in range(GRAMS, COLUMNS):
                    n_grams += rows[row, gram] > 0
                for gram in range(GRAMS, COLUMNS):
                    if rows[row, gram] > 0:
                        table.add(rows[row, gram], <float>1 / n_grams, &out[row, at])
        at += table.width
        if self._vectors is not None:
            table = self._vectors
            with nogil:
                for row in range(n):
                    table.add(words[row], 1, &out[row, at])
            at += table.width
        with nogil:
            for row in range(n):
                for kind in range(N_FLAGS):
                    out[row, at + kind] = rows[row, N_TABLES] >> kind & 1

    def encode(self, const float[:, ::1] types not None, const int32_t[::1] slots not None,
               const uint16_t[::1] bits not None, const int32_t[::1] begins=None):
        cdef long n = slots.shape[0]
        if begins is None:
            begins = np.array([0, n], np.int32)
        self._check(types, slots, bits, begins)
        out = np.empty((n, 2 * self._hidden), np.float32)
        cdef float[:, ::1] o = out
        cdef int failed = 0
        if n:
            with nogil:
                failed = self._encode_all(types, slots, bits, begins, &o[0, 0])
            if failed:
                raise MemoryError
        return out

    cdef _check(self, const float[:, ::1] types, const int32_t[::1] slots, const uint16_t[::1] bits,
                const int32_t[::1] begins):
        cdef long n = slots.shape[0], bit = self._bits.shape[0], last = begins.shape[0] - 1
        if last < 0 or begins[0] != 0 or begins[last] != n or np.any(np.less(begins[1:], begins[:last])):
            raise ValueError("the sequences are not those of the tokens")
        if bits.shape[0] != n or types.shape[1] != self.type_width:
            raise ValueError("types, slots and bits are not of the same tokens")
        if n and not 0 <= np.min(slots) <= np.max(slots) < types.shape[0]:
            raise IndexError("a slot is no row of the types")
        if n and np.max(bits) >> bit:
            raise IndexError(f"a token has a bit past the {bit} of the model")

    cdef int _encode_all(self, const float[:, ::1] types, const int32_t[::1] slots, const uint16_t[::1] bits,
                         const int32_t[::1] begins, float* out) noexcept nogil:
        """Returns -1 for want of memory."""
        cdef long at
        for at in range(begins.shape[0] - 1):
            if begins[at] < begins[at + 1] and self._encode(
                types, &slots[begins[at]], &bits[begins[at]], begins[at + 1] - begins[at],
                out + begins[at] * 2 * self._hidden,
            ):
                return -1
        return 0

    cdef int _encode(self, const float[:, ::1] types, const int32_t* slots, const uint16_t* bits, long n,
                     float* out) noexcept nogil:
        cdef const salient_kernels* k = self._kernels
        cdef long d = self.width, wide = 2 * self._hidden, chunk, first, size, row
        cdef long columns = max(2 * d, 4 * self._hidden)
        cdef float* x1 = <float*>malloc(sizeof(float) * (n + 2) * d)
        cdef float* x2 = <float*>malloc(sizeof(float) * n * d)
        cdef float* x3 = <float*>malloc(sizeof(float) * n * wide)
        cdef float* sums = <float*>malloc(sizeof(float) * CHUNK * columns)
        cdef int32_t* edged = <int32_t*>malloc(sizeof(int32_t) * (n + 2))
        cdef int failed = -1
        if x1 and x2 and x3 and sums and edged:
            failed = 0
            edged[0] = edged[n + 1] = -1
            for row in range(n):
                edged[row + 1] = slots[row]
            memset(x1, 0, sizeof(float) * d)
            memset(x1 + (n + 1) * d, 0, sizeof(float) * d)
            for chunk in range(_chunks(n)):
                first = chunk * CHUNK
                size = min(n - first, CHUNK)
                k.window(&types[0, 0], self.type_width, edged + 1 + first, &bits[first], &self._bits[0, 0], size, d,
                         sums)
                for row in range(size):
                    k.maxout_norm(sums + row * 2 * d, 2 * d, 1, d, &self._bias1[0], self._norm1.gain,
                                  self._norm1.shift, &types[slots[first + row], 0], d, x1 + (first + row + 1) * d, d)
            for chunk in range(_chunks(n)):
                first = chunk * CHUNK
                size = min(n - first, CHUNK)
                # Rows of three tokens side by side: they begin a token apart and overlap.
                self._layer(x1 + first * d, d, size, self._conv2, sums)
                k.maxout_norm(sums, self._conv2.columns, size, d, self._conv2.bias, self._norm2.gain,
                              self._norm2.shift, x1 + (first + 1) * d, d, x2 + first * d, d)
            self._both_ways(x2, d, n, self._gru3f, self._gru3b, sums, x3)
            k.norm(x3, wide, n, wide, self._norm3.gain, self._norm3.shift, NULL, 0)
            self._both_ways(x3, wide, n, self._gru4f, self._gru4b, sums, out)
            k.norm(out, wide, n, wide, self._norm4.gain, self._norm4.shift, x3, wide)
        free(x1)
        free(x2)
        free(x3)
        free(sums)
        free(edged)
        return failed

    cdef void _both_ways(self, const float* x, long width, long n, _Layer ahead, _Layer back, float* gates,
                         float* out) noexcept nogil:
        cdef long h = self._hidden, chunk, first, size
        # The state lies behind the gates of a chunk: that buffer has room for twice as many.
        cdef float* state = gates + CHUNK * ahead.columns
        memset(state, 0, sizeof(float) * h)
        for chunk in range(_chunks(n)):
            first = chunk * CHUNK
            size = min(n - first, CHUNK)
            self._layer(x + first * width, width, size, ahead, gates)
            self._kernels.mingru(gates, ahead.columns, size, h, ahead.bias, 0, state, out + first * 2 * h, 2 * h)
        memset(state, 0, sizeof(float) * h)
        for chunk in range(_chunks(n) - 1, -1, -1):
            first = chunk * CHUNK
            size = min(n - first, CHUNK)
            self._layer(x + first * width, width, size, back, gates)
            self._kernels.mingru(gates, back.columns, size, h, back.bias, 1, state, out + first * 2 * h + h, 2 * h)

    def read(self, const float[:, ::1] types not None, const int32_t[::1] slots not None,
             const uint16_t[::1] bits not None, const int32_t[::1] begins=None):
        cdef long n = slots.shape[0]
        if begins is None:
            begins = np.array([0, n], np.int32)
        self._check(types, slots, bits, begins)
        reading = Reading(
            np.empty((n, N_TAGS), np.int32),
            np.empty((n, N_TAGS), np.float32),
            np.empty(n, np.float32),
            np.empty((n, self._n_arc), np.float32),
            np.empty((n, self._n_arc), np.float32),
            np.empty((n, self._n_label), np.float32),
            np.empty((n, self._n_label), np.float32),
            np.empty((n, self._n_entities), np.float32),
        )
        cdef int32_t[:, ::1] tags = reading.tags
        cdef float[:, ::1] shares = reading.shares, heads = reading.heads, deps = reading.deps
        cdef float[:, ::1] label_heads = reading.label_heads, label_deps = reading.label_deps
        cdef float[:, ::1] entities = reading.entities
        cdef float[::1] start = reading.start
        cdef float* e
        cdef float* sums
        cdef float* more
        cdef const salient_kernels* k = self._kernels
        cdef long chunk, first, size, row, at, wide = 2 * self._hidden, arc = self._n_arc, label = self._n_label
        cdef long more_columns = max(self._tags.columns, self._arcs.columns, self._ner.columns)
        cdef int failed = -1
        if not n:
            return reading
        with nogil:
            e = <float*>malloc(sizeof(float) * n * wide)
            sums = <float*>malloc(sizeof(float) * CHUNK * self._from_e.columns)
            more = <float*>malloc(sizeof(float) * CHUNK * more_columns)
            if e and sums and more:
                failed = self._encode_all(types, slots, bits, begins, e)
            if not failed:
                for chunk in range(_chunks(n)):
                    first = chunk * CHUNK
                    size = min(n - first, CHUNK)
                    self._layer(e + first * wide, wide, size, self._from_e, sums)
                    k.bias_leaky(sums, self._from_e.columns, size, self._from_e.n - 2 * label, self._from_e.bias,
                                 SLOPE)
                    at = self._from_e.n - 2 * label
                    k.bias_leaky(sums + at, self._from_e.columns, size, 2 * label, self._from_e.bias + at, 1)
                    _copied(sums + at, self._from_e.columns, size, label, &label_heads[first, 0])
                    _copied(sums + at + label, self._from_e.columns, size, label, &label_deps[first, 0])
                    self._layer(sums, self._from_e.columns, size, self._tags, more)
                    k.bias_leaky(more, self._tags.columns, size, self._tags.columns, self._tags.bias, 1)
                    for at in range(N_TAGS):
                        k.best(more, self._tags.columns, size, self._first[at], self._first[at + 1],
                               &tags[first, at], &shares[first, at], N_TAGS)
                    for row in range(size):
                        start[first + row] = more[row * self._tags.columns + self._first[N_TAGS]]
                    at = self._n_tags
                    _copied(sums + at, self._from_e.columns, size, arc, &heads[first, 0])
                    at += arc
                    self._layer(sums + at, self._from_e.columns, size, self._arcs, more)
                    k.bias_leaky(more, self._arcs.columns, size, arc, self._arcs.bias, 1)
                    _copied(more, self._arcs.columns, size, arc, &deps[first, 0])
                    at += arc
                    self._layer(sums + at, self._from_e.columns, size, self._ner, more)
                    k.bias_leaky(more, self._ner.columns, size, self._ner.columns, self._ner.bias, 1)
                    k.log_softmax(more, self._ner.columns, size, self._ner.columns)
                    _copied(more, self._ner.columns, size, self._n_entities, &entities[first, 0])
            free(e)
            free(sums)
            free(more)
        if failed:
            raise MemoryError
        return reading

    cdef void _layer(self, const float* x, long ldx, long m, _Layer layer, float* out) noexcept nogil:
        self._kernels.gemm_whole(x, ldx, m, layer.k, layer.packed, layer.zeros, layer.scales, layer.panels, out,
                                 layer.columns)

    def relations(self, reading, const int32_t[::1] heads not None):
        cdef const float[:, ::1] label_heads = reading.label_heads, label_deps = reading.label_deps
        cdef long n = heads.shape[0], chunk, first, size, row, at, label = self._n_label, columns = self._labels.columns
        if label_heads.shape[0] != n or label_heads.shape[1] != label:
            raise ValueError("heads and reading are not of the same tokens")
        if n and not 0 <= np.min(heads) <= np.max(heads) < n:
            raise IndexError("a head is no token")
        which, share = np.empty(n, np.int32), np.empty(n, np.float32)
        scratch = np.empty(CHUNK * (label + columns), np.float32)
        cdef int32_t[::1] w = which
        cdef float[::1] s = share
        cdef float[::1] hidden = scratch
        cdef float* out = &hidden[CHUNK * label]
        cdef const float* head
        cdef float each
        with nogil:
            for chunk in range(_chunks(n)):
                first = chunk * CHUNK
                size = min(n - first, CHUNK)
                for row in range(first, first + size):
                    head = &self._label_root[0] if heads[row] == row else &label_heads[heads[row], 0]
                    for at in range(label):
                        each = head[at] + label_deps[row, at]
                        hidden[(row - first) * label + at] = each if each > SLOPE * each else SLOPE * each
                self._layer(&hidden[0], label, size, self._labels, out)
                self._kernels.bias_leaky(out, columns, size, columns, self._labels.bias, 1)
                self._kernels.best(out, columns, size, 0, columns, &w[first], &s[first], 1)
        return which, share


_FROM_E = ("tags", "arc.head", "arc.dep", "ner.hidden", "label.head", "label.dep")


cdef _Layer _padded(w, name):
    """Outputs filled up to whole panels with what is never chosen."""
    weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    more = (PANEL - len(weight) % PANEL) % PANEL
    return _Layer(
        np.concatenate([weight, np.zeros((more, weight.shape[1]), np.float32)]),
        np.concatenate([bias, np.full(more, NEVER, np.float32)]),
    )


cdef _within(rows, _Table table):
    if rows.size and not 0 <= rows.min() <= rows.max() < table.rows.shape[0]:
        raise IndexError("a row is past its table")


cdef void _copied(const float* x, long ldx, long m, long width, float* out) noexcept nogil:
    cdef long row, at
    for row in range(m):
        for at in range(width):
            out[row * width + at] = x[row * ldx + at]
