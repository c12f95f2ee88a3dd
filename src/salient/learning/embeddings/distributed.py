"""Training by many workers: shards in a blob store, rounds of local training, deltas combined by row.

What is in the store, under a prefix of the run (all of it written once, under a name that says what it
follows from):

    parameters                     what is trained, and how: other parameters are a Conflict
    text/N, text                   shards of the text; `text` is there when all are
    counts/N                       words of a shard; merged to `vocabulary`
    numbers/V/N                    a shard as numbers of the vocabulary V
    ranges/B/L                     tables of the base B, by range of rows L
    deltas/R-B/T                   what task T of round R changed from the base B
    rounds/R                       what round R begins with: its base, what is trained; the commit

A worker that dies leaves nothing, or a whole delta that the next one finds; a duplicate finds the delta
and does nothing. The shards of a task that gave none are trained on in a later round; should its delta come
late, but before that, it is combined with those of that round at half its weight, since it is of a base that
is a round older (Zhang et al. 2016, arXiv:1511.05950), and its shards are done. One that comes later still
changes nothing: its name is of a base that nobody asks for.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from salient import log
from salient.errors import Conflict, Error, InvalidInput, NotFound, Unavailable, Unsupported
from salient.learning.embeddings import combining, corpus
from salient.learning.embeddings.combining import Delta, Pull
from salient.learning.embeddings.corpus import Told
from salient.learning.embeddings.curvature import Uses
from salient.learning.embeddings.model import WordVectors, _silent
from salient.learning.embeddings.training import Parameters, Tables, Trainer, check_finite, n_words
from salient.learning.embeddings.vocabulary import Vocabulary, VocabularyCounter
from salient.model import columns
from salient.storage.blob import Blobs
from salient.work import Done, Handler, Item, Place, Pool, Recipe, handler

_log = log.get(__name__)

TABLES = ("inputs", "outputs")
_ATTEMPTS = 5
_LONGEST = 8  # times a first round's length
_MERGED = 16  # counts a task takes together
_ROUNDS_KEPT = 2


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is asked for: `kind` says which of the fields count."""

    kind: str
    number: int = 0
    shards: tuple[int, ...] = ()
    round: int = 0
    base: str = ""
    next: str = ""
    """What the base is called that is combined."""
    epoch: int = 0
    seen: int = 0
    total: int = 0
    exact: bool = False
    words: int = 0
    """How many each worker of a round trained on, about."""
    how: str = "combined"
    low: int = 0
    high: int = 0
    deltas: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What it answers."""

    words: int = 0
    loss: float = 0.0
    pairs: int = 0
    cpu_s: float = 0.0
    apart_s: float = 0.0
    """Of `cpu_s`, what was not training: reading the base, writing the delta."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What all tasks of a run share."""

    prefix: str
    parameters: Parameters
    workers: int
    ranges: tuple[tuple[int, int], ...] = ()


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A task that gave nothing in its round: where its delta would be, and of which shards."""

    delta: str
    shards: tuple[int, ...]
    round: int


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
    late: int = 0
    """Deltas that came after their round and were counted."""
    missing: tuple[Missing, ...] = ()
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
        self._trainer: tuple[Vocabulary, Trainer, Uses] | None = None
        self._updates: dict[str, NDArray[np.float64]] | None = None
        self._tables: Tables | None = None

    def __call__(self, task: Any) -> Answer:
        task = msgspec.convert(task, Task) if isinstance(task, dict) else task
        began = time.thread_time()
        made: Answer = getattr(self, f"_{task.kind}")(task)
        return msgspec.structs.replace(made, cpu_s=time.thread_time() - began)

    def close(self) -> None:
        """Stores are the place's."""

    def _known(self) -> tuple[Vocabulary, Trainer, Uses]:
        if self._trainer is None:
            vocabulary = self._store.vocabulary()
            trainer = Trainer(self._setup.parameters, vocabulary)
            uses = Uses(self._setup.parameters, vocabulary, trainer)
            self._trainer = vocabulary, trainer, uses
        return self._trainer

    def _read(self, base: str) -> tuple[list[dict[str, NDArray[Any]]], Tables]:
        """A base by range, as it lies in the store, and its tables to be trained.

        These are in memory that is kept from round to round: to ask for it anew takes longer than to fill it.
        """
        if self._tables is None:
            p, (_, n) = self._setup.parameters, self._setup.ranges[-1]
            sizes = [(n, p.width), (len(self._known()[0]), p.width), (0, p.width)]
            self._tables = Tables(*(np.empty(s, np.float32) for s in sizes))
        parts = [self._store.range(base, number) for number in range(len(self._setup.ranges))]
        for (low, _), part in zip(self._setup.ranges, parts, strict=True):
            for name, rows in part.items():
                np.copyto(getattr(self._tables, name)[low : low + len(rows)], rows)
        return parts, self._tables

    def _steps(self, task: Task) -> dict[str, NDArray[np.float32]]:
        """The learning rate summed over a worker's updates of each row."""
        _, trainer, uses = self._known()
        if self._updates is None:
            self._updates = uses.updates()
        rates = trainer.rates(task.seen, task.words * len(task.deltas), task.total)
        steps = sum(rates) / 2 * task.words
        return {name: (n * steps).astype(np.float32) for name, n in self._updates.items()}

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
        vocabulary = self._known()[0]
        numbers = corpus.encoded(self._store.text(task.number), vocabulary)
        self._store.once(_numbers(vocabulary, task.number), numbers.astype("<i4").tobytes())
        return Answer(words=n_words(numbers))

    def _train(self, task: Task) -> Answer:
        key = _delta(task)
        if self._store.has(key):
            header = columns.load(self._store.view(key))[0]
            return Answer(
                words=int(header["words"]), loss=float(header["loss"]), pairs=int(header["pairs"])
            )
        began = time.thread_time()
        vocabulary, trainer, uses = self._known()
        parts, tables = self._read(task.base)
        read_s = time.thread_time() - began
        words, loss, pairs, seen = 0, 0.0, 0, task.seen
        for shard in task.shards:
            numbers = self._store.numbers(vocabulary, shard)
            size = n_words(numbers)
            # Others read meanwhile as much: the rate goes down by what all have read.
            rates = trainer.rates(
                seen, size * (1 if task.exact else self._setup.workers), task.total
            )
            done = trainer.train(tables, numbers, rates, (task.epoch, shard))
            words, loss, pairs = words + size, loss + done[1], pairs + done[2]
            seen += size * (1 if task.exact else self._setup.workers)
        began = time.thread_time()
        deltas = {
            _part(name, number): Delta.between(
                rows, getattr(tables, name)[low : low + len(rows)], exact=task.exact
            )
            for number, ((low, _), part) in enumerate(zip(self._setup.ranges, parts, strict=True))
            for name, rows in part.items()
        }
        check_finite(*(d.values if d.scales is None else d.scales for d in deltas.values()))
        header = {"words": words, "loss": loss, "pairs": pairs}
        more = {}
        if not task.exact:
            more = {f"{name}.spread": value for name, value in uses.spreads(tables).items()}
        self._store.once(key, combining.stream(deltas, header, more))
        apart = read_s + time.thread_time() - began
        return Answer(words=words, loss=loss, pairs=pairs, apart_s=apart)

    def _combine(self, task: Task) -> Answer:
        """A range of the next base, whose name says what it is made of."""
        began = time.thread_time()
        name = _range(task.next, task.number)
        if not self._store.has(name):
            base = self._store.range(task.base, task.number)
            parts: dict[str, list[Delta]] = {name: [] for name in TABLES}
            found: dict[str, list[NDArray[Any]]] = {name: [] for name in TABLES}
            for key, weight in zip(task.deltas, task.weights, strict=True):
                deltas, arrays = combining.load(
                    self._store.view(key), [_part(t, task.number) for t in TABLES]
                )[1:]
                for table in TABLES:
                    parts[table].append(replace(deltas[_part(table, task.number)], weight=weight))
                    spread = arrays.get(f"{table}.spread")
                    if spread is not None and np.isfinite(spread).all():
                        found[table].append(spread)
            steps = self._steps(task) if len(task.deltas) > 1 else {}
            made = {}
            for table in TABLES:
                pull = None
                if steps and found[table]:
                    spread = np.mean(found[table], axis=0)
                    high = task.low + len(base[table])
                    dimensions = self._setup.parameters.dimensions
                    pull = Pull(steps[table][task.low : high], spread, dimensions)
                made[table] = combining.combine(base[table], parts[table], task.how, pull)
            self._store.once(name, columns.stream(made, {}))
        return Answer(apart_s=time.thread_time() - began)


def _named(before: str, what: Any) -> str:
    """A name for what follows from both."""
    return hashlib.sha256(msgspec.json.encode([before, what])).hexdigest()


def _numbers(vocabulary: Vocabulary, shard: int) -> str:
    return f"numbers/{vocabulary.digest[:16]}/{shard:06}"


def _delta(task: Task) -> str:
    return f"deltas/{task.round:06}-{task.base[:16]}/{task.number:06}"


def _part(table: str, number: int) -> str:
    """A range of a table in a delta."""
    return f"{table}.{number}"


def _range(base: str, number: int) -> str:
    return f"ranges/{base}/{number:06}"


@dataclass(frozen=True, slots=True)
class _Store:
    """A run's blobs."""

    blobs: Blobs
    prefix: str

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def once(self, name: str, data: bytes | BinaryIO) -> None:
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

    def range(self, base: str, number: int) -> dict[str, NDArray[Any]]:
        return columns.load(self.view(_range(base, number)))[1]

    def base(self, base: str, n_ranges: int) -> dict[str, NDArray[np.float32]]:
        """All tables of a base: one range is mapped, several are put together."""
        parts = [self.range(base, i) for i in range(n_ranges)]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([p[name] for p in parts]) for name in TABLES}


class DistributedTraining:
    """Trains a `WordVectors` on the workers of a pool.

    - With one worker the result is that of `WordVectors.fit` on one thread, bit for bit.
    - A run that was stopped goes on from its last round when it is called again with the same prefix.
    - Workers may come and go, die, or do a task twice: each shard counts once an epoch; what is missing is made
      up for in a later round, by its own delta if that comes before its shards are asked for again.
    - Vocabulary, shards and tables are in the blob store; the coordinator holds the vocabulary.
    """

    def __init__(
        self, model: WordVectors, pool: Pool, place: Place, *, prefix: str, workers: int | None = None,
        shards_a_task: int = 1, ranges: int | None = None, how: str = "combined",
    ) -> None:  # fmt: skip
        """Say what to train where.

        Args:
            prefix: of the run's blobs.
            workers: how many tasks a round has; the pool's slots by default.
            shards_a_task: of `shard_words` words each, at first; more as the rate falls. More between rounds costs
                less and learns worse.
            ranges: reducers: how many parts the tables are combined in; as many as workers by default.
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
        if (
            min(self.workers, shards_a_task, 1 if ranges is None else ranges) < 1
            or how not in combining.HOW
        ):
            raise InvalidInput("workers, shards_a_task and ranges are 1 and more")
        self._pool, self._store = pool, _Store(place.blobs, prefix)
        self._shards_a_task, self._how = shards_a_task, how
        self._ranges = self.workers if ranges is None else ranges
        self._away_s = 0.0
        self.path_s, self.path_apart_s = 0.0, 0.0

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
        vocabulary, sizes = self.prepare(X, told=told)
        setup = Setup(
            prefix=self._store.prefix, parameters=self.parameters, workers=self.workers,
            ranges=self._cut(len(vocabulary)),
        )  # fmt: skip
        state = self._last() or self._first(setup, vocabulary, sizes)
        while state.epoch < self.parameters.epochs:
            state = self._round(setup, state, sizes)
            told("train", state.seen, state.total)
        self.last_ = state
        self._sweep(state)
        self._store.blobs.delete_prefix(self._store.key("deltas/"))
        base = self._store.base(state.base, len(setup.ranges))
        none = np.zeros((0, self.parameters.width), np.float32)
        tables = Tables(np.array(base["inputs"]), np.array(base["outputs"]), none)
        self.model._loss = state.loss
        return self.model._take(self.parameters, vocabulary, tables, None)

    def prepare(
        self,
        texts: Iterable[str | bytes],
        *,
        told: Told = _silent,
    ) -> tuple[Vocabulary, list[int]]:
        """Cut the text in shards, count it and number it, as `fit` does first; the words of each shard."""
        n_shards = self._shards(texts, told)
        vocabulary = self._vocabulary(n_shards, told)
        return vocabulary, self._encoded(n_shards, vocabulary, told)

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
        base = _named(vocabulary.digest, self.parameters)
        for number, (low, high) in enumerate(setup.ranges):
            arrays = {"inputs": tables.inputs[low:high], "outputs": tables.outputs[low:high]}
            self._store.once(_range(base, number), columns.stream(arrays, {}))
        state = Round(
            number=0, base=base, epoch=0, left=tuple(range(len(sizes))), seen=0,
            total=sum(sizes) * self.parameters.epochs,
        )  # fmt: skip
        self._store.once("rounds/000000", msgspec.json.encode(state))
        return state

    def _last(self) -> Round | None:
        keys = list(self._store.blobs.list(self._store.key("rounds/")))
        return msgspec.json.decode(self._store.blobs.get(keys[-1]), type=Round) if keys else None

    def _round(self, setup: Setup, state: Round, sizes: list[int]) -> Round:
        """Local training of the next shards, and one base made of all."""
        began, self._away_s = time.thread_time(), 0.0
        late, left = self._late(state)
        a_round = self.workers * self._a_task(state)
        chosen, left = left[:a_round], left[a_round:]
        # Neighbours in the text go to different workers, so that each has of all.
        groups = [
            chosen[i :: self.workers] for i in range(self.workers) if chosen[i :: self.workers]
        ]
        words = sum(sizes[s] for s in (*chosen, *(s for m in late for s in m.shards)))
        at = Task(
            kind="train", round=state.number, base=state.base, epoch=state.epoch, seen=state.seen, total=state.total,
            exact=len(groups) == 1, how=self._how,
        )  # fmt: skip
        tasks = [
            msgspec.structs.replace(at, number=n, shards=group) for n, group in enumerate(groups)
        ]
        # While others work.
        with ThreadPoolExecutor(1) as aside:
            swept = aside.submit(self._sweep, state)
            ends = self._some(setup, tasks)
            swept.result()
        missing = [
            Missing(delta=_delta(t), shards=t.shards, round=state.number)
            for t in tasks
            if t.number not in ends
        ]
        deltas = [(_delta(t), 1.0) for t in tasks if t.number in ends]
        deltas += [(m.delta, 1 / (1 + state.number - m.round)) for m in late]
        keys, weights = (tuple(v) for v in zip(*sorted(deltas), strict=True))
        base = _named(state.base, [keys, weights, self._how])
        combined = self._all(
            setup,
            [
                msgspec.structs.replace(
                    at, kind="combine", number=i, next=base, low=low, high=high, deltas=keys, weights=weights,
                    words=words // len(keys),
                )
                for i, (low, high) in enumerate(setup.ranges)
            ],
        )  # fmt: skip
        left += tuple(s for m in missing for s in m.shards)
        missing += [m for m in state.missing if m not in late and not set(m.shards) & set(chosen)]
        pairs = sum(e.pairs for e in ends.values())
        done = sum(e.words for e in ends.values()) + sum(sizes[s] for m in late for s in m.shards)
        slowest = max(ends.values(), key=lambda e: e.cpu_s, default=Answer())
        reduced = max(e.cpu_s for e in combined.values())
        new = Round(
            number=state.number + 1, base=base, epoch=state.epoch + (not left),
            left=left or tuple(range(len(sizes))), seen=state.seen + done, total=state.total,
            loss=sum(e.loss for e in ends.values()) / pairs if pairs else state.loss,
            tasks=state.tasks + len(ends), late=state.late + len(late),
            missing=tuple(missing),
            cpu_s=state.cpu_s + sum(e.cpu_s for e in [*ends.values(), *combined.values()]),
            apart_s=state.apart_s + sum(e.apart_s for e in [*ends.values(), *combined.values()]),
        )  # fmt: skip
        self._store.once(f"rounds/{new.number:06}", msgspec.json.encode(new))
        own = time.thread_time() - began - self._away_s + reduced
        self.path_s += slowest.cpu_s + own
        self.path_apart_s += slowest.apart_s + own
        # Another coordinator may have committed first: what is in the store is what counts.
        return msgspec.json.decode(self._store.get(f"rounds/{new.number:06}"), type=Round)

    def _a_task(self, state: Round) -> int:
        """Shards of a task: more as the rate falls, so that tables move as far in each round."""
        left = 1 - state.seen / max(state.total, 1)
        return min(int(self._shards_a_task / max(left, 1e-9)), _LONGEST * self._shards_a_task)

    def _late(self, state: Round) -> tuple[list[Missing], tuple[int, ...]]:
        """Deltas that came after their round while their shards still waited, and the shards without those."""
        late: list[Missing] = []
        left = list(state.left)
        for missing in state.missing:
            waiting = all(shard in left for shard in missing.shards)
            if waiting and self._store.has(missing.delta):
                late.append(missing)
                left = [shard for shard in left if shard not in missing.shards]
        return late, tuple(left)

    def _sweep(self, last: Round) -> None:
        """Deltas and bases that nobody can ask for any more are done with."""
        old = last.number - _ROUNDS_KEPT
        if old < 0:
            return
        try:
            gone = msgspec.json.decode(self._store.get(f"rounds/{old:06}"), type=Round)
        except NotFound:
            return
        blobs, key = self._store.blobs, self._store.key
        blobs.delete_prefix(key(f"ranges/{gone.base}/"))
        if not any(m.round == old for m in last.missing):
            blobs.delete_prefix(key(f"deltas/{old:06}-"))

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
            began = time.thread_time()
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
            self._away_s += time.thread_time() - began
        if tasks and not ends:
            raise error or Unavailable("no worker came back: call it again")
        return ends
