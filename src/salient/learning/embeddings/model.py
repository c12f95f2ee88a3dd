"""The estimator: vectors of words, and of documents, from any amount of text."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from salient.errors import Conflict, Corrupt, InvalidInput, NotFound, Unsupported
from salient.learning import mapped
from salient.learning.embeddings import corpus
from salient.learning.embeddings.corpus import Sentence, Spool, Told
from salient.learning.embeddings.keyed import KeyedVectors, _replaced, composed, described
from salient.learning.embeddings.phrases import Phrases
from salient.learning.embeddings.training import (
    Parameters,
    Tables,
    Trainer,
    check_finite,
    documents_rows,
    n_words,
)
from salient.learning.embeddings.vocabulary import Vocabulary, VocabularyCounter
from salient.learning.parameters import Parameterised
from salient.model import columns

_NAMES = tuple(f for f in Parameters.__struct_fields__)
_STATE, _INPUTS, _OUTPUTS, _DOCS = "state.json", "inputs.npy", "outputs.npy", "docs.npy"


def _silent(stage: str, done: int, total: int) -> None:
    pass


@dataclass(slots=True)
class _Place:
    """How far training is: the next shard, and words trained on."""

    epoch: int = 0
    shard: int = 0
    seen: int = 0
    loss: float = 0.0
    pairs: int = 0


class WordVectors(Parameterised):
    """Vectors of words by skip-gram or CBOW with negative sampling; scikit-learn's interface.

    - `fit` takes a stream once; memory is one shard, the vocabulary and the tables, whatever its length.
    - Words are terms, by sentence: see `salient.kernels.sentences`.
    - One thread and one seed give equal bits on one machine, stopped and resumed or not.
    - `fit` that raises leaves what was fitted before.

    After `fit`: `vocabulary_`, `keyed_` (see `KeyedVectors`), `tables_`, `phrases_`, `loss_` (mean squared
    error of predictions in the last epoch), and with `documents` the rows `documents_`.

    Source: as `salient.kernels.embedding`.
    """

    def __init__(
        self, *, dimensions: int = 100, window: int = 5, negatives: int = 5, epochs: int = 5, min_count: int = 5,
        max_words: int = 1_000_000, sample: float = 1e-3, rate: float = 0.025, mode: str = "skip-gram",
        documents: str | None = None, min_n: int = 0, max_n: int = 0, buckets: int = 200_000, exponent: float = 0.75,
        shard_words: int = 500_000, seed: int = 1, phrases: bool = False, threads: int = 1,
    ) -> None:  # fmt: skip
        """Say how to train.

        Args:
            sample: words more frequent than this share are trained on less often; 0 for all.
            mode: `skip-gram` or `cbow`; with `documents` that says it: `dbow` (documents alone),
                `dbow-words` (skip-gram as well) or `dm`.
            min_n: with `max_n`, the lengths of character n-grams that words' vectors are made of.
            shard_words: how many words are read at a time.
            phrases: join pairs of words that belong together.
            threads: more than one write to the same rows: faster, and not the same bits twice.
        """
        self.dimensions, self.window, self.negatives, self.epochs = dimensions, window, negatives, epochs  # fmt: skip
        self.min_count, self.max_words, self.sample, self.rate = min_count, max_words, sample, rate
        self.mode, self.documents, self.min_n, self.max_n = mode, documents, min_n, max_n
        self.buckets, self.exponent, self.shard_words, self.seed = buckets, exponent, shard_words, seed  # fmt: skip
        self.phrases, self.threads = phrases, threads

    @property
    def parameters(self) -> Parameters:
        """Checked. Raises: InvalidInput."""
        made = Parameters(**{name: getattr(self, name) for name in _NAMES})
        made.check()
        if not isinstance(self.threads, int) or not 1 <= self.threads <= 256:
            raise InvalidInput(f"threads is 1 to 256, not {self.threads!r}")
        return made

    def fit(
        self, X: Iterable[str | bytes], y: object = None, *, told: Told = _silent,  # noqa: N803 - scikit-learn's name
        checkpoint: str | Path | None = None, every_s: float = 60.0,
    ) -> Self:  # fmt: skip
        """Train on texts, a list or a stream of any length.

        Args:
            told: called with the stage, how far it is and of how much.
            checkpoint: a folder to keep the text and the state in: given again, training goes on where
                it was, and reads nothing of X that it has. What is there must be of the same parameters.
            every_s: seconds between states.

        Raises:
            InvalidInput: a parameter, or something that is no text; no word is frequent enough.
                Training went astray, to numbers that are none: the rate is too high.
            Conflict: the checkpoint is of other parameters.
            Corrupt: the checkpoint cannot be read.
        """
        documents = (corpus.sentences(text) for text in corpus.checked(X))
        return self.fit_sentences(documents, told=told, checkpoint=checkpoint, every_s=every_s)

    def fit_sentences(
        self, documents: Iterable[Iterable[Sentence]], *, told: Told = _silent,
        checkpoint: str | Path | None = None, every_s: float = 60.0,
    ) -> Self:  # fmt: skip
        """As `fit`, on documents that are sentences of words already; words hold no space."""
        parameters = self.parameters
        with _folder(checkpoint) as folder:
            _agree(
                folder,
                {**msgspec.to_builtins(parameters), "phrases": self.phrases, "cut": corpus.CUT},
            )
            spool = Spool(folder)
            if not spool.ready:
                spool.fill(documents, parameters.shard_words, told)
            phrases, vocabulary = self._counted(spool, parameters, told)
            shards = spool.numbers(vocabulary)
            if shards is None:
                with_documents = parameters.documents is not None
                join = None if phrases is None else phrases.join
                spool.encode(vocabulary, join, documents=with_documents, told=told)
                shards = spool.numbers(vocabulary) or []
            n_documents = sum(spool.documents) if parameters.documents is not None else 0
            state = _saved(folder)
            place, tables = state or (_Place(), Tables.fresh(parameters, len(vocabulary), n_documents))  # fmt: skip
            trainer = Trainer(parameters, vocabulary, threads=self.threads)
            last = time.monotonic()
            sizes = [n_words(s) for s in shards]
            total = sum(sizes) * parameters.epochs
            while place.epoch < parameters.epochs:
                number = place.shard
                rates = trainer.rates(place.seen, sizes[number], total)
                _, loss, pairs = trainer.train(tables, shards[number], rates, (place.epoch, number))
                place.seen += sizes[number]
                place.loss, place.pairs = place.loss + loss, place.pairs + pairs
                place.shard += 1
                self._loss = place.loss / max(place.pairs, 1)
                if place.shard == len(shards):
                    place.epoch, place.shard, place.loss, place.pairs = place.epoch + 1, 0, 0.0, 0
                told("train", place.seen, total)
                if checkpoint is not None and time.monotonic() - last > every_s:
                    _save(folder, place, tables)
                    last = time.monotonic()
            if checkpoint is not None:
                _save(folder, place, tables)
        return self._take(parameters, vocabulary, tables, phrases)

    def _counted(
        self, spool: Spool, parameters: Parameters, told: Told
    ) -> tuple[Phrases | None, Vocabulary]:
        phrases = None
        if self.phrases:
            phrases = Phrases().fit(s for shard in spool for document in shard for s in document)
        counter = VocabularyCounter(max(parameters.max_words, 1000))
        for n, shard in enumerate(spool):
            for document in shard:
                counter.add(document if phrases is None else map(phrases.join, document))
            told("counted", n + 1, len(spool.documents))
        return phrases, counter.vocabulary(parameters.min_count, parameters.max_words)

    def _take(
        self,
        parameters: Parameters,
        vocabulary: Vocabulary,
        tables: Tables,
        phrases: Phrases | None,
    ) -> Self:
        check_finite(tables.inputs, tables.outputs, tables.docs)
        trainer = Trainer(parameters, vocabulary)
        self.vocabulary_, self.tables_, self.phrases_ = vocabulary, tables, phrases
        self.loss_ = getattr(self, "_loss", float("nan"))
        self.keyed_ = keyed_of(parameters, vocabulary, tables, trainer)
        self.documents_ = tables.docs[:, : parameters.dimensions]
        self.n_features_out_ = parameters.dimensions
        return self

    def partial_fit(self, X: Iterable[str | bytes], y: object = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on more text, one pass at the first rate; its new words join the vocabulary.

        The text is held in memory: give a stream in pieces.

        Raises:
            Unsupported: with documents, whose rows are of one `fit`.
            InvalidInput: as `fit`.
        """
        parameters = self.parameters
        if parameters.documents is not None:
            raise Unsupported(
                "vectors of documents are trained by fit; infer makes those of new ones"
            )
        shard = [list(corpus.sentences(text)) for text in corpus.checked(X)]
        phrases: Phrases | None = getattr(self, "phrases_", None)
        if phrases is not None:
            shard = [[phrases.join(s) for s in document] for document in shard]
        counter = VocabularyCounter(max(parameters.max_words, 1000))
        for document in shard:
            counter.add(document)
        before: Vocabulary | None = getattr(self, "vocabulary_", None)
        if before is None:
            vocabulary = counter.vocabulary(parameters.min_count, parameters.max_words)
            tables = Tables.fresh(parameters, len(vocabulary))
            n_passes = 0
        else:
            vocabulary, tables = self._grown(parameters, before, counter)
            n_passes = self._passes
        numbers = corpus.encoded(shard, vocabulary)
        trainer = Trainer(parameters, vocabulary, threads=self.threads)
        _, loss, pairs = trainer.train(tables, numbers, (parameters.rate, parameters.rate), (n_passes, 2**31))  # fmt: skip
        self._passes = n_passes + 1
        self._loss = loss / max(pairs, 1)
        return self._take(parameters, vocabulary, tables, phrases)

    _passes = 0

    def _grown(
        self, parameters: Parameters, before: Vocabulary, counter: VocabularyCounter
    ) -> tuple[Vocabulary, Tables]:
        """Known words keep their numbers and rows; new ones come after them."""
        new = sorted(
            ((w, n) for w, n in counter.items() if w not in before and n >= parameters.min_count),
            key=lambda c: (-c[1], c[0]),
        )[: max(parameters.max_words - len(before), 0)]
        counts = np.array([n + counter[w] for w, n in zip(before.words, before.counts.tolist(), strict=True)])  # fmt: skip
        vocabulary = Vocabulary(
            before.words + tuple(w for w, _ in new),
            np.concatenate([counts, [n for _, n in new]]).astype(np.int64),
        )
        fresh = Tables.fresh(parameters, len(vocabulary))
        n, old = len(before), self.tables_
        fresh.inputs[:n], fresh.outputs[:n] = old.inputs[:n], old.outputs
        fresh.inputs[len(vocabulary) :] = old.inputs[n:]
        return vocabulary, fresh

    def transform(self, X: Iterable[str]) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        """Texts' vectors: with `documents` as `infer`, else weighted means of words (`TextVectors`)."""
        from salient.learning.embeddings.texts import TextVectors

        self._check_fitted()
        if self.documents is not None:
            return self.infer(X)
        return TextVectors(self.keyed_).transform(list(corpus.checked(X)))

    def fit_transform(self, X: Sequence[str], y: object = None) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        return self.fit(X).transform(X)

    def infer(self, X: Iterable[str], *, passes: int = 20) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        """Vectors of documents that were not trained on; equal texts in equal places get equal ones.

        Returns:
            (n_texts, dimensions) float32; zeros for one without a known word.

        Raises:
            Unsupported: the model was trained without `documents`.
        """
        self._check_fitted()
        parameters = self.parameters
        if parameters.documents is None:
            raise Unsupported(
                "the model has no vectors of documents: train it with documents='dbow'"
            )
        trainer = Trainer(parameters, self.vocabulary_)
        made = []
        one = documents_rows(parameters, 1)
        for text in corpus.checked(X):
            document: list[Sentence] = list(corpus.sentences(text))
            if self.phrases_ is not None:
                document = [self.phrases_.join(s) for s in document]
            numbers = corpus.encoded([document], self.vocabulary_, 0)
            if len(numbers) < 2:
                made.append(np.zeros(parameters.dimensions, np.float32))
                continue
            # Each begins with the same row: its vector does not depend on those beside it.
            tables = Tables(self.tables_.inputs, self.tables_.outputs, one.copy())
            trainer.infer(tables, numbers, passes=passes)
            made.append(tables.docs[0, : parameters.dimensions])
        return np.array(made, np.float32).reshape(-1, parameters.dimensions)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "keyed_")

    def _check_fitted(self) -> None:
        if not hasattr(self, "keyed_"):
            raise InvalidInput("the vectors are not trained yet: call fit first")

    def save(self, folder: str | Path) -> None:
        """Write a folder for `open`; `KeyedVectors.open` and the encoder `vectors:` map the same one."""
        self._check_fitted()
        about = {"parameters": self.get_params(), "loss": self.loss_}
        with _replaced(Path(folder)) as new:
            self.keyed_._write(new, about)
            np.save(new / _INPUTS, self.tables_.inputs)
            np.save(new / _OUTPUTS, self.tables_.outputs)
            np.save(new / _DOCS, self.tables_.docs)
            if self.phrases_ is not None:
                pairs = "\n".join(f"{a} {b}" for a, b in sorted(self.phrases_.pairs_))
                letters = np.frombuffer(pairs.encode(), np.uint8)
                (new / "phrases.columns").write_bytes(columns.dump({"pairs": letters}, {}))

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Read what `save` wrote: vectors mapped, tables copied, so that it can be trained on.

        Raises:
            NotFound: there is none.
            Corrupt: it cannot be read.
        """
        folder = Path(folder)
        about = described(folder)
        try:
            model = cls(**about["parameters"])
            parameters = model.parameters
            keyed = KeyedVectors.open(folder)
            tables = Tables(*(np.array(mapped.npy(folder / f)) for f in (_INPUTS, _OUTPUTS, _DOCS)))
        except (FileNotFoundError, KeyError, TypeError, InvalidInput) as exc:
            raise Corrupt("the model's files do not belong together", folder=folder.name) from exc
        phrases = None
        if (folder / "phrases.columns").exists():
            letters = mapped.column_file(folder / "phrases.columns")[1]["pairs"].tobytes().decode()
            phrases = Phrases()
            pairs = (line.split(" ") for line in letters.splitlines())
            phrases.pairs_ = {(pair[0], pair[1]): 1.0 for pair in pairs}
        model._loss = float(about.get("loss", "nan"))
        model._take(parameters, keyed.vocabulary, tables, phrases)
        model.keyed_ = keyed
        return model


def keyed_of(
    parameters: Parameters, vocabulary: Vocabulary, tables: Tables, trainer: Trainer
) -> KeyedVectors:
    """What is looked up, of what was trained."""
    n, dimensions = len(vocabulary), parameters.dimensions
    vectors = composed(tables.inputs, trainer.starts, trainer.pieces, n)[:, :dimensions]
    grams = tables.inputs[n:, :dimensions] if parameters.max_n else None
    return KeyedVectors(
        vocabulary, np.ascontiguousarray(vectors), grams, (parameters.min_n, parameters.max_n)
    )


@contextmanager
def _folder(checkpoint: str | Path | None) -> Iterator[Path]:
    if checkpoint is not None:
        kept = Path(checkpoint)
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="salient-vectors-") as folder:
        yield Path(folder)


def _agree(folder: Path, parameters: dict[str, Any]) -> None:
    file = folder / "parameters.json"
    if file.exists():
        try:
            there = json.loads(file.read_bytes())
        except ValueError as exc:
            raise Corrupt("the checkpoint's parameters cannot be read: begin in an empty folder") from exc  # fmt: skip
        if there != parameters:
            other = sorted(k for k in parameters if there.get(k) != parameters[k])
            raise Conflict(
                f"the checkpoint {folder} is of other parameters ({', '.join(other)}): use another folder"
            )
        return
    file.write_text(json.dumps(parameters))


def _save(folder: Path, place: _Place, tables: Tables) -> None:
    with _replaced(folder / "state") as new:
        np.save(new / _INPUTS, tables.inputs)
        np.save(new / _OUTPUTS, tables.outputs)
        np.save(new / _DOCS, tables.docs)
        said = [place.epoch, place.shard, place.seen, place.loss, place.pairs]
        (new / _STATE).write_text(json.dumps(said))


def _saved(folder: Path) -> tuple[_Place, Tables] | None:
    try:
        place = _Place(*json.loads((folder / "state" / _STATE).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise Corrupt("the checkpoint's state cannot be read: begin in an empty folder") from exc
    try:
        arrays = [np.array(mapped.npy(folder / "state" / f)) for f in (_INPUTS, _OUTPUTS, _DOCS)]
    except FileNotFoundError as exc:
        raise Corrupt("the checkpoint lacks a table: begin in an empty folder") from exc
    return place, Tables(*arrays)


__all__ = ["KeyedVectors", "NotFound", "WordVectors"]
