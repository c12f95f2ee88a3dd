# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of decode.py. Read that first: it says what this must do."""

import numpy as np

from libc.math cimport exp, expf
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memcpy

from salient.kernels.decode import BUCKETS as _BUCKETS, FAR as _FAR

cdef extern from "gemm.h" nogil:
    ctypedef struct salient_kernels:
        void (*gemm)(const float*, long, long, long, const float*, long, float*, long) noexcept nogil
        void (*best)(const float*, long, long, long, long, int32_t*, float*, long) noexcept nogil
    void salient_pack(const float* w, long ldw, long n, long k, float* packed)
    const salient_kernels* salient_level(int level)

cdef enum:
    PANEL = 32
    LANES = 16
    FAR = 31
    MIDDLE = 32
    MOST_TYPES = 64

cdef float NEVER = -1e30

if (_FAR, _BUCKETS) != (FAR, 2 * MIDDLE):
    raise ImportError("decode.py and _decode.pyx are of different builds")

cdef const salient_kernels* _kernels = salient_level(0)
cdef int _level = 0
while salient_level(_level) != NULL:
    _kernels = salient_level(_level)
    _level += 1


cdef int _check(const int32_t[::1] bounds, long n) except -1:
    cdef long at, size = bounds.shape[0]
    cdef bint parted = size > 0 and bounds[0] == 0 and bounds[size - 1] == n
    for at in range(1, size):
        parted = parted and bounds[at - 1] < bounds[at]
    if not parted:
        raise ValueError("the bounds of sentences do not part the tokens")
    return 0


cdef bint _is_tree(const int32_t* heads, long n, int32_t* mark) noexcept nogil:
    """Whether one of the nodes 1..n hangs from 0, and all others from it."""
    cdef long start, at, roots = 0
    for at in range(1, n + 1):
        roots += heads[at] == 0
        mark[at] = 0
    if roots != 1:
        return False
    mark[0] = -1  # what is known to lead to the root
    for start in range(1, n + 1):
        at = start
        while mark[at] == 0:
            mark[at] = <int32_t>start
            at = heads[at]
        if mark[at] == start:
            return False
        at = start
        while mark[at] == start:
            mark[at] = -1
            at = heads[at]
    return True


cdef class _Tree:
    """Room to find a best tree of up to so many nodes, the root among them.

    Nodes that make a cycle become one, which keeps the place of the least of them. `arc[v, u]` is the
    score to hang v from u, `head_of` and `dep_of` the nodes that this arc is of.
    """

    cdef long size
    cdef object _held
    cdef double[:, ::1] arc
    cdef int32_t[:, ::1] head_of, dep_of, place
    cdef int32_t[::1] best, alive, now, mark, cycle, cycles, cycle_ends, cycle_heads, cycle_deps, entry

    def __init__(self, long size):
        self.size = size
        self.arc = np.empty((size, size), np.float64)
        self.head_of, self.dep_of = np.empty((size, size), np.int32), np.empty((size, size), np.int32)
        self.place = np.empty((size, size), np.int32)
        self.best, self.alive, self.now, self.mark, self.cycle, self.entry, self.cycle_ends = np.empty(
            (7, size + 1), np.int32
        )
        self.cycles, self.cycle_heads, self.cycle_deps = np.empty((3, 2 * size + 2), np.int32)

    cdef void find(self, const float* scores, long lds, long n, int32_t* heads) noexcept nogil:
        """Heads of tokens 1..n, heads[0] being of no use."""
        cdef long v, u, size = n + 1, n_merged = 0, n_cycle, at
        cdef double least = 0, most = 0, far, score
        for v in range(1, size):
            for u in range(size):
                if u != v:
                    score = scores[(v - 1) * lds + u]
                    least = min(least, score)
                    most = max(most, score)
        far = (most - least + 1) * size
        for v in range(size):
            self.alive[v] = v
            self.now[v] = v
            for u in range(size):
                self.head_of[v, u] = u
                self.dep_of[v, u] = v
                self.arc[v, u] = scores[(v - 1) * lds + u] - (0 if u else far) if v and u != v else 0
        for v in range(1, size):
            self._choose(v, size)
        self.cycle_ends[0] = 0
        while True:
            n_cycle = self._find_cycle(size)
            if not n_cycle:
                break
            self._merge(n_cycle, n_merged, size, n + 1)
            n_merged += 1
            size -= n_cycle - 1
        for at in range(1, size):
            v = self.alive[at]
            self.entry[v] = self.dep_of[v, self.best[v]]
            heads[self.entry[v]] = self.head_of[v, self.best[v]]
        for at in range(n_merged - 1, -1, -1):
            self._part(at, heads)

    cdef void _choose(self, long v, long size) noexcept nogil:
        cdef long at, u, best = -1
        for at in range(size):
            u = self.alive[at]
            if u != v and (best < 0 or self.arc[v, u] > self.arc[v, best]):
                best = u
        self.best[v] = <int32_t>best

    cdef long _find_cycle(self, long size) noexcept nogil:
        """The nodes of a cycle, the least first; how many they are, or 0."""
        cdef long at, start, n = 0
        for at in range(size):
            self.mark[self.alive[at]] = 0
        self.mark[0] = -1
        for at in range(1, size):
            start = self.alive[at]
            while self.mark[start] == 0:
                self.mark[start] = <int32_t>at
                start = self.best[start]
            if self.mark[start] == at:
                break
        else:
            return 0
        at = start
        while n == 0 or at != start:
            self.cycle[n] = <int32_t>at
            n += 1
            at = self.best[at]
        for at in range(1, n):
            if self.cycle[at] < self.cycle[0]:
                self.cycle[0], self.cycle[at] = self.cycle[at], self.cycle[0]
        return n

    cdef void _merge(self, long n_cycle, long number, long size, long n) noexcept nogil:
        cdef long at, each, u, v, whole = self.cycle[0], end = self.cycle_ends[number], kept = 0
        # What each node is part of, and the arcs of the cycle, for when it is taken apart.
        for at in range(n):
            self.place[number, at] = self.now[at]
        for at in range(n_cycle):
            v = self.cycle[at]
            self.cycles[end + at] = <int32_t>v
            self.cycle_heads[end + at] = self.head_of[v, self.best[v]]
            self.cycle_deps[end + at] = self.dep_of[v, self.best[v]]
            self.mark[v] = -2
        self.cycle_ends[number + 1] = <int32_t>(end + n_cycle)
        for at in range(n):
            if self.mark[self.now[at]] == -2:
                self.now[at] = <int32_t>whole
        for at in range(size):
            u = self.alive[at]
            if self.mark[u] == -2:
                if u == whole:
                    self.alive[kept] = <int32_t>u
                    kept += 1
                continue
            v = self._entry(u, n_cycle)
            self.arc[whole, u] = self.arc[v, u] - self.arc[v, self.best[v]]
            self.head_of[whole, u], self.dep_of[whole, u] = self.head_of[v, u], self.dep_of[v, u]
            if u:
                v = whole
                for each in range(1, n_cycle):
                    if self.arc[u, self.cycle[each]] > self.arc[u, v]:
                        v = self.cycle[each]
                self.arc[u, whole] = self.arc[u, v]
                self.head_of[u, whole], self.dep_of[u, whole] = self.head_of[u, v], self.dep_of[u, v]
                if self.mark[self.best[u]] == -2:
                    self.best[u] = <int32_t>whole
            self.alive[kept] = <int32_t>u
            kept += 1
        self._choose(whole, kept)

    cdef long _entry(self, long u, long n_cycle) noexcept nogil:
        """The node of the cycle that is best hung from u instead of from where it hangs."""
        cdef long each, v, best = self.cycle[0]
        for each in range(1, n_cycle):
            v = self.cycle[each]
            if self.arc[v, u] - self.arc[v, self.best[v]] > self.arc[best, u] - self.arc[best, self.best[best]]:
                best = v
        return best

    cdef void _part(self, long number, int32_t* heads) noexcept nogil:
        """Give the nodes of a cycle their heads: those of the cycle, but for the one that is entered."""
        cdef long at, v, first = self.cycle_ends[number], end = self.cycle_ends[number + 1]
        cdef int32_t entry = self.entry[self.cycles[first]]
        for at in range(first, end):
            v = self.cycles[at]
            if v == self.place[number, entry]:
                self.entry[v] = entry
            else:
                self.entry[v] = self.cycle_deps[at]
                heads[self.cycle_deps[at]] = self.cycle_heads[at]


def spanning_tree(const float[:, ::1] scores not None):
    cdef long n = scores.shape[0]
    if scores.shape[1] != n + 1:
        raise ValueError("scores are not of every token to the root and to every token")
    out = np.zeros(n + 1, np.int32)
    cdef int32_t[::1] heads = out
    cdef _Tree room = _Tree(n + 1)
    if n:
        with nogil:
            _greedy(&scores[0, 0], n + 1, n, &heads[0])
            if not _is_tree(&heads[0], n, &room.mark[0]):
                room.find(&scores[0, 0], n + 1, n, &heads[0])
    return out[1:]


cdef void _greedy(const float* scores, long lds, long n, int32_t* heads) noexcept nogil:
    cdef long v, u, best
    for v in range(1, n + 1):
        best = 0
        for u in range(1, n + 1):
            if u != v and scores[(v - 1) * lds + u] > scores[(v - 1) * lds + best]:
                best = u
        heads[v] = <int32_t>best


def trees(
    const float[:, ::1] heads not None,
    const float[:, ::1] deps not None,
    const float[::1] root not None,
    const float[::1] distance not None,
    const int32_t[::1] bounds not None,
):
    cdef long n = heads.shape[0], width = heads.shape[1], n_sentences = bounds.shape[0] - 1
    cdef long sentence, first, size, longest = 0, columns, row
    if deps.shape[0] != n or deps.shape[1] != width or root.shape[0] != width or distance.shape[0] != 2 * MIDDLE:
        raise ValueError("the scores are not of the same tokens")
    _check(bounds, n)
    for sentence in range(n_sentences):
        longest = max(longest, bounds[sentence + 1] - bounds[sentence])
    found, shares = np.empty(n, np.int32), np.empty(n, np.float32)
    columns = (longest + 1 + PANEL - 1) // PANEL * PANEL
    sides = np.empty((longest + 1, width), np.float32)
    packed = np.empty(columns * width, np.float32)
    table = np.empty((longest, columns), np.float32)
    picked, marks = np.empty((2, longest + 1), np.int32)
    shared, highest = np.empty((2, longest + 1), np.float32)
    cdef int32_t[::1] f = found, tree = picked, mark = marks
    cdef float[::1] s = shares, p = packed, share = shared, high = highest
    cdef float[:, ::1] side = sides, scores = table
    cdef _Tree room = None
    if not n:
        return found, shares
    memcpy(&side[0, 0], &root[0], sizeof(float) * width)
    for sentence in range(n_sentences):
        first, size = bounds[sentence], bounds[sentence + 1] - bounds[sentence]
        with nogil:
            columns = (size + 1 + PANEL - 1) // PANEL * PANEL
            memcpy(&side[1, 0], &heads[first, 0], sizeof(float) * size * width)
            salient_pack(&side[0, 0], width, size + 1, width, &p[0])
            _kernels.gemm(&deps[first, 0], width, size, width, &p[0], columns // PANEL, &scores[0, 0], columns)
            _finish(&scores[0, 0], columns, size, &distance[0])
            _kernels.best(&scores[0, 0], columns, size, 0, columns, &tree[1], &share[1], 1)
        if not _is_tree(&tree[0], size, &mark[0]):
            if room is None or room.size < size + 1:
                room = _Tree(longest + 1)
            with nogil:
                for row in range(size):
                    high[row] = (&scores[0, 0])[row * columns + tree[row + 1]]
                room.find(&scores[0, 0], columns, size, &tree[0])
                for row in range(size):
                    share[row + 1] *= expf((&scores[0, 0])[row * columns + tree[row + 1]] - high[row])
        for row in range(size):
            f[first + row] = <int32_t>(first + (tree[row + 1] - 1 if tree[row + 1] else row))
            s[first + row] = share[row + 1]
    return found, shares


cdef void _finish(float* scores, long columns, long n, const float* distance) noexcept nogil:
    """Add the distances, and see to it that no token hangs from itself or from what fills the row up."""
    cdef long row, head
    for row in range(n):
        scores[0] += distance[0]
        for head in range(n):
            scores[head + 1] += distance[min(max(head - row, -FAR), FAR) + MIDDLE]
        scores[row + 1] = NEVER
        for head in range(n + 1, columns):
            scores[head] = NEVER
        scores += columns


def entity_spans(const float[:, ::1] log_probs not None, const int32_t[::1] bounds not None):
    cdef long n = log_probs.shape[0], n_tags = log_probs.shape[1], n_types = n_tags // 4, sentence, longest = 0
    cdef long found = 0
    if n_tags % 4 != 1 or n_types > MOST_TYPES:
        raise ValueError(f"{n_tags} tags are not one, and four of each type")
    _check(bounds, n)
    for sentence in range(bounds.shape[0] - 1):
        longest = max(longest, bounds[sentence + 1] - bounds[sentence])
    rows, scores = np.empty((n, 3), np.int32), np.empty(n, np.float32)
    states, paths = np.empty(longest, np.int32), np.empty(longest, np.int32)
    inner = np.empty(longest, np.uint64)
    cdef int32_t[:, ::1] r = rows
    cdef float[::1] s = scores
    cdef int32_t[::1] free_from = states, path = paths
    cdef uint64_t[::1] from_inside = inner
    with nogil:
        for sentence in range(bounds.shape[0] - 1):
            _viterbi(&log_probs[bounds[sentence], 0], bounds[sentence + 1] - bounds[sentence], n_types,
                     &free_from[0], &from_inside[0], &path[0])
            found = _spans(log_probs, bounds[sentence], bounds[sentence + 1], &path[0], r, s, found)
    return rows[:found].copy(), scores[:found].copy()


cdef void _viterbi(
    const float* x, long n, long n_types, int32_t* free_from, uint64_t* from_inside, int32_t* path
) noexcept nogil:
    """Only two things can come before a tag: the best tag that ends something, or the begin or the inside
    of its own type. `free_from[i]` is the former, at i; bit t of `from_inside[i]` says which of the latter.
    """
    cdef double begin[MOST_TYPES]
    cdef double inside[MOST_TYPES]
    cdef double best = 0, free_ = 0, before, goes_on
    cdef long row, kind, n_tags = 4 * n_types + 1
    cdef int32_t at, which
    for row in range(n):
        free_ = best + x[0]
        which = 0
        from_inside[row] = 0
        for kind in range(n_types):
            at = <int32_t>(4 * kind + 1)
            before = best + x[at]
            if best + x[at + 3] > free_:
                free_, which = best + x[at + 3], at + 3
            if row:
                goes_on = begin[kind]
                if inside[kind] > goes_on:
                    goes_on = inside[kind]
                    from_inside[row] |= <uint64_t>1 << kind
                if goes_on + x[at + 2] > free_:
                    free_, which = goes_on + x[at + 2], at + 2
                inside[kind] = goes_on + x[at + 1]
            else:
                inside[kind] = NEVER
            begin[kind] = before
        free_from[row] = which
        best = free_
        x += n_tags
    at = free_from[n - 1]
    for row in range(n - 1, -1, -1):
        path[row] = at
        if row == 0:
            break
        if at and (at - 1) % 4 in (1, 2):
            kind = (at - 1) // 4
            at = <int32_t>(4 * kind + 1 + (from_inside[row] >> kind & 1))
        else:
            at = free_from[row - 1]


cdef long _spans(
    const float[:, ::1] log_probs, long first, long end, const int32_t* path, int32_t[:, ::1] rows, float[::1] scores,
    long found
) noexcept nogil:
    cdef long row, begin = first, at
    cdef int part
    cdef double total
    for row in range(first, end):
        if path[row - first] == 0:
            continue
        part = (path[row - first] - 1) % 4
        if part == 0 or part == 3:
            begin = row
        if part == 2 or part == 3:
            total = 0
            for at in range(begin, row + 1):
                total += exp(log_probs[at, path[at - first]])
            rows[found, 0], rows[found, 1] = <int32_t>begin, <int32_t>(row + 1)
            rows[found, 2] = (path[row - first] - 1) // 4
            scores[found] = <float>(total / (row + 1 - begin))
            found += 1
    return found
