# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of sentences.py. Read that first: it says what this must do."""

import numpy as np

from cpython.dict cimport PyDict_GetItem
from cpython.list cimport PyList_Append
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memset

from salient.kernels._texts cimport Texts
from salient.kernels.sentences import LONGEST as _LONGEST

cdef extern from "terms.h" nogil:
    ctypedef struct salient_term:
        uint64_t hash
        int64_t start, end, at, size
    ctypedef struct salient_terms:
        const uint32_t* table
        const uint32_t* expansions
        uint8_t* folded
        salient_term* terms
        int64_t n
    int salient_cut(salient_terms* s, const uint8_t* text, int64_t n)
    void salient_terms_freed(salient_terms* s)

cdef extern from "Python.h":
    object PyUnicode_DecodeUTF8(const char* s, Py_ssize_t size, const char* errors)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef int64_t LONGEST = _LONGEST

# Words met lately, by the low bits of their hash: most are met again, and one string a word spares making
# another, and lets dictionaries find it by what they have reckoned already.
DEF SLOTS = 65536
cdef list WORDS = [None] * SLOTS
cdef uint64_t[SLOTS] HASHES


cdef inline bint ends(const uint8_t* gap, int64_t n) noexcept nogil:
    """Whether a sentence ends between two terms."""
    cdef int64_t i
    cdef uint8_t c, d, e
    for i in range(n):
        c = gap[i]
        if c == 10 or c == 13 or c == 9:
            return True
        if i + 1 == n:
            return False
        d = gap[i + 1]
        if c == 46 or c == 33 or c == 63:
            if d == 32 or d == 11 or d == 12:
                return True
        elif c >= 0xc2:
            if c == 0xc2 and d == 0x85:
                return True
            if i + 2 < n:
                e = gap[i + 2]
                if (c == 0xe2 and d == 0x80 and (e == 0xa8 or e == 0xa9)) or (c == 0xe3 and d == 0x80 and e == 0x82) \
                        or (c == 0xef and d == 0xbc and (e == 0x81 or e == 0x9f)):
                    return True
    return False


cdef inline object word_of(const uint8_t* folded, int64_t size, uint64_t hash):
    cdef uint64_t slot = hash & (SLOTS - 1)
    cdef Py_ssize_t length = 0
    cdef const char* there
    cdef object word
    if HASHES[slot] == hash:
        word = WORDS[slot]
        if word is not None:
            there = PyUnicode_AsUTF8AndSize(word, &length)
            if length == size and memcmp(there, folded, size) == 0:
                return word
    word = PyUnicode_DecodeUTF8(<const char*>folded, size, NULL)
    WORDS[slot] = word
    HASHES[slot] = hash
    return word


def term_sentences(text):
    cdef Texts held = Texts([text])
    cdef salient_terms s
    memset(&s, 0, sizeof(s))
    held.tell(&s.table, &s.expansions)
    cdef const uint8_t* data = held.at(0)
    cdef int failed
    with nogil:
        failed = salient_cut(&s, data, held.size(0))
    cdef list found = [], sentence = []
    cdef bint begins = True
    cdef int64_t i, last = 0
    cdef salient_term* term
    try:
        if failed:
            raise MemoryError
        for i in range(s.n):
            term = &s.terms[i]
            begins = begins or ends(data + last, term.start - last)
            last = term.end
            if term.size > LONGEST:
                continue
            if begins:
                sentence = []
                found.append(sentence)
            PyList_Append(sentence, word_of(s.folded + term.at, term.size, term.hash))
            begins = False
    finally:
        salient_terms_freed(&s)
    return found


def term_numbers(sentences, dict numbers):
    cdef int32_t* made = NULL
    cdef int32_t* more
    cdef int64_t n = 0, room = 0, before, wanted
    cdef PyObject* number
    try:
        for sentence in sentences:
            if not isinstance(sentence, (list, tuple)):
                sentence = list(sentence)
            wanted = n + len(sentence) + 1
            if wanted > room:
                more = <int32_t*>realloc(made, (wanted + wanted // 2 + 1024) * sizeof(int32_t))
                if more == NULL:
                    raise MemoryError
                made, room = more, wanted + wanted // 2 + 1024
            before = n
            for word in sentence:
                number = PyDict_GetItem(numbers, word)
                if number != NULL:
                    made[n] = <object>number
                    n += 1
            if n > before:
                made[n] = -1
                n += 1
        out = np.empty(n, np.int32)
        if n:
            out[:] = <int32_t[:n]>made
    finally:
        free(made)
    return out
