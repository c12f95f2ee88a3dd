"""One text of each JSON object, straight from bytes to bytes: what reads records of a store without making Python's values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["field_texts"]

ABSENT, TEXT, OTHER = range(3)


def field_texts(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], field: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]:
    """The string that each object has in a field of its own, not of one within it.

    Args:
        data, offsets: the objects, each between two offsets, as JSON in UTF-8. What is no JSON object gives what it may,
            and nothing outside of it is read.

    Returns:
        The strings in UTF-8, one after the other, and (n + 1,) where each begins; and (n,) `TEXT`, or `ABSENT` if the
        field is missing or null, or `OTHER` if it is no string. Of a field that comes twice the last counts.

    Raises:
        ValueError: the offsets are not those of the data.
    """
    checked_offsets(data, offsets)
    parts, kinds = [], []
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        value: Any = json.loads(data[start:end].tobytes()).get(field)
        text = isinstance(value, str)
        kinds.append(TEXT if text else ABSENT if value is None else OTHER)
        parts.append(value.encode("utf-8", "surrogatepass") if text else b"")
    ends = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), ends, np.array(kinds, np.uint8)


def checked_offsets(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
    """Raises ValueError: texts would lie outside of the data."""
    if (
        not len(offsets)
        or offsets[0] < 0
        or offsets[-1] > len(data)
        or (np.diff(offsets) < 0).any()
    ):
        raise ValueError("the offsets are not those of texts in the bytes")
