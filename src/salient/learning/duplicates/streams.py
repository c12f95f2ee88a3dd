"""Texts that come as a stream into an index of near-duplicates, kept part by part so that nothing is sketched twice."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Conflict, Corrupt, NotFound
from salient.learning.checkpoints import digest_of, packed, place_of, unpacked
from salient.learning.duplicates.model import NearDuplicates, Sketches
from salient.storage.blob import Blobs

BATCH: Final = 8192
"""Texts that are held against each other at once: always from one multiple of this to the next, so that what comes
out does not depend on where a stream was broken off."""

_FORMAT = 2
_LEAST_S = 2.0
_MOST = 16 * BATCH  # texts of a part, about 180 MB

_Arrays = dict[str, NDArray[Any]]


class Stream:
    """Takes texts with keys into an index.

    With a place, what was taken in is kept there. Another `Stream` with the same place and parameters goes on: texts
    with keys that are known are looked at only to see that they are the same, those with new keys are taken in. What comes
    out is the same as of one stream of the texts in the order in which they came first.

    Args:
        index: an empty one.
        place: a folder of its own or a blob store; about 1.4 kB a text.
        prefix: of the blobs' keys.

    Raises:
        Conflict: what is there was made with other parameters.
        Corrupt: it is damaged.
    """

    def __init__(
        self, index: NearDuplicates, place: Path | Blobs | None = None, prefix: str = "duplicates"
    ) -> None:
        self.index = index
        self._blobs = None if place is None else place_of(place)
        self._prefix = prefix
        params = {k: v for k, v in index.get_params().items() if k != "threads"}
        self._settings = digest_of(_FORMAT, BATCH, params)
        self._open: list[_Arrays] = []  # not taken in yet: less than a batch
        self._unwritten: list[_Arrays] = []  # taken in, not kept yet
        self._pairs: list[NDArray[np.float64]] = []  # of those
        self._written, self._parts = 0, 0
        self._keys = self._digests = np.zeros(0, np.uint64)
        if self._blobs is not None:
            self._load(self._blobs)
        self._n = self._known = len(self._keys)
        self._order = np.argsort(self._keys, kind="stable")
        self._sorted = self._keys[self._order]
        self._seen = np.zeros(self._known, bool)
        self._next = time.monotonic() + _LEAST_S

    @property
    def n_known(self) -> int:
        """Texts that were kept by an earlier stream."""
        return self._known

    def take(self, keys: Sequence[str], texts: Sequence[str]) -> NDArray[np.int64]:
        """Take in texts; (n,): the number of each in the index, known ones too.

        Args:
            keys: of each text one that stays the same, such as its line or id.

        Raises:
            Conflict: the text of a key that is known is another one.
        """
        own, digests = _hashes(keys), _hashes(texts)
        numbers = np.full(len(own), -1, np.int64)
        if self._known:
            at = np.searchsorted(self._sorted, own)
            at[at == self._known] = 0
            known = self._sorted[at] == own
            numbers[known] = self._order[at[known]]
            changed = np.flatnonzero(known)[self._digests[numbers[known]] != digests[known]]
            if len(changed):
                raise Conflict(
                    f"the text at {keys[int(changed[0])]} is not the one that was read there before: begin anew"
                )
            self._seen[numbers[known]] = True
        new = np.flatnonzero(numbers < 0)
        if len(new):
            numbers[new] = self._n + np.arange(len(new))
            self._n += len(new)
            made = self.index.sketch([texts[i] for i in new.tolist()])
            self._open.append(
                {
                    "bands": made.bands, "values": made.values, "counts": made.counts,
                    "keys": own[new], "digests": digests[new],
                }
            )  # fmt: skip
            self._close(BATCH)
        return numbers

    def finish(self) -> NearDuplicates:
        """Take in what is left and keep it; the index. No more is taken then.

        Raises:
            Conflict: texts that were kept did not come again.
        """
        if not self._seen.all():
            raise Conflict(
                f"{int((~self._seen).sum()):,} texts that were read before are not there any more: begin anew"
            )
        self._close(1)
        self._write()
        return self.index

    def clear(self) -> None:
        """Forget what is kept."""
        if self._blobs is not None:
            clear(self._blobs, self._prefix)

    # --- batches --------------------------------------------------------------------------------

    def _close(self, least: int) -> None:
        """Take in open texts, batch by batch, as long as there are at least so many."""
        if sum(len(some["counts"]) for some in self._open) < least:
            return
        whole = {
            name: np.concatenate([some[name] for some in self._open]) for name in self._open[0]
        }
        n, first = len(whole["counts"]), 0
        while n - first >= least:
            batch = {name: array[first : first + BATCH] for name, array in whole.items()}
            self._pairs.append(self.index.take(_sketches(batch)))
            self._unwritten.append(batch)
            first += len(batch["counts"])
        self._open = [{name: array[first:] for name, array in whole.items()}] if first < n else []
        if time.monotonic() >= self._next or len(self._unwritten) * BATCH >= _MOST:
            self._write()

    def _write(self) -> None:
        """Keep what was taken in; a part that is not whole is not there."""
        if self._blobs is not None and self._unwritten:
            some = self._unwritten
            arrays = {name: np.concatenate([one[name] for one in some]) for name in some[0]}
            arrays["pairs"] = np.concatenate(self._pairs)
            about = {"settings": self._settings, "first": self._written}
            self._blobs.put(f"{self._prefix}/{self._parts:08}", packed(arrays, about))
            self._written += len(arrays["counts"])
            self._parts += 1
        self._unwritten, self._pairs = [], []
        self._next = time.monotonic() + _LEAST_S

    def _load(self, blobs: Blobs) -> None:
        keys: list[NDArray[np.uint64]] = []
        digests: list[NDArray[np.uint64]] = []
        left: _Arrays | None = None
        for arrays, first in self._kept(blobs):
            if first != self._written:
                raise Corrupt("what is kept of the texts does not fit together: begin anew")
            # A part that begins where an unfinished batch began has that batch as well.
            n = len(arrays["counts"])
            whole = n - n % BATCH
            pairs = arrays.pop("pairs")
            for start in range(0, whole, BATCH):
                rows = slice(start, start + BATCH)
                own = pairs[(pairs[:, 1] >= first + start) & (pairs[:, 1] < first + start + BATCH)]
                self.index.take_again(_sketches(arrays, rows), own)
            keys.append(arrays["keys"][:whole])
            digests.append(arrays["digests"][:whole])
            left = {name: array[whole:] for name, array in arrays.items()} if whole < n else None
            self._written = first + whole
        if left is not None:
            self._open = [left]
            keys.append(left["keys"])
            digests.append(left["digests"])
        if keys:
            self._keys, self._digests = np.concatenate(keys), np.concatenate(digests)

    def _kept(self, blobs: Blobs) -> Iterator[tuple[_Arrays, int]]:
        names = {"bands", "values", "counts", "keys", "digests", "pairs"}
        while True:
            try:
                arrays, about = unpacked(blobs.view(f"{self._prefix}/{self._parts:08}"))
            except NotFound:
                return
            if about.get("settings") != self._settings:
                raise Conflict(
                    "what is kept of the texts was made with other settings: begin anew, or repeat them"
                )
            if arrays.keys() != names:
                raise Corrupt("what is kept of the texts is not whole: begin anew")
            self._parts += 1
            yield arrays, int(about["first"])


def clear(place: Path | Blobs, prefix: str = "duplicates") -> None:
    """Forget what streams kept there, whatever it is."""
    blobs = place_of(place)
    # The first part last: what is left when this is broken off still fits together.
    for key in sorted(blobs.list(f"{prefix}/"), reverse=True):
        blobs.delete(key)


def _sketches(arrays: _Arrays, rows: slice = slice(None)) -> Sketches:
    return Sketches(*(arrays[name][rows] for name in ("bands", "values", "counts")))


def _hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    digests = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for text in texts
    )
    return np.frombuffer(digests, np.uint64)
