"""Named arrays and a JSON header in one run of bytes that can be read where it lies.

Layout: 8 bytes magic, 8 bytes little-endian header length, the header in JSON, then each array at
a multiple of 64 bytes. The same arrays give the same bytes on every run and platform, and loading
copies nothing, which npz (zip time stamps, copies) and safetensors (unordered metadata) do not give.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt

MAGIC = b"SALCOL1\n"
ALIGN = 64
_DTYPES = frozenset(
    {"|u1", "|i1", "|b1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"}
)

Arrays = Mapping[str, NDArray[Any]]


def dump(arrays: Arrays, header: Mapping[str, Any]) -> bytes:
    """Serialise; `header` must be JSON."""
    return b"".join(_pieces(arrays, header))


def stream(arrays: Arrays, header: Mapping[str, Any]) -> BinaryIO:
    """What `dump` gives, to be read once: arrays are not copied before, and may not change until then."""
    return cast(BinaryIO, _Stream(_pieces(arrays, header)))


class _Stream(io.RawIOBase):
    def __init__(self, pieces: list[memoryview]) -> None:
        self._left = pieces[::-1]

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """As much as is asked for, unless that is more than is left."""
        wanted = sum(map(len, self._left)) if size is None or size < 0 else size
        taken: list[memoryview] = []
        while wanted and self._left:
            piece = self._left.pop()
            taken.append(piece[:wanted])
            if len(piece) > wanted:
                self._left.append(piece[wanted:])
            wanted -= len(taken[-1])
        return b"".join(taken)


def _pieces(arrays: Arrays, header: Mapping[str, Any]) -> list[memoryview]:
    table: dict[str, list[Any]] = {}
    chunks: list[memoryview] = []
    offset = 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype.str not in _DTYPES:
            raise ValueError(f"column {name!r} has dtype {array.dtype}, which cannot be stored")
        table[name] = [array.dtype.str, list(array.shape), offset]
        padding = -array.nbytes % ALIGN
        chunks += [array.reshape(-1).view(np.uint8).data, memoryview(b"\0" * padding)]
        offset += array.nbytes + padding
    head = json.dumps(
        {"header": dict(header), "columns": table}, sort_keys=True, separators=(",", ":")
    ).encode()
    head += b" " * (-(len(head) + 16) % ALIGN)
    return [memoryview(MAGIC + len(head).to_bytes(8, "little") + head), *chunks]


def header(data: bytes | memoryview) -> bytes:
    """The header in JSON, not parsed: to see at little cost whether it holds a string.

    Raises:
        Corrupt: the bytes are not of this form.
    """
    view = memoryview(data)
    if len(view) < 16 or bytes(view[:8]) != MAGIC:
        raise Corrupt("not a column file")
    return bytes(view[16 : 16 + int.from_bytes(view[8:16], "little")])


def load(data: bytes | memoryview) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and read-only views into `data`.

    Raises:
        Corrupt: the bytes are cut short or not of this form.
    """
    view = memoryview(data).toreadonly()
    if len(view) < 16 or bytes(view[:8]) != MAGIC:
        raise Corrupt("not a column file")
    size = int.from_bytes(view[8:16], "little")
    try:
        parsed = json.loads(bytes(view[16 : 16 + size]))
        table, header = parsed["columns"], parsed["header"]
        arrays: dict[str, NDArray[Any]] = {}
        for name, (dtype, shape, offset) in table.items():
            if dtype not in _DTYPES:
                raise Corrupt("column file holds an unknown type", column=name, dtype=dtype)
            count = int(np.prod(shape, dtype=np.int64))
            start = 16 + size + offset
            arrays[name] = np.frombuffer(view, np.dtype(dtype), count, start).reshape(shape)
    except (ValueError, KeyError, TypeError) as exc:
        raise Corrupt("column file is cut short or damaged") from exc
    return header, arrays
