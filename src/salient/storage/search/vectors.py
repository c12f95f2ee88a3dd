"""Vectors in files that are mapped: exact cosine similarity behind a quick scan of sign bits.

A generation is five files in one folder, rows in order of their ids:

    N.ids    uint64            ids, ascending
    N.rows   float16 x dim     vectors of length 1
    N.bits   uint64 x words    signs of the rotated, centred vectors
    N.basis  float32           the rotation (dim, bits) and the centre (dim,)
    N.dead   uint64            ids that were deleted, in any order

Rows are only appended, and count when the index's own commit names their ids: what a killed writer
left behind is never asked for. `current` names the generation; compaction writes a new one.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt

F32: TypeAlias = NDArray[np.float32]
U64: TypeAlias = NDArray[np.uint64]

SCAN_ALL = 20_000  # rows up to which every one is compared exactly
_BLOCK = 1024  # rows turned to float32 at a time: they stay in the processor's cache
_RESCORE_LEAST = 5_000
_RESCORE_EACH = 20  # rows compared exactly for each one wanted
_CENTRE_FROM = 20_000  # rows to take the centre from
_COMPACT_LEAST = 4_096
_SEED = 20_230_117


class VectorReader:
    """One state of the files, as seen when it was made. Threads may share it.

    Deleted ids are known only as far as they were buried: the index checks what is found.

    Args:
        dead: ids to leave out, as `dead_ids` gave them.
    """

    def __init__(self, folder: Path, dim: int, dead: U64) -> None:
        self._dim = dim
        name = _current(folder)
        with contextlib.ExitStack() as stack:
            sizes = {}
            streams = {}
            words = _words(dim)
            width = {"ids": 8, "rows": 2 * dim, "bits": 8 * words}
            for part, row_bytes in width.items():
                streams[part] = stack.enter_context((folder / f"{name}.{part}").open("rb"))
                sizes[part] = os.fstat(streams[part].fileno()).st_size // row_bytes
            n = min(sizes.values())
            self.ids: U64 = _map(streams["ids"], n, np.dtype(np.uint64), 1).reshape(-1)
            self._rows = _map(streams["rows"], n, np.dtype(np.float16), dim)
            self._bits: U64 = _map(streams["bits"], n, np.dtype(np.uint64), words)
            basis = _read(folder / f"{name}.basis", np.dtype(np.float32))
        self._rotation = basis[: dim * words * 64].reshape(dim, words * 64)
        self._centre = basis[dim * words * 64 :]
        self.name = name
        at = np.searchsorted(self.ids, dead)
        at = at[at < n]
        self._dead = np.zeros(n, bool)
        self._dead[at[np.isin(self.ids[at], dead)]] = True
        self.n_dead = int(self._dead.sum())

    def __len__(self) -> int:
        return len(self.ids)

    def nearest(self, query: F32, limit: int) -> tuple[U64, F32]:
        """Ids and similarities of the most similar rows, best first; ties by lower id.

        Args:
            query: (dim,) float32 of length 1.

        Cost: a scan of the bits of all rows, `dim` / 8 bytes each; exact up to SCAN_ALL rows.
        """
        n = len(self.ids)
        wanted = max(_RESCORE_LEAST, _RESCORE_EACH * limit)
        if n <= max(SCAN_ALL, wanted):
            at = np.flatnonzero(~self._dead)
        else:
            distance = self._distances(query)
            distance[self._dead] = np.iinfo(np.uint16).max
            edge = np.partition(distance, wanted)[wanted]
            at = np.flatnonzero(distance <= min(int(edge), np.iinfo(np.uint16).max - 1))
        return _best(self.ids[at], self._similarities(query, at), limit)

    def among(self, query: F32, ids: U64, limit: int) -> tuple[U64, F32]:
        """The most similar of some ids, exactly; ids without a vector are left out."""
        at = self._at(ids)
        return _best(self.ids[at], self._similarities(query, at), limit)

    def similarities(self, query: F32, ids: Sequence[int]) -> dict[int, float]:
        """Cosine by id, for those that have a vector."""
        at = self._at(np.asarray(ids, np.uint64))
        found = self._similarities(query, at)
        return dict(zip(self.ids[at].tolist(), found.tolist(), strict=True))

    def rows(self, ids: Sequence[int]) -> F32:
        """The vectors of some ids, in their order, (n, dim) float32; ids without one left out."""
        return self._rows[self._at(np.asarray(ids, np.uint64))].astype(np.float32)

    def _at(self, ids: U64) -> NDArray[np.intp]:
        at = np.searchsorted(self.ids, ids)
        within = at < len(self.ids)
        at = at[within]
        found: NDArray[np.intp] = at[self.ids[at] == ids[within]]
        return found

    def _similarities(self, query: F32, at: NDArray[np.intp]) -> F32:
        out = np.empty(len(at), np.float32)
        everything = len(at) == len(self.ids)
        for first in range(0, len(at), _BLOCK):
            block = slice(first, first + _BLOCK)
            rows = self._rows[block] if everything else self._rows[at[block]]
            out[block] = _wide(rows) @ query
        return out

    def _distances(self, query: F32) -> NDArray[np.uint16]:
        mine = _signs((query - self._centre)[None, :], self._rotation)[0]
        total = np.zeros(len(self.ids), np.uint16)
        for word, bits in enumerate(mine):
            total += np.bitwise_count(self._bits[:, word] ^ bits)
        return total


def dead_ids(folder: Path) -> U64:
    """Ids that were buried so far.

    To be read before the index's own state: then it holds none that this state still has.
    """
    return _read(folder / f"{_current(folder)}.dead", np.dtype(np.uint64))


class VectorWriter:
    """Appends to the files. The caller holds the index's writer lock."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder, self._dim = folder, dim
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "current").exists():
            self._start([], np.zeros((0, dim), np.float32))
        self._name = _current(folder)
        self._trim()

    def next_id(self) -> int:
        """One more than the highest id in the files."""
        ids = _read(self._path("ids"), np.dtype(np.uint64))
        return int(ids[-1]) + 1 if len(ids) else 0

    def append(self, ids: Sequence[int], vectors: F32) -> None:
        """Add rows and make them durable.

        Args:
            ids: ascending, each higher than all before.
            vectors: (n, dim) float32, rows of length 1.
        """
        if not ids:
            return
        if self._path("ids").stat().st_size == 0:
            # The first vectors say where the centre is; signs about it tell more than about 0.
            self._write_basis(vectors)
        rotation, centre = self._basis()
        with self._path("rows").open("ab") as out:
            _write(out, vectors.astype(np.float16))
        with self._path("bits").open("ab") as out:
            _write(out, _signs(vectors - centre, rotation))
        with self._path("ids").open("ab") as out:
            _write(out, np.asarray(ids, np.uint64))

    def bury(self, ids: Sequence[int]) -> None:
        """Note deleted ids, after the index committed their deletion."""
        if ids:
            with self._path("dead").open("ab") as out:
                _write(out, np.asarray(ids, np.uint64))

    def wants_compaction(self) -> bool:
        """Whether most rows are dead."""
        rows = self._path("ids").stat().st_size // 8
        dead = self._path("dead").stat().st_size // 8
        return bool(rows >= _COMPACT_LEAST and dead * 2 > rows)

    def compact(self, live: U64) -> None:
        """Keep only these ids, in a new generation."""
        reader = VectorReader(self._folder, self._dim, np.zeros(0, np.uint64))
        kept = np.sort(live)
        kept = kept[np.isin(kept, reader.ids)]
        old, rows = self._name, reader.rows([int(i) for i in kept])
        self._start([int(i) for i in kept], rows)
        self._name = _current(self._folder)
        for part in ("ids", "rows", "bits", "basis", "dead"):
            # Readers that have them mapped keep them.
            (self._folder / f"{old}.{part}").unlink(missing_ok=True)

    def _path(self, part: str) -> Path:
        return self._folder / f"{self._name}.{part}"

    def _start(self, ids: Sequence[int], rows: F32) -> None:
        self._name = uuid.uuid4().hex[:12]
        for part in ("ids", "rows", "bits", "dead"):
            self._path(part).touch()
        self._write_basis(rows)
        self.append(ids, rows)
        partial = self._folder / f"{self._name}.current"
        with partial.open("w") as out:
            json.dump({"generation": self._name, "dim": self._dim}, out)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(self._folder / "current")

    def _trim(self) -> None:
        """Cut off rows that a killed writer did not finish, so that the files agree."""
        width = {"ids": 8, "rows": 2 * self._dim, "bits": 8 * _words(self._dim)}
        n = min(self._path(part).stat().st_size // size for part, size in width.items())
        for part, size in {**width, "dead": 8}.items():
            path = self._path(part)
            whole = (path.stat().st_size // 8 if part == "dead" else n) * size
            if path.stat().st_size != whole:
                os.truncate(path, whole)

    def _write_basis(self, sample: F32) -> None:
        bits = _words(self._dim) * 64
        drawn = np.random.default_rng(_SEED).standard_normal((self._dim, self._dim))
        rotation, _ = np.linalg.qr(drawn)
        full = np.zeros((self._dim, bits), np.float32)
        full[:, : self._dim] = rotation
        centre = sample[:_CENTRE_FROM].mean(axis=0) if len(sample) else np.zeros(self._dim)
        partial = self._folder / f"{self._name}.basis.partial"
        with partial.open("wb") as out:
            _write(out, np.concatenate([full.ravel(), centre.astype(np.float32)]))
        partial.replace(self._path("basis"))

    def _basis(self) -> tuple[F32, F32]:
        size = self._dim * _words(self._dim) * 64
        basis = _read(self._path("basis"), np.dtype(np.float32))
        return basis[:size].reshape(self._dim, -1), basis[size:]


def _words(dim: int) -> int:
    return (dim + 63) // 64


def _wide(rows: NDArray[np.float16]) -> F32:
    """Finite float16 as float32, exactly, at five times the speed of `astype`.

    The bits are moved to their places, which leaves the exponent too low by 112.
    """
    bits = rows.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= np.int32(-0x70000001)  # the sign was copied into the exponent's highest bits
    wide: F32 = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


def _signs(vectors: F32, rotation: F32) -> U64:
    positive = (vectors @ rotation) > 0
    return np.packbits(positive, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _best(ids: U64, scores: F32, limit: int) -> tuple[U64, F32]:
    if len(ids) > 4 * limit:
        edge = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        kept = np.flatnonzero(scores >= edge)
        ids, scores = ids[kept], scores[kept]
    order = np.lexsort((ids, -scores))[:limit]
    return ids[order], scores[order]


def _current(folder: Path) -> str:
    try:
        return str(json.loads((folder / "current").read_text())["generation"])
    except (ValueError, KeyError) as exc:
        raise Corrupt("the vector files' `current` cannot be read", path=str(folder)) from exc


def _read(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    content = path.read_bytes()
    return np.frombuffer(content[: len(content) // dtype.itemsize * dtype.itemsize], dtype)


def _map(stream: Any, n: int, dtype: np.dtype[Any], width: int) -> NDArray[Any]:
    if n == 0:
        return np.zeros((0, width), dtype)
    size = n * width * dtype.itemsize
    mapped = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, dtype, n * width).reshape(n, width)


def _write(out: Any, array: NDArray[Any]) -> None:
    out.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    out.flush()
    os.fsync(out.fileno())
