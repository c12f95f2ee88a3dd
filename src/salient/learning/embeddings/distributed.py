"""Training by many workers: shards in a blob store, rounds of local training, deltas combined by row.

What is in the store, under a prefix of the run (all of it written once, under a name that says what it
follows from):

    parameters                     what is trained, and how: other parameters are a Conflict
    text/N, text                   shards of the text; `text` is there when all are
    counts/N                       words of a shard; merged to `vocabulary`
    numbers/V/N                    a shard as numbers of the vocabulary V
    base/R-D/L                     tables of round R, by range of rows L
    deltas/R-D/T                   what task T of round R changed from the base with digest D
    rounds/R                       what round R begins with: its base, what is trained; the commit

A worker that dies leaves nothing, or a whole delta that the next one finds; a duplicate finds the delta
and does nothing; a delta of another base is under another name, so that a late one changes nothing. The
shards of tasks that gave none are trained on in a later round.
"""

from __future__ import annotations

import hashlib
import math
import time
import zlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from salient import log
from salient.errors import Conflict, Error, InvalidInput, NotFound, Unavailable, Unsupported
from salient.learning.embeddings import combining, corpus
from salient.learning.embeddings.combining import Delta
from salient.learning.embeddings.corpus import Told
from salient.learning.embeddings.model import WordVectors, _silent
from salient.learning.embeddings.training import Parameters, Tables, Trainer, n_words
from salient.learning.embeddings.vocabulary import Vocabulary, VocabularyCounter
from salient.model import columns
from salient.storage.blob import Blobs
from salient.work import Done, Handler, Item, Place, Pool, Recipe, handler

_log = log.get(__name__)

TABLES = ("inputs", "outputs")
_ATTEMPTS = 5
_FASTEST = 4.0
_MERGED = 16  # counts a task takes together
_ROUNDS_KEPT = 2


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is asked for: `kind` says which of the fields count."""

    kind: str
    number: int = 0
    shards: tuple[int, ...] = ()
    round: int = 0
    base: str = ""
    epoch: int = 0
    seen: int = 0
    total: int = 0
    exact: bool = False
    faster: float = 1.0
    """By how much the learning rate is raised."""
    how: str = "combined"
    low: int = 0
    high: int = 0
    deltas: tuple[int, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What it answers."""

    words: int = 0
    loss: float = 0.0
    pairs: int = 0
    digest: str = ""
    cpu_s: float = 0.0
    apart_s: float = 0.0
    """Of `cpu_s`, what was not training: reading the base, writing the delta."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What all tasks of a run share."""

    prefix: str
    parameters: Parameters
    workers: int
    ranges: tuple[tuple[int, int], ...] = ()


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What a round begins with: committed by being written."""

    number: int
    base: str
    epoch: int
    left: tuple[int, ...]
    """Shards of the epoch that are not trained on yet."""
    seen: int
    total: int
    loss: float = 0.0
    tasks: int = 0
    cpu_s: float = 0.0
    apart_s: float = 0.0


@handler(value=Task, result=Answer, setup=Setup)
def worker(setup: Any, place: Place) -> Handler:
    """For `Recipe.of`."""
    return _Worker(setup, place.blobs)


class _Worker:
    def __init__(self, setup: Any, blobs: Blobs) -> None:
        self._setup: Setup = msgspec.convert(setup, Setup) if isinstance(setup, dict) else setup
        self._store = _Store(blobs, self._setup.prefix)
        self._trainer: tuple[Vocabulary, Trainer] | None = None

    def __call__(self, task: Any) -> Answer:
        task = msgspec.convert(task, Task) if isinstance(task, dict) else task
        began = time.process_time()
        made: Answer = getattr(self, f"_{task.kind}")(task)
        return msgspec.structs.replace(made, cpu_s=time.process_time() - began)

    def close(self) -> None:
        """Stores are the place's."""

    def _known(self) -> tuple[Vocabulary, Trainer]:
        if self._trainer is None:
            vocabulary = self._store.vocabulary()
            self._trainer = vocabulary, Trainer(self._setup.parameters, vocabulary)
        return self._trainer

    def _count(self, task: Task) -> Answer:
        counter = VocabularyCounter(max(self._setup.parameters.max_words, 1000))
        for document in self._store.text(task.number):
            counter.add(document)
        self._store.once(f"counts/{task.number:06}", counter.dump())
        return Answer()

    def _merge(self, task: Task) -> Answer:
        merged = VocabularyCounter(max(self._setup.parameters.max_words, 1000))
        for number in task.shards:
            merged.merge(VocabularyCounter.load(self._store.get(f"{task.base}/{number:06}")))
        self._store.once(f"{task.base}-merged/{task.number:06}", merged.dump())
        return Answer()

    def _encode(self, task: Task) -> Answer:
        vocabulary, _ = self._known()
        numbers = corpus.encoded(self._store.text(task.number), vocabulary)
        self._store.once(_numbers(vocabulary, task.number), numbers.astype("<i4").tobytes())
        return Answer(words=n_words(numbers))

    def _train(self, task: Task) -> Answer:
        key = _delta(task, task.number)
        if self._store.has(key):
            header = columns.load(self._store.view(key))[0]
            return Answer(
                words=int(header["words"]), loss=float(header["loss"]), pairs=int(header["pairs"])
            )
        began = time.process_time()
        vocabulary, trainer = self._known()
        base = self._store.base(task.round, task.base, self._setup.ranges)
        tables = Tables(base["inputs"].copy(), base["outputs"].copy(), base["inputs"][:0].copy())
        read_s = time.process_time() - began
        words, loss, pairs, seen = 0, 0.0, 0, task.seen
        for shard in task.shards:
            numbers = self._store.numbers(vocabulary, shard)
            size = n_words(numbers)
            # Others read meanwhile as much: the rate goes down by what all have read.
            rates = trainer.rates(
                seen, size * (1 if task.exact else self._setup.workers), task.total
            )
            rates = (rates[0] * task.faster, rates[1] * task.faster)
            done = trainer.train(tables, numbers, rates, (task.epoch, shard))
            words, loss, pairs = words + size, loss + done[1], pairs + done[2]
            seen += size * (1 if task.exact else self._setup.workers)
        began = time.process_time()
        deltas = {
            name: Delta.between(base[name], getattr(tables, name), exact=task.exact)
            for name in TABLES
        }
        header = {"words": words, "loss": loss, "pairs": pairs}
        self._store.once(key, combining.dump(deltas, header))
        apart = read_s + time.process_time() - began
        return Answer(words=words, loss=loss, pairs=pairs, apart_s=apart)

    def _combine(self, task: Task) -> Answer:
        """The next base's rows of a range; its name has what it follows from."""
        began = time.process_time()
        base = self._store.range(task.round, task.base, task.number)
        n_inputs = _inputs(self._setup)
        parts: dict[str, list[Delta]] = {name: [] for name in TABLES}
        for number in task.deltas:
            found = combining.load(self._store.view(_delta(task, number)), TABLES)[1]
            parts["inputs"].append(found["inputs"].part(task.low, min(task.high, n_inputs)))
            parts["outputs"].append(found["outputs"].part(task.low, task.high))
        made = {name: combining.combine(base[name], parts[name], task.how) for name in TABLES}
        data = columns.dump(made, {})
        digest = hashlib.sha256(data).hexdigest()
        self._store.once(f"ranges/{digest}", data)
        return Answer(digest=digest, apart_s=time.process_time() - began)


def _inputs(setup: Setup) -> int:
    return setup.ranges[-1][1]


def _numbers(vocabulary: Vocabulary, shard: int) -> str:
    return f"numbers/{vocabulary.digest[:16]}/{shard:06}"


def _delta(task: Task, number: int) -> str:
    return f"deltas/{task.round:06}-{task.base[:16]}/{number:06}"


@dataclass(frozen=True, slots=True)
class _Store:
    """A run's blobs."""

    blobs: Blobs
    prefix: str

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def once(self, name: str, data: bytes) -> None:
        """Put, unless somebody did: equal names have equal content, or content that serves as well."""
        try:
            self.blobs.put(self.key(name), data, only_if_absent=True)
        except Conflict:
            _log.debug("embeddings.duplicate", key=name)

    def has(self, name: str) -> bool:
        return self.blobs.exists(self.key(name))

    def get(self, name: str) -> bytes:
        return self.blobs.get(self.key(name))

    def view(self, name: str) -> memoryview:
        return self.blobs.view(self.key(name))

    def text(self, number: int) -> list[list[list[str]]]:
        return corpus.read(zlib.decompress(self.get(f"text/{number:06}")))

    def vocabulary(self) -> Vocabulary:
        return Vocabulary.of(columns.load(self.get("vocabulary"))[1])

    def numbers(self, vocabulary: Vocabulary, shard: int) -> NDArray[np.int32]:
        return np.frombuffer(self.view(_numbers(vocabulary, shard)), "<i4")

    def range(self, number: int, base: str, which: int) -> dict[str, NDArray[Any]]:
        names = msgspec.json.decode(self.get(f"base/{base}"), type=list[str])
        return columns.load(self.view(f"ranges/{names[which]}"))[1]

    def base(
        self, number: int, base: str, ranges: Sequence[tuple[int, int]]
    ) -> dict[str, NDArray[np.float32]]:
        """All tables of a base: one range is mapped, several are put together."""
        parts = [self.range(number, base, i) for i in range(len(ranges))]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([p[name] for p in parts]) for name in TABLES}

    def put_base(self, digests: Sequence[str]) -> str:
        data = msgspec.json.encode(list(digests))
        digest = hashlib.sha256(data).hexdigest()
        self.once(f"base/{digest}", data)
        return digest


class DistributedTraining:
    """Trains a `WordVectors` on the workers of a pool.

    - With one worker the result is that of `WordVectors.fit` on one thread, bit for bit.
    - A run that was stopped goes on from its last round when it is called again with the same prefix.
    - Workers may come and go, die, or do a task twice: each counts once, and only what was made from the
      round's own base; what is missing is made up for in a later round.
    - Vocabulary, shards and tables are in the blob store; the coordinator holds the vocabulary.
    """

    def __init__(
        self, model: WordVectors, pool: Pool, place: Place, *, prefix: str, workers: int | None = None,
        shards_a_task: int = 2, ranges: int = 1, how: str = "combined",
    ) -> None:  # fmt: skip
        """Say what to train where.

        Args:
            prefix: of the run's blobs.
            workers: how many tasks a round has; the pool's slots by default.
            shards_a_task: of `shard_words` words each: more between rounds costs less and learns worse.
            ranges: reducers: how many parts the tables are combined in.
            how: see `combining.combine`.

        Raises:
            Unsupported: the model has vectors of documents, phrases, or several threads a worker.
            InvalidInput: a number or a parameter is out of range.
        """
        self.model = model
        self.parameters = model.parameters
        if self.parameters.documents is not None or model.phrases:
            raise Unsupported(
                "workers train vectors of words: train those of documents, or with phrases, in one process"
            )
        if model.threads != 1:
            raise Unsupported("a worker has one thread: give more workers instead")
        self.workers = pool.slots if workers is None else workers
        if min(self.workers, shards_a_task, ranges) < 1 or how not in combining.HOW:
            raise InvalidInput("workers, shards_a_task and ranges are 1 and more")
        self._pool, self._store = pool, _Store(place.blobs, prefix)
        self._shards_a_task, self._ranges, self._how = shards_a_task, ranges, how

    def fit(self, X: Iterable[str | bytes], *, told: Told = _silent) -> WordVectors:  # noqa: N803 - scikit-learn's name
        """Train, or go on; X is not read when its shards are in the store.

        Raises:
            Conflict: the prefix is of a run with other parameters.
            Unavailable: no task of a round came back though each was tried five times: call it again.
            InvalidInput: as `WordVectors.fit`.
        """
        said = msgspec.json.encode([corpus.CUT, self.parameters, self.workers, self._shards_a_task, self._ranges, self._how])  # fmt: skip
        self._store.once("parameters", said)
        if self._store.get("parameters") != said:
            raise Conflict("the run's prefix is taken by one with other parameters: use another", prefix=self._store.prefix)  # fmt: skip
        n_shards = self._shards(X, told)
        vocabulary = self._vocabulary(n_shards, told)
        sizes = self._encoded(n_shards, vocabulary, told)
        setup = Setup(
            prefix=self._store.prefix, parameters=self.parameters, workers=self.workers,
            ranges=self._cut(len(vocabulary)),
        )  # fmt: skip
        state = self._last() or self._first(setup, vocabulary, sizes)
        while state.epoch < self.parameters.epochs:
            state = self._round(setup, state, sizes)
            told("train", state.seen, state.total)
        self.last_ = state
        base = self._store.base(state.number, state.base, setup.ranges)
        none = np.zeros((0, self.parameters.width), np.float32)
        tables = Tables(np.array(base["inputs"]), np.array(base["outputs"]), none)
        self.model._loss = state.loss
        return self.model._take(self.parameters, vocabulary, tables, None)

    def _shards(self, texts: Iterable[str | bytes], told: Told) -> int:
        if not self._store.has("text"):
            n, words = 0, 0
            documents = (corpus.sentences(text) for text in corpus.checked(texts))
            for shard, size in corpus.shards(documents, self.parameters.shard_words):
                data = zlib.compress(corpus.written(shard), 1)
                self._store.blobs.put(self._store.key(f"text/{n:06}"), data)
                n, words = n + 1, words + size
                told("read", words, 0)
            self._store.once("text", str(n).encode())
        return int(self._store.get("text"))

    def _vocabulary(self, n_shards: int, told: Told) -> Vocabulary:
        if not self._store.has("vocabulary"):
            setup = Setup(
                prefix=self._store.prefix, parameters=self.parameters, workers=self.workers
            )
            self._all(
                setup, [Task(kind="count", number=n) for n in range(n_shards)], "counted", told
            )
            where, n = "counts", n_shards
            while n > _MERGED:
                groups = [tuple(range(i, min(i + _MERGED, n))) for i in range(0, n, _MERGED)]
                tasks = [Task(kind="merge", number=i, shards=g, base=where) for i, g in enumerate(groups)]  # fmt: skip
                self._all(setup, tasks, "merged", told)
                where, n = f"{where}-merged", len(groups)
            merged = VocabularyCounter(max(self.parameters.max_words, 1000))
            for number in range(n):
                merged.merge(VocabularyCounter.load(self._store.get(f"{where}/{number:06}")))
            made = merged.vocabulary(self.parameters.min_count, self.parameters.max_words)
            self._store.once("vocabulary", columns.dump(made.arrays(), {}))
        return self._store.vocabulary()

    def _encoded(self, n_shards: int, vocabulary: Vocabulary, told: Told) -> list[int]:
        if not self._store.has("sizes"):
            setup = Setup(
                prefix=self._store.prefix, parameters=self.parameters, workers=self.workers
            )
            tasks = [Task(kind="encode", number=n) for n in range(n_shards)]
            ends = self._all(setup, tasks, "encoded", told)
            sizes = [ends[n].words for n in range(n_shards)]
            self._store.once("sizes", msgspec.json.encode(sizes))
        return msgspec.json.decode(self._store.get("sizes"), type=list[int])

    def _cut(self, n: int) -> tuple[tuple[int, int], ...]:
        """Ranges of rows; the last of them has the n-grams as well."""
        ends = [n * i // self._ranges for i in range(self._ranges + 1)]
        if self.parameters.max_n:
            ends[-1] = n + self.parameters.buckets
        return tuple(pairwise(ends))

    def _first(self, setup: Setup, vocabulary: Vocabulary, sizes: list[int]) -> Round:
        tables = Tables.fresh(self.parameters, len(vocabulary))
        digests = []
        for low, high in setup.ranges:
            arrays = {"inputs": tables.inputs[low:high], "outputs": tables.outputs[low:high]}
            data = columns.dump(arrays, {})
            digests.append(hashlib.sha256(data).hexdigest())
            self._store.once(f"ranges/{digests[-1]}", data)
        state = Round(
            number=0, base=self._store.put_base(digests), epoch=0, left=tuple(range(len(sizes))), seen=0,
            total=sum(sizes) * self.parameters.epochs,
        )  # fmt: skip
        self._store.once("rounds/000000", msgspec.json.encode(state))
        return state

    def _last(self) -> Round | None:
        keys = list(self._store.blobs.list(self._store.key("rounds/")))
        return msgspec.json.decode(self._store.blobs.get(keys[-1]), type=Round) if keys else None

    def _round(self, setup: Setup, state: Round, sizes: list[int]) -> Round:
        """Local training of the next shards, and one base made of all."""
        a_round = self.workers * self._shards_a_task
        chosen, left = state.left[:a_round], state.left[a_round:]
        # Averages of N are N times as sure and go no further than one: the square root is the rule for
        # batches (Krizhevsky 2014, arXiv:1404.5997), and without it eight workers lose a fifth.
        # Neighbours in the text go to different workers, so that each has of all.
        groups = [
            chosen[i :: self.workers] for i in range(self.workers) if chosen[i :: self.workers]
        ]
        exact = len(groups) == 1
        tasks = [
            Task(
                kind="train", number=n, shards=group, round=state.number, base=state.base, epoch=state.epoch,
                seen=state.seen, total=state.total, exact=exact,
                faster=min(math.sqrt(len(groups)), _FASTEST),
            )
            for n, group in enumerate(groups)
        ]  # fmt: skip
        ends = self._some(setup, tasks)
        missing = tuple(s for t in tasks if t.number not in ends for s in t.shards)
        numbers = tuple(sorted(ends))
        combined = self._all(
            setup,
            [
                Task(
                    kind="combine", number=i, round=state.number, base=state.base, low=low, high=high, deltas=numbers,
                    how=self._how,
                )
                for i, (low, high) in enumerate(setup.ranges)
            ],
        )  # fmt: skip
        base = self._store.put_base([combined[i].digest for i in range(len(setup.ranges))])
        left += missing
        pairs = sum(e.pairs for e in ends.values())
        new = Round(
            number=state.number + 1, base=base, epoch=state.epoch + (not left),
            left=left or tuple(range(len(sizes))), seen=state.seen + sum(e.words for e in ends.values()),
            total=state.total, loss=sum(e.loss for e in ends.values()) / max(pairs, 1),
            tasks=state.tasks + len(ends),
            cpu_s=state.cpu_s + sum(e.cpu_s for e in [*ends.values(), *combined.values()]),
            apart_s=state.apart_s + sum(e.apart_s for e in [*ends.values(), *combined.values()]),
        )  # fmt: skip
        self._store.once(f"rounds/{new.number:06}", msgspec.json.encode(new))
        self._sweep(state, new)
        # Another coordinator may have committed first: what is in the store is what counts.
        return msgspec.json.decode(self._store.get(f"rounds/{new.number:06}"), type=Round)

    def _sweep(self, state: Round, new: Round) -> None:
        """Deltas are done with, and all bases but the last ones."""
        blobs, key = self._store.blobs, self._store.key
        blobs.delete_prefix(key(f"deltas/{state.number:06}-"))
        old = new.number - _ROUNDS_KEPT
        if old < 0:
            return
        kept: set[str] = set()
        for number in range(old + 1, new.number + 1):
            round_ = msgspec.json.decode(self._store.get(f"rounds/{number:06}"), type=Round)
            kept |= {round_.base, *msgspec.json.decode(self._store.get(f"base/{round_.base}"), type=list[str])}  # fmt: skip
        gone = msgspec.json.decode(self._store.get(f"rounds/{old:06}"), type=Round)
        try:
            names = msgspec.json.decode(self._store.get(f"base/{gone.base}"), type=list[str])
        except NotFound:
            return
        for name in (*(f"ranges/{n}" for n in names if n not in kept), f"base/{gone.base}"):
            if name.partition("/")[2] not in kept:
                blobs.delete(key(name))

    def _all(
        self, setup: Setup, tasks: Sequence[Task], stage: str = "", told: Told = _silent
    ) -> dict[int, Answer]:
        """Raises: Unavailable: a task could not be done in five attempts."""
        ends = self._some(setup, tasks, stage, told)
        if len(ends) < len(tasks):
            raise Unavailable(
                "workers did not do their part, though asked five times: call it again"
            )
        return ends

    def _some(
        self, setup: Setup, tasks: Sequence[Task], stage: str = "", told: Told = _silent
    ) -> dict[int, Answer]:
        """Answers by task; those that failed each time are left out, unless that is all of them."""
        ends: dict[int, Answer] = {}
        error: Error | None = None
        for _ in range(_ATTEMPTS):
            waiting = [t for t in tasks if t.number not in ends]
            if not waiting:
                break
            run: Generator[Any] = self._pool.run(
                Recipe.of(worker, setup), [Item(t) for t in waiting]
            )
            with closing(run):
                for end in run:
                    task: Task = end.item.value
                    if isinstance(end, Done):
                        ends[task.number] = end.result
                        told(stage, len(ends), len(tasks))
                        continue
                    error = getattr(end, "error", None)
                    _log.warning("embeddings.task_lost", kind=task.kind, number=task.number, why=str(error or getattr(end, "reason", "")))  # fmt: skip
        if tasks and not ends:
            raise error or Unavailable("no worker came back: call it again")
        return ends
