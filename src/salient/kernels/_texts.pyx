# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Texts as pointers to UTF-8, for kernels that go through many without the GIL.

Strings of ASCII and bytes are read where they lie, and so are Arrow's; other strings are encoded first. It has
no definition beside it: what it does is `terms.bytes_of`, without the copies.
"""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DATA
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc

from salient.kernels.terms import table

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)


cdef class Texts:
    def __cinit__(self, texts):
        cdef int64_t i
        cdef object text
        cdef const uint8_t[::1] data
        cdef const int64_t[::1] offsets
        self._ascii = True
        if isinstance(texts, tuple):
            data, offsets = texts
            self.n = offsets.shape[0] - 1
            if self.n < 0 or offsets[0] < 0 or offsets[self.n] > data.shape[0] or np.any(np.diff(texts[1]) < 0):
                raise ValueError("the offsets are not those of texts in the bytes")
            self._room()
            for i in range(self.n):
                self._starts[i] = &data[0] + offsets[i] if data.shape[0] else NULL
                self._sizes[i] = offsets[i + 1] - offsets[i]
            self._held, self._ascii = texts, False
            return
        held = list(texts)
        self.n = len(held)
        self._room()
        for i in range(self.n):
            text = held[i]
            if isinstance(text, str):
                if PyUnicode_IS_ASCII(text):
                    self._starts[i] = <const uint8_t*>PyUnicode_DATA(text)
                    self._sizes[i] = len(text)
                    continue
                text = held[i] = text.encode("utf-8", "surrogatepass")
            elif not isinstance(text, bytes):
                raise TypeError(f"text {i} is {type(text).__name__}: str or bytes can be")
            self._ascii = False
            self._starts[i] = <const uint8_t*>PyBytes_AS_STRING(text)
            self._sizes[i] = PyBytes_GET_SIZE(text)
        self._held = held

    cdef _room(self):
        self._starts = <const uint8_t**>malloc((self.n + 1) * sizeof(uint8_t*))
        self._sizes = <int64_t*>malloc((self.n + 1) * sizeof(int64_t))
        if self._starts == NULL or self._sizes == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._starts)
        free(self._sizes)

    cdef const uint8_t* at(self, int64_t i) noexcept nogil:
        return self._starts[i]

    cdef int64_t size(self, int64_t i) noexcept nogil:
        return self._sizes[i]

    cdef tell(self, const uint32_t** classes, const uint32_t** expansions):
        """Point at the table of code points, which is made when it is first needed."""
        cdef const uint32_t[::1] told
        cdef const uint32_t[:, ::1] longer
        if self._ascii:
            return
        self._table = table()
        told, longer = self._table
        classes[0], expansions[0] = &told[0], &longer[0, 0]
