# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of candidates.py. Read that first: it says what this must do."""

import numpy as np

from libc.math cimport exp, log, log1p, log2, pow, sqrt
from libc.stdint cimport int32_t, uint8_t, uint64_t

cdef enum:
    LONGEST = 5
    MOST_GROUPS = 5

cdef enum:
    BRIEF = 1
    VAGUE = 2
    TELLING = 4
    VERBAL = 8
    HYPHEN = 16

cdef enum:
    A = 0x41
    D = 0x44
    G = 0x47
    H = 0x48
    N = 0x4E
    P = 0x50

cdef double ENOUGH_WORDS = 3
cdef double INSIDE = 0.1
cdef double OFTEN = 1.5
cdef double LATE = 1.5
cdef double VAGUE_FIRST = 0.5
cdef double VERBAL_FIRST = 0.7
cdef double IN_HEADING = 1.5

cdef uint64_t PRIME = 0x9E3779B97F4A7C15


cdef inline bint _begins(uint8_t letter) noexcept nogil:
    return letter == A or letter == N or letter == P or letter == G


cdef inline bint _nominal(uint8_t letter) noexcept nogil:
    return letter == N or letter == P


cdef Py_ssize_t _tail(const uint8_t* letters, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Where a phrase ends whose last word is at `at`; -1 if that cannot be one."""
    if at >= end:
        return -1
    if _nominal(letters[at]):
        at += 1
        while at + 1 < end and letters[at] == H and _nominal(letters[at + 1]):
            at += 2
        return at
    if letters[at] == G and at and (_nominal(letters[at - 1]) or letters[at - 1] == A):
        return at + 1
    return -1


cdef Py_ssize_t _phrase(const uint8_t* letters, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Where the longest phrase ends that begins at `at`; -1 if none does.

    What a hyphen joins is taken whole: a shorter part is followed by a hyphen, which no phrase begins with.
    """
    cdef Py_ssize_t[MOST_GROUPS + 1] begins
    cdef Py_ssize_t stop
    cdef int n = 0
    begins[0] = at
    while n < MOST_GROUPS and at < end and _begins(letters[at]):
        at += 1
        while at + 1 < end and letters[at] == H and (_begins(letters[at + 1]) or letters[at + 1] == D):
            at += 2
        n += 1
        begins[n] = at
    while n >= 0:
        stop = _tail(letters, begins[n], end)
        if stop >= 0:
            return stop
        n -= 1
    return -1


cdef struct Tokens:
    const uint8_t* letters
    const int32_t* words
    const int32_t* lasts
    const uint8_t* traits


cdef struct Found:
    int32_t* rows       # (room, 5)
    int32_t* table      # hashed: numbers of phrases, or -1
    Py_ssize_t mask
    Py_ssize_t n


cdef inline int32_t _word(const Tokens* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    return t.lasts[at] if at == end - 1 else t.words[at]


cdef inline bint _same(const Tokens* t, Py_ssize_t i, Py_ssize_t j, const int32_t* row) noexcept nogil:
    cdef Py_ssize_t at
    if row[1] - row[0] != j - i:
        return False
    for at in range(j - i):
        if _word(t, i + at, j) != _word(t, row[0] + at, row[1]):
            return False
    return True


cdef void _count(
    const Tokens* t, Found* found, uint64_t hashed, Py_ssize_t i, Py_ssize_t j, bint inside, bint heading
) noexcept nogil:
    cdef Py_ssize_t place
    cdef int32_t* row
    hashed = (hashed ^ <uint64_t>t.lasts[j - 1]) * PRIME
    place = (hashed ^ (hashed >> 32)) & found.mask
    while found.table[place] >= 0 and not _same(t, i, j, found.rows + 5 * found.table[place]):
        place = (place + 1) & found.mask
    if found.table[place] < 0:
        found.table[place] = <int32_t>found.n
        row = found.rows + 5 * found.n
        row[0], row[1], row[2], row[3], row[4] = <int32_t>i, <int32_t>j, 0, 0, 0
        found.n += 1
    row = found.rows + 5 * found.table[place]
    row[2] += 1
    row[3] += inside
    row[4] |= heading


cdef Py_ssize_t _parts(
    const Tokens* t, Py_ssize_t first, Py_ssize_t last, bint heading, Found* found
) noexcept nogil:
    """Count the parts of a phrase that could stand alone; with `found`, keep them."""
    cdef const uint8_t* letters = t.letters
    cdef Py_ssize_t i, j, n = 0, told
    cdef uint64_t hashed
    cdef bint telling
    for i in range(first, last):
        if letters[i] == H or (i > first and letters[i - 1] == H):
            continue
        if t.traits[t.words[i]] & BRIEF and t.traits[t.lasts[i]] & BRIEF:
            continue
        hashed, told, telling = 0, 0, False
        for j in range(i + 1, last + 1):
            if j > i + 1:
                hashed = (hashed ^ <uint64_t>t.words[j - 2]) * PRIME
                hashed ^= hashed >> 29
                telling = telling or t.traits[t.words[j - 2]] & TELLING
            told += letters[j - 1] != H
            if told > LONGEST:
                break
            if letters[j - 1] == A or letters[j - 1] == D or letters[j - 1] == H:
                continue
            if j < last and letters[j] == H:
                continue
            if letters[j - 1] == G and (j < last or j - i == 1):
                continue
            if t.traits[_word(t, i, j)] & BRIEF or not (telling or t.traits[t.lasts[j - 1]] & TELLING):
                continue
            n += 1
            if found != NULL:
                _count(t, found, hashed, i, j, i != first or j != last, heading)
    return n


cdef Py_ssize_t _walk(const Tokens* t, const int32_t[:, :] units, Found* found) noexcept nogil:
    cdef Py_ssize_t unit, at, stop, end, n = 0
    for unit in range(units.shape[0]):
        at, end = units[unit, 0], units[unit, 1]
        while at < end:
            stop = _phrase(t.letters, at, end)
            if stop < 0:
                at += 1
            else:
                n += _parts(t, at, stop, units[unit, 2] != 0, found)
                at = stop
    return n


cdef int _check(
    const int32_t[::1] words, const int32_t[::1] lasts, const uint8_t[::1] traits
) except -1:
    cdef Py_ssize_t at, n = words.shape[0], n_words = traits.shape[0]
    if n != lasts.shape[0]:
        raise ValueError("the columns of tokens are not of one length")
    for at in range(n):
        if not (0 <= words[at] < n_words and 0 <= lasts[at] < n_words):
            raise ValueError("a word has no traits")
    return 0


def noun_phrases(
    const uint8_t[::1] letters not None,
    const int32_t[::1] words not None,
    const int32_t[::1] lasts not None,
    const uint8_t[::1] traits not None,
    const int32_t[:, :] units not None,
):
    cdef Py_ssize_t n = words.shape[0], at, size = 16
    cdef Tokens t
    cdef Found found
    if n != letters.shape[0]:
        raise ValueError("the columns of tokens are not of one length")
    _check(words, lasts, traits)
    if units.shape[1] != 3:
        raise ValueError("a unit's rows do not lie among the tokens")
    for at in range(units.shape[0]):
        if not 0 <= units[at, 0] <= units[at, 1] <= n:
            raise ValueError("a unit's rows do not lie among the tokens")
    if not n:
        return np.zeros((0, 5), np.int32)
    t.letters, t.words, t.lasts, t.traits = &letters[0], &words[0], &lasts[0], &traits[0]
    with nogil:
        at = _walk(&t, units, NULL)
    while size < 2 * at:
        size *= 2
    out = np.empty((at + 1, 5), np.int32)
    cdef int32_t[:, ::1] rows = out
    cdef int32_t[::1] table = np.full(size, -1, np.int32)
    found.rows, found.table, found.mask, found.n = &rows[0, 0], &table[0], size - 1, 0
    with nogil:
        _walk(&t, units, &found)
    return out[:found.n].copy()


def phrase_worth(
    const int32_t[:, ::1] phrases not None,
    const int32_t[::1] words not None,
    const int32_t[::1] lasts not None,
    const uint8_t[::1] traits not None,
    long n_tokens,
):
    cdef Py_ssize_t n = phrases.shape[0], row
    _check(words, lasts, traits)
    for row in range(n):
        if not 0 <= phrases[row, 0] < phrases[row, 1] <= words.shape[0] or phrases[row, 2] < 1:
            raise ValueError("a phrase does not lie among the tokens")
    out = np.empty(n, np.float64)
    if not n:
        return out
    cdef double[::1] worth = out
    cdef double[::1] company = np.zeros(traits.shape[0], np.float64)
    cdef int32_t[::1] seen = np.full(traits.shape[0], -1, np.int32)
    cdef Tokens t
    t.letters, t.words, t.lasts, t.traits = NULL, &words[0], &lasts[0], &traits[0]
    with nogil:
        for row in range(n):
            _add(&t, &phrases[row, 0], <int32_t>row, &seen[0], &company[0])
        for row in range(company.shape[0]):
            if company[row] > 0:
                company[row] = log(company[row])
        for row in range(n):
            worth[row] = _worth(&t, &phrases[row, 0], &company[0], n_tokens)
    return out


cdef void _add(
    const Tokens* t, const int32_t* phrase, int32_t number, int32_t* seen, double* frequency
) noexcept nogil:
    """Add a phrase's count to each of its words, once."""
    cdef Py_ssize_t at
    cdef int32_t word
    for at in range(phrase[0], phrase[1]):
        word = _word(t, at, phrase[1])
        if seen[word] != number:
            seen[word] = number
            frequency[word] += phrase[2]


cdef double _worth(const Tokens* t, const int32_t* phrase, const double* company, long n_tokens) noexcept nogil:
    cdef Py_ssize_t at, n = 0
    cdef int32_t word, first = -1
    cdef double together = 0, worth
    for at in range(phrase[0], phrase[1]):
        word = _word(t, at, phrase[1])
        if not t.traits[word] & HYPHEN:
            first = word if first < 0 else first
            together += company[word]
            n += 1
    if first < 0:
        return 0
    together /= n
    worth = (
        log2(min(<double>n, ENOUGH_WORDS) + 1)
        * pow(log1p(phrase[2] - phrase[3] + INSIDE * phrase[3]), OFTEN)
        * (LATE - log1p(phrase[0]) / log1p(max(n_tokens, 2)))
        * sqrt(log1p(exp(together)))
    )
    if t.traits[first] & VAGUE:
        worth *= VAGUE_FIRST
    if t.traits[first] & VERBAL:
        worth *= VERBAL_FIRST
    return worth * IN_HEADING if phrase[4] else worth
