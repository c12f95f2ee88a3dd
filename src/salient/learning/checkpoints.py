"""Where a training stands, kept in a blob store, so that one that was broken off ends as if it had not been."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from salient.errors import Conflict, Corrupt, NotFound
from salient.storage.blob import Blobs

_STATE = "state"
_LEAST_S = 5.0
_SHARE = 20  # a checkpoint takes a twentieth of the time at most


def place_of(place: Path | Blobs) -> Blobs:
    """A blob store; a folder is one."""
    return place if isinstance(place, Blobs) else Blobs.open(f"file:{place}")


def packed(arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> bytes:
    """Arrays and a description as one blob of safetensors."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return bytes(save(whole, metadata={"about": json.dumps(about)}))


def unpacked(data: memoryview) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read-only arrays that lie where the data lies, and the description.

    Raises:
        Corrupt: the blob is not whole.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(bytes(data[8 : 8 + size]))
        about = json.loads(header.pop("__metadata__")["about"])
        arrays = {name: _array(data[8 + size :], one) for name, one in header.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt("a blob of arrays is not whole: remove it") from error
    return arrays, about


_TYPES = {
    "F64": np.float64, "F32": np.float32, "I64": np.int64, "I32": np.int32, "U64": np.uint64, "U32": np.uint32,
    "U8": np.uint8,
}  # fmt: skip


def _array(data: memoryview, about: Mapping[str, Any]) -> NDArray[Any]:
    start, end = about["data_offsets"]
    if end > len(data):
        raise ValueError("cut off")
    return np.frombuffer(data[start:end], _TYPES[about["dtype"]]).reshape(about["shape"])


class Checkpoints:
    """The last state of one training.

    `loaded` gives it back to a training of the same texts with the same parameters; `keep` writes it from time to time,
    seldom enough to cost a twentieth of the time.

    Args:
        place: a folder of its own, or a blob store.
        prefix: of the blob's key.
        least_s: how often it is written at most.
    """

    def __init__(
        self, place: Path | Blobs, prefix: str = "training", *, least_s: float = _LEAST_S
    ) -> None:
        self._blobs, self._key = place_of(place), f"{prefix}/{_STATE}"
        self._least_s = least_s
        self._next = time.monotonic() + least_s

    def loaded(self, training: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """What was kept last, or None.

        Args:
            training: a digest of all that decides what comes out.

        Raises:
            Conflict: it is of another training.
        """
        try:
            arrays, about = unpacked(self._blobs.view(self._key))
        except NotFound:
            return None
        if about.pop("training") != training:
            raise Conflict(
                "what was broken off was a training of other texts or with other settings: clear it, or repeat them"
            )
        return arrays, about

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def keep(self, training: str, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:  # fmt: skip
        """Write the state; what was kept before stays until this is whole."""
        began = time.monotonic()
        self._blobs.put(self._key, packed(arrays, {**about, "training": training}))
        now = time.monotonic()
        self._next = now + max(self._least_s, _SHARE * (now - began))

    def clear(self) -> None:
        """Forget it: the training is over, or shall begin anew."""
        self._blobs.delete(self._key)


def digest_of(*parts: Any) -> str:
    """Of arrays, and of what JSON can write."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(json.dumps(part, default=str, sort_keys=True).encode())
    return digest.hexdigest()
