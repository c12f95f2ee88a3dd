"""Postings as arrays: which entries have a term, how often and where, in bytes that a database can keep.

Bytes of one term from several batches may be laid end to end, and are put in order by `in_order`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from salient.storage.search.entries import IndexSchema, Prepared

Key: TypeAlias = tuple[int, bytes]
"""A code of `Codes` and a term, or a keyword as `keyword` gives it."""

HIT = np.dtype([("entry", "<u4"), ("count", "<u2"), ("norm", "u1"), ("unused", "u1")])
"""An entry that has a term; `count` is how often or, of a keyword, its place among the entry's."""
NUMBER = np.dtype([("entry", "<u4"), ("value", "<f8")])
ENTRY = np.dtype("<u4")
PLACE = np.dtype("<u8")
"""An occurrence: the entry's number in the upper half, the position in its field in the lower."""

EVERY = -1
"""The code of the list of all entries."""

_LONGEST = 1024  # bytes of a keyword that a database can have in an index
_MOST = 65535


def _norms() -> NDArray[np.int64]:
    """Lengths that one byte can tell apart: exact to 40, then with three bits after the first."""
    out = list(range(24))
    for code in range(232):
        bits, shift = code & 7, (code >> 3) - 1
        out.append(24 + (bits if shift < 0 else (bits | 8) << shift))
    return np.array(out, np.int64)


LENGTHS = _norms()
"""Length by norm. Source: Lucene's SmallFloat.byte4ToInt, so that all backends rank alike."""


def norm(length: int) -> int:
    """The byte that stands for a field's length in terms."""
    return int(np.searchsorted(LENGTHS, length, "right")) - 1


@final
class Codes:
    """A schema's fields in numbers, so that any name is harmless."""

    def __init__(self, schema: IndexSchema) -> None:
        self.schema = schema
        self.kinds = schema.kinds
        self.boosts = {f.name: f.boost for f in schema.fields if f.kind == "text"}
        self.own = {f.name: 2 * number for number, f in enumerate(schema.fields)}
        """Of text its stems, of a keyword its values, of a number or date its column."""
        self.beside = {name: code + 1 for name, code in self.own.items()}
        """Of text its whole words, of a date its years."""
        self.keywords = frozenset(self.own[f.name] for f in schema.fields if f.kind == "keyword")

    def lengths(self, entry: Prepared) -> NDArray[np.uint32]:
        """How many terms each text field of an entry has."""
        return np.array([len(entry.terms.get(name, ())) for name in self.boosts], ENTRY)


def in_order(rows: NDArray[Any]) -> NDArray[Any]:
    """HITs, NUMBERs, entries or PLACEs by entry; most are so already."""
    entries = rows if rows.dtype.names is None else rows["entry"]
    if np.all(entries[1:] >= entries[:-1]):
        return rows
    return rows[np.argsort(entries, kind="stable")]


def keyword(value: str) -> bytes:
    """A keyword as a term: its UTF-8, of a long one the beginning and a digest."""
    raw = value.encode()
    if len(raw) <= _LONGEST:
        return raw
    return raw[: _LONGEST - 24] + blake2b(raw, digest_size=24).digest()


def bounds(low: bytes, high: bytes | None) -> tuple[bytes, bytes | None]:
    """What all terms of keywords from `low` to `high` are between."""
    cut = _LONGEST - 24
    return low[:cut], None if high is None else high[:cut] + b"\xff" * 25


class Row(NamedTuple):
    """What is kept of one term of one batch.

    `more` is the occurrences of a text's term, the whole of a long keyword, else nothing.
    """

    code: int
    term: bytes
    hits: bytes
    more: bytes | None


class _Numbers(dict[Key, int]):
    """Key -> number, given at the first look."""

    def __missing__(self, key: Key) -> int:
        number = self[key] = len(self)
        return number


@final
class Batch:
    """Entries on their way to becoming rows."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._numbers = _Numbers()
        # One item an occurrence.
        self._terms, self._entries, self._places, self._norms = array("I"), array("I"), array("I"), array("B")  # fmt: skip
        # Terms of which only entries are kept: one item a term and entry.
        self._plain, self._plain_entries, self._orders = array("I"), array("I"), array("H")
        self._whole: dict[int, bytes] = {}
        self._columns: dict[int, list[tuple[int, float]]] = {}
        self.ids: list[int] = []

    @property
    def size(self) -> int:
        """Occurrences so far."""
        return len(self._terms) + len(self._plain)

    def add(self, ident: int, entry: Prepared) -> None:
        """Add an entry, whose number is over all before."""
        self.ids.append(ident)
        codes, numbers = self._codes, self._numbers
        for name, terms in entry.terms.items():
            code, n = codes.own[name], len(terms)
            self._terms.extend([numbers[code, term.encode()] for term in terms])
            self._entries.extend(repeat(ident, n))
            self._places.extend(range(n))
            self._norms.extend(repeat(norm(n), n))
            self._note(ident, codes.beside[name], [word.encode() for word in entry.words[name]])
        for name, values in entry.keywords.items():
            code = codes.own[name]
            keys = [keyword(value) for value in values]
            self._note(ident, code, keys)
            for key, value in zip(keys, values, strict=True):
                if len(key) == _LONGEST:
                    self._whole[numbers[code, key]] = value.encode()
        for name, number in entry.numbers.items():
            self._columns.setdefault(codes.own[name], []).append((ident, number))
        for name, second in entry.dates.items():
            self._columns.setdefault(codes.own[name], []).append((ident, second))
            year = int(np.datetime64(second, "s").astype("datetime64[Y]").astype(int)) + 1970
            self._note(ident, codes.beside[name], [b"%04d" % year])

    def rows(self) -> Iterator[Row]:
        """The rows, in order of code and term."""
        names = list(self._numbers)
        hits, places = self._occurrences()
        plain = self._plain_hits()
        yield Row(EVERY, b"", np.array(self.ids, ENTRY).tobytes(), None)
        columns = {
            (code, b""): np.array(rows, NUMBER).tobytes() for code, rows in self._columns.items()
        }
        for key in sorted([*names, *columns]):
            if key in columns:
                yield Row(*key, columns[key], None)
                continue
            number = self._numbers[key]
            if number in hits:
                yield Row(*key, hits[number], places[number])
            else:
                yield Row(*key, plain[number], self._whole.get(number))

    def _note(self, ident: int, code: int, terms: Sequence[bytes]) -> None:
        numbers, n = self._numbers, len(terms)
        self._plain.extend([numbers[code, term] for term in terms])
        self._plain_entries.extend(repeat(ident, n))
        self._orders.extend([min(order, _MOST) for order in range(n)])

    def _occurrences(self) -> tuple[dict[int, bytes], dict[int, bytes]]:
        terms = np.frombuffer(self._terms, np.uint32)
        order = np.argsort(terms, kind="stable")  # entries and positions were added in order
        terms, entries = terms[order], np.frombuffer(self._entries, np.uint32)[order]
        places = entries.astype(PLACE) << np.uint64(32)
        places |= np.frombuffer(self._places, np.uint32)[order]
        new_term = _changes(terms)
        starts = np.flatnonzero(new_term | _changes(entries))
        hits = np.zeros(len(starts), HIT)
        hits["entry"] = entries[starts]
        hits["count"] = np.minimum(np.diff(starts, append=len(terms)), _MOST)
        hits["norm"] = np.frombuffer(self._norms, np.uint8)[order][starts]
        return _parts(terms[starts], hits), _parts(terms, places)

    def _plain_hits(self) -> dict[int, bytes]:
        terms = np.frombuffer(self._plain, np.uint32)
        order = np.argsort(terms, kind="stable")
        hits = np.zeros(len(terms), HIT)
        hits["entry"] = np.frombuffer(self._plain_entries, np.uint32)[order]
        hits["count"] = np.frombuffer(self._orders, np.uint16)[order]
        return _parts(terms[order], hits)


@final
class Merge:
    """Several batches as one, in order, without the entries that are dead."""

    def __init__(self, codes: Codes, dead: NDArray[np.uint32]) -> None:
        """Take the numbers of dead entries, in order."""
        self._codes, self._dead = codes, dead

    def row(self, rows: Sequence[Row]) -> Row | None:
        """One term's rows as one; None if nothing lives."""
        code, term, first, _ = rows[0]
        raw = b"".join(row.hits for row in rows) if len(rows) > 1 else first
        hits = in_order(np.frombuffer(raw, self._dtype(code, term)))
        more = rows[0].more
        entries: NDArray[np.uint32] = hits if code == EVERY else hits["entry"]
        keep = self._lives(entries)
        if not keep.any():
            return None
        if more is not None and code not in self._codes.keywords:
            places = in_order(np.frombuffer(b"".join(row.more or b"" for row in rows), PLACE))
            lives = self._lives((places >> np.uint64(32)).astype(np.uint32))
            more = places[lives].tobytes()
        return Row(code, term, hits[keep].tobytes(), more)

    def _dtype(self, code: int, term: bytes) -> np.dtype[Any]:
        if code == EVERY:
            return ENTRY
        return NUMBER if self._is_column(code, term) else HIT

    def _is_column(self, code: int, term: bytes) -> bool:
        field = self._codes.schema.fields[code // 2]
        return field.kind in ("number", "date") and not code % 2 and not term

    def _lives(self, entries: NDArray[np.uint32]) -> NDArray[np.bool_]:
        if not len(self._dead):
            return np.ones(len(entries), np.bool_)
        at = np.minimum(np.searchsorted(self._dead, entries), len(self._dead) - 1)
        lives: NDArray[np.bool_] = self._dead[at] != entries
        return lives


def _changes(values: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Where a value is not the one before it."""
    out = np.ones(len(values), np.bool_)
    out[1:] = values[1:] != values[:-1]
    return out


def _parts(terms: NDArray[np.uint32], rows: NDArray[np.void] | NDArray[np.uint64]) -> dict[int, bytes]:  # fmt: skip
    """The rows of each term; equal terms stand together."""
    if not len(terms):
        return {}
    starts = np.flatnonzero(_changes(terms))
    ends = [*starts[1:].tolist(), len(terms)]
    raw, size = rows.tobytes(), rows.dtype.itemsize
    names = terms[starts].tolist()
    return {
        term: raw[start * size : end * size]
        for term, start, end in zip(names, starts.tolist(), ends, strict=True)
    }
