"""Texts in parts as kernels take them, and threads that share the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from salient.errors import InvalidInput
from salient.kernels.terms import Packed

BATCH = 4096  # texts that go through a kernel at once
_FEWEST = 32  # that are worth a thread's while
_PARTS = 4  # a thread: texts differ in length


def parallel(work: Callable[[Any], Any], parts: Iterator[Any], threads: int) -> list[Any]:
    """What work makes of each part, in order; kernels let go of the interpreter, so threads help."""
    if threads <= 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def batches(
    texts: Any, size: int = BATCH, threads: int = 1
) -> Iterator[Sequence[str | bytes] | Packed]:
    """Texts in parts as kernels take them; Arrow's are not copied.

    Args:
        threads: that shall share the parts: there are some for each, of fewer texts than `size`.

    Raises:
        InvalidInput: these are no texts.
    """
    if isinstance(texts, str | bytes):
        raise InvalidInput("one text was given where a list of texts is wanted")
    if not hasattr(texts, "__len__"):
        texts = list(texts)
    if type(texts).__module__.partition(".")[0] == "pyarrow":
        yield from _arrow(texts, _shared(size, len(texts), threads))
        return
    if isinstance(texts, np.ndarray):
        if texts.ndim != 1:
            raise InvalidInput(f"texts come in one dimension, not {texts.ndim}")
        texts = texts.tolist()
    elif not isinstance(texts, list | tuple):
        texts = list(texts)
    if not texts:
        yield []
    size = _shared(size, len(texts), threads)
    for first in range(0, len(texts), size):
        part = list(texts[first : first + size])
        if set(map(type, part)) <= {str, bytes}:
            yield part
            continue
        for at, text in enumerate(part):
            if not isinstance(text, str | bytes):
                kind = "missing" if text is None else type(text).__name__
                raise InvalidInput(
                    f"text {first + at} is {kind}: strings or bytes in UTF-8 are wanted"
                )
        yield part


def _shared(size: int, n: int, threads: int) -> int:
    return size if threads <= 1 else min(size, max(_FEWEST, -(-n // (_PARTS * threads))))


def _arrow(texts: Any, size: int) -> Iterator[Packed]:
    import pyarrow as pa

    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    for chunk in chunks or [pa.array([], pa.large_string())]:
        try:
            whole = chunk.cast(pa.large_binary())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInput(f"Arrow's {chunk.type} holds no texts") from error
        if whole.null_count:
            raise InvalidInput("an Arrow array has missing texts: fill them with ''")
        _, offsets, data = whole.buffers()
        ends = np.frombuffer(offsets, np.int64)[whole.offset : whole.offset + len(whole) + 1]
        letters = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        if not len(whole):
            yield letters, np.zeros(1, np.int64)
        for first in range(0, len(whole), size):
            yield letters, np.ascontiguousarray(ends[first : first + size + 1])
