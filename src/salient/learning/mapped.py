"""Arrays of files, mapped read-only: processes that map the same file share one copy of it."""

from __future__ import annotations

import json
import math
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.model import columns

_LONGEST_HEADER = 100_000_000  # bytes, as the format's own library has it
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip


def tensor(path: Path, name: str) -> NDArray[Any]:
    """Map one tensor of a safetensors file.

    Raises:
        Corrupt: the file is not of that form, is cut short, or holds no such tensor.

    Source: the safetensors format: length of the header in 8 bytes, the header in JSON, the data.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _LONGEST_HEADER:
                raise Corrupt("weights file has no header", file=path.name)
            entry = json.loads(file.read(size))[name]
        first, last = map(int, entry["data_offsets"])
        shape = tuple(map(int, entry["shape"]))
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        if first < 0 or last - first != dtype.itemsize * math.prod(shape):
            raise Corrupt("weights are not of their shape", file=path.name, tensor=name)
        if first == last:
            return np.zeros(shape, dtype)  # nothing cannot be mapped
        # A view: numpy's own class of mapped arrays is slow to index.
        return np.asarray(np.memmap(path, dtype, "r", 8 + size + first, shape))
    except (ValueError, KeyError, TypeError) as exc:
        raise Corrupt("weights file cannot be read", file=path.name, tensor=name) from exc


def npy(path: Path) -> NDArray[Any]:
    """Map the array of a .npy file; one of Python objects is refused.

    Raises:
        Corrupt: the file is not of that form, or is cut short.
    """
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, EOFError) as exc:
        raise Corrupt("array file cannot be read", file=path.name) from exc


def view(path: Path) -> memoryview:
    """Map a whole file."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")  # nothing cannot be mapped
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def column_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Map a column file (see `salient.model.columns`): its header and arrays.

    Raises:
        Corrupt: the file is not of that form, or is cut short.
    """
    return columns.load(view(path))
