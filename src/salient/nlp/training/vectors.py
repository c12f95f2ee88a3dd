"""Word vectors for the small model: a narrow, frozen table by norm, made from a larger model's.

A file is an `.npz`: `words` (uint8), the norms in UTF-8, sorted by their bytes; `ends` (n,) uint32, where each
ends; `rows` (n, width) int8 and `scale` (n,) float32, which a row is to be multiplied by.
"""

from __future__ import annotations

import io
import itertools
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput
from salient.nlp.native.features import VECTOR_WIDTH, norms

if TYPE_CHECKING:
    from salient.learning.vectors import Encoder
    from salient.nlp.training.reading import Teacher

MOST_WORDS: Final = 80_000
OCCURRENCES: Final = 30
"""Of a word, at most, whose states are averaged."""

_LONGEST = 160  # words of a text that is read for its states
_BATCH = 16


def vocabulary(
    texts: Iterable[Sequence[str]], *, fewest: int = 2, most: int = MOST_WORDS
) -> dict[str, int]:
    """The most frequent norms and how often each was met, in the order of their bytes."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    by_norm: Counter[str] = Counter()
    forms = list(counts)
    for form, norm in zip(forms, norms(forms), strict=True):
        by_norm[norm] += counts[form]
    by_norm.pop("", None)
    frequent = [(n, w) for w, n in by_norm.items() if n >= fewest]
    kept = sorted(frequent, key=lambda pair: (-pair[0], pair[1]))[:most]
    return dict(sorted(((w, n) for n, w in kept), key=lambda pair: pair[0].encode()))


def static_rows(words: Sequence[str], encoder: Encoder) -> NDArray[np.float32]:
    """(n, dimensions): the encoder's vector of each word by itself, of length 1 or 0."""
    return encoder.encode(list(words))


def contextual_rows(
    words: Sequence[str], texts: Iterable[Sequence[str]], teacher: Teacher
) -> NDArray[np.float32]:
    """(n, width): mean of the teacher's states at the first occurrences of each word; zeros without one.

    Texts in which every word was seen often enough are not read.
    """
    number = {word: i for i, word in enumerate(words)}
    sums: NDArray[np.float32] | None = None
    seen = np.zeros(len(words), np.int64)
    for batch in _wanted(texts, number, seen):
        for ids, states in zip(batch, teacher.states([text for _, text in batch]), strict=True):
            if sums is None:
                sums = np.zeros((len(words), states.shape[1]), np.float32)
            at = np.array(ids[0])
            chosen = (at >= 0) & (seen[at] + _times_before(at) < OCCURRENCES)
            np.add.at(sums, at[chosen], states[chosen])
            np.add.at(seen, at[chosen], 1)
    if sums is None:
        raise InvalidInput("there is no text to read words in")
    rows: NDArray[np.float32] = sums / np.maximum(seen, 1).astype(np.float32)[:, None]
    return rows


def joined(tables: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Tables side by side, (n, sum of widths), of which each varies as much as the others.

    Where a table does not know a word, and so has a row of zeros, the word gets that table's mean.
    """
    made: list[NDArray[np.float32]] = []
    for rows in tables:
        known = np.abs(rows).sum(1) > 0
        moved = np.zeros_like(rows)
        moved[known] = rows[known] - rows[known].mean(0)
        made.append(moved / max(float(np.sqrt((moved**2).sum(1).mean())), 1e-9))
    return np.concatenate(made, 1)


def _times_before(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each number was there before, in the same array."""
    order = np.argsort(ids, kind="stable")
    begins = np.flatnonzero(np.diff(ids[order], prepend=np.iinfo(np.int64).min))
    sizes = np.diff([*begins, len(ids)])
    times = np.empty(len(ids), np.int64)
    times[order] = np.arange(len(ids)) - np.repeat(begins, sizes)
    return times


_Numbered = tuple[list[int], Sequence[str]]


def _wanted(
    texts: Iterable[Sequence[str]], number: dict[str, int], seen: NDArray[np.int64]
) -> Iterator[list[_Numbered]]:
    batch: list[_Numbered] = []
    for text in texts:
        for a in range(0, len(text), _LONGEST):
            piece = text[a : a + _LONGEST]
            ids = [number.get(norm, -1) for norm in norms(piece)]
            if any(i >= 0 and seen[i] < OCCURRENCES for i in ids):
                batch.append((ids, piece))
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def narrowed(
    rows: NDArray[np.float32], counts: NDArray[np.int64], width: int = VECTOR_WIDTH
) -> NDArray[np.float32]:
    """(n, width): the rows along the directions in which they differ most; zero rows stay zero.

    A word weighs as the square root of its count, so that neither the few frequent nor the many rare
    ones settle the directions alone. Columns have about unit variance, the later ones less.

    Raises:
        InvalidInput: the rows are narrower than `width`.

    Source: principal components; signs are fixed so that the same rows give the same table.
    """
    if rows.shape[1] < width:
        raise InvalidInput("rows are too narrow", width=rows.shape[1], wanted=width)
    known = np.abs(rows).sum(1) > 0
    weights = np.sqrt(counts[known]).astype(np.float64)
    weights /= weights.sum()
    x = rows[known].astype(np.float64)
    x -= weights @ x
    values, vectors = np.linalg.eigh((x * weights[:, None]).T @ x)
    values, vectors = values[::-1][:width], vectors[:, ::-1][:, :width]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(width)])
    # Half way to whitening: the first directions are mostly frequency and style.
    scaled = (x @ vectors) / np.maximum(values, 1e-9) ** 0.25
    made = np.zeros((len(rows), width), np.float32)
    made[known] = scaled / max(float(scaled.std()), 1e-9)
    return made


def write(path: Path, words: Sequence[str], rows: NDArray[np.float32]) -> None:
    """Write a table; equal tables give equal bytes.

    Raises:
        InvalidInput: the words are not sorted by their bytes, or are not as many as the rows.
    """
    encoded = [word.encode() for word in words]
    if len(encoded) != len(rows) or any(a >= b for a, b in itertools.pairwise(encoded)):
        raise InvalidInput("words must be sorted by their bytes, one for each row")
    scale = (np.abs(rows).max(1, initial=0) / 127).astype(np.float32)
    steps = np.rint(rows / np.where(scale > 0, scale, 1)[:, None]).astype(np.int8)
    arrays = {
        "words": np.frombuffer(b"".join(encoded), np.uint8),
        "ends": np.cumsum([len(e) for e in encoded], dtype=np.uint32),
        "rows": steps,
        "scale": scale,
    }
    rough = path.with_suffix(".part")
    with zipfile.ZipFile(rough, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, array in arrays.items():
            raw = io.BytesIO()
            np.lib.format.write_array(raw, array, allow_pickle=False)
            packed.writestr(zipfile.ZipInfo(f"{name}.npy"), raw.getvalue())
    rough.replace(path)


def read(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Read a table.

    Returns:
        The n words, and (n + 1, width) rows: the first, of zeros, is any other word's.

    Raises:
        Corrupt: the file is none.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            blob, ends = arrays["words"].tobytes(), arrays["ends"].tolist()
            words = [blob[a:b].decode() for a, b in zip([0, *ends[:-1]], ends, strict=True)]
            rows = arrays["rows"].astype(np.float32) * arrays["scale"][:, None]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as exc:
        raise Corrupt("a table of word vectors cannot be read", path=str(path)) from exc
    return words, np.concatenate([np.zeros((1, rows.shape[1]), np.float32), rows])
