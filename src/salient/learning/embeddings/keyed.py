"""Words' vectors: looked up, compared, kept in files that are mapped, written as others read them."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput, NotFound
from salient.learning import mapped
from salient.learning.embeddings.corpus import CUT
from salient.learning.embeddings.vocabulary import Vocabulary, gram_buckets
from salient.model import columns

_ROWS = 16_384  # at a time: what a search over all words holds beside its result
VOCABULARY, VECTORS, GRAMS, ABOUT = "vocabulary.columns", "vectors.npy", "grams.npy", "vectors.json"
_FIRST, _FORM = "salient.vectors.v1", "salient.vectors.v2"
Said = str | NDArray[np.float32]


class KeyedVectors:
    """Vectors of words, (n_words, dimensions) float32, and of n-grams for words that were never seen.

    Threads may share one; opened from a folder its arrays are mapped, so that processes do as well.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        vectors: NDArray[np.float32],
        grams: NDArray[np.float32] | None = None,
        lengths: tuple[int, int] = (0, 0),
    ) -> None:
        """Args: grams: (n_buckets, dimensions), of n-grams of `lengths` letters."""
        if vectors.ndim != 2 or len(vectors) != len(vocabulary):
            raise InvalidInput("there is not one vector for each word", shape=list(vectors.shape))
        if grams is not None and (grams.ndim != 2 or grams.shape[1] != vectors.shape[1]):
            raise InvalidInput("vectors of n-grams have other dimensions than those of words")
        self.vocabulary = vocabulary
        self.vectors = vectors
        self.grams = grams
        self.lengths = lengths

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary

    def vector(self, word: str) -> NDArray[np.float32]:
        """A word's vector, casefolded if it is not known as it is; of one never seen, its n-grams' mean.

        Raises:
            NotFound: the word is not known, and there are no n-grams to make it of.
        """
        for form in (word, word.casefold()):
            number = self.vocabulary.index.get(form)
            if number is not None:
                return np.array(self.vectors[number])
        if self.grams is not None:
            buckets = gram_buckets(word.casefold(), *self.lengths, len(self.grams))
            if buckets:
                return np.asarray(self.grams[buckets].mean(axis=0, dtype=np.float64), np.float32)
        raise NotFound(
            f"the word {word!r} was not in the text, or too rarely; n-grams (max_n) give vectors to such",
            word=word,
        )

    def similarity(self, one: Said, other: Said) -> float:
        """Cosine. Raises: NotFound."""
        a, b = _unit(self._said(one)), _unit(self._said(other))
        return float(a @ b)

    def neighbours(
        self, of: Said, n: int = 10, *, without: Iterable[str] = ()
    ) -> list[tuple[str, float]]:
        """The words most alike by cosine, best first; on a tie the more frequent one.

        Raises:
            NotFound: `of` is a word that has no vector.
            InvalidInput: it is a vector of other dimensions, or not of finite numbers.
        """
        left_out = {*without} | ({of, of.casefold()} if isinstance(of, str) else set())
        return self._nearest(self._said(of), n, left_out)

    def analogy(self, a: str, b: str, c: str, n: int = 10) -> list[tuple[str, float]]:
        """What is to `c` as `b` is to `a`: `analogy("man", "king", "woman")`.

        Raises:
            NotFound: one of them has no vector.

        Source: 3CosAdd, Mikolov et al. 2013, https://aclanthology.org/N13-1090.
        """
        ua, ub, uc = (_unit(self.vector(w)) for w in (a, b, c))
        words = {w.casefold() for w in (a, b, c)} | {a, b, c}
        return self._nearest(np.asarray(ub - ua + uc, np.float32), n, words)

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        norms = np.empty(len(self.vectors), np.float32)
        for first in range(0, len(norms), _ROWS):
            norms[first : first + _ROWS] = np.linalg.norm(self.vectors[first : first + _ROWS], axis=1)  # fmt: skip
        norms[norms == 0] = 1
        return norms

    def _said(self, of: Said) -> NDArray[np.float32]:
        if isinstance(of, str):
            return self.vector(of)
        vector = np.asarray(of, np.float32)
        if vector.shape != (self.dimensions,) or not np.isfinite(vector).all():
            raise InvalidInput(f"a vector is {self.dimensions} finite numbers")
        return vector

    def _nearest(
        self, vector: NDArray[np.float32], n: int, without: set[str]
    ) -> list[tuple[str, float]]:
        if n < 1:
            return []
        scores = np.concatenate(
            [
                self.vectors[i : i + _ROWS] @ _unit(vector)
                for i in range(0, len(self.vectors), _ROWS)
            ]
        )
        scores = scores / self._norms
        for word in without:
            number = self.vocabulary.index.get(word)
            if number is not None:
                scores[number] = -2
        best = np.argpartition(-scores, min(n, len(scores)) - 1)[:n]
        best = best[np.lexsort((best, -scores[best]))]
        return [(self.vocabulary.words[i], float(scores[i])) for i in best if scores[i] > -2]

    def save(self, folder: str | Path, about: Mapping[str, Any] | None = None) -> None:
        """Write a folder that `open` maps; an older one is replaced when the new one is whole."""
        with _replaced(Path(folder)) as new:
            self._write(new, about or {})

    def _write(self, folder: Path, about: Mapping[str, Any]) -> None:
        (folder / VOCABULARY).write_bytes(columns.dump(self.vocabulary.arrays(), {}))
        np.save(folder / VECTORS, np.ascontiguousarray(self.vectors, np.float32))
        if self.grams is not None:
            np.save(folder / GRAMS, np.ascontiguousarray(self.grams, np.float32))
        said = {**about, "form": _FORM, "cut": CUT, "lengths": list(self.lengths)}
        (folder / ABOUT).write_text(json.dumps(said, indent=1))

    @classmethod
    def open(cls, folder: str | Path) -> KeyedVectors:
        """Map what `save` wrote.

        Raises:
            NotFound: there is no such folder, or it holds no vectors.
            Corrupt: its files cannot be read, or do not belong together.
        """
        folder = Path(folder)
        about = described(folder)
        vectors, vocabulary = mapped.npy(folder / VECTORS), mapped.column_file(folder / VOCABULARY)
        grams = mapped.npy(folder / GRAMS) if (folder / GRAMS).exists() else None
        try:
            low, high = about["lengths"]
            return cls(Vocabulary.of(vocabulary[1]), vectors, grams, (int(low), int(high)))
        except (InvalidInput, KeyError, TypeError, ValueError) as exc:
            raise Corrupt("files of vectors do not belong together", folder=folder.name) from exc

    def export(self, path: Path, form: str = "text") -> None:
        """Write a file that word2vec, gensim and fastText read.

        Args:
            form: `text` (`.vec` of fastText, `KeyedVectors.load_word2vec_format` of gensim), `binary`
                (the same with `binary=True`), `fasttext` (`.bin`, with n-grams, for
                `gensim.models.fasttext.load_facebook_vectors` and fastText itself).

        Raises:
            InvalidInput: there is no such form.
        """
        writers = {"text": self._text, "binary": self._binary, "fasttext": self._fasttext}
        if form not in writers:
            raise InvalidInput(f"no form {form!r} of vectors", known=sorted(writers))
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            writers[form](file)
        part.replace(path)

    def _text(self, file: BinaryIO) -> None:
        file.write(f"{len(self)} {self.dimensions}\n".encode())
        for word, row in zip(self.vocabulary.words, self.vectors, strict=True):
            file.write(f"{word} {' '.join(f'{x:.6g}' for x in row.tolist())}\n".encode())

    def _binary(self, file: BinaryIO) -> None:
        file.write(f"{len(self)} {self.dimensions}\n".encode())
        for word, row in zip(self.vocabulary.words, self.vectors, strict=True):
            file.write(word.encode() + b" " + np.asarray(row, "<f4").tobytes() + b"\n")

    def _fasttext(self, file: BinaryIO) -> None:
        """Source: fastText's `FastText::saveModel`, version 12; only vectors are exact, not counts' use."""
        n_buckets = 0 if self.grams is None else len(self.grams)
        rows = self.vectors
        counts = self.vocabulary.counts
        file.write(struct.pack("<2i", 793712314, 12))
        # dim ws epoch minCount neg wordNgrams loss=ns model=sg bucket minn maxn lrUpdateRate t
        file.write(struct.pack("<12id", self.dimensions, 5, 5, 1, 5, 1, 2, 2, n_buckets, *self.lengths, 100, 1e-4))  # fmt: skip
        file.write(struct.pack("<3i2q", len(self), len(self), 0, int(counts.sum()), -1))
        for word, n in zip(self.vocabulary.words, counts.tolist(), strict=True):
            file.write(word.encode() + b"\0" + struct.pack("<qb", n, 0))
        file.write(struct.pack("<?2q", False, len(self) + n_buckets, self.dimensions))  # noqa: FBT003 - not quantised
        for word, row in zip(self.vocabulary.words, rows, strict=True):
            file.write(np.asarray(self._own(word, row), "<f4").tobytes())
        if self.grams is not None:
            file.write(np.ascontiguousarray(self.grams, "<f4").tobytes())
        file.write(struct.pack("<?2q", False, len(self), self.dimensions))  # noqa: FBT003 - the same
        file.write(np.zeros((len(self), self.dimensions), "<f4").tobytes())

    def _own(self, word: str, row: NDArray[np.float32]) -> NDArray[np.float64]:
        """The row that with those of its n-grams has the word's vector as its mean."""
        if self.grams is None:
            return row.astype(np.float64)
        buckets = gram_buckets(word, *self.lengths, len(self.grams))
        others = self.grams[buckets].sum(axis=0, dtype=np.float64)
        own: NDArray[np.float64] = row.astype(np.float64) * (len(buckets) + 1) - others
        return own


def described(folder: Path) -> dict[str, Any]:
    """What a folder of vectors says of itself. Raises: NotFound, Corrupt."""
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_bytes())
        if about["form"] == _FIRST:
            raise Corrupt(
                "the vectors are of an earlier release, which cut words otherwise: train them again"
            )
        if about["form"] != _FORM or about["cut"] != CUT:
            raise Corrupt(
                "the vectors are of another release: train them again", form=str(about["form"])[:40]
            )
    except FileNotFoundError as exc:
        raise NotFound(f"{folder} holds no vectors: salient embed train makes some") from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise Corrupt("the description of the vectors cannot be read", folder=folder.name) from exc
    return about


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """A new folder that takes the other's place when all is written."""
    new, old = (folder.with_name(f"{folder.name}.{os.getpid()}.{e}") for e in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            folder.replace(old)
        new.replace(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    return vector if norm == 0 else np.asarray(vector / norm, np.float32)


def composed(
    inputs: NDArray[np.float32], starts: NDArray[np.int64], pieces: NDArray[np.int32], n: int
) -> NDArray[np.float32]:
    """The vectors of n words: their own rows, or with pieces the means of those."""
    if not len(starts):
        return np.array(inputs[:n])
    made = np.empty((n, inputs.shape[1]), np.float32)
    for number in range(n):
        rows = inputs[pieces[starts[number] : starts[number + 1]]]
        made[number] = rows.mean(axis=0, dtype=np.float64)
    return made


def rows_of(words: Sequence[str], keyed: KeyedVectors) -> NDArray[np.float32]:
    """(n_words, dimensions); zeros for a word that has no vector."""
    rows = np.zeros((len(words), keyed.dimensions), np.float32)
    for at, word in enumerate(words):
        try:
            rows[at] = keyed.vector(word)
        except NotFound:
            continue
    return rows
