# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled twin of columns.py. Read that first: it says what this must do.

`Statement` has no twin there: it runs a query of an open sqlite3.Connection and steps through its
rows without making objects of them. It sees what the connection sees: its transaction, its temporary
views, its authorizer. Everything is called in the library that Python's module is linked with, by name;
where that cannot be found (`sqlite_is_shared`), rows are read through Python. A second copy of SQLite
in the process, as other libraries bring, must not open the same file: closing it there drops the locks
that this one holds. A connection's handle is had by SQLite telling of each that is opened
(`sqlite3_auto_extension`).
"""

import ctypes

import secrets
import sqlite3

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.dict cimport PyDict_SetItem
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.errno cimport ERANGE, errno
from libc.stdint cimport int64_t, int32_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc, strtod, strtoll
from libc.string cimport memcpy, memset

from salient.storage.sql.columns import AUTO as _AUTO, MOST_BYTES as _MOST

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    object PyUnicode_DecodeUTF8(const char* text, Py_ssize_t size, const char* errors)
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1

cdef enum:
    AUTO = 0
    INT = 1
    FLOAT = 2
    TEXT = 3
    BINARY = 4
    NUMBER = 5

cdef enum:
    FINE = 0
    OTHER_KIND = 1
    TOO_LARGE = 2
    NO_MEMORY = 3
    NO_COPY = 4

cdef Py_ssize_t MOST = _MOST


cdef struct Col:
    int kind
    int wire
    bint open           # turned INT by itself, and was not taken yet
    Py_ssize_t n
    Py_ssize_t nulls
    Py_ssize_t room     # rows there is memory for
    unsigned char* bits
    int32_t* ends
    char* body
    Py_ssize_t size
    Py_ssize_t most     # bytes there is memory for


cdef int _room(Col* c) noexcept nogil:
    """Make room for one more row."""
    cdef Py_ssize_t more = c.room * 2 if c.room else 1024
    cdef void* found
    if c.n < c.room:
        return FINE
    found = realloc(c.bits, (more + 7) // 8)
    if found == NULL:
        return NO_MEMORY
    c.bits = <unsigned char*>found
    memset(c.bits + (c.room + 7) // 8, 0, (more + 7) // 8 - (c.room + 7) // 8)
    found = realloc(c.ends, (more + 1) * sizeof(int32_t))
    if found == NULL:
        return NO_MEMORY
    c.ends = <int32_t*>found
    c.ends[0] = 0
    c.room = more
    return FINE


cdef int _body(Col* c, Py_ssize_t more) noexcept nogil:
    """Make room for more bytes of values."""
    cdef Py_ssize_t wanted = c.size + more
    cdef void* found
    if wanted <= c.most:
        return FINE
    if wanted > MOST:
        return TOO_LARGE
    wanted = max(2 * c.most, wanted, 8192)
    found = realloc(c.body, wanted)
    if found == NULL:
        return NO_MEMORY
    c.body = <char*>found
    c.most = wanted
    return FINE


cdef int _put_null(Col* c) noexcept nogil:
    cdef int wrong = _room(c)
    if wrong:
        return wrong
    if c.kind == INT or c.kind == FLOAT or c.kind == NUMBER:
        wrong = _body(c, 8)
        if wrong:
            return wrong
        memset(c.body + c.size, 0, 8)
        c.size += 8
    else:
        c.ends[c.n + 1] = <int32_t>c.size
    c.n += 1
    c.nulls += 1
    return FINE


cdef int _settle(Col* c, int kind) noexcept nogil:
    """The first value of a column says what it holds; what was before are NULLs."""
    cdef int wrong
    c.kind = kind
    c.open = kind == INT
    if kind == INT or kind == FLOAT:
        c.size = 0
        wrong = _body(c, 8 * c.n)
        if wrong:
            return wrong
        memset(c.body, 0, 8 * c.n)
        c.size = 8 * c.n
    return FINE


cdef int _to_float(Col* c) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t whole
    cdef double real
    for i in range(c.n):
        memcpy(&whole, c.body + 8 * i, 8)
        real = <double>whole
        memcpy(c.body + 8 * i, &real, 8)
    c.kind = FLOAT
    c.open = False
    return FINE


cdef int _put_8(Col* c, const void* value) noexcept nogil:
    cdef int wrong = _room(c) or _body(c, 8)
    if wrong:
        return wrong
    memcpy(c.body + c.size, value, 8)
    c.size += 8
    c.bits[c.n >> 3] |= 1 << (c.n & 7)
    c.n += 1
    return FINE


cdef int _put_int(Col* c, int64_t value) noexcept nogil:
    cdef double real
    cdef int wrong
    if c.kind == AUTO or c.kind == NUMBER:
        wrong = _settle(c, INT)
        if wrong:
            return wrong
    if c.kind == INT:
        return _put_8(c, &value)
    if c.kind == FLOAT:
        real = <double>value
        return _put_8(c, &real)
    return OTHER_KIND


cdef int _put_float(Col* c, double value) noexcept nogil:
    cdef int wrong
    if c.kind == AUTO or c.kind == NUMBER:
        wrong = _settle(c, FLOAT)
        if wrong:
            return wrong
    elif c.kind == INT and c.open:
        _to_float(c)
    if c.kind == FLOAT:
        return _put_8(c, &value)
    return OTHER_KIND


cdef int _put_bytes(Col* c, int kind, const char* value, Py_ssize_t size) noexcept nogil:
    cdef int wrong
    if c.kind == AUTO:
        c.kind = kind
    if c.kind != kind:
        return OTHER_KIND
    wrong = _room(c) or _body(c, size)
    if wrong:
        return wrong
    if size:
        memcpy(c.body + c.size, value, size)
    c.size += size
    c.ends[c.n + 1] = <int32_t>c.size
    c.bits[c.n >> 3] |= 1 << (c.n & 7)
    c.n += 1
    return FINE


cdef inline uint32_t _u32(const unsigned char* p) noexcept nogil:
    return (<uint32_t>p[0] << 24) | (<uint32_t>p[1] << 16) | (<uint32_t>p[2] << 8) | p[3]


cdef inline uint64_t _u64(const unsigned char* p) noexcept nogil:
    return (<uint64_t>_u32(p) << 32) | _u32(p + 4)


cdef inline int int16_of(const unsigned char* p) noexcept nogil:
    return <int>(<short>((<uint16_t>p[0] << 8) | p[1]))


cdef int _put_field(Col* c, const unsigned char* p, Py_ssize_t size) noexcept nogil:
    """A value as Postgres sends it."""
    cdef uint64_t raw
    cdef uint32_t half
    cdef double real
    cdef float small
    cdef char text[64]
    cdef char* end
    cdef bint whole = True
    cdef long long exact
    cdef Py_ssize_t i
    if c.wire == INT:
        if size == 8:
            return _put_int(c, <int64_t>_u64(p))
        if size == 4:
            return _put_int(c, <int32_t>_u32(p))
        if size == 2:
            return _put_int(c, int16_of(p))
        return NO_COPY
    if c.wire == FLOAT:
        if size == 8:
            raw = _u64(p)
            memcpy(&real, &raw, 8)
            return _put_float(c, real)
        if size == 4:
            half = _u32(p)
            memcpy(&small, &half, 4)
            return _put_float(c, small)
        return NO_COPY
    if c.wire == NUMBER:
        for i in range(size):
            whole = whole and (48 <= p[i] <= 57 or (i == 0 and p[i] == 45))
        if whole and size > 20:
            return TOO_LARGE
        # Digits beyond these do not change a double.
        if size > 63:
            size = 63
        memcpy(text, p, size)
        text[size] = 0
        if whole:
            errno = 0
            exact = strtoll(text, &end, 10)
            return TOO_LARGE if errno == ERANGE else _put_int(c, exact)
        return _put_float(c, strtod(text, &end))
    return _put_bytes(c, BINARY if c.wire == BINARY else TEXT, <const char*>p, size)


cdef class Columns:
    """See columns.py."""

    cdef Col* _cols
    cdef Py_ssize_t _width
    cdef bint _started

    def __cinit__(self, kinds):
        cdef Py_ssize_t i
        self._width = len(kinds)
        self._cols = <Col*>PyMem_Malloc(max(1, self._width) * sizeof(Col))
        if self._cols == NULL:
            raise MemoryError
        memset(self._cols, 0, max(1, self._width) * sizeof(Col))
        for i in range(self._width):
            self._cols[i].kind = self._cols[i].wire = kinds[i]

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self._cols != NULL:
            for i in range(self._width):
                free(self._cols[i].bits)
                free(self._cols[i].ends)
                free(self._cols[i].body)
            PyMem_Free(self._cols)

    @property
    def kinds(self):
        return [self._cols[i].kind for i in range(self._width)]

    @property
    def rows(self):
        return self._cols[0].n if self._width else 0

    @property
    def size_bytes(self):
        cdef Py_ssize_t i, total = 0
        for i in range(self._width):
            total += self._cols[i].size
        return total

    def fix(self, Py_ssize_t column, int kind):
        cdef Col* c = &self._cols[column]
        if c.kind == AUTO or c.kind == NUMBER:
            self._raise(_settle(c, kind))
        c.kind = kind
        c.open = False

    def add(self, rows):
        cdef Py_ssize_t i, size
        cdef const char* text
        cdef int wrong, over
        cdef long long whole
        cdef Col* c
        for row in rows:
            if len(row) != self._width:
                raise ValueError("a row has another number of columns")
            for i in range(self._width):
                value = row[i]
                c = &self._cols[i]
                if value is None:
                    wrong = _put_null(c)
                elif isinstance(value, str):
                    text = PyUnicode_AsUTF8AndSize(value, &size)
                    wrong = _put_bytes(c, TEXT, text, size)
                elif isinstance(value, int):
                    over = 0
                    whole = PyLong_AsLongLongAndOverflow(value, &over)
                    if c.kind == FLOAT:
                        wrong = _put_float(c, <double>value)
                    elif over:
                        wrong = OTHER_KIND if c.kind == TEXT or c.kind == BINARY else TOO_LARGE
                    else:
                        wrong = _put_int(c, whole)
                elif isinstance(value, float):
                    wrong = _put_float(c, <double>value)
                elif isinstance(value, bytes):
                    wrong = _put_bytes(c, BINARY, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
                else:
                    raise TypeError(f"a column cannot hold {type(value).__name__}")
                self._raise(wrong)

    def add_copied(self, piece):
        cdef Py_buffer view
        cdef int wrong
        PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE)
        try:
            wrong = self._copied(<const unsigned char*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
        self._raise(wrong)

    cdef int _copied(self, const unsigned char* p, Py_ssize_t left) noexcept nogil:
        cdef Py_ssize_t i, size
        cdef int wrong
        if not self._started:
            if left < 19 or p[0] != 80 or p[6] != 10 or p[7] != 255:  # PGCOPY\n\xff
                return NO_COPY
            size = 19 + <Py_ssize_t>_u32(p + 15)
            p += size
            left -= size
            self._started = True
        while left >= 2:
            i = int16_of(p)
            if i == -1:
                return FINE
            if i != self._width:
                return NO_COPY
            p += 2
            left -= 2
            for i in range(self._width):
                if left < 4:
                    return NO_COPY
                size = <int32_t>_u32(p)
                p += 4
                left -= 4
                if size < 0:
                    wrong = _put_null(&self._cols[i])
                else:
                    if size > left:
                        return NO_COPY
                    wrong = _put_field(&self._cols[i], p, size)
                    p += size
                    left -= size
                if wrong:
                    return wrong
        return FINE

    def take(self):
        cdef Py_ssize_t i
        cdef Col* c
        out = []
        for i in range(self._width):
            c = &self._cols[i]
            texts = c.kind == TEXT or c.kind == BINARY or c.kind == AUTO
            self._raise(_room(c))
            out.append((
                c.kind, c.n, c.nulls,
                PyBytes_FromStringAndSize(<char*>c.bits, (c.n + 7) // 8),
                PyBytes_FromStringAndSize(<char*>c.ends, 4 * (c.n + 1)) if texts else b"",
                PyBytes_FromStringAndSize(c.body, c.size) if c.size else b"",
            ))
            memset(c.bits, 0, (c.room + 7) // 8)
            c.n = c.nulls = c.size = 0
            c.open = False
        return out

    def take_dicts(self, names):
        """The rows so far as dictionaries; then there are none."""
        cdef Py_ssize_t i, r, n = self._cols[0].n if self._width else 0
        cdef Col* c
        cdef int64_t whole
        cdef double real
        out = [{} for _ in range(n)]
        for i in range(self._width):
            c = &self._cols[i]
            name = names[i]
            for r in range(n):
                if not c.bits[r >> 3] & (1 << (r & 7)):
                    value = None
                elif c.kind == INT:
                    memcpy(&whole, c.body + 8 * r, 8)
                    value = whole
                elif c.kind == FLOAT:
                    memcpy(&real, c.body + 8 * r, 8)
                    value = real
                elif c.kind == TEXT:
                    value = PyUnicode_DecodeUTF8(c.body + c.ends[r], c.ends[r + 1] - c.ends[r], NULL)
                else:
                    value = PyBytes_FromStringAndSize(c.body + c.ends[r], c.ends[r + 1] - c.ends[r])
                PyDict_SetItem(out[r], name, value)
            if c.room:
                memset(c.bits, 0, (c.room + 7) // 8)
            c.n = c.nulls = c.size = 0
            c.open = False
        return out

    cdef int _raise(self, int wrong) except -1:
        if wrong == OTHER_KIND:
            raise TypeError("values of a column are of different kinds")
        if wrong == TOO_LARGE:
            raise OverflowError("an integer has more than 64 bits, or a column too many bytes")
        if wrong == NO_MEMORY:
            raise MemoryError
        if wrong == NO_COPY:
            raise TypeError("that is no binary COPY of these columns")
        return 0


# ---- SQLite

cdef enum:
    ROW = 100
    DONE = 101

cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) void *salient_opened = 0;
    #else
    static __thread void *salient_opened = 0;
    #endif

    /* SQLite calls this for each connection, in the thread that opens it. */
    static int salient_note(void *handle, char **message, void *api) {
        (void)message;
        (void)api;
        salient_opened = handle;
        return 0;
    }

    static struct {
        int (*bind_blob)(void *, int, const void *, int, void *);
        int (*bind_double)(void *, int, double);
        int (*bind_int64)(void *, int, long long);
        int (*bind_null)(void *, int);
        int (*bind_parameter_count)(void *);
        int (*bind_text)(void *, int, const char *, int, void *);
        const void *(*column_blob)(void *, int);
        int (*column_bytes)(void *, int);
        int (*column_count)(void *);
        const char *(*column_decltype)(void *, int);
        double (*column_double)(void *, int);
        long long (*column_int64)(void *, int);
        const char *(*column_name)(void *, int);
        const char *(*column_text)(void *, int);
        int (*column_type)(void *, int);
        const char *(*errmsg)(void *);
        int (*extended_errcode)(void *);
        int (*finalize)(void *);
        int (*prepare_v2)(void *, const char *, int, void **, const char **);
        int (*step)(void *);
        int (*stmt_readonly)(void *);
        int (*auto_extension)(void *);
    } api;
    """
    void* salient_opened
    int salient_note(void*, char**, void*) noexcept nogil

    ctypedef struct _Api:
        int bind_blob(void*, int, const void*, int, void*) noexcept nogil
        int bind_double(void*, int, double) noexcept nogil
        int bind_int64(void*, int, int64_t) noexcept nogil
        int bind_null(void*, int) noexcept nogil
        int bind_parameter_count(void*) noexcept nogil
        int bind_text(void*, int, const char*, int, void*) noexcept nogil
        const void* column_blob(void*, int) noexcept nogil
        int column_bytes(void*, int) noexcept nogil
        int column_count(void*) noexcept nogil
        const char* column_decltype(void*, int) noexcept nogil
        double column_double(void*, int) noexcept nogil
        int64_t column_int64(void*, int) noexcept nogil
        const char* column_name(void*, int) noexcept nogil
        const char* column_text(void*, int) noexcept nogil
        int column_type(void*, int) noexcept nogil
        const char* errmsg(void*) noexcept nogil
        int extended_errcode(void*) noexcept nogil
        int finalize(void*) noexcept nogil
        int prepare_v2(void*, const char*, int, void**, const char**) noexcept nogil
        int step(void*) noexcept nogil
        int stmt_readonly(void*) noexcept nogil
        int auto_extension(void*) noexcept nogil

    _Api api

_NAMES = (  # in the order of the struct
    "bind_blob", "bind_double", "bind_int64", "bind_null", "bind_parameter_count", "bind_text",
    "column_blob", "column_bytes", "column_count", "column_decltype", "column_double", "column_int64",
    "column_name", "column_text", "column_type", "errmsg", "extended_errcode", "finalize",
    "prepare_v2", "step", "stmt_readonly", "auto_extension",
)


def _find():
    """Find the functions in the library that Python's sqlite3 is linked with."""
    import _sqlite3
    cdef void** place = <void**>&api
    cdef size_t address
    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        for i, name in enumerate(_NAMES):
            address = ctypes.cast(getattr(library, f"sqlite3_{name}"), ctypes.c_void_p).value
            place[i] = <void*>address
    except (AttributeError, OSError):  # it is part of the interpreter, or hides them
        return False
    return api.auto_extension(<void*>salient_note) == 0


sqlite_is_shared = _find()


cdef class Handle:
    """SQLite's handle of the connection that this thread opened last; it keeps it open.

    Raises:
        LookupError: it is another one's.
    """

    cdef void* _db
    cdef object _connection

    def __init__(self, connection):
        cdef void* statement = NULL
        self._connection = connection
        self._db = salient_opened
        # A function that only this connection has: the other way to its handle must know it too.
        name = f"salient_{secrets.token_hex(8)}"
        connection.create_function(name, 0, None.__bool__)
        sql = f"SELECT {name}()".encode()
        if self._db != NULL and api.prepare_v2(self._db, sql, -1, &statement, NULL) == 0:
            api.finalize(statement)
        else:
            self._db = NULL
        connection.create_function(name, 0, None)
        if self._db == NULL:
            raise LookupError("the connection was not the last that this thread opened")


cdef class Statement:
    """A query that is being stepped through, once.

    Args:
        parameters: None, int, float, str or bytes, in the query's order.

    Raises from any method: sqlite3.Error, with SQLite's code.
    """

    cdef Handle _handle
    cdef void* _statement
    cdef object _keep
    cdef public list names
    cdef public list declared
    cdef public bint done

    def __init__(self, Handle handle not None, str sql not None, parameters):
        cdef bytes encoded = sql.encode()
        cdef const char* text = encoded
        cdef const char* tail = NULL
        cdef Py_ssize_t size
        cdef int i, code
        cdef const char* declared
        self._handle = handle
        self._keep = parameters = list(parameters)
        code = api.prepare_v2(handle._db, text, -1, &self._statement, &tail)
        self._check(code)
        if self._statement == NULL or tail[0] != 0:
            raise sqlite3.ProgrammingError("a query is one statement")
        if api.bind_parameter_count(self._statement) != len(parameters):
            raise sqlite3.ProgrammingError("the query has another number of parameters")
        for i, value in enumerate(parameters, 1):
            if value is None:
                code = api.bind_null(self._statement, i)
            elif isinstance(value, int):
                code = api.bind_int64(self._statement, i, <int64_t>value)
            elif isinstance(value, float):
                code = api.bind_double(self._statement, i, <double>value)
            elif isinstance(value, str):
                text = PyUnicode_AsUTF8AndSize(value, &size)
                code = api.bind_text(self._statement, i, text, <int>size, NULL)
            elif isinstance(value, bytes):
                text = PyBytes_AS_STRING(value)
                size = PyBytes_GET_SIZE(value)
                code = api.bind_blob(self._statement, i, text, <int>size, NULL)
            else:
                raise sqlite3.InterfaceError(f"a parameter cannot be {type(value).__name__}")
            self._check(code)
        if not api.stmt_readonly(self._statement) or not api.column_count(self._statement):
            raise sqlite3.ProgrammingError("it is no query that only reads")
        self.names, self.declared = [], []
        for i in range(api.column_count(self._statement)):
            self.names.append(api.column_name(self._statement, i).decode())
            declared = api.column_decltype(self._statement, i)
            self.declared.append("" if declared == NULL else declared.decode())

    def __dealloc__(self):
        self.close()

    cpdef close(self):
        if self._statement != NULL:
            api.finalize(self._statement)
            self._statement = NULL

    def read(self, Columns columns not None, Py_ssize_t rows, Py_ssize_t size_bytes):
        """Step until so many rows, or about so many bytes, are collected, or there are no more."""
        cdef int code = ROW, wrong = FINE
        if self.done or self._statement == NULL:
            return
        with nogil:
            code = self._read(columns, rows, size_bytes, &wrong)
        if code == DONE:
            self.done = True
        elif code != ROW:
            self._check(code)
        columns._raise(wrong)

    cdef int _read(self, Columns columns, Py_ssize_t rows, Py_ssize_t most, int* wrong) noexcept nogil:
        cdef void* s = self._statement
        cdef Py_ssize_t size = 0
        cdef int i, code, kind, width = <int>columns._width
        cdef const char* text
        cdef Col* c
        while columns._cols[0].n < rows and size < most:
            code = api.step(s)
            if code != ROW:
                return code
            for i in range(width):
                c = &columns._cols[i]
                kind = api.column_type(s, i)
                if kind == 1:
                    wrong[0] = _put_int(c, api.column_int64(s, i))
                elif kind == 2:
                    wrong[0] = _put_float(c, api.column_double(s, i))
                elif kind == 3:
                    text = api.column_text(s, i)
                    wrong[0] = _put_bytes(c, TEXT, text, api.column_bytes(s, i))
                elif kind == 4:
                    text = <const char*>api.column_blob(s, i)
                    wrong[0] = _put_bytes(c, BINARY, text, api.column_bytes(s, i))
                else:
                    wrong[0] = _put_null(c)
                if wrong[0]:
                    return ROW
                size += 8 if kind < 3 else api.column_bytes(s, i)
        return ROW

    cdef int _check(self, int code) except -1:
        cdef int extended
        if code == 0:
            return 0
        extended = api.extended_errcode(self._handle._db)
        message = api.errmsg(self._handle._db).decode(errors="replace")
        kind = sqlite3.DatabaseError if extended & 0xFF in (11, 23, 26) else sqlite3.OperationalError
        error = kind(message)
        error.sqlite_errorcode = extended
        raise error
