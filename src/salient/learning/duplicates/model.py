"""Finds texts that are nearly the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from salient.errors import Conflict, Corrupt, InvalidInput, Misconfigured
from salient.kernels import band_keys, jaccard, minhash
from salient.kernels.minhash import EMPTY
from salient.kernels.minhash import check as check_sketch
from salient.kernels.terms import Packed
from salient.learning import mapped
from salient.learning.batching import batches, parallel
from salient.learning.duplicates.bands import Bands, different
from salient.learning.duplicates.clusters import Clusters
from salient.learning.parameters import Parameterised

_FORMAT = 3
_DESCRIPTION = "duplicates.json"
_SURE = 0.98  # of the pairs at the threshold, this share is found
_AT_ONCE = 65_536  # pairs that are held against each other


@dataclass(frozen=True, slots=True)
class Match:
    """A text of the index that is like another."""

    text: int
    """Its number: texts are numbered as they came."""
    similarity: float
    """The share of runs of words in common, of all that both have."""
    containment: float
    """The share of the shorter one's runs that the other has as well."""


@dataclass(frozen=True, slots=True)
class Sketches:
    """What an index needs of texts."""

    bands: NDArray[np.uint32]
    """(n, n_bands): texts that are alike share some; all 0 without words. What is found by 32 bits of a key is verified anyway."""
    values: NDArray[np.uint32]
    """(n, 2 ** n_bits): the least values of different runs, as `kernels.minhash` has them."""
    counts: NDArray[np.int64]
    """(n,): how many runs each has; different ones, if the sketch has them all."""

    def __len__(self) -> int:
        return len(self.counts)


class NearDuplicates(Parameterised):
    """An index of texts by what they share, as a clusterer.

    A text is sketched by the runs of words in it. Texts that agree in a band of bins (MinHash) are held against each
    other by their least values, exactly if both have no more runs together than a sketch has values; those that are alike enough are
    one cluster. Texts may come in batches, and clusters grow together when a text joins them.

    Args:
        threshold: the least similarity of a pair: the share of runs of words in common. Of texts of which every twentieth word
            differs it is 0.63 with runs of five, of every tenth 0.42.
        run: words of a run.
        n_bits: of the number of values of a sketch; with 8 the similarity of long texts is known to about 0.03, with 9 to 0.02 in
            twice the memory.
        threads: for sketching.

    Attributes:
        labels_: (numbers given,): each text's cluster, called by its first text; -1 for one that was taken out.
        n_texts_: that are in the index.

    Memory: about 1.5 kB a text with the usual parameters, and while it grows up to 2.4 kB.

    Source: MinHash, Broder 1997; bands, Leskovec et al., Mining of Massive Datasets, ch. 3; least values, Cohen and
    Kaplan 2007.
    """

    def __init__(
        self, *, threshold: float = 0.5, run: int = 5, n_bits: int = 8, threads: int = 1
    ) -> None:
        self.threshold, self.run, self.n_bits, self.threads = threshold, run, n_bits, threads
        self._begin()

    def _begin(self) -> None:
        self._bands, self._clusters = Bands(), Clusters()
        self._sketches: NDArray[np.uint32] = np.zeros((0, 1 << int(self.n_bits)), np.uint32)
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._pairs: list[NDArray[np.float64]] = []
        self._gone: set[int] = set()

    # --- scikit-learn's interface ---------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Cluster texts, anew."""
        self._begin()
        return self.partial_fit(X)

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.int64]:
        """(n,): the first text of each text's cluster."""
        return self.fit(X).labels_

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Take in some more texts.

        Raises:
            InvalidInput: parameters that cannot be, or these are no texts.

        Cost: linear in the texts; a batch is looked up in a few sorted tables.
        """
        for sketches in self._sketched(X):
            if len(sketches):
                self.take(sketches)
        return self

    def sketch(self, X: Any) -> Sketches:
        """Sketch texts without taking them in, for `take`.

        Raises:
            InvalidInput: as `partial_fit`.
        """
        made = self._sketched(X)
        return Sketches(
            np.concatenate([s.bands for s in made]),
            np.concatenate([s.values for s in made]),
            np.concatenate([s.counts for s in made]),
        )

    def take(self, sketches: Sketches) -> NDArray[np.float64]:
        """Take in texts by their sketches; the pairs of theirs that are alike, (m, 3) as in `pairs`.

        The same batches in the same order give the same pairs, whoever made the sketches and when.
        """
        first = len(self._clusters)
        pairs = [
            np.stack([there, given + first], axis=1)
            for given, there in self._bands.candidates(sketches.bands)
        ]
        pairs.append(self._bands.add(sketches.bands, first))
        self._append(sketches)
        found = [self._verified(some) for some in _cut(different(np.concatenate(pairs)))]
        alike = np.concatenate([np.zeros((0, 3)), *found])
        self._join(alike)
        return alike

    def take_again(self, sketches: Sketches, pairs: NDArray[np.float64]) -> None:
        """Take in a batch whose pairs are known, as `take` gave them: nothing is held against anything."""
        self._bands.add(sketches.bands, len(self._clusters))
        self._append(sketches)
        self._join(pairs)

    def _sketched(self, X: Any) -> list[Sketches]:
        self._check()
        return parallel(self._sketch, batches(X), self.threads)

    def _sketch(self, part: Sequence[str | bytes] | Packed) -> Sketches:
        bins, values, counts = minhash(part, self.run, self.n_bits)
        keys = (band_keys(bins, self.rows) >> np.uint64(32)).astype(np.uint32)
        whole = values[:, -1] == EMPTY
        counts[whole] = (values[whole] != EMPTY).sum(axis=1)
        return Sketches(keys, values, counts)

    def _append(self, sketches: Sketches) -> None:
        first = len(self._clusters)
        self._sketches = _grown(self._sketches, first, sketches.values)
        self._counts = _grown(self._counts, first, sketches.counts)
        self._clusters.grow(len(sketches))

    def _join(self, pairs: NDArray[np.float64]) -> None:
        if len(pairs):
            self._pairs.append(pairs)
        for one, other in pairs[:, :2].astype(np.int64).tolist():
            self._clusters.join(one, other)

    @property
    def labels_(self) -> NDArray[np.int64]:
        labels = self._clusters.labels()
        labels[list(self._gone)] = -1
        return labels

    @property
    def n_texts_(self) -> int:
        return len(self._clusters) - len(self._gone)

    @property
    def rows(self) -> int:
        """Bins of a band: as many as find nearly all pairs at the threshold."""
        size = 1 << self.n_bits
        fitting = [r for r in range(1, 9) if 1 - (1 - self.threshold**r) ** (size // r) >= _SURE]
        return max(fitting, default=1)

    def pairs(self) -> NDArray[np.float64]:
        """(m, 3): pairs that were found alike, the lesser number first, and their similarity; by number."""
        if not self._pairs:
            return np.zeros((0, 3))
        whole = np.concatenate(self._pairs)
        return whole[np.lexsort((whole[:, 1], whole[:, 0]))]

    def remove(self, texts: Sequence[int]) -> Self:
        """Take texts out, by their numbers, which are not given again; those that are out already may be named.

        What only a removed text held together is held against each other, and parts when it is not alike.

        Raises:
            InvalidInput: no text has had this number; nothing is removed then.

        Cost: linear in the size of the index, whatever the number of texts: remove many at once.
        """
        wrong = [at for at in texts if not 0 <= at < len(self._clusters)]
        if wrong:
            raise InvalidInput("no text of the index has this number", numbers=wrong[:10])
        before = self.labels_
        new = {int(at) for at in texts} - self._gone
        self._gone |= new
        there = np.ones(len(self._clusters), bool)
        there[list(self._gone)] = False
        self._bands.keep(there)
        known = self.pairs()
        ends = known[:, :2].astype(np.int64)
        live = there[ends]
        kept = known[live.all(axis=1)]
        bereft = np.unique(ends[live & ~live[:, ::-1]])
        bereft = bereft[np.argsort(before[bereft], kind="stable")]
        some = self._verified(_chained(bereft, before[bereft]))
        self._pairs = [np.concatenate([kept, some])]
        self._clusters = Clusters()
        self._clusters.grow(len(there))
        for one, other in self._pairs[0][:, :2].astype(np.int64).tolist():
            self._clusters.join(one, other)
        return self

    def query(self, X: Any) -> list[list[Match]]:
        """For each text, those of the index that are like it, the most alike first; it is not taken in."""
        self._check()
        found: list[list[Match]] = []
        for part in batches(X):
            own = self._sketch(part)
            counts = own.counts
            matches: list[dict[int, Match]] = [{} for _ in range(len(own))]
            known, sizes = self._sketches, self._counts
            for given, there in self._bands.candidates(own.bands):
                codes = np.unique(given << 32 | there)
                ours, theirs = codes >> 32, codes & 0xFFFFFFFF
                alike = jaccard(own.values, ours, known, theirs)
                for at in np.flatnonzero(alike >= self.threshold).tolist():
                    g, t = int(ours[at]), int(theirs[at])
                    matches[g][t] = _match(t, float(alike[at]), int(counts[g]), int(sizes[t]))
            found += [sorted(m.values(), key=lambda x: (-x.similarity, x.text)) for m in matches]
        return found

    def _check(self) -> None:
        if not (np.isfinite(self.threshold) and 0 < self.threshold <= 1):
            raise InvalidInput(f"threshold is {self.threshold!r}: above 0, and 1 at most")
        try:
            check_sketch(self.run, self.n_bits)
        except (ValueError, TypeError) as error:
            raise InvalidInput(str(error)) from error

    def _verified(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """(m, 3): those that are alike enough, with their similarity."""
        one, other = np.ascontiguousarray(pairs.T)
        alike = jaccard(self._sketches, one, self._sketches, other)
        kept = alike >= self.threshold
        return np.column_stack([pairs[kept], alike[kept]])

    # --- files ----------------------------------------------------------------------------------

    def save(self, directory: Path) -> None:
        """Write the index: a description and arrays, which `load` maps.

        Over an older one, arrays are written beside it and the description is replaced last: whenever this is broken
        off, the older one is there whole.

        Raises:
            Conflict: the folder holds something else.
        """
        directory = Path(directory)
        if (
            directory.exists()
            and not (directory / _DESCRIPTION).is_file()
            and any(directory.iterdir())
        ):
            raise Conflict(
                "the folder holds something else than an index of duplicates",
                directory=str(directory),
            )
        directory.mkdir(parents=True, exist_ok=True)
        n, turn = len(self._clusters), _turn(directory) + 1
        sketches, counts = self._sketches[:n], self._counts[:n]
        arrays: dict[str, NDArray[Any]] = {
            "sketches": sketches,
            "counts": counts,
            "labels": self.labels_,
            "pairs": self.pairs(),
        }
        for at, (keys, rows) in enumerate(self._bands.segments):
            arrays |= {f"keys{at}": keys, f"rows{at}": rows}
        for name, array in arrays.items():
            np.save(directory / f"{turn}-{name}.npy", array)
        about = {
            "format": _FORMAT, "turn": turn, "params": self.get_params(), "texts": n,
            "segments": len(self._bands.segments),
        }  # fmt: skip
        part = directory / f"{_DESCRIPTION}.part"
        part.write_text(json.dumps(about), encoding="utf-8")
        part.replace(directory / _DESCRIPTION)
        for old in directory.glob("*-*.npy"):
            if not old.name.startswith(f"{turn}-"):
                old.unlink()

    @classmethod
    def load(cls, directory: Path) -> NearDuplicates:
        """Map an index that was saved; it can go on.

        Raises:
            Misconfigured: there is none, or one of another release.
            Corrupt: it is not whole.
        """
        directory = Path(directory)
        try:
            about = json.loads((directory / _DESCRIPTION).read_text(encoding="utf-8"))
        except OSError as exc:
            raise Misconfigured(
                "no index of duplicates is there", directory=str(directory)
            ) from exc
        except ValueError as exc:
            raise Corrupt(
                "the description of the index cannot be read", directory=str(directory)
            ) from exc
        try:
            if about["format"] != _FORMAT:
                raise Misconfigured("the index is of another release", format=about["format"])
            made = cls(**about["params"])
            n, segments, turn = (int(about[key]) for key in ("texts", "segments", "turn"))

            def array(name: str) -> NDArray[Any]:
                return mapped.npy(directory / f"{turn}-{name}.npy")

            sketches, counts, labels, pairs = map(array, ("sketches", "counts", "labels", "pairs"))
            bands = [(array(f"keys{at}"), array(f"rows{at}")) for at in range(segments)]
        except (OSError, KeyError, TypeError, ValueError) as exc:
            raise Corrupt("the index of duplicates is not whole", directory=str(directory)) from exc
        whole = {len(sketches), len(counts), len(labels)} == {n} and sketches.shape[
            1
        ] == 1 << made.n_bits
        if not whole or any(len(keys) != len(rows) for keys, rows in bands):
            raise Corrupt("the index of duplicates is not whole", directory=str(directory))
        made._gone = set(np.flatnonzero(labels < 0).tolist())
        parents = np.where(labels < 0, np.arange(n), labels)
        made._bands, made._clusters = Bands(bands), Clusters(parents)
        made._sketches, made._counts = sketches, counts
        made._pairs = [pairs] if len(pairs) else []
        return made


def _grown(array: NDArray[Any], used: int, more: NDArray[Any]) -> NDArray[Any]:
    """With more rows after those that are used, in twice the room when there is none left."""
    if used + len(more) > len(array) or not array.flags.writeable:
        room = np.zeros((max(used + len(more), 2 * used), *array.shape[1:]), array.dtype)
        room[:used] = array[:used]
        array = room
    array[used : used + len(more)] = more
    return array


def _turn(directory: Path) -> int:
    """Of the index that is there; 0 without one, or one that cannot be read."""
    try:
        return int(json.loads((directory / _DESCRIPTION).read_text(encoding="utf-8"))["turn"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _chained(members: NDArray[np.int64], clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of each member with the first of its cluster and with the one before; members come by cluster."""
    if len(members) < 2:
        return np.zeros((0, 2), np.int64)
    first = np.searchsorted(clusters, clusters)
    behind = np.flatnonzero(first < np.arange(len(members)))
    to_first = np.stack([members[first[behind]], members[behind]], axis=1)
    return different(
        np.concatenate([to_first, np.stack([members[behind - 1], members[behind]], axis=1)])
    )


def _match(text: int, alike: float, own: int, other: int) -> Match:
    common = alike * (own + other) / (1 + alike)
    return Match(text, alike, min(common / max(min(own, other), 1), 1.0))


def _cut(pairs: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for first in range(0, len(pairs), _AT_ONCE):
        yield pairs[first : first + _AT_ONCE]
