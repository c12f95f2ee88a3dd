from libc.stdint cimport int64_t, uint8_t, uint32_t


cdef class Texts:
    cdef readonly int64_t n
    cdef object _held, _table
    cdef const uint8_t** _starts
    cdef int64_t* _sizes
    cdef bint _ascii

    cdef _room(self)
    cdef const uint8_t* at(self, int64_t i) noexcept nogil
    cdef int64_t size(self, int64_t i) noexcept nogil
    cdef tell(self, const uint32_t** classes, const uint32_t** expansions)
