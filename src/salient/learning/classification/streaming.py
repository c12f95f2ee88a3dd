"""One pass over a stream that may break off: what was learnt from is known by its digest, and passed over next time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from salient.errors import Conflict
from salient.learning.batching import batches
from salient.learning.checkpoints import Checkpoints
from salient.learning.classification.features import HashedTexts, digested

if TYPE_CHECKING:
    from salient.learning.classification.model import TextClassifier


class Passing:
    """A pass of `fit_stream`, with or without checkpoints."""

    def __init__(self, checkpoints: Checkpoints | None, training: str) -> None:
        self._checkpoints, self._training = checkpoints, training
        self._digest = hashlib.blake2b(digest_size=16)
        self._n = self._known = 0  # batches, and those that were learnt from before
        self._wanted = ""

    def begun(self, model: TextClassifier, classes: Sequence[Any]) -> None:
        """Give the model what it had learnt when the pass was broken off."""
        kept = None if self._checkpoints is None else self._checkpoints.loaded(self._training)
        if kept is not None:
            arrays, about = kept
            model._go_on(classes, arrays, about["n_texts"])
            self._known, self._wanted = about["batches"], about["texts"]

    def watched(
        self, stream: Iterable[tuple[Any, Sequence[Any]]], model: TextClassifier
    ) -> Iterator[tuple[Any, Sequence[Any]]]:
        """Batches that were not learnt from yet; the model must have learnt from each before it asks for the next."""
        batches_ = iter(stream)
        while True:
            try:
                texts, y = next(batches_)
            except StopIteration:
                break
            except BaseException:
                if self._n > self._known:
                    self._keep(model)
                raise
            if self._checkpoints is None:
                yield texts, y
                continue
            if not hasattr(texts, "__len__"):
                texts = list(texts)
            self._add(texts, y)
            if self._n > self._known:
                yield texts, y
                if self._checkpoints.due():
                    self._keep(model)
            elif self._n == self._known and self._digest.hexdigest() != self._wanted:
                raise _other()
        if self._n < self._known:
            raise _other()

    def _add(self, texts: Any, y: Sequence[Any]) -> None:
        if isinstance(texts, HashedTexts):
            for array in (texts.begins, texts.columns, texts.counts):
                self._digest.update(array.tobytes())
        else:
            for part in batches(texts):
                self._digest.update(digested(part))
        self._digest.update(json.dumps(list(y), default=str).encode())
        self._n += 1

    def _keep(self, model: TextClassifier) -> None:
        if self._checkpoints is not None:
            arrays, n_texts = model._gone_so_far()
            about = {"phase": "stream", "n_texts": n_texts, "batches": self._n, "texts": self._digest.hexdigest()}  # fmt: skip
            self._checkpoints.keep(self._training, arrays, about)


def _other() -> Conflict:
    return Conflict(
        "the stream is not the one that was broken off: its first texts are others; clear what was kept"
    )
